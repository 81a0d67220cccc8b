// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random programs over all of the in-kernel PIT: port accesses of any width and
 * value, ioctls with any bytes and with bad pointers, debugfs, IRQ0 masked,
 * taken or left alone, EOIs or none, and time.
 *
 * A naive 8254, which goes one clock at a time, does what the guest does.
 * Whatever the guest reads, and whatever KVM_GET_PIT2 shows, has to be what it
 * gives. An access takes place somewhere between two times that the test knows;
 * so there is not one naive counter but a set of them, one for each course of
 * events that agrees with all that was seen so far. A set that runs empty is a
 * difference. There is no tolerance beside that. A counter that cannot be
 * followed (its state was set to nonsense, or too much time passed) is left out
 * until its state is set to something known.
 *
 * An errno is the documented one, and a refused call changes nothing. At the end
 * of each program no tick is unaccounted for.
 *
 * A program follows from its seed. Each has a VM of its own.
 */
#include <stdarg.h>
#include <sys/mman.h>

#include "i8254_naive.h"
#include "pit.h"
#include "pit_random.h"

#define DEFAULT_SEED	8254
#define DEFAULT_STEPS	3000
#define PROGRAM_STEPS	250	/* of each VM */

#define NR_COUNTERS	3
#define ALL_POLICIES	15
#define MAX_RATE	900

#define SPEAKER_GATE2	0x01
#define SPEAKER_DATA	0x02
#define REFRESH_CLOCKS	18

/* read_state and write_state: the next byte is the high one of two. */
#define STATE_WORD_MSB	4
#define STATE_DEAD	0xff

#define RFLAGS_IF	BIT(9)
#define SPURIOUS_VECTOR	(PIT_IRQ_VECTOR + 7)

/*
 * The guest: does what it is told, interrupts off but for OP_TAKE.
 */

enum guest_op {
	OP_IO,
	OP_IOAPIC,	/* writes the redirection entry */
	OP_EOI,		/* @n at each controller of @eoi */
	OP_TAKE,	/* takes @n ticks at most, with an EOI for each, or not */
};

#define EOI_PIC		1
#define EOI_APIC	2

static struct order {
	enum guest_op op;
	struct pit_io io;
	u32 value;
	u32 eoi;
	u32 n;
} order;

static u32 ticks_left;

static void do_eoi(void)
{
	if (order.eoi & EOI_PIC)
		pic_eoi();
	if (order.eoi & EOI_APIC)
		x2apic_write_reg(APIC_EOI, 0);
}

static void guest_irq0(struct ex_regs *regs)
{
	do_eoi();
	if (!--ticks_left)
		regs->rflags &= ~RFLAGS_IF;
}

static void guest_spurious(struct ex_regs *regs)
{
}

static void take_ticks(void)
{
	int i;

	ticks_left = order.n;
	pit_sti();
	for (i = 0; i < 500; i++)
		asm volatile("nop");
	pit_cli();
}

static void guest_obeys(void)
{
	int i;

	pic_init(0xff);
	x2apic_enable();
	ioapic_init(0);
	ioapic_mask_pit(true);
	for (;;) {
		pit_report(0);
		switch (order.op) {
		case OP_IO:
			pit_do_io(&order.io);
			break;
		case OP_IOAPIC:
			ioapic_write(0x10 + 2 * IOAPIC_PIT_PIN, order.value);
			break;
		case OP_EOI:
			for (i = 0; i < order.n; i++)
				do_eoi();
			break;
		case OP_TAKE:
			take_ticks();
			break;
		}
	}
}

/*
 * The host
 */

/* So many courses of events are followed, and so many clocks for all of them. */
#define MAX_SET		512
#define MAX_WINDOW	300
#define MAX_WORK	400000

struct set {
	int nr;
	struct naive naive[MAX_SET];
};

struct model {
	struct set *set;
	bool blind;
};

/* Not among the data of the program, which the library copies into the guest. */
static struct set *new_sets(int nr)
{
	struct set *sets = calloc(nr, sizeof(*sets));

	TEST_ASSERT(sets, "calloc");
	return sets;
}

struct settings {
	char policy[32];
	u32 rate;
	u64 limit;
};

#define NR_LOGGED	30

static struct fuzz {
	u64 seed;
	int step;

	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct order *order;
	u64 epoch;		/* clock 0, CLOCK_MONOTONIC */
	u64 before, after;	/* the last call lay between */

	struct model counter[NR_COUNTERS];
	u64 clock;		/* of all that is in the sets */
	u32 flags;
	struct settings settings;
	int blind_steps;
	u64 taken;		/* ticks */

	char log[NR_LOGGED][120];
	int logged;
} f;

/* What was compared, over all programs. */
static struct {
	u64 steps;
	u64 bytes;		/* that the guest read from a counter or 0x61 */
	u64 blind_bytes;	/* with no naive counter to compare with */
	u64 states;		/* of a counter, in KVM_GET_PIT(2) */
	u64 blind_states;
	u64 calls;		/* whose result was checked, */
	u64 refused;		/* of which were to be refused */
	u64 due, lost, taken;	/* ticks */
	u64 window;		/* sum over all accesses, clocks */
	u64 accesses;
} sums;

static void __printf(1, 2) note(const char *fmt, ...)
{
	char *line = f.log[f.logged++ % NR_LOGGED];
	va_list args;
	int n;

	n = snprintf(line, sizeof(f.log[0]), "%d: ", f.step);
	va_start(args, fmt);
	vsnprintf(line + n, sizeof(f.log[0]) - n, fmt, args);
	va_end(args);
}

static void __printf(1, 2) differ(const char *fmt, ...)
{
	char what[256];
	va_list args;
	int i;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);

	for (i = max(0, f.logged - NR_LOGGED); i < f.logged; i++)
		ksft_print_msg("  %s\n", f.log[i % NR_LOGGED]);
	ksft_print_msg("seed %lu, step %d: %s\n", f.seed, f.step, what);
	ksft_print_msg("replay: pit_fuzz -s %lu -n %d\n", f.seed, PROGRAM_STEPS);
	ksft_test_result_fail("random programs\n");
	ksft_finished();
}

static u64 clock_at(u64 ns)
{
	u64 passed = ns > f.epoch ? ns - f.epoch : 0;

	return passed / 17600 * 21 + passed % 17600 * 21 / 17600;
}

static u64 ns_of_clock(u64 clock)
{
	return f.epoch + clock / 21 * 17600 + (clock % 21 * 17600 + 20) / 21;
}

/*
 * The sets of naive counters
 */

enum what {
	READ,		/* a byte of it */
	WRITE,
	CONTROL,
	READ_BACK,
	GATE,
	SPEAKER,	/* read */
	GET,		/* its state, by ioctl */
	SET,
};

static const char * const what_names[] = {
	[READ] = "a read", [WRITE] = "a write", [CONTROL] = "a control word",
	[READ_BACK] = "a read-back", [GATE] = "GATE", [SPEAKER] = "port 0x61",
	[GET] = "KVM_GET_PIT2", [SET] = "KVM_SET_PIT2",
};

struct event {
	enum what what;
	u8 value;
	const struct kvm_pit_channel_state *state;
};

static u32 saved_count_latched(const struct naive *c)
{
	int format = c->control_word >> 4;

	if (c->ol_bytes == 1)
		return format == 3 ? 2 : format;
	return c->ol_bytes ? 3 : 0;
}

/* Whether that is how its output latch is saved: what is unread of it. */
static bool latch_is_saved_as(const struct naive *c,
			      const struct kvm_pit_channel_state *s)
{
	if (s->count_latched != saved_count_latched(c))
		return false;
	if (s->count_latched & 2 && s->latched_count >> 8 != c->olm)
		return false;
	if (s->count_latched == 1 && (s->latched_count & 0xff) != c->olm)
		return false;
	if (s->count_latched == 3 && (s->latched_count & 0xff) != c->ol_low)
		return false;
	return s->status_latched == c->status_full &&
	       (!c->status_full || s->status == c->status);
}

static u8 saved_flip_flop(const struct naive *c, bool second)
{
	int format = c->control_word >> 4;

	if (c->dead)
		return 0;
	return format == 3 && second ? STATE_WORD_MSB : format;
}

static bool is_saved_as(const struct naive *c,
			const struct kvm_pit_channel_state *s)
{
	u32 count = c->crm << 8 | c->crl;

	return s->count == (count ?: 65536) &&
	       s->mode == (c->dead ? STATE_DEAD : c->mode) &&
	       s->rw_mode == (c->dead ? 0 : c->control_word >> 4) &&
	       s->bcd == (c->control_word & 1) &&
	       s->gate == c->gate &&
	       s->read_state == saved_flip_flop(c, c->second_read) &&
	       s->write_state == saved_flip_flop(c, c->second_write) &&
	       (!c->second_write || s->write_latch == c->first_byte) &&
	       latch_is_saved_as(c, s) &&
	       s->count_load_time == (s64)ns_of_clock(c->began);
}

/* As if the count had just been written. Modes 1 and 5 wait for a trigger. */
static void set_naive(struct naive *c, const struct kvm_pit_channel_state *s)
{
	u64 clock = c->clock;

	naive_reset(c, s->gate);
	c->clock = clock;
	c->began = clock;
	if (s->mode != STATE_DEAD) {
		c->dead = false;
		c->control_word = s->rw_mode << 4 | s->mode << 1 | s->bcd;
		c->mode = s->mode;
		c->out = c->mode != 0;
		c->written = true;
		c->load = c->mode != 1 && c->mode != 5;
	}
	c->crm = s->count >> 8;
	c->crl = s->count;
	c->second_read = s->read_state == STATE_WORD_MSB;
	c->second_write = s->write_state == STATE_WORD_MSB;
	c->first_byte = s->write_latch;
	c->ol_bytes = s->count_latched == 3 ? 2 : s->count_latched ? 1 : 0;
	c->ol_low = s->latched_count;
	c->olm = s->count_latched == 1 ? s->latched_count : s->latched_count >> 8;
	c->status_full = s->status_latched;
	c->status = s->status;
}

static u8 naive_speaker(const struct naive *c)
{
	return c->gate | (c->clock / REFRESH_CLOCKS & 1) << 4 | c->out << 5;
}

/* Have the event happen to it. Returns whether it can have been so. */
static bool happens(struct naive *c, const struct event *e)
{
	switch (e->what) {
	case READ:
		return naive_read(c) == e->value;
	case WRITE:
		naive_write(c, e->value);
		return true;
	case CONTROL:
		naive_control(c, e->value);
		return true;
	case READ_BACK:
		naive_read_back(c, e->value);
		return true;
	case GATE:
		naive_gate(c, e->value & SPEAKER_GATE2);
		return true;
	case SPEAKER:
		return naive_speaker(c) == (e->value & ~SPEAKER_DATA);
	case GET:
		return is_saved_as(c, e->state);
	case SET:
		set_naive(c, e->state);
		return true;
	}
	return false;
}

/* Returns whether there was room. */
static bool set_add(struct set *set, const struct naive *c)
{
	int i;

	for (i = set->nr; i--; )
		if (!memcmp(&set->naive[i], c, sizeof(*c)))
			return true;
	if (set->nr == MAX_SET)
		return false;
	set->naive[set->nr++] = *c;
	return true;
}

static void set_clock(struct set *set)
{
	int i;

	for (i = 0; i < set->nr; i++)
		naive_clock(&set->naive[i]);
}

/* Counters that differed may have become the same: a load forgets what was before. */
static void set_merge(struct set *set)
{
	int i, nr = set->nr;

	set->nr = 0;
	for (i = 0; i < nr; i++)
		set_add(set, &set->naive[i]);
}

static void go_blind(struct model *m)
{
	m->blind = true;
	m->set->nr = 0;
}

#define MAX_EVENTS	16

/*
 * The events happen to the counter one after the other, at any of the clocks
 * from f.clock to @to. @stage[i] has those to which the first i have happened.
 * Returns the last of them, or NULL where it took too much.
 */
static struct set *try_all(struct set *first, const struct event *events,
			   int nr, u64 to)
{
	static struct set *stages;
	struct set *stage[MAX_EVENTS + 1] = { first };
	struct naive c;
	u64 clock;
	int i, j;

	if (!stages)
		stages = new_sets(MAX_EVENTS);
	for (i = 1; i <= nr; i++) {
		stage[i] = &stages[i - 1];
		stage[i]->nr = 0;
	}
	for (clock = f.clock; ; clock++) {
		for (i = 0; i < nr; i++)
			for (j = 0; j < stage[i]->nr; j++) {
				c = stage[i]->naive[j];
				if (happens(&c, &events[i]) &&
				    !set_add(stage[i + 1], &c))
					return NULL;
			}
		if (clock == to)
			break;
		for (i = 0; i <= nr; i++) {
			set_clock(stage[i]);
			if (stage[i]->nr > 32)
				set_merge(stage[i]);
		}
	}
	set_merge(stage[nr]);
	return stage[nr];
}

static void show_state(const struct kvm_pit_channel_state *s)
{
	note("  state: count %#x, mode %u, access %u, bcd %u, gate %u, since clock %lu",
	     s->count, s->mode, s->rw_mode, s->bcd, s->gate,
	     clock_at(s->count_load_time));
	note("    read %u, write %u %#x, latched %u %#x, status %u %#x", s->read_state,
	     s->write_state, s->write_latch, s->count_latched, s->latched_count,
	     s->status_latched, s->status);
}

static void show_naive(const struct naive *c)
{
	note("  naive: CR %#x, mode %u, control word %#x, GATE %d, since clock %lu",
	     c->crm << 8 | c->crl, c->dead ? STATE_DEAD : c->mode, c->control_word,
	     c->gate, c->began);
	note("    second read %d, second write %d %#x, latched %d %#x %#x, status %d %#x",
	     c->second_read, c->second_write, c->first_byte, c->ol_bytes, c->olm,
	     c->ol_low, c->status_full, c->status);
	note("    clock %lu: CE %#x, OUT %d, NULL COUNT %d", c->clock, c->ce, c->out,
	     c->null);
}

/* No naive counter agrees. Of those that there are the first is shown. */
static void counter_differs(int n, const struct event *events, int nr, int sets,
			    const struct naive *was, u64 to)
{
	const struct event *e = &events[nr - 1];

	show_naive(was);
	if (e->state)
		show_state(e->state);
	differ("counter %d, %s%s: %#x, and none of %d naive counters agrees, from clock %lu to %lu",
	       n, what_names[e->what], nr > 1 ? " and those before it" : "",
	       e->value, sets, f.clock, to);
}

static void events_happen(int n, const struct event *events, int nr, u64 to)
{
	struct model *m = &f.counter[n];
	struct naive was;
	struct set *set;

	if (m->blind)
		return;
	was = m->set->naive[0];
	set = try_all(m->set, events, nr, to);
	if (!set) {
		go_blind(m);
		return;
	}
	if (!set->nr)
		counter_differs(n, events, nr, m->set->nr, &was, to);
	m->set->nr = set->nr;
	memmove(m->set->naive, set->naive, set->nr * sizeof(struct naive));
}

/* Bring all sets to @clock. */
static void pass_time(u64 clock)
{
	u64 clocks = clock - f.clock;
	struct model *m;
	u64 i;

	for (m = f.counter; m < f.counter + NR_COUNTERS; m++) {
		if (m->blind)
			continue;
		if (clocks * m->set->nr > MAX_WORK)
			go_blind(m);
		for (i = 0; i < clocks && !m->blind; i++)
			set_clock(m->set);
	}
	f.clock = clock;
}

/* What happened to each counter in the course of one call. */
struct happening {
	struct event events[NR_COUNTERS][MAX_EVENTS];
	int nr[NR_COUNTERS];
};

static void add_event(struct happening *h, int n, enum what what, u8 value)
{
	TEST_ASSERT(h->nr[n] < MAX_EVENTS, "too many events");
	h->events[n][h->nr[n]++] = (struct event) { what, value };
}

/* That at which the call can have taken effect; the clocks read differ by rounding. */
static u64 first_clock(void)
{
	return max(f.clock, clock_at(f.before - 2));
}

static void happened(const struct happening *h)
{
	u64 from = first_clock();
	u64 to = max(from, clock_at(f.after + 2));
	int n;

	sums.window += to - from;
	sums.accesses++;
	pass_time(from);
	for (n = 0; n < NR_COUNTERS; n++) {
		if (!f.counter[n].blind && to - from > MAX_WINDOW)
			go_blind(&f.counter[n]);
		events_happen(n, h->events[n], h->nr[n], to);
	}
	f.clock = to;
}

/*
 * Calls
 */

static void is_result(const char *what, int ret, int err, int expected)
{
	sums.calls++;
	sums.refused += !!expected;
	if (expected ? ret != -1 || err != expected : ret < 0)
		differ("%s: returned %d, errno %d, expected errno %d", what, ret,
		       ret < 0 ? err : 0, expected);
}

static int timed_ioctl(unsigned long cmd, void *arg)
{
	int ret, err;

	f.before = now_ns();
	ret = ioctl(f.vm->fd, cmd, arg);
	err = errno;
	f.after = now_ns();
	errno = err;
	return ret;
}

static void expect_call(const char *what, unsigned long cmd, void *arg,
			int expected)
{
	int ret = timed_ioctl(cmd, arg);

	is_result(what, ret, errno, expected);
}

/* A page that is not there behind one that is. */
static u8 *edge_of_memory(void)
{
	static u8 *page;

	if (!page) {
		page = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		TEST_ASSERT(page != MAP_FAILED, "mmap");
		munmap(page + 4096, 4096);
	}
	return page + 4096;
}

/* Nowhere, in the kernel, or with some bytes missing. */
static void *bad_pointer(size_t size)
{
	switch (below(4)) {
	case 0:
		return NULL;
	case 1:
		return (void *)~0ULL;
	case 2:
		return (void *)0xffff888000000000ULL;
	default:
		return edge_of_memory() - below(size);
	}
}

static void compare_states(const struct kvm_pit_channel_state *states)
{
	struct happening h = { };
	int n;

	for (n = 0; n < NR_COUNTERS; n++) {
		add_event(&h, n, GET, 0);
		h.events[n][0].state = &states[n];
		if (f.counter[n].blind)
			sums.blind_states++;
		else
			sums.states++;
	}
	happened(&h);
}

/* Holds for any state, whatever was set. */
static void check_state(const struct kvm_pit_channel_state *s, int n)
{
	if (!s->count || s->count > 65536 || s->bcd > 1 || s->gate > 1 ||
	    s->rw_mode > 3 || (s->mode > 5 && s->mode != STATE_DEAD) ||
	    s->count_latched > 3 || s->status_latched > 1 ||
	    s->read_state > 4 || s->write_state > 4 || (n < 2 && !s->gate)) {
		show_state(s);
		differ("counter %d: no PIT has such a state", n);
	}
}

static struct kvm_pit_state2 get_state2(void)
{
	struct kvm_pit_state2 state;
	int i;

	memset(&state, 0x5a, sizeof(state));
	expect_call("KVM_GET_PIT2", KVM_GET_PIT2, &state, 0);
	for (i = 0; i < ARRAY_SIZE(state.reserved); i++)
		if (state.reserved[i])
			differ("KVM_GET_PIT2: reserved[%d] is %#x", i,
			       state.reserved[i]);
	if (state.flags != f.flags)
		differ("KVM_GET_PIT2: flags are %#x, expected %#x", state.flags,
		       f.flags);
	for (i = 0; i < NR_COUNTERS; i++)
		check_state(&state.channels[i], i);
	return state;
}

/* The state is that of the naive counters; of which some are ruled out by it. */
static void look(void)
{
	struct kvm_pit_state2 state = get_state2();

	compare_states(state.channels);
}

static void get_state1(void)
{
	struct {
		struct kvm_pit_state state;
		u8 behind[64];
	} got;
	int i;

	note("KVM_GET_PIT");
	memset(&got, 0x5a, sizeof(got));
	expect_call("KVM_GET_PIT", KVM_GET_PIT, &got, 0);
	for (i = 0; i < sizeof(got.behind); i++)
		if (got.behind[i] != 0x5a)
			differ("KVM_GET_PIT wrote %#x behind its structure",
			       got.behind[i]);
	compare_states(got.state.channels);
}

static void read_settings(struct settings *s)
{
	memset(s, 0, sizeof(*s));
	pit_setting(f.vm, "policy", s->policy, sizeof(s->policy));
	s->rate = pit_counter(f.vm, "slew_rate");
	s->limit = pit_counter(f.vm, "backlog_limit");
}

static void check_settings(void)
{
	struct settings now;

	read_settings(&now);
	if (strcmp(now.policy, f.settings.policy) ||
	    now.rate != f.settings.rate || now.limit != f.settings.limit)
		differ("settings are %s, rate %u, limit %lu; expected %s, rate %u, limit %lu",
		       now.policy, now.rate, now.limit, f.settings.policy,
		       f.settings.rate, f.settings.limit);
}

/* A refused call changes nothing; when the naive counters are blind, too. */
static void expect_refusal(const char *what, unsigned long cmd, void *arg,
			   int expected)
{
	struct kvm_pit_state2 before = get_state2(), after;
	int n;

	note("%s, to be refused", what);
	compare_states(before.channels);
	expect_call(what, cmd, arg, expected);
	after = get_state2();
	compare_states(after.channels);
	for (n = 0; n < NR_COUNTERS; n++) {
		/* A count may just have been loaded. */
		before.channels[n].count_load_time = 0;
		after.channels[n].count_load_time = 0;
	}
	if (memcmp(&before, &after, sizeof(before)))
		differ("%s was refused, and changed the state", what);
	check_settings();
}

static void refused_call(void)
{
	struct kvm_pit_config config;

	any_bytes(&config, sizeof(config));
	switch (below(9)) {
	case 0:
		expect_refusal("KVM_CREATE_PIT", KVM_CREATE_PIT, NULL, EEXIST);
		break;
	case 1:
		expect_refusal("KVM_CREATE_PIT2", KVM_CREATE_PIT2, &config, EEXIST);
		break;
	case 2:
		expect_refusal("KVM_CREATE_PIT2", KVM_CREATE_PIT2,
			       bad_pointer(sizeof(config)), EFAULT);
		break;
	case 3:
		expect_refusal("KVM_GET_PIT", KVM_GET_PIT,
			       bad_pointer(sizeof(struct kvm_pit_state)), EFAULT);
		break;
	case 4:
		expect_refusal("KVM_GET_PIT2", KVM_GET_PIT2,
			       bad_pointer(sizeof(struct kvm_pit_state2)), EFAULT);
		break;
	case 5:
		expect_refusal("KVM_SET_PIT", KVM_SET_PIT,
			       bad_pointer(sizeof(struct kvm_pit_state)), EFAULT);
		break;
	case 6:
		expect_refusal("KVM_SET_PIT2", KVM_SET_PIT2,
			       bad_pointer(sizeof(struct kvm_pit_state2)), EFAULT);
		break;
	case 7:
		expect_refusal("KVM_REINJECT_CONTROL", KVM_REINJECT_CONTROL,
			       bad_pointer(sizeof(struct kvm_reinject_control)),
			       EFAULT);
		break;
	default:
		expect_refusal("KVM_ENABLE_CAP", KVM_ENABLE_CAP,
			       bad_pointer(sizeof(struct kvm_enable_cap)), EFAULT);
	}
}

/*
 * Setting the state
 */

static struct kvm_pit_channel_state sane_channel(u64 *rng, int n)
{
	struct kvm_pit_channel_state s = { };
	u64 bits = pit_random(rng);

	s.count = pit_random(rng) % 65537;
	if (bits & 1)
		s.count = pit_random(rng) % 300;
	s.mode = pit_random(rng) % 7;
	s.rw_mode = 1 + pit_random(rng) % 3;
	s.bcd = bits >> 1 & 1;
	s.gate = n < 2 || bits >> 2 & 1;
	if (s.mode == 6) {
		s.mode = STATE_DEAD;
		s.rw_mode = 0;
		s.bcd = 0;
	}
	s.read_state = s.rw_mode == 3 && bits >> 3 & 1 ? STATE_WORD_MSB : s.rw_mode;
	s.write_state = s.rw_mode == 3 && bits >> 4 & 1 ? STATE_WORD_MSB : s.rw_mode;
	s.write_latch = bits >> 8;
	if (bits >> 5 & 1)
		s.count_latched = (s.rw_mode ?: 3) == 3 && bits >> 6 & 1 ? 2 :
				  s.rw_mode ?: 3;
	s.latched_count = bits >> 16;
	s.status_latched = bits >> 7 & 1;
	s.status = bits >> 32;
	s.count_load_time = pit_random(rng);
	return s;
}

/* Behind it every counter can be followed: @state is one that a PIT can have. */
static void set_known_state(const struct kvm_pit_state2 *state, bool old)
{
	struct happening h = { };
	int n;

	note("KVM_SET_PIT%s: modes %d %d %d, counts %d %d %d, flags %#x",
	     old ? "" : "2", state->channels[0].mode, state->channels[1].mode,
	     state->channels[2].mode, state->channels[0].count,
	     state->channels[1].count, state->channels[2].count, state->flags);
	if (old) {
		struct kvm_pit_state state1;

		memcpy(&state1, state, sizeof(state1));
		expect_call("KVM_SET_PIT", KVM_SET_PIT, &state1, 0);
	} else {
		expect_call("KVM_SET_PIT2", KVM_SET_PIT2, (void *)state, 0);
		f.flags = state->flags;
	}

	pass_time(first_clock());
	for (n = 0; n < NR_COUNTERS; n++) {
		struct set *set = f.counter[n].set;

		/* Nothing of what was before is left. */
		f.counter[n].blind = false;
		set->nr = 1;
		naive_reset(&set->naive[0], false);
		set->naive[0].clock = f.clock;

		add_event(&h, n, SET, 0);
		h.events[n][0].state = &state->channels[n];
	}
	happened(&h);
}

static u32 random_flags(u64 *rng)
{
	return pit_random(rng) % 8 ? pit_random(rng) % 4 : pit_random(rng);
}

static void set_sane_state(u64 *rng)
{
	struct kvm_pit_state2 state;
	int n;

	memset(&state, pit_random(rng), sizeof(state));
	for (n = 0; n < NR_COUNTERS; n++)
		state.channels[n] = sane_channel(rng, n);
	state.flags = random_flags(rng);
	set_known_state(&state, pit_random(rng) % 4 == 0);
}

static void set_some_state(void)
{
	set_sane_state(&pit_rng);
}

static void set_any_state(void)
{
	struct kvm_pit_state2 state;
	int n;

	note("KVM_SET_PIT2 with any bytes");
	any_bytes(&state, sizeof(state));
	expect_call("KVM_SET_PIT2", KVM_SET_PIT2, &state, 0);
	f.flags = state.flags;
	for (n = 0; n < NR_COUNTERS; n++)
		go_blind(&f.counter[n]);
	look();
}

/* What a migration does. Where the state was nonsense it stays so. */
static void save_and_load(void)
{
	struct kvm_pit_state2 state = get_state2();
	bool blind[NR_COUNTERS];
	int n;

	compare_states(state.channels);
	for (n = 0; n < NR_COUNTERS; n++)
		blind[n] = f.counter[n].blind;
	set_known_state(&state, one_in(4));
	for (n = 0; n < NR_COUNTERS; n++)
		if (blind[n])
			go_blind(&f.counter[n]);
}

/*
 * Policy
 */

static const char * const policy_names[] = { "delay", "discard", "slew", "merge" };

static void set_settings(u64 policy, u32 rate, u64 limit)
{
	snprintf(f.settings.policy, sizeof(f.settings.policy), "%s",
		 policy_names[policy]);
	f.settings.rate = policy == KVM_PIT_TICK_SLEW ? rate ?: 100 : 0;
	f.settings.limit = limit;
}

static u64 random_arg(void)
{
	static const u64 args[] = {
		0, 0, 0, 0, 1, 2, 3, 4, 5, 7, 100, 899, 900, 901, 1000, 1ULL << 31,
		1ULL << 32, (1ULL << 32) + 1, (1ULL << 32) + 100, 1ULL << 63, ~0ULL,
	};

	return one_in(8) ? any() : args[below(ARRAY_SIZE(args))];
}

static bool is_valid_cap(const struct kvm_enable_cap *cap)
{
	u64 policy = cap->args[0], rate = cap->args[2], limit = cap->args[3];

	if (cap->flags || policy > KVM_PIT_TICK_MERGE || cap->args[1])
		return false;
	if (rate > (policy == KVM_PIT_TICK_SLEW ? MAX_RATE : 0))
		return false;
	return !limit || policy == KVM_PIT_TICK_DELAY || policy == KVM_PIT_TICK_SLEW;
}

static void enable_cap(void)
{
	struct kvm_enable_cap cap;
	__u64 *args = cap.args;

	any_bytes(&cap, sizeof(cap));
	cap.cap = one_in(16) ? KVM_CAP_PIT_TICK_POLICY - 1 + 2 * below(2) :
			       KVM_CAP_PIT_TICK_POLICY;
	cap.flags = one_in(16) ? random_arg() : 0;
	args[0] = one_in(8) ? random_arg() : below(4);
	args[1] = one_in(8) ? random_arg() : 0;
	args[2] = args[0] == KVM_PIT_TICK_SLEW || one_in(8) ? random_arg() : 0;
	args[3] = args[0] != KVM_PIT_TICK_DISCARD || one_in(8) ? random_arg() : 0;

	note("KVM_ENABLE_CAP %u, flags %#x, %#llx %#llx %#llx %#llx", cap.cap,
	     cap.flags, args[0], args[1], args[2], args[3]);
	if (cap.cap == KVM_CAP_PIT_TICK_POLICY && is_valid_cap(&cap)) {
		expect_call("KVM_ENABLE_CAP", KVM_ENABLE_CAP, &cap, 0);
		set_settings(args[0], args[2], args[3]);
		check_settings();
		return;
	}
	expect_refusal("KVM_ENABLE_CAP", KVM_ENABLE_CAP, &cap, EINVAL);
}

static void reinject_control(void)
{
	struct kvm_reinject_control control;

	any_bytes(&control, sizeof(control));
	control.pit_reinject = one_in(4) ? any() : below(2);
	note("KVM_REINJECT_CONTROL %u", control.pit_reinject);
	expect_call("KVM_REINJECT_CONTROL", KVM_REINJECT_CONTROL, &control, 0);
	set_settings(control.pit_reinject ? KVM_PIT_TICK_DELAY :
					    KVM_PIT_TICK_DISCARD, 0, 0);
	check_settings();
}

static void check_extension(void)
{
	int near_it = KVM_CAP_PIT_TICK_POLICY - 1 + 2 * below(2);
	int on_vm = ioctl(f.vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_PIT_TICK_POLICY);
	int on_dev = kvm_check_cap(KVM_CAP_PIT_TICK_POLICY);
	int near = ioctl(f.vm->fd, KVM_CHECK_EXTENSION, near_it);

	note("KVM_CHECK_EXTENSION");
	sums.calls += 3;
	if (on_vm != ALL_POLICIES || on_dev != ALL_POLICIES || near)
		differ("KVM_CHECK_EXTENSION: %d on the VM, %d on /dev/kvm, %d beside it",
		       on_vm, on_dev, near);
}

/* The policy that a text names, or -1; up to the first zero, one newline is let pass. */
static int policy_named(const u8 *text, size_t len)
{
	char name[64] = "";
	int i;

	if (len > 15)
		return -1;
	memcpy(name, text, len);
	i = strlen(name);
	if (i && name[i - 1] == '\n')
		name[i - 1] = 0;
	for (i = 0; i < ARRAY_SIZE(policy_names); i++)
		if (!strcmp(name, policy_names[i]))
			return i;
	return -1;
}

static void debugfs_write(void)
{
	const char *policy = policy_names[below(ARRAY_SIZE(policy_names))];
	struct kvm_pit_state2 before, after;
	size_t len = below(32);
	int fd, ret, err, named, n;
	char path[128];
	u8 text[64];
	bool bad;

	any_bytes(text, sizeof(text));
	if (!one_in(3)) {
		len = strlen(policy) + below(3) - one_in(8);
		memset(text, one_in(3) ? 0 : '\n', 16);
		memcpy(text, policy, strlen(policy));
	}
	bad = one_in(16);
	named = bad ? -1 : policy_named(text, len);
	note("debugfs: %zu bytes %02x%02x%02x%02x%02x%02x%02x..., %s", len,
	     text[0], text[1], text[2], text[3], text[4], text[5], text[6],
	     bad ? "a bad pointer" : named < 0 ? "no policy" : "a policy");

	before = get_state2();
	pit_file(f.vm, "policy", path, sizeof(path));
	fd = open(path, O_WRONLY);
	TEST_ASSERT(fd >= 0, "cannot open %s", path);
	ret = write(fd, bad ? edge_of_memory() : text, len);
	err = errno;
	close(fd);
	after = get_state2();

	is_result("a write to debugfs", ret, err,
		  named >= 0 ? 0 : bad && len && len < 16 ? EFAULT : EINVAL);
	if (named >= 0) {
		if (ret != len)
			differ("a write of %zu bytes to debugfs returned %d", len, ret);
		set_settings(named, 0, 0);
	}
	check_settings();
	for (n = 0; n < NR_COUNTERS; n++) {
		before.channels[n].count_load_time = 0;
		after.channels[n].count_load_time = 0;
	}
	if (memcmp(&before, &after, sizeof(before)))
		differ("a write to debugfs changed the state");
}

/*
 * The guest's side
 */

/* Have the guest do f.order; what it finds at other ports than the PIT's is all ones. */
static void run_guest(void)
{
	struct kvm_run *run = f.vcpu->run;
	int ret;

	f.before = now_ns();
	for (;;) {
		ret = __vcpu_run(f.vcpu);
		f.after = now_ns();
		TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_RUN, ret));
		if (run->exit_reason != KVM_EXIT_IO || run->io.port == PIT_EVENT_PORT)
			break;
		if (run->io.direction == KVM_EXIT_IO_IN)
			memset((u8 *)run + run->io.data_offset, 0xff,
			       run->io.size * run->io.count);
	}
	pit_event(f.vcpu);
}

static bool is_out(const struct pit_io *io)
{
	return io->op == PIT_OUT || io->op == PIT_OUTS;
}

/* One byte at one port, as part of a wider access or not. */
static void byte_happened(struct happening *h, const struct pit_io *io,
			  int offset, u8 value)
{
	int n, port = io->port + offset;

	if (io->port == PIT_SPEAKER && !offset) {
		add_event(h, 2, is_out(io) ? GATE : SPEAKER, value);
		if (is_out(io))
			f.flags = (f.flags & ~2) | (value & SPEAKER_DATA);
		else if ((value & 0xcc) || (value & SPEAKER_DATA) != (f.flags & 2))
			differ("port 0x61 reads %#x, flags are %#x", value, f.flags);
	} else if (io->port >= PIT_CH0 && port < PIT_CONTROL) {
		add_event(h, port - PIT_CH0, is_out(io) ? WRITE : READ, value);
	} else if (io->port >= PIT_CH0 && port == PIT_CONTROL) {
		if (!is_out(io)) {
			if (value)
				differ("port 0x43 reads %#x", value);
			return;
		}
		for (n = 0; n < NR_COUNTERS; n++) {
			if (value >> 6 == n)
				add_event(h, n, CONTROL, value);
			else if (value >> 6 == 3 && value & 2 << n)
				add_event(h, n, READ_BACK, value);
		}
	} else if (!is_out(io) && value != 0xff) {
		differ("port %#x, byte %d of an access at %#x, reads %#x", port,
		       offset, io->port, value);
	}
}

static void count_reads(const struct happening *h)
{
	int n, i;

	for (n = 0; n < NR_COUNTERS; n++)
		for (i = 0; i < h->nr[n]; i++) {
			if (h->events[n][i].what != READ &&
			    h->events[n][i].what != SPEAKER)
				continue;
			if (f.counter[n].blind)
				sums.blind_bytes++;
			else
				sums.bytes++;
		}
}

static void do_io(enum pit_op op, u16 port, int size, int count, const u8 *data)
{
	static const char * const names[] = { "in", "out", "rep ins", "rep outs" };
	bool string = op == PIT_INS || op == PIT_OUTS;
	struct happening h = { };
	struct pit_io *io = &f.order->io;
	int i, bytes = size * (string ? count : 1);

	*io = (struct pit_io) { op, port, size, count };
	memcpy(io->data, data, sizeof(io->data));
	f.order->op = OP_IO;
	run_guest();
	note("%s %#x, %d x %d: %02x %02x %02x %02x", names[op], port, size,
	     string ? count : 1, io->data[0], io->data[1], io->data[2], io->data[3]);

	for (i = 0; i < bytes; i++)
		byte_happened(&h, io, i % size, io->data[i]);
	/* EAX is written as a whole only by a wide IN. */
	for (; i < sizeof(io->data); i++)
		if (io->data[i] != data[i])
			differ("byte %d behind the %d read is %#x, was %#x", i,
			       bytes, io->data[i], data[i]);
	count_reads(&h);
	happened(&h);
}

static void out(u16 port, u8 value)
{
	u8 data[16] = { value };

	do_io(PIT_OUT, port, 1, 1, data);
}

static void in(u16 port)
{
	u8 data[16];

	any_bytes(data, sizeof(data));
	do_io(PIT_IN, port, 1, 1, data);
}

/* Have few courses of events to follow: see what it was. */
static void narrow(void)
{
	u8 none[16] = { };
	int n;

	for (n = 0; n < NR_COUNTERS; n++) {
		if (f.counter[n].set->nr > 4)
			look();
		if (f.counter[n].set->nr > 16) {
			out(PIT_CONTROL, 0xd0 | 2 << n);
			do_io(PIT_IN, PIT_CH0 + n, 1, 1, none);
		}
	}
}

static u16 random_count(void)
{
	static const u16 counts[] = {
		0, 1, 2, 3, 4, 0x10, 0x11, 0x99, 0xff, 0x100, 0x101, 0x9999, 0xa00a,
		0xffff, 11932, 1193,
	};

	if (one_in(3))
		return counts[below(ARRAY_SIZE(counts))];
	return one_in(2) ? below(600) : any();
}

static void any_access(void)
{
	u16 port = PIT_CH0 + below(4);
	int size = 1 << below(3);
	u8 data[16];

	if (one_in(6))
		port = PIT_SPEAKER;
	if (one_in(16))
		port = PIT_CH0 - 4 + below(12);
	any_bytes(data, sizeof(data));
	do_io(below(4), port, size, 1 + below(4), data);
}

static void program(void)
{
	int n = below(NR_COUNTERS), access = 1 + below(3);
	int mode = n || one_in(2) ? below(8) : 2 + below(2);
	u16 count = random_count();

	out(PIT_CONTROL, n << 6 | access << 4 | mode << 1 | one_in(3));
	if (access & 1 && !one_in(16))
		out(PIT_CH0 + n, count);
	if (one_in(4))
		look();
	if (access & 2 && !one_in(16))
		out(PIT_CH0 + n, count >> 8);
	look();
}

static void write_count(void)
{
	int n = below(NR_COUNTERS);

	out(PIT_CH0 + n, random_count());
	if (!one_in(4))
		out(PIT_CH0 + n, random_count() >> 8);
}

static void read_counter(void)
{
	int n = below(NR_COUNTERS), i, reads = 1 + below(4);

	switch (below(4)) {
	case 0:
		break;
	case 1:
		out(PIT_CONTROL, n << 6 | below(16));
		break;
	default:
		out(PIT_CONTROL, 0xc0 | below(64));
	}
	if (one_in(4))
		look();
	for (i = 0; i < reads; i++)
		in(PIT_CH0 + n);
}

static void write_speaker(void)
{
	out(PIT_SPEAKER, one_in(8) ? any() : below(4));
	look();
}

static void set_mask(bool at_ioapic, bool mask)
{
	if (at_ioapic) {
		f.order->op = OP_IOAPIC;
		f.order->value = PIT_IRQ_VECTOR | (mask ? IOAPIC_MASKED : 0);
	} else {
		f.order->op = OP_IO;
		f.order->io = (struct pit_io) { PIT_OUT, PIC_MASTER_DATA, 1, 1,
						.data = { mask ? 0xff : 0xfe } };
	}
	run_guest();
}

static void mask_irq0(void)
{
	bool at_ioapic = one_in(2);
	bool mask = one_in(2);

	note("IRQ0 at the %s: %s", at_ioapic ? "IOAPIC" : "PIC", mask ? "mask" : "unmask");
	set_mask(at_ioapic, mask);
}

static void send_eois(void)
{
	f.order->op = OP_EOI;
	f.order->eoi = 1 + below(3);
	f.order->n = one_in(4) ? below(50) : 1;
	note("%u EOIs, %u", f.order->n, f.order->eoi);
	run_guest();
}

static void take(u32 eoi, u32 n)
{
	f.order->op = OP_TAKE;
	f.order->eoi = eoi;
	f.order->n = n;
	run_guest();
	f.taken += n - *(u32 *)addr_gva2hva(f.vm, (uintptr_t)&ticks_left);
}

static void take_some_ticks(void)
{
	u32 eoi = one_in(3) ? below(4) : EOI_PIC | EOI_APIC;
	u32 n = 1 + below(one_in(4) ? 64 : 4);

	note("take %u ticks at most, EOI %u", n, eoi);
	take(eoi, n);
}

/* Mostly as short as the naive counters can follow. */
static void stall(void)
{
	u64 ns = one_in(2) ? below(200 * 1000) : below(3 * NSEC_PER_MSEC);

	if (one_in(12))
		ns = below(1500) * NSEC_PER_MSEC;
	note("%lu us pass", ns / 1000);
	sleep_until_ns(now_ns() + ns);
}

/* The timer of a guest that is held up, masks IRQ0, and takes what it can. */
static void run_timer(void)
{
	static void (* const acts[])(void) = {
		mask_irq0, enable_cap, send_eois, reinject_control, stall, stall, stall,
	};
	u16 count = 300 + below(3000);
	int rounds = 2 + below(8);

	out(PIT_CONTROL, 0x34 | below(2) << 1);
	out(PIT_CH0, count);
	out(PIT_CH0, count >> 8);
	look();
	while (rounds--) {
		acts[below(ARRAY_SIZE(acts))]();
		take_some_ticks();
		narrow();
	}
}

/* Counter 2 and its gate, with an eye on OUT2. */
static void run_speaker(void)
{
	u16 count = one_in(4) ? random_count() : 20 + below(2000);
	int rounds = 2 + below(6);

	out(PIT_CONTROL, 0xb0 | below(8) << 1 | one_in(4));
	out(PIT_CH2, count);
	out(PIT_CH2, count >> 8);
	while (rounds--) {
		out(PIT_SPEAKER, below(4));
		in(PIT_SPEAKER);
		narrow();
		if (one_in(3)) {
			out(PIT_CONTROL, 0xc8);
			in(PIT_CH2);
			in(PIT_CH2);
			in(PIT_CH2);
		}
	}
}

static const struct action {
	int weight;
	void (*act)(void);
} actions[] = {
	{ 22, program },
	{ 15, any_access },
	{ 14, read_counter },
	{ 6, write_count },
	{ 4, write_speaker },
	{ 4, run_speaker },
	{ 2, get_state1 },
	{ 2, set_some_state },
	{ 1, set_any_state },
	{ 2, save_and_load },
	{ 4, enable_cap },
	{ 2, reinject_control },
	{ 1, check_extension },
	{ 2, debugfs_write },
	{ 3, refused_call },
	{ 5, mask_irq0 },
	{ 3, send_eois },
	{ 4, take_some_ticks },
	{ 3, run_timer },
	{ 4, stall },
};

static void act(void)
{
	int weights = 0, i, pick;

	for (i = 0; i < ARRAY_SIZE(actions); i++)
		weights += actions[i].weight;
	pick = below(weights);
	for (i = 0; pick >= actions[i].weight; i++)
		pick -= actions[i].weight;
	actions[i].act();
}

/*
 * Blind for long: set a known state. This does not depend on what was drawn, nor
 * does what will be drawn on it: a program is the same with other timing.
 */
static void keep_sight(void)
{
	u64 rng = f.seed ^ (u64)f.step << 32;
	bool blind = false;
	int n;

	for (n = 0; n < NR_COUNTERS; n++)
		blind |= f.counter[n].blind;
	f.blind_steps = blind ? f.blind_steps + 1 : 0;
	if (f.blind_steps > 4)
		set_sane_state(&rng);
	narrow();
}

/*
 * One program
 */

/* Nothing works on a VM without a PIT. */
static void calls_without_pit(void)
{
	struct kvm_reinject_control control = { };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_PIT_TICK_POLICY };
	struct kvm_pit_state2 state = { };

	expect_call("KVM_GET_PIT", KVM_GET_PIT, &state, ENXIO);
	expect_call("KVM_GET_PIT2", KVM_GET_PIT2, &state, ENXIO);
	expect_call("KVM_SET_PIT", KVM_SET_PIT, &state, ENXIO);
	expect_call("KVM_SET_PIT2", KVM_SET_PIT2, &state, ENXIO);
	expect_call("KVM_REINJECT_CONTROL", KVM_REINJECT_CONTROL, &control, ENXIO);
	expect_call("KVM_ENABLE_CAP", KVM_ENABLE_CAP, &cap, ENXIO);
	cap.args[0] = 4 + below(1000);
	expect_call("KVM_ENABLE_CAP", KVM_ENABLE_CAP, &cap, EINVAL);
	expect_call("KVM_CREATE_PIT2", KVM_CREATE_PIT2,
		    bad_pointer(sizeof(struct kvm_pit_config)), EFAULT);
}

/* Clock 0 is when the PIT was created; its state says when that was. */
static void create_pit(void)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct kvm_pit_state2 state;
	int n;

	expect_call("KVM_CREATE_PIT2", KVM_CREATE_PIT2, &config, 0);
	f.flags = 0;
	state = get_state2();
	f.epoch = state.channels[0].count_load_time;
	f.clock = 0;
	for (n = 0; n < NR_COUNTERS; n++) {
		f.counter[n].blind = false;
		f.counter[n].set->nr = 1;
		naive_reset(&f.counter[n].set->naive[0], n != 2);
	}
}

static void create_vm(void)
{
	u64 created;

	f.vm = vm_create_with_one_vcpu(&f.vcpu, guest_obeys);
	pit_init_vm_vectors(f.vm);
	pit_init_vcpu_vectors(f.vcpu);
	vm_install_exception_handler(f.vm, PIT_IRQ_VECTOR, guest_irq0);
	vm_install_exception_handler(f.vm, SPURIOUS_VECTOR, guest_spurious);
	pit_route_to_ioapic(f.vm);
	f.order = addr_gva2hva(f.vm, (uintptr_t)&order);

	calls_without_pit();
	created = now_ns();
	create_pit();
	if (f.epoch + 2 < created || f.epoch > f.after + 2)
		differ("the PIT says that it was created at %lu ns, and not between %lu and %lu",
		       f.epoch, created, f.after);
	set_settings(KVM_PIT_TICK_DELAY, 0, 0);
	check_settings();
	run_guest();
	set_mask(one_in(2), false);
}

/* The PIT is stopped, and what is on its way arrives. */
static void come_to_rest(void)
{
	static const u8 stop[] = { 0x30, 0, 0, 0x30 };
	int i;

	for (i = 0; i < ARRAY_SIZE(stop); i++)
		out(i == 1 || i == 2 ? PIT_CH0 : PIT_CONTROL, stop[i]);
	set_mask(false, false);
	set_mask(true, false);
	for (i = 0; i < 4; i++) {
		f.order->op = OP_EOI;
		f.order->eoi = EOI_PIC | EOI_APIC;
		f.order->n = 2;
		run_guest();
		take(EOI_PIC | EOI_APIC, 1000);
		sleep_until_ns(now_ns() + NSEC_PER_MSEC / 2);
	}
}

static u64 capacity(void)
{
	if (!strcmp(f.settings.policy, "discard"))
		return 0;
	if (!strcmp(f.settings.policy, "merge"))
		return 1;
	return f.settings.limit ?: ~0ULL;
}

/* Masked or not, the backlog may have one tick more: one that was raised. */
static void check_backlog(void)
{
	u64 backlog = pit_counter(f.vm, "backlog");
	u64 most = max(capacity(), 1UL);

	if (backlog > most)
		differ("a backlog of %lu ticks, at most %lu can be owed", backlog,
		       most);
}

static void check_ticks(void)
{
	u64 due = pit_counter(f.vm, "due");
	u64 lost = pit_counter(f.vm, "lost");
	u64 clocks = clock_at(now_ns());

	if (!pit_ticks_conserved(f.vm))
		differ("ticks are unaccounted for");
	if (due > clocks)
		differ("%lu ticks came due in %lu clocks", due, clocks);
	/* The PIC gives it one and the IOAPIC another. */
	if (f.taken > 2 * due)
		differ("%lu ticks were taken, %lu were due", f.taken, due);
	sums.due += due;
	sums.lost += lost;
	sums.taken += f.taken;
	if (pit_counter(f.vm, "backlog"))
		differ("%lu ticks are owed after the PIT was stopped",
		       pit_counter(f.vm, "backlog"));
}

static void run_program(u64 seed, int steps, u64 until)
{
	f.seed = seed;
	pit_rng = seed;
	f.logged = 0;
	f.blind_steps = 0;
	f.taken = 0;
	f.step = 0;
	create_vm();
	while (f.step < steps && now_ns() < until) {
		f.step++;
		sums.steps++;
		act();
		keep_sight();
		if (one_in(8))
			check_backlog();
	}
	come_to_rest();
	check_ticks();
	pit_vm_free(f.vm);
}

/* Without the i8259 there is no PIT either. */
static void test_no_irqchip(void)
{
	struct kvm_pit_config config = { };

	f.vm = vm_create_barebones();
	calls_without_pit();
	expect_call("KVM_CREATE_PIT", KVM_CREATE_PIT, NULL, ENOENT);
	expect_call("KVM_CREATE_PIT2", KVM_CREATE_PIT2, &config, ENOENT);
	kvm_vm_free(f.vm);
	ksft_test_result_pass("no PIT without an irqchip\n");
}

/*
 * That a test which compares next to nothing does not pass. With @blind it has to
 * compare something: an access takes long where the host has no time.
 */
static void test_coverage(bool blind)
{
	u64 least_bytes = blind ? 0 : sums.blind_bytes;
	u64 least_states = blind ? 0 : sums.blind_states;

	ksft_print_msg("%lu steps, %lu bytes read and %lu states compared, %lu and %lu left out\n",
		       sums.steps, sums.bytes, sums.states, sums.blind_bytes,
		       sums.blind_states);
	ksft_print_msg("%lu calls, %lu of them to be refused; an access in %lu clocks on average\n",
		       sums.calls, sums.refused, sums.window / (sums.accesses ?: 1));
	ksft_print_msg("%lu ticks due, %lu lost, %lu taken by the guest\n",
		       sums.due, sums.lost, sums.taken);
	ksft_test_result(sums.bytes > least_bytes && sums.states > least_states &&
			 sums.taken, "%s of what was seen was compared\n",
			 blind ? "something" : "most");
}

int main(int argc, char *argv[])
{
	u64 seed = DEFAULT_SEED, steps = 0, seconds = 0, until = ~0ULL;
	bool blind = false;
	u64 i, reported;
	int opt;

	while ((opt = getopt(argc, argv, "s:n:d:b")) != -1) {
		switch (opt) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			steps = strtoull(optarg, NULL, 0);
			break;
		case 'd':
			seconds = strtoull(optarg, NULL, 0);
			break;
		case 'b':
			blind = true;
			break;
		default:
			printf("usage: %s [-s SEED] [-n STEPS] [-d SECONDS] [-b]\n\n",
			       argv[0]);
			printf(" -s  of the first program, one more for each next (default %d)\n",
			       DEFAULT_SEED);
			printf(" -n  how many steps, %d for each program (default %d)\n",
			       PROGRAM_STEPS, DEFAULT_STEPS);
			printf(" -d  for how long, in place of -n\n");
			printf(" -b  be content where little can be compared, on a slow host\n");
			exit(KSFT_SKIP);
		}
	}
	if (!steps)
		steps = seconds ? ~0ULL : DEFAULT_STEPS;

	ksft_print_header();
	__TEST_REQUIRE(pit_has_policies(), "no KVM_CAP_PIT_TICK_POLICY");
	pit_require_debugfs();
	ksft_set_plan(3);
	for (i = 0; i < NR_COUNTERS; i++)
		f.counter[i].set = new_sets(1);

	ksft_print_msg("seed %lu\n", seed);
	test_no_irqchip();
	if (seconds)
		until = now_ns() + seconds * NSEC_PER_SEC;
	reported = now_ns();
	for (i = 0; sums.steps < steps && now_ns() < until; i++) {
		if (now_ns() > reported + 10 * NSEC_PER_SEC) {
			reported = now_ns();
			ksft_print_msg("seed %lu, %lu steps\n", seed + i, sums.steps);
			fflush(stdout);
		}
		run_program(seed + i, min(steps - sums.steps, (u64)PROGRAM_STEPS), until);
	}
	ksft_test_result_pass("random programs\n");
	test_coverage(blind);
	ksft_finished();
}
