// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ticks go on at once, in whatever order a VMM saves and restores the PIT and the
 * irqchips.
 *
 *  - A guest that takes ticks at 100 Hz is saved, and restored in each of the 24 orders
 *    of PIT, 8259s, IOAPIC and LAPIC: Firecracker and crosvm begin with the PIT, QEMU
 *    ends with it. Between two of them nothing passes, 5 ms, or 25 ms: ticks come due
 *    that are raised into a chip which is then overwritten. With and without
 *    KVM_PIT_TICK_KEEP_STATE, under each policy, through the 8259 and the IOAPIC. Of 300
 *    ms, 30 ticks are taken, to one.
 *  - The irqchip is saved before the PIT, ten times in a row, while the vCPU's thread
 *    sleeps outside KVM_RUN and ticks come due: what the one has, the other does not
 *    forget.
 *  - An irqchip is replaced by an empty one between two KVM_SET_PIT2.
 *
 * At rest no tick is unaccounted for.
 */
#include "pit.h"

#define COUNT	11932	/* 10 ms */
#define SPAN_NS	(300 * NSEC_PER_MSEC)
#define TICKS	30

enum part {
	PIT,
	PICS,
	IOAPIC,
	LAPIC,
	NR_PARTS,
};

static const char part_letters[] = "TPIL";

struct saved {
	struct kvm_pit_state2 pit;
	struct kvm_irqchip chips[3];
	struct kvm_lapic_state lapic;
};

static void save_chips(struct kvm_vcpu *vcpu, struct saved *s)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(s->chips); i++) {
		s->chips[i].chip_id = KVM_IRQCHIP_PIC_MASTER + i;
		vm_ioctl(vcpu->vm, KVM_GET_IRQCHIP, &s->chips[i]);
	}
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &s->lapic);
}

static void save(struct kvm_vcpu *vcpu, struct saved *s)
{
	save_chips(vcpu, s);
	vm_ioctl(vcpu->vm, KVM_GET_PIT2, &s->pit);
}

static void restore(struct kvm_vcpu *vcpu, struct saved *s, enum part part)
{
	switch (part) {
	case PIT:
		vm_ioctl(vcpu->vm, KVM_SET_PIT2, &s->pit);
		break;
	case PICS:
		vm_ioctl(vcpu->vm, KVM_SET_IRQCHIP, &s->chips[KVM_IRQCHIP_PIC_MASTER]);
		vm_ioctl(vcpu->vm, KVM_SET_IRQCHIP, &s->chips[KVM_IRQCHIP_PIC_SLAVE]);
		break;
	case IOAPIC:
		vm_ioctl(vcpu->vm, KVM_SET_IRQCHIP, &s->chips[KVM_IRQCHIP_IOAPIC]);
		break;
	default:
		vcpu_ioctl(vcpu, KVM_SET_LAPIC, &s->lapic);
	}
}

static bool goes_on(struct kvm_vcpu *vcpu, const char *what)
{
	u64 first = pit_ticks_in(vcpu, SPAN_NS);
	u64 second = pit_ticks_in(vcpu, SPAN_NS);

	/* What was owed, or waited, may come first. */
	if (first >= TICKS - 1 && second >= TICKS - 1 && second <= TICKS + 1)
		return true;
	ksft_print_msg("%s: %lu ticks in 300 ms, and then %lu\n", what, first, second);
	pit_print_state(vcpu);
	return false;
}

static struct kvm_vm *create(struct kvm_vcpu **vcpu, int policy, bool keep, bool by_ioapic)
{
	struct kvm_vm *vm = pit_vm_create_serving(vcpu);

	pit_set_irq0_way(vm, by_ioapic);
	if (keep && pit_has_policies())
		TEST_ASSERT(!__pit_set_policy(vm, policy, KVM_PIT_TICK_KEEP_STATE, 0, 0),
			    "KVM_ENABLE_CAP");
	else
		pit_choose_policy(vm, policy);
	pit_order_program(*vcpu, 0, 2, COUNT);
	pit_run_for(*vcpu, 35 * NSEC_PER_MSEC);
	return vm;
}

static bool restores(const enum part *order, int policy, bool keep, bool by_ioapic)
{
	static const int gaps_ms[] = { 0, 5, 25 };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, policy, keep, by_ioapic);
	struct saved saved;
	char what[80];
	bool ok = true;
	int g, i;

	save(vcpu, &saved);
	for (g = 0; g < ARRAY_SIZE(gaps_ms) && ok; g++) {
		for (i = 0; i < NR_PARTS; i++) {
			restore(vcpu, &saved, order[i]);
			sleep_until_ns(now_ns() + gaps_ms[g] * NSEC_PER_MSEC);
		}
		snprintf(what, sizeof(what), "%s, %s, %s, gaps of %d ms", pit_policy_names[policy],
			 keep ? "kept" : "not kept", by_ioapic ? "IOAPIC" : "i8259",
			 gaps_ms[g]);
		ok = goes_on(vcpu, what);
	}
	pit_vm_free(vm);
	return ok;
}

static void test_order(const enum part *order)
{
	int policies = pit_nr_policies(), p, keep, way;
	bool ok = true;

	for (p = 0; p < policies; p++)
		for (keep = 0; keep < (pit_has_policies() ? 2 : 1); keep++)
			for (way = 0; way < 2; way++)
				ok &= restores(order, p, keep, way);
	ksft_test_result(ok, "order %c%c%c%c\n", part_letters[order[0]], part_letters[order[1]],
			 part_letters[order[2]], part_letters[order[3]]);
}

static void test_orders(void)
{
	enum part order[NR_PARTS];
	int n, i, seen;

	for (n = 0; n < 1 << 2 * NR_PARTS; n++) {
		for (i = seen = 0; i < NR_PARTS; i++) {
			order[i] = n >> 2 * i & 3;
			seen |= 1 << order[i];
		}
		if (seen == (1 << NR_PARTS) - 1)
			test_order(order);
	}
}

static void test_irqchip_first(int policy, bool by_ioapic)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, policy, true, by_ioapic);
	struct saved saved;
	bool ok = true;
	int i;

	for (i = 0; i < 10 && ok; i++) {
		save_chips(vcpu, &saved);
		sleep_until_ns(now_ns() + 25 * NSEC_PER_MSEC);
		vm_ioctl(vm, KVM_GET_PIT2, &saved.pit);
		restore(vcpu, &saved, PICS);
		restore(vcpu, &saved, IOAPIC);
		restore(vcpu, &saved, LAPIC);
		restore(vcpu, &saved, PIT);
		ok = goes_on(vcpu, "the irqchip saved first");
	}
	pit_vm_free(vm);
	ksft_test_result(ok, "the irqchip is saved first, %s, %s\n", pit_policy_names[policy],
			 by_ioapic ? "IOAPIC" : "i8259");
}

static void test_empty_irqchip(int policy)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, policy, false, false);
	struct saved saved;
	int i;

	for (i = 0; i < 2; i++) {
		save(vcpu, &saved);
		saved.chips[KVM_IRQCHIP_PIC_MASTER].chip.pic.irr = 0;
		saved.chips[KVM_IRQCHIP_PIC_MASTER].chip.pic.isr = 0;
		restore(vcpu, &saved, PIT);
		sleep_until_ns(now_ns() + 25 * NSEC_PER_MSEC);
		restore(vcpu, &saved, PICS);
	}
	ksft_test_result(goes_on(vcpu, "an empty irqchip"), "an empty irqchip, %s\n",
			 pit_policy_names[policy]);
	pit_vm_free(vm);
}

int main(void)
{
	int policies = pit_nr_policies(), p, way;

	ksft_print_header();
	setlinebuf(stdout);
	ksft_set_plan(24 + 3 * policies);
	test_orders();
	for (p = 0; p < policies; p++) {
		for (way = 0; way < 2; way++)
			test_irqchip_first(p, way);
		test_empty_irqchip(p);
	}
	ksft_finished();
}
