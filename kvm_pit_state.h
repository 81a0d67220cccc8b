/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PIT's state as KVM_GET_PIT2 and KVM_SET_PIT2 carry it. Pure translation.
 */
#ifndef __KVM_PIT_STATE_H
#define __KVM_PIT_STATE_H

#include <linux/types.h>

struct i8254;
struct i8254_counter;
struct i8254_tick_config;
struct i8254_ticks;
struct kvm_pit_channel_state;
struct kvm_pit_state2;

void kvm_pit_save_channel(const struct i8254_counter *c,
			  struct kvm_pit_channel_state *s);
void kvm_pit_load_channel(struct i8254 *chip, unsigned int n,
			  const struct kvm_pit_channel_state *s);

u64 kvm_pit_edge(const struct i8254 *chip);

bool kvm_pit_has_ticks(const struct kvm_pit_state2 *state);
void kvm_pit_save_ticks(const struct i8254 *chip, const struct i8254_ticks *t,
			u32 clock_ns, struct kvm_pit_state2 *state);
int kvm_pit_check_ticks(const struct kvm_pit_state2 *state,
			struct i8254_tick_config *config);
u32 kvm_pit_load_ticks(struct i8254 *chip, struct i8254_ticks *t,
		       const struct kvm_pit_state2 *state);

#endif /* __KVM_PIT_STATE_H */
