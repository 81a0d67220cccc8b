// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the lost-tick policies, against a small model of an irqchip
 * and of a guest that cannot always accept ticks.
 *
 * The model counts on its own what the guest was given. It answers as
 * kvm_pit_irqchip.c does for KVM's irqchips, and like these it need not tell of
 * every EOI and of every mask.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/string.h>

#include <linux/kvm_i8254.h>

#include "i8254_policy.h"

/* 20 ms, and a tenth of a millisecond, in clocks. */
#define PERIOD		23864
#define STEP		119

/* The time of day at which the tests start: none is special. */
#define START		1000000

static u64 policy_seed = 8254;
module_param(policy_seed, ullong, 0444);
MODULE_PARM_DESC(policy_seed, "Seed of the random events");

/**
 * enum chip - who takes the ticks
 * @PIC: an 8259, which latches a tick while masked
 * @IOAPIC: an IOAPIC, which drops what it is given while masked, and a LAPIC, which
 *	merges two without a word
 */
enum chip { PIC, IOAPIC };

/**
 * enum handler - what the guest's interrupt handler does
 * @PLAIN: acknowledges
 * @MASK_ACK: masks, acknowledges, unmasks
 * @UNMASK_ACK: masks, unmasks, acknowledges
 * @HELD_MASKED: masks, acknowledges, is held up, unmasks
 * @HELD_IN_SERVICE: is held up, acknowledges
 */
enum handler { PLAIN, MASK_ACK, UNMASK_ACK, HELD_MASKED, HELD_IN_SERVICE };

/* More raises than that at one clock have no end. */
#define RAISES_MAX	1000

/**
 * struct lab - a guest, its irqchip, and its ticks
 * @t: the ticks
 * @chip: which irqchip
 * @handler: which handler
 * @acks: how many EOIs the ticks are told of for one of the guest's
 * @mute: the ticks are not told of masks and unmasks
 * @masked: IRQ0 is masked: in the 8259's IMR, or in the redirection entry
 * @irr: a tick waits to be taken: the IRR of the 8259, or of the LAPIC
 * @isr: a tick is in service
 * @busy: the guest is held up until that clock
 * @hold: it is held up for so long from the next tick on that it takes
 * @stalls: it is then kept from running; else it does something else
 * @period: of the ticks, in clocks
 * @late: how late the host's timer can be, in clocks
 * @load: clock that the ticks count from
 * @seen: ticks that came due so far
 * @due_at: when the last of them did, to the host
 * @now: the clock
 * @last_raise: when the last due tick that an irqchip took was due, or the last owed
 *	one was raised
 * @closest: the least time between an owed tick and another one
 * @due_raises: how often a due tick was raised
 * @owed_raises: how often a tick from the backlog was raised
 * @broken: a rule that was broken, or NULL
 * @dropped: ticks that the irqchip took and the guest never saw; less those that
 *	it saw and the irqchip did not take
 * @n: which case of a table's it is, for messages
 * @accepted: how many ticks the guest took
 * @at: when it did, in clocks after @load, for the last of them
 */
struct lab {
	struct i8254_ticks t;
	enum chip chip;
	enum handler handler;
	unsigned int acks;
	bool mute;
	bool masked;
	bool irr;
	bool isr;
	u64 busy;
	u64 hold;
	bool stalls;
	u64 period;
	u64 late;
	u64 load;
	u64 seen;
	u64 due_at;
	u64 now;
	u64 last_raise;
	u64 closest;
	unsigned int due_raises;
	unsigned int owed_raises;
	const char *broken;
	u64 dropped;
	unsigned int n;
	unsigned int accepted;
	u64 at[2048];
};

static const char * const all[] = { "delay", "discard", "slew", "merge" };
static const char * const replaying[] = { "delay", "slew" };

static struct i8254_tick_config config_of(const char *name)
{
	struct i8254_tick_config config = {
		.policy = i8254_policy_by_name(name),
	};

	i8254_tick_config_check(&config);
	return config;
}

static struct lab *lab_new(struct kunit *test, const char *policy)
{
	struct lab *lab = kunit_kzalloc(test, sizeof(*lab), GFP_KERNEL);
	struct i8254_tick_config config = config_of(policy);

	KUNIT_ASSERT_NOT_NULL(test, lab);
	lab->acks = 1;
	lab->period = PERIOD;
	lab->late = STEP;
	lab->now = START;
	lab->load = START;
	lab->closest = U64_MAX;
	i8254_ticks_init(&lab->t, &config, 0);
	i8254_ticks_restart(&lab->t, PERIOD);
	return lab;
}

static u64 in_flight(const struct i8254_ticks *t)
{
	return t->wanted + (t->raising == I8254_RAISE_DUE ||
			    t->raising == I8254_RAISE_OWED);
}

static void expect_law(struct kunit *test, const struct i8254_ticks *t)
{
	u32 rate = t->config.slew_rate;

	KUNIT_ASSERT_EQ(test, t->due, t->delivered + t->replayed + t->lost +
				      t->backlog + in_flight(t));
	KUNIT_ASSERT_LE(test, (u64)t->held, t->backlog);
	KUNIT_ASSERT_LE(test, t->backlog,
			max_t(u64, t->config.policy->capacity(t), t->held));
	/* As kvm_pit_check_ticks() has it. */
	KUNIT_ASSERT_LE(test, t->credit, rate ? rate + 99 : 0);
}

/* What the ticks believe that the guest has or will have. A held one is in the latch. */
static u64 lab_counted(const struct lab *lab)
{
	return lab->t.delivered + lab->t.replayed + (lab->chip == PIC && lab->t.held);
}

/* What was counted as delivered or replayed and what the guest got are the same. */
static void expect_truth(struct kunit *test, const struct lab *lab)
{
	KUNIT_ASSERT_NULL_MSG(test, lab->broken, "%s: %s, chip %d, handler %d, case %u",
			      lab->broken, lab->t.config.policy->name, lab->chip,
			      lab->handler, lab->n);
	KUNIT_ASSERT_EQ_MSG(test, lab_counted(lab), lab->accepted + lab->irr + lab->dropped,
			    "%s, chip %d, handler %d, case %u", lab->t.config.policy->name,
			    lab->chip, lab->handler, lab->n);
	expect_law(test, &lab->t);
}

static void expect_eq(struct kunit *test, const struct lab *lab, const char *what,
		      u64 is, u64 wanted)
{
	KUNIT_EXPECT_EQ_MSG(test, is, wanted, "%s: %s, chip %d, handler %d, case %u", what,
			    lab->t.config.policy->name, lab->chip, lab->handler, lab->n);
}

/* From here on: whatever happened before was of another life. */
static void lab_recount(struct lab *lab)
{
	lab->dropped = lab_counted(lab) - lab->accepted - lab->irr;
}

/* The irqchip forgets the tick that it has. */
static void lab_drop(struct lab *lab)
{
	lab->dropped += lab->irr;
	lab->irr = false;
}

/* As kvm_pit_ask_irqchips() tells. */
static void lab_ask(const struct lab *lab, struct i8254_line *line)
{
	bool masked_irr = lab->irr && lab->masked;

	*line = (struct i8254_line) {
		.open = !lab->masked,
		.pending = lab->irr && !lab->masked,
		.in_service = lab->isr,
	};
	if (lab->chip == PIC) {
		line->latch = true;
		line->latched = masked_irr;
	} else {
		line->in_service |= masked_irr;
	}
}

/* As kvm_pit_pulse() answers. */
static enum i8254_answer lab_pulse(struct lab *lab)
{
	bool had = lab->irr;

	if (lab->chip == IOAPIC && lab->masked)
		return I8254_MASKED;
	lab->irr = true;
	if (lab->chip == PIC && lab->masked)
		return I8254_MASKED;
	if (lab->chip == PIC && had)
		return I8254_FULL;
	if (had)
		lab->broken = "no tick merges in a LAPIC's IRR";
	return I8254_TOOK;
}

static bool slew_keeps_places(const struct i8254_ticks *t)
{
	return t->config.policy->id == KVM_PIT_TICK_SLEW && !t->min_spacing;
}

/* When the last tick came due, whenever the host saw it. */
static u64 lab_edge(const struct lab *lab)
{
	return lab->load + lab->seen * lab->period;
}

/* Is it at j/(m+1) of a period, where its credit says m? */
static bool lab_at_a_place(const struct lab *lab)
{
	u64 places = lab->t.credit / 100;
	u64 edge = lab_edge(lab);

	for (u64 j = 1; j <= places; j++) {
		u64 place = edge + (j * lab->period + places) / (places + 1);

		if (place <= lab->now && lab->now <= place + lab->late)
			return true;
	}
	return false;
}

/* Before the pulse. */
static void lab_check_raise(struct lab *lab, enum i8254_raise raise)
{
	switch (raise) {
	case I8254_RAISE_DUE:
		lab->due_raises++;
		if (lab->now != lab->due_at)
			lab->broken = "a due tick is raised when it comes due";
		break;
	case I8254_RAISE_OWED:
		lab->owed_raises++;
		if (lab->masked || lab->irr || lab->isr)
			lab->broken = "no owed tick is raised before the last is accepted";
		if (slew_keeps_places(&lab->t) && !lab_at_a_place(lab))
			lab->broken = "slew raises owed ticks at their places";
		break;
	default:
		if (lab->masked || lab->chip == PIC)
			lab->broken = "a held tick is raised once an IOAPIC is unmasked";
	}
}

static void lab_note_raise(struct lab *lab, enum i8254_raise raise, enum i8254_answer answer)
{
	if (answer != I8254_TOOK || raise == I8254_RAISE_HELD)
		return;
	if (lab->due_raises + lab->owed_raises > 1)
		lab->closest = min(lab->closest, lab->now - lab->last_raise);
	lab->last_raise = raise == I8254_RAISE_DUE ? lab_edge(lab) : lab->now;
}

/* As kvm_pit_deliver() and kvm_pit_update() do it. */
static void lab_deliver(struct lab *lab)
{
	enum i8254_answer answer;
	enum i8254_raise raise;
	struct i8254_line line;
	bool will;

	for (int n = 0; i8254_ticks_next(&lab->t) <= lab->now; n++) {
		lab_ask(lab, &line);
		will = i8254_ticks_settle(&lab->t, &line, lab->now);
		raise = i8254_ticks_take(&lab->t, &line, lab->now);
		if (will != !!raise)
			lab->broken = "what is settled is what is taken";
		if (!raise)
			break;

		lab_check_raise(lab, raise);
		answer = lab_pulse(lab);
		lab_note_raise(lab, raise, answer);
		i8254_ticks_raised(&lab->t, answer, lab->now);
		if (n > RAISES_MAX) {
			lab->broken = "raises come to an end";
			return;
		}
	}
	if (i8254_ticks_next(&lab->t) <= lab->now)
		lab->broken = "what has nothing to raise is not looked at again";
}

static void lab_mask(struct lab *lab, bool masked)
{
	struct i8254_line line;

	lab->masked = masked;
	if (lab->mute)
		return;
	lab_ask(lab, &line);
	i8254_ticks_masked(&lab->t, masked, &line, lab->now);
	lab_deliver(lab);
}

/* An EOI that the ticks are told of, whoever's it is. */
static void lab_ack(struct lab *lab)
{
	bool owes = lab->t.backlog > lab->t.held && !lab->t.held;
	bool room = !lab->masked && !lab->irr && !lab->isr;
	unsigned int owed_raises = lab->owed_raises;

	i8254_ticks_acked(&lab->t);
	lab_deliver(lab);

	if (owes && room && lab->owed_raises == owed_raises &&
	    lab->t.config.policy->id == KVM_PIT_TICK_DELAY)
		lab->broken = "delay raises the next owed tick on acceptance";
}

static void lab_eoi(struct lab *lab)
{
	lab->isr = false;
	for (unsigned int i = 0; i < lab->acks; i++)
		lab_ack(lab);
}

/* It accepts the first tick whatever there is. */
static bool lab_held_up(const struct lab *lab)
{
	return lab->accepted && lab->now < lab->busy;
}

static void lab_accept(struct lab *lab)
{
	lab->irr = false;
	lab->isr = true;
	lab->at[lab->accepted++ % ARRAY_SIZE(lab->at)] = lab->now - lab->load;
	if (lab->hold)
		lab->busy = lab->now + lab->hold;
	lab->hold = 0;
}

static void lab_handle(struct lab *lab)
{
	lab_accept(lab);
	if (lab->handler == HELD_IN_SERVICE)
		return;
	if (lab->handler != PLAIN)
		lab_mask(lab, true);
	if (lab->handler == UNMASK_ACK)
		lab_mask(lab, false);
	lab_eoi(lab);
	if (lab->handler == MASK_ACK)
		lab_mask(lab, false);
}

static void lab_guest(struct lab *lab)
{
	while (!lab_held_up(lab)) {
		if (lab->isr)
			lab_eoi(lab);
		if (lab->handler == HELD_MASKED && lab->masked)
			lab_mask(lab, false);
		if (!lab->irr || lab->masked)
			break;
		lab_handle(lab);
	}
}

static void lab_due(struct lab *lab, u64 n)
{
	bool room = !lab->t.held && !lab->irr && (lab->chip == PIC || !lab->masked);
	unsigned int due_raises = lab->due_raises;

	lab->seen += n;
	if (n)
		lab->due_at = lab->now;
	i8254_ticks_due(&lab->t, n, lab_edge(lab), lab->now);
	lab_deliver(lab);
	if (n && room && lab->due_raises == due_raises)
		lab->broken = "a due tick that finds room is raised at once";
}

static void lab_run_to(struct lab *lab, u64 now)
{
	u64 due = (now - lab->load) / lab->period - lab->seen;

	lab->now = now;
	if (lab->stalls && lab_held_up(lab))
		i8254_ticks_stalled(&lab->t, due, lab->now);
	lab_due(lab, due);
	lab_guest(lab);
}

static void lab_step(struct lab *lab)
{
	lab_run_to(lab, lab->now + STEP);
}

/* When something happens next, which is no later than the next tick is due. */
static u64 lab_next(const struct lab *lab)
{
	u64 next = lab->load + (lab->seen + 1) * lab->period;

	if (lab->now < lab->busy)
		next = min(next, lab->busy);
	return min(next, max(i8254_ticks_next(&lab->t), lab->now + 1));
}

static void lab_run_ms(struct lab *lab, unsigned int ms)
{
	for (unsigned int i = 0; i < ms * 10; i++)
		lab_step(lab);
}

/* Held up for so long, from now on or in its handler of the next tick. */
static void lab_hold_up(struct lab *lab, u64 clocks)
{
	if (lab->handler >= HELD_MASKED)
		lab->hold = clocks;
	else
		lab->busy = lab->now + clocks;
}

static void lab_stall_ms(struct lab *lab, unsigned int ms)
{
	lab_hold_up(lab, ms * 1193);
	lab_run_ms(lab, ms);
}

/* A clock in tenths of a millisecond, as the guest sees it. */
static unsigned int tenths(u64 clocks)
{
	return DIV_ROUND_CLOSEST_ULL(clocks * 10, 1193);
}

struct timeline {
	const char *policy;
	unsigned int busy_ms;
	unsigned int n;
	unsigned int ms[21];
};

/*
 * The guest accepts the tick at 0, and no other until then:
 *
 *	due	0    20    40    60    80    100
 *	guest	|------------+
 */
static const struct timeline timelines[] = {
	{ "discard", 42, 5, { 0, 42, 60, 80, 100 } },
	{ "delay", 42, 6, { 0, 42, 42, 60, 80, 100 } },
	{ "merge", 42, 5, { 0, 42, 60, 80, 100 } },
	{ "slew", 42, 6, { 0, 42, 50, 60, 80, 100 } },
	{ "discard", 205, 4, { 0, 205, 220, 240 } },
	{ "delay", 205, 13, { 0, 205, 205, 205, 205, 205, 205, 205, 205, 205,
			      205, 220, 240 } },
	{ "merge", 205, 4, { 0, 205, 220, 240 } },
	{ "slew", 205, 21, { 0, 205, 210, 220, 230, 240, 250, 260, 270, 280, 290,
			     300, 310, 320, 330, 340, 350, 360, 370, 380, 400 } },
};

static void expect_timeline(struct kunit *test, const struct timeline *l,
			    enum chip chip, enum handler handler)
{
	struct lab *lab = lab_new(test, l->policy);

	lab->chip = chip;
	lab->handler = handler;
	/* The first tick comes one period after the load. */
	lab->busy = START + PERIOD + l->busy_ms * 1193;
	lab_run_ms(lab, 500);

	KUNIT_ASSERT_GE(test, lab->accepted, l->n);
	for (int i = 0; i < l->n; i++) {
		int at = tenths(lab->at[i] - PERIOD);
		int off = abs(at - (int)l->ms[i] * 10);

		KUNIT_EXPECT_LE_MSG(test, off, 6,
				    "%s, chip %d, handler %d, busy until %u: tick %d at %d.%d ms, not %u",
				    l->policy, chip, handler, l->busy_ms, i,
				    at / 10, at % 10, l->ms[i]);
	}
	KUNIT_EXPECT_EQ(test, lab->t.delivered + lab->t.replayed, lab->accepted);
	expect_truth(test, lab);
}

static void test_timelines_of_every_policy_chip_and_handler(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(timelines); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++)
			for (int handler = PLAIN; handler <= HELD_IN_SERVICE; handler++)
				expect_timeline(test, &timelines[i], chip, handler);
}

static void expect_all_replayed(struct kunit *test, const char *policy, enum chip chip,
				enum handler handler, unsigned int acks)
{
	struct lab *lab = lab_new(test, policy);

	lab->chip = chip;
	lab->handler = handler;
	lab->acks = acks;
	lab_run_ms(lab, 25);
	for (int stall = 0; stall < 4; stall++) {
		lab_stall_ms(lab, 500 + 3 * stall);
		lab_run_ms(lab, 700);
	}
	KUNIT_EXPECT_EQ(test, lab->accepted, lab->t.due);
	KUNIT_EXPECT_EQ(test, lab->t.lost, 0);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 0);
	expect_truth(test, lab);
}

/* After a stall, the guest has as many ticks as came due. */
static void test_every_tick_is_replayed(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(replaying); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++)
			for (int handler = PLAIN; handler <= HELD_IN_SERVICE; handler++)
				expect_all_replayed(test, replaying[i], chip, handler, 1);
}

/* Linux with timer_ack acknowledges the LAPIC, and then the 8259. */
static void test_two_acks_a_tick_lose_nothing(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(replaying); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++)
			for (int handler = PLAIN; handler <= HELD_IN_SERVICE; handler++)
				expect_all_replayed(test, replaying[i], chip, handler, 2);
}

static void test_grid_is_kept_after_a_stall(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++) {
		struct lab *lab = lab_new(test, all[i]);
		unsigned int first;

		lab_run_ms(lab, 25);
		lab_stall_ms(lab, 333);
		lab_run_ms(lab, 500);
		first = lab->accepted;
		lab_run_ms(lab, 200);
		KUNIT_EXPECT_EQ(test, lab->accepted - first, 10);
		while (first < lab->accepted) {
			u64 phase = lab->at[first++] % PERIOD;

			KUNIT_EXPECT_LE(test, phase, STEP);
		}
	}
}

static void expect_one_after_off(struct kunit *test, const char *policy, enum chip chip,
				 bool mute)
{
	struct lab *lab = lab_new(test, policy);
	unsigned int before;

	lab->chip = chip;
	lab->mute = mute;
	lab_run_ms(lab, 30);
	lab_mask(lab, true);
	lab_run_ms(lab, 10003);
	before = lab->accepted;
	lab_mask(lab, false);
	lab_run_ms(lab, 5);
	KUNIT_EXPECT_LE(test, lab->accepted, before + 1);
	lab_run_ms(lab, 100);
	KUNIT_EXPECT_LE(test, lab->accepted, before + 6);
	KUNIT_EXPECT_GE(test, lab->accepted, before + 5);
	expect_truth(test, lab);
}

/* Off for 10 s, between two ticks: one tick waits, and no flood follows. */
static void test_timer_turned_off_gives_one_tick_at_most(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++)
			for (int mute = 0; mute < 2; mute++)
				expect_one_after_off(test, all[i], chip, mute);
}

/* A mask that began in a handler, and lasts: off all the same. */
static void test_mask_that_lasts_means_off(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(replaying); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++) {
			struct lab *lab = lab_new(test, replaying[i]);
			unsigned int before;

			lab->chip = chip;
			lab->handler = HELD_MASKED;
			lab->busy = START + PERIOD + 10000 * 1193;
			lab_run_ms(lab, 10000);
			before = lab->accepted;
			lab_run_ms(lab, 119);
			KUNIT_EXPECT_LE(test, lab->accepted, before + 7);
			KUNIT_EXPECT_GE(test, lab->accepted, before + 5);
			expect_truth(test, lab);
		}
}

/* The same, but for that the guest could not have ended it. */
static void test_mask_gets_no_older_in_a_stall(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(replaying); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++) {
			struct lab *lab = lab_new(test, replaying[i]);

			lab->chip = chip;
			lab->handler = HELD_MASKED;
			lab->stalls = true;
			lab->busy = START + PERIOD + 10000 * 1193;
			lab_run_ms(lab, 10000);
			KUNIT_EXPECT_GE(test, lab->t.backlog, 490);
			/* slew, at twice the frequency, takes as long again */
			lab_run_ms(lab, 10100);
			KUNIT_EXPECT_EQ(test, lab->accepted, lab->t.due);
			KUNIT_EXPECT_EQ(test, lab->t.lost, 0);
			expect_truth(test, lab);
		}
}

/* Where the next period begins. */
static u64 lab_next_edge(const struct lab *lab)
{
	return lab->load + (lab->seen + 1) * lab->period;
}

/* So many ticks come due at once, of which all but one are owed; on the next edge. */
static void lab_owe(struct lab *lab, u64 n)
{
	u64 edge = lab_next_edge(lab);

	lab->load -= n * lab->period;
	lab_run_to(lab, edge);
}

static struct lab *lab_new_slew(struct kunit *test, u32 rate)
{
	struct i8254_tick_config config = config_of("slew");
	struct lab *lab = lab_new(test, "slew");

	config.slew_rate = rate;
	lab->late = 0;
	i8254_ticks_configure(&lab->t, &config, lab->now);
	return lab;
}

/* To the next edge, and return how many owed ticks were raised before it. */
static unsigned int lab_run_period(struct lab *lab)
{
	unsigned int owed_raises = lab->owed_raises;
	u64 edge = lab_next_edge(lab);

	while (lab_next(lab) < edge)
		lab_run_to(lab, lab_next(lab));
	owed_raises = lab->owed_raises - owed_raises;
	lab_run_to(lab, edge);
	return owed_raises;
}

static const u32 rates[] = { 1, 7, 50, 99, 100, 101, 150, 250, 300, 333, 899, 900 };

/* The most owed ticks that a period has. */
static u32 most_places(u32 rate)
{
	return DIV_ROUND_UP(rate, 100);
}

/* That they are at j/(m+1) of it is a rule of lab_check_raise(). */
static void test_slew_has_so_many_places_in_a_period(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(rates); i++) {
		struct lab *lab = lab_new_slew(test, rates[i]);

		lab_owe(lab, 3000);
		for (u32 n = 0; n < 300; n++)
			KUNIT_EXPECT_EQ_MSG(test, lab_run_period(lab),
					    (n + 1) * rates[i] / 100 - n * rates[i] / 100,
					    "rate %u, period %u", rates[i], n);
		KUNIT_EXPECT_GE(test, lab->closest, PERIOD / (most_places(rates[i]) + 1));
		expect_truth(test, lab);
	}
}

static void test_slew_catches_up_in_time(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(rates); i++)
		for (u64 owed = 1; owed <= 40; owed++) {
			struct lab *lab = lab_new_slew(test, rates[i]);
			u64 periods = 0;

			lab_owe(lab, owed);
			KUNIT_ASSERT_EQ(test, lab->t.backlog, owed);
			while (lab->t.backlog && periods < 100 * owed + 2) {
				lab_run_period(lab);
				periods++;
			}
			KUNIT_EXPECT_GE(test, periods * rates[i], owed * 100);
			KUNIT_EXPECT_LE(test, (periods - 1) * rates[i], owed * 100);
			KUNIT_EXPECT_EQ(test, lab->accepted, lab->t.due);
			expect_truth(test, lab);
			kunit_kfree(test, lab);
		}
}

/*
 * At whichever place the guest begins to accept: those before it are left out, and it
 * gets one at most at each of the others.
 */
static void test_slew_leaves_out_what_is_over(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(rates); i++)
		for (u64 part = 1; part < 20; part++) {
			struct lab *lab = lab_new_slew(test, rates[i]);
			u32 places = most_places(rates[i]);
			unsigned int left;

			lab_run_to(lab, lab_next_edge(lab));
			lab->busy = lab->now + 3 * PERIOD + part * PERIOD / 20;
			while (lab->now < lab->busy)
				lab_run_to(lab, lab_next(lab));
			left = (20 - part) * (places + 1) / 20;
			KUNIT_EXPECT_LE(test, lab_run_period(lab), left + 1);
			for (int n = 0; n < 200 && lab->t.backlog; n++)
				lab_run_period(lab);
			KUNIT_EXPECT_EQ(test, lab->t.backlog, 0);
			KUNIT_EXPECT_EQ(test, lab->accepted, lab->t.due);
			expect_truth(test, lab);
			kunit_kfree(test, lab);
		}
}

/*
 * Where a timer cannot fire as often as a period's places need, P/(m+1), each
 * acceptance brings the next.
 */
static void test_slew_below_the_timer_floor_is_delay(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(rates); i++)
		for (int over = 0; over < 2; over++) {
			struct lab *lab = lab_new_slew(test, rates[i]);

			lab->t.min_spacing = PERIOD / (most_places(rates[i]) + 1) + over;
			lab_run_to(lab, lab_next_edge(lab));
			lab->busy = lab->now + 5 * PERIOD + 1;
			lab_run_to(lab, lab->now + 5 * PERIOD);
			KUNIT_ASSERT_EQ(test, lab->t.backlog, 4);
			lab_run_to(lab, lab->busy);
			KUNIT_EXPECT_EQ_MSG(test, lab->t.backlog, over ? 0 : 4,
					    "rate %u", rates[i]);
			expect_truth(test, lab);
		}
}

/* A one-shot has no grid. */
static void test_slew_of_one_shots_is_delay(struct kunit *test)
{
	struct lab *lab = lab_new_slew(test, 100);

	lab->t.min_spacing = 238;
	i8254_ticks_restart(&lab->t, 0);
	lab_run_to(lab, lab_next_edge(lab));
	lab->busy = lab->now + 2 * PERIOD + 1;
	lab_run_to(lab, lab->now + PERIOD);
	lab_run_to(lab, lab->now + PERIOD);
	KUNIT_ASSERT_EQ(test, lab->t.backlog, 1);
	lab_run_to(lab, lab->busy);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 0);
	KUNIT_EXPECT_EQ(test, lab->accepted, 3);
	expect_truth(test, lab);
}

/* All that kvm_pit_check_ticks() lets in: no period has more than the rate's places. */
static void test_slew_goes_on_from_any_credit(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(rates); i++)
		for (u32 credit = 0; credit <= rates[i] + 99; credit++) {
			struct kvm_pit_tick_state s = { .backlog = 500, .credit = credit }, again;
			struct lab *lab = lab_new_slew(test, rates[i]);

			memset(&again, 0, sizeof(again));
			i8254_ticks_load(&lab->t, PERIOD, lab->now, lab->now, &s);
			i8254_ticks_save(&lab->t, lab->now, &again);
			KUNIT_ASSERT_EQ(test, again.credit, credit);
			KUNIT_EXPECT_EQ(test, lab_run_period(lab), credit / 100);
			for (u32 n = 1; n < 5; n++)
				KUNIT_EXPECT_EQ(test, lab_run_period(lab),
						(credit % 100 + n * rates[i]) / 100 -
						(credit % 100 + (n - 1) * rates[i]) / 100);
			expect_truth(test, lab);
			kunit_kfree(test, lab);
		}
}

static void test_switching_keeps_what_the_new_policy_can_hold(struct kunit *test)
{
	static const struct {
		const char *from, *to;
		u64 kept;
	} cases[] = {
		{ "delay", "slew", 4 }, { "slew", "delay", 4 },
		{ "delay", "merge", 1 }, { "slew", "merge", 1 },
		{ "delay", "discard", 0 }, { "slew", "discard", 0 },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct i8254_tick_config config = config_of(cases[i].to);
		struct lab *lab = lab_new(test, cases[i].from);
		u64 due, accepted;

		lab_run_ms(lab, 25);
		lab_stall_ms(lab, 111);
		KUNIT_ASSERT_EQ(test, lab->t.backlog, 4);
		i8254_ticks_configure(&lab->t, &config, lab->now);
		KUNIT_EXPECT_EQ(test, lab->t.backlog, cases[i].kept);
		KUNIT_EXPECT_EQ(test, lab->t.lost, 4 - cases[i].kept);
		expect_law(test, &lab->t);

		/* One more than is owed: the one in the irqchip's latch. */
		due = lab->t.due;
		accepted = lab->accepted;
		lab_run_ms(lab, 300);
		KUNIT_EXPECT_EQ(test, lab->accepted - accepted,
				cases[i].kept + 1 + lab->t.due - due);
		expect_truth(test, lab);
	}
}

/* Give one tick out, as kvm_pit_deliver() does before it drops its lock for the pulse. */
static enum i8254_raise lab_take(struct lab *lab)
{
	struct i8254_line line;

	lab_ask(lab, &line);
	return i8254_ticks_take(&lab->t, &line, lab->now);
}

static void lab_raise(struct lab *lab)
{
	i8254_ticks_raised(&lab->t, lab_pulse(lab), lab->now);
}

/* Nothing was told of the EOIs, so all is owed still; and the place of this period is over. */
static void test_switching_to_slew_begins_at_the_next_place(struct kunit *test)
{
	struct i8254_tick_config config = config_of("slew");
	struct lab *lab = lab_new(test, "delay");

	lab->late = 0;
	lab->acks = 0;
	lab_owe(lab, 4);
	lab->acks = 1;
	KUNIT_ASSERT_EQ(test, lab->t.backlog, 4);
	lab_run_to(lab, lab->now + PERIOD * 3 / 4);
	i8254_ticks_configure(&lab->t, &config, lab->now);
	lab_deliver(lab);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 4);
	KUNIT_EXPECT_EQ(test, lab_run_period(lab), 0);
	KUNIT_EXPECT_EQ(test, lab_run_period(lab), 1);
	expect_truth(test, lab);
}

/* Linux's check_timer(): the tick that a masked 8259 has is raised where it looks next. */
static void test_a_held_tick_follows_the_guest_to_another_chip(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++) {
		struct lab *lab = lab_new(test, all[i]);

		lab_run_ms(lab, 25);
		lab_mask(lab, true);
		/* Two come due; under "off" the second is lost. */
		lab_run_ms(lab, 40);
		KUNIT_ASSERT_TRUE(test, lab->t.held && lab->irr);
		lab->chip = IOAPIC;
		lab->irr = false;
		lab_mask(lab, false);
		KUNIT_EXPECT_TRUE(test, lab->irr);
		lab_guest(lab);
		KUNIT_EXPECT_EQ(test, lab->accepted, 2);
		KUNIT_EXPECT_EQ(test, lab->t.lost, 1);
		expect_truth(test, lab);
	}
}

/* Between the asking and the pulse another vCPU masks IRQ0: the guest has one tick of it. */
static void expect_mask_before_pulse(struct kunit *test, const char *policy, enum chip chip,
				     enum i8254_raise raise, bool told)
{
	struct i8254_tick_config config = config_of(policy);
	struct lab *lab = lab_new(test, "delay");
	unsigned int accepted;

	lab->chip = chip;
	lab->now += PERIOD;
	i8254_ticks_due(&lab->t, raise == I8254_RAISE_OWED ? 2 : 1, lab->now, lab->now);
	if (raise == I8254_RAISE_OWED) {
		KUNIT_ASSERT_EQ(test, lab_take(lab), I8254_RAISE_DUE);
		lab_raise(lab);
		lab_accept(lab);
		lab->isr = false;
		i8254_ticks_acked(&lab->t);
	}
	accepted = lab->accepted;
	KUNIT_ASSERT_EQ(test, lab_take(lab), raise);
	lab->mute = !told;
	lab_mask(lab, true);
	lab_raise(lab);
	lab_deliver(lab);
	expect_truth(test, lab);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 1);

	i8254_ticks_configure(&lab->t, &config, lab->now);
	lab->mute = false;
	lab_mask(lab, false);
	lab_guest(lab);
	KUNIT_EXPECT_EQ(test, lab->accepted, accepted + 1);
	KUNIT_EXPECT_EQ(test, lab->t.lost, 0);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 0);
	expect_truth(test, lab);
}

static void test_a_mask_before_the_pulse_neither_loses_nor_doubles(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++)
			for (int told = 0; told < 2; told++) {
				expect_mask_before_pulse(test, all[i], chip,
							 I8254_RAISE_DUE, told);
				expect_mask_before_pulse(test, all[i], chip,
							 I8254_RAISE_OWED, told);
			}
}

static const struct i8254_line open_lapic = { .open = true };
static const struct i8254_line full_lapic = { .open = true, .pending = true };
static const struct i8254_line masked_ioapic;

/* The ticks of a VM of which one is held at a masked IOAPIC. */
static void ticks_hold_one(struct kunit *test, struct i8254_ticks *t, const char *policy)
{
	struct i8254_tick_config config = config_of(policy);

	i8254_ticks_init(t, &config, 0);
	i8254_ticks_restart(t, PERIOD);
	i8254_ticks_due(t, 1, START, START);
	KUNIT_ASSERT_EQ(test, i8254_ticks_take(t, &masked_ioapic, START), I8254_RAISE_NONE);
	KUNIT_ASSERT_TRUE(test, t->held);
}

/* Neither a due tick nor a held one: it is owed or lost, and nothing is replayed. */
static void test_a_tick_that_would_merge_is_owed_or_lost(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++) {
		struct i8254_tick_config config = config_of(all[i]);
		bool lost = config.policy->latch;
		struct i8254_ticks t;

		ticks_hold_one(test, &t, all[i]);
		i8254_ticks_due(&t, 1, START + PERIOD, START + PERIOD);
		i8254_ticks_acked(&t);
		KUNIT_EXPECT_EQ(test, i8254_ticks_take(&t, &full_lapic, START + PERIOD),
				I8254_RAISE_NONE);
		KUNIT_EXPECT_EQ(test, t.lost, lost ? 2 : 0);
		KUNIT_EXPECT_EQ(test, t.backlog, lost ? 0 : 2);
		KUNIT_EXPECT_FALSE(test, t.held);
		KUNIT_EXPECT_EQ(test, t.delivered + t.replayed, 0);
		expect_law(test, &t);
	}
}

/* The same, where that shows only in the answer. */
static void test_a_tick_that_met_another_is_owed_or_lost(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++) {
		struct i8254_tick_config config = config_of(all[i]);
		bool lost = config.policy->latch;
		struct i8254_ticks t;

		ticks_hold_one(test, &t, all[i]);
		i8254_ticks_due(&t, 1, START + PERIOD, START + PERIOD);
		for (int n = 0; n < 2; n++) {
			KUNIT_ASSERT_EQ(test, i8254_ticks_take(&t, &open_lapic, START + PERIOD),
					n ? I8254_RAISE_DUE : I8254_RAISE_HELD);
			i8254_ticks_raised(&t, I8254_FULL, START + PERIOD);
		}
		KUNIT_EXPECT_EQ(test, t.lost, lost ? 2 : 0);
		KUNIT_EXPECT_EQ(test, t.backlog, lost ? 0 : 2);
		KUNIT_EXPECT_FALSE(test, t.held);
		KUNIT_EXPECT_EQ(test, t.delivered + t.replayed, 0);
		expect_law(test, &t);
	}
}

/*
 * An irqchip that says one thing and does another, for good: an IOAPIC whose entry is
 * not masked but goes to no LAPIC, or is level-triggered and was not acknowledged. Each
 * occasion has an end, at one clock.
 */
static void test_raises_come_to_an_end_whatever_the_answer(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++)
		for (int answer = I8254_MASKED; answer <= I8254_FULL; answer++) {
			struct i8254_ticks t;
			u64 now = START;

			ticks_hold_one(test, &t, all[i]);
			for (int n = 0; n < 40; n++) {
				int raises = 0;

				/* On the edge, and on slew's place in the middle. */
				now += PERIOD / 2;
				if (n % 2)
					i8254_ticks_due(&t, 1, now, now);
				while (i8254_ticks_next(&t) <= now && raises < 10 &&
				       i8254_ticks_take(&t, &open_lapic, now)) {
					i8254_ticks_raised(&t, answer, now);
					raises++;
				}
				KUNIT_ASSERT_LE_MSG(test, raises, 3, "%s, answer %d",
						    all[i], answer);
				KUNIT_ASSERT_GT(test, i8254_ticks_next(&t), now);
				expect_law(test, &t);
			}
		}
}

static void test_limit_bounds_the_backlog(struct kunit *test)
{
	struct i8254_tick_config config = config_of("delay");
	struct lab *lab = lab_new(test, "delay");

	config.backlog_limit = 3;
	i8254_ticks_configure(&lab->t, &config, lab->now);
	lab_run_ms(lab, 25);
	lab_stall_ms(lab, 500);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 3);
	KUNIT_EXPECT_GT(test, lab->t.lost, 0);
	KUNIT_EXPECT_TRUE(test, lab->t.limit_hit);
	expect_truth(test, lab);
}

static u64 random_in(struct rnd_state *rnd, u64 from, u64 to)
{
	u64 n = prandom_u32_state(rnd);

	return from + (n << 32 | prandom_u32_state(rnd)) % (to - from + 1);
}

/*
 * Two labs that differ in nothing but in that the ticks of the other one were
 * saved and loaded.
 */
static struct lab *lab_saved_and_loaded(struct kunit *test, const struct lab *lab)
{
	struct lab *other = kunit_kmalloc(test, sizeof(*other), GFP_KERNEL);
	struct kvm_pit_tick_state s, again;

	KUNIT_ASSERT_NOT_NULL(test, other);
	memset(&s, 0, sizeof(s));
	memset(&again, 0, sizeof(again));
	*other = *lab;
	i8254_ticks_save(&lab->t, lab->now, &s);
	i8254_ticks_init(&other->t, &lab->t.config, 0);
	i8254_ticks_load(&other->t, lab->period, lab_edge(lab), lab->now, &s);
	lab_recount(other);
	i8254_ticks_save(&other->t, lab->now, &again);
	KUNIT_ASSERT_MEMEQ(test, &s, &again, sizeof(s));
	expect_truth(test, other);
	return other;
}

/* A guest that reprograms its timer, and from then on lives with it as it is. */
static void lab_randomise(struct lab *lab, struct rnd_state *rnd, const char *policy)
{
	struct i8254_tick_config config = config_of(policy);

	if (config.policy->slew_rate)
		config.slew_rate = random_in(rnd, 1, I8254_SLEW_RATE_MAX);
	if (config.policy->has_limit && random_in(rnd, 0, 1))
		config.backlog_limit = random_in(rnd, 1, 50);
	lab->period = random_in(rnd, 100, 65536);
	lab->chip = random_in(rnd, PIC, IOAPIC);
	lab->handler = random_in(rnd, PLAIN, HELD_IN_SERVICE);
	lab->acks = random_in(rnd, 1, 2);
	lab->mute = false;
	lab->stalls = random_in(rnd, 0, 1);
	lab->late = random_in(rnd, 0, 1) * lab->period / 50;
	lab->load = lab->now;
	lab->seen = 0;
	lab->busy = 0;
	lab->hold = 0;
	lab->masked = false;
	lab->irr = false;
	lab->isr = false;
	lab->closest = U64_MAX;
	lab->due_raises = 0;
	lab->owed_raises = 0;
	lab->broken = NULL;
	i8254_ticks_init(&lab->t, &config, 0);
	i8254_ticks_restart(&lab->t, lab->period);
	lab_recount(lab);
}

/*
 * On to what happens next, and return what of the backlog was raised. The host
 * is late at times, but not so late that it would miss a tick of the grid.
 */
static unsigned int lab_live(struct kunit *test, struct lab *lab, struct rnd_state *rnd)
{
	unsigned int owed_raises = lab->owed_raises;
	u64 next = lab_next(lab);
	u64 grid = lab->load + (lab->seen + 1) * lab->period;

	if (next <= grid - lab->late)
		next += random_in(rnd, 0, lab->late);
	lab_run_to(lab, next);
	expect_truth(test, lab);
	return lab->owed_raises - owed_raises;
}

/*
 * The clock by which the backlog is replayed once the guest accepts. Slew has the rest
 * of this period and as many as it takes, in whole. A mask's end that nobody reports
 * is seen on the next edge.
 */
static u64 lab_bound(const struct lab *lab)
{
	u64 bound = lab->now + lab->late;

	if (lab->mute)
		bound = max(bound, lab_next_edge(lab) + lab->late);
	if (lab->t.config.slew_rate)
		bound += lab->t.backlog * lab->period * 100 / lab->t.config.slew_rate +
			 2 * lab->period;
	return bound;
}

/* The least time between two ticks of slew's, in clocks. A raise is at a whole one. */
static u64 slew_spacing(const struct lab *lab)
{
	u64 spacing = lab->period / (most_places(lab->t.config.slew_rate) + 1);

	return spacing > lab->late + 1 ? spacing - lab->late - 1 : 0;
}

/*
 * Let a guest be held up for a while, or the whole host be suspended, and then
 * catch up. Which events that takes is the policy's to say, @events counts them.
 */
static void expect_bounds(struct kunit *test, struct lab *lab, struct rnd_state *rnd,
			  unsigned int *events)
{
	const struct i8254_policy *policy = lab->t.config.policy;
	u64 hours = 3600ULL * 1193182 * random_in(rnd, 1, 48);
	u64 lost = lab->t.lost;
	u64 bound;

	if (lab->t.config.backlog_limit && random_in(rnd, 0, 3) == 0) {
		/* To the host, hours are one step. */
		lab_run_to(lab, lab->now + hours);
		expect_truth(test, lab);
	} else {
		lab_hold_up(lab, random_in(rnd, 1, 40 * lab->period));
		lab->mute = random_in(rnd, 0, 3) == 0;
		while (lab->hold || lab->now < lab->busy)
			*events += 1 + lab_live(test, lab, rnd);
	}

	if (policy->has_limit && !lab->t.config.backlog_limit && lab->stalls && !lab->mute)
		KUNIT_ASSERT_EQ(test, lab->t.lost, lost);

	bound = lab_bound(lab);
	lab->mute = false;
	while (lab->t.backlog) {
		unsigned int raises = lab_live(test, lab, rnd);

		*events += 1 + raises;
		if (policy->slew_rate)
			KUNIT_ASSERT_LE(test, raises, 1);
		KUNIT_ASSERT_LE(test, lab->now, bound);
	}
	if (policy->slew_rate)
		KUNIT_ASSERT_GE(test, lab->closest, slew_spacing(lab));
}

static void random_lives(struct kunit *test, unsigned int n)
{
	struct lab *lab = lab_new(test, "delay");
	unsigned int events = 0;
	struct rnd_state rnd;

	kunit_info(test, "seed %llu, at least %u events\n", policy_seed, n);
	prandom_seed_state(&rnd, policy_seed);
	while (events < n) {
		lab_randomise(lab, &rnd, all[random_in(&rnd, 0, ARRAY_SIZE(all) - 1)]);
		for (int i = 0; i < 8; i++)
			expect_bounds(test, lab, &rnd, &events);
	}
}

/*
 * Whatever the period, the rate, the limit, the irqchip, the handler and the
 * time for which the guest or the host is held up, however many EOIs and
 * whether masks are told then: slew keeps its places and catches up in time, the others have
 * nothing left once the guest accepts, the guest gets what is counted, and no raise
 * breaks a rule of the lab's.
 */
static void test_bounds_hold_in_random_lives(struct kunit *test)
{
	random_lives(test, 200000);
}

static void test_bounds_hold_in_millions_of_events(struct kunit *test)
{
	random_lives(test, 5000000);
}

static void test_saved_ticks_go_on_as_they_would_have(struct kunit *test)
{
	struct lab *lab = lab_new(test, "delay"), *other;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, policy_seed);
	for (int i = 0; i < 300; i++) {
		lab_randomise(lab, &rnd, all[i % ARRAY_SIZE(all)]);
		lab->late = 0;
		lab_hold_up(lab, random_in(&rnd, 1, 20 * lab->period));
		lab_run_to(lab, lab->now + random_in(&rnd, 0, 30 * lab->period));
		other = lab_saved_and_loaded(test, lab);

		/* Random times, the same for both. */
		for (int n = 0; n < 100; n++) {
			lab_run_to(lab, min(lab_next(lab), lab->now + lab->period / 3));
			lab_run_to(other, lab->now);
			KUNIT_ASSERT_EQ(test, lab->accepted, other->accepted);
			KUNIT_ASSERT_EQ(test, lab->t.backlog, other->t.backlog);
			KUNIT_ASSERT_EQ(test, lab_next(lab), lab_next(other));
			expect_truth(test, lab);
			expect_truth(test, other);
		}
		KUNIT_ASSERT_MEMEQ(test, lab->at, other->at, sizeof(lab->at));
		kunit_kfree(test, other);
	}
}

/**
 * enum trouble - what can happen to a tick, and nobody tells
 * @LOST_EOI: the next EOI is not told
 * @DOUBLED_EOI: the next is told twice
 * @FOREIGN_EOI: an EOI is told that belongs to another
 * @RESET_CHIP: a reset drops what the chip has; an 8259's mask too
 * @LOADED_CHIP: KVM_SET_IRQCHIP: it is as it was at some other time
 * @OTHER_CHIP: the guest takes ticks from the other chip
 * @MUTE_MASK: it is masked for four periods
 * @MUTE_BOTH: the same, and not told either when it is unmasked
 * @MUTE_UNMASK: only that is not told
 * @TROUBLES: how many there are
 */
enum trouble {
	LOST_EOI, DOUBLED_EOI, FOREIGN_EOI, RESET_CHIP, LOADED_CHIP, OTHER_CHIP,
	MUTE_MASK, MUTE_BOTH, MUTE_UNMASK, TROUBLES,
};

static void lab_mask_for_a_while(struct lab *lab, enum trouble trouble)
{
	enum handler handler = lab->handler;

	/* Not the handler's to unmask. */
	lab->handler = PLAIN;
	lab->mute = trouble != MUTE_UNMASK;
	lab_mask(lab, true);
	lab_run_ms(lab, 80);
	lab->mute = trouble != MUTE_MASK;
	lab_mask(lab, false);
	lab->mute = false;
	lab->handler = handler;
}

static void lab_strike(struct lab *lab, enum trouble trouble)
{
	switch (trouble) {
	case LOST_EOI:
		lab->acks = 0;
		break;
	case DOUBLED_EOI:
		lab->acks = 2;
		break;
	case FOREIGN_EOI:
		lab_ack(lab);
		break;
	case RESET_CHIP:
		lab_drop(lab);
		lab->isr = false;
		lab->masked = lab->masked && lab->chip == IOAPIC;
		break;
	case OTHER_CHIP:
		lab->chip = lab->chip == PIC ? IOAPIC : PIC;
		fallthrough;
	case LOADED_CHIP:
		lab->irr = trouble == LOADED_CHIP && !lab->irr;
		lab->isr = false;
		lab->masked = false;
		lab_recount(lab);
		break;
	default:
		lab_mask_for_a_while(lab, trouble);
	}
}

/* Under "off" ticks are lost, and it is no trouble. */
static bool trouble_turns_off(enum trouble trouble, bool busy)
{
	return trouble >= MUTE_MASK && !busy;
}

/*
 * After one more due tick and its handling all is as if nothing had been: no policy but
 * slew owes anything, and every due tick is taken when it is due.
 */
static void expect_healed(struct kunit *test, struct lab *lab)
{
	unsigned int accepted;
	u64 lost;

	lab_run_to(lab, lab_next_edge(lab));
	lab->acks = 1;
	expect_truth(test, lab);
	if (lab->t.config.policy->id != KVM_PIT_TICK_SLEW)
		expect_eq(test, lab, "backlog", lab->t.backlog, 0);

	lost = lab->t.lost;
	for (int n = 0; n < 12; n++)
		lab_run_period(lab);
	accepted = lab->accepted;
	for (int n = 0; n < 10; n++) {
		lab_run_period(lab);
		expect_eq(test, lab, "accepted", lab->accepted, ++accepted);
		expect_eq(test, lab, "at", lab->at[accepted - 1], lab->seen * PERIOD);
	}
	expect_eq(test, lab, "backlog in the end", lab->t.backlog, 0);
	expect_eq(test, lab, "lost", lab->t.lost, lost);
	expect_truth(test, lab);
}

static void expect_no_trouble(struct kunit *test, const char *policy, enum chip chip,
			      enum handler handler, bool busy, enum trouble trouble)
{
	struct lab *lab = lab_new(test, policy);

	lab->chip = chip;
	lab->handler = handler;
	lab->n = 10 * busy + trouble;
	lab_run_ms(lab, 25);
	/* A tick is in service or pending, and more come due; or nothing is there. */
	if (busy)
		lab_stall_ms(lab, 70);
	lab_strike(lab, trouble);
	lab->busy = 0;
	lab->hold = 0;
	lab_run_ms(lab, 1);
	if (trouble == LOST_EOI) {
		/* Not before a tick is there that has one to lose. */
		lab_run_to(lab, lab_next_edge(lab));
		lab->acks = 1;
	}
	expect_truth(test, lab);
	expect_healed(test, lab);
	if (!lab->t.config.policy->latch && !trouble_turns_off(trouble, busy))
		expect_eq(test, lab, "lost under a policy that replays", lab->t.lost, 0);
	kunit_kfree(test, lab);
}

static void test_troubles_heal_by_the_next_due_tick(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++)
			for (int handler = PLAIN; handler <= HELD_IN_SERVICE; handler++)
				for (int n = 0; n < 2 * TROUBLES; n++)
					expect_no_trouble(test, all[i], chip, handler,
							  n & 1, n / 2);
}

/* With no EOI told at all, due ticks go on; what is owed stays owed, and is counted. */
static void test_ticks_go_on_without_eois(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++)
			for (int handler = PLAIN; handler <= HELD_IN_SERVICE; handler++) {
				struct lab *lab = lab_new(test, all[i]);

				lab->chip = chip;
				lab->handler = handler;
				lab->acks = 0;
				lab_run_ms(lab, 25);
				lab_stall_ms(lab, 111);
				lab_run_ms(lab, 5);
				lab->accepted = 0;
				lab_recount(lab);
				lab_run_ms(lab, 200);
				KUNIT_EXPECT_GE(test, lab->accepted, 10);
				expect_truth(test, lab);
			}
}

/**
 * enum saved - in which order a VMM saves the PIT and the irqchips
 * @AT_ONCE: no tick comes due between
 * @CHIPS_THEN_TICKS: one does
 * @TICKS_THEN_CHIPS: one does
 */
enum saved { AT_ONCE, CHIPS_THEN_TICKS, TICKS_THEN_CHIPS };

/**
 * enum loaded - in which order it restores them
 * @CHIPS_FIRST: the irqchips are there when the ticks are loaded
 * @TICKS_FIRST: the ticks find irqchips as they are after their creation
 * @TICK_BETWEEN: the same, and one comes due before these are restored
 */
enum loaded { CHIPS_FIRST, TICKS_FIRST, TICK_BETWEEN };

struct chips {
	enum chip chip;
	bool masked, irr, isr;
};

static struct chips lab_save_chips(const struct lab *lab)
{
	return (struct chips) { lab->chip, lab->masked, lab->irr, lab->isr };
}

static void lab_load_chips(struct lab *lab, struct chips chips)
{
	lab->chip = chips.chip;
	lab->masked = chips.masked;
	lab->irr = chips.irr;
	lab->isr = chips.isr;
	lab_recount(lab);
}

/* Lets a tick come due for a guest that does not run. */
static void lab_due_alone(struct lab *lab)
{
	lab->now = lab_next_edge(lab);
	lab_due(lab, 1);
}

static void lab_load_all(struct lab *lab, const struct kvm_pit_tick_state *s,
			 struct chips chips, enum loaded loaded)
{
	struct i8254_tick_config config = lab->t.config;

	i8254_ticks_init(&lab->t, &config, 0);
	lab_load_chips(lab, loaded == CHIPS_FIRST ? chips : (struct chips) { PIC });
	i8254_ticks_load(&lab->t, PERIOD, lab_edge(lab), lab->now, s);
	lab_deliver(lab);
	if (loaded == TICK_BETWEEN)
		lab_due_alone(lab);
	if (loaded != CHIPS_FIRST)
		lab_load_chips(lab, chips);
	lab_recount(lab);
}

static void expect_restored(struct kunit *test, struct lab *lab, enum saved saved,
			    enum loaded loaded)
{
	struct lab *other = kunit_kmalloc(test, sizeof(*other), GFP_KERNEL);
	struct chips chips = lab_save_chips(lab);
	struct kvm_pit_tick_state s = {};
	s64 off;

	KUNIT_ASSERT_NOT_NULL(test, other);
	if (saved == CHIPS_THEN_TICKS)
		lab_due_alone(lab);
	i8254_ticks_save(&lab->t, lab->now, &s);
	*other = *lab;
	if (saved == TICKS_THEN_CHIPS) {
		lab_due_alone(lab);
		chips = lab_save_chips(lab);
	}

	other->n = 10 * saved + loaded;
	lab_load_all(other, &s, chips, loaded);
	other->busy = 0;
	other->hold = 0;
	lab_run_to(other, other->now + 1);
	expect_healed(test, other);

	/* One in each IRR at most is one too many, or too few; and one that was held. */
	off = other->accepted + lab->t.lost + other->t.lost - other->seen;
	if (saved == AT_ONCE && loaded == CHIPS_FIRST)
		expect_eq(test, other, "off", off, 0);
	KUNIT_EXPECT_LE(test, abs(off), 2);
	kunit_kfree(test, other);
}

static void test_ticks_and_chips_are_restored_in_any_order(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++)
			for (int handler = PLAIN; handler <= HELD_IN_SERVICE; handler++)
				for (int n = 0; n < 18; n++) {
					struct lab *lab = lab_new(test, all[i]);

					lab->chip = chip;
					lab->handler = handler;
					lab_run_ms(lab, 25);
					lab_hold_up(lab, PERIOD * 1000);
					/* Nothing is there, or a tick and more that are owed. */
					lab_run_ms(lab, n & 1 ? 70 : 1);
					expect_restored(test, lab, n / 6, n / 2 % 3);
					kunit_kfree(test, lab);
				}
}

/* What was raised at a place before the save is not raised there again. */
static void test_a_place_that_had_its_tick_has_no_other(struct kunit *test)
{
	struct lab *lab = lab_new_slew(test, 100), *other;

	lab_owe(lab, 4);
	lab_run_to(lab, lab->now + PERIOD / 2);
	KUNIT_ASSERT_EQ(test, lab->t.backlog, 3);
	other = lab_saved_and_loaded(test, lab);
	lab_deliver(other);
	KUNIT_EXPECT_EQ(test, other->t.backlog, 3);
	KUNIT_EXPECT_EQ(test, i8254_ticks_next(&lab->t), i8254_ticks_next(&other->t));
}

/* A tick that came due, and that nobody came to raise before the ticks were saved. */
static void test_a_wanted_tick_is_kept(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++) {
			struct lab *lab = lab_new(test, all[i]), *other;

			lab->chip = chip;
			lab->now += PERIOD;
			lab->seen = 1;
			i8254_ticks_due(&lab->t, 1, lab->now, lab->now);
			other = lab_saved_and_loaded(test, lab);
			KUNIT_EXPECT_TRUE(test, other->t.wanted);
			KUNIT_EXPECT_EQ(test, i8254_ticks_next(&other->t), 0);
			other->due_at = other->now;
			lab_deliver(other);
			lab_guest(other);
			KUNIT_EXPECT_EQ(test, other->accepted, 1);
			KUNIT_EXPECT_EQ(test, other->t.delivered, 1);
			expect_truth(test, other);
		}
}

static void test_loading_ticks_loses_those_that_were_owed(struct kunit *test)
{
	struct lab *lab = lab_new(test, "delay");
	struct kvm_pit_tick_state s = { .backlog = 7 };

	lab_run_ms(lab, 25);
	lab_stall_ms(lab, 111);
	KUNIT_ASSERT_EQ(test, lab->t.backlog, 4);
	i8254_ticks_load(&lab->t, PERIOD, lab->now, lab->now, &s);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 7);
	KUNIT_EXPECT_EQ(test, lab->t.lost, 4);
	KUNIT_EXPECT_EQ(test, i8254_ticks_next(&lab->t), 0);
	expect_law(test, &lab->t);
}

static void test_reprogramming_drops_what_was_owed(struct kunit *test)
{
	struct lab *lab = lab_new(test, "delay");

	lab_run_ms(lab, 25);
	lab_stall_ms(lab, 111);
	KUNIT_ASSERT_EQ(test, lab->t.backlog, 4);
	i8254_ticks_restart(&lab->t, PERIOD);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 0);
	KUNIT_EXPECT_EQ(test, lab->t.lost, 4);
	expect_law(test, &lab->t);
}

/* The caller's timer is slower than the guest's: ticks come in batches. */
static void test_batched_ticks_are_all_delivered(struct kunit *test)
{
	struct lab *lab = lab_new(test, "delay");

	for (int i = 0; i < 1000; i++) {
		lab->now += STEP;
		lab->due_at = lab->now;
		i8254_ticks_due(&lab->t, 3, lab->now, lab->now);
		lab_deliver(lab);
		lab_guest(lab);
	}
	KUNIT_EXPECT_EQ(test, lab->t.delivered + lab->t.replayed, 3000);
	KUNIT_EXPECT_EQ(test, lab->accepted, 3000);
	expect_truth(test, lab);
}

/* Hours in one step cost one step. */
static void test_hours_of_missed_ticks_are_one_step(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++) {
		struct lab *lab = lab_new(test, all[i]);

		lab->now += U64_MAX / 4;
		i8254_ticks_due(&lab->t, U64_MAX / 4 / PERIOD, lab->now, lab->now);
		lab_deliver(lab);
		expect_law(test, &lab->t);
	}
}

static void test_bad_configurations_are_refused(struct kunit *test)
{
	static const struct {
		const char *policy;
		u32 slew_rate;
		u64 backlog_limit;
		int ret;
	} cases[] = {
		{ "none", 0, 0, -EINVAL },
		{ "delay", 0, U64_MAX, 0 },
		{ "delay", 1, 0, -EINVAL },
		{ "discard", 1, 0, -EINVAL },
		{ "discard", 0, 1, -EINVAL },
		{ "merge", 1, 0, -EINVAL },
		{ "merge", 0, 1, -EINVAL },
		{ "slew", 0, 0, 0 },
		{ "slew", 1, 1, 0 },
		{ "slew", 900, 0, 0 },
		{ "slew", 901, 0, -EINVAL },
		{ "slew", U32_MAX, 0, -EINVAL },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct i8254_tick_config config = {
			.policy = i8254_policy_by_name(cases[i].policy),
			.slew_rate = cases[i].slew_rate,
			.backlog_limit = cases[i].backlog_limit,
		};

		KUNIT_EXPECT_EQ_MSG(test, i8254_tick_config_check(&config),
				    cases[i].ret, "case %d", i);
	}

	KUNIT_EXPECT_EQ(test, config_of("slew").slew_rate, 100);
	KUNIT_EXPECT_EQ(test, i8254_policy_mask(), 15);
	KUNIT_EXPECT_NULL(test, i8254_policy_by_id(4));
	KUNIT_EXPECT_NULL(test, i8254_policy_by_id(U64_MAX));
}

static u64 two(const struct i8254_ticks *t)
{
	return 2;
}

static u64 any_time(const struct i8254_ticks *t)
{
	return 0;
}

/* One ops table, and nothing else. */
static void test_a_fifth_policy_is_one_ops_table(struct kunit *test)
{
	static const struct i8254_policy fifth = {
		.id = 30, .name = "fifth", .needs_ack = true,
		.capacity = two, .slot = any_time,
	};
	struct lab *lab;

	KUNIT_ASSERT_EQ(test, i8254_policy_register(&fifth), 0);
	KUNIT_EXPECT_EQ(test, i8254_policy_register(&fifth), -EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, i8254_policy_by_id(30), &fifth);
	KUNIT_EXPECT_PTR_EQ(test, i8254_policy_by_name("fifth\n"), &fifth);
	KUNIT_EXPECT_EQ(test, i8254_policy_mask(), BIT(30) | 15);

	lab = lab_new(test, "fifth");
	lab_run_ms(lab, 25);
	lab_stall_ms(lab, 111);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 2);
	KUNIT_EXPECT_EQ(test, lab->t.lost, 2);
	lab_run_ms(lab, 50);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 0);
	expect_law(test, &lab->t);

	i8254_policy_unregister(&fifth);
	KUNIT_EXPECT_NULL(test, i8254_policy_by_name("fifth"));
	KUNIT_EXPECT_EQ(test, i8254_policy_mask(), 15);
}

static void test_incomplete_policies_are_refused(struct kunit *test)
{
	static const struct i8254_policy bad[] = {
		{ .id = 30, .capacity = two, .slot = any_time },
		{ .id = 30, .name = "", .capacity = two, .slot = any_time },
		{ .id = 30, .name = "bad", .slot = any_time },
		{ .id = 30, .name = "bad", .capacity = two },
		{ .id = I8254_POLICIES_MAX, .name = "bad", .capacity = two,
		  .slot = any_time },
		{ .id = 30, .name = "bad", .capacity = two, .slot = any_time,
		  .slew_rate = I8254_SLEW_RATE_MAX + 1 },
		{ .id = 30, .name = "sixteen letters.", .capacity = two,
		  .slot = any_time },
	};
	static const struct i8254_policy taken[] = {
		{ .id = KVM_PIT_TICK_MERGE, .name = "other", .capacity = two,
		  .slot = any_time },
		{ .id = 30, .name = "merge", .capacity = two, .slot = any_time },
	};

	for (int i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ(test, i8254_policy_register(&bad[i]), -EINVAL);
	for (int i = 0; i < ARRAY_SIZE(taken); i++)
		KUNIT_EXPECT_EQ(test, i8254_policy_register(&taken[i]), -EEXIST);
	KUNIT_EXPECT_EQ(test, i8254_policy_mask(), 15);
}

/* The asking and the pulse are not one: something may happen between. */
static void random_race(struct lab *lab, struct rnd_state *rnd)
{
	enum i8254_raise raise = lab_take(lab);

	if (!raise)
		return;
	switch (prandom_u32_state(rnd) % 6) {
	case 0 ... 1:
		lab->mute = prandom_u32_state(rnd) & 1;
		lab->masked = !lab->masked;
		if (!lab->mute)
			i8254_ticks_masked(&lab->t, lab->masked,
					   &(struct i8254_line) { .open = !lab->masked },
					   lab->now);
		break;
	case 2:
		i8254_ticks_due(&lab->t, 1, lab->now, lab->now);
		break;
	case 3:
		i8254_ticks_acked(&lab->t);
		break;
	case 4:
		/* Whatever the answer: as if the irqchip had then been replaced. */
		i8254_ticks_raised(&lab->t, prandom_u32_state(rnd) % 3, lab->now);
		lab_recount(lab);
		return;
	}
	lab_raise(lab);
}

static void random_rarity(struct lab *lab, struct rnd_state *rnd)
{
	u64 hours = 3600ULL * 1193182 * random_in(rnd, 1, 48);
	struct kvm_pit_tick_state s = {};

	switch (random_in(rnd, 0, 15)) {
	case 0 ... 1:
		i8254_ticks_restart(&lab->t, PERIOD);
		lab_recount(lab);
		break;
	case 2:
		lab->now += hours;
		i8254_ticks_due(&lab->t, hours / PERIOD, lab->now, lab->now);
		break;
	case 3 ... 4:
		lab->chip = lab->chip == PIC ? IOAPIC : PIC;
		lab_recount(lab);
		break;
	case 5 ... 6:
		i8254_ticks_save(&lab->t, lab->now, &s);
		i8254_ticks_load(&lab->t, PERIOD, lab->now, lab->now, &s);
		break;
	default:
		lab_drop(lab);
	}
}

/* Anything at any time, in any order: no tick is unaccounted for. */
static void random_event(struct lab *lab, struct rnd_state *rnd)
{
	struct i8254_tick_config config;
	u64 due;

	lab->now += prandom_u32_state(rnd) % (PERIOD / 4);
	switch (prandom_u32_state(rnd) % 16) {
	case 0 ... 4:
		due = prandom_u32_state(rnd) % 4;
		if (prandom_u32_state(rnd) & 1)
			i8254_ticks_stalled(&lab->t, due, lab->now);
		i8254_ticks_due(&lab->t, due, lab->now, lab->now);
		break;
	case 5 ... 6:
		lab->mute = prandom_u32_state(rnd) % 4 == 0;
		lab_mask(lab, prandom_u32_state(rnd) % 4 == 0);
		break;
	case 7 ... 8:
		if (lab->irr && !lab->masked && !lab->isr)
			lab_accept(lab);
		break;
	case 9 ... 11:
		lab->acks = prandom_u32_state(rnd) % 3;
		lab_eoi(lab);
		break;
	case 12:
		lab_deliver(lab);
		break;
	case 13:
		random_race(lab, rnd);
		break;
	case 14:
		random_rarity(lab, rnd);
		break;
	case 15:
		config = config_of(all[prandom_u32_state(rnd) % 4]);
		if (config.policy->has_limit)
			config.backlog_limit = prandom_u32_state(rnd) % 8;
		i8254_ticks_configure(&lab->t, &config, lab->now);
		break;
	}
}

static void random_events(struct kunit *test, unsigned int n)
{
	struct lab *lab = lab_new(test, "delay");
	struct rnd_state rnd;

	kunit_info(test, "seed %llu, %u events\n", policy_seed, n);
	prandom_seed_state(&rnd, policy_seed);
	for (unsigned int i = 0; i < n; i++) {
		random_event(lab, &rnd);
		/* The grid is not the lab's own, and a tick may have to wait. */
		lab->broken = NULL;
		expect_truth(test, lab);
	}
	KUNIT_EXPECT_GT(test, lab->t.delivered, n / 100);
	KUNIT_EXPECT_GT(test, lab->t.replayed, n / 100);
	KUNIT_EXPECT_GT(test, lab->t.lost, n / 100);
}

static void test_no_tick_is_unaccounted_for(struct kunit *test)
{
	random_events(test, 200000);
}

static void test_no_tick_is_unaccounted_for_in_millions(struct kunit *test)
{
	random_events(test, 5000000);
}

static struct kunit_case i8254_policy_cases[] = {
	KUNIT_CASE(test_timelines_of_every_policy_chip_and_handler),
	KUNIT_CASE(test_every_tick_is_replayed),
	KUNIT_CASE(test_two_acks_a_tick_lose_nothing),
	KUNIT_CASE(test_grid_is_kept_after_a_stall),
	KUNIT_CASE(test_timer_turned_off_gives_one_tick_at_most),
	KUNIT_CASE(test_mask_that_lasts_means_off),
	KUNIT_CASE(test_mask_gets_no_older_in_a_stall),
	KUNIT_CASE(test_slew_has_so_many_places_in_a_period),
	KUNIT_CASE(test_slew_catches_up_in_time),
	KUNIT_CASE(test_slew_leaves_out_what_is_over),
	KUNIT_CASE(test_slew_below_the_timer_floor_is_delay),
	KUNIT_CASE(test_slew_of_one_shots_is_delay),
	KUNIT_CASE(test_slew_goes_on_from_any_credit),
	KUNIT_CASE(test_switching_keeps_what_the_new_policy_can_hold),
	KUNIT_CASE(test_switching_to_slew_begins_at_the_next_place),
	KUNIT_CASE(test_a_held_tick_follows_the_guest_to_another_chip),
	KUNIT_CASE(test_a_mask_before_the_pulse_neither_loses_nor_doubles),
	KUNIT_CASE(test_a_tick_that_would_merge_is_owed_or_lost),
	KUNIT_CASE(test_a_tick_that_met_another_is_owed_or_lost),
	KUNIT_CASE(test_raises_come_to_an_end_whatever_the_answer),
	KUNIT_CASE(test_limit_bounds_the_backlog),
	KUNIT_CASE(test_bounds_hold_in_random_lives),
	KUNIT_CASE_SLOW(test_bounds_hold_in_millions_of_events),
	KUNIT_CASE(test_saved_ticks_go_on_as_they_would_have),
	KUNIT_CASE(test_troubles_heal_by_the_next_due_tick),
	KUNIT_CASE(test_ticks_go_on_without_eois),
	KUNIT_CASE(test_ticks_and_chips_are_restored_in_any_order),
	KUNIT_CASE(test_a_place_that_had_its_tick_has_no_other),
	KUNIT_CASE(test_a_wanted_tick_is_kept),
	KUNIT_CASE(test_loading_ticks_loses_those_that_were_owed),
	KUNIT_CASE(test_reprogramming_drops_what_was_owed),
	KUNIT_CASE(test_batched_ticks_are_all_delivered),
	KUNIT_CASE(test_hours_of_missed_ticks_are_one_step),
	KUNIT_CASE(test_bad_configurations_are_refused),
	KUNIT_CASE(test_a_fifth_policy_is_one_ops_table),
	KUNIT_CASE(test_incomplete_policies_are_refused),
	KUNIT_CASE(test_no_tick_is_unaccounted_for),
	KUNIT_CASE_SLOW(test_no_tick_is_unaccounted_for_in_millions),
	{}
};

static struct kunit_suite i8254_policy_suite = {
	.name = "i8254_policy",
	.test_cases = i8254_policy_cases,
};

kunit_test_suite(i8254_policy_suite);
