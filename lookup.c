// SPDX-License-Identifier: GPL-2.0-only
/*
 * Find functions of the running kernel that are not exported to this module, and values
 * that its headers do not tell. This file does not know what they are used for.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/btf.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/static_call.h>
#include <linux/stringify.h>

#include "lookup.h"

DEFINE_STATIC_CALL_NULL(lookup_kvm_irq_map_gsi, kvm_irq_map_gsi);
DEFINE_STATIC_CALL_NULL(lookup_kvm_io_bus_register_dev, kvm_io_bus_register_dev);
DEFINE_STATIC_CALL_NULL(lookup_kvm_io_bus_unregister_dev, kvm_io_bus_unregister_dev);
DEFINE_STATIC_CALL_NULL(lookup_kvm_register_irq_ack_notifier, kvm_register_irq_ack_notifier);
DEFINE_STATIC_CALL_NULL(lookup_kvm_unregister_irq_ack_notifier, kvm_unregister_irq_ack_notifier);
DEFINE_STATIC_CALL_NULL(lookup_kvm_register_irq_mask_notifier, kvm_register_irq_mask_notifier);
DEFINE_STATIC_CALL_NULL(lookup_kvm_unregister_irq_mask_notifier, kvm_unregister_irq_mask_notifier);
DEFINE_STATIC_CALL_NULL(lookup_kvm_set_or_clear_apicv_inhibit, kvm_set_or_clear_apicv_inhibit);
DEFINE_STATIC_CALL_NULL(lookup_kvm_apic_nmi_wd_deliver, kvm_apic_nmi_wd_deliver);
DEFINE_STATIC_CALL_NULL(lookup_kvm_apic_accept_pic_intr, kvm_apic_accept_pic_intr);
DEFINE_STATIC_CALL_NULL(lookup_kvm_apic_get_state, kvm_apic_get_state);
DEFINE_STATIC_CALL_NULL(lookup_kvm_apic_match_dest, kvm_apic_match_dest);
DEFINE_STATIC_CALL_NULL(lookup_kvm_apic_pending_eoi, kvm_apic_pending_eoi);
DEFINE_STATIC_CALL_NULL(lookup_kvm_get_running_vcpu, kvm_get_running_vcpu);
DEFINE_STATIC_CALL_NULL(lookup___kvm_vcpu_kick, __kvm_vcpu_kick);

/**
 * struct lookup_call - a function that is called
 * @name: its name
 * @key: its static call
 * @tramp: the trampoline of that
 */
struct lookup_call {
	const char *name;
	struct static_call_key *key;
	void *tramp;
};

#define LOOKUP_CALL(func) {				\
	.name = __stringify(func),			\
	.key = &STATIC_CALL_KEY(lookup_##func),		\
	.tramp = STATIC_CALL_TRAMP_ADDR(lookup_##func),	\
}

static const struct lookup_call lookup_calls[] = {
	LOOKUP_CALL(kvm_irq_map_gsi),
	LOOKUP_CALL(kvm_io_bus_register_dev),
	LOOKUP_CALL(kvm_io_bus_unregister_dev),
	LOOKUP_CALL(kvm_register_irq_ack_notifier),
	LOOKUP_CALL(kvm_unregister_irq_ack_notifier),
	LOOKUP_CALL(kvm_register_irq_mask_notifier),
	LOOKUP_CALL(kvm_unregister_irq_mask_notifier),
	LOOKUP_CALL(kvm_set_or_clear_apicv_inhibit),
	LOOKUP_CALL(kvm_apic_nmi_wd_deliver),
	LOOKUP_CALL(kvm_apic_accept_pic_intr),
	LOOKUP_CALL(kvm_apic_get_state),
	LOOKUP_CALL(kvm_apic_match_dest),
	LOOKUP_CALL(kvm_apic_pending_eoi),
	LOOKUP_CALL(kvm_get_running_vcpu),
	LOOKUP_CALL(__kvm_vcpu_kick),
};

/*
 * The one symbol of kvm.ko that is linked to. For it, modprobe loads kvm.ko first, and
 * kvm.ko stays for as long as this module does.
 */
static void (* const lookup_anchor)(struct kvm *kvm) __used = kvm_get_kvm;

/**
 * lookup_function - the address of a function of the kernel or of a module
 * @name: its name
 *
 * Modules cannot use kallsyms. But a kprobe that is not armed says where it would go:
 * past the ENDBR of a function that has one. May sleep.
 *
 * Return: the address; NULL if there is none, which has been logged.
 */
void *lookup_function(const char *name)
{
	struct kprobe kp = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};
	int ret = register_kprobe(&kp);
	void *addr = kp.addr;

	if (ret) {
		pr_err("cannot load: this kernel's KVM has no %s (error %d)\n", name, ret);
		return NULL;
	}
	unregister_kprobe(&kp);
	return addr;
}

#ifndef COMPAT_HAS_kvm_apicv_inhibit

/* APICV_INHIBIT_REASON_PIT_REINJ of the running KVM */
unsigned int lookup_apicv_pit_reinj;

#if IS_ENABLED(CONFIG_DEBUG_INFO_BTF_MODULES)

DEFINE_STATIC_CALL_NULL(lookup_btf_name_by_offset, btf_name_by_offset);
DEFINE_STATIC_CALL_NULL(lookup_btf_put, btf_put);

/* The value of enumerator @name of enum @enum_name, or a negative error */
static int lookup_enumerator(const char *enum_name, const char *name)
{
	void *name_by_offset = lookup_function("btf_name_by_offset");
	void *put = lookup_function("btf_put");
	const struct btf_type *type;
	const struct btf_enum *e;
	struct btf *btf;
	int ret = -ENOENT;
	s32 id;

	if (!name_by_offset || !put)
		return -ENOENT;
	static_call_update(lookup_btf_name_by_offset, name_by_offset);
	static_call_update(lookup_btf_put, put);

	id = bpf_find_btf_id(enum_name, BTF_KIND_ENUM, &btf);
	if (id < 0)
		return id;
	type = btf_type_by_id(btf, id);
	e = (const struct btf_enum *)(type + 1);
	for (int i = 0; i < btf_type_vlen(type); i++) {
		if (!strcmp(static_call(lookup_btf_name_by_offset)(btf, e[i].name_off), name))
			ret = e[i].val;
	}
	static_call(lookup_btf_put)(btf);
	return ret;
}

#else

static int lookup_enumerator(const char *enum_name, const char *name)
{
	return -ENOENT;
}

#endif

static int lookup_values(void)
{
	int value = lookup_enumerator("kvm_apicv_inhibit", "APICV_INHIBIT_REASON_PIT_REINJ");

	if (value < 0 || value >= BITS_PER_LONG) {
		pr_err("cannot load: APICV_INHIBIT_REASON_PIT_REINJ is neither in this kernel's headers nor in the BTF of kvm.ko (error %d): CONFIG_DEBUG_INFO_BTF_MODULES is needed\n",
		       value);
		return -ENOENT;
	}
	lookup_apicv_pit_reinj = value;
	return 0;
}

#else

static int lookup_values(void)
{
	return 0;
}

#endif

/**
 * lookup_all - find all that lookup.h declares
 *
 * For module init, before the first use. May sleep.
 *
 * Return: 0; -ENOENT if something is missing, which has been logged.
 */
int lookup_all(void)
{
	for (int i = 0; i < ARRAY_SIZE(lookup_calls); i++) {
		const struct lookup_call *call = &lookup_calls[i];
		void *addr = lookup_function(call->name);

		if (!addr)
			return -ENOENT;
		__static_call_update(call->key, call->tramp, addr);
	}

	return lookup_values();
}
