// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests that tell the time by ticks and by counter 0: their clock never goes back, and
 * is right in the end.
 *
 * The guest counts ticks in its handler, and reads the time in a loop with interrupts off,
 * as four kernels do; each way is named after its source. The host holds it for 45 ms,
 * again and again, wherever it is. Verified, under delay and slew, through the 8259:
 *
 *  - no reading is before the one before it;
 *  - when all that was owed has come, each clock shows the time that has passed since the
 *    timer was programmed, to one period.
 *
 * And under every policy, at 100 Hz, 1 kHz, 6 kHz and 16 kHz, also with ticks closer than
 * min_period_us: a guest that sees the count wrap finds a tick in the 8259's IRR.
 *
 * At rest no tick is unaccounted for.
 */
#include "pit.h"

#define HZ_100		11932
#define HOLD_NS		(45 * NSEC_PER_MSEC)
#define HOLDS		12
#define CATCH_UP_NS	(NSEC_PER_SEC + NSEC_PER_SEC / 2)	/* slew doubles the frequency */

enum reader {
	LINUX_2_4,	/* do_slow_gettimeoffset(): asks the IRR */
	FREEBSD,	/* i8254_get_timecount(): adds up wraps, asks the IRR */
	NETBSD,		/* i8254_get_timecount(): adds up wraps */
	CLOCKSOURCE,	/* Linux's clocksource=pit: does not let the count rise */
	NR_READERS,
};

static const char * const reader_names[] = {
	[LINUX_2_4] = "Linux 2.4", [FREEBSD] = "FreeBSD", [NETBSD] = "NetBSD",
	[CLOCKSOURCE] = "clocksource=pit",
};

/* The guest's; period is written by the host. */
static u32 period;
static bool guest_stop;

static struct clocks {
	u64 time[NR_READERS];		/* clocks, as last read */
	u64 back[NR_READERS];		/* readings that were before that */
	u64 readings;
	u64 wraps;			/* seen with interrupts off, */
	u64 wraps_unseen;		/* and no tick in the IRR */
} clocks;

static struct {
	u64 ticks;
	u32 count;
} linux_last, source_last;

/* Of FreeBSD and NetBSD each: wraps are added up, the interrupt cancels one. */
static struct wraps {
	u64 offset;
	u32 last;
	bool ticked;
} freebsd, netbsd;

static void wraps_tick(struct wraps *w)
{
	if (w->ticked) {
		w->ticked = false;
		return;
	}
	w->offset += period;
	w->last = 0;
}

static void take_tick(struct ex_regs *regs)
{
	pit_ticks++;
	wraps_tick(&freebsd);
	wraps_tick(&netbsd);
	pic_eoi();
}

static u32 read_count(void)
{
	u32 count;

	pit_outb(PIT_CONTROL, 0);
	count = pit_inb(PIT_CH0);
	return count | pit_inb(PIT_CH0) << 8;
}

static bool irr_has_tick(void)
{
	pit_outb(PIC_MASTER_CMD, 0x0a);
	return pit_inb(PIC_MASTER_CMD) & 1;
}

static u64 read_linux_2_4(u32 count, bool pending)
{
	u64 ticks = pit_ticks;
	s64 passed;

	/* The count wrapped, and the tick is not taken yet. */
	if (linux_last.ticks == ticks && count > linux_last.count && pending) {
		passed = (s64)period - count + period;
	} else {
		linux_last.count = count;
		passed = (s64)period - count;
	}
	linux_last.ticks = ticks;
	return ticks * period + passed;
}

static u64 read_wraps(struct wraps *w, u32 count, bool pending)
{
	u32 passed = period - count;

	if (passed < w->last || (!w->ticked && pending && passed < period / 2)) {
		w->ticked = true;
		w->offset += period;
	}
	w->last = passed;
	return w->offset + passed;
}

static u64 read_netbsd(struct wraps *w, u32 count)
{
	u32 passed = period - count;

	if (passed < w->last && !w->ticked) {
		w->ticked = true;
		w->offset += period;
	}
	w->last = passed;
	return w->offset + passed;
}

static u64 read_clocksource(u32 count)
{
	if (count > source_last.count && source_last.ticks == pit_ticks)
		count = source_last.count;
	source_last.count = count;
	source_last.ticks = pit_ticks;
	return pit_ticks * period + period - count;
}

static void note(enum reader reader, u64 time)
{
	if (time < clocks.time[reader])
		clocks.back[reader]++;
	clocks.time[reader] = time;
}

/* With interrupts off: whatever comes meanwhile is in the IRR. */
static void read_all(void)
{
	u32 first, count;
	bool pending;

	first = read_count();
	count = read_count();
	pending = irr_has_tick();
	if (count > first) {
		clocks.wraps++;
		clocks.wraps_unseen += !pending;
	}
	note(LINUX_2_4, read_linux_2_4(count, pending));
	note(FREEBSD, read_wraps(&freebsd, count, pending));
	note(NETBSD, read_netbsd(&netbsd, count));
	note(CLOCKSOURCE, read_clocksource(count));
	clocks.readings++;
}

static void guest_code(void)
{
	pit_cli();
	pic_init(0xfe);
	pit_report(1);
	pit_program(0, 2, period);
	linux_last.count = period;
	source_last.count = period;
	while (!READ_ONCE(guest_stop)) {
		pit_cli();
		read_all();
		pit_sti();
		asm volatile("nop; nop; nop" : : : "memory");
	}
	pit_rest();
}

/*
 * The host
 */

static const char * const policy_names[] = { "delay", "discard", "slew", "merge" };

static struct kvm_vm *create(struct kvm_vcpu **vcpu, u32 count, int policy)
{
	struct kvm_vm *vm = pit_vm_create(vcpu, guest_code, take_tick);

	period = count;
	sync_global_to_guest(vm, period);
	pit_set_policy(vm, policy);
	TEST_ASSERT(pit_run(*vcpu, now_ns() + NSEC_PER_SEC) == 1, "the guest hangs");
	return vm;
}

static struct clocks *clocks_of(struct kvm_vm *vm)
{
	return addr_gva2hva(vm, (uintptr_t)&clocks);
}

static bool end(struct kvm_vcpu *vcpu)
{
	bool ok;

	*(bool *)addr_gva2hva(vcpu->vm, (uintptr_t)&guest_stop) = true;
	ok = pit_run_to_rest(vcpu) && pit_ticks_conserved(vcpu->vm);
	pit_vm_free(vcpu->vm);
	return ok;
}

static void hold_anywhere(struct kvm_vcpu *vcpu)
{
	u64 rng = 8254;
	int i;

	for (i = 0; i < HOLDS; i++) {
		rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
		pit_run_for(vcpu, (rng >> 33) % (60 * NSEC_PER_MSEC));
		sleep_until_ns(now_ns() + HOLD_NS);
	}
}

static void test_clocks(int policy)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, HZ_100, policy);
	struct clocks *got = clocks_of(vm);
	u64 began = now_ns(), passed;
	bool ok[NR_READERS], ended;
	s64 error;
	int r;

	hold_anywhere(vcpu);
	pit_run_for(vcpu, CATCH_UP_NS);
	passed = pit_ns_to_clocks(now_ns() - began);
	for (r = 0; r < NR_READERS; r++) {
		error = got->time[r] - passed;
		ok[r] = !got->back[r] && llabs(error) <= HZ_100;
		if (!ok[r])
			ksft_print_msg("%s: %lu times back in %lu readings, %ld clocks off\n",
				       reader_names[r], got->back[r], got->readings, error);
	}
	ended = end(vcpu);
	for (r = 0; r < NR_READERS; r++)
		ksft_test_result(ok[r] && ended, "%s, %s\n", reader_names[r],
				 policy_names[policy]);
}

static const struct {
	const char *name;
	u32 count;
} rates[] = {
	{ "100 Hz", HZ_100 }, { "1 kHz", 1193 }, { "6 kHz", 199 }, { "16 kHz", 75 },
};

static void test_wraps(int rate, int policy)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, rates[rate].count, policy);
	struct clocks *got = clocks_of(vm);
	bool ok;
	int i;

	for (i = 0; i < 4; i++) {
		pit_run_for(vcpu, 30 * NSEC_PER_MSEC);
		sleep_until_ns(now_ns() + HOLD_NS);
	}
	ok = got->wraps && !got->wraps_unseen;
	if (!ok)
		ksft_print_msg("%lu wraps, %lu of them with no tick in the IRR\n", got->wraps,
			       got->wraps_unseen);
	ok &= end(vcpu);
	ksft_test_result(ok, "wraps at %s, %s\n", rates[rate].name, policy_names[policy]);
}

int main(void)
{
	int rate, policy;

	ksft_print_header();
	setlinebuf(stdout);
	TEST_REQUIRE(pit_has_policies());
	pit_require_debugfs();
	ksft_set_plan(2 * NR_READERS + ARRAY_SIZE(rates) * 4);
	test_clocks(KVM_PIT_TICK_DELAY);
	test_clocks(KVM_PIT_TICK_SLEW);
	for (rate = 0; rate < ARRAY_SIZE(rates); rate++)
		for (policy = 0; policy < 4; policy++)
			test_wraps(rate, policy);
	ksft_finished();
}
