/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the two files of the chip share: i8254.c, its ports, and i8254_counter.c, how its
 * counters count.
 */
#ifndef __I8254_COUNTER_H
#define __I8254_COUNTER_H

#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/nospec.h>

#include "i8254.h"

/* The control word, and the status byte that mirrors it. */
#define I8254_BCD		BIT(0)
#define I8254_MODE		GENMASK(3, 1)
#define I8254_RW		GENMASK(5, 4)

/* The CPU chooses the counter: neither it nor speculation gets past the last one. */
static inline unsigned int i8254_index(unsigned int n)
{
	return array_index_nospec(n, I8254_COUNTERS);
}

/* M2 is "don't care" in modes 2 and 3 ("Control Word Format"). */
static inline enum i8254_mode i8254_mode(const struct i8254_counter *c)
{
	return c->mode & 2 ? c->mode & 3 : c->mode & 7;
}

static inline bool i8254_periodic(const struct i8254_counter *c)
{
	return c->mode & 2;
}

static inline bool i8254_triggered(const struct i8254_counter *c)
{
	enum i8254_mode mode = i8254_mode(c);

	return mode == I8254_ONE_SHOT || mode == I8254_HW_STROBE;
}

void i8254_load(struct i8254_counter *c);

#endif /* __I8254_COUNTER_H */
