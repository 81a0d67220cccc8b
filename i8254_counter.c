// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a counter of the 8254 counts: a pure function of time.
 *
 * What a counter does between two accesses is computed in closed form: the cost is the
 * same for one clock as for hours of them. Comments cite Intel's 82C54 datasheet (order
 * number 231244) by section.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/math64.h>

#include "i8254.h"
#include "i8254_counter.h"

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
void i8254_load(struct i8254_counter *c)
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
