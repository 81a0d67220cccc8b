/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host tells about PITs: counters and settings, and what there is of VMs.
 */
#ifndef SELFTEST_KVM_PIT_WATCH_H
#define SELFTEST_KVM_PIT_WATCH_H

#include "kvm_util.h"
#include "test_util.h"

/**
 * pit_require_debugfs() - Skip the whole test if there are policies, but no debugfs.
 */
void pit_require_debugfs(void);

/* The thread that creates VMs, which their folders are named after; 0: the main one. */
extern pid_t pit_creator;

/**
 * pit_file() - The path of a file in debugfs.
 * @vm: the VM whose it is
 * @name: its name, relative to the PIT's folder
 * @path: where the path is put
 * @size: of @path
 */
void pit_file(struct kvm_vm *vm, const char *name, char *path, size_t size);

/**
 * pit_setting() - Read a setting of a VM's PIT.
 * @vm: the VM
 * @name: the setting's
 * @buf: where the text is put, without the newline
 * @size: of @buf
 *
 * Ends the test if there is none.
 *
 * Return: @buf
 */
char *pit_setting(struct kvm_vm *vm, const char *name, char *buf, size_t size);

/**
 * pit_write_setting() - Write a setting of a VM's PIT.
 * @vm: the VM
 * @name: the setting's
 * @text: what it is to be
 *
 * Ends the test if it is refused.
 */
void pit_write_setting(struct kvm_vm *vm, const char *name, const char *text);

/**
 * pit_param() - The path of a parameter.
 * @name: its name
 *
 * Return: the module's, or that of a KVM that has this PIT itself; until the next call
 */
const char *pit_param(const char *name);

u64 pit_counter(struct kvm_vm *vm, const char *name);

/**
 * __pit_ticks_conserved() - Is no tick unaccounted for?
 * @vm: a VM at rest
 * @report: print the counters if one is
 *
 * Return: true also where there are no policies, and so no counters
 */
bool __pit_ticks_conserved(struct kvm_vm *vm, bool report);
bool pit_ticks_conserved(struct kvm_vm *vm);

/**
 * pit_ticks_taken_once() - Did the guest take as many ticks as were delivered and replayed?
 * @vm: a VM at rest whose guest counts its ticks, and has no other source of IRQ0
 *
 * Return: whether it did
 */
bool pit_ticks_taken_once(struct kvm_vm *vm);

bool pit_has_debugfs(struct kvm_vm *vm);

/**
 * pit_print_state() - Print counters, the i8259 and the guest's registers.
 * @vcpu: the vCPU of a VM whose tick has gone astray
 */
void pit_print_state(struct kvm_vcpu *vcpu);

/**
 * struct pit_users - What there is of VMs.
 * @vms: folders in debugfs, TID-FD each
 * @module: the module's reference count, 0 where there is no module
 */
struct pit_users {
	int vms;
	long long module;
};

struct pit_users pit_count_users(void);

/**
 * pit_users_are_as() - Wait until there are as many users as before.
 * @before: so many
 *
 * The last VMs may be on their way out.
 *
 * Return: false, with a message, if there are not after PIT_PATIENCE_S
 */
bool pit_users_are_as(const struct pit_users *before);

#endif /* SELFTEST_KVM_PIT_WATCH_H */
