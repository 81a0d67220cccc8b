/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way of a multiboot kernel to bench.c, in 64-bit mode, with the first GiB of memory mapped where
 * it is.
 */

	.set MULTIBOOT, 0x1badb002
	.set CR4_PAE, 1 << 5
	.set MSR_EFER, 0xc0000080
	.set EFER_LME, 1 << 8
	.set CR0_PG, 1 << 31
	.set TABLE, 3		/* present, writable */
	.set PAGE_2M, 0x83	/* the same, and large */

	.globl bench
	.set bench, 32 << 20	/* BENCH_QEMU_GPA */

	.section .note.GNU-stack, "", @progbits

	.text
	.balign 4
	.long MULTIBOOT, 0, -MULTIBOOT

	.code32
	.globl start
start:
	cli
	movl $pml4, %eax
	movl $pdpt + TABLE, (%eax)
	movl $pd + TABLE, pdpt
	xorl %ecx, %ecx
1:	movl %ecx, %edx
	shll $21, %edx
	orl $PAGE_2M, %edx
	movl %edx, pd(, %ecx, 8)
	incl %ecx
	cmpl $512, %ecx
	jb 1b

	movl %eax, %cr3
	movl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $MSR_EFER, %ecx
	rdmsr
	orl $EFER_LME, %eax
	wrmsr
	movl %cr0, %eax
	orl $CR0_PG, %eax
	movl %eax, %cr0
	lgdt gdtr
	ljmp $8, $start64

	.code64
start64:
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $stack, %esp
	call main

	.data
gdt:	.quad 0
	.quad 0x00209b0000000000	/* 64-bit code */
	.quad 0x0000930000000000	/* data */
gdtr:	.word . - gdt - 1
	.long gdt

	.bss
	.balign 4096
pml4:	.skip 4096
pdpt:	.skip 4096
pd:	.skip 4096
	.skip 16384
stack:
