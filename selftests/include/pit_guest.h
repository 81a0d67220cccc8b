/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's side: ports, i8259, IOAPIC, handlers of IRQ0, and a guest that does what it is told.
 *
 * The library loads the whole program into the guest, at the same addresses: all of this is
 * the guest's code, and a variable that the host writes before the guest runs has to be
 * synced to the guest.
 *
 * What is inline here needs nothing of the library: lab/guest/bench.c is a kernel without one.
 */
#ifndef SELFTEST_KVM_PIT_GUEST_H
#define SELFTEST_KVM_PIT_GUEST_H

#include "apic.h"
#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

#include <linux/kvm_i8254.h>

#define PIC_MASTER_CMD		0x20
#define PIC_MASTER_DATA		0x21
#define PIC_SLAVE_CMD		0xa0
#define PIC_SLAVE_DATA		0xa1
#define PIC_EOI			0x20

#define PIT_CH0			0x40
#define PIT_CH2			0x42
#define PIT_CONTROL		0x43
#define PIT_SPEAKER		0x61

#define PIT_IRQ_VECTOR		0x20

#ifndef APIC_LVT0
#define APIC_LVT0		0x350
#endif

#define PIT_LVT_MASKED		BIT(16)

#define IOAPIC_GPA		0xfec00000ULL
#define IOAPIC_PIT_PIN		2	/* as on a PC */
#define IOAPIC_MASKED		BIT(16)

/* Where the guest reports what happened; the value written is the event. */
#define PIT_EVENT_PORT		0x500
#define PIT_EVENT_TICK		0xfb	/* pit_report_tick() has one, */
#define PIT_EVENT_UNMASK	0xfc	/* or is about to unmask IRQ0 after it */
#define PIT_EVENT_SERVED	0xfd	/* pit_serve() is done with its list */
#define PIT_EVENT_REST		0xfe	/* all ticks that will come have come */

/* Exactly 105/88 MHz. */
static inline u64 pit_clocks_to_ns(u64 clocks)
{
	return clocks * 88000 / 105;
}

static inline u64 pit_ns_to_clocks(u64 ns)
{
	return ns * 105 / 88000;
}

static inline void pit_outb(u16 port, u8 value)
{
	asm volatile("outb %b0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static inline u8 pit_inb(u16 port)
{
	u8 value;

	asm volatile("inb %w1, %b0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

/**
 * pit_report() - Have pit_run() return an event.
 * @event: one of the PIT_EVENT_* or of the test's own
 */
static inline void pit_report(u8 event)
{
	pit_outb(PIT_EVENT_PORT, event);
}

static inline void pit_sti(void)
{
	asm volatile("sti" : : : "memory");
}

static inline void pit_cli(void)
{
	asm volatile("cli" : : : "memory");
}

/*
 * The i8259 and the IOAPIC
 */

/**
 * pic_init() - Initialise both i8259, with vectors 0x20 and 0x28.
 * @mask: of the first one; all lines of the second one are masked
 */
static inline void pic_init(u8 mask)
{
	pit_outb(PIC_MASTER_CMD, 0x11);
	pit_outb(PIC_MASTER_DATA, PIT_IRQ_VECTOR);
	pit_outb(PIC_MASTER_DATA, 0x04);
	pit_outb(PIC_MASTER_DATA, 0x01);
	pit_outb(PIC_SLAVE_CMD, 0x11);
	pit_outb(PIC_SLAVE_DATA, PIT_IRQ_VECTOR + 8);
	pit_outb(PIC_SLAVE_DATA, 0x02);
	pit_outb(PIC_SLAVE_DATA, 0x01);
	pit_outb(PIC_MASTER_DATA, mask);
	pit_outb(PIC_SLAVE_DATA, 0xff);
}

static inline void pic_mask_irq0(bool mask)
{
	pit_outb(PIC_MASTER_DATA, mask ? 0xff : 0xfe);
}

static inline void pic_eoi(void)
{
	pit_outb(PIC_MASTER_CMD, PIC_EOI);
}

static inline void ioapic_write(u32 reg, u32 value)
{
	u32 *ioapic = (u32 *)IOAPIC_GPA;

	WRITE_ONCE(ioapic[0], reg);
	WRITE_ONCE(ioapic[4], value);
}

static inline void ioapic_mask_pit(bool mask)
{
	ioapic_write(0x10 + 2 * IOAPIC_PIT_PIN, PIT_IRQ_VECTOR | (mask ? IOAPIC_MASKED : 0));
}

/**
 * ioapic_init() - Send IRQ0, unmasked, to a vCPU.
 * @apic_id: the vCPU's
 */
static inline void ioapic_init(u32 apic_id)
{
	ioapic_write(0x11 + 2 * IOAPIC_PIT_PIN, apic_id << 24);
	ioapic_mask_pit(false);
}

/*
 * The PIT
 */

/**
 * pit_program() - Write a control word and a two-byte count in binary.
 * @channel: 0 to 2
 * @mode: 0 to 7
 * @count: 0 means 65536
 */
static inline void pit_program(int channel, int mode, u16 count)
{
	pit_outb(PIT_CONTROL, channel << 6 | 0x30 | mode << 1);
	pit_outb(PIT_CH0 + channel, count & 0xff);
	pit_outb(PIT_CH0 + channel, count >> 8);
}

/**
 * pit_stop() - Stop channel 0 as Linux does: stock KVM stops counting only for a count.
 */
static inline void pit_stop(void)
{
	pit_outb(PIT_CONTROL, 0x30);
	pit_outb(PIT_CH0, 0);
	pit_outb(PIT_CH0, 0);
	pit_outb(PIT_CONTROL, 0x30);
}

/*
 * IRQ0, whichever way it comes
 */

/* True: by the IOAPIC, false: by the i8259. See pit_set_irq0_way(). */
extern bool irq0_by_ioapic;

/**
 * irq0_init() - Have IRQ0 come to this vCPU, unmasked.
 *
 * By the IOAPIC this takes the local APIC with ID 0, and enables x2APIC mode.
 */
void irq0_init(void);
void irq0_mask(bool mask);
void irq0_eoi(void);

/* How many ticks pit_report_tick() and pit_count_tick() took. */
extern u64 pit_ticks;

/* pit_report_tick() has IRQ0 masked from its first instruction until after the EOI. */
extern bool pit_mask_in_handler;

/**
 * pit_report_tick() - A handler of IRQ0: counts the tick, reports it, and sends the EOI.
 * @regs: not looked at
 *
 * The report is PIT_EVENT_TICK. With pit_mask_in_handler there is another one,
 * PIT_EVENT_UNMASK, between the EOI and the unmask.
 */
void pit_report_tick(struct ex_regs *regs);

/**
 * pit_count_tick() - A handler of IRQ0: counts the tick and sends the EOI.
 * @regs: not looked at
 */
void pit_count_tick(struct ex_regs *regs);

/**
 * pit_rest() - Stop the PIT, and take what is still on its way.
 *
 * Reports PIT_EVENT_REST over and over, and never returns.
 */
void pit_rest(void);

/*
 * A guest that does what it is told: port accesses out of a list. In between it waits in HLT, with
 * interrupts on.
 */

enum pit_op {
	PIT_IN,
	PIT_OUT,
	PIT_INS,
	PIT_OUTS,
};

/**
 * struct pit_io - A port access.
 * @op: which one
 * @port: its first port
 * @size: 1, 2 or 4 bytes
 * @count: how often, of PIT_INS and PIT_OUTS with a REP prefix
 * @data: what to write, or what was read
 */
struct pit_io {
	enum pit_op op;
	u16 port;
	u8 size;
	u8 count;
	u8 data[16];
};

#define PIT_MAX_IO	16

/**
 * struct pit_list - What pit_serve() is told.
 * @io: accesses
 * @nr: how many
 * @ordered: how many lists there were; written last
 * @done: how many of these are done
 * @rest: go to pit_rest()
 */
struct pit_list {
	struct pit_io io[PIT_MAX_IO];
	int nr;
	int ordered;
	int done;
	bool rest;
};

extern struct pit_list pit_list;

/**
 * pit_do_io() - Execute an access.
 * @io: the access; PIT_IN and PIT_INS leave what they read in its data
 */
void pit_do_io(struct pit_io *io);

/**
 * pit_serve() - Guest code: do one list of accesses after the other, as pit_order() has it.
 *
 * IRQ0 is on. Never returns.
 */
void pit_serve(void);

#endif /* SELFTEST_KVM_PIT_GUEST_H */
