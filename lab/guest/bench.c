// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guests of selftests/bench.c as a kernel that QEMU boots. Which one runs, and what it finds,
 * is in the memory that QEMU shares with bench. Its last report ends QEMU.
 */
#include "bench_guest.h"

static struct {
	u16 offset;
	u16 selector;
	u16 type;
	u16 offset_16;
	u32 offset_32;
	u32 reserved;
} idt[PIT_IRQ_VECTOR + 16];

struct frame;

__attribute__((interrupt)) static void irq0(struct frame *frame)
{
	bench_guests[bench.guest].irq0(NULL);
}

/* The PIC's vector of an IRQ that has gone away; it wants no EOI. */
__attribute__((interrupt)) static void spurious(struct frame *frame)
{
}

static void set_gate(int vector, void (*handler)(struct frame *))
{
	u64 offset = (u64)handler;

	idt[vector].offset = offset;
	idt[vector].selector = 8;
	idt[vector].type = 0x8e00;	/* present, interrupt gate */
	idt[vector].offset_16 = offset >> 16;
	idt[vector].offset_32 = offset >> 32;
}

int main(void)
{
	struct {
		u16 limit;
		u64 base;
	} __packed idtr = { sizeof(idt) - 1, (u64)idt };

	set_gate(PIT_IRQ_VECTOR, irq0);
	set_gate(PIT_IRQ_VECTOR + 7, spurious);
	asm volatile("lidt %0" : : "m"(idtr));
	bench_guests[bench.guest].code();
	return 0;
}
