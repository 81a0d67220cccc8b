/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PIT's sources are written as if they stood in arch/x86/kvm of the newest kernel.
 * This header makes up for what they miss elsewhere:
 *
 *  - what a module is not given: functions, which lookup.c finds, and structures;
 *  - what an older kernel has in another form.
 *
 * COMPAT_HAS_x is defined if the target kernel's headers contain the word x: Kbuild looks
 * into them. No version is compared.
 */
#ifndef __KVM_PIT_COMPAT_H
#define __KVM_PIT_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/kvm_host.h>
#include <linux/workqueue.h>

#include <kvm/iodev.h>

#include "lookup.h"

/* What a module is not given */

#define kvm_irq_map_gsi			static_call(lookup_kvm_irq_map_gsi)
#define kvm_io_bus_register_dev		static_call(lookup_kvm_io_bus_register_dev)
#define kvm_io_bus_unregister_dev	static_call(lookup_kvm_io_bus_unregister_dev)
#define kvm_register_irq_ack_notifier	static_call(lookup_kvm_register_irq_ack_notifier)
#define kvm_unregister_irq_ack_notifier	static_call(lookup_kvm_unregister_irq_ack_notifier)
#define kvm_register_irq_mask_notifier	static_call(lookup_kvm_register_irq_mask_notifier)
#define kvm_unregister_irq_mask_notifier static_call(lookup_kvm_unregister_irq_mask_notifier)
#define kvm_apic_nmi_wd_deliver		static_call(lookup_kvm_apic_nmi_wd_deliver)
#define kvm_apic_accept_pic_intr	static_call(lookup_kvm_apic_accept_pic_intr)
#define kvm_apic_get_state		static_call(lookup_kvm_apic_get_state)
#define kvm_apic_match_dest		static_call(lookup_kvm_apic_match_dest)
#define kvm_apic_pending_eoi		static_call(lookup_kvm_apic_pending_eoi)
#define kvm_get_running_vcpu		static_call(lookup_kvm_get_running_vcpu)

#define kvm_set_apicv_inhibit(kvm, reason)	\
	static_call(lookup_kvm_set_or_clear_apicv_inhibit)(kvm, reason, true)
#define kvm_clear_apicv_inhibit(kvm, reason)	\
	static_call(lookup_kvm_set_or_clear_apicv_inhibit)(kvm, reason, false)

#ifndef COMPAT_HAS_kvm_apicv_inhibit
#define APICV_INHIBIT_REASON_PIT_REINJ	lookup_apicv_pit_reinj
#endif

#ifdef COMPAT_HAS___kvm_vcpu_kick
#define kvm_vcpu_kick(vcpu)		static_call(lookup___kvm_vcpu_kick)(vcpu, false)
#else
#define kvm_vcpu_kick(vcpu)		static_call(lookup___kvm_vcpu_kick)(vcpu)
#endif

/* registry.c, in place of kvm->arch.vpit */
struct kvm_pit *kvm_to_pit(struct kvm *kvm);
void kvm_pit_register(struct kvm_pit *pit);
void kvm_pit_unregister(struct kvm_pit *pit);

/*
 * The beginning of KVM's irqchips, which it declares in private headers. KVM_GET_IRQCHIP
 * copies the registers out of there in one piece, so their order is that of the UAPI.
 * attach.c looks for the pointers behind them before it relies on this.
 */

/**
 * struct kvm_kpic_state - one of the two 8259s
 * @regs: as KVM_GET_IRQCHIP has them
 * @last_irr: the lines, as they were last
 * @irr: interrupt request register
 * @imr: interrupt mask register
 * @isr: in-service register
 * @isr_ack: KVM's
 * @pics_state: the structure that it is part of
 */
struct kvm_kpic_state {
	union {
		struct kvm_pic_state regs;
		struct {
			u8 last_irr;
			u8 irr;
			u8 imr;
			u8 isr;
		};
	};
	u8 isr_ack;
	struct kvm_pic *pics_state;
};

/**
 * struct kvm_pic - the 8259s of a VM
 * @lock: KVM's
 * @wakeup_needed: KVM's
 * @pending_acks: KVM's
 * @kvm: the VM
 * @pics: master and slave
 */
struct kvm_pic {
	spinlock_t lock;		/* of all that follows; KVM's */
	bool wakeup_needed;
	unsigned int pending_acks;
	struct kvm *kvm;
	struct kvm_kpic_state pics[2];
};

/**
 * struct kvm_ioapic - the IOAPIC of a VM
 * @base_address: KVM's
 * @ioregsel: KVM's
 * @id: KVM's
 * @irr: the pins that wait
 * @pad: KVM's
 * @redirtbl: the redirection table
 * @irq_states: KVM's
 * @dev: KVM's
 * @kvm: the VM
 */
struct kvm_ioapic {
	u64 base_address;
	u32 ioregsel;
	u32 id;
	u32 irr;
	u32 pad;
	/* has no name in the UAPI */
	typeof(((struct kvm_ioapic_state *)0)->redirtbl) redirtbl;
	unsigned long irq_states[KVM_IOAPIC_NUM_PINS];
	struct kvm_io_device dev;
	struct kvm *kvm;
};

/* What an older kernel has in another form */

#ifndef KVM_PIT_IRQ_SOURCE_ID
/* Older kernels give IDs out on request, and only the PIT requests one. */
#define KVM_PIT_IRQ_SOURCE_ID		(KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID + 1)
#endif

#ifndef COMPAT_HAS_hrtimer_setup
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock_id, const enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock_id, mode);
	timer->function = function;
}
#endif

#ifndef COMPAT_HAS_WQ_PERCPU
#define WQ_PERCPU			0
#endif

/**
 * kvm_vcpu_task - the thread of a vCPU
 * @vcpu: the vCPU
 *
 * Called under rcu_read_lock(), in any context but NMI. Since 6.13 a lock guards
 * vcpu->pid. It is taken with interrupts on, so an interrupt can only try it.
 *
 * Return: the thread that was in KVM_RUN last; NULL if there is none, or if it is being
 * replaced.
 */
static inline struct task_struct *kvm_vcpu_task(struct kvm_vcpu *vcpu)
{
#ifdef COMPAT_HAS_pid_lock
	struct task_struct *task;

	if (!read_trylock(&vcpu->pid_lock))
		return NULL;
	task = pid_task(vcpu->pid, PIDTYPE_PID);
	read_unlock(&vcpu->pid_lock);
	return task;
#else
	return pid_task(rcu_dereference(vcpu->pid), PIDTYPE_PID);
#endif
}

/**
 * kvm_vcpu_pid - the struct pid of a vCPU's thread, to be compared only
 * @vcpu: the vCPU
 *
 * Return: that of the thread that was in KVM_RUN last, or NULL. It may be freed already.
 */
static inline const struct pid *kvm_vcpu_pid(struct kvm_vcpu *vcpu)
{
#ifdef COMPAT_HAS_pid_lock
	return READ_ONCE(vcpu->pid);
#else
	return rcu_access_pointer(vcpu->pid);
#endif
}

#endif /* __KVM_PIT_COMPAT_H */
