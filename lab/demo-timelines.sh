#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the lab: when a raw guest gets its ticks, under the stock PIT and under the module, while it
# is busy until 42 ms and until 205 ms. Prints lines: time BUSY POLICY MS, and for the module what
# debugfs counted: COUNTER BUSY POLICY NUMBER.

set -e
timeline() {
	./pit_timeline --policy "$2" --busy-until "$1" --span "$3" --print |
		awk -v busy="$1" -v policy="$2" '$1 ~ /^[a-z]+$/ && NF == 2 { print $1, busy, policy, $2 }'
}

both() {
	timeline 42 "$1" 110
	timeline 205 "$1" 430
}

for policy in stock-reinject stock-discard; do both $policy; done
insmod /lib/modules/kvm-i8254.ko
for policy in delay discard slew merge; do both $policy; done
