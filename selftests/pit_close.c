// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM ends on the thread that runs its vCPU, with a tick under way.
 *
 *  - All of the VM's files are closed while a thread is in KVM_RUN, whose signal
 *    and whose tick both come before it is scheduled again: on its way out it is
 *    the last one to have the VM, which is destroyed, and finds what it was told
 *    to raise after that. The vCPU is halted, or runs.
 *  - The module can go then.
 *
 * Whether the kernel took harm is in its log, which is the runner's to look at.
 * For hosts with one CPU: the test keeps it from the thread meanwhile.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "pit.h"

#define COUNT		11932	/* 10 ms */
#define VMS		20

static bool guest_spins;
static pid_t vcpu_tid;

static void guest_takes_ticks(void)
{
	irq0_init();
	pit_program(0, 2, COUNT);
	pit_sti();
	while (!READ_ONCE(guest_spins))
		hlt();
	for (;;)
		;
}

static void nothing(int sig)
{
}

static void *run_to_the_end(void *arg)
{
	int *vcpu_fd = arg;

	WRITE_ONCE(vcpu_tid, syscall(SYS_gettid));
	while (!ioctl(*vcpu_fd, KVM_RUN, NULL))
		;
	return NULL;
}

static void start_thread(pthread_t *thread, int *vcpu_fd)
{
	WRITE_ONCE(vcpu_tid, 0);
	pthread_create(thread, NULL, run_to_the_end, vcpu_fd);
	while (!READ_ONCE(vcpu_tid))
		usleep(100);
	usleep(15000);
}

/* The thread comes after this one, whatever wakes it. */
static void take_cpu(bool take)
{
	struct sched_param param = { .sched_priority = take };

	TEST_ASSERT(!sched_setscheduler(0, take ? SCHED_FIFO : SCHED_OTHER, &param),
		    "no real-time priority");
}

static void close_while_running(bool spins)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create(&vcpu, guest_takes_ticks, pit_count_tick);
	int run_size = __kvm_ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);
	pthread_t thread;
	u64 until;

	guest_spins = spins;
	sync_global_to_guest(vm, guest_spins);
	start_thread(&thread, &vcpu->fd);

	take_cpu(true);
	munmap(vcpu->run, run_size);
	close(vcpu->fd);
	close(vm->fd);
	syscall(SYS_tgkill, getpid(), vcpu_tid, SIGUSR1);
	for (until = now_ns() + 25 * NSEC_PER_MSEC; now_ns() < until; )
		;
	take_cpu(false);
	pthread_join(thread, NULL);
}

/* In a process of its own, since what it leaks of the library's is some. */
static void test_close(bool spins)
{
	struct pit_users before = pit_count_users();
	int i, status;
	bool ok = true;

	for (i = 0; i < VMS; i++) {
		pid_t pid = fork();

		if (!pid) {
			close_while_running(spins);
			_exit(0);
		}
		waitpid(pid, &status, 0);
		ok &= WIFEXITED(status) && !WEXITSTATUS(status);
	}
	ok &= pit_users_are_as(&before);
	ksft_test_result(ok, "a VM is closed while its vCPU %s\n",
			 spins ? "runs" : "is halted");
}

int main(void)
{
	struct sigaction action = { .sa_handler = nothing };

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_PIT2));
	pit_require_debugfs();
	__TEST_REQUIRE(sysconf(_SC_NPROCESSORS_ONLN) == 1, "has more than one CPU");

	sigaction(SIGUSR1, &action, NULL);
	ksft_print_header();
	ksft_set_plan(2);
	test_close(false);
	test_close(true);
	ksft_finished();
}
