// SPDX-License-Identifier: GPL-2.0-only
/*
 * When a tick of the PIT is raised, and by whom.
 *
 * kvm_pit_update() is the middle: every change ends there. It asks the irqchips
 * whether the policy's next tick has room, has it raised, and sets the hrtimer to
 * what comes next. The hrtimer, an EOI, an unmask and a port access are occasions
 * for it.
 *
 * kvm_pit_deliver() raises. It takes the irqchips' locks, which whoever calls
 * kvm_pit_update() may hold or have interrupted. So kvm_pit_update() leaves it to
 * task work on a vCPU's thread, or to the workqueue.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "kvm_pit.h"
#include "kvm_pit_state.h"

#define CREATE_TRACE_POINTS
#include "kvm_pit_trace.h"

/* kvm_pit_deliver() raises no more ticks than that in a row. */
#define PIT_RAISES_AT_ONCE	16

/* How often the workqueue raises a tick where no vCPU can take it: each second. */
#define PIT_WORK_CLOCKS		1193182

/* How long a tick waits for a vCPU's thread to raise it: 10 ms. */
#define PIT_PATIENCE_CLOCKS	11932

/* How often the timer fires at most where no vCPU can take a tick. */
#define PIT_AWAY_US		1000

static struct workqueue_struct *pit_wq;

static u64 pit_now(const struct kvm_pit *pit)
{
	return i8254_ns_to_clocks(kvm_pit_ns(pit));
}

/* In HPET legacy mode the HPET's timer 0 drives IRQ0 in place of OUT0. */
static bool pit_drives_irq0(const struct kvm_pit *pit)
{
	return !(pit->flags & KVM_PIT_FLAGS_HPET_LEGACY);
}

/*
 * Trace the ticks that were lost since the last call. Log once that the backlog limit
 * is reached, so that a VMM cannot flood the log.
 */
static void pit_report_losses(struct kvm_pit *pit)
{
	const struct i8254_ticks *t = &pit->ticks;

	if (t->lost != pit->lost)
		trace_kvm_pit_lost(kvm_pit_vm(pit), t->lost - pit->lost, t);
	pit->lost = t->lost;

	if (!t->limit_hit || pit->limit_reported)
		return;
	pit->limit_reported = true;
	pr_info_ratelimited("VM of process %d: more than %llu ticks are owed, and the oldest are lost from now on\n",
			    pit->pid, t->config.backlog_limit);
}

/**
 * kvm_pit_due - ticks came due
 * @pit: the PIT, under its lock
 * @n: how many
 * @now: clock, the present
 */
void kvm_pit_due(struct kvm_pit *pit, u64 n, u64 now)
{
	if (!n || !pit_drives_irq0(pit))
		return;

	if (pit->ticks.masked && kvm_pit_guest_stalls(pit))
		i8254_ticks_stalled(&pit->ticks, n, now);
	i8254_ticks_due(&pit->ticks, n, kvm_pit_edge(&pit->chip), now);
	trace_kvm_pit_due(kvm_pit_vm(pit), n, &pit->ticks);
	if (atomic_read(&pit->kvm->arch.vapics_in_nmi_mode) > 0)
		pit->nmi_due = true;
}

/**
 * kvm_pit_sync_to - bring the chip to the present, and count what came due
 * @pit: the PIT, under its lock
 * @ns: the present, as from kvm_pit_ns()
 *
 * Return: the clock of @ns.
 */
u64 kvm_pit_sync_to(struct kvm_pit *pit, u64 ns)
{
	u64 now = i8254_ns_to_clocks(ns);

	lockdep_assert_held(&pit->lock);

	kvm_pit_due(pit, i8254_advance(&pit->chip, now), now);
	return now;
}

/**
 * kvm_pit_sync - kvm_pit_sync_to() of the present
 * @pit: the PIT, under its lock
 *
 * Return: the clock of the present.
 */
u64 kvm_pit_sync(struct kvm_pit *pit)
{
	return kvm_pit_sync_to(pit, kvm_pit_ns(pit));
}

/*
 * The earliest time for the timer to fire, CLOCK_MONOTONIC. Ticks that come due until
 * then are counted together. The timer fires less often while no vCPU can take a tick:
 * none is in KVM_RUN, or the one that was told of a tick has not come yet.
 */
static ktime_t pit_not_before(struct kvm_pit *pit)
{
	u64 floor_us = kvm_pit_min_period_us();

	if (pit->kicked || !kvm_pit_vm_takes(pit))
		floor_us = max(floor_us, PIT_AWAY_US);
	return ktime_add_us(pit->fired_for, floor_us);
}

/*
 * Set the timer to the next tick, due or owed. @next is the clock of the policy's next
 * tick. If that is now, a vCPU's thread or the workqueue has been told to raise it, and
 * the timer checks on it after PIT_PATIENCE_CLOCKS.
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
		/* If it is firing already, it finds nothing to do. */
		hrtimer_try_to_cancel(&pit->timer);
		return;
	}

	expires = kvm_pit_clock_to_ktime(pit, next);
	/* A one-shot needs no floor: the guest programs each one. */
	if (i8254_period(&pit->chip, 0) || pit->set_by_ioctl)
		expires = max(expires, pit_not_before(pit));
	if (hrtimer_is_queued(&pit->timer) && hrtimer_get_expires(&pit->timer) == expires)
		return;
	hrtimer_start(&pit->timer, expires, HRTIMER_MODE_ABS);
}

/*
 * True if the vCPU's thread runs its task work before it enters the guest or sleeps,
 * without a kick. So it does if it is in the guest, was interrupted there, or is the
 * caller.
 */
static bool pit_vcpu_looks(struct kvm_vcpu *vcpu)
{
	if (vcpu == kvm_get_running_vcpu())
		return !in_hardirq() || vcpu->arch.handling_intr_from_guest;

	return READ_ONCE(vcpu->mode) == IN_GUEST_MODE;
}

/*
 * Have the thread of @vcpu run @task_work before it enters the guest or returns to
 * userspace. A thread that is in userspace, or asleep in another system call, runs it
 * before it comes to KVM_RUN. A thread that has exec'ed another program is not asked.
 */
static void pit_kick_vcpu(struct kvm_pit *pit, struct kvm_vcpu *vcpu, u64 now)
{
	struct task_struct *task;
	struct pid *pid;

	refcount_inc(&pit->refs);
	rcu_read_lock();
	task = kvm_vcpu_task(vcpu);
	pid = task ? task_pid(task) : NULL;
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

	/* Elsewhere in KVM_RUN it may be about to sleep: wake it up. */
	if (pit_vcpu_looks(vcpu))
		return;
	if (READ_ONCE(vcpu->arch.mp_state) == KVM_MP_STATE_HALTED || kvm_pit_vcpu_runs(vcpu))
		kvm_make_request(KVM_REQ_UNBLOCK, vcpu);
	if (kvm_pit_vcpu_runs(vcpu))
		kvm_vcpu_kick(vcpu);
}

/*
 * Have the workqueue raise what can be raised. The VM does not pay for that. So while
 * no vCPU can take a tick, the workqueue raises only once a second. That is enough for
 * a VMM that saves the irqchips: it finds a tick there.
 */
static void pit_queue_work(struct kvm_pit *pit, u64 now)
{
	if (!kvm_pit_vm_takes(pit)) {
		if (now < pit->work_at)
			return;
		pit->work_at = now + PIT_WORK_CLOCKS;
	}

	pit->kicked_at = now;
	queue_work(pit_wq, &pit->work);
}

/*
 * Have a vCPU's thread raise what can be raised before it enters the guest. Then the VM
 * pays for it, at its own priority, and no other thread has to be scheduled first. The
 * workqueue raises it if no such thread is in KVM_RUN, or if the thread does not come
 * in time.
 */
static void pit_kick(struct kvm_pit *pit, u64 now)
{
	struct kvm_vcpu *vcpu = kvm_pit_raising_vcpu(pit);

	if (vcpu && !pit->kicked)
		pit_kick_vcpu(pit, vcpu, now);
	if (vcpu && pit->kicked && pit->kicked == kvm_vcpu_pid(vcpu) &&
	    kvm_pit_vcpu_runs(vcpu) && now - pit->kicked_at < PIT_PATIENCE_CLOCKS)
		return;

	pit_queue_work(pit, now);
}

/*
 * Ask the irqchips. If a mask has ended without a notification, a tick may be pending
 * that no vCPU looks for: KVM makes one look when the 8259's output rises, but not when
 * a LAPIC's LVT0 is unmasked. So make it look here.
 */
static void pit_ask(struct kvm_pit *pit, struct i8254_line *line)
{
	struct kvm_vcpu *vcpu;

	lockdep_assert_held(&pit->lock);

	kvm_pit_ask_irqchips(pit->kvm, &pit->lapic, line);
	if (!pit->ticks.masked || !line->open || !line->pending)
		return;

	vcpu = kvm_pit_accepting_vcpu(pit);
	if (vcpu) {
		kvm_make_request(KVM_REQ_EVENT, vcpu);
		kvm_vcpu_kick(vcpu);
	}
}

/**
 * kvm_pit_update - what follows from a change
 * @pit: the PIT, under its lock; its chip is at the present
 * @now: clock, the present
 *
 * Has raised what can be raised, and sets the timer for the rest. Nobody is told of a
 * tick for which the irqchips have no room. May be called in any context but NMI, and
 * under the irqchips' locks.
 */
void kvm_pit_update(struct kvm_pit *pit, u64 now)
{
	struct i8254_line line;
	bool raise = false;

	lockdep_assert_held(&pit->lock);

	if (pit->dying)
		return;

	if (i8254_ticks_next(&pit->ticks) <= now) {
		/* To ask about many vCPUs takes long: the VM's thread does it. */
		raise = in_hardirq() && kvm_pit_many_vcpus(pit->kvm);
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
	/* Since it fired it may have been armed anew, for a time to come. */
	pit->fired_for = min(hrtimer_get_expires(timer), ktime_get());
	kvm_pit_update(pit, kvm_pit_sync(pit));
	spin_unlock_irqrestore(&pit->lock, irqflags);

	/* It is armed only under the lock: HRTIMER_RESTART could undo that. */
	return HRTIMER_NORESTART;
}

/* Raising ticks */

/*
 * For the NMI watchdog of an old Linux: each tick is an NMI on every vCPU whose LVT0 is
 * in NMI mode, whatever becomes of IRQ0. An NMI has no EOI, so it never waits.
 */
static void pit_deliver_nmi(struct kvm_pit *pit)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	if (!kvm_pit_has_vcpus(pit->kvm))
		return;

	kvm_for_each_vcpu(i, vcpu, pit->kvm)
		kvm_apic_nmi_wd_deliver(vcpu);
}

/**
 * kvm_pit_deliver - raise the ticks that the policy has now
 * @pit: the PIT
 *
 * Takes pit->lock and the irqchips' locks. Must not be called under one of them, nor in
 * an interrupt. It ends after PIT_RAISES_AT_ONCE ticks, and kvm_pit_update() has the
 * rest raised: a guest that accepts on one CPU what is raised on another could keep it
 * for ever.
 */
void kvm_pit_deliver(struct kvm_pit *pit)
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
		answer = kvm_pit_pulse(pit->kvm);
		spin_lock_irqsave(&pit->lock, irqflags);
		now = pit_now(pit);
		i8254_ticks_raised(&pit->ticks, answer, now);
		/* There was room: the workqueue may raise the next one at once. */
		if (answer == I8254_TOOK)
			pit->work_at = 0;
		trace_kvm_pit_raise(kvm_pit_vm(pit), raise, answer, &pit->ticks);
	}
	nmi = pit->nmi_due;
	pit->nmi_due = false;
	kvm_pit_update(pit, now);
	spin_unlock_irqrestore(&pit->lock, irqflags);

	if (nmi)
		pit_deliver_nmi(pit);
}

static void pit_work_fn(struct work_struct *work)
{
	kvm_pit_deliver(container_of(work, struct kvm_pit, work));
}

/*
 * The last reference may be that of a task work that comes after its VM's end. Unload
 * waits for that thread: see attach_unregister_all().
 */
static void pit_put(struct kvm_pit *pit)
{
	if (!refcount_dec_and_test(&pit->refs))
		return;

	kfree_rcu(pit, rcu);
	module_put(THIS_MODULE);
}

/**
 * kvm_pit_catch_up - count what is due, and raise what can be raised
 * @pit: the PIT
 *
 * For a caller that is about to read the state of the PIT or of the irqchips. The same
 * context as for kvm_pit_deliver().
 */
void kvm_pit_catch_up(struct kvm_pit *pit)
{
	spin_lock_irq(&pit->lock);
	kvm_pit_sync(pit);
	spin_unlock_irq(&pit->lock);
	kvm_pit_deliver(pit);
}

/*
 * On the thread that was a vCPU's when it was told. The thread may have left the VM since,
 * and the VM may be gone: @dying is set then.
 */
static void pit_task_work_fn(struct callback_head *task_work)
{
	struct kvm_pit *pit = container_of(task_work, struct kvm_pit, task_work);

	mutex_lock(&pit->deliver_lock);
	spin_lock_irq(&pit->lock);
	pit->kicked = NULL;
	spin_unlock_irq(&pit->lock);
	if (!pit->dying)
		kvm_pit_catch_up(pit);
	mutex_unlock(&pit->deliver_lock);
	pit_put(pit);
}

/**
 * kvm_pit_wait_raised - wait until no tick is being raised
 * @pit: the PIT, under its lock, which is dropped meanwhile
 *
 * A tick that is being raised belongs to the state that is read or replaced, but none of
 * its counters has it yet. Takes as long as kvm_pit_pulse().
 */
void kvm_pit_wait_raised(struct kvm_pit *pit)
{
	while (pit->ticks.raising) {
		spin_unlock_irq(&pit->lock);
		usleep_range(10, 50);
		spin_lock_irq(&pit->lock);
	}
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
	kvm_pit_update(pit, kvm_pit_sync(pit));
	spin_unlock_irq(&pit->lock);
}

/**
 * kvm_pit_deliver_init - a new PIT's timer and work
 * @pit: the PIT, which nobody else knows yet
 *
 * Takes the reference on the module that pit_put() drops.
 */
void kvm_pit_deliver_init(struct kvm_pit *pit)
{
	spin_lock_init(&pit->lock);
	hrtimer_setup(&pit->timer, pit_timer_fn, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	__module_get(THIS_MODULE);
	refcount_set(&pit->refs, 1);
	mutex_init(&pit->deliver_lock);
	init_task_work(&pit->task_work, pit_task_work_fn);
	INIT_WORK(&pit->work, pit_work_fn);
}

/**
 * kvm_pit_deliver_exit - raise nothing any more, and give up the VM's reference
 * @pit: the PIT; neither a vCPU nor an irqchip calls it any more
 *
 * Frees the PIT, at once or when a thread with pending task work has found it dying.
 */
void kvm_pit_deliver_exit(struct kvm_pit *pit)
{
	mutex_lock(&pit->deliver_lock);
	spin_lock_irq(&pit->lock);
	pit->dying = true;
	spin_unlock_irq(&pit->lock);
	mutex_unlock(&pit->deliver_lock);
	hrtimer_cancel(&pit->timer);
	cancel_work_sync(&pit->work);
	pit_put(pit);
}

/**
 * kvm_pit_workqueue_init - the workqueue that all PITs share
 *
 * Return: 0 or -ENOMEM.
 */
int kvm_pit_workqueue_init(void)
{
	pit_wq = alloc_workqueue("kvm-pit", WQ_HIGHPRI | WQ_PERCPU, 0);
	return pit_wq ? 0 : -ENOMEM;
}

/**
 * kvm_pit_workqueue_exit - undo kvm_pit_workqueue_init()
 *
 * No PIT is left.
 */
void kvm_pit_workqueue_exit(void)
{
	destroy_workqueue(pit_wq);
}
