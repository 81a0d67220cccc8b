// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PIT's state as KVM_GET_PIT2 and KVM_SET_PIT2 carry it.
 *
 * Their channels are stock KVM's, which say what the guest programmed, but not
 * how far it has counted. That, and the ticks, are in the reserved words where
 * the VM has KVM_PIT_TICK_KEEP_STATE: a struct kvm_pit_tick_state.
 */
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/kvm.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include <linux/kvm_i8254.h>

#include "i8254.h"
#include "i8254_policy.h"
#include "kvm_pit_state.h"

/*
 * read_state and write_state of struct kvm_pit_channel_state, beside the values
 * of enum i8254_access: the next byte is the high one of two.
 */
#define STATE_WORD_MSB	4

/* Its mode where no control word was written. */
#define STATE_UNPROGRAMMED	0xff

/* No clock is longer. */
#define CLOCK_NS_MAX	838

/* Stock KVM has 0 where no control word was written. */
static u8 save_access(const struct i8254_counter *c)
{
	return c->programmed ? c->access : 0;
}

static u8 save_flip_flop(const struct i8254_counter *c, bool msb)
{
	u8 access = save_access(c);

	return access == I8254_WORD && msb ? STATE_WORD_MSB : access;
}

/* M2 is "don't care" in modes 2 and 3, and no mode of stock KVM's has it then. */
static bool has_mode_bit2(const struct i8254_counter *c)
{
	return c->mode > I8254_HW_STROBE;
}

/**
 * kvm_pit_save_channel - what the guest programmed a counter to
 * @c: the counter; the caller holds whatever protects it
 * @s: where it goes, but for count_load_time, which is left 0
 */
void kvm_pit_save_channel(const struct i8254_counter *c,
			  struct kvm_pit_channel_state *s)
{
	*s = (struct kvm_pit_channel_state) {
		.count		= c->cr ?: 0x10000,
		.latched_count	= c->ol,
		.count_latched	= c->latched,
		.status_latched	= c->status_latched,
		.status		= c->status,
		.read_state	= save_flip_flop(c, c->read_msb),
		.write_state	= save_flip_flop(c, c->write_msb),
		.write_latch	= c->low_byte,
		.rw_mode	= save_access(c),
		.mode		= has_mode_bit2(c) ? c->mode - 4 : c->mode,
		.bcd		= c->bcd,
		.gate		= c->gate,
	};
	if (!c->programmed)
		s->mode = STATE_UNPROGRAMMED;
}

/**
 * kvm_pit_load_channel - program a counter
 * @chip: the chip, brought to the present; the caller holds whatever protects it
 * @n: the counter, 0..2
 * @s: what it is programmed to; any values
 *
 * Counting starts again, as if the count had just been written. Modes 1 and 5
 * wait for a trigger.
 */
void kvm_pit_load_channel(struct i8254 *chip, unsigned int n,
			  const struct kvm_pit_channel_state *s)
{
	bool triggered = s->mode == I8254_ONE_SHOT || s->mode == I8254_HW_STROBE;
	bool programmed = s->mode < 8;

	chip->counter[n] = (struct i8254_counter) {
		.mode		= programmed ? s->mode : 0,
		/* 0 where there was no control word: see save_access(). */
		.access		= s->rw_mode & I8254_WORD ?: I8254_WORD,
		.bcd		= s->bcd & 1,
		.programmed	= programmed,
		/* A PC has GATE0 and GATE1 tied high. */
		.gate		= n != 2 || (s->gate & 1),
		.out		= s->mode != I8254_TERMINAL_COUNT,
		.counting	= programmed && !triggered ? I8254_LOADING :
							     I8254_STOPPED,
		.null_count	= true,
		.loadable	= programmed,
		.cr		= s->count,
		.write_msb	= s->write_state == STATE_WORD_MSB,
		.read_msb	= s->read_state == STATE_WORD_MSB,
		.low_byte	= s->write_latch,
		.latched	= s->count_latched & I8254_WORD,
		.status_latched	= s->status_latched,
		.ol		= s->latched_count,
		.status		= s->status,
		.loaded_at	= chip->now,
	};
}

/* How far a counter has counted, KVM_PIT_COUNTER_x. */
static u8 save_counting(const struct i8254_counter *c)
{
	u8 s = 0;

	if (c->counting == I8254_LOADING)
		s |= KVM_PIT_COUNTER_LOADING;
	if (c->counting == I8254_COUNTING)
		s |= KVM_PIT_COUNTER_COUNTING;
	if (c->out)
		s |= KVM_PIT_COUNTER_OUT;
	if (c->armed)
		s |= KVM_PIT_COUNTER_ARMED;
	if (c->odd)
		s |= KVM_PIT_COUNTER_ODD;
	if (c->null_count)
		s |= KVM_PIT_COUNTER_NULL_COUNT;
	if (c->loadable)
		s |= KVM_PIT_COUNTER_LOADABLE;
	if (has_mode_bit2(c))
		s |= KVM_PIT_COUNTER_MODE_BIT2;

	return s;
}

static void load_counting(struct i8254_counter *c, u16 count, u8 s)
{
	bool periodic = c->mode == I8254_RATE || c->mode == I8254_SQUARE_WAVE;

	c->ce = count;
	c->counting = I8254_STOPPED;
	if (s & KVM_PIT_COUNTER_COUNTING)
		c->counting = I8254_COUNTING;
	if (s & KVM_PIT_COUNTER_LOADING)
		c->counting = I8254_LOADING;
	c->out = s & KVM_PIT_COUNTER_OUT;
	c->armed = s & KVM_PIT_COUNTER_ARMED;
	c->odd = s & KVM_PIT_COUNTER_ODD;
	c->null_count = s & KVM_PIT_COUNTER_NULL_COUNT;
	c->loadable = s & KVM_PIT_COUNTER_LOADABLE;
	if (periodic && s & KVM_PIT_COUNTER_MODE_BIT2)
		c->mode += 4;
}

/**
 * kvm_pit_edge - when counter 0's OUT rose last
 * @chip: the chip, brought to the present
 *
 * Return: that clock, for a counter that counts periods, and else the present.
 */
u64 kvm_pit_edge(const struct i8254 *chip)
{
	u64 period = i8254_period(chip, 0);
	u64 next = i8254_next_rise(chip, 0);

	return period && next != I8254_NEVER && next > period ?
	       min(next - period, chip->now) : chip->now;
}

static const struct kvm_pit_tick_state *ticks_of(const struct kvm_pit_state2 *state)
{
	BUILD_BUG_ON(sizeof(struct kvm_pit_tick_state) != sizeof(state->reserved));

	return (const struct kvm_pit_tick_state *)state->reserved;
}

/**
 * kvm_pit_has_ticks - is there more in a state than stock KVM's
 * @state: from userspace, any values
 *
 * Return: whether @state has a struct kvm_pit_tick_state. Stock KVM, where it
 * was given one, keeps the flag and clears the words.
 */
bool kvm_pit_has_ticks(const struct kvm_pit_state2 *state)
{
	return state->flags & KVM_PIT_FLAGS_TICK_STATE && ticks_of(state)->version;
}

/**
 * kvm_pit_save_ticks - how far the counters have counted, and the ticks
 * @chip: the chip, brought to the present
 * @t: its ticks; the caller holds whatever protects the two
 * @clock_ns: ns since @chip->now, below 839
 * @state: where it goes; has the channels already
 */
void kvm_pit_save_ticks(const struct i8254 *chip, const struct i8254_ticks *t,
			u32 clock_ns, struct kvm_pit_state2 *state)
{
	struct kvm_pit_tick_state *s = (struct kvm_pit_tick_state *)state->reserved;

	state->flags |= KVM_PIT_FLAGS_TICK_STATE;
	s->version = KVM_PIT_TICK_STATE_VERSION;
	s->clock_ns = clock_ns;
	for (unsigned int n = 0; n < I8254_COUNTERS; n++) {
		s->count[n] = chip->counter[n].ce;
		s->counter[n] = save_counting(&chip->counter[n]);
	}
	i8254_ticks_save(t, chip->now, s);
}

/**
 * kvm_pit_load_ticks - go on from where kvm_pit_save_ticks() was
 * @chip: the chip, brought to the present
 * @t: its ticks, with the state's policy; the caller holds whatever protects the
 *	two
 * @state: what kvm_pit_check_ticks() had nothing against
 *
 * Return: ns since the clock, which is @chip->now from now on; below 839.
 */
u32 kvm_pit_load_ticks(struct i8254 *chip, struct i8254_ticks *t,
		       const struct kvm_pit_state2 *state)
{
	const struct kvm_pit_tick_state *s = ticks_of(state);

	for (unsigned int n = 0; n < I8254_COUNTERS; n++) {
		kvm_pit_load_channel(chip, n, &state->channels[n]);
		load_counting(&chip->counter[n], s->count[n], s->counter[n]);
	}
	i8254_ticks_load(t, i8254_period(chip, 0), kvm_pit_edge(chip), chip->now, s);
	return s->clock_ns;
}

/* A PC has GATE0 and GATE1 tied high: nothing triggers these counters. */
static bool possible_on_a_pc(const struct i8254_counter *c, unsigned int n)
{
	bool triggered = c->mode == I8254_ONE_SHOT || c->mode == I8254_HW_STROBE;

	if (n != 2 && triggered && c->counting != I8254_STOPPED)
		return false;

	return i8254_possible(c);
}

/**
 * kvm_pit_check_ticks - can that be a state?
 * @state: from userspace, any values
 * @config: is filled in with the state's policy, rate and limit
 *
 * It is none if a guest cannot have made it, or if it would be saved in another
 * way once it was loaded.
 *
 * Return: 0 or -EINVAL.
 */
int kvm_pit_check_ticks(const struct kvm_pit_state2 *state,
			struct i8254_tick_config *config)
{
	const struct kvm_pit_tick_state *s = ticks_of(state);
	struct kvm_pit_state2 saved = { .flags = state->flags };
	struct i8254_ticks t;
	struct i8254 chip;

	*config = (struct i8254_tick_config) {
		.policy = i8254_policy_by_id(s->policy),
		.slew_rate = s->slew_rate,
		.backlog_limit = s->backlog_limit,
	};
	if (s->clock_ns > CLOCK_NS_MAX || i8254_tick_config_check(config))
		return -EINVAL;
	/* What is left over from a period, and what the next one adds */
	if (s->credit > (s->slew_rate ? s->slew_rate + 99 : 0))
		return -EINVAL;

	/* Late enough for all times that are back from there. */
	i8254_reset(&chip, U32_MAX + 1ULL);
	i8254_ticks_init(&t, config, 0);
	kvm_pit_load_ticks(&chip, &t, state);
	for (unsigned int n = 0; n < I8254_COUNTERS; n++) {
		if (!possible_on_a_pc(&chip.counter[n], n))
			return -EINVAL;
		kvm_pit_save_channel(&chip.counter[n], &saved.channels[n]);
		saved.channels[n].count_load_time = state->channels[n].count_load_time;
	}
	kvm_pit_save_ticks(&chip, &t, s->clock_ns, &saved);

	return memcmp(&saved, state, sizeof(saved)) ? -EINVAL : 0;
}
