// SPDX-License-Identifier: GPL-2.0-only
/*
 * watch FILE OFFSET CLOCKS N: look at the 32-bit word in FILE, a guest's memory, where the guest
 * counts ticks of so many clocks, until it has just changed for N times. Print CLOCK_MONOTONIC in
 * us and the word, for that one of these times by which the guest has counted furthest: it may be
 * a tick or two behind at first, since it did not get to run while this program was started.
 * Fails when the word does not change for two seconds.
 *
 * "Just": seen not to have changed yet not long before. A change that may be older, as this process
 * did not get to run, is not taken.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define JUST_US		300
#define PATIENCE_US	2000000

static long long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	long long changed, before, now, behind, least = 0;
	long long clocks, best_us = 0;
	unsigned int old, new, best = 0;
	unsigned long offset;
	unsigned int *word;
	void *memory;
	int fd, n;

	if (argc != 5)
		return 2;
	offset = strtoul(argv[2], NULL, 0);
	clocks = atoll(argv[3]);
	n = atoi(argv[4]);
	fd = open(argv[1], O_RDONLY);
	memory = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED || offset > 4092) {
		perror(argv[1]);
		return 2;
	}
	word = memory + offset;

	changed = now_us();
	new = __atomic_load_n(word, __ATOMIC_RELAXED);
	while (n > 0) {
		old = new;
		before = now_us();
		usleep(100);
		new = __atomic_load_n(word, __ATOMIC_RELAXED);
		now = now_us();
		if (now - changed >= PATIENCE_US)
			return 1;
		if (new == old)
			continue;
		changed = now;
		if (now - before > JUST_US)
			continue;
		n--;
		behind = now * 1000 - new * clocks * 88000 / 105;
		if (!best_us || behind < least) {
			least = behind;
			best_us = now;
			best = new;
		}
	}

	printf("%lld %u\n", best_us, best);
	return 0;
}
