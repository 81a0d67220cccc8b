// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM with a PIT, from its creation to its end.
 */
#include "pit_host.h"
#include "pit_vcpu.h"
#include "pit_vm.h"
#include "pit_watch.h"

const char * const pit_policy_names[] = {
	[KVM_PIT_TICK_DELAY] = "delay",
	[KVM_PIT_TICK_DISCARD] = "discard",
	[KVM_PIT_TICK_SLEW] = "slew",
	[KVM_PIT_TICK_MERGE] = "merge",
};

#ifdef KVM_CAP_USER_MEMORY2
void pit_init_vm_vectors(struct kvm_vm *vm)
{
}

void pit_init_vcpu_vectors(struct kvm_vcpu *vcpu)
{
}
#else
void pit_init_vm_vectors(struct kvm_vm *vm)
{
	vm_init_descriptor_tables(vm);
}

void pit_init_vcpu_vectors(struct kvm_vcpu *vcpu)
{
	vcpu_init_descriptor_tables(vcpu);
}
#endif

void pit_create(struct kvm_vm *vm)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	vm_ioctl(vm, KVM_CREATE_PIT2, &config);
}

struct kvm_vm *pit_vm_create(struct kvm_vcpu **vcpu, void *guest_code,
			     void (*irq0)(struct ex_regs *))
{
	struct kvm_vm *vm = vm_create_with_one_vcpu(vcpu, guest_code);

	pit_init_vm_vectors(vm);
	pit_init_vcpu_vectors(*vcpu);
	vm_install_exception_handler(vm, PIT_IRQ_VECTOR, irq0);
	pit_create(vm);
	return vm;
}

struct kvm_vm *pit_vm_create_serving(struct kvm_vcpu **vcpu)
{
	return pit_vm_create(vcpu, pit_serve, pit_count_tick);
}

struct kvm_pit_channel_state pit_channel(u8 mode, u32 count)
{
	return (struct kvm_pit_channel_state) {
		.count = count,
		.rw_mode = 3,
		.read_state = 3,
		.write_state = 3,
		.mode = mode,
		.gate = 1,
	};
}

struct kvm_pit_state2 pit_get_state(struct kvm_vm *vm)
{
	struct kvm_pit_state2 state;

	/* What KVM leaves alone must not pass for 0. */
	memset(&state, 0xa5, sizeof(state));
	vm_ioctl(vm, KVM_GET_PIT2, &state);
	return state;
}

void pit_set_state(struct kvm_vm *vm, const struct kvm_pit_state2 *state)
{
	vm_ioctl(vm, KVM_SET_PIT2, (struct kvm_pit_state2 *)state);
}

static void pit_route(struct kvm_irq_routing *routing, u32 chip, u32 pin)
{
	struct kvm_irq_routing_entry *entry = &routing->entries[routing->nr++];

	entry->gsi = 0;
	entry->type = KVM_IRQ_ROUTING_IRQCHIP;
	entry->u.irqchip.irqchip = chip;
	entry->u.irqchip.pin = pin;
}

void pit_route_to_ioapic(struct kvm_vm *vm)
{
	struct kvm_irq_routing *routing = kvm_gsi_routing_create();

	pit_route(routing, KVM_IRQCHIP_PIC_MASTER, 0);
	pit_route(routing, KVM_IRQCHIP_IOAPIC, IOAPIC_PIT_PIN);
	kvm_gsi_routing_write(vm, routing);
	virt_pg_map(vm, IOAPIC_GPA, IOAPIC_GPA);
}

void pit_set_irq0_way(struct kvm_vm *vm, bool by_ioapic)
{
	irq0_by_ioapic = by_ioapic;
	sync_global_to_guest(vm, irq0_by_ioapic);
	if (by_ioapic)
		pit_route_to_ioapic(vm);
}

/*
 * Policies
 */

bool pit_has_policies(void)
{
	return kvm_has_cap(KVM_CAP_PIT_TICK_POLICY);
}

int __pit_set_policy(struct kvm_vm *vm, u64 policy, u64 flags, u64 rate, u64 limit)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_PIT_TICK_POLICY,
		.args = { policy, flags, rate, limit },
	};

	return __vm_ioctl(vm, KVM_ENABLE_CAP, &cap);
}

void pit_set_policy(struct kvm_vm *vm, u64 policy)
{
	int ret = __pit_set_policy(vm, policy, 0, 0, 0);

	TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_ENABLE_CAP, ret));
}

void pit_set_reinject(struct kvm_vm *vm, bool reinject)
{
	struct kvm_reinject_control control = { .pit_reinject = reinject };

	vm_ioctl(vm, KVM_REINJECT_CONTROL, &control);
}

int pit_nr_policies(void)
{
	return pit_has_policies() ? ARRAY_SIZE(pit_policy_names) : 2;
}

void pit_choose_policy(struct kvm_vm *vm, int policy)
{
	if (pit_has_policies())
		pit_set_policy(vm, policy);
	else
		pit_set_reinject(vm, policy == KVM_PIT_TICK_DELAY);
}

/*
 * The end
 */

/* The counters cannot be read in one go. */
void pit_check_law(struct kvm_vm *vm)
{
	/* As it is before the first control word. */
	struct kvm_pit_state2 stopped = { .channels[0].mode = 0xff };
	u64 until = now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC;

	if (!pit_has_debugfs(vm))
		return;

	vm_ioctl(vm, KVM_SET_PIT2, &stopped);
	while (!__pit_ticks_conserved(vm, now_ns() >= until)) {
		TEST_ASSERT(now_ns() < until, "ticks are unaccounted for");
		sleep_until_ns(now_ns() + NSEC_PER_MSEC / 10);
	}
}

void pit_vm_free(struct kvm_vm *vm)
{
	pit_check_law(vm);
	kvm_vm_free(vm);
}

bool pit_run_to_rest(struct kvm_vcpu *vcpu)
{
	u64 until = now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC;
	int i, event;

	for (i = 0; i < 4; ) {
		event = pit_run(vcpu, until);
		if (event == PIT_TIMEOUT) {
			ksft_print_msg("the guest does not come to rest\n");
			return false;
		}
		if (event == PIT_EVENT_REST) {
			sleep_until_ns(now_ns() + NSEC_PER_MSEC / 2);
			i++;
		}
	}
	return true;
}

bool pit_bring_to_rest(struct kvm_vcpu *vcpu)
{
	struct pit_list *list = addr_gva2hva(vcpu->vm, (uintptr_t)&pit_list);

	list->rest = true;
	pit_wake(vcpu);
	return pit_run_to_rest(vcpu) && pit_ticks_conserved(vcpu->vm);
}

bool pit_end(struct kvm_vcpu *vcpu)
{
	bool ok = pit_bring_to_rest(vcpu);

	pit_vm_free(vcpu->vm);
	return ok;
}
