// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8254 as guests find it: where stock KVM's PIT is not the chip, and what
 * software does that would notice.
 *
 * Needs no capability. On stock KVM some cases fail: there it is a record, of
 * which lab/compare makes a table with a row for each case.
 *
 * Times are exact to 1 ms, or to 1 % where the guest measures. Counts have no
 * tolerance but the time that the guest takes.
 */
#include <sys/prctl.h>

#include "pit.h"

#define GATE2		0x01
#define SPEAKER_DATA	0x02
#define OUT2		0x20

#define STATUS_OUT	0x80

#define COUNT_10MS	11932
#define COUNT_20MS	23864

static void sleep_ms(int ms)
{
	sleep_until_ns(now_ns() + ms * NSEC_PER_MSEC);
}

static bool is(u64 value, u64 expected, const char *what)
{
	if (value == expected)
		return true;
	ksft_print_msg("%s: %#lx, expected %#lx\n", what, value, expected);
	return false;
}

/* Without a control word. */
static void order_count(struct kvm_vcpu *vcpu, int channel, u16 count)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CH0 + channel, 1, .data = { count & 0xff } },
		{ PIT_OUT, PIT_CH0 + channel, 1, .data = { count >> 8 } },
	};

	pit_order(vcpu, io, ARRAY_SIZE(io));
}

static u16 latched_count(struct kvm_vcpu *vcpu, int channel)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { channel << 6 } },
		{ PIT_IN, PIT_CH0 + channel, 1 },
		{ PIT_IN, PIT_CH0 + channel, 1 },
	};

	pit_order(vcpu, io, ARRAY_SIZE(io));
	return io[1].data[0] | io[2].data[0] << 8;
}

/* OUT2, at port 0x61 and in the status byte. */
static bool out_is(struct kvm_vcpu *vcpu, bool level, const char *what)
{
	struct pit_io io[] = {
		{ PIT_IN, PIT_SPEAKER, 1 },
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0xe8 } },
		{ PIT_IN, PIT_CH2, 1 },
	};

	pit_order(vcpu, io, ARRAY_SIZE(io));
	return is(!!(io[0].data[0] & OUT2), level, what) &
	       is(!!(io[2].data[0] & STATUS_OUT), level, what);
}

/* How many ticks are taken from now on until that time. */
static bool ticks_by(struct kvm_vcpu *vcpu, u64 until, u64 expected)
{
	return is(pit_ticks_in(vcpu, until - now_ns()), expected, "ticks");
}

/* One tick is taken, in the millisecond around @at. */
static bool tick_at(struct kvm_vcpu *vcpu, u64 at)
{
	return ticks_by(vcpu, at - NSEC_PER_MSEC / 2, 0) &
	       ticks_by(vcpu, at + NSEC_PER_MSEC / 2, 1);
}

/*
 * Stopping
 */

static bool linux_stop_ends_periods(struct kvm_vcpu *vcpu)
{
	pit_take_first_ticks(vcpu);
	pit_order_stop(vcpu);
	return pit_ticks_in(vcpu, 200 * NSEC_PER_MSEC) <= 1;
}

static bool linux_stop_is_final(struct kvm_vcpu *vcpu)
{
	pit_take_first_ticks(vcpu);
	pit_order_stop(vcpu);
	return is(pit_ticks_in(vcpu, 200 * NSEC_PER_MSEC), 0, "ticks");
}

static bool control_word_stops_ticks(struct kvm_vcpu *vcpu)
{
	pit_take_first_ticks(vcpu);
	pit_order_outb(vcpu, PIT_CONTROL, 0x34);
	return is(pit_ticks_in(vcpu, 200 * NSEC_PER_MSEC), 0, "ticks");
}

static bool control_word_stops_counting(struct kvm_vcpu *vcpu)
{
	u16 count;

	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	pit_order_program(vcpu, 2, 2, 0);
	sleep_ms(1);
	pit_order_outb(vcpu, PIT_CONTROL, 0xb4);
	count = latched_count(vcpu, 2);
	sleep_ms(1);
	return is(latched_count(vcpu, 2), count, "count");
}

static bool control_word_sets_out(struct kvm_vcpu *vcpu)
{
	bool ok;
	int mode;

	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	pit_order_program(vcpu, 2, 0, 100);
	sleep_ms(1);
	ok = out_is(vcpu, true, "OUT of mode 0 in the end");
	for (mode = 1; mode <= 5; mode++) {
		pit_order_outb(vcpu, PIT_CONTROL, 0xb0);
		ok &= out_is(vcpu, false, "OUT after control word 0xb0");
		pit_order_outb(vcpu, PIT_CONTROL, 0xb0 | mode << 1);
		ok &= out_is(vcpu, true, "OUT after another control word");
	}
	return ok;
}

/* With the gate low the new count is what can be read. */
static bool control_word_releases_latches(struct kvm_vcpu *vcpu)
{
	struct pit_io io[] = {
		{ PIT_IN, PIT_CH2, 1 },
		{ PIT_IN, PIT_CH2, 1 },
	};

	pit_order_outb(vcpu, PIT_SPEAKER, 0);
	pit_order_program(vcpu, 2, 0, 0x5678);
	pit_order_outb(vcpu, PIT_CONTROL, 0xc8);
	pit_order_program(vcpu, 2, 0, 0x1234);
	pit_order(vcpu, io, ARRAY_SIZE(io));
	return is(io[0].data[0] | io[1].data[0] << 8, 0x1234, "count");
}

/*
 * Counting
 */

static bool bcd_period(struct kvm_vcpu *vcpu)
{
	u64 load;

	pit_take_first_ticks(vcpu);
	load = now_ns();
	pit_order_outb(vcpu, PIT_CONTROL, 0x35);
	order_count(vcpu, 0, 0x9999);
	return tick_at(vcpu, load + pit_clocks_to_ns(9999)) &
	       tick_at(vcpu, load + pit_clocks_to_ns(2 * 9999));
}

static bool bcd_count(struct kvm_vcpu *vcpu)
{
	u64 load[2], latch[2], passed = 10000;
	u16 count, digit, weight;
	int shift;

	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	load[0] = now_ns();
	pit_order_outb(vcpu, PIT_CONTROL, 0xb5);
	order_count(vcpu, 2, 0);
	load[1] = now_ns();
	sleep_ms(2);
	latch[0] = now_ns();
	count = latched_count(vcpu, 2);
	latch[1] = now_ns();

	for (shift = 0, weight = 1; shift < 16; shift += 4, weight *= 10) {
		digit = count >> shift & 15;
		if (digit > 9) {
			ksft_print_msg("%#x is no BCD count\n", count);
			return false;
		}
		passed -= digit * weight;
	}
	return passed + 2 >= pit_ns_to_clocks(latch[0] - load[1]) &&
	       passed <= pit_ns_to_clocks(latch[1] - load[0]) + 1;
}

/* Until the count is whole and loaded; a new one has to wait for the period. */
static bool null_count(struct kvm_vcpu *vcpu)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x74 } },
		{ PIT_OUT, PIT_CH0 + 1, 1, .data = { 0 } },
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0xe4 } },
		{ PIT_IN, PIT_CH0 + 1, 1 },
		{ PIT_OUT, PIT_CH0 + 1, 1, .data = { 0 } },
		{ PIT_IN, PIT_SPEAKER, 1 },	/* takes some clocks */
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0xe4 } },
		{ PIT_IN, PIT_CH0 + 1, 1 },
		{ PIT_OUT, PIT_CH0 + 1, 1, .data = { 0 } },
		{ PIT_OUT, PIT_CH0 + 1, 1, .data = { 0x80 } },
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0xe4 } },
		{ PIT_IN, PIT_CH0 + 1, 1 },
	};

	pit_order(vcpu, io, ARRAY_SIZE(io));
	return is(io[3].data[0], 0xf4, "status, half a count") &
	       is(io[7].data[0], 0xb4, "status, counting") &
	       is(io[11].data[0], 0xf4, "status, a new count");
}

/* OUT with the gate low, and 7.5 and 12.5 ms after it rose; N is 10 ms. */
static bool out_of_mode(struct kvm_vcpu *vcpu, int mode, bool before,
			bool during, bool after)
{
	u64 rise;
	bool ok;

	pit_order_outb(vcpu, PIT_SPEAKER, 0);
	pit_order_program(vcpu, 2, mode, COUNT_10MS);
	ok = out_is(vcpu, before, "OUT, gate low");
	rise = now_ns();
	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	sleep_until_ns(rise + 75 * NSEC_PER_MSEC / 10);
	ok &= out_is(vcpu, during, "OUT after 7.5 ms");
	sleep_until_ns(rise + 125 * NSEC_PER_MSEC / 10);
	return ok & out_is(vcpu, after, "OUT after 12.5 ms");
}

static bool out_of_mode_0(struct kvm_vcpu *vcpu)
{
	return out_of_mode(vcpu, 0, false, false, true);
}

static bool out_of_mode_1(struct kvm_vcpu *vcpu)
{
	return out_of_mode(vcpu, 1, true, false, true);
}

static bool out_of_mode_2(struct kvm_vcpu *vcpu)
{
	return out_of_mode(vcpu, 2, true, true, true);
}

static bool out_of_mode_3(struct kvm_vcpu *vcpu)
{
	return out_of_mode(vcpu, 3, true, false, true);
}

static bool out_of_mode_4(struct kvm_vcpu *vcpu)
{
	return out_of_mode(vcpu, 4, true, true, true);
}

static bool out_of_mode_5(struct kvm_vcpu *vcpu)
{
	return out_of_mode(vcpu, 5, true, true, true);
}

static bool gate_holds_mode(struct kvm_vcpu *vcpu, int mode)
{
	u64 passed, go[2], latch[2];
	u16 count;
	bool ok;

	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	pit_order_program(vcpu, 2, mode, 0);
	sleep_ms(2);
	pit_order_outb(vcpu, PIT_SPEAKER, 0);
	count = latched_count(vcpu, 2);
	sleep_ms(2);
	ok = is(latched_count(vcpu, 2), count, "count, gate low");

	go[0] = now_ns();
	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	go[1] = now_ns();
	sleep_ms(2);
	latch[0] = now_ns();
	passed = (u16)(count - latched_count(vcpu, 2));
	latch[1] = now_ns();
	return ok && passed + 2 >= pit_ns_to_clocks(latch[0] - go[1]) &&
	       passed <= pit_ns_to_clocks(latch[1] - go[0]) + 1;
}

static bool gate_holds_one_shots(struct kvm_vcpu *vcpu)
{
	return gate_holds_mode(vcpu, 0) & gate_holds_mode(vcpu, 4);
}

/* Mode 3 is in the low half when the gate falls. */
static bool gate_holds_periods(struct kvm_vcpu *vcpu)
{
	bool ok = true;
	u16 count;
	int mode;

	for (mode = 2; mode <= 3; mode++) {
		pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
		pit_order_program(vcpu, 2, mode, COUNT_20MS);
		sleep_ms(15);
		pit_order_outb(vcpu, PIT_SPEAKER, 0);
		ok &= out_is(vcpu, true, "OUT, gate low");
		count = latched_count(vcpu, 2);
		sleep_ms(2);
		ok &= is(latched_count(vcpu, 2), count, "count, gate low");
		ok &= out_is(vcpu, true, "OUT, gate low");
	}
	return ok;
}

/* Whether it goes on counting from 65536, 5 ms ago and by two each clock. */
static bool goes_on(struct kvm_vcpu *vcpu, void (*write)(struct kvm_vcpu *))
{
	u16 passed;

	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	pit_order_program(vcpu, 2, 3, 0);
	sleep_ms(5);
	write(vcpu);
	passed = -latched_count(vcpu, 2);
	return passed >= 2 * pit_ns_to_clocks(5 * NSEC_PER_MSEC);
}

static void write_count(struct kvm_vcpu *vcpu)
{
	order_count(vcpu, 2, 0);
}

static void write_control_and_count(struct kvm_vcpu *vcpu)
{
	pit_order_program(vcpu, 2, 3, 0);
}

static bool count_does_not_restart(struct kvm_vcpu *vcpu)
{
	return goes_on(vcpu, write_count);
}

static bool control_and_count_restart(struct kvm_vcpu *vcpu)
{
	return !goes_on(vcpu, write_control_and_count);
}

/* Channel 2 in mode 3 counts twice as fast as channel 0 in mode 2. */
static bool mode_3_counts_by_two(struct kvm_vcpu *vcpu)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0xda } },
		{ PIT_IN, PIT_CH0, 1 },
		{ PIT_IN, PIT_CH0, 1 },
		{ PIT_IN, PIT_CH2, 1 },
		{ PIT_IN, PIT_CH2, 1 },
	};
	u16 passed[2] = { };
	int i;

	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	pit_order_program(vcpu, 0, 2, 0);
	pit_order_program(vcpu, 2, 3, 0);
	for (i = 0; i < 2; i++) {
		pit_order(vcpu, io, ARRAY_SIZE(io));
		passed[0] = (io[1].data[0] | io[2].data[0] << 8) - passed[0];
		passed[1] = (io[3].data[0] | io[4].data[0] << 8) - passed[1];
		sleep_ms(5);
	}
	passed[0] *= -1;
	passed[1] *= -1;
	if (abs(passed[1] - 2 * passed[0]) <= 2)
		return true;
	ksft_print_msg("%u counted in mode 2, %u in mode 3\n", passed[0], passed[1]);
	return false;
}

/* 2.5 ms high, 2.5 ms low, and after that 1.25 ms each. */
static bool speaker_plays(struct kvm_vcpu *vcpu)
{
	u64 load;
	bool ok;
	int i;

	pit_order_outb(vcpu, PIT_SPEAKER, GATE2 | SPEAKER_DATA);
	load = now_ns();
	pit_order_program(vcpu, 2, 3, COUNT_20MS / 4);
	for (i = 0, ok = true; i < 4; i++) {
		sleep_until_ns(load + (1250 + 2500 * i) * 1000L);
		ok &= out_is(vcpu, !(i & 1), "OUT of the first tone");
	}
	load = now_ns();
	pit_order_program(vcpu, 2, 3, COUNT_20MS / 8);
	for (i = 0; i < 4; i++) {
		sleep_until_ns(load + (625 + 1250 * i) * 1000L);
		ok &= out_is(vcpu, !(i & 1), "OUT of the second tone");
	}
	return ok;
}

/*
 * Ticks
 */

/* From 20 to 10 ms, so long after the beginning of a period: when the next tick is. */
static bool retune(struct kvm_vcpu *vcpu, int mode, int after_ms, int next_ms)
{
	u64 load;

	pit_take_first_ticks(vcpu);
	load = now_ns();
	pit_order_program(vcpu, 0, mode, COUNT_20MS);
	sleep_until_ns(load + after_ms * NSEC_PER_MSEC);
	order_count(vcpu, 0, COUNT_10MS);
	return tick_at(vcpu, load + next_ms * NSEC_PER_MSEC) &
	       tick_at(vcpu, load + (next_ms + 10) * NSEC_PER_MSEC);
}

/* This period is as it was. */
static bool retune_mode_2(struct kvm_vcpu *vcpu)
{
	return retune(vcpu, 2, 5, 20);
}

/* This half-cycle is as it was. */
static bool retune_mode_3(struct kvm_vcpu *vcpu)
{
	return retune(vcpu, 3, 3, 15);
}

/* A game's: in each of its ticks it writes the count for the one after. */
static bool retune_each_tick(struct kvm_vcpu *vcpu)
{
	bool ok = true;
	int i, ms = 20;
	u64 at;

	pit_take_first_ticks(vcpu);
	at = now_ns();
	pit_order_program(vcpu, 0, 2, COUNT_20MS);
	for (i = 0; i < 4; i++) {
		at += ms * NSEC_PER_MSEC;
		ms = 30 - ms;
		sleep_until_ns(at - 2 * NSEC_PER_MSEC);
		order_count(vcpu, 0, ms == 20 ? COUNT_20MS : COUNT_10MS);
		ok &= tick_at(vcpu, at);
	}
	return ok;
}

static bool mode_1_never_fires(struct kvm_vcpu *vcpu)
{
	pit_take_first_ticks(vcpu);
	pit_order_program(vcpu, 0, 1, COUNT_10MS);
	return is(pit_ticks_in(vcpu, 100 * NSEC_PER_MSEC), 0, "ticks");
}

static bool mode_4_fires_once(struct kvm_vcpu *vcpu)
{
	u64 load;

	pit_take_first_ticks(vcpu);
	load = now_ns();
	pit_order_program(vcpu, 0, 4, COUNT_10MS);
	return tick_at(vcpu, load + pit_clocks_to_ns(COUNT_10MS + 2)) &
	       ticks_by(vcpu, load + 200 * NSEC_PER_MSEC, 0);
}

/* Those that came due by the end, give or take the last millisecond. */
static bool takes_all(struct kvm_vcpu *vcpu, u16 count)
{
	u64 load[2], end[2], got, min, max;

	pit_take_first_ticks(vcpu);
	load[0] = now_ns();
	pit_order_program(vcpu, 0, 2, count);
	got = pit_ticks_taken(vcpu->vm);
	load[1] = now_ns();
	pit_run_for(vcpu, 200 * NSEC_PER_MSEC);
	end[0] = now_ns();
	pit_run_for(vcpu, NSEC_PER_MSEC);
	end[1] = now_ns();

	got = pit_ticks_taken(vcpu->vm) - got;
	min = pit_ns_to_clocks(end[0] - load[1]) / count;
	max = pit_ns_to_clocks(end[1] - load[0]) / count;
	if (got + 1 >= min && got <= max)
		return true;
	ksft_print_msg("%lu ticks taken, of %lu to %lu due\n", got, min, max);
	return false;
}

static bool all_ticks_at_10khz(struct kvm_vcpu *vcpu)
{
	return takes_all(vcpu, 119);
}

static bool all_ticks_at_16khz(struct kvm_vcpu *vcpu)
{
	return takes_all(vcpu, 75);
}

/* 15 ms into a period of 20 ms; channel 2 goes from 65536 again. */
static bool set_pit_restarts(struct kvm_vcpu *vcpu)
{
	struct kvm_pit_state2 state;
	u64 load;
	u16 count;
	bool ok;

	pit_take_first_ticks(vcpu);
	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	pit_order_program(vcpu, 2, 2, 0);
	pit_order_program(vcpu, 0, 2, COUNT_20MS);
	sleep_ms(15);
	vm_ioctl(vcpu->vm, KVM_GET_PIT2, &state);
	load = now_ns();
	vm_ioctl(vcpu->vm, KVM_SET_PIT2, &state);
	count = latched_count(vcpu, 2);
	ok = (u16)-count <= pit_ns_to_clocks(now_ns() - load) + 1;
	return ok & tick_at(vcpu, load + 20 * NSEC_PER_MSEC);
}

/*
 * Ports
 */

static bool control_port_reads_0(struct kvm_vcpu *vcpu)
{
	static const u8 commands[] = { 0xff, 0x34, 0xb6, 0xc2, 0x80 };
	bool ok = true;
	int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		pit_order_outb(vcpu, PIT_CONTROL, commands[i]);
		ok &= is(pit_order_inb(vcpu, PIT_CONTROL), 0, "port 0x43");
	}
	return ok;
}

/*
 * Guests that measure time by channel 2, here in terms of the TSC
 */

#define LINUX_COUNT	11931	/* 10 ms */
#define GRUB_COUNT	0xffff
#define QUICK_MSBS	44
#define I915_WRAPS	4

static u64 tsc_passed;

static void finish_measuring(u64 start)
{
	tsc_passed = rdtsc() - start;
	pit_report(0);
	pit_rest();
}

/*
 * Linux's pit_calibrate_tsc(); but for the count, also what SeaBIOS, iPXE and
 * memtest86+ do.
 */
static void guest_calibrates_like_linux(void)
{
	u64 start;

	pit_outb(PIT_SPEAKER, (pit_inb(PIT_SPEAKER) & ~SPEAKER_DATA) | GATE2);
	pit_program(2, 0, LINUX_COUNT);
	start = rdtsc();
	while (!(pit_inb(PIT_SPEAKER) & OUT2))
		;
	finish_measuring(start);
}

static u8 guest_reads_msb(void)
{
	pit_inb(PIT_CH2);
	return pit_inb(PIT_CH2);
}

/* Linux's quick_pit_calibrate(): by the high byte of the count. */
static void guest_calibrates_quickly(void)
{
	u64 start;

	pit_outb(PIT_SPEAKER, (pit_inb(PIT_SPEAKER) & ~SPEAKER_DATA) | GATE2);
	pit_program(2, 0, 0xffff);
	while (guest_reads_msb() == 0xff)
		;
	start = rdtsc();
	while (guest_reads_msb() > 0xfe - QUICK_MSBS)
		;
	finish_measuring(start);
}

/* GRUB's grub_pit_wait() */
static void guest_calibrates_like_grub(void)
{
	u64 start = rdtsc();

	pit_outb(PIT_SPEAKER, pit_inb(PIT_SPEAKER) & ~(SPEAKER_DATA | GATE2));
	pit_program(2, 0, GRUB_COUNT);
	pit_outb(PIT_SPEAKER, (pit_inb(PIT_SPEAKER) & ~SPEAKER_DATA) | GATE2);
	while (!(pit_inb(PIT_SPEAKER) & OUT2))
		;
	finish_measuring(start);
}

static u16 guest_latches_count(void)
{
	u16 low;

	pit_outb(PIT_CONTROL, 0x80);
	low = pit_inb(PIT_CH2);
	return low | pit_inb(PIT_CH2) << 8;
}

static void guest_waits_for_wrap(void)
{
	u16 count = guest_latches_count(), last;

	do {
		last = count;
		count = guest_latches_count();
	} while (count < last);
}

/* i915's video BIOS latches channel 2 over and over and counts its reloads. */
static void guest_waits_like_i915(void)
{
	u64 start;
	int i;

	pit_outb(PIT_SPEAKER, GATE2);
	pit_program(2, 3, COUNT_10MS);
	guest_waits_for_wrap();
	start = rdtsc();
	for (i = 0; i < I915_WRAPS; i++)
		guest_waits_for_wrap();
	finish_measuring(start);
}

/* No TSC is scaled: that of the guest runs at the speed of the host's. */
static bool tsc_is_right(struct kvm_vcpu *vcpu, u64 clocks)
{
	u64 tsc = rdtsc(), began = now_ns(), expected, passed;

	if (pit_run(vcpu, began + NSEC_PER_SEC) == PIT_TIMEOUT) {
		ksft_print_msg("it does not end\n");
		return false;
	}
	sleep_ms(20);
	tsc = rdtsc() - tsc;
	expected = tsc * pit_clocks_to_ns(clocks) / (now_ns() - began);
	passed = *(u64 *)addr_gva2hva(vcpu->vm, (uintptr_t)&tsc_passed);
	if (llabs((s64)(passed - expected)) <= expected / 100)
		return true;
	ksft_print_msg("%lu of the TSC passed, expected %lu\n", passed, expected);
	return false;
}

static bool linux_calibrates(struct kvm_vcpu *vcpu)
{
	return tsc_is_right(vcpu, LINUX_COUNT + 1);
}

static bool linux_calibrates_quickly(struct kvm_vcpu *vcpu)
{
	return tsc_is_right(vcpu, QUICK_MSBS * 256);
}

static bool grub_calibrates(struct kvm_vcpu *vcpu)
{
	return tsc_is_right(vcpu, GRUB_COUNT + 1);
}

static bool i915_waits(struct kvm_vcpu *vcpu)
{
	return tsc_is_right(vcpu, I915_WRAPS * COUNT_10MS / 2);
}

/* The names are the rows of the table. */
static const struct test {
	const char *name;
	bool (*run)(struct kvm_vcpu *vcpu);
	void (*guest)(void);	/* if it is not pit_serve() */
} tests[] = {
	{ "BCD: the period is that of a decimal count", bcd_period },
	{ "BCD: the count that is read is decimal", bcd_count },
	{ "NULL COUNT tells that a count is not loaded yet", null_count },
	{ "OUT in mode 0", out_of_mode_0 },
	{ "OUT in mode 1", out_of_mode_1 },
	{ "OUT in mode 2", out_of_mode_2 },
	{ "OUT in mode 3", out_of_mode_3 },
	{ "OUT in mode 4", out_of_mode_4 },
	{ "OUT in mode 5", out_of_mode_5 },
	{ "a control word stops ticks", control_word_stops_ticks },
	{ "a control word stops counting", control_word_stops_counting },
	{ "a control word sets OUT", control_word_sets_out },
	{ "a control word releases latches", control_word_releases_latches },
	{ "a low gate holds the count in modes 0 and 4", gate_holds_one_shots },
	{ "a low gate holds the count and raises OUT in modes 2 and 3",
	  gate_holds_periods },
	{ "mode 2: a new count waits for the end of the period", retune_mode_2 },
	{ "mode 3: a new count waits for the end of the half-cycle",
	  retune_mode_3 },
	{ "doslib's tpcrapn: a count alone does not restart channel 2",
	  count_does_not_restart },
	{ "doslib's tpcrapi: control word and count restart channel 2",
	  control_and_count_restart },
	{ "doslib's tpcmon: mode 3 counts by two", mode_3_counts_by_two },
	{ "pcspkr: two tones", speaker_plays },
	{ "a game that retunes channel 0 within each period", retune_each_tick },
	{ "channel 0 in mode 1 never fires", mode_1_never_fires },
	{ "channel 0 in mode 4 fires once, at its time", mode_4_fires_once },
	{ "KVM_SET_PIT2 restarts every counter (kept from stock KVM)",
	  set_pit_restarts },
	{ "a 10 kHz guest gets all its ticks", all_ticks_at_10khz },
	{ "a 16 kHz guest gets all its ticks", all_ticks_at_16khz },
	{ "port 0x43 reads as 0", control_port_reads_0 },
	{ "Linux's 0x30, 0, 0, 0x30 ends periodic ticks",
	  linux_stop_ends_periods },
	{ "Linux's 0x30, 0, 0, 0x30 leaves no tick behind",
	  linux_stop_is_final },
	{ "TSC calibration: Linux, SeaBIOS, iPXE, memtest86+",
	  linux_calibrates, guest_calibrates_like_linux },
	{ "TSC calibration: Linux, by channel 2's count",
	  linux_calibrates_quickly, guest_calibrates_quickly },
	{ "TSC calibration: GRUB, behind channel 2's gate",
	  grub_calibrates, guest_calibrates_like_grub },
	{ "i915's video BIOS: a delay by channel 2's count",
	  i915_waits, guest_waits_like_i915 },
};

static void run_test(const struct test *test)
{
	struct kvm_vcpu *vcpu;
	bool ok;

	pit_vm_create(&vcpu, test->guest ?: pit_serve, pit_count_tick);
	ok = test->run(vcpu);
	if (test->guest)
		pit_vm_free(vcpu->vm);
	else
		ok &= pit_end(vcpu);
	ksft_test_result(ok, "%s\n", test->name);
}

int main(void)
{
	int i;

	prctl(PR_SET_TIMERSLACK, 1);
	ksft_print_header();
	pit_require_debugfs();
	ksft_set_plan(ARRAY_SIZE(tests));

	for (i = 0; i < ARRAY_SIZE(tests); i++)
		run_test(&tests[i]);
	ksft_finished();
}
