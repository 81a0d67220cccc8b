/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of KVM's in-kernel i8254 have in common: the guest's side
 * (ports, i8259, IOAPIC) and the host's (the VM, its policy, its counters,
 * the clock).
 */
#ifndef SELFTEST_KVM_PIT_H
#define SELFTEST_KVM_PIT_H

#include <dirent.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "apic.h"
#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

#include <linux/kvm_i8254.h>

#define PIC_MASTER_CMD		0x20
#define PIC_MASTER_DATA		0x21
#define PIC_SLAVE_CMD		0xa0
#define PIC_SLAVE_DATA		0xa1
#define PIC_EOI			0x20

#define PIT_CH0			0x40
#define PIT_CH2			0x42
#define PIT_CONTROL		0x43
#define PIT_SPEAKER		0x61

#define PIT_IRQ_VECTOR		0x20

#ifndef APIC_LVT0
#define APIC_LVT0		0x350
#endif

#define PIT_LVT_MASKED		BIT(16)

#define IOAPIC_GPA		0xfec00000ULL
#define IOAPIC_PIT_PIN		2	/* as on a PC */
#define IOAPIC_MASKED		BIT(16)

/* Where the guest reports what happened; the value written is the event. */
#define PIT_EVENT_PORT		0x500
#define PIT_EVENT_TICK		0xfb	/* pit_report_tick() has one, */
#define PIT_EVENT_UNMASK	0xfc	/* or is about to unmask IRQ0 after it */
#define PIT_EVENT_SERVED	0xfd	/* pit_serve() is done with its list */
#define PIT_EVENT_REST		0xfe	/* all ticks that will come have come */
#define PIT_TIMEOUT		-1	/* pit_run(): no event in time */

#define NSEC_PER_MSEC		1000000L

/* Exactly 105/88 MHz. */
static inline u64 pit_clocks_to_ns(u64 clocks)
{
	return clocks * 88000 / 105;
}

/*
 * The guest's side
 */

static inline void pit_outb(u16 port, u8 value)
{
	asm volatile("outb %b0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static inline u8 pit_inb(u16 port)
{
	u8 value;

	asm volatile("inb %w1, %b0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline void pit_report(u8 event)
{
	pit_outb(PIT_EVENT_PORT, event);
}

static inline void pit_sti(void)
{
	asm volatile("sti" : : : "memory");
}

static inline void pit_cli(void)
{
	asm volatile("cli" : : : "memory");
}

/* Vectors 0x20 and 0x28; of all lines only those of @mask clear are open. */
static inline void pic_init(u8 mask)
{
	pit_outb(PIC_MASTER_CMD, 0x11);
	pit_outb(PIC_MASTER_DATA, PIT_IRQ_VECTOR);
	pit_outb(PIC_MASTER_DATA, 0x04);
	pit_outb(PIC_MASTER_DATA, 0x01);
	pit_outb(PIC_SLAVE_CMD, 0x11);
	pit_outb(PIC_SLAVE_DATA, PIT_IRQ_VECTOR + 8);
	pit_outb(PIC_SLAVE_DATA, 0x02);
	pit_outb(PIC_SLAVE_DATA, 0x01);
	pit_outb(PIC_MASTER_DATA, mask);
	pit_outb(PIC_SLAVE_DATA, 0xff);
}

static inline void pic_mask_irq0(bool mask)
{
	pit_outb(PIC_MASTER_DATA, mask ? 0xff : 0xfe);
}

static inline void pic_eoi(void)
{
	pit_outb(PIC_MASTER_CMD, PIC_EOI);
}

static inline void ioapic_write(u32 reg, u32 value)
{
	u32 *ioapic = (u32 *)IOAPIC_GPA;

	WRITE_ONCE(ioapic[0], reg);
	WRITE_ONCE(ioapic[4], value);
}

static inline void ioapic_mask_pit(bool mask)
{
	ioapic_write(0x10 + 2 * IOAPIC_PIT_PIN,
		     PIT_IRQ_VECTOR | (mask ? IOAPIC_MASKED : 0));
}

/* To the vCPU with that APIC ID. */
static inline void ioapic_init(u32 apic_id)
{
	ioapic_write(0x11 + 2 * IOAPIC_PIT_PIN, apic_id << 24);
	ioapic_mask_pit(false);
}

/* The way of IRQ0 to the guest: written by the host before the guest runs. */
static bool irq0_by_ioapic;

/* To this vCPU. */
static inline void irq0_init(void)
{
	if (!irq0_by_ioapic) {
		pic_init(0xfe);
		return;
	}
	pic_init(0xff);
	x2apic_enable();
	ioapic_init(0);
}

static inline void irq0_mask(bool mask)
{
	if (irq0_by_ioapic)
		ioapic_mask_pit(mask);
	else
		pic_mask_irq0(mask);
}

static inline void irq0_eoi(void)
{
	if (irq0_by_ioapic)
		x2apic_write_reg(APIC_EOI, 0);
	else
		pic_eoi();
}

/*
 * A handler that reports every tick before its EOI. Where the host wants it to,
 * it has IRQ0 masked meanwhile, and until after the EOI.
 */
static bool pit_mask_in_handler;
static u64 pit_ticks;

static inline void pit_report_tick(struct ex_regs *regs)
{
	bool masks = READ_ONCE(pit_mask_in_handler);

	if (masks)
		irq0_mask(true);
	pit_ticks++;
	pit_report(PIT_EVENT_TICK);
	irq0_eoi();
	if (masks) {
		pit_report(PIT_EVENT_UNMASK);
		irq0_mask(false);
	}
}

/* A two-byte count in binary. */
static inline void pit_program(int channel, int mode, u16 count)
{
	pit_outb(PIT_CONTROL, channel << 6 | 0x30 | mode << 1);
	pit_outb(PIT_CH0 + channel, count & 0xff);
	pit_outb(PIT_CH0 + channel, count >> 8);
}

/* As Linux does: stock KVM stops counting only for a count. */
static inline void pit_stop(void)
{
	pit_outb(PIT_CONTROL, 0x30);
	pit_outb(PIT_CH0, 0);
	pit_outb(PIT_CH0, 0);
	pit_outb(PIT_CONTROL, 0x30);
}

/* Stops the PIT and takes what is still on its way; never returns. */
static inline void pit_rest(void)
{
	pit_stop();
	pit_sti();
	for (;;)
		pit_report(PIT_EVENT_REST);
}

/*
 * A guest that does what it is told: port accesses out of a list. In between
 * it waits in HLT, with interrupts on.
 */

enum pit_op {
	PIT_IN,
	PIT_OUT,
	PIT_INS,
	PIT_OUTS,
};

struct pit_io {
	enum pit_op op;
	u16 port;
	u8 size;		/* 1, 2 or 4 */
	u8 count;		/* of INS and OUTS, with a REP prefix */
	u8 data[16];
};

#define PIT_MAX_IO	16

static struct pit_list {
	struct pit_io io[PIT_MAX_IO];
	int nr;
	int ordered;		/* how many lists there were, */
	int done;		/* how many are done */
	bool rest;
} pit_list;

static inline void pit_count_tick(struct ex_regs *regs)
{
	pit_ticks++;
	irq0_eoi();
}

static inline void pit_do_string(struct pit_io *io)
{
	void *at = io->data;
	u64 count = io->count;
	u16 port = io->port;

	switch (io->op << 4 | io->size) {
	case PIT_INS << 4 | 1:
		asm volatile("rep insb" : "+D"(at), "+c"(count) : "d"(port) : "memory");
		break;
	case PIT_INS << 4 | 2:
		asm volatile("rep insw" : "+D"(at), "+c"(count) : "d"(port) : "memory");
		break;
	case PIT_INS << 4 | 4:
		asm volatile("rep insl" : "+D"(at), "+c"(count) : "d"(port) : "memory");
		break;
	case PIT_OUTS << 4 | 1:
		asm volatile("rep outsb" : "+S"(at), "+c"(count) : "d"(port) : "memory");
		break;
	case PIT_OUTS << 4 | 2:
		asm volatile("rep outsw" : "+S"(at), "+c"(count) : "d"(port) : "memory");
		break;
	case PIT_OUTS << 4 | 4:
		asm volatile("rep outsl" : "+S"(at), "+c"(count) : "d"(port) : "memory");
		break;
	default:
		GUEST_ASSERT(false);
	}
}

static inline void pit_do_io(struct pit_io *io)
{
	u32 *data = (u32 *)io->data;
	u32 value = *data;
	u16 port = io->port;

	switch (io->op << 4 | io->size) {
	case PIT_IN << 4 | 1:
		asm volatile("inb %w1, %b0" : "+a"(value) : "d"(port) : "memory");
		break;
	case PIT_IN << 4 | 2:
		asm volatile("inw %w1, %w0" : "+a"(value) : "d"(port) : "memory");
		break;
	case PIT_IN << 4 | 4:
		asm volatile("inl %w1, %k0" : "+a"(value) : "d"(port) : "memory");
		break;
	case PIT_OUT << 4 | 1:
		asm volatile("outb %b0, %w1" : : "a"(value), "d"(port) : "memory");
		break;
	case PIT_OUT << 4 | 2:
		asm volatile("outw %w0, %w1" : : "a"(value), "d"(port) : "memory");
		break;
	case PIT_OUT << 4 | 4:
		asm volatile("outl %k0, %w1" : : "a"(value), "d"(port) : "memory");
		break;
	default:
		pit_do_string(io);
		return;
	}
	*data = value;
}

static inline void pit_serve(void)
{
	int i;

	irq0_init();
	pit_sti();
	while (!READ_ONCE(pit_list.rest)) {
		if (pit_list.done == READ_ONCE(pit_list.ordered)) {
			hlt();
			continue;
		}
		for (i = 0; i < pit_list.nr; i++)
			pit_do_io(&pit_list.io[i]);
		pit_list.done = pit_list.ordered;
		pit_report(PIT_EVENT_SERVED);
	}
	pit_rest();
}

/*
 * The host's side
 */

static inline u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* splitmix64 */
static inline u64 pit_random(u64 *rng)
{
	u64 z = (*rng += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline u64 pit_read_number(const char *path)
{
	FILE *f = fopen(path, "r");
	u64 number = 0;

	TEST_ASSERT(f && fscanf(f, "%lu", &number) == 1, "cannot read %s", path);
	fclose(f);
	return number;
}

static inline void sleep_until_ns(u64 ns)
{
	struct timespec ts = {
		.tv_sec = ns / NSEC_PER_SEC,
		.tv_nsec = ns % NSEC_PER_SEC,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
		;
}

/* Before 6.10 the library leaves the descriptor tables to the test. */
#ifdef KVM_CAP_USER_MEMORY2
static inline void pit_init_vm_vectors(struct kvm_vm *vm)
{
}

static inline void pit_init_vcpu_vectors(struct kvm_vcpu *vcpu)
{
}
#else
static inline void pit_init_vm_vectors(struct kvm_vm *vm)
{
	vm_init_descriptor_tables(vm);
}

static inline void pit_init_vcpu_vectors(struct kvm_vcpu *vcpu)
{
	vcpu_init_descriptor_tables(vcpu);
}
#endif

static inline void pit_create(struct kvm_vm *vm)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	vm_ioctl(vm, KVM_CREATE_PIT2, &config);
}

/* A channel as after a control word and both bytes of a count. */
static inline struct kvm_pit_channel_state pit_channel(u8 mode, u32 count)
{
	return (struct kvm_pit_channel_state) {
		.count = count,
		.rw_mode = 3,
		.read_state = 3,
		.write_state = 3,
		.mode = mode,
		.gate = 1,
	};
}

static inline bool pit_is_near(u64 value, u64 expected, u64 tolerance,
			       const char *what)
{
	if (llabs((s64)(value - expected)) <= tolerance)
		return true;
	ksft_print_msg("%s: %lu, expected %lu\n", what, value, expected);
	return false;
}

static inline void pit_route(struct kvm_irq_routing *routing, u32 chip,
			     u32 pin)
{
	struct kvm_irq_routing_entry *entry = &routing->entries[routing->nr++];

	entry->gsi = 0;
	entry->type = KVM_IRQ_ROUTING_IRQCHIP;
	entry->u.irqchip.irqchip = chip;
	entry->u.irqchip.pin = pin;
}

/* IRQ0 at the i8259 and at pin 2 of the IOAPIC, which the guest can reach. */
static inline void pit_route_to_ioapic(struct kvm_vm *vm)
{
	struct kvm_irq_routing *routing = kvm_gsi_routing_create();

	pit_route(routing, KVM_IRQCHIP_PIC_MASTER, 0);
	pit_route(routing, KVM_IRQCHIP_IOAPIC, IOAPIC_PIT_PIN);
	kvm_gsi_routing_write(vm, routing);
	virt_pg_map(vm, IOAPIC_GPA, IOAPIC_GPA);
}

/* IRQ0 of the guest goes the way of irq0_by_ioapic. */
static inline void pit_set_irq0_way(struct kvm_vm *vm, bool by_ioapic)
{
	irq0_by_ioapic = by_ioapic;
	sync_global_to_guest(vm, irq0_by_ioapic);
	if (by_ioapic)
		pit_route_to_ioapic(vm);
}

/* A VM with a PIT and one vCPU whose IRQ0, through the i8259, is @irq0's. */
static inline struct kvm_vm *pit_vm_create(struct kvm_vcpu **vcpu,
					   void *guest_code,
					   void (*irq0)(struct ex_regs *))
{
	struct kvm_vm *vm = vm_create_with_one_vcpu(vcpu, guest_code);

	pit_init_vm_vectors(vm);
	pit_init_vcpu_vectors(*vcpu);
	vm_install_exception_handler(vm, PIT_IRQ_VECTOR, irq0);
	pit_create(vm);
	return vm;
}

static inline bool pit_has_policies(void)
{
	return kvm_has_cap(KVM_CAP_PIT_TICK_POLICY);
}

/* A test case that needs the policies, where there are none. */
static inline void __printf(1, 2) pit_skip(const char *fmt, ...)
{
	char name[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	ksft_test_result_skip("%s: no KVM_CAP_PIT_TICK_POLICY\n", name);
}

static inline int __pit_set_policy(struct kvm_vm *vm, u64 policy,
				   u64 flags, u64 rate, u64 limit)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_PIT_TICK_POLICY,
		.args = { policy, flags, rate, limit },
	};

	return __vm_ioctl(vm, KVM_ENABLE_CAP, &cap);
}

static inline void pit_set_policy(struct kvm_vm *vm, u64 policy)
{
	int ret = __pit_set_policy(vm, policy, 0, 0, 0);

	TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_ENABLE_CAP, ret));
}

static inline void pit_set_reinject(struct kvm_vm *vm, bool reinject)
{
	struct kvm_reinject_control control = { .pit_reinject = reinject };

	vm_ioctl(vm, KVM_REINJECT_CONTROL, &control);
}

/*
 * How long to wait for what has to come: a guest may have ticks to take first, and a
 * host may be busy, or emulated. No test is about times as long as that.
 */
#define PIT_PATIENCE_S		10

static struct kvm_run *pit_running;

static inline void pit_alarm(int sig)
{
	pit_running->immediate_exit = 1;
}

static inline void pit_set_alarm(u64 ns)
{
	struct itimerval timer = {
		.it_value.tv_sec = ns / NSEC_PER_SEC,
		.it_value.tv_usec = ns % NSEC_PER_SEC / 1000,
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static inline int pit_event(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct ucall uc;

	if (run->exit_reason == KVM_EXIT_IO && run->io.port == PIT_EVENT_PORT)
		return *((u8 *)run + run->io.data_offset);

	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);

	TEST_FAIL("unexpected exit %u (%s)", run->exit_reason,
		  exit_reason_str(run->exit_reason));
}

/*
 * Run the vCPU until the guest reports an event, which is returned, or until
 * CLOCK_MONOTONIC is @until: then PIT_TIMEOUT is. Between two calls the guest
 * accepts nothing. For single-threaded tests.
 */
static inline int pit_run(struct kvm_vcpu *vcpu, u64 until)
{
	struct sigaction action = { .sa_handler = pit_alarm };
	u64 now = now_ns();
	int ret;

	if (now + 1000 > until)
		return PIT_TIMEOUT;

	pit_running = vcpu->run;
	sigaction(SIGALRM, &action, NULL);
	pit_set_alarm(until - now);
	ret = __vcpu_run(vcpu);
	pit_set_alarm(0);
	vcpu->run->immediate_exit = 0;

	if (ret && errno == EINTR)
		return PIT_TIMEOUT;
	TEST_ASSERT(!ret, KVM_IOCTL_ERROR(KVM_RUN, ret));
	return pit_event(vcpu);
}

/* Ends the guest's HLT, if it is in one. */
static inline void pit_wake(struct kvm_vcpu *vcpu)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };

	vcpu_mp_state_set(vcpu, &state);
}

/* Run it for @ns, events or not. */
static inline void pit_run_for(struct kvm_vcpu *vcpu, u64 ns)
{
	u64 until = now_ns() + ns;

	while (pit_run(vcpu, until) != PIT_TIMEOUT)
		;
}

/* Have the guest in pit_serve() do a list, which is updated. */
static inline void pit_order(struct kvm_vcpu *vcpu, struct pit_io *io, int nr)
{
	struct pit_list *list = addr_gva2hva(vcpu->vm, (vm_vaddr_t)&pit_list);
	u64 until = now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC;

	TEST_ASSERT(nr <= PIT_MAX_IO, "a list of %d accesses", nr);
	memcpy(list->io, io, nr * sizeof(*io));
	list->nr = nr;
	list->ordered++;
	pit_wake(vcpu);
	while (pit_run(vcpu, until) != PIT_EVENT_SERVED)
		TEST_ASSERT(now_ns() < until, "the guest hangs");
	memcpy(io, list->io, nr * sizeof(*io));
}

static inline void pit_order_outb(struct kvm_vcpu *vcpu, u16 port,
				  u8 value)
{
	struct pit_io io = { PIT_OUT, port, 1, .data = { value } };

	pit_order(vcpu, &io, 1);
}

static inline u8 pit_order_inb(struct kvm_vcpu *vcpu, u16 port)
{
	struct pit_io io = { PIT_IN, port, 1, .data = { 0xa5 } };

	pit_order(vcpu, &io, 1);
	return io.data[0];
}

static inline void pit_order_program(struct kvm_vcpu *vcpu, int channel,
				     int mode, u16 count)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1,
		  .data = { channel << 6 | 0x30 | mode << 1 } },
		{ PIT_OUT, PIT_CH0 + channel, 1, .data = { count & 0xff } },
		{ PIT_OUT, PIT_CH0 + channel, 1, .data = { count >> 8 } },
	};

	pit_order(vcpu, io, ARRAY_SIZE(io));
}

/* Everything that the guest can read, the counts latched or not. */
static inline void pit_order_read_all(struct kvm_vcpu *vcpu)
{
	static const u16 ports[] = { 0x40, 0x41, 0x42, 0x43, PIT_SPEAKER };
	static const u8 commands[] = { 0xce, 0x00, 0x40, 0x80, 0xee };
	struct pit_io io[PIT_MAX_IO];
	int i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		io[nr++] = (struct pit_io) { PIT_OUT, PIT_CONTROL, 1,
					     .data = { commands[i] } };
	for (i = 0; i < 2 * ARRAY_SIZE(ports); i++)
		io[nr++] = (struct pit_io) { PIT_IN, ports[i / 2], 1 };
	pit_order(vcpu, io, nr);
}

/* Linux's way to stop its ticks: a mode 0 without a count. */
static inline void pit_order_stop(struct kvm_vcpu *vcpu)
{
	struct pit_io io[] = {
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x30 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0 } },
		{ PIT_OUT, PIT_CH0, 1, .data = { 0 } },
		{ PIT_OUT, PIT_CONTROL, 1, .data = { 0x30 } },
	};

	pit_order(vcpu, io, ARRAY_SIZE(io));
}

/* A VM whose guest is pit_serve(). */
static inline struct kvm_vm *pit_vm_create_serving(struct kvm_vcpu **vcpu)
{
	return pit_vm_create(vcpu, pit_serve, pit_count_tick);
}

static inline u64 pit_ticks_taken(struct kvm_vm *vm)
{
	return *(u64 *)addr_gva2hva(vm, (vm_vaddr_t)&pit_ticks);
}

/* How many ticks the guest takes in @ns. */
static inline u64 pit_ticks_in(struct kvm_vcpu *vcpu, u64 ns)
{
	u64 before = pit_ticks_taken(vcpu->vm);

	pit_run_for(vcpu, ns);
	return pit_ticks_taken(vcpu->vm) - before;
}

#define PIT_TRACING		"/sys/kernel/tracing/"

static inline void pit_trace_write(const char *file, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), PIT_TRACING "%s", file);
	fd = open(path, O_WRONLY | O_TRUNC);
	TEST_ASSERT(fd >= 0, "cannot open %s", path);
	TEST_ASSERT(write(fd, text, strlen(text)) == strlen(text), "cannot write %s", path);
	close(fd);
}

/* The local timers' interrupts so far, of all CPUs. */
static inline u64 pit_timer_interrupts(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char line[4096], *at, *end;
	u64 sum = 0, n;

	TEST_ASSERT(f, "cannot open /proc/interrupts");
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, "LOC:");
		if (!at)
			continue;
		for (at += 4; ; at = end, sum += n) {
			n = strtoull(at, &end, 10);
			if (end == at)
				break;
		}
	}
	fclose(f);
	return sum;
}

/*
 * The counters and settings in debugfs, one value a file
 */

static inline void pit_require_debugfs(void)
{
	if (!pit_has_policies())
		return;
	__TEST_REQUIRE(!access("/sys/kernel/debug/kvm", X_OK),
		       "debugfs is not mounted");
}

/* The thread that creates VMs, which their folders are named after; 0: the main one. */
static pid_t pit_creator;

static inline void pit_file(struct kvm_vm *vm, const char *name, char *path,
			    size_t size)
{
	snprintf(path, size, "/sys/kernel/debug/kvm/%d-%d/pit/%s",
		 pit_creator ?: getpid(), vm->fd, name);
}

/* The text without the newline. */
static inline char *pit_setting(struct kvm_vm *vm, const char *name, char *buf,
				size_t size)
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

static inline u64 pit_counter(struct kvm_vm *vm, const char *name)
{
	char buf[64];

	return strtoull(pit_setting(vm, name, buf, sizeof(buf)), NULL, 0);
}

static inline bool __pit_ticks_conserved(struct kvm_vm *vm, bool report)
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

/* No tick is unaccounted for. Holds for a VM at rest. */
static inline bool pit_ticks_conserved(struct kvm_vm *vm)
{
	return __pit_ticks_conserved(vm, true);
}

static inline bool pit_has_debugfs(struct kvm_vm *vm)
{
	char path[128];

	pit_file(vm, "due", path, sizeof(path));
	return !access(path, F_OK);
}

/*
 * What there is of VMs
 */

struct pit_users {
	int vms;		/* folders in debugfs, TID-FD each */
	long long module;	/* its reference count, 0 where there is no module */
};

static inline struct pit_users pit_count_users(void)
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

/* The last ones may be on their way out. */
static inline bool pit_users_are_as(const struct pit_users *before)
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

/* For the one who has to find out where a tick has gone. */
static inline void pit_print_state(struct kvm_vcpu *vcpu)
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

/*
 * When a guest with pit_report_tick() takes its ticks, and when it should
 */

#define PIT_MAX_TICKS		2048
#define PIT_TOLERANCE_NS	(600 * 1000L)
#define PIT_REPLAY_NS		(100 * 1000L)	/* in a row, each takes no longer */

/* In ns after some tick. */
struct pit_line {
	s64 at[PIT_MAX_TICKS];
	int nr;
};

static inline void pit_line_add(struct pit_line *line, s64 at)
{
	TEST_ASSERT(line->nr < PIT_MAX_TICKS, "more than %d ticks", PIT_MAX_TICKS);
	line->at[line->nr++] = at;
}

/* The k-th tick after one. A @count of 0 means 65536. */
static inline s64 pit_tick_ns(u64 k, u16 count)
{
	return pit_clocks_to_ns(k * (count ?: 0x10000));
}

/* Run a guest with pit_report_tick() until it is in it, and return when that was. */
static inline u64 pit_run_to_tick(struct kvm_vcpu *vcpu)
{
	int event = pit_run(vcpu, now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC);

	if (event != PIT_EVENT_TICK)
		pit_print_state(vcpu);
	TEST_ASSERT(event == PIT_EVENT_TICK, "event %d, no tick in %d s", event,
		    PIT_PATIENCE_S);
	return now_ns();
}

/* Where a guest is held, the last tick that it took being in or behind its handler. */
enum pit_hold {
	PIT_HOLD_ACCEPTED,
	PIT_HOLD_UNACCEPTED,	/* before the EOI */
	PIT_HOLD_MASKED,	/* accepted, but IRQ0 is masked still */
};

/*
 * Start the timer of a guest in pit_serve() with pit_report_tick(), and run it to
 * where it is to be held: after a few ticks, the last of which is the one whose
 * time is returned.
 */
static inline u64 pit_run_to_hold(struct kvm_vcpu *vcpu, enum pit_hold hold,
				  u16 count)
{
	bool *masks = addr_gva2hva(vcpu->vm, (vm_vaddr_t)&pit_mask_in_handler);
	u64 zero;

	pit_order_program(vcpu, 0, 2, count);
	pit_run_to_tick(vcpu);
	pit_run_to_tick(vcpu);
	*masks = hold == PIT_HOLD_MASKED;
	zero = pit_run_to_tick(vcpu);
	*masks = false;
	if (hold == PIT_HOLD_ACCEPTED)
		pit_run_for(vcpu, pit_tick_ns(1, count) / 8);
	else if (hold == PIT_HOLD_MASKED)
		TEST_ASSERT(pit_run(vcpu, zero + NSEC_PER_MSEC) == PIT_EVENT_UNMASK,
			    "the handler hangs");
	return zero;
}

static inline void pit_record(struct kvm_vcpu *vcpu, struct pit_line *line,
			      u64 zero, u64 until)
{
	int event;

	while ((event = pit_run(vcpu, until)) != PIT_TIMEOUT)
		if (event == PIT_EVENT_TICK)
			pit_line_add(line, now_ns() - zero);
}

/*
 * To a guest that accepts ticks again from @from ns after one on the grid, and is owed
 * @owed: these in a row where @rate is 0. Otherwise they come between the due ones, in
 * those places that the rate has in each period since number @first, in which the
 * catch-up began. Due ticks are on the grid.
 */
static inline void pit_expect_since(struct pit_line *line, s64 from, u64 owed, u32 rate,
				    u64 first, u16 count, s64 until)
{
	u64 k = 0, i, j, places;
	s64 at, next;

	while (pit_tick_ns(k + 1, count) <= from)
		k++;
	for (; !rate && owed; owed--)
		pit_line_add(line, from);
	for (; ; k++) {
		i = k > first ? k - first : 0;
		at = pit_tick_ns(k, count);
		next = pit_tick_ns(k + 1, count);
		places = (i + 1) * rate / 100 - i * rate / 100;
		for (j = 1; owed && j <= places; j++) {
			s64 place = at + (next - at) * j / (places + 1);

			/* The tick that it takes first is in service then. */
			if (place < from + PIT_REPLAY_NS || place >= until)
				continue;
			pit_line_add(line, place);
			owed--;
		}
		if (next >= until)
			break;
		pit_line_add(line, next);
	}
}

/* Of a catch-up that began with the first of the ticks that are owed. */
static inline void pit_expect(struct pit_line *line, s64 from, u64 owed, u32 rate,
			      u16 count, s64 until)
{
	u64 k = from / pit_tick_ns(1, count);

	pit_expect_since(line, from, owed, rate, k >= owed ? k + 1 - owed : 0, count, until);
}

static inline void pit_print_lines(const struct pit_line *line,
				   const struct pit_line *expected)
{
	int i;

	ksft_print_msg("%d ticks taken, %d expected\n", line->nr, expected->nr);
	for (i = 0; i < line->nr || i < expected->nr; i++)
		ksft_print_msg("tick %d: expected at %.3f ms, taken at %.3f ms\n", i,
			       i < expected->nr ? expected->at[i] / 1e6 : -1,
			       i < line->nr ? line->at[i] / 1e6 : -1);
}

static inline bool pit_line_matches(const struct pit_line *line,
				    const struct pit_line *expected)
{
	bool ok = line->nr == expected->nr;
	s64 late = 0;
	int i;

	for (i = 0; ok && i < line->nr; i++) {
		if (i && expected->at[i] == expected->at[i - 1])
			late += PIT_REPLAY_NS;
		else
			late = 0;
		ok = line->at[i] >= expected->at[i] - PIT_TOLERANCE_NS &&
		     line->at[i] <= expected->at[i] + PIT_TOLERANCE_NS + late;
	}
	if (!ok)
		pit_print_lines(line, expected);
	return ok;
}

/*
 * No VM ends with a tick unaccounted for. The PIT is stopped for that: the
 * counters cannot be read in one go.
 */
static inline void pit_check_law(struct kvm_vm *vm)
{
	/* As it is before the first control word. */
	struct kvm_pit_state2 stopped = { .channels[0].mode = 0xff };
	u64 until = now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC;

	if (!pit_has_debugfs(vm))
		return;

	vm_ioctl(vm, KVM_SET_PIT2, &stopped);
	while (!__pit_ticks_conserved(vm, now_ns() >= until)) {
		TEST_ASSERT(now_ns() < until, "ticks are unaccounted for");
		sleep_until_ns(now_ns() + NSEC_PER_MSEC / 10);
	}
}

/* Every test's VM ends here. */
static inline void pit_vm_free(struct kvm_vm *vm)
{
	pit_check_law(vm);
	kvm_vm_free(vm);
}

/*
 * Runs the vCPU to the end of pit_rest(): the host has time to raise a tick that
 * was due already, and the guest to take it.
 */
static inline bool pit_run_to_rest(struct kvm_vcpu *vcpu)
{
	u64 until = now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC;
	int i, event;

	for (i = 0; i < 4; ) {
		event = pit_run(vcpu, until);
		if (event == PIT_TIMEOUT) {
			ksft_print_msg("the guest does not come to rest\n");
			return false;
		}
		if (event == PIT_EVENT_REST) {
			sleep_until_ns(now_ns() + NSEC_PER_MSEC / 2);
			i++;
		}
	}
	return true;
}

/* The guest in pit_serve() stops its timer; no tick is missing. */
static inline bool pit_bring_to_rest(struct kvm_vcpu *vcpu)
{
	struct pit_list *list = addr_gva2hva(vcpu->vm, (vm_vaddr_t)&pit_list);

	list->rest = true;
	pit_wake(vcpu);
	return pit_run_to_rest(vcpu) && pit_ticks_conserved(vcpu->vm);
}

/* For guests with no other source of IRQ0: no tick was taken twice. */
static inline bool pit_ticks_taken_once(struct kvm_vm *vm)
{
	u64 taken = pit_ticks_taken(vm);
	u64 counted = pit_counter(vm, "delivered") + pit_counter(vm, "replayed");

	if (taken == counted)
		return true;
	ksft_print_msg("%lu ticks taken, %lu counted\n", taken, counted);
	return false;
}

/* The end of a VM with pit_serve(). */
static inline bool pit_end(struct kvm_vcpu *vcpu)
{
	bool ok = pit_bring_to_rest(vcpu);

	pit_vm_free(vcpu->vm);
	return ok;
}

#endif /* SELFTEST_KVM_PIT_H */
