#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the lab: say what there is to try, and be a shell on ttyS1, which is a terminal of so many rows and
# columns, and of that type. usage: shell.sh ROWS COLUMNS TYPE

parameters() {
	for file in /sys/module/kvm_i8254/parameters/*; do
		echo "${file##*/}=$(cat "$file")"
	done
}

stty -F /dev/ttyS1 sane rows "$1" columns "$2"
exec </dev/ttyS1
if [ -e /sys/module/kvm_i8254 ]; then
	loaded="is loaded: $(parameters | tr '\n' ' ')"
else
	loaded="is not loaded"
fi
cat <<END

Linux $(uname -r), CPUs: $(nproc), yours to break. exit ends it, Ctrl-A and then x ends it at once.
kvm-i8254 $loaded

  ./pit_timeline --policy slew --busy-until 42 --print
                        when a guest that was busy gets its ticks; the other selftests are here as well
  guest/stall delay     how much time a Linux guest in QEMU loses that is stopped now and then
  pitstat 1             the VMs that have the module's PIT, until Ctrl-C
  trace-cmd record -q -e kvm_pit ./pit_timeline; trace-cmd report
                        the life of each tick
  rmmod kvm-i8254; insmod /lib/modules/kvm-i8254.ko reinject=slew
  dmesg                 what the kernel says

END
export TERM="$3" PATH="$PATH:/lab" PS1='lab:\w# '
exec setsid -c sh
