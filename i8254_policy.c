// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lost-tick policies: which of the ticks that came due is raised, and when.
 *
 * A tick comes due on every rising edge of OUT0. It is raised at the irqchip,
 * and accepted when the guest's EOI is seen. What becomes of a tick that comes
 * due while the guest does not accept any is the policy's to say: it is owed,
 * and raised later, or it is lost. Every tick is counted as the one or the
 * other, and owed ticks never move those that come after them: these are due
 * on the chip's own grid.
 *
 * The policies stand at the end, one ops table each.
 */
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/nospec.h>
#include <linux/string.h>

#include <linux/kvm_i8254.h>

#include "i8254_policy.h"

/*
 * Count ticks as lost that the policy has no room for, the oldest first. The
 * held one stays: it was raised, and the irqchip may have it.
 */
static void ticks_trim(struct i8254_ticks *t)
{
	u64 room = max_t(u64, t->config.policy->capacity(t), t->held);

	if (t->backlog <= room)
		return;

	t->lost += t->backlog - room;
	t->limit_hit = t->config.backlog_limit;
	t->backlog = room;
}

/*
 * A mask that lasts means "off", and under "off" nothing is owed: take back
 * what was owed under it so far.
 */
static void ticks_expire_mask(struct i8254_ticks *t, u64 now)
{
	u64 taken_back;

	if (!t->masked || t->mask_off ||
	    now - t->masked_at < I8254_MASK_OFF_CLOCKS)
		return;

	t->mask_off = true;
	taken_back = min(t->masked_owed, t->backlog - t->held);
	t->backlog -= taken_back;
	t->lost += taken_back;
}

/*
 * No owed tick is raised before that clock, and no due one between owed ones.
 * The clocks are on a grid of their own: one raised late does not delay those
 * that follow.
 */
static u64 ticks_not_before(const struct i8254_ticks *t)
{
	return t->anchor + t->config.policy->offset(t, t->replays + 1);
}

static void ticks_anchor(struct i8254_ticks *t, u64 now)
{
	t->anchor = now;
	t->replays = 0;
}

/*
 * May a tick that comes due be raised right away? Also where the last one's EOI is
 * overdue: if it was lost with the irqchip's state, nothing else would get ticks
 * going again, and if not, the irqchip's latch holds one.
 */
static bool ticks_can_raise_due(const struct i8254_ticks *t, u64 now)
{
	if (t->wanted)
		return false;
	if (t->config.policy->latch)
		return true;
	if (t->raising || ticks_not_before(t) > now)
		return false;

	return t->unaccepted ? t->overdue : !t->backlog;
}

/* Owe @n ticks that came due, as far as they are not lost. */
static void ticks_owe(struct i8254_ticks *t, u64 n)
{
	if (t->config.policy->latch || (t->masked && t->mask_off)) {
		t->lost += n;
		return;
	}

	t->backlog += n;
	if (t->masked)
		t->masked_owed += n;
	ticks_trim(t);
}

/**
 * i8254_ticks_stalled - ticks come due while the guest is kept from running
 * @t: the VM's ticks
 * @n: how many, as i8254_ticks_due() is told next
 * @now: in clocks, as i8254_ticks_due() is told next
 *
 * A mask gets no older by that time: the guest could not have ended it.
 */
void i8254_ticks_stalled(struct i8254_ticks *t, u64 n, u64 now)
{
	t->masked_at = min(t->masked_at + n * t->period, now);
}

/**
 * i8254_ticks_due - ticks came due
 * @t: the VM's ticks
 * @n: how many since the last call; more than one where the caller's timer is
 *	slower than the guest's
 * @now: in clocks, not before that of any earlier call
 */
void i8254_ticks_due(struct i8254_ticks *t, u64 n, u64 now)
{
	if (!n)
		return;

	t->due += n;
	ticks_expire_mask(t, now);
	if (t->held)
		t->again = true;

	if (ticks_can_raise_due(t, now)) {
		t->wanted = true;
		n--;
	}
	ticks_owe(t, n);
}

/**
 * i8254_ticks_next - when is there something to raise?
 * @t: the VM's ticks
 *
 * Return: the clock from which on i8254_ticks_take() has something to give, 0
 * for at once, I8254_NEVER where that waits for a tick, the guest, or
 * i8254_ticks_raised().
 */
u64 i8254_ticks_next(const struct i8254_ticks *t)
{
	if (t->raising)
		return I8254_NEVER;
	if (t->wanted || t->again)
		return 0;
	if (t->backlog && !t->held && !t->unaccepted)
		return ticks_not_before(t);

	return I8254_NEVER;
}

/**
 * i8254_ticks_off - did the guest turn its timer off at the irqchips?
 * @t: the VM's ticks
 *
 * Return: whether nothing comes of a tick that comes due, for as long as IRQ0 is
 * masked: one is held already, and no more are owed.
 */
bool i8254_ticks_off(const struct i8254_ticks *t)
{
	return t->masked && t->mask_off && t->held;
}

/**
 * i8254_ticks_take - take a tick to raise
 * @t: the VM's ticks
 * @now: in clocks
 *
 * Whatever is given out but I8254_RAISE_NONE must be followed by
 * i8254_ticks_raised(); until then nothing else is given out.
 *
 * Return: what to raise.
 */
enum i8254_raise i8254_ticks_take(struct i8254_ticks *t, u64 now)
{
	if (i8254_ticks_next(t) > now)
		return I8254_RAISE_NONE;

	if (t->again) {
		t->again = false;
		t->raising = I8254_RAISE_AGAIN;
	} else if (t->wanted) {
		t->wanted = false;
		t->raising = I8254_RAISE_DUE;
	} else {
		t->backlog--;
		t->raising = I8254_RAISE_OWED;
	}

	/* The guest can be faster with its EOI than the caller's report. */
	t->was_unaccepted = t->unaccepted;
	t->unaccepted = true;
	t->overdue = false;
	return t->raising;
}

/* The held tick got to the irqchip after all: on its due time, or as a replay. */
static void ticks_release_held(struct i8254_ticks *t, bool replay)
{
	t->held = false;
	t->again = false;
	t->backlog--;
	if (replay)
		t->replayed++;
	else
		t->delivered++;
}

/* The irqchip took a tick, or one that it was given before. */
static void ticks_took(struct i8254_ticks *t, enum i8254_raise raised, u64 now)
{
	/* Whatever was heard of a mask, IRQ0 is not masked. */
	t->masked = false;

	switch (raised) {
	case I8254_RAISE_OWED:
		t->replayed++;
		t->replays++;
		/* So late that the next could follow at once: it must not. */
		if (ticks_not_before(t) <= now)
			ticks_anchor(t, now);
		return;
	case I8254_RAISE_DUE:
		t->delivered++;
		break;
	default:
		if (t->held)
			ticks_release_held(t, true);
	}
	ticks_anchor(t, now);
}

/* The irqchip still had an earlier tick, and the two became one. */
static void ticks_coalesced(struct i8254_ticks *t, enum i8254_raise raised)
{
	if (t->held)
		t->unaccepted = t->was_unaccepted;

	if (raised == I8254_RAISE_AGAIN)
		return;
	if (t->config.policy->latch) {
		t->lost++;
		return;
	}
	t->backlog++;
	ticks_trim(t);
}

/*
 * The held tick is in the 8259's latch, and IRQ0 was unmasked there: other
 * irqchips have just refused it again. Where EOIs are seen, wait for its own.
 */
static void ticks_latched(struct i8254_ticks *t)
{
	if (!t->held || t->masked || t->config.policy->needs_ack)
		return;

	ticks_release_held(t, t->held_owed);
}

/* IRQ0 is masked everywhere. One tick outlives that. */
static void ticks_refused(struct i8254_ticks *t, enum i8254_raise raised)
{
	t->unaccepted = t->was_unaccepted;

	if (raised == I8254_RAISE_AGAIN) {
		ticks_latched(t);
		return;
	}
	if (t->held || (t->config.policy->latch && t->backlog)) {
		t->lost++;
		return;
	}
	t->held = true;
	t->held_owed = raised == I8254_RAISE_OWED;
	t->backlog++;
	ticks_trim(t);
}

/**
 * i8254_ticks_raised - how the irqchip took what i8254_ticks_take() gave out
 * @t: the VM's ticks
 * @result: as kvm_set_irq() returns it: above 0 the irqchip took it, 0 it was
 *	coalesced with an earlier one, below 0 it was masked
 * @now: in clocks
 */
void i8254_ticks_raised(struct i8254_ticks *t, int result, u64 now)
{
	enum i8254_raise raised = t->raising;

	t->raising = I8254_RAISE_NONE;
	if (result > 0)
		ticks_took(t, raised, now);
	else if (!result)
		ticks_coalesced(t, raised);
	else
		ticks_refused(t, raised);
}

/**
 * i8254_ticks_acked - the guest accepted a tick: its EOI was seen
 * @t: the VM's ticks
 * @now: in clocks
 *
 * An owed tick that this acceptance kept waiting beyond its time is spaced from
 * it, as if the accepted one had been raised just now: the guest did not see it
 * before.
 */
void i8254_ticks_acked(struct i8254_ticks *t, u64 now)
{
	if (t->unaccepted) {
		t->unaccepted = false;
		t->was_unaccepted = false;
	} else if (t->held) {
		/* The 8259's latch outlived the mask. */
		ticks_release_held(t, t->held_owed);
	} else {
		return;
	}

	if (t->backlog && ticks_not_before(t) <= now)
		ticks_anchor(t, now);
}

/**
 * i8254_ticks_masked - the guest masked or unmasked IRQ0 at an irqchip
 * @t: the VM's ticks
 * @masked: which of the two
 * @now: in clocks
 *
 * A mask that begins while a raised tick is not accepted is part of that
 * tick's handling, and what comes due under it is owed. One that begins with
 * no such tick means that the guest turned its timer off. One that ends while such
 * a tick is not accepted makes its EOI overdue.
 */
void i8254_ticks_masked(struct i8254_ticks *t, bool masked, u64 now)
{
	if (masked) {
		if (t->masked)
			return;
		t->masked = true;
		t->mask_off = !t->unaccepted && !t->held;
		t->masked_at = now;
		t->masked_owed = 0;
		return;
	}

	ticks_expire_mask(t, now);
	t->masked = false;
	t->overdue = t->unaccepted;
	if (t->held)
		t->again = true;
}

/**
 * i8254_ticks_restart - the guest reprogrammed its timer
 * @t: the VM's ticks
 * @period: of the ticks to come, in clocks; 0 where there will be one at most
 *
 * Drops what was owed: those were ticks of another timer. A tick that is due
 * and on its way to the irqchip still gets there.
 */
void i8254_ticks_restart(struct i8254_ticks *t, u64 period)
{
	t->lost += t->backlog;
	t->backlog = 0;
	t->held = false;
	t->again = false;
	t->unaccepted = false;
	t->was_unaccepted = false;
	t->period = period;
	ticks_anchor(t, 0);
}

/**
 * i8254_ticks_configure - select a policy
 * @t: the VM's ticks
 * @config: as i8254_tick_config_check() left it
 *
 * Keeps what is owed as far as the new policy can hold it; the rest is lost.
 * What is raised next is spaced from the last raise, at the new rate: the ones
 * before that were spaced at the old one.
 */
void i8254_ticks_configure(struct i8254_ticks *t,
			   const struct i8254_tick_config *config)
{
	/* No EOI was seen: nothing is known of what the guest accepted. */
	if (t->config.policy && !t->config.policy->needs_ack)
		t->unaccepted = false;
	if (t->config.policy)
		ticks_anchor(t, t->anchor +
			     t->config.policy->offset(t, t->replays));

	t->config = *config;
	t->limit_hit = false;
	ticks_trim(t);
}

/* Clocks since an owed or a due tick was raised last. */
static u64 ticks_since_raise(const struct i8254_ticks *t, u64 now)
{
	u64 raised_at = t->anchor + t->config.policy->offset(t, t->replays);

	return raised_at < now ? now - raised_at : 0;
}

/**
 * i8254_ticks_save - what becomes of the ticks at hand, and of those to come
 * @t: the VM's ticks
 * @now: in clocks
 * @s: where it goes; the fields that are the chip's are left alone
 *
 * Of more ticks than 32 bits can say, that many are saved.
 */
void i8254_ticks_save(const struct i8254_ticks *t, u64 now,
		      struct kvm_pit_tick_state *s)
{
	s->policy = t->config.policy->id;
	s->slew_rate = t->config.slew_rate;
	s->backlog_limit = min_t(u64, t->config.backlog_limit, U32_MAX);
	s->backlog = min_t(u64, t->backlog, U32_MAX);
	s->raised_clocks = min_t(u64, ticks_since_raise(t, now), U16_MAX);

	s->ticks = 0;
	if (t->wanted)
		s->ticks |= KVM_PIT_TICKS_WANTED;
	if (t->unaccepted)
		s->ticks |= KVM_PIT_TICKS_UNACCEPTED;
	if (t->unaccepted && t->overdue)
		s->ticks |= KVM_PIT_TICKS_OVERDUE;
	if (t->held) {
		s->ticks |= KVM_PIT_TICKS_HELD;
		if (t->again)
			s->ticks |= KVM_PIT_TICKS_AGAIN;
		if (t->held_owed)
			s->ticks |= KVM_PIT_TICKS_HELD_OWED;
	}
	if (t->masked) {
		s->ticks |= KVM_PIT_TICKS_MASKED;
		if (t->mask_off)
			s->ticks |= KVM_PIT_TICKS_OFF;
		s->masked_clocks = min_t(u64, now - t->masked_at, U32_MAX);
		s->masked_owed = min_t(u64, t->masked_owed, U32_MAX);
	} else {
		s->masked_clocks = 0;
		s->masked_owed = 0;
	}
}

/**
 * i8254_ticks_load - go on from where i8254_ticks_save() was
 * @t: the VM's ticks, under the policy that was saved
 * @period: of the ticks to come, in clocks; 0 where there will be one at most
 * @now: in clocks
 * @s: what was saved
 *
 * What was owed so far is lost, and what is owed from now on came due, in a life
 * before this one.
 */
void i8254_ticks_load(struct i8254_ticks *t, u64 period, u64 now,
		      const struct kvm_pit_tick_state *s)
{
	t->lost += t->backlog + t->wanted;
	t->period = period;

	t->wanted = s->ticks & KVM_PIT_TICKS_WANTED;
	t->unaccepted = s->ticks & KVM_PIT_TICKS_UNACCEPTED;
	t->was_unaccepted = false;
	t->overdue = s->ticks & KVM_PIT_TICKS_OVERDUE;
	t->held = s->backlog && s->ticks & KVM_PIT_TICKS_HELD;
	t->again = s->ticks & KVM_PIT_TICKS_AGAIN;
	t->held_owed = s->ticks & KVM_PIT_TICKS_HELD_OWED;
	t->backlog = s->backlog;
	t->due += t->backlog + t->wanted;
	ticks_anchor(t, now - min_t(u64, s->raised_clocks, now));

	t->masked = s->ticks & KVM_PIT_TICKS_MASKED;
	t->mask_off = s->ticks & KVM_PIT_TICKS_OFF;
	t->masked_at = now - min_t(u64, s->masked_clocks, now);
	t->masked_owed = s->masked_owed;
	ticks_trim(t);
}

/**
 * i8254_ticks_init - start with nothing due and nothing owed
 * @t: the VM's ticks
 * @config: as i8254_tick_config_check() left it
 * @min_spacing: the least time between two timers, clocks
 */
void i8254_ticks_init(struct i8254_ticks *t,
		      const struct i8254_tick_config *config, u64 min_spacing)
{
	memset(t, 0, sizeof(*t));
	t->min_spacing = min_spacing;
	i8254_ticks_configure(t, config);
}

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

static u64 offset_none(const struct i8254_ticks *t, u64 n)
{
	return 0;
}

static u64 offset_slew(const struct i8254_ticks *t, u64 n)
{
	u32 percent = 100 + t->config.slew_rate;
	u64 spacing = t->period * 100;

	if (spacing < t->min_spacing * percent)
		return 0;

	return div_u64(n * spacing + percent - 1, percent);
}

/* Replays every lost tick, each as soon as the one before it is accepted. */
static const struct i8254_policy delay = {
	.id		= KVM_PIT_TICK_DELAY,
	.name		= "delay",
	.needs_ack	= true,
	.has_limit	= true,
	.capacity	= capacity_limit,
	.offset		= offset_none,
};

/* Never replays: what the irqchip's latch does not catch is lost. */
static const struct i8254_policy discard = {
	.id		= KVM_PIT_TICK_DISCARD,
	.name		= "discard",
	.latch		= true,
	.capacity	= capacity_none,
	.offset		= offset_none,
};

/* Replays every lost tick, at a frequency that is raised by a rate. */
static const struct i8254_policy slew = {
	.id		= KVM_PIT_TICK_SLEW,
	.name		= "slew",
	.needs_ack	= true,
	.slew_rate	= 100,
	.has_limit	= true,
	.capacity	= capacity_limit,
	.offset		= offset_slew,
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
	.offset		= offset_none,
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
	    !policy->offset || policy->id >= I8254_POLICIES_MAX ||
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
