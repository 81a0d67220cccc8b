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
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include <linux/kvm_i8254.h>

#include "i8254_policy.h"
#include "kvm_pit.h"
#include "lookup.h"

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

/* redirect_vm_ioctl() has taken a reference on the module. The PIT has its own. */
static long attached_create_ioctl(struct file *filp, unsigned int ioctl,
				  unsigned long arg)
{
	int ret = kvm_pit_create(filp->private_data, ioctl, (void __user *)arg);

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
	int ret = kvm_pit_enable_cap(kvm_to_pit(kvm), cap);

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

/*
 * A PIT of ours reads the irqchips' registers. They are where compat.h has them if the
 * pointers to the VM, and of the 8259s to their own structure, are: the registers stand
 * before and between those. A VM without irqchips gets no PIT anyway.
 */
static bool irqchips_are_known(struct kvm *kvm)
{
	const struct kvm_pic *pic;

	/* Pairs with smp_wmb() in KVM_CREATE_IRQCHIP: the irqchips are there before. */
	if (smp_load_acquire(&kvm->arch.irqchip_mode) != KVM_IRQCHIP_KERNEL)
		return true;

	pic = kvm->arch.vpic;
	if (pic->kvm == kvm && pic->pics[0].pics_state == pic &&
	    pic->pics[1].pics_state == pic && kvm->arch.vioapic->kvm == kvm)
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
	void *addr = lookup_function(hook->name);
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

	ret = lookup_all();
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
