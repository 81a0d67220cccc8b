// SPDX-License-Identifier: GPL-2.0-only
/*
 * The in-kernel PIT while all happens at once; for hosts with two CPUs or more.
 *
 *  - The guest reprograms the PIT, its vCPU 0 is moved from CPU to CPU
 *    (CVE-2014-3611: the timer's migration raced with that), other threads
 *    call KVM_SET_PIT2, KVM_GET_PIT2, KVM_GET_PIT, KVM_REINJECT_CONTROL and
 *    KVM_ENABLE_CAP. After it the guest still runs and gets ticks.
 *  - VMs are created and destroyed with ticks in flight, two at a time.
 *  - A VMM is killed at any moment.
 *  - A VM outlives its VMM: another process has its file descriptor.
 *
 * No call may fail. At rest no tick is unaccounted for. Whether the kernel took
 * harm is in its log, which is the runner's to look at.
 */
#define _GNU_SOURCE /* for CPU_SET() */
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "pit.h"

#define DEFAULT_SECONDS	5
#define NR_CHURNERS	2

#define SANE_COUNT	11932	/* 100 Hz */
#define LEAST_COUNT	4000	/* 300 Hz: emulated hosts are slow */

enum event {
	EVENT_ROUND,
};

static bool guest_stop;

static u32 next_random(u32 *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 16;
}

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

struct race {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	pid_t vcpu_tid;
	u64 rounds;
	u64 calls;
	int errors;
};

static bool race_over;

static void check(struct race *race, int ret)
{
	__sync_fetch_and_add(&race->calls, 1);
	if (ret)
		__sync_fetch_and_add(&race->errors, 1);
}

static void *vcpu_thread(void *arg)
{
	struct race *race = arg;
	int ret;

	WRITE_ONCE(race->vcpu_tid, syscall(SYS_gettid));
	while (!READ_ONCE(race_over)) {
		ret = __vcpu_run(race->vcpu);
		if (ret && errno == EINTR)
			break;
		check(race, ret);
		if (pit_event(race->vcpu) == EVENT_ROUND)
			race->rounds++;
	}
	return NULL;
}

/* For a guest that does not come out of KVM_RUN by itself any more. */
static void kick(int sig)
{
}

static void kick_vcpu_thread(struct race *race)
{
	struct sigaction action = { .sa_handler = kick };

	sigaction(SIGUSR1, &action, NULL);
	race->vcpu->run->immediate_exit = 1;
	syscall(SYS_tgkill, getpid(), race->vcpu_tid, SIGUSR1);
}

static void *mover_thread(void *arg)
{
	struct race *race = arg;
	int cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	for (cpu = 0; !READ_ONCE(race_over); cpu = (cpu + 1) % cpus) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (READ_ONCE(race->vcpu_tid))
			check(race, sched_setaffinity(race->vcpu_tid, sizeof(set), &set));
		usleep(200);
	}
	return NULL;
}

static struct kvm_pit_state2 random_state(u32 *rng)
{
	struct kvm_pit_state2 state = { };
	int n;

	for (n = 0; n < 3; n++)
		state.channels[n] = (struct kvm_pit_channel_state) {
			.count = LEAST_COUNT + next_random(rng),
			.rw_mode = 3,
			.read_state = 3,
			.write_state = 3,
			.mode = next_random(rng) % 8 ? next_random(rng) % 6 : 0xff,
			.gate = 1,
		};
	if (!(next_random(rng) % 4))
		state.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	return state;
}

static void *set_state_thread(void *arg)
{
	struct kvm_pit_state2 state;
	struct race *race = arg;
	u32 rng = 1;

	while (!READ_ONCE(race_over)) {
		state = random_state(&rng);
		check(race, __vm_ioctl(race->vm, KVM_SET_PIT2, &state));
		usleep(next_random(&rng) % 300);
	}
	return NULL;
}

static void *get_state_thread(void *arg)
{
	struct kvm_pit_state2 second;
	struct kvm_pit_state first;
	struct race *race = arg;

	while (!READ_ONCE(race_over)) {
		check(race, __vm_ioctl(race->vm, KVM_GET_PIT2, &second));
		check(race, __vm_ioctl(race->vm, KVM_GET_PIT, &first));
		usleep(50);
	}
	return NULL;
}

static void *policy_thread(void *arg)
{
	struct kvm_reinject_control control = { };
	bool able = pit_has_policies();
	struct race *race = arg;
	u32 rng = 2;

	while (!READ_ONCE(race_over)) {
		if (able)
			check(race, __pit_set_policy(race->vm, next_random(&rng) % 4,
						     0, 0, 0));
		usleep(next_random(&rng) % 300);
		control.pit_reinject = next_random(&rng) % 2;
		check(race, __vm_ioctl(race->vm, KVM_REINJECT_CONTROL, &control));
	}
	return NULL;
}

static void *counter_thread(void *arg)
{
	struct race *race = arg;
	char policy[32];

	while (!READ_ONCE(race_over) && pit_has_policies()) {
		pit_setting(race->vm, "policy", policy, sizeof(policy));
		pit_counter(race->vm, "due");
		usleep(500);
	}
	return NULL;
}

static void run_threads(void *(* const start[])(void *), int nr,
			struct race *race, int seconds)
{
	pthread_t threads[8];
	int i;

	TEST_ASSERT(nr <= ARRAY_SIZE(threads), "%d threads", nr);
	WRITE_ONCE(race_over, false);
	for (i = 0; i < nr; i++)
		TEST_ASSERT(!pthread_create(&threads[i], NULL, start[i], race),
			    "pthread_create");
	sleep(seconds);
	WRITE_ONCE(race_over, true);
	usleep(100 * 1000);
	if (race)
		kick_vcpu_thread(race);
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
}

/* Whatever the last state and policy were. */
static bool still_ticks(struct race *race)
{
	struct kvm_pit_state2 state = { };
	u64 ticks;

	*(bool *)addr_gva2hva(race->vm, (vm_vaddr_t)&guest_stop) = true;
	vm_ioctl(race->vm, KVM_SET_PIT2, &state);
	pit_run_for(race->vcpu, 100 * NSEC_PER_MSEC);
	pit_order_program(race->vcpu, 0, 2, SANE_COUNT);
	ticks = pit_ticks_in(race->vcpu, NSEC_PER_SEC);
	if (ticks >= 50 && ticks <= 150)
		return true;
	ksft_print_msg("%lu ticks in a second, expected 100\n", ticks);
	return false;
}

static void test_all_at_once(int seconds)
{
	static void *(* const threads[])(void *) = {
		vcpu_thread, mover_thread, set_state_thread, get_state_thread,
		policy_thread, counter_thread,
	};
	struct race race = { };
	bool ok;

	race.vm = pit_vm_create(&race.vcpu, guest_reprograms, pit_count_tick);
	run_threads(threads, ARRAY_SIZE(threads), &race, seconds);
	race.vcpu->run->immediate_exit = 0;
	ksft_print_msg("%lu rounds of the guest, %lu calls, %d errors\n",
		       race.rounds, race.calls, race.errors);
	ok = race.rounds > 100 && race.calls > 100 && !race.errors;
	ok = still_ticks(&race) && ok;
	ok = pit_end(race.vcpu) && ok;
	ksft_test_result(ok, "vCPU 0 moves, the guest reprograms, userspace calls\n");
}

/*
 * VMs that come and go
 */

static void tick_fast(struct kvm_vm *vm)
{
	struct kvm_pit_state2 state = { .channels[0] = {
		.count = LEAST_COUNT,
		.rw_mode = 3,
		.read_state = 3,
		.write_state = 3,
		.mode = 2,
		.gate = 1,
	} };

	vm_ioctl(vm, KVM_SET_PIT2, &state);
}

static struct kvm_vm *create_ticking_vm(int i)
{
	struct kvm_vm *vm = vm_create_barebones();

	vm_create_irqchip(vm);
	pit_create(vm);
	if (pit_has_policies())
		pit_set_policy(vm, i % 4);
	tick_fast(vm);
	return vm;
}

static int churned;

static void *churn_thread(void *arg)
{
	struct kvm_vm *vm;
	u32 rng = 3;
	int i;

	for (i = 0; !READ_ONCE(race_over); i++) {
		vm = create_ticking_vm(i);
		usleep(next_random(&rng) % 2000);
		kvm_vm_free(vm);
		__sync_fetch_and_add(&churned, 1);
	}
	return NULL;
}

static void test_churn(int seconds)
{
	static void *(* const threads[])(void *) = { churn_thread, churn_thread };

	run_threads(threads, NR_CHURNERS, NULL, seconds);
	ksft_print_msg("%d VMs\n", churned);
	ksft_test_result(churned > 10, "VMs come and go with ticks in flight\n");
}

/*
 * VMMs that die
 */

static void run_until_killed(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create(&vcpu, guest_reprograms, pit_count_tick);

	tick_fast(vm);
	for (;;)
		vcpu_run(vcpu);
}

/* Another process keeps the VM for some ticks longer. */
static void leave_vm_behind(void)
{
	create_ticking_vm(0);
	if (!fork()) {
		usleep(20 * 1000);
		_exit(0);
	}
	_exit(0);
}

static bool exited(int status)
{
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void test_kill(int seconds)
{
	u64 until = now_ns() + seconds * NSEC_PER_SEC;
	u32 rng = 4;
	int status, nr = 0;
	bool ok = true;
	pid_t pid;

	while (now_ns() < until) {
		pid = fork();
		if (!pid)
			run_until_killed();
		usleep(next_random(&rng) * 10 % 200000);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		ok &= was_killed(status);
		nr++;
	}
	ksft_print_msg("%d VMMs\n", nr);
	ksft_test_result(ok && nr > 5, "a VMM is killed at any moment\n");
}

static void test_outlive(int seconds)
{
	u64 until = now_ns() + seconds * NSEC_PER_SEC;
	int status, nr = 0;
	bool ok = true;
	pid_t pid;

	while (now_ns() < until) {
		pid = fork();
		if (!pid)
			leave_vm_behind();
		waitpid(pid, &status, 0);
		ok &= exited(status);
		nr++;
	}
	usleep(100 * 1000);
	ksft_print_msg("%d VMMs\n", nr);
	ksft_test_result(ok && nr > 5, "a VM outlives its VMM\n");
}

/*
 * A VM that only exists. With it the number of VMs never falls to 0, and the
 * kernel need not patch its scheduler for every one of them (preempt notifiers).
 * That is not what is tested, and emulators have been seen to get it wrong.
 */
static void create_bystander(void)
{
	struct kvm_vcpu *vcpu;

	vm_create_with_one_vcpu(&vcpu, guest_reprograms);
}

int main(int argc, char *argv[])
{
	int opt, seconds = DEFAULT_SECONDS;

	while ((opt = getopt(argc, argv, "d:")) != -1) {
		if (opt == 'd' && atoi(optarg) > 0) {
			seconds = atoi(optarg);
			continue;
		}
		printf("usage: %s [-d SECONDS]\n\n", argv[0]);
		printf(" -d  how long each of the tests takes (default %d)\n",
		       DEFAULT_SECONDS);
		exit(KSFT_SKIP);
	}

	ksft_print_header();
	pit_require_debugfs();
	__TEST_REQUIRE(sysconf(_SC_NPROCESSORS_ONLN) > 1, "one CPU only");
	ksft_set_plan(4);

	create_bystander();
	test_all_at_once(seconds);
	test_churn(seconds);
	test_kill(seconds);
	test_outlive(seconds);
	ksft_finished();
}
