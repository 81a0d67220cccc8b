// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Intel 8254 programmable interval timer: its ports, latches and GATEs. How its
 * counters count is in i8254_counter.c.
 *
 * Follows Intel's 82C54 datasheet (order number 231244). Comments cite it by section.
 *
 * A state may come from outside, through migration. Whatever its fields hold
 * (but true and false where they are bool), the worst is a senseless count;
 * i8254_possible() tells whether a guest can have made it.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/string.h>

#include "i8254.h"
#include "i8254_counter.h"

/* The control word; for the rest of it see i8254_counter.h */
#define I8254_SELECT		GENMASK(7, 6)

/* The status byte, which mirrors the rest of the control word */
#define I8254_STATUS_NULL	BIT(6)
#define I8254_STATUS_OUT	BIT(7)

/* In place of a counter, I8254_SELECT may hold the read-back command. */
#define I8254_READ_BACK		3
#define I8254_NO_STATUS		BIT(4)
#define I8254_NO_COUNT		BIT(5)

#define I8254_CONTROL_PORT	3

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
