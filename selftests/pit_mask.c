// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest gets after it masked IRQ0, or stopped the PIT.
 *
 *  - Masked outside of a tick, for a minute or for half a second: the timer was off.
 *    At the unmask there is one tick at most, then one every period, in the old
 *    phase.
 *  - Masked by the tick's handler, for a minute or for 1010 ms, with nothing that
 *    keeps the guest from going on: that is off as well, since it lasts longer than
 *    a second.
 *    Its vCPU is not woken up more than once a second then, for ticks of which
 *    nothing comes.
 *  - Masked by the tick's handler, until 42 ms or 985 ms after the tick: part of its
 *    handling; what came due is delivered after the unmask, as the policy says.
 *    This includes a tick that was raised under the mask and that the IOAPIC
 *    dropped. The same until 1510 ms, where the guest is not run in that time.
 *    Ticks in a row take 0.1 ms each.
 *  - Stopped by a control word for a minute, in the main loop or after 105 ms in the
 *    tick's handler, before its EOI, so that ticks are owed: at the start there is
 *    one tick at most, since OUT rises, and one that the irqchip had latched before;
 *    then one every period from the start on.
 *
 * So at the i8259 and at the IOAPIC, under every policy and what
 * KVM_REINJECT_CONTROL selects. All times to 0.6 ms, on an idle host. At the end
 * no tick is unaccounted for.
 */
#include <sys/prctl.h>

#include "pit.h"

#define COUNT		23864	/* 20 ms */
#define PIT_MODE	2

#define OFF_MS		60010	/* between two ticks */
#define STOP_MS		105	/* in the handler */
#define SPAN_MS		200	/* for how long to look at ticks after it */
#define MASK_AT_MS	5	/* in the main loop */
#define LAST_TICK	3	/* the one after which IRQ0 is masked */

enum event {
	EVENT_TICK,
	EVENT_UNMASKED_TICKS,	/* LAST_TICK ticks were taken */
	EVENT_STOPPING,		/* the handler is about to stop the PIT */
	EVENT_MASKED,		/* or stopped */
};

struct policy {
	const char *name;
	bool by_reinject_control;
	int value;
	u64 capacity;	/* how many ticks may be owed, beside the one on unmask */
	u32 rate;
};

static const struct policy policies[] = {
	{ "stock-reinject",	true,	1 },
	{ "stock-discard",	true,	0 },
	{ "delay",	false,	KVM_PIT_TICK_DELAY,	~0ULL },
	{ "discard",	false,	KVM_PIT_TICK_DISCARD },
	{ "slew",	false,	KVM_PIT_TICK_SLEW,	~0ULL, 100 },
	{ "merge",	false,	KVM_PIT_TICK_MERGE },
};

/* The guest's; set by the host. */
static bool mask_in_handler;
static bool stops;	/* instead of masking */
static bool waits;	/* in HLT, for guest_goes_on */
static bool guest_goes_on;
static bool guest_stop;
static u64 guest_ticks;

static void turn_off(void)
{
	if (stops)
		pit_outb(PIT_CONTROL, 0x30);
	else
		irq0_mask(true);
}

static void turn_on(void)
{
	if (stops)
		pit_program(0, PIT_MODE, COUNT);
	else
		irq0_mask(false);
}

static void irq0_handler(struct ex_regs *regs)
{
	bool last = mask_in_handler && guest_ticks + 1 == LAST_TICK;

	if (last && !stops)
		turn_off();
	pit_report(EVENT_TICK);
	guest_ticks++;
	if (last && stops) {
		pit_report(EVENT_STOPPING);
		turn_off();
	}
	irq0_eoi();
	if (last) {
		pit_report(EVENT_MASKED);
		while (waits && !READ_ONCE(guest_goes_on))
			hlt();
		turn_on();
	}
}

static void mask_in_main_loop(void)
{
	while (READ_ONCE(guest_ticks) < LAST_TICK)
		hlt();
	pit_report(EVENT_UNMASKED_TICKS);
	turn_off();
	pit_report(EVENT_MASKED);
	turn_on();
}

static void guest_code(void)
{
	irq0_init();
	pit_program(0, PIT_MODE, COUNT);
	pit_sti();
	if (!mask_in_handler)
		mask_in_main_loop();
	while (!READ_ONCE(guest_stop))
		hlt();
	pit_rest();
}

/* Where the guest does not wait until then, it is not run. */
struct scenario {
	const char *name;
	bool in_handler;
	int until_ms;
	bool stops;
	bool waits;
};

static const struct scenario off_scenarios[] = {
	{ "masked outside a tick for a minute", false, OFF_MS },
	{ "masked outside a tick until 510 ms", false, 510 },
	{ "masked by the handler for a minute", true, OFF_MS, .waits = true },
	{ "masked by the handler for 1010 ms", true, 1010, .waits = true },
	{ "stopped outside a tick for a minute", false, OFF_MS, .stops = true },
	{ "stopped by the handler for a minute", true, OFF_MS, .stops = true },
};

static const struct scenario handled_scenarios[] = {
	{ "masked by the handler until 42 ms", true, 42 },
	{ "masked by the handler until 985 ms", true, 985, .waits = true },
	{ "masked by the handler and not run until 1510 ms", true, 1510 },
};

static u64 run_to_mask(struct kvm_vcpu *vcpu)
{
	u64 until = now_ns() + NSEC_PER_SEC;
	u64 tick = 0;

	for (;;) {
		switch (pit_run(vcpu, until)) {
		case EVENT_TICK:
			tick = now_ns();
			break;
		case EVENT_UNMASKED_TICKS:
			sleep_until_ns(tick + MASK_AT_MS * NSEC_PER_MSEC);
			break;
		case EVENT_STOPPING:
			sleep_until_ns(tick + STOP_MS * NSEC_PER_MSEC);
			break;
		case EVENT_MASKED:
			return tick;
		default:
			return 0;
		}
	}
}

static void record(struct kvm_vcpu *vcpu, struct pit_line *line, u64 last,
		   int span_ms)
{
	u64 until = last + span_ms * NSEC_PER_MSEC;

	while (pit_run(vcpu, until) == EVENT_TICK)
		pit_line_add(line, now_ns() - last);
}

static bool settled(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	*(bool *)addr_gva2hva(vm, (uintptr_t)&guest_stop) = true;
	pit_wake(vcpu);
	return pit_run_to_rest(vcpu) && pit_ticks_conserved(vm);
}

static struct kvm_vm *create(struct kvm_vcpu **vcpu, const struct policy *policy,
			     const struct scenario *s, bool by_ioapic)
{
	struct kvm_vm *vm = pit_vm_create(vcpu, guest_code, irq0_handler);

	pit_set_irq0_way(vm, by_ioapic);
	mask_in_handler = s->in_handler;
	sync_global_to_guest(vm, mask_in_handler);
	stops = s->stops;
	sync_global_to_guest(vm, stops);
	waits = s->waits;
	sync_global_to_guest(vm, waits);
	if (policy->by_reinject_control)
		pit_set_reinject(vm, policy->value);
	else
		pit_set_policy(vm, policy->value);
	return vm;
}

static u64 halt_wakeups(struct kvm_vm *vm)
{
	return pit_has_policies() ? pit_counter(vm, "../halt_wakeup") : 0;
}

/*
 * In the first second the timer is not off yet, and each tick that comes due is one;
 * so is the host's signal at the end.
 */
static bool sleeps(struct kvm_vm *vm, u64 wakeups, int ms)
{
	u64 most = 1000 / 20 + ms / 1000 + 3;

	wakeups = halt_wakeups(vm) - wakeups;
	if (wakeups <= most)
		return true;
	ksft_print_msg("%lu wake-ups in %d ms, %lu expected at most\n", wakeups, ms, most);
	return false;
}

static bool get_to_mask_end(struct kvm_vcpu *vcpu, u64 end)
{
	int ms = (end - now_ns()) / NSEC_PER_MSEC;
	u64 wakeups;

	if (!waits) {
		sleep_until_ns(end);
		return true;
	}
	wakeups = halt_wakeups(vcpu->vm);
	if (pit_run(vcpu, end) != PIT_TIMEOUT) {
		ksft_print_msg("an event under the mask\n");
		return false;
	}
	if (!sleeps(vcpu->vm, wakeups, ms))
		return false;
	*(bool *)addr_gva2hva(vcpu->vm, (uintptr_t)&guest_goes_on) = true;
	pit_wake(vcpu);
	return true;
}

/* From the mask's end on, relative to the last tick before it. */
static bool run(struct pit_line *line, const struct policy *policy,
		const struct scenario *s, bool by_ioapic, int span_ms)
{
	struct kvm_vcpu *vcpu;
	u64 last;
	bool ok = false;
	struct kvm_vm *vm = create(&vcpu, policy, s, by_ioapic);

	line->nr = 0;
	last = run_to_mask(vcpu);
	if (!last) {
		ksft_print_msg("no ticks before the mask\n");
	} else if (get_to_mask_end(vcpu, last + s->until_ms * NSEC_PER_MSEC)) {
		record(vcpu, line, last, s->until_ms + span_ms);
		ok = settled(vm, vcpu);
	}
	pit_vm_free(vm);
	return ok;
}

static void report(bool ok, const struct policy *policy, const struct scenario *s,
		   bool by_ioapic)
{
	ksft_test_result(ok, "%s, %s, %s\n", policy->name,
			 by_ioapic ? "IOAPIC" : "i8259", s->name);
}

/* The ticks at the mask's end, as many as there are, up to so many. */
static void expect_extra(struct pit_line *expected, const struct pit_line *line,
			 const struct scenario *s)
{
	s64 on = s->until_ms * NSEC_PER_MSEC;
	int most = s->stops && s->in_handler ? 2 : 1;
	int i;

	for (i = 0; i < most && i < line->nr; i++)
		if (line->at[i] >= on && line->at[i] <= on + PIT_TOLERANCE_NS)
			pit_line_add(expected, on);
}

/* The PIT counts from the start on, where it was stopped. */
static void expect_grid(struct pit_line *line, const struct scenario *s)
{
	s64 on = s->until_ms * NSEC_PER_MSEC;
	s64 end = on + SPAN_MS * NSEC_PER_MSEC;
	int k;

	if (!s->stops)
		pit_expect(line, on, 0, 0, COUNT, end);
	for (k = 1; s->stops && on + pit_tick_ns(k, COUNT) < end; k++)
		pit_line_add(line, on + pit_tick_ns(k, COUNT));
}

static void test_off(const struct policy *policy, const struct scenario *s,
		     bool by_ioapic)
{
	struct pit_line line, expected = { };
	bool ok = run(&line, policy, s, by_ioapic, SPAN_MS);

	expect_extra(&expected, &line, s);
	expect_grid(&expected, s);
	ok &= pit_line_matches(&line, &expected);
	report(ok, policy, s, by_ioapic);
}

/* The first tick under the mask is taken at its end, the others are owed. */
static void test_handled(const struct policy *policy, const struct scenario *s,
			 bool by_ioapic)
{
	s64 from = s->until_ms * NSEC_PER_MSEC;
	int span_ms = s->until_ms + SPAN_MS;
	struct pit_line line, expected = { };
	bool ok = run(&line, policy, s, by_ioapic, span_ms);
	u64 owed = from / pit_tick_ns(1, COUNT) - 1;

	pit_line_add(&expected, from);
	pit_expect(&expected, from, min(owed, policy->capacity), policy->rate, COUNT,
		   from + span_ms * NSEC_PER_MSEC);
	ok &= pit_line_matches(&line, &expected);
	report(ok, policy, s, by_ioapic);
}

static void skip(const struct policy *policy, const char *scenario)
{
	pit_skip("%s, %s", policy->name, scenario);
}

/* Stock KVM does not stop for a control word. */
static bool able(const struct policy *policy, const struct scenario *s)
{
	return pit_has_policies() || (policy->by_reinject_control && !s->stops);
}

static void test_policy(const struct policy *policy, bool by_ioapic)
{
	const struct scenario *s;
	int i;

	for (i = 0; i < ARRAY_SIZE(off_scenarios); i++) {
		s = &off_scenarios[i];
		if (able(policy, s))
			test_off(policy, s, by_ioapic);
		else
			skip(policy, s->name);
	}

	for (i = 0; i < ARRAY_SIZE(handled_scenarios) && !policy->by_reinject_control; i++) {
		s = &handled_scenarios[i];
		if (able(policy, s))
			test_handled(policy, s, by_ioapic);
		else
			skip(policy, s->name);
	}
}

int main(void)
{
	int i, plan = 0;

	prctl(PR_SET_TIMERSLACK, 1);
	ksft_print_header();
	pit_require_debugfs();

	for (i = 0; i < ARRAY_SIZE(policies); i++)
		plan += 2 * (ARRAY_SIZE(off_scenarios) +
			     (policies[i].by_reinject_control ? 0 :
			      ARRAY_SIZE(handled_scenarios)));
	ksft_set_plan(plan);

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		test_policy(&policies[i], false);
		test_policy(&policies[i], true);
	}
	ksft_finished();
}
