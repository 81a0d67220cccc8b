/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guests of bench: in 64-bit mode, with IRQ0 through the PIC. They run in a VM
 * of bench's own, and in QEMU as lab/guest/bench.c.
 */
#ifndef SELFTEST_KVM_BENCH_GUEST_H
#define SELFTEST_KVM_BENCH_GUEST_H

#include "pit.h"

#define MAX_SAMPLES	8192

#define BENCH_DONE	0x01
#define BENCH_QEMU_GPA	(32 << 20)	/* where struct bench is, in QEMU */

enum bench_guest {
	GUEST_ROUNDS,
	GUEST_LOOPS,
	GUEST_COUNTS,
	GUEST_TICKS,
	GUEST_PORTS,
};

/*
 * What guests are told, and what they find
 */
extern struct bench {
	enum bench_guest guest;
	u64 tsc_khz;
	u32 count;		/* the counter's, 0: it is stopped */
	bool halt;		/* what the guest does between ticks */
	u64 rounds;		/* the counter is programmed so often, */
	u64 ticks;		/* each time for so many ticks */
	u64 window;		/* or the guest does it for so long, in ns */

	u64 load;		/* TSC of the last OUT to the counter */
	u64 taken;		/* ticks since */
	u64 loops;
	u64 end;		/* ns from load to the end */
	u64 edge;		/* of so many ticks at either end it keeps */
	s64 first;		/* how late the earliest was of the first ones, */
	s64 last;		/* and of the last ones */

	u64 nr;
	s64 samples[MAX_SAMPLES];
} bench;

static inline u64 ns_since(u64 tsc)
{
	return (rdtsc() - tsc) * 1000000 / bench.tsc_khz;
}

static inline void spin(u64 ns)
{
	u64 start = rdtsc();

	while (ns_since(start) < ns)
		;
}

static inline s64 late(u64 ns)
{
	return ns - pit_clocks_to_ns(bench.taken * bench.count);
}

static void program(void)
{
	pit_outb(PIT_CONTROL, 0x34);
	pit_outb(PIT_CH0, bench.count & 0xff);
	bench.taken = 0;
	bench.load = rdtsc();
	pit_outb(PIT_CH0, bench.count >> 8);
}

/*
 * No tick of before comes later. Nor does the one that a control word makes where
 * it takes OUT from low to high.
 */
static void quiet(void)
{
	u64 nr = bench.nr;

	pit_stop();
	pit_outb(PIT_CONTROL, 0x34);
	pit_sti();
	spin(200000);
	pit_cli();
	bench.nr = nr;
}

/* The handlers of IRQ0 */

static void sample_late(struct ex_regs *regs)
{
	u64 now = ns_since(bench.load);

	bench.taken++;
	if (bench.nr < MAX_SAMPLES)
		bench.samples[bench.nr++] = late(now);
	pic_eoi();
}

/*
 * Where ticks come in batches, the earliest of them come behind the EOI of the
 * one before. The first tick of all does not: it would be an error.
 */
static void sample_edges(struct ex_regs *regs)
{
	u64 now = ns_since(bench.load);

	bench.taken++;
	if (!bench.load || bench.taken == 1)
		;	/* that of the control word, or the first */
	else if (bench.taken <= bench.edge)
		bench.first = min(bench.first, late(now));
	else if (bench.taken > bench.ticks - bench.edge)
		bench.last = min(bench.last, late(now));
	pic_eoi();
}

static void count_only(struct ex_regs *regs)
{
	bench.taken++;
	pic_eoi();
}

/* With interrupts on for ticks only where it halts. */
static void wait_for_ticks(u64 ticks)
{
	if (!bench.halt) {
		pit_sti();
		while (READ_ONCE(bench.taken) < ticks)
			bench.loops++;
		pit_cli();
		return;
	}
	while (READ_ONCE(bench.taken) < ticks)
		asm volatile("sti; hlt; cli" : : : "memory");
}

static void done(void)
{
	pit_stop();
	for (;;)
		pit_report(BENCH_DONE);
}

/* Each round begins elsewhere between two of the host's own ticks. */
static void guest_rounds(void)
{
	u64 round, random = 1;

	pic_init(0xfe);
	for (round = 0; round < bench.rounds; round++) {
		quiet();
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		spin((random >> 33) % 4000000);
		program();
		wait_for_ticks(bench.ticks);
	}
	done();
}

/* How often the guest gets around a loop in a time. */
static void guest_loops(void)
{
	u64 start;

	pic_init(0xfe);
	if (bench.count) {
		quiet();
		program();
	}
	start = rdtsc();
	pit_sti();
	while (ns_since(start) < bench.window)
		bench.loops++;
	pit_cli();
	bench.nr = bench.taken;
	done();
}

/* Ticks until a time, and what is on its way then. */
static void guest_counts(void)
{
	pic_init(0xfe);
	quiet();
	program();
	while (ns_since(bench.load) < bench.window)
		asm volatile("sti; hlt; cli" : : : "memory");
	bench.end = ns_since(bench.load);
	pit_stop();
	pit_sti();
	spin(1000000);
	pit_cli();
	done();
}

static void guest_ticks(void)
{
	pic_init(0xfe);
	quiet();
	program();
	wait_for_ticks(bench.ticks);
	done();
}

enum { PORT_READ, PORT_LATCH, PORT_RELOAD, PORT_NONE };

static void guest_ports(void)
{
	u64 start;

	pic_init(0xff);
	program();
	for (bench.nr = 0; bench.nr < bench.rounds; bench.nr++) {
		start = rdtsc();
		switch (bench.ticks) {
		case PORT_READ:
			pit_inb(PIT_CH0);
			break;
		case PORT_LATCH:
			pit_outb(PIT_CONTROL, 0);
			pit_inb(PIT_CH0);
			pit_inb(PIT_CH0);
			break;
		case PORT_RELOAD:
			pit_outb(PIT_CH0, bench.count & 0xff);
			pit_outb(PIT_CH0, bench.count >> 8);
			break;
		}
		bench.samples[bench.nr] = ns_since(start);
	}
	done();
}

static const struct {
	void (*code)(void);
	void (*irq0)(struct ex_regs *regs);
} bench_guests[] = {
	[GUEST_ROUNDS] = { guest_rounds, sample_late },
	[GUEST_LOOPS] = { guest_loops, count_only },
	[GUEST_COUNTS] = { guest_counts, count_only },
	[GUEST_TICKS] = { guest_ticks, sample_edges },
	[GUEST_PORTS] = { guest_ports, count_only },
};

#endif /* SELFTEST_KVM_BENCH_GUEST_H */
