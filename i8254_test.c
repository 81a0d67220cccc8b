// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the 8254: each rule of the datasheet by itself, then random programs
 * against a naive model that goes one clock at a time.
 *
 * Waves are written as in the datasheet's figures, one column for each clock:
 * OUT as '-' and '_', under it the low digit that the counting element reads.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/string.h>

#include "i8254.h"
#include "i8254_naive.h"

static ulong seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "seed of the random programs; 0: 8254, and a new one for each slow test");

#define CONTROL		3
#define BCD		1

static struct i8254 *chip_of(struct kunit *test)
{
	return test->priv;
}

static struct i8254_counter *counter(struct kunit *test, unsigned int n)
{
	return &chip_of(test)->counter[n];
}

static unsigned int control(struct kunit *test, unsigned int n, enum i8254_access access,
			    unsigned int mode_and_bcd)
{
	return i8254_write(chip_of(test), CONTROL, n << 6 | access << 4 | mode_and_bcd);
}

static unsigned int write_count(struct kunit *test, unsigned int n, u16 count)
{
	i8254_write(chip_of(test), n, count & 0xff);
	return i8254_write(chip_of(test), n, count >> 8);
}

/* The usual: both bytes, binary. */
static void program(struct kunit *test, unsigned int n, enum i8254_mode mode, u16 count)
{
	control(test, n, I8254_WORD, mode << 1);
	write_count(test, n, count);
}

static void program_bcd(struct kunit *test, unsigned int n, enum i8254_mode mode, u16 count)
{
	control(test, n, I8254_WORD, mode << 1 | BCD);
	write_count(test, n, count);
}

static u8 read_byte(struct kunit *test, unsigned int n)
{
	return i8254_read(chip_of(test), n);
}

static u16 read_word(struct kunit *test, unsigned int n)
{
	u8 low = read_byte(test, n);

	return read_byte(test, n) << 8 | low;
}

static u8 read_status(struct kunit *test, unsigned int n)
{
	i8254_write(chip_of(test), CONTROL, 0xe0 | 2 << n);
	return read_byte(test, n);
}

static void gate(struct kunit *test, unsigned int n, bool level)
{
	i8254_set_gate(chip_of(test), n, level);
}

/* Low, then high within the same clock. */
static void trigger(struct kunit *test, unsigned int n)
{
	gate(test, n, false);
	gate(test, n, true);
}

static u64 run(struct kunit *test, u64 clocks)
{
	return i8254_advance(chip_of(test), chip_of(test)->now + clocks);
}

/* Clocks to the next rise. */
static u64 rise_in(struct kunit *test, unsigned int n)
{
	u64 next = i8254_next_rise(chip_of(test), n);

	return next == I8254_NEVER ? I8254_NEVER : next - chip_of(test)->now;
}

#define expect_wave(test, n, wave, digits) \
	expect_wave_at(test, n, wave, digits, __LINE__)

static void expect_wave_at(struct kunit *test, unsigned int n, const char *wave,
			   const char *digits, int line)
{
	char seen_digits[64] = "";
	char seen_wave[64] = "";
	size_t i;

	for (i = 0; wave[i]; i++) {
		run(test, 1);
		seen_wave[i] = counter(test, n)->out ? '-' : '_';
		seen_digits[i] = "0123456789abcdef"[counter(test, n)->ce & 15];
	}
	KUNIT_EXPECT_STREQ_MSG(test, seen_wave, wave, "line %d", line);
	KUNIT_EXPECT_STREQ_MSG(test, seen_digits, digits, "line %d", line);
}

static bool out(struct kunit *test, unsigned int n)
{
	return counter(test, n)->out;
}

/* Programming and latching */

static void after_reset_nothing_counts(struct kunit *test)
{
	unsigned int n;

	run(test, 1000000);
	for (n = 0; n < I8254_COUNTERS; n++) {
		KUNIT_EXPECT_TRUE(test, out(test, n));
		KUNIT_EXPECT_FALSE(test, counter(test, n)->programmed);
		KUNIT_EXPECT_EQ(test, counter(test, n)->gate, n != 2);
		KUNIT_EXPECT_EQ(test, i8254_next_rise(chip_of(test), n), I8254_NEVER);
		KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), n), 0);
		KUNIT_EXPECT_EQ(test, read_word(test, n), 0);
		i8254_write(chip_of(test), CONTROL, n << 6);
		KUNIT_EXPECT_EQ(test, read_word(test, n), 0);
	}
}

static void count_without_a_control_word_is_dropped(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, i8254_write(chip_of(test), 0, 4), 0);
	KUNIT_EXPECT_TRUE(test, counter(test, 0)->write_msb);
	KUNIT_EXPECT_EQ(test, i8254_write(chip_of(test), 0, 0), 0);
	KUNIT_EXPECT_FALSE(test, counter(test, 0)->write_msb);
	trigger(test, 0);
	expect_wave(test, 0, "------", "000000");
	KUNIT_EXPECT_EQ(test, i8254_next_rise(chip_of(test), 0), I8254_NEVER);
}

static void control_word_stops_counting_at_once(struct kunit *test)
{
	unsigned int mode;

	for (mode = 0; mode < 8; mode++) {
		program(test, 2, mode, 20);
		trigger(test, 2);
		run(test, 6);
		program(test, 1, I8254_RATE, 5);
		control(test, 2, I8254_WORD, mode << 1);
		KUNIT_EXPECT_TRUE(test, counter(test, 2)->null_count);
		KUNIT_EXPECT_EQ(test, rise_in(test, 2), I8254_NEVER);
		expect_wave(test, 1, "----_-", "543215");
		trigger(test, 2);
		run(test, 100000);
		KUNIT_EXPECT_EQ(test, out(test, 2), mode != 0);
		KUNIT_EXPECT_EQ(test, counter(test, 2)->ce, mode % 4 == 3 ? 10 : 15);
	}
}

static void control_word_sets_out_at_once(struct kunit *test)
{
	unsigned int mode;

	for (mode = 0; mode < 8; mode++) {
		control(test, 1, I8254_WORD, (mode ? 0 : 4) << 1);
		KUNIT_EXPECT_EQ(test, out(test, 1), !mode);
		control(test, 1, I8254_WORD, mode << 1);
		KUNIT_EXPECT_EQ(test, out(test, 1), mode != 0);
	}
}

static void control_word_that_makes_out0_rise_says_so(struct kunit *test)
{
	const unsigned int rose = I8254_ROSE | I8254_REPROGRAMMED;

	KUNIT_EXPECT_EQ(test, control(test, 0, I8254_WORD, 2 << 1), I8254_REPROGRAMMED);
	KUNIT_EXPECT_EQ(test, control(test, 0, I8254_WORD, 0 << 1), I8254_REPROGRAMMED);
	KUNIT_EXPECT_EQ(test, control(test, 0, I8254_WORD, 0 << 1), I8254_REPROGRAMMED);
	KUNIT_EXPECT_EQ(test, control(test, 0, I8254_WORD, 2 << 1), rose);
	KUNIT_EXPECT_EQ(test, control(test, 0, I8254_WORD, 3 << 1), I8254_REPROGRAMMED);
}

static void writes_to_other_counters_are_not_reported(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, control(test, 2, I8254_WORD, 0 << 1), 0);
	KUNIT_EXPECT_EQ(test, write_count(test, 2, 5), 0);
	KUNIT_EXPECT_EQ(test, control(test, 2, I8254_WORD, 2 << 1), 0);
	KUNIT_EXPECT_EQ(test, control(test, 1, I8254_LSB, 2 << 1), 0);
	KUNIT_EXPECT_EQ(test, i8254_write(chip_of(test), 1, 18), 0);
}

static void whole_counts_are_reported(struct kunit *test)
{
	struct i8254 *chip = chip_of(test);

	control(test, 0, I8254_WORD, 2 << 1);
	KUNIT_EXPECT_EQ(test, i8254_write(chip, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, i8254_write(chip, 0, 1), I8254_REPROGRAMMED);
	KUNIT_EXPECT_EQ(test, i8254_write(chip, 0, 1), 0);
	control(test, 0, I8254_LSB, 2 << 1);
	KUNIT_EXPECT_EQ(test, i8254_write(chip, 0, 9), I8254_REPROGRAMMED);
	KUNIT_EXPECT_EQ(test, i8254_write(chip, 0, 9), I8254_REPROGRAMMED);
	KUNIT_EXPECT_EQ(test, i8254_write(chip, CONTROL, 0x00), 0);
	KUNIT_EXPECT_EQ(test, i8254_write(chip, CONTROL, 0xc2), 0);
}

static void control_word_resets_both_flip_flops(struct kunit *test)
{
	program(test, 0, I8254_SW_STROBE, 0x1234);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x34);
	i8254_write(chip_of(test), 0, 0x99);
	program(test, 0, I8254_SW_STROBE, 0x5678);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x5678);
}

static void control_word_releases_latches(struct kunit *test)
{
	program(test, 0, I8254_SW_STROBE, 0x1234);
	run(test, 1);
	i8254_write(chip_of(test), CONTROL, 0xc2);
	program(test, 0, I8254_SW_STROBE, 0x5678);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x5678);
}

static void linux_stops_the_counter_with_30_0_0_30(struct kunit *test)
{
	program(test, 0, I8254_RATE, 100);
	KUNIT_EXPECT_EQ(test, run(test, 1000), 9);
	i8254_write(chip_of(test), CONTROL, 0x30);
	i8254_write(chip_of(test), 0, 0);
	i8254_write(chip_of(test), 0, 0);
	i8254_write(chip_of(test), CONTROL, 0x30);
	KUNIT_EXPECT_EQ(test, i8254_next_rise(chip_of(test), 0), I8254_NEVER);
	KUNIT_EXPECT_EQ(test, run(test, 1000000), 0);
	KUNIT_EXPECT_FALSE(test, out(test, 0));
}

static void modes_6_and_7_act_as_2_and_3(struct kunit *test)
{
	program(test, 0, 6, 3);
	expect_wave(test, 0, "--_--_-", "3213213");
	KUNIT_EXPECT_EQ(test, read_status(test, 0), 0xbc);
	KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 0), 3);
	program(test, 0, 7, 4);
	expect_wave(test, 0, "--__--_", "4242424");
	KUNIT_EXPECT_EQ(test, read_status(test, 0), 0x3e);
	KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 0), 4);
}

static void one_byte_formats_clear_the_other_byte(struct kunit *test)
{
	struct i8254 *chip = chip_of(test);

	program(test, 0, I8254_SW_STROBE, 0x1234);
	run(test, 1);
	control(test, 0, I8254_LSB, 4 << 1);
	i8254_write(chip, 0, 0x56);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, counter(test, 0)->ce, 0x56);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x56);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x56);

	control(test, 0, I8254_MSB, 4 << 1);
	i8254_write(chip, 0, 0x78);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, counter(test, 0)->ce, 0x7800);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x78);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x78);
}

static void count_latch_holds_until_read_out(struct kunit *test)
{
	program(test, 0, I8254_RATE, 0x8000);
	run(test, 0x123);
	i8254_write(chip_of(test), CONTROL, 0x00);
	run(test, 0x1000);
	i8254_write(chip_of(test), CONTROL, 0x00);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x8000 - 0x122);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x8000 - 0x1122);
}

static void count_latch_in_one_byte_formats_is_one_byte(struct kunit *test)
{
	control(test, 0, I8254_LSB, 4 << 1);
	i8254_write(chip_of(test), 0, 0x56);
	run(test, 1);
	i8254_write(chip_of(test), CONTROL, 0x00);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x56);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x55);

	control(test, 0, I8254_MSB, 4 << 1);
	i8254_write(chip_of(test), 0, 0x56);
	run(test, 1);
	i8254_write(chip_of(test), CONTROL, 0x00);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x56);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x55);
}

static void count_latch_leaves_the_mode_alone(struct kunit *test)
{
	program(test, 0, I8254_RATE, 4);
	expect_wave(test, 0, "---", "432");
	KUNIT_EXPECT_EQ(test, i8254_write(chip_of(test), CONTROL, 0x0f), 0);
	KUNIT_EXPECT_EQ(test, counter(test, 0)->mode, I8254_RATE);
	KUNIT_EXPECT_FALSE(test, counter(test, 0)->bcd);
	expect_wave(test, 0, "_---_", "14321");
}

static void latched_count_leaves_the_read_flip_flop_alone(struct kunit *test)
{
	program(test, 0, I8254_SW_STROBE, 0x1234);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x34);
	i8254_write(chip_of(test), CONTROL, 0x00);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x1234);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x12);
}

static void status_has_out_null_count_and_the_control_word(struct kunit *test)
{
	static const u8 formats[] = { I8254_LSB, I8254_MSB, I8254_WORD };
	unsigned int mode, i;

	for (mode = 0; mode < 8; mode++) {
		for (i = 0; i < ARRAY_SIZE(formats); i++) {
			u8 word = formats[i] << 4 | mode << 1 | (i & 1);

			control(test, 1, formats[i], mode << 1 | (i & 1));
			KUNIT_EXPECT_EQ(test, read_status(test, 1),
					word | 0x40 | (mode ? 0x80 : 0));
		}
	}
}

static void null_count_clears_when_the_count_is_loaded(struct kunit *test)
{
	program(test, 0, I8254_RATE, 3);
	KUNIT_EXPECT_EQ(test, read_status(test, 0), 0xf4);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_status(test, 0), 0xb4);
	i8254_write(chip_of(test), 0, 5);
	KUNIT_EXPECT_EQ(test, read_status(test, 0), 0xb4);
	i8254_write(chip_of(test), 0, 0);
	KUNIT_EXPECT_EQ(test, read_status(test, 0), 0xf4);
	run(test, 2);
	KUNIT_EXPECT_EQ(test, read_status(test, 0), 0x74);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_status(test, 0), 0xb4);
}

/* Software that is faster than a clock reads what it wrote. */
static void a_count_just_written_reads_as_written(struct kunit *test)
{
	unsigned int mode;

	for (mode = 0; mode < 6; mode++) {
		bool waits = mode == I8254_ONE_SHOT || mode == I8254_HW_STROBE;

		i8254_reset(chip_of(test), 0);
		program(test, 2, mode, 0x1234);
		KUNIT_EXPECT_EQ(test, read_word(test, 2), waits ? 0 : 0x1234);
		KUNIT_EXPECT_TRUE(test, read_status(test, 2) & 0x40);
		control(test, 2, I8254_LATCH, 0);
		run(test, 3);
		KUNIT_EXPECT_EQ(test, read_word(test, 2), waits ? 0 : 0x1234);
	}

	/* Not the next count of a periodic counter, which waits for the period's end. */
	program(test, 0, I8254_RATE, 1000);
	run(test, 101);
	write_count(test, 0, 500);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 900);
}

static void null_count_waits_for_the_trigger(struct kunit *test)
{
	static const enum i8254_mode modes[] = { I8254_ONE_SHOT, I8254_HW_STROBE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		program(test, 2, modes[i], 3);
		run(test, 10);
		KUNIT_EXPECT_TRUE(test, counter(test, 2)->null_count);
		trigger(test, 2);
		KUNIT_EXPECT_TRUE(test, counter(test, 2)->null_count);
		run(test, 1);
		KUNIT_EXPECT_FALSE(test, counter(test, 2)->null_count);
	}
}

static void null_count_clears_at_the_end_of_a_half_cycle(struct kunit *test)
{
	program(test, 0, I8254_SQUARE_WAVE, 8);
	run(test, 2);
	write_count(test, 0, 6);
	run(test, 2);
	KUNIT_EXPECT_TRUE(test, counter(test, 0)->null_count);
	run(test, 1);
	KUNIT_EXPECT_FALSE(test, counter(test, 0)->null_count);
	KUNIT_EXPECT_FALSE(test, out(test, 0));
}

static void read_back_latches_what_is_selected(struct kunit *test)
{
	unsigned int selected, n;

	for (selected = 0; selected < 8; selected++) {
		for (n = 0; n < I8254_COUNTERS; n++)
			program(test, n, I8254_SW_STROBE, 0x1234);
		run(test, 1);
		i8254_write(chip_of(test), CONTROL, 0xc0 | selected << 1);
		for (n = 0; n < I8254_COUNTERS; n++) {
			bool hit = selected & 1 << n;

			KUNIT_EXPECT_EQ(test, counter(test, n)->status_latched, hit);
			KUNIT_EXPECT_EQ(test, counter(test, n)->latched, hit ? I8254_WORD : 0);
		}
	}
}

static void read_back_bits_are_active_low(struct kunit *test)
{
	program(test, 0, I8254_SW_STROBE, 0x1234);
	i8254_write(chip_of(test), CONTROL, 0xf2);
	KUNIT_EXPECT_FALSE(test, counter(test, 0)->status_latched);
	KUNIT_EXPECT_EQ(test, counter(test, 0)->latched, 0);
	i8254_write(chip_of(test), CONTROL, 0xd2);
	KUNIT_EXPECT_FALSE(test, counter(test, 0)->status_latched);
	KUNIT_EXPECT_EQ(test, counter(test, 0)->latched, I8254_WORD);
	i8254_write(chip_of(test), CONTROL, 0xe2);
	KUNIT_EXPECT_TRUE(test, counter(test, 0)->status_latched);
}

static void status_reads_first_then_the_count_then_live(struct kunit *test)
{
	program(test, 0, I8254_RATE, 0x1234);
	run(test, 1);
	i8254_write(chip_of(test), CONTROL, 0xc2);
	run(test, 0x34);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0xb4);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x1234);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x1200);
}

static void latched_says_which_reads_are_not_live(struct kunit *test)
{
	program(test, 0, I8254_RATE, 0x1234);
	run(test, 1);
	KUNIT_EXPECT_FALSE(test, i8254_latched(chip_of(test), 0));
	i8254_write(chip_of(test), CONTROL, 0xc2);	/* status and count of counter 0 */
	KUNIT_EXPECT_FALSE(test, i8254_latched(chip_of(test), 1));
	KUNIT_EXPECT_FALSE(test, i8254_latched(chip_of(test), CONTROL));
	for (int byte = 0; byte < 3; byte++) {
		KUNIT_EXPECT_TRUE(test, i8254_latched(chip_of(test), 0));
		read_byte(test, 0);
	}
	KUNIT_EXPECT_FALSE(test, i8254_latched(chip_of(test), 0));
}

static void repeated_read_back_is_ignored_item_by_item(struct kunit *test)
{
	program(test, 0, I8254_TERMINAL_COUNT, 0x10);
	run(test, 1);
	i8254_write(chip_of(test), CONTROL, 0xe2);	/* status */
	run(test, 0x1f);
	i8254_write(chip_of(test), CONTROL, 0xc2);	/* count; status again */
	run(test, 1);
	i8254_write(chip_of(test), CONTROL, 0xc2);	/* both again */
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x30);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0xfff1);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0xfff0);
}

static void reads_and_writes_interleave(struct kunit *test)
{
	program(test, 0, I8254_SW_STROBE, 0x1234);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x34);
	i8254_write(chip_of(test), 0, 0x78);
	KUNIT_EXPECT_EQ(test, read_byte(test, 0), 0x12);
	i8254_write(chip_of(test), 0, 0x56);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x5678);
}

static void port_3_reads_0(struct kunit *test)
{
	i8254_write(chip_of(test), CONTROL, 0xce);
	KUNIT_EXPECT_EQ(test, i8254_read(chip_of(test), CONTROL), 0);
	KUNIT_EXPECT_TRUE(test, counter(test, 2)->status_latched);
}

/* Counts */

static void count_0_is_the_largest(struct kunit *test)
{
	gate(test, 2, true);
	program(test, 2, I8254_TERMINAL_COUNT, 0);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 65537);
	program(test, 2, I8254_ONE_SHOT, 0);
	trigger(test, 2);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 65537);
	program(test, 2, I8254_RATE, 0);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 65537);
	KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 2), 65536);
	program(test, 2, I8254_SQUARE_WAVE, 0);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 65537);
	KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 2), 65536);
	program(test, 2, I8254_SW_STROBE, 0);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 65538);
	program(test, 2, I8254_HW_STROBE, 0);
	trigger(test, 2);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 65538);
}

static void bcd_count_0_is_10000(struct kunit *test)
{
	gate(test, 2, true);
	program_bcd(test, 2, I8254_TERMINAL_COUNT, 0);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 10001);
	program_bcd(test, 2, I8254_ONE_SHOT, 0);
	trigger(test, 2);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 10001);
	program_bcd(test, 2, I8254_RATE, 0);
	KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 2), 10000);
	program_bcd(test, 2, I8254_SQUARE_WAVE, 0);
	KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 2), 10000);
	run(test, 5000);
	KUNIT_EXPECT_TRUE(test, out(test, 2));
	KUNIT_EXPECT_EQ(test, read_word(test, 2), 0x0002);
	run(test, 1);
	KUNIT_EXPECT_FALSE(test, out(test, 2));
	KUNIT_EXPECT_EQ(test, read_word(test, 2), 0x0000);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_word(test, 2), 0x9998);
}

static void count_1_is_legal_in_modes_0_1_4_5(struct kunit *test)
{
	gate(test, 2, true);
	program(test, 2, I8254_TERMINAL_COUNT, 1);
	expect_wave(test, 2, "_--", "10f");
	program(test, 2, I8254_ONE_SHOT, 1);
	trigger(test, 2);
	expect_wave(test, 2, "_--", "10f");
	program(test, 2, I8254_SW_STROBE, 1);
	expect_wave(test, 2, "-_--", "10fe");
	program(test, 2, I8254_HW_STROBE, 1);
	trigger(test, 2);
	expect_wave(test, 2, "-_--", "10fe");
}

static void count_1_acts_as_2_in_mode_2(struct kunit *test)
{
	program(test, 0, I8254_RATE, 1);
	KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 0), 2);
	expect_wave(test, 0, "-_-_-", "21212");
}

static void count_1_acts_as_0_in_mode_3(struct kunit *test)
{
	program(test, 0, I8254_SQUARE_WAVE, 1);
	KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 0), 65536);
	expect_wave(test, 0, "---", "0ec");
	run(test, 32765);
	expect_wave(test, 0, "___", "0ec");
	program_bcd(test, 0, I8254_SQUARE_WAVE, 1);
	KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 0), 10000);
	expect_wave(test, 0, "---", "086");
}

static void bcd_counts_in_decimal(struct kunit *test)
{
	program_bcd(test, 0, I8254_TERMINAL_COUNT, 0x2001);
	KUNIT_EXPECT_EQ(test, rise_in(test, 0), 2002);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x2001);
	run(test, 2);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x1999);
	run(test, 900);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x1099);
	run(test, 100);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x0999);
	run(test, 998);
	KUNIT_EXPECT_FALSE(test, out(test, 0));
	expect_wave(test, 0, "--", "09");
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0x9999);
}

/* Each digit is a decade of its own: F00F takes 15 steps, then borrows. */
static void bcd_digits_above_9_count_down_and_come_back_as_9(struct kunit *test)
{
	program_bcd(test, 0, I8254_TERMINAL_COUNT, 0xf00f);
	KUNIT_EXPECT_EQ(test, rise_in(test, 0), 15016);
	run(test, 16);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0xf000);
	run(test, 1);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0xe999);
	run(test, 14999);
	KUNIT_EXPECT_TRUE(test, out(test, 0));
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 0);
}

static void modes_0_1_4_5_wrap_and_do_not_fire_again(struct kunit *test)
{
	static const enum i8254_mode modes[] = {
		I8254_TERMINAL_COUNT, I8254_ONE_SHOT, I8254_SW_STROBE, I8254_HW_STROBE,
	};
	unsigned int i, bcd;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		for (bcd = 0; bcd <= 1; bcd++) {
			control(test, 2, I8254_WORD, modes[i] << 1 | bcd);
			write_count(test, 2, 5);
			trigger(test, 2);
			run(test, 6);
			KUNIT_EXPECT_EQ(test, read_word(test, 2), 0);
			run(test, 1);
			KUNIT_EXPECT_EQ(test, read_word(test, 2), bcd ? 0x9999 : 0xffff);
			KUNIT_EXPECT_TRUE(test, out(test, 2));
			KUNIT_EXPECT_EQ(test, rise_in(test, 2), I8254_NEVER);
			run(test, bcd ? 9999 : 65535);
			KUNIT_EXPECT_TRUE(test, out(test, 2));
			KUNIT_EXPECT_EQ(test, read_word(test, 2), 0);
		}
	}
}

/* The modes */

static void mode_0_rises_n_plus_1_clocks_after_the_write(struct kunit *test)
{
	program(test, 0, I8254_TERMINAL_COUNT, 4);
	KUNIT_EXPECT_FALSE(test, out(test, 0));
	KUNIT_EXPECT_EQ(test, rise_in(test, 0), 5);
	expect_wave(test, 0, "____--", "43210f");
}

static void mode_0_gate_low_holds_the_count(struct kunit *test)
{
	gate(test, 2, true);
	program(test, 2, I8254_TERMINAL_COUNT, 3);
	expect_wave(test, 2, "__", "32");
	gate(test, 2, false);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), I8254_NEVER);
	expect_wave(test, 2, "___", "222");
	gate(test, 2, true);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 2);
	expect_wave(test, 2, "_--", "10f");
}

static void mode_0_loads_with_gate_low(struct kunit *test)
{
	program(test, 2, I8254_TERMINAL_COUNT, 3);
	expect_wave(test, 2, "___", "333");
	KUNIT_EXPECT_FALSE(test, counter(test, 2)->null_count);
	gate(test, 2, true);
	expect_wave(test, 2, "__-", "210");
}

static void mode_0_first_byte_stops_and_lowers_out(struct kunit *test)
{
	program(test, 0, I8254_TERMINAL_COUNT, 2);
	expect_wave(test, 0, "__-", "210");
	i8254_write(chip_of(test), 0, 3);
	KUNIT_EXPECT_FALSE(test, out(test, 0));
	KUNIT_EXPECT_FALSE(test, counter(test, 0)->null_count);
	KUNIT_EXPECT_EQ(test, rise_in(test, 0), I8254_NEVER);
	expect_wave(test, 0, "__", "00");
	i8254_write(chip_of(test), 0, 0);
	expect_wave(test, 0, "___-", "3210");
}

static void mode_0_new_one_byte_count_lowers_out_and_loads(struct kunit *test)
{
	control(test, 0, I8254_LSB, 0 << 1);
	i8254_write(chip_of(test), 0, 2);
	expect_wave(test, 0, "__-", "210");
	i8254_write(chip_of(test), 0, 3);
	KUNIT_EXPECT_FALSE(test, out(test, 0));
	expect_wave(test, 0, "_", "3");
	i8254_write(chip_of(test), 0, 2);
	expect_wave(test, 0, "__--", "210f");
}

static void mode_1_is_low_for_n_clocks_from_the_trigger(struct kunit *test)
{
	program(test, 2, I8254_ONE_SHOT, 3);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), I8254_NEVER);
	expect_wave(test, 2, "--", "00");
	gate(test, 2, true);
	KUNIT_EXPECT_TRUE(test, out(test, 2));
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 4);
	expect_wave(test, 2, "___--", "3210f");
}

static void mode_1_is_retriggerable(struct kunit *test)
{
	program(test, 2, I8254_ONE_SHOT, 3);
	trigger(test, 2);
	expect_wave(test, 2, "__", "32");
	trigger(test, 2);
	expect_wave(test, 2, "___-", "3210");
	trigger(test, 2);
	expect_wave(test, 2, "___-", "3210");
}

static void loading_is_remembered_reloading_is_not(struct kunit *test)
{
	struct i8254 *chip = chip_of(test);
	u64 start = chip->now;

	program(test, 0, I8254_RATE, 5);
	program(test, 2, I8254_ONE_SHOT, 3);
	run(test, 100);
	KUNIT_EXPECT_EQ(test, chip->counter[0].loaded_at, start + 1);
	trigger(test, 2);
	run(test, 100);
	KUNIT_EXPECT_EQ(test, chip->counter[2].loaded_at, start + 101);
}

static void mode_1_ignores_gate_going_low(struct kunit *test)
{
	program(test, 2, I8254_ONE_SHOT, 3);
	trigger(test, 2);
	gate(test, 2, false);
	expect_wave(test, 2, "_", "3");
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 3);
	expect_wave(test, 2, "__-", "210");
}

static void mode_1_new_count_waits_for_the_trigger(struct kunit *test)
{
	program(test, 2, I8254_ONE_SHOT, 3);
	trigger(test, 2);
	expect_wave(test, 2, "_", "3");
	write_count(test, 2, 2);
	expect_wave(test, 2, "__--", "210f");
	trigger(test, 2);
	expect_wave(test, 2, "__-", "210");
}

static void mode_1_never_fires_with_gate_tied_high(struct kunit *test)
{
	program(test, 0, I8254_ONE_SHOT, 3);
	KUNIT_EXPECT_EQ(test, i8254_next_rise(chip_of(test), 0), I8254_NEVER);
	KUNIT_EXPECT_EQ(test, run(test, 1000000), 0);
}

static void mode_2_is_low_for_one_clock_each_n(struct kunit *test)
{
	program(test, 0, I8254_RATE, 3);
	KUNIT_EXPECT_EQ(test, rise_in(test, 0), 4);
	expect_wave(test, 0, "--_--_-", "3213213");
	KUNIT_EXPECT_EQ(test, rise_in(test, 0), 3);
	KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 0), 3);
}

static void mode_2_new_count_waits_for_the_end_of_the_period(struct kunit *test)
{
	program(test, 0, I8254_RATE, 4);
	expect_wave(test, 0, "--", "43");
	write_count(test, 0, 2);
	KUNIT_EXPECT_EQ(test, rise_in(test, 0), 3);
	KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 0), 2);
	expect_wave(test, 0, "-_-_-", "21212");
}

static void mode_2_half_a_new_count_has_no_effect(struct kunit *test)
{
	program(test, 0, I8254_RATE, 3);
	run(test, 1);
	i8254_write(chip_of(test), 0, 9);
	expect_wave(test, 0, "-_--_", "21321");
	i8254_write(chip_of(test), 0, 0);
	expect_wave(test, 0, "---", "987");
}

static void mode_2_trigger_reloads(struct kunit *test)
{
	gate(test, 2, true);
	program(test, 2, I8254_RATE, 5);
	expect_wave(test, 2, "---", "543");
	write_count(test, 2, 4);
	trigger(test, 2);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 5);
	expect_wave(test, 2, "---_---_", "43214321");
}

static void mode_2_gate_low_raises_out_and_holds(struct kunit *test)
{
	gate(test, 2, true);
	program(test, 2, I8254_RATE, 3);
	expect_wave(test, 2, "--", "32");
	gate(test, 2, false);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), I8254_NEVER);
	expect_wave(test, 2, "---", "222");
	gate(test, 2, true);
	expect_wave(test, 2, "--_", "321");
	gate(test, 2, false);
	KUNIT_EXPECT_TRUE(test, out(test, 2));
	expect_wave(test, 2, "--", "11");
	gate(test, 2, true);
	expect_wave(test, 2, "--_-", "3213");
}

static void modes_2_and_3_load_with_gate_low(struct kunit *test)
{
	program(test, 2, I8254_RATE, 3);
	expect_wave(test, 2, "---", "333");
	KUNIT_EXPECT_FALSE(test, counter(test, 2)->null_count);
	program(test, 2, I8254_SQUARE_WAVE, 4);
	expect_wave(test, 2, "---", "444");
	KUNIT_EXPECT_FALSE(test, counter(test, 2)->null_count);
}

static void mode_3_even_count_has_equal_halves(struct kunit *test)
{
	program(test, 0, I8254_SQUARE_WAVE, 4);
	KUNIT_EXPECT_EQ(test, rise_in(test, 0), 5);
	expect_wave(test, 0, "--__--__", "42424242");
	program(test, 0, I8254_SQUARE_WAVE, 2);
	expect_wave(test, 0, "-_-_", "2222");
}

static void mode_3_odd_count_is_high_one_clock_longer(struct kunit *test)
{
	program(test, 0, I8254_SQUARE_WAVE, 5);
	KUNIT_EXPECT_EQ(test, rise_in(test, 0), 6);
	KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 0), 5);
	expect_wave(test, 0, "---__---__", "4204242042");
	program(test, 0, I8254_SQUARE_WAVE, 3);
	expect_wave(test, 0, "--_--_", "202202");
	program_bcd(test, 0, I8254_SQUARE_WAVE, 0x11);
	expect_wave(test, 0, "------_____-", "086420086420");
}

static void mode_3_new_count_waits_for_the_end_of_the_half(struct kunit *test)
{
	program(test, 0, I8254_SQUARE_WAVE, 8);
	expect_wave(test, 0, "--", "86");
	write_count(test, 0, 4);
	KUNIT_EXPECT_EQ(test, rise_in(test, 0), 5);
	expect_wave(test, 0, "--__--", "424242");
}

static void mode_3_takes_oddness_with_each_half(struct kunit *test)
{
	program(test, 0, I8254_SQUARE_WAVE, 4);
	expect_wave(test, 0, "-", "4");
	write_count(test, 0, 5);
	expect_wave(test, 0, "-__---__--", "2424204242");
	write_count(test, 0, 4);
	expect_wave(test, 0, "-__--", "04242");
	expect_wave(test, 0, "_", "4");
	write_count(test, 0, 5);
	expect_wave(test, 0, "_---__", "242042");
}

static void mode_3_gate_low_raises_out_and_holds(struct kunit *test)
{
	gate(test, 2, true);
	program(test, 2, I8254_SQUARE_WAVE, 6);
	expect_wave(test, 2, "---_", "6426");
	gate(test, 2, false);
	KUNIT_EXPECT_TRUE(test, out(test, 2));
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), I8254_NEVER);
	expect_wave(test, 2, "--", "66");
	gate(test, 2, true);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 7);
	expect_wave(test, 2, "---___-", "6426426");
}

static void mode_3_trigger_reloads(struct kunit *test)
{
	gate(test, 2, true);
	program(test, 2, I8254_SQUARE_WAVE, 6);
	expect_wave(test, 2, "--", "64");
	write_count(test, 2, 4);
	trigger(test, 2);
	expect_wave(test, 2, "--__-", "42424");
}

static void mode_4_strobes_n_plus_1_clocks_after_the_write(struct kunit *test)
{
	program(test, 0, I8254_SW_STROBE, 3);
	KUNIT_EXPECT_EQ(test, rise_in(test, 0), 5);
	expect_wave(test, 0, "---_--", "3210fe");
}

static void mode_4_gate_low_holds_the_count(struct kunit *test)
{
	program(test, 2, I8254_SW_STROBE, 3);
	expect_wave(test, 2, "--", "33");
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), I8254_NEVER);
	gate(test, 2, true);
	expect_wave(test, 2, "--", "21");
	gate(test, 2, false);
	expect_wave(test, 2, "--", "11");
	gate(test, 2, true);
	expect_wave(test, 2, "_-", "0f");
}

static void mode_4_strobe_ends_with_gate_low(struct kunit *test)
{
	gate(test, 2, true);
	program(test, 2, I8254_SW_STROBE, 2);
	expect_wave(test, 2, "--_", "210");
	gate(test, 2, false);
	KUNIT_EXPECT_FALSE(test, out(test, 2));
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 1);
	expect_wave(test, 2, "--", "00");
}

static void mode_4_first_byte_has_no_effect(struct kunit *test)
{
	program(test, 0, I8254_SW_STROBE, 3);
	expect_wave(test, 0, "-", "3");
	i8254_write(chip_of(test), 0, 9);
	expect_wave(test, 0, "--_-", "210f");
}

static void mode_4_new_count_loads_at_the_next_clock(struct kunit *test)
{
	program(test, 0, I8254_SW_STROBE, 3);
	expect_wave(test, 0, "--", "32");
	write_count(test, 0, 2);
	expect_wave(test, 0, "--_", "210");
	write_count(test, 0, 2);
	KUNIT_EXPECT_FALSE(test, out(test, 0));
	KUNIT_EXPECT_EQ(test, rise_in(test, 0), 1);
	expect_wave(test, 0, "--_-", "210f");
}

static void mode_5_strobes_n_plus_1_clocks_after_the_trigger(struct kunit *test)
{
	program(test, 2, I8254_HW_STROBE, 3);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), I8254_NEVER);
	expect_wave(test, 2, "--", "00");
	trigger(test, 2);
	gate(test, 2, false);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 5);
	expect_wave(test, 2, "---_--", "3210fe");
}

static void mode_5_is_retriggerable(struct kunit *test)
{
	program(test, 2, I8254_HW_STROBE, 3);
	trigger(test, 2);
	expect_wave(test, 2, "--", "32");
	write_count(test, 2, 2);
	expect_wave(test, 2, "-_", "10");
	trigger(test, 2);
	KUNIT_EXPECT_EQ(test, rise_in(test, 2), 1);
	expect_wave(test, 2, "--_-", "210f");
}

static void trigger_before_any_count_does_nothing(struct kunit *test)
{
	static const enum i8254_mode modes[] = {
		I8254_ONE_SHOT, I8254_RATE, I8254_SQUARE_WAVE, I8254_HW_STROBE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		control(test, 2, I8254_WORD, modes[i] << 1);
		i8254_write(chip_of(test), 2, 5);
		trigger(test, 2);
		expect_wave(test, 2, "---", "000");
		KUNIT_EXPECT_EQ(test, rise_in(test, 2), I8254_NEVER);
		KUNIT_EXPECT_TRUE(test, counter(test, 2)->null_count);
	}
}

static void trigger_is_held_until_the_next_clock(struct kunit *test)
{
	program(test, 2, I8254_ONE_SHOT, 2);
	gate(test, 2, true);
	gate(test, 2, false);
	KUNIT_EXPECT_TRUE(test, out(test, 2));
	write_count(test, 2, 3);
	expect_wave(test, 2, "___-", "3210");
}

static void count_replaces_one_not_loaded_yet(struct kunit *test)
{
	unsigned int mode;

	gate(test, 2, true);
	for (mode = 0; mode < 6; mode++) {
		program(test, 2, mode, 100);
		write_count(test, 2, 8);
		trigger(test, 2);
		run(test, 1);
		KUNIT_EXPECT_EQ(test, read_word(test, 2), 8);
	}
}

/* Time */

static void the_past_does_nothing(struct kunit *test)
{
	struct i8254 *chip = chip_of(test);

	program(test, 0, I8254_RATE, 10);
	run(test, 5);
	KUNIT_EXPECT_EQ(test, i8254_advance(chip, chip->now), 0);
	KUNIT_EXPECT_EQ(test, i8254_advance(chip, chip->now - 3), 0);
	KUNIT_EXPECT_EQ(test, i8254_advance(chip, 0), 0);
	KUNIT_EXPECT_EQ(test, read_word(test, 0), 6);
}

static void a_day_counts_every_edge(struct kunit *test)
{
	u64 day = i8254_ns_to_clocks(86400ULL * NSEC_PER_SEC);

	program(test, 0, I8254_RATE, 11932);
	KUNIT_EXPECT_EQ(test, run(test, day), div_u64(day - 1, 11932));
	program(test, 0, I8254_SQUARE_WAVE, 11931);
	KUNIT_EXPECT_EQ(test, run(test, day), div_u64(day - 1, 11931));
}

static void the_end_of_time_is_in_reach(struct kunit *test)
{
	struct i8254 *chip = chip_of(test);
	unsigned int mode;

	for (mode = 0; mode < 6; mode++) {
		i8254_reset(chip, 0);
		program(test, 0, mode, 7);
		i8254_advance(chip, U64_MAX);
		KUNIT_EXPECT_EQ(test, chip->now, U64_MAX);
		KUNIT_EXPECT_EQ(test, i8254_next_rise(chip, 0), I8254_NEVER);
	}

	i8254_reset(chip, 0);
	program(test, 0, I8254_RATE, 2);
	KUNIT_EXPECT_EQ(test, i8254_advance(chip, U64_MAX), U64_MAX / 2);
	i8254_reset(chip, U64_MAX - 5);
	program(test, 0, I8254_RATE, 3);
	KUNIT_EXPECT_EQ(test, i8254_next_rise(chip, 0), U64_MAX - 1);
	run(test, 4);
	KUNIT_EXPECT_EQ(test, i8254_next_rise(chip, 0), I8254_NEVER);

	/* A count that waits for a clock which does not come */
	for (mode = 0; mode < 6; mode++) {
		i8254_reset(chip, U64_MAX);
		program(test, 0, mode, 7);
		KUNIT_EXPECT_EQ(test, i8254_next_rise(chip, 0), I8254_NEVER);
		i8254_reset(chip, U64_MAX - 1);
		program(test, 0, mode, 7);
		KUNIT_EXPECT_EQ(test, i8254_next_rise(chip, 0), I8254_NEVER);
	}
}

static void clocks_round_down_and_times_round_up(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, i8254_ns_to_clocks(0), 0);
	KUNIT_EXPECT_EQ(test, i8254_ns_to_clocks(838), 0);
	KUNIT_EXPECT_EQ(test, i8254_ns_to_clocks(839), 1);
	KUNIT_EXPECT_EQ(test, i8254_ns_to_clocks(88000), 105);
	KUNIT_EXPECT_EQ(test, i8254_ns_to_clocks(NSEC_PER_SEC), 1193181);
	KUNIT_EXPECT_EQ(test, i8254_clocks_to_ns(0), 0);
	KUNIT_EXPECT_EQ(test, i8254_clocks_to_ns(1), 839);
	KUNIT_EXPECT_EQ(test, i8254_clocks_to_ns(105), 88000);
	KUNIT_EXPECT_EQ(test, i8254_clocks_to_ns(1193182), 1000000153);
}

static void conversions_saturate(struct kunit *test)
{
	u64 last = i8254_ns_to_clocks(U64_MAX);

	KUNIT_EXPECT_EQ(test, last, mul_u64_u32_div(U64_MAX, 105, 88000));
	KUNIT_EXPECT_LE(test, i8254_clocks_to_ns(last), U64_MAX);
	KUNIT_EXPECT_GT(test, i8254_clocks_to_ns(last), U64_MAX - 839);
	KUNIT_EXPECT_EQ(test, i8254_clocks_to_ns(last + 1), U64_MAX);
	KUNIT_EXPECT_EQ(test, i8254_clocks_to_ns(I8254_NEVER), U64_MAX);
}

static void clocks_survive_the_way_there_and_back(struct kunit *test)
{
	u64 last = i8254_ns_to_clocks(U64_MAX);
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 8254);
	for (i = 0; i < 100000; i++) {
		u64 random = (u64)prandom_u32_state(&rnd) << 32 | prandom_u32_state(&rnd);
		u64 clocks = random >> prandom_u32_state(&rnd) % 64;
		u64 ns = i8254_clocks_to_ns(clocks);

		if (clocks > last)
			continue;
		KUNIT_ASSERT_EQ(test, i8254_ns_to_clocks(ns), clocks);
		if (ns)
			KUNIT_ASSERT_LT(test, i8254_ns_to_clocks(ns - 1), clocks);
		KUNIT_ASSERT_EQ(test, i8254_ns_to_clocks(random),
				mul_u64_u32_div(random, 105, 88000));
	}
}

/*
 * Sleep to each edge as a timer would, for a year in leaps of some minutes: all
 * edges are where N * k * 88000/105 ns puts them, and the chip agrees that they
 * are due.
 */
static void expect_no_drift(struct kunit *test, u32 period)
{
	const u64 year = 365ULL * 86400 * NSEC_PER_SEC;
	const u64 leap = 1000000007 / period;
	struct i8254 *chip = chip_of(test);
	u64 edges = 0, ns = 0;

	i8254_reset(chip, 0);
	program(test, 0, I8254_RATE, period);
	run(test, 1);
	while (ns < year) {
		u64 clock = 1 + (edges + leap) * period;

		ns = i8254_clocks_to_ns(clock);
		/* Exact: 0 <= ns * 105 - clock * 88000 < 105, shortened by 5. */
		KUNIT_ASSERT_LT(test, ns * 21 - clock * 17600, 21);
		edges += i8254_advance(chip, i8254_ns_to_clocks(ns - 1));
		KUNIT_ASSERT_EQ(test, i8254_next_rise(chip, 0), clock);
		KUNIT_ASSERT_EQ(test, i8254_advance(chip, i8254_ns_to_clocks(ns)), 1);
		edges++;
		KUNIT_ASSERT_EQ(test, edges % leap, 0);
	}
	KUNIT_EXPECT_GE(test, edges, i8254_ns_to_clocks(year) / period);
}

static void a_year_does_not_drift(struct kunit *test)
{
	static const u32 periods[] = { 2, 3, 7, 146, 1193, 11932, 65535, 65536 };

	for (int i = 0; i < ARRAY_SIZE(periods); i++)
		expect_no_drift(test, periods[i]);
}

/* Random programs, run by both models side by side */

struct race {
	struct kunit *test;
	struct i8254 chip;
	struct naive naive[I8254_COUNTERS];
	struct rnd_state rnd;
	const char *op;
	u64 seed;
	u64 steps;
	u64 clocks;
};

static u32 below(struct race *r, u32 limit)
{
	return prandom_u32_state(&r->rnd) % limit;
}

static void assert_eq(struct race *r, unsigned int n, const char *what, u64 chip, u64 expected)
{
	KUNIT_ASSERT_EQ_MSG(r->test, chip, expected,
			    "seed %llu step %llu: %s of counter %u, mode %u, after %s",
			    r->seed, r->steps, what, n,
			    r->naive[n].control_word / 2 % 8, r->op);
}

static void compare(struct race *r)
{
	unsigned int n;

	r->steps++;
	for (n = 0; n < I8254_COUNTERS; n++) {
		struct i8254 copy = r->chip;

		assert_eq(r, n, "OUT", copy.counter[n].out, r->naive[n].out);
		assert_eq(r, n, "CE", copy.counter[n].ce, r->naive[n].ce);
		assert_eq(r, n, "GATE", copy.counter[n].gate, r->naive[n].gate);
		assert_eq(r, n, "possible", i8254_possible(&copy.counter[n]), true);

		copy.counter[n].status_latched = false;
		i8254_write(&copy, CONTROL, 0xe0 | 2 << n);
		assert_eq(r, n, "the status", i8254_read(&copy, n), naive_status(&r->naive[n]));
	}
}

static void race_read_back(struct race *r, u8 word)
{
	unsigned int n;

	r->op = "a read-back";
	assert_eq(r, 0, "the result", i8254_write(&r->chip, CONTROL, word), 0);
	for (n = 0; n < I8254_COUNTERS; n++)
		if (word & 2 << n)
			naive_read_back(&r->naive[n], word);
	compare(r);
}

/* A control word, or the counter latch command. */
static void race_control(struct race *r, unsigned int n, u8 word)
{
	unsigned int events = i8254_write(&r->chip, CONTROL, n << 6 | word);
	bool was = r->naive[0].out;

	r->op = "a control word";
	naive_control(&r->naive[n], word);
	assert_eq(r, n, "rise", !!(events & I8254_ROSE), r->naive[0].out && !was);
	assert_eq(r, n, "report", !!(events & I8254_REPROGRAMMED), !n && word & 0x30);
	compare(r);
}

static void race_write(struct race *r, unsigned int n, u8 byte)
{
	unsigned int events = i8254_write(&r->chip, n, byte);
	bool whole = naive_write(&r->naive[n], byte);

	r->op = "a write";
	assert_eq(r, n, "the result", events, !n && whole ? I8254_REPROGRAMMED : 0);
	compare(r);
}

static void race_read(struct race *r, unsigned int n)
{
	r->op = "a read";
	assert_eq(r, n, "the byte", i8254_read(&r->chip, n), naive_read(&r->naive[n]));
	compare(r);
}

static void race_gate(struct race *r, unsigned int n, bool level)
{
	r->op = "a change of GATE";
	i8254_set_gate(&r->chip, n, level);
	naive_gate(&r->naive[n], level);
	compare(r);
}

/* Returns how often OUT rose; the first time in @first. */
static u64 naive_clocks(struct naive *c, u64 start, u64 clocks, u64 *first)
{
	u64 rises = 0;
	u64 i;

	*first = I8254_NEVER;
	for (i = 1; i <= clocks; i++)
		if (naive_clock(c) && !rises++)
			*first = start + i;
	return rises;
}

/* The next rise foretold is the first one that the naive model comes upon. */
static void race_time(struct race *r, u64 clocks)
{
	u64 start = r->chip.now;
	u64 foretold, first;
	u64 rises[I8254_COUNTERS];
	unsigned int n;

	r->op = "clocks";
	for (n = 0; n < I8254_COUNTERS; n++) {
		foretold = i8254_next_rise(&r->chip, n);
		rises[n] = naive_clocks(&r->naive[n], start, clocks, &first);
		assert_eq(r, n, "a rise to come", foretold > start, true);
		assert_eq(r, n, "the next rise",
			  foretold > start + clocks ? I8254_NEVER : foretold, first);
	}
	assert_eq(r, 0, "rises", i8254_advance(&r->chip, start + clocks), rises[0]);
	r->clocks += clocks;
	compare(r);
}

static u16 random_count(struct race *r)
{
	static const u16 edges[] = {
		0, 1, 2, 3, 0x10, 0x11, 0xff, 0x99, 0x100, 0x101, 0x9999, 0xa00a, 0xffff,
	};
	u32 kind = below(r, 100);

	if (kind < 55)
		return below(r, 13);
	if (kind < 70)
		return edges[below(r, ARRAY_SIZE(edges))];
	return kind < 95 ? below(r, 0x130) : prandom_u32_state(&r->rnd);
}

/* Seldom long; at times to the very clock where something happens, or beside it. */
static u64 random_clocks(struct race *r)
{
	u32 kind = below(r, 1000);
	u64 next;

	if (kind < 400)
		return below(r, 4);
	if (kind < 850)
		return below(r, 40);
	if (kind < 940)
		return below(r, 600);
	if (kind < 942)
		return below(r, 140000);

	next = i8254_next_rise(&r->chip, below(r, I8254_COUNTERS));
	if (next == I8254_NEVER || next - r->chip.now > 4000)
		return 1;
	return next - r->chip.now + below(r, 3) - 1;
}

static void race_program(struct race *r, unsigned int n)
{
	enum i8254_access access = 1 + below(r, 3);
	u8 bcd = !below(r, 3);
	u16 count = random_count(r);

	race_control(r, n, access << 4 | below(r, 8) << 1 | bcd);
	if (access != I8254_MSB)
		race_write(r, n, count);
	if (!below(r, 8))
		race_time(r, random_clocks(r));
	if (access != I8254_LSB)
		race_write(r, n, count >> 8);
}

static void race_count(struct race *r, unsigned int n)
{
	u16 count = random_count(r);

	race_write(r, n, count);
	if (r->naive[n].second_write && below(r, 4))
		race_write(r, n, count >> 8);
}

static void race_step(struct race *r)
{
	unsigned int n = below(r, I8254_COUNTERS);
	u32 kind = below(r, 100);

	if (kind < 50)
		race_time(r, random_clocks(r));
	else if (kind < 57)
		race_program(r, n);
	else if (kind < 67)
		race_count(r, n);
	else if (kind < 85)
		race_gate(r, n, below(r, 2));
	else if (kind < 94)
		race_read(r, n);
	else if (kind < 97)
		race_control(r, n, below(r, 16));
	else if (kind < 99)
		race_read_back(r, 0xc0 | below(r, 64));
	else
		race_control(r, n, below(r, 64));
}

static struct race *new_race(struct kunit *test, u64 default_seed)
{
	struct race *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	unsigned int n;

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->test = test;
	r->seed = seed ?: default_seed;
	prandom_seed_state(&r->rnd, r->seed);
	i8254_reset(&r->chip, r->seed % 1000);
	for (n = 0; n < I8254_COUNTERS; n++)
		naive_reset(&r->naive[n], n != 2);
	return r;
}

static void race(struct kunit *test, u64 steps, u64 default_seed)
{
	struct race *r = new_race(test, default_seed);

	r->op = "the reset";
	compare(r);
	while (r->steps < steps)
		race_step(r);
	kunit_info(test, "seed %llu: %llu steps over %llu clocks agree with the naive model\n",
		   r->seed, r->steps, r->clocks);
}

static void random_programs_agree_with_the_naive_model(struct kunit *test)
{
	race(test, 400000, 8254);
}

static void long_random_programs_agree_with_the_naive_model(struct kunit *test)
{
	race(test, 50000000, get_random_u32());
}

static void expect_same(struct race *r, const struct i8254 *a, const struct i8254 *b)
{
	unsigned int n;

	KUNIT_ASSERT_EQ(r->test, a->now, b->now);
	for (n = 0; n < I8254_COUNTERS; n++) {
		const struct i8254_counter *x = &a->counter[n], *y = &b->counter[n];

		assert_eq(r, n, "OUT", x->out, y->out);
		assert_eq(r, n, "CE", x->ce, y->ce);
		assert_eq(r, n, "CR", x->cr, y->cr);
		assert_eq(r, n, "counting", x->counting, y->counting);
		assert_eq(r, n, "armed", x->armed, y->armed);
		assert_eq(r, n, "odd", x->odd, y->odd);
		assert_eq(r, n, "null_count", x->null_count, y->null_count);
	}
}

/* Up to 8 hours, which the naive model cannot follow: two leaps make one. */
static void time_may_be_cut_anywhere(struct kunit *test)
{
	struct race *r = new_race(test, 8254);
	unsigned int i, step;

	for (i = 0; i < 20000; i++) {
		u64 a = prandom_u32_state(&r->rnd) >> below(r, 32);
		u64 b = (u64)prandom_u32_state(&r->rnd) << 3 >> below(r, 35);
		struct i8254 whole, cut;
		u64 rises;

		for (step = 0; step < 8; step++)
			race_step(r);
		r->op = "a cut";
		whole = r->chip;
		cut = r->chip;
		rises = i8254_advance(&cut, cut.now + a);
		rises += i8254_advance(&cut, cut.now + b);
		assert_eq(r, 0, "rises", i8254_advance(&whole, whole.now + a + b), rises);
		expect_same(r, &whole, &cut);
	}
}

/* Any bytes but in bool, for which the compiler takes 0 and 1 for granted. */
static void absurd_counter(struct race *r, struct i8254_counter *c)
{
	prandom_bytes_state(&r->rnd, c, sizeof(*c));
	c->bcd = below(r, 2);
	c->programmed = below(r, 2);
	c->gate = below(r, 2);
	c->out = below(r, 2);
	c->armed = below(r, 2);
	c->odd = below(r, 2);
	c->null_count = below(r, 2);
	c->loadable = below(r, 2);
	c->write_msb = below(r, 2);
	c->read_msb = below(r, 2);
	c->status_latched = below(r, 2);
	if (below(r, 2))
		c->counting = below(r, 3);
	if (!below(r, 4))
		c->cr = below(r, 3);
	if (!below(r, 4))
		c->ce = below(r, 3);
}

/* What next_rise() says and what advance() counts is one and the same. */
static void expect_agreement(struct race *r, struct i8254 chip)
{
	u64 next = i8254_next_rise(&chip, 0);
	struct i8254 later = chip;

	r->op = "nonsense";
	if (next == I8254_NEVER) {
		/* Even a period of the longest count is shorter. */
		assert_eq(r, 0, "rises", i8254_advance(&later, chip.now + 200000), 0);
		return;
	}
	assert_eq(r, 0, "a rise to come", next > chip.now, true);
	assert_eq(r, 0, "rises", i8254_advance(&later, next - 1), 0);
	assert_eq(r, 0, "rises", i8254_advance(&later, next), 1);
	assert_eq(r, 0, "rises", i8254_advance(&chip, next), 1);
}

static void absurd_states_do_no_harm(struct kunit *test)
{
	struct race *r = new_race(test, 8254);
	struct i8254 *chip = &r->chip;
	unsigned int i, n;

	for (i = 0; i < 100000; i++) {
		chip->now = prandom_u32_state(&r->rnd);
		for (n = 0; n < I8254_COUNTERS; n++)
			absurd_counter(r, &chip->counter[n]);
		expect_agreement(r, *chip);

		for (n = 0; n < I8254_COUNTERS; n++) {
			KUNIT_ASSERT_LE(test, i8254_period(chip, n), 65536);
			KUNIT_ASSERT_NE(test, i8254_period(chip, n), 1);
			i8254_read(chip, n);
			i8254_write(chip, n, prandom_u32_state(&r->rnd));
			i8254_set_gate(chip, n, below(r, 2));
		}
		expect_agreement(r, *chip);
		i8254_write(chip, CONTROL, prandom_u32_state(&r->rnd));
		expect_agreement(r, *chip);
		i8254_advance(chip, U64_MAX);
	}
}

/* As storm.c had it: the period is that of the counter that runs. */
static void a_counter_that_counts_has_a_period(struct kunit *test)
{
	struct i8254_counter *c = counter(test, 0);
	unsigned int mode;

	for (mode = I8254_RATE; mode <= I8254_SQUARE_WAVE; mode++) {
		program(test, 0, mode, 100);
		run(test, 10);
		c->loadable = false;
		KUNIT_EXPECT_NE(test, i8254_next_rise(chip_of(test), 0), I8254_NEVER);
		KUNIT_EXPECT_EQ(test, i8254_period(chip_of(test), 0), 100);
		KUNIT_EXPECT_FALSE(test, i8254_possible(c));
	}
}

/* One field at a time is made what no guest makes it. */
static void impossible_states_are_told(struct kunit *test)
{
	struct i8254_counter *c = counter(test, 2), copy;
	unsigned int mode;

#define EXPECT_IMPOSSIBLE(assignment) do {					\
	copy = *c;								\
	KUNIT_EXPECT_TRUE(test, i8254_possible(&copy));				\
	(assignment);								\
	KUNIT_EXPECT_FALSE_MSG(test, i8254_possible(&copy), "mode %u, " #assignment, mode); \
} while (0)

	for (mode = 0; mode < 6; mode++) {
		bool once = mode < I8254_RATE || mode > I8254_SQUARE_WAVE;

		i8254_reset(chip_of(test), 0);
		EXPECT_IMPOSSIBLE(copy.loadable = true);
		EXPECT_IMPOSSIBLE(copy.out = false);
		EXPECT_IMPOSSIBLE(copy.counting = I8254_COUNTING);
		EXPECT_IMPOSSIBLE(copy.counting = I8254_LOADING);
		control(test, 2, I8254_WORD, mode << 1);
		EXPECT_IMPOSSIBLE(copy.counting = I8254_COUNTING);
		EXPECT_IMPOSSIBLE(copy.counting = I8254_LOADING);
		EXPECT_IMPOSSIBLE(copy.armed = true);
		EXPECT_IMPOSSIBLE(copy.odd = true);
		EXPECT_IMPOSSIBLE(copy.null_count = false);
		EXPECT_IMPOSSIBLE(copy.out = !out(test, 2));
		write_count(test, 2, 100);
		EXPECT_IMPOSSIBLE(copy.programmed = false);
		if (mode != I8254_ONE_SHOT && mode != I8254_HW_STROBE) {
			EXPECT_IMPOSSIBLE(copy.loadable = false);
			if (mode != I8254_TERMINAL_COUNT)
				EXPECT_IMPOSSIBLE(copy.counting = I8254_STOPPED);
		}
		gate(test, 2, true);
		run(test, 10);
		EXPECT_IMPOSSIBLE(copy.loadable = false);
		EXPECT_IMPOSSIBLE(copy.programmed = false);
		if (once)
			EXPECT_IMPOSSIBLE(copy.out = !out(test, 2));
		else
			EXPECT_IMPOSSIBLE(copy.armed = true);
		if (mode == I8254_RATE)
			EXPECT_IMPOSSIBLE(copy.out = false);
		if (mode == I8254_SQUARE_WAVE)
			EXPECT_IMPOSSIBLE(copy.ce = 51);
		else
			EXPECT_IMPOSSIBLE(copy.odd = true);
	}
#undef EXPECT_IMPOSSIBLE
}

static int i8254_test_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct i8254), GFP_KERNEL);
	if (!test->priv)
		return -ENOMEM;
	i8254_reset(test->priv, 1000);
	return 0;
}

static struct kunit_case i8254_test_cases[] = {
	KUNIT_CASE(after_reset_nothing_counts),
	KUNIT_CASE(count_without_a_control_word_is_dropped),
	KUNIT_CASE(control_word_stops_counting_at_once),
	KUNIT_CASE(control_word_sets_out_at_once),
	KUNIT_CASE(control_word_that_makes_out0_rise_says_so),
	KUNIT_CASE(writes_to_other_counters_are_not_reported),
	KUNIT_CASE(whole_counts_are_reported),
	KUNIT_CASE(control_word_resets_both_flip_flops),
	KUNIT_CASE(control_word_releases_latches),
	KUNIT_CASE(linux_stops_the_counter_with_30_0_0_30),
	KUNIT_CASE(modes_6_and_7_act_as_2_and_3),
	KUNIT_CASE(one_byte_formats_clear_the_other_byte),
	KUNIT_CASE(count_latch_holds_until_read_out),
	KUNIT_CASE(count_latch_in_one_byte_formats_is_one_byte),
	KUNIT_CASE(count_latch_leaves_the_mode_alone),
	KUNIT_CASE(latched_count_leaves_the_read_flip_flop_alone),
	KUNIT_CASE(status_has_out_null_count_and_the_control_word),
	KUNIT_CASE(null_count_clears_when_the_count_is_loaded),
	KUNIT_CASE(a_count_just_written_reads_as_written),
	KUNIT_CASE(null_count_waits_for_the_trigger),
	KUNIT_CASE(null_count_clears_at_the_end_of_a_half_cycle),
	KUNIT_CASE(read_back_latches_what_is_selected),
	KUNIT_CASE(read_back_bits_are_active_low),
	KUNIT_CASE(status_reads_first_then_the_count_then_live),
	KUNIT_CASE(latched_says_which_reads_are_not_live),
	KUNIT_CASE(repeated_read_back_is_ignored_item_by_item),
	KUNIT_CASE(reads_and_writes_interleave),
	KUNIT_CASE(port_3_reads_0),
	KUNIT_CASE(count_0_is_the_largest),
	KUNIT_CASE(bcd_count_0_is_10000),
	KUNIT_CASE(count_1_is_legal_in_modes_0_1_4_5),
	KUNIT_CASE(count_1_acts_as_2_in_mode_2),
	KUNIT_CASE(count_1_acts_as_0_in_mode_3),
	KUNIT_CASE(bcd_counts_in_decimal),
	KUNIT_CASE(bcd_digits_above_9_count_down_and_come_back_as_9),
	KUNIT_CASE(modes_0_1_4_5_wrap_and_do_not_fire_again),
	KUNIT_CASE(mode_0_rises_n_plus_1_clocks_after_the_write),
	KUNIT_CASE(mode_0_gate_low_holds_the_count),
	KUNIT_CASE(mode_0_loads_with_gate_low),
	KUNIT_CASE(mode_0_first_byte_stops_and_lowers_out),
	KUNIT_CASE(mode_0_new_one_byte_count_lowers_out_and_loads),
	KUNIT_CASE(mode_1_is_low_for_n_clocks_from_the_trigger),
	KUNIT_CASE(mode_1_is_retriggerable),
	KUNIT_CASE(loading_is_remembered_reloading_is_not),
	KUNIT_CASE(mode_1_ignores_gate_going_low),
	KUNIT_CASE(mode_1_new_count_waits_for_the_trigger),
	KUNIT_CASE(mode_1_never_fires_with_gate_tied_high),
	KUNIT_CASE(mode_2_is_low_for_one_clock_each_n),
	KUNIT_CASE(mode_2_new_count_waits_for_the_end_of_the_period),
	KUNIT_CASE(mode_2_half_a_new_count_has_no_effect),
	KUNIT_CASE(mode_2_trigger_reloads),
	KUNIT_CASE(mode_2_gate_low_raises_out_and_holds),
	KUNIT_CASE(modes_2_and_3_load_with_gate_low),
	KUNIT_CASE(mode_3_even_count_has_equal_halves),
	KUNIT_CASE(mode_3_odd_count_is_high_one_clock_longer),
	KUNIT_CASE(mode_3_new_count_waits_for_the_end_of_the_half),
	KUNIT_CASE(mode_3_takes_oddness_with_each_half),
	KUNIT_CASE(mode_3_gate_low_raises_out_and_holds),
	KUNIT_CASE(mode_3_trigger_reloads),
	KUNIT_CASE(mode_4_strobes_n_plus_1_clocks_after_the_write),
	KUNIT_CASE(mode_4_gate_low_holds_the_count),
	KUNIT_CASE(mode_4_strobe_ends_with_gate_low),
	KUNIT_CASE(mode_4_first_byte_has_no_effect),
	KUNIT_CASE(mode_4_new_count_loads_at_the_next_clock),
	KUNIT_CASE(mode_5_strobes_n_plus_1_clocks_after_the_trigger),
	KUNIT_CASE(mode_5_is_retriggerable),
	KUNIT_CASE(trigger_before_any_count_does_nothing),
	KUNIT_CASE(trigger_is_held_until_the_next_clock),
	KUNIT_CASE(count_replaces_one_not_loaded_yet),
	KUNIT_CASE(the_past_does_nothing),
	KUNIT_CASE(a_day_counts_every_edge),
	KUNIT_CASE(the_end_of_time_is_in_reach),
	KUNIT_CASE(clocks_round_down_and_times_round_up),
	KUNIT_CASE(conversions_saturate),
	KUNIT_CASE(clocks_survive_the_way_there_and_back),
	KUNIT_CASE(a_year_does_not_drift),
	KUNIT_CASE(random_programs_agree_with_the_naive_model),
	KUNIT_CASE_SLOW(long_random_programs_agree_with_the_naive_model),
	KUNIT_CASE(time_may_be_cut_anywhere),
	KUNIT_CASE(absurd_states_do_no_harm),
	KUNIT_CASE(a_counter_that_counts_has_a_period),
	KUNIT_CASE(impossible_states_are_told),
	{}
};

static struct kunit_suite i8254_test_suite = {
	.name = "i8254",
	.init = i8254_test_init,
	.test_cases = i8254_test_cases,
};

kunit_test_suite(i8254_test_suite);

MODULE_DESCRIPTION("KUnit tests of the Intel 8254");
MODULE_LICENSE("GPL");
