/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kvm.ko does not export, called as if it did.
 *
 * Calls go through static_call(): a direct branch, which an IBT kernel needs,
 * since it seals functions whose address nobody takes. attach.c looks the
 * functions up before the first call.
 */
#ifndef __KVM_PIT_ATTACH_H
#define __KVM_PIT_ATTACH_H

#include <linux/kvm_host.h>
#include <linux/static_call.h>

/* Declared in a header that is private to arch/x86/kvm. */
struct kvm_lapic;
void kvm_apic_nmi_wd_deliver(struct kvm_vcpu *vcpu);
int kvm_apic_accept_pic_intr(struct kvm_vcpu *vcpu);
int kvm_apic_get_state(struct kvm_vcpu *vcpu, struct kvm_lapic_state *s);
bool kvm_apic_match_dest(struct kvm_vcpu *vcpu, struct kvm_lapic *source,
			 int shorthand, unsigned int dest, int dest_mode);
bool kvm_apic_pending_eoi(struct kvm_vcpu *vcpu, int vector);

DECLARE_STATIC_CALL(pit_kvm_irq_map_gsi, kvm_irq_map_gsi);
DECLARE_STATIC_CALL(pit_kvm_io_bus_register_dev, kvm_io_bus_register_dev);
DECLARE_STATIC_CALL(pit_kvm_io_bus_unregister_dev, kvm_io_bus_unregister_dev);
DECLARE_STATIC_CALL(pit_kvm_register_irq_ack_notifier, kvm_register_irq_ack_notifier);
DECLARE_STATIC_CALL(pit_kvm_unregister_irq_ack_notifier, kvm_unregister_irq_ack_notifier);
DECLARE_STATIC_CALL(pit_kvm_register_irq_mask_notifier, kvm_register_irq_mask_notifier);
DECLARE_STATIC_CALL(pit_kvm_unregister_irq_mask_notifier, kvm_unregister_irq_mask_notifier);
DECLARE_STATIC_CALL(pit_kvm_request_irq_source_id, kvm_request_irq_source_id);
DECLARE_STATIC_CALL(pit_kvm_free_irq_source_id, kvm_free_irq_source_id);
DECLARE_STATIC_CALL(pit_kvm_apic_nmi_wd_deliver, kvm_apic_nmi_wd_deliver);
DECLARE_STATIC_CALL(pit_kvm_apic_accept_pic_intr, kvm_apic_accept_pic_intr);
DECLARE_STATIC_CALL(pit_kvm_apic_get_state, kvm_apic_get_state);
DECLARE_STATIC_CALL(pit_kvm_apic_match_dest, kvm_apic_match_dest);
DECLARE_STATIC_CALL(pit_kvm_apic_pending_eoi, kvm_apic_pending_eoi);

#define pit_call(func) static_call(pit_##func)

#endif /* __KVM_PIT_ATTACH_H */
