// SPDX-License-Identifier: GPL-2.0-only
/*
 * No sequence of masks, resets and EOIs stops the timer for ever.
 *
 * Interrupts are off in the guest while it does what its sequence says to the irqchips,
 * with a tick of its 100 Hz timer waiting there or not. Then it takes ticks as any guest
 * does. Verified: 99 to 103 in the first second, of which some may have waited, and 99 to
 * 101 in the second, for each policy, through the 8259, through a LAPIC's LVT0, and
 * through the IOAPIC. At rest no tick is unaccounted for.
 */
#include "pit.h"

#define COUNT		11932	/* 10 ms */
#define VECTOR2		0x30

enum way {
	BY_PIC,
	BY_LVT0,	/* the 8259's output, through a LAPIC */
	BY_IOAPIC,
};

static const char * const way_names[] = {
	[BY_PIC] = "i8259", [BY_LVT0] = "virtual wire", [BY_IOAPIC] = "IOAPIC",
};

/* The guest's; written by the host. */
static enum way way;
static void (*sequence)(void);

static void wait_clocks(u32 n)
{
	u16 last, now;
	u32 sum = 0;

	pit_outb(PIT_CONTROL, 0);
	last = pit_inb(PIT_CH0);
	last |= pit_inb(PIT_CH0) << 8;
	while (sum < n) {
		pit_outb(PIT_CONTROL, 0);
		now = pit_inb(PIT_CH0);
		now |= pit_inb(PIT_CH0) << 8;
		sum += now <= last ? last - now : last + COUNT - now;
		last = now;
	}
}

static void wait_for_tick(void)
{
	wait_clocks(COUNT + 1000);
}

static void mask(bool masked)
{
	if (way == BY_IOAPIC)
		ioapic_mask_pit(masked);
	else
		pic_mask_irq0(masked);
}

static void init(void)
{
	if (way != BY_PIC)
		x2apic_enable();
	if (way == BY_LVT0)
		x2apic_write_reg(APIC_LVT0, APIC_DM_EXTINT);
	pic_init(way == BY_IOAPIC ? 0xff : 0xfe);
	if (way == BY_IOAPIC)
		ioapic_init(0);
}

static void eoi(struct ex_regs *regs)
{
	pit_ticks++;
	if (way == BY_IOAPIC)
		x2apic_write_reg(APIC_EOI, 0);
	else
		pic_eoi();
}

static void guest_code(void)
{
	pit_cli();
	init();
	pit_program(0, 2, COUNT);
	sequence();
	pit_report(1);
	pit_sti();
	for (;;)
		hlt();
}

/*
 * The sequences
 */

static void mask_unmask(void)
{
	wait_for_tick();
	mask(true);
	wait_clocks(1000);
	mask(false);
	wait_clocks(1000);
}

static void mask_unmask_twice(void)
{
	mask_unmask();
	mask(true);
	wait_clocks(COUNT);
	mask(false);
}

static void due_under_mask(void)
{
	mask(true);
	wait_clocks(3 * COUNT);
	mask(false);
}

/* A mask of the other irqchip, while the one that is used is unmasked. */
static void mask_other(void)
{
	mask(true);
	wait_for_tick();
	mask(false);
	if (way == BY_IOAPIC)
		pic_mask_irq0(true);
	else if (way == BY_LVT0)
		ioapic_mask_pit(true);
	wait_for_tick();
}

static void many_eois(void)
{
	int i;

	wait_for_tick();
	for (i = 0; i < 10; i++) {
		pic_eoi();
		if (way != BY_PIC)
			x2apic_write_reg(APIC_EOI, 0);
	}
	wait_clocks(COUNT);
}

static void reset_pic(void)
{
	wait_for_tick();
	pic_init(way == BY_IOAPIC ? 0xff : 0xfe);
}

static void reset_pic_masked(void)
{
	mask(true);
	wait_clocks(3 * COUNT);
	init();
}

/* ICW1 then forgets the tick without word to anybody. */
static void reset_pic_lvt0_masked(void)
{
	wait_for_tick();
	x2apic_write_reg(APIC_LVT0, APIC_DM_EXTINT | PIT_LVT_MASKED);
	pic_init(0xfe);
	x2apic_write_reg(APIC_LVT0, APIC_DM_EXTINT);
}

static void lvt0_masked(void)
{
	x2apic_write_reg(APIC_LVT0, APIC_DM_EXTINT | PIT_LVT_MASKED);
	wait_clocks(3 * COUNT);
	x2apic_write_reg(APIC_LVT0, APIC_DM_EXTINT);
}

/* It is never masked, and the tick waits for the other vector. */
static void rewrite_vector(void)
{
	wait_for_tick();
	ioapic_write(0x10 + 2 * IOAPIC_PIT_PIN, VECTOR2);
}

/* To no CPU, and back. */
static void rewrite_destination(void)
{
	ioapic_write(0x11 + 2 * IOAPIC_PIT_PIN, 7U << 24);
	wait_clocks(3 * COUNT);
	ioapic_write(0x11 + 2 * IOAPIC_PIT_PIN, 0);
}

/* A kernel that polls the 8259 takes its ticks so. */
static void poll_pic(void)
{
	wait_for_tick();
	pit_outb(PIC_MASTER_CMD, 0x0c);
	pit_inb(PIC_MASTER_CMD);
	wait_for_tick();
	pic_eoi();
}

#define PIC	BIT(BY_PIC)
#define LVT0	BIT(BY_LVT0)
#define IOAPIC	BIT(BY_IOAPIC)

static const struct {
	const char *name;
	void (*sequence)(void);
	int ways;
} sequences[] = {
	{ "mask, unmask", mask_unmask, PIC | LVT0 | IOAPIC },
	{ "mask, unmask, mask, unmask", mask_unmask_twice, PIC | LVT0 | IOAPIC },
	{ "due while masked", due_under_mask, PIC | LVT0 | IOAPIC },
	{ "the other irqchip masked", mask_other, LVT0 | IOAPIC },
	{ "EOIs that belong to no tick", many_eois, PIC | LVT0 | IOAPIC },
	{ "ICW1", reset_pic, PIC | LVT0 | IOAPIC },
	{ "masked, ICW1", reset_pic_masked, PIC | LVT0 | IOAPIC },
	{ "ICW1 while LVT0 is masked", reset_pic_lvt0_masked, LVT0 },
	{ "LVT0 masked", lvt0_masked, LVT0 },
	{ "vector rewritten", rewrite_vector, IOAPIC },
	{ "destination rewritten", rewrite_destination, IOAPIC },
	{ "8259 polled", poll_pic, PIC | LVT0 },
};

static bool goes_on(int s, enum way w, int policy)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create(&vcpu, guest_code, eoi);
	u64 first, second;
	bool ok;

	vm_install_exception_handler(vm, VECTOR2, eoi);
	pit_route_to_ioapic(vm);
	pit_choose_policy(vm, policy);
	way = w;
	sequence = sequences[s].sequence;
	sync_global_to_guest(vm, way);
	sync_global_to_guest(vm, sequence);
	TEST_ASSERT(pit_run(vcpu, now_ns() + 5 * NSEC_PER_SEC) == 1, "the guest hangs");
	first = pit_ticks_in(vcpu, NSEC_PER_SEC);
	second = pit_ticks_in(vcpu, NSEC_PER_SEC);
	ok = first >= 99 && first <= 103 && second >= 99 && second <= 101;
	if (!ok) {
		ksft_print_msg("%lu ticks in the first second, %lu in the second\n", first, second);
		pit_print_state(vcpu);
	}
	pit_vm_free(vm);
	return ok;
}

int main(void)
{
	int policies = pit_nr_policies(), plan = 0, s, w, p;

	ksft_print_header();
	setlinebuf(stdout);
	for (s = 0; s < ARRAY_SIZE(sequences); s++)
		for (w = BY_PIC; w <= BY_IOAPIC; w++)
			plan += sequences[s].ways & BIT(w) ? policies : 0;
	ksft_set_plan(plan);
	for (s = 0; s < ARRAY_SIZE(sequences); s++)
		for (w = BY_PIC; w <= BY_IOAPIC; w++)
			for (p = 0; p < policies && sequences[s].ways & BIT(w); p++)
				ksft_test_result(goes_on(s, w, p), "%s, %s, %s\n",
						 sequences[s].name, way_names[w],
						 pit_policy_names[p]);
	ksft_finished();
}
