// SPDX-License-Identifier: GPL-2.0-only
/*
 * The in-kernel PIT while all happens at once; for hosts with two CPUs or more.
 *
 * Each race goes on for SECONDS (-d, default 20), those of a group at the same
 * time, each in a process of its own. With three groups: a minute.
 *
 * Group 1, the only one with -m, and left out with -c, since its VM stays for
 * all that time:
 *  - The guest reprograms the PIT, its vCPU 0 is moved from CPU to CPU, and there
 *    is a thread for each ioctl of the PIT and for each of its files in debugfs.
 *    CVE-2014-3611: the timer's migration raced with reprogramming. After it the
 *    guest still runs and gets ticks.
 * Group 2:
 *  - Two processes create and destroy VMs without vCPUs, ticks of some kHz in
 *    flight.
 *  - VMs are destroyed with a vCPU that is halted, runs, or is held in its
 *    handler with ticks owed to it, or that gets these back by and by.
 *  - Calls come to a VM that has no PIT.
 * Group 3:
 *  - A VMM is killed: while it creates a VM, creates the PIT, runs, gets owed
 *    ticks back, or destroys the VM.
 *  - A VM outlives its VMM, and goes on ticking: another process has its file
 *    descriptor.
 * At the end:
 *  - There are as many VMs as before, and as many users of the module.
 *
 * No call may fail that must not. Every VM that is not killed has its ticks
 * accounted for. Whether the kernel took harm is in its log, which is the
 * runner's to look at. The module may come and go meanwhile: a VM whose PIT is
 * another one is put through the same.
 */
#define _GNU_SOURCE /* for CPU_SET() */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "pit.h"

#define DEFAULT_SECONDS	20

#define SANE_COUNT	11932	/* 100 Hz */
#define LEAST_COUNT	4000	/* 300 Hz: emulated hosts are slow */
#define FAST_COUNT	300	/* 4 kHz, where the guest need not keep up with it */

#define EVENT_ROUND	0

static u32 next_random(u32 *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 16;
}

/* Is it the PIT with policies? That one stays for as long as its VM does. */
static bool has_own_pit(struct kvm_vm *vm)
{
	return pit_has_debugfs(vm);
}

static struct kvm_pit_state2 ticking_state(u32 count)
{
	return (struct kvm_pit_state2) { .channels[0] = pit_channel(2, count) };
}

static void tick_fast(struct kvm_vm *vm, u32 *rng)
{
	struct kvm_pit_state2 state = ticking_state(FAST_COUNT + next_random(rng) % 600);

	vm_ioctl(vm, KVM_SET_PIT2, &state);
}

static void set_some_policy(struct kvm_vm *vm, u64 policy, u32 *rng)
{
	u64 rate = policy == KVM_PIT_TICK_SLEW ? 1 + next_random(rng) % 99 : 0;
	int ret;

	if (!has_own_pit(vm))
		return;
	ret = __pit_set_policy(vm, policy, 0, rate, 0);
	TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_ENABLE_CAP, ret));
}

/*
 * All calls at once
 */

static bool guest_stop;

static void guest_reprograms(void)
{
	u32 rng = 8254;

	irq0_init();
	pit_sti();
	while (!READ_ONCE(guest_stop)) {
		pit_program(0, next_random(&rng) % 6,
			    LEAST_COUNT + next_random(&rng) % SANE_COUNT);
		pit_program(2, next_random(&rng) % 6, next_random(&rng));
		pit_outb(PIT_SPEAKER, next_random(&rng) & 3);
		pit_inb(PIT_CH0);
		pit_inb(PIT_SPEAKER);
		irq0_mask(!(next_random(&rng) % 4));
		pit_report(EVENT_ROUND);
	}
	irq0_mask(false);
	pit_list.done = pit_list.ordered;
	pit_serve();
}

static struct kvm_vm *race_vm;
static struct kvm_vcpu *race_vcpu;
static pid_t vcpu_tid;
static bool race_over;
static bool vcpu_over;		/* later: until then its thread can be moved */
static u64 rounds;

static void *vcpu_thread(void *arg)
{
	int ret;

	WRITE_ONCE(vcpu_tid, syscall(SYS_gettid));
	while (!READ_ONCE(vcpu_over)) {
		ret = __vcpu_run(race_vcpu);
		if (ret && errno == EINTR)
			break;
		TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_RUN, ret));
		if (pit_event(race_vcpu) == EVENT_ROUND)
			rounds++;
	}
	return NULL;
}

/* For a guest that does not come out of KVM_RUN by itself any more. */
static void kick(int sig)
{
}

static void stop_vcpu_thread(pthread_t thread)
{
	struct sigaction action = { .sa_handler = kick };

	sigaction(SIGUSR1, &action, NULL);
	WRITE_ONCE(vcpu_over, true);
	race_vcpu->run->immediate_exit = 1;
	syscall(SYS_tgkill, getpid(), vcpu_tid, SIGUSR1);
	pthread_join(thread, NULL);
	race_vcpu->run->immediate_exit = 0;
}

static bool call_move(u32 *rng)
{
	static int cpu;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	cpu = (cpu + 1) % sysconf(_SC_NPROCESSORS_ONLN);
	return !sched_setaffinity(vcpu_tid, sizeof(set), &set);
}

static struct kvm_pit_state2 random_state(u32 *rng)
{
	struct kvm_pit_state2 state = { };
	int n;

	for (n = 0; n < 3; n++) {
		state.channels[n] = ticking_state(LEAST_COUNT + next_random(rng)).channels[0];
		state.channels[n].mode = next_random(rng) % 8 ? next_random(rng) % 6 : 0xff;
	}
	if (!(next_random(rng) % 4))
		state.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	return state;
}

static bool call_set_pit2(u32 *rng)
{
	struct kvm_pit_state2 state = random_state(rng);

	return !__vm_ioctl(race_vm, KVM_SET_PIT2, &state);
}

static bool call_set_pit(u32 *rng)
{
	struct kvm_pit_state2 state = random_state(rng);
	struct kvm_pit_state first;

	memcpy(first.channels, state.channels, sizeof(first));
	return !__vm_ioctl(race_vm, KVM_SET_PIT, &first);
}

/* What was never set must not come out. */
static bool call_get_pit2(u32 *rng)
{
	struct kvm_pit_state2 state;

	return !__vm_ioctl(race_vm, KVM_GET_PIT2, &state) && state.channels[0].gate == 1 &&
	       state.channels[0].count <= 0x10000;
}

static bool call_get_pit(u32 *rng)
{
	struct kvm_pit_state state;

	return !__vm_ioctl(race_vm, KVM_GET_PIT, &state) && state.channels[0].gate == 1 &&
	       state.channels[0].count <= 0x10000;
}

static bool call_reinject(u32 *rng)
{
	struct kvm_reinject_control control = { .pit_reinject = next_random(rng) % 2 };

	return !__vm_ioctl(race_vm, KVM_REINJECT_CONTROL, &control);
}

static bool call_enable_cap(u32 *rng)
{
	static const struct { u64 policy, flags, rate, limit; int error; } caps[] = {
		{ KVM_PIT_TICK_DELAY },
		{ KVM_PIT_TICK_DELAY, .limit = 3 },
		{ KVM_PIT_TICK_DELAY, .rate = 1, .error = EINVAL },
		{ KVM_PIT_TICK_DISCARD },
		{ KVM_PIT_TICK_DISCARD, .limit = 1, .error = EINVAL },
		{ KVM_PIT_TICK_DISCARD, .rate = 100, .error = EINVAL },
		{ KVM_PIT_TICK_SLEW },
		{ KVM_PIT_TICK_SLEW, .rate = 1, .limit = 5 },
		{ KVM_PIT_TICK_SLEW, .rate = 50 },
		{ KVM_PIT_TICK_SLEW, .flags = KVM_PIT_TICK_KEEP_STATE },
		{ KVM_PIT_TICK_SLEW, .rate = 900, .limit = 1 },
		{ KVM_PIT_TICK_SLEW, .rate = 901, .error = EINVAL },
		{ KVM_PIT_TICK_MERGE },
		{ KVM_PIT_TICK_MERGE, .limit = 1, .error = EINVAL },
		{ KVM_PIT_TICK_MERGE, .flags = 1ULL << 63, .error = EINVAL },
		{ KVM_PIT_TICK_MERGE + 1, .error = EINVAL },
		{ ~0ULL, .error = EINVAL },
	};
	typeof(*caps) *cap = &caps[next_random(rng) % ARRAY_SIZE(caps)];
	int ret = __pit_set_policy(race_vm, cap->policy, cap->flags, cap->rate, cap->limit);

	return cap->error ? ret == -1 && errno == cap->error : !ret;
}

static bool call_write_policy(u32 *rng)
{
	static const char * const names[] = { "delay", "discard", "slew", "merge", "later" };
	const char *name = names[next_random(rng) % ARRAY_SIZE(names)];
	int ret, fd, error, len = strlen(name);
	char path[128];

	pit_file(race_vm, "policy", path, sizeof(path));
	fd = open(path, O_WRONLY);
	TEST_ASSERT(fd >= 0, "cannot open %s", path);
	ret = write(fd, name, len);
	error = errno;
	close(fd);
	return strcmp(name, "later") ? ret == len : ret == -1 && error == EINVAL;
}

static bool call_read_policy(u32 *rng)
{
	char policy[32];

	pit_setting(race_vm, "policy", policy, sizeof(policy));
	return !strcmp(policy, "delay") || !strcmp(policy, "discard") ||
	       !strcmp(policy, "slew") || !strcmp(policy, "merge");
}

static bool call_read_counters(u32 *rng)
{
	static const char * const names[] = {
		"slew_rate", "backlog_limit", "period_ns", "due", "delivered",
		"replayed", "lost", "backlog",
	};
	static u64 due;
	u64 before = due;
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		pit_counter(race_vm, names[i]);
	due = pit_counter(race_vm, "due");
	return due >= before;
}

/* A thread each, which makes its call again and again. */
static struct caller {
	const char *name;
	bool (*call)(u32 *rng);		/* true: it went as it must */
	bool needs_policies;
	pthread_t thread;
	u64 calls;
	u64 wrong;
} callers[] = {
	{ "vCPU 0 moved", call_move },
	{ "KVM_SET_PIT2", call_set_pit2 },
	{ "KVM_SET_PIT", call_set_pit },
	{ "KVM_GET_PIT2", call_get_pit2 },
	{ "KVM_GET_PIT", call_get_pit },
	{ "KVM_REINJECT_CONTROL", call_reinject },
	{ "KVM_ENABLE_CAP", call_enable_cap, true },
	{ "policy written", call_write_policy, true },
	{ "policy read", call_read_policy, true },
	{ "counters read", call_read_counters, true },
};

static void *caller_thread(void *arg)
{
	struct caller *caller = arg;
	u32 rng = caller - callers;

	while (!READ_ONCE(race_over)) {
		caller->wrong += !caller->call(&rng);
		caller->calls++;
		usleep(next_random(&rng) % 500);
	}
	return NULL;
}

static bool caller_went_well(const struct caller *caller)
{
	ksft_print_msg("  %s: %lu times, %lu wrong\n", caller->name, caller->calls,
		       caller->wrong);
	return caller->calls >= 20 && !caller->wrong;
}

/* Whatever the last state and policy were. */
static bool still_ticks(void)
{
	struct kvm_pit_state2 state = { };
	u64 ticks;

	*(bool *)addr_gva2hva(race_vm, (uintptr_t)&guest_stop) = true;
	vm_ioctl(race_vm, KVM_SET_PIT2, &state);
	pit_run_for(race_vcpu, 100 * NSEC_PER_MSEC);
	pit_order_program(race_vcpu, 0, 2, SANE_COUNT);
	ticks = pit_ticks_in(race_vcpu, NSEC_PER_SEC);
	if (ticks >= 50 && ticks <= 150)
		return true;
	ksft_print_msg("%lu ticks in a second, expected 100\n", ticks);
	return false;
}

static bool race_calls(u64 until)
{
	bool able, ok = true;
	pthread_t vcpu;
	int i;

	race_vm = pit_vm_create(&race_vcpu, guest_reprograms, pit_count_tick);
	able = has_own_pit(race_vm);
	pthread_create(&vcpu, NULL, vcpu_thread, NULL);
	while (!READ_ONCE(vcpu_tid))
		usleep(100);
	for (i = 0; i < ARRAY_SIZE(callers); i++)
		if (able || !callers[i].needs_policies)
			pthread_create(&callers[i].thread, NULL, caller_thread, &callers[i]);

	sleep_until_ns(until);
	WRITE_ONCE(race_over, true);
	for (i = 0; i < ARRAY_SIZE(callers); i++)
		if (callers[i].thread)
			pthread_join(callers[i].thread, NULL);
	stop_vcpu_thread(vcpu);

	ksft_print_msg("guest and userspace: %lu rounds of the guest\n", rounds);
	for (i = 0; i < ARRAY_SIZE(callers); i++)
		if (callers[i].thread)
			ok = caller_went_well(&callers[i]) && ok;
	ok = still_ticks() && ok && rounds >= 20;
	return pit_end(race_vcpu) && ok;
}

/*
 * VMs that come and go
 */

static bool churn(u64 until, u32 rng)
{
	int i, own = 0;
	struct kvm_vm *vm;

	for (i = 0; now_ns() < until; i++) {
		vm = vm_create_barebones();
		vm_create_irqchip(vm);
		pit_create(vm);
		own += has_own_pit(vm);
		set_some_policy(vm, i % 4, &rng);
		tick_fast(vm, &rng);
		usleep(next_random(&rng) % 3000);
		pit_check_law(vm);
		tick_fast(vm, &rng);
		usleep(next_random(&rng) % 1000);
		kvm_vm_free(vm);
		usleep(next_random(&rng) % 3000);
	}
	ksft_print_msg("in parallel: %d VMs, %d of them with policies\n", i, own);
	return i >= 10;
}

static bool exited(int status)
{
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool race_churn(u64 until)
{
	int status;
	bool ok;

	if (!fork())
		exit(!churn(until, 1));
	ok = churn(until, 2);
	return wait(&status) > 0 && exited(status) && ok;
}

/*
 * What a vCPU does when its VM is destroyed, or its VMM is killed
 */

enum doing {
	HALTED,
	RUNNING,
	HELD,
	REPLAYING,
	NR_DOING,
};

static bool guest_spins;

static void guest_takes_ticks(void)
{
	irq0_init();
	pit_sti();
	while (!READ_ONCE(guest_spins))
		hlt();
	for (;;)
		;
}

static struct kvm_vm *create_doing(struct kvm_vcpu **vcpu, enum doing doing, u32 policy,
				   u32 *rng)
{
	struct kvm_vm *vm = pit_vm_create(vcpu, guest_takes_ticks, pit_report_tick);

	guest_spins = doing == RUNNING;
	sync_global_to_guest(vm, guest_spins);
	set_some_policy(vm, policy, rng);
	return vm;
}

/*
 * Ticks come due faster than they are taken, and the vCPU is in its handler, in
 * HLT, or anywhere. A replay of slew's waits for the timer.
 */
static void bring_to(struct kvm_vcpu *vcpu, enum doing doing, u32 *rng)
{
	tick_fast(vcpu->vm, rng);
	pit_run_to_tick(vcpu);
	if (doing == HELD || doing == REPLAYING)
		usleep(3000);
	if (doing == REPLAYING)
		pit_run_to_tick(vcpu);
	if (doing != HELD)
		pit_run_for(vcpu, next_random(rng) % 1000 * 1000);
}

static bool race_in_flight(u64 until)
{
	int i, nr = 0, owed[NR_DOING] = { }, own[NR_DOING] = { };
	bool keeps_ticks, ok = true;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	enum doing doing;
	u32 rng = 3;

	for (; now_ns() < until; nr++) {
		doing = nr % NR_DOING;
		/* Only delay and slew have a backlog. */
		keeps_ticks = doing == HELD || doing == REPLAYING || nr & 4;
		vm = create_doing(&vcpu, doing, nr / 8 % 2 * 2 + !keeps_ticks, &rng);
		bring_to(vcpu, doing, &rng);
		pit_check_law(vm);
		bring_to(vcpu, doing, &rng);
		if (has_own_pit(vm)) {
			own[doing]++;
			owed[doing] += !!pit_counter(vm, "backlog");
		}
		kvm_vm_free(vm);
		usleep(next_random(&rng) % 3000);
	}
	for (i = 0; i < NR_DOING; i++)
		ok = (i != HELD || owed[i] == own[i]) &&
		     (i != REPLAYING || !own[i] || owed[i]) && ok;
	ksft_print_msg("in flight: %d VMs\n", nr);
	ksft_print_msg("  with policies, and owed ticks: %d of %d halted, %d of %d running\n",
		       owed[HALTED], own[HALTED], owed[RUNNING], own[RUNNING]);
	ksft_print_msg("  %d of %d held in the handler, %d of %d with replays on their way\n",
		       owed[HELD], own[HELD], owed[REPLAYING], own[REPLAYING]);
	return ok && nr >= 10;
}

/* Those that are looked at on their way into KVM, and that no PIT answers. */
static bool race_no_pit(u64 until)
{
	struct kvm_vm *vm = vm_create_barebones();
	u64 asked = 0, known = 0, wrong = 0;
	struct kvm_pit_state2 state;
	int ret;

	for (; now_ns() < until; asked++) {
		ret = __vm_ioctl(vm, KVM_CHECK_EXTENSION, (void *)KVM_CAP_PIT_TICK_POLICY);
		known += !!ret;
		wrong += ret != 0 && ret != 0xf;
		ret = __pit_set_policy(vm, KVM_PIT_TICK_SLEW, 0, 0, 0);
		wrong += ret != -1 || (errno != ENXIO && errno != EINVAL);
		ret = __vm_ioctl(vm, KVM_GET_PIT2, &state);
		wrong += ret != -1 || errno != ENXIO;
		if (asked % 4 == 0)
			usleep(500);
	}
	ksft_print_msg("without a PIT: %lu times asked, %lu times there are policies, %lu wrong\n",
		       asked, known, wrong);
	kvm_vm_free(vm);
	return asked >= 100 && !wrong;
}

/*
 * VMMs that die
 */

enum stage {
	STAGE_VM,
	STAGE_PIT,
	STAGE_RUN,
	STAGE_REPLAY,
	STAGE_DESTROY,
	NR_STAGES,
};

/* Of the VMM that is going to be killed, which does not live to say it. */
static enum stage *stage;

/* All that a VMM does, over and over. */
static void be_a_vmm(u32 rng)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	for (;;) {
		WRITE_ONCE(*stage, STAGE_VM);
		vm = vm_create_with_one_vcpu(&vcpu, guest_takes_ticks);
		pit_init_vm_vectors(vm);
		pit_init_vcpu_vectors(vcpu);
		vm_install_exception_handler(vm, PIT_IRQ_VECTOR, pit_report_tick);
		WRITE_ONCE(*stage, STAGE_PIT);
		pit_create(vm);
		set_some_policy(vm, next_random(&rng) % 4, &rng);
		WRITE_ONCE(*stage, STAGE_RUN);
		tick_fast(vm, &rng);
		pit_run_to_tick(vcpu);
		pit_run_for(vcpu, 5 * NSEC_PER_MSEC);
		WRITE_ONCE(*stage, STAGE_REPLAY);
		bring_to(vcpu, REPLAYING, &rng);
		WRITE_ONCE(*stage, STAGE_DESTROY);
		kvm_vm_free(vm);
	}
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* Some time in the stage, or behind it. */
static bool kill_in(enum stage wanted, u32 *rng)
{
	u64 until = now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC;
	pid_t pid;
	int status;

	*stage = NR_STAGES;
	fflush(stdout);
	pid = fork();
	if (!pid)
		be_a_vmm(next_random(rng));
	while (READ_ONCE(*stage) != wanted && now_ns() < until)
		sched_yield();
	if (next_random(rng) % 2)
		usleep(next_random(rng) % 5000);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return was_killed(status);
}

static bool race_kill(u64 until)
{
	int i, nr = 0, killed[NR_STAGES + 1] = { };
	bool ok = true;
	u32 rng = 4;

	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(stage != MAP_FAILED, "mmap");
	for (; now_ns() < until; nr++) {
		ok = kill_in(nr % NR_STAGES, &rng) && ok;
		killed[*stage]++;
		usleep(next_random(&rng) % 10000);
	}
	for (i = 0; i < NR_STAGES; i++)
		ok = killed[i] && ok;
	ksft_print_msg("killed: %d VMMs\n", nr);
	ksft_print_msg("  creating VM: %d, PIT: %d, running: %d, replaying: %d, destroying: %d\n",
		       killed[STAGE_VM], killed[STAGE_PIT], killed[STAGE_RUN],
		       killed[STAGE_REPLAY], killed[STAGE_DESTROY]);
	return ok;
}

/* Has the VM of another process, which is gone. */
static bool keep_vm(bool own, const char *due_path, pid_t owner)
{
	u64 due, until;

	while (getppid() == owner)
		usleep(1000);
	if (!own) {
		usleep(10000);
		return true;
	}
	due = pit_read_number(due_path);
	for (until = now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC; now_ns() < until; ) {
		usleep(5000);
		if (pit_read_number(due_path) > due)
			return true;
	}
	ksft_print_msg("no tick in %d s after %lu\n", PIT_PATIENCE_S, due);
	return false;
}

static void leave_vm_behind(u32 nr)
{
	struct kvm_vm *vm = vm_create_barebones();
	pid_t pid = getpid();
	char path[128];
	bool own;

	vm_create_irqchip(vm);
	pit_create(vm);
	own = has_own_pit(vm);
	set_some_policy(vm, nr % 4, &nr);
	tick_fast(vm, &nr);
	pit_file(vm, "due", path, sizeof(path));
	if (!fork())
		exit(!keep_vm(own, path, pid));
	if (nr % 2)
		kill(pid, SIGKILL);
	_exit(0);
}

/* Has two children in turn: the VMM, and the process that it leaves the VM to. */
static bool race_outlive(u64 until)
{
	int status, nr = 0, ended = 0;
	bool ok = true;

	TEST_ASSERT(!prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
	for (; now_ns() < until; nr++) {
		fflush(stdout);
		if (!fork())
			leave_vm_behind(nr);
		for (; wait(&status) > 0; ended++)
			ok = (exited(status) || was_killed(status)) && ok;
		usleep(nr % 10 * 1000);
	}
	ksft_print_msg("outlived: %d VMMs\n", nr);
	return ok && nr >= 10 && ended == 2 * nr;
}

/*
 * A VM that only exists. With it the number of VMs never falls to 0, and the
 * kernel need not patch its scheduler for every one of them (preempt notifiers).
 * That is not what is tested, and emulators have been seen to get it wrong.
 */
static void create_bystander(void)
{
	struct kvm_vcpu *vcpu;

	vm_create_with_one_vcpu(&vcpu, guest_takes_ticks);
}

#define MAX_RACES	3

struct race {
	const char *name;
	bool (*run)(u64 until);
};

static const struct race groups[][MAX_RACES] = {
	{
		{ "CVE-2014-3611: vCPU 0 moves, the guest reprograms, userspace calls",
		  race_calls },
	}, {
		{ "VMs are created and destroyed in parallel", race_churn },
		{ "VMs are destroyed with a tick in flight", race_in_flight },
		{ "calls come to a VM that has no PIT", race_no_pit },
	}, {
		{ "a VMM is killed at any moment", race_kill },
		{ "a VM outlives its VMM", race_outlive },
	},
};

/* Of one process at a time: what several write at once need not stay in lines. */
static pid_t start_race(const struct race *race, u64 until, int output)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	exit(!race->run(until));
}

static void end_race(const struct race *race, pid_t pid, int output)
{
	char buf[512];
	int n, status;

	waitpid(pid, &status, 0);
	lseek(output, 0, SEEK_SET);
	while ((n = read(output, buf, sizeof(buf))) > 0)
		fwrite(buf, n, 1, stdout);
	close(output);
	ksft_test_result(exited(status), "%s\n", race->name);
}

static void run_group(const struct race *group, int seconds)
{
	u64 until = now_ns() + seconds * NSEC_PER_SEC;
	int i, output[MAX_RACES];
	pid_t pid[MAX_RACES];

	for (i = 0; i < MAX_RACES && group[i].run; i++) {
		output[i] = memfd_create(group[i].name, 0);
		TEST_ASSERT(output[i] >= 0, "memfd_create");
		pid[i] = start_race(&group[i], until, output[i]);
	}
	for (i = 0; i < MAX_RACES && group[i].run; i++)
		end_race(&group[i], pid[i], output[i]);
}

/* The groups from the first to before the last. */
static void run_races(int first, int last, int seconds)
{
	struct pit_users before;
	int i, n, plan = 1;

	for (i = first; i < last; i++)
		for (n = 0; n < MAX_RACES && groups[i][n].run; n++)
			plan++;
	ksft_set_plan(plan);
	create_bystander();
	before = pit_count_users();
	for (i = first; i < last; i++)
		run_group(groups[i], seconds);
	ksft_test_result(pit_users_are_as(&before), "nothing is left of the VMs\n");
	ksft_finished();
}

int main(int argc, char *argv[])
{
	int opt, first = 0, last = ARRAY_SIZE(groups), seconds = DEFAULT_SECONDS;
	struct rlimit files;

	while ((opt = getopt(argc, argv, "cmd:")) != -1) {
		if (opt == 'c') {
			first = 1;
			continue;
		}
		if (opt == 'm') {
			last = 1;
			continue;
		}
		if (opt == 'd' && atoi(optarg) > 0) {
			seconds = atoi(optarg);
			continue;
		}
		printf("usage: %s [-c | -m] [-d SECONDS]\n\n", argv[0]);
		printf(" -c  only VMs that come and go\n");
		printf(" -m  only the VM whose vCPU 0 moves\n");
		printf(" -d  how long each of the races takes (default %d)\n",
		       DEFAULT_SECONDS);
		exit(KSFT_SKIP);
	}

	/* The library of 6.1 leaves the program's file open, once for each VM. */
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);

	ksft_print_header();
	setlinebuf(stdout);
	pit_require_debugfs();
	__TEST_REQUIRE(sysconf(_SC_NPROCESSORS_ONLN) > 1, "one CPU only");
	__TEST_REQUIRE(first < last, "-c and -m leave nothing to do");
	run_races(first, last, seconds);
}
