// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Intel 8254 programmable interval timer as a pure function of time.
 *
 * Follows Intel's 82C54 datasheet (order number 231244), whose section names
 * the comments cite. What a counter does between two accesses is computed in
 * closed form: the cost is the same for one clock as for hours of them.
 *
 * A state may come from outside, through migration. Whatever its fields hold
 * (but true and false where they are bool), the worst is a senseless count;
 * i8254_possible() tells whether a guest can have made it.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/math64.h>
#include <linux/nospec.h>
#include <linux/string.h>

#include "i8254.h"

/* The control word, and the status byte that mirrors it. */
#define I8254_BCD		BIT(0)
#define I8254_MODE		GENMASK(3, 1)
#define I8254_RW		GENMASK(5, 4)
#define I8254_SELECT		GENMASK(7, 6)
#define I8254_STATUS_NULL	BIT(6)
#define I8254_STATUS_OUT	BIT(7)

/* In place of a counter, I8254_SELECT may hold the read-back command. */
#define I8254_READ_BACK		3
#define I8254_NO_STATUS		BIT(4)
#define I8254_NO_COUNT		BIT(5)

#define I8254_CONTROL_PORT	3

/* 105/88 MHz, in lowest terms: 21 clocks take 17600 ns. */
#define I8254_RATIO_CLOCKS	21
#define I8254_RATIO_NS		17600

/**
 * i8254_ns_to_clocks - whole clocks in a time
 * @ns: nanoseconds, any value
 *
 * Return: clocks of 105/88 MHz, rounded down, exact over the whole range.
 */
u64 i8254_ns_to_clocks(u64 ns)
{
	u32 rest;
	u64 clocks = div_u64_rem(ns, I8254_RATIO_NS, &rest) * I8254_RATIO_CLOCKS;

	return clocks + rest * I8254_RATIO_CLOCKS / I8254_RATIO_NS;
}

/**
 * i8254_clocks_to_ns - the time that a number of clocks takes
 * @clocks: clocks of 105/88 MHz, any value
 *
 * Rounded up, so that the time is never short of the clock: converted back, it
 * gives @clocks again.
 *
 * Return: nanoseconds, or U64_MAX if they do not fit; so for %I8254_NEVER.
 */
u64 i8254_clocks_to_ns(u64 clocks)
{
	u32 rest;
	u64 ns;

	if (clocks > i8254_ns_to_clocks(U64_MAX))
		return U64_MAX;

	ns = div_u64_rem(clocks, I8254_RATIO_CLOCKS, &rest) * I8254_RATIO_NS;
	return ns + DIV_ROUND_UP(rest * I8254_RATIO_NS, I8254_RATIO_CLOCKS);
}

/* The CPU chooses the counter: neither it nor speculation gets past the last one. */
static unsigned int i8254_index(unsigned int n)
{
	return array_index_nospec(n, I8254_COUNTERS);
}

/* M2 is "don't care" in modes 2 and 3 ("Control Word Format"). */
static enum i8254_mode i8254_mode(const struct i8254_counter *c)
{
	return c->mode & 2 ? c->mode & 3 : c->mode & 7;
}

static bool i8254_periodic(const struct i8254_counter *c)
{
	return c->mode & 2;
}

static bool i8254_triggered(const struct i8254_counter *c)
{
	enum i8254_mode mode = i8254_mode(c);

	return mode == I8254_ONE_SHOT || mode == I8254_HW_STROBE;
}

static bool i8254_strobing(const struct i8254_counter *c)
{
	enum i8254_mode mode = i8254_mode(c);

	return mode == I8254_SW_STROBE || mode == I8254_HW_STROBE;
}

/*
 * Clocks from a register's value down to 0; all the way round from 0 itself
 * ("Operation Common to All Modes"). A BCD digit above 9 counts down like any
 * other and comes back as 9.
 */
static u32 i8254_clocks(const struct i8254_counter *c, u16 reg)
{
	u32 clocks = reg;

	if (c->bcd)
		clocks = (reg & 15) + (reg >> 4 & 15) * 10 +
			 (reg >> 8 & 15) * 100 + (reg >> 12) * 1000;
	if (!clocks)
		clocks = c->bcd ? 10000 : 65536;
	return clocks;
}

/*
 * A BCD count less @n, which is small enough not to overflow: each digit
 * borrows tens from the next one, and the last from nowhere.
 */
static u16 i8254_subtract_bcd(u16 reg, u32 n)
{
	unsigned int shift;
	u16 result = 0;

	for (shift = 0; shift < 16; shift += 4) {
		u32 digit = reg >> shift & 15;
		u32 borrow = n > digit ? DIV_ROUND_UP(n - digit, 10) : 0;

		result |= (digit + borrow * 10 - n) << shift;
		n = borrow;
	}
	return result;
}

/* Let the counting element count down @n times, wrapping as often as it must. */
static void i8254_decrement(struct i8254_counter *c, u64 n)
{
	u32 left = i8254_clocks(c, c->ce);
	u32 rest = n;

	if (!c->bcd) {
		c->ce -= n;
		return;
	}
	if (n > left) {
		div_u64_rem(n - left, 10000, &rest);
		c->ce = 0;
	}
	c->ce = i8254_subtract_bcd(c->ce, rest);
}

/*
 * The count register as the mode takes it. 1 is below the least legal count of
 * modes 2 and 3: hardware was seen to take it as 2 and as 65536.
 */
static u16 i8254_count(const struct i8254_counter *c)
{
	if (c->cr == 1 && i8254_mode(c) == I8254_RATE)
		return 2;
	if (c->cr == 1 && i8254_mode(c) == I8254_SQUARE_WAVE)
		return 0;
	return c->cr;
}

/* Clocks of the high and of the low half ("Mode 3: Square Wave Mode"). */
static u32 i8254_half(const struct i8254_counter *c, bool high)
{
	return (i8254_clocks(c, i8254_count(c)) + high) / 2;
}

/* Clocks to the end of the half-cycle at hand: the high one of an odd count reads 0 last. */
static u32 i8254_half_left(const struct i8254_counter *c)
{
	u16 even = c->ce & ~1;

	if (!c->odd || !c->out)
		return i8254_clocks(c, even) / 2;
	return even ? i8254_clocks(c, even) / 2 + 1 : 1;
}

/* Load the count register into the counting element, without decrementing. */
static void i8254_load(struct i8254_counter *c)
{
	c->counting = I8254_COUNTING;
	c->null_count = false;
	c->ce = i8254_count(c);

	switch (i8254_mode(c)) {
	case I8254_RATE:
		break;
	case I8254_SQUARE_WAVE:
		c->odd = c->ce & 1;
		c->ce &= ~1;
		break;
	case I8254_ONE_SHOT:
		c->out = false;
		fallthrough;
	default:
		c->armed = true;
	}
}

/* Modes 0, 1, 4 and 5: OUT fires once, and the counter wraps and goes on. */
static u64 i8254_count_once(struct i8254_counter *c, u64 clocks)
{
	u32 left = i8254_clocks(c, c->ce);

	i8254_decrement(c, clocks);
	if (!c->armed || clocks < left)
		return 0;

	c->armed = false;
	c->out = !i8254_strobing(c) || clocks > left;
	return c->out;
}

/* Mode 2: OUT is low while the count is 1; the next clock reloads. */
static u64 i8254_count_rate(struct i8254_counter *c, u64 clocks)
{
	u32 left = i8254_clocks(c, c->ce);
	u64 rises = 0;
	u32 rest = clocks;

	if (clocks >= left) {
		i8254_load(c);
		rises = 1 + div_u64_rem(clocks - left, i8254_clocks(c, c->ce), &rest);
	}
	i8254_decrement(c, rest);
	c->out = c->ce != 1;
	return rises;
}

/* Mode 3, up to the end of the half-cycle at most: OUT toggles, the count is taken anew. */
static u64 i8254_count_half(struct i8254_counter *c, u64 *clocks)
{
	u32 left = i8254_half_left(c);

	c->ce &= ~1;
	if (*clocks < left) {
		i8254_decrement(c, *clocks * 2);
		*clocks = 0;
		return 0;
	}
	*clocks -= left;
	c->out = !c->out;
	i8254_load(c);
	return c->out;
}

/* Mode 3: what is left of this half-cycle, whole periods, and one half-cycle at most. */
static u64 i8254_count_square(struct i8254_counter *c, u64 clocks)
{
	u64 rises = i8254_count_half(c, &clocks);
	u32 rest;

	rises += div_u64_rem(clocks, i8254_clocks(c, i8254_count(c)), &rest);
	clocks = rest;
	rises += i8254_count_half(c, &clocks);
	return rises + i8254_count_half(c, &clocks);
}

/* Modes 1 and 5 do not look at the level of GATE ("Gate Pin Operations Summary"). */
static bool i8254_running(const struct i8254_counter *c)
{
	return c->counting == I8254_COUNTING && (c->gate || i8254_triggered(c));
}

/* A strobe ends at the first clock, whatever GATE and the CPU do to the counter. */
static bool i8254_strobe_ends(const struct i8254_counter *c)
{
	return i8254_strobing(c) && !c->out;
}

static u64 i8254_advance_counter(struct i8254_counter *c, u64 from, u64 clocks)
{
	u64 rises = 0;

	if (i8254_strobe_ends(c)) {
		c->out = true;
		rises = 1;
	}
	if (c->counting == I8254_LOADING) {
		i8254_load(c);
		c->loaded_at = from + 1;
		clocks--;
	}
	if (!clocks || !i8254_running(c))
		return rises;

	switch (i8254_mode(c)) {
	case I8254_RATE:
		return rises + i8254_count_rate(c, clocks);
	case I8254_SQUARE_WAVE:
		return rises + i8254_count_square(c, clocks);
	default:
		return rises + i8254_count_once(c, clocks);
	}
}

/**
 * i8254_advance - let clocks pass
 * @chip: the chip; the caller holds whatever protects it
 * @now: the clock to bring all counters to; nothing happens if it is past
 *
 * Takes the same time for any number of clocks.
 *
 * Return: how often OUT of counter 0 rose after the old @chip->now, up to and
 * including @now.
 */
u64 i8254_advance(struct i8254 *chip, u64 now)
{
	u64 from = chip->now;
	u64 rises;

	if (now <= from)
		return 0;

	chip->now = now;
	rises = i8254_advance_counter(&chip->counter[0], from, now - from);
	i8254_advance_counter(&chip->counter[1], from, now - from);
	i8254_advance_counter(&chip->counter[2], from, now - from);
	return rises;
}

/* Clocks to the next rise of a counter that is running, or I8254_NEVER. */
static u64 i8254_clocks_to_rise(const struct i8254_counter *c)
{
	u32 left = i8254_clocks(c, c->ce);

	switch (i8254_mode(c)) {
	case I8254_RATE:
		return left;
	case I8254_SQUARE_WAVE:
		left = i8254_half_left(c);
		return c->out ? left + i8254_half(c, false) : left;
	default:
		return c->armed ? left + i8254_strobing(c) : I8254_NEVER;
	}
}

/**
 * i8254_next_rise - the next rising edge of a counter's OUT
 * @chip: the chip; the caller holds whatever protects it
 * @n: the counter, 0..2
 *
 * Holds until something is written to the counter or its GATE changes.
 *
 * Return: the clock of the edge, later than @chip->now; %I8254_NEVER if there
 * will be none, or none in 64 bits.
 */
u64 i8254_next_rise(const struct i8254 *chip, unsigned int n)
{
	struct i8254_counter c = chip->counter[n];
	u64 left = I8254_NEVER - chip->now;
	u64 clocks = I8254_NEVER;
	u64 load = 0;

	if (i8254_strobe_ends(&c)) {
		clocks = 1;
	} else {
		if (c.counting == I8254_LOADING) {
			i8254_load(&c);
			load = 1;
		}
		if (i8254_running(&c))
			clocks = i8254_clocks_to_rise(&c);
	}

	if (left <= load || clocks >= left - load)
		return I8254_NEVER;
	return chip->now + load + clocks;
}

/**
 * i8254_period - clocks from one rise of a counter's OUT to the next
 * @chip: the chip; the caller holds whatever protects it
 * @n: the counter, 0..2
 *
 * That of the count register as it stands, be it loaded yet or not.
 *
 * Return: 2..65536 clocks; 0 in other modes than 2 and 3, or if it does not count.
 */
u64 i8254_period(const struct i8254 *chip, unsigned int n)
{
	const struct i8254_counter *c = &chip->counter[n];

	if (c->counting == I8254_STOPPED || !i8254_periodic(c))
		return 0;
	return i8254_clocks(c, i8254_count(c));
}

/* A counter with a count, as its mode has it ("Mode Definitions"). */
static bool i8254_possible_in_mode(const struct i8254_counter *c)
{
	bool counting = c->counting == I8254_COUNTING;

	switch (i8254_mode(c)) {
	case I8254_TERMINAL_COUNT:
		return c->out == (counting && !c->armed);
	case I8254_ONE_SHOT:
		return c->out == !c->armed;
	case I8254_RATE:
		return c->out == !(counting && c->gate && c->ce == 1);
	case I8254_SQUARE_WAVE:
		return counting ? (c->out || c->gate) && !(c->ce & 1) : c->out;
	default:
		return c->out || !c->armed;
	}
}

/**
 * i8254_possible - can a guest bring a counter to this state?
 * @c: the counter
 *
 * True for all that i8254_reset(), writes, GATE and time lead to. Above all, a
 * counter that counts has a count.
 *
 * Return: the answer. GATE is taken for one that the guest has a hand on.
 */
bool i8254_possible(const struct i8254_counter *c)
{
	bool stopped = c->counting == I8254_STOPPED;
	bool once = !i8254_periodic(c);

	if (c->loadable > c->programmed || c->armed > (c->loadable && once) ||
	    (c->odd && i8254_mode(c) != I8254_SQUARE_WAVE))
		return false;

	/* From a control word, or the reset, to a count */
	if (!c->loadable)
		return stopped && c->null_count && !c->odd &&
		       c->out == (!c->programmed || c->mode != I8254_TERMINAL_COUNT);

	/* The count starts these modes, and a trigger the others. */
	if (stopped && (!once || c->mode == I8254_SW_STROBE))
		return false;
	if (stopped && i8254_triggered(c) && !(c->null_count && c->out))
		return false;
	if (c->counting == I8254_LOADING && once && !i8254_triggered(c) && !c->null_count)
		return false;

	return i8254_possible_in_mode(c);
}

/*
 * What is latched and read of the counting element. A count that was just written waits
 * for the next clock, up to 838 ns. Software that is faster expects to read it at once;
 * NULL COUNT says that it is not loaded yet.
 */
static u16 i8254_reading(const struct i8254_counter *c)
{
	struct i8254_counter loaded = *c;

	if (c->counting != I8254_LOADING || !c->null_count)
		return c->ce;

	i8254_load(&loaded);
	return loaded.ce;
}

/* "Counter Latch Command": ignored until the last one is read out. */
static void i8254_latch_count(struct i8254_counter *c)
{
	if (c->latched)
		return;
	c->latched = c->access;
	c->ol = i8254_reading(c);
}

static void i8254_latch_status(struct i8254_counter *c)
{
	if (c->status_latched)
		return;
	c->status_latched = true;
	c->status = FIELD_PREP(I8254_BCD, c->bcd) |
		    FIELD_PREP(I8254_MODE, c->mode) |
		    FIELD_PREP(I8254_RW, c->access) |
		    FIELD_PREP(I8254_STATUS_NULL, c->null_count) |
		    FIELD_PREP(I8254_STATUS_OUT, c->out);
}

/* "Read-Back Command" */
static void i8254_read_back(struct i8254 *chip, u8 command)
{
	unsigned int n;

	for (n = 0; n < I8254_COUNTERS; n++) {
		if (!(command & BIT(n + 1)))
			continue;
		if (!(command & I8254_NO_COUNT))
			i8254_latch_count(&chip->counter[n]);
		if (!(command & I8254_NO_STATUS))
			i8254_latch_status(&chip->counter[n]);
	}
}

/*
 * "Operation Common to All Modes": all control logic is reset and OUT goes to
 * its initial state at once. Only GATE and the counting element are left.
 */
static void i8254_program(struct i8254_counter *c, u8 control)
{
	*c = (struct i8254_counter) {
		.mode		= FIELD_GET(I8254_MODE, control),
		.access		= FIELD_GET(I8254_RW, control),
		.bcd		= FIELD_GET(I8254_BCD, control),
		.programmed	= true,
		.gate		= c->gate,
		.out		= FIELD_GET(I8254_MODE, control) != I8254_TERMINAL_COUNT,
		.counting	= I8254_STOPPED,
		.null_count	= true,
		.ce		= c->ce,
		.loaded_at	= c->loaded_at,
	};
}

/* Returns I8254_ROSE and I8254_REPROGRAMMED for the counter written to. */
static unsigned int i8254_control(struct i8254_counter *c, u8 control)
{
	bool was = c->out;

	if (FIELD_GET(I8254_RW, control) == I8254_LATCH) {
		i8254_latch_count(c);
		return 0;
	}

	i8254_program(c, control);
	return I8254_REPROGRAMMED | (c->out && !was ? I8254_ROSE : 0);
}

/* Take a whole count: see "A new count" in each mode's definition. */
static void i8254_set_count(struct i8254_counter *c, u16 count)
{
	c->cr = count;
	c->null_count = true;
	c->loadable = true;

	switch (i8254_mode(c)) {
	case I8254_TERMINAL_COUNT:
		c->out = false;
		fallthrough;
	case I8254_SW_STROBE:
		c->counting = I8254_LOADING;
		break;
	case I8254_RATE:
	case I8254_SQUARE_WAVE:
		if (c->counting != I8254_COUNTING)
			c->counting = I8254_LOADING;
		break;
	default:
		/* Modes 1 and 5 wait for a trigger. */
		break;
	}
}

/* The first of two bytes: only mode 0 takes notice, and stops. */
static void i8254_set_low_byte(struct i8254_counter *c, u8 value)
{
	c->low_byte = value;
	c->write_msb = true;
	if (c->programmed && i8254_mode(c) == I8254_TERMINAL_COUNT) {
		c->counting = I8254_STOPPED;
		c->out = false;
	}
}

/* Returns I8254_REPROGRAMMED if that makes the count whole. */
static unsigned int i8254_write_count(struct i8254_counter *c, u8 value)
{
	u16 count;

	switch (c->access) {
	case I8254_LSB:
		count = value;
		break;
	case I8254_MSB:
		count = value << 8;
		break;
	default:
		if (!c->write_msb) {
			i8254_set_low_byte(c, value);
			return 0;
		}
		c->write_msb = false;
		count = value << 8 | c->low_byte;
	}

	if (!c->programmed)
		return 0;
	i8254_set_count(c, count);
	return I8254_REPROGRAMMED;
}

/**
 * i8254_write - the CPU writes a byte
 * @chip: the chip, brought to the present by i8254_advance(); the caller holds
 *	whatever protects it
 * @port: A1 and A0: a counter, or 3 for the control word; no others
 * @value: the byte
 *
 * "Write Operations". A count for a counter that never got a control word is
 * dropped.
 *
 * Return: what happened to counter 0: 0, or %I8254_ROSE and %I8254_REPROGRAMMED
 * or-ed together.
 */
unsigned int i8254_write(struct i8254 *chip, unsigned int port, u8 value)
{
	unsigned int n = port & 3;
	unsigned int events;

	if (n != I8254_CONTROL_PORT) {
		events = i8254_write_count(&chip->counter[i8254_index(n)], value);
		return n ? 0 : events;
	}

	n = FIELD_GET(I8254_SELECT, value);
	if (n == I8254_READ_BACK) {
		i8254_read_back(chip, value);
		return 0;
	}
	events = i8254_control(&chip->counter[i8254_index(n)], value);
	return n ? 0 : events;
}

static u8 i8254_read_latch(struct i8254_counter *c)
{
	switch (c->latched) {
	case I8254_LSB:
		c->latched = 0;
		return c->ol;
	case I8254_MSB:
		c->latched = 0;
		return c->ol >> 8;
	default:
		c->latched = I8254_MSB;
		return c->ol;
	}
}

static u8 i8254_read_live(struct i8254_counter *c)
{
	u16 count = i8254_reading(c);

	switch (c->access) {
	case I8254_LSB:
		return count;
	case I8254_MSB:
		return count >> 8;
	default:
		c->read_msb = !c->read_msb;
		return c->read_msb ? count : count >> 8;
	}
}

/**
 * i8254_latched - is the next byte that is read there a latched one?
 * @chip: the chip, as it was at any time since the last access
 * @port: A1 and A0: a counter, or 3; no others
 *
 * Then i8254_read() does not need the chip to be brought to the present.
 *
 * Return: the answer; false for port 3.
 */
bool i8254_latched(const struct i8254 *chip, unsigned int port)
{
	const struct i8254_counter *c = &chip->counter[i8254_index(port & 3)];

	return (port & 3) != I8254_CONTROL_PORT && (c->status_latched || c->latched);
}

/**
 * i8254_read - the CPU reads a byte
 * @chip: the chip, brought to the present by i8254_advance() unless the byte is
 *	latched; the caller holds whatever protects it
 * @port: A1 and A0: a counter, or 3; no others
 *
 * "Read Operations": the latched status comes first, then the latched count,
 * then the counting element. Uses up latches, toggles the flip-flop.
 *
 * Return: the byte; 0 for port 3, which leaves the bus alone.
 */
u8 i8254_read(struct i8254 *chip, unsigned int port)
{
	unsigned int n = port & 3;
	struct i8254_counter *c;

	if (n == I8254_CONTROL_PORT)
		return 0;

	c = &chip->counter[i8254_index(n)];
	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	return c->latched ? i8254_read_latch(c) : i8254_read_live(c);
}

/**
 * i8254_set_gate - the level at a counter's GATE changes
 * @chip: the chip, brought to the present by i8254_advance(); the caller holds
 *	whatever protects it
 * @n: the counter, 0..2
 * @level: the new level
 *
 * "Gate Pin Operations Summary". A rise is a trigger in modes 1, 2, 3 and 5 and
 * is held until the next clock. Before there is a count it does nothing.
 *
 * In modes 2 and 3 a fall raises OUT. That goes unreported: GATE0 is wired high
 * on a PC, and other counters' edges are read from their OUT.
 */
void i8254_set_gate(struct i8254 *chip, unsigned int n, bool level)
{
	struct i8254_counter *c = &chip->counter[n];

	if (c->gate == level)
		return;
	c->gate = level;

	if (!level && i8254_periodic(c))
		c->out = true;
	if (level && c->loadable && (i8254_periodic(c) || i8254_triggered(c)))
		c->counting = I8254_LOADING;
}

/**
 * i8254_reset - the chip as a PC powers it up
 * @chip: the chip
 * @now: the clock
 *
 * The datasheet leaves everything undefined until a control word. Here nothing
 * counts, every count reads 0, and OUT is high, so that no first control word
 * makes an edge. GATE0 and GATE1 are wired high, GATE2 is off.
 */
void i8254_reset(struct i8254 *chip, u64 now)
{
	unsigned int n;

	memset(chip, 0, sizeof(*chip));
	chip->now = now;
	for (n = 0; n < I8254_COUNTERS; n++)
		chip->counter[n] = (struct i8254_counter) {
			.access		= I8254_WORD,
			.gate		= n != 2,
			.out		= true,
			.counting	= I8254_STOPPED,
			.null_count	= true,
		};
}
