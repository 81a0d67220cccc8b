/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A boot sector that counts ticks: a 16-bit real-mode guest, as DOS programs were. It does nothing
 * but count. To be given with --defsym:
 *   DIVISOR  the period in clocks, 65536 for 18.2 Hz
 *   MASKS    0, or 1: its handler masks IRQ0 at the PIC for as long as it runs, as Linux does
 */

	.code16
	.globl _start
	.set COUNT, 0x500	/* behind the BIOS's own data */

_start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %ss
	movw $_start, %sp
	movl $0, COUNT
	/* IRQ0 is where the BIOS has it: vector 8. */
	movw $irq0, 8 * 4
	movw %ax, 8 * 4 + 2
	/* Of the first PIC, IRQ0 only. */
	movb $0xfe, %al
	outb %al, $0x21
	/* Counter 0, both bytes, mode 2. */
	movb $0x34, %al
	outb %al, $0x43
	movb $(DIVISOR & 0xff), %al
	outb %al, $0x40
	movb $(DIVISOR >> 8 & 0xff), %al
	outb %al, $0x40
	sti
1:	hlt
	jmp 1b

irq0:
	pushw %ax
	.if MASKS
	movb $0xff, %al
	outb %al, $0x21
	.endif
	incl COUNT
	movb $0x20, %al
	outb %al, $0x20
	.if MASKS
	movb $0xfe, %al
	outb %al, $0x21
	.endif
	popw %ax
	iret

	.org 510
	.word 0xaa55
