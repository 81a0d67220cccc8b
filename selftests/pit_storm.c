// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a PIT takes of the host at worst, whoever programs it.
 *
 *  - Kept states: each of the 256 values of counter 0's byte, in every mode, with
 *    short counts, is refused, or arms the timer no faster than min_period_us. Of
 *    those whose counter runs without a count none is taken. A refused one changes
 *    nothing.
 *  - 64 VMs with the shortest periods, programmed by the guest, by KVM_SET_PIT2 and
 *    by a kept state, under every policy, no vCPU in KVM_RUN: another process on that
 *    CPU has half of what it had at least, and the timer fires once per VM and
 *    min_period_us at most.
 *  - One-shots that userspace programs in a loop: the timer fires as often at most.
 *  - One VM with 1,000 vCPUs that never run, none of them the BSP: as with 64 VMs.
 *  - 64 VMs whose vCPUs run, and take what ticks they can: another process has half at
 *    least of what it had beside 64 that are busy without a timer. The VMs are a
 *    session of their own, as are VMs in a control group: the scheduler gives each
 *    session one half.
 *  - No VM has the workqueue raise more than a few ticks a second while no vCPU is
 *    in KVM_RUN.
 *
 * Times are those of a deterministic host with one CPU: elsewhere -k has the kept states
 * only. -p prints what each process got, for the table in Documentation.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "pit.h"

#define VMS		64
#define VCPUS		1000
#define WINDOW_NS	(50 * NSEC_PER_MSEC)
#define RUN_NS		(400 * NSEC_PER_MSEC)	/* each process gets its turn */
#define FLOOR_NS	(200 * 1000L)		/* min_period_us */
#define ITEMS_MAX	10			/* a second, of all VMs */

static bool print;

/*
 * The other process on that CPU: how often it gets round in @ns.
 */
static u64 rounds_in(u64 ns)
{
	u64 until = now_ns() + ns, rounds = 0;

	while (now_ns() < until)
		rounds++;
	return rounds;
}

/*
 * How often the workqueue raises ticks, as the kernel's own tracepoint has it
 */

static void items_begin(void)
{
	pit_trace_write("trace", "");
	pit_trace_write("events/workqueue/workqueue_execute_start/enable", "1");
}

static u64 items_end(void)
{
	pit_trace_write("events/workqueue/workqueue_execute_start/enable", "0");
	return pit_trace_count("function pit_work_fn", "function pit_do_work");
}

/*
 * Ways to program counter 0
 */

static void guest_shortest(void)
{
	irq0_init();
	pit_program(0, 2, 2);
	pit_report(1);
	pit_sti();
	for (;;)
		hlt();
}

static void set_shortest(struct kvm_vm *vm)
{
	struct kvm_pit_state2 state = { .channels[0] = pit_channel(2, 2) };

	vm_ioctl(vm, KVM_SET_PIT2, &state);
}

static struct kvm_pit_state2 kept_state(struct kvm_vm *vm, u8 mode, u16 count, u8 counter)
{
	struct kvm_pit_tick_state *ticks;
	struct kvm_pit_state2 state;

	vm_ioctl(vm, KVM_GET_PIT2, &state);
	ticks = (void *)state.reserved;
	state.channels[0] = pit_channel(mode, count);
	ticks->count[0] = count;
	ticks->counter[0] = counter;
	return state;
}

#define COUNTER_RUNS (KVM_PIT_COUNTER_COUNTING | KVM_PIT_COUNTER_OUT | KVM_PIT_COUNTER_LOADABLE)

static void keep_shortest(struct kvm_vm *vm, u64 policy)
{
	struct kvm_pit_state2 state;

	TEST_ASSERT(!__pit_set_policy(vm, policy, KVM_PIT_TICK_KEEP_STATE, 0, 0),
		    "KVM_ENABLE_CAP");
	state = kept_state(vm, 2, 2, COUNTER_RUNS);
	vm_ioctl(vm, KVM_SET_PIT2, &state);
}

enum way {
	BY_PORT,
	BY_SET_PIT2,
	BY_KEPT_STATE,
	NR_WAYS,
};

static const char * const way_names[] = {
	[BY_PORT] = "the guest", [BY_SET_PIT2] = "KVM_SET_PIT2",
	[BY_KEPT_STATE] = "a kept state",
};

static void set_policy(struct kvm_vm *vm, int policy)
{
	if (pit_has_policies())
		pit_set_policy(vm, policy);
	else
		pit_set_reinject(vm, policy == KVM_PIT_TICK_DELAY);
}

static struct kvm_vm *create_storm(enum way way, int policy)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	if (way == BY_PORT) {
		vm = pit_vm_create(&vcpu, guest_shortest, pit_count_tick);
		set_policy(vm, policy);
		TEST_ASSERT(pit_run(vcpu, now_ns() + NSEC_PER_SEC) == 1, "the guest hangs");
		return vm;
	}
	vm = vm_create_barebones();
	vm_create_irqchip(vm);
	pit_create(vm);
	set_policy(vm, policy);
	if (way == BY_SET_PIT2)
		set_shortest(vm);
	else
		keep_shortest(vm, policy);
	return vm;
}

/* The timer's interrupts in @ns, less those that the host has anyway. */
static bool timer_is_bounded(u64 interrupts, u64 ns, int vms, const char *what)
{
	u64 most = vms * (ns / FLOOR_NS + 1) + ns / NSEC_PER_MSEC + 10;

	if (interrupts <= most)
		return true;
	ksft_print_msg("%s: %lu timer interrupts in %lu us, at most %lu expected\n", what,
		       interrupts, ns / 1000, most);
	return false;
}

static bool is_half(u64 got, u64 had, const char *what)
{
	if (print)
		ksft_print_msg("result|%s|%lu\n", what, 100 * got / had);
	if (got * 2 >= had)
		return true;
	ksft_print_msg("%s: %lu %% are left\n", what, 100 * got / had);
	return false;
}

/*
 * VMs that nobody runs
 */
static bool test_idle_vms(enum way way, int policy)
{
	u64 had = rounds_in(WINDOW_NS), got, interrupts, items;
	struct kvm_vm *vms[VMS];
	char what[80];
	bool ok;
	int i;

	snprintf(what, sizeof(what), "%d VMs, %s, programmed by %s, outside KVM_RUN", VMS,
		 pit_policy_names[policy], way_names[way]);
	for (i = 0; i < VMS; i++)
		vms[i] = create_storm(way, policy);
	rounds_in(10 * NSEC_PER_MSEC);
	items_begin();
	interrupts = pit_timer_interrupts();
	got = rounds_in(WINDOW_NS);
	interrupts = pit_timer_interrupts() - interrupts;
	items = items_end();
	ok = is_half(got, had, what) && timer_is_bounded(interrupts, WINDOW_NS, VMS, what);
	if (items * NSEC_PER_SEC / WINDOW_NS > ITEMS_MAX * VMS) {
		ksft_print_msg("%s: %lu work items in %lu ms\n", what, items,
			       WINDOW_NS / NSEC_PER_MSEC);
		ok = false;
	}
	for (i = 0; i < VMS; i++)
		pit_vm_free(vms[i]);
	return ok;
}

/*
 * VMs that run
 */

static bool guest_has_timer;

static void guest_busy(void)
{
	irq0_init();
	if (guest_has_timer)
		pit_program(0, 2, 2);
	pit_sti();
	for (;;)
		;
}

/* Does not return. @started is shared with the one who waits for all VMs. */
static void be_vms(int policy, bool timer, int *started)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int i;

	TEST_ASSERT(setsid() > 0, "setsid");
	for (i = 1; i < VMS && fork(); i++)
		;
	vm = pit_vm_create(&vcpu, guest_busy, pit_count_tick);
	guest_has_timer = timer;
	sync_global_to_guest(vm, guest_has_timer);
	set_policy(vm, policy);
	__sync_fetch_and_add(started, 1);
	for (;;)
		__vcpu_run(vcpu);
}

static u64 rounds_beside(int policy, bool timer)
{
	int *started = mmap(NULL, sizeof(*started), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	u64 rounds;
	int status;

	TEST_ASSERT(started != MAP_FAILED, "mmap");
	if (!pid)
		be_vms(policy, timer, started);
	while (READ_ONCE(*started) < VMS)
		usleep(1000);
	usleep(20000);
	rounds = rounds_in(RUN_NS);
	kill(-pid, SIGKILL);
	while (wait(&status) > 0)
		;
	munmap(started, sizeof(*started));
	return rounds;
}

static bool test_running_vms(int policy)
{
	static u64 had;
	char what[80];

	if (!had)
		had = rounds_beside(policy, false);
	snprintf(what, sizeof(what), "%d VMs, %s, programmed by the guest, that run", VMS,
		 pit_policy_names[policy]);
	return is_half(rounds_beside(policy, true), had, what);
}

/*
 * One-shots
 */
static bool test_oneshots(void)
{
	struct kvm_pit_state2 state = { .channels[0] = pit_channel(0, 2) };
	struct kvm_vm *vm = create_storm(BY_SET_PIT2, 0);
	u64 until = now_ns() + WINDOW_NS, interrupts = pit_timer_interrupts(), calls = 0;
	bool ok;

	for (; now_ns() < until; calls++)
		vm_ioctl(vm, KVM_SET_PIT2, &state);
	ok = timer_is_bounded(pit_timer_interrupts() - interrupts, WINDOW_NS, 1,
			      "one-shots by KVM_SET_PIT2");
	pit_vm_free(vm);
	return ok && calls > 2 * WINDOW_NS / FLOOR_NS;
}

/*
 * Many vCPUs
 */
static bool test_many_vcpus(void)
{
	struct rlimit files = { VCPUS + 64, VCPUS + 64 };
	u64 had = rounds_in(WINDOW_NS), got;
	struct kvm_vm *vm = vm_create_barebones();
	int fds[VCPUS], i;
	bool ok;

	TEST_ASSERT(!setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	vm_create_irqchip(vm);
	vm_ioctl(vm, KVM_SET_BOOT_CPU_ID, (void *)(VCPUS + 1UL));
	for (i = 0; i < VCPUS; i++) {
		fds[i] = __vm_ioctl(vm, KVM_CREATE_VCPU, (void *)(unsigned long)i);
		TEST_ASSERT(fds[i] >= 0, "vCPU %d: %s", i, strerror(errno));
	}
	pit_create(vm);
	set_policy(vm, KVM_PIT_TICK_DISCARD);
	set_shortest(vm);
	rounds_in(10 * NSEC_PER_MSEC);
	got = rounds_in(WINDOW_NS);
	ok = is_half(got, had, "1 VM with 1,000 vCPUs, discard, outside KVM_RUN");
	for (i = 0; i < VCPUS; i++)
		close(fds[i]);
	pit_vm_free(vm);
	return ok;
}

/*
 * Kept states
 */

/* All but the times in it. */
static bool is_same_state(struct kvm_pit_state2 a, struct kvm_pit_state2 b)
{
	struct kvm_pit_tick_state *x = (void *)a.reserved, *y = (void *)b.reserved;
	int n;

	x->clock_ns = y->clock_ns;
	x->masked_clocks = y->masked_clocks;
	for (n = 0; n < 3; n++)
		a.channels[n].count_load_time = b.channels[n].count_load_time;
	return !memcmp(&a, &b, sizeof(a));
}

static bool kept_is_bounded(u8 mode, u16 count, u8 counter)
{
	u64 interrupts = pit_timer_interrupts();
	u64 began = now_ns();
	char what[80];

	snprintf(what, sizeof(what), "mode %u, count %u, counter %#x", mode, count, counter);
	sleep_until_ns(began + 2 * NSEC_PER_MSEC);
	return timer_is_bounded(pit_timer_interrupts() - interrupts, now_ns() - began, 1, what);
}

/* Set it after a state that does not change by itself. */
static bool keep_state(struct kvm_vm *vm, int mode, u16 count, int counter, int *taken)
{
	struct kvm_pit_state2 before = {
		.channels = { { .mode = 0xff }, { .mode = 0xff }, { .mode = 0xff } },
	};
	bool runs = counter & (KVM_PIT_COUNTER_COUNTING | KVM_PIT_COUNTER_LOADING);
	struct kvm_pit_state2 state, after;

	TEST_ASSERT(!__pit_set_policy(vm, KVM_PIT_TICK_DISCARD, KVM_PIT_TICK_KEEP_STATE, 0, 0),
		    "KVM_ENABLE_CAP");
	vm_ioctl(vm, KVM_SET_PIT2, &before);
	vm_ioctl(vm, KVM_GET_PIT2, &before);
	state = kept_state(vm, mode, count, counter);
	((struct kvm_pit_tick_state *)state.reserved)->policy = KVM_PIT_TICK_MERGE;
	if (!__vm_ioctl(vm, KVM_SET_PIT2, &state)) {
		++*taken;
		if (!runs || counter & KVM_PIT_COUNTER_LOADABLE)
			return kept_is_bounded(mode, count, counter);
		ksft_print_msg("mode %d, count %u, counter %#x: runs without a count\n", mode,
			       count, counter);
		return false;
	}
	if (errno == EINVAL) {
		vm_ioctl(vm, KVM_GET_PIT2, &after);
		if (is_same_state(before, after))
			return true;
	}
	ksft_print_msg("mode %d, count %u, counter %#x: refused by %s, or in part\n", mode, count,
		       counter, strerror(errno));
	return false;
}

static bool test_kept_states(void)
{
	static const u16 counts[] = { 1, 2, 3, 100 };
	struct kvm_vm *vm = vm_create_barebones();
	int mode, i, counter, taken = 0;
	bool ok = true;

	vm_create_irqchip(vm);
	pit_create(vm);
	for (mode = 0; mode < 6; mode++)
		for (i = 0; i < ARRAY_SIZE(counts); i++)
			for (counter = 0; counter < 256; counter++)
				ok &= keep_state(vm, mode, counts[i], counter, &taken);
	ksft_print_msg("%d of %zu kept states taken\n", taken, 6 * ARRAY_SIZE(counts) * 256);
	pit_vm_free(vm);
	return ok && taken;
}

int main(int argc, char *argv[])
{
	int ways = pit_has_policies() ? NR_WAYS : BY_KEPT_STATE;
	int policies = pit_has_policies() ? 4 : 2;
	bool kept_only = argc > 1 && !strcmp(argv[1], "-k");
	int way, policy;

	print = argc > 1 && !strcmp(argv[1], "-p");
	/* So that rounds_beside() waits for all VMs. */
	TEST_ASSERT(!prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
	ksft_print_header();
	setlinebuf(stdout);
	pit_require_debugfs();
	ksft_set_plan(kept_only ? 1 : 3 + (ways + 1) * policies);

	if (pit_has_policies())
		ksft_test_result(test_kept_states(), "kept states\n");
	else
		pit_skip("kept states");
	if (kept_only)
		ksft_finished();
	ksft_test_result(test_oneshots(), "one-shots in a loop\n");
	ksft_test_result(test_many_vcpus(), "many vCPUs\n");
	for (policy = 0; policy < policies; policy++) {
		for (way = 0; way < ways; way++)
			ksft_test_result(test_idle_vms(way, policy),
					 "VMs outside KVM_RUN, %s, programmed by %s\n",
					 pit_policy_names[policy], way_names[way]);
		ksft_test_result(test_running_vms(policy), "VMs that run, %s\n",
				 pit_policy_names[policy]);
	}
	ksft_finished();
}
