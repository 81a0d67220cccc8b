/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IRQ0 at KVM's irqchips: what they have of it, and how it is pulsed.
 */
#ifndef __KVM_PIT_IRQCHIP_H
#define __KVM_PIT_IRQCHIP_H

#include "i8254_policy.h"

struct kvm;
struct kvm_lapic_state;
struct kvm_vcpu;

bool kvm_pit_irqchips_known(struct kvm *kvm);
void kvm_pit_ask_irqchips(struct kvm *kvm, struct kvm_lapic_state *lapic,
			  struct i8254_line *line);
struct kvm_vcpu *kvm_pit_irq0_vcpu(struct kvm *kvm);
enum i8254_answer kvm_pit_pulse(struct kvm *kvm, int irq_source_id);

#endif /* __KVM_PIT_IRQCHIP_H */
