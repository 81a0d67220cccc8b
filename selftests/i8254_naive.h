/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A naive 8254, from the datasheet's text: registers, flip-flops, and one clock
 * at a time. It shares nothing with i8254.c, not even names.
 *
 * KUnit compares i8254.c with it, the fuzzer a VM's PIT.
 */
#ifndef __I8254_NAIVE_H
#define __I8254_NAIVE_H

#include <linux/string.h>
#include <linux/types.h>

struct naive {
	u64 clock;		/* so many have passed */
	u64 began;		/* the one at which counting began: a count or a trigger */

	u8 control_word;	/* RW1..BCD as written */
	unsigned int mode;	/* 0..5 */
	bool dead;		/* no control word yet */

	u8 crm, crl;
	u16 ce;
	u8 olm, ol_low;
	u8 status;

	bool second_write, second_read;
	u8 first_byte;
	int ol_bytes;		/* latched and unread; the last one is OLM */
	bool status_full;

	bool gate, edge, out;
	bool null;
	bool written;		/* a whole count since the control word */
	bool load;		/* at the next clock */
	bool going;		/* counts, GATE permitting */
	bool fired;
	bool odd;
};

static inline void naive_reset(struct naive *c, bool gate)
{
	memset(c, 0, sizeof(*c));
	c->control_word = 0x30;
	c->dead = true;
	c->null = true;
	c->out = true;
	c->gate = gate;
}

static inline u16 naive_less_1(const struct naive *c, u16 ce)
{
	int digit;

	if (!(c->control_word & 1))
		return ce - 1;
	for (digit = 1; digit <= 0x1000; digit *= 16) {
		if (ce & digit * 15)
			return ce - digit;
		ce += digit * 9;
	}
	return ce;
}

static inline void naive_load(struct naive *c)
{
	c->ce = c->crm * 256 + c->crl;
	c->null = false;
	c->fired = false;
	c->going = true;
	c->load = false;
	if (c->mode == 2 && c->ce == 1)
		c->ce = 2;
	if (c->mode == 3) {
		if (c->ce == 1)
			c->ce = 0;
		c->odd = c->ce % 2;
		if (c->odd)
			c->ce--;
	}
}

static inline void naive_mode_2(struct naive *c)
{
	if (c->ce == 1) {
		naive_load(c);
		c->out = true;
		return;
	}
	c->ce = naive_less_1(c, c->ce);
	if (c->ce == 1)
		c->out = false;
}

static inline void naive_mode_3(struct naive *c)
{
	if (c->out && c->odd && c->ce == 0) {
		c->out = false;
		naive_load(c);
		return;
	}
	c->ce = naive_less_1(c, naive_less_1(c, c->ce));
	if (c->ce == 0 && !(c->out && c->odd)) {
		c->out = !c->out;
		naive_load(c);
	}
}

static inline void naive_other_mode(struct naive *c)
{
	c->ce = naive_less_1(c, c->ce);
	if (c->ce == 0 && !c->fired) {
		c->fired = true;
		c->out = c->mode < 4;
	}
}

/* Returns whether OUT rose. */
static inline bool naive_clock(struct naive *c)
{
	bool was = c->out;
	bool by_edge = c->mode == 1 || c->mode == 5;

	c->clock++;

	/* rising edge of CLK: sample GATE */
	if (c->edge && (by_edge || c->mode == 2 || c->mode == 3))
		c->load = true;
	c->edge = false;

	/* falling edge of CLK */
	if (c->mode >= 4)
		c->out = true;
	if (c->load) {
		naive_load(c);
		c->began = c->clock;
		if (c->mode == 1)
			c->out = false;
	} else if (c->going && (by_edge || c->gate)) {
		if (c->mode == 2)
			naive_mode_2(c);
		else if (c->mode == 3)
			naive_mode_3(c);
		else
			naive_other_mode(c);
	}
	return c->out && !was;
}

static inline void naive_gate(struct naive *c, bool level)
{
	if (level && !c->gate && c->written)
		c->edge = true;
	if (!level && (c->mode == 2 || c->mode == 3))
		c->out = true;
	c->gate = level;
}

/* A count that was written reads as such, while it waits for its clock too. */
static inline u16 naive_count(const struct naive *c)
{
	bool by_gate = c->mode != 0 && c->mode != 4;
	struct naive next = *c;

	if (c->null && (c->load || (c->edge && by_gate)))
		naive_load(&next);
	return next.ce;
}

static inline void naive_latch(struct naive *c)
{
	int format = c->control_word >> 4;
	u16 ce = naive_count(c);

	if (c->ol_bytes)
		return;
	c->olm = ce / 256;
	c->ol_low = ce % 256;
	c->ol_bytes = format == 3 ? 2 : 1;
	if (format == 1)
		c->olm = c->ol_low;
}

static inline u8 naive_status(const struct naive *c)
{
	return c->out * 128 + c->null * 64 + c->control_word;
}

static inline void naive_control(struct naive *c, u8 word)
{
	struct naive fresh = {
		.clock = c->clock,
		.began = c->began,
		.gate = c->gate,
		.ce = c->ce,
		.null = true,
	};

	if (!(word & 0x30)) {
		naive_latch(c);
		return;
	}
	*c = fresh;
	c->control_word = word & 0x3f;
	c->mode = word / 2 % 8;
	if (c->mode > 5)
		c->mode -= 4;
	c->out = c->mode != 0;
}

static inline void naive_read_back(struct naive *c, u8 command)
{
	if (!(command & 0x20))
		naive_latch(c);
	if (!(command & 0x10) && !c->status_full) {
		c->status_full = true;
		c->status = naive_status(c);
	}
}

/* Returns whether the count is whole. */
static inline bool naive_write(struct naive *c, u8 byte)
{
	int format = c->control_word >> 4;

	if (format == 3 && !c->second_write) {
		c->second_write = true;
		c->first_byte = byte;
		if (c->mode == 0 && !c->dead) {
			c->going = false;
			c->load = false;
			c->out = false;
		}
		return false;
	}
	c->second_write = false;
	if (c->dead)
		return false;

	c->crl = format == 1 ? byte : format == 2 ? 0 : c->first_byte;
	c->crm = format == 1 ? 0 : byte;
	c->null = true;
	c->written = true;
	if (c->mode == 0)
		c->out = false;
	if (c->mode == 0 || c->mode == 4)
		c->load = true;
	if ((c->mode == 2 || c->mode == 3) && !c->going)
		c->load = true;
	return true;
}

static inline u8 naive_read(struct naive *c)
{
	int format = c->control_word >> 4;
	u16 ce = naive_count(c);

	if (c->status_full) {
		c->status_full = false;
		return c->status;
	}
	if (c->ol_bytes)
		return c->ol_bytes-- == 2 ? c->ol_low : c->olm;
	if (format == 1)
		return ce % 256;
	if (format == 2)
		return ce / 256;
	c->second_read = !c->second_read;
	return c->second_read ? ce % 256 : ce / 256;
}

#endif /* __I8254_NAIVE_H */
