# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# A Linux guest in Debian's own QEMU, in the lab; sourced. Needs lab/run --qemu --file lab/guest.

# boot_linux POLICY WORDS: QEMU is told POLICY, the kernel WORDS. Sets $qemu to QEMU's process, and
# $irq0 to what the guest's IRQ0 comes through. The guest runs guest/init: write lines to 3, read
# them from 4.
boot_linux() {
	mkdir -p /tmp/guest/bin
	cp /bin/busybox /tmp/guest/bin/
	cp "${0%/*}/init" /tmp/guest/
	(cd /tmp/guest && find . | cpio -o -H newc 2>/dev/null) >/tmp/guest.cpio

	rm -f /tmp/serial.*
	mkfifo /tmp/serial.in /tmp/serial.out
	exec 3<>/tmp/serial.in 4<>/tmp/serial.out
	# To boot in less time: all from acpi=off on.
	# shellcheck disable=SC2154 # guest_kernel is set by the lab
	qemu-system-x86_64 -accel kvm -machine pc -cpu host -m 256 \
		-nodefaults -no-user-config -display none -no-reboot -serial pipe:/tmp/serial \
		-global "kvm-pit.lost_tick_policy=$1" -kernel "$guest_kernel" -initrd /tmp/guest.cpio \
		-append "console=ttyS0 quiet panic=-1 $2 acpi=off cryptomgr.notests rodata=off" &
	qemu=$!
	trap 'kill -9 $qemu; wait' EXIT

	while read -r line <&4; do
		case $line in
		"up "*)	break ;;
		*)	echo "guest: $line" ;;
		esac
	done
	# shellcheck disable=SC2034 # for who sources this
	irq0=${line#up }
}

# Set $ns to CLOCK_MONOTONIC.
now() {
	while read -r w1 w2 ns _; do
		[ "$w1 $w2" != "now at" ] || return 0
	done </proc/timer_list
}

# Set $lab and $guest to a pair of times in us, the closest of a few: CLOCK_MONOTONIC, and what the
# guest has.
pair() {
	lab='' guest=''
	for _ in 1 2 3 4 5; do
		echo >&3
		read -r _ answer <&4
		now
		answer=$((answer / 1000)) ns=$((ns / 1000))
		[ -z "$lab" ] || [ $((ns - answer)) -lt $((lab - guest)) ] || continue
		lab=$ns guest=$answer
	done
}

ms() { usleep $(($1 * 1000)); }
