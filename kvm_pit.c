// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's in-kernel PIT.
 *
 * The way of a tick: the guest's OUT arrives in pit_ioport_write(), which hands
 * it to the chip (i8254.c). The chip says when OUT0 rises next, and pit_arm()
 * sets the hrtimer to that time. When it fires, pit_sync() brings the chip to
 * the present and reports every rise as a due tick to the policy
 * (i8254_policy.c). The policy is told what the irqchips have
 * (kvm_pit_irqchip.c), and says whether there is something to raise. pit_kick()
 * has a vCPU's thread run pit_deliver() before it enters the guest, which pulses
 * IRQ0. The guest's EOI comes back through pit_ack_irq(), and the policy may have
 * the next tick ready.
 *
 * Not in here: how all this gets onto a KVM that has a PIT already (attach.c).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/hashtable.h>
#include <linux/hrtimer.h>
#include <linux/kvm_host.h>
#include <linux/moduleparam.h>
#include <linux/rculist.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include <kvm/iodev.h>
#include <linux/kvm_i8254.h>

#include "attach.h"
#include "i8254.h"
#include "i8254_policy.h"
#include "kvm_pit.h"
#include "kvm_pit_irqchip.h"
#include "kvm_pit_state.h"

#define CREATE_TRACE_POINTS
#include "kvm_pit_trace.h"

#define PIT_BASE	0x40
#define PIT_PORTS	4
#define SPEAKER_PORT	0x61

/*
 * An access of up to four bytes at the last port still concerns the device,
 * and the bus hands over only accesses that lie in a device's range as a whole.
 */
#define PIT_RANGE(ports)	((ports) + 3)

#define PIT_GSI		0

#define PIT_RAISES_AT_ONCE	16

/* How often the workqueue raises a tick where no vCPU can take it: each second. */
#define PIT_WORK_CLOCKS		1193182

/* How long a tick waits for a vCPU's thread to raise it: 10 ms. */
#define PIT_PATIENCE_CLOCKS	11932

/* How often the timer fires at most where no vCPU can take a tick. */
#define PIT_AWAY_US		1000

/* How many vCPUs are looked at in a row: the timer's interrupt is not the place for more. */
#define PIT_LOOK_VCPUS		16

/* Port 0x61 */
#define SPEAKER_GATE2	BIT(0)
#define SPEAKER_DATA	BIT(1)
#define SPEAKER_REFRESH	BIT(4)
#define SPEAKER_OUT2	BIT(5)

/* The refresh bit toggles every 15 us: a PC runs counter 1 with that count. */
#define REFRESH_CLOCKS	18

/**
 * struct kvm_pit - the PIT of one VM
 * @dev: on the VM's I/O bus, at ports 0x40..0x43
 * @speaker_dev: the same, at port 0x61
 * @kvm: the VM
 * @node: in pits
 * @rcu: for a look-up of another VM's PIT that passes by while this one is freed
 * @epoch_ns: clock 0 of the chip, CLOCK_MONOTONIC
 * @pid: the process that created the PIT
 * @irq_source_id: the device's own line to IRQ0
 * @debugfs: the folder in that of the VM
 *
 * @config_lock: one change of the policy at a time, and no KVM_SET_PIT2 meanwhile
 * @watches_acks: @ack_notifier is registered; under @config_lock
 * @ack_notifier: told of the guest's EOIs
 * @mask_notifier: told of the guest's masking
 *
 * @lock: of all that follows; taken with interrupts off, inside of the
 *	irqchips' locks, so that none of these may be taken under it
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
 * @kicked_at: clock at which that thread was told, or the workqueue in its place
 * @work_at: clock before which the workqueue raises nothing, unless some vCPU can
 *	take a tick
 * @vcpu: the one that accepted a tick last, or NULL
 * @look_from: the vCPU that pit_vm_takes() looks at first
 * @lapic: room to ask the irqchips in
 * @dying: no timer is armed any more, and no work queued
 *
 * @timer: fires when the chip or the policy has something to do
 * @refs: the VM's, and the pending @task_work's
 * @deliver_lock: of the VM's life while @task_work is running
 * @task_work: raises ticks, where the caller's context does not allow it
 * @work: raises them where there is no vCPU's thread to do it, or none in time
 */
struct kvm_pit {
	struct kvm_io_device dev;
	struct kvm_io_device speaker_dev;
	struct kvm *kvm;
	struct hlist_node node;
	struct rcu_head rcu;
	u64 epoch_ns;
	pid_t pid;
	int irq_source_id;
	struct dentry *debugfs;

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

static struct workqueue_struct *pit_wq;

/*
 * All PITs, by their VM. A PIT is in here from the end of its creation, which
 * kvm->lock guards, until kvm_pit_destroy(), which the VM's last reference
 * brings about. It is a list node in the PIT itself: no allocation, no failure,
 * and nothing that userspace can register.
 */
static DEFINE_HASHTABLE(pits, 8);
static DEFINE_SPINLOCK(pits_lock);	/* of changes to pits */

/**
 * kvm_to_pit - look up the PIT of a VM
 * @kvm: the VM, on which the caller has a reference: it is in an ioctl of the
 *	VM or of one of its vCPUs, or it destroys the VM
 *
 * May be called in any context. The PIT stays for as long as the caller's
 * reference, so a caller looks it up once and hands it on.
 *
 * Return: the PIT, or NULL if the VM has none or has stock KVM's.
 */
struct kvm_pit *kvm_to_pit(struct kvm *kvm)
{
	struct kvm_pit *pit, *found = NULL;

	rcu_read_lock();
	hash_for_each_possible_rcu(pits, pit, node, (unsigned long)kvm) {
		if (pit->kvm == kvm) {
			found = pit;
			break;
		}
	}
	rcu_read_unlock();

	return found;
}

static void pit_register(struct kvm_pit *pit)
{
	spin_lock(&pits_lock);
	hash_add_rcu(pits, &pit->node, (unsigned long)pit->kvm);
	spin_unlock(&pits_lock);
}

static void pit_unregister(struct kvm_pit *pit)
{
	spin_lock(&pits_lock);
	hash_del_rcu(&pit->node);
	spin_unlock(&pits_lock);
}

/* Module parameters */

static const struct i8254_policy *param_policy;
static const struct i8254_policy *param_reinject;
static unsigned int param_slew_rate = 100;
static unsigned long param_backlog_limit;
static unsigned int param_min_period_us = 200;

static int param_set_policy(const char *val, const struct kernel_param *kp)
{
	const struct i8254_policy *policy = i8254_policy_by_name(val);

	if (!policy || (kp->arg == &param_reinject && !policy->needs_ack))
		return -EINVAL;

	WRITE_ONCE(*(const struct i8254_policy **)kp->arg, policy);
	return 0;
}

/* What KVM_REINJECT_CONTROL 1 selects. */
static const struct i8254_policy *pit_reinject_policy(void)
{
	return READ_ONCE(param_reinject) ?: i8254_policy_by_id(KVM_PIT_TICK_DELAY);
}

/*
 * What a new VM has. A PIT reinjects until it is told otherwise, and QEMU counts
 * on that: it says so only where its user wants "discard".
 */
static const struct i8254_policy *pit_new_policy(void)
{
	return READ_ONCE(param_policy) ?: pit_reinject_policy();
}

static int param_get_policy(char *buf, const struct kernel_param *kp)
{
	const struct i8254_policy *policy = kp->arg == &param_reinject ?
					    pit_reinject_policy() : pit_new_policy();

	return sysfs_emit(buf, "%s\n", policy->name);
}

static int param_set_slew_rate(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 1, I8254_SLEW_RATE_MAX);
}

static int param_set_min_period(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 10, USEC_PER_SEC);
}

static const struct kernel_param_ops policy_param_ops = {
	.set = param_set_policy,
	.get = param_get_policy,
};

static const struct kernel_param_ops slew_rate_param_ops = {
	.set = param_set_slew_rate,
	.get = param_get_uint,
};

static const struct kernel_param_ops min_period_param_ops = {
	.set = param_set_min_period,
	.get = param_get_uint,
};

module_param_cb(policy, &policy_param_ops, &param_policy, 0644);
MODULE_PARM_DESC(policy, "A new VM's lost-tick policy: delay, discard, slew or merge (default: what reinject= names)");
module_param_cb(reinject, &policy_param_ops, &param_reinject, 0644);
MODULE_PARM_DESC(reinject, "What KVM_REINJECT_CONTROL 1 selects, and a new VM has: delay (default), slew or merge");
module_param_cb(slew_rate, &slew_rate_param_ops, &param_slew_rate, 0644);
MODULE_PARM_DESC(slew_rate, "A new VM's slew rate in percent above nominal, 1..900 (default 100)");
module_param_named(backlog_limit, param_backlog_limit, ulong, 0644);
MODULE_PARM_DESC(backlog_limit, "How many ticks a new VM may be owed (default 0: any number)");
module_param_cb(min_period_us, &min_period_param_ops, &param_min_period_us, 0644);
MODULE_PARM_DESC(min_period_us, "How often the timer fires for a periodic counter, 10..1000000 us (default 200); ticks in between are batched");

/* A configuration of @policy, the rest as the parameters have it. */
static struct i8254_tick_config pit_default_config(const struct i8254_policy *policy)
{
	return (struct i8254_tick_config) {
		.policy = policy,
		.slew_rate = policy->slew_rate ? READ_ONCE(param_slew_rate) : 0,
		.backlog_limit = policy->has_limit ?
				 READ_ONCE(param_backlog_limit) : 0,
	};
}

/* Time */

static u64 pit_ns(const struct kvm_pit *pit)
{
	return ktime_get_ns() - pit->epoch_ns;
}

static u64 pit_now(const struct kvm_pit *pit)
{
	return i8254_ns_to_clocks(pit_ns(pit));
}

static ktime_t pit_clock_to_ktime(const struct kvm_pit *pit, u64 clock)
{
	u64 ns = i8254_clocks_to_ns(clock);

	return ns < KTIME_MAX - pit->epoch_ns ? ns + pit->epoch_ns : KTIME_MAX;
}

/*
 * What a trace names a VM by: the thread that created it, as the name of the VM's
 * debugfs folder does.
 */
static pid_t pit_vm(const struct kvm_pit *pit)
{
	return pit->kvm->userspace_pid;
}

/*
 * After every change: no tick is lost without a trace, and the operator hears of a
 * limit when it is reached first. A VMM cannot have that said again.
 */
static void pit_report_losses(struct kvm_pit *pit)
{
	const struct i8254_ticks *t = &pit->ticks;

	if (t->lost != pit->lost)
		trace_kvm_pit_lost(pit_vm(pit), t->lost - pit->lost, t);
	pit->lost = t->lost;

	if (!t->limit_hit || pit->limit_reported)
		return;
	pit->limit_reported = true;
	pr_info_ratelimited("VM of process %d: more than %llu ticks are owed, and the oldest are lost from now on\n",
			    pit->pid, t->config.backlog_limit);
}

/* In HPET legacy mode the HPET's timer 0 drives IRQ0 in place of OUT0. */
static bool pit_drives_irq0(const struct kvm_pit *pit)
{
	return !(pit->flags & KVM_PIT_FLAGS_HPET_LEGACY);
}

/*
 * True if a vCPU is online. If none is, KVM's look-ups and loops find a first one whose
 * creation can still fail, which frees it.
 */
static bool pit_has_vcpus(const struct kvm_pit *pit)
{
	if (!atomic_read(&pit->kvm->online_vcpus))
		return false;

	/* Pairs with smp_wmb() in kvm_vm_ioctl_create_vcpu(). */
	smp_rmb();
	return true;
}

/*
 * The vCPU that takes IRQ0: the one that sent the last EOI. If none did, the irqchips
 * say where it goes. NULL if it goes nowhere, or may go to any of many.
 */
static struct kvm_vcpu *pit_accepting_vcpu(const struct kvm_pit *pit)
{
	if (pit->vcpu || !pit_has_vcpus(pit))
		return pit->vcpu;
	if (atomic_read(&pit->kvm->online_vcpus) == 1)
		return kvm_get_vcpu(pit->kvm, 0);
	if (atomic_read(&pit->kvm->online_vcpus) > PIT_LOOK_VCPUS)
		return NULL;

	return kvm_pit_irq0_vcpu(pit->kvm);
}

/*
 * True if a vCPU is in KVM_RUN, and not to wait for INIT or SIPI. Other ioctls of a
 * vCPU that was in KVM_RUN before look the same.
 */
static bool pit_vcpu_runs(struct kvm_vcpu *vcpu)
{
	u32 state = READ_ONCE(vcpu->arch.mp_state);

	return mutex_is_locked(&vcpu->mutex) && rcu_access_pointer(vcpu->pid) &&
	       (state == KVM_MP_STATE_RUNNABLE || state == KVM_MP_STATE_HALTED);
}

/* True if a vCPU may take a tick that is raised now. */
static bool pit_vcpu_takes(struct kvm_vcpu *vcpu)
{
	return pit_vcpu_runs(vcpu) && !READ_ONCE(vcpu->preempted);
}

/* True if one of the VM's vCPUs may. Of many, some are looked at each time. */
static bool pit_vm_takes(struct kvm_pit *pit)
{
	struct kvm_vcpu *vcpu = pit_accepting_vcpu(pit);
	int online = atomic_read(&pit->kvm->online_vcpus);

	if (vcpu && pit_vcpu_takes(vcpu))
		return true;

	/* kvm_get_vcpu() knows which ones are online. */
	for (int n = min(online, PIT_LOOK_VCPUS); n; n--) {
		vcpu = kvm_get_vcpu(pit->kvm, pit->look_from++ % online);
		if (vcpu && pit_vcpu_takes(vcpu))
			return true;
	}
	return false;
}

/*
 * True if the vCPU that takes IRQ0 cannot run: it is preempted, or its thread is
 * outside KVM_RUN. A vCPU that sleeps in HLT can run.
 */
static bool pit_guest_stalls(struct kvm_pit *pit)
{
	struct kvm_vcpu *vcpu = pit_accepting_vcpu(pit);

	if (!vcpu)
		return !pit_vm_takes(pit);
	return !mutex_is_locked(&vcpu->mutex) || READ_ONCE(vcpu->preempted);
}

static void pit_due(struct kvm_pit *pit, u64 n, u64 now)
{
	if (!n || !pit_drives_irq0(pit))
		return;

	if (pit->ticks.masked && pit_guest_stalls(pit))
		i8254_ticks_stalled(&pit->ticks, n, now);
	i8254_ticks_due(&pit->ticks, n, kvm_pit_edge(&pit->chip), now);
	trace_kvm_pit_due(pit_vm(pit), n, &pit->ticks);
	if (atomic_read(&pit->kvm->arch.vapics_in_nmi_mode) > 0)
		pit->nmi_due = true;
}

/* Bring the chip to @ns, which is the present, and let no tick pass uncounted. */
static u64 pit_sync_to(struct kvm_pit *pit, u64 ns)
{
	u64 now = i8254_ns_to_clocks(ns);

	lockdep_assert_held(&pit->lock);

	pit_due(pit, i8254_advance(&pit->chip, now), now);
	return now;
}

static u64 pit_sync(struct kvm_pit *pit)
{
	return pit_sync_to(pit, pit_ns(pit));
}

/*
 * The timer fires not before that, CLOCK_MONOTONIC. Ticks that come due until then are
 * counted at once. Less often where no vCPU can take them: it is not there, or was told
 * of a tick and has not come.
 */
static ktime_t pit_not_before(struct kvm_pit *pit)
{
	u64 floor_us = READ_ONCE(param_min_period_us);

	if (pit->kicked || !pit_vm_takes(pit))
		floor_us = max(floor_us, PIT_AWAY_US);
	return ktime_add_us(pit->fired_for, floor_us);
}

/*
 * Set the timer to the next tick, due or owed; @next is what the policy has next. A
 * tick that is to be raised now waits for a vCPU's thread or the workqueue: the
 * timer looks after it once more.
 */
static void pit_arm(struct kvm_pit *pit, u64 now, u64 next)
{
	ktime_t expires;

	if (next <= now && pit->kicked && now - pit->kicked_at < PIT_PATIENCE_CLOCKS)
		next = pit->kicked_at + PIT_PATIENCE_CLOCKS;
	else if (next <= now)
		next = now + PIT_PATIENCE_CLOCKS;
	if (pit_drives_irq0(pit))
		next = min(next, i8254_next_rise(&pit->chip, 0));
	if (next == I8254_NEVER) {
		/* Where it is just firing it finds nothing to do. */
		hrtimer_try_to_cancel(&pit->timer);
		return;
	}

	expires = pit_clock_to_ktime(pit, next);
	/* A one-shot costs the guest an access of its own. */
	if (i8254_period(&pit->chip, 0) || pit->set_by_ioctl)
		expires = max(expires, pit_not_before(pit));
	if (hrtimer_is_queued(&pit->timer) && hrtimer_get_expires(&pit->timer) == expires)
		return;
	hrtimer_start(&pit->timer, expires, HRTIMER_MODE_ABS);
}

/*
 * Does a vCPU that is told now look after its thread's work before it enters the
 * guest, or sleeps? It does where it is in the guest, where it was interrupted
 * there, and where it is at work itself.
 */
static bool pit_vcpu_looks(struct kvm_vcpu *vcpu)
{
	if (vcpu == kvm_get_running_vcpu())
		return !in_hardirq() || vcpu->arch.handling_intr_from_guest;

	return READ_ONCE(vcpu->mode) == IN_GUEST_MODE;
}

/*
 * Pick the vCPU whose thread raises the tick: the one loaded on this CPU if it is
 * this VM's, otherwise the one that takes IRQ0, in KVM_RUN or not. NULL if none is
 * known, or if it waits for INIT or SIPI.
 */
static struct kvm_vcpu *pit_next_vcpu(struct kvm_pit *pit)
{
	struct kvm_vcpu *vcpu = kvm_get_running_vcpu();

	if (vcpu && vcpu->kvm == pit->kvm && pit_vcpu_takes(vcpu))
		return vcpu;

	vcpu = pit_accepting_vcpu(pit);
	if (!vcpu || (mutex_is_locked(&vcpu->mutex) && !pit_vcpu_runs(vcpu)))
		return NULL;
	return vcpu;
}

/*
 * Have the thread of @vcpu run @task_work before it returns to userspace or enters
 * the guest. A thread that is in userspace, or asleep in another system call, runs it
 * before it comes to KVM_RUN. One that has become another program's has no part in it.
 */
static void pit_kick_vcpu(struct kvm_pit *pit, struct kvm_vcpu *vcpu, u64 now)
{
	struct task_struct *task;
	struct pid *pid;

	refcount_inc(&pit->refs);
	rcu_read_lock();
	pid = rcu_dereference(vcpu->pid);
	task = pid_task(pid, PIDTYPE_PID);
	if (task && READ_ONCE(task->mm) == pit->kvm->mm &&
	    !task_work_add(task, &pit->task_work, TWA_RESUME)) {
		pit->kicked = pid;
		pit->kicked_at = now;
	}
	rcu_read_unlock();

	if (!pit->kicked) {
		refcount_dec(&pit->refs);
		return;
	}

	/* It may be on its way to sleep in KVM_RUN. */
	if (pit_vcpu_looks(vcpu))
		return;
	if (READ_ONCE(vcpu->arch.mp_state) == KVM_MP_STATE_HALTED || pit_vcpu_runs(vcpu))
		kvm_make_request(KVM_REQ_UNBLOCK, vcpu);
	if (pit_vcpu_runs(vcpu))
		kvm_vcpu_kick(vcpu);
}

/*
 * Have the workqueue raise what can be raised. The VM does not pay for that. So
 * where no vCPU can take a tick, the workqueue raises once a second: who asks the
 * irqchips for their state finds a tick there.
 */
static void pit_queue_work(struct kvm_pit *pit, u64 now)
{
	if (!pit_vm_takes(pit)) {
		if (now < pit->work_at)
			return;
		pit->work_at = now + PIT_WORK_CLOCKS;
	}

	pit->kicked_at = now;
	queue_work(pit_wq, &pit->work);
}

/*
 * Have raised what can be raised, by the thread of a vCPU before it enters the guest:
 * the VM pays for it, at its own priority, and no other thread has to be scheduled
 * first. The workqueue raises it if there is no such thread in KVM_RUN, and if it does
 * not come in time.
 */
static void pit_kick(struct kvm_pit *pit, u64 now)
{
	struct kvm_vcpu *vcpu = pit_next_vcpu(pit);

	if (vcpu && !pit->kicked)
		pit_kick_vcpu(pit, vcpu, now);
	if (vcpu && pit->kicked && pit->kicked == rcu_access_pointer(vcpu->pid) &&
	    pit_vcpu_runs(vcpu) && now - pit->kicked_at < PIT_PATIENCE_CLOCKS)
		return;

	pit_queue_work(pit, now);
}

/*
 * Ask the irqchips. Where a mask has ended that nobody told of the end of, a tick may
 * wait: KVM looks for one when its 8259's output rises, and not when a LAPIC's LVT0
 * opens.
 */
static void pit_ask(struct kvm_pit *pit, struct i8254_line *line)
{
	struct kvm_vcpu *vcpu;

	lockdep_assert_held(&pit->lock);

	kvm_pit_ask_irqchips(pit->kvm, &pit->lapic, line);
	if (!pit->ticks.masked || !line->open || !line->pending)
		return;

	vcpu = pit_accepting_vcpu(pit);
	if (vcpu) {
		kvm_make_request(KVM_REQ_EVENT, vcpu);
		kvm_vcpu_kick(vcpu);
	}
}

/*
 * After every change: have raised what can be raised, and come back for the
 * rest. A tick for which there is no room needs nobody to raise it.
 */
static void pit_update(struct kvm_pit *pit, u64 now)
{
	struct i8254_line line;
	bool raise = false;

	lockdep_assert_held(&pit->lock);

	if (pit->dying)
		return;

	if (i8254_ticks_next(&pit->ticks) <= now) {
		/* A thread of the VM may go through many vCPUs, and the timer not. */
		raise = in_hardirq() &&
			atomic_read(&pit->kvm->online_vcpus) > PIT_LOOK_VCPUS;
		if (!raise) {
			pit_ask(pit, &line);
			raise = i8254_ticks_settle(&pit->ticks, &line, now);
		}
	}
	pit_report_losses(pit);
	if (pit->nmi_due || raise)
		pit_kick(pit, now);
	pit_arm(pit, now, i8254_ticks_next(&pit->ticks));
}

static enum hrtimer_restart pit_timer_fn(struct hrtimer *timer)
{
	struct kvm_pit *pit = container_of(timer, struct kvm_pit, timer);
	unsigned long irqflags;

	spin_lock_irqsave(&pit->lock, irqflags);
	/* It may have been armed anew since it fired, for a time to come. */
	pit->fired_for = min(hrtimer_get_expires(timer), ktime_get());
	pit_update(pit, pit_sync(pit));
	spin_unlock_irqrestore(&pit->lock, irqflags);

	/* Whoever holds the lock arms it; a restart could undo that. */
	return HRTIMER_NORESTART;
}

/* Raising ticks */

/*
 * The NMI watchdog of an old Linux: a tick is an NMI on every vCPU whose LVT0
 * is in NMI mode, whatever IRQ0 does. Nothing acknowledges an NMI, so it waits
 * for nothing.
 */
static void pit_deliver_nmi(struct kvm_pit *pit)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	if (!pit_has_vcpus(pit))
		return;

	kvm_for_each_vcpu(i, vcpu, pit->kvm)
		pit_call(kvm_apic_nmi_wd_deliver)(vcpu);
}

/*
 * Raise what the policy gives out. Takes the irqchips' locks, and so must not be
 * called under them or from the timer. A guest that accepts on one CPU what is
 * raised on another could go on for ever: leave the rest to the next work item.
 */
static void pit_deliver(struct kvm_pit *pit)
{
	enum i8254_answer answer;
	enum i8254_raise raise;
	struct i8254_line line;
	unsigned long irqflags;
	bool nmi;
	u64 now;

	spin_lock_irqsave(&pit->lock, irqflags);
	now = pit_now(pit);
	for (int n = 0; n < PIT_RAISES_AT_ONCE; n++) {
		if (i8254_ticks_next(&pit->ticks) > now)
			break;
		pit_ask(pit, &line);
		raise = i8254_ticks_take(&pit->ticks, &line, now);
		if (!raise)
			break;

		spin_unlock_irqrestore(&pit->lock, irqflags);
		answer = kvm_pit_pulse(pit->kvm, pit->irq_source_id);
		spin_lock_irqsave(&pit->lock, irqflags);
		now = pit_now(pit);
		i8254_ticks_raised(&pit->ticks, answer, now);
		/* There was room: the workqueue may raise the next one at once. */
		if (answer == I8254_TOOK)
			pit->work_at = 0;
		trace_kvm_pit_raise(pit_vm(pit), raise, answer, &pit->ticks);
	}
	nmi = pit->nmi_due;
	pit->nmi_due = false;
	pit_update(pit, now);
	spin_unlock_irqrestore(&pit->lock, irqflags);

	if (nmi)
		pit_deliver_nmi(pit);
}

static void pit_work_fn(struct work_struct *work)
{
	pit_deliver(container_of(work, struct kvm_pit, work));
}

/* The module stays until this thread is out of it: see attach_unregister_all(). */
static void pit_put(struct kvm_pit *pit)
{
	if (!refcount_dec_and_test(&pit->refs))
		return;

	kfree_rcu(pit, rcu);
	module_put(THIS_MODULE);
}

/* Count what is due, and raise what can be raised, for one who looks at the PIT. */
static void pit_catch_up(struct kvm_pit *pit)
{
	spin_lock_irq(&pit->lock);
	pit_sync(pit);
	spin_unlock_irq(&pit->lock);
	pit_deliver(pit);
}

/*
 * On the thread of a vCPU, which may have left the VM since, or the VM may be gone. If it
 * is on its way to userspace it may come to KVM_RUN from there.
 */
static void pit_task_work_fn(struct callback_head *task_work)
{
	struct kvm_pit *pit = container_of(task_work, struct kvm_pit, task_work);

	mutex_lock(&pit->deliver_lock);
	spin_lock_irq(&pit->lock);
	pit->kicked = NULL;
	spin_unlock_irq(&pit->lock);
	if (!pit->dying)
		pit_catch_up(pit);
	mutex_unlock(&pit->deliver_lock);
	pit_put(pit);
}

/*
 * The guest's EOI, on the vCPU's thread, the irqchip's lock dropped. Mostly no
 * tick was waiting for it, and the timer is right as it is.
 */
static void pit_ack_irq(struct kvm_irq_ack_notifier *notifier)
{
	struct kvm_pit *pit = container_of(notifier, struct kvm_pit, ack_notifier);
	struct kvm_vcpu *vcpu = kvm_get_running_vcpu();
	unsigned long irqflags;
	bool waiting;

	spin_lock_irqsave(&pit->lock, irqflags);
	if (vcpu && vcpu->kvm == pit->kvm)
		pit->vcpu = vcpu;
	i8254_ticks_acked(&pit->ticks);
	trace_kvm_pit_ack(pit_vm(pit), &pit->ticks);
	waiting = i8254_ticks_next(&pit->ticks) != I8254_NEVER;
	spin_unlock_irqrestore(&pit->lock, irqflags);

	if (waiting)
		pit_deliver(pit);
}

/* Comes with the irqchip's lock held. */
static void pit_mask_irq(struct kvm_irq_mask_notifier *notifier, bool masked)
{
	struct kvm_pit *pit = container_of(notifier, struct kvm_pit, mask_notifier);
	struct i8254_line line;
	unsigned long irqflags;
	u64 now;

	spin_lock_irqsave(&pit->lock, irqflags);
	now = pit_sync(pit);
	kvm_pit_ask_irqchips(pit->kvm, &pit->lapic, &line);
	i8254_ticks_masked(&pit->ticks, masked, &line, now);
	trace_kvm_pit_mask(pit_vm(pit), masked, &pit->ticks);
	pit_update(pit, now);
	spin_unlock_irqrestore(&pit->lock, irqflags);
}

/* Policy */

/*
 * APICv and AVIC do not report the EOIs of edge-triggered interrupts: inhibit
 * them for as long as the policy lives on EOIs.
 */
static void pit_watch_acks(struct kvm_pit *pit)
{
	if (pit->watches_acks)
		return;

	kvm_set_apicv_inhibit(pit->kvm, APICV_INHIBIT_REASON_PIT_REINJ);
	pit_call(kvm_register_irq_ack_notifier)(pit->kvm, &pit->ack_notifier);
	pit->watches_acks = true;
}

static void pit_unwatch_acks(struct kvm_pit *pit)
{
	if (!pit->watches_acks)
		return;

	pit_call(kvm_unregister_irq_ack_notifier)(pit->kvm, &pit->ack_notifier);
	kvm_clear_apicv_inhibit(pit->kvm, APICV_INHIBIT_REASON_PIT_REINJ);
	pit->watches_acks = false;
}

/* The chip is at the present: what came due before it did so under the old policy. */
static void pit_set_policy(struct kvm_pit *pit, const struct i8254_tick_config *config)
{
	lockdep_assert_held(&pit->config_lock);
	lockdep_assert_held(&pit->lock);

	i8254_ticks_configure(&pit->ticks, config, pit->chip.now);
	trace_kvm_pit_policy(pit_vm(pit), &pit->ticks);
}

/*
 * @keep_state: a new value for that, or NULL for none. EOIs are seen from before a
 * policy that needs them until after it.
 */
static void pit_configure(struct kvm_pit *pit, const struct i8254_tick_config *config,
			  const bool *keep_state)
{
	u64 now;

	mutex_lock(&pit->config_lock);
	pit_catch_up(pit);
	if (config->policy->needs_ack)
		pit_watch_acks(pit);

	spin_lock_irq(&pit->lock);
	now = pit_sync(pit);
	if (keep_state)
		pit->keep_state = *keep_state;
	pit_set_policy(pit, config);
	pit_update(pit, now);
	spin_unlock_irq(&pit->lock);

	if (!config->policy->needs_ack)
		pit_unwatch_acks(pit);
	mutex_unlock(&pit->config_lock);
}

/**
 * kvm_pit_enable_cap - KVM_ENABLE_CAP of KVM_CAP_PIT_TICK_POLICY
 * @kvm: the VM
 * @cap: policy, flags, slew rate and backlog limit, see <linux/kvm_i8254.h>
 *
 * Return: 0; -EINVAL where an argument is out of range; -ENXIO where the VM
 * does not have this PIT. Nothing is changed then.
 */
int kvm_pit_enable_cap(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	struct i8254_tick_config config = {
		.policy = i8254_policy_by_id(cap->args[0]),
		.slew_rate = min_t(u64, cap->args[2], U32_MAX),
		.backlog_limit = cap->args[3],
	};
	bool keep_state = cap->args[1] & KVM_PIT_TICK_KEEP_STATE;
	struct kvm_pit *pit;
	int ret;

	if (cap->flags || cap->args[1] & ~KVM_PIT_TICK_KEEP_STATE)
		return -EINVAL;
	ret = i8254_tick_config_check(&config);
	if (ret)
		return ret;

	pit = kvm_to_pit(kvm);
	if (!pit)
		return -ENXIO;

	pit_configure(pit, &config, &keep_state);
	return 0;
}

/* Ports */

static void pit_write(struct kvm_pit *pit, unsigned int port, u8 value)
{
	u64 now = pit_sync(pit);
	unsigned int effect = i8254_write(&pit->chip, port, value);

	if (effect & I8254_REPROGRAMMED) {
		pit->set_by_ioctl = false;
		i8254_ticks_restart(&pit->ticks, i8254_period(&pit->chip, 0));
	}
	if (effect & I8254_ROSE)
		pit_due(pit, 1, now);
	if (effect)
		pit_update(pit, now);
}

static u8 pit_read(struct kvm_pit *pit, unsigned int port)
{
	/* What is latched is what it was, whatever the time. */
	if (!i8254_latched(&pit->chip, port))
		pit_sync(pit);
	return i8254_read(&pit->chip, port);
}

static void speaker_write(struct kvm_pit *pit, u8 value)
{
	pit_sync(pit);
	i8254_set_gate(&pit->chip, 2, value & SPEAKER_GATE2);
	if (value & SPEAKER_DATA)
		pit->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	else
		pit->flags &= ~KVM_PIT_FLAGS_SPEAKER_DATA_ON;
}

static u8 speaker_read(struct kvm_pit *pit)
{
	u64 now = pit_sync(pit);
	u8 value = 0;

	if (pit->chip.counter[2].gate)
		value |= SPEAKER_GATE2;
	if (pit->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON)
		value |= SPEAKER_DATA;
	if ((now / REFRESH_CLOCKS) & 1)
		value |= SPEAKER_REFRESH;
	if (pit->chip.counter[2].out)
		value |= SPEAKER_OUT2;

	return value;
}

/*
 * The ports are eight bits wide: a PC splits a wider access into one access to
 * each port from @addr upwards. Ports behind the device's own have nothing
 * that drives the bus.
 */
static int pit_ioport_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
			    gpa_t addr, int len, const void *data)
{
	struct kvm_pit *pit = container_of(dev, struct kvm_pit, dev);
	unsigned long irqflags;
	const u8 *bytes = data;

	if (addr < PIT_BASE || addr >= PIT_BASE + PIT_PORTS)
		return -EOPNOTSUPP;

	spin_lock_irqsave(&pit->lock, irqflags);
	for (unsigned int port = addr - PIT_BASE; len && port < PIT_PORTS;
	     port++, len--)
		pit_write(pit, port, *bytes++);
	spin_unlock_irqrestore(&pit->lock, irqflags);

	return 0;
}

static int pit_ioport_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
			   gpa_t addr, int len, void *data)
{
	struct kvm_pit *pit = container_of(dev, struct kvm_pit, dev);
	unsigned long irqflags;
	u8 *bytes = data;
	bool risen;

	if (addr < PIT_BASE || addr >= PIT_BASE + PIT_PORTS)
		return -EOPNOTSUPP;

	memset(data, 0xff, len);
	spin_lock_irqsave(&pit->lock, irqflags);
	for (unsigned int port = addr - PIT_BASE; len && port < PIT_PORTS;
	     port++, len--)
		*bytes++ = pit_read(pit, port);
	risen = i8254_ticks_next(&pit->ticks) <= pit->chip.now;
	spin_unlock_irqrestore(&pit->lock, irqflags);

	/* A guest that reads a wrapped count finds its tick at the irqchip. */
	if (risen)
		pit_deliver(pit);
	return 0;
}

static int speaker_ioport_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
				gpa_t addr, int len, const void *data)
{
	struct kvm_pit *pit = container_of(dev, struct kvm_pit, speaker_dev);
	unsigned long irqflags;

	if (addr != SPEAKER_PORT)
		return -EOPNOTSUPP;

	spin_lock_irqsave(&pit->lock, irqflags);
	speaker_write(pit, *(const u8 *)data);
	spin_unlock_irqrestore(&pit->lock, irqflags);

	return 0;
}

static int speaker_ioport_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
			       gpa_t addr, int len, void *data)
{
	struct kvm_pit *pit = container_of(dev, struct kvm_pit, speaker_dev);
	unsigned long irqflags;

	if (addr != SPEAKER_PORT)
		return -EOPNOTSUPP;

	memset(data, 0xff, len);
	spin_lock_irqsave(&pit->lock, irqflags);
	*(u8 *)data = speaker_read(pit);
	spin_unlock_irqrestore(&pit->lock, irqflags);

	return 0;
}

static const struct kvm_io_device_ops pit_dev_ops = {
	.read	= pit_ioport_read,
	.write	= pit_ioport_write,
};

static const struct kvm_io_device_ops speaker_dev_ops = {
	.read	= speaker_ioport_read,
	.write	= speaker_ioport_write,
};

/* State */

/*
 * Wait for a tick that is being raised: it is one of the state at hand, not of the
 * next. That takes as long as kvm_pit_pulse().
 */
static void pit_wait_raised(struct kvm_pit *pit)
{
	while (pit->ticks.raising) {
		spin_unlock_irq(&pit->lock);
		usleep_range(10, 50);
		spin_lock_irq(&pit->lock);
	}
}

static void pit_get_state(struct kvm_pit *pit, struct kvm_pit_state2 *state)
{
	u64 ns, now;

	memset(state, 0, sizeof(*state));

	spin_lock_irq(&pit->lock);
	/* A tick that is being raised is in none of the counters. */
	pit_wait_raised(pit);
	ns = pit_ns(pit);
	now = pit_sync_to(pit, ns);
	for (unsigned int n = 0; n < I8254_COUNTERS; n++) {
		const struct i8254_counter *c = &pit->chip.counter[n];

		kvm_pit_save_channel(c, &state->channels[n]);
		state->channels[n].count_load_time = pit_clock_to_ktime(pit, c->loaded_at);
	}
	state->flags = pit->flags;
	if (pit->keep_state)
		kvm_pit_save_ticks(&pit->chip, &pit->ticks,
				   ns - i8254_clocks_to_ns(now), state);
	spin_unlock_irq(&pit->lock);
}

/*
 * Is the counter programmed as in @s? Then it goes on as it is: the VMM was after
 * something else, or only after its GATE.
 */
static bool pit_keep_channel(struct kvm_pit *pit, unsigned int n,
			     const struct kvm_pit_channel_state *s)
{
	struct kvm_pit_channel_state is;

	kvm_pit_save_channel(&pit->chip.counter[n], &is);
	is.count_load_time = s->count_load_time;
	is.gate = s->gate;
	if (!pit->keep_state || memcmp(&is, s, sizeof(is)))
		return false;

	if (n == 2)
		i8254_set_gate(&pit->chip, n, s->gate & 1);
	return true;
}

/* Without @flags these stay as they are. */
static void pit_set_state(struct kvm_pit *pit,
			  const struct kvm_pit_channel_state *channels,
			  const u32 *flags)
{
	u64 now;

	spin_lock_irq(&pit->lock);
	now = pit_sync(pit);
	for (unsigned int n = 0; n < I8254_COUNTERS; n++) {
		if (pit_keep_channel(pit, n, &channels[n]))
			continue;
		kvm_pit_load_channel(&pit->chip, n, &channels[n]);
		if (n != 0)
			continue;
		pit->set_by_ioctl = true;
		i8254_ticks_restart(&pit->ticks, i8254_period(&pit->chip, 0));
	}
	if (flags)
		pit->flags = *flags;
	pit_update(pit, now);
	spin_unlock_irq(&pit->lock);
}

/*
 * Go on from a state that KVM_PIT_TICK_KEEP_STATE kept, in the midst of a clock. Its
 * policy comes with it, in the same step.
 */
static int pit_set_kept_state(struct kvm_pit *pit, const struct kvm_pit_state2 *state)
{
	struct i8254_tick_config config;
	u64 ns, now;
	u32 clock_ns;
	int ret;

	lockdep_assert_held(&pit->config_lock);

	ret = kvm_pit_check_ticks(state, &config);
	if (ret)
		return ret;

	if (config.policy->needs_ack)
		pit_watch_acks(pit);

	spin_lock_irq(&pit->lock);
	pit_wait_raised(pit);
	ns = pit_ns(pit);
	now = pit_sync_to(pit, ns);
	pit_set_policy(pit, &config);
	clock_ns = kvm_pit_load_ticks(&pit->chip, &pit->ticks, state);
	pit->epoch_ns += ns - i8254_clocks_to_ns(now) - clock_ns;
	pit->flags = state->flags & ~KVM_PIT_FLAGS_TICK_STATE;
	pit->set_by_ioctl = true;
	pit_update(pit, now);
	spin_unlock_irq(&pit->lock);

	if (!config.policy->needs_ack)
		pit_unwatch_acks(pit);
	return 0;
}

/* debugfs */

static int pit_policy_show(struct seq_file *m, void *unused)
{
	struct kvm_pit *pit = m->private;
	const struct i8254_policy *policy;

	spin_lock_irq(&pit->lock);
	policy = pit->ticks.config.policy;
	spin_unlock_irq(&pit->lock);
	seq_printf(m, "%s\n", policy->name);
	return 0;
}

static int pit_policy_open(struct inode *inode, struct file *file)
{
	return single_open(file, pit_policy_show, inode->i_private);
}

static ssize_t pit_policy_write(struct file *file, const char __user *ubuf,
				size_t len, loff_t *ppos)
{
	struct kvm_pit *pit = file_inode(file)->i_private;
	const struct i8254_policy *policy;
	struct i8254_tick_config config;
	char name[I8254_POLICY_NAME_LEN + 1];

	if (len >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, ubuf, len))
		return -EFAULT;
	name[len] = '\0';

	policy = i8254_policy_by_name(name);
	if (!policy)
		return -EINVAL;

	config = pit_default_config(policy);
	pit_configure(pit, &config, NULL);

	/* An operator hears of the limit that holds from now on, too. */
	spin_lock_irq(&pit->lock);
	pit->limit_reported = false;
	spin_unlock_irq(&pit->lock);
	return len;
}

static const struct file_operations pit_policy_fops = {
	.owner		= THIS_MODULE,
	.open		= pit_policy_open,
	.read		= seq_read,
	.write		= pit_policy_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

/* From one of counter 0's ticks to the next; 0: it is not periodic. */
static int pit_period_ns_get(void *data, u64 *ns)
{
	struct kvm_pit *pit = data;

	spin_lock_irq(&pit->lock);
	*ns = i8254_clocks_to_ns(pit->ticks.period);
	spin_unlock_irq(&pit->lock);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(pit_period_ns_fops, pit_period_ns_get, NULL, "%llu\n");

/* A counter of ticks, brought to the present. */
#define PIT_COUNTER(_name)						\
static int pit_##_name##_get(void *data, u64 *value)			\
{									\
	struct kvm_pit *pit = data;					\
									\
	pit_catch_up(pit);						\
	spin_lock_irq(&pit->lock);					\
	*value = pit->ticks._name;					\
	spin_unlock_irq(&pit->lock);					\
	return 0;							\
}									\
DEFINE_DEBUGFS_ATTRIBUTE(pit_##_name##_fops, pit_##_name##_get, NULL, "%llu\n")

PIT_COUNTER(due);
PIT_COUNTER(delivered);
PIT_COUNTER(replayed);
PIT_COUNTER(lost);
PIT_COUNTER(backlog);

/* Goes with the VM's own folder, before the PIT does. */
static void pit_create_debugfs(struct kvm_pit *pit)
{
	struct dentry *dir = debugfs_create_dir("pit", pit->kvm->debugfs_dentry);
	struct i8254_ticks *t = &pit->ticks;

	pit->debugfs = dir;
	debugfs_create_file("policy", 0644, dir, pit, &pit_policy_fops);
	debugfs_create_u32("slew_rate", 0444, dir, &t->config.slew_rate);
	debugfs_create_u64("backlog_limit", 0444, dir, &t->config.backlog_limit);
	debugfs_create_file_unsafe("period_ns", 0444, dir, pit, &pit_period_ns_fops);
	debugfs_create_file_unsafe("due", 0444, dir, pit, &pit_due_fops);
	debugfs_create_file_unsafe("delivered", 0444, dir, pit, &pit_delivered_fops);
	debugfs_create_file_unsafe("replayed", 0444, dir, pit, &pit_replayed_fops);
	debugfs_create_file_unsafe("lost", 0444, dir, pit, &pit_lost_fops);
	debugfs_create_file_unsafe("backlog", 0444, dir, pit, &pit_backlog_fops);
}

/* Creation and destruction */

static struct kvm_pit *pit_alloc(struct kvm *kvm)
{
	struct kvm_pit *pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);

	if (!pit)
		return NULL;

	pit->kvm = kvm;
	pit->pid = task_tgid_nr(current);
	pit->epoch_ns = ktime_get_ns();
	mutex_init(&pit->config_lock);
	spin_lock_init(&pit->lock);
	hrtimer_init(&pit->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	pit->timer.function = pit_timer_fn;
	refcount_set(&pit->refs, 1);
	mutex_init(&pit->deliver_lock);
	init_task_work(&pit->task_work, pit_task_work_fn);
	INIT_WORK(&pit->work, pit_work_fn);

	pit->ack_notifier.gsi = PIT_GSI;
	pit->ack_notifier.irq_acked = pit_ack_irq;
	pit->mask_notifier.func = pit_mask_irq;
	kvm_iodevice_init(&pit->dev, &pit_dev_ops);
	kvm_iodevice_init(&pit->speaker_dev, &speaker_dev_ops);

	i8254_reset(&pit->chip, 0);
	return pit;
}

/*
 * The guest finds the ports on the I/O bus. Nothing else does: userspace registers
 * devices there too, at any port, and the bus loses all of them when it gets no
 * memory for its next version.
 */
static int pit_register_ports(struct kvm_pit *pit, bool speaker)
{
	struct kvm *kvm = pit->kvm;
	int ret = 0;

	mutex_lock(&kvm->slots_lock);
	if (speaker)
		ret = pit_call(kvm_io_bus_register_dev)(kvm, KVM_PIO_BUS, SPEAKER_PORT,
							PIT_RANGE(1), &pit->speaker_dev);
	if (ret)
		goto out;

	ret = pit_call(kvm_io_bus_register_dev)(kvm, KVM_PIO_BUS, PIT_BASE,
						PIT_RANGE(PIT_PORTS), &pit->dev);
	if (ret && speaker)
		pit_call(kvm_io_bus_unregister_dev)(kvm, KVM_PIO_BUS, &pit->speaker_dev);
out:
	mutex_unlock(&kvm->slots_lock);
	return ret;
}

static void pit_unregister_ports(struct kvm_pit *pit)
{
	struct kvm *kvm = pit->kvm;

	mutex_lock(&kvm->slots_lock);
	pit_call(kvm_io_bus_unregister_dev)(kvm, KVM_PIO_BUS, &pit->dev);
	pit_call(kvm_io_bus_unregister_dev)(kvm, KVM_PIO_BUS, &pit->speaker_dev);
	mutex_unlock(&kvm->slots_lock);
}

static int pit_create(struct kvm *kvm, u32 flags)
{
	const struct i8254_policy *policy = pit_new_policy();
	struct i8254_tick_config config = pit_default_config(policy);
	struct kvm_pit *pit = pit_alloc(kvm);
	u64 floor_ns = READ_ONCE(param_min_period_us) * (u64)NSEC_PER_USEC;
	int ret = -ENOMEM;

	if (!pit)
		return ret;

	pit->irq_source_id = pit_call(kvm_request_irq_source_id)(kvm);
	if (pit->irq_source_id < 0)
		goto free_pit;

	i8254_ticks_init(&pit->ticks, &config, i8254_ns_to_clocks(floor_ns));
	trace_kvm_pit_policy(pit_vm(pit), &pit->ticks);
	pit_call(kvm_register_irq_mask_notifier)(kvm, PIT_GSI, &pit->mask_notifier);
	if (policy->needs_ack)
		pit_watch_acks(pit);

	ret = pit_register_ports(pit, flags & KVM_PIT_SPEAKER_DUMMY);
	if (ret)
		goto unwatch;

	pit_create_debugfs(pit);
	pit_register(pit);
	return 0;

unwatch:
	pit_unwatch_acks(pit);
	pit_call(kvm_unregister_irq_mask_notifier)(kvm, PIT_GSI, &pit->mask_notifier);
	pit_call(kvm_free_irq_source_id)(kvm, pit->irq_source_id);
free_pit:
	kfree(pit);
	return -ENOMEM;
}

/**
 * kvm_pit_destroy - take a VM's PIT away
 * @pit: the PIT
 *
 * For a VM that is being destroyed: no vCPU runs, no ioctl comes, and its
 * debugfs folder is gone. Gives back the PIT's reference on the module, at once
 * or when a thread that was told to raise a tick comes to see that there is none.
 */
void kvm_pit_destroy(struct kvm_pit *pit)
{
	struct kvm *kvm = pit->kvm;

	pit_unregister(pit);
	pit_unregister_ports(pit);
	pit_unwatch_acks(pit);
	pit_call(kvm_unregister_irq_mask_notifier)(kvm, PIT_GSI, &pit->mask_notifier);

	mutex_lock(&pit->deliver_lock);
	spin_lock_irq(&pit->lock);
	pit->dying = true;
	spin_unlock_irq(&pit->lock);
	mutex_unlock(&pit->deliver_lock);
	hrtimer_cancel(&pit->timer);
	cancel_work_sync(&pit->work);

	pit_call(kvm_free_irq_source_id)(kvm, pit->irq_source_id);
	pit_put(pit);
}

/**
 * kvm_pit_migrate_timer - vCPU 0 has moved to another CPU
 * @pit: the PIT
 *
 * Takes the timer along, to the calling CPU.
 */
void kvm_pit_migrate_timer(struct kvm_pit *pit)
{
	/* Not under the lock, for which the timer may be waiting. */
	if (!hrtimer_cancel(&pit->timer))
		return;

	spin_lock_irq(&pit->lock);
	pit_update(pit, pit_sync(pit));
	spin_unlock_irq(&pit->lock);
}

/* ioctls */

static int pit_ioctl_create(struct kvm *kvm, u32 flags)
{
	int ret;

	mutex_lock(&kvm->lock);
	if (kvm->arch.vpit || kvm_to_pit(kvm))
		ret = -EEXIST;
	else if (READ_ONCE(kvm->arch.irqchip_mode) != KVM_IRQCHIP_KERNEL)
		ret = -ENOENT;
	else
		ret = pit_create(kvm, flags);
	mutex_unlock(&kvm->lock);

	return ret;
}

static int pit_ioctl_get(struct kvm_pit *pit, void __user *argp, size_t size)
{
	struct kvm_pit_state2 state;

	/* The first form is the beginning of the second. */
	BUILD_BUG_ON(offsetof(struct kvm_pit_state2, channels) != 0 ||
		     sizeof(struct kvm_pit_state) != sizeof(state.channels));

	pit_catch_up(pit);
	pit_get_state(pit, &state);
	return copy_to_user(argp, &state, size) ? -EFAULT : 0;
}

static int pit_ioctl_set(struct kvm_pit *pit, void __user *argp)
{
	struct kvm_pit_state state;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;

	pit_set_state(pit, state.channels, NULL);
	return 0;
}

static int pit_ioctl_set2(struct kvm_pit *pit, void __user *argp)
{
	struct kvm_pit_state2 state;
	int ret = 0;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;

	mutex_lock(&pit->config_lock);
	if (pit->keep_state && kvm_pit_has_ticks(&state))
		ret = pit_set_kept_state(pit, &state);
	else
		pit_set_state(pit, state.channels, &state.flags);
	mutex_unlock(&pit->config_lock);

	return ret;
}

static int pit_ioctl_reinject(struct kvm_pit *pit, void __user *argp)
{
	struct kvm_reinject_control control;
	struct i8254_tick_config config;

	if (copy_from_user(&control, argp, sizeof(control)))
		return -EFAULT;

	config = pit_default_config(control.pit_reinject ?
				    pit_reinject_policy() :
				    i8254_policy_by_id(KVM_PIT_TICK_DISCARD));
	pit_configure(pit, &config, NULL);
	return 0;
}

/**
 * kvm_pit_ioctl_create - KVM_CREATE_PIT and KVM_CREATE_PIT2
 * @kvm: the VM
 * @ioctl: which of the two
 * @argp: its argument
 *
 * Return: 0; -EFAULT if @argp cannot be read; -EEXIST if the VM has a PIT; -ENOENT
 * if it has no 8259; -ENOMEM.
 */
int kvm_pit_ioctl_create(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl == KVM_CREATE_PIT2 && copy_from_user(&config, argp, sizeof(config)))
		return -EFAULT;

	return pit_ioctl_create(kvm, config.flags);
}

/**
 * kvm_pit_ioctl - the ioctls on a VM that concern its PIT
 * @pit: the PIT
 * @ioctl: one of KVM_GET_PIT, KVM_SET_PIT, KVM_GET_PIT2, KVM_SET_PIT2 and
 *	KVM_REINJECT_CONTROL
 * @argp: its argument
 *
 * Return: 0; -EFAULT if @argp cannot be read or written; -EINVAL if a state
 * with ticks is none; -ENOTTY for any other ioctl.
 */
int kvm_pit_ioctl(struct kvm_pit *pit, unsigned int ioctl, void __user *argp)
{
	switch (ioctl) {
	case KVM_GET_PIT:
		return pit_ioctl_get(pit, argp, sizeof(struct kvm_pit_state));
	case KVM_GET_PIT2:
		return pit_ioctl_get(pit, argp, sizeof(struct kvm_pit_state2));
	case KVM_SET_PIT:
		return pit_ioctl_set(pit, argp);
	case KVM_SET_PIT2:
		return pit_ioctl_set2(pit, argp);
	case KVM_REINJECT_CONTROL:
		return pit_ioctl_reinject(pit, argp);
	default:
		return -ENOTTY;
	}
}

/**
 * kvm_pit_init - what all PITs share
 *
 * Return: 0 or -ENOMEM.
 */
int kvm_pit_init(void)
{
	pit_wq = alloc_workqueue("kvm-pit", WQ_HIGHPRI, 0);
	return pit_wq ? 0 : -ENOMEM;
}

/**
 * kvm_pit_exit - undo kvm_pit_init()
 *
 * No PIT is left.
 */
void kvm_pit_exit(void)
{
	destroy_workqueue(pit_wq);
}
