// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ports of the in-kernel PIT: 0x40..0x43 and 0x61.
 *
 *  - They are eight bits wide, and 0x43 reads as 0 (CVE-2010-0309,
 *    CVE-2015-3214: it was a fourth channel). A wider access is one access to
 *    each port from the first one up, as on a PC; where no port is, it reads as
 *    ones. So for IN, INS, OUT and OUTS of 1, 2 and 4 bytes.
 *  - Latches hold what they latched, a repeat is ignored, and the latched count
 *    is the one of its time: no tolerance but the time that the guest takes.
 *  - Channel 2 as a one-shot behind its gate, the way that Linux calibrates its
 *    TSC, ends when it has to: not early, and late by 0.1 ms at most, on an
 *    idle host.
 *  - The refresh bit toggles.
 */
#include "pit.h"

#define PIT_PORTS	4
#define NR_CHANNELS	3

#define OPEN_BUS	0xff

#define GATE2		0x01
#define SPEAKER_DATA	0x02
#define REFRESH		0x10
#define OUT2		0x20

#define ONE_SHOT_COUNT	11932	/* 10 ms */
#define LATE_NS		(100 * 1000L)

static const int sizes[] = { 1, 2, 4 };

static const char * const op_names[] = {
	[PIT_IN] = "IN",
	[PIT_OUT] = "OUT",
	[PIT_INS] = "INS",
	[PIT_OUTS] = "OUTS",
};

/* Every channel has a count latched whose bytes differ. */
static void latch_known_counts(struct kvm_vm *vm)
{
	struct kvm_pit_state2 state = { };
	int n;

	for (n = 0; n < NR_CHANNELS; n++) {
		state.channels[n] = pit_channel(0, 65536);
		state.channels[n].count_latched = 3;
		state.channels[n].latched_count = 0x1110 * (n + 1) + 0x4000;
	}
	vm_ioctl(vm, KVM_SET_PIT2, &state);
}

/* What the i-th read of @port finds after latch_known_counts(). */
static u8 known_byte(int port, int i)
{
	u16 latched = 0x1110 * (port + 1) + 0x4000;

	if (port == 3)
		return 0;
	if (port > 3)
		return OPEN_BUS;
	return i ? latched >> 8 : latched & 0xff;
}

static bool bytes_are(const struct pit_io *io, const u8 *expected, int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		if (io->data[i] == expected[i])
			continue;
		ksft_print_msg("%s, port %#x, %d bytes: byte %d is %#x, expected %#x\n",
			       op_names[io->op], io->port, io->size, i,
			       io->data[i], expected[i]);
		return false;
	}
	return true;
}

/* Two reads in a row: low bytes, then high bytes. */
static bool reads_are_known(struct kvm_vcpu *vcpu, enum pit_op op, int port,
			    int size)
{
	struct pit_io io[2] = {
		{ op, PIT_CH0 + port, size, 1 },
		{ op, PIT_CH0 + port, size, 1 },
	};
	u8 expected[4];
	bool ok = true;
	int i, j;

	latch_known_counts(vcpu->vm);
	memset(io[0].data, 0x5a, sizeof(io[0].data));
	memset(io[1].data, 0xa5, sizeof(io[1].data));
	pit_order(vcpu, io, 2);
	for (i = 0; i < 2; i++) {
		for (j = 0; j < size; j++)
			expected[j] = known_byte(port + j, i);
		ok &= bytes_are(&io[i], expected, size);
	}
	return ok;
}

static void test_reads(enum pit_op op, int size)
{
	struct kvm_vcpu *vcpu;
	bool ok = true;
	int port;

	pit_vm_create_serving(&vcpu);
	for (port = 0; port < PIT_PORTS; port++)
		ok &= reads_are_known(vcpu, op, port, size);
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "%s of %d bytes, ports 0x40..0x43\n", op_names[op],
			 size);
}

static void test_rep_ins(void)
{
	struct pit_io io = { PIT_INS, PIT_CH0, 2, 2 };
	u8 expected[4] = {
		known_byte(0, 0), known_byte(1, 0),
		known_byte(0, 1), known_byte(1, 1),
	};
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	latch_known_counts(vm);
	pit_order(vcpu, &io, 1);
	ok = bytes_are(&io, expected, sizeof(expected));
	ksft_test_result(pit_end(vcpu) && ok, "REP INS of 2 bytes\n");
}

/*
 * Every channel takes one byte, mode 0: an OUT that begins at channel 0 writes
 * three counts and a control word, which latches all status bytes.
 */
static void test_writes(enum pit_op op, int size)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x10 } },
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x50 } },
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x90 } },
		{ op, PIT_CH0, size, 1, .data = { 0x12, 0x34, 0x56, 0xee } },
	};
	struct kvm_pit_state2 state;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok = true;
	int n;

	pit_order(vcpu, io, ARRAY_SIZE(io));
	state = pit_get_state(vm);
	for (n = 0; n < NR_CHANNELS; n++) {
		if (n < size)
			ok &= state.channels[n].count == io[3].data[n];
		else
			ok &= state.channels[n].count == 65536;
		ok &= state.channels[n].status_latched == (size == 4);
	}
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "%s of %d bytes to port 0x40\n", op_names[op], size);
}

/* From port 0x42 on a write of two bytes or more reaches the control port. */
static void test_write_to_control(enum pit_op op, int size)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x90 } },
		{ op, PIT_CH2, size, 1, .data = { 0x12, 0xe8, 0xff, 0xff } },
	};
	struct kvm_pit_state2 state;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	pit_order(vcpu, io, ARRAY_SIZE(io));
	state = pit_get_state(vm);
	ok = state.channels[2].count == 0x12 &&
	     state.channels[2].status_latched == (size > 1);
	ksft_test_result(pit_end(vcpu) && ok, "%s of %d bytes to port 0x42\n",
			 op_names[op], size);
}

static void test_rep_outs(void)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0xb4 } },
		{ PIT_OUTS, PIT_CH2, 1, 2, .data = { 0x34, 0x12 } },
	};
	struct kvm_pit_state2 state;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	pit_order(vcpu, io, ARRAY_SIZE(io));
	state = pit_get_state(vm);
	ok = state.channels[2].count == 0x1234 && state.channels[2].write_state == 3;
	ksft_test_result(pit_end(vcpu) && ok, "REP OUTS of 1 byte\n");
}

/* Whatever was written before. */
static void test_control_reads_0(void)
{
	static const u8 commands[] = { 0xff, 0x34, 0xb6, 0xc2, 0xee, 0x00, 0x80 };
	struct kvm_vcpu *vcpu;
	bool ok = true;
	int i;

	pit_vm_create_serving(&vcpu);
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		pit_order_outb(vcpu, PIT_CONTROL, commands[i]);
		ok &= !pit_order_inb(vcpu, PIT_CONTROL);
	}
	ksft_test_result(pit_end(vcpu) && ok, "port 0x43 reads as 0\n");
}

/*
 * Port 0x61
 */

static void test_speaker(enum pit_op op, int size)
{
	static const u8 ones[4] = { OPEN_BUS, OPEN_BUS, OPEN_BUS, OPEN_BUS };
	struct pit_io io;
	struct kvm_vcpu *vcpu;
	bool ok = true;
	int bits;

	pit_vm_create_serving(&vcpu);
	for (bits = 0; bits < 4; bits++) {
		io = (struct pit_io) { op == PIT_INS ? PIT_OUTS : PIT_OUT,
				       PIT_SPEAKER, size, 1, .data = { bits } };
		pit_order(vcpu, &io, 1);
		io = (struct pit_io) { op, PIT_SPEAKER, size, 1 };
		pit_order(vcpu, &io, 1);
		/* The others change, or are not in use. */
		io.data[0] = (io.data[0] & 0xcf) == bits ? OPEN_BUS : io.data[0];
		ok &= bytes_are(&io, ones, size);
	}
	ok &= pit_end(vcpu);
	ksft_test_result(ok, "port 0x61, %s of %d bytes\n", op_names[op], size);
}

static void guest_reads_speaker(void)
{
	pit_inb(PIT_SPEAKER);
	pit_report(0);
}

/* Without KVM_PIT_SPEAKER_DUMMY the port is userspace's. */
static void test_no_speaker(void)
{
	struct kvm_pit_config config = { };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_reads_speaker);
	struct kvm_run *run = vcpu->run;

	vm_ioctl(vm, KVM_CREATE_PIT2, &config);
	vcpu_run(vcpu);
	ksft_test_result(run->exit_reason == KVM_EXIT_IO &&
			 run->io.port == PIT_SPEAKER &&
			 run->io.direction == KVM_EXIT_IO_IN,
			 "port 0x61 is userspace's without KVM_PIT_SPEAKER_DUMMY\n");
	pit_vm_free(vm);
}

static u32 refresh_toggles;
static u32 refresh_reads;

static void guest_watches_refresh(void)
{
	u8 last = pit_inb(PIT_SPEAKER) & REFRESH;
	u8 now;

	for (;;) {
		now = pit_inb(PIT_SPEAKER) & REFRESH;
		WRITE_ONCE(refresh_toggles, refresh_toggles + (now != last));
		WRITE_ONCE(refresh_reads, refresh_reads + 1);
		last = now;
	}
}

/* It need not see each: the guest may be slower than 15 us. */
static void test_refresh(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create(&vcpu, guest_watches_refresh,
					  pit_count_tick);
	u32 toggles, reads;

	pit_run_for(vcpu, 10 * NSEC_PER_MSEC);
	toggles = *(u32 *)addr_gva2hva(vm, (uintptr_t)&refresh_toggles);
	reads = *(u32 *)addr_gva2hva(vm, (uintptr_t)&refresh_reads);
	ksft_print_msg("%u toggles in 10 ms and %u reads\n", toggles, reads);
	ksft_test_result(toggles > 100 && toggles <= 700,
			 "the refresh bit toggles\n");
	pit_vm_free(vm);
}

/*
 * Latches
 */

static u16 read_word(struct kvm_vcpu *vcpu, int channel)
{
	u16 low = pit_order_inb(vcpu, PIT_CH0 + channel);

	return low | pit_order_inb(vcpu, PIT_CH0 + channel) << 8;
}

/* Clocks that passed since channel @channel was loaded with 65536, mode 2. */
static u16 passed(u16 count)
{
	return -count;
}

/*
 * The load and the latch take place between two times each. One clock passes
 * before a count is loaded, one more may be cut off.
 */
static bool is_count_of(u16 count, const u64 load[2],
			const u64 latch[2])
{
	u64 min = pit_ns_to_clocks(latch[0] - load[1]);
	u64 max = pit_ns_to_clocks(latch[1] - load[0]) + 1;

	if (passed(count) + 2 >= min && passed(count) <= max)
		return true;
	ksft_print_msg("%u clocks counted, expected %lu to %lu\n", passed(count),
		       min, max);
	return false;
}

static void test_latch(int channel)
{
	u64 load[2], latch[2];
	struct kvm_vcpu *vcpu;
	u16 first, second;
	bool ok;

	pit_vm_create_serving(&vcpu);
	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	load[0] = now_ns();
	pit_order_program(vcpu, channel, 2, 0);
	load[1] = now_ns();
	sleep_until_ns(load[1] + 2 * NSEC_PER_MSEC);
	latch[0] = now_ns();
	pit_order_outb(vcpu, PIT_CONTROL, channel << 6);
	latch[1] = now_ns();

	sleep_until_ns(latch[1] + 2 * NSEC_PER_MSEC);
	pit_order_outb(vcpu, PIT_CONTROL, channel << 6);
	first = read_word(vcpu, channel);
	ok = is_count_of(first, load, latch);

	latch[0] = now_ns();
	pit_order_outb(vcpu, PIT_CONTROL, channel << 6);
	latch[1] = now_ns();
	second = read_word(vcpu, channel);
	ok &= is_count_of(second, load, latch);
	ksft_test_result(pit_end(vcpu) && ok, "channel %d: latched counts\n",
			 channel);
}

/* Status first, then the count, then live counts. */
static void test_read_back(int channel)
{
	u64 load[2], latch[2];
	struct kvm_vcpu *vcpu;
	u8 status;
	u16 count;
	bool ok;

	pit_vm_create_serving(&vcpu);
	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	load[0] = now_ns();
	pit_order_program(vcpu, channel, 2, 0);
	load[1] = now_ns();
	latch[0] = now_ns();
	pit_order_outb(vcpu, PIT_CONTROL, 0xc0 | 2 << channel);
	latch[1] = now_ns();
	sleep_until_ns(latch[1] + 2 * NSEC_PER_MSEC);

	status = pit_order_inb(vcpu, PIT_CH0 + channel);
	count = read_word(vcpu, channel);
	ok = (status & 0x7f) == 0x34 && is_count_of(count, load, latch);

	latch[0] = now_ns();
	count = read_word(vcpu, channel);
	latch[1] = now_ns();
	/* A live count moves on between its bytes. */
	ok &= passed(count) >> 8 >= pit_ns_to_clocks(latch[0] - load[1]) >> 8;
	ksft_test_result(pit_end(vcpu) && ok, "channel %d: read-back\n", channel);
}

static void test_status_null_count(void)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x74 } },
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0xe4 } },
		{ PIT_IN, PIT_CH0 + 1, 1 },
		{ PIT_OUT, PIT_CH0 + 1, 1, .data = { 0 } },
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0xe4 } },
		{ PIT_IN, PIT_CH0 + 1, 1 },
		{ PIT_OUT, PIT_CH0 + 1, 1, .data = { 0 } },
		{ PIT_IN, PIT_SPEAKER, 1 },	/* takes some clocks */
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0xe4 } },
		{ PIT_IN, PIT_CH0 + 1, 1 },
	};
	struct kvm_vcpu *vcpu;
	bool ok;

	pit_vm_create_serving(&vcpu);
	pit_order(vcpu, io, ARRAY_SIZE(io));
	ok = io[2].data[0] == 0xf4 && io[5].data[0] == 0xf4 &&
	     io[9].data[0] == 0xb4;
	if (!ok)
		ksft_print_msg("status %#x, %#x, %#x\n", io[2].data[0],
			       io[5].data[0], io[9].data[0]);
	ksft_test_result(pit_end(vcpu) && ok,
			 "NULL COUNT until a whole count is loaded\n");
}

/* Reads and writes have flip-flops of their own; a control word resets both. */
static void test_flip_flops(void)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x70 } },
		{ PIT_OUT, PIT_CH0 + 1, 1, .data = { 0x34 } },
		{ PIT_IN, PIT_CH0 + 1, 1 },
		{ PIT_OUT, PIT_CH0 + 1, 1, .data = { 0x12 } },
		{ PIT_OUT, PIT_CH0 + 1, 1, .data = { 0x99 } },
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x70 } },
		{ PIT_OUT, PIT_CH0 + 1, 1, .data = { 0x78 } },
		{ PIT_OUT, PIT_CH0 + 1, 1, .data = { 0x56 } },
	};
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	struct kvm_pit_state2 state;
	bool ok;

	pit_order(vcpu, io, 4);
	state = pit_get_state(vm);
	ok = state.channels[1].count == 0x1234 && state.channels[1].read_state == 4;
	pit_order(vcpu, io + 4, 4);
	state = pit_get_state(vm);
	ok &= state.channels[1].count == 0x5678 && state.channels[1].read_state == 3;
	ksft_test_result(pit_end(vcpu) && ok, "flip-flops of reads and writes\n");
}

/*
 * Channel 2 and its gate
 */

enum event {
	EVENT_LOAD,
	EVENT_LOADED,
	EVENT_OUT,
};

static void guest_times_one_shot(void)
{
	pit_outb(PIT_SPEAKER, (pit_inb(PIT_SPEAKER) & ~SPEAKER_DATA) | GATE2);
	pit_outb(PIT_CONTROL, 0xb0);
	pit_outb(PIT_CH2, ONE_SHOT_COUNT & 0xff);
	pit_report(EVENT_LOAD);
	pit_outb(PIT_CH2, ONE_SHOT_COUNT >> 8);
	pit_report(EVENT_LOADED);
	while (!(pit_inb(PIT_SPEAKER) & OUT2))
		;
	pit_report(EVENT_OUT);
	pit_rest();
}

static bool wait_for(struct kvm_vcpu *vcpu, int event, u64 *at)
{
	int got = pit_run(vcpu, now_ns() + NSEC_PER_SEC);

	*at = now_ns();
	if (got == event)
		return true;
	ksft_print_msg("event %d, expected %d\n", got, event);
	return false;
}

static void test_one_shot(void)
{
	u64 clocks = ONE_SHOT_COUNT + 1;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create(&vcpu, guest_times_one_shot,
					  pit_count_tick);
	u64 load = 0, loaded = 0, out = 0;
	bool ok;

	ok = wait_for(vcpu, EVENT_LOAD, &load) &&
	     wait_for(vcpu, EVENT_LOADED, &loaded) &&
	     wait_for(vcpu, EVENT_OUT, &out);
	if (ok) {
		ok = out - load >= pit_clocks_to_ns(clocks) &&
		     out - loaded <= pit_clocks_to_ns(clocks) + LATE_NS;
		if (!ok)
			ksft_print_msg("took %lu to %lu ns, expected %lu\n",
				       out - loaded, out - load,
				       pit_clocks_to_ns(clocks));
	}
	ksft_test_result(ok, "channel 2: a one-shot of 10 ms behind its gate\n");
	pit_vm_free(vm);
}

/* With the gate low the count is held, and goes on after it. */
static void test_gate_holds(void)
{
	u64 stop[2], go;
	struct kvm_vcpu *vcpu;
	u8 early, late;

	pit_vm_create_serving(&vcpu);
	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	stop[0] = now_ns();
	pit_order_program(vcpu, 2, 0, ONE_SHOT_COUNT);
	pit_order_outb(vcpu, PIT_SPEAKER, 0);
	stop[1] = now_ns();
	sleep_until_ns(stop[1] + 30 * NSEC_PER_MSEC);

	go = now_ns();
	pit_order_outb(vcpu, PIT_SPEAKER, GATE2);
	sleep_until_ns(go + pit_clocks_to_ns(ONE_SHOT_COUNT) -
		       (stop[1] - stop[0]) - NSEC_PER_MSEC);
	early = pit_order_inb(vcpu, PIT_SPEAKER);
	sleep_until_ns(go + pit_clocks_to_ns(ONE_SHOT_COUNT) + NSEC_PER_MSEC);
	late = pit_order_inb(vcpu, PIT_SPEAKER);
	ksft_test_result(pit_end(vcpu) && !(early & OUT2) && (late & OUT2),
			 "channel 2: the gate holds the count\n");
}

/*
 * Some of it KVM's PIT without the policies does otherwise: it has no access
 * across ports, and an IN from 0x43 leaves in the register what was there.
 */
struct test {
	const char *name;
	bool needs_policies;
	void (*run)(void);
};

static const struct test tests[] = {
	{ "port 0x43 reads as 0",	true,	test_control_reads_0 },
	{ "no speaker",			false,	test_no_speaker },
	{ "refresh",			false,	test_refresh },
	{ "flip-flops",			true,	test_flip_flops },
	{ "NULL COUNT",			true,	test_status_null_count },
	{ "REP INS of 2 bytes",		true,	test_rep_ins },
	{ "REP OUTS of 1 byte",		false,	test_rep_outs },
	{ "one-shot of channel 2",	false,	test_one_shot },
	{ "gate of channel 2",		true,	test_gate_holds },
};

static void test_all_sizes(void)
{
	bool able;
	int i, op;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (op = PIT_IN; op <= PIT_OUTS; op++) {
			able = pit_has_policies() ||
			       (sizes[i] == 1 && (op == PIT_OUT || op == PIT_OUTS));
			if (!able) {
				pit_skip("%s of %d bytes", op_names[op], sizes[i]);
				pit_skip("%s of %d bytes, another port",
					 op_names[op], sizes[i]);
			} else if (op == PIT_IN || op == PIT_INS) {
				test_reads(op, sizes[i]);
				test_speaker(op, sizes[i]);
			} else {
				test_writes(op, sizes[i]);
				test_write_to_control(op, sizes[i]);
			}
		}
	}
}

int main(void)
{
	int i;

	ksft_print_header();
	pit_require_debugfs();
	ksft_set_plan(ARRAY_SIZE(sizes) * 8 + 2 * NR_CHANNELS + ARRAY_SIZE(tests));

	test_all_sizes();
	for (i = 0; i < NR_CHANNELS; i++) {
		test_latch(i);
		test_read_back(i);
	}
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		if (!tests[i].needs_policies || pit_has_policies())
			tests[i].run();
		else
			pit_skip("%s", tests[i].name);
	}
	ksft_finished();
}
