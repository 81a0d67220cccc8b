// SPDX-License-Identifier: GPL-2.0-only
/*
 * How this PIT gets onto a stock kvm.ko, and off again.
 *
 * A few functions of kvm.ko are hooked by ftrace. The callback looks at the
 * arguments and sends a call into this module where it concerns a PIT of ours,
 * or the creation of one; any other call runs the original, untouched. So
 * nothing in here ever has to call an original.
 *
 * VMs that have a PIT when the module is loaded keep it.
 *
 * This is the only file that knows that the module is a guest in kvm.ko.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/static_call.h>

#include <linux/kvm_i8254.h>

#include "attach.h"
#include "i8254_policy.h"
#include "kvm_pit.h"
#include "kvm_pit_irqchip.h"

/* Functions that are looked up */

DEFINE_STATIC_CALL_NULL(pit_kvm_irq_map_gsi, kvm_irq_map_gsi);
DEFINE_STATIC_CALL_NULL(pit_kvm_io_bus_register_dev, kvm_io_bus_register_dev);
DEFINE_STATIC_CALL_NULL(pit_kvm_io_bus_unregister_dev, kvm_io_bus_unregister_dev);
DEFINE_STATIC_CALL_NULL(pit_kvm_register_irq_ack_notifier, kvm_register_irq_ack_notifier);
DEFINE_STATIC_CALL_NULL(pit_kvm_unregister_irq_ack_notifier, kvm_unregister_irq_ack_notifier);
DEFINE_STATIC_CALL_NULL(pit_kvm_register_irq_mask_notifier, kvm_register_irq_mask_notifier);
DEFINE_STATIC_CALL_NULL(pit_kvm_unregister_irq_mask_notifier, kvm_unregister_irq_mask_notifier);
DEFINE_STATIC_CALL_NULL(pit_kvm_request_irq_source_id, kvm_request_irq_source_id);
DEFINE_STATIC_CALL_NULL(pit_kvm_free_irq_source_id, kvm_free_irq_source_id);
DEFINE_STATIC_CALL_NULL(pit_kvm_apic_nmi_wd_deliver, kvm_apic_nmi_wd_deliver);
DEFINE_STATIC_CALL_NULL(pit_kvm_apic_accept_pic_intr, kvm_apic_accept_pic_intr);
DEFINE_STATIC_CALL_NULL(pit_kvm_apic_get_state, kvm_apic_get_state);
DEFINE_STATIC_CALL_NULL(pit_kvm_apic_match_dest, kvm_apic_match_dest);
DEFINE_STATIC_CALL_NULL(pit_kvm_apic_pending_eoi, kvm_apic_pending_eoi);

/**
 * struct attach_call - a function of kvm.ko that is called
 * @name: its name
 * @key: its static call
 * @tramp: the trampoline of that
 */
struct attach_call {
	const char *name;
	struct static_call_key *key;
	void *tramp;
};

#define ATTACH_CALL(func) {				\
	.name = #func,					\
	.key = &STATIC_CALL_KEY(pit_##func),		\
	.tramp = STATIC_CALL_TRAMP_ADDR(pit_##func),	\
}

static const struct attach_call attach_calls[] = {
	ATTACH_CALL(kvm_irq_map_gsi),
	ATTACH_CALL(kvm_io_bus_register_dev),
	ATTACH_CALL(kvm_io_bus_unregister_dev),
	ATTACH_CALL(kvm_register_irq_ack_notifier),
	ATTACH_CALL(kvm_unregister_irq_ack_notifier),
	ATTACH_CALL(kvm_register_irq_mask_notifier),
	ATTACH_CALL(kvm_unregister_irq_mask_notifier),
	ATTACH_CALL(kvm_request_irq_source_id),
	ATTACH_CALL(kvm_free_irq_source_id),
	ATTACH_CALL(kvm_apic_nmi_wd_deliver),
	ATTACH_CALL(kvm_apic_accept_pic_intr),
	ATTACH_CALL(kvm_apic_get_state),
	ATTACH_CALL(kvm_apic_match_dest),
	ATTACH_CALL(kvm_apic_pending_eoi),
};

/*
 * kallsyms is closed to modules, but a kprobe, which need not be armed, says
 * where it would go: past the ENDBR of a function that has one.
 */
static void *attach_lookup(const char *name)
{
	struct kprobe kp = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};
	int ret = register_kprobe(&kp);
	void *addr = kp.addr;

	if (ret) {
		pr_err("cannot load: this kernel's KVM has no %s (error %d)\n",
		       name, ret);
		return NULL;
	}
	unregister_kprobe(&kp);
	return addr;
}

static int attach_look_up_calls(void)
{
	for (int i = 0; i < ARRAY_SIZE(attach_calls); i++) {
		const struct attach_call *call = &attach_calls[i];
		void *addr = attach_lookup(call->name);

		if (!addr)
			return -ENOENT;
		__static_call_update(call->key, call->tramp, addr);
	}

	return 0;
}

/* Calls that were sent here */

/*
 * Calls into this module that have not returned. An ftrace_ops that goes away
 * does not wait for them, and they may sleep.
 */
static atomic_t calls_inside = ATOMIC_INIT(0);

static void attach_leave(void)
{
	atomic_dec(&calls_inside);
}

/* The call brings the reference that the PIT holds on the module. */
static long attached_create_ioctl(struct file *filp, unsigned int ioctl,
				  unsigned long arg)
{
	int ret = kvm_pit_ioctl_create(filp->private_data, ioctl, (void __user *)arg);

	if (ret)
		module_put(THIS_MODULE);
	attach_leave();
	return ret;
}

static long attached_pit_ioctl(struct kvm_pit *pit, unsigned int ioctl,
			       unsigned long arg)
{
	int ret = kvm_pit_ioctl(pit, ioctl, (void __user *)arg);

	attach_leave();
	return ret;
}

static int attached_check_extension(struct kvm *kvm, long ext)
{
	int ret = i8254_policy_mask();

	attach_leave();
	return ret;
}

static int attached_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap)
{
	int ret = kvm_pit_enable_cap(kvm, cap);

	attach_leave();
	return ret;
}

/*
 * A call of KVM_CREATE_PIT that was inside KVM's own before the hooks came into
 * force, while another one has created a PIT of ours.
 */
static struct kvm_pit *attached_create_pit(struct kvm *kvm, u32 flags)
{
	attach_leave();
	return NULL;
}

static void attached_free_pit(struct kvm_pit *pit)
{
	kvm_pit_destroy(pit);
	attach_leave();
}

static void attached_migrate_timer(struct kvm_pit *pit)
{
	kvm_pit_migrate_timer(pit);
	attach_leave();
}

/* Which calls are sent here */

/*
 * All hooks are in force, and loading cannot fail any more. Not before that is
 * there a PIT of ours: it would outlive a module that fails to load, and some of
 * its calls would still go to KVM's own.
 */
static bool attach_open;

/*
 * Send a call to @to, with the PIT of @kvm in place of its first argument; or let
 * the original run, if the VM has no PIT of ours. This is the only look-up: what
 * it found stays, since the call has a reference on the VM.
 */
static void *redirect_to_pit(struct pt_regs *regs, struct kvm *kvm, void *to)
{
	struct kvm_pit *pit = kvm_to_pit(kvm);

	if (!pit)
		return NULL;

	regs->di = (unsigned long)pit;
	return to;
}

/* A PIT of ours reads the irqchips. Without any there will be none either. */
static bool irqchips_are_known(struct kvm *kvm)
{
	/* Pairs with smp_wmb() in KVM_CREATE_IRQCHIP: the irqchips are there before. */
	if (smp_load_acquire(&kvm->arch.irqchip_mode) != KVM_IRQCHIP_KERNEL ||
	    kvm_pit_irqchips_known(kvm))
		return true;

	pr_err_once("this KVM's irqchips are not laid out as known: VMs get KVM's own PIT\n");
	return false;
}

static void *redirect_vm_ioctl(struct pt_regs *regs)
{
	struct file *filp = (struct file *)regs_get_kernel_argument(regs, 0);
	unsigned int ioctl = regs_get_kernel_argument(regs, 1);
	struct kvm *kvm = filp->private_data;

	switch (ioctl) {
	case KVM_CREATE_PIT:
	case KVM_CREATE_PIT2:
		/* Once the module is on its way out KVM's own is created. */
		return READ_ONCE(attach_open) && !kvm->arch.vpit &&
		       irqchips_are_known(kvm) && try_module_get(THIS_MODULE) ?
		       attached_create_ioctl : NULL;
	case KVM_GET_PIT:
	case KVM_SET_PIT:
	case KVM_GET_PIT2:
	case KVM_SET_PIT2:
	case KVM_REINJECT_CONTROL:
		return redirect_to_pit(regs, kvm, attached_pit_ioctl);
	default:
		return NULL;
	}
}

static void *redirect_check_extension(struct pt_regs *regs)
{
	return READ_ONCE(attach_open) &&
	       regs_get_kernel_argument(regs, 1) == KVM_CAP_PIT_TICK_POLICY ?
	       attached_check_extension : NULL;
}

static void *redirect_enable_cap(struct pt_regs *regs)
{
	struct kvm_enable_cap *cap = (void *)regs_get_kernel_argument(regs, 1);

	return cap->cap == KVM_CAP_PIT_TICK_POLICY ? attached_enable_cap : NULL;
}

static void *redirect_create_pit(struct pt_regs *regs)
{
	struct kvm *kvm = (struct kvm *)regs_get_kernel_argument(regs, 0);

	return kvm_to_pit(kvm) ? attached_create_pit : NULL;
}

static void *redirect_free_pit(struct pt_regs *regs)
{
	struct kvm *kvm = (struct kvm *)regs_get_kernel_argument(regs, 0);

	return redirect_to_pit(regs, kvm, attached_free_pit);
}

static void *redirect_migrate_timer(struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (void *)regs_get_kernel_argument(regs, 0);

	/* The timer is where the BSP is, which stock KVM takes vCPU 0 for. */
	if (vcpu->vcpu_id != vcpu->kvm->arch.bsp_vcpu_id)
		return NULL;

	return redirect_to_pit(regs, vcpu->kvm, attached_migrate_timer);
}

/* Hooks */

static void attach_callback(unsigned long ip, unsigned long parent_ip,
			    struct ftrace_ops *ops, struct ftrace_regs *fregs);

/**
 * struct attach_hook - a function of kvm.ko that is hooked
 * @name: its name
 * @redirect: where a call is sent; NULL: the original runs. The function that it
 *	is sent to has the hooked one's signature, but for a struct kvm_pit that
 *	redirect_to_pit() may have put first, and ends with attach_leave()
 * @registered: @ops are in place
 * @ops: what ftrace knows of it
 */
struct attach_hook {
	const char *name;
	void *(*redirect)(struct pt_regs *regs);
	bool registered;
	struct ftrace_ops ops;
};

#define ATTACH_HOOK(_name, _redirect) {				\
	.name = _name,						\
	.redirect = _redirect,					\
	.ops = {						\
		.func = attach_callback,			\
		.flags = FTRACE_OPS_FL_SAVE_REGS |		\
			 FTRACE_OPS_FL_IPMODIFY |		\
			 FTRACE_OPS_FL_PERMANENT,		\
	},							\
}

static struct attach_hook attach_hooks[] = {
	ATTACH_HOOK("kvm_free_pit", redirect_free_pit),
	ATTACH_HOOK("kvm_create_pit", redirect_create_pit),
	ATTACH_HOOK("__kvm_migrate_pit_timer", redirect_migrate_timer),
	ATTACH_HOOK("kvm_arch_vm_ioctl", redirect_vm_ioctl),
	ATTACH_HOOK("kvm_vm_ioctl_enable_cap", redirect_enable_cap),
	ATTACH_HOOK("kvm_vm_ioctl_check_extension", redirect_check_extension),
};

static void attach_callback(unsigned long ip, unsigned long parent_ip,
			    struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct attach_hook *hook = container_of(ops, struct attach_hook, ops);
	struct pt_regs *regs = ftrace_get_regs(fregs);
	void *to = regs ? hook->redirect(regs) : NULL;

	if (!to)
		return;

	atomic_inc(&calls_inside);
	instruction_pointer_set(regs, (unsigned long)to);
}

static const char *attach_why(int error)
{
	switch (error) {
	case -EBUSY:
		return "ftrace is off (kernel.ftrace_enabled=0), or a live patch has that function";
	case -ENODEV:
		return "ftrace is disabled";
	default:
		return "ftrace cannot hook that function";
	}
}

static int attach_register(struct attach_hook *hook)
{
	void *addr = attach_lookup(hook->name);
	int ret;

	if (!addr)
		return -ENOENT;

	ret = ftrace_set_filter_ip(&hook->ops, (unsigned long)addr, 0, 0);
	if (!ret)
		ret = register_ftrace_function(&hook->ops);
	if (ret) {
		pr_err("cannot load: %s: %s (error %d)\n", hook->name,
		       attach_why(ret), ret);
		ftrace_free_filter(&hook->ops);
		return ret;
	}

	hook->registered = true;
	return 0;
}

/*
 * ftrace did not let go of a hook, as after a fault of its own that made it give up
 * for good: kvm.ko goes on calling this module. The code must stay, so the caller
 * does not return, and the module is never freed. It lets every call through.
 */
static void attach_stay(const struct attach_hook *hook, int error)
{
	pr_err("cannot unload: %s: ftrace does not take its hook out (error %d). The module stays, without effect, until the next boot\n",
	       hook->name, error);
	for (;;)
		schedule_timeout_idle(MAX_SCHEDULE_TIMEOUT);
}

static void attach_unregister(struct attach_hook *hook)
{
	int ret;

	if (!hook->registered)
		return;

	ret = unregister_ftrace_function(&hook->ops);
	if (ret)
		attach_stay(hook, ret);
	ftrace_free_filter(&hook->ops);
	hook->registered = false;
}

/*
 * Let nobody in, wait for those inside to come to their end, and then for
 * those that are still in the last few instructions of it.
 */
static void attach_unregister_all(void)
{
	WRITE_ONCE(attach_open, false);
	for (int i = ARRAY_SIZE(attach_hooks) - 1; i >= 0; i--)
		attach_unregister(&attach_hooks[i]);

	while (atomic_read(&calls_inside))
		msleep(20);
	synchronize_rcu_tasks();
}

static int attach_register_all(void)
{
	for (int i = 0; i < ARRAY_SIZE(attach_hooks); i++) {
		int ret = attach_register(&attach_hooks[i]);

		if (ret)
			return ret;
	}

	return 0;
}

static int __init attach_init(void)
{
	int ret;

	ret = attach_look_up_calls();
	if (ret)
		return ret;

	ret = kvm_pit_init();
	if (ret)
		return ret;

	ret = attach_register_all();
	if (ret) {
		attach_unregister_all();
		kvm_pit_exit();
		return ret;
	}

	WRITE_ONCE(attach_open, true);
	pr_info("the in-kernel PIT of VMs created from now on\n");
	return 0;
}
module_init(attach_init);

static void __exit attach_exit(void)
{
	attach_unregister_all();
	kvm_pit_exit();
}
module_exit(attach_exit);

MODULE_DESCRIPTION("KVM's in-kernel i8254 with lost-tick policies");
MODULE_LICENSE("GPL");
