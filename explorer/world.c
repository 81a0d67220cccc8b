// SPDX-License-Identifier: GPL-2.0-only
/*
 * The explorer's PC: the tick layer, and the irqchips as KVM has them, as far as IRQ0 goes.
 *
 * ask() and pulse() are what kvm_pit_irqchip.c does, with one vCPU that IRQ0 goes to;
 * take(), update(), acked() and told() what kvm_pit_deliver.c does.
 */
#include <stdio.h>
#include <string.h>

#include <linux/limits.h>
#include <linux/minmax.h>

#include "world.h"

/* More ticks than are ever owed in here: that many or any more are the same. */
#define MANY_OWED	31

/* Of so many steps of time. */
u64 clocks(u32 steps)
{
	return steps * (PERIOD / opt.steps);
}

struct i8254_tick_config config_of(const char *policy)
{
	struct i8254_tick_config config = { .policy = i8254_policy_by_name(policy) };

	if (config.policy->slew_rate)
		config.slew_rate = opt.rate;
	if (config.policy->has_limit)
		config.backlog_limit = opt.limit;
	i8254_tick_config_check(&config);
	return config;
}

/* The timer runs, and the guest takes its ticks through what there is. */
void world_begin(struct world *w)
{
	struct i8254_tick_config config = config_of(opt.policy);

	memset(w, 0, sizeof(*w));
	w->now = PRESENT;
	i8254_ticks_init(&w->t, &config, 1);
	i8254_ticks_restart(&w->t, PERIOD);
	w->t.edge = PRESENT;
	w->lvt0 = opt.chips & PIC;
	w->pin_masked = opt.chips & PIC;
	w->vector = !(opt.chips & PIC);
}

/* Counters start anew, so that only @more and the like remember what was counted. */
static u64 ticks_at_hand(const struct i8254_ticks *t)
{
	return t->backlog + t->wanted + (t->raising == I8254_RAISE_DUE) +
	       (t->raising == I8254_RAISE_OWED);
}

static u64 pack_line(const struct i8254_line *l)
{
	return l->open | l->pending << 1 | l->in_service << 2 | l->latch << 3 |
	       l->latched << 4;
}

static void pack_ticks(const struct world *w, struct state *s)
{
	const struct i8254_ticks *t = &w->t;
	u64 owed = t->backlog - t->held;

	s->policy = t->config.policy->id;
	s->wanted = t->wanted;
	s->raising = t->raising;
	/* Without a tick it makes no difference: the next one is an occasion itself. */
	s->occasion = t->occasion && (t->wanted || t->raising || t->backlog);
	s->held = t->held;
	s->backlog = t->backlog;
	s->edge = min_t(u64, (w->now - t->edge) / clocks(1), opt.steps);
	s->slot = 1;
	/* Set anew when the first one comes to be owed. */
	if (owed && t->config.slew_rate) {
		s->credit = t->credit;
		s->slot = t->slot;
	}
	if (!t->masked)
		return;
	s->masked = true;
	s->mask_off = t->mask_off;
	if (t->mask_off)
		return;
	s->mask_old = w->now - t->masked_at >= I8254_MASK_OFF_CLOCKS;
	s->masked_owed = min_t(u64, t->masked_owed, opt.bound + 3);
}

struct state world_pack(const struct world *w)
{
	struct state s;

	memset(&s, 0, sizeof(s));
	pack_ticks(w, &s);
	s.pos = w->pos;
	s.phase = w->phase;
	if (w->phase == ASKED)
		s.line = pack_line(&w->line);
	if (w->phase == PULSED)
		s.answer = w->answer;
	s.ack_comes = w->ack_comes;
	s.pic_tells = w->pic_tells;
	s.pin_tells = w->pin_tells;
	s.irr = w->irr;
	s.isr = w->isr;
	s.imr = w->imr;
	s.aeoi = w->aeoi;
	s.pin_masked = w->pin_masked;
	s.vector = w->vector;
	s.lvt0 = w->lvt0;
	s.lapic_irr = w->lapic_irr[1] | w->lapic_irr[2] << 1;
	s.lapic_isr = w->lapic_isr[1] | w->lapic_isr[2] << 1;
	s.pic_more = w->pic_more;
	s.lapic_more = w->lapic_more;
	s.more = w->more;
	s.merges = (w->phase == ASKED || w->phase == TAKEN) && w->merges;
	s.moved = w->moved;
	s.sure = w->sure;
	return s;
}

static void unpack_ticks(struct i8254_ticks *t, struct state s)
{
	static const char *const names[] = { "delay", "discard", "slew", "merge" };

	t->config = config_of(names[s.policy]);
	t->period = PERIOD;
	t->min_spacing = 1;
	t->wanted = s.wanted;
	t->raising = s.raising;
	t->occasion = s.occasion;
	t->held = s.held;
	t->backlog = s.backlog;
	t->edge = PRESENT - clocks(s.edge);
	t->credit = s.credit;
	t->slot = s.slot;
	t->masked = s.masked;
	t->mask_off = s.mask_off;
	t->masked_at = PRESENT - (s.mask_old ? I8254_MASK_OFF_CLOCKS : 0);
	t->masked_owed = s.masked_owed;
	t->due = ticks_at_hand(t);
}

void world_unpack(struct world *w, struct state s)
{
	memset(w, 0, sizeof(*w));
	unpack_ticks(&w->t, s);
	w->now = PRESENT;
	w->pos = s.pos;
	w->phase = s.phase;
	w->line = (struct i8254_line) {
		.open = s.line & 1,
		.pending = s.line & 2,
		.in_service = s.line & 4,
		.latch = s.line & 8,
		.latched = s.line & 16,
	};
	w->answer = s.answer;
	w->ack_comes = s.ack_comes;
	w->pic_tells = s.pic_tells;
	w->pin_tells = s.pin_tells;
	w->irr = s.irr;
	w->isr = s.isr;
	w->imr = s.imr;
	w->aeoi = s.aeoi;
	w->pin_masked = s.pin_masked;
	w->vector = s.vector;
	w->lvt0 = s.lvt0;
	for (int v = 1; v <= 2; v++) {
		w->lapic_irr[v] = s.lapic_irr >> (v - 1) & 1;
		w->lapic_isr[v] = s.lapic_isr >> (v - 1) & 1;
	}
	w->pic_more = s.pic_more;
	w->lapic_more = s.lapic_more;
	w->more = s.more;
	w->merges = s.merges;
	w->moved = s.moved;
	w->sure = s.sure;
}

static void print_vectors(const char *name, const bool *bits)
{
	if (bits[1] | bits[2])
		printf(" %s%s%s", name, bits[1] ? " 1" : "", bits[2] ? " 2" : "");
}

static void print_irqchips(const struct world *w)
{
	if (opt.chips & PIC)
		printf("8259%s%s%s%s;", w->irr ? " IRR" : "", w->isr ? " ISR" : "",
		       w->imr ? " masked" : "", w->aeoi ? " AEOI" : "");
	if (opt.chips & PIC)
		printf(" LVT0 %s;", w->lvt0 ? "open" : "masked");
	if (opt.chips & IOAPIC) {
		printf(" pin%s vector %d; LAPIC", w->pin_masked ? " masked" : "", w->vector);
		print_vectors("IRR", w->lapic_irr);
		print_vectors("ISR", w->lapic_isr);
	}
}

void world_print(const struct world *w)
{
	static const char *const raising[] = { "", " due", " owed", " held" };
	static const char *const phases[] = { "", " asked", " taken", " pulsed" };
	static const char *const answers[] = { " MASKED", " FULL", " TOOK" };
	const struct i8254_ticks *t = &w->t;

	printf("%s: owed %llu%s%s%s", t->config.policy->name, t->backlog - t->held,
	       t->held ? " +1 held" : "", t->wanted ? ", wanted" : "",
	       t->occasion ? ", occasion" : "");
	if (t->masked)
		printf(", masked%s", t->mask_off ? " off" : "");
	if (w->phase)
		printf(",%s%s%s", raising[t->raising], phases[w->phase],
		       w->phase == PULSED ? answers[w->answer] : "");
	printf("%s%s | ", w->ack_comes ? ", ack comes" : "",
	       w->pic_tells || w->pin_tells ? ", mask's news come" : "");
	print_irqchips(w);
}

/* kvm_pit_ask_irqchips() */
void ask(const struct world *w, struct i8254_line *line)
{
	bool left = false;

	memset(line, 0, sizeof(*line));
	if (opt.chips & PIC) {
		bool open = !w->imr && w->lvt0;

		line->open = open;
		line->pending = open && w->irr;
		line->in_service = open && w->isr;
		left = !open && w->isr;
		line->latch = true;
		line->latched = !open && w->irr;
	}
	if (opt.chips & IOAPIC && w->vector) {
		bool irr = w->lapic_irr[w->vector], isr = w->lapic_isr[w->vector];

		line->open |= !w->pin_masked;
		line->pending |= irr && !w->pin_masked;
		line->in_service |= isr && !w->pin_masked;
		left |= (irr || isr) && w->pin_masked;
		line->latch = false;
		line->latched = false;
	}
	if (!line->open)
		line->in_service = left;
}

/*
 * What a tick is answered that meets one which was put there after the question: a LAPIC
 * takes it, and a masked 8259 is believed to have latched it.
 */
static enum i8254_answer merged_answer(const struct world *w)
{
	if (!(opt.chips & PIC) || w->t.raising == I8254_RAISE_HELD)
		return I8254_TOOK;
	return w->answer == I8254_FULL ? I8254_TOOK : w->answer;
}

/* kvm_pit_pulse(): an 8259 tells whether its IRR was set, a LAPIC does not. */
void pulse(struct world *w)
{
	bool pic_room = opt.chips & PIC && !w->irr;
	bool lapic_room = opt.chips & IOAPIC && !w->pin_masked && !w->lapic_irr[w->vector];
	int pic = -1, other = -1;

	if (opt.chips & PIC) {
		pic = w->imr || !w->lvt0 ? -1 : !w->irr;
		w->irr = true;
	}
	if (opt.chips & IOAPIC && !w->pin_masked) {
		other = 1;
		w->lapic_irr[w->vector] = true;
	}

	if (pic > 0 || other > 0)
		w->answer = I8254_TOOK;
	else
		w->answer = pic < 0 && other < 0 ? I8254_MASKED : I8254_FULL;
	w->phase = PULSED;
	w->moved |= opt.chips == (PIC | IOAPIC) && w->vector && w->answer == I8254_MASKED;
	if (w->merges && !pic_room && !lapic_room && w->answer == merged_answer(w)) {
		pic_room = opt.chips & PIC;
		lapic_room = !pic_room;
	}
	w->pic_more += pic_room;
	w->lapic_more += lapic_room;
	w->more += pic_room || lapic_room;
}

void report(struct world *w)
{
	i8254_ticks_raised(&w->t, w->answer, w->now);
	w->phase = IDLE;
}

/* One round of kvm_pit_deliver()'s loop. Returns whether there is a tick to be pulsed. */
bool take(struct world *w)
{
	if (w->phase != ASKED) {
		ask(w, &w->line);
		w->merges = false;
	}
	w->phase = i8254_ticks_take(&w->t, &w->line, w->now) ? TAKEN : IDLE;
	w->busy |= w->phase == IDLE && i8254_ticks_next(&w->t) <= w->now;
	return w->phase == TAKEN;
}

/* kvm_pit_update() */
void update(struct world *w)
{
	struct i8254_line line;

	if (i8254_ticks_next(&w->t) > w->now)
		return;
	ask(w, &line);
	if (!i8254_ticks_settle(&w->t, &line, w->now))
		w->busy |= i8254_ticks_next(&w->t) <= w->now;
}

void due(struct world *w, u64 n, u64 edge)
{
	struct i8254_line line;

	ask(w, &line);
	w->sure |= !line.open;
	i8254_ticks_due(&w->t, n, edge, w->now);
}

/* kvm_pit_deliver(), from wherever the raise at hand has come to. Returns whether it ends. */
bool deliver(struct world *w)
{
	for (int n = 0; n < MANY_OWED + 5; n++) {
		if (w->phase == ASKED && !take(w))
			return true;
		if (w->phase == TAKEN)
			pulse(w);
		if (w->phase == PULSED)
			report(w);
		if (i8254_ticks_next(&w->t) > w->now || !take(w))
			return true;
	}
	return false;
}

/* pit_ack_irq(), but for kvm_pit_deliver() */
void notify_ack(struct world *w)
{
	w->ack_comes = false;
	if (w->t.config.policy->needs_ack)
		i8254_ticks_acked(&w->t);
}

/* pit_mask_irq() */
void notify_mask(struct world *w, bool *tells)
{
	bool masked = tells == &w->pic_tells ? w->imr : w->pin_masked;
	struct i8254_line line;

	*tells = false;
	ask(w, &line);
	i8254_ticks_masked(&w->t, masked, &line, w->now);
	update(w);
}

void acked(struct world *w)
{
	w->ack_comes = true;
	if (!opt.torn || w->calm)
		notify_ack(w);
}

void told(struct world *w, bool *tells)
{
	*tells = true;
	if (!opt.torn || w->calm)
		notify_mask(w, tells);
}

bool pic_inta(struct world *w)
{
	if (!(opt.chips & PIC) || !w->lvt0 || !w->irr || w->imr || w->isr || w->pic_tells)
		return false;

	w->irr = false;
	w->isr = !w->aeoi;
	if (w->aeoi)
		acked(w);
	return true;
}

bool pic_eoi(struct world *w)
{
	if (!w->isr || w->pic_tells)
		return false;

	w->isr = false;
	acked(w);
	return true;
}

bool lapic_accept(struct world *w, u8 vector)
{
	if (!w->lapic_irr[vector] || w->lapic_isr[2] || (vector == 1 && w->lapic_isr[1]))
		return false;

	w->lapic_irr[vector] = false;
	w->lapic_isr[vector] = true;
	return true;
}

bool lapic_eoi(struct world *w)
{
	u8 vector = w->lapic_isr[2] ? 2 : 1;

	if (!w->lapic_isr[vector])
		return false;

	w->lapic_isr[vector] = false;
	if (vector == w->vector)
		acked(w);
	return true;
}
