// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PIT that is looked up while all that could hide it comes and goes; for hosts with
 * two CPUs or more.
 *
 * The hook of the timer's migration used to look the PIT up twice: an ioeventfd at port
 * 0x40 that came in between made the second one NULL.
 *
 *  - vCPU 0 moves from CPU to CPU, its guest in a loop, while an ioeventfd at port 0x40
 *    comes and goes. The same while threads call the PIT's ioctls: none may miss it.
 *  - vCPUs are created, and fail to be, for want of a file descriptor: KVM takes those
 *    out of its array again and frees them. A PIT that ticks meanwhile must not have
 *    found one.
 *
 * Each goes on for SECONDS (-d, default 8). Whether the kernel took harm is in its log,
 * which is the runner's to look at.
 */
#define _GNU_SOURCE /* for CPU_SET() */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "pit.h"

#define DEFAULT_SECONDS	8

static struct kvm_vm *race_vm;
static struct kvm_vcpu *race_vcpu;
static pid_t vcpu_tid;
static bool race_over;
static u64 races_missed;

static void guest_loops(void)
{
	for (;;)
		;
}

static void nothing(int sig)
{
}

static void *run_vcpu(void *arg)
{
	WRITE_ONCE(vcpu_tid, syscall(SYS_gettid));
	while (!READ_ONCE(race_over))
		__vcpu_run(race_vcpu);
	return NULL;
}

static void *call_pit(void *arg)
{
	struct kvm_reinject_control control = { .pit_reinject = 1 };
	struct kvm_pit_state2 state;

	while (!READ_ONCE(race_over)) {
		if (__vm_ioctl(race_vm, KVM_GET_PIT2, &state) ||
		    __vm_ioctl(race_vm, KVM_REINJECT_CONTROL, &control))
			__sync_fetch_and_add(&races_missed, 1);
		usleep(100);
	}
	return NULL;
}

static void move(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(vcpu_tid, sizeof(set), &set);
}

static u64 toggle_ioeventfd(u64 until)
{
	struct kvm_ioeventfd io = { .addr = PIT_CH0, .len = 1, .fd = eventfd(0, 0) };
	u64 rounds;

	for (rounds = 0; now_ns() < until; rounds++) {
		move(rounds);
		io.flags = KVM_IOEVENTFD_FLAG_PIO;
		vm_ioctl(race_vm, KVM_IOEVENTFD, &io);
		io.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
		vm_ioctl(race_vm, KVM_IOEVENTFD, &io);
	}
	close(io.fd);
	return rounds;
}

static void test_migration(u64 ns)
{
	struct kvm_pit_state2 state = { .channels[0] = pit_channel(2, 1193) };
	struct sigaction action = { .sa_handler = nothing };
	pthread_t vcpu, caller;
	u64 rounds;

	race_vm = pit_vm_create(&race_vcpu, guest_loops, pit_count_tick);
	vm_ioctl(race_vm, KVM_SET_PIT2, &state);
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&vcpu, NULL, run_vcpu, NULL);
	pthread_create(&caller, NULL, call_pit, NULL);
	while (!READ_ONCE(vcpu_tid))
		usleep(100);
	rounds = toggle_ioeventfd(now_ns() + ns);
	WRITE_ONCE(race_over, true);
	race_vcpu->run->immediate_exit = 1;
	syscall(SYS_tgkill, getpid(), vcpu_tid, SIGUSR1);
	pthread_join(vcpu, NULL);
	pthread_join(caller, NULL);
	pit_vm_free(race_vm);
	ksft_print_msg("%lu rounds, %lu calls that missed the PIT\n", rounds, races_missed);
	ksft_test_result(rounds > 100 && !races_missed,
			 "vCPU 0 moves while an ioeventfd comes and goes\n");
}

/* No descriptor below the limit is free: vCPUs are made, and freed again. */
static void test_vcpus_that_fail(u64 ns)
{
	struct kvm_pit_state2 state = { .channels[0] = pit_channel(2, 2) };
	struct kvm_vm *vm = vm_create_barebones();
	struct rlimit old, none;
	u64 until, failed = 0, others = 0;

	vm_create_irqchip(vm);
	pit_create(vm);
	if (pit_has_policies())
		pit_set_policy(vm, KVM_PIT_TICK_DISCARD);
	vm_ioctl(vm, KVM_SET_PIT2, &state);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	for (until = now_ns() + ns; now_ns() < until; ) {
		if (ioctl(vm->fd, KVM_CREATE_VCPU, 0UL) < 0 && errno == EMFILE)
			failed++;
		else
			others++;
	}
	setrlimit(RLIMIT_NOFILE, &old);
	pit_vm_free(vm);
	ksft_print_msg("%lu vCPUs failed to be created for want of a descriptor\n", failed);
	ksft_test_result(failed > 100 && !others, "vCPUs that fail while the PIT ticks\n");
}

int main(int argc, char *argv[])
{
	int seconds = DEFAULT_SECONDS;

	if (argc == 3 && !strcmp(argv[1], "-d"))
		seconds = atoi(argv[2]);
	ksft_print_header();
	setlinebuf(stdout);
	pit_require_debugfs();
	__TEST_REQUIRE(sysconf(_SC_NPROCESSORS_ONLN) > 1, "one CPU only");
	ksft_set_plan(2);
	test_migration(seconds * NSEC_PER_SEC);
	test_vcpus_that_fail(seconds * NSEC_PER_SEC);
	ksft_finished();
}
