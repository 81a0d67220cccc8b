#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# An unmodified QEMU's Linux guest that lives on PIT ticks is stopped now and then. With the stock PIT
# it loses that time where ticks come through the PIC; with the module it keeps its clock to within a
# tick, wherever it is stopped, and QEMU's word "discard" still discards.

. ./tap.sh

ko=/lib/modules/kvm-i8254.ko

# loses FROM TO [guest/stall arguments]: the guest loses between FROM and TO seconds.
loses() {
	from=$1 to=$2
	shift 2
	guest/stall "$@" >/tmp/stall || return
	cat /tmp/stall
	awk -v from="$from" -v to="$to" '
		$1 == "lost_s" { found = 1; good = $2 >= from && $2 <= to }
		END { exit !(found && good) }' /tmp/stall
}

# keeps_its_clock POLICY HANDLER [IRQS]: within one tick, which is 4 ms, and it was stopped in its
# handler.
keeps_its_clock() {
	loses -0.004 0.004 delay "${3-}" "$1" "$2" && grep -q "^in_handler 3" /tmp/stall
}

plan 7
check "stock PIT, PIC: all of the time is lost" loses 1.9 2.1
check "module loads" insmod $ko
for policy in delay slew; do
	# Linux masks IRQ0 while it handles it, also when it acknowledges it and gets the next.
	check "PIC, $policy, stopped anywhere and in the handler" \
		keeps_its_clock $policy " masked backlog\|kvm_pit_ack\|tick=owed result=masked"
	# There it acknowledges first, and so has the next tick before it handles this one.
	check "IOAPIC, $policy, stopped anywhere and in the handler" \
		keeps_its_clock $policy "result=raised" nolapic_timer
done
check "discard: all of the time is lost" loses 1.9 2.1 discard
