// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's in-kernel PIT: its birth and end, and the guest's ports.
 *
 * The way of a tick:
 *
 *  - The guest's OUT arrives in pit_ioport_write(), which hands it to the chip
 *    (i8254.c). The chip says when OUT0 rises next, and kvm_pit_update() sets the
 *    hrtimer to that time (kvm_pit_deliver.c).
 *  - The hrtimer fires. kvm_pit_sync() brings the chip to the present and reports each
 *    rise of OUT0 as a due tick to the policy (i8254_ticks.c).
 *  - kvm_pit_update() asks the irqchips what they have of IRQ0 (kvm_pit_irqchip.c), and
 *    the policy says whether to raise a tick. If so, a vCPU's thread runs
 *    kvm_pit_deliver() before it enters the guest, and IRQ0 is pulsed.
 *  - The guest's EOI comes back through the ack notifier (kvm_pit_notifier.c). The
 *    policy may have the next tick ready then.
 */
#include <linux/kvm_host.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "kvm_pit.h"
#include "kvm_pit_trace.h"

#define PIT_BASE	0x40
#define PIT_PORTS	4
#define SPEAKER_PORT	0x61

/*
 * An access of up to four bytes at the last port still concerns the device, and the bus
 * passes on only accesses that lie in a device's range as a whole.
 */
#define PIT_RANGE(ports)	((ports) + 3)

/* Port 0x61 */
#define SPEAKER_GATE2	BIT(0)
#define SPEAKER_DATA	BIT(1)
#define SPEAKER_REFRESH	BIT(4)
#define SPEAKER_OUT2	BIT(5)

/* The refresh bit toggles every 15 us: a PC runs counter 1 with that count. */
#define REFRESH_CLOCKS	18

/* Ports */

static void pit_write(struct kvm_pit *pit, unsigned int port, u8 value)
{
	u64 now = kvm_pit_sync(pit);
	unsigned int effect = i8254_write(&pit->chip, port, value);

	if (effect & I8254_REPROGRAMMED) {
		pit->set_by_ioctl = false;
		i8254_ticks_restart(&pit->ticks, i8254_period(&pit->chip, 0));
	}
	if (effect & I8254_ROSE)
		kvm_pit_due(pit, 1, now);
	if (effect)
		kvm_pit_update(pit, now);
}

static u8 pit_read(struct kvm_pit *pit, unsigned int port)
{
	/* A latched value does not depend on the time. */
	if (!i8254_latched(&pit->chip, port))
		kvm_pit_sync(pit);
	return i8254_read(&pit->chip, port);
}

static void speaker_write(struct kvm_pit *pit, u8 value)
{
	kvm_pit_sync(pit);
	i8254_set_gate(&pit->chip, 2, value & SPEAKER_GATE2);
	if (value & SPEAKER_DATA)
		pit->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	else
		pit->flags &= ~KVM_PIT_FLAGS_SPEAKER_DATA_ON;
}

static u8 speaker_read(struct kvm_pit *pit)
{
	u64 now = kvm_pit_sync(pit);
	u8 value = 0;

	if (pit->chip.counter[2].gate)
		value |= SPEAKER_GATE2;
	if (pit->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON)
		value |= SPEAKER_DATA;
	if ((now / REFRESH_CLOCKS) & 1)
		value |= SPEAKER_REFRESH;
	if (pit->chip.counter[2].out)
		value |= SPEAKER_OUT2;

	return value;
}

/*
 * The ports are eight bits wide: a PC splits a wider access into one access to each
 * port from @addr upwards. At ports above the device's own, a write has no effect and a
 * read returns 0xff.
 */
static int pit_ioport_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
			    gpa_t addr, int len, const void *data)
{
	struct kvm_pit *pit = container_of(dev, struct kvm_pit, dev);
	unsigned long irqflags;
	const u8 *bytes = data;

	if (addr < PIT_BASE || addr >= PIT_BASE + PIT_PORTS)
		return -EOPNOTSUPP;

	spin_lock_irqsave(&pit->lock, irqflags);
	for (unsigned int port = addr - PIT_BASE; len && port < PIT_PORTS;
	     port++, len--)
		pit_write(pit, port, *bytes++);
	spin_unlock_irqrestore(&pit->lock, irqflags);

	return 0;
}

static int pit_ioport_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
			   gpa_t addr, int len, void *data)
{
	struct kvm_pit *pit = container_of(dev, struct kvm_pit, dev);
	unsigned long irqflags;
	u8 *bytes = data;
	bool risen;

	if (addr < PIT_BASE || addr >= PIT_BASE + PIT_PORTS)
		return -EOPNOTSUPP;

	memset(data, 0xff, len);
	spin_lock_irqsave(&pit->lock, irqflags);
	for (unsigned int port = addr - PIT_BASE; len && port < PIT_PORTS;
	     port++, len--)
		*bytes++ = pit_read(pit, port);
	risen = i8254_ticks_next(&pit->ticks) <= pit->chip.now;
	spin_unlock_irqrestore(&pit->lock, irqflags);

	/* A guest that has read a wrapped count must find the tick at the irqchip. */
	if (risen)
		kvm_pit_deliver(pit);
	return 0;
}

static int speaker_ioport_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
				gpa_t addr, int len, const void *data)
{
	struct kvm_pit *pit = container_of(dev, struct kvm_pit, speaker_dev);
	unsigned long irqflags;

	if (addr != SPEAKER_PORT)
		return -EOPNOTSUPP;

	spin_lock_irqsave(&pit->lock, irqflags);
	speaker_write(pit, *(const u8 *)data);
	spin_unlock_irqrestore(&pit->lock, irqflags);

	return 0;
}

static int speaker_ioport_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
			       gpa_t addr, int len, void *data)
{
	struct kvm_pit *pit = container_of(dev, struct kvm_pit, speaker_dev);
	unsigned long irqflags;

	if (addr != SPEAKER_PORT)
		return -EOPNOTSUPP;

	memset(data, 0xff, len);
	spin_lock_irqsave(&pit->lock, irqflags);
	*(u8 *)data = speaker_read(pit);
	spin_unlock_irqrestore(&pit->lock, irqflags);

	return 0;
}

static const struct kvm_io_device_ops pit_dev_ops = {
	.read	= pit_ioport_read,
	.write	= pit_ioport_write,
};

static const struct kvm_io_device_ops speaker_dev_ops = {
	.read	= speaker_ioport_read,
	.write	= speaker_ioport_write,
};

/* Creation and destruction */

static struct kvm_pit *pit_alloc(struct kvm *kvm)
{
	struct kvm_pit *pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);

	if (!pit)
		return NULL;

	pit->kvm = kvm;
	pit->pid = task_tgid_nr(current);
	pit->epoch_ns = ktime_get_ns();
	mutex_init(&pit->config_lock);
	kvm_pit_deliver_init(pit);
	kvm_pit_notifiers_init(pit);
	kvm_iodevice_init(&pit->dev, &pit_dev_ops);
	kvm_iodevice_init(&pit->speaker_dev, &speaker_dev_ops);

	i8254_reset(&pit->chip, 0);
	return pit;
}

/*
 * The I/O bus is for the guest's accesses only; kvm_to_pit() does not use it. Userspace
 * registers devices on it too, at any port. And if kvm_io_bus_unregister_dev() gets no
 * memory, the bus loses all of its devices.
 */
static int pit_register_ports(struct kvm_pit *pit, bool speaker)
{
	struct kvm *kvm = pit->kvm;
	int ret = 0;

	mutex_lock(&kvm->slots_lock);
	if (speaker)
		ret = kvm_io_bus_register_dev(kvm, KVM_PIO_BUS, SPEAKER_PORT,
					      PIT_RANGE(1), &pit->speaker_dev);
	if (ret)
		goto out;

	ret = kvm_io_bus_register_dev(kvm, KVM_PIO_BUS, PIT_BASE,
				      PIT_RANGE(PIT_PORTS), &pit->dev);
	if (ret && speaker)
		kvm_io_bus_unregister_dev(kvm, KVM_PIO_BUS, &pit->speaker_dev);
out:
	mutex_unlock(&kvm->slots_lock);
	return ret;
}

static void pit_unregister_ports(struct kvm_pit *pit)
{
	struct kvm *kvm = pit->kvm;

	mutex_lock(&kvm->slots_lock);
	kvm_io_bus_unregister_dev(kvm, KVM_PIO_BUS, &pit->dev);
	kvm_io_bus_unregister_dev(kvm, KVM_PIO_BUS, &pit->speaker_dev);
	mutex_unlock(&kvm->slots_lock);
}

static int pit_create(struct kvm *kvm, u32 flags)
{
	const struct i8254_policy *policy = kvm_pit_new_policy();
	struct i8254_tick_config config = kvm_pit_default_config(policy);
	u64 floor_ns = kvm_pit_min_period_us() * (u64)NSEC_PER_USEC;
	struct kvm_pit *pit = pit_alloc(kvm);

	if (!pit)
		return -ENOMEM;

	i8254_ticks_init(&pit->ticks, &config, i8254_ns_to_clocks(floor_ns));
	trace_kvm_pit_policy(kvm_pit_vm(pit), &pit->ticks);
	kvm_register_irq_mask_notifier(kvm, PIT_GSI, &pit->mask_notifier);
	if (policy->needs_ack)
		kvm_pit_watch_acks(pit);

	if (pit_register_ports(pit, flags & KVM_PIT_SPEAKER_DUMMY))
		goto unwatch;

	kvm_pit_create_debugfs(pit);
	kvm_pit_register(pit);
	return 0;

unwatch:
	kvm_pit_unwatch_acks(pit);
	kvm_unregister_irq_mask_notifier(kvm, PIT_GSI, &pit->mask_notifier);
	kvm_pit_deliver_exit(pit);
	return -ENOMEM;
}

/**
 * kvm_pit_create - KVM_CREATE_PIT and KVM_CREATE_PIT2
 * @kvm: the VM
 * @ioctl: which of the two
 * @argp: its argument
 *
 * Return: 0; -EFAULT if @argp cannot be read; -EEXIST if the VM has a PIT; -ENOENT
 * if it has no 8259; -ENOMEM.
 */
int kvm_pit_create(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int ret;

	if (ioctl == KVM_CREATE_PIT2 && copy_from_user(&config, argp, sizeof(config)))
		return -EFAULT;

	mutex_lock(&kvm->lock);
	if (kvm->arch.vpit || kvm_to_pit(kvm))
		ret = -EEXIST;
	else if (READ_ONCE(kvm->arch.irqchip_mode) != KVM_IRQCHIP_KERNEL)
		ret = -ENOENT;
	else
		ret = pit_create(kvm, config.flags);
	mutex_unlock(&kvm->lock);

	return ret;
}

/**
 * kvm_pit_destroy - take a VM's PIT away
 * @pit: the PIT
 *
 * For a VM that is being destroyed: no vCPU runs, no ioctl comes, and its debugfs folder
 * is gone. The PIT has a reference on the module. It is dropped here, or by the last
 * pending task work.
 */
void kvm_pit_destroy(struct kvm_pit *pit)
{
	kvm_pit_unregister(pit);
	pit_unregister_ports(pit);
	kvm_pit_unwatch_acks(pit);
	kvm_unregister_irq_mask_notifier(pit->kvm, PIT_GSI, &pit->mask_notifier);
	kvm_pit_deliver_exit(pit);
}

/**
 * kvm_pit_init - set up what all PITs share
 *
 * Return: 0 or -ENOMEM.
 */
int kvm_pit_init(void)
{
	return kvm_pit_workqueue_init();
}

/**
 * kvm_pit_exit - undo kvm_pit_init()
 *
 * No PIT is left.
 */
void kvm_pit_exit(void)
{
	kvm_pit_workqueue_exit();
}
