#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# An unmodified QEMU's Linux guest that lives on PIT ticks is stopped now and then. With the stock PIT
# it loses that time where ticks come through the PIC; with the module it keeps its clock to within a
# tick, and QEMU's word "discard" still discards.

. ./tap.sh

ko=/lib/modules/kvm-i8254.ko

# loses FROM TO [POLICY]: the guest of the last run lost between FROM and TO seconds (under POLICY,
# where that was one of several).
loses() {
	awk -v from="$1" -v to="$2" -v policy="${3-}" '
		$1 == "replay" { under = $2 }
		under != policy { next }
		{ print }
		$1 == "lost_s" { found = 1; good = $2 >= from && $2 <= to }
		END { exit !(found && good) }' /tmp/stall
}

run() { guest/stall "$@" >/tmp/stall || { cat /tmp/stall; return 1; }; }

plan 11
check "a guest lives on the stock PIT, through the PIC" run
check "and loses all of the time" loses 1.9 2.1
check "the module loads" insmod $ko

# Linux masks and unmasks IRQ0 at the PIC in every tick, and at the IOAPIC in none.
check "a guest is stopped, through the PIC" run delay "" "delay slew"
check "and keeps its clock to within a tick under delay" loses -0.004 0.004 delay
check "and under slew" loses -0.004 0.004 slew
check "one is, through the IOAPIC" run delay nolapic_timer "delay slew"
check "and keeps its clock to within a tick under delay" loses -0.004 0.004 delay
check "and under slew" loses -0.004 0.004 slew

check "a guest is stopped whose QEMU was told discard" run discard
check "and loses all of the time" loses 1.9 2.1
