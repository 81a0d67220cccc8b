// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timelines: when a guest takes its ticks, and when it should.
 */
#include "pit_line.h"
#include "pit_vcpu.h"
#include "pit_watch.h"

void pit_line_add(struct pit_line *line, s64 at)
{
	TEST_ASSERT(line->nr < PIT_MAX_TICKS, "more than %d ticks", PIT_MAX_TICKS);
	line->at[line->nr++] = at;
}

s64 pit_tick_ns(u64 k, u16 count)
{
	return pit_clocks_to_ns(k * (count ?: 0x10000));
}

u64 pit_run_to_tick(struct kvm_vcpu *vcpu)
{
	int event = pit_run(vcpu, now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC);

	if (event != PIT_EVENT_TICK)
		pit_print_state(vcpu);
	TEST_ASSERT(event == PIT_EVENT_TICK, "event %d, no tick in %d s", event,
		    PIT_PATIENCE_S);
	return now_ns();
}

u64 pit_run_to_hold(struct kvm_vcpu *vcpu, enum pit_hold hold, u16 count)
{
	bool *masks = addr_gva2hva(vcpu->vm, (uintptr_t)&pit_mask_in_handler);
	u64 zero;

	pit_order_program(vcpu, 0, 2, count);
	pit_run_to_tick(vcpu);
	pit_run_to_tick(vcpu);
	*masks = hold == PIT_HOLD_MASKED;
	zero = pit_run_to_tick(vcpu);
	*masks = false;
	if (hold == PIT_HOLD_ACCEPTED)
		pit_run_for(vcpu, pit_tick_ns(1, count) / 8);
	else if (hold == PIT_HOLD_MASKED)
		TEST_ASSERT(pit_run(vcpu, zero + NSEC_PER_MSEC) == PIT_EVENT_UNMASK,
			    "the handler hangs");
	return zero;
}

void pit_record(struct kvm_vcpu *vcpu, struct pit_line *line, u64 zero, u64 until)
{
	int event;

	while ((event = pit_run(vcpu, until)) != PIT_TIMEOUT)
		if (event == PIT_EVENT_TICK)
			pit_line_add(line, now_ns() - zero);
}

void pit_expect_since(struct pit_line *line, s64 from, u64 owed, u32 rate, u64 first, u16 count,
		      s64 until)
{
	u64 k = 0, i, j, places;
	s64 at, next;

	while (pit_tick_ns(k + 1, count) <= from)
		k++;
	for (; !rate && owed; owed--)
		pit_line_add(line, from);
	for (; ; k++) {
		i = k > first ? k - first : 0;
		at = pit_tick_ns(k, count);
		next = pit_tick_ns(k + 1, count);
		places = (i + 1) * rate / 100 - i * rate / 100;
		for (j = 1; owed && j <= places; j++) {
			s64 place = at + (next - at) * j / (places + 1);

			/* The tick that it takes first is in service then. */
			if (place < from + PIT_REPLAY_NS || place >= until)
				continue;
			pit_line_add(line, place);
			owed--;
		}
		if (next >= until)
			break;
		pit_line_add(line, next);
	}
}

void pit_expect(struct pit_line *line, s64 from, u64 owed, u32 rate, u16 count, s64 until)
{
	u64 k = from / pit_tick_ns(1, count);

	pit_expect_since(line, from, owed, rate, k >= owed ? k + 1 - owed : 0, count, until);
}

static void pit_print_lines(const struct pit_line *line, const struct pit_line *expected)
{
	int i;

	ksft_print_msg("%d ticks taken, %d expected\n", line->nr, expected->nr);
	for (i = 0; i < line->nr || i < expected->nr; i++)
		ksft_print_msg("tick %d: expected at %.3f ms, taken at %.3f ms\n", i,
			       i < expected->nr ? expected->at[i] / 1e6 : -1,
			       i < line->nr ? line->at[i] / 1e6 : -1);
}

bool pit_line_matches(const struct pit_line *line, const struct pit_line *expected)
{
	bool ok = line->nr == expected->nr;
	s64 late = 0;
	int i;

	for (i = 0; ok && i < line->nr; i++) {
		if (i && expected->at[i] == expected->at[i - 1])
			late += PIT_REPLAY_NS;
		else
			late = 0;
		ok = line->at[i] >= expected->at[i] - PIT_TOLERANCE_NS &&
		     line->at[i] <= expected->at[i] + PIT_TOLERANCE_NS + late;
	}
	if (!ok)
		pit_print_lines(line, expected);
	return ok;
}
