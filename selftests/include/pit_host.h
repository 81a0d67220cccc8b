/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host: its clock, and files of the kernel's.
 */
#ifndef SELFTEST_KVM_PIT_HOST_H
#define SELFTEST_KVM_PIT_HOST_H

#include <linux/types.h>

#include "test_util.h"

#define NSEC_PER_MSEC		1000000L

/*
 * How long to wait for what has to come: a guest may have ticks to take first, and a host
 * may be busy, or emulated. No test is about times as long as that.
 */
#define PIT_PATIENCE_S		10

u64 now_ns(void);

/**
 * sleep_until_ns() - Sleep to a point in time, signals or not.
 * @ns: when; returns at once if that has passed
 */
void sleep_until_ns(u64 ns);

/**
 * pit_read_number() - Read a decimal number from a file.
 * @path: the file; the test ends if it has none
 *
 * Return: the number
 */
u64 pit_read_number(const char *path);

/**
 * pit_write_text() - Write a text to a file that exists.
 * @path: the file
 * @text: what it is to have
 *
 * Ends the test if the file cannot be opened, or refuses the text.
 */
void pit_write_text(const char *path, const char *text);

/* The first instance of tracefs, which a test has for itself. */
#define PIT_TRACING		"/sys/kernel/tracing/"

/**
 * pit_trace_write() - Write a text to a file of tracefs.
 * @file: relative to PIT_TRACING
 * @text: what it is to have
 */
void pit_trace_write(const char *file, const char *text);

/**
 * pit_trace_count() - Count lines of the trace.
 * @a: lines with this text
 * @b: or with this one; NULL: none
 *
 * Return: how many
 */
u64 pit_trace_count(const char *a, const char *b);

/**
 * pit_timer_interrupts() - Count the local timers' interrupts.
 *
 * Return: those of all CPUs since boot
 */
u64 pit_timer_interrupts(void);

/**
 * pit_is_near() - Compare two numbers, and print them where they differ too much.
 * @value: the one found
 * @expected: the one expected
 * @tolerance: how far apart they may be
 * @what: their name
 *
 * Return: whether they are near
 */
bool pit_is_near(u64 value, u64 expected, u64 tolerance, const char *what);

#endif /* SELFTEST_KVM_PIT_HOST_H */
