// SPDX-License-Identifier: GPL-2.0-only
/*
 * APICv and AVIC do not report the EOIs that delay, slew and merge wait for: these
 * inhibit them for their VM, and discard does not.
 *
 * Verified by the tracepoint kvm:kvm_apicv_inhibit_changed: which inhibits are set
 * and cleared as a PIT is created, at all twelve ordered switches of its policy by
 * KVM_ENABLE_CAP, by KVM_REINJECT_CONTROL, and as the VM is destroyed. Each time it
 * is the one of the PIT or none.
 *
 * No vCPU runs, and so it does not matter whether the host's processor is able to do
 * it. But KVM has to believe so, and ignores inhibits otherwise: then all is skipped.
 */
#include <sys/stat.h>

#include "pit.h"

#define INSTANCE	"/sys/kernel/tracing/instances/pit_apicv"
#define EVENT		"/events/kvm/kvm_apicv_inhibit_changed/enable"

static const struct policy {
	const char *name;
	int value;
	bool inhibits;
} policies[] = {
	{ "delay", KVM_PIT_TICK_DELAY, true },
	{ "discard", KVM_PIT_TICK_DISCARD, false },
	{ "slew", KVM_PIT_TICK_SLEW, true },
	{ "merge", KVM_PIT_TICK_MERGE, true },
};

/* The number that this kernel has for the PIT's inhibit. */
static int pit_reason = -1;

static bool is_true(const char *path)
{
	FILE *f = fopen(path, "r");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	return c == 'Y' || c == '1';
}

static bool apicv_is_on(void)
{
	return is_true("/sys/module/kvm_amd/parameters/avic") ||
	       is_true("/sys/module/kvm_intel/parameters/enable_apicv");
}

struct changes {
	int set;
	int cleared;
	int reason;	/* of the last one */
	bool named;	/* the kernel says which one it is, and it is the PIT's */
};

/*
 * Since the last call. Since 7.3 KVM reports that of the interrupt window with each of the
 * others, be it changed or not: only what changes the inhibits counts.
 */
static struct changes get_changes(void)
{
	FILE *f = fopen(INSTANCE "/trace", "r");
	struct changes c = { .reason = -1 };
	static unsigned long last;
	unsigned long inhibits;
	char line[512], *event, *end;

	TEST_ASSERT(f, "cannot read the trace");
	while (fgets(line, sizeof(line), f)) {
		event = strstr(line, "kvm_apicv_inhibit_changed:");
		if (line[0] == '#' || !event)
			continue;
		TEST_ASSERT(strstr(event, "reason="), "no reason in \"%s\"", line);
		TEST_ASSERT(strstr(event, "inhibits="), "no inhibits in \"%s\"", line);
		inhibits = strtoul(strstr(event, "inhibits=") + strlen("inhibits="), &end, 16);
		if (inhibits == last)
			continue;
		last = inhibits;
		c.reason = atoi(strstr(event, "reason=") + strlen("reason="));
		c.named = *end != ' ' || strstr(end, "PIT_REINJ");
		if (strstr(event, "cleared"))
			c.cleared++;
		else
			c.set++;
	}
	fclose(f);
	pit_write_text(INSTANCE "/trace", "");
	return c;
}

static bool changes_are(bool before, bool after, const char *when)
{
	struct changes c = get_changes();

	if (c.set == (!before && after) && c.cleared == (before && !after) &&
	    (before == after || c.reason == pit_reason))
		return true;
	ksft_print_msg("%s: %d set, %d cleared, the last is reason %d\n", when, c.set,
		       c.cleared, c.reason);
	return false;
}

static struct kvm_vm *create(void)
{
	struct kvm_vm *vm = vm_create_barebones();

	vm_create_irqchip(vm);
	get_changes();
	pit_create(vm);
	return vm;
}

/* The first one: whatever is set then is the PIT's. */
static void test_create(void)
{
	struct kvm_vm *vm = create();
	struct changes c = get_changes();

	pit_reason = c.reason;
	ksft_test_result(c.set == 1 && !c.cleared && c.named,
			 "KVM_CREATE_PIT2 sets one inhibit, PIT_REINJ where the kernel names it\n");
	pit_vm_free(vm);
	ksft_test_result(changes_are(true, false, "destruction"),
			 "destruction of the VM clears it\n");
}

static void test_pair(const struct policy *from, const struct policy *to)
{
	struct kvm_vm *vm = create();
	bool ok = changes_are(false, true, "creation");

	pit_set_policy(vm, from->value);
	ok &= changes_are(true, from->inhibits, from->name);
	pit_set_policy(vm, to->value);
	ok &= changes_are(from->inhibits, to->inhibits, to->name);
	pit_set_policy(vm, to->value);
	ok &= changes_are(to->inhibits, to->inhibits, "the same policy again");
	pit_vm_free(vm);
	ok &= changes_are(to->inhibits, false, "destruction");
	ksft_test_result(ok, "%s to %s\n", from->name, to->name);
}

static void test_reinject_control(void)
{
	struct kvm_vm *vm = create();
	bool ok = changes_are(false, true, "creation");

	pit_set_reinject(vm, false);
	ok &= changes_are(true, false, "KVM_REINJECT_CONTROL 0");
	pit_set_reinject(vm, true);
	ok &= changes_are(false, true, "KVM_REINJECT_CONTROL 1");
	pit_vm_free(vm);
	ok &= changes_are(true, false, "destruction");
	ksft_test_result(ok, "KVM_REINJECT_CONTROL\n");
}

static void test_all(void)
{
	int i, j;

	test_create();
	for (i = 0; i < ARRAY_SIZE(policies); i++)
		for (j = 0; j < ARRAY_SIZE(policies); j++)
			if (i != j)
				test_pair(&policies[i], &policies[j]);
	test_reinject_control();
}

#define NR_TESTS	(3 + ARRAY_SIZE(policies) * (ARRAY_SIZE(policies) - 1))

int main(void)
{
	int i;

	TEST_REQUIRE(pit_has_policies());
	pit_require_debugfs();
	ksft_print_header();
	ksft_set_plan(NR_TESTS);

	if (!apicv_is_on()) {
		for (i = 0; i < NR_TESTS; i++)
			ksft_test_result_skip("KVM has APICv off, and ignores inhibits\n");
		ksft_finished();
	}

	rmdir(INSTANCE);
	TEST_ASSERT(!mkdir(INSTANCE, 0700), "cannot create %s", INSTANCE);
	pit_write_text(INSTANCE EVENT, "1");
	test_all();
	pit_write_text(INSTANCE EVENT, "0");
	TEST_ASSERT(!rmdir(INSTANCE), "cannot remove %s", INSTANCE);
	ksft_finished();
}
