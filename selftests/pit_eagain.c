// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tick disturbs only a vCPU that can take it. For hosts with one CPU.
 *
 *  - The BSP is the second vCPU; the first waits for SIPI. KVM_RUN of the first used to
 *    return EAGAIN for each tick. It does not return at all, under every policy, with
 *    ticks through the 8259 and through the IOAPIC, while the BSP takes its ticks.
 *  - A vCPU in HLT with interrupts off is not woken up for each tick: no more than a few
 *    times in half a second at 1 kHz.
 *  - A vCPU in HLT that does not take IRQ0 is not woken up either, where another one does.
 *  - The BSP takes ticks through the 8259, then sleeps with interrupts off for ever, as in a
 *    kdump. Another vCPU has them come through the IOAPIC: it gets 500 in half a second.
 *
 * How often a vCPU is woken up is how often its thread gave up the CPU.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "pit.h"

#define COUNT		1193	/* 1 ms */
#define SPAN_NS		(NSEC_PER_SEC / 2)
#define WAKES_MAX	10

struct thread {
	struct kvm_vcpu *vcpu;
	pthread_t thread;
	pid_t tid;
	bool over;
	u64 eagain;		/* KVM_RUN returned so */
};

static void nothing(int sig)
{
}

static void *run_vcpu(void *arg)
{
	struct thread *t = arg;

	WRITE_ONCE(t->tid, syscall(SYS_gettid));
	while (!READ_ONCE(t->over)) {
		if (!__vcpu_run(t->vcpu))
			pit_event(t->vcpu);
		else if (errno == EAGAIN)
			t->eagain++;
	}
	return NULL;
}

static void start(struct thread *t, struct kvm_vcpu *vcpu)
{
	*t = (struct thread) { .vcpu = vcpu };
	pthread_create(&t->thread, NULL, run_vcpu, t);
	while (!READ_ONCE(t->tid))
		usleep(100);
}

static void stop(struct thread *t)
{
	WRITE_ONCE(t->over, true);
	t->vcpu->run->immediate_exit = 1;
	syscall(SYS_tgkill, getpid(), t->tid, SIGUSR1);
	pthread_join(t->thread, NULL);
}

/* How often the thread slept so far. */
static u64 sleeps(const struct thread *t)
{
	char path[64], line[128];
	u64 nr = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", t->tid);
	f = fopen(path, "r");
	TEST_ASSERT(f, "cannot open %s", path);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "voluntary_ctxt_switches: %lu", &nr);
	fclose(f);
	return nr;
}

static void guest_takes(void)
{
	irq0_init();
	pit_program(0, 2, COUNT);
	pit_sti();
	for (;;)
		hlt();
}

static void guest_sleeps_on(void)
{
	irq0_init();
	pit_program(0, 2, COUNT);
	pit_cli();
	for (;;)
		hlt();
}

/* KVM's 8259 wakes up the vCPU that its output goes to, masked or not. */
static void guest_idles(void)
{
	x2apic_enable();
	x2apic_write_reg(APIC_LVT0, PIT_LVT_MASKED);
	pit_sti();
	for (;;)
		hlt();
}

/* The handler of the vCPU with APIC ID 1. */
static void guest_takes_by_apic_1(void)
{
	pic_init(0xff);
	x2apic_enable();
	ioapic_init(1);
	pit_program(0, 2, COUNT);
	pit_sti();
	for (;;)
		hlt();
}

static void guest_sleeps_after_20(void)
{
	pic_init(0xfe);
	pit_program(0, 2, COUNT);
	pit_sti();
	while (READ_ONCE(pit_ticks) < 20)
		hlt();
	pit_cli();
	for (;;)
		hlt();
}

/* Some ticks after the BSP took its last one: the 8259 has one, and no room. */
static void guest_takes_over(void)
{
	pic_mask_irq0(true);
	x2apic_enable();
	ioapic_init(1);
	pit_sti();
	for (;;)
		hlt();
}

static void take_tick(struct ex_regs *regs)
{
	pit_ticks++;
	irq0_eoi();
}

static void take_tick_of_either(struct ex_regs *regs)
{
	pit_ticks++;
	if (rdmsr(MSR_IA32_APICBASE) & MSR_IA32_APICBASE_BSP)
		pic_eoi();
	else
		x2apic_write_reg(APIC_EOI, 0);
}

static struct kvm_vm *create(void)
{
	struct kvm_vm *vm = vm_create(2);

	pit_init_vm_vectors(vm);
	pit_create(vm);
	return vm;
}

static struct kvm_vcpu *add(struct kvm_vm *vm, u32 id, void *code)
{
	struct kvm_vcpu *vcpu = vm_vcpu_add(vm, id, code);

	pit_init_vcpu_vectors(vcpu);
	vm_install_exception_handler(vm, PIT_IRQ_VECTOR, take_tick);
	return vcpu;
}

static void test_sipi(int policy, bool by_ioapic)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_UNINITIALIZED };
	struct kvm_vm *vm = create();
	struct thread ap, bsp;
	struct kvm_vcpu *first, *second;
	u64 taken;

	vm_ioctl(vm, KVM_SET_BOOT_CPU_ID, (void *)0);
	first = add(vm, 1, guest_takes);
	second = add(vm, 0, guest_takes);
	pit_set_irq0_way(vm, by_ioapic);
	pit_choose_policy(vm, policy);
	vcpu_mp_state_set(first, &state);
	start(&ap, first);
	start(&bsp, second);
	sleep_until_ns(now_ns() + SPAN_NS);
	stop(&bsp);
	stop(&ap);
	taken = pit_ticks_taken(vm);
	if (ap.eagain)
		ksft_print_msg("KVM_RUN returned EAGAIN %lu times\n", ap.eagain);
	ksft_test_result(ap.eagain <= 1 && taken > 400,
			 "the first vCPU waits for SIPI, %s, %s\n", pit_policy_names[policy],
			 by_ioapic ? "IOAPIC" : "i8259");
	pit_vm_free(vm);
}

static void test_interrupts_off(int policy)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create(&vcpu, guest_sleeps_on, take_tick);
	struct thread thread;
	u64 before, woken;

	pit_set_irq0_way(vm, false);
	pit_choose_policy(vm, policy);
	start(&thread, vcpu);
	sleep_until_ns(now_ns() + 20 * NSEC_PER_MSEC);
	before = sleeps(&thread);
	sleep_until_ns(now_ns() + SPAN_NS);
	woken = sleeps(&thread) - before;
	stop(&thread);
	if (woken > WAKES_MAX)
		ksft_print_msg("woken up %lu times in half a second\n", woken);
	ksft_test_result(woken <= WAKES_MAX, "HLT with interrupts off, %s\n",
			 pit_policy_names[policy]);
	pit_vm_free(vm);
}

static void test_bystander(int policy)
{
	struct kvm_vm *vm = create();
	struct thread bsp, other;
	u64 before, woken, taken;
	struct kvm_vcpu *first, *second;

	first = add(vm, 0, guest_idles);
	second = add(vm, 1, guest_takes_by_apic_1);
	pit_set_irq0_way(vm, true);
	pit_choose_policy(vm, policy);
	start(&bsp, first);
	start(&other, second);
	sleep_until_ns(now_ns() + 20 * NSEC_PER_MSEC);
	before = sleeps(&bsp);
	taken = pit_ticks_taken(vm);
	sleep_until_ns(now_ns() + SPAN_NS);
	taken = pit_ticks_taken(vm) - taken;
	woken = sleeps(&bsp) - before;
	stop(&bsp);
	stop(&other);
	if (woken > WAKES_MAX || taken < 490)
		ksft_print_msg("woken up %lu times, while the other took %lu ticks\n", woken,
			       taken);
	ksft_test_result(woken <= WAKES_MAX && taken >= 490,
			 "HLT while another vCPU takes the ticks, %s\n", pit_policy_names[policy]);
	pit_vm_free(vm);
}

static void test_takes_over(int policy)
{
	struct kvm_vm *vm = create();
	struct thread bsp, other;
	struct kvm_vcpu *first, *second;
	u64 taken;

	first = add(vm, 0, guest_sleeps_after_20);
	second = add(vm, 1, guest_takes_over);
	vm_install_exception_handler(vm, PIT_IRQ_VECTOR, take_tick_of_either);
	pit_route_to_ioapic(vm);
	pit_choose_policy(vm, policy);
	start(&bsp, first);
	sleep_until_ns(now_ns() + 100 * NSEC_PER_MSEC);
	start(&other, second);
	sleep_until_ns(now_ns() + SPAN_NS);
	taken = pit_ticks_taken(vm);
	sleep_until_ns(now_ns() + SPAN_NS);
	taken = pit_ticks_taken(vm) - taken;
	stop(&bsp);
	stop(&other);
	ksft_test_result(pit_is_near(taken, 500, 10, "ticks in half a second"),
			 "another vCPU takes over, %s\n", pit_policy_names[policy]);
	pit_vm_free(vm);
}

int main(void)
{
	struct sigaction action = { .sa_handler = nothing };
	int policies = pit_nr_policies(), p;

	ksft_print_header();
	setlinebuf(stdout);
	ksft_set_plan(5 * policies);
	sigaction(SIGUSR1, &action, NULL);
	for (p = 0; p < policies; p++) {
		test_sipi(p, false);
		test_sipi(p, true);
		test_interrupts_off(p);
		test_bystander(p);
		test_takes_over(p);
	}
	ksft_finished();
}
