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
 * @latch: raise a due tick at once, even where the last one is not accepted:
 *	the irqchip's own latch holds one, and the others are lost in it
 * @needs_ack: works only where the guest's EOIs are seen
 * @slew_rate: the default rate, percent above nominal; 0: it has none
 * @has_limit: the backlog can be limited
 * @capacity: how many ticks the backlog may have, ticks
 * @offset: when the n-th owed tick in a row may be raised, in clocks after the
 *	raise that the row began with; rounded once, so that no error adds up
 */
struct i8254_policy {
	u32 id;
	const char *name;
	bool latch;
	bool needs_ack;
	u32 slew_rate;
	bool has_limit;
	u64 (*capacity)(const struct i8254_ticks *t);
	u64 (*offset)(const struct i8254_ticks *t, u64 n);
};

/**
 * enum i8254_raise - what is to be raised
 * @I8254_RAISE_NONE: nothing for now
 * @I8254_RAISE_DUE: a tick on its due time
 * @I8254_RAISE_OWED: a tick from the backlog
 * @I8254_RAISE_AGAIN: the held tick, at those irqchips that drop an edge which
 *	finds its line masked
 */
enum i8254_raise {
	I8254_RAISE_NONE,
	I8254_RAISE_DUE,
	I8254_RAISE_OWED,
	I8254_RAISE_AGAIN,
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
 * @min_spacing: a spacing below that is not kept, since no timer may fire so
 *	often: owed ticks then follow each acceptance. Clocks
 *
 * @wanted: a due tick is to be raised
 * @again: the held tick is to be raised again
 * @raising: what i8254_ticks_take() gave out and i8254_ticks_raised() has not
 *	got back
 * @unaccepted: a raised tick waits for the guest's EOI
 * @was_unaccepted: the same, but for the tick in @raising
 * @overdue: that EOI may never come: IRQ0 was unmasked before it, which a handler
 *	hardly does, but a guest that sets up its irqchips anew
 * @held: a tick was raised, but its line was masked: the 8259 has latched it, an
 *	IOAPIC has dropped it, and it is raised there again on unmask
 * @held_owed: the held tick came from the backlog
 * @backlog: ticks owed, and the held one
 * @anchor: clock of the raise, or of the late acceptance, that the owed ticks
 *	are spaced from
 * @replays: owed ticks raised since
 *
 * @masked: IRQ0 was masked and not unmasked since, as far as known
 * @mask_off: that mask means that the guest turned its timer off
 * @masked_at: clock at which that mask began, or would have if the guest had not
 *	been kept from running since
 * @masked_owed: ticks that came to be owed under it
 *
 * @due: ticks that came due
 * @delivered: of these, the ones that the irqchip took on their due time
 * @replayed: the ones that it took later
 * @lost: the ones that it never will
 * @limit_hit: some of these because of the backlog limit
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
	bool again;
	enum i8254_raise raising;
	bool unaccepted;
	bool was_unaccepted;
	bool overdue;
	bool held;
	bool held_owed;
	u64 backlog;
	u64 anchor;
	u64 replays;

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
			   const struct i8254_tick_config *config);
void i8254_ticks_restart(struct i8254_ticks *t, u64 period);
void i8254_ticks_save(const struct i8254_ticks *t, u64 now,
		      struct kvm_pit_tick_state *s);
void i8254_ticks_load(struct i8254_ticks *t, u64 period, u64 now,
		      const struct kvm_pit_tick_state *s);

void i8254_ticks_stalled(struct i8254_ticks *t, u64 n, u64 now);
void i8254_ticks_due(struct i8254_ticks *t, u64 n, u64 now);
u64 i8254_ticks_next(const struct i8254_ticks *t);
bool i8254_ticks_off(const struct i8254_ticks *t);
enum i8254_raise i8254_ticks_take(struct i8254_ticks *t, u64 now);
void i8254_ticks_raised(struct i8254_ticks *t, int result, u64 now);
void i8254_ticks_acked(struct i8254_ticks *t, u64 now);
void i8254_ticks_masked(struct i8254_ticks *t, bool masked, u64 now);

#endif /* __I8254_POLICY_H */
