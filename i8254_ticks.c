// SPDX-License-Identifier: GPL-2.0-only
/*
 * The account of ticks: which of the ticks that came due is raised, and when.
 *
 * A tick comes due on every rising edge of OUT0. What becomes of one that comes due
 * while the irqchip has no room for it is the policy's to say: it is owed, and raised
 * later, or it is lost. Every tick is counted as the one or the other, and owed ticks
 * never move those that come after them: these are due on the chip's own grid.
 *
 * A due tick, the time of an owed one, an EOI and an unmask are occasions to try.
 * What the irqchips hold is not remembered but asked of them each time: so a
 * notification that is missing, doubled, or about something else is made good by the
 * next due tick at the latest.
 *
 * The policies are in i8254_policy.c, one ops table each.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/nospec.h>
#include <linux/string.h>

#include <linux/kvm_i8254.h>

#include "i8254_policy.h"

/* The backlog, but for the held tick. */
static u64 ticks_owed(const struct i8254_ticks *t)
{
	return t->backlog - t->held;
}

/*
 * Count ticks as lost that the policy has no room for, the oldest first. The
 * held one stays, whatever the policy.
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

/* A place whose time is over is left out: the next one gets its tick. */
static void ticks_skip_slots(struct i8254_ticks *t, u64 now)
{
	u64 slot = t->config.policy->slot(t);

	while (slot && slot < now) {
		t->slot++;
		slot = t->config.policy->slot(t);
	}
}

/* The places of this grid period. A catch-up that begins has the first one's. */
static void ticks_begin_slots(struct i8254_ticks *t, u64 now)
{
	t->credit = t->config.slew_rate;
	t->slot = 1;
	ticks_skip_slots(t, now);
}

/* Owe @n more ticks. */
static void ticks_owe(struct i8254_ticks *t, u64 n, u64 now)
{
	bool begins = n && !ticks_owed(t);

	t->backlog += n;
	ticks_trim(t);
	if (begins)
		ticks_begin_slots(t, now);
}

/* @n ticks came due for which there is no room. Under "off" nothing is owed. */
static void ticks_no_room(struct i8254_ticks *t, u64 n, u64 now)
{
	if (t->config.policy->latch || (t->masked && t->mask_off)) {
		t->lost += n;
		return;
	}

	if (t->masked)
		t->masked_owed += n;
	ticks_owe(t, n, now);
}

/* One tick outlives a mask. */
static void ticks_hold(struct i8254_ticks *t)
{
	t->held = true;
	t->backlog++;
	ticks_trim(t);
}

static void ticks_begin_mask(struct i8254_ticks *t, const struct i8254_line *line, u64 now)
{
	t->masked = true;
	t->mask_off = !line->pending && !line->in_service && !line->latched && !t->held;
	t->masked_at = now;
	t->masked_owed = 0;
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
	taken_back = min(t->masked_owed, ticks_owed(t));
	t->backlog -= taken_back;
	t->lost += taken_back;
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
 * @edge: clock at which the last of them did
 * @now: in clocks, not before that of any earlier call
 *
 * One of them is tried, whatever became of those before. For the others there would
 * be no room.
 */
void i8254_ticks_due(struct i8254_ticks *t, u64 n, u64 edge, u64 now)
{
	if (!n)
		return;

	t->due += n;
	t->occasion = true;
	t->edge = edge;
	t->credit = t->credit % 100 + t->config.slew_rate;
	t->slot = 1;
	ticks_expire_mask(t, now);
	if (!t->wanted) {
		t->wanted = true;
		n--;
	}
	ticks_no_room(t, n, now);
}

/**
 * i8254_ticks_acked - an EOI for IRQ0 was seen: an occasion, no more
 * @t: the VM's ticks
 */
void i8254_ticks_acked(struct i8254_ticks *t)
{
	t->occasion = true;
}

/**
 * i8254_ticks_masked - the guest masked or unmasked IRQ0 at an irqchip
 * @t: the VM's ticks
 * @masked: which of the two
 * @line: the irqchips
 * @now: in clocks
 *
 * A mask that begins while a tick is pending or in service is part of that tick's
 * handling, and what comes due under it is owed. One that begins with no such tick
 * means that the guest turned its timer off. An unmask is an occasion.
 */
void i8254_ticks_masked(struct i8254_ticks *t, bool masked,
			const struct i8254_line *line, u64 now)
{
	ticks_expire_mask(t, now);
	if (!masked) {
		t->masked = false;
		t->occasion = true;
	} else if (!t->masked) {
		ticks_begin_mask(t, line, now);
	}
}

/**
 * i8254_ticks_next - when is there something to try?
 * @t: the VM's ticks
 *
 * Return: the clock from which on i8254_ticks_settle() has something to do, 0
 * for at once, I8254_NEVER where that waits for an occasion, or for
 * i8254_ticks_raised().
 */
u64 i8254_ticks_next(const struct i8254_ticks *t)
{
	u64 slot;

	if (t->raising)
		return I8254_NEVER;
	if (t->wanted || (t->held && t->occasion))
		return 0;
	if (!ticks_owed(t))
		return I8254_NEVER;

	slot = t->config.policy->slot(t);
	if (slot)
		return slot;
	return t->occasion ? 0 : I8254_NEVER;
}

/* The held tick got to the guest, or is sure to. */
static void ticks_release_held(struct i8254_ticks *t, u64 *counter)
{
	t->held = false;
	t->backlog--;
	++*counter;
}

/* There is another where it would go: it is like any tick for which there is no room. */
static void ticks_merge_held(struct i8254_ticks *t, u64 now)
{
	t->held = false;
	t->backlog--;
	if (t->config.policy->latch)
		t->lost++;
	else
		ticks_owe(t, 1, now);
}

/* Returns whether the held tick is to be raised: once on each occasion. */
static bool ticks_try_held(struct i8254_ticks *t, const struct i8254_line *line, u64 now)
{
	if (!t->held)
		return false;

	/* The 8259 kept it, and gave it to the guest or is about to. */
	if (line->latch && !line->latched)
		ticks_release_held(t, &t->delivered);
	else if (line->open && line->pending)
		ticks_merge_held(t, now);

	return t->held && line->open && t->occasion;
}

/* Returns whether the due tick is to be raised: there is room, or a latch to be set. */
static bool ticks_try_due(struct i8254_ticks *t, const struct i8254_line *line, u64 now)
{
	bool holds = !line->open && !line->latch && !t->held;

	if (!t->wanted)
		return false;
	if (line->open ? !line->pending : line->latch && !line->latched)
		return true;

	t->wanted = false;
	if (!holds) {
		ticks_no_room(t, 1, now);
		return false;
	}
	/* An IOAPIC would drop it: it is raised when the mask ends. */
	ticks_hold(t);
	return false;
}

/* Returns whether an owed tick is to be raised: nothing is pending or in service. */
static bool ticks_try_owed(struct i8254_ticks *t, const struct i8254_line *line, u64 now)
{
	u64 slot;

	if (!ticks_owed(t))
		return false;

	slot = t->config.policy->slot(t);
	if (slot > now || (!slot && !t->occasion))
		return false;
	if (line->open && !line->pending && !line->in_service)
		return true;

	/* It stays owed, and takes the next place. */
	ticks_skip_slots(t, now + 1);
	return false;
}

static enum i8254_raise ticks_try(struct i8254_ticks *t, const struct i8254_line *line,
				  u64 now)
{
	if (t->raising)
		return I8254_RAISE_NONE;

	ticks_expire_mask(t, now);
	if (line->open)
		t->masked = false;
	else if (!t->masked)
		ticks_begin_mask(t, line, now);

	if (ticks_try_held(t, line, now))
		return I8254_RAISE_HELD;
	if (ticks_try_due(t, line, now))
		return I8254_RAISE_DUE;
	if (ticks_try_owed(t, line, now))
		return I8254_RAISE_OWED;

	t->occasion = false;
	return I8254_RAISE_NONE;
}

/**
 * i8254_ticks_settle - what needs no raise
 * @t: the VM's ticks
 * @line: the irqchips at this moment
 * @now: in clocks
 *
 * Return: whether i8254_ticks_take() would give out something.
 */
bool i8254_ticks_settle(struct i8254_ticks *t, const struct i8254_line *line, u64 now)
{
	return ticks_try(t, line, now) != I8254_RAISE_NONE;
}

/**
 * i8254_ticks_take - take a tick to raise
 * @t: the VM's ticks
 * @line: the irqchips at this moment
 * @now: in clocks
 *
 * Whatever is given out but I8254_RAISE_NONE must be followed by
 * i8254_ticks_raised(); until then nothing else is given out.
 *
 * Return: what to raise.
 */
enum i8254_raise i8254_ticks_take(struct i8254_ticks *t, const struct i8254_line *line,
				  u64 now)
{
	enum i8254_raise raise = ticks_try(t, line, now);

	switch (raise) {
	case I8254_RAISE_NONE:
		return raise;
	case I8254_RAISE_DUE:
		t->wanted = false;
		break;
	case I8254_RAISE_OWED:
		t->backlog--;
		ticks_skip_slots(t, now + 1);
		break;
	default:
		break;
	}

	/* An EOI or an unmask during the raise is one more. */
	t->occasion = false;
	t->raising = raise;
	return raise;
}

static void ticks_due_raised(struct i8254_ticks *t, enum i8254_answer answer, u64 now)
{
	if (answer == I8254_TOOK)
		t->delivered++;
	else if (answer == I8254_FULL || t->held)
		ticks_no_room(t, 1, now);
	else
		ticks_hold(t);
}

/* A mask that began during the raise may have the tick in a latch: that one is held. */
static void ticks_owed_raised(struct i8254_ticks *t, enum i8254_answer answer)
{
	if (answer == I8254_TOOK)
		t->replayed++;
	else if (answer == I8254_MASKED && !t->held)
		ticks_hold(t);
	else if (t->config.policy->latch)
		t->lost++;
	else
		t->backlog++;
	ticks_trim(t);
}

static void ticks_held_raised(struct i8254_ticks *t, enum i8254_answer answer, u64 now)
{
	if (!t->held)
		return;

	if (answer == I8254_TOOK)
		ticks_release_held(t, &t->replayed);
	else if (answer == I8254_FULL)
		ticks_merge_held(t, now);
}

/**
 * i8254_ticks_raised - what came of the tick that i8254_ticks_take() gave out
 * @t: the VM's ticks
 * @answer: of the irqchips
 * @now: in clocks
 */
void i8254_ticks_raised(struct i8254_ticks *t, enum i8254_answer answer, u64 now)
{
	enum i8254_raise raised = t->raising;

	t->raising = I8254_RAISE_NONE;
	switch (raised) {
	case I8254_RAISE_DUE:
		ticks_due_raised(t, answer, now);
		break;
	case I8254_RAISE_OWED:
		ticks_owed_raised(t, answer);
		break;
	case I8254_RAISE_HELD:
		ticks_held_raised(t, answer, now);
		break;
	default:
		break;
	}
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
	t->held &= t->raising == I8254_RAISE_HELD;
	t->lost += ticks_owed(t);
	t->backlog = t->held;
	t->period = period;
}

/**
 * i8254_ticks_configure - select a policy
 * @t: the VM's ticks
 * @config: as i8254_tick_config_check() left it
 * @now: in clocks
 *
 * Keeps what is owed as far as the new policy can hold it; the rest is lost.
 */
void i8254_ticks_configure(struct i8254_ticks *t,
			   const struct i8254_tick_config *config, u64 now)
{
	t->config = *config;
	t->limit_hit = false;
	t->occasion = true;
	ticks_trim(t);
	ticks_begin_slots(t, now);
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
	s->credit = t->credit;

	s->ticks = 0;
	if (t->wanted)
		s->ticks |= KVM_PIT_TICKS_WANTED;
	if (t->held)
		s->ticks |= KVM_PIT_TICKS_HELD;
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
 * @edge: clock of the last due tick
 * @now: in clocks
 * @s: what was saved
 *
 * What was owed so far is lost, and what is owed from now on came due, in a life
 * before this one. What of it the irqchips hold is asked of them, whether they are
 * restored before or after.
 */
void i8254_ticks_load(struct i8254_ticks *t, u64 period, u64 edge, u64 now,
		      const struct kvm_pit_tick_state *s)
{
	t->lost += t->backlog + t->wanted;
	t->period = period;

	t->wanted = s->ticks & KVM_PIT_TICKS_WANTED;
	t->held = s->backlog && s->ticks & KVM_PIT_TICKS_HELD;
	t->backlog = s->backlog;
	t->due += t->backlog + t->wanted;
	t->edge = edge;
	t->credit = s->credit;
	t->slot = 1;
	t->occasion = true;

	t->masked = s->ticks & KVM_PIT_TICKS_MASKED;
	t->mask_off = s->ticks & KVM_PIT_TICKS_OFF;
	t->masked_at = now - min_t(u64, s->masked_clocks, now);
	t->masked_owed = s->masked_owed;
	ticks_trim(t);
	/* A place at the present had its tick before the ticks were saved. */
	ticks_skip_slots(t, now + 1);
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
	i8254_ticks_configure(t, config, 0);
}
