// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the PIT's interrupt goes, and how many of them.
 *
 *  - Through LVT0 in NMI mode a tick is an NMI on every vCPU, with interrupts
 *    off and without any EOI, under every policy (KVM's 7dd0fdff145c broke
 *    that): counted over a second, exact to one.
 *  - Through the IOAPIC to vCPU 0 and to vCPU 1, whose EOIs count: after 200 ms
 *    in which it took none it gets what the policy says, exact to one.
 *  - Where an EOI gets lost with the irqchip's state, or is not told to the PIT,
 *    ticks go on, 100 in a second: a guest moves from the i8259 to the IOAPIC as
 *    Linux does, with a tick in the i8259; it changes the vector in its handler.
 *  - From 100 Hz to 16 kHz no tick is missing under delay: after a second the
 *    guest took as many as came due by then, within 1 ms.
 *  - One-shots fire once, at their time to 1 ms. Modes 1 and 5 never fire: gate
 *    0 is tied high.
 *  - Linux's way of stopping the PIT stops it, and so does a control word.
 *
 * At rest no tick is unaccounted for.
 */
#include <sys/prctl.h>

#include "pit.h"

#define COUNT_100HZ	11932
#define HOLD_MS		200
#define HELD_TICKS	20

#define MAX_VCPUS	2

struct policy {
	const char *name;
	int value;
	int after_hold;		/* ticks that a hold of HELD_TICKS leaves */
};

static const struct policy policies[] = {
	{ "delay",	KVM_PIT_TICK_DELAY,	HELD_TICKS },
	{ "discard",	KVM_PIT_TICK_DISCARD,	1 },
	{ "slew",	KVM_PIT_TICK_SLEW,	HELD_TICKS },
	{ "merge",	KVM_PIT_TICK_MERGE,	1 },
};

enum event {
	EVENT_READY,
};

static void run_to_ready(struct kvm_vcpu *vcpu)
{
	int event = pit_run(vcpu, now_ns() + NSEC_PER_SEC);

	TEST_ASSERT(event == EVENT_READY, "the guest hangs");
}

/* Stops a PIT whose guest does not take interrupts. */
static bool stops_with_no_tick_missing(struct kvm_vm *vm)
{
	struct kvm_pit_state2 state = pit_get_state(vm);

	state.channels[0].mode = 0xff;
	pit_set_state(vm, &state);
	sleep_until_ns(now_ns() + NSEC_PER_MSEC);
	return pit_ticks_conserved(vm);
}

/*
 * A VM with two vCPUs
 */

static u64 taken[MAX_VCPUS];

static u64 taken_by(struct kvm_vcpu *vcpu)
{
	u64 *counts = addr_gva2hva(vcpu->vm, (uintptr_t)taken);

	return counts[vcpu->id];
}

static u64 taken_in(struct kvm_vcpu *vcpu, u64 ns)
{
	u64 before = taken_by(vcpu);

	pit_run_for(vcpu, ns);
	return taken_by(vcpu) - before;
}

static void count_for_this_vcpu(struct ex_regs *regs)
{
	taken[x2apic_read_reg(APIC_ID)]++;
}

static void count_and_eoi(struct ex_regs *regs)
{
	count_for_this_vcpu(regs);
	x2apic_write_reg(APIC_EOI, 0);
}

static struct kvm_vm *create_two_vcpus(void *guest_code, struct kvm_vcpu *vcpus[2],
				       int vector, void (*handler)(struct ex_regs *),
				       int policy)
{
	struct kvm_vm *vm = vm_create_with_vcpus(2, guest_code, vcpus);
	int i;

	pit_init_vm_vectors(vm);
	for (i = 0; i < 2; i++) {
		pit_init_vcpu_vectors(vcpus[i]);
		vcpu_args_set(vcpus[i], 1, i);
	}
	vm_install_exception_handler(vm, vector, handler);
	pit_create(vm);
	pit_route_to_ioapic(vm);
	pit_set_policy(vm, policy);
	return vm;
}

/*
 * LVT0 in NMI mode
 */

static void guest_takes_nmis(int id)
{
	x2apic_enable();
	x2apic_write_reg(APIC_LVT0, APIC_DM_NMI);
	pit_report(EVENT_READY);
	if (!id) {
		pic_init(0xfe);
		pit_program(0, 2, COUNT_100HZ);
	}
	for (;;)
		hlt();
}

static void test_nmi(const struct policy *policy)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = create_two_vcpus(guest_takes_nmis, vcpus, NMI_VECTOR,
					     count_for_this_vcpu, policy->value);
	bool ok;
	int i;

	run_to_ready(vcpus[1]);
	run_to_ready(vcpus[0]);
	ok = pit_is_near(taken_in(vcpus[0], NSEC_PER_SEC), 100, 1, "NMIs, vCPU 0");
	for (i = 1; i >= 0; i--) {
		/* Those that pended do not count. */
		pit_run_for(vcpus[i], NSEC_PER_MSEC);
		ok &= pit_is_near(taken_in(vcpus[i], NSEC_PER_SEC), 100, 1, "NMIs");
	}
	ok &= stops_with_no_tick_missing(vm);
	ksft_test_result(ok, "%s: LVT0 in NMI mode, interrupts off, no EOI\n",
			 policy->name);
	pit_vm_free(vm);
}

/*
 * IOAPIC
 */

static int irq0_target;

static void guest_takes_irq0(int id)
{
	x2apic_enable();
	if (!id) {
		pic_init(0xff);
		ioapic_init(irq0_target);
	}
	pit_report(EVENT_READY);
	if (!id)
		pit_program(0, 2, COUNT_100HZ);
	pit_report(EVENT_READY);
	pit_sti();
	for (;;)
		hlt();
}

static void test_ioapic(const struct policy *policy, int target)
{
	struct kvm_vcpu *vcpus[2], *vcpu;
	struct kvm_vm *vm = create_two_vcpus(guest_takes_irq0, vcpus,
					     PIT_IRQ_VECTOR, count_and_eoi,
					     policy->value);
	bool ok;

	vcpu = vcpus[target];
	*(int *)addr_gva2hva(vm, (uintptr_t)&irq0_target) = target;
	run_to_ready(vcpus[1]);
	run_to_ready(vcpus[0]);
	run_to_ready(vcpus[0]);
	if (target)
		run_to_ready(vcpu);

	ok = pit_is_near(taken_in(vcpu, NSEC_PER_SEC), 100, 1, "ticks in a second");
	sleep_until_ns(now_ns() + HOLD_MS * NSEC_PER_MSEC);
	ok &= pit_is_near(taken_in(vcpu, NSEC_PER_SEC), 100 + policy->after_hold, 1,
			  "ticks in a second after a hold");
	ok &= !taken_by(vcpus[!target]);
	ok &= stops_with_no_tick_missing(vm);
	ksft_test_result(ok, "%s: IOAPIC, IRQ0 to vCPU %d\n", policy->name, target);
	pit_vm_free(vm);
}

/*
 * EOIs that are lost
 */

#define OTHER_VECTOR	(PIT_IRQ_VECTOR + 1)

static void take_ticks(void)
{
	pit_sti();
	for (;;)
		hlt();
}

/* KVM's i8259 forgets the tick, and tells nobody where no LVT0 takes its interrupts. */
static void guest_leaves_pic(void)
{
	x2apic_enable();
	pic_init(0xfe);
	pit_program(0, 2, COUNT_100HZ);
	while (!(pit_inb(PIC_MASTER_CMD) & 1))
		;
	pic_mask_irq0(true);
	x2apic_write_reg(APIC_LVT0, PIT_LVT_MASKED | APIC_DM_EXTINT);
	pic_init(0xff);
	ioapic_init(0);
	pit_report(EVENT_READY);
	take_ticks();
}

/* KVM's IOAPIC finds who waits for an EOI by the vector that is there then. */
static void change_vector(int vector)
{
	ioapic_mask_pit(true);
	ioapic_write(0x10 + 2 * IOAPIC_PIT_PIN, vector);
}

static void count_and_change_vector(struct ex_regs *regs)
{
	change_vector(pit_ticks % 2 ? PIT_IRQ_VECTOR : OTHER_VECTOR);
	pit_count_tick(regs);
}

static void guest_changes_vectors(void)
{
	irq0_init();
	pit_program(0, 2, COUNT_100HZ);
	pit_report(EVENT_READY);
	take_ticks();
}

static const struct lost_eoi {
	const char *name;
	void (*guest)(void);
	void (*irq0)(struct ex_regs *regs);
} lost_eois[] = {
	{ "from the i8259 to the IOAPIC", guest_leaves_pic, pit_count_tick },
	{ "another vector in the handler", guest_changes_vectors, count_and_change_vector },
};

static void test_lost_eoi(const struct lost_eoi *lost, const struct policy *policy)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create(&vcpu, lost->guest, lost->irq0);
	bool ok;

	vm_install_exception_handler(vm, OTHER_VECTOR, lost->irq0);
	pit_set_irq0_way(vm, true);
	pit_set_policy(vm, policy->value);
	run_to_ready(vcpu);
	ok = pit_is_near(pit_ticks_in(vcpu, NSEC_PER_SEC), 100, 1, "ticks in a second");
	ok &= stops_with_no_tick_missing(vm);
	ksft_test_result(ok, "%s: %s\n", policy->name, lost->name);
	pit_vm_free(vm);
}

/*
 * Rates
 */

static const struct rate {
	const char *name;
	u16 count;
	bool needs_policies;	/* faster than KVM's min_timer_period_us */
} rates[] = {
	{ "100 Hz",	11932,	false },
	{ "1 kHz",	1193,	false },
	{ "10 kHz",	119,	true },
	{ "16 kHz",	75,	true },
};

static u64 due_since(u64 load, u64 now, u16 count)
{
	return pit_ns_to_clocks(now - load) / count;
}

static bool takes_all(struct kvm_vcpu *vcpu, u16 count)
{
	u64 load[2], end[2], got;

	load[0] = now_ns();
	pit_order_program(vcpu, 0, 2, count);
	load[1] = now_ns();
	pit_run_for(vcpu, NSEC_PER_SEC);
	end[0] = now_ns();
	pit_run_for(vcpu, NSEC_PER_MSEC);
	end[1] = now_ns();

	got = pit_ticks_taken(vcpu->vm);
	if (got + 1 >= due_since(load[1], end[0], count) &&
	    got <= due_since(load[0], end[1], count))
		return true;
	ksft_print_msg("%lu ticks taken, of %lu to %lu due\n", got,
		       due_since(load[1], end[0], count),
		       due_since(load[0], end[1], count));
	return false;
}

static void test_rate(const struct rate *rate, bool by_ioapic)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	bool ok;

	if ((rate->needs_policies || by_ioapic) && !pit_has_policies()) {
		pit_skip("%s through the %s", rate->name,
			 by_ioapic ? "IOAPIC" : "i8259");
		return;
	}
	vm = pit_vm_create_serving(&vcpu);
	pit_set_irq0_way(vm, by_ioapic);
	pit_set_reinject(vm, true);
	ok = takes_all(vcpu, rate->count);
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "%s through the %s: all ticks are taken\n",
			 rate->name, by_ioapic ? "IOAPIC" : "i8259");
}

/*
 * One-shots
 */

static const struct one_shot {
	int mode;
	int ticks;
	bool needs_policies;
} one_shots[] = {
	{ 0, 1 },
	{ 1, 0, .needs_policies = true },
	{ 4, 1 },
	{ 5, 0 },
};

static bool ticks_are(struct kvm_vcpu *vcpu, u64 until, u64 expected,
		      const char *what)
{
	u64 ticks = pit_ticks_in(vcpu, until - now_ns());

	if (ticks == expected)
		return true;
	ksft_print_msg("%s: %lu ticks, expected %lu\n", what, ticks, expected);
	return false;
}

/* Long enough for the counter to wrap around a few times. */
static void test_one_shot(const struct one_shot *shot)
{
	u64 at = pit_clocks_to_ns(COUNT_100HZ);
	struct kvm_vcpu *vcpu;
	u64 load;
	bool ok;

	if (shot->needs_policies && !pit_has_policies()) {
		pit_skip("mode %d", shot->mode);
		return;
	}
	pit_vm_create_serving(&vcpu);
	pit_take_first_ticks(vcpu);
	load = now_ns();
	pit_order_program(vcpu, 0, shot->mode, COUNT_100HZ);
	ok = ticks_are(vcpu, load + at, 0, "before");
	ok &= ticks_are(vcpu, load + at + NSEC_PER_MSEC, shot->ticks, "at its time");
	ok &= ticks_are(vcpu, load + 400 * NSEC_PER_MSEC, 0, "after");

	load = now_ns();
	pit_order_program(vcpu, 0, shot->mode, COUNT_100HZ);
	ok &= ticks_are(vcpu, load + 400 * NSEC_PER_MSEC, shot->ticks, "again");
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "mode %d fires %s\n", shot->mode,
			 shot->ticks ? "once" : "never");
}

/*
 * Stopping
 */

static void stop_by_control_word(struct kvm_vcpu *vcpu)
{
	pit_order_outb(vcpu, PIT_CONTROL, 0x34);
}

static const struct stop {
	const char *name;
	void (*stop)(struct kvm_vcpu *vcpu);
} stops[] = {
	{ "Linux's way", pit_order_stop },
	{ "a control word", stop_by_control_word },
};

static void test_stop(const struct stop *stop)
{
	struct kvm_vcpu *vcpu;
	bool ok;

	if (!pit_has_policies()) {
		pit_skip("stopping by %s", stop->name);
		return;
	}
	pit_vm_create_serving(&vcpu);
	pit_order_program(vcpu, 0, 2, COUNT_100HZ);
	ok = pit_is_near(pit_ticks_in(vcpu, NSEC_PER_SEC), 100, 1, "ticks before");
	stop->stop(vcpu);
	pit_run_for(vcpu, NSEC_PER_MSEC);
	ok &= ticks_are(vcpu, now_ns() + NSEC_PER_SEC, 0, "stopped");
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "%s stops ticks\n", stop->name);
}

static void test_policy(const struct policy *policy)
{
	int i, target;

	if (!pit_has_policies()) {
		pit_skip("%s: LVT0 in NMI mode", policy->name);
		for (target = 0; target < 2; target++)
			pit_skip("%s: IOAPIC, IRQ0 to vCPU %d", policy->name,
				 target);
		for (i = 0; i < ARRAY_SIZE(lost_eois); i++)
			pit_skip("%s: %s", policy->name, lost_eois[i].name);
		return;
	}
	test_nmi(policy);
	for (target = 0; target < 2; target++)
		test_ioapic(policy, target);
	for (i = 0; i < ARRAY_SIZE(lost_eois); i++)
		test_lost_eoi(&lost_eois[i], policy);
}

int main(void)
{
	int i;

	prctl(PR_SET_TIMERSLACK, 1);
	ksft_print_header();
	pit_require_debugfs();
	ksft_set_plan((3 + ARRAY_SIZE(lost_eois)) * ARRAY_SIZE(policies) + 2 * ARRAY_SIZE(rates) +
		      ARRAY_SIZE(one_shots) + ARRAY_SIZE(stops));

	for (i = 0; i < ARRAY_SIZE(policies); i++)
		test_policy(&policies[i]);
	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		test_rate(&rates[i], false);
		test_rate(&rates[i], true);
	}
	for (i = 0; i < ARRAY_SIZE(one_shots); i++)
		test_one_shot(&one_shots[i]);
	for (i = 0; i < ARRAY_SIZE(stops); i++)
		test_stop(&stops[i]);
	ksft_finished();
}
