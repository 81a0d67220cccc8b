// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two acknowledgements a tick: Linux 2.4, and i386 Linux 2.6, with an IOAPIC.
 *
 * check_timer() sets timer_ack there. IRQ0 comes through the IOAPIC. The 8259 is in AEOI
 * mode, IRQ0 unmasked, LVT0 masked, and the handler polls it after the LAPIC's EOI. So KVM
 * tells of two EOIs for each tick. The second one used to be taken for that of the owed
 * tick which the first one had raised: the next met it in the LAPIC's IRR, and was counted
 * as replayed.
 *
 * The guest is held four times for 205 ms, 100 ticks a second. Verified, under delay and
 * slew: it takes every tick that came due, and as many as are counted.
 */
#include "pit.h"

#define COUNT		11932	/* 10 ms */

static void irq0(struct ex_regs *regs)
{
	x2apic_write_reg(APIC_EOI, 0);
	pit_ticks++;
	pit_outb(PIC_MASTER_CMD, 0x0c);
	pit_inb(PIC_MASTER_CMD);
}

static void guest(void)
{
	x2apic_enable();
	x2apic_write_reg(APIC_LVT0, PIT_LVT_MASKED | APIC_DM_EXTINT);
	pit_outb(PIC_MASTER_CMD, 0x11);
	pit_outb(PIC_MASTER_DATA, PIT_IRQ_VECTOR);
	pit_outb(PIC_MASTER_DATA, 0x04);
	pit_outb(PIC_MASTER_DATA, 0x03);	/* AEOI */
	pit_outb(PIC_MASTER_DATA, 0xfe);
	ioapic_init(0);
	pit_program(0, 2, COUNT);
	pit_report(1);
	pit_sti();
	for (;;)
		hlt();
}

static bool takes_all(int policy)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create(&vcpu, guest, irq0);
	u64 from, due, taken, counted;
	int i;

	pit_set_irq0_way(vm, true);
	pit_set_policy(vm, policy);
	TEST_ASSERT(pit_run(vcpu, now_ns() + NSEC_PER_SEC) == 1, "the guest hangs");
	from = now_ns();
	for (i = 0; i < 4; i++) {
		pit_run_for(vcpu, 200 * NSEC_PER_MSEC);
		sleep_until_ns(now_ns() + 205 * NSEC_PER_MSEC);
	}
	pit_run_for(vcpu, NSEC_PER_SEC);
	due = pit_ns_to_clocks(now_ns() - from) / COUNT;
	taken = pit_ticks_taken(vm);
	counted = pit_counter(vm, "delivered") + pit_counter(vm, "replayed");
	pit_vm_free(vm);
	return pit_is_near(taken, due, 1, "ticks taken, of those due") &
	       pit_is_near(taken, counted, 1, "ticks taken, of those counted");
}

int main(void)
{
	ksft_print_header();
	TEST_REQUIRE(pit_has_policies());
	pit_require_debugfs();
	ksft_set_plan(2);
	ksft_test_result(takes_all(KVM_PIT_TICK_DELAY), "delay\n");
	ksft_test_result(takes_all(KVM_PIT_TICK_SLEW), "slew\n");
	ksft_finished();
}
