/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An option ROM that starts a kernel which is in memory already, so that no disk is read and nothing
 * is unpacked: see lab/bochs. The BIOS calls it, in real mode, when all else is set up. It hands the
 * kernel over the PVH boot protocol's structures (Documentation/arch/x86/boot.rst has where to find
 * them; the kernel's header is include/xen/interface/hvm/start_info.h). To be given with --defsym:
 *   COPY            the physical address that this is linked for
 *   ENTRY           the kernel's 32-bit entry, of its ELF note
 *   INITRAMFS       where the initramfs is, and
 *   INITRAMFS_SIZE  its size in bytes
 *   MEMORY          how much memory the machine has, in bytes
 * The file command_line, of the assembler's current directory, has the kernel's command line.
 */

	.set SIZE, 4096
	.set ACPI, 0x10000	/* what the BIOS takes for its tables, at the end of memory */
	.set RAM, 1		/* types of memory, as in an E820 map */
	.set RESERVED, 2
	.set ACPI_TABLES, 3

	.code16
	.globl _start
_start:
	.byte 0x55, 0xaa, SIZE / 512
	cli
	cld
	/* The kernel writes to these structures: leave the ROM. */
	movw %cs, %ax
	movw %ax, %ds
	movw $(COPY >> 4), %ax
	movw %ax, %es
	xorw %si, %si
	xorw %di, %di
	movw $(SIZE / 4), %cx
	rep movsl
	ljmp $(COPY >> 4), $(copied - _start)
copied:
	movw %ax, %ds
	/* A20 on */
	inb $0x92, %al
	orb $2, %al
	outb %al, $0x92
	lgdtl gdtr - _start
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $8, $protected

	.code32
protected:
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $start_info, %ebx
	movl $ENTRY, %eax
	jmp *%eax

	.balign 8
gdt:	.quad 0
	.quad 0x00cf9b000000ffff	/* 8: code, all of the 4 GiB */
	.quad 0x00cf93000000ffff	/* 16: data */
gdtr:	.word gdtr - gdt - 1
	.long gdt

	.balign 8
start_info:
	.long 0x336ec578, 1, 0, 1	/* magic, version, flags, number of modules */
	.quad modules, command_line, 0, map
	.long (map_end - map) / 24, 0
modules:
	.quad INITRAMFS, INITRAMFS_SIZE, 0, 0

map:	/* from, size, type and padding of each area */
	.quad 0, 0x9fc00, RAM
	.quad 0x9fc00, 0x100000 - 0x9fc00, RESERVED
	.quad 0x100000, MEMORY - 0x100000 - ACPI, RAM
	.quad MEMORY - ACPI, ACPI, ACPI_TABLES
map_end:

command_line:
	.incbin "command_line"
	.byte 0

	.org SIZE - 1
checksum:	/* that makes the sum of all bytes 0: lab/bochs puts it here */
	.byte 0
