#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# An unmodified QEMU's Linux guest that lives on PIT ticks is stalled four times for half a second.
# With the stock PIT it loses that time where ticks come through the PIC; with the module it loses
# less than 0.05 s, and QEMU's word "discard" still discards.

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

plan 7
check "stock PIT, PIC: all of the time is lost" loses 1.9 2.1
check "module loads" insmod $ko
check "module, PIC, delay" loses -0.05 0.05 delay
check "module, IOAPIC, delay" loses -0.05 0.05 delay nolapic_timer
check "module, PIC, discard: all of the time is lost" loses 1.9 2.1 discard
rmmod kvm-i8254
check "module loads with reinject=slew" insmod $ko reinject=slew
check "module, PIC, reinject=slew" loses -0.05 0.05 delay
