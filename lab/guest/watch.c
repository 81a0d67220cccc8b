// SPDX-License-Identifier: GPL-2.0-only
/*
 * watch FILE OFFSET: wait until the 32-bit word in FILE, a guest's memory, has just changed; print
 * CLOCK_MONOTONIC in us, and the word. Fails when it does not change for two seconds.
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
	long long changed, before, now;
	unsigned int *word;
	unsigned long offset;
	unsigned int old, new;
	void *memory;
	int fd;

	if (argc != 3)
		return 2;
	offset = strtoul(argv[2], NULL, 0);
	fd = open(argv[1], O_RDONLY);
	memory = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED || offset > 4092) {
		perror(argv[1]);
		return 2;
	}
	word = memory + offset;

	changed = now_us();
	new = __atomic_load_n(word, __ATOMIC_RELAXED);
	do {
		old = new;
		before = now_us();
		usleep(100);
		new = __atomic_load_n(word, __ATOMIC_RELAXED);
		now = now_us();
		if (new != old && now - before <= JUST_US) {
			printf("%lld %u\n", now, new);
			return 0;
		}
		if (new != old)
			changed = now;
	} while (now - changed < PATIENCE_US);

	return 1;
}
