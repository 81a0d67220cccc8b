// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rate of slew: how far apart owed ticks are, and how long a replay takes.
 *
 * At periods P of 55, 20, 10 and 1 ms, and at rates of 1 to 900 %, the guest is held
 * for B ticks and a quarter. Verified:
 *
 *  - no n ticks after that take less than n - 1 times P/(1 + m), to 0.2 ms, where m is
 *    rate/100, rounded up: the guest may be that much slower to take the first of them
 *    than the last;
 *  - after B * P * 100/rate + 2 P none is owed, and one tick was taken for each that
 *    came due;
 *  - every tick is taken at its time, to 0.6 ms, up to ten periods after the
 *    replay: the grid is not shifted.
 *
 * A rate of 0 is one of 100 %. Where ticks would be closer than the parameter
 * min_period_us they follow each acceptance, as under delay.
 *
 * At rest no tick is unaccounted for, and none was taken twice.
 */
#include <sys/prctl.h>

#include "pit.h"

#define DEFAULT_RATE	100
#define JITTER_NS	(200 * 1000L)

static const struct replay {
	const char *period;
	u16 count;
	u32 rate;
	int held;	/* ticks */
} replays[] = {
	{ "55 ms", 0, 7, 3 },
	{ "55 ms", 0, 100, 20 },
	{ "55 ms", 0, 900, 20 },
	{ "20 ms", 23864, 1, 2 },
	{ "20 ms", 23864, 7, 5 },
	{ "20 ms", 23864, 50, 20 },
	{ "20 ms", 23864, 0, 20 },
	{ "20 ms", 23864, 100, 20 },
	{ "20 ms", 23864, 300, 20 },
	{ "20 ms", 23864, 900, 20 },
	{ "10 ms", 11932, 1, 2 },
	{ "10 ms", 11932, 50, 20 },
	{ "10 ms", 11932, 300, 50 },
	{ "10 ms", 11932, 900, 50 },
	{ "1 ms", 1193, 7, 5 },
	{ "1 ms", 1193, 50, 20 },
	{ "1 ms", 1193, 100, 20 },
	{ "1 ms", 1193, 300, 20 },
};

/* The owed ticks would be 2 ms apart. */
static const struct replay too_close = { "20 ms", 23864, 900, 20 };

#define MIN_PERIOD	pit_param("min_period_us")
#define LONG_PERIOD_US	5000

static struct kvm_vm *create(struct kvm_vcpu **vcpu, const struct replay *r)
{
	struct kvm_vm *vm = pit_vm_create(vcpu, pit_serve, pit_report_tick);
	int ret = __pit_set_policy(vm, KVM_PIT_TICK_SLEW, 0, r->rate, 0);

	TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_ENABLE_CAP, ret));
	return vm;
}

static u32 rate_of(const struct replay *r)
{
	return r->rate ?: DEFAULT_RATE;
}

/* Of the held ticks the irqchip has latched one. */
static int owed_by(const struct replay *r)
{
	return r->held - 1;
}

static s64 hold_ns(const struct replay *r)
{
	return pit_tick_ns(r->held, r->count) + pit_tick_ns(1, r->count) / 4;
}

static s64 catch_up_ns(const struct replay *r)
{
	return pit_tick_ns(owed_by(r) * 100, r->count) / rate_of(r) +
	       pit_tick_ns(2, r->count);
}

/* Replay it, and go on for ten periods and a half. */
static bool record(struct kvm_vcpu *vcpu, const struct replay *r,
		   struct pit_line *line, s64 *caught_up, s64 *until)
{
	u64 zero = pit_run_to_hold(vcpu, PIT_HOLD_ACCEPTED, r->count);
	u64 backlog;
	s64 end;

	sleep_until_ns(zero + hold_ns(r));
	*caught_up = hold_ns(r) + catch_up_ns(r);
	pit_record(vcpu, line, zero, zero + *caught_up);
	backlog = pit_counter(vcpu->vm, "backlog");

	end = *caught_up / pit_tick_ns(1, r->count) + 10;
	*until = pit_tick_ns(end, r->count) + pit_tick_ns(1, r->count) / 2;
	pit_record(vcpu, line, zero, zero + *until);
	if (!backlog)
		return true;
	ksft_print_msg("%lu ticks are owed after %.3f ms\n", backlog,
		       catch_up_ns(r) / 1e6);
	return false;
}

static bool none_closer(const struct pit_line *line, s64 spacing)
{
	s64 gap;
	int i, j;

	/* The first one was held up, and is not on the grid. */
	for (i = 1; i < line->nr; i++) {
		for (j = i + 1; j < line->nr; j++) {
			gap = line->at[j] - line->at[i];
			if (gap >= (j - i) * spacing - JITTER_NS)
				continue;
			ksft_print_msg("tick %d is %.3f ms after tick %d, expected %.3f\n",
				       j, gap / 1e6, i, (j - i) * spacing / 1e6);
			return false;
		}
	}
	return true;
}

/* One for each tick since the last one before the hold. */
static bool none_missing(const struct pit_line *line, const struct replay *r,
			 s64 caught_up)
{
	int due = caught_up / pit_tick_ns(1, r->count);
	int i, taken = 0;

	for (i = 0; i < line->nr; i++)
		taken += line->at[i] <= caught_up;
	if (taken == due)
		return true;
	ksft_print_msg("%d ticks taken of %d\n", taken, due);
	return false;
}

static bool end(struct kvm_vcpu *vcpu)
{
	bool ok = pit_bring_to_rest(vcpu) && pit_ticks_taken_once(vcpu->vm);

	pit_vm_free(vcpu->vm);
	return ok;
}

static void test_replay(const struct replay *r)
{
	s64 spacing = pit_tick_ns(1, r->count) / (1 + (rate_of(r) + 99) / 100);
	struct pit_line line = { }, expected = { };
	struct kvm_vcpu *vcpu;
	s64 caught_up, until;
	bool ok;

	create(&vcpu, r);
	ok = record(vcpu, r, &line, &caught_up, &until);
	ok &= none_closer(&line, spacing);
	ok &= none_missing(&line, r, caught_up);
	pit_line_add(&expected, hold_ns(r));
	pit_expect(&expected, hold_ns(r), owed_by(r), rate_of(r), r->count, until);
	ok &= pit_line_matches(&line, &expected);
	ok &= end(vcpu);
	ksft_test_result(ok, "%s, %u %%\n", r->period, r->rate);
}

static void set_min_period(unsigned int us)
{
	FILE *f = fopen(MIN_PERIOD, "w");

	TEST_ASSERT(f && fprintf(f, "%u\n", us) > 0 && !fclose(f), "cannot set it");
}

static unsigned int get_min_period(void)
{
	FILE *f = fopen(MIN_PERIOD, "r");
	unsigned int us;

	TEST_ASSERT(f && fscanf(f, "%u", &us) == 1, "cannot read it");
	fclose(f);
	return us;
}

static void test_too_close(void)
{
	const struct replay *r = &too_close;
	unsigned int min_period;
	struct pit_line line = { }, expected = { };
	struct kvm_vcpu *vcpu;
	s64 caught_up, until;
	bool ok;

	if (access(MIN_PERIOD, R_OK | W_OK)) {
		ksft_test_result_skip("closer than min_period_us: no such parameter\n");
		return;
	}
	min_period = get_min_period();
	set_min_period(LONG_PERIOD_US);
	create(&vcpu, r);
	set_min_period(min_period);
	ok = record(vcpu, r, &line, &caught_up, &until);
	pit_line_add(&expected, hold_ns(r));
	pit_expect(&expected, hold_ns(r), owed_by(r), 0, r->count, until);
	ok &= pit_line_matches(&line, &expected);
	ok &= end(vcpu);
	ksft_test_result(ok, "%s, %u %%, closer than min_period_us\n", r->period,
			 r->rate);
}

int main(void)
{
	int i;

	prctl(PR_SET_TIMERSLACK, 1);
	TEST_REQUIRE(pit_has_policies());
	pit_require_debugfs();

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(replays) + 1);
	for (i = 0; i < ARRAY_SIZE(replays); i++)
		test_replay(&replays[i]);
	test_too_close();
	ksft_finished();
}
