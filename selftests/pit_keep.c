// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_PIT2 and KVM_SET_PIT2 under KVM_PIT_TICK_KEEP_STATE.
 *
 *  - A guest is held up for 105 ms, outside of its handler, in it before the EOI,
 *    and with IRQ0 masked; then its state is saved, and loaded 333 ms later, into
 *    the same VM or into another one. What is owed is what was owed, and every
 *    tick is taken at its time, to 0.6 ms, as if these 333 ms had not been: the first
 *    within 2 ms, those that are owed as the policy says, the others on their grid. The new VM has
 *    the policy, the rate and the limit of the old one.
 *  - A one-shot in modes 0 and 4 fires when the rest of its time is over, to 0.6 ms.
 *  - Latches, flip-flops, half-written counts and the status byte outlive it.
 *  - The time since the last clock is kept, to 0.1 us.
 *  - Without the flag of a tick state, a counter that is programmed to what is
 *    loaded goes on, and so do the ticks; GATE2 is set.
 *  - A state that cannot be is refused with EINVAL, and changes nothing.
 *  - Where the VM does not have it, the words are 0 and mean nothing.
 *
 * At rest no tick is unaccounted for.
 */
#include "pit.h"

#define COUNT		23864	/* 20 ms */
#define PERIOD_NS	(20 * NSEC_PER_MSEC)
#define HELD_NS		(105 * NSEC_PER_MSEC)
#define STOPPED_NS	(333 * NSEC_PER_MSEC)
#define FIRST_NS	(2 * NSEC_PER_MSEC)
#define SPAN_NS		(890 * NSEC_PER_MSEC)	/* half a period before a tick */
#define RATE		50
#define LIMIT		20

static const struct policy {
	const char *name;
	int value;
	u32 rate;
	u64 limit;
} policies[] = {
	{ "delay", KVM_PIT_TICK_DELAY, .limit = LIMIT },
	{ "discard", KVM_PIT_TICK_DISCARD },
	{ "slew", KVM_PIT_TICK_SLEW, RATE, LIMIT },
	{ "merge", KVM_PIT_TICK_MERGE },
};

static const char * const hold_names[] = {
	[PIT_HOLD_ACCEPTED] = "held outside of its handler",
	[PIT_HOLD_UNACCEPTED] = "held before the EOI",
	[PIT_HOLD_MASKED] = "held while masked",
};

static struct kvm_pit_tick_state *ticks_of(struct kvm_pit_state2 *state)
{
	return (struct kvm_pit_tick_state *)state->reserved;
}

static void keep_state(struct kvm_vm *vm, const struct policy *policy)
{
	int ret = __pit_set_policy(vm, policy->value, KVM_PIT_TICK_KEEP_STATE,
				   policy->rate, policy->limit);

	TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_ENABLE_CAP, ret));
}

static struct kvm_vm *create(struct kvm_vcpu **vcpu, const struct policy *policy)
{
	struct kvm_vm *vm = pit_vm_create(vcpu, pit_serve, pit_report_tick);

	keep_state(vm, policy);
	return vm;
}

static bool has_policy(struct kvm_vm *vm, const struct policy *policy)
{
	char name[64];

	pit_setting(vm, "policy", name, sizeof(name));
	return !strcmp(name, policy->name) &&
	       pit_counter(vm, "slew_rate") == policy->rate &&
	       pit_counter(vm, "backlog_limit") == policy->limit;
}

/* The guest as it is, but with a PIT of which it has programmed nothing yet. */
static struct kvm_vcpu *move(struct kvm_vcpu *vcpu)
{
	struct kvm_irqchip pic = { .chip_id = KVM_IRQCHIP_PIC_MASTER };
	struct kvm_vm *vm = vcpu->vm;
	struct kvm_x86_state *state;

	vcpu_run_complete_io(vcpu);
	state = vcpu_save_state(vcpu);
	vm_ioctl(vm, KVM_GET_IRQCHIP, &pic);
	pit_check_law(vm);
	kvm_vm_release(vm);

	vcpu = vm_recreate_with_one_vcpu(vm);
	vcpu_load_state(vcpu, state);
	kvm_x86_state_cleanup(state);
	vm_ioctl(vm, KVM_SET_IRQCHIP, &pic);
	pit_create(vm);
	keep_state(vm, &policies[1]);
	return vcpu;
}

/*
 * A new VM is slow at first, and ticks may be spaced from the first that it takes:
 * @from, in ns after the one that was taken before it was held.
 */
static void expect(struct pit_line *line, const struct policy *policy,
		   enum pit_hold hold, u64 owed, s64 from)
{
	pit_line_add(line, from);
	/* The one in the latch is the guest's already. */
	if (hold == PIT_HOLD_MASKED)
		owed = owed ? owed - 1 : 0;
	pit_expect(line, from, owed, policy->rate, COUNT, SPAN_NS);
}

static void test_go_on(const struct policy *policy, enum pit_hold hold, bool moves)
{
	struct pit_line line = { }, expected = { };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, policy);
	struct kvm_pit_state2 state;
	u64 zero, saved_at, owed;
	s64 from;
	bool ok;

	zero = pit_run_to_hold(vcpu, hold, COUNT);
	sleep_until_ns(zero + HELD_NS);
	owed = pit_counter(vm, "backlog");
	saved_at = now_ns();
	state = pit_get_state(vm);

	if (moves)
		vcpu = move(vcpu);
	sleep_until_ns(saved_at + STOPPED_NS);
	zero += now_ns() - saved_at;
	pit_set_state(vm, &state);
	ok = pit_counter(vm, "backlog") == owed && has_policy(vm, policy);
	if (!ok)
		ksft_print_msg("%lu were owed, %lu are\n", owed,
			       pit_counter(vm, "backlog"));

	pit_record(vcpu, &line, zero, zero + SPAN_NS);
	from = line.at[0];
	ok &= from >= HELD_NS && from < HELD_NS + FIRST_NS;
	expect(&expected, policy, hold, owed, from);
	ok &= pit_line_matches(&line, &expected);
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "%s, %s, loaded into %s\n", policy->name, hold_names[hold],
			 moves ? "another VM" : "the same VM");
}

#define ONE_SHOT_COUNT	59659	/* 50 ms */
#define ONE_SHOT_NS	(50 * NSEC_PER_MSEC)

static void test_one_shot(int mode, bool moves)
{
	struct pit_line line = { }, expected = { };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, &policies[0]);
	struct kvm_pit_state2 state;
	u64 start, saved_at;
	bool ok;

	pit_order_program(vcpu, 0, mode, ONE_SHOT_COUNT);
	start = now_ns();
	sleep_until_ns(start + 20 * NSEC_PER_MSEC);
	saved_at = now_ns();
	state = pit_get_state(vm);
	if (moves)
		vcpu = move(vcpu);
	sleep_until_ns(saved_at + STOPPED_NS);
	start += now_ns() - saved_at;
	pit_set_state(vm, &state);

	/* On the same VM it fired meanwhile, which the i8259 has still. */
	if (!moves)
		pit_line_add(&expected, 20 * NSEC_PER_MSEC);
	pit_line_add(&expected, ONE_SHOT_NS);
	pit_record(vcpu, &line, start, start + SPAN_NS);
	ok = pit_line_matches(&line, &expected);
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "a one-shot in mode %d goes on, loaded into %s\n", mode,
			 moves ? "another VM" : "the same VM");
}

/* What the guest reads when it reads channel 2 over and over. */
static void read_all(struct kvm_vcpu *vcpu, u8 *bytes, int n)
{
	int i;

	for (i = 0; i < n; i++)
		bytes[i] = pit_order_inb(vcpu, PIT_CH2);
}

/* GATE2 is low: the counter stands still, and all that is read is latched or the same. */
static void test_latches(void)
{
	static const struct {
		u16 port;
		u8 value;
	} writes[] = {
		{ PIT_CONTROL, 0xbe },	/* channel 2, mode 3 written as 7 */
		{ PIT_CH2, 0x35 },
		{ PIT_CH2, 0x12 },
		{ PIT_CH2, 0x78 },	/* half a count */
		{ PIT_CONTROL, 0xc8 },	/* latch count and status of channel 2 */
	};
	struct kvm_vcpu *vcpu[2];
	struct kvm_vm *vm[2];
	struct kvm_pit_state2 state, again;
	u8 bytes[2][9];
	int i, n;

	for (n = 0; n < 2; n++) {
		vm[n] = create(&vcpu[n], &policies[0]);
		for (i = 0; i < ARRAY_SIZE(writes); i++)
			pit_order_outb(vcpu[n], writes[i].port, writes[i].value);
		pit_order_inb(vcpu[n], PIT_CH2);	/* the status */
		pit_order_inb(vcpu[n], PIT_CH2);	/* half of the count */
	}
	state = pit_get_state(vm[1]);
	pit_vm_free(vm[1]);
	vm[1] = create(&vcpu[1], &policies[0]);
	vm_ioctl(vm[1], KVM_SET_PIT2, &state);
	again = pit_get_state(vm[1]);

	for (n = 0; n < 2; n++) {
		read_all(vcpu[n], bytes[n], 4);
		pit_order_outb(vcpu[n], PIT_CH2, 0x56);	/* the other half */
		pit_order_outb(vcpu[n], PIT_CONTROL, 0xe8);	/* the status */
		read_all(vcpu[n], bytes[n] + 4, 5);
		pit_vm_free(vm[n]);
	}
	for (i = 0; i < ARRAY_SIZE(bytes[0]); i++)
		ksft_print_msg("byte %d: %02x, loaded %02x\n", i, bytes[0][i], bytes[1][i]);
	ksft_test_result(!memcmp(bytes[0], bytes[1], sizeof(bytes[0])) &&
			 ticks_of(&again)->counter[2] == ticks_of(&state)->counter[2],
			 "latches, flip-flops and half a count are kept\n");
}

/* As a VMM does that wants to set GATE2. */
static void test_without_ticks(bool zeroed)
{
	struct pit_line line = { }, expected = { };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, &policies[0]);
	struct kvm_pit_state2 state;
	u64 zero, owed;
	bool ok = true;
	int i;

	zero = pit_run_to_hold(vcpu, PIT_HOLD_ACCEPTED, COUNT);
	sleep_until_ns(zero + HELD_NS);
	owed = pit_counter(vm, "backlog");
	for (i = 0; i < 100; i++) {
		state = pit_get_state(vm);
		if (zeroed)
			memset(state.reserved, 0, sizeof(state.reserved));
		else
			state.flags &= ~KVM_PIT_FLAGS_TICK_STATE;
		state.channels[2].gate = i & 1;
		pit_set_state(vm, &state);
		state = pit_get_state(vm);
		ok &= state.channels[2].gate == (i & 1);
	}
	ok &= owed && pit_counter(vm, "backlog") >= owed && !pit_counter(vm, "lost");
	owed = pit_counter(vm, "backlog");

	pit_record(vcpu, &line, zero, zero + SPAN_NS);
	pit_line_add(&expected, line.at[0]);
	pit_expect(&expected, line.at[0], owed, 0, COUNT, SPAN_NS);
	ok &= pit_line_matches(&line, &expected);
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "a state %s leaves the ticks alone\n",
			 zeroed ? "with words of 0, as stock KVM has them," :
				  "without the flag");
}

/* In ns after that clock: the earliest that it can be saved after it was loaded. */
static s64 position_ns(struct kvm_vm *vm, struct kvm_pit_state2 state, u16 clock_ns)
{
	u16 count = ticks_of(&state)->count[0];
	struct kvm_pit_state2 saved;
	s64 position, least = NSEC_PER_SEC;
	int i;

	ticks_of(&state)->clock_ns = clock_ns;
	for (i = 0; i < 64; i++) {
		pit_set_state(vm, &state);
		saved = pit_get_state(vm);
		position = pit_clocks_to_ns((u16)(count - ticks_of(&saved)->count[0])) +
			   ticks_of(&saved)->clock_ns;
		least = min(least, position);
	}
	return least;
}

static void test_clock_ns(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, &policies[0]);
	struct kvm_pit_state2 state;
	s64 first, last;

	pit_order_program(vcpu, 0, 2, COUNT);
	sleep_until_ns(now_ns() + NSEC_PER_MSEC);
	state = pit_get_state(vm);
	first = position_ns(vm, state, 0);
	last = position_ns(vm, state, 800);
	ksft_print_msg("saved %ld ns after a clock, and %ld ns\n", first, last);
	ksft_test_result(last > first + 700 && last < first + 900 && pit_end(vcpu),
			 "the time since the last clock is kept, to 0.1 us\n");
}

static void test_other_count(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, &policies[0]);
	struct kvm_pit_state2 state;
	u64 zero, owed;
	bool ok;

	zero = pit_run_to_hold(vcpu, PIT_HOLD_ACCEPTED, COUNT);
	sleep_until_ns(zero + HELD_NS);
	owed = pit_counter(vm, "backlog");
	state = pit_get_state(vm);
	state.flags &= ~KVM_PIT_FLAGS_TICK_STATE;
	state.channels[0].count = 2 * COUNT;
	pit_set_state(vm, &state);
	ok = owed && !pit_counter(vm, "backlog") && pit_counter(vm, "lost") == owed;
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "another count drops what was owed\n");
}

/* Each makes a good state of delay, nothing held, one tick owed, a bad one. */
#define BAD(_name, _field, _value)					\
	static void bad_##_name(struct kvm_pit_state2 *s)		\
	{								\
		struct kvm_pit_tick_state *t __maybe_unused = ticks_of(s);	\
									\
		_field = _value;					\
	}

BAD(version, t->version, KVM_PIT_TICK_STATE_VERSION + 1)
BAD(old_version, t->version, 1)
BAD(policy, t->policy, 4)
BAD(policy_255, t->policy, 255)
BAD(rate, t->slew_rate, 1)
BAD(backlog, t->backlog, LIMIT + 1)
BAD(limit, t->backlog_limit, 0x80000000; t->policy = KVM_PIT_TICK_MERGE)
BAD(masked_clocks, t->masked_clocks, 1)
BAD(masked_owed, t->masked_owed, 1)
BAD(clock_ns, t->clock_ns, 839)
BAD(counter, t->counter[1], KVM_PIT_COUNTER_LOADING | KVM_PIT_COUNTER_COUNTING)
BAD(mode_bit2, t->counter[0], KVM_PIT_COUNTER_MODE_BIT2; s->channels[0].mode = 4)
BAD(ticks, t->ticks, KVM_PIT_TICKS_OFF << 1)
BAD(credit, t->credit, 1)
BAD(credit_of_slew, t->credit, 200; t->policy = KVM_PIT_TICK_SLEW; t->slew_rate = 100)
BAD(off, t->ticks, KVM_PIT_TICKS_OFF)
BAD(held, t->ticks, KVM_PIT_TICKS_HELD; t->backlog = 0)
BAD(pad, t->pad, 1)
BAD(count_0, s->channels[0].count, 0)
BAD(count, s->channels[0].count, 0x10001)
BAD(mode, s->channels[0].mode, 6)
BAD(mode_254, s->channels[0].mode, 254)
BAD(access, s->channels[2].rw_mode, 4)
BAD(read_state, s->channels[0].read_state, 5)
BAD(write_state, s->channels[0].write_state, 1)
BAD(latched, s->channels[0].count_latched, 4)
BAD(status_latched, s->channels[0].status_latched, 2)
BAD(bcd, s->channels[0].bcd, 2)
BAD(gate, s->channels[0].gate, 0)
BAD(gate_2, s->channels[2].gate, 2)

static const struct {
	const char *name;
	void (*make)(struct kvm_pit_state2 *state);
} bad[] = {
	{ "version", bad_version }, { "an old version", bad_old_version },
	{ "policy", bad_policy },
	{ "policy 255", bad_policy_255 }, { "rate", bad_rate },
	{ "backlog", bad_backlog }, { "limit", bad_limit },
	{ "masked_clocks", bad_masked_clocks }, { "masked_owed", bad_masked_owed },
	{ "clock_ns", bad_clock_ns }, { "counter", bad_counter },
	{ "mode bit 2", bad_mode_bit2 }, { "ticks", bad_ticks }, { "credit", bad_credit },
	{ "credit of slew", bad_credit_of_slew }, { "off", bad_off }, { "held", bad_held },
	{ "pad", bad_pad }, { "count 0", bad_count_0 }, { "count", bad_count },
	{ "mode", bad_mode }, { "mode 254", bad_mode_254 }, { "access", bad_access },
	{ "read_state", bad_read_state }, { "write_state", bad_write_state },
	{ "count_latched", bad_latched }, { "status_latched", bad_status_latched },
	{ "bcd", bad_bcd }, { "gate", bad_gate }, { "gate 2", bad_gate_2 },
};

/* But for what time does to it. */
static bool same(struct kvm_pit_state2 a, struct kvm_pit_state2 b)
{
	ticks_of(&a)->clock_ns = ticks_of(&b)->clock_ns;
	memcpy(ticks_of(&a)->count, ticks_of(&b)->count, sizeof(ticks_of(&b)->count));
	return !memcmp(&a, &b, sizeof(a));
}

static void test_bad(int i, struct kvm_vm *vm, const struct kvm_pit_state2 *good)
{
	struct kvm_pit_state2 before, state = *good;
	int ret, error;

	pit_set_state(vm, &state);
	before = pit_get_state(vm);
	bad[i].make(&state);
	ret = __vm_ioctl(vm, KVM_SET_PIT2, &state);
	error = errno;
	state = pit_get_state(vm);
	ksft_test_result(ret == -1 && error == EINVAL && same(before, state),
			 "a bad state is refused: %s\n", bad[i].name);
}

/* One tick is owed, and no other will be for some time. */
static void test_bad_states(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, &policies[0]);
	struct kvm_pit_state2 good;
	u64 zero;
	int i;

	pit_order_program(vcpu, 2, 2, 1000);
	zero = pit_run_to_hold(vcpu, PIT_HOLD_ACCEPTED, COUNT);
	sleep_until_ns(zero + 2 * PERIOD_NS + PERIOD_NS / 8);
	good = pit_get_state(vm);
	TEST_ASSERT(ticks_of(&good)->backlog == 1, "%u ticks are owed",
		    ticks_of(&good)->backlog);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		test_bad(i, vm, &good);
	pit_vm_free(vm);
}

static bool has_words(const struct kvm_pit_state2 *state)
{
	static const struct kvm_pit_state2 zero;

	return memcmp(state->reserved, zero.reserved, sizeof(zero.reserved));
}

static void test_not_kept(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create(&vcpu, pit_serve, pit_report_tick);
	struct kvm_pit_state2 kept, state;
	bool ok;

	pit_order_program(vcpu, 0, 2, COUNT);
	state = pit_get_state(vm);
	ok = !has_words(&state) && !(state.flags & KVM_PIT_FLAGS_TICK_STATE);

	keep_state(vm, &policies[2]);
	kept = pit_get_state(vm);
	ok &= has_words(&kept) && kept.flags & KVM_PIT_FLAGS_TICK_STATE;
	pit_set_policy(vm, KVM_PIT_TICK_DELAY);
	ticks_of(&kept)->policy = 255;
	pit_set_state(vm, &kept);
	ok &= has_policy(vm, &(struct policy){ "delay" });
	state = pit_get_state(vm);
	ok &= !has_words(&state);
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "without KEEP_STATE the words are 0 and mean nothing\n");
}

int main(void)
{
	int i, hold, moves;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_PIT_STATE2));
	TEST_REQUIRE(pit_has_policies());
	pit_require_debugfs();

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(policies) * ARRAY_SIZE(hold_names) * 2 + 4 + 6 +
		      ARRAY_SIZE(bad));

	for (i = 0; i < ARRAY_SIZE(policies); i++)
		for (hold = 0; hold < ARRAY_SIZE(hold_names); hold++)
			for (moves = 0; moves < 2; moves++)
				test_go_on(&policies[i], hold, moves);
	for (moves = 0; moves < 2; moves++) {
		test_one_shot(0, moves);
		test_one_shot(4, moves);
	}
	test_latches();
	test_without_ticks(false);
	test_without_ticks(true);
	test_other_count();
	test_clock_ns();
	test_not_kept();
	test_bad_states();
	ksft_finished();
}
