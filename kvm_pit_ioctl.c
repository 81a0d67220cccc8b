// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls by which a VMM reads and sets the state of a PIT, and its policy.
 *
 * KVM_CREATE_PIT and KVM_CREATE_PIT2 are in kvm_pit.c. The layout of the states is in
 * kvm_pit_state.c.
 */
#include <linux/kvm_host.h>
#include <linux/uaccess.h>

#include <linux/kvm_i8254.h>

#include "compat.h"
#include "kvm_pit.h"
#include "kvm_pit_state.h"
#include "kvm_pit_trace.h"

/* The caller has synced the chip: what came due before did so under the old policy. */
static void pit_set_policy(struct kvm_pit *pit, const struct i8254_tick_config *config)
{
	lockdep_assert_held(&pit->config_lock);
	lockdep_assert_held(&pit->lock);

	i8254_ticks_configure(&pit->ticks, config, pit->chip.now);
	trace_kvm_pit_policy(kvm_pit_vm(pit), &pit->ticks);
}

/**
 * kvm_pit_configure - give a PIT another policy
 * @pit: the PIT
 * @config: the policy, with its rate and limit, as i8254_tick_config_check() wants it
 * @keep_state: whether states carry ticks from now on, or NULL: as before
 *
 * May sleep. EOIs are watched from before a policy that needs them until after it.
 */
void kvm_pit_configure(struct kvm_pit *pit, const struct i8254_tick_config *config,
		       const bool *keep_state)
{
	u64 now;

	mutex_lock(&pit->config_lock);
	kvm_pit_catch_up(pit);
	if (config->policy->needs_ack)
		kvm_pit_watch_acks(pit);

	spin_lock_irq(&pit->lock);
	now = kvm_pit_sync(pit);
	if (keep_state)
		pit->keep_state = *keep_state;
	pit_set_policy(pit, config);
	kvm_pit_update(pit, now);
	spin_unlock_irq(&pit->lock);

	if (!config->policy->needs_ack)
		kvm_pit_unwatch_acks(pit);
	mutex_unlock(&pit->config_lock);
}

static void pit_get_state(struct kvm_pit *pit, struct kvm_pit_state2 *state)
{
	u64 ns, now;

	memset(state, 0, sizeof(*state));

	spin_lock_irq(&pit->lock);
	/* A tick that is being raised is in none of the counters. */
	kvm_pit_wait_raised(pit);
	ns = kvm_pit_ns(pit);
	now = kvm_pit_sync_to(pit, ns);
	for (unsigned int n = 0; n < I8254_COUNTERS; n++) {
		const struct i8254_counter *c = &pit->chip.counter[n];

		kvm_pit_save_channel(c, &state->channels[n]);
		state->channels[n].count_load_time = kvm_pit_clock_to_ktime(pit, c->loaded_at);
	}
	state->flags = pit->flags;
	if (pit->keep_state)
		kvm_pit_save_ticks(&pit->chip, &pit->ticks,
				   ns - i8254_clocks_to_ns(now), state);
	spin_unlock_irq(&pit->lock);
}

/*
 * True if counter @n is programmed as in @s already, and states carry ticks. Then it
 * goes on counting: the VMM wants to change something else, or only its GATE.
 */
static bool pit_keep_channel(struct kvm_pit *pit, unsigned int n,
			     const struct kvm_pit_channel_state *s)
{
	struct kvm_pit_channel_state is;

	kvm_pit_save_channel(&pit->chip.counter[n], &is);
	is.count_load_time = s->count_load_time;
	is.gate = s->gate;
	if (!pit->keep_state || memcmp(&is, s, sizeof(is)))
		return false;

	if (n == 2)
		i8254_set_gate(&pit->chip, n, s->gate & 1);
	return true;
}

/* @flags: KVM_PIT_FLAGS_x, or NULL: as before */
static void pit_set_state(struct kvm_pit *pit,
			  const struct kvm_pit_channel_state *channels,
			  const u32 *flags)
{
	u64 now;

	spin_lock_irq(&pit->lock);
	now = kvm_pit_sync(pit);
	for (unsigned int n = 0; n < I8254_COUNTERS; n++) {
		if (pit_keep_channel(pit, n, &channels[n]))
			continue;
		kvm_pit_load_channel(&pit->chip, n, &channels[n]);
		if (n != 0)
			continue;
		pit->set_by_ioctl = true;
		i8254_ticks_restart(&pit->ticks, i8254_period(&pit->chip, 0));
	}
	if (flags)
		pit->flags = *flags;
	kvm_pit_update(pit, now);
	spin_unlock_irq(&pit->lock);
}

/*
 * Go on from a state that KVM_PIT_TICK_KEEP_STATE kept. It says how far into a clock it
 * was saved, and brings its policy: both are loaded in one step.
 */
static int pit_set_kept_state(struct kvm_pit *pit, const struct kvm_pit_state2 *state)
{
	struct i8254_tick_config config;
	u64 ns, now;
	u32 clock_ns;
	int ret;

	lockdep_assert_held(&pit->config_lock);

	ret = kvm_pit_check_ticks(state, &config);
	if (ret)
		return ret;

	if (config.policy->needs_ack)
		kvm_pit_watch_acks(pit);

	spin_lock_irq(&pit->lock);
	kvm_pit_wait_raised(pit);
	ns = kvm_pit_ns(pit);
	now = kvm_pit_sync_to(pit, ns);
	pit_set_policy(pit, &config);
	clock_ns = kvm_pit_load_ticks(&pit->chip, &pit->ticks, state);
	pit->epoch_ns += ns - i8254_clocks_to_ns(now) - clock_ns;
	pit->flags = state->flags & ~KVM_PIT_FLAGS_TICK_STATE;
	pit->set_by_ioctl = true;
	kvm_pit_update(pit, now);
	spin_unlock_irq(&pit->lock);

	if (!config.policy->needs_ack)
		kvm_pit_unwatch_acks(pit);
	return 0;
}

static int pit_ioctl_get(struct kvm_pit *pit, void __user *argp, size_t size)
{
	struct kvm_pit_state2 state;

	/* The first form is the beginning of the second. */
	BUILD_BUG_ON(offsetof(struct kvm_pit_state2, channels) != 0 ||
		     sizeof(struct kvm_pit_state) != sizeof(state.channels));

	kvm_pit_catch_up(pit);
	pit_get_state(pit, &state);
	return copy_to_user(argp, &state, size) ? -EFAULT : 0;
}

static int pit_ioctl_set(struct kvm_pit *pit, void __user *argp)
{
	struct kvm_pit_state state;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;

	pit_set_state(pit, state.channels, NULL);
	return 0;
}

static int pit_ioctl_set2(struct kvm_pit *pit, void __user *argp)
{
	struct kvm_pit_state2 state;
	int ret = 0;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;

	mutex_lock(&pit->config_lock);
	if (pit->keep_state && kvm_pit_has_ticks(&state))
		ret = pit_set_kept_state(pit, &state);
	else
		pit_set_state(pit, state.channels, &state.flags);
	mutex_unlock(&pit->config_lock);

	return ret;
}

static int pit_ioctl_reinject(struct kvm_pit *pit, void __user *argp)
{
	struct kvm_reinject_control control;
	struct i8254_tick_config config;

	if (copy_from_user(&control, argp, sizeof(control)))
		return -EFAULT;

	config = kvm_pit_default_config(control.pit_reinject ?
					kvm_pit_reinject_policy() :
					i8254_policy_by_id(KVM_PIT_TICK_DISCARD));
	kvm_pit_configure(pit, &config, NULL);
	return 0;
}

/**
 * kvm_pit_ioctl - the ioctls on a VM that concern its PIT
 * @pit: the PIT
 * @ioctl: one of KVM_GET_PIT, KVM_SET_PIT, KVM_GET_PIT2, KVM_SET_PIT2 and
 *	KVM_REINJECT_CONTROL
 * @argp: its argument
 *
 * Return: 0; -EFAULT if @argp cannot be read or written; -EINVAL if the
 * state's ticks are not valid; -ENOTTY for any other ioctl.
 */
int kvm_pit_ioctl(struct kvm_pit *pit, unsigned int ioctl, void __user *argp)
{
	switch (ioctl) {
	case KVM_GET_PIT:
		return pit_ioctl_get(pit, argp, sizeof(struct kvm_pit_state));
	case KVM_GET_PIT2:
		return pit_ioctl_get(pit, argp, sizeof(struct kvm_pit_state2));
	case KVM_SET_PIT:
		return pit_ioctl_set(pit, argp);
	case KVM_SET_PIT2:
		return pit_ioctl_set2(pit, argp);
	case KVM_REINJECT_CONTROL:
		return pit_ioctl_reinject(pit, argp);
	default:
		return -ENOTTY;
	}
}

/**
 * kvm_pit_enable_cap - KVM_ENABLE_CAP of KVM_CAP_PIT_TICK_POLICY
 * @pit: the PIT, or NULL if the VM does not have this one
 * @cap: policy, flags, slew rate and backlog limit, see <linux/kvm_i8254.h>
 *
 * Return: 0; -EINVAL if an argument is out of range; -ENXIO if @pit is NULL. Nothing is
 * changed then.
 */
int kvm_pit_enable_cap(struct kvm_pit *pit, const struct kvm_enable_cap *cap)
{
	struct i8254_tick_config config = {
		.policy = i8254_policy_by_id(cap->args[0]),
		.slew_rate = min_t(u64, cap->args[2], U32_MAX),
		.backlog_limit = cap->args[3],
	};
	bool keep_state = cap->args[1] & KVM_PIT_TICK_KEEP_STATE;
	int ret;

	if (cap->flags || cap->args[1] & ~KVM_PIT_TICK_KEEP_STATE)
		return -EINVAL;
	ret = i8254_tick_config_check(&config);
	if (ret)
		return ret;
	if (!pit)
		return -ENXIO;

	kvm_pit_configure(pit, &config, &keep_state);
	return 0;
}
