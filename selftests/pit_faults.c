// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults that in-kernel timers had in the past, a test each, named after it.
 *
 *  - CVE-2010-0309, CVE-2015-3214: port 0x43 was read as a fourth channel. IN,
 *    INS, OUT and OUTS of 1, 2 and 4 bytes at 0x40..0x43 and 0x61: it reads as 0,
 *    and what goes to no channel leaves the state as it was, but for what time
 *    does to it. pit_ports has what the channels read.
 *  - CVE-2011-4622: a timer without an irqchip. Irqchip, PIT, state and policy
 *    in every order: there is a PIT if there was an irqchip before it. Without, or
 *    with a split one, each ioctl fails with the error it has to, and the VM runs.
 *  - CVE-2015-7513: a count of 0 in the state was a divisor. Every mode with a
 *    count of 0, and every byte of the state with hostile values; then all is
 *    read, and the PIT works. pit_state has random states.
 *  - KVM's 9ed96e87c574: no limit to the timer's rate. With the shortest periods,
 *    be they loaded or programmed in a loop, the host is live: it is late by 1 ms
 *    at most, and takes no more than 10000 timer interrupts a second.
 *  - KVM's 7dd0fdff145c: no NMIs through LVT0 without EOIs. Under every policy
 *    their number in half a second is exact to one. pit_irq has two vCPUs.
 *  - CVE-2025-71104 (of the APIC's timer): a catch-up storm after a pause. After
 *    two hours in which nobody looked at it the PIT's state is there within 1 ms,
 *    and the host is live, as above. So it is when a VM goes on with two hours of
 *    ticks owed to it; and slew gives these out at its rate, exact to two a second.
 *    With a backlog limit a guest that was not run for an hour, at 100 Hz, is back
 *    on its grid in time, with as many ticks more as the limit says, exact to two.
 *
 *  - Firecracker's #2777, KubeVirt's #9613: ticks waited for a thread of the PIT's
 *    own, outside of the VM's cgroup and at another priority. A VM with a PIT has
 *    no thread more than one without; and on a CPU that its vCPU has for itself, at
 *    a real-time priority, the number of ticks in half a second is exact to one,
 *    with a guest that is busy and with one in HLT.
 *
 * CVE-2014-3611 needs two CPUs: it is in pit_race.
 *
 * Each test is announced before it begins, for a host that does not survive it.
 */
#include <sched.h>
#include <sys/prctl.h>

#include "pit.h"

#define COUNT_1KHZ	1193
#define COUNT_100HZ	11932

#define PAUSE_S		7200ULL

#define LIVE_MS		50
#define LATE_NS		NSEC_PER_MSEC
#define INTERRUPTS_MAX	(10000 * LIVE_MS / 1000)

static struct kvm_pit_state2 state_with(u8 mode, u32 count)
{
	struct kvm_pit_channel_state channel = pit_channel(mode, count);

	return (struct kvm_pit_state2) {
		.channels = { channel, channel, channel },
	};
}

/*
 * Is the host live?
 */

/* With this vCPU running, or without any. */
static bool host_is_live(struct kvm_vcpu *vcpu, const char *when)
{
	u64 interrupts = pit_timer_interrupts();
	u64 at, late = 0;
	int i;

	for (i = 0; i < LIVE_MS; i++) {
		at = now_ns() + NSEC_PER_MSEC;
		if (vcpu)
			pit_run_for(vcpu, NSEC_PER_MSEC);
		else
			sleep_until_ns(at);
		late = max(late, now_ns() - at);
	}
	interrupts = pit_timer_interrupts() - interrupts;
	if (late <= LATE_NS && interrupts <= INTERRUPTS_MAX)
		return true;
	ksft_print_msg("%s: the host was late by %lu us, and took %lu interrupts in %d ms\n",
		       when, late / 1000, interrupts, LIVE_MS);
	return false;
}

/*
 * CVE-2010-0309, CVE-2015-3214
 */

static bool access_port(struct kvm_vcpu *vcpu, enum pit_op op, u16 port, int size)
{
	/* To port 0x43 that is a read-back command, which latches nothing. */
	struct pit_io io = { op, port, size, 1, .data = { 0xfe, 0xfe, 0xfe, 0xfe } };
	int control = PIT_CONTROL - port;

	pit_order(vcpu, &io, 1);
	if (op == PIT_OUT || op == PIT_OUTS || control < 0 || control >= size)
		return true;
	if (!io.data[control])
		return true;
	ksft_print_msg("port 0x43 reads as %#x in an access of %d bytes to %#x\n",
		       io.data[control], size, port);
	return false;
}

/* Reads of port 0x61 and accesses of port 0x43 are for no channel. */
static bool access_keeps_state(struct kvm_vcpu *vcpu, enum pit_op op, u16 port, int size)
{
	struct kvm_pit_state2 before, after;
	bool ok;
	int n;

	vm_ioctl(vcpu->vm, KVM_GET_PIT2, &before);
	ok = access_port(vcpu, op, port, size);
	if (port < PIT_CONTROL || (port == PIT_SPEAKER && (op == PIT_OUT || op == PIT_OUTS)))
		return ok;
	vm_ioctl(vcpu->vm, KVM_GET_PIT2, &after);
	for (n = 0; n < 3; n++)
		if (memcmp(&before.channels[n], &after.channels[n],
			   offsetof(struct kvm_pit_channel_state, count_load_time)))
			break;
	if (n == 3 && before.flags == after.flags)
		return ok;
	if (n < 3)
		ksft_print_msg("an access of %d bytes to %#x changes channel %d\n", size, port, n);
	else
		ksft_print_msg("an access of %d bytes to %#x changes the flags\n", size, port);
	return false;
}

static void test_fourth_channel(const char *name)
{
	static const u16 ports[] = { 0x40, 0x41, 0x42, 0x43, PIT_SPEAKER };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	bool ok = true;
	int op, size, i;

	/* KVM's own leaves in the guest's register what was there. */
	if (!pit_has_policies()) {
		pit_skip("%s", name);
		return;
	}
	vm = pit_vm_create_serving(&vcpu);
	pit_order_program(vcpu, 0, 2, COUNT_1KHZ);
	pit_run_for(vcpu, 20 * NSEC_PER_MSEC);
	for (op = PIT_IN; op <= PIT_OUTS; op++)
		for (size = 1; size <= 4; size *= 2)
			for (i = 0; i < ARRAY_SIZE(ports); i++)
				ok &= access_keeps_state(vcpu, op, ports[i], size);
	pit_order_stop(vcpu);
	pit_run_for(vcpu, NSEC_PER_MSEC);
	ok &= pit_ticks_conserved(vm);
	ok = ok && pit_end(vcpu);
	ksft_test_result(ok, "%s\n", name);
}

/*
 * CVE-2011-4622
 */

enum step {
	STEP_IRQCHIP,
	STEP_PIT,
	STEP_STATE,
	STEP_REINJECT,
	NR_STEPS,
};

static const char step_letters[] = "IPSR";

enum irqchip {
	IRQCHIP_NONE,
	IRQCHIP_SPLIT,
	IRQCHIP_FULL,
};

static const char * const irqchip_names[] = {
	[IRQCHIP_NONE] = "no",
	[IRQCHIP_SPLIT] = "split",
	[IRQCHIP_FULL] = "full",
};

static bool do_step(struct kvm_vm *vm, enum step step, enum irqchip irqchip)
{
	struct kvm_reinject_control control = { .pit_reinject = 1 };
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct kvm_pit_state2 state = state_with(2, COUNT_1KHZ);

	switch (step) {
	case STEP_IRQCHIP:
		if (irqchip == IRQCHIP_FULL)
			vm_create_irqchip(vm);
		else if (irqchip == IRQCHIP_SPLIT)
			vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24);
		return true;
	case STEP_PIT:
		return !__vm_ioctl(vm, KVM_CREATE_PIT2, &config);
	case STEP_STATE:
		return !__vm_ioctl(vm, KVM_SET_PIT2, &state);
	default:
		return !__vm_ioctl(vm, KVM_REINJECT_CONTROL, &control);
	}
}

/* Before 6.12 KVM creates a PIT for a split irqchip too. */
static bool pit_may_be(enum irqchip irqchip)
{
	return irqchip == IRQCHIP_SPLIT && !pit_has_policies();
}

static bool test_order(const enum step *order, enum irqchip irqchip)
{
	struct kvm_vm *vm = vm_create_barebones();
	bool has_irqchip = false, has_pit = false, done, ok = true;
	int i;

	for (i = 0; i < NR_STEPS && ok; i++) {
		done = do_step(vm, order[i], irqchip);
		if (order[i] == STEP_IRQCHIP)
			has_irqchip = irqchip == IRQCHIP_FULL;
		else if (order[i] != STEP_PIT)
			ok = done == has_pit;
		else if (pit_may_be(irqchip))
			has_pit = done;
		else
			ok = (has_pit = done) == has_irqchip;
	}
	if (!ok)
		ksft_print_msg("order %c%c%c%c, %s irqchip: step %d %s\n",
			       step_letters[order[0]], step_letters[order[1]],
			       step_letters[order[2]], step_letters[order[3]],
			       irqchip_names[irqchip], i, done ? "works" : "does not work");
	sleep_until_ns(now_ns() + 3 * NSEC_PER_MSEC);
	pit_vm_free(vm);
	return ok;
}

static bool is_permutation(const enum step *order)
{
	int i, seen = 0;

	for (i = 0; i < NR_STEPS; i++)
		seen |= 1 << order[i];
	return seen == (1 << NR_STEPS) - 1;
}

#define RESET_PAGE	0xfffff000ULL
#define RESET_OFFSET	0xff0
#define GUEST_PORT	0x80

/* As after a reset, in real mode. Its guest says so with an access to a port. */
static bool vm_runs(struct kvm_vm *vm)
{
	static const u8 code[] = { 0xe6, GUEST_PORT, 0xeb, 0xfc }; /* 1: out; jmp 1b */
	struct kvm_vcpu *vcpu;
	int i;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, RESET_PAGE, 0, 1, 0);
	memcpy(addr_gpa2hva(vm, RESET_PAGE) + RESET_OFFSET, code, sizeof(code));
	vcpu = __vm_vcpu_add(vm, 0);
	for (i = 0; i < 3; i++) {
		vcpu_run(vcpu);
		if (vcpu->run->exit_reason == KVM_EXIT_IO && vcpu->run->io.port == GUEST_PORT)
			continue;
		ksft_print_msg("the guest stopped for reason %u\n", vcpu->run->exit_reason);
		return false;
	}
	return true;
}

static bool call_fails(struct kvm_vm *vm, unsigned long cmd, void *arg, const char *name,
		       int expected)
{
	int ret, error;

	errno = 0;
	ret = ioctl(vm->fd, cmd, arg);
	error = errno;
	if (ret == -1 && error == expected)
		return true;
	ksft_print_msg("%s: %d (%s), expected %s\n", name, ret, strerror(error),
		       strerror(expected));
	return false;
}

#define CALL_FAILS(vm, cmd, arg, expected) call_fails(vm, cmd, arg, #cmd, expected)

static bool all_calls_fail(enum irqchip irqchip)
{
	struct kvm_reinject_control control = { .pit_reinject = 1 };
	struct kvm_pit_state2 state2 = state_with(2, COUNT_1KHZ);
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_pit_config config = { };
	struct kvm_pit_state state = { };
	bool ok = true;

	do_step(vm, STEP_IRQCHIP, irqchip);
	ok &= CALL_FAILS(vm, KVM_CREATE_PIT, NULL, ENOENT);
	ok &= CALL_FAILS(vm, KVM_CREATE_PIT2, &config, ENOENT);
	ok &= CALL_FAILS(vm, KVM_SET_PIT, &state, ENXIO);
	ok &= CALL_FAILS(vm, KVM_SET_PIT2, &state2, ENXIO);
	ok &= CALL_FAILS(vm, KVM_GET_PIT, &state, ENXIO);
	ok &= CALL_FAILS(vm, KVM_GET_PIT2, &state2, ENXIO);
	ok &= CALL_FAILS(vm, KVM_REINJECT_CONTROL, &control, ENXIO);
	ok &= vm_runs(vm);
	if (!ok)
		ksft_print_msg("with %s irqchip\n", irqchip_names[irqchip]);
	pit_vm_free(vm);
	return ok;
}

static void test_no_irqchip(const char *name)
{
	enum step order[NR_STEPS];
	bool ok = true;
	int n, i, irqchip;

	for (irqchip = IRQCHIP_NONE; irqchip <= IRQCHIP_SPLIT; irqchip++)
		if (!pit_may_be(irqchip))
			ok &= all_calls_fail(irqchip);

	for (n = 0; n < 1 << 2 * NR_STEPS; n++) {
		for (i = 0; i < NR_STEPS; i++)
			order[i] = n >> 2 * i & 3;
		for (irqchip = IRQCHIP_NONE; irqchip <= IRQCHIP_FULL; irqchip++)
			if (is_permutation(order))
				ok &= test_order(order, irqchip);
	}
	ksft_test_result(ok, "%s\n", name);
}

/*
 * CVE-2015-7513
 */

static void load_and_read(struct kvm_vcpu *vcpu, struct kvm_pit_state2 *state)
{
	struct kvm_pit_state2 got;

	vm_ioctl(vcpu->vm, KVM_SET_PIT2, state);
	vm_ioctl(vcpu->vm, KVM_GET_PIT2, &got);
	pit_order_read_all(vcpu);
}

static void load_hostile(struct kvm_vcpu *vcpu)
{
	static const u8 values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	struct kvm_pit_state2 state;
	int mode, i, v;

	for (mode = 0; mode < 8; mode++) {
		state = state_with(mode, 0);
		load_and_read(vcpu, &state);
	}
	for (i = 0; i < sizeof(state); i++) {
		for (v = 0; v < ARRAY_SIZE(values); v++) {
			state = state_with(2 + i % 2, COUNT_1KHZ);
			((u8 *)&state)[i] = values[v];
			load_and_read(vcpu, &state);
		}
	}
	memset(&state, 0xff, sizeof(state));
	load_and_read(vcpu, &state);
}

static void test_count_0(const char *name)
{
	struct kvm_pit_state2 state = { };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	/* The guest shall read, not take ticks. */
	pit_order_outb(vcpu, PIC_MASTER_DATA, 0xff);
	load_hostile(vcpu);
	vm_ioctl(vm, KVM_SET_PIT2, &state);
	pit_order_outb(vcpu, PIC_MASTER_DATA, 0xfe);
	pit_order_program(vcpu, 0, 2, COUNT_100HZ);
	pit_run_for(vcpu, NSEC_PER_MSEC);
	ok = pit_is_near(pit_ticks_in(vcpu, NSEC_PER_SEC), 100, 1, "ticks in a second");
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "%s\n", name);
}

/*
 * KVM's 9ed96e87c574
 */

#define SHORTEST_MAX	3

static u64 guest_rounds;

/* Not as one-shots: of these each costs the guest an access to a port. */
static void guest_programs_shortest(void)
{
	int mode, count;

	irq0_init();
	pit_sti();
	for (;;) {
		for (mode = 2; mode <= 3; mode++)
			for (count = 1; count <= SHORTEST_MAX; count++)
				pit_program(0, mode, count);
		WRITE_ONCE(guest_rounds, guest_rounds + 1);
	}
}

static bool live_with_shortest_loaded(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_pit_state2 state;
	char when[32];
	bool ok = true;
	int mode, count;

	vm_create_irqchip(vm);
	pit_create(vm);
	for (mode = 2; mode <= 3; mode++) {
		for (count = 1; count <= SHORTEST_MAX; count++) {
			state = state_with(mode, count);
			vm_ioctl(vm, KVM_SET_PIT2, &state);
			snprintf(when, sizeof(when), "mode %d, count %d", mode, count);
			ok &= host_is_live(NULL, when);
		}
	}
	pit_vm_free(vm);
	return ok;
}

static bool live_with_shortest_programmed(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create(&vcpu, guest_programs_shortest, pit_count_tick);
	u64 *rounds = addr_gva2hva(vm, (uintptr_t)&guest_rounds);
	bool ok;

	pit_run_for(vcpu, NSEC_PER_MSEC);
	ok = host_is_live(vcpu, "shortest counts in a loop");
	/* Under delay it may drown in its own ticks before it is round once. */
	if (!*rounds && !pit_ticks_taken(vm)) {
		ksft_print_msg("the guest got nowhere\n");
		ok = false;
	}
	pit_vm_free(vm);
	return ok;
}

static void test_shortest_counts(const char *name)
{
	bool ok = live_with_shortest_loaded();

	ok &= live_with_shortest_programmed();
	ksft_test_result(ok, "%s\n", name);
}

/*
 * KVM's 7dd0fdff145c
 */

static u64 guest_nmis;

static void count_nmi(struct ex_regs *regs)
{
	guest_nmis++;
}

static void guest_takes_nmis(void)
{
	x2apic_enable();
	x2apic_write_reg(APIC_LVT0, APIC_DM_NMI);
	pic_init(0xfe);
	pit_program(0, 2, COUNT_100HZ);
	for (;;)
		hlt();
}

/* Where there are no policies there are two, of other names. */
static bool takes_nmis(int policy)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create(&vcpu, guest_takes_nmis, pit_count_tick);
	u64 *nmis = addr_gva2hva(vm, (uintptr_t)&guest_nmis);
	char what[32];
	u64 before;
	bool ok;

	vm_install_exception_handler(vm, NMI_VECTOR, count_nmi);
	if (pit_has_policies())
		pit_set_policy(vm, policy);
	else
		pit_set_reinject(vm, policy % 2);
	pit_run_for(vcpu, 15 * NSEC_PER_MSEC);
	before = *nmis;
	pit_run_for(vcpu, NSEC_PER_SEC / 2);
	snprintf(what, sizeof(what), "NMIs under policy %d", policy);
	ok = pit_is_near(*nmis - before, 50, 1, what);
	pit_vm_free(vm);
	return ok;
}

static void test_nmi_watchdog(const char *name)
{
	bool ok = true;
	int policy;

	for (policy = KVM_PIT_TICK_DELAY; policy <= KVM_PIT_TICK_MERGE; policy++)
		ok &= takes_nmis(policy);
	ksft_test_result(ok, "%s\n", name);
}

/*
 * CVE-2025-71104
 */

/* In HPET legacy mode no tick is due, and the PIT needs no timer. */
static void test_hours_unwatched(const char *name)
{
	struct kvm_pit_state2 state = state_with(2, COUNT_1KHZ);
	struct kvm_vm *vm = vm_create_barebones();
	u64 began, took;
	bool ok;

	vm_create_irqchip(vm);
	pit_create(vm);
	state.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	vm_ioctl(vm, KVM_SET_PIT2, &state);
	sleep_until_ns(now_ns() + PAUSE_S * NSEC_PER_SEC);

	began = now_ns();
	vm_ioctl(vm, KVM_GET_PIT2, &state);
	took = now_ns() - began;
	ok = took <= LATE_NS;
	if (!ok)
		ksft_print_msg("KVM_GET_PIT2 took %lu us\n", took / 1000);
	state.flags = 0;
	vm_ioctl(vm, KVM_SET_PIT2, &state);
	ok &= host_is_live(NULL, "after the pause");
	pit_vm_free(vm);
	ksft_test_result(ok, "%s\n", name);
}

/* At 18.2 Hz, as from another host: there the VM was not run for hours. */
static struct kvm_vm *resume_after_hours(struct kvm_vcpu **vcpu, u64 policy)
{
	struct kvm_vm *vm = pit_vm_create_serving(vcpu);
	struct kvm_pit_tick_state *ticks;
	struct kvm_pit_state2 state;
	int ret;

	ret = __pit_set_policy(vm, policy, KVM_PIT_TICK_KEEP_STATE, 0, 0);
	TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_ENABLE_CAP, ret));
	pit_order_program(*vcpu, 0, 2, 0);
	pit_run_for(*vcpu, NSEC_PER_SEC / 2);

	vm_ioctl(vm, KVM_GET_PIT2, &state);
	ticks = (struct kvm_pit_tick_state *)state.reserved;
	ticks->backlog = PAUSE_S * NSEC_PER_SEC / pit_tick_ns(1, 0);
	vm_ioctl(vm, KVM_SET_PIT2, &state);
	return vm;
}

static void test_hours_owed(const char *name)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	bool ok;

	if (!pit_has_policies()) {
		pit_skip("%s", name);
		return;
	}
	vm = resume_after_hours(&vcpu, KVM_PIT_TICK_DELAY);
	ok = host_is_live(vcpu, "delay, after the pause");
	pit_vm_free(vm);

	/* At 100 % more than the nominal frequency. */
	vm = resume_after_hours(&vcpu, KVM_PIT_TICK_SLEW);
	ok &= host_is_live(vcpu, "slew, after the pause");
	ok &= pit_is_near(pit_ticks_in(vcpu, NSEC_PER_SEC), 2 * 18, 2, "ticks in a second");
	pit_vm_free(vm);
	ksft_test_result(ok, "%s\n", name);
}

#define HOUR_NS		(3600 * NSEC_PER_SEC)
#define LIMIT		20
#define REPLAY_NS	(NSEC_PER_MSEC / 5)	/* in a row: a guest's handler */

/* How long the ticks of a full backlog may take, and one that is due. */
static u64 catch_up_ns(u32 rate)
{
	u64 each = rate ? pit_tick_ns(1, COUNT_100HZ) * 100 / rate : REPLAY_NS;

	return LIMIT * each + pit_tick_ns(1, COUNT_100HZ);
}

static bool is_back_in_time(int policy, u32 rate, const char *name)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	struct kvm_pit_state2 state;
	u64 taken, began, took, expected;
	bool ok;
	int ret;

	ret = __pit_set_policy(vm, policy, 0, rate, LIMIT);
	TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_ENABLE_CAP, ret));
	pit_order_program(vcpu, 0, 2, COUNT_100HZ);
	pit_run_for(vcpu, 20 * NSEC_PER_MSEC);
	taken = pit_ticks_taken(vm);
	sleep_until_ns(now_ns() + HOUR_NS);

	began = now_ns();
	vm_ioctl(vm, KVM_GET_PIT2, &state);
	pit_run_for(vcpu, NSEC_PER_MSEC);
	took = now_ns() - began;
	pit_run_for(vcpu, catch_up_ns(rate) - NSEC_PER_MSEC);
	taken = pit_ticks_taken(vm) - taken;
	expected = LIMIT + catch_up_ns(rate) / pit_tick_ns(1, COUNT_100HZ);

	ok = pit_is_near(took, NSEC_PER_MSEC, LATE_NS, "ns for the first ms");
	ok &= pit_is_near(taken, expected, 2, "ticks to catch up");
	ok &= pit_is_near(pit_counter(vm, "backlog"), 0, 1, "ticks owed after that");
	ok &= pit_is_near(pit_ticks_in(vcpu, NSEC_PER_SEC), 100, 1, "ticks in a second");
	if (!ok)
		ksft_print_msg("under %s\n", name);
	return pit_end(vcpu) && ok;
}

static void test_hour_with_limit(const char *name)
{
	bool ok;

	if (!pit_has_policies()) {
		pit_skip("%s", name);
		return;
	}
	ok = is_back_in_time(KVM_PIT_TICK_DELAY, 0, "delay");
	ok &= is_back_in_time(KVM_PIT_TICK_SLEW, 100, "slew");
	ksft_test_result(ok, "%s\n", name);
}

/*
 * Firecracker's #2777, KubeVirt's #9613
 */

static bool guest_spins;

static void guest_counts_ticks(void)
{
	irq0_init();
	pit_sti();
	pit_program(0, 2, COUNT_100HZ);
	for (;;)
		if (!guest_spins)
			hlt();
}

/* Those of the kernel too. */
static u64 threads(void)
{
	FILE *f = fopen("/proc/loadavg", "r");
	unsigned long running, all;

	TEST_ASSERT(f, "cannot open /proc/loadavg");
	TEST_ASSERT(fscanf(f, "%*s %*s %*s %lu/%lu", &running, &all) == 2,
		    "/proc/loadavg is not as expected");
	fclose(f);
	return all;
}

/* Of a PIT that was created just now: a thread of it is there at once. */
static bool has_no_thread(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	u64 without, with;

	vm_create_irqchip(vm);
	without = threads();
	pit_create(vm);
	with = threads();
	pit_vm_free(vm);
	return pit_is_near(with, without, 0, "threads with a PIT");
}

static void set_scheduler(int scheduler, int priority)
{
	struct sched_param param = { .sched_priority = priority };
	int ret = sched_setscheduler(0, scheduler, &param);

	TEST_ASSERT(!ret, "sched_setscheduler(): %s", strerror(errno));
}

/* For less than a second: then the kernel lets others run. */
static bool ticks_beside_nobody(bool spins)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	u64 ticks;

	guest_spins = spins;
	vm = pit_vm_create(&vcpu, guest_counts_ticks, pit_count_tick);
	sync_global_to_guest(vm, guest_spins);
	pit_run_for(vcpu, 15 * NSEC_PER_MSEC);

	set_scheduler(SCHED_FIFO, 1);
	ticks = pit_ticks_in(vcpu, NSEC_PER_SEC / 2);
	set_scheduler(SCHED_OTHER, 0);
	pit_vm_free(vm);
	return pit_is_near(ticks, 50, 1,
			   spins ? "ticks of a busy guest" : "ticks of a guest in HLT");
}

static void test_no_thread(const char *name)
{
	bool ok = has_no_thread();

	ok &= ticks_beside_nobody(true);
	ok &= ticks_beside_nobody(false);
	ksft_test_result(ok, "%s\n", name);
}

static const struct test {
	const char *name;
	void (*run)(const char *name);
} tests[] = {
	{ "CVE-2010-0309, CVE-2015-3214: port 0x43 is no fourth channel",
	  test_fourth_channel },
	{ "CVE-2011-4622: no PIT without an irqchip",
	  test_no_irqchip },
	{ "CVE-2015-7513: a loaded count of 0 divides nothing",
	  test_count_0 },
	{ "KVM 9ed96e87c574: the shortest counts leave the host live",
	  test_shortest_counts },
	{ "KVM 7dd0fdff145c: NMIs through LVT0 need no EOI",
	  test_nmi_watchdog },
	{ "CVE-2025-71104: hours in which nobody looked make no storm",
	  test_hours_unwatched },
	{ "CVE-2025-71104: hours of owed ticks make no storm",
	  test_hours_owed },
	{ "CVE-2025-71104: an hour that is not run is made up for to the limit",
	  test_hour_with_limit },
	{ "Firecracker #2777, KubeVirt #9613: ticks wait for no thread",
	  test_no_thread },
};

int main(void)
{
	int i;

	prctl(PR_SET_TIMERSLACK, 1);
	setlinebuf(stdout);
	ksft_print_header();
	pit_require_debugfs();
	ksft_set_plan(ARRAY_SIZE(tests));
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		ksft_print_msg("next: %s\n", tests[i].name);
		tests[i].run(tests[i].name);
	}
	ksft_finished();
}
