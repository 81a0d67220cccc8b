// SPDX-License-Identifier: GPL-2.0-only
/*
 * IRQ0 at KVM's irqchips: what they have of it, and how it is pulsed.
 *
 * An irqchip does not report all that happens to a tick: a reset drops it, a LAPIC
 * merges it, KVM_SET_IRQCHIP replaces it. So it is asked. KVM has functions for what a
 * LAPIC has. The registers of the 8259 and of the IOAPIC are read without a lock: one
 * byte, or one redirection entry, which may change in the next moment anyway.
 *
 * Not in here: what follows from the answer (i8254_ticks.c), and when to ask
 * (kvm_pit_deliver.c).
 */
#include <linux/kvm_host.h>
#include <linux/nospec.h>
#include <linux/string.h>

#include <kvm/iodev.h>

#include <asm/apicdef.h>

#include "compat.h"
#include "kvm_pit.h"

/* Vectors below that are a CPU's exceptions: no LAPIC takes them. */
#define FIRST_VECTOR	16

/* The last of a redirection entry's delivery modes for which LAPICs have an IRR bit. */
#define DELIVERY_LOWEST		1

/* The vCPU that takes what the 8259s put out, or NULL. */
static struct kvm_vcpu *pics_vcpu(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	if (!kvm_pit_has_vcpus(kvm))
		return NULL;

	kvm_for_each_vcpu(i, vcpu, kvm)
		if (kvm_apic_accept_pic_intr(vcpu))
			return vcpu;
	return NULL;
}

static bool pic_bit(const u8 *reg, unsigned int pin)
{
	return READ_ONCE(*reg) >> (pin & 7) & 1;
}

/* @left: set if the pin is masked and has a tick in service */
static void ask_pic(struct kvm *kvm, unsigned int pin, struct i8254_line *line, bool *left)
{
	const struct kvm_kpic_state *pic = &kvm->arch.vpic->pics[pin >> 3 & 1];
	bool irr = pic_bit(&pic->irr, pin);
	bool isr = pic_bit(&pic->isr, pin);
	bool open = !pic_bit(&pic->imr, pin) && pics_vcpu(kvm);

	line->open |= open;
	line->pending |= open && irr;
	line->in_service |= open && isr;
	*left |= !open && isr;
	line->latch = true;
	line->latched |= !open && irr;
}

static bool lapic_bit(const struct kvm_lapic_state *lapic, unsigned int reg, u8 vector)
{
	return *(const u32 *)&lapic->regs[reg + vector / 32 * 0x10] >> vector % 32 & 1;
}

/* What the LAPICs to which a redirection entry goes have of its vector */
static void ask_lapics(struct kvm *kvm, u8 vector, u32 dest, bool logical,
		       struct kvm_lapic_state *lapic, bool *irr, bool *isr)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	*irr = *isr = false;
	if (!kvm_pit_has_vcpus(kvm))
		return;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (!kvm_apic_match_dest(vcpu, NULL, 0, dest, logical) ||
		    !kvm_apic_pending_eoi(vcpu, vector))
			continue;
		/* One of the two: see which. */
		kvm_apic_get_state(vcpu, lapic);
		*irr |= lapic_bit(lapic, APIC_IRR, vector);
		*isr |= lapic_bit(lapic, APIC_ISR, vector);
	}
}

/* A redirection entry, as struct kvm_ioapic_state has it without a name. */
#define redirect_entry typeof(((struct kvm_ioapic_state *)0)->redirtbl[0])

/* Userspace may route IRQ0 to a pin beyond the last one: its entry reads as masked. */
static redirect_entry ioapic_entry(struct kvm *kvm, unsigned int pin)
{
	redirect_entry entry = { .fields.mask = 1 };

	if (pin < KVM_IOAPIC_NUM_PINS) {
		pin = array_index_nospec(pin, KVM_IOAPIC_NUM_PINS);
		entry.bits = READ_ONCE(kvm->arch.vioapic->redirtbl[pin].bits);
	}
	return entry;
}

/*
 * @left: set if the pin is masked and a LAPIC has a tick of it. Returns true if the guest
 * has programmed the pin.
 */
static bool ask_ioapic(struct kvm *kvm, unsigned int pin, struct kvm_lapic_state *lapic,
		       struct i8254_line *line, bool *left)
{
	redirect_entry entry = ioapic_entry(kvm, pin);
	bool irr, isr;

	line->open |= !entry.fields.mask;
	if (entry.fields.delivery_mode > DELIVERY_LOWEST)
		return !entry.fields.mask;
	if (entry.fields.vector < FIRST_VECTOR)
		return false;

	ask_lapics(kvm, entry.fields.vector, entry.fields.dest_id, entry.fields.dest_mode,
		   lapic, &irr, &isr);
	line->pending |= irr && !entry.fields.mask;
	line->in_service |= isr && !entry.fields.mask;
	*left |= (irr || isr) && entry.fields.mask;
	return true;
}

static int map_gsi(struct kvm *kvm, struct kvm_kernel_irq_routing_entry *entries)
{
	int idx, n;

	idx = srcu_read_lock(&kvm->irq_srcu);
	n = kvm_irq_map_gsi(kvm, entries, PIT_GSI);
	srcu_read_unlock(&kvm->irq_srcu, idx);
	return n;
}

/* The first of the vCPUs that an IOAPIC's pin goes to, or NULL. */
static struct kvm_vcpu *ioapic_vcpu(struct kvm *kvm, unsigned int pin)
{
	redirect_entry entry = ioapic_entry(kvm, pin);
	struct kvm_vcpu *vcpu;
	unsigned long i;

	if (entry.fields.mask || !kvm_pit_has_vcpus(kvm))
		return NULL;

	kvm_for_each_vcpu(i, vcpu, kvm)
		if (kvm_apic_match_dest(vcpu, NULL, 0, entry.fields.dest_id,
					entry.fields.dest_mode))
			return vcpu;
	return NULL;
}

static bool is_pic(const struct kvm_kernel_irq_routing_entry *e)
{
	return e->type == KVM_IRQ_ROUTING_IRQCHIP && e->irqchip.irqchip != KVM_IRQCHIP_IOAPIC;
}

/**
 * kvm_pit_ask_irqchips - what the irqchips have of IRQ0
 * @kvm: a VM with irqchips, which is not being destroyed
 * @lapic: room to work in, the caller's while this is called
 * @line: is filled in
 *
 * Takes no lock. May be called in any context but NMI, and under the irqchips' locks.
 * A guest that has programmed the IOAPIC's pin does not expect a tick from a masked
 * 8259: that is no latch then. What a guest has left in service at an irqchip that it
 * no longer uses may stay there: it counts only if no irqchip is open.
 */
void kvm_pit_ask_irqchips(struct kvm *kvm, struct kvm_lapic_state *lapic,
			  struct i8254_line *line)
{
	struct kvm_kernel_irq_routing_entry entries[KVM_NR_IRQCHIPS], *e;
	int n = map_gsi(kvm, entries);
	bool elsewhere = false, left = false;

	memset(line, 0, sizeof(*line));
	for (e = entries; e < entries + n; e++) {
		if (is_pic(e)) {
			ask_pic(kvm, e->irqchip.pin +
				     (e->irqchip.irqchip == KVM_IRQCHIP_PIC_SLAVE ? 8 : 0), line,
				&left);
		} else if (e->type == KVM_IRQ_ROUTING_IRQCHIP) {
			elsewhere |= ask_ioapic(kvm, e->irqchip.pin, lapic, line, &left);
		} else {
			/* A message, for example: nothing masks it. */
			line->open = true;
			elsewhere = true;
		}
	}

	if (elsewhere) {
		line->latch = false;
		line->latched = false;
	}
	if (!line->open)
		line->in_service = left;
}

/**
 * kvm_pit_irq0_vcpu - a vCPU that IRQ0 goes to
 * @kvm: as for kvm_pit_ask_irqchips(), in the same contexts
 *
 * Return: the vCPU; NULL if IRQ0 is masked, or is no interrupt of an irqchip.
 */
struct kvm_vcpu *kvm_pit_irq0_vcpu(struct kvm *kvm)
{
	struct kvm_kernel_irq_routing_entry entries[KVM_NR_IRQCHIPS], *e;
	int n = map_gsi(kvm, entries);
	struct kvm_vcpu *vcpu = NULL;

	for (e = entries; e < entries + n && !vcpu; e++)
		if (e->type == KVM_IRQ_ROUTING_IRQCHIP && !is_pic(e))
			vcpu = ioapic_vcpu(kvm, e->irqchip.pin);
	for (e = entries; e < entries + n && !vcpu; e++)
		if (is_pic(e))
			vcpu = pics_vcpu(kvm);
	return vcpu;
}

/**
 * kvm_pit_pulse - pulse IRQ0
 * @kvm: the VM, which is not being destroyed
 *
 * Takes the irqchips' locks. KVM does not tell whether the tick has merged with another
 * in a LAPIC: ask before.
 *
 * Return: what came of it.
 */
enum i8254_answer kvm_pit_pulse(struct kvm *kvm)
{
	struct kvm_kernel_irq_routing_entry entries[KVM_NR_IRQCHIPS], *e;
	int n = map_gsi(kvm, entries);
	int pic = -1, other = -1;

	for (e = entries; e < entries + n; e++) {
		int *result = is_pic(e) ? &pic : &other;

		*result = max(*result, e->set(e, kvm, KVM_PIT_IRQ_SOURCE_ID, 1, false));
		e->set(e, kvm, KVM_PIT_IRQ_SOURCE_ID, 0, false);
	}

	if (pic >= 0 && !pics_vcpu(kvm))
		pic = -1;
	if (pic > 0 || other > 0)
		return I8254_TOOK;
	return pic < 0 && other < 0 ? I8254_MASKED : I8254_FULL;
}
