// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lost-tick policies: an ops table each, and the table of them.
 *
 * A policy says how many ticks may be owed, and when one of them is raised. The account
 * that asks it is i8254_ticks.c.
 */
#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/nospec.h>
#include <linux/string.h>

#include <linux/kvm_i8254.h>

#include "i8254_policy.h"

static u64 capacity_none(const struct i8254_ticks *t)
{
	return 0;
}

static u64 capacity_one(const struct i8254_ticks *t)
{
	return 1;
}

static u64 capacity_limit(const struct i8254_ticks *t)
{
	return t->config.backlog_limit ?: U64_MAX;
}

/* On the next occasion. */
static u64 slot_any(const struct i8254_ticks *t)
{
	return 0;
}

/*
 * Due ticks stay on the grid; @slew_rate percent more come between them. In a period
 * that has m places for owed ticks these are at 1/(m+1), 2/(m+1)... of it.
 */
static u64 slot_slew(const struct i8254_ticks *t)
{
	u32 places = t->credit / 100;

	if (t->period < t->min_spacing * (DIV_ROUND_UP(t->config.slew_rate, 100) + 1))
		return 0;
	if (t->slot > places)
		return I8254_NEVER;

	return t->edge + div_u64(t->slot * t->period + places, places + 1);
}

/* Replays every lost tick, each as soon as the one before it is accepted. */
static const struct i8254_policy delay = {
	.id		= KVM_PIT_TICK_DELAY,
	.name		= "delay",
	.needs_ack	= true,
	.has_limit	= true,
	.capacity	= capacity_limit,
	.slot		= slot_any,
};

/* Never replays: what the irqchip's latch does not catch is lost. */
static const struct i8254_policy discard = {
	.id		= KVM_PIT_TICK_DISCARD,
	.name		= "discard",
	.latch		= true,
	.capacity	= capacity_none,
	.slot		= slot_any,
};

/* Replays every lost tick, at a frequency that is raised by a rate. */
static const struct i8254_policy slew = {
	.id		= KVM_PIT_TICK_SLEW,
	.name		= "slew",
	.needs_ack	= true,
	.slew_rate	= 100,
	.has_limit	= true,
	.capacity	= capacity_limit,
	.slot		= slot_slew,
};

/*
 * Replays one for all that were lost. Where the guest does not accept ticks
 * that one is in the irqchip's latch already. What merge adds to discard is
 * that one outlives a change of the policy, and that EOIs are waited for.
 */
static const struct i8254_policy merge = {
	.id		= KVM_PIT_TICK_MERGE,
	.name		= "merge",
	.latch		= true,
	.needs_ack	= true,
	.capacity	= capacity_one,
	.slot		= slot_any,
};

static const struct i8254_policy *policies[I8254_POLICIES_MAX] = {
	[KVM_PIT_TICK_DELAY]	= &delay,
	[KVM_PIT_TICK_DISCARD]	= &discard,
	[KVM_PIT_TICK_SLEW]	= &slew,
	[KVM_PIT_TICK_MERGE]	= &merge,
};

/**
 * i8254_policy_register - make one more policy known
 * @policy: the policy, which stays where it is until it is unregistered
 *
 * From then on it can be selected by its id and by its name. May be called at
 * any time; no lock is needed.
 *
 * Return: 0; -EINVAL where something is missing, the id is out of range, or the
 * name is too long; -EEXIST where the id or the name is taken.
 */
int i8254_policy_register(const struct i8254_policy *policy)
{
	if (!policy->name || !*policy->name || !policy->capacity ||
	    !policy->slot || policy->id >= I8254_POLICIES_MAX ||
	    strlen(policy->name) >= I8254_POLICY_NAME_LEN ||
	    policy->slew_rate > I8254_SLEW_RATE_MAX)
		return -EINVAL;
	if (i8254_policy_by_name(policy->name))
		return -EEXIST;

	return cmpxchg(&policies[policy->id], NULL, policy) ? -EEXIST : 0;
}

/**
 * i8254_policy_unregister - forget a policy
 * @policy: a registered one, which no VM uses
 */
void i8254_policy_unregister(const struct i8254_policy *policy)
{
	cmpxchg(&policies[policy->id], policy, NULL);
}

/**
 * i8254_policy_by_id - look a policy up
 * @id: KVM_PIT_TICK_x, or whatever userspace has
 *
 * Return: the policy, or NULL.
 */
const struct i8254_policy *i8254_policy_by_id(u64 id)
{
	if (id >= I8254_POLICIES_MAX)
		return NULL;

	return READ_ONCE(policies[array_index_nospec(id, I8254_POLICIES_MAX)]);
}

/**
 * i8254_policy_by_name - look a policy up
 * @name: as a user writes it, with or without a newline at its end
 *
 * Return: the policy, or NULL.
 */
const struct i8254_policy *i8254_policy_by_name(const char *name)
{
	for (int i = 0; i < I8254_POLICIES_MAX; i++) {
		const struct i8254_policy *policy = i8254_policy_by_id(i);

		if (policy && sysfs_streq(policy->name, name))
			return policy;
	}

	return NULL;
}

/**
 * i8254_policy_mask - what KVM_CHECK_EXTENSION says
 *
 * Return: 1 << KVM_PIT_TICK_x for every policy there is, or-ed together.
 */
u32 i8254_policy_mask(void)
{
	u32 mask = 0;

	for (int i = 0; i < I8254_POLICIES_MAX; i++)
		if (i8254_policy_by_id(i))
			mask |= BIT(i);

	return mask;
}

/**
 * i8254_tick_config_check - check a configuration, fill in its defaults
 * @config: what was asked for
 *
 * Return: 0, or -EINVAL where the policy is unknown, the slew rate is out of
 * range, or something is given that the policy does not have.
 */
int i8254_tick_config_check(struct i8254_tick_config *config)
{
	const struct i8254_policy *policy = config->policy;

	if (!policy)
		return -EINVAL;
	if (config->slew_rate > (policy->slew_rate ? I8254_SLEW_RATE_MAX : 0))
		return -EINVAL;
	if (config->backlog_limit && !policy->has_limit)
		return -EINVAL;

	if (!config->slew_rate)
		config->slew_rate = policy->slew_rate;
	return 0;
}
