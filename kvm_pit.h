/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's in-kernel PIT: the 8254 of i8254.c at the guest's ports, its ticks at
 * the irqchip as i8254_policy.c has them.
 */
#ifndef __KVM_PIT_H
#define __KVM_PIT_H

#include <linux/types.h>

struct kvm;
struct kvm_enable_cap;
struct kvm_pit;
struct kvm_vcpu;

struct kvm_pit *kvm_to_pit(struct kvm *kvm);
void kvm_pit_destroy(struct kvm_pit *pit);

int kvm_pit_ioctl_create(struct kvm *kvm, unsigned int ioctl, void __user *argp);
int kvm_pit_ioctl(struct kvm_pit *pit, unsigned int ioctl, void __user *argp);
int kvm_pit_enable_cap(struct kvm *kvm, const struct kvm_enable_cap *cap);
void kvm_pit_migrate_timer(struct kvm_pit *pit);

int kvm_pit_init(void);
void kvm_pit_exit(void);

#endif /* __KVM_PIT_H */
