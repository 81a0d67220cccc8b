// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the kept state: what is saved is loaded, and saved again, as it was;
 * and what no guest can have made is refused.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <linux/minmax.h>
#include <linux/prandom.h>
#include <linux/string.h>

#include <linux/kvm_i8254.h>

#include "i8254.h"
#include "i8254_policy.h"
#include "kvm_pit_state.h"

/* The time of day at which the tests start: none is special. */
#define START		1000000

#define CLOCK_NS	123

/* Any seed will do: chip and ticks have random programs of their own. */
#define SEED		8254

/**
 * struct pit - a chip and its ticks
 * @chip: the chip
 * @ticks: its ticks
 */
struct pit {
	struct i8254 chip;
	struct i8254_ticks ticks;
};

static struct kvm_pit_tick_state *ticks_of(struct kvm_pit_state2 *state)
{
	return (struct kvm_pit_tick_state *)state->reserved;
}

static struct i8254_tick_config config_of(u32 policy, u32 slew_rate, u64 limit)
{
	struct i8254_tick_config config = {
		.policy = i8254_policy_by_id(policy),
		.slew_rate = slew_rate,
		.backlog_limit = limit,
	};

	i8254_tick_config_check(&config);
	return config;
}

static struct pit pit_new(struct i8254_tick_config config)
{
	struct pit pit;

	i8254_reset(&pit.chip, START);
	i8254_ticks_init(&pit.ticks, &config, 0);
	/* Counter 0: mode 2, 20 ms */
	i8254_write(&pit.chip, 3, 0x34);
	i8254_write(&pit.chip, 0, 0x38);
	i8254_write(&pit.chip, 0, 0x5d);
	i8254_ticks_restart(&pit.ticks, i8254_period(&pit.chip, 0));
	return pit;
}

static struct kvm_pit_state2 pit_save(const struct pit *pit)
{
	struct kvm_pit_state2 state = {};

	for (int n = 0; n < I8254_COUNTERS; n++)
		kvm_pit_save_channel(&pit->chip.counter[n], &state.channels[n]);
	kvm_pit_save_ticks(&pit->chip, &pit->ticks, CLOCK_NS, &state);
	return state;
}

/* As KVM_SET_PIT2 does it, at another time of another VM's. */
static void expect_kept(struct kunit *test, struct pit *pit)
{
	struct pit other = pit_new(config_of(KVM_PIT_TICK_DELAY, 0, 0));
	struct kvm_pit_state2 state = pit_save(pit), again;
	struct i8254_tick_config config;

	KUNIT_ASSERT_TRUE(test, kvm_pit_has_ticks(&state));
	KUNIT_ASSERT_EQ(test, kvm_pit_check_ticks(&state, &config), 0);
	KUNIT_EXPECT_PTR_EQ(test, config.policy, pit->ticks.config.policy);
	KUNIT_EXPECT_EQ(test, config.slew_rate, pit->ticks.config.slew_rate);
	KUNIT_EXPECT_EQ(test, config.backlog_limit, pit->ticks.config.backlog_limit);

	i8254_advance(&other.chip, 10ULL * U32_MAX);
	i8254_ticks_configure(&other.ticks, &config, other.chip.now);
	KUNIT_ASSERT_EQ(test, kvm_pit_load_ticks(&other.chip, &other.ticks, &state), CLOCK_NS);
	again = pit_save(&other);
	KUNIT_ASSERT_MEMEQ(test, &state, &again, sizeof(state));
}

/* The grid goes on where it was. */
static void expect_same_grid(struct kunit *test, const struct pit *pit)
{
	struct kvm_pit_state2 state = pit_save(pit);
	struct pit other = pit_new(pit->ticks.config);
	u64 next = i8254_next_rise(&pit->chip, 0);
	u64 period = i8254_period(&pit->chip, 0);

	i8254_advance(&other.chip, pit->chip.now);
	kvm_pit_load_ticks(&other.chip, &other.ticks, &state);
	KUNIT_ASSERT_EQ(test, i8254_next_rise(&other.chip, 0), next);
	KUNIT_ASSERT_EQ(test, other.ticks.period, period);
	/* The first tick comes one clock later after the count: no edge is to come. */
	if (period && next != I8254_NEVER)
		KUNIT_ASSERT_EQ(test, other.ticks.edge, min(next - period, pit->chip.now));
}

static void random_access(struct pit *pit, u32 r)
{
	unsigned int done;

	if (r & 1) {
		i8254_read(&pit->chip, r >> 8 & 3);
		return;
	}
	done = i8254_write(&pit->chip, r >> 8 & 3, r >> 16);
	if (done & I8254_REPROGRAMMED)
		i8254_ticks_restart(&pit->ticks, i8254_period(&pit->chip, 0));
}

static void random_ticks(struct pit *pit, u32 r)
{
	struct i8254_line line = {
		.open = r >> 8 & 1,
		.pending = r >> 8 & r >> 9 & 1,
		.in_service = r >> 10 & 1,
		.latch = r >> 11 & 1,
		.latched = ~r >> 8 & r >> 11 & r >> 12 & 1,
	};
	struct i8254_ticks *t = &pit->ticks;
	u64 now = pit->chip.now;

	switch (r >> 16 & 3) {
	case 0:
		i8254_ticks_masked(t, !line.open, &line, now);
		break;
	case 1:
		i8254_ticks_acked(t);
		break;
	default:
		if (i8254_ticks_take(t, &line, now))
			i8254_ticks_raised(t, (r >> 18) % 3, now);
	}
}

static void test_what_a_guest_makes_is_kept(struct kunit *test)
{
	static const u32 rates[] = { 0, 0, 0, 0, 1, 50, 100, 150, 333, 900 };
	struct rnd_state rnd;

	prandom_seed_state(&rnd, SEED);
	for (int i = 0; i < 1000; i++) {
		u32 rate = rates[i % ARRAY_SIZE(rates)];
		u32 policy = rate ? KVM_PIT_TICK_SLEW : i % 4;
		u64 limit = policy == KVM_PIT_TICK_DELAY || rate ? i % 3 * 5 : 0;
		struct pit pit = pit_new(config_of(policy, rate, limit));

		for (int n = 0; n < 50; n++) {
			u32 r = prandom_u32_state(&rnd);
			u64 due = i8254_advance(&pit.chip, pit.chip.now + (r >> 4) % 70000);

			i8254_ticks_due(&pit.ticks, due, kvm_pit_edge(&pit.chip), pit.chip.now);
			r = prandom_u32_state(&rnd);
			if (r % 8 == 0)
				random_access(&pit, r >> 3);
			else
				random_ticks(&pit, r >> 3);
			expect_kept(test, &pit);
			expect_same_grid(test, &pit);
		}
	}
}

/* What is left over from a period, and what the next one adds: 99 and the rate at most. */
static void test_credit_is_bounded_by_the_rate(struct kunit *test)
{
	static const u32 rates[] = { 0, 1, 50, 99, 100, 101, 250, 899, 900 };

	for (int i = 0; i < ARRAY_SIZE(rates); i++) {
		u32 policy = rates[i] ? KVM_PIT_TICK_SLEW : KVM_PIT_TICK_DELAY;
		struct pit pit = pit_new(config_of(policy, rates[i], 0));
		struct kvm_pit_state2 state = pit_save(&pit);
		u32 most = rates[i] ? rates[i] + 99 : 0;
		struct i8254_tick_config config;

		for (u32 credit = 0; credit <= U16_MAX; credit++) {
			ticks_of(&state)->credit = credit;
			KUNIT_ASSERT_EQ_MSG(test, kvm_pit_check_ticks(&state, &config),
					    credit <= most ? 0 : -EINVAL,
					    "rate %u, credit %u", rates[i], credit);
		}
	}
}

static void test_what_no_guest_makes_is_refused(struct kunit *test)
{
	static const struct {
		const char *what;
		struct kvm_pit_tick_state s;
		int ret;
	} cases[] = {
		{ "nothing", { }, 0 },
		{ "an owed tick", { .backlog = 1 }, 0 },
		{ "a held tick", { .backlog = 1, .ticks = KVM_PIT_TICKS_HELD }, 0 },
		{ "a mask", { .ticks = KVM_PIT_TICKS_MASKED, .masked_clocks = 1,
			      .masked_owed = 1 }, 0 },
		{ "a policy that is none", { .policy = 4 }, -EINVAL },
		{ "delay's rate", { .slew_rate = 1 }, -EINVAL },
		{ "slew's without", { .policy = KVM_PIT_TICK_SLEW }, -EINVAL },
		{ "slew's above", { .policy = KVM_PIT_TICK_SLEW, .slew_rate = 901 }, -EINVAL },
		{ "over the limit", { .backlog = 3, .backlog_limit = 2 }, -EINVAL },
		{ "discard owes", { .policy = KVM_PIT_TICK_DISCARD, .backlog = 1 }, -EINVAL },
		{ "merge owes two", { .policy = KVM_PIT_TICK_MERGE, .backlog = 2 }, -EINVAL },
		{ "merge's limit", { .policy = KVM_PIT_TICK_MERGE, .backlog_limit = 1 }, -EINVAL },
		{ "held of none", { .ticks = KVM_PIT_TICKS_HELD }, -EINVAL },
		{ "off with no mask", { .ticks = KVM_PIT_TICKS_OFF }, -EINVAL },
		{ "age of no mask", { .masked_clocks = 1 }, -EINVAL },
		{ "owed under no mask", { .masked_owed = 1 }, -EINVAL },
		{ "a clock too long", { .clock_ns = 839 }, -EINVAL },
		{ "an unknown flag", { .ticks = 1 << 4 }, -EINVAL },
		{ "padding", { .pad = 1 }, -EINVAL },
		{ "an older version", { .version = 1 }, -EINVAL },
		{ "a newer version", { .version = 3 }, -EINVAL },
	};
	struct pit pit = pit_new(config_of(KVM_PIT_TICK_DELAY, 0, 0));
	struct kvm_pit_state2 sane = pit_save(&pit);
	const struct kvm_pit_tick_state *its = ticks_of(&sane);

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kvm_pit_state2 state = sane;
		struct kvm_pit_tick_state *s = ticks_of(&state);
		struct i8254_tick_config config;

		*s = cases[i].s;
		s->version = s->version ?: its->version;
		memcpy(s->count, its->count, sizeof(s->count));
		memcpy(s->counter, its->counter, sizeof(s->counter));
		KUNIT_EXPECT_EQ_MSG(test, kvm_pit_check_ticks(&state, &config), cases[i].ret,
				    "%s", cases[i].what);
	}
}

static struct kunit_case kvm_pit_state_cases[] = {
	KUNIT_CASE(test_what_a_guest_makes_is_kept),
	KUNIT_CASE(test_credit_is_bounded_by_the_rate),
	KUNIT_CASE(test_what_no_guest_makes_is_refused),
	{}
};

static struct kunit_suite kvm_pit_state_suite = {
	.name = "kvm_pit_state",
	.test_cases = kvm_pit_state_cases,
};

kunit_test_suite(kvm_pit_state_suite);
