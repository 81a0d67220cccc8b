// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every state that IRQ0 of a VM can get into, breadth first, and what must hold in it.
 *
 * The tick layer itself is compiled in: i8254_ticks.c and i8254_policy.c. Around it there
 * are models: of an 8259, of the IOAPIC's pin and of a LAPIC as KVM has them, of how
 * kvm_pit_deliver.c and kvm_pit_irqchip.c use the layer (world.c), and of all that a guest,
 * its VMM and time can do (acts.c). laws.c says what must hold. A state that breaks a law is
 * printed with the shortest way to it.
 *
 * What is abstracted:
 *  - Time is relative to the present, and passes in a few steps a period. The second
 *    after which a mask means "off" may be over at any time.
 *  - Without a backlog limit no tick comes due while "bound" ticks are owed.
 *  - IRQ0 goes to one vCPU. Other interrupts do not exist.
 *  - A saved state is loaded where and when it was saved, with no raise on its way.
 *  - Both irqchips are pulsed at once.
 *  - One-shots, and rates at which slew is delay, are left to the KUnit tests.
 *
 * What is allowed although it is not exact, since nobody could know better:
 *  - A tick that an irqchip had and that is dropped there (ICW1, INIT, KVM_SET_x) is
 *    counted as delivered or replayed. So is one that is latched while masked: what
 *    became of it cannot be seen later. The guest loses it on hardware too.
 *  - What KVM_SET_IRQCHIP or KVM_SET_LAPIC puts into an IRR is a tick that was counted
 *    elsewhere. One that is raised at that moment becomes one with it, and counts as
 *    taken; so does one for whose vector another is given at that moment which has a
 *    tick in its IRR.
 *  - Ticks owed to the timer of before are lost when a count is written. One that a masked
 *    8259 has latched reaches the guest nevertheless.
 *  - With two irqchips, a tick is counted once where both get it. Which of the two has
 *    the held one is not known where the guest programs or clears the IOAPIC's pin while
 *    there is one, or masks the 8259 while one is pulsed and the pin is programmed: it may
 *    come once more, or not at all. The unmask after the move need not bring it at once.
 *    Nor is it known where a count is written while there is one.
 *  - Of two irqchips that are both open it is enough that one has a tick when the count
 *    wraps.
 *  - A held tick, of which no unmask told, comes beside what slew has places for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/limits.h>
#include <linux/kernel.h>

#include "world.h"

/* What memory has room for: 3 GB. */
#define STATES_MAX	100000000

struct options opt = { .policy = "delay", .chips = PIC, .bound = 3, .steps = 4, .vectors = 2 };

/**
 * struct node - a state that was reached
 * @state: the state
 * @from: the number of the one that it was reached from first
 * @act: by which act
 */
struct node {
	struct state state;
	u32 from;
	u8 act;
};

/*
 * The states in the order in which they were reached, and a hash table of their numbers
 * plus one.
 */
static struct node *nodes;
static u32 nodes_count, nodes_room;
static u32 *table;
static u64 table_size;

/* Of each law, how often it was broken. */
static u64 broken[LAWS];

static u64 hash(const struct state *s)
{
	u64 word[2], h;

	memcpy(word, s, sizeof(word));
	h = (word[0] ^ word[1] << 7) * 0x9e3779b97f4a7c15ULL;
	return (h ^ h >> 29) * 0xbf58476d1ce4e5b9ULL >> 16;
}

static u32 *find(const struct state *s)
{
	u64 i = hash(s) & (table_size - 1);

	while (table[i] && memcmp(&nodes[table[i] - 1].state, s, sizeof(*s)))
		i = (i + 1) & (table_size - 1);
	return &table[i];
}

static void *must(void *memory)
{
	if (memory)
		return memory;
	fprintf(stderr, "explore: no memory\n");
	exit(2);
}

static void grow(void)
{
	nodes_room = nodes_room ? 2 * nodes_room : 65536;
	nodes = must(realloc(nodes, (size_t)nodes_room * sizeof(*nodes)));
	free(table);
	table_size = 2ULL * nodes_room;
	table = must(calloc(table_size, sizeof(*table)));
	for (u32 i = 0; i < nodes_count; i++)
		*find(&nodes[i].state) = i + 1;
}

static void reach(const struct world *w, u32 from, u8 act)
{
	struct state s = world_pack(w);
	u32 *number;

	if (nodes_count == nodes_room)
		grow();
	number = find(&s);
	if (*number)
		return;
	nodes[nodes_count] = (struct node) { s, from, act };
	*number = ++nodes_count;
}

static void tell_event(const struct act *a, const struct world *w, u32 steps)
{
	static const char *const who[] = { "time", "device", "guest", "guest", "guest", "VMM",
					   "VMM" };
	char what[64];

	snprintf(what, sizeof(what), "%s %s", a ? who[a->who] : "all", a ? a->what : "begins");
	printf("#  %3u.%02u %-48s ", steps / opt.steps, steps % opt.steps * 100 / opt.steps, what);
	world_print(w);
	printf("\n");
}

/* How the state @number is reached. Returns the time that it takes. */
static u32 tell_way(u32 number)
{
	const struct node *n = &nodes[number];
	struct world w;
	u32 steps = 0;

	world_unpack(&w, n->state);
	if (!number) {
		tell_event(NULL, &w, 0);
		return 0;
	}
	steps = tell_way(n->from) + act_steps(&acts[n->act]);
	tell_event(&acts[n->act], &w, steps);
	return steps;
}

static void count(u32 bad, u32 number, const struct act *a, const struct world *w)
{
	u32 steps;

	for (int law = 0; law < LAWS; law++) {
		if (!(bad & 1 << law) || broken[law]++)
			continue;
		printf("# %s is broken, time in periods:\n", law_names[law]);
		steps = tell_way(number);
		if (a)
			tell_event(a, w, steps + act_steps(a));
		else
			laws_tell(w, law);
	}
}

static bool anything_broken(void)
{
	for (int law = 0; law < LAWS; law++)
		if (broken[law])
			return true;
	return false;
}

/* Returns how many transitions there are. */
static u64 explore(void)
{
	u64 transitions = 0;
	struct world w, to;
	u32 bad;

	world_begin(&w);
	reach(&w, 0, 0);
	for (u32 i = 0; i < nodes_count && nodes_count < STATES_MAX; i++) {
		world_unpack(&w, nodes[i].state);
		count(laws_of_state(&w), i, NULL, &w);
		for (u32 a = 0; a < acts_count(); a++) {
			to = w;
			if (!act_happens(&acts[a], &to))
				continue;
			transitions++;
			bad = laws_of_act(&acts[a], &w, &to);
			count(bad, i, &acts[a], &to);
			reach(&to, i, a);
		}
		if (opt.first && anything_broken())
			break;
	}
	return transitions;
}

static void set_option(const char *o)
{
	static const char *const policies[] = { "delay", "discard", "slew", "merge" };
	static const struct {
		const char *word;
		bool *option;
	} words[] = {
		{ "smp", &opt.smp },
		{ "torn", &opt.torn },
		{ "polite", &opt.polite },
		{ "no-vmm", &opt.no_vmm },
		{ "no-resets", &opt.no_resets },
		{ "switches", &opt.switches },
		{ "first", &opt.first },
	};

	for (unsigned int i = 0; i < 4; i++) {
		if (!strcmp(o, policies[i])) {
			opt.policy = policies[i];
			return;
		}
	}
	for (unsigned int i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!strcmp(o, words[i].word)) {
			*words[i].option = true;
			return;
		}
	}
	if (!strcmp(o, "pic")) {
		opt.chips = PIC;
	} else if (!strcmp(o, "ioapic")) {
		opt.chips = IOAPIC;
	} else if (!strcmp(o, "both")) {
		opt.chips = PIC | IOAPIC;
	} else if (sscanf(o, "rate=%u", &opt.rate) != 1 && sscanf(o, "limit=%u", &opt.limit) != 1 &&
		 sscanf(o, "bound=%u", &opt.bound) != 1 && sscanf(o, "steps=%u", &opt.steps) != 1 &&
		 sscanf(o, "vectors=%u", &opt.vectors) != 1) {
		fprintf(stderr, "explore: what is %s?\n", o);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	clock_t began = clock();
	u64 transitions;

	for (int i = 1; i < argc; i++)
		set_option(argv[i]);
	opt.smp |= opt.torn;
	transitions = explore();

	printf("# %u states, %llu transitions, %.1f s;", nodes_count, transitions,
	       (double)(clock() - began) / CLOCKS_PER_SEC);
	for (int law = 0; law < LAWS; law++)
		printf(" %s %llu", law_names[law], broken[law]);
	if (nodes_count >= STATES_MAX)
		printf("; TOO MANY STATES");
	printf("\n");
	return anything_broken() || nodes_count >= STATES_MAX;
}
