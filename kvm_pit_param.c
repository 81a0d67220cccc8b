// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parameters that an operator sets: a new VM's policy, what
 * KVM_REINJECT_CONTROL selects, and how often a timer may fire.
 */
#include <linux/kvm_host.h>
#include <linux/moduleparam.h>

#include <linux/kvm_i8254.h>

#include "compat.h"
#include "kvm_pit.h"

static const struct i8254_policy *param_policy;
static const struct i8254_policy *param_reinject;
static unsigned int param_slew_rate = 100;
static unsigned long param_backlog_limit;
static unsigned int param_min_period_us = 200;

static int param_set_policy(const char *val, const struct kernel_param *kp)
{
	const struct i8254_policy *policy = i8254_policy_by_name(val);

	if (!policy || (kp->arg == &param_reinject && !policy->needs_ack))
		return -EINVAL;

	WRITE_ONCE(*(const struct i8254_policy **)kp->arg, policy);
	return 0;
}

/**
 * kvm_pit_reinject_policy - the policy that KVM_REINJECT_CONTROL 1 selects
 *
 * Return: the policy of the parameter reinject.
 */
const struct i8254_policy *kvm_pit_reinject_policy(void)
{
	return READ_ONCE(param_reinject) ?: i8254_policy_by_id(KVM_PIT_TICK_DELAY);
}

/**
 * kvm_pit_new_policy - the policy of a new VM
 *
 * A PIT reinjects until KVM_REINJECT_CONTROL turns that off. QEMU counts on it: it
 * calls KVM_REINJECT_CONTROL only for "discard".
 *
 * Return: the policy of the parameter policy; if it is not set, of reinject.
 */
const struct i8254_policy *kvm_pit_new_policy(void)
{
	return READ_ONCE(param_policy) ?: kvm_pit_reinject_policy();
}

static int param_get_policy(char *buf, const struct kernel_param *kp)
{
	const struct i8254_policy *policy = kp->arg == &param_reinject ?
					    kvm_pit_reinject_policy() : kvm_pit_new_policy();

	return sysfs_emit(buf, "%s\n", policy->name);
}

static int param_set_slew_rate(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 1, I8254_SLEW_RATE_MAX);
}

static int param_set_min_period(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 10, USEC_PER_SEC);
}

static const struct kernel_param_ops policy_param_ops = {
	.set = param_set_policy,
	.get = param_get_policy,
};

static const struct kernel_param_ops slew_rate_param_ops = {
	.set = param_set_slew_rate,
	.get = param_get_uint,
};

static const struct kernel_param_ops min_period_param_ops = {
	.set = param_set_min_period,
	.get = param_get_uint,
};

module_param_cb(policy, &policy_param_ops, &param_policy, 0644);
MODULE_PARM_DESC(policy, "A new VM's lost-tick policy: delay, discard, slew or merge (default: what reinject= names)");
module_param_cb(reinject, &policy_param_ops, &param_reinject, 0644);
MODULE_PARM_DESC(reinject, "What KVM_REINJECT_CONTROL 1 selects, and a new VM has: delay (default), slew or merge");
module_param_cb(slew_rate, &slew_rate_param_ops, &param_slew_rate, 0644);
MODULE_PARM_DESC(slew_rate, "A new VM's slew rate in percent above nominal, 1..900 (default 100)");
module_param_named(backlog_limit, param_backlog_limit, ulong, 0644);
MODULE_PARM_DESC(backlog_limit, "How many ticks a new VM may be owed (default 0: any number)");
module_param_cb(min_period_us, &min_period_param_ops, &param_min_period_us, 0644);
MODULE_PARM_DESC(min_period_us, "How often the timer fires for a periodic counter, 10..1000000 us (default 200); ticks in between are batched");

/**
 * kvm_pit_default_config - a policy with the parameters' values
 * @policy: the policy
 *
 * Return: @policy with the rate and the limit of the parameters, as far as it has them.
 */
struct i8254_tick_config kvm_pit_default_config(const struct i8254_policy *policy)
{
	return (struct i8254_tick_config) {
		.policy = policy,
		.slew_rate = policy->slew_rate ? READ_ONCE(param_slew_rate) : 0,
		.backlog_limit = policy->has_limit ?
				 READ_ONCE(param_backlog_limit) : 0,
	};
}

/**
 * kvm_pit_min_period_us - the shortest time between two timer interrupts
 *
 * Return: the parameter min_period_us, 10..1000000.
 */
unsigned int kvm_pit_min_period_us(void)
{
	return READ_ONCE(param_min_period_us);
}
