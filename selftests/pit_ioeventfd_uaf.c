// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that userspace puts on the I/O bus do not hide the PIT.
 *
 * An ioeventfd or a coalesced zone at port 0x40 used to stand before the PIT, for
 * whoever looked for the first device there: KVM_GET_PIT2 failed, KVM_CREATE_PIT2 made
 * a second PIT, and a VM was freed with its PIT's timer running.
 *
 *  - ioeventfds of every length, with and without a value to match, and coalesced
 *    zones, at each port of the PIT and beside it, registered before and after the PIT
 *    is created, left there or taken away again: every ioctl of the PIT works, a second
 *    PIT is refused, and ticks come due.
 *  - A guest whose OUT goes to an ioeventfd still gets its ticks.
 *  - All these VMs go away, their timers too: the module has as many users as before.
 *
 * Whether the kernel took harm is in its log, which is the runner's to look at.
 */
#include <sys/eventfd.h>

#include "pit.h"

#define COUNT	1193	/* 1 ms */

static const u16 ports[] = { 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44, 0x60, 0x61, 0x62 };

enum kind {
	IOEVENTFD,
	IOEVENTFD_VALUE,
	ZONE,
	NR_KINDS,
};

static const char * const kind_names[] = {
	[IOEVENTFD] = "ioeventfd", [IOEVENTFD_VALUE] = "ioeventfd with a value",
	[ZONE] = "coalesced zone",
};

struct device {
	enum kind kind;
	u16 port;
	u32 len;
};

/* Returns whether KVM takes it: not every length is one. */
static bool place(struct kvm_vm *vm, const struct device *device, bool remove)
{
	struct kvm_ioeventfd io = {
		.addr = device->port, .len = device->len, .datamatch = 0x34,
		.flags = KVM_IOEVENTFD_FLAG_PIO,
	};
	struct kvm_coalesced_mmio_zone zone = {
		.addr = device->port, .size = device->len, .pio = 1,
	};
	static int fd = -1;

	if (device->kind == ZONE)
		return !__vm_ioctl(vm, remove ? KVM_UNREGISTER_COALESCED_MMIO :
						KVM_REGISTER_COALESCED_MMIO, &zone);
	if (fd < 0)
		fd = eventfd(0, 0);
	io.fd = fd;
	if (device->kind == IOEVENTFD_VALUE)
		io.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	if (remove)
		io.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	return !__vm_ioctl(vm, KVM_IOEVENTFD, &io);
}

static bool works(struct kvm_vm *vm, const char *when)
{
	struct kvm_pit_state2 state = { .channels[0] = pit_channel(2, COUNT) };
	struct kvm_reinject_control control = { .pit_reinject = 1 };
	struct kvm_pit_config config = { };
	struct kvm_pit_state old;
	const char *failed = NULL;
	u64 due = 0;

	if (__vm_ioctl(vm, KVM_SET_PIT2, &state))
		failed = "KVM_SET_PIT2";
	if (__vm_ioctl(vm, KVM_GET_PIT2, &state))
		failed = "KVM_GET_PIT2";
	if (__vm_ioctl(vm, KVM_GET_PIT, &old))
		failed = "KVM_GET_PIT";
	if (__vm_ioctl(vm, KVM_SET_PIT, &old))
		failed = "KVM_SET_PIT";
	if (__vm_ioctl(vm, KVM_REINJECT_CONTROL, &control))
		failed = "KVM_REINJECT_CONTROL";
	if (pit_has_policies() && __pit_set_policy(vm, KVM_PIT_TICK_SLEW, 0, 0, 0))
		failed = "KVM_ENABLE_CAP";
	if (!__vm_ioctl(vm, KVM_CREATE_PIT2, &config) || errno != EEXIST)
		failed = "a second KVM_CREATE_PIT2";
	if (pit_has_debugfs(vm)) {
		due = pit_counter(vm, "due");
		sleep_until_ns(now_ns() + 3 * NSEC_PER_MSEC);
		due = pit_counter(vm, "due") - due;
		if (due < 2)
			failed = "a tick";
	}
	if (failed)
		ksft_print_msg("%s: %s failed\n", when, failed);
	return !failed;
}

static bool survives(const struct device *device, bool before, bool remove)
{
	struct kvm_vm *vm = vm_create_barebones();
	char when[96];
	bool ok;

	snprintf(when, sizeof(when), "%s of %u bytes at %#x, %s the PIT%s",
		 kind_names[device->kind], device->len, device->port,
		 before ? "before" : "after", remove ? ", and away" : "");
	vm_create_irqchip(vm);
	if (before)
		place(vm, device, false);
	pit_create(vm);
	if (!before)
		place(vm, device, false);
	ok = works(vm, when);
	if (remove)
		place(vm, device, true);
	ok &= works(vm, when);
	/* With the timer running */
	kvm_vm_free(vm);
	return ok;
}

static bool test_kind(enum kind kind)
{
	static const u32 lengths[] = { 0, 1, 2, 4, 8 };
	bool ok = true;
	int p, l, way;

	for (p = 0; p < ARRAY_SIZE(ports); p++) {
		for (l = 0; l < ARRAY_SIZE(lengths); l++) {
			struct device device = { kind, ports[p], lengths[l] };

			for (way = 0; way < 4; way++)
				ok &= survives(&device, way & 1, way & 2);
		}
	}
	return ok;
}

/* The count's low byte goes to the ioeventfd: the period stays what it was. */
static bool test_guest(void)
{
	struct device device = { IOEVENTFD, PIT_CH0, 1 };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = pit_vm_create_serving(&vcpu);
	bool ok;

	pit_order_program(vcpu, 0, 2, 11932);
	ok = place(vm, &device, false);
	pit_order_outb(vcpu, PIT_CH0, 0x55);
	ok &= pit_is_near(pit_ticks_in(vcpu, NSEC_PER_SEC / 2), 50, 1, "ticks in half a second");
	return pit_end(vcpu) && ok;
}

int main(void)
{
	struct pit_users before;
	int kind;

	ksft_print_header();
	setlinebuf(stdout);
	pit_require_debugfs();
	ksft_set_plan(NR_KINDS + 2);
	before = pit_count_users();
	for (kind = 0; kind < NR_KINDS; kind++)
		ksft_test_result(test_kind(kind), "%s\n", kind_names[kind]);
	ksft_test_result(test_guest(), "a guest whose port is an ioeventfd\n");
	ksft_test_result(pit_users_are_as(&before), "nothing is left of the VMs\n");
	ksft_finished();
}
