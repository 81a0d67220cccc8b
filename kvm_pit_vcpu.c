// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which of a VM's vCPUs takes IRQ0, and whether it can take a tick now.
 *
 * All of this is called under pit->lock, in any context but NMI. It takes no lock
 * of KVM's, so an answer may be out of date when it arrives. A wrong answer costs
 * time, never a tick.
 */
#include <linux/kvm_host.h>

#include "kvm_pit.h"

/* The timer's interrupt looks at no more vCPUs than that. */
#define PIT_LOOK_VCPUS		16

/**
 * kvm_pit_many_vcpus - does a VM have too many vCPUs for an interrupt to look at?
 * @kvm: the VM
 *
 * Return: true if it has more than 16.
 */
bool kvm_pit_many_vcpus(struct kvm *kvm)
{
	return atomic_read(&kvm->online_vcpus) > PIT_LOOK_VCPUS;
}

/**
 * kvm_pit_accepting_vcpu - the vCPU that takes IRQ0
 * @pit: the PIT
 *
 * It is the one that sent the last EOI. If none did, the irqchips say where IRQ0 goes.
 *
 * Return: the vCPU; NULL if IRQ0 goes nowhere, or may go to any of many.
 */
struct kvm_vcpu *kvm_pit_accepting_vcpu(struct kvm_pit *pit)
{
	struct kvm *kvm = pit->kvm;

	if (pit->vcpu || !kvm_pit_has_vcpus(kvm))
		return pit->vcpu;
	if (atomic_read(&kvm->online_vcpus) == 1)
		return kvm_get_vcpu(kvm, 0);
	if (kvm_pit_many_vcpus(kvm))
		return NULL;

	return kvm_pit_irq0_vcpu(kvm);
}

/**
 * kvm_pit_vcpu_runs - is a vCPU in KVM_RUN, and not waiting for INIT or SIPI?
 * @vcpu: the vCPU
 *
 * Another ioctl of a vCPU that was in KVM_RUN before looks the same.
 *
 * Return: true if it is. It may be preempted, or asleep in HLT.
 */
bool kvm_pit_vcpu_runs(struct kvm_vcpu *vcpu)
{
	u32 state = READ_ONCE(vcpu->arch.mp_state);

	return mutex_is_locked(&vcpu->mutex) && kvm_vcpu_pid(vcpu) &&
	       (state == KVM_MP_STATE_RUNNABLE || state == KVM_MP_STATE_HALTED);
}

/* True if a vCPU may take a tick that is raised now. */
static bool pit_vcpu_takes(struct kvm_vcpu *vcpu)
{
	return kvm_pit_vcpu_runs(vcpu) && !READ_ONCE(vcpu->preempted);
}

/**
 * kvm_pit_vm_takes - may a vCPU of the VM take a tick that is raised now?
 * @pit: the PIT
 *
 * Looks at the vCPU that takes IRQ0, then at others. Of more than 16, it looks at the
 * next 16 each time.
 *
 * Return: true if one of those may.
 */
bool kvm_pit_vm_takes(struct kvm_pit *pit)
{
	struct kvm_vcpu *vcpu = kvm_pit_accepting_vcpu(pit);
	int online = atomic_read(&pit->kvm->online_vcpus);

	if (vcpu && pit_vcpu_takes(vcpu))
		return true;

	/* kvm_get_vcpu() knows which ones are online. */
	for (int n = min(online, PIT_LOOK_VCPUS); n; n--) {
		vcpu = kvm_get_vcpu(pit->kvm, pit->look_from++ % online);
		if (vcpu && pit_vcpu_takes(vcpu))
			return true;
	}
	return false;
}

/**
 * kvm_pit_guest_stalls - is the guest kept from running?
 * @pit: the PIT
 *
 * Return: true if the vCPU that takes IRQ0 cannot run: it is preempted, or its thread
 * is outside KVM_RUN. A vCPU blocked in HLT can run. Where that vCPU is not known:
 * true if none of the vCPUs looked at can run.
 */
bool kvm_pit_guest_stalls(struct kvm_pit *pit)
{
	struct kvm_vcpu *vcpu = kvm_pit_accepting_vcpu(pit);

	if (!vcpu)
		return !kvm_pit_vm_takes(pit);
	return !mutex_is_locked(&vcpu->mutex) || READ_ONCE(vcpu->preempted);
}

/**
 * kvm_pit_raising_vcpu - the vCPU whose thread raises a tick
 * @pit: the PIT
 *
 * It is the vCPU loaded on this CPU if it belongs to this VM, otherwise the vCPU that
 * takes IRQ0, in KVM_RUN or not.
 *
 * Return: the vCPU; NULL if that is not known, or waits for INIT or SIPI.
 */
struct kvm_vcpu *kvm_pit_raising_vcpu(struct kvm_pit *pit)
{
	struct kvm_vcpu *vcpu = kvm_get_running_vcpu();

	if (vcpu && vcpu->kvm == pit->kvm && pit_vcpu_takes(vcpu))
		return vcpu;

	vcpu = kvm_pit_accepting_vcpu(pit);
	if (!vcpu || (mutex_is_locked(&vcpu->mutex) && !kvm_pit_vcpu_runs(vcpu)))
		return NULL;
	return vcpu;
}
