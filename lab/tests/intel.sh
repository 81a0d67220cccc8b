#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Several tests in one boot, for an emulator in which a boot takes long. Each argument is a test's name
# with its own arguments. The scripts load the module themselves; for a selftest it is loaded. What a
# test prints stands between "# begin NAME" and "# end NAME STATUS SECONDS", so that each is counted by
# itself: see check_intel in lab/check.

loaded() { grep -q ^kvm_i8254 /proc/modules; }

# A VM may outlive its process by a moment.
unload() {
	i=0
	while loaded && ! rmmod kvm-i8254 2>/dev/null; do
		i=$((i + 1))
		[ $i -lt 50 ] || return
		usleep 100000
	done
}

now() { cut -d . -f 1 /proc/uptime; }

failed=0
for test; do
	name=${test%% *}
	name=${name%.sh}
	echo "# begin $name"
	began=$(now)
	case $test in
	*.sh*)	unload ;;
	*)	loaded || insmod /lib/modules/kvm-i8254.ko ;;
	esac && eval "./$test"
	status=$?
	[ $status = 0 ] || failed=1
	echo "# end $name $status $(($(now) - began))"
done
exit $failed
