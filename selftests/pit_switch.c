// SPDX-License-Identifier: GPL-2.0-only
/*
 * A live VM's policy is switched, with ticks owed.
 *
 * The period is 20 ms. The guest is held from a tick on, its policy is switched
 * after five more, and it goes on after another three. Verified for all twelve
 * ordered pairs:
 *
 *  - at the switch delay and slew keep what is owed, merge keeps one tick,
 *    discard none; the others are counted as lost, exactly. From then on it is
 *    the new policy that says what is owed;
 *  - after the hold the guest gets what is owed, as the new policy says, and is
 *    on its grid again: each tick at its time to 0.6 ms, of which those in a row
 *    have 0.1 ms more each;
 *  - a tick that merge is owed when the irqchip's latch has one is merged with it;
 *  - every tick taken is one delivered or replayed: none is taken twice;
 *  - at rest no tick is unaccounted for.
 *
 * So with the guest held outside of its handler, in it before the EOI, and with
 * IRQ0 masked at the i8259 and at the IOAPIC; switched by KVM_ENABLE_CAP, by
 * debugfs, and by KVM_REINJECT_CONTROL.
 *
 * And switched while a replay of slew is under way: to each of the other policies,
 * and to other rates, which have their places from that period on.
 *
 * And switched 400 times at random, while the guest runs, is held, and masks.
 * After it there is a tick on each point of the grid. Between delay and slew the
 * ticks taken are those counted. The others raise a tick while one is in service,
 * and where IRQ0 is masked then, or the tick goes to the latch of a local APIC, it
 * is not known whether that was free: the tick can be counted as lost and be taken,
 * or the other way round. But no more are taken than came due.
 */
#include <sys/prctl.h>

#include "pit.h"

#define COUNT		23864	/* 20 ms */
#define PERIOD_MS	20

#define SWITCH_TICKS	5
#define SWITCH_MS	105
#define HELD_TICKS	8
#define HELD_MS		165
#define SPAN_MS		490	/* for how long ticks are looked at */

struct policy {
	const char *name;
	int value;
	u32 rate;
	u64 capacity;	/* how many ticks may be owed */
	bool latches;	/* a tick that comes due before that is raised, then lost */
};

static const struct policy policies[] = {
	{ "delay", KVM_PIT_TICK_DELAY, .capacity = ~0ULL },
	{ "discard", KVM_PIT_TICK_DISCARD, .latches = true },
	{ "slew", KVM_PIT_TICK_SLEW, .rate = 100, .capacity = ~0ULL },
	{ "merge", KVM_PIT_TICK_MERGE, .capacity = 1, .latches = true },
};

static void enable_cap(struct kvm_vm *vm, const struct policy *policy)
{
	int ret = __pit_set_policy(vm, policy->value, 0, policy->rate, 0);

	TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_ENABLE_CAP, ret));
}

static void write_debugfs(struct kvm_vm *vm, const struct policy *policy)
{
	pit_write_setting(vm, "policy", policy->name);
}

static void reinject_control(struct kvm_vm *vm, const struct policy *policy)
{
	pit_set_reinject(vm, policy->value == KVM_PIT_TICK_DELAY);
}

static const struct way {
	const char *name;
	void (*set)(struct kvm_vm *vm, const struct policy *policy);
} by_cap = {
	"KVM_ENABLE_CAP", enable_cap
}, by_debugfs = {
	"debugfs", write_debugfs
}, by_reinject_control = {
	"KVM_REINJECT_CONTROL", reinject_control
};

static const struct place {
	const char *name;
	enum pit_hold hold;
	bool by_ioapic;
} places[] = {
	{ "held outside of its handler", PIT_HOLD_ACCEPTED },
	{ "held before the EOI", PIT_HOLD_UNACCEPTED },
	{ "held while masked, i8259", PIT_HOLD_MASKED },
	{ "held while masked, IOAPIC", PIT_HOLD_MASKED, true },
};

static struct kvm_vm *create(struct kvm_vcpu **vcpu, const struct policy *policy,
			     bool by_ioapic)
{
	struct kvm_vm *vm = pit_vm_create(vcpu, pit_serve, pit_report_tick);

	pit_set_irq0_way(vm, by_ioapic);
	enable_cap(vm, policy);
	return vm;
}

static bool end(struct kvm_vcpu *vcpu)
{
	bool ok = pit_bring_to_rest(vcpu) && pit_ticks_taken_once(vcpu->vm);

	pit_vm_free(vcpu->vm);
	return ok;
}

/* What became of the ticks since the guest was held. */
struct owed {
	u64 latched;	/* will be taken first, and is not in the backlog, */
	u64 held;	/* or is there */
	u64 backlog;
	u64 lost;
};

static void add_due(struct owed *owed, const struct policy *policy,
		    enum pit_hold hold)
{
	if (hold == PIT_HOLD_MASKED && !owed->held) {
		owed->held = 1;
		owed->backlog++;
	} else if (hold != PIT_HOLD_MASKED && !owed->latched) {
		owed->latched = 1;
	} else if (policy->latches) {
		owed->lost++;
	} else {
		owed->backlog++;
	}
}

static void cut(struct owed *owed, const struct policy *policy)
{
	u64 room = max(policy->capacity, owed->held);

	if (owed->backlog > room) {
		owed->lost += owed->backlog - room;
		owed->backlog = room;
	}
}

static bool is_owed(struct kvm_vm *vm, const struct owed *owed, u64 lost_before,
		    const char *when)
{
	u64 backlog = pit_counter(vm, "backlog");
	u64 lost = pit_counter(vm, "lost") - lost_before;

	if (backlog == owed->backlog && lost == owed->lost)
		return pit_ticks_conserved(vm);
	ksft_print_msg("%s: backlog %lu, expected %lu; lost %lu, expected %lu\n",
		       when, backlog, owed->backlog, lost, owed->lost);
	return false;
}

static void expect(struct pit_line *line, const struct policy *policy,
		   const struct owed *owed, s64 from)
{
	line->nr = 0;
	if (owed->latched || owed->held)
		pit_line_add(line, from);
	pit_expect(line, from, owed->backlog - owed->held, policy->rate, COUNT,
		   SPAN_MS * NSEC_PER_MSEC);
}

static void test_switch(const struct policy *from, const struct policy *to,
			const struct place *place, const struct way *way)
{
	struct pit_line line = { }, expected;
	struct owed owed = { };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, from, place->by_ioapic);
	u64 zero, lost;
	bool ok;
	int i;

	zero = pit_run_to_hold(vcpu, place->hold, COUNT);
	lost = pit_counter(vm, "lost");
	sleep_until_ns(zero + SWITCH_MS * NSEC_PER_MSEC);
	for (i = 0; i < SWITCH_TICKS; i++)
		add_due(&owed, from, place->hold);
	ok = is_owed(vm, &owed, lost, "before the switch");

	way->set(vm, to);
	cut(&owed, to);
	ok &= is_owed(vm, &owed, lost, "after the switch");

	/* To read the counters takes a while. */
	sleep_until_ns(zero + (HELD_MS - 2) * NSEC_PER_MSEC);
	for (; i < HELD_TICKS; i++)
		add_due(&owed, to, place->hold);
	ok &= is_owed(vm, &owed, lost, "before the end of the hold");
	sleep_until_ns(zero + HELD_MS * NSEC_PER_MSEC);

	pit_record(vcpu, &line, zero, zero + SPAN_MS * NSEC_PER_MSEC);
	expect(&expected, to, &owed, HELD_MS * NSEC_PER_MSEC);
	ok &= pit_line_matches(&line, &expected);
	ok &= end(vcpu);
	ksft_test_result(ok, "%s to %s by %s, %s\n", from->name, to->name,
			 way->name, place->name);
}

/* What 1 means to KVM_REINJECT_CONTROL is a parameter. */
static bool reinject_is_delay(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, &policies[1], false);
	char name[32];
	bool ret;

	pit_set_reinject(vm, true);
	ret = !strcmp(pit_setting(vm, "policy", name, sizeof(name)), "delay");
	pit_vm_free(vm);
	return ret;
}

static void test_reinject_control(const struct policy *from, const struct policy *to)
{
	if (to->value == KVM_PIT_TICK_DELAY && !reinject_is_delay())
		ksft_test_result_skip("%s to %s by %s: the parameter reinject is not delay\n",
				      from->name, to->name, by_reinject_control.name);
	else
		test_switch(from, to, &places[0], &by_reinject_control);
}

static void test_pair(const struct policy *from, const struct policy *to)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(places); i++)
		test_switch(from, to, &places[i], &by_cap);
	test_switch(from, to, &places[0], &by_debugfs);
	if (to->value == KVM_PIT_TICK_DELAY || to->value == KVM_PIT_TICK_DISCARD)
		test_reinject_control(from, to);
}

/*
 * While a replay is under way: held until 165 ms, so a tick is replayed in the middle of
 * each period from then on, and the switch comes between two of these.
 */

#define REPLAY_SWITCH_MS	197
#define REPLAY_OWED		5	/* then: eight came due, one was latched, */
					/* two are replayed */

static const struct replay_switch {
	struct policy to;
	int owed;
} replay_switches[] = {
	{ { "delay", KVM_PIT_TICK_DELAY }, REPLAY_OWED },
	{ { "discard", KVM_PIT_TICK_DISCARD }, 0 },
	{ { "merge", KVM_PIT_TICK_MERGE }, 1 },
	{ { "slew at 300 %", KVM_PIT_TICK_SLEW, .rate = 300 }, REPLAY_OWED },
	{ { "slew at 50 %", KVM_PIT_TICK_SLEW, .rate = 50 }, REPLAY_OWED },
	{ { "slew at 10 %", KVM_PIT_TICK_SLEW, .rate = 10 }, REPLAY_OWED },
};

/* Another rate has its places from that period on, delay has them all at once. */
static void expect_after_replay(struct pit_line *line, const struct replay_switch *s,
				s64 span)
{
	static const int before[] = { HELD_MS, 170, 180, 190 };
	int i;

	for (i = 0; i < ARRAY_SIZE(before); i++)
		pit_line_add(line, before[i] * NSEC_PER_MSEC);
	pit_expect_since(line, REPLAY_SWITCH_MS * NSEC_PER_MSEC, s->owed, s->to.rate,
			 REPLAY_SWITCH_MS / PERIOD_MS, COUNT, span);
}

static void test_switch_in_replay(const struct replay_switch *s)
{
	const struct policy slew = { .value = KVM_PIT_TICK_SLEW, .rate = 100 };
	struct pit_line line = { }, expected = { };
	s64 span = 2490 * NSEC_PER_MSEC;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, &slew, false);
	u64 zero;
	bool ok;

	zero = pit_run_to_hold(vcpu, PIT_HOLD_ACCEPTED, COUNT);
	sleep_until_ns(zero + HELD_MS * NSEC_PER_MSEC);
	pit_record(vcpu, &line, zero, zero + REPLAY_SWITCH_MS * NSEC_PER_MSEC);
	enable_cap(vm, &s->to);
	ok = pit_counter(vm, "backlog") == s->owed || !s->to.rate;
	pit_record(vcpu, &line, zero, zero + span);
	expect_after_replay(&expected, s, span);
	ok &= pit_line_matches(&line, &expected);
	ok &= end(vcpu);
	ksft_test_result(ok, "slew to %s during a replay\n", s->to.name);
}

/*
 * Again and again
 */

#define SWITCHES	400
#define SEEDS		4

static const struct mix {
	const char *name;
	int policy[ARRAY_SIZE(policies)];	/* indices */
	int nr;
	bool by_ioapic;
	bool exact;
} mixes[] = {
	{ "delay, slew, i8259", { 0, 2 }, 2, .exact = true },
	{ "delay, slew, IOAPIC", { 0, 2 }, 2, .by_ioapic = true, .exact = true },
	{ "all policies, i8259", { 0, 1, 2, 3 }, 4 },
	{ "all policies, IOAPIC", { 0, 1, 2, 3 }, 4, .by_ioapic = true },
};

static u32 next_random(u32 *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 16;
}

/* Every few ms another policy; the guest runs meanwhile, or it does not. */
static void switch_often(struct kvm_vcpu *vcpu, const struct mix *mix, u32 rng)
{
	bool *masks = addr_gva2hva(vcpu->vm, (uintptr_t)&pit_mask_in_handler);
	u64 until;
	int i;

	for (i = 0; i < SWITCHES; i++) {
		until = now_ns() + next_random(&rng) % 30000 * 1000;
		*masks = next_random(&rng) % 2;
		if (next_random(&rng) % 2)
			while (pit_run(vcpu, until) != PIT_TIMEOUT &&
			       next_random(&rng) % 8)
				;
		else
			sleep_until_ns(until);
		enable_cap(vcpu->vm, &policies[mix->policy[next_random(&rng) % mix->nr]]);
	}
	*masks = false;
}

static bool none_too_many(struct kvm_vm *vm)
{
	u64 taken = pit_ticks_taken(vm);
	u64 due = pit_counter(vm, "due");

	if (taken <= due)
		return true;
	ksft_print_msg("%lu ticks taken, %lu came due\n", taken, due);
	return false;
}

static void test_often(const struct mix *mix, u32 seed)
{
	struct pit_line line = { }, expected = { };
	s64 span = (10 * PERIOD_MS + PERIOD_MS / 2) * NSEC_PER_MSEC;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	u64 zero;
	bool ok;

	vm = create(&vcpu, &policies[0], mix->by_ioapic);
	pit_order_program(vcpu, 0, 2, COUNT);
	switch_often(vcpu, mix, seed);

	enable_cap(vm, &policies[0]);
	pit_run_for(vcpu, NSEC_PER_SEC / 2);
	zero = pit_run_to_tick(vcpu);
	pit_record(vcpu, &line, zero, zero + span);
	pit_expect(&expected, 0, 0, 0, COUNT, span);
	ok = pit_line_matches(&line, &expected);
	ok &= pit_bring_to_rest(vcpu);
	ok &= mix->exact ? pit_ticks_taken_once(vm) : none_too_many(vm);
	pit_vm_free(vm);
	ksft_test_result(ok, "%d switches, seed %u, %s\n", SWITCHES, seed, mix->name);
}

#define NR_PAIRS	(ARRAY_SIZE(policies) * (ARRAY_SIZE(policies) - 1))

int main(void)
{
	int i, j;

	prctl(PR_SET_TIMERSLACK, 1);
	TEST_REQUIRE(pit_has_policies());
	pit_require_debugfs();

	ksft_print_header();
	ksft_set_plan(NR_PAIRS * (ARRAY_SIZE(places) + 1) + NR_PAIRS / 2 +
		      ARRAY_SIZE(replay_switches) + SEEDS * ARRAY_SIZE(mixes));
	for (i = 0; i < ARRAY_SIZE(policies); i++)
		for (j = 0; j < ARRAY_SIZE(policies); j++)
			if (i != j)
				test_pair(&policies[i], &policies[j]);
	for (i = 0; i < ARRAY_SIZE(replay_switches); i++)
		test_switch_in_replay(&replay_switches[i]);
	for (i = 0; i < ARRAY_SIZE(mixes); i++)
		for (j = 1; j <= SEEDS; j++)
			test_often(&mixes[i], j);
	ksft_finished();
}
