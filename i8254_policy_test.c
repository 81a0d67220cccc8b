// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the lost-tick policies, against a small model of an irqchip
 * and of a guest that cannot always accept ticks.
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
 * @PIC: an 8259, whose latch a mask does not touch
 * @IOAPIC: an IOAPIC, which drops what it is given while masked
 */
enum chip { PIC, IOAPIC };

/**
 * enum handler - what the guest's interrupt handler does
 * @PLAIN: acknowledges
 * @MASK_ACK: masks, acknowledges, unmasks
 * @HELD_MASKED: the same, but is held up before it unmasks
 */
enum handler { PLAIN, MASK_ACK, HELD_MASKED };

/**
 * struct lab - a guest, its irqchip, and its ticks
 * @t: the ticks
 * @chip: which irqchip
 * @handler: which handler
 * @masked: IRQ0 is masked
 * @irr: a tick is latched
 * @isr: a tick is in service
 * @busy: the guest is held up until that clock
 * @stalls: it is then kept from running; else it does something else
 * @period: of the ticks, in clocks
 * @late: how late the host's timer can be, in clocks
 * @load: clock that the ticks count from
 * @seen: ticks that came due so far
 * @due_at: when the last of them did
 * @owed_before: the backlog that it found
 * @now: the clock
 * @raises: ticks that the irqchip took
 * @last_raise: when it took the last of them
 * @closest: the least time between two of them
 * @owed_raises: how often a tick from the backlog was raised
 * @broken: the first rule that a raise broke, or NULL
 * @accepted: how many ticks the guest took
 * @at: when it did, in clocks after @load, for the last of them
 */
struct lab {
	struct i8254_ticks t;
	enum chip chip;
	enum handler handler;
	bool masked;
	bool irr;
	bool isr;
	u64 busy;
	bool stalls;
	u64 period;
	u64 late;
	u64 load;
	u64 seen;
	u64 due_at;
	u64 owed_before;
	u64 now;
	unsigned int raises;
	u64 last_raise;
	u64 closest;
	unsigned int owed_raises;
	const char *broken;
	unsigned int accepted;
	u64 at[2048];
};

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
	lab->period = PERIOD;
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
	KUNIT_ASSERT_EQ(test, t->due, t->delivered + t->replayed + t->lost +
				      t->backlog + in_flight(t));
	KUNIT_ASSERT_LE(test, (u64)t->held, t->backlog);
	KUNIT_ASSERT_LE(test, t->backlog,
			max_t(u64, t->config.policy->capacity(t), t->held));
}

/* The answer of kvm_set_irq(). */
static int lab_pulse(struct lab *lab, enum i8254_raise raise)
{
	bool had = lab->irr;

	if (lab->chip == PIC) {
		if (raise == I8254_RAISE_AGAIN)
			return -1;
		lab->irr = true;
		return lab->masked ? -1 : !had;
	}

	/* A LAPIC does not tell a latched tick from a coalesced one. */
	if (lab->masked)
		return -1;
	lab->irr = true;
	return 1;
}

static void lab_note_raise(struct lab *lab, enum i8254_raise raise, int result)
{
	if (raise == I8254_RAISE_OWED)
		lab->owed_raises++;
	if (raise == I8254_RAISE_DUE && lab->now != lab->due_at)
		lab->broken = "a due tick is raised when it comes due";
	if (raise != I8254_RAISE_AGAIN && lab->t.was_unaccepted &&
	    !lab->t.config.policy->latch)
		lab->broken = "no tick is raised before the last is accepted";
	if (raise == I8254_RAISE_DUE && lab->owed_before &&
	    !lab->t.config.policy->latch)
		lab->broken = "a due tick is raised after those that are owed";

	if (result <= 0)
		return;
	if (lab->raises++)
		lab->closest = min(lab->closest, lab->now - lab->last_raise);
	lab->last_raise = lab->now;
}

static void lab_deliver(struct lab *lab)
{
	enum i8254_raise raise;
	int result;

	while ((raise = i8254_ticks_take(&lab->t, lab->now))) {
		result = lab_pulse(lab, raise);
		lab_note_raise(lab, raise, result);
		i8254_ticks_raised(&lab->t, result, lab->now);
	}
}

static void lab_mask(struct lab *lab, bool masked)
{
	lab->masked = masked;
	i8254_ticks_masked(&lab->t, masked, lab->now);
	lab_deliver(lab);
}

static void lab_eoi(struct lab *lab)
{
	bool owes = lab->t.unaccepted && lab->t.backlog && !lab->t.held;
	unsigned int owed_raises = lab->owed_raises;

	lab->isr = false;
	i8254_ticks_acked(&lab->t, lab->now);
	lab_deliver(lab);

	if (owes && lab->owed_raises == owed_raises &&
	    lab->t.config.policy->id == KVM_PIT_TICK_DELAY)
		lab->broken = "delay raises the next owed tick on acceptance";
}

/* It accepts the first tick whatever there is. */
static bool lab_held_up(const struct lab *lab)
{
	return lab->accepted && lab->now < lab->busy;
}

static void lab_handle(struct lab *lab)
{
	lab->irr = false;
	lab->isr = true;
	lab->at[lab->accepted++ % ARRAY_SIZE(lab->at)] = lab->now - lab->load;
	if (lab->handler != PLAIN)
		lab_mask(lab, true);
	lab_eoi(lab);
	if (lab->handler == MASK_ACK)
		lab_mask(lab, false);
}

static void lab_guest(struct lab *lab)
{
	while (!lab_held_up(lab)) {
		if (lab->handler == HELD_MASKED && lab->masked)
			lab_mask(lab, false);
		if (!lab->irr || lab->masked)
			break;
		lab_handle(lab);
	}
}

static void lab_run_to(struct lab *lab, u64 now)
{
	u64 due;

	lab->now = now;
	due = (lab->now - lab->load) / lab->period - lab->seen;
	lab->seen += due;
	if (due) {
		lab->due_at = lab->now;
		lab->owed_before = lab->t.backlog;
	}
	if (lab->stalls && lab_held_up(lab))
		i8254_ticks_stalled(&lab->t, due, lab->now);
	i8254_ticks_due(&lab->t, due, lab->now);
	lab_deliver(lab);
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

/* Held up from now on, for so long. */
static void lab_stall_ms(struct lab *lab, unsigned int ms)
{
	lab->busy = lab->now + ms * 1193;
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
	unsigned int ms[20];
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
	{ "slew", 42, 6, { 0, 42, 52, 62, 80, 100 } },
	{ "discard", 205, 4, { 0, 205, 220, 240 } },
	{ "delay", 205, 13, { 0, 205, 205, 205, 205, 205, 205, 205, 205, 205,
			      205, 220, 240 } },
	{ "merge", 205, 4, { 0, 205, 220, 240 } },
	{ "slew", 205, 20, { 0, 205, 215, 225, 235, 245, 255, 265, 275, 285,
			     295, 305, 315, 325, 335, 345, 355, 365, 375, 385 } },
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
	/* A LAPIC does not tell what it coalesces. */
	if (chip == PIC)
		KUNIT_EXPECT_EQ(test, lab->t.delivered + lab->t.replayed,
				lab->accepted);
	expect_law(test, &lab->t);
}

static void test_timelines_of_every_policy_chip_and_handler(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(timelines); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++)
			for (int handler = PLAIN; handler <= HELD_MASKED; handler++)
				expect_timeline(test, &timelines[i], chip, handler);
}

static const char * const all[] = { "delay", "discard", "slew", "merge" };
static const char * const replaying[] = { "delay", "slew" };

/* After a stall, the guest has as many ticks as came due. */
static void test_every_tick_is_replayed(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(replaying); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++)
			for (int handler = PLAIN; handler <= HELD_MASKED; handler++) {
				struct lab *lab = lab_new(test, replaying[i]);

				lab->chip = chip;
				lab->handler = handler;
				lab_run_ms(lab, 25);
				for (int stall = 0; stall < 4; stall++) {
					lab_stall_ms(lab, 500 + 3 * stall);
					lab_run_ms(lab, 700);
				}
				KUNIT_EXPECT_EQ(test, lab->accepted, lab->t.due);
				KUNIT_EXPECT_EQ(test, lab->t.lost, 0);
				KUNIT_EXPECT_EQ(test, lab->t.backlog, 0);
				expect_law(test, &lab->t);
			}
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

/* Off for 10 s, between two ticks: one tick waits, and no flood follows. */
static void test_timer_turned_off_gives_one_tick_at_most(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++) {
			struct lab *lab = lab_new(test, all[i]);
			unsigned int before;

			lab->chip = chip;
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
			expect_law(test, &lab->t);
		}
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
			expect_law(test, &lab->t);
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
			expect_law(test, &lab->t);
		}
}

/* What comes due while the guest has its timer off needs no look at it. */
static void test_a_timer_that_is_off_is_known_to_be(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++) {
		struct lab *lab = lab_new(test, all[i]);

		lab_run_ms(lab, 25);
		lab_mask(lab, true);
		KUNIT_EXPECT_FALSE(test, i8254_ticks_off(&lab->t));
		lab_run_ms(lab, 25);
		KUNIT_EXPECT_TRUE(test, i8254_ticks_off(&lab->t));
		lab_run_ms(lab, 500);
		KUNIT_EXPECT_TRUE(test, i8254_ticks_off(&lab->t));
		lab_mask(lab, false);
		KUNIT_EXPECT_FALSE(test, i8254_ticks_off(&lab->t));
	}
}

static void test_slew_keeps_its_distance_and_catches_up_in_time(struct kunit *test)
{
	static const u32 rates[] = { 1, 7, 50, 100, 300, 900 };

	for (int i = 0; i < ARRAY_SIZE(rates); i++) {
		struct i8254_tick_config config = config_of("slew");
		struct lab *lab = lab_new(test, "slew");
		u64 owed, spacing = PERIOD * 100 / (100 + rates[i]);
		u64 bound;

		config.slew_rate = rates[i];
		i8254_ticks_configure(&lab->t, &config);
		lab_run_ms(lab, 25);
		lab_stall_ms(lab, 111);
		owed = lab->t.backlog;
		KUNIT_EXPECT_EQ(test, owed, 4);

		bound = lab->busy + owed * PERIOD * 100 / rates[i] + PERIOD;
		while (lab->t.backlog && lab->now < bound + PERIOD)
			lab_run_to(lab, lab_next(lab));
		KUNIT_EXPECT_LE(test, lab->now, bound);
		/* A raise is at a whole clock. */
		KUNIT_EXPECT_GE(test, lab->closest + 1, spacing);
		expect_law(test, &lab->t);
	}
}

/* Where no timer can keep the distance, each acceptance brings the next. */
static void test_slew_below_the_timer_floor_follows_acceptance(struct kunit *test)
{
	struct lab *lab = lab_new(test, "slew");

	lab->t.min_spacing = PERIOD;
	lab_run_ms(lab, 25);
	lab_stall_ms(lab, 111);
	lab_run_ms(lab, 1);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 0);
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
		u64 due;

		lab_run_ms(lab, 25);
		lab_stall_ms(lab, 111);
		KUNIT_ASSERT_EQ(test, lab->t.backlog, 4);
		i8254_ticks_configure(&lab->t, &config);
		KUNIT_EXPECT_EQ(test, lab->t.backlog, cases[i].kept);
		KUNIT_EXPECT_EQ(test, lab->t.lost, 4 - cases[i].kept);
		expect_law(test, &lab->t);

		/* One more than is owed: the one in the irqchip's latch. */
		due = lab->t.due;
		lab->accepted = 1;
		lab_run_ms(lab, 300);
		KUNIT_EXPECT_EQ(test, lab->accepted - 1,
				cases[i].kept + 1 + lab->t.due - due);
		expect_law(test, &lab->t);
	}
}

/* An owed tick that found IRQ0 masked, and gets there on unmask, is a replay. */
static void test_a_held_replay_is_counted_as_one(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++)
		for (int chip = PIC; chip <= IOAPIC; chip++) {
			struct i8254_tick_config config = config_of(all[i]);
			struct i8254_tick_config delay = config_of("delay");
			struct i8254_ticks t;

			i8254_ticks_init(&t, &delay, 0);
			i8254_ticks_restart(&t, PERIOD);
			i8254_ticks_due(&t, 2, PERIOD);
			KUNIT_ASSERT_EQ(test, i8254_ticks_take(&t, PERIOD), I8254_RAISE_DUE);
			i8254_ticks_raised(&t, 1, PERIOD);
			i8254_ticks_masked(&t, true, PERIOD);
			i8254_ticks_acked(&t, PERIOD);
			KUNIT_ASSERT_EQ(test, i8254_ticks_take(&t, PERIOD), I8254_RAISE_OWED);
			i8254_ticks_raised(&t, -1, PERIOD);

			i8254_ticks_configure(&t, &config);
			i8254_ticks_masked(&t, false, PERIOD);
			KUNIT_ASSERT_EQ(test, i8254_ticks_take(&t, PERIOD), I8254_RAISE_AGAIN);
			i8254_ticks_raised(&t, chip == PIC ? -1 : 1, PERIOD);
			if (t.held)
				i8254_ticks_acked(&t, PERIOD);
			KUNIT_EXPECT_EQ(test, t.delivered, 1);
			KUNIT_EXPECT_EQ(test, t.replayed, 1);
			KUNIT_EXPECT_EQ(test, t.lost, 0);
			expect_law(test, &t);
		}
}

static void test_limit_bounds_the_backlog(struct kunit *test)
{
	struct i8254_tick_config config = config_of("delay");
	struct lab *lab = lab_new(test, "delay");

	config.backlog_limit = 3;
	i8254_ticks_configure(&lab->t, &config);
	lab_run_ms(lab, 25);
	lab_stall_ms(lab, 500);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 3);
	KUNIT_EXPECT_GT(test, lab->t.lost, 0);
	KUNIT_EXPECT_TRUE(test, lab->t.limit_hit);
	expect_law(test, &lab->t);
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
	i8254_ticks_load(&other->t, lab->period, lab->now, &s);
	i8254_ticks_save(&other->t, lab->now, &again);
	KUNIT_ASSERT_MEMEQ(test, &s, &again, sizeof(s));
	expect_law(test, &other->t);
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
	lab->handler = random_in(rnd, PLAIN, HELD_MASKED);
	lab->stalls = random_in(rnd, 0, 1);
	lab->late = random_in(rnd, 0, 1) * lab->period / 50;
	lab->load = lab->now;
	lab->seen = 0;
	lab->busy = 0;
	lab->masked = false;
	lab->irr = false;
	lab->raises = 0;
	lab->closest = U64_MAX;
	lab->owed_raises = 0;
	lab->broken = NULL;
	i8254_ticks_init(&lab->t, &config, 0);
	i8254_ticks_restart(&lab->t, lab->period);
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
	expect_law(test, &lab->t);
	return lab->owed_raises - owed_raises;
}

/* The time in which slew replays @owed ticks, in clocks. */
static u64 slew_bound(const struct lab *lab, u64 owed)
{
	return owed * lab->period * 100 / lab->t.config.slew_rate + lab->period;
}

/* The least time between two ticks of slew, in clocks. */
static u64 slew_spacing(const struct lab *lab)
{
	return lab->period * 100 / (100 + lab->t.config.slew_rate);
}

static void expect_slew_bounds(struct kunit *test, struct lab *lab, u64 bound)
{
	KUNIT_ASSERT_LE(test, lab->now, bound + lab->late);
	/* A raise is at a whole clock. */
	if (lab->raises > 1)
		KUNIT_ASSERT_GE(test, lab->closest + lab->late + 1, slew_spacing(lab));
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
	u64 owed, bound;

	if (lab->t.config.backlog_limit && random_in(rnd, 0, 3) == 0) {
		/* To the host, hours are one step. */
		lab_run_to(lab, lab->now + hours);
		expect_law(test, &lab->t);
	} else {
		lab->busy = lab->now + random_in(rnd, 1, 40 * lab->period);
		while (lab->now < lab->busy)
			*events += 1 + lab_live(test, lab, rnd);
	}

	if (policy->has_limit && !lab->t.config.backlog_limit && lab->stalls)
		KUNIT_ASSERT_EQ(test, lab->t.lost, 0);

	owed = lab->t.backlog;
	bound = policy->slew_rate ? lab->now + slew_bound(lab, owed) :
				    lab->now + lab->late;
	while (lab->t.backlog) {
		unsigned int raises = lab_live(test, lab, rnd);

		*events += 1 + raises;
		if (policy->slew_rate)
			KUNIT_ASSERT_LE(test, raises, 1);
		KUNIT_ASSERT_LE(test, lab->now, bound + lab->period);
	}
	if (policy->slew_rate)
		expect_slew_bounds(test, lab, bound);
	KUNIT_ASSERT_PTR_EQ_MSG(test, lab->broken, (const char *)NULL, "%s", lab->broken);
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
 * time for which the guest or the host is held up: slew keeps its distance and
 * catches up in time, the others have nothing left once the guest accepts, and
 * no raise breaks a rule of lab_note_raise() and lab_eoi().
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
		lab->busy = lab->now + random_in(&rnd, 0, 20 * lab->period);
		lab_run_to(lab, lab->now + random_in(&rnd, 0, 30 * lab->period));
		other = lab_saved_and_loaded(test, lab);

		/* Random times, the same for both. */
		for (int n = 0; n < 100; n++) {
			lab_run_to(lab, min(lab_next(lab), lab->now + lab->period / 3));
			lab_run_to(other, lab->now);
			KUNIT_ASSERT_EQ(test, lab->accepted, other->accepted);
			KUNIT_ASSERT_EQ(test, lab->t.backlog, other->t.backlog);
			KUNIT_ASSERT_EQ(test, lab_next(lab), lab_next(other));
			expect_law(test, &other->t);
		}
		KUNIT_ASSERT_MEMEQ(test, lab->at, other->at, sizeof(lab->at));
		kunit_kfree(test, other);
	}
}

/*
 * The irqchip is set up anew, and forgets the tick that it has. A due tick gets
 * ticks going again, once IRQ0 is unmasked.
 */
static void test_a_lost_eoi_is_not_waited_for_for_ever(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(replaying); i++)
		for (int saved = 0; saved < 2; saved++) {
			struct lab *lab = lab_new(test, replaying[i]);

			lab->busy = U64_MAX;
			lab->accepted = 1;
			lab_run_ms(lab, 50);
			KUNIT_ASSERT_TRUE(test, lab->irr);
			lab->irr = false;
			lab_mask(lab, true);
			lab_run_ms(lab, 50);
			KUNIT_EXPECT_FALSE(test, lab->irr);
			lab_mask(lab, false);
			KUNIT_EXPECT_FALSE(test, lab->irr);

			if (saved)
				lab = lab_saved_and_loaded(test, lab);
			lab->busy = 0;
			lab->accepted = 0;
			lab_run_ms(lab, 150);
			/* the first one is gone, all others get there */
			KUNIT_EXPECT_EQ(test, lab->accepted, lab->seen - 1);
			KUNIT_EXPECT_EQ(test, lab->t.backlog, 0);
			KUNIT_EXPECT_EQ(test, lab->t.lost, 0);
			expect_law(test, &lab->t);
		}
}

static void test_loading_ticks_loses_those_that_were_owed(struct kunit *test)
{
	struct lab *lab = lab_new(test, "delay");
	struct kvm_pit_tick_state s = { .backlog = 7, .raised_clocks = 100 };

	lab_run_ms(lab, 25);
	lab_stall_ms(lab, 111);
	KUNIT_ASSERT_EQ(test, lab->t.backlog, 4);
	i8254_ticks_load(&lab->t, PERIOD, lab->now, &s);
	KUNIT_EXPECT_EQ(test, lab->t.backlog, 7);
	KUNIT_EXPECT_EQ(test, lab->t.lost, 4);
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
		i8254_ticks_due(&lab->t, 3, lab->now);
		lab_deliver(lab);
		lab->accepted = 1;
		lab_guest(lab);
	}
	KUNIT_EXPECT_EQ(test, lab->t.delivered + lab->t.replayed, 3000);
	expect_law(test, &lab->t);
}

/* Hours in one step cost one step. */
static void test_hours_of_missed_ticks_are_one_step(struct kunit *test)
{
	for (int i = 0; i < ARRAY_SIZE(all); i++) {
		struct lab *lab = lab_new(test, all[i]);

		lab->now += U64_MAX / 4;
		i8254_ticks_due(&lab->t, U64_MAX / 4 / PERIOD, lab->now);
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

static u64 none(const struct i8254_ticks *t, u64 n)
{
	return 0;
}

/* One ops table, and nothing else. */
static void test_a_fifth_policy_is_one_ops_table(struct kunit *test)
{
	static const struct i8254_policy fifth = {
		.id = 30, .name = "fifth", .needs_ack = true,
		.capacity = two, .offset = none,
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
		{ .id = 30, .capacity = two, .offset = none },
		{ .id = 30, .name = "", .capacity = two, .offset = none },
		{ .id = 30, .name = "bad", .offset = none },
		{ .id = 30, .name = "bad", .capacity = two },
		{ .id = I8254_POLICIES_MAX, .name = "bad", .capacity = two,
		  .offset = none },
		{ .id = 30, .name = "bad", .capacity = two, .offset = none,
		  .slew_rate = I8254_SLEW_RATE_MAX + 1 },
		{ .id = 30, .name = "sixteen letters.", .capacity = two,
		  .offset = none },
	};
	static const struct i8254_policy taken[] = {
		{ .id = KVM_PIT_TICK_MERGE, .name = "other", .capacity = two,
		  .offset = none },
		{ .id = 30, .name = "merge", .capacity = two, .offset = none },
	};

	for (int i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ(test, i8254_policy_register(&bad[i]), -EINVAL);
	for (int i = 0; i < ARRAY_SIZE(taken); i++)
		KUNIT_EXPECT_EQ(test, i8254_policy_register(&taken[i]), -EEXIST);
	KUNIT_EXPECT_EQ(test, i8254_policy_mask(), 15);
}

static void random_rarity(struct lab *lab, struct rnd_state *rnd)
{
	u64 hours = 3600ULL * 1193182 * random_in(rnd, 1, 48);

	switch (random_in(rnd, 0, 15)) {
	case 0 ... 1:
		i8254_ticks_restart(&lab->t, PERIOD);
		break;
	case 2:
		lab->now += hours;
		i8254_ticks_due(&lab->t, hours / PERIOD, lab->now);
		break;
	default:
		lab->irr = false;
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
		i8254_ticks_due(&lab->t, due, lab->now);
		break;
	case 5 ... 6:
		lab_mask(lab, prandom_u32_state(rnd) & 1);
		break;
	case 7 ... 9:
		lab_eoi(lab);
		break;
	case 10 ... 12:
		lab_deliver(lab);
		break;
	case 13:
		if (i8254_ticks_take(&lab->t, lab->now))
			i8254_ticks_raised(&lab->t,
					   (int)(prandom_u32_state(rnd) % 3) - 1,
					   lab->now);
		break;
	case 14:
		random_rarity(lab, rnd);
		break;
	case 15:
		config = config_of(all[prandom_u32_state(rnd) % 4]);
		if (config.policy->has_limit)
			config.backlog_limit = prandom_u32_state(rnd) % 8;
		i8254_ticks_configure(&lab->t, &config);
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
		if (i % 1000 == 0)
			lab->chip = prandom_u32_state(&rnd) & 1;
		random_event(lab, &rnd);
		expect_law(test, &lab->t);
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
	KUNIT_CASE(test_grid_is_kept_after_a_stall),
	KUNIT_CASE(test_timer_turned_off_gives_one_tick_at_most),
	KUNIT_CASE(test_mask_that_lasts_means_off),
	KUNIT_CASE(test_mask_gets_no_older_in_a_stall),
	KUNIT_CASE(test_a_timer_that_is_off_is_known_to_be),
	KUNIT_CASE(test_slew_keeps_its_distance_and_catches_up_in_time),
	KUNIT_CASE(test_slew_below_the_timer_floor_follows_acceptance),
	KUNIT_CASE(test_switching_keeps_what_the_new_policy_can_hold),
	KUNIT_CASE(test_a_held_replay_is_counted_as_one),
	KUNIT_CASE(test_limit_bounds_the_backlog),
	KUNIT_CASE(test_bounds_hold_in_random_lives),
	KUNIT_CASE_SLOW(test_bounds_hold_in_millions_of_events),
	KUNIT_CASE(test_saved_ticks_go_on_as_they_would_have),
	KUNIT_CASE(test_a_lost_eoi_is_not_waited_for_for_ever),
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
