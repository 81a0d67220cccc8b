// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM tells of the guest at the irqchips: its EOIs, and its masking of IRQ0.
 *
 * Each is an occasion to raise a tick. What the irqchips have is asked of them then, and
 * not concluded from the notification.
 */
#include <linux/kvm_host.h>

#include "compat.h"
#include "kvm_pit.h"
#include "kvm_pit_trace.h"

/*
 * The guest's EOI, on the vCPU's thread, without the irqchips' locks. Usually no tick
 * waits for it, and the timer is set already.
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
	trace_kvm_pit_ack(kvm_pit_vm(pit), &pit->ticks);
	waiting = i8254_ticks_next(&pit->ticks) != I8254_NEVER;
	spin_unlock_irqrestore(&pit->lock, irqflags);

	if (waiting)
		kvm_pit_deliver(pit);
}

/* The guest masks or unmasks IRQ0. Called under the irqchip's lock. */
static void pit_mask_irq(struct kvm_irq_mask_notifier *notifier, bool masked)
{
	struct kvm_pit *pit = container_of(notifier, struct kvm_pit, mask_notifier);
	struct i8254_line line;
	unsigned long irqflags;
	u64 now;

	spin_lock_irqsave(&pit->lock, irqflags);
	now = kvm_pit_sync(pit);
	kvm_pit_ask_irqchips(pit->kvm, &pit->lapic, &line);
	i8254_ticks_masked(&pit->ticks, masked, &line, now);
	trace_kvm_pit_mask(kvm_pit_vm(pit), masked, &pit->ticks);
	kvm_pit_update(pit, now);
	spin_unlock_irqrestore(&pit->lock, irqflags);
}

/**
 * kvm_pit_notifiers_init - a new PIT's notifiers
 * @pit: the PIT, which nobody else knows yet
 */
void kvm_pit_notifiers_init(struct kvm_pit *pit)
{
	pit->ack_notifier.gsi = PIT_GSI;
	pit->ack_notifier.irq_acked = pit_ack_irq;
	pit->mask_notifier.func = pit_mask_irq;
}

/**
 * kvm_pit_watch_acks - be told of the guest's EOIs from now on
 * @pit: the PIT, under its config_lock or before it is registered
 *
 * AVIC does not intercept the EOIs of edge-triggered interrupts, so it is inhibited until
 * kvm_pit_unwatch_acks(). Intel's APICv ignores that inhibit.
 */
void kvm_pit_watch_acks(struct kvm_pit *pit)
{
	if (pit->watches_acks)
		return;

	kvm_set_apicv_inhibit(pit->kvm, APICV_INHIBIT_REASON_PIT_REINJ);
	kvm_register_irq_ack_notifier(pit->kvm, &pit->ack_notifier);
	pit->watches_acks = true;
}

/**
 * kvm_pit_unwatch_acks - undo kvm_pit_watch_acks(), if it was called
 * @pit: the PIT, under its config_lock, or before or after it is registered
 */
void kvm_pit_unwatch_acks(struct kvm_pit *pit)
{
	if (!pit->watches_acks)
		return;

	kvm_unregister_irq_ack_notifier(pit->kvm, &pit->ack_notifier);
	kvm_clear_apicv_inhibit(pit->kvm, APICV_INHIBIT_REASON_PIT_REINJ);
	pit->watches_acks = false;
}
