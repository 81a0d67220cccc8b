// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interface of the in-kernel PIT: KVM_CAP_PIT_TICK_POLICY with its
 * arguments and errors, and the errors of the PIT's own ioctls.
 *
 * A refused call changes nothing: policy, rate and limit read as before.
 * Nothing here depends on time.
 *
 * With --settings it only says which settings a new VM has: what the module
 * parameters make of it is for a script to test.
 */
#include <sys/mman.h>

#include "pit.h"

#define ALL_POLICIES	15

struct settings {
	char policy[32];
	char slew_rate[32];
	char backlog_limit[32];
};

static void get_settings(struct kvm_vm *vm, struct settings *s)
{
	memset(s, 0, sizeof(*s));
	pit_setting(vm, "policy", s->policy, sizeof(s->policy));
	pit_setting(vm, "slew_rate", s->slew_rate, sizeof(s->slew_rate));
	pit_setting(vm, "backlog_limit", s->backlog_limit,
		    sizeof(s->backlog_limit));
}

/* A barebones VM has no irqchip. */
static struct kvm_vm *create_vm_with_pit(void)
{
	struct kvm_vm *vm = vm_create_barebones();

	vm_create_irqchip(vm);
	pit_create(vm);
	return vm;
}

static bool is_error(int ret, int err, int expected, const char *what)
{
	if (ret == -1 && err == expected)
		return true;
	ksft_print_msg("%s: returned %d, errno %d (%s); expected errno %d (%s)\n",
		       what, ret, err, strerror(err), expected,
		       strerror(expected));
	return false;
}

/*
 * KVM_CHECK_EXTENSION
 */

static void test_check_extension(void)
{
	struct kvm_vm *vm = vm_create_barebones();

	ksft_test_result(kvm_check_cap(KVM_CAP_PIT_TICK_POLICY) == ALL_POLICIES,
			 "KVM_CHECK_EXTENSION on /dev/kvm is %d\n", ALL_POLICIES);
	ksft_test_result(vm_check_cap(vm, KVM_CAP_PIT_TICK_POLICY) == ALL_POLICIES,
			 "KVM_CHECK_EXTENSION on a VM is %d\n", ALL_POLICIES);
	pit_vm_free(vm);
}

/*
 * KVM_ENABLE_CAP
 */

struct call {
	const char *name;
	u64 policy;
	u64 flags;
	u64 rate;
	u64 limit;
	u32 cap_flags;
};

static const struct call bad_calls[] = {
	{ "policy 4", .policy = 4 },
	{ "policy 2^32", .policy = 1ULL << 32 },
	{ "policy 2^64 - 1", .policy = ~0ULL },
	{ "flag 1", KVM_PIT_TICK_DELAY, .flags = 2 },
	{ "flag 31", KVM_PIT_TICK_DELAY, .flags = 1ULL << 31 },
	{ "flag 32", KVM_PIT_TICK_DELAY, .flags = 1ULL << 32 },
	{ "flag 63", KVM_PIT_TICK_DELAY, .flags = 1ULL << 63 },
	{ "cap.flags 1", KVM_PIT_TICK_DELAY, .cap_flags = 1 },
	{ "cap.flags 2^31", KVM_PIT_TICK_DELAY, .cap_flags = 1U << 31 },
	{ "slew rate 901", KVM_PIT_TICK_SLEW, .rate = 901 },
	{ "slew rate 2^32 + 100", KVM_PIT_TICK_SLEW, .rate = (1ULL << 32) + 100 },
	{ "slew rate 2^64 - 1", KVM_PIT_TICK_SLEW, .rate = ~0ULL },
	{ "a rate for delay", KVM_PIT_TICK_DELAY, .rate = 1 },
	{ "a rate for discard", KVM_PIT_TICK_DISCARD, .rate = 100 },
	{ "a rate for merge", KVM_PIT_TICK_MERGE, .rate = 100 },
	{ "a limit for discard", KVM_PIT_TICK_DISCARD, .limit = 1 },
	{ "a limit for merge", KVM_PIT_TICK_MERGE, .limit = 1 },
	{ "a limit of 2^32 for merge", KVM_PIT_TICK_MERGE, .limit = 1ULL << 32 },
};

static const struct good_call {
	struct call call;
	const char *slew_rate;
	const char *backlog_limit;
} good_calls[] = {
	{ { "delay", KVM_PIT_TICK_DELAY }, NULL, "0" },
	{ { "delay with a limit", KVM_PIT_TICK_DELAY, .limit = 500 }, NULL, "500" },
	{ { "discard", KVM_PIT_TICK_DISCARD } },
	{ { "merge", KVM_PIT_TICK_MERGE } },
	{ { "slew at the default rate", KVM_PIT_TICK_SLEW }, "100", "0" },
	{ { "slew at the least rate", KVM_PIT_TICK_SLEW, .rate = 1 }, "1", "0" },
	{ { "slew at the greatest rate", KVM_PIT_TICK_SLEW, .rate = 900 }, "900", "0" },
	{ { "slew with a limit", KVM_PIT_TICK_SLEW, .rate = 50, .limit = 7 }, "50", "7" },
};

static int enable_cap(struct kvm_vm *vm, const struct call *call)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_PIT_TICK_POLICY,
		.flags = call->cap_flags,
		.args = { call->policy, call->flags, call->rate, call->limit },
	};

	return __vm_ioctl(vm, KVM_ENABLE_CAP, &cap);
}

/* Each from another policy than its own, with a rate and a limit in force. */
static void test_bad_call(struct kvm_vm *vm, const struct call *call)
{
	struct settings before, after;
	int ret, err;

	TEST_ASSERT(!__pit_set_policy(vm, KVM_PIT_TICK_SLEW, 0, 50, 7),
		    "cannot set the policy");
	get_settings(vm, &before);
	ret = enable_cap(vm, call);
	err = errno;
	get_settings(vm, &after);

	ksft_test_result(is_error(ret, err, EINVAL, call->name) &&
			 !memcmp(&before, &after, sizeof(before)),
			 "KVM_ENABLE_CAP with %s is refused, nothing changes\n",
			 call->name);
}

static bool has_value(const char *what, const char *value, const char *expected)
{
	if (!expected || !strcmp(value, expected))
		return true;
	ksft_print_msg("%s reads %s, expected %s\n", what, value, expected);
	return false;
}

static void test_good_call(struct kvm_vm *vm, const struct good_call *good)
{
	struct settings s;
	int ret = enable_cap(vm, &good->call);

	get_settings(vm, &s);
	ksft_test_result(!ret &&
			 has_value("slew_rate", s.slew_rate, good->slew_rate) &&
			 has_value("backlog_limit", s.backlog_limit, good->backlog_limit),
			 "KVM_ENABLE_CAP with %s\n", good->call.name);
}

/* That the policy in debugfs tells policies apart at all. */
static void test_policy_names(struct kvm_vm *vm)
{
	char name[KVM_PIT_TICK_MERGE + 1][32];
	bool differ = true;
	int i, j;

	for (i = 0; i < ARRAY_SIZE(name); i++) {
		pit_set_policy(vm, i);
		pit_setting(vm, "policy", name[i], sizeof(name[i]));
		for (j = 0; j < i; j++)
			differ &= strcmp(name[i], name[j]) != 0;
	}
	ksft_test_result(differ, "debugfs shows which policy is in force\n");
}

/* A write to debugfs is KVM_ENABLE_CAP with the defaults. */
static void test_policy_write(struct kvm_vm *vm)
{
	char path[128], merge[32], now[32];
	bool written;
	FILE *f;

	pit_set_policy(vm, KVM_PIT_TICK_MERGE);
	pit_setting(vm, "policy", merge, sizeof(merge));
	pit_set_policy(vm, KVM_PIT_TICK_DISCARD);

	pit_file(vm, "policy", path, sizeof(path));
	f = fopen(path, "w");
	written = f && fputs(merge, f) >= 0;
	if (f)
		written &= !fclose(f);
	pit_setting(vm, "policy", now, sizeof(now));
	ksft_test_result(written && !strcmp(now, merge),
			 "debugfs switches the policy\n");
}

static void test_reinject_control(struct kvm_vm *vm)
{
	char delay[32], discard[32], now[32];
	bool ok;

	pit_set_policy(vm, KVM_PIT_TICK_DELAY);
	pit_setting(vm, "policy", delay, sizeof(delay));
	pit_set_policy(vm, KVM_PIT_TICK_DISCARD);
	pit_setting(vm, "policy", discard, sizeof(discard));

	pit_set_policy(vm, KVM_PIT_TICK_MERGE);
	pit_set_reinject(vm, false);
	ok = !strcmp(pit_setting(vm, "policy", now, sizeof(now)), discard);
	pit_set_reinject(vm, true);
	ok &= !strcmp(pit_setting(vm, "policy", now, sizeof(now)), delay);
	ksft_test_result(ok, "KVM_REINJECT_CONTROL 0 is discard, 1 is delay\n");
}

static bool period_is(struct kvm_vm *vm, u8 mode, u32 count, u64 ns)
{
	struct kvm_pit_state2 state;
	u64 shown;

	vm_ioctl(vm, KVM_GET_PIT2, &state);
	state.channels[0].mode = mode;
	state.channels[0].count = count;
	vm_ioctl(vm, KVM_SET_PIT2, &state);
	shown = pit_counter(vm, "period_ns");
	if (shown == ns)
		return true;
	ksft_print_msg("mode %u, count %u: %lu ns\n", mode, count, shown);
	return false;
}

/* Of counter 0, in ns, rounded up; 0 in the modes that are not periodic. */
static void test_period(struct kvm_vm *vm)
{
	bool ok = !pit_counter(vm, "period_ns");

	ok &= period_is(vm, 2, 23864, 20000305);
	ok &= period_is(vm, 3, 65536, 54925410);
	ok &= period_is(vm, 0, 23864, 0);
	ksft_test_result(ok, "debugfs shows the period\n");
}

static void test_enable_cap(void)
{
	struct kvm_vm *vm = create_vm_with_pit();
	int i;

	test_policy_names(vm);
	test_policy_write(vm);
	test_period(vm);
	test_reinject_control(vm);
	for (i = 0; i < ARRAY_SIZE(good_calls); i++)
		test_good_call(vm, &good_calls[i]);
	for (i = 0; i < ARRAY_SIZE(bad_calls); i++)
		test_bad_call(vm, &bad_calls[i]);
	pit_vm_free(vm);
}

static void test_enable_cap_without_pit(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	bool ok = true;
	int i, ret;

	for (i = 0; i <= KVM_PIT_TICK_MERGE; i++) {
		ret = __pit_set_policy(vm, i, 0, 0, 0);
		ok &= is_error(ret, errno, ENXIO, "without an irqchip");
	}
	vm_create_irqchip(vm);
	for (i = 0; i <= KVM_PIT_TICK_MERGE; i++) {
		ret = __pit_set_policy(vm, i, 0, 0, 0);
		ok &= is_error(ret, errno, ENXIO, "with an irqchip");
	}
	ksft_test_result(ok, "KVM_ENABLE_CAP without a PIT is ENXIO\n");
	pit_vm_free(vm);
}

/*
 * KVM_CREATE_PIT and KVM_CREATE_PIT2
 */

static struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

static const struct create {
	const char *name;
	unsigned long cmd;
	void *arg;
} creates[] = {
	{ "KVM_CREATE_PIT", KVM_CREATE_PIT, NULL },
	{ "KVM_CREATE_PIT2", KVM_CREATE_PIT2, &config },
};

static void test_create_twice(const struct create *create)
{
	struct kvm_vm *vm = vm_create_barebones();
	bool ok;
	int i, ret;

	vm_create_irqchip(vm);
	ok = !ioctl(vm->fd, create->cmd, create->arg);
	for (i = 0; i < ARRAY_SIZE(creates); i++) {
		ret = ioctl(vm->fd, creates[i].cmd, creates[i].arg);
		ok &= is_error(ret, errno, EEXIST, creates[i].name);
	}
	ksft_test_result(ok, "a second PIT after %s is EEXIST\n", create->name);
	pit_vm_free(vm);
}

static void test_create_without_pic(const struct create *create, bool split)
{
	struct kvm_vm *vm = vm_create_barebones();
	bool ok;
	int ret;

	if (split)
		vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24);
	ret = ioctl(vm->fd, create->cmd, create->arg);
	ok = is_error(ret, errno, ENOENT, create->name);
	ksft_test_result(ok, "%s with %s is ENOENT\n", create->name,
			 split ? "a split irqchip" : "no irqchip");
	pit_vm_free(vm);
}

/* The irqchip may come later. */
static void test_create_after_refusal(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	bool ok = ioctl(vm->fd, KVM_CREATE_PIT2, &config) == -1;

	vm_create_irqchip(vm);
	ok &= !ioctl(vm->fd, KVM_CREATE_PIT2, &config);
	ksft_test_result(ok, "a PIT after a refusal and an irqchip\n");
	pit_vm_free(vm);
}

/*
 * The other ioctls
 */

static const struct request {
	const char *name;
	unsigned long cmd;
} requests[] = {
	{ "KVM_GET_PIT", KVM_GET_PIT },
	{ "KVM_SET_PIT", KVM_SET_PIT },
	{ "KVM_GET_PIT2", KVM_GET_PIT2 },
	{ "KVM_SET_PIT2", KVM_SET_PIT2 },
	{ "KVM_REINJECT_CONTROL", KVM_REINJECT_CONTROL },
};

static void test_without_pit(const struct request *request)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_pit_state2 buffer = { };
	bool ok;
	int ret;

	ret = ioctl(vm->fd, request->cmd, &buffer);
	ok = is_error(ret, errno, ENXIO, "without an irqchip");
	vm_create_irqchip(vm);
	ret = ioctl(vm->fd, request->cmd, &buffer);
	ok &= is_error(ret, errno, ENXIO, "with an irqchip");
	ksft_test_result(ok, "%s without a PIT is ENXIO\n", request->name);
	pit_vm_free(vm);
}

static bool all_bad_pointers_fault(struct kvm_vm *vm, unsigned long cmd)
{
	long page = getpagesize();
	char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *bad[] = { NULL, map + page, map + page - 4, (void *)-4096L };
	bool ok = true;
	int i, ret;

	TEST_ASSERT(map != MAP_FAILED, "mmap");
	mprotect(map + page, page, PROT_NONE);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ret = ioctl(vm->fd, cmd, bad[i]);
		ok &= is_error(ret, errno, EFAULT, "bad pointer");
	}
	munmap(map, 2 * page);
	return ok;
}

static void test_bad_pointers(const struct request *request)
{
	struct kvm_pit_state2 before, after;
	struct kvm_vm *vm = create_vm_with_pit();
	bool ok;

	vm_ioctl(vm, KVM_GET_PIT2, &before);
	ok = all_bad_pointers_fault(vm, request->cmd);
	vm_ioctl(vm, KVM_GET_PIT2, &after);
	ok &= !memcmp(&before, &after, sizeof(before));
	ksft_test_result(ok, "%s with bad pointers is EFAULT, nothing changes\n",
			 request->name);
	pit_vm_free(vm);
}

static void test_create_bad_pointers(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_pit_state2 state;
	bool ok;
	int ret;

	vm_create_irqchip(vm);
	ok = all_bad_pointers_fault(vm, KVM_CREATE_PIT2);
	ret = __vm_ioctl(vm, KVM_GET_PIT2, &state);
	ok &= is_error(ret, errno, ENXIO, "KVM_GET_PIT2");
	pit_create(vm);
	ok &= all_bad_pointers_fault(vm, KVM_CREATE_PIT2);
	ksft_test_result(ok, "KVM_CREATE_PIT2 with bad pointers is EFAULT\n");
	pit_vm_free(vm);
}

#define NR_CAP_TESTS	(8 + ARRAY_SIZE(good_calls) + ARRAY_SIZE(bad_calls) + \
			 2 * ARRAY_SIZE(creates))
#define NR_IOCTL_TESTS	(1 + ARRAY_SIZE(creates) + 2 * ARRAY_SIZE(requests))

/* Before 6.12 KVM creates a PIT that can never raise its interrupt. */
static void test_creates_without_pic(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(creates); i++) {
		test_create_without_pic(&creates[i], false);
		test_create_without_pic(&creates[i], true);
	}
	test_create_after_refusal();
}

static void test_cap(void)
{
	int i;

	if (!pit_has_policies()) {
		for (i = 0; i < NR_CAP_TESTS; i++)
			ksft_test_result_skip("no KVM_CAP_PIT_TICK_POLICY\n");
		return;
	}
	test_check_extension();
	test_enable_cap();
	test_enable_cap_without_pit();
	test_creates_without_pic();
}

/*
 * Settings
 */

static void print_settings(struct kvm_vm *vm, const char *when)
{
	struct settings s;

	get_settings(vm, &s);
	printf("%s %s %s %s\n", when, s.policy, s.slew_rate, s.backlog_limit);
	fflush(stdout);
}

/* Of one VM: when it is new, after a shell command, and as KVM_REINJECT_CONTROL sets them. */
static int print_all_settings(const char *command)
{
	struct kvm_vm *vm;

	TEST_REQUIRE(pit_has_policies());
	pit_require_debugfs();
	vm = create_vm_with_pit();
	print_settings(vm, "new");
	if (command && system(command))
		ksft_exit_fail_msg("%s: does not work\n", command);
	print_settings(vm, "later");
	pit_set_reinject(vm, true);
	print_settings(vm, "reinject-1");
	pit_set_reinject(vm, false);
	print_settings(vm, "reinject-0");
	pit_vm_free(vm);
	return 0;
}

int main(int argc, char *argv[])
{
	int i;

	if (argc > 1 && !strcmp(argv[1], "--settings"))
		return print_all_settings(argv[2]);

	ksft_print_header();
	pit_require_debugfs();
	ksft_set_plan(NR_CAP_TESTS + NR_IOCTL_TESTS);

	test_cap();
	for (i = 0; i < ARRAY_SIZE(creates); i++)
		test_create_twice(&creates[i]);
	test_create_bad_pointers();
	for (i = 0; i < ARRAY_SIZE(requests); i++)
		test_without_pit(&requests[i]);
	for (i = 0; i < ARRAY_SIZE(requests); i++)
		test_bad_pointers(&requests[i]);
	ksft_finished();
}
