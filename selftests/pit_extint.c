// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux's last resort for its timer: check_timer(), "trying to set up timer as ExtINT IRQ".
 *
 * A tick comes due while IRQ0 is masked at the 8259 and at the IOAPIC. Then the guest
 * writes ICW1 while LVT0 is masked: KVM's 8259 forgets the tick, and tells nobody. Then
 * it unmasks IRQ0 at the 8259 and makes LVT0 ExtINT. Verified: from there on it takes 100
 * ticks in a second, to one, under every policy. With the module of before delay and slew
 * waited for that tick for ever.
 */
#include "pit.h"

static void guest(void)
{
	x2apic_enable();
	x2apic_write_reg(APIC_LVT0, APIC_DM_EXTINT);
	pic_init(0xfe);
	pit_program(0, 2, 11932);
	pit_sti();
	while (READ_ONCE(pit_ticks) < 3)
		hlt();
	pit_cli();
	pic_mask_irq0(true);
	while (!(pit_inb(PIC_MASTER_CMD) & 1))
		;
	x2apic_write_reg(APIC_LVT0, PIT_LVT_MASKED | APIC_DM_EXTINT);
	pic_mask_irq0(true);
	pic_init(0xff);
	x2apic_write_reg(APIC_LVT0, APIC_DM_EXTINT);
	pic_mask_irq0(false);
	pit_report(1);
	pit_sti();
	for (;;)
		hlt();
}

int main(void)
{
	int policies = pit_nr_policies(), p;

	ksft_print_header();
	ksft_set_plan(policies);
	for (p = 0; p < policies; p++) {
		struct kvm_vcpu *vcpu;
		struct kvm_vm *vm = pit_vm_create(&vcpu, guest, pit_count_tick);
		u64 got;

		pit_route_to_ioapic(vm);
		pit_choose_policy(vm, p);
		TEST_ASSERT(pit_run(vcpu, now_ns() + 10 * NSEC_PER_SEC) == 1, "the guest hangs");
		got = pit_ticks_in(vcpu, NSEC_PER_SEC);
		ksft_test_result(pit_is_near(got, 100, 1, "ticks in a second"), "%s\n",
				 pit_policy_names[p]);
		pit_vm_free(vm);
	}
	ksft_finished();
}
