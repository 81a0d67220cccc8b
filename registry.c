// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a VM to its PIT. In KVM's own tree this is kvm->arch.vpit, which stock KVM's PIT
 * uses.
 */
#include <linux/hashtable.h>
#include <linux/kvm_host.h>
#include <linux/rculist.h>

#include "kvm_pit.h"

/*
 * All PITs, by their VM. A PIT is in this table from the end of its creation, under
 * kvm->lock, until kvm_pit_destroy(), which drops it when the VM's last reference is
 * gone. The list node is in the PIT, so nothing is allocated, and nothing can fail.
 * Userspace cannot reach the table.
 */
static DEFINE_HASHTABLE(pits, 8);
static DEFINE_SPINLOCK(pits_lock);	/* of changes to pits */

/**
 * kvm_to_pit - look up the PIT of a VM
 * @kvm: the VM, on which the caller has a reference: it is in an ioctl of the
 *	VM or of one of its vCPUs, or it destroys the VM
 *
 * May be called in any context. The PIT lives at least as long as the caller's
 * reference. So a caller looks it up once and hands it on.
 *
 * Return: the PIT, or NULL if the VM has none or has stock KVM's.
 */
struct kvm_pit *kvm_to_pit(struct kvm *kvm)
{
	struct kvm_pit *pit, *found = NULL;

	rcu_read_lock();
	hash_for_each_possible_rcu(pits, pit, node, (unsigned long)kvm) {
		if (pit->kvm == kvm) {
			found = pit;
			break;
		}
	}
	rcu_read_unlock();

	return found;
}

/**
 * kvm_pit_register - have kvm_to_pit() find a PIT from now on
 * @pit: the PIT of a VM that has none yet, which kvm->lock makes sure of
 */
void kvm_pit_register(struct kvm_pit *pit)
{
	spin_lock(&pits_lock);
	hash_add_rcu(pits, &pit->node, (unsigned long)pit->kvm);
	spin_unlock(&pits_lock);
}

/**
 * kvm_pit_unregister - undo kvm_pit_register()
 * @pit: the PIT of a VM that is being destroyed
 *
 * Look-ups of other VMs' PITs may still read @pit: RCU frees it.
 */
void kvm_pit_unregister(struct kvm_pit *pit)
{
	spin_lock(&pits_lock);
	hash_del_rcu(&pit->node);
	spin_unlock(&pits_lock);
}
