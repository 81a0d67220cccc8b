// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random numbers for fuzzers.
 */
#include "pit_random.h"

__thread u64 pit_rng;

u64 pit_random(u64 *rng)
{
	u64 z = (*rng += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

u64 any(void)
{
	return pit_random(&pit_rng);
}

u32 below(u32 limit)
{
	return any() % limit;
}

bool one_in(u32 n)
{
	return !below(n);
}

void any_bytes(void *at, size_t size)
{
	u8 *byte = at;

	while (size--)
		*byte++ = any();
}
