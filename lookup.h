/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions of the running kernel that are called without being exported to this module.
 *
 * They are called through static_call(): a direct branch. An IBT kernel needs that. It
 * seals functions whose address nobody takes, so a call through a pointer would fault.
 *
 * COMPAT_HAS_x comes from Kbuild: see compat.h.
 */
#ifndef __KVM_PIT_LOOKUP_H
#define __KVM_PIT_LOOKUP_H

#include <linux/kvm_host.h>
#include <linux/static_call.h>

/* Declared in headers that are private to arch/x86/kvm */

struct kvm_lapic;
void kvm_apic_nmi_wd_deliver(struct kvm_vcpu *vcpu);
int kvm_apic_accept_pic_intr(struct kvm_vcpu *vcpu);
int kvm_apic_get_state(struct kvm_vcpu *vcpu, struct kvm_lapic_state *s);
bool kvm_apic_match_dest(struct kvm_vcpu *vcpu, struct kvm_lapic *source,
			 int shorthand, unsigned int dest, int dest_mode);
bool kvm_apic_pending_eoi(struct kvm_vcpu *vcpu, int vector);

#ifndef COMPAT_HAS_kvm_irq_mask_notifier
/**
 * struct kvm_irq_mask_notifier - KVM's, which 7.x declares in ioapic.h
 * @func: is called under the irqchip's lock
 * @irq: KVM's
 * @link: KVM's
 */
struct kvm_irq_mask_notifier {
	void (*func)(struct kvm_irq_mask_notifier *kimn, bool masked);
	int irq;
	struct hlist_node link;
};

void kvm_register_irq_mask_notifier(struct kvm *kvm, int irq,
				    struct kvm_irq_mask_notifier *kimn);
void kvm_unregister_irq_mask_notifier(struct kvm *kvm, int irq,
				      struct kvm_irq_mask_notifier *kimn);
#endif

#ifndef COMPAT_HAS_kvm_apicv_inhibit
/* Since 7.3 x86.h declares the function and its enum. lookup_all() finds the value. */
extern unsigned int lookup_apicv_pit_reinj;
void kvm_set_or_clear_apicv_inhibit(struct kvm *kvm, unsigned int reason, bool set);
#endif

#ifndef COMPAT_HAS___kvm_vcpu_kick
#define __kvm_vcpu_kick		kvm_vcpu_kick
#endif

/* KVM exports some of these, but since 7.x only to kvm-amd and kvm-intel. */
DECLARE_STATIC_CALL(lookup_kvm_irq_map_gsi, kvm_irq_map_gsi);
DECLARE_STATIC_CALL(lookup_kvm_io_bus_register_dev, kvm_io_bus_register_dev);
DECLARE_STATIC_CALL(lookup_kvm_io_bus_unregister_dev, kvm_io_bus_unregister_dev);
DECLARE_STATIC_CALL(lookup_kvm_register_irq_ack_notifier, kvm_register_irq_ack_notifier);
DECLARE_STATIC_CALL(lookup_kvm_unregister_irq_ack_notifier, kvm_unregister_irq_ack_notifier);
DECLARE_STATIC_CALL(lookup_kvm_register_irq_mask_notifier, kvm_register_irq_mask_notifier);
DECLARE_STATIC_CALL(lookup_kvm_unregister_irq_mask_notifier, kvm_unregister_irq_mask_notifier);
DECLARE_STATIC_CALL(lookup_kvm_set_or_clear_apicv_inhibit, kvm_set_or_clear_apicv_inhibit);
DECLARE_STATIC_CALL(lookup_kvm_apic_nmi_wd_deliver, kvm_apic_nmi_wd_deliver);
DECLARE_STATIC_CALL(lookup_kvm_apic_accept_pic_intr, kvm_apic_accept_pic_intr);
DECLARE_STATIC_CALL(lookup_kvm_apic_get_state, kvm_apic_get_state);
DECLARE_STATIC_CALL(lookup_kvm_apic_match_dest, kvm_apic_match_dest);
DECLARE_STATIC_CALL(lookup_kvm_apic_pending_eoi, kvm_apic_pending_eoi);
DECLARE_STATIC_CALL(lookup_kvm_get_running_vcpu, kvm_get_running_vcpu);
DECLARE_STATIC_CALL(lookup___kvm_vcpu_kick, __kvm_vcpu_kick);

void *lookup_function(const char *name);
int lookup_all(void);

#endif /* __KVM_PIT_LOOKUP_H */
