#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Has KVM believe that the processor has AVIC, which QEMU does not emulate, and runs pit_apicv. No
# vCPU may run then.

rmmod kvm-amd && insmod /lib/modules/kvm-amd.ko avic=1 force_avic=1 &&
	insmod /lib/modules/kvm-i8254.ko || exit
exec ./pit_apicv
