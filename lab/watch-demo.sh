#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the lab: the transcripts of Documentation/watching.rst. A Linux guest that lives on PIT ticks
# runs in Debian's own QEMU, which is stopped now and then.
#
# usage: lab/run --no-load --qemu --program trace-cmd --file lab/guest --file tools/pitstat \
#		lab/watch-demo.sh

# Show a command, and what it says.
show() {
	echo "# $*"
	eval "$*" 2>&1
	echo
}

ms() { usleep $(($1 * 1000)); }

stall() {
	kill -STOP $qemu
	ms "$1"
	kill -CONT $qemu
}



PATH=$PATH:/lab
show pitstat
insmod /lib/modules/kvm-i8254.ko
show pitstat

mkdir -p /tmp/guest/bin
cp /bin/busybox /tmp/guest/bin/
cp guest/init /tmp/guest/
(cd /tmp/guest && find . | cpio -o -H newc 2>/dev/null) >/tmp/guest.cpio
# shellcheck disable=SC2154 # set by the lab
qemu-system-x86_64 -accel kvm -machine pc -cpu host -m 256 -nodefaults -no-user-config \
	-display none -serial null -kernel "$guest_kernel" -initrd /tmp/guest.cpio \
	-append "quiet nolapic noapic acpi=off clocksource=jiffies nohz=off highres=off tsc=unstable
		no-kvmclock cryptomgr.notests rodata=off" &
qemu=$!
until pit=$(echo /sys/kernel/debug/kvm/$qemu-*/pit) && [ -d "$pit" ]; do ms 10; done
# 250 ticks a second: it has booted.
until [ "$(cat "$pit/due")" -gt 5000 ]; do ms 100; done

show "pitstat"
kill -STOP $qemu
ms 500
echo "(stopped for half a second)"
show pitstat
kill -CONT $qemu
ms 500
echo "(and continued)"
show pitstat

show "cd /sys/kernel/debug/kvm/$qemu-*/pit"
show "echo slew > policy"
show "grep . *"
cd /lab || exit
(ms 300; stall 800) &
show pitstat 1 3
wait $!

ms 1000
echo delay >"$pit/policy"
cd /tmp || exit
# A tick due every 4 ms.
(until [ "$(cat /sys/kernel/tracing/events/kvm_pit/enable)" = 1 ]; do ms 10; done
ms 300; stall 18) &
show "trace-cmd record -q -e kvm_pit sleep 1 >/dev/null"
wait $!
show "trace-cmd report | grep -B 7 -A 23 \"ticks=1 backlog=3\""
