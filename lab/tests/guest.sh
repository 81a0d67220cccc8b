#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# An unmodified QEMU's Linux guest that lives on PIT ticks is stopped now and then. With the stock PIT
# it loses that time where ticks come through the PIC; with the module it keeps its clock to within a
# tick, wherever it is stopped, and QEMU's word "discard" still discards.

. ./tap.sh

ko=/lib/modules/kvm-i8254.ko

# loses FROM TO [POLICY]: the guest of the last run lost between FROM and TO seconds (under POLICY,
# where that was one of several).
loses() {
	awk -v from="$1" -v to="$2" -v policy="${3-}" '
		$1 == "replay" { under = $2 }
		under != policy { next }
		{ print }
		$1 == "in_handler" && $2 < 3 { outside = 1 }
		$1 == "lost_s" { found = 1; good = $2 >= from && $2 <= to }
		END { exit !(found && good && !outside) }' /tmp/stall
}

# result GUEST PIT POLICY [REPLAY]: print what it lost, for lab/guests-table.
result() {
	awk -v policy="${4-}" -v what="$1|$2|$3" '
		$1 == "replay" { under = $2 }
		under == policy && $1 == "lost_s" { print "# result|" what "|" $2 }' /tmp/stall
}

# run [guest/stall arguments]
run() { guest/stall "$@" >/tmp/stall || { cat /tmp/stall; return 1; }; }

plan 11
check "a guest lives on the stock PIT, through the PIC" run
check "and loses all of the time" loses 1.9 2.1
result "Linux, XT-PIC" stock delay
check "the module loads" insmod $ko

# Linux masks IRQ0 at the PIC while it handles it, also when it acknowledges it and gets the next.
check "a guest is stopped, anywhere and in its handler, through the PIC" \
	run delay "" "delay slew" " masked backlog\|kvm_pit_ack\|tick=owed result=masked"
check "and keeps its clock to within a tick under delay" loses -0.004 0.004 delay
check "and under slew" loses -0.004 0.004 slew
result "Linux, XT-PIC" kvm-i8254 delay delay
# At the IOAPIC it acknowledges first, and so has the next tick before it handles this one.
check "one is, through the IOAPIC" run delay nolapic_timer "delay slew" "result=raised"
check "and keeps its clock to within a tick under delay" loses -0.004 0.004 delay
check "and under slew" loses -0.004 0.004 slew
result "Linux, IO-APIC-edge" kvm-i8254 delay delay
result "Linux, IO-APIC-edge" kvm-i8254 slew slew

check "a guest is stopped whose QEMU was told discard" run discard
check "and loses all of the time" loses 1.9 2.1
result "Linux, XT-PIC" kvm-i8254 discard
