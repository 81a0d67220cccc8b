// SPDX-License-Identifier: GPL-2.0-only
/*
 * When a guest gets its ticks after it could not take any for a while: the
 * timelines of the lost-tick policies.
 *
 * The period is 20 ms. The guest is held from just after its first tick until
 * 42 ms or 205 ms after it. Verified, each to 0.6 ms:
 *
 *  - every tick is taken at the time of the table, and there is no other;
 *  - the ticks after the catch-up are at load + k * period: the phase stays;
 *  - the n-th tick is never taken before load + n * period;
 *  - at rest no tick is unaccounted for.
 *
 * So for the four policies with three handlers of the interrupt (plain; masked
 * until its EOI; masked until its EOI and held there), and for what
 * KVM_REINJECT_CONTROL selects with the plain one.
 *
 * The times are exact on an idle host only.
 */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "pit.h"

#define COUNT		23864	/* 20 ms */
#define PIT_MODE	2

#define TOLERANCE_NS	(600 * 1000L)

#define MAX_TICKS	16384

enum event {
	EVENT_LOAD,	/* the count is about to be written */
	EVENT_LOADED,	/* it was */
	EVENT_TICK,	/* the handler runs */
	EVENT_HOLD,	/* the guest may be held here */
};

enum handler {
	PLAIN,
	MASKED,
	HELD_MASKED,
	NR_HANDLERS,
};

static const char * const handler_names[] = {
	[PLAIN] = "plain handler",
	[MASKED] = "mask-EOI-unmask handler",
	[HELD_MASKED] = "handler held while masked",
};

struct policy {
	const char *name;
	bool by_reinject_control;
	int value;
};

static const struct policy policies[] = {
	{ "stock-reinject",	true,	1 },
	{ "stock-discard",	true,	0 },
	{ "delay",		false,	KVM_PIT_TICK_DELAY },
	{ "discard",		false,	KVM_PIT_TICK_DISCARD },
	{ "slew",		false,	KVM_PIT_TICK_SLEW },
	{ "merge",		false,	KVM_PIT_TICK_MERGE },
};

/*
 * What is taken from the hold on, in ms after the first tick, and from where on
 * it is a tick every 20 ms.
 */
struct expected {
	int busy_until;
	int span;
	int grid_from;
	int after_hold[20];	/* 0: no more */
};

#define HOLD_42		.busy_until = 42, .span = 130
#define HOLD_205	.busy_until = 205, .span = 450

static const struct expected expected_delay[] = {
	{ HOLD_42, .grid_from = 60, .after_hold = { 42, 42 } },
	{ HOLD_205, .grid_from = 220, .after_hold = {
		205, 205, 205, 205, 205, 205, 205, 205, 205, 205 } },
};

static const struct expected expected_once[] = {
	{ HOLD_42, .grid_from = 60, .after_hold = { 42 } },
	{ HOLD_205, .grid_from = 220, .after_hold = { 205 } },
};

static const struct expected expected_slew[] = {
	{ HOLD_42, .grid_from = 60, .after_hold = { 42, 50 } },
	{ HOLD_205, .grid_from = 380, .after_hold = {
		205, 210, 220, 230, 240, 250, 260, 270, 280, 290,
		300, 310, 320, 330, 340, 350, 360, 370 } },
};

#define NR_HOLDS	ARRAY_SIZE(expected_delay)

static const struct expected *expected_of(const struct policy *policy)
{
	if (policy->by_reinject_control)
		return policy->value ? expected_delay : expected_once;

	switch (policy->value) {
	case KVM_PIT_TICK_DELAY:
		return expected_delay;
	case KVM_PIT_TICK_SLEW:
		return expected_slew;
	default:
		return expected_once;
	}
}

/* The guest's; written by the host before it runs, and to end it. */
static enum handler guest_handler;
static bool guest_stop;
static u64 guest_ticks;

static void irq0_handler(struct ex_regs *regs)
{
	if (guest_handler != PLAIN)
		pic_mask_irq0(true);
	pit_report(EVENT_TICK);
	pic_eoi();
	if (guest_handler == MASKED)
		pic_mask_irq0(false);
	if (!guest_ticks++)
		pit_report(EVENT_HOLD);
	if (guest_handler == HELD_MASKED)
		pic_mask_irq0(false);
}

static void guest_code(void)
{
	pic_init(0xfe);
	pit_report(EVENT_LOAD);
	pit_program(0, PIT_MODE, COUNT);
	pit_report(EVENT_LOADED);
	pit_sti();
	while (!READ_ONCE(guest_stop))
		hlt();
	pit_rest();
}

static const char * const counters[] = {
	"due", "delivered", "replayed", "lost", "backlog",
};

struct timeline {
	u64 load_min;	/* the count was loaded between these */
	u64 load_max;
	u64 tick[MAX_TICKS];
	int nr;
	bool at_rest;
	u64 counted[ARRAY_SIZE(counters)];	/* at rest */
};

static void record_tick(struct timeline *line)
{
	TEST_ASSERT(line->nr < MAX_TICKS, "more than %d ticks", MAX_TICKS);
	line->tick[line->nr++] = now_ns();
}

static void record_event(struct timeline *line, int event, int busy_until)
{
	switch (event) {
	case EVENT_LOAD:
		line->load_min = now_ns();
		break;
	case EVENT_LOADED:
		line->load_max = now_ns();
		break;
	case EVENT_TICK:
		record_tick(line);
		break;
	case EVENT_HOLD:
		sleep_until_ns(line->tick[0] + busy_until * NSEC_PER_MSEC);
		break;
	default:
		TEST_FAIL("event %d", event);
	}
}

/* A signal that stops the process or has it continue ends no recording. */
static void record(struct kvm_vcpu *vcpu, struct timeline *line, int busy_until,
		   int span)
{
	u64 until = now_ns() + NSEC_PER_SEC;
	int event;

	for (;;) {
		event = pit_run(vcpu, until);
		if (event == PIT_TIMEOUT && now_ns() + 1000 < until)
			continue;
		if (event == PIT_TIMEOUT)
			return;
		record_event(line, event, busy_until);
		if (line->nr)
			until = line->tick[0] + span * NSEC_PER_MSEC;
	}
}

static struct kvm_vm *create(struct kvm_vcpu **vcpu, const struct policy *policy,
			     enum handler handler)
{
	struct kvm_vm *vm = pit_vm_create(vcpu, guest_code, irq0_handler);

	guest_handler = handler;
	sync_global_to_guest(vm, guest_handler);
	if (policy->by_reinject_control)
		pit_set_reinject(vm, policy->value);
	else
		pit_set_policy(vm, policy->value);
	return vm;
}

/*
 * Which thread creates the VM
 */

enum creator {
	BY_MAIN_THREAD,
	BY_THREAD,		/* which stays, */
	BY_THREAD_THAT_ENDS,
};

struct creation {
	struct kvm_vm *vm;
	struct kvm_vcpu **vcpu;
	const struct policy *policy;
	enum handler handler;
	bool stays;
	pthread_barrier_t done;
};

static void *create_on_thread(void *arg)
{
	struct creation *c = arg;
	bool stays = c->stays;
	sigset_t all;

	/* Signals are for the thread that runs the vCPU. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	prctl(PR_SET_NAME, "creator");
	pit_creator = syscall(SYS_gettid);
	c->vm = create(c->vcpu, c->policy, c->handler);
	pthread_barrier_wait(&c->done);
	while (stays)
		pause();
	return NULL;
}

static struct kvm_vm *create_by(enum creator creator, struct kvm_vcpu **vcpu,
				const struct policy *policy, enum handler handler)
{
	struct creation c = {
		.vcpu = vcpu, .policy = policy, .handler = handler,
		.stays = creator == BY_THREAD,
	};
	pthread_t thread;

	if (creator == BY_MAIN_THREAD)
		return create(vcpu, policy, handler);

	pthread_barrier_init(&c.done, NULL, 2);
	TEST_ASSERT(!pthread_create(&thread, NULL, create_on_thread, &c), "pthread_create");
	pthread_barrier_wait(&c.done);
	if (!c.stays)
		pthread_join(thread, NULL);
	return c.vm;
}

/* Every handler's run is a tick delivered or replayed. */
static bool settled(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	u64 counted, *taken;

	*(bool *)addr_gva2hva(vm, (uintptr_t)&guest_stop) = true;
	pit_wake(vcpu);
	if (!pit_run_to_rest(vcpu) || !pit_ticks_conserved(vm))
		return false;
	if (!pit_has_policies())
		return true;

	taken = addr_gva2hva(vm, (uintptr_t)&guest_ticks);
	counted = pit_counter(vm, "delivered") + pit_counter(vm, "replayed");
	if (*taken == counted)
		return true;
	ksft_print_msg("%lu ticks taken, %lu counted\n", *taken, counted);
	return false;
}

static void run(struct timeline *line, enum creator creator, const struct policy *policy,
		enum handler handler, int busy_until, int span)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int i;

	memset(line, 0, sizeof(*line));
	vm = create_by(creator, &vcpu, policy, handler);
	record(vcpu, line, busy_until, span);
	line->at_rest = settled(vm, vcpu);
	for (i = 0; pit_has_policies() && i < ARRAY_SIZE(counters); i++)
		line->counted[i] = pit_counter(vm, counters[i]);
	pit_vm_free(vm);
}

static double since_first_ms(const struct timeline *line, int i)
{
	return (s64)(line->tick[i] - line->tick[0]) / 1e6;
}

static void print_timeline(const struct timeline *line)
{
	int i;

	for (i = 0; i < line->nr; i++)
		printf("time %.3f\n", since_first_ms(line, i));
	for (i = 0; pit_has_policies() && i < ARRAY_SIZE(counters); i++)
		printf("%s %lu\n", counters[i], line->counted[i]);
}

static int expected_times(const struct expected *exp, int *ms)
{
	int i, at, nr = 0;

	ms[nr++] = 0;
	for (i = 0; i < ARRAY_SIZE(exp->after_hold) && exp->after_hold[i]; i++)
		ms[nr++] = exp->after_hold[i];
	for (at = exp->grid_from; at < exp->span; at += 20)
		ms[nr++] = at;
	return nr;
}

static bool times_match(const struct timeline *line, const struct expected *exp)
{
	int ms[MAX_TICKS];
	int nr = expected_times(exp, ms);
	bool ok = line->nr == nr;
	s64 off;
	int i;

	for (i = 0; ok && i < nr; i++) {
		off = line->tick[i] - line->tick[0] - ms[i] * NSEC_PER_MSEC;
		ok = llabs(off) <= TOLERANCE_NS;
	}
	if (ok)
		return true;

	for (i = 0; i < nr || i < line->nr; i++)
		ksft_print_msg("tick %d: expected at %d ms, taken at %.3f ms\n", i,
			       i < nr ? ms[i] : -1,
			       i < line->nr ? since_first_ms(line, i) : -1);
	return false;
}

static bool none_early(const struct timeline *line)
{
	u64 due;
	int i;

	for (i = 0; i < line->nr; i++) {
		due = line->load_min + pit_clocks_to_ns((i + 1) * (u64)COUNT);
		if (line->tick[i] >= due)
			continue;
		ksft_print_msg("tick %d taken %lu ns early\n", i,
			       due - line->tick[i]);
		return false;
	}
	return true;
}

static bool phase_kept(const struct timeline *line, const struct expected *exp)
{
	u64 slack = line->load_max - line->load_min + TOLERANCE_NS;
	u64 since, late;
	int i;

	for (i = 0; i < line->nr; i++) {
		if (since_first_ms(line, i) < exp->grid_from - 1)
			continue;
		since = line->tick[i] - line->load_min;
		late = since % pit_clocks_to_ns(COUNT);
		if (late <= slack)
			continue;
		ksft_print_msg("tick %d taken %lu ns after the grid\n", i, late);
		return false;
	}
	return true;
}

static void test_timeline(const struct policy *policy, enum handler handler,
			  const struct expected *exp)
{
	struct timeline line;
	bool ok = false;

	run(&line, BY_MAIN_THREAD, policy, handler, exp->busy_until, exp->span);
	if (line.nr)
		ok = times_match(&line, exp) && none_early(&line) &&
		     phase_kept(&line, exp) && line.at_rest;
	else
		ksft_print_msg("no tick\n");
	ksft_test_result(ok, "%s, busy until %d ms, %s\n", policy->name,
			 exp->busy_until, handler_names[handler]);
}

/* What 1 means to KVM_REINJECT_CONTROL may be a parameter of the host's. */
static bool reinject_is_delay(void)
{
	const char *path = pit_param("reinject");
	char buf[32] = "delay";
	FILE *f = fopen(path, "r");

	if (f) {
		TEST_ASSERT(fgets(buf, sizeof(buf), f), "cannot read %s", path);
		fclose(f);
	}
	return !strncmp(buf, "delay", strlen("delay"));
}

static const char *reason_to_skip(const struct policy *policy)
{
	if (!policy->by_reinject_control && !pit_has_policies())
		return "no KVM_CAP_PIT_TICK_POLICY";
	if (policy->by_reinject_control && !reinject_is_delay())
		return "the parameter reinject is not delay";
	return NULL;
}

static void test_policy(const struct policy *policy)
{
	const struct expected *exp = expected_of(policy);
	int handlers = policy->by_reinject_control ? 1 : NR_HANDLERS;
	const char *reason = reason_to_skip(policy);
	int handler, hold;

	for (handler = 0; handler < handlers; handler++) {
		for (hold = 0; hold < NR_HOLDS; hold++) {
			if (!reason)
				test_timeline(policy, handler, &exp[hold]);
			else
				ksft_test_result_skip("%s, busy until %d ms, %s: %s\n",
						      policy->name,
						      exp[hold].busy_until,
						      handler_names[handler],
						      reason);
		}
	}
}

static int test_all(void)
{
	int i, plan = 0;

	ksft_print_header();
	for (i = 0; i < ARRAY_SIZE(policies); i++)
		plan += NR_HOLDS *
			(policies[i].by_reinject_control ? 1 : NR_HANDLERS);
	ksft_set_plan(plan);

	pit_require_debugfs();
	for (i = 0; i < ARRAY_SIZE(policies); i++)
		test_policy(&policies[i]);
	ksft_finished();
	return 0;
}

static void help(const char *name)
{
	printf("usage: %s [--policy NAME [OPTION]... --print]\n", name);
	printf("\n");
	printf("Without options: test all policies.\n");
	printf(" --policy      stock-reinject, stock-discard, delay, discard, slew, merge\n");
	printf(" --busy-until  hold the guest until then, ms after its first tick (default 42)\n");
	printf(" --span        for how long to record, in ms (default 250 more)\n");
	printf(" --handler     0: plain (default), 1: masked until EOI, 2: held so\n");
	printf(" --creator     of the VM, 0: the main thread (default), 1: another one,\n");
	printf("               2: another one, which ends\n");
	printf(" --print       print when ticks were taken: a line \"time MS\" for each,\n");
	printf("               and what debugfs counted: \"due NUMBER\" and so on\n");
	exit(KSFT_SKIP);
}

static const struct policy *find_policy(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(policies); i++)
		if (!strcmp(policies[i].name, name))
			return &policies[i];
	return NULL;
}

static int print_one(enum creator creator, const struct policy *policy,
		     enum handler handler, int busy_until, int span)
{
	struct timeline line;

	TEST_REQUIRE(policy->by_reinject_control || pit_has_policies());
	run(&line, creator, policy, handler, busy_until, span);
	if (!line.nr)
		ksft_exit_fail_msg("no tick\n");
	print_timeline(&line);
	return 0;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "policy",	required_argument,	NULL, 'p' },
		{ "busy-until",	required_argument,	NULL, 'b' },
		{ "span",	required_argument,	NULL, 's' },
		{ "handler",	required_argument,	NULL, 'm' },
		{ "creator",	required_argument,	NULL, 'c' },
		{ "print",	no_argument,		NULL, 'v' },
		{ }
	};
	const struct policy *policy = NULL;
	int busy_until = 42, span = 0, handler = PLAIN, creator = BY_MAIN_THREAD;
	bool print = false;
	int opt;

	prctl(PR_SET_TIMERSLACK, 1);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'p':
			policy = find_policy(optarg);
			if (!policy)
				help(argv[0]);
			break;
		case 'b':
			busy_until = atoi(optarg);
			break;
		case 's':
			span = atoi(optarg);
			break;
		case 'm':
			handler = atoi(optarg);
			break;
		case 'c':
			creator = atoi(optarg);
			break;
		case 'v':
			print = true;
			break;
		default:
			help(argv[0]);
		}
	}
	if (!print && !policy)
		return test_all();
	if (!print || !policy)
		help(argv[0]);
	return print_one(creator, policy, handler, busy_until, span ?: busy_until + 250);
}
