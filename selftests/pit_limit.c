// SPDX-License-Identifier: GPL-2.0-only
/*
 * The backlog limit of delay and slew.
 *
 *  - Limits of 1, 5, 20, none, and one that is not exceeded, over a stall of
 *    24 ticks at 50 Hz: the guest is held outside of its handler, in it before
 *    the EOI, and with IRQ0 masked. In every period of the stall the backlog is
 *    what is owed or the limit, the lesser of the two, and the rest is counted
 *    as lost, exactly. After it the guest gets the backlog as the policy says
 *    and is back on its grid; every tick is taken at its time, to 0.6 ms, of
 *    which those in a row have 0.1 ms more each.
 *  - The same at 18.2 Hz after an hour: with a limit of 100 the guest is back
 *    on its grid at once under delay, and within 100 * P * 100 / rate + P under
 *    slew. Without one, all that came due is owed.
 *  - A limit that is lowered below the backlog cuts it, and counts what it cut.
 *  - The kernel log has it once for each VM that its limit was exceeded, and once
 *    more after an operator set the policy in debugfs; but not as often as one likes.
 *    A VMM can set a limit over and over, by KVM_ENABLE_CAP or with the parameters' by
 *    KVM_REINJECT_CONTROL: nothing is said again.
 *
 * At rest no tick is unaccounted for.
 */
#include <fcntl.h>
#include <sys/prctl.h>

#include "pit.h"

#define COUNT		23864	/* 20 ms */
#define PERIOD_MS	20

/* To read the counters takes a while: so long before the end of a hold. */
#define READING_NS	(2 * NSEC_PER_MSEC)

#define HELD_TICKS	24
#define HELD_MS		485
#define SPAN_MS		1190	/* for how long ticks are looked at */

static const struct policy {
	const char *name;
	int value;
	u32 rate;
} policies[] = {
	{ "delay", KVM_PIT_TICK_DELAY },
	{ "slew", KVM_PIT_TICK_SLEW, 100 },
};

/*
 * The first tick after the hold is latched by the irqchip, and delivered, be another in
 * service or not; or it is in the backlog, and taken on unmask.
 */
static const char * const hold_names[] = {
	[PIT_HOLD_ACCEPTED] = "held outside of its handler",
	[PIT_HOLD_UNACCEPTED] = "held before the EOI",
	[PIT_HOLD_MASKED] = "held while masked",
};

static struct kvm_vm *create(struct kvm_vcpu **vcpu, const struct policy *policy,
			     u64 limit)
{
	struct kvm_vm *vm = pit_vm_create(vcpu, pit_serve, pit_report_tick);
	int ret = __pit_set_policy(vm, policy->value, 0, policy->rate, limit);

	TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_ENABLE_CAP, ret));
	return vm;
}

static u64 backlog_of(u64 owed, u64 limit)
{
	return limit ? min(owed, limit) : owed;
}

/* Of @owed ticks in this stall. */
static bool backlog_is_cut(struct kvm_vm *vm, u64 owed, u64 limit, u64 lost_before)
{
	u64 backlog = pit_counter(vm, "backlog");
	u64 lost = pit_counter(vm, "lost") - lost_before;
	u64 expected = backlog_of(owed, limit);

	if (backlog == expected && lost == owed - expected)
		return pit_ticks_conserved(vm);
	ksft_print_msg("%lu owed: backlog %lu, expected %lu; lost %lu, expected %lu\n",
		       owed, backlog, expected, lost, owed - expected);
	return false;
}

static bool stall(struct kvm_vm *vm, enum pit_hold hold, u64 limit, u64 zero)
{
	u64 lost = pit_counter(vm, "lost");
	bool ok = true;
	int i;

	for (i = 1; i <= HELD_TICKS; i++) {
		sleep_until_ns(zero + (PERIOD_MS * i + PERIOD_MS / 4) * NSEC_PER_MSEC -
			       READING_NS);
		ok = ok && backlog_is_cut(vm, i - (hold != PIT_HOLD_MASKED), limit, lost);
	}
	sleep_until_ns(zero + HELD_MS * NSEC_PER_MSEC);
	return ok;
}

static void expect(struct pit_line *line, const struct policy *policy,
		   enum pit_hold hold, u64 limit)
{
	s64 from = HELD_MS * NSEC_PER_MSEC;
	u64 owed = backlog_of(HELD_TICKS - (hold != PIT_HOLD_MASKED), limit);

	line->nr = 0;
	pit_line_add(line, from);
	pit_expect(line, from, owed - (hold == PIT_HOLD_MASKED), policy->rate, COUNT,
		   SPAN_MS * NSEC_PER_MSEC);
}

static void test_stall(const struct policy *policy, enum pit_hold hold, u64 limit)
{
	struct pit_line line = { }, expected;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, policy, limit);
	u64 zero;
	bool ok;

	zero = pit_run_to_hold(vcpu, hold, COUNT);
	ok = stall(vm, hold, limit, zero);
	pit_record(vcpu, &line, zero, zero + SPAN_MS * NSEC_PER_MSEC);
	expect(&expected, policy, hold, limit);
	ok &= pit_line_matches(&line, &expected);
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "%s, limit %lu, %s\n", policy->name, limit,
			 hold_names[hold]);
}

/*
 * Hours
 */

#define SLOW_COUNT	0	/* 65536: 18.2 Hz */
#define PAUSE_S		3600ULL
#define PAUSE_LIMIT	100
#define PAUSE_RATE	300

static const struct pause {
	const char *name;
	struct policy policy;
	u64 limit;
} pauses[] = {
	{ "delay with a limit", { .value = KVM_PIT_TICK_DELAY }, PAUSE_LIMIT },
	{ "slew with a limit", { .value = KVM_PIT_TICK_SLEW, .rate = PAUSE_RATE },
	  PAUSE_LIMIT },
	{ "slew without a limit", { .value = KVM_PIT_TICK_SLEW } },
};

/* Between two ticks. */
static s64 pause_end(u64 *ticks)
{
	s64 end;

	*ticks = PAUSE_S * NSEC_PER_SEC / pit_tick_ns(1, SLOW_COUNT);
	end = pit_tick_ns(*ticks, SLOW_COUNT) + pit_tick_ns(1, SLOW_COUNT) / 2;
	return end;
}

/* How long it may take to replay them all. */
static s64 catch_up_ns(const struct pause *pause)
{
	s64 ns = pit_tick_ns(1, SLOW_COUNT);

	if (!pause->policy.rate)
		return ns;
	return ns + pause->limit * ns * 100 / pause->policy.rate;
}

static bool catches_up(struct kvm_vcpu *vcpu, const struct pause *pause, u64 zero)
{
	u64 ticks;
	s64 from = pause_end(&ticks);
	s64 until = from + catch_up_ns(pause);
	struct pit_line line = { }, expected = { };
	bool ok = true;

	pit_record(vcpu, &line, zero, zero + until);
	if (pit_counter(vcpu->vm, "backlog")) {
		ksft_print_msg("not back on the grid after %.3f s\n",
			       catch_up_ns(pause) / 1e9);
		ok = false;
	}
	until += 10 * pit_tick_ns(1, SLOW_COUNT);
	pit_record(vcpu, &line, zero, zero + until);

	pit_line_add(&expected, from);
	pit_expect(&expected, from, pause->limit, pause->policy.rate, SLOW_COUNT,
		   until);
	return ok & pit_line_matches(&line, &expected);
}

static void test_pause(const struct pause *pause)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, &pause->policy, pause->limit);
	u64 lost, ticks, zero, end;
	bool ok;

	zero = pit_run_to_hold(vcpu, PIT_HOLD_ACCEPTED, SLOW_COUNT);
	lost = pit_counter(vm, "lost");
	end = zero + pause_end(&ticks);
	sleep_until_ns(end - READING_NS);
	ok = backlog_is_cut(vm, ticks - 1, pause->limit, lost);
	sleep_until_ns(end);
	if (pause->limit)
		ok &= catches_up(vcpu, pause, zero);
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "%s, paused for %llu s\n", pause->name, PAUSE_S);
}

/*
 * A limit that changes
 */

static void set_limit(struct kvm_vm *vm, const struct policy *policy, u64 limit)
{
	int ret = __pit_set_policy(vm, policy->value, 0, policy->rate, limit);

	TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_ENABLE_CAP, ret));
}

static bool backlog_is(struct kvm_vm *vm, u64 expected, u64 lost_expected)
{
	u64 backlog = pit_counter(vm, "backlog");
	u64 lost = pit_counter(vm, "lost");

	if (backlog == expected && lost == lost_expected)
		return pit_ticks_conserved(vm);
	ksft_print_msg("backlog %lu, expected %lu; lost %lu, expected %lu\n",
		       backlog, expected, lost, lost_expected);
	return false;
}

/* After 9 ticks of which 8 are owed a limit of 3, after 5 more none. */
static void test_live_change(const struct policy *policy)
{
	struct pit_line line = { }, expected = { };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, policy, 20);
	s64 from = (20 * PERIOD_MS + PERIOD_MS / 4) * NSEC_PER_MSEC;
	s64 until = from + 600 * NSEC_PER_MSEC;
	u64 zero, lost;
	bool ok;

	zero = pit_run_to_hold(vcpu, PIT_HOLD_ACCEPTED, COUNT);
	lost = pit_counter(vm, "lost");
	sleep_until_ns(zero + (9 * PERIOD_MS + PERIOD_MS / 4) * NSEC_PER_MSEC);
	ok = backlog_is(vm, 8, lost);
	set_limit(vm, policy, 3);
	ok &= backlog_is(vm, 3, lost + 5);
	sleep_until_ns(zero + (14 * PERIOD_MS + PERIOD_MS / 4) * NSEC_PER_MSEC);
	ok &= backlog_is(vm, 3, lost + 10);
	set_limit(vm, policy, 0);
	ok &= backlog_is(vm, 3, lost + 10);
	sleep_until_ns(zero + from - READING_NS);
	ok &= backlog_is(vm, 9, lost + 10);
	sleep_until_ns(zero + from);

	pit_record(vcpu, &line, zero, zero + until);
	pit_line_add(&expected, from);
	pit_expect(&expected, from, 9, policy->rate, COUNT, until);
	ok &= pit_line_matches(&line, &expected);
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "%s, the limit is lowered below the backlog, then lifted\n",
			 policy->name);
}

/*
 * The kernel log
 */

#define RATE_LIMIT_S	6	/* after that much silence, all is said again */
#define MANY		30

static int kernel_log;

/* How many lines since the last call say that @limit is exceeded? */
static int messages(u64 limit)
{
	char record[2048], text[64];
	int nr = 0;
	ssize_t len;

	snprintf(text, sizeof(text), "process %d: more than %lu ticks are owed",
		 getpid(), limit);
	for (;;) {
		len = read(kernel_log, record, sizeof(record) - 1);
		if (len < 0 && errno == EPIPE)
			continue;
		if (len < 0)
			return nr;
		record[len] = 0;
		nr += !!strstr(record, text);
	}
}

static void fresh_log(void)
{
	sleep_until_ns(now_ns() + RATE_LIMIT_S * NSEC_PER_SEC);
	messages(0);
}

static bool messages_are(u64 limit, int expected, const char *when)
{
	int nr = messages(limit);

	if (nr == expected)
		return true;
	ksft_print_msg("%s: %d messages, expected %d\n", when, nr, expected);
	return false;
}

static void hold_ticks(struct kvm_vcpu *vcpu, int nr)
{
	u64 zero = pit_run_to_tick(vcpu);

	pit_run_for(vcpu, NSEC_PER_MSEC);
	sleep_until_ns(zero + (nr * PERIOD_MS + PERIOD_MS / 4) * NSEC_PER_MSEC);
	pit_run_for(vcpu, 5 * nr * PERIOD_MS * NSEC_PER_MSEC);
}

/* What a new policy in debugfs has for a limit is a parameter. */
static void operator_sets_limit(struct kvm_vm *vm, const struct policy *policy, u64 limit)
{
	const char *param = pit_param("backlog_limit");
	char text[32];

	snprintf(text, sizeof(text), "%lu", limit);
	pit_write_text(param, text);
	pit_write_setting(vm, "policy", policy->name);
	pit_write_text(param, "0");
}

static void test_message(const struct policy *policy)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, policy, 4);
	bool ok;

	fresh_log();
	pit_run_to_hold(vcpu, PIT_HOLD_ACCEPTED, COUNT);
	hold_ticks(vcpu, 5);
	ok = messages_are(4, 0, "4 ticks owed");
	hold_ticks(vcpu, 8);
	ok &= messages_are(4, 1, "7 ticks owed");
	hold_ticks(vcpu, 8);
	ok &= messages_are(4, 0, "again");
	set_limit(vm, policy, 3);
	hold_ticks(vcpu, 8);
	ok &= messages_are(3, 0, "another limit of the VMM's");
	operator_sets_limit(vm, policy, 2);
	ok &= messages_are(2, 0, "an operator's limit");
	hold_ticks(vcpu, 8);
	ok &= messages_are(2, 1, "7 ticks owed");
	hold_ticks(vcpu, 8);
	ok &= messages_are(2, 0, "again");
	operator_sets_limit(vm, policy, 2);
	hold_ticks(vcpu, 8);
	ok &= messages_are(2, 1, "the same limit again");
	set_limit(vm, policy, 0);
	hold_ticks(vcpu, 8);
	ok &= messages_are(0, 0, "no limit");
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "%s: the kernel log has it once\n", policy->name);
}

static void test_message_of_each_vm(const struct policy *policy)
{
	struct kvm_vcpu *vcpu;
	bool ok = true;
	int i;

	fresh_log();
	for (i = 0; i < 2; i++) {
		create(&vcpu, policy, 4);
		pit_run_to_hold(vcpu, PIT_HOLD_ACCEPTED, COUNT);
		hold_ticks(vcpu, 8);
		ok &= messages_are(4, 1, i ? "the second VM" : "the first VM");
		ok &= pit_end(vcpu);
	}
	ksft_test_result(ok, "%s: the kernel log has it for each VM\n",
			 policy->name);
}

static void vmm_sets_limit(struct kvm_vm *vm, const struct policy *policy, u64 limit)
{
	set_limit(vm, policy, limit);
	pit_set_reinject(vm, false);
	pit_set_reinject(vm, true);
	set_limit(vm, policy, limit);
}

/* In a stall: as often as the limit is set, it is exceeded. */
static int messages_of_many(struct kvm_vm *vm, const struct policy *policy,
			    void (*set)(struct kvm_vm *, const struct policy *, u64))
{
	int nr = 0, i;

	fresh_log();
	for (i = 0; i < MANY; i++) {
		set(vm, policy, 1);
		sleep_until_ns(now_ns() + 2 * PERIOD_MS * NSEC_PER_MSEC);
		nr += messages(1);
	}
	return nr;
}

static void test_message_rate(const struct policy *policy)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, policy, 1);
	int by_vmm, by_operator;
	bool ok;

	fresh_log();
	pit_run_to_hold(vcpu, PIT_HOLD_ACCEPTED, COUNT);
	sleep_until_ns(now_ns() + 4 * PERIOD_MS * NSEC_PER_MSEC);
	pit_counter(vm, "lost");
	ok = messages_are(1, 1, "the first time");
	by_vmm = messages_of_many(vm, policy, vmm_sets_limit);
	by_operator = messages_of_many(vm, policy, operator_sets_limit);
	if (by_vmm || !by_operator || by_operator >= MANY) {
		ksft_print_msg("%d messages for %d limits of the VMM's, %d for an operator's\n",
			       by_vmm, MANY, by_operator);
		ok = false;
	}
	fresh_log();
	operator_sets_limit(vm, policy, 1);
	sleep_until_ns(now_ns() + 2 * PERIOD_MS * NSEC_PER_MSEC);
	ok &= messages_are(1, 1, "after a while");
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "%s: the kernel log is not flooded\n", policy->name);
}

static void (* const message_tests[])(const struct policy *policy) = {
	test_message,
	test_message_of_each_vm,
	test_message_rate,
};

static const u64 limits[] = { 1, 5, 20, HELD_TICKS, 0 };

static void test_policy(const struct policy *policy)
{
	int i, hold;

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		for (hold = 0; hold < ARRAY_SIZE(hold_names); hold++)
			test_stall(policy, hold, limits[i]);
	test_live_change(policy);

	for (i = 0; i < ARRAY_SIZE(message_tests); i++) {
		if (kernel_log >= 0)
			message_tests[i](policy);
		else
			ksft_test_result_skip("%s, message %d: cannot read /dev/kmsg\n",
					      policy->name, i);
	}
}

int main(void)
{
	int i;

	prctl(PR_SET_TIMERSLACK, 1);
	TEST_REQUIRE(pit_has_policies());
	pit_require_debugfs();
	kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (kernel_log >= 0)
		lseek(kernel_log, 0, SEEK_END);

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(pauses) +
		      ARRAY_SIZE(policies) * (1 + ARRAY_SIZE(message_tests) +
					      ARRAY_SIZE(hold_names) * ARRAY_SIZE(limits)));
	for (i = 0; i < ARRAY_SIZE(policies); i++)
		test_policy(&policies[i]);
	for (i = 0; i < ARRAY_SIZE(pauses); i++)
		test_pause(&pauses[i]);
	ksft_finished();
}
