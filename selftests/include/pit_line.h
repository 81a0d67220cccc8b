/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Timelines: when a guest with pit_report_tick() takes its ticks, and when it should.
 */
#ifndef SELFTEST_KVM_PIT_LINE_H
#define SELFTEST_KVM_PIT_LINE_H

#include "pit_guest.h"
#include "pit_host.h"

#define PIT_MAX_TICKS		2048
#define PIT_TOLERANCE_NS	(600 * 1000L)
#define PIT_REPLAY_NS		(100 * 1000L)	/* in a row, each takes no longer */

/**
 * struct pit_line - A timeline.
 * @at: when ticks were taken, in ns after some tick
 * @nr: how many
 */
struct pit_line {
	s64 at[PIT_MAX_TICKS];
	int nr;
};

/**
 * pit_line_add() - Add a tick to the end of a timeline.
 * @line: the timeline; the test ends if it is full
 * @at: when it was taken
 */
void pit_line_add(struct pit_line *line, s64 at);

/**
 * pit_tick_ns() - When the k-th tick after one is due.
 * @k: which one
 * @count: of channel 0; 0 means 65536
 *
 * Return: ns after that tick
 */
s64 pit_tick_ns(u64 k, u16 count);

/**
 * pit_run_to_tick() - Run a guest with pit_report_tick() until it is in it.
 * @vcpu: its vCPU
 *
 * Ends the test if there is no tick in PIT_PATIENCE_S.
 *
 * Return: when that was
 */
u64 pit_run_to_tick(struct kvm_vcpu *vcpu);

/**
 * enum pit_hold - Where a guest is held, the last tick that it took being in or behind its handler.
 * @PIT_HOLD_ACCEPTED: behind it
 * @PIT_HOLD_UNACCEPTED: before the EOI
 * @PIT_HOLD_MASKED: after the EOI, but IRQ0 is masked still
 */
enum pit_hold {
	PIT_HOLD_ACCEPTED,
	PIT_HOLD_UNACCEPTED,
	PIT_HOLD_MASKED,
};

/**
 * pit_run_to_hold() - Start the timer, and run the guest to where it is to be held.
 * @vcpu: of a guest in pit_serve() with pit_report_tick()
 * @hold: where
 * @count: of channel 0, in mode 2
 *
 * Return: when it took its last tick, the third
 */
u64 pit_run_to_hold(struct kvm_vcpu *vcpu, enum pit_hold hold, u16 count);

/**
 * pit_record() - Run a guest with pit_report_tick(), and add its ticks to a timeline.
 * @vcpu: its vCPU
 * @line: the timeline
 * @zero: the point in time that the timeline counts from
 * @until: when to stop
 */
void pit_record(struct kvm_vcpu *vcpu, struct pit_line *line, u64 zero, u64 until);

/**
 * pit_expect_since() - Add the ticks of a catch-up to a timeline, and the due ones.
 * @line: the timeline
 * @from: when the guest accepts ticks again, after a tick on the grid
 * @owed: how many ticks it is owed
 * @rate: of slew, in percent above nominal; 0: those owed come in a row
 * @first: number of the period in which the catch-up began
 * @count: of channel 0
 * @until: the timeline's end
 *
 * With a rate, those owed come between the due ones, in those places that the rate has in
 * each period since @first. Due ticks are on the grid.
 */
void pit_expect_since(struct pit_line *line, s64 from, u64 owed, u32 rate, u64 first, u16 count,
		      s64 until);

/**
 * pit_expect() - pit_expect_since() the first of the ticks that are owed.
 * @line: the timeline
 * @from: when the guest accepts ticks again
 * @owed: how many ticks it is owed
 * @rate: of slew, or 0
 * @count: of channel 0
 * @until: the timeline's end
 */
void pit_expect(struct pit_line *line, s64 from, u64 owed, u32 rate, u16 count, s64 until);

/**
 * pit_line_matches() - Compare two timelines, and print them where they differ.
 * @line: the one found
 * @expected: the one expected
 *
 * Return: whether they have as many ticks, each at its time to PIT_TOLERANCE_NS, of which
 * those in a row have PIT_REPLAY_NS more each
 */
bool pit_line_matches(const struct pit_line *line, const struct pit_line *expected);

#endif /* SELFTEST_KVM_PIT_LINE_H */
