// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must hold of the explorer's PC: after each act, and in each state.
 *
 * Of a state it is seen what a guest gets that from now on opens IRQ0, takes its ticks
 * and ends them. With two irqchips it opens the one, the other, or both, and leaves the
 * rest as it is.
 */
#include <stdio.h>

#include <linux/limits.h>
#include <linux/minmax.h>

#include "world.h"

const char *const law_names[LAWS] = {
	[SUM] = "sum", [BOUNDS] = "bounds", [TWICE] = "twice", [NEVER] = "never",
	[LOSS] = "loss", [EARLY] = "early", [BUSY] = "busy", [ENDLESS] = "endless",
	[SILENCE] = "silence", [DEBT] = "debt",
	[RATE] = "rate", [WRAP] = "wrap", [OUTLIVE] = "outlive",
};

/* laws_tell() has the run of laws_of_state() printed. */
static bool telling;

static bool sum_holds(const struct i8254_ticks *t)
{
	u64 in_flight = t->wanted + (t->raising == I8254_RAISE_DUE) +
			(t->raising == I8254_RAISE_OWED);

	return t->due == t->delivered + t->replayed + t->lost + t->backlog + in_flight &&
	       t->held <= t->backlog;
}

/* Under a mask that means off, or beyond the limit, or by an act that loses ticks. */
static bool may_lose(const struct act *a, const struct i8254_ticks *before,
		     const struct i8254_ticks *t)
{
	bool old = before->masked && PRESENT - before->masked_at >= I8254_MASK_OFF_CLOCKS;

	if (opt.polite)
		return t->config.policy->latch || t->limit_hit;
	return a->loses || t->config.policy->latch || t->limit_hit || old ||
	       (before->masked && before->mask_off) || (t->masked && t->mask_off);
}

/* With two irqchips, what only one of them had room for is no longer of interest. */
static void settle_more(const struct i8254_ticks *t, int *more, bool both)
{
	if (*more < 0)
		*more = 0;
	if (!t->raising && *more > t->held && both)
		*more = t->held;
}

/* An owed tick was given out, and its place is still there for another. */
static bool place_is_left(const struct world *before, const struct world *w)
{
	u64 slot = w->t.config.policy->slot(&w->t);

	return !before->t.raising && w->t.raising == I8254_RAISE_OWED && slot && slot <= w->now;
}

/* An owed tick was given out though the one before it is not ended. */
static bool owed_early(const struct world *before, const struct world *w)
{
	struct i8254_line line = before->line;

	if (before->t.raising || w->t.raising != I8254_RAISE_OWED)
		return false;
	if (before->phase != ASKED)
		ask(before, &line);
	return !line.open || line.pending || line.in_service;
}

/**
 * laws_of_act - what an act broke
 * @a: the act
 * @before: the world before it, its counters at 0
 * @w: after it; @w->more and the like are brought up to date
 *
 * Return: 1 << enum law, or-ed together.
 */
u32 laws_of_act(const struct act *a, const struct world *before, struct world *w)
{
	const struct i8254_ticks *t = &w->t;
	int counted = t->delivered + t->replayed;
	struct i8254_line line;
	u32 bad = 0;

	if (!sum_holds(t))
		bad |= 1 << SUM;
	if (t->backlog > max_t(u64, t->config.policy->capacity(t), t->held))
		bad |= 1 << BOUNDS;
	if (t->lost && !may_lose(a, &before->t, t))
		bad |= 1 << LOSS;
	if (place_is_left(before, w))
		bad |= 1 << RATE;
	if (w->busy)
		bad |= 1 << BUSY;
	if (owed_early(before, w))
		bad |= 1 << EARLY;

	w->pic_more -= counted;
	w->lapic_more -= counted;
	w->more -= counted;
	if (w->moved) {
		w->pic_more = 0;
		w->lapic_more = 0;
		w->more = 0;
		w->moved = t->held || w->phase != IDLE;
	}
	if (w->more < 0)
		bad |= 1 << NEVER;
	if (!t->raising && (w->pic_more > t->held || w->lapic_more > t->held))
		bad |= 1 << TWICE;
	settle_more(t, &w->pic_more, true);
	settle_more(t, &w->lapic_more, true);
	settle_more(t, &w->more, opt.chips == (PIC | IOAPIC) || bad);

	ask(w, &line);
	w->sure &= !line.open;
	return bad;
}

/* What an irqchip has in service that is closed: nobody ends it. */
static bool pic_stuck(const struct world *w)
{
	return w->isr && (w->imr || !w->lvt0);
}

static bool lapic_stuck(const struct world *w)
{
	return w->pin_masked && (w->lapic_isr[1] || w->lapic_isr[2]);
}

/*
 * The guest's handler: takes all there is, and ends it, but for what it left behind at an
 * irqchip that it does not use any more. Returns how many ticks it took.
 */
static u32 handle(struct world *w, u32 *bad)
{
	bool no_lapic = lapic_stuck(w);
	u32 taken = 0;

	for (;;) {
		if ((!pic_stuck(w) && pic_eoi(w)) || (!no_lapic && lapic_eoi(w))) {
			if (!deliver(w))
				*bad |= 1 << ENDLESS;
			continue;
		}
		if (!pic_inta(w) &&
		    (no_lapic || (!lapic_accept(w, 2) && !lapic_accept(w, 1))))
			return taken;
		taken++;
		if (taken > 99) {
			*bad |= 1 << ENDLESS;
			return taken;
		}
		/* In AEOI mode the tick has ended. */
		if (!deliver(w))
			*bad |= 1 << ENDLESS;
	}
}

/*
 * The guest opens IRQ0 at @chips; what was on its way at that moment comes through.
 * Returns whether one of them told of it.
 */
static bool open_irq0(struct world *w, u8 chips, u32 *bad)
{
	bool pic = chips & PIC && w->imr && !w->pic_tells;
	bool pin = chips & IOAPIC && w->pin_masked && !w->pin_tells;

	w->calm = true;
	if (chips & PIC) {
		w->lvt0 = true;
		w->imr = false;
	}
	if (chips & IOAPIC) {
		w->vector = w->vector ?: 1;
		w->pin_masked = false;
	}
	if (w->phase == ASKED)
		take(w);
	if (w->ack_comes)
		notify_ack(w);
	if (pic || w->pic_tells)
		notify_mask(w, &w->pic_tells);
	if (pin || w->pin_tells)
		notify_mask(w, &w->pin_tells);
	if (!deliver(w))
		*bad |= 1 << ENDLESS;
	return pic || pin;
}

static void next_step(struct world *w, u32 *bad)
{
	w->now += clocks(1);
	w->pos = (w->pos + 1) % opt.steps;
	if (!w->pos)
		due(w, 1, w->now);
	if (!deliver(w))
		*bad |= 1 << ENDLESS;
}

/* Periods until nothing is owed any more. */
static u32 periods_until_even(const struct i8254_ticks *t)
{
	if (!t->config.slew_rate)
		return 2;
	return (t->backlog + 2) * 100 / t->config.slew_rate + 4;
}

/* A held one comes beside those that have a place. */
static u32 most_in_a_period(const struct i8254_ticks *t)
{
	if (t->config.policy->slot(t))
		return 1 + (t->config.slew_rate + 99) / 100 + t->held;
	return t->backlog ? U32_MAX : 1;
}

/* From now on the guest takes what it gets from @chips. */
static u32 laws_of_life(struct world w, u8 chips)
{
	u32 periods, taken, most, bad = 0;

	open_irq0(&w, chips, &bad);
	taken = handle(&w, &bad);
	periods = periods_until_even(&w.t);
	if (telling)
		printf("#   the guest opens IRQ0%s%s, and takes what it gets: %u at once\n",
		       chips & PIC ? " at the 8259" : "", chips & IOAPIC ? " at the pin" : "",
		       taken);

	for (u32 i = 0; i < periods + 2; i++) {
		most = most_in_a_period(&w.t);
		taken = 0;
		for (u32 n = 0; n < opt.steps; n++) {
			next_step(&w, &bad);
			taken += handle(&w, &bad);
		}
		if (telling) {
			printf("#   %u in the next period; ", taken);
			world_print(&w);
			printf("\n");
		}
		if (!taken)
			bad |= 1 << SILENCE;
		if (taken > most && opt.chips != (PIC | IOAPIC))
			bad |= 1 << RATE;
		if (i > periods && w.t.backlog)
			bad |= 1 << DEBT;
	}
	return bad | w.busy << BUSY;
}

/* The count wraps, and who looks at the irqchips then sees a tick. */
static u32 laws_of_wrap(struct world w)
{
	struct i8254_line line;
	u32 bad = 0;

	w.calm = true;
	if (!deliver(&w))
		bad |= 1 << ENDLESS;
	w.now += clocks(opt.steps - w.pos);
	w.pos = 0;
	due(&w, 1, w.now);
	if (!deliver(&w))
		bad |= 1 << ENDLESS;
	ask(&w, &line);
	if (line.open && !line.pending)
		bad |= 1 << WRAP;
	return bad;
}

/* A tick came due while nothing passed it on. */
static u32 laws_of_mask(struct world w, u8 chips)
{
	bool told, latch;
	u32 bad = 0;

	/* What an 8259 latched is not for the IOAPIC's vector. */
	if (chips & IOAPIC && !w.vector)
		return 0;
	latch = chips & PIC && !w.vector;
	told = open_irq0(&w, chips, &bad);
	if ((told || latch) && !handle(&w, &bad))
		bad |= 1 << OUTLIVE;
	return bad;
}

/**
 * laws_of_state - what is broken in a state
 * @w: the world in that state
 *
 * Return: 1 << enum law, or-ed together.
 */
u32 laws_of_state(const struct world *w)
{
	u32 bad = laws_of_wrap(*w);

	for (u8 chips = PIC; chips <= (PIC | IOAPIC); chips++) {
		if (chips & ~opt.chips)
			continue;
		bad |= laws_of_life(*w, chips);
		if (w->sure)
			bad |= laws_of_mask(*w, chips);
	}
	return bad;
}

/**
 * laws_tell - show how a state breaks a law
 * @w: the world in that state
 * @law: the law
 */
void laws_tell(const struct world *w, enum law law)
{
	telling = true;
	for (u8 chips = PIC; chips <= (PIC | IOAPIC); chips++)
		if (!(chips & ~opt.chips) && laws_of_life(*w, chips) & 1 << law)
			break;
	telling = false;
}
