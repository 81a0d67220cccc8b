// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest gets after it masked IRQ0.
 *
 *  - Masked outside of a tick, for 10 s: the timer was off. At the unmask there
 *    is one tick at most, then one every period, in the old phase.
 *  - Masked by the tick's handler, for 10 s: that is off as well.
 *  - Masked by the tick's handler, until 42 ms after the tick: part of its
 *    handling; what came due is delivered after the unmask, as the policy says.
 *    This includes a tick that was raised under the mask and that the IOAPIC
 *    dropped.
 *
 * So at the i8259 and at the IOAPIC, under every policy and what
 * KVM_REINJECT_CONTROL selects. All times to 0.6 ms, on an idle host. At the end
 * no tick is unaccounted for.
 */
#include <sys/prctl.h>

#include "pit.h"

#define COUNT		23864	/* 20 ms */
#define PIT_MODE	2

#define TOLERANCE_NS	(600 * 1000L)

#define OFF_MS		10010	/* between two ticks */
#define SPAN_MS		200	/* for how long to look at ticks after it */
#define MASK_AT_MS	5	/* in the main loop */
#define LAST_TICK	3	/* the one after which IRQ0 is masked */

#define MAX_TICKS	1024

enum event {
	EVENT_TICK,
	EVENT_UNMASKED_TICKS,	/* LAST_TICK ticks were taken */
	EVENT_MASKED,
};

struct policy {
	const char *name;
	bool by_reinject_control;
	int value;
	int handled_grid_from;	/* masked by the handler until 42 ms: from here */
	int handled[4];		/* a tick every 20 ms, and before that these */
};

static const struct policy policies[] = {
	{ "stock-reinject",	true,	1 },
	{ "stock-discard",	true,	0 },
	{ "delay",	false,	KVM_PIT_TICK_DELAY,	60, { 42, 42 } },
	{ "discard",	false,	KVM_PIT_TICK_DISCARD,	60, { 42 } },
	{ "slew",	false,	KVM_PIT_TICK_SLEW,	80, { 42, 52, 62 } },
	{ "merge",	false,	KVM_PIT_TICK_MERGE,	60, { 42 } },
};

/* The guest's; set by the host. */
static bool mask_in_handler;
static bool guest_stop;
static u64 guest_ticks;

static void irq0_handler(struct ex_regs *regs)
{
	bool masks = mask_in_handler && guest_ticks + 1 == LAST_TICK;

	if (masks)
		irq0_mask(true);
	pit_report(EVENT_TICK);
	guest_ticks++;
	irq0_eoi();
	if (masks) {
		pit_report(EVENT_MASKED);
		irq0_mask(false);
	}
}

static void mask_in_main_loop(void)
{
	while (READ_ONCE(guest_ticks) < LAST_TICK)
		hlt();
	pit_report(EVENT_UNMASKED_TICKS);
	irq0_mask(true);
	pit_report(EVENT_MASKED);
	irq0_mask(false);
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

/* The ticks after the mask, in ns after the last one before it. */
struct ticks {
	s64 at[MAX_TICKS];
	int nr;
};

struct scenario {
	const char *name;
	bool in_handler;
	int until_ms;
};

static const struct scenario off_scenarios[] = {
	{ "masked outside a tick for 10 s", false, OFF_MS },
	{ "masked by the handler for 10 s", true, OFF_MS },
};

static const struct scenario handled_scenario = {
	"masked by the handler until 42 ms", true, 42
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
		case EVENT_MASKED:
			return tick;
		default:
			return 0;
		}
	}
}

static void record(struct kvm_vcpu *vcpu, struct ticks *ticks, u64 last,
		   int span_ms)
{
	u64 until = last + span_ms * NSEC_PER_MSEC;

	while (pit_run(vcpu, until) == EVENT_TICK) {
		TEST_ASSERT(ticks->nr < MAX_TICKS, "more than %d ticks",
			    MAX_TICKS);
		ticks->at[ticks->nr++] = now_ns() - last;
	}
}

static bool settled(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	*(bool *)addr_gva2hva(vm, (vm_vaddr_t)&guest_stop) = true;
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
	if (policy->by_reinject_control)
		pit_set_reinject(vm, policy->value);
	else
		pit_set_policy(vm, policy->value);
	return vm;
}

static bool run(struct ticks *ticks, const struct policy *policy,
		const struct scenario *s, bool by_ioapic)
{
	struct kvm_vcpu *vcpu;
	u64 last;
	bool ok = false;
	struct kvm_vm *vm = create(&vcpu, policy, s, by_ioapic);

	memset(ticks, 0, sizeof(*ticks));
	last = run_to_mask(vcpu);
	if (last) {
		sleep_until_ns(last + s->until_ms * NSEC_PER_MSEC);
		record(vcpu, ticks, last, s->until_ms + SPAN_MS);
		ok = settled(vm, vcpu);
	} else {
		ksft_print_msg("no ticks before the mask\n");
	}
	pit_vm_free(vm);
	return ok;
}

static bool near(s64 at, s64 expected)
{
	return llabs(at - expected) <= TOLERANCE_NS;
}

/* From the i-th on: one tick a period after @from, in phase, up to the end. */
static bool on_grid(const struct ticks *ticks, int i, s64 from, s64 end)
{
	s64 period = pit_clocks_to_ns(COUNT);
	s64 k;

	for (k = from / period + 1; k * period < end; k++, i++)
		if (i >= ticks->nr || !near(ticks->at[i], k * period))
			return false;
	return i == ticks->nr;
}

static void print_ticks(const struct ticks *ticks)
{
	int i;

	for (i = 0; i < ticks->nr; i++)
		ksft_print_msg("tick at %.3f ms\n", ticks->at[i] / 1e6);
}

static void report(bool ok, const struct ticks *ticks,
		   const struct policy *policy, const struct scenario *s,
		   bool by_ioapic)
{
	if (!ok)
		print_ticks(ticks);
	ksft_test_result(ok, "%s, %s, %s\n", policy->name,
			 by_ioapic ? "IOAPIC" : "i8259", s->name);
}

static void test_off(const struct policy *policy, const struct scenario *s,
		     bool by_ioapic)
{
	s64 unmask = s->until_ms * NSEC_PER_MSEC;
	struct ticks ticks;
	bool settled = run(&ticks, policy, s, by_ioapic);
	int extra = ticks.nr && near(ticks.at[0], unmask);

	report(settled && on_grid(&ticks, extra, unmask,
				  unmask + SPAN_MS * NSEC_PER_MSEC),
	       &ticks, policy, s, by_ioapic);
}

static void test_handled(const struct policy *policy, bool by_ioapic)
{
	const struct scenario *s = &handled_scenario;
	s64 end = (s->until_ms + SPAN_MS) * NSEC_PER_MSEC;
	struct ticks ticks;
	bool ok = run(&ticks, policy, s, by_ioapic);
	int i;

	for (i = 0; policy->handled[i]; i++)
		ok &= i < ticks.nr &&
		      near(ticks.at[i], policy->handled[i] * NSEC_PER_MSEC);
	ok &= on_grid(&ticks, i, (policy->handled_grid_from - 1) * NSEC_PER_MSEC,
		      end);
	report(ok, &ticks, policy, s, by_ioapic);
}

static void skip(const struct policy *policy, const char *scenario)
{
	pit_skip("%s, %s", policy->name, scenario);
}

static void test_policy(const struct policy *policy, bool by_ioapic)
{
	bool able = policy->by_reinject_control || pit_has_policies();
	int i;

	for (i = 0; i < ARRAY_SIZE(off_scenarios); i++) {
		if (able)
			test_off(policy, &off_scenarios[i], by_ioapic);
		else
			skip(policy, off_scenarios[i].name);
	}

	if (policy->by_reinject_control)
		return;
	if (able)
		test_handled(policy, by_ioapic);
	else
		skip(policy, handled_scenario.name);
}

int main(void)
{
	int i, plan = 0;

	prctl(PR_SET_TIMERSLACK, 1);
	ksft_print_header();
	pit_require_debugfs();

	for (i = 0; i < ARRAY_SIZE(policies); i++)
		plan += 2 * (ARRAY_SIZE(off_scenarios) +
			     !policies[i].by_reinject_control);
	ksft_set_plan(plan);

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		test_policy(&policies[i], false);
		test_policy(&policies[i], true);
	}
	ksft_finished();
}
