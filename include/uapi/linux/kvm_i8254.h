/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Lost-tick policies of KVM's in-kernel i8254: what userspace needs beside
 * <linux/kvm.h>.
 */
#ifndef _UAPI_LINUX_KVM_I8254_H
#define _UAPI_LINUX_KVM_I8254_H

#include <linux/types.h>

/*
 * KVM_CHECK_EXTENSION, on /dev/kvm and on a VM: a mask of the policies,
 * 1 << KVM_PIT_TICK_x; 0 where the kernel does not know them.
 *
 * KVM_ENABLE_CAP on a VM that has an in-kernel PIT, at any time:
 *	args[0]	policy, KVM_PIT_TICK_x
 *	args[1]	flags, KVM_PIT_TICK_KEEP_STATE or 0
 *	args[2]	slew rate, percent above the nominal frequency, 1..900;
 *		0: the default of 100; must be 0 for other policies
 *	args[3]	backlog limit, ticks; 0: none; must be 0 for discard and merge
 *
 * The number is private, far from those that upstream hands out.
 */
#define KVM_CAP_PIT_TICK_POLICY		8254

#define KVM_PIT_TICK_DELAY	0	/* replay every lost tick, in a row */
#define KVM_PIT_TICK_DISCARD	1	/* never replay */
#define KVM_PIT_TICK_SLEW	2	/* replay gradually, at a raised frequency */
#define KVM_PIT_TICK_MERGE	3	/* replay at most one, for all that were lost */

/*
 * KVM_GET_PIT2 and KVM_SET_PIT2 carry what the counters have counted, and the
 * ticks: see struct kvm_pit_tick_state.
 */
#define KVM_PIT_TICK_KEEP_STATE		(1 << 0)

/*
 * In the flags of struct kvm_pit_state2: its reserved words hold a struct
 * kvm_pit_tick_state. A kernel that does not know the flag stores it and gives
 * it back, with reserved words of 0: these hold none.
 */
#define KVM_PIT_FLAGS_TICK_STATE	(1U << 31)

#define KVM_PIT_TICK_STATE_VERSION	1

/* counter[]: what the counting element does at the next clock */
#define KVM_PIT_COUNTER_LOADING		(1 << 0)	/* it is loaded */
#define KVM_PIT_COUNTER_COUNTING	(1 << 1)	/* it is decremented */
#define KVM_PIT_COUNTER_OUT		(1 << 2)	/* the level at OUT */
#define KVM_PIT_COUNTER_ARMED		(1 << 3)	/* modes 0, 1, 4, 5: OUT is yet to fire */
#define KVM_PIT_COUNTER_ODD		(1 << 4)	/* mode 3: it counts an odd count */
#define KVM_PIT_COUNTER_NULL_COUNT	(1 << 5)	/* as in the status byte */
#define KVM_PIT_COUNTER_LOADABLE	(1 << 6)	/* has a count: triggers work */
#define KVM_PIT_COUNTER_MODE_BIT2	(1 << 7)	/* modes 2 and 3: M2 was written as 1 */

/* ticks: what becomes of the tick at hand, and of those to come */
#define KVM_PIT_TICKS_WANTED		(1 << 0)	/* one is due and not raised yet */
#define KVM_PIT_TICKS_AGAIN		(1 << 1)	/* the held one is to be raised again */
#define KVM_PIT_TICKS_UNACCEPTED	(1 << 2)	/* one waits for the guest's EOI */
#define KVM_PIT_TICKS_HELD		(1 << 3)	/* one was raised and found IRQ0 masked */
#define KVM_PIT_TICKS_HELD_OWED		(1 << 4)	/* it is a replayed one */
#define KVM_PIT_TICKS_MASKED		(1 << 5)	/* IRQ0 is masked */
#define KVM_PIT_TICKS_OFF		(1 << 6)	/* which means that the timer is off */

/*
 * What struct kvm_pit_state2 has no fields for, as it is at KVM_GET_PIT2. Times
 * are in clocks of 105/88 MHz, back from there.
 */
struct kvm_pit_tick_state {
	__u8	version;	/* KVM_PIT_TICK_STATE_VERSION; 0: there is none */
	__u8	policy;		/* KVM_PIT_TICK_x */
	__u16	slew_rate;	/* percent; 0 for policies without one */
	__u32	backlog;	/* ticks that are owed */
	__u32	backlog_limit;	/* 0: none */
	__u32	masked_clocks;	/* since IRQ0 was masked */
	__u32	masked_owed;	/* ticks that came to be owed since */
	__u16	raised_clocks;	/* since the last raise; 65535 or more are the same */
	__u16	clock_ns;	/* since the last clock, in ns, below 839 */
	__u16	count[3];	/* the counting elements */
	__u8	counter[3];	/* KVM_PIT_COUNTER_x */
	__u8	ticks;		/* KVM_PIT_TICKS_x */
	__u16	pad;		/* must be 0 */
};

#endif /* _UAPI_LINUX_KVM_I8254_H */
