// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running a vCPU from event to event, and giving orders to a guest in pit_serve().
 */
#include <signal.h>
#include <sys/time.h>

#include "pit_host.h"
#include "pit_vcpu.h"

static struct kvm_run *pit_running;

static void pit_alarm(int sig)
{
	pit_running->immediate_exit = 1;
}

static void pit_set_alarm(u64 ns)
{
	struct itimerval timer = {
		.it_value.tv_sec = ns / NSEC_PER_SEC,
		.it_value.tv_usec = ns % NSEC_PER_SEC / 1000,
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

int pit_event(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct ucall uc;

	if (run->exit_reason == KVM_EXIT_IO && run->io.port == PIT_EVENT_PORT)
		return *((u8 *)run + run->io.data_offset);

	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);

	TEST_FAIL("unexpected exit %u (%s)", run->exit_reason,
		  exit_reason_str(run->exit_reason));
}

int pit_run(struct kvm_vcpu *vcpu, u64 until)
{
	struct sigaction action = { .sa_handler = pit_alarm };
	u64 now = now_ns();
	int ret;

	if (now + 1000 > until)
		return PIT_TIMEOUT;

	pit_running = vcpu->run;
	sigaction(SIGALRM, &action, NULL);
	pit_set_alarm(until - now);
	ret = __vcpu_run(vcpu);
	pit_set_alarm(0);
	vcpu->run->immediate_exit = 0;

	if (ret && errno == EINTR)
		return PIT_TIMEOUT;
	TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_RUN, ret));
	return pit_event(vcpu);
}

void pit_run_for(struct kvm_vcpu *vcpu, u64 ns)
{
	u64 until = now_ns() + ns;

	while (pit_run(vcpu, until) != PIT_TIMEOUT)
		;
}

void pit_wake(struct kvm_vcpu *vcpu)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };

	vcpu_mp_state_set(vcpu, &state);
}

void pit_order(struct kvm_vcpu *vcpu, struct pit_io *io, int nr)
{
	struct pit_list *list = addr_gva2hva(vcpu->vm, (uintptr_t)&pit_list);
	u64 until = now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC;

	TEST_ASSERT(nr <= PIT_MAX_IO, "a list of %d accesses", nr);
	memcpy(list->io, io, nr * sizeof(*io));
	list->nr = nr;
	list->ordered++;
	pit_wake(vcpu);
	while (pit_run(vcpu, until) != PIT_EVENT_SERVED)
		TEST_ASSERT(now_ns() < until, "the guest hangs");
	memcpy(io, list->io, nr * sizeof(*io));
}

void pit_order_outb(struct kvm_vcpu *vcpu, u16 port, u8 value)
{
	struct pit_io io = { PIT_OUT, port, 1, .data = { value } };

	pit_order(vcpu, &io, 1);
}

u8 pit_order_inb(struct kvm_vcpu *vcpu, u16 port)
{
	struct pit_io io = { PIT_IN, port, 1, .data = { 0xa5 } };

	pit_order(vcpu, &io, 1);
	return io.data[0];
}

void pit_order_program(struct kvm_vcpu *vcpu, int channel, int mode, u16 count)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1,
		  .data = { channel << 6 | 0x30 | mode << 1 } },
		{ PIT_OUT, PIT_CH0 + channel, 1, .data = { count & 0xff } },
		{ PIT_OUT, PIT_CH0 + channel, 1, .data = { count >> 8 } },
	};

	pit_order(vcpu, io, ARRAY_SIZE(io));
}

void pit_order_read_all(struct kvm_vcpu *vcpu)
{
	static const u16 ports[] = { 0x40, 0x41, 0x42, 0x43, PIT_SPEAKER };
	static const u8 commands[] = { 0xce, 0x00, 0x40, 0x80, 0xee };
	struct pit_io io[PIT_MAX_IO];
	int i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		io[nr++] = (struct pit_io) { PIT_OUT, PIT_CONTROL, 1,
					     .data = { commands[i] } };
	for (i = 0; i < 2 * ARRAY_SIZE(ports); i++)
		io[nr++] = (struct pit_io) { PIT_IN, ports[i / 2], 1 };
	pit_order(vcpu, io, nr);
}

void pit_order_stop(struct kvm_vcpu *vcpu)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x30 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0 } },
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x30 } },
	};

	pit_order(vcpu, io, ARRAY_SIZE(io));
}

void pit_take_first_ticks(struct kvm_vcpu *vcpu)
{
	pit_order_program(vcpu, 0, 2, 11932);	/* 10 ms */
	pit_run_for(vcpu, 55 * NSEC_PER_MSEC);
}

u64 pit_ticks_taken(struct kvm_vm *vm)
{
	return *(u64 *)addr_gva2hva(vm, (uintptr_t)&pit_ticks);
}

u64 pit_ticks_in(struct kvm_vcpu *vcpu, u64 ns)
{
	u64 before = pit_ticks_taken(vcpu->vm);

	pit_run_for(vcpu, ns);
	return pit_ticks_taken(vcpu->vm) - before;
}
