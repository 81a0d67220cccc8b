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
void kvm_apic_nmi_wd_deliver(struct kvm_vcpu *vcpu);

#define KVM_PIT_FOR_EACH_CALL(X)		\
	X(kvm_set_irq)				\
	X(kvm_irq_map_gsi)			\
	X(kvm_io_bus_register_dev)		\
	X(kvm_io_bus_unregister_dev)		\
	X(kvm_register_irq_ack_notifier)	\
	X(kvm_unregister_irq_ack_notifier)	\
	X(kvm_register_irq_mask_notifier)	\
	X(kvm_unregister_irq_mask_notifier)	\
	X(kvm_request_irq_source_id)		\
	X(kvm_free_irq_source_id)		\
	X(kvm_apic_nmi_wd_deliver)

#define KVM_PIT_DECLARE_CALL(func) DECLARE_STATIC_CALL(pit_##func, func);
KVM_PIT_FOR_EACH_CALL(KVM_PIT_DECLARE_CALL)
#undef KVM_PIT_DECLARE_CALL

#define pit_call(func) static_call(pit_##func)

#endif /* __KVM_PIT_ATTACH_H */
