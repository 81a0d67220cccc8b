/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PC as far as IRQ0 goes: the tick layer, the irqchips, a guest, a VMM.
 *
 * world.c has the parts, acts.c what can happen to them, laws.c what must hold, and
 * explore.c tries everything in every state.
 */
#ifndef EXPLORER_WORLD_H
#define EXPLORER_WORLD_H

#include <linux/types.h>

#include "i8254_policy.h"

/* One period, in clocks. */
#define PERIOD		1200

/* The present of every state: far enough from 0 for all that was before it. */
#define PRESENT		1000000000000ULL

/* What IRQ0 is routed to, or-ed together. */
#define PIC		1
#define IOAPIC		2

/**
 * struct options - what is explored
 * @policy: the policy at the beginning
 * @rate: of slew, percent; 0: the default
 * @limit: the backlog limit; 0: none
 * @bound: without a limit no tick comes due while that many are owed
 * @chips: PIC, IOAPIC or both
 * @steps: in which the time of a period passes, 2 to 6
 * @vectors: how many the guest may give to the IOAPIC's pin: 1 or 2
 * @smp: anything can happen while a tick is raised; else only what a VM with one vCPU
 *	knows: the vCPU raises what there is before it runs on
 * @torn: with @smp: between a change at an irqchip and the notification of it, and
 *	between the question to the irqchips and its use, anything can happen
 * @polite: the guest only takes ticks late, and may mask the one it handles; nobody else
 *	does anything. No tick is lost then
 * @no_vmm: userspace leaves the irqchips and the tick state alone
 * @no_resets: and the guest does not reset them, nor its timer
 * @switches: the policy is changed to any other, at any time
 * @first: stop at the first thing that is wrong
 */
struct options {
	const char *policy;
	u32 rate;
	u32 limit;
	u32 bound;
	u8 chips;
	u32 steps;
	u32 vectors;
	bool smp;
	bool torn;
	bool polite;
	bool no_vmm;
	bool no_resets;
	bool switches;
	bool first;
};

extern struct options opt;

/**
 * enum phase - how far a raise has come
 * @IDLE: nothing is being raised
 * @ASKED: the irqchips were asked, i8254_ticks_take() is next, and the lock is held
 * @TAKEN: i8254_ticks_take() gave out a tick
 * @PULSED: it was pulsed, and i8254_ticks_raised() is to be told
 */
enum phase {
	IDLE,
	ASKED,
	TAKEN,
	PULSED,
};

/**
 * struct world - everything
 * @t: the tick layer's state
 * @now: the clock
 * @pos: steps since the last due time
 * @phase: one of enum phase
 * @line: in phase ASKED, what the irqchips said
 * @answer: in phase PULSED, one of enum i8254_answer
 * @ack_comes: an EOI took place, the notification of it comes yet
 * @pic_tells: the 8259's mask was changed; the same, and its lock is held
 * @pin_tells: the same of the IOAPIC
 * @calm: notifications come at once
 * @busy: there is something to do at once, and it was not done
 *
 * @irr: the 8259 has a tick that was not taken
 * @isr: one that was not ended
 * @imr: it has IRQ0 masked
 * @aeoi: it ends ticks itself when they are taken
 *
 * @pin_masked: the IOAPIC has IRQ0's pin masked
 * @vector: the pin's: 1 or 2, the latter of the higher priority; 0: the guest has
 *	not programmed the pin
 *
 * @lvt0: a LAPIC takes what the 8259 puts out
 * @lapic_irr: by vector, the LAPIC has a tick that was not taken
 * @lapic_isr: by vector, one that was not ended
 *
 * @pic_more: ticks that found room in the 8259, less the ones that are counted
 * @lapic_more: the same of the LAPIC
 * @more: the same where it suffices that one of the two had room
 * @merges: between the question and the pulse somebody filled the place
 * @moved: with two irqchips: the held tick may be in an 8259, or in none
 * @sure: a tick came due while nothing passed IRQ0 on: the next unmask brings one
 */
struct world {
	struct i8254_ticks t;
	u64 now;
	u8 pos;
	u8 phase;
	struct i8254_line line;
	u8 answer;
	bool ack_comes;
	bool pic_tells;
	bool pin_tells;
	bool calm;
	bool busy;

	bool irr;
	bool isr;
	bool imr;
	bool aeoi;

	bool pin_masked;
	u8 vector;

	bool lvt0;
	bool lapic_irr[3];
	bool lapic_isr[3];

	int pic_more;
	int lapic_more;
	int more;
	bool merges;
	bool moved;
	bool sure;
};

/*
 * struct state - a world without what makes no difference
 *
 * Two worlds of which the future is the same have the same state. Members are struct
 * world's, and its @t's; times are back from the present, in steps. Counters start anew in
 * each state. There are no holes: states are compared as bytes.
 */
struct state {
	u64 policy:2;
	u64 wanted:1;
	u64 raising:2;
	u64 occasion:1;
	u64 held:1;
	u64 backlog:5;
	u64 edge:3;
	u64 credit:10;
	u64 slot:4;
	u64 masked:1;
	u64 mask_off:1;
	u64 mask_old:1;
	u64 masked_owed:5;
	u64 pos:3;
	u64 phase:2;
	u64 answer:2;
	u64 irr:1;
	u64 isr:1;
	u64 imr:1;
	u64 aeoi:1;
	u64 pin_masked:1;
	u64 vector:2;
	u64 lvt0:1;
	u64 lapic_irr:2;
	u64 lapic_isr:2;
	u64 pic_more:2;
	u64 lapic_more:2;
	u64 more:2;
	u64 merges:1;
	u64 sure:1;
	u64 line:5;
	u64 ack_comes:1;
	u64 pic_tells:1;
	u64 pin_tells:1;
	u64 moved:1;
	u64 rest:55;
};

struct i8254_tick_config config_of(const char *policy);
void world_begin(struct world *w);
struct state world_pack(const struct world *w);
void world_unpack(struct world *w, struct state s);
void world_print(const struct world *w);

void ask(const struct world *w, struct i8254_line *line);
void pulse(struct world *w);
void report(struct world *w);
u64 clocks(u32 steps);
bool take(struct world *w);
void update(struct world *w);
void due(struct world *w, u64 n, u64 edge);
bool deliver(struct world *w);
void acked(struct world *w);
void told(struct world *w, bool *tells);
void notify_ack(struct world *w);
void notify_mask(struct world *w, bool *tells);

bool pic_inta(struct world *w);
bool pic_eoi(struct world *w);
bool lapic_accept(struct world *w, u8 vector);
bool lapic_eoi(struct world *w);

/**
 * enum who - whose doing something is
 * @TIME: nobody's
 * @DEVICE: the PIT's
 * @HANDLER: of a guest that takes its ticks, how ever late
 * @GUEST: a guest's that does what it likes
 * @RESET: the same: it starts something anew
 * @VMM: KVM_SET_x
 * @SWITCH: KVM_ENABLE_CAP
 */
enum who {
	TIME,
	DEVICE,
	HANDLER,
	GUEST,
	RESET,
	VMM,
	SWITCH,
};

/**
 * struct act - one thing that can happen
 * @who: whose doing it is
 * @what: what it is
 * @act: do it; returns whether it was possible
 * @steps: how much time passes, in steps
 * @periods: and how much more, in periods
 * @loses: ticks may be lost by it
 */
struct act {
	enum who who;
	const char *what;
	bool (*act)(struct world *w);
	u8 steps;
	u8 periods;
	bool loses;
};

extern const struct act acts[];
unsigned int acts_count(void);
u32 act_steps(const struct act *a);
bool act_happens(const struct act *a, struct world *w);

/**
 * enum law - what must hold
 * @SUM: due = delivered + replayed + lost + backlog + in flight, held is in the backlog
 * @BOUNDS: no more is owed than the policy can have
 * @TWICE: no irqchip got more ticks than are counted
 * @NEVER: no tick is counted that no irqchip got
 * @LOSS: delay and slew lose no tick without a reason
 * @EARLY: an owed tick is given out only when the one before it is ended
 * @BUSY: where there is nothing to raise, there is nothing to do at once either
 * @ENDLESS: raising comes to an end
 * @SILENCE: a guest that takes ticks has one in every period
 * @DEBT: a guest that takes ticks gets all that is owed in time, and nothing is held
 * @RATE: and no more in one period than the policy says
 * @WRAP: when the count wraps, an irqchip has a tick, if IRQ0 is open
 * @OUTLIVE: one tick outlives any mask
 * @LAWS: how many laws there are
 */
enum law {
	SUM,
	BOUNDS,
	TWICE,
	NEVER,
	LOSS,
	EARLY,
	BUSY,
	ENDLESS,
	SILENCE,
	DEBT,
	RATE,
	WRAP,
	OUTLIVE,
	LAWS,
};

extern const char *const law_names[LAWS];
u32 laws_of_act(const struct act *a, const struct world *before, struct world *w);
u32 laws_of_state(const struct world *w);
void laws_tell(const struct world *w, enum law law);

#endif /* EXPLORER_WORLD_H */
