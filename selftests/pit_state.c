// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state that userspace saves and loads: KVM_GET_PIT, KVM_SET_PIT,
 * KVM_GET_PIT2 and KVM_SET_PIT2.
 *
 *  - A new PIT's state is that of KVM's PIT since ever.
 *  - What is loaded is what is saved, but for count_load_time.
 *  - The layout is KVM's: what the guest programmed, half wrote or latched
 *    stands where it always stood, and what userspace puts there is what the
 *    guest finds.
 *  - A loaded state ticks; HPET legacy mode stops ticks, its end starts them.
 *    Ticks are counted over a second, and exact to one tick.
 *  - A hostile state does no harm: all can be read, and a sane state works
 *    after it. The runner looks at the kernel log.
 *  - The reserved words are 0.
 */
#include "pit.h"

#define COUNT		23864	/* 20 ms */
#define TICKS_PER_SEC	50

#define NR_CHANNELS	3

#define UNPROGRAMMED	0xff

/* struct kvm_pit_channel_state: rw_mode, read_state, write_state */
#define LSB		1
#define MSB		2
#define WORD		3	/* the next byte is the first */
#define WORD_MSB	4	/* it is the second */

/* What a PC's BIOS leaves, and channel 0 of the tests. */
static struct kvm_pit_state2 sane_state(void)
{
	struct kvm_pit_channel_state channel = pit_channel(2, COUNT);

	return (struct kvm_pit_state2) {
		.channels = { channel, channel, channel },
	};
}

#define FIELD(name, size)						\
	{ #name, offsetof(struct kvm_pit_channel_state, name), size }

static const struct field {
	const char *name;
	size_t offset;
	size_t size;
} fields[] = {
	FIELD(count, 4),
	FIELD(latched_count, 2),
	FIELD(count_latched, 1),
	FIELD(status_latched, 1),
	FIELD(status, 1),
	FIELD(read_state, 1),
	FIELD(write_state, 1),
	FIELD(write_latch, 1),
	FIELD(rw_mode, 1),
	FIELD(mode, 1),
	FIELD(bcd, 1),
	FIELD(gate, 1),
};

static u64 value_of(const struct kvm_pit_channel_state *c,
		    const struct field *field)
{
	u64 value = 0;

	memcpy(&value, (const char *)c + field->offset, field->size);
	return value;
}

/* All but the time of loading, which no host can restore. */
static bool same_channel(int n, const struct kvm_pit_channel_state *c,
			 const struct kvm_pit_channel_state *e)
{
	const struct field *f;
	bool same = true;

	for (f = fields; f < fields + ARRAY_SIZE(fields); f++) {
		if (value_of(c, f) == value_of(e, f))
			continue;
		ksft_print_msg("channel %d, %s: %#lx, expected %#lx\n", n, f->name,
			       value_of(c, f), value_of(e, f));
		same = false;
	}
	return same;
}

static bool same_channels(const struct kvm_pit_channel_state *c,
			  const struct kvm_pit_channel_state *e)
{
	bool same = true;
	int n;

	for (n = 0; n < NR_CHANNELS; n++)
		same &= same_channel(n, &c[n], &e[n]);
	return same;
}

static bool reserved_is_zero(const struct kvm_pit_state2 *state)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(state->reserved); i++)
		if (state->reserved[i])
			return false;
	return true;
}

static void test_fresh(void)
{
	static const struct kvm_pit_channel_state expected[NR_CHANNELS] = {
		{ .count = 65536, .mode = UNPROGRAMMED, .gate = 1 },
		{ .count = 65536, .mode = UNPROGRAMMED, .gate = 1 },
		{ .count = 65536, .mode = UNPROGRAMMED, .gate = 0 },
	};
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_pit_state2 state;
	struct kvm_pit_state first;

	vm_create_irqchip(vm);
	pit_create(vm);
	state = pit_get_state(vm);
	ksft_test_result(same_channels(state.channels, expected) &&
			 !state.flags && reserved_is_zero(&state),
			 "a new PIT's state\n");

	memset(&first, 0xa5, sizeof(first));
	vm_ioctl(vm, KVM_GET_PIT, &first);
	ksft_test_result(same_channels(first.channels, expected),
			 "a new PIT's state in its first form\n");
	pit_vm_free(vm);
}

/*
 * Round trips
 */

static const struct saved_channel {
	const char *name;
	struct kvm_pit_channel_state state;
} saved_channels[] = {
	{ "mode 2", { .count = COUNT, .mode = 2,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "mode 3, count 65536", { .count = 65536, .mode = 3,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "mode 0", { .count = 1234, .mode = 0,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "mode 1", { .count = 1234, .mode = 1,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "mode 4", { .count = 1234, .mode = 4,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "mode 5", { .count = 1234, .mode = 5,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "low byte only", { .count = 0x34, .mode = 2,
		.rw_mode = LSB, .read_state = LSB, .write_state = LSB } },
	{ "high byte only", { .count = 0x1200, .mode = 2,
		.rw_mode = MSB, .read_state = MSB, .write_state = MSB } },
	{ "BCD", { .count = 0x1234, .mode = 2, .bcd = 1,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "half written", { .count = COUNT, .mode = 2, .write_latch = 0x56,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD_MSB } },
	{ "half read", { .count = COUNT, .mode = 2,
		.rw_mode = WORD, .read_state = WORD_MSB, .write_state = WORD } },
	{ "count latched", { .count = COUNT, .mode = 2,
		.count_latched = WORD, .latched_count = 0x1234,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "count latched and half read", { .count = COUNT, .mode = 2,
		.count_latched = MSB, .latched_count = 0x1234,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "status latched", { .count = COUNT, .mode = 2,
		.status_latched = 1, .status = 0xb4,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "never programmed", { .count = 65536, .mode = UNPROGRAMMED } },
};

/* In one channel after the other, with the others sane. */
static void test_round_trip(const struct saved_channel *saved)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_pit_state2 state, got;
	struct kvm_pit_state first;
	bool same = true;
	int n;

	vm_create_irqchip(vm);
	pit_create(vm);
	for (n = 0; n < NR_CHANNELS; n++) {
		state = sane_state();
		state.channels[n] = saved->state;
		state.channels[n].gate = 1;
		state.reserved[n] = 0xa5a5a5a5;
		pit_set_state(vm, &state);
		got = pit_get_state(vm);
		same &= same_channels(got.channels, state.channels) &&
			reserved_is_zero(&got) && !got.flags;

		memcpy(first.channels, state.channels, sizeof(first.channels));
		vm_ioctl(vm, KVM_SET_PIT, &first);
		got = pit_get_state(vm);
		same &= same_channels(got.channels, state.channels);
	}
	ksft_test_result(same, "round trip: %s\n", saved->name);
	pit_vm_free(vm);
}

static void test_flags(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_pit_state2 state = sane_state();
	struct kvm_pit_state first;
	u32 flags;
	bool same = true;

	vm_create_irqchip(vm);
	pit_create(vm);
	for (flags = 0; flags < 4; flags++) {
		state.flags = flags;
		pit_set_state(vm, &state);
		same &= pit_get_state(vm).flags == flags;

		memcpy(first.channels, state.channels, sizeof(first.channels));
		vm_ioctl(vm, KVM_SET_PIT, &first);
		same &= pit_get_state(vm).flags == flags;
	}
	ksft_test_result(same, "flags are kept, and left alone by KVM_SET_PIT\n");
	pit_vm_free(vm);
}

static void test_count_0(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_pit_state2 state = sane_state();
	bool same = true;
	int n;

	vm_create_irqchip(vm);
	pit_create(vm);
	for (n = 0; n < NR_CHANNELS; n++)
		state.channels[n].count = 0;
	pit_set_state(vm, &state);
	state = pit_get_state(vm);
	for (n = 0; n < NR_CHANNELS; n++)
		same &= state.channels[n].count == 65536;
	ksft_test_result(same, "a count of 0 is 65536\n");
	pit_vm_free(vm);
}

/*
 * The layout: what the guest does and what userspace sees, and the reverse
 */

static const struct layout {
	const char *name;
	int nr;
	struct pit_io io[5];
	struct kvm_pit_channel_state expected;
} layouts[] = {
	{ "mode 2, two bytes", 3, {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x34 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0x38 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0x5d } } },
	  { .count = 0x5d38, .mode = 2, .gate = 1, .write_latch = 0x38,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "mode 0, low byte only", 2, {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x10 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0x38 } } },
	  { .count = 0x38, .mode = 0, .gate = 1,
		.rw_mode = LSB, .read_state = LSB, .write_state = LSB } },
	{ "mode 4, high byte only", 2, {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x28 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0x38 } } },
	  { .count = 0x3800, .mode = 4, .gate = 1,
		.rw_mode = MSB, .read_state = MSB, .write_state = MSB } },
	{ "mode 6, which is 2", 3, {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x3c } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0 } } },
	  { .count = 65536, .mode = 2, .gate = 1,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "mode 7, which is 3", 3, {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x3e } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0 } } },
	  { .count = 65536, .mode = 3, .gate = 1,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD } },
	{ "a second count, half written", 4, {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x34 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0x38 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0x5d } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0x77 } } },
	  { .count = 0x5d38, .mode = 2, .gate = 1, .write_latch = 0x77,
		.rw_mode = WORD, .read_state = WORD, .write_state = WORD_MSB } },
	{ "half read", 4, {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x34 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0x38 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0x5d } },
		{ PIT_IN, PIT_CH0, 1 } },
	  { .count = 0x5d38, .mode = 2, .gate = 1, .write_latch = 0x38,
		.rw_mode = WORD, .read_state = WORD_MSB, .write_state = WORD } },
};

static void test_layout(const struct layout *layout)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	struct pit_io io[ARRAY_SIZE(layout->io)];
	struct kvm_pit_state2 state;
	bool same;

	memcpy(io, layout->io, sizeof(io));
	pit_order(vcpu, io, layout->nr);
	state = pit_get_state(vm);
	same = same_channel(0, &state.channels[0], &layout->expected);
	ksft_test_result(pit_end(vcpu) && same, "layout: %s\n", layout->name);
}

static void test_latched_layout(void)
{
	struct pit_io latch = { PIT_OUT, PIT_CONTROL, 1, .data = { 0xc2 } };
	struct kvm_pit_channel_state *c;
	struct kvm_pit_state2 state;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	pit_order_program(vcpu, 0, 2, COUNT);
	pit_order(vcpu, &latch, 1);
	state = pit_get_state(vm);
	c = &state.channels[0];
	ok = c->count_latched == WORD && c->status_latched == 1 &&
	     (c->status & 0x3f) == 0x34 &&
	     c->latched_count && c->latched_count <= COUNT;
	ok &= pit_order_inb(vcpu, PIT_CH0) == c->status;
	ok &= pit_order_inb(vcpu, PIT_CH0) == (c->latched_count & 0xff);
	state = pit_get_state(vm);
	ok &= c->count_latched == MSB && !c->status_latched;
	ksft_test_result(pit_end(vcpu) && ok, "layout: status and count latched\n");
}

/* What userspace loads is what the guest goes on with. */
static void test_loaded_latches(void)
{
	struct kvm_pit_state2 state = sane_state();
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	state.channels[0].count_latched = WORD;
	state.channels[0].latched_count = 0x1234;
	state.channels[0].status_latched = 1;
	state.channels[0].status = 0xb4;
	state.channels[1].write_state = WORD_MSB;
	state.channels[1].write_latch = 0x56;
	state.channels[2].count_latched = MSB;
	state.channels[2].latched_count = 0x789a;
	pit_set_state(vm, &state);

	ok = pit_order_inb(vcpu, PIT_CH0) == 0xb4;
	ok &= pit_order_inb(vcpu, PIT_CH0) == 0x34;
	ok &= pit_order_inb(vcpu, PIT_CH0) == 0x12;
	ok &= pit_order_inb(vcpu, PIT_CH2) == 0x78;
	pit_order_outb(vcpu, PIT_CH0 + 1, 0x34);
	ok &= pit_get_state(vm).channels[1].count == 0x3456;
	ksft_test_result(pit_end(vcpu) && ok,
			 "the guest goes on with loaded latches\n");
}

/* A migration before the guest's first control word goes unnoticed. */
static void test_unprogrammed_latches(void)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0xc2 } },
		{ PIT_IN, PIT_CH0, 1 },
	};
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	struct kvm_pit_state2 state = pit_get_state(vm);
	bool ok;

	pit_set_state(vm, &state);
	pit_order(vcpu, io, ARRAY_SIZE(io));
	state = pit_get_state(vm);
	ok = io[1].data[0] == 0xf0 && state.channels[0].count_latched == WORD;
	if (!ok)
		ksft_print_msg("status %#x, count_latched %u\n", io[1].data[0],
			       state.channels[0].count_latched);
	ksft_test_result(pit_end(vcpu) && ok,
			 "the status and count of a loaded PIT without a control word\n");
}

static void test_speaker(void)
{
	struct kvm_pit_state2 state;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	pit_order_outb(vcpu, PIT_SPEAKER, 3);
	state = pit_get_state(vm);
	ok = state.flags == KVM_PIT_FLAGS_SPEAKER_DATA_ON &&
	     state.channels[2].gate == 1;
	pit_order_outb(vcpu, PIT_SPEAKER, 0);
	state = pit_get_state(vm);
	ok &= !state.flags && !state.channels[2].gate;
	ksft_test_result(pit_end(vcpu) && ok, "layout: speaker data and gate 2\n");
}

/*
 * Ticks
 */

/* Those that were on their way already do not count. */
static bool ticks_are(struct kvm_vcpu *vcpu, int expected)
{
	int ticks;

	pit_run_for(vcpu, NSEC_PER_MSEC);
	ticks = pit_ticks_in(vcpu, NSEC_PER_SEC);
	if (abs(ticks - expected) <= !!expected)
		return true;
	ksft_print_msg("%d ticks in a second, expected %d\n", ticks, expected);
	return false;
}

static void test_loaded_ticks(bool first_form)
{
	struct kvm_pit_state2 state = sane_state();
	struct kvm_pit_state first;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	memcpy(first.channels, state.channels, sizeof(first.channels));
	if (first_form)
		vm_ioctl(vm, KVM_SET_PIT, &first);
	else
		pit_set_state(vm, &state);
	ok = ticks_are(vcpu, TICKS_PER_SEC);

	first.channels[0].mode = UNPROGRAMMED;
	state.channels[0].mode = UNPROGRAMMED;
	if (first_form)
		vm_ioctl(vm, KVM_SET_PIT, &first);
	else
		pit_set_state(vm, &state);
	ok &= ticks_are(vcpu, 0);
	ksft_test_result(pit_end(vcpu) && ok,
			 "%s: a loaded state ticks, one never programmed does not\n",
			 first_form ? "KVM_SET_PIT" : "KVM_SET_PIT2");
}

static void test_count_0_ticks(void)
{
	struct kvm_pit_state2 state = sane_state();
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	state.channels[0].count = 0;
	pit_set_state(vm, &state);
	ok = ticks_are(vcpu, 18);
	ksft_test_result(pit_end(vcpu) && ok, "a count of 0 ticks at 18.2 Hz\n");
}

static void set_hpet_legacy(struct kvm_vm *vm, bool on)
{
	struct kvm_pit_state2 state = pit_get_state(vm);

	state.flags = on ? KVM_PIT_FLAGS_HPET_LEGACY : 0;
	pit_set_state(vm, &state);
}

static void test_hpet_legacy(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	pit_order_program(vcpu, 0, 2, COUNT);
	ok = ticks_are(vcpu, TICKS_PER_SEC);
	set_hpet_legacy(vm, true);
	ok &= ticks_are(vcpu, 0);
	ok &= pit_get_state(vm).channels[0].mode == 2;
	set_hpet_legacy(vm, false);
	ok &= ticks_are(vcpu, TICKS_PER_SEC);
	ksft_test_result(pit_end(vcpu) && ok,
			 "HPET legacy mode stops ticks, its end starts them\n");
}

static void test_hpet_legacy_programmed(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	set_hpet_legacy(vm, true);
	pit_order_program(vcpu, 0, 2, COUNT);
	ok = ticks_are(vcpu, 0);
	ok &= pit_get_state(vm).channels[0].count == COUNT;
	set_hpet_legacy(vm, false);
	ok &= ticks_are(vcpu, TICKS_PER_SEC);
	ksft_test_result(pit_end(vcpu) && ok,
			 "a count written in HPET legacy mode ticks after it\n");
}

/*
 * Hostile states; pit_faults has those of CVE-2015-7513.
 */

static void load_hostile(struct kvm_vcpu *vcpu, struct kvm_pit_state2 *state,
			 bool read)
{
	pit_set_state(vcpu->vm, state);
	pit_get_state(vcpu->vm);
	if (read)
		pit_order_read_all(vcpu);
}

/* Of the counts, 0xffffffff is no 16-bit count and 1 none for mode 2. */
static void load_all_modes(struct kvm_vcpu *vcpu)
{
	static const u32 counts[] = { 0, 1, 2, 65535, 65536, 65537, ~0U };
	struct kvm_pit_state2 state;
	int i, n, mode;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		for (mode = 0; mode < 256; mode++) {
			state = sane_state();
			for (n = 0; n < NR_CHANNELS; n++) {
				state.channels[n].mode = mode;
				state.channels[n].count = counts[i];
			}
			load_hostile(vcpu, &state, mode < 8 || mode == 255);
		}
	}
}

static void load_random(struct kvm_vcpu *vcpu)
{
	struct kvm_pit_state2 state;
	int i, j;

	srandom(8254);
	for (i = 0; i < 500; i++) {
		for (j = 0; j < sizeof(state); j++)
			((u8 *)&state)[j] = random();
		load_hostile(vcpu, &state, i < 50);
	}
}

static void test_hostile(const char *name, void (*load)(struct kvm_vcpu *))
{
	struct kvm_pit_state2 state = sane_state();
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	/* The guest shall work, not take ticks. */
	pit_order_outb(vcpu, PIC_MASTER_DATA, 0xff);
	load(vcpu);
	pit_set_state(vm, &state);
	pit_order_outb(vcpu, PIC_MASTER_DATA, 0xfe);
	pit_run_for(vcpu, 100 * NSEC_PER_MSEC);
	ok = ticks_are(vcpu, TICKS_PER_SEC);
	ksft_test_result(pit_end(vcpu) && ok, "hostile states: %s\n", name);
}

int main(void)
{
	int i;

	ksft_print_header();
	pit_require_debugfs();
	ksft_set_plan(2 + ARRAY_SIZE(saved_channels) + 2 + ARRAY_SIZE(layouts) +
		      4 + 5 + 2);

	test_fresh();
	for (i = 0; i < ARRAY_SIZE(saved_channels); i++)
		test_round_trip(&saved_channels[i]);
	test_flags();
	test_count_0();
	for (i = 0; i < ARRAY_SIZE(layouts); i++)
		test_layout(&layouts[i]);
	test_latched_layout();
	test_loaded_latches();
	test_unprogrammed_latches();
	test_speaker();
	test_loaded_ticks(false);
	test_loaded_ticks(true);
	test_count_0_ticks();
	test_hpet_legacy();
	test_hpet_legacy_programmed();
	test_hostile("every mode with odd counts", load_all_modes);
	test_hostile("random bytes", load_random);
	ksft_finished();
}
