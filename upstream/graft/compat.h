/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In arch/x86/kvm there is nothing to make up for: this stands for the module's
 * compat.h, and gives the PIT's sources what they miss elsewhere. A PIT that is
 * written for KVM alone would include KVM's headers, and have the rest in
 * kvm_pit_vcpu.c.
 */
#ifndef __KVM_PIT_COMPAT_H
#define __KVM_PIT_COMPAT_H

#include <linux/kvm_host.h>
#include <linux/moduleparam.h>
#include <linux/pid.h>

#include "ioapic.h"
#include "irq.h"
#include "lapic.h"
#include "x86.h"

/*
 * registry.c is not needed: KVM has room for a VM's PIT. A vCPU that changes CPUs looks
 * there without a lock, and finds a PIT that is complete.
 */
#define kvm_to_pit(kvm)		READ_ONCE((kvm)->arch.vpit)
#define kvm_pit_unregister(pit)	WRITE_ONCE((pit)->kvm->arch.vpit, NULL)
#define kvm_pit_register(pit)						\
	do {								\
		struct kvm_pit *_pit = (pit);				\
									\
		/* Pairs with the dependency on kvm_to_pit(). */	\
		smp_store_release(&_pit->kvm->arch.vpit, _pit);		\
	} while (0)

/* The PIT's parameters are some of kvm.ko's: kvm.pit_policy and so on. */
#ifdef COMPAT_PIT_PARAMETERS
#undef MODULE_PARAM_PREFIX
#ifdef MODULE
#define MODULE_PARAM_PREFIX	"pit_"
#else
#define MODULE_PARAM_PREFIX	KBUILD_MODNAME ".pit_"
#endif
#endif

/* The thread of a vCPU; NULL if there is none, or if it is being replaced. */
static inline struct task_struct *kvm_vcpu_task(struct kvm_vcpu *vcpu)
{
	struct task_struct *task;

	if (!read_trylock(&vcpu->pid_lock))
		return NULL;
	task = pid_task(vcpu->pid, PIDTYPE_PID);
	read_unlock(&vcpu->pid_lock);
	return task;
}

/* The struct pid of a vCPU's thread, to be compared only. */
static inline const struct pid *kvm_vcpu_pid(struct kvm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->pid);
}

#endif /* __KVM_PIT_COMPAT_H */
