/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Running a vCPU from event to event, and giving orders to a guest in pit_serve(). For tests
 * whose vCPUs run on one thread.
 */
#ifndef SELFTEST_KVM_PIT_VCPU_H
#define SELFTEST_KVM_PIT_VCPU_H

#include "pit_guest.h"

#define PIT_TIMEOUT	-1	/* pit_run(): no event in time */

/**
 * pit_event() - The event that KVM_RUN returned for.
 * @vcpu: the vCPU; the test ends if it returned for another reason
 *
 * Return: what the guest gave pit_report()
 */
int pit_event(struct kvm_vcpu *vcpu);

/**
 * pit_run() - Run a vCPU until its guest reports an event.
 * @vcpu: the vCPU; between two calls its guest accepts nothing
 * @until: when to give up
 *
 * Return: the event, or PIT_TIMEOUT, which a signal to the process may bring early
 */
int pit_run(struct kvm_vcpu *vcpu, u64 until);

/**
 * pit_run_for() - Run a vCPU for a time, whatever its guest reports.
 * @vcpu: the vCPU
 * @ns: the time
 */
void pit_run_for(struct kvm_vcpu *vcpu, u64 ns);

/**
 * pit_wake() - End the guest's HLT, if it is in one.
 * @vcpu: its vCPU
 */
void pit_wake(struct kvm_vcpu *vcpu);

/**
 * pit_order() - Have a guest in pit_serve() do a list of accesses.
 * @vcpu: its vCPU
 * @io: the list, which is updated
 * @nr: how many they are, PIT_MAX_IO at most
 *
 * Ends the test if they are not done after PIT_PATIENCE_S.
 */
void pit_order(struct kvm_vcpu *vcpu, struct pit_io *io, int nr);
void pit_order_outb(struct kvm_vcpu *vcpu, u16 port, u8 value);
u8 pit_order_inb(struct kvm_vcpu *vcpu, u16 port);

/**
 * pit_order_program() - Have a guest in pit_serve() do pit_program().
 * @vcpu: its vCPU
 * @channel: 0 to 2
 * @mode: 0 to 7
 * @count: 0 means 65536
 */
void pit_order_program(struct kvm_vcpu *vcpu, int channel, int mode, u16 count);

/**
 * pit_order_read_all() - Have a guest in pit_serve() read each port of the PIT and each latch.
 * @vcpu: its vCPU
 */
void pit_order_read_all(struct kvm_vcpu *vcpu);

/**
 * pit_order_stop() - Have a guest in pit_serve() do pit_stop().
 * @vcpu: its vCPU
 */
void pit_order_stop(struct kvm_vcpu *vcpu);

/**
 * pit_take_first_ticks() - Have a guest in pit_serve() take some ticks of 100 Hz.
 * @vcpu: its vCPU
 *
 * The first ticks are slow where the host maps the guest's memory on demand.
 */
void pit_take_first_ticks(struct kvm_vcpu *vcpu);

u64 pit_ticks_taken(struct kvm_vm *vm);

/**
 * pit_ticks_in() - Run a vCPU for a time, and count the ticks that its guest takes.
 * @vcpu: the vCPU
 * @ns: the time
 *
 * Return: how many
 */
u64 pit_ticks_in(struct kvm_vcpu *vcpu, u64 ns);

#endif /* SELFTEST_KVM_PIT_VCPU_H */
