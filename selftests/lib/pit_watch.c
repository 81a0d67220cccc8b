// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters and settings of PITs in debugfs, one value a file, and what there is of VMs.
 */
#include <dirent.h>

#include "pit_guest.h"
#include "pit_host.h"
#include "pit_vcpu.h"
#include "pit_vm.h"
#include "pit_watch.h"

pid_t pit_creator;

void pit_require_debugfs(void)
{
	if (!pit_has_policies())
		return;
	__TEST_REQUIRE(!access("/sys/kernel/debug/kvm", X_OK),
		       "debugfs is not mounted");
}

void pit_file(struct kvm_vm *vm, const char *name, char *path, size_t size)
{
	snprintf(path, size, "/sys/kernel/debug/kvm/%d-%d/pit/%s",
		 pit_creator ?: getpid(), vm->fd, name);
}

char *pit_setting(struct kvm_vm *vm, const char *name, char *buf, size_t size)
{
	char path[128];
	FILE *f;

	pit_file(vm, name, path, sizeof(path));
	f = fopen(path, "r");
	TEST_ASSERT(f, "cannot open %s", path);
	TEST_ASSERT(fgets(buf, size, f), "cannot read %s", path);
	buf[strcspn(buf, "\n")] = 0;
	fclose(f);
	return buf;
}

void pit_write_setting(struct kvm_vm *vm, const char *name, const char *text)
{
	char path[128];

	pit_file(vm, name, path, sizeof(path));
	pit_write_text(path, text);
}

u64 pit_counter(struct kvm_vm *vm, const char *name)
{
	char buf[64];

	return strtoull(pit_setting(vm, name, buf, sizeof(buf)), NULL, 0);
}

bool __pit_ticks_conserved(struct kvm_vm *vm, bool report)
{
	u64 due, delivered, replayed, lost, backlog;

	if (!pit_has_policies())
		return true;

	due = pit_counter(vm, "due");
	delivered = pit_counter(vm, "delivered");
	replayed = pit_counter(vm, "replayed");
	lost = pit_counter(vm, "lost");
	backlog = pit_counter(vm, "backlog");
	if (due == delivered + replayed + lost + backlog)
		return true;

	if (report)
		ksft_print_msg("due %lu != delivered %lu + replayed %lu + lost %lu + backlog %lu\n",
			       due, delivered, replayed, lost, backlog);
	return false;
}

bool pit_ticks_conserved(struct kvm_vm *vm)
{
	return __pit_ticks_conserved(vm, true);
}

bool pit_ticks_taken_once(struct kvm_vm *vm)
{
	u64 taken = pit_ticks_taken(vm);
	u64 counted = pit_counter(vm, "delivered") + pit_counter(vm, "replayed");

	if (taken == counted)
		return true;
	ksft_print_msg("%lu ticks taken, %lu counted\n", taken, counted);
	return false;
}

bool pit_has_debugfs(struct kvm_vm *vm)
{
	char path[128];

	pit_file(vm, "due", path, sizeof(path));
	return !access(path, F_OK);
}

void pit_print_state(struct kvm_vcpu *vcpu)
{
	static const char * const names[] = {
		"policy", "period_ns", "due", "delivered", "replayed", "lost", "backlog",
	};
	struct kvm_irqchip irqchip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };
	struct kvm_pic_state *pic = &irqchip.chip.pic;
	struct kvm_regs regs;
	char value[64];
	int i;

	for (i = 0; i < ARRAY_SIZE(names) && pit_has_debugfs(vcpu->vm); i++)
		ksft_print_msg("  %s: %s\n", names[i],
			       pit_setting(vcpu->vm, names[i], value, sizeof(value)));
	vm_ioctl(vcpu->vm, KVM_GET_IRQCHIP, &irqchip);
	vcpu_regs_get(vcpu, &regs);
	ksft_print_msg("  8259: IRR %#x, IMR %#x, ISR %#x; the guest: RIP %#llx, RFLAGS %#llx\n",
		       pic->irr, pic->imr, pic->isr, regs.rip, regs.rflags);
}

const char *pit_param(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/sys/module/kvm/parameters/pit_%s", name);
	if (access(path, F_OK))
		snprintf(path, sizeof(path), "/sys/module/kvm_i8254/parameters/%s", name);
	return path;
}

struct pit_users pit_count_users(void)
{
	FILE *f = fopen("/sys/module/kvm_i8254/refcnt", "r");
	DIR *dir = opendir("/sys/kernel/debug/kvm");
	struct pit_users users = { };
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		users.vms += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
	if (dir)
		closedir(dir);
	if (f && fscanf(f, "%lld", &users.module) != 1)
		users.module = 0;
	if (f)
		fclose(f);
	return users;
}

bool pit_users_are_as(const struct pit_users *before)
{
	u64 until = now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC;
	struct pit_users users;

	do {
		users = pit_count_users();
		if (users.vms == before->vms && users.module == before->module)
			return true;
		usleep(10000);
	} while (now_ns() < until);
	ksft_print_msg("%d VMs and %lld users of the module, before it %d and %lld\n",
		       users.vms, users.module, before->vms, before->module);
	return false;
}
