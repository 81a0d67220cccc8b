# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2034,SC2154,SC3045
#
# A Linux guest in the lab, and its clock; sourced, in the lab's directory. Needs lab/run --qemu --file
# lab/guest.

# noxsave: Linux 7.3 does not start where CPUID has another size of the XSAVE area than it computes, as that
# of QEMU 7.2's emulated CPU has in a guest's guest. To boot in less time: all from acpi=off on.
guest_cmdline="console=ttyS0 quiet panic=-1 noxsave acpi=off cryptomgr.notests rodata=off"
# A guest that counts PIT ticks, and has no other clock.
guest_counts="clocksource=jiffies nohz=off highres=off tsc=unstable no-kvmclock"

# What all QEMUs are told, and one that boots the guest.
guest_machine="-accel kvm -cpu host -m 256 -nodefaults -no-user-config -display none -no-reboot"
guest_machine="$guest_machine -serial pipe:/tmp/serial"
guest_boot="-kernel $guest_kernel -initrd /tmp/guest.cpio"

# Make what the guest boots, and the ends of its serial port.
guest_files() {
	mkdir -p /tmp/guest/bin
	cp /bin/busybox /tmp/guest/bin/
	cp guest/init /tmp/guest/
	(cd /tmp/guest && find . | cpio -o -H newc 2>/dev/null) >/tmp/guest.cpio

	rm -f /tmp/serial.*
	mkfifo /tmp/serial.in /tmp/serial.out
	exec 3<>/tmp/serial.in 4<>/tmp/serial.out
}

# Wait until the guest is up, and set $irq0 to what its IRQ0 comes through. It runs guest/init: write
# lines to 3, read them from 4.
guest_up() {
	while read -r line <&4; do
		case $line in
		"up "*)	break ;;
		*)	echo "guest: $line" ;;
		esac
	done
	irq0=${line#up }
}

# boot_linux POLICY WORDS: in Debian's own QEMU, which is told POLICY, the kernel WORDS. Sets $qemu to
# QEMU's process.
boot_linux() {
	guest_files
	# shellcheck disable=SC2086 # words
	qemu-system-x86_64 $guest_machine -machine pc -global "kvm-pit.lost_tick_policy=$1" \
		$guest_boot -append "$guest_cmdline $2" &
	qemu=$!
	trap 'kill -9 $qemu; wait' EXIT
	guest_up
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
		read -r -t 10 _ answer <&4 || { echo "the guest does not answer"; return; }
		now
		answer=$((answer / 1000)) ns=$((ns / 1000))
		[ -z "$lab" ] || [ $((ns - answer)) -lt $((lab - guest)) ] || continue
		lab=$ns guest=$answer
	done
}

ms() { usleep $(($1 * 1000)); }

# Print how much time the guest loses while a command runs, and some time to catch up. At 250 Hz
# Linux takes 4773 clocks of the PIT for 4 ms, which they are not quite.
losing() {
	stalled_ms=0
	pair
	lab0=$lab guest0=$guest
	"$@"
	ms 3000
	pair
	awk -v lab=$((lab - lab0)) -v guest=$((guest - guest0)) -v stalled=$stalled_ms 'BEGIN {
		guest = guest / 4000 * 4773 * 88000 / 105 / 1e9
		printf "stalled_s %.3f\nlab_s %.3f\nguest_s %.3f\nlost_s %.4f\n",
			stalled / 1000, lab / 1e6, guest, lab / 1e6 - guest }'
}
