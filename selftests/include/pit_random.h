/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random numbers for fuzzers. What is drawn follows from the seed (splitmix64).
 */
#ifndef SELFTEST_KVM_PIT_RANDOM_H
#define SELFTEST_KVM_PIT_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

/**
 * pit_random() - Draw 64 bits.
 * @rng: the state of the sequence; the seed at first
 *
 * Return: the bits
 */
u64 pit_random(u64 *rng);

/* This thread's sequence, which those below draw from. */
extern __thread u64 pit_rng;

u64 any(void);

/* From 0 to @limit - 1. */
u32 below(u32 limit);

/* True once in @n times. */
bool one_in(u32 n);

void any_bytes(void *at, size_t size);

#endif /* SELFTEST_KVM_PIT_RANDOM_H */
