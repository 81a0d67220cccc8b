// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor under the timer's period counts from when the timer fired; for hosts with
 * two CPUs or more.
 *
 * The timer's callback used to take the time that the timer was armed for when it got
 * the lock. Where another CPU had armed it anew by then, that was a time to come, up to
 * 55 ms, and no tick came until then.
 *
 *  - One CPU sets a period of 1 ms. Just when its first tick is due another CPU sets 55
 *    ms, and then 1 ms again. From then on a tick is due each ms. So while four
 *    timers of 1 ms expire one after the other on that CPU, the PIT's expires too.
 *
 * ROUNDS (-r, default 300) aim at other times around the first tick. The counters are
 * not read meanwhile, since that brings them to the present: the timer's interrupts are
 * counted, and the tick's tracepoint is what the round looks at.
 */
#define _GNU_SOURCE /* for CPU_SET() */
#include <pthread.h>
#include <sched.h>

#include "pit.h"

#define COUNT_1MS	1193
#define COUNT_55MS	65535
#define DEFAULT_ROUNDS	300
#define SPAN_NS		40000L	/* around the first tick */
static struct kvm_vm *race_vm;
static u64 race_at;
static int race_phase;

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	TEST_ASSERT(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

static void program(u32 count)
{
	struct kvm_pit_state2 state = {
		.channels = { pit_channel(2, count), { .mode = 0xff }, { .mode = 0xff } },
	};

	vm_ioctl(race_vm, KVM_SET_PIT2, &state);
}

static void spin_until(u64 ns)
{
	while (now_ns() < ns)
		;
}

static void *other_cpu(void *arg)
{
	pin(1);
	for (;;) {
		while (READ_ONCE(race_phase) != 1)
			if (READ_ONCE(race_phase) < 0)
				return NULL;
		spin_until(race_at);
		program(COUNT_55MS);
		spin_until(now_ns() + 300000);
		program(COUNT_1MS);
		pit_trace_write("trace", "");
		/*
		 * The PIT's timer is this CPU's now, as these are. So they do not
		 * overtake it, whatever keeps a busy host from running this CPU.
		 */
		for (int i = 0; i < 4; i++)
			usleep(1000);
		WRITE_ONCE(race_phase, 2);
	}
}

static int dues_in_4_ms(u64 offset_ns)
{
	u64 began;

	pin(0);
	program(COUNT_1MS);
	began = now_ns();
	race_at = began + NSEC_PER_MSEC - SPAN_NS / 2 + offset_ns;
	WRITE_ONCE(race_phase, 1);
	while (READ_ONCE(race_phase) != 2)
		;
	/* How often ticks were found due */
	return pit_trace_count("kvm_pit_due:", NULL);
}

int main(int argc, char *argv[])
{
	int rounds = DEFAULT_ROUNDS, none = 0, i;
	pthread_t thread;

	if (argc == 3 && !strcmp(argv[1], "-r"))
		rounds = atoi(argv[2]);
	ksft_print_header();
	setlinebuf(stdout);
	TEST_REQUIRE(pit_has_policies());
	__TEST_REQUIRE(sysconf(_SC_NPROCESSORS_ONLN) > 1, "one CPU only");
	ksft_set_plan(1);
	race_vm = vm_create_barebones();
	vm_create_irqchip(race_vm);
	pit_create(race_vm);
	pit_trace_write("events/kvm_pit/kvm_pit_due/enable", "1");
	pthread_create(&thread, NULL, other_cpu, NULL);
	for (i = 0; i < rounds; i++)
		none += !dues_in_4_ms(SPAN_NS * i / rounds);
	WRITE_ONCE(race_phase, -1);
	pthread_join(thread, NULL);
	pit_trace_write("events/kvm_pit/kvm_pit_due/enable", "0");
	pit_vm_free(race_vm);
	ksft_print_msg("%d of %d rounds without a tick in 4 timers of 1 ms\n", none, rounds);
	ksft_test_result(!none, "the timer goes on after it was armed anew as it fired\n");
	ksft_finished();
}
