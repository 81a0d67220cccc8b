/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM with a PIT, from its creation to its end: irqchips, the way of IRQ0, policies.
 */
#ifndef SELFTEST_KVM_PIT_VM_H
#define SELFTEST_KVM_PIT_VM_H

#include "pit_guest.h"

/**
 * pit_init_vm_vectors() - Prepare a VM for vm_install_exception_handler().
 * @vm: the VM
 *
 * Before 6.10 KVM's library leaves the descriptor tables to the test.
 */
void pit_init_vm_vectors(struct kvm_vm *vm);
void pit_init_vcpu_vectors(struct kvm_vcpu *vcpu);

/**
 * pit_create() - Create the PIT, with port 0x61.
 * @vm: a VM with an irqchip
 *
 * Ends the test if KVM_CREATE_PIT2 fails.
 */
void pit_create(struct kvm_vm *vm);

/**
 * pit_vm_create() - Create a VM with a PIT and one vCPU.
 * @vcpu: where the vCPU is put
 * @guest_code: what it runs
 * @irq0: the handler of IRQ0 through the i8259
 *
 * Return: the VM, for pit_vm_free()
 */
struct kvm_vm *pit_vm_create(struct kvm_vcpu **vcpu, void *guest_code,
			     void (*irq0)(struct ex_regs *));

/**
 * pit_vm_create_serving() - Create a VM whose guest is pit_serve(), and counts its ticks.
 * @vcpu: where the vCPU is put
 *
 * Return: the VM, for pit_end()
 */
struct kvm_vm *pit_vm_create_serving(struct kvm_vcpu **vcpu);

/* A channel as after a control word and both bytes of a count; 65536 where a guest writes 0. */
struct kvm_pit_channel_state pit_channel(u8 mode, u32 count);

/* KVM_GET_PIT2 and KVM_SET_PIT2; the test ends if these fail. */
struct kvm_pit_state2 pit_get_state(struct kvm_vm *vm);
void pit_set_state(struct kvm_vm *vm, const struct kvm_pit_state2 *state);

/**
 * pit_route_to_ioapic() - Route IRQ0 to the i8259 and to pin 2 of the IOAPIC.
 * @vm: the VM
 *
 * The IOAPIC is mapped for the guest, at IOAPIC_GPA.
 */
void pit_route_to_ioapic(struct kvm_vm *vm);

/**
 * pit_set_irq0_way() - Tell the guest's irq0_*() which way IRQ0 comes.
 * @vm: the VM, which has not run yet
 * @by_ioapic: by the IOAPIC, which is routed and mapped; or else by the i8259
 */
void pit_set_irq0_way(struct kvm_vm *vm, bool by_ioapic);

/*
 * Policies
 */

/* Of KVM_PIT_TICK_*, as debugfs has them. */
extern const char * const pit_policy_names[KVM_PIT_TICK_MERGE + 1];

bool pit_has_policies(void);

/**
 * pit_skip() - A test case that needs the policies is skipped: there are none.
 * @fmt: the case's name
 *
 * Each file has counters of its own of what kselftest.h reports: the test's are meant.
 */
#define pit_skip(fmt, ...)	\
	ksft_test_result_skip(fmt ": no KVM_CAP_PIT_TICK_POLICY\n", ##__VA_ARGS__)

/**
 * __pit_set_policy() - KVM_ENABLE_CAP of KVM_CAP_PIT_TICK_POLICY.
 * @vm: the VM
 * @policy: KVM_PIT_TICK_*
 * @flags: KVM_PIT_TICK_KEEP_STATE or 0
 * @rate: of slew, in percent above nominal; 0: the default
 * @limit: of the backlog, in ticks; 0: none
 *
 * Return: 0, or -1 with errno set
 */
int __pit_set_policy(struct kvm_vm *vm, u64 policy, u64 flags, u64 rate, u64 limit);
void pit_set_policy(struct kvm_vm *vm, u64 policy);

/**
 * pit_set_reinject() - KVM_REINJECT_CONTROL.
 * @vm: the VM
 * @reinject: true is delay, or what the module's parameter has; false is discard
 */
void pit_set_reinject(struct kvm_vm *vm, bool reinject);

/* How many of KVM_PIT_TICK_* pit_choose_policy() has: all, or the first two on stock KVM. */
int pit_nr_policies(void);

/**
 * pit_choose_policy() - Set a policy, on stock KVM too.
 * @vm: the VM
 * @policy: less than pit_nr_policies()
 */
void pit_choose_policy(struct kvm_vm *vm, int policy);

/*
 * The end
 */

/**
 * pit_check_law() - Stop the PIT, and wait until all its ticks are accounted for.
 * @vm: a VM that no vCPU runs of
 *
 * Ends the test if they are not after PIT_PATIENCE_S.
 */
void pit_check_law(struct kvm_vm *vm);

/**
 * pit_vm_free() - Free a VM after pit_check_law(). Every test's VM ends here.
 * @vm: the VM
 */
void pit_vm_free(struct kvm_vm *vm);

/**
 * pit_run_to_rest() - Run a guest to the end of pit_rest().
 * @vcpu: of a guest that is on its way there
 *
 * The host has time to raise a tick that was due already, and the guest to take it.
 *
 * Return: false if that takes longer than PIT_PATIENCE_S
 */
bool pit_run_to_rest(struct kvm_vcpu *vcpu);

/**
 * pit_bring_to_rest() - Have a guest in pit_serve() stop its timer.
 * @vcpu: its vCPU
 *
 * Return: whether it came to rest, and no tick is unaccounted for
 */
bool pit_bring_to_rest(struct kvm_vcpu *vcpu);

/**
 * pit_end() - End a VM whose guest is pit_serve().
 * @vcpu: its vCPU
 *
 * Return: as pit_bring_to_rest()
 */
bool pit_end(struct kvm_vcpu *vcpu);

#endif /* SELFTEST_KVM_PIT_VM_H */
