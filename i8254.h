/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Intel 8254 programmable interval timer as a pure function of time.
 *
 * Nothing in here reads a clock, takes a lock, allocates or raises an
 * interrupt: the caller brings the chip to `now` and is told what happened.
 */
#ifndef __I8254_H
#define __I8254_H

#include <linux/bits.h>
#include <linux/limits.h>
#include <linux/types.h>

#define I8254_COUNTERS	3

/* An event that will not come, or one that lies past all time. */
#define I8254_NEVER	U64_MAX

/**
 * enum i8254_mode - the six modes of a counter (datasheet: "Mode Definitions")
 * @I8254_TERMINAL_COUNT: mode 0, interrupt on terminal count
 * @I8254_ONE_SHOT: mode 1, hardware retriggerable one-shot
 * @I8254_RATE: mode 2, rate generator
 * @I8254_SQUARE_WAVE: mode 3, square wave
 * @I8254_SW_STROBE: mode 4, software triggered strobe
 * @I8254_HW_STROBE: mode 5, hardware triggered strobe
 */
enum i8254_mode {
	I8254_TERMINAL_COUNT	= 0,
	I8254_ONE_SHOT		= 1,
	I8254_RATE		= 2,
	I8254_SQUARE_WAVE	= 3,
	I8254_SW_STROBE		= 4,
	I8254_HW_STROBE		= 5,
};

/**
 * enum i8254_access - RW1 and RW0 of the control word
 * @I8254_LATCH: the counter latch command, no format of its own
 * @I8254_LSB: the count's low byte only, the high one is 0
 * @I8254_MSB: the count's high byte only, the low one is 0
 * @I8254_WORD: low byte, then high byte
 */
enum i8254_access {
	I8254_LATCH	= 0,
	I8254_LSB	= 1,
	I8254_MSB	= 2,
	I8254_WORD	= 3,
};

/**
 * enum i8254_counting - what the counting element does at the next clock
 * @I8254_STOPPED: nothing: no count since the control word, or half of one
 * @I8254_LOADING: the next clock loads the count register into it
 * @I8254_COUNTING: the next clock decrements it, as far as GATE lets it
 */
enum i8254_counting {
	I8254_STOPPED,
	I8254_LOADING,
	I8254_COUNTING,
};

/**
 * struct i8254_counter - one of the three counters
 * @mode: M2..M0 as written, 0..7; 6 and 7 act as 2 and 3
 * @access: RW1..RW0, one of enum i8254_access, never I8254_LATCH
 * @bcd: counts in BCD
 * @programmed: a control word was written since the reset
 *
 * @gate: the level at GATE
 * @out: the level at OUT
 * @counting: one of enum i8254_counting
 * @armed: OUT is yet to fire in modes 0, 1, 4 and 5; after that the counter
 *	wraps in silence
 * @odd: mode 3 is counting an odd count, whose high half is one clock longer
 * @null_count: the count register holds what the counting element has not
 *	been loaded with (status bit 6)
 * @loadable: a count was written since the control word: triggers work
 * @ce: the counting element as it reads: binary, or four BCD digits
 * @cr: the count register, in the same form; 0 stands for 65536 or 10000
 * @loaded_at: the clock at which counting last began: a count or a trigger
 *
 * @write_msb: the write flip-flop: the next byte written is the high one
 * @read_msb: the read flip-flop: the next byte read is the high one
 * @low_byte: the low byte of a count of which the high byte is not written
 * @latched: what of @ol is not read yet, one of enum i8254_access; 0: nothing
 * @status_latched: @status is not read yet
 * @ol: the output latch
 * @status: the status latch
 */
struct i8254_counter {
	/* the control word */
	u8 mode;
	u8 access;
	bool bcd;
	bool programmed;

	/* the counting element and what is around it */
	bool gate;
	bool out;
	u8 counting;
	bool armed;
	bool odd;
	bool null_count;
	bool loadable;
	u16 ce;
	u16 cr;
	u64 loaded_at;

	/* the data bus buffer */
	bool write_msb;
	bool read_msb;
	u8 low_byte;
	u8 latched;
	bool status_latched;
	u16 ol;
	u8 status;
};

/**
 * struct i8254 - the chip
 * @now: clocks up to which the counters have been brought
 * @counter: the counters, as they are after clock @now
 *
 * What the CPU does to the chip happens between clock @now and @now + 1. All
 * locking is the caller's.
 */
struct i8254 {
	u64 now;
	struct i8254_counter counter[I8254_COUNTERS];
};

/* What a write did to counter 0, or-ed together. */
#define I8254_ROSE		BIT(0)		/* OUT rose, at once */
#define I8254_REPROGRAMMED	BIT(1)		/* a control word, or a whole count */

u64 i8254_ns_to_clocks(u64 ns);
u64 i8254_clocks_to_ns(u64 clocks);

void i8254_reset(struct i8254 *chip, u64 now);
u64 i8254_advance(struct i8254 *chip, u64 now);
u64 i8254_next_rise(const struct i8254 *chip, unsigned int n);
u64 i8254_period(const struct i8254 *chip, unsigned int n);
bool i8254_possible(const struct i8254_counter *c);

unsigned int i8254_write(struct i8254 *chip, unsigned int port, u8 value);
bool i8254_latched(const struct i8254 *chip, unsigned int port);
u8 i8254_read(struct i8254 *chip, unsigned int port);
void i8254_set_gate(struct i8254 *chip, unsigned int n, bool level);

#endif /* __I8254_H */
