// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can happen to the explorer's PC, one thing at a time.
 *
 * Time passes in steps. A tick comes due at the end of a period; a timer that is late
 * tells of it a step later, one that is slower than the guest's of two at once.
 */
#include <string.h>

#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/kvm_i8254.h>

#include "world.h"

/* Time */

static bool time_is_up(const struct world *w)
{
	return w->pos == opt.steps - 1;
}

/* Between the question and its use the lock is held: nothing is counted. */
static bool may_come_due(const struct world *w)
{
	return w->phase != ASKED && (opt.limit || w->t.backlog < opt.bound);
}

static bool act_step(struct world *w)
{
	if (w->phase == ASKED || (time_is_up(w) && !may_come_due(w)))
		return false;

	w->pos = (w->pos + 1) % opt.steps;
	if (!w->pos)
		due(w, 1, w->now);
	return true;
}

static bool act_step_late(struct world *w)
{
	if (!time_is_up(w) || !may_come_due(w))
		return false;

	w->pos = 1;
	due(w, 1, w->now - clocks(1));
	return true;
}

static bool act_step_batch(struct world *w)
{
	if (!time_is_up(w) || !may_come_due(w))
		return false;

	w->pos = 0;
	due(w, 2, w->now);
	return true;
}

static bool act_mask_lasts(struct world *w)
{
	struct i8254_ticks *t = &w->t;

	if (w->phase == ASKED || !t->masked || t->mask_off ||
	    w->now - t->masked_at >= I8254_MASK_OFF_CLOCKS)
		return false;

	t->masked_at = w->now - I8254_MASK_OFF_CLOCKS;
	return true;
}

/* The device: a raise, in its steps */

static bool act_update(struct world *w)
{
	if (w->phase == ASKED || i8254_ticks_next(&w->t) > w->now)
		return false;

	update(w);
	return true;
}

static bool act_ask(struct world *w)
{
	if (!opt.torn || w->phase != IDLE || i8254_ticks_next(&w->t) > w->now)
		return false;

	ask(w, &w->line);
	w->merges = false;
	w->phase = ASKED;
	return true;
}

static bool act_take(struct world *w)
{
	if (w->phase > ASKED || i8254_ticks_next(&w->t) > w->now)
		return false;

	take(w);
	return true;
}

static bool act_pulse(struct world *w)
{
	if (w->phase != TAKEN || w->pic_tells || w->pin_tells)
		return false;

	pulse(w);
	return true;
}

static bool act_report(struct world *w)
{
	if (w->phase != PULSED)
		return false;

	report(w);
	return true;
}

static bool act_notify_ack(struct world *w)
{
	if (!w->ack_comes || w->phase == ASKED)
		return false;

	notify_ack(w);
	return true;
}

static bool act_notify_pic(struct world *w)
{
	if (!w->pic_tells || w->phase == ASKED)
		return false;

	notify_mask(w, &w->pic_tells);
	return true;
}

static bool act_notify_pin(struct world *w)
{
	if (!w->pin_tells || w->phase == ASKED)
		return false;

	notify_mask(w, &w->pin_tells);
	return true;
}

/* The guest, at the 8259 */

static bool has_pic(const struct world *w)
{
	return opt.chips & PIC && !w->pic_tells;
}

/* The specific one: it is told of, whatever is in service. */
static bool act_pic_eoi_again(struct world *w)
{
	if (!has_pic(w) || w->isr)
		return false;

	acked(w);
	return true;
}

static bool act_pic_poll(struct world *w)
{
	if (!has_pic(w) || !w->irr || w->imr || w->isr)
		return false;

	w->irr = false;
	w->sure = false;
	acked(w);
	return true;
}

static bool act_pic_mask(struct world *w)
{
	if (!has_pic(w))
		return false;

	w->imr = !w->imr;
	told(w, &w->pic_tells);
	return true;
}

/* A polite handler masks the tick that it handles, and unmasks at some time. */
static bool act_handler_masks_pic(struct world *w)
{
	return opt.polite && (w->isr || w->imr) && act_pic_mask(w);
}

/* kvm_pic_reset(): what was in service stays, but where a tick was waiting, too. */
static bool pic_reset(struct world *w, bool aeoi)
{
	bool ack = w->irr && w->lvt0;

	if (!has_pic(w))
		return false;

	w->irr = false;
	w->imr = false;
	w->aeoi = aeoi;
	w->sure = false;
	if (ack) {
		w->isr = false;
		acked(w);
	}
	return true;
}

static bool act_pic_icw(struct world *w)
{
	return pic_reset(w, false);
}

static bool act_pic_icw_aeoi(struct world *w)
{
	return pic_reset(w, true);
}

/* The guest, at the LAPIC and the IOAPIC */

static bool act_lapic_accept_1(struct world *w)
{
	return lapic_accept(w, 1);
}

static bool act_lapic_accept_2(struct world *w)
{
	return lapic_accept(w, 2);
}

static bool act_lvt0(struct world *w)
{
	if (!(opt.chips & PIC))
		return false;

	w->lvt0 = !w->lvt0;
	return true;
}

static bool lapic_drop(struct world *w)
{
	if (!(opt.chips & IOAPIC))
		return false;

	memset(w->lapic_irr, 0, sizeof(w->lapic_irr));
	memset(w->lapic_isr, 0, sizeof(w->lapic_isr));
	w->sure = false;
	return true;
}

/* With KVM's quirk for it, LVT0 is open then. */
static bool act_lapic_init(struct world *w)
{
	if (opt.chips & PIC)
		w->lvt0 = true;
	return lapic_drop(w);
}

static bool act_pin_mask(struct world *w)
{
	if (!(opt.chips & IOAPIC) || !w->vector || w->pin_tells)
		return false;

	w->pin_masked = !w->pin_masked;
	told(w, &w->pin_tells);
	return true;
}

static bool act_handler_masks_pin(struct world *w)
{
	return opt.polite && (w->lapic_isr[w->vector] || w->pin_masked) && act_pin_mask(w);
}

static bool pin_vector(struct world *w, u8 vector)
{
	if (!(opt.chips & IOAPIC) || w->vector == vector || w->pin_tells)
		return false;

	if (!w->vector || !vector) {
		w->moved = w->t.held || w->phase != IDLE;
		w->sure = false;
	}
	w->vector = vector;
	w->merges = true;
	return true;
}

static bool act_pin_vector_1(struct world *w)
{
	return pin_vector(w, 1);
}

static bool act_pin_vector_2(struct world *w)
{
	return opt.vectors > 1 && pin_vector(w, 2);
}

/* As after a reset: only a masked pin has no vector. */
static bool act_pin_clear(struct world *w)
{
	return w->pin_masked && pin_vector(w, 0);
}

/* A count is written, and the first one has the length of any other. */
static bool act_restart(struct world *w)
{
	bool held = w->t.held;

	if (w->phase == ASKED)
		return false;

	i8254_ticks_restart(&w->t, PERIOD);
	/* Held in the latch of an 8259 it is lost to the layer, but not to the guest. */
	if (held && !w->t.held && opt.chips == (PIC | IOAPIC)) {
		w->moved = true;
	} else if (held && !w->t.held && w->pic_more) {
		w->pic_more--;
		w->more -= !!w->more;
	}
	w->pos = 0;
	w->sure = false;
	update(w);
	return true;
}

/* The VMM */

static bool act_set_pic_empty(struct world *w)
{
	if (!has_pic(w))
		return false;

	w->irr = false;
	w->isr = false;
	w->sure = false;
	return true;
}

static bool act_set_pic_irr(struct world *w)
{
	if (!has_pic(w) || w->irr)
		return false;

	w->irr = true;
	w->merges = true;
	return true;
}

static bool act_set_pic_isr(struct world *w)
{
	if (!has_pic(w) || w->isr)
		return false;

	w->isr = true;
	return true;
}

static bool act_set_pic_mask(struct world *w)
{
	if (!has_pic(w))
		return false;

	w->imr = !w->imr;
	return true;
}

static bool act_set_pin_mask(struct world *w)
{
	if (!(opt.chips & IOAPIC) || !w->vector || w->pin_tells)
		return false;

	w->pin_masked = !w->pin_masked;
	return true;
}

static bool act_set_lapic_irr(struct world *w)
{
	if (!(opt.chips & IOAPIC) || !w->vector || w->lapic_irr[w->vector])
		return false;

	w->lapic_irr[w->vector] = true;
	w->merges = true;
	return true;
}

static bool act_set_lapic_isr(struct world *w)
{
	if (!(opt.chips & IOAPIC) || !w->vector || w->lapic_isr[w->vector])
		return false;

	w->lapic_isr[w->vector] = true;
	return true;
}

/* It waits for a tick that is being raised. */
static bool act_load(struct world *w)
{
	struct kvm_pit_tick_state s;

	if (w->phase != IDLE)
		return false;

	memset(&s, 0, sizeof(s));
	i8254_ticks_save(&w->t, w->now, &s);
	i8254_ticks_load(&w->t, PERIOD, w->t.edge, w->now, &s);
	update(w);
	return true;
}

static bool configure(struct world *w, const char *policy)
{
	struct i8254_tick_config config = config_of(policy);

	if (w->phase == ASKED || config.policy == w->t.config.policy)
		return false;

	i8254_ticks_configure(&w->t, &config, w->now);
	update(w);
	return true;
}

static bool act_delay(struct world *w)
{
	return configure(w, "delay");
}

static bool act_discard(struct world *w)
{
	return configure(w, "discard");
}

static bool act_slew(struct world *w)
{
	return configure(w, "slew");
}

static bool act_merge(struct world *w)
{
	return configure(w, "merge");
}

/* All of them, the plainest first: they are tried in this order. */
const struct act acts[] = {
	{ TIME, "passes", act_step, .steps = 1 },
	{ TIME, "passes, the timer is late", act_step_late, .steps = 2 },
	{ TIME, "passes, two ticks come due", act_step_batch, .steps = 1, .periods = 1 },
	{ DEVICE, "pulses", act_pulse },
	{ DEVICE, "reports", act_report },
	{ DEVICE, "takes", act_take },
	{ DEVICE, "asks", act_ask },
	{ DEVICE, "settles", act_update },
	{ DEVICE, "hears of the EOI", act_notify_ack },
	{ DEVICE, "hears of the 8259's mask", act_notify_pic },
	{ DEVICE, "hears of the pin's mask", act_notify_pin },
	{ HANDLER, "takes (INTA)", pic_inta },
	{ HANDLER, "ends at the 8259 (EOI)", pic_eoi },
	{ HANDLER, "accepts vector 1", act_lapic_accept_1 },
	{ HANDLER, "accepts vector 2", act_lapic_accept_2 },
	{ HANDLER, "ends at the LAPIC (EOI)", lapic_eoi },
	{ HANDLER, "masks or unmasks at the 8259", act_handler_masks_pic },
	{ HANDLER, "masks or unmasks the pin", act_handler_masks_pin },
	{ GUEST, "ends at the 8259 what is not in service", act_pic_eoi_again },
	{ GUEST, "polls the 8259", act_pic_poll },
	{ GUEST, "masks or unmasks at the 8259", act_pic_mask },
	{ GUEST, "masks or unmasks the pin", act_pin_mask },
	{ GUEST, "masks or opens LVT0", act_lvt0 },
	{ GUEST, "sets vector 1", act_pin_vector_1 },
	{ GUEST, "sets vector 2", act_pin_vector_2 },
	{ GUEST, "leaves it so for 1 s", act_mask_lasts },
	{ RESET, "sets the 8259 up (ICW1)", act_pic_icw },
	{ RESET, "sets the 8259 up (ICW1, AEOI)", act_pic_icw_aeoi },
	{ RESET, "clears the pin", act_pin_clear },
	{ RESET, "INIT to the LAPIC", act_lapic_init },
	{ RESET, "writes a count", act_restart, .loses = true },
	{ VMM, "empties the 8259", act_set_pic_empty },
	{ VMM, "sets the 8259's IRR", act_set_pic_irr },
	{ VMM, "sets the 8259's ISR", act_set_pic_isr },
	{ VMM, "sets or clears the 8259's mask", act_set_pic_mask },
	{ VMM, "sets or clears the pin's mask", act_set_pin_mask },
	{ VMM, "empties the LAPIC", lapic_drop },
	{ VMM, "sets the LAPIC's IRR", act_set_lapic_irr },
	{ VMM, "sets the LAPIC's ISR", act_set_lapic_isr },
	{ VMM, "saves and loads the ticks", act_load, .loses = true },
	{ SWITCH, "selects delay", act_delay, .loses = true },
	{ SWITCH, "selects discard", act_discard, .loses = true },
	{ SWITCH, "selects slew", act_slew, .loses = true },
	{ SWITCH, "selects merge", act_merge, .loses = true },
};

unsigned int acts_count(void)
{
	return sizeof(acts) / sizeof(*acts);
}

static bool may_happen(const struct act *a, const struct world *w)
{
	bool guest_runs = opt.smp || (w->phase == IDLE && i8254_ticks_next(&w->t) > w->now);

	switch (a->who) {
	case TIME:
		return opt.smp || w->phase == IDLE;
	case HANDLER:
		/* A polite one is on one CPU, which goes on when the news are heard. */
		return guest_runs && !(opt.polite && (w->ack_comes || w->pic_tells ||
						      w->pin_tells));
	case GUEST:
		return !opt.polite && guest_runs;
	case RESET:
		return !opt.polite && !opt.no_resets && guest_runs;
	case VMM:
		return !opt.polite && !opt.no_vmm && (opt.smp || w->phase == IDLE);
	case SWITCH:
		return opt.switches && (opt.smp || w->phase == IDLE);
	default:
		return true;
	}
}

/* How much time it takes. */
u32 act_steps(const struct act *a)
{
	return a->steps + a->periods * opt.steps;
}

/* Returns whether it was possible. */
bool act_happens(const struct act *a, struct world *w)
{
	if (!may_happen(a, w))
		return false;

	w->now += clocks(act_steps(a));
	return a->act(w);
}
