/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's in-kernel PIT: the 8254 of i8254.c at the guest's ports, and its ticks
 * at the irqchips as i8254_ticks.c has them.
 *
 * The struct, and the functions that its files share. Each group of functions
 * names its file.
 */
#ifndef __KVM_PIT_H
#define __KVM_PIT_H

#include <linux/hrtimer.h>
#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <kvm/iodev.h>

#include "compat.h"
#include "i8254.h"
#include "i8254_policy.h"

#define PIT_GSI		0

/**
 * struct kvm_pit - the PIT of one VM
 * @dev: on the VM's I/O bus, at ports 0x40..0x43
 * @speaker_dev: the same, at port 0x61
 * @kvm: the VM
 * @node: in the table of all PITs
 * @rcu: keeps the PIT readable for a look-up of another VM's PIT
 * @epoch_ns: clock 0 of the chip, CLOCK_MONOTONIC
 * @pid: the process that created the PIT
 *
 * @config_lock: one change of the policy at a time, and no KVM_SET_PIT2 meanwhile
 * @watches_acks: @ack_notifier is registered; under @config_lock
 * @ack_notifier: told of the guest's EOIs
 * @mask_notifier: told of the guest's masking
 *
 * @lock: of all that follows. Taken with interrupts off, and inside the irqchips'
 *	locks: none of these may be taken under it
 * @chip: the 8254
 * @ticks: its ticks
 * @flags: KVM_PIT_FLAGS_x
 * @keep_state: KVM_GET_PIT2 and KVM_SET_PIT2 carry ticks: KVM_PIT_TICK_KEEP_STATE
 * @set_by_ioctl: an ioctl programmed counter 0, and not the guest
 * @fired_for: the time that the timer fired for last, CLOCK_MONOTONIC
 * @lost: ticks whose loss was reported
 * @limit_reported: the log has it that the backlog limit is reached
 * @nmi_due: a tick is due at the LAPICs that have LVT0 in NMI mode
 * @kicked: the thread on which @task_work is pending, by its struct pid, which is
 *	compared only; NULL: it is pending on none
 * @kicked_at: clock at which that thread, or the workqueue, was told to raise
 * @work_at: clock before which the workqueue raises nothing, unless some vCPU can
 *	take a tick
 * @vcpu: the vCPU that sent the last EOI, or NULL
 * @look_from: the vCPU that kvm_pit_vm_takes() looks at first
 * @lapic: room for kvm_pit_ask_irqchips()
 * @dying: the timer is not armed any more, and no work is queued
 *
 * @timer: fires when the chip or the policy has something to do
 * @refs: one of the VM, and one of the pending @task_work
 * @deliver_lock: keeps the VM while @task_work runs
 * @task_work: raises ticks on a vCPU's thread
 * @work: raises ticks where no vCPU's thread does so in time
 */
struct kvm_pit {
	struct kvm_io_device dev;
	struct kvm_io_device speaker_dev;
	struct kvm *kvm;
	struct hlist_node node;
	struct rcu_head rcu;
	u64 epoch_ns;
	pid_t pid;

	struct mutex config_lock;	/* of the policy */
	bool watches_acks;
	struct kvm_irq_ack_notifier ack_notifier;
	struct kvm_irq_mask_notifier mask_notifier;

	spinlock_t lock;		/* of all that follows */
	struct i8254 chip;
	struct i8254_ticks ticks;
	u32 flags;
	bool keep_state;
	bool set_by_ioctl;
	ktime_t fired_for;
	u64 lost;
	bool limit_reported;
	bool nmi_due;
	struct pid *kicked;
	u64 kicked_at;
	u64 work_at;
	struct kvm_vcpu *vcpu;
	unsigned int look_from;
	struct kvm_lapic_state lapic;
	bool dying;

	struct hrtimer timer;
	refcount_t refs;
	struct mutex deliver_lock;	/* of the VM's life, against task_work */
	struct callback_head task_work;
	struct work_struct work;
};

/**
 * kvm_pit_ns - the present
 * @pit: the PIT
 *
 * Return: ns since clock 0 of its chip.
 */
static inline u64 kvm_pit_ns(const struct kvm_pit *pit)
{
	return ktime_get_ns() - pit->epoch_ns;
}

/**
 * kvm_pit_clock_to_ktime - when a clock of the chip is
 * @pit: the PIT
 * @clock: the clock
 *
 * Return: CLOCK_MONOTONIC; KTIME_MAX if it is later than that.
 */
static inline ktime_t kvm_pit_clock_to_ktime(const struct kvm_pit *pit, u64 clock)
{
	u64 ns = i8254_clocks_to_ns(clock);

	return ns < KTIME_MAX - pit->epoch_ns ? ns + pit->epoch_ns : KTIME_MAX;
}

/**
 * kvm_pit_vm - the number by which a trace names a VM
 * @pit: the PIT
 *
 * Return: the TID of the thread that created the VM, as in the name of the VM's
 * debugfs folder.
 */
static inline pid_t kvm_pit_vm(const struct kvm_pit *pit)
{
	return pit->kvm->userspace_pid;
}

/**
 * kvm_pit_has_vcpus - is a vCPU of a VM online?
 * @kvm: the VM
 *
 * If none is, kvm_for_each_vcpu() and kvm_get_vcpu_by_id() may find one whose creation
 * can still fail, which frees it. So call this first.
 *
 * Return: true if one is.
 */
static inline bool kvm_pit_has_vcpus(struct kvm *kvm)
{
	if (!atomic_read(&kvm->online_vcpus))
		return false;

	/* Pairs with smp_wmb() in kvm_vm_ioctl_create_vcpu(). */
	smp_rmb();
	return true;
}

/* kvm_pit.c: birth and end, and the ports. KVM calls it: here, attach.c for KVM. */
int kvm_pit_create(struct kvm *kvm, unsigned int ioctl, void __user *argp);
void kvm_pit_destroy(struct kvm_pit *pit);
int kvm_pit_init(void);
void kvm_pit_exit(void);

/* kvm_pit_ioctl.c: state and policy, for a VMM */
int kvm_pit_ioctl(struct kvm_pit *pit, unsigned int ioctl, void __user *argp);
int kvm_pit_enable_cap(struct kvm_pit *pit, const struct kvm_enable_cap *cap);
void kvm_pit_configure(struct kvm_pit *pit, const struct i8254_tick_config *config,
		       const bool *keep_state);

/* kvm_pit_deliver.c: when and where a tick is raised */
void kvm_pit_migrate_timer(struct kvm_pit *pit);
void kvm_pit_deliver_init(struct kvm_pit *pit);
void kvm_pit_deliver_exit(struct kvm_pit *pit);
void kvm_pit_due(struct kvm_pit *pit, u64 n, u64 now);
u64 kvm_pit_sync_to(struct kvm_pit *pit, u64 ns);
u64 kvm_pit_sync(struct kvm_pit *pit);
void kvm_pit_update(struct kvm_pit *pit, u64 now);
void kvm_pit_deliver(struct kvm_pit *pit);
void kvm_pit_catch_up(struct kvm_pit *pit);
void kvm_pit_wait_raised(struct kvm_pit *pit);
int kvm_pit_workqueue_init(void);
void kvm_pit_workqueue_exit(void);

/* kvm_pit_notifier.c: what KVM tells of the guest at the irqchips */
void kvm_pit_notifiers_init(struct kvm_pit *pit);
void kvm_pit_watch_acks(struct kvm_pit *pit);
void kvm_pit_unwatch_acks(struct kvm_pit *pit);

/* kvm_pit_vcpu.c: which vCPU takes a tick, and whether it can */
struct kvm_vcpu *kvm_pit_accepting_vcpu(struct kvm_pit *pit);
struct kvm_vcpu *kvm_pit_raising_vcpu(struct kvm_pit *pit);
bool kvm_pit_many_vcpus(struct kvm *kvm);
bool kvm_pit_vcpu_runs(struct kvm_vcpu *vcpu);
bool kvm_pit_vm_takes(struct kvm_pit *pit);
bool kvm_pit_guest_stalls(struct kvm_pit *pit);

/* kvm_pit_irqchip.c: what the irqchips have of IRQ0 */
void kvm_pit_ask_irqchips(struct kvm *kvm, struct kvm_lapic_state *lapic,
			  struct i8254_line *line);
struct kvm_vcpu *kvm_pit_irq0_vcpu(struct kvm *kvm);
enum i8254_answer kvm_pit_pulse(struct kvm *kvm);

/* kvm_pit_param.c: the module's parameters */
const struct i8254_policy *kvm_pit_reinject_policy(void);
const struct i8254_policy *kvm_pit_new_policy(void);
struct i8254_tick_config kvm_pit_default_config(const struct i8254_policy *policy);
unsigned int kvm_pit_min_period_us(void);

/* kvm_pit_debugfs.c: an operator's files */
void kvm_pit_create_debugfs(struct kvm_pit *pit);

#endif /* __KVM_PIT_H */
