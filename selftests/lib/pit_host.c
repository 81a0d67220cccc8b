// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's clock, and files of the kernel's.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kvm_util.h"
#include "pit_host.h"

u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void sleep_until_ns(u64 ns)
{
	struct timespec ts = {
		.tv_sec = ns / NSEC_PER_SEC,
		.tv_nsec = ns % NSEC_PER_SEC,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
		;
}

u64 pit_read_number(const char *path)
{
	FILE *f = fopen(path, "r");
	u64 number = 0;

	TEST_ASSERT(f && fscanf(f, "%lu", &number) == 1, "cannot read %s", path);
	fclose(f);
	return number;
}

void pit_write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	TEST_ASSERT(fd >= 0, "cannot open %s", path);
	TEST_ASSERT(write(fd, text, strlen(text)) == strlen(text), "cannot write %s", path);
	close(fd);
}

void pit_trace_write(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), PIT_TRACING "%s", file);
	pit_write_text(path, text);
}

u64 pit_trace_count(const char *a, const char *b)
{
	FILE *f = fopen(PIT_TRACING "trace", "r");
	char line[512];
	u64 nr = 0;

	TEST_ASSERT(f, "cannot open the trace");
	while (fgets(line, sizeof(line), f))
		nr += strstr(line, a) || (b && strstr(line, b));
	fclose(f);
	return nr;
}

u64 pit_timer_interrupts(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char line[4096], *at, *end;
	u64 sum = 0, n;

	TEST_ASSERT(f, "cannot open /proc/interrupts");
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, "LOC:");
		if (!at)
			continue;
		for (at += 4; ; at = end, sum += n) {
			n = strtoull(at, &end, 10);
			if (end == at)
				break;
		}
	}
	fclose(f);
	return sum;
}

bool pit_is_near(u64 value, u64 expected, u64 tolerance, const char *what)
{
	if (llabs((s64)(value - expected)) <= tolerance)
		return true;
	ksft_print_msg("%s: %lu, expected %lu\n", what, value, expected);
	return false;
}
