#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the lab: what a Linux guest loses with the stock PIT, and with the module. Prints guest/stall's
# lines behind the name of the configuration.

set -e
ko=/lib/modules/kvm-i8254.ko

stall() { guest/stall delay | sed "s/^/$1 /"; }

stall stock
insmod $ko
stall delay
rmmod kvm-i8254
insmod $ko reinject=slew
stall slew
