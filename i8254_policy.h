/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lost-tick policies: which of the ticks that came due is raised, and when.
 *
 * Pure accounting. Nothing in here reads a clock, takes a lock, allocates or
 * raises an interrupt: the caller says what happened at which time, asks what
 * to raise, and reports how the irqchip took it.
 */
#ifndef __I8254_POLICY_H
#define __I8254_POLICY_H

#include <linux/types.h>

#include "i8254.h"

#define I8254_SLEW_RATE_MAX	900

/* Ids are below, since KVM_CHECK_EXTENSION returns them as a mask. */
#define I8254_POLICIES_MAX	31

/* Of a name, its terminating zero included. */
#define I8254_POLICY_NAME_LEN	16

struct i8254_ticks;
struct kvm_pit_tick_state;

/**
 * struct i8254_policy - one lost-tick policy
 * @id: KVM_PIT_TICK_x, below I8254_POLICIES_MAX
 * @name: what it is called in module parameters and debugfs, shorter than
 *	I8254_POLICY_NAME_LEN
 * @latch: a due tick that finds no room in the irqchip is lost, not owed
 * @needs_ack: works only where the guest's EOIs are seen
 * @slew_rate: the default rate, percent above nominal; 0: it has none
 * @has_limit: the backlog can be limited
 * @capacity: how many ticks the backlog may have, ticks
 * @slot: the clock of the next owed tick; 0: on the next occasion, which is an EOI,
 *	an unmask or a due tick; I8254_NEVER: none before the next due tick
 */
struct i8254_policy {
	u32 id;
	const char *name;
	bool latch;
	bool needs_ack;
	u32 slew_rate;
	bool has_limit;
	u64 (*capacity)(const struct i8254_ticks *t);
	u64 (*slot)(const struct i8254_ticks *t);
};

/**
 * struct i8254_line - what the irqchips have of IRQ0 at the moment
 * @open: an irqchip passes it on to a vCPU: not masked, and a LAPIC takes it
 * @pending: there it waits to be taken: an IRR has it
 * @in_service: a tick is being handled: an ISR has it, that of an irqchip that is open;
 *	where none is, any
 * @latch: it goes to an 8259
 * @latched: that 8259 does not pass it on, and its IRR has a tick
 */
struct i8254_line {
	bool open;
	bool pending;
	bool in_service;
	bool latch;
	bool latched;
};

/**
 * enum i8254_raise - what is to be raised
 * @I8254_RAISE_NONE: nothing for now
 * @I8254_RAISE_DUE: a tick on its due time
 * @I8254_RAISE_OWED: a tick from the backlog
 * @I8254_RAISE_HELD: the one that a mask held up
 */
enum i8254_raise {
	I8254_RAISE_NONE,
	I8254_RAISE_DUE,
	I8254_RAISE_OWED,
	I8254_RAISE_HELD,
};

/**
 * enum i8254_answer - what came of a raise
 * @I8254_MASKED: no irqchip passed it on; an 8259 may have latched it
 * @I8254_FULL: it met another tick, and the two became one
 * @I8254_TOOK: an irqchip took it
 */
enum i8254_answer {
	I8254_MASKED,
	I8254_FULL,
	I8254_TOOK,
};

/**
 * struct i8254_tick_config - how one VM's ticks are dealt with
 * @policy: the policy
 * @slew_rate: percent above the nominal frequency, 1..I8254_SLEW_RATE_MAX; 0
 *	for policies without one
 * @backlog_limit: how many ticks may be owed; 0: any number
 */
struct i8254_tick_config {
	const struct i8254_policy *policy;
	u32 slew_rate;
	u64 backlog_limit;
};

/**
 * struct i8254_ticks - the ticks of one VM
 * @config: set through i8254_ticks_configure()
 * @period: clocks from one due tick to the next; 0: one-shot or unknown
 * @min_spacing: slew keeps no spacing below that, since no timer may fire so often:
 *	it replays as delay does then. Clocks
 *
 * @wanted: a due tick is to be raised
 * @raising: what i8254_ticks_take() gave out and i8254_ticks_raised() has not
 *	got back
 * @occasion: an EOI, an unmask or a due tick was seen since an owed tick was tried
 * @held: one tick outlives a mask. It is in the backlog, and maybe in the latch of a
 *	masked 8259
 * @backlog: ticks owed, the held one among them
 * @edge: clock of the last due tick
 * @credit: slew: what is due of owed ticks, percent of one
 * @slot: slew: the next of this period's places for owed ticks, from 1
 *
 * @masked: no irqchip passed IRQ0 on when it was last asked or told of
 * @mask_off: that mask means that the guest turned its timer off
 * @masked_at: clock at which that mask began, or would have if the guest had not
 *	been kept from running since
 * @masked_owed: ticks that came to be owed under it
 *
 * @due: ticks that came due
 * @delivered: of these, the ones that an irqchip took on their due time
 * @replayed: the ones that it took later
 * @lost: the ones that it never will
 * @limit_hit: some of these because of the backlog limit
 *
 * What the irqchips hold is not in here: it is asked of them (struct i8254_line).
 *
 * Whenever nothing is wanted or being raised,
 * @due = @delivered + @replayed + @lost + @backlog.
 *
 * Times are clocks of the chip. All locking is the caller's.
 */
struct i8254_ticks {
	struct i8254_tick_config config;
	u64 period;
	u64 min_spacing;

	bool wanted;
	enum i8254_raise raising;
	bool occasion;
	bool held;
	u64 backlog;
	u64 edge;
	u32 credit;
	u32 slot;

	bool masked;
	bool mask_off;
	u64 masked_at;
	u64 masked_owed;

	u64 due;
	u64 delivered;
	u64 replayed;
	u64 lost;
	bool limit_hit;
};

/*
 * A mask that lasts that long means "off", however it began: one second, in which
 * the guest could run.
 */
#define I8254_MASK_OFF_CLOCKS	1193182

int i8254_policy_register(const struct i8254_policy *policy);
void i8254_policy_unregister(const struct i8254_policy *policy);
const struct i8254_policy *i8254_policy_by_id(u64 id);
const struct i8254_policy *i8254_policy_by_name(const char *name);
u32 i8254_policy_mask(void);

int i8254_tick_config_check(struct i8254_tick_config *config);

void i8254_ticks_init(struct i8254_ticks *t,
		      const struct i8254_tick_config *config, u64 min_spacing);
void i8254_ticks_configure(struct i8254_ticks *t,
			   const struct i8254_tick_config *config, u64 now);
void i8254_ticks_restart(struct i8254_ticks *t, u64 period);
void i8254_ticks_save(const struct i8254_ticks *t, u64 now,
		      struct kvm_pit_tick_state *s);
void i8254_ticks_load(struct i8254_ticks *t, u64 period, u64 edge, u64 now,
		      const struct kvm_pit_tick_state *s);

void i8254_ticks_stalled(struct i8254_ticks *t, u64 n, u64 now);
void i8254_ticks_due(struct i8254_ticks *t, u64 n, u64 edge, u64 now);
void i8254_ticks_acked(struct i8254_ticks *t);
void i8254_ticks_masked(struct i8254_ticks *t, bool masked,
			const struct i8254_line *line, u64 now);

u64 i8254_ticks_next(const struct i8254_ticks *t);
bool i8254_ticks_settle(struct i8254_ticks *t, const struct i8254_line *line, u64 now);
enum i8254_raise i8254_ticks_take(struct i8254_ticks *t, const struct i8254_line *line,
				  u64 now);
void i8254_ticks_raised(struct i8254_ticks *t, enum i8254_answer answer, u64 now);

#endif /* __I8254_POLICY_H */
