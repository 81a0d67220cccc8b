/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Lost-tick policies of KVM's in-kernel i8254: what userspace needs beside
 * <linux/kvm.h>.
 */
#ifndef _UAPI_LINUX_KVM_I8254_H
#define _UAPI_LINUX_KVM_I8254_H

/*
 * KVM_CHECK_EXTENSION, on /dev/kvm and on a VM: a mask of the policies,
 * 1 << KVM_PIT_TICK_x; 0 where the kernel does not know them.
 *
 * KVM_ENABLE_CAP on a VM that has an in-kernel PIT, at any time:
 *	args[0]	policy, KVM_PIT_TICK_x
 *	args[1]	flags, must be 0
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

#endif /* _UAPI_LINUX_KVM_I8254_H */
