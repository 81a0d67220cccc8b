// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's side. All of this is code and data of guests.
 */
#include "pit_guest.h"

bool irq0_by_ioapic;
bool pit_mask_in_handler;
u64 pit_ticks;
struct pit_list pit_list;

void irq0_init(void)
{
	if (!irq0_by_ioapic) {
		pic_init(0xfe);
		return;
	}
	pic_init(0xff);
	x2apic_enable();
	ioapic_init(0);
}

void irq0_mask(bool mask)
{
	if (irq0_by_ioapic)
		ioapic_mask_pit(mask);
	else
		pic_mask_irq0(mask);
}

void irq0_eoi(void)
{
	if (irq0_by_ioapic)
		x2apic_write_reg(APIC_EOI, 0);
	else
		pic_eoi();
}

void pit_report_tick(struct ex_regs *regs)
{
	bool masks = READ_ONCE(pit_mask_in_handler);

	if (masks)
		irq0_mask(true);
	pit_ticks++;
	pit_report(PIT_EVENT_TICK);
	irq0_eoi();
	if (masks) {
		pit_report(PIT_EVENT_UNMASK);
		irq0_mask(false);
	}
}

void pit_count_tick(struct ex_regs *regs)
{
	pit_ticks++;
	irq0_eoi();
}

void pit_rest(void)
{
	pit_stop();
	pit_sti();
	for (;;)
		pit_report(PIT_EVENT_REST);
}

static void pit_do_string(struct pit_io *io)
{
	void *at = io->data;
	u64 count = io->count;
	u16 port = io->port;

	switch (io->op << 4 | io->size) {
	case PIT_INS << 4 | 1:
		asm volatile("rep insb" : "+D"(at), "+c"(count) : "d"(port) : "memory");
		break;
	case PIT_INS << 4 | 2:
		asm volatile("rep insw" : "+D"(at), "+c"(count) : "d"(port) : "memory");
		break;
	case PIT_INS << 4 | 4:
		asm volatile("rep insl" : "+D"(at), "+c"(count) : "d"(port) : "memory");
		break;
	case PIT_OUTS << 4 | 1:
		asm volatile("rep outsb" : "+S"(at), "+c"(count) : "d"(port) : "memory");
		break;
	case PIT_OUTS << 4 | 2:
		asm volatile("rep outsw" : "+S"(at), "+c"(count) : "d"(port) : "memory");
		break;
	case PIT_OUTS << 4 | 4:
		asm volatile("rep outsl" : "+S"(at), "+c"(count) : "d"(port) : "memory");
		break;
	default:
		GUEST_ASSERT(false);
	}
}

void pit_do_io(struct pit_io *io)
{
	u32 *data = (u32 *)io->data;
	u32 value = *data;
	u16 port = io->port;

	switch (io->op << 4 | io->size) {
	case PIT_IN << 4 | 1:
		asm volatile("inb %w1, %b0" : "+a"(value) : "d"(port) : "memory");
		break;
	case PIT_IN << 4 | 2:
		asm volatile("inw %w1, %w0" : "+a"(value) : "d"(port) : "memory");
		break;
	case PIT_IN << 4 | 4:
		asm volatile("inl %w1, %k0" : "+a"(value) : "d"(port) : "memory");
		break;
	case PIT_OUT << 4 | 1:
		asm volatile("outb %b0, %w1" : : "a"(value), "d"(port) : "memory");
		break;
	case PIT_OUT << 4 | 2:
		asm volatile("outw %w0, %w1" : : "a"(value), "d"(port) : "memory");
		break;
	case PIT_OUT << 4 | 4:
		asm volatile("outl %k0, %w1" : : "a"(value), "d"(port) : "memory");
		break;
	default:
		pit_do_string(io);
		return;
	}
	*data = value;
}

void pit_serve(void)
{
	int i;

	irq0_init();
	pit_sti();
	while (!READ_ONCE(pit_list.rest)) {
		if (pit_list.done == READ_ONCE(pit_list.ordered)) {
			hlt();
			continue;
		}
		for (i = 0; i < pit_list.nr; i++)
			pit_do_io(&pit_list.io[i]);
		pit_list.done = pit_list.ordered;
		pit_report(PIT_EVENT_SERVED);
	}
	pit_rest();
}
