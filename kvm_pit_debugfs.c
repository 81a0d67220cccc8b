// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PIT's files for the operator, in the VM's debugfs folder: its policy, which may be
 * written, and its counts of ticks.
 */
#include <linux/debugfs.h>
#include <linux/kvm_host.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "kvm_pit.h"

static int pit_policy_show(struct seq_file *m, void *unused)
{
	struct kvm_pit *pit = m->private;
	const struct i8254_policy *policy;

	spin_lock_irq(&pit->lock);
	policy = pit->ticks.config.policy;
	spin_unlock_irq(&pit->lock);
	seq_printf(m, "%s\n", policy->name);
	return 0;
}

static int pit_policy_open(struct inode *inode, struct file *file)
{
	return single_open(file, pit_policy_show, inode->i_private);
}

static ssize_t pit_policy_write(struct file *file, const char __user *ubuf,
				size_t len, loff_t *ppos)
{
	struct kvm_pit *pit = file_inode(file)->i_private;
	const struct i8254_policy *policy;
	struct i8254_tick_config config;
	char name[I8254_POLICY_NAME_LEN + 1];

	if (len >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, ubuf, len))
		return -EFAULT;
	name[len] = '\0';

	policy = i8254_policy_by_name(name);
	if (!policy)
		return -EINVAL;

	config = kvm_pit_default_config(policy);
	kvm_pit_configure(pit, &config, NULL);

	/* The operator is told when the new limit is reached, too. */
	spin_lock_irq(&pit->lock);
	pit->limit_reported = false;
	spin_unlock_irq(&pit->lock);
	return len;
}

static const struct file_operations pit_policy_fops = {
	.owner		= THIS_MODULE,
	.open		= pit_policy_open,
	.read		= seq_read,
	.write		= pit_policy_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

/* The time between two ticks of counter 0; 0: it is not periodic. */
static int pit_period_ns_get(void *data, u64 *ns)
{
	struct kvm_pit *pit = data;

	spin_lock_irq(&pit->lock);
	*ns = i8254_clocks_to_ns(pit->ticks.period);
	spin_unlock_irq(&pit->lock);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(pit_period_ns_fops, pit_period_ns_get, NULL, "%llu\n");

/* A count of ticks, at the present */
#define PIT_COUNTER(_name)						\
static int pit_##_name##_get(void *data, u64 *value)			\
{									\
	struct kvm_pit *pit = data;					\
									\
	kvm_pit_catch_up(pit);						\
	spin_lock_irq(&pit->lock);					\
	*value = pit->ticks._name;					\
	spin_unlock_irq(&pit->lock);					\
	return 0;							\
}									\
DEFINE_DEBUGFS_ATTRIBUTE(pit_##_name##_fops, pit_##_name##_get, NULL, "%llu\n")

PIT_COUNTER(due);
PIT_COUNTER(delivered);
PIT_COUNTER(replayed);
PIT_COUNTER(lost);
PIT_COUNTER(backlog);

/**
 * kvm_pit_create_debugfs - create the operator's files of a PIT
 * @pit: the PIT
 *
 * They are in the VM's own folder. KVM removes that, and waits for its readers, before
 * it destroys the PIT.
 */
void kvm_pit_create_debugfs(struct kvm_pit *pit)
{
	struct dentry *dir = debugfs_create_dir("pit", pit->kvm->debugfs_dentry);
	struct i8254_ticks *t = &pit->ticks;

	debugfs_create_file("policy", 0644, dir, pit, &pit_policy_fops);
	debugfs_create_u32("slew_rate", 0444, dir, &t->config.slew_rate);
	debugfs_create_u64("backlog_limit", 0444, dir, &t->config.backlog_limit);
	debugfs_create_file_unsafe("period_ns", 0444, dir, pit, &pit_period_ns_fops);
	debugfs_create_file_unsafe("due", 0444, dir, pit, &pit_due_fops);
	debugfs_create_file_unsafe("delivered", 0444, dir, pit, &pit_delivered_fops);
	debugfs_create_file_unsafe("replayed", 0444, dir, pit, &pit_replayed_fops);
	debugfs_create_file_unsafe("lost", 0444, dir, pit, &pit_lost_fops);
	debugfs_create_file_unsafe("backlog", 0444, dir, pit, &pit_backlog_fops);
}
