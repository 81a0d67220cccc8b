/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The library of the tests of KVM's in-kernel i8254. Each header has a file of its name in
 * lib/.
 *
 * Times are in ns of CLOCK_MONOTONIC unless a name says otherwise. A function whose name
 * begins with two underscores returns the error; the one without them ends the test.
 */
#ifndef SELFTEST_KVM_PIT_H
#define SELFTEST_KVM_PIT_H

#include "pit_guest.h"
#include "pit_host.h"
#include "pit_line.h"
#include "pit_vcpu.h"
#include "pit_vm.h"
#include "pit_watch.h"

#endif /* SELFTEST_KVM_PIT_H */
