// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random programs of a hostile VMM.
 *
 * A program is a process of its own with one or two VMs, up to four vCPUs in each,
 * and several threads that draw what they do: ioctls of the PIT with sane and insane
 * values, devices of userspace at the PIT's ports, routes of IRQ0, states of the
 * irqchips and the local APICs, vCPUs that come late, fail to come, or go. The guests
 * are random real-mode code that programs counter 0, masks IRQ0, sends EOIs and IPIs,
 * or sleeps. A program ends in order, without closing anything, by SIGKILL, or it
 * leaves its VM to another process.
 *
 *  - The host survives. Most of that is in its log, which is the runner's to look at.
 *  - A PIT that was created is found until its VM ends: its ioctls never fail with
 *    ENXIO, and there is no second one.
 *  - Once counter 0 is stopped, no tick is unaccounted for.
 *  - After each program a new VM gets the ticks that are due, each 10 ms.
 *  - While no vCPU writes to a port, the host's timer fires once in min_period_us for
 *    each VM at most.
 *  - At the end there are as many VMs as before, and as many users of the module.
 *
 * With -m half of the programs run in a control group that has hardly enough memory:
 * they may be killed for that. With -f allocations of half of them fail at random
 * (failslab). Neither has its ticks counted: debugfs may lack the files.
 *
 * What a program draws follows from its seed, and so does what its guests do. How its
 * threads take turns does not, unless the host is deterministic.
 */
#define _GNU_SOURCE /* for CPU_SET() */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "pit.h"
#include "pit_random.h"

#define DEFAULT_SEED		8254
#define DEFAULT_PROGRAMS	32

#define MAX_VMS			2
#define MAX_VCPUS		4
#define MAX_THREADS		4
#define MAX_ROUNDS		2	/* before the last one */
#define MAX_ACTIONS		40	/* of a thread in a round */
#define MAX_HEIRS		2	/* processes that a program leaves a VM to */

#define SANE_COUNT		11932	/* 100 Hz */
#define SANE_PERIOD_NS		10000013
#define TICKING_NS		(100 * NSEC_PER_MSEC)
#define WINDOW_NS		(50 * NSEC_PER_MSEC)
#define HOST_TIMER_HZ		1000	/* of a CPU's own timer, at most */
#define PROGRAM_TIMEOUT_S	120

/* A process that could not go on, for want of memory. */
#define EXIT_NO_MEMORY		3

/* File descriptors of a program */
#define END_OF_WINDOW_FD	3

#define MIN_PERIOD	pit_param("min_period_us")
#define CGROUP_MOUNT	"/tmp/pit_hostile"
#define CGROUP		CGROUP_MOUNT "/pit_hostile"
#define FAILSLAB	"/sys/kernel/debug/failslab/"

/* Where things are in the guest's memory */
#define GUEST_MEMORY		0x10000
#define GUEST_TICKS		0x500
#define GUEST_HANDLER		0x600
#define GUEST_PAGES		8	/* of code, from the second page on */
#define GUEST_STACK		0xf000

static void mutate(void *at, size_t size)
{
	u8 *bytes = at;
	int n = 1 + below(4);

	while (n--)
		bytes[below(size)] = one_in(2) ? any() : 1 << below(8);
}

/*
 * VMs
 */

#define NO_VCPU		-1
#define COMING_VCPU	-2

static struct vm {
	int fd;
	u8 *memory;
	bool has_pit;			/* from a KVM_CREATE_PIT that went well */
	int vcpu[MAX_VCPUS];		/* file descriptors */
	struct kvm_run *run[MAX_VCPUS];
} vms[MAX_VMS];

static int nr_vms;
static int kvm_fd;
static size_t run_size;
static int nr_cpus;

/* What a program and the test share */
static struct shared {
	bool resting;		/* no vCPU writes to a port */
	u64 actions;
	u64 runs;		/* KVM_RUN */
	u64 pits;
	u64 vcpus;
	u64 checked;		/* how often a VM's ticks add up, */
	u64 due;		/* and what these were */
	u64 replayed;
	u64 lost;
} *shared;

/* The program at hand */
static struct program {
	u64 seed;
	bool short_of_memory;
	bool allocations_fail;
	bool limited_late;	/* when it has its VMs */
	u32 memory;		/* how much it may have from then on, in bytes */
	int killed_after_us;	/* -1: it is not killed */
	bool has_window;
} program;

static bool is_limited(void)
{
	return program.short_of_memory || program.allocations_fail;
}

static void __printf(1, 2) __noreturn failed(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("# ");
	vprintf(fmt, args);
	va_end(args);
	fflush(stdout);
	_exit(1);
}

static void __noreturn no_memory(const char *what)
{
	if (is_limited())
		_exit(EXIT_NO_MEMORY);
	failed("%s: %s\n", what, strerror(errno));
}

/*
 * The guest's code
 */

struct code {
	u8 *at;
	u8 *end;
};

static void emit(struct code *code, const u8 *bytes, int nr)
{
	if (code->at + nr > code->end)
		return;
	memcpy(code->at, bytes, nr);
	code->at += nr;
}

#define EMIT(code, ...) do {					\
	const u8 bytes[] = { __VA_ARGS__ };			\
	emit(code, bytes, sizeof(bytes));			\
} while (0)

static void emit_out(struct code *code, u8 port, u8 value)
{
	EMIT(code, 0xb0, value, 0xe6, port);
}

/* DS is where the local APIC is, and ES where the IOAPIC is. */
static void emit_apic(struct code *code, u16 reg, u32 value)
{
	EMIT(code, 0x66, 0xc7, 0x06, reg, reg >> 8, value, value >> 8, value >> 16, value >> 24);
}

static void emit_ioapic(struct code *code, u8 reg, u32 value)
{
	EMIT(code, 0x26, 0x66, 0xc7, 0x06, 0, 0, reg, 0, 0, 0);
	EMIT(code, 0x26, 0x66, 0xc7, 0x06, 0x10, 0, value, value >> 8, value >> 16, value >> 24);
}

static u16 random_count(void)
{
	static const u16 counts[] = { 0, 1, 2, 3, 4, 0x10, 100, 239, 300, 1193, 0xffff };

	if (one_in(4))
		return any();
	return one_in(2) ? counts[below(ARRAY_SIZE(counts))] : 300 + below(3000);
}

static u8 random_port(void)
{
	static const u8 ports[] = { 0x40, 0x40, 0x40, 0x41, 0x42, 0x43, 0x43, 0x61 };

	return one_in(16) ? 0x3c + below(12) : ports[below(ARRAY_SIZE(ports))];
}

static void emit_program(struct code *code)
{
	u8 mode = one_in(2) ? 2 + below(2) : below(8);
	u16 count = random_count();

	emit_out(code, PIT_CONTROL, 0x30 | mode << 1 | one_in(8));
	emit_out(code, PIT_CH0, count);
	if (!one_in(8))
		emit_out(code, PIT_CH0, count >> 8);
}

static void emit_access(struct code *code)
{
	u8 port = random_port(), n = 1 + below(8);
	u16 at = any();

	switch (below(8)) {
	case 0:
		EMIT(code, 0xe5, port);			/* in ax */
		break;
	case 1:
		EMIT(code, 0xe7, port);			/* out ax */
		break;
	case 2:
		EMIT(code, 0x66, 0xe7, port);		/* out eax */
		break;
	case 3:						/* rep outsb of code */
		EMIT(code, 0xba, port, 0, 0xbe, at, at >> 8, 0xb9, n, 0, 0x2e, 0xf3, 0x6e);
		break;
	case 4:						/* rep insb */
		EMIT(code, 0xba, port, 0, 0xbf, 0, 0, 0xb9, n, 0, 0xf3, 0x6c);
		break;
	case 5:
	case 6:
		emit_out(code, port, any());
		break;
	default:
		EMIT(code, 0xe4, port);			/* in al */
	}
}

static void emit_pic(struct code *code)
{
	switch (below(6)) {
	case 0:
		emit_out(code, PIC_MASTER_CMD, 0x11 | below(16));
		emit_out(code, PIC_MASTER_DATA, 0x08);
		emit_out(code, PIC_MASTER_DATA, 0x04);
		emit_out(code, PIC_MASTER_DATA, 0x01 | below(4));
		break;
	case 1:
		emit_out(code, PIC_MASTER_CMD, any());
		break;
	case 2:
		emit_out(code, PIC_MASTER_CMD, PIC_EOI);
		break;
	default:
		emit_out(code, PIC_MASTER_DATA, one_in(3) ? 0xff : 0xfa);
	}
}

static void emit_apics(struct code *code)
{
	static const u32 lvt0[] = { 0x700, 0x400, 0x10700, 0x20, 0x10400 };
	static const u32 ipis[] = { 0xc4500, 0x84500, 0xc4600, 0xc4400, 0x84020, 0x44020 };
	u32 ipi = ipis[below(ARRAY_SIZE(ipis))];

	switch (below(6)) {
	case 0:
		emit_apic(code, 0x350, lvt0[below(ARRAY_SIZE(lvt0))]);
		break;
	case 1:
		emit_apic(code, 0xf0, one_in(4) ? 0xff : 0x1ff);
		break;
	case 2:
		emit_apic(code, 0x300, (ipi & 0xff00) == 0x4600 ? ipi + 1 + below(8) : ipi);
		break;
	case 3:
		emit_ioapic(code, 0x11 + 2 * below(3), below(4) << 24);
		break;
	case 4:
		emit_ioapic(code, 0x10 + 2 * below(3), 0x20 + below(4) + (below(16) << 13));
		break;
	default:
		emit_apic(code, 0xb0, 0);
	}
}

static void emit_wait(struct code *code)
{
	u16 n = below(2000);

	switch (below(12)) {
	case 0:
		EMIT(code, 0xfa, 0xf4);			/* cli, hlt */
		break;
	case 1:
	case 2:
		EMIT(code, 0xfa);			/* cli */
		break;
	case 3:
	case 4:
		EMIT(code, 0xb9, n, n >> 8, 0xe2, 0xfe);	/* loop */
		break;
	case 5:
	case 6:
		EMIT(code, 0xfb);			/* sti */
		break;
	default:
		EMIT(code, 0xfb, 0xf4);			/* sti, hlt */
	}
}

/* One page of it, over and over. */
static void write_code(struct vm *vm, int page)
{
	u8 *start = vm->memory + page * PAGE_SIZE;
	struct code code = { start, start + PAGE_SIZE - 16 };
	int n = 4 + below(40);
	u16 back;

	if (one_in(2)) {
		emit_out(&code, PIC_MASTER_DATA, 0xfa);
		emit_apic(&code, 0xf0, 0x1ff);
		emit_program(&code);
	}
	while (n--) {
		switch (below(8)) {
		case 0:
			emit_program(&code);
			break;
		case 1:
		case 2:
			emit_access(&code);
			break;
		case 3:
			emit_pic(&code);
			break;
		case 4:
			emit_apics(&code);
			break;
		default:
			emit_wait(&code);
		}
	}
	code.end += 16;
	back = start - (code.at + 3);
	EMIT(&code, 0xe9, back, back >> 8);
}

/* Of all vectors. IRQ0 comes with that of its way. */
static void write_handler(struct vm *vm, bool quiet)
{
	u8 *start = vm->memory + GUEST_HANDLER;
	struct code code = { start, start + 0x100 };

	EMIT(&code, 0x50, 0x2e, 0xff, 0x06, GUEST_TICKS & 0xff, GUEST_TICKS >> 8);
	if (!quiet && one_in(4))
		emit_out(&code, PIC_MASTER_DATA, 0xff);
	if (!quiet && one_in(8))
		emit_program(&code);
	if (quiet || !one_in(4))
		emit_out(&code, PIC_MASTER_CMD, PIC_EOI);
	if (quiet || !one_in(4))
		emit_apic(&code, 0xb0, 0);
	if (!quiet && one_in(4))
		emit_out(&code, PIC_MASTER_DATA, 0xfa);
	EMIT(&code, 0x58, 0xcf);			/* pop ax, iret */
}

/* A guest that takes ticks. A quiet one touches no port of the PIT. */
static void write_sane_code(struct vm *vm, int page, bool quiet)
{
	u8 *start = vm->memory + page * PAGE_SIZE;
	struct code code = { start, start + PAGE_SIZE };

	emit_out(&code, PIC_MASTER_CMD, 0x11);
	emit_out(&code, PIC_MASTER_DATA, 0x08);
	emit_out(&code, PIC_MASTER_DATA, 0x04);
	emit_out(&code, PIC_MASTER_DATA, 0x01);
	emit_out(&code, PIC_MASTER_DATA, 0xfe);
	if (!quiet)
		emit_program(&code);
	EMIT(&code, 0xfb, 0xf4, 0xeb, 0xfc);		/* sti, hlt, and back */
}

static void write_quiet_guest(struct vm *vm)
{
	write_handler(vm, true);
	write_sane_code(vm, 1, true);
}

static void write_guest(struct vm *vm)
{
	u16 *vectors = (u16 *)vm->memory;
	int i;

	for (i = 0; i < 256; i++) {
		vectors[2 * i] = GUEST_HANDLER;
		vectors[2 * i + 1] = 0;
	}
	write_handler(vm, one_in(2));
	for (i = 1; i <= GUEST_PAGES; i++)
		if (one_in(3))
			write_sane_code(vm, i, false);
		else
			write_code(vm, i);
}

/*
 * Threads: each has a timer that gets it out of KVM_RUN
 */

static __thread timer_t timer;
static __thread bool has_timer;

static void nothing(int sig)
{
}

/* False where there is no memory for it: then the thread must not go into KVM_RUN. */
static bool create_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };

	event._sigev_un._tid = syscall(SYS_gettid);
	has_timer = !timer_create(CLOCK_MONOTONIC, &event, &timer);
	return has_timer;
}

/* The first signal may come before KVM_RUN does. */
static void set_timer(u64 ns)
{
	struct itimerspec spec = {
		.it_value.tv_nsec = ns,
		.it_interval.tv_nsec = ns ? 2 * NSEC_PER_MSEC : 0,
	};

	timer_settime(timer, 0, &spec, NULL);
}

/* Any error will do: the vCPU may wait for a SIPI, or be closed by another thread. */
static void run_vcpu_for(int fd, u64 ns)
{
	u64 until = now_ns() + ns;

	if (!has_timer)
		return;
	set_timer(ns);
	do {
		ioctl(fd, KVM_RUN, 0);
	} while (now_ns() < until);
	set_timer(0);
}

/*
 * Creation
 */

static void *map(int fd, size_t size)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void set_entry(int fd, int page, int slot)
{
	struct kvm_regs regs = {
		.rip = page * PAGE_SIZE,
		.rsp = GUEST_STACK - slot * 0x100,
		.rflags = 2 | (below(2) << 9),
	};
	struct kvm_sregs sregs;

	if (ioctl(fd, KVM_GET_SREGS, &sregs))
		return;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	sregs.ds.base = 0xfee00000;
	sregs.es.base = IOAPIC_GPA;
	ioctl(fd, KVM_SET_SREGS, &sregs);
	ioctl(fd, KVM_SET_REGS, &regs);
}

static bool create_vcpu(struct vm *vm, u32 id, int page)
{
	int slot, fd;

	for (slot = 0; slot < MAX_VCPUS; slot++)
		if (__sync_bool_compare_and_swap(&vm->vcpu[slot], NO_VCPU, COMING_VCPU))
			break;
	if (slot == MAX_VCPUS)
		return false;

	fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (fd < 0) {
		WRITE_ONCE(vm->vcpu[slot], NO_VCPU);
		return false;
	}
	vm->run[slot] = map(fd, run_size);
	set_entry(fd, page, slot);
	WRITE_ONCE(vm->vcpu[slot], fd);
	__atomic_fetch_add(&shared->vcpus, 1, __ATOMIC_RELAXED);
	return true;
}

/*
 * The PIT that was there stays. One that a program has created by two threads at
 * once is created by one of them.
 */
static void create_pit_somehow(struct vm *vm)
{
	struct kvm_pit_config config = { .flags = one_in(8) ? any() : below(2) };
	bool had_pit = READ_ONCE(vm->has_pit);
	int ret;

	if (one_in(2))
		ret = ioctl(vm->fd, KVM_CREATE_PIT, 0);
	else
		ret = ioctl(vm->fd, KVM_CREATE_PIT2, &config);

	if (had_pit && (!ret || errno != EEXIST))
		failed("a second PIT: %d, errno %d, expected EEXIST\n", ret, errno);
	if (ret)
		return;
	WRITE_ONCE(vm->has_pit, true);
	__atomic_fetch_add(&shared->pits, 1, __ATOMIC_RELAXED);
}

static void create_vm(struct vm *vm)
{
	struct kvm_userspace_memory_region memory = { .memory_size = GUEST_MEMORY };
	int i;

	*vm = (struct vm) { };
	for (i = 0; i < MAX_VCPUS; i++)
		vm->vcpu[i] = NO_VCPU;
	vm->fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		no_memory("KVM_CREATE_VM");
	vm->memory = map(-1, GUEST_MEMORY);
	if (!vm->memory)
		no_memory("mmap");
	memory.userspace_addr = (u64)vm->memory;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &memory))
		no_memory("KVM_SET_USER_MEMORY_REGION");
	/* Intel's real mode, on a CPU that has none */
	ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000);
}

static void create_hostile_vm(struct vm *vm)
{
	int i, n = below(MAX_VCPUS);

	create_vm(vm);
	write_guest(vm);
	if (!one_in(16) && ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		no_memory("KVM_CREATE_IRQCHIP");
	if (one_in(4))
		ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, below(5));
	if (one_in(2))
		create_pit_somehow(vm);
	for (i = 0; i < n; i++)
		create_vcpu(vm, one_in(2) ? i : below(6), 1 + below(GUEST_PAGES));
}

static void close_vm(struct vm *vm)
{
	int i;

	for (i = 0; i < MAX_VCPUS; i++) {
		if (vm->run[i])
			munmap(vm->run[i], run_size);
		if (vm->vcpu[i] >= 0)
			close(vm->vcpu[i]);
	}
	close(vm->fd);
	munmap(vm->memory, GUEST_MEMORY);
}

/*
 * Actions: ioctls of the PIT
 */

/* With a PIT there is nothing that makes one of its ioctls fail, but a bad state. */
static void expect_pit(bool had_pit, int ret, bool may_be_refused, const char *call)
{
	int error = errno;

	if (!had_pit || !ret || (may_be_refused && error == EINVAL))
		return;
	failed("%s on a VM with a PIT: %s\n", call, strerror(error));
}

static int get_pit2(struct vm *vm, struct kvm_pit_state2 *state)
{
	bool had_pit = READ_ONCE(vm->has_pit);
	int ret = ioctl(vm->fd, KVM_GET_PIT2, state);

	expect_pit(had_pit, ret, false, "KVM_GET_PIT2");
	return ret;
}

static int set_pit2(struct vm *vm, struct kvm_pit_state2 *state)
{
	bool had_pit = READ_ONCE(vm->has_pit);
	int ret = ioctl(vm->fd, KVM_SET_PIT2, state);

	expect_pit(had_pit, ret, true, "KVM_SET_PIT2");
	return ret;
}

static void get_pit(struct vm *vm)
{
	bool had_pit = READ_ONCE(vm->has_pit);
	struct kvm_pit_state2 state2 = { };
	struct kvm_pit_state state = { };

	if (one_in(2))
		get_pit2(vm, &state2);
	else
		expect_pit(had_pit, ioctl(vm->fd, KVM_GET_PIT, &state), false, "KVM_GET_PIT");
}

static void random_state(struct kvm_pit_state2 *state)
{
	int n;

	*state = (struct kvm_pit_state2) { };
	if (one_in(8)) {
		any_bytes(state, sizeof(*state));
		return;
	}
	for (n = 0; n < 3; n++)
		state->channels[n] = pit_channel(one_in(4) ? below(6) : 2, random_count());
	if (one_in(8))
		state->flags = any();
	if (one_in(4))
		mutate(state->channels, sizeof(state->channels));
}

static void set_pit(struct vm *vm)
{
	bool had_pit = READ_ONCE(vm->has_pit);
	struct kvm_pit_state2 state2;
	struct kvm_pit_state state;

	random_state(&state2);
	if (one_in(2)) {
		set_pit2(vm, &state2);
		return;
	}
	memcpy(&state, &state2, sizeof(state));
	expect_pit(had_pit, ioctl(vm->fd, KVM_SET_PIT, &state), false, "KVM_SET_PIT");
}

static void enable_cap(struct vm *vm)
{
	bool had_pit = READ_ONCE(vm->has_pit);
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_PIT_TICK_POLICY,
		.args[0] = one_in(16) ? any() : below(5),
		.args[1] = one_in(16) ? any() : below(2),
		.args[2] = one_in(2) ? 0 : below(1000),
		.args[3] = one_in(4) ? below(20) : 0,
	};

	if (one_in(16))
		cap.flags = any();
	expect_pit(had_pit, ioctl(vm->fd, KVM_ENABLE_CAP, &cap), true, "KVM_ENABLE_CAP");
}

/* A counter 0 that may have come to be in no way. */
static void impossible_counter(struct kvm_pit_state2 *state)
{
	struct kvm_pit_tick_state *ticks = (void *)state->reserved;

	state->channels[0] = pit_channel(one_in(2) ? 2 : below(6),
					 one_in(2) ? 1 + below(4) : random_count());
	ticks->count[0] = 1 + below(4);
	ticks->counter[0] = any();
}

/* As it was kept, or nearly so. */
static void set_kept_state(struct vm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_PIT_TICK_POLICY,
		.args = { below(4), KVM_PIT_TICK_KEEP_STATE },
	};
	struct kvm_pit_state2 state = { };
	int n = 1 + below(4);

	ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
	if (get_pit2(vm, &state))
		return;
	while (n--) {
		if (one_in(2))
			impossible_counter(&state);
		else
			mutate(state.reserved, sizeof(struct kvm_pit_tick_state));
		if (one_in(8))
			mutate(&state, sizeof(state));
		set_pit2(vm, &state);
	}
}

static void set_reinject(struct vm *vm)
{
	bool had_pit = READ_ONCE(vm->has_pit);
	struct kvm_reinject_control control = { .pit_reinject = below(2) };

	expect_pit(had_pit, ioctl(vm->fd, KVM_REINJECT_CONTROL, &control), false,
		   "KVM_REINJECT_CONTROL");
}

static void check_extension(struct vm *vm)
{
	static const int caps[] = { KVM_CAP_PIT_TICK_POLICY, KVM_CAP_PIT2, KVM_CAP_PIT_STATE2 };

	ioctl(one_in(2) ? vm->fd : kvm_fd, KVM_CHECK_EXTENSION, caps[below(ARRAY_SIZE(caps))]);
}

static void use_debugfs(struct vm *vm)
{
	static const char * const files[] = { "policy", "due", "backlog", "period_ns" };
	static const char * const words[] = { "delay", "discard", "slew", "merge", "later" };
	const char *word = words[below(ARRAY_SIZE(words))];
	struct kvm_vm named = { .fd = vm->fd };
	char path[128], value[64];
	int fd, ret;

	pit_file(&named, files[below(ARRAY_SIZE(files))], path, sizeof(path));
	fd = open(path, O_RDWR);
	if (fd < 0)
		return;
	ret = one_in(2) ? read(fd, value, sizeof(value)) : write(fd, word, strlen(word));
	(void)ret;
	close(fd);
}

/*
 * Actions: devices of userspace at the PIT's ports
 */

#define EVENTS	3

static int events[EVENTS];

static void ioeventfd(struct vm *vm)
{
	static const u32 sizes[] = { 0, 1, 2, 4, 8, 3 };
	struct kvm_ioeventfd event = {
		.addr = random_port(),
		.len = sizes[below(ARRAY_SIZE(sizes))],
		.fd = events[below(EVENTS)],
		.flags = KVM_IOEVENTFD_FLAG_PIO,
		.datamatch = below(2),
	};

	if (one_in(3))
		event.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	if (one_in(3))
		event.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	if (one_in(32))
		event.flags |= any();
	ioctl(vm->fd, KVM_IOEVENTFD, &event);
}

static void coalesced_zone(struct vm *vm)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = random_port(),
		.size = one_in(4) ? any() : 1 + below(8),
		.pio = !one_in(8),
	};
	u32 call = one_in(3) ? KVM_UNREGISTER_COALESCED_MMIO : KVM_REGISTER_COALESCED_MMIO;

	ioctl(vm->fd, call, &zone);
}

/*
 * Actions: IRQ0's way
 */

#define MAX_ROUTES	64

static void random_route(struct kvm_irq_routing_entry *entry)
{
	static const u32 chips[] = {
		KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC, 3,
	};

	entry->gsi = one_in(4) ? below(24) : 0;
	if (one_in(4)) {
		entry->type = KVM_IRQ_ROUTING_MSI;
		entry->u.msi.address_lo = 0xfee00000 + (below(4) << 12);
		entry->u.msi.data = one_in(8) ? any() : 0x20 + below(4);
		return;
	}
	entry->type = one_in(32) ? any() : KVM_IRQ_ROUTING_IRQCHIP;
	entry->u.irqchip.irqchip = chips[below(one_in(8) ? 4 : 3)];
	entry->u.irqchip.pin = one_in(2) ? 0 : one_in(8) ? below(30) : 2;
}

static void set_routing(struct vm *vm)
{
	struct {
		struct kvm_irq_routing routing;
		struct kvm_irq_routing_entry entries[MAX_ROUTES];
	} table = { };
	struct kvm_irq_routing_entry *entries = table.routing.entries;
	int i, nr = one_in(8) ? below(MAX_ROUTES + 1) : below(4);

	for (i = 0; i < nr; i++)
		random_route(&entries[i]);
	/* The way of a PC, so that there are ticks */
	if (one_in(2)) {
		nr = 2;
		for (i = 0; i < nr; i++)
			entries[i] = (struct kvm_irq_routing_entry) {
				.type = KVM_IRQ_ROUTING_IRQCHIP,
				.u.irqchip.irqchip = i ? KVM_IRQCHIP_IOAPIC :
							 KVM_IRQCHIP_PIC_MASTER,
				.u.irqchip.pin = i ? IOAPIC_PIT_PIN : 0,
			};
	}
	table.routing.nr = nr;
	ioctl(vm->fd, KVM_SET_GSI_ROUTING, &table);
}

static void irq_line(struct vm *vm)
{
	struct kvm_irq_level level = { .irq = one_in(4) ? below(24) : 0, .level = below(2) };

	ioctl(vm->fd, KVM_IRQ_LINE, &level);
}

static void set_irqchip(struct vm *vm)
{
	struct kvm_irqchip irqchip = { .chip_id = below(3) };
	size_t size = irqchip.chip_id == KVM_IRQCHIP_IOAPIC ? sizeof(irqchip.chip.ioapic) :
							      sizeof(irqchip.chip.pic);

	if (ioctl(vm->fd, KVM_GET_IRQCHIP, &irqchip))
		return;
	if (one_in(8))
		memset(&irqchip.chip, 0, sizeof(irqchip.chip));
	else if (!one_in(4))
		mutate(&irqchip.chip, size);
	ioctl(vm->fd, KVM_SET_IRQCHIP, &irqchip);
}

/*
 * Actions: vCPUs
 */

static int random_vcpu(struct vm *vm)
{
	return READ_ONCE(vm->vcpu[below(MAX_VCPUS)]);
}

static void add_vcpu(struct vm *vm)
{
	create_vcpu(vm, one_in(16) ? any() : below(6), 1 + below(GUEST_PAGES));
}

/* No file descriptor is left: what was created is freed again. */
static void add_vcpu_in_vain(struct vm *vm)
{
	static struct rlimit was;
	struct rlimit limit;

	if (!was.rlim_max && getrlimit(RLIMIT_NOFILE, &was))
		return;
	limit = was;
	limit.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &limit);
	create_vcpu(vm, below(6), 1);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void run_vcpu(struct vm *vm)
{
	int slot = below(MAX_VCPUS), fd = READ_ONCE(vm->vcpu[slot]);
	struct kvm_run *run = READ_ONCE(vm->run[slot]);

	if (fd < 0)
		return;
	__atomic_fetch_add(&shared->runs, 1, __ATOMIC_RELAXED);
	if (run)
		run->immediate_exit = one_in(16);
	run_vcpu_for(fd, one_in(8) ? 1 + below(20000) : 50000 + below(3 * NSEC_PER_MSEC));
}

static void restart_vcpu(struct vm *vm)
{
	int slot = below(MAX_VCPUS), fd = READ_ONCE(vm->vcpu[slot]);
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };

	if (fd < 0)
		return;
	set_entry(fd, 1 + below(GUEST_PAGES), slot);
	if (!one_in(4))
		ioctl(fd, KVM_SET_MP_STATE, &state);
}

static void set_mp_state(struct vm *vm)
{
	static const u32 states[] = {
		KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_HALTED,
		KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED,
		KVM_MP_STATE_SIPI_RECEIVED, 77,
	};
	struct kvm_mp_state state = { .mp_state = states[below(ARRAY_SIZE(states))] };

	ioctl(random_vcpu(vm), KVM_SET_MP_STATE, &state);
}

/* All but the timer of the APIC: that has a limit of its own. */
static void set_lapic(struct vm *vm)
{
	static const u16 regs[] = {
		0x20, 0x30, 0x80, 0xd0, 0xe0, 0xf0, 0x100, 0x110, 0x180, 0x200, 0x210, 0x280,
		0x300, 0x310, 0x330, 0x340, 0x350, 0x350, 0x350, 0x360, 0x370,
	};
	static const u32 lvt0[] = { 0x700, 0x400, 0x10700, 0x20, 0x10400 };
	struct kvm_lapic_state lapic;
	int fd = random_vcpu(vm);
	u16 reg = regs[below(ARRAY_SIZE(regs))];
	u32 *value = (u32 *)(lapic.regs + reg);

	if (ioctl(fd, KVM_GET_LAPIC, &lapic))
		return;
	if (reg == APIC_LVT0 && !one_in(4))
		*value = lvt0[below(ARRAY_SIZE(lvt0))];
	else
		mutate(value, sizeof(*value));
	ioctl(fd, KVM_SET_LAPIC, &lapic);
}

static void set_registers(struct vm *vm)
{
	int fd = random_vcpu(vm);
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(fd, KVM_GET_REGS, &regs) || ioctl(fd, KVM_GET_SREGS, &sregs))
		return;
	if (one_in(2)) {
		regs.rflags ^= 1 << 9;
	} else {
		mutate(&regs, sizeof(regs));
		mutate(&sregs.cs.base, sizeof(sregs.cs.base));
	}
	ioctl(fd, KVM_SET_SREGS, &sregs);
	ioctl(fd, KVM_SET_REGS, &regs);
}

static void send_nmi(struct vm *vm)
{
	ioctl(random_vcpu(vm), KVM_NMI, 0);
}

/* The vCPU stays for as long as its VM does. */
static void close_vcpu(struct vm *vm)
{
	int slot = below(MAX_VCPUS), fd = READ_ONCE(vm->vcpu[slot]);

	if (fd < 0 || !__sync_bool_compare_and_swap(&vm->vcpu[slot], fd, COMING_VCPU))
		return;
	if (one_in(2) && vm->run[slot])
		/* Another thread may be about to write there: it finds a page. */
		mmap(vm->run[slot], run_size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	WRITE_ONCE(vm->run[slot], NULL);
	close(fd);
	WRITE_ONCE(vm->vcpu[slot], NO_VCPU);
}

/*
 * Actions: the rest
 */

static void rewrite_guest(struct vm *vm)
{
	if (one_in(4))
		write_handler(vm, one_in(2));
	else
		write_code(vm, 1 + below(GUEST_PAGES));
}

static void move_thread(struct vm *vm)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(below(nr_cpus), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Another process has the VM, and all else that is open. */
static void leave_to_heir(struct vm *vm)
{
	static int heirs;
	int us = below(30000);

	if (__sync_fetch_and_add(&heirs, 1) >= MAX_HEIRS)
		return;
	if (fork())
		return;
	usleep(us);
	_exit(0);
}

static void pause_thread(struct vm *vm)
{
	usleep(below(3000));
}

static const struct action {
	int weight;
	void (*act)(struct vm *vm);
} actions[] = {
	{ 6, create_pit_somehow },
	{ 4, get_pit },
	{ 8, set_pit },
	{ 6, enable_cap },
	{ 4, set_kept_state },
	{ 3, set_reinject },
	{ 1, check_extension },
	{ 2, use_debugfs },
	{ 6, ioeventfd },
	{ 4, coalesced_zone },
	{ 5, set_routing },
	{ 3, irq_line },
	{ 4, set_irqchip },
	{ 4, add_vcpu },
	{ 2, add_vcpu_in_vain },
	{ 24, run_vcpu },
	{ 6, restart_vcpu },
	{ 4, set_mp_state },
	{ 4, set_lapic },
	{ 2, set_registers },
	{ 1, send_nmi },
	{ 1, close_vcpu },
	{ 3, rewrite_guest },
	{ 2, move_thread },
	{ 1, leave_to_heir },
	{ 4, pause_thread },
};

static void act(void)
{
	int weights = 0, i, pick;

	for (i = 0; i < ARRAY_SIZE(actions); i++)
		weights += actions[i].weight;
	pick = below(weights);
	for (i = 0; pick >= actions[i].weight; i++)
		pick -= actions[i].weight;
	actions[i].act(&vms[below(nr_vms)]);
	__atomic_fetch_add(&shared->actions, 1, __ATOMIC_RELAXED);
}

/*
 * A program
 */

static void *be_a_thread(void *arg)
{
	int n;

	pit_rng = (u64)arg;
	create_timer();
	for (n = below(MAX_ACTIONS); n; n--)
		act();
	if (has_timer)
		timer_delete(timer);
	return NULL;
}

static void run_threads(void)
{
	int i, nr = 1 + below(MAX_THREADS);
	pthread_t threads[MAX_THREADS];
	u64 seed = any();

	for (i = 0; i < nr; i++)
		if (pthread_create(&threads[i], NULL, be_a_thread, (void *)(seed + i)))
			break;
	if (!i)
		no_memory("pthread_create");
	while (i--)
		pthread_join(threads[i], NULL);
}

/* Not where a VM has the name of one that is there still, and so no files. */
static bool has_files(struct vm *vm)
{
	struct kvm_vm named = { .fd = vm->fd };

	return !is_limited() && pit_has_debugfs(&named);
}

static void check_pit(struct vm *vm)
{
	struct kvm_pit_state2 stopped = { .channels[0].mode = 0xff }, state = { };
	struct kvm_pit_config config = { };
	struct kvm_vm named = { .fd = vm->fd };
	u64 until = now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC;

	if (!vm->has_pit)
		return;
	get_pit2(vm, &state);
	if (!ioctl(vm->fd, KVM_CREATE_PIT2, &config) || errno != EEXIST)
		failed("a second PIT: errno %d, expected EEXIST\n", errno);
	if (!has_files(vm))
		return;

	expect_pit(true, ioctl(vm->fd, KVM_SET_PIT2, &stopped), false, "KVM_SET_PIT2");
	while (!__pit_ticks_conserved(&named, now_ns() >= until)) {
		if (now_ns() >= until)
			failed("ticks are unaccounted for\n");
		sleep_until_ns(now_ns() + NSEC_PER_MSEC / 10);
	}
	shared->checked++;
	shared->due += pit_counter(&named, "due");
	shared->replayed += pit_counter(&named, "replayed");
	shared->lost += pit_counter(&named, "lost");
}

static void check_pits(void)
{
	int i;

	for (i = 0; i < nr_vms; i++)
		check_pit(&vms[i]);
}

/*
 * The window in which the host's timer is looked at: the guests may take ticks
 */

static bool window_over;

static void *rest_vcpu(void *arg)
{
	int fd = (long)arg;

	while (!READ_ONCE(window_over))
		ioctl(fd, KVM_RUN, 0);
	return NULL;
}

static int rest_vcpus(struct vm *vm, pthread_t *threads)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
	int i, nr = 0;

	write_quiet_guest(vm);
	for (i = 0; i < MAX_VCPUS; i++) {
		if (vm->vcpu[i] < 0)
			continue;
		set_entry(vm->vcpu[i], 1, i);
		if (ioctl(vm->vcpu[i], KVM_SET_MP_STATE, &state))
			continue;
		nr += !pthread_create(&threads[nr], NULL, rest_vcpu, (void *)(long)vm->vcpu[i]);
	}
	return nr;
}

static bool closed;

/* In any order, and the VM's before those of its vCPUs too. */
static void close_all(void)
{
	int n = 4 + below(20);

	closed = true;
	while (n--)
		close(END_OF_WINDOW_FD + 1 + below(20));
}

/* The fastest that counter 0 may be, set by whomever. */
static void leave_ticking(struct vm *vm)
{
	switch (below(4)) {
	case 0:
		set_pit(vm);
		break;
	case 1:
	case 2:
		set_kept_state(vm);
		break;
	}
}

static void rest(void)
{
	pthread_t threads[MAX_VMS * MAX_VCPUS];
	bool guests = one_in(2);
	int i, nr = 0;
	char byte;

	for (i = 0; i < nr_vms; i++) {
		leave_ticking(&vms[i]);
		if (guests)
			nr += rest_vcpus(&vms[i], threads + nr);
	}
	WRITE_ONCE(shared->resting, true);
	if (read(END_OF_WINDOW_FD, &byte, 1) != 1)
		failed("the window does not end\n");
	if (one_in(4))
		close_all();
	WRITE_ONCE(window_over, true);
	while (nr) {
		pthread_kill(threads[nr - 1], SIGUSR1);
		usleep(1000);
		nr -= !pthread_tryjoin_np(threads[nr - 1], NULL);
	}
}

/* Where there are no limits yet, this must not fail. */
static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	TEST_ASSERT(fd >= 0, "cannot open %s", path);
	TEST_ASSERT(write(fd, text, strlen(text)) == strlen(text), "cannot write %s", path);
	close(fd);
}

static void write_number(const char *path, u64 number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", number);
	write_file(path, text);
}

/* The group has that much more than what is charged to it already. */
static void limit_memory(void)
{
	u64 charged = pit_read_number(CGROUP "/memory.current");

	write_number(CGROUP "/memory.max", charged + program.memory);
}

static void begin_limits(void)
{
	if (program.short_of_memory)
		limit_memory();
	if (program.allocations_fail)
		write_file("/proc/self/make-it-fail", "1");
}

static void __noreturn run_program(void)
{
	struct sigaction action = { .sa_handler = nothing };
	int i, rounds;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR1, &action, NULL);
	if (program.short_of_memory)
		write_file(CGROUP "/cgroup.procs", "0");
	kvm_fd = open("/dev/kvm", O_RDWR);
	if (kvm_fd < 0)
		no_memory("/dev/kvm");
	for (i = 0; i < EVENTS; i++)
		events[i] = eventfd(0, 0);
	if (!program.limited_late)
		begin_limits();
	for (i = 0; i < nr_vms; i++)
		create_hostile_vm(&vms[i]);
	if (program.limited_late)
		begin_limits();
	for (rounds = below(MAX_ROUNDS + 1); rounds; rounds--) {
		run_threads();
		check_pits();
	}
	run_threads();
	if (program.has_window)
		rest();
	if (!closed)
		check_pits();
	if (one_in(2))
		close_all();
	_exit(0);
}

/*
 * The test's own side
 */

static struct {
	u64 programs;
	u64 killed;
	u64 no_memory;
	u64 windows;
	u64 most_interrupts;	/* per second, in a window */
} sums;

/*
 * The timer fires once in min_period_us for each of the program's VMs. Beside that
 * there are a CPU's own ticks, of which no kernel has more than 1000 a second, and a
 * few timers of other processes. What programs counter 0 again and again, and so may
 * have it fire more often, is not under way.
 */
static bool measure_window(void)
{
	u64 began = now_ns(), interrupts = pit_timer_interrupts(), ns, bound;
	u64 floor_ns = pit_read_number(MIN_PERIOD) * 1000;

	sleep_until_ns(began + WINDOW_NS);
	interrupts = pit_timer_interrupts() - interrupts;
	ns = now_ns() - began;
	bound = nr_vms * (ns / floor_ns + 1) + nr_cpus * HOST_TIMER_HZ * ns / NSEC_PER_SEC + 50;
	sums.windows++;
	sums.most_interrupts = max(sums.most_interrupts, interrupts * NSEC_PER_SEC / ns);
	if (interrupts <= bound)
		return true;
	ksft_print_msg("the host's timer fired %lu times in %lu us, expected %lu at most\n",
		       interrupts, ns / 1000, bound);
	return false;
}

/* True as well for a program that ended in a way that is the host's right. */
static bool ended_well(int status, bool killed)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
	    (killed || program.short_of_memory)) {
		sums.killed += killed;
		sums.no_memory += !killed;
		return true;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_MEMORY) {
		sums.no_memory++;
		return true;
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	ksft_print_msg("the program ended with status %#x\n", status);
	return false;
}

/* The program may have been killed meanwhile. */
static void end_window(int end_of_window)
{
	TEST_ASSERT(write(end_of_window, "", 1) == 1 || errno == EPIPE, "write");
}

static bool attend_program(pid_t pid, int end_of_window)
{
	u64 began = now_ns(), until = began + PROGRAM_TIMEOUT_S * NSEC_PER_SEC;
	u64 kill_at = program.killed_after_us < 0 ? ~0ULL : began + program.killed_after_us * 1000;
	bool measured = false, killed = false, ok = true;
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		if (!measured && READ_ONCE(shared->resting)) {
			ok = measure_window();
			measured = true;
			end_window(end_of_window);
		}
		if (now_ns() >= until) {
			ksft_print_msg("the program hangs\n");
			return false;
		}
		if (now_ns() >= kill_at && !killed) {
			kill(pid, SIGKILL);
			killed = true;
		}
		usleep(500);
	}
	return ended_well(status, killed) && ok;
}

/* A new VM gets the ticks that are due, and its guest takes all of them. */
static bool new_vm_ticks(void)
{
	struct kvm_pit_state2 state = { .channels[0] = pit_channel(2, SANE_COUNT) };
	u64 began, started, due, taken = 0, least, most, until;
	struct kvm_vm named;
	struct vm vm;

	create_vm(&vm);
	named.fd = vm.fd;
	write_guest(&vm);
	write_quiet_guest(&vm);
	TEST_ASSERT(!ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	create_pit_somehow(&vm);
	TEST_ASSERT(!__pit_set_policy(&named, KVM_PIT_TICK_DELAY, 0, 0, 0), "KVM_ENABLE_CAP");
	TEST_ASSERT(create_vcpu(&vm, 0, 1), "KVM_CREATE_VCPU");

	began = now_ns();
	TEST_ASSERT(!set_pit2(&vm, &state), "KVM_SET_PIT2");
	started = now_ns();
	run_vcpu_for(vm.vcpu[0], TICKING_NS);
	least = (now_ns() - started) / SANE_PERIOD_NS;
	due = pit_counter(&named, "due");
	most = (now_ns() - began) / SANE_PERIOD_NS;
	until = now_ns() + PIT_PATIENCE_S * NSEC_PER_SEC;
	while ((taken = *(u16 *)(vm.memory + GUEST_TICKS)) < due && now_ns() < until)
		run_vcpu_for(vm.vcpu[0], NSEC_PER_MSEC);

	check_pit(&vm);
	close_vm(&vm);
	if (due + 1 >= least && due <= most + 1 && taken >= due)
		return true;
	ksft_print_msg("a new VM: %lu ticks due, expected %lu to %lu, and %lu taken\n", due,
		       least, most, taken);
	return false;
}

/* What it is like, all but what it does. */
static void draw_program(u64 seed, bool short_of_memory, bool allocations_fail)
{
	u32 percent;

	program = (struct program) { .seed = seed, .killed_after_us = -1 };
	pit_rng = seed;
	nr_vms = 1 + below(MAX_VMS);
	if (one_in(4))
		program.killed_after_us = below(one_in(2) ? 5000 : 100000);
	program.has_window = one_in(2);
	program.short_of_memory = one_in(2) && short_of_memory;
	program.allocations_fail = one_in(2) && allocations_fail;
	program.limited_late = !one_in(4);
	program.memory = (32 + below(one_in(2) ? 256 : 2000)) * 1024;
	percent = 1 + below(5);
	if (program.short_of_memory)
		write_file(CGROUP "/memory.max", "max");
	if (program.allocations_fail)
		write_number(FAILSLAB "probability", percent);
}

static bool try_program(u64 seed, bool short_of_memory, bool allocations_fail)
{
	int ends[2];
	pid_t pid;
	bool ok;

	draw_program(seed, short_of_memory, allocations_fail);
	shared->resting = false;
	TEST_ASSERT(!pipe(ends), "pipe");
	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork");
	if (!pid) {
		dup2(ends[0], END_OF_WINDOW_FD);
		syscall(SYS_close_range, END_OF_WINDOW_FD + 1, ~0U, 0);
		run_program();
	}
	close(ends[0]);
	ok = attend_program(pid, ends[1]);
	close(ends[1]);
	program = (struct program) { };
	ok = ok && new_vm_ticks();
	/* Those that it left a VM to, too; not one that hangs */
	while (ok && wait(NULL) > 0)
		;
	sums.programs++;
	return ok;
}

/* A group with a limit of memory, where the kernel has them. */
static bool create_cgroup(void)
{
	mkdir(CGROUP_MOUNT, 0700);
	if (mount("none", CGROUP_MOUNT, "cgroup2", 0, NULL))
		return false;
	if (access(CGROUP_MOUNT "/memory.current", F_OK)) {
		int fd = open(CGROUP_MOUNT "/cgroup.subtree_control", O_WRONLY);
		bool ok = fd >= 0 && write(fd, "+memory", 7) == 7;

		close(fd);
		if (ok && (!mkdir(CGROUP, 0700) || errno == EEXIST))
			return true;
	}
	umount(CGROUP_MOUNT);
	return false;
}

static void remove_cgroup(void)
{
	rmdir(CGROUP);
	umount(CGROUP_MOUNT);
	rmdir(CGROUP_MOUNT);
}

/* Only those of tasks that have make-it-fail set, and without a word. */
static bool set_up_failslab(void)
{
	if (access(FAILSLAB "probability", W_OK) || access("/proc/self/make-it-fail", W_OK))
		return false;
	write_file(FAILSLAB "task-filter", "Y");
	write_file(FAILSLAB "ignore-gfp-wait", "N");
	write_file(FAILSLAB "verbose", "0");
	write_file(FAILSLAB "interval", "1");
	write_file(FAILSLAB "times", "-1");
	return true;
}

/* The first seed whose program did not go well, or @programs of them did. */
static bool try_programs(u64 seed, u64 programs, u64 until, bool short_of_memory,
			 bool allocations_fail)
{
	u64 reported = now_ns(), i;

	for (i = 0; i < programs && now_ns() < until; i++) {
		if (now_ns() > reported + 10 * NSEC_PER_SEC) {
			reported = now_ns();
			ksft_print_msg("seed %lu, %lu programs\n", seed + i, i);
		}
		if (try_program(seed + i, short_of_memory, allocations_fail))
			continue;
		ksft_print_msg("replay: pit_hostile -s %lu -n 1%s%s\n", seed + i,
			       short_of_memory ? " -m" : "", allocations_fail ? " -f" : "");
		return false;
	}
	return true;
}

/*
 * A VM that only exists: see pit_race. It has no PIT.
 */
static void create_bystander(void)
{
	static struct vm vm;

	create_vm(&vm);
	TEST_ASSERT(create_vcpu(&vm, 0, 1), "KVM_CREATE_VCPU");
}

static void set_up(void)
{
	struct sigaction action = { .sa_handler = nothing };

	sigaction(SIGUSR1, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	TEST_ASSERT(!prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
	TEST_ASSERT(create_timer(), "timer_create");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(shared != MAP_FAILED, "mmap");
	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	kvm_fd = open("/dev/kvm", O_RDWR);
	TEST_ASSERT(kvm_fd >= 0, "/dev/kvm");
	run_size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	create_bystander();
}

static void print_sums(void)
{
	ksft_print_msg("%lu programs: %lu actions, %lu of them KVM_RUN; %lu PITs, %lu vCPUs\n",
		       sums.programs, shared->actions, shared->runs, shared->pits,
		       shared->vcpus);
	ksft_print_msg("%lu killed, %lu out of memory\n", sums.killed, sums.no_memory);
	ksft_print_msg("ticks add up %lu times: %lu due, %lu of them replayed and %lu lost\n",
		       shared->checked, shared->due, shared->replayed, shared->lost);
	ksft_print_msg("the host's timer fired %lu times a second at most in %lu windows\n",
		       sums.most_interrupts, sums.windows);
}

static void __noreturn print_help(const char *name)
{
	printf("usage: %s [-s SEED] [-n PROGRAMS] [-d SECONDS] [-m] [-f]\n\n", name);
	printf(" -s  of the first program, one more for each next (default %d)\n", DEFAULT_SEED);
	printf(" -n  how many programs (default %d)\n", DEFAULT_PROGRAMS);
	printf(" -d  for how long, in place of -n\n");
	printf(" -m  half of the programs have hardly enough memory\n");
	printf(" -f  allocations of half of the programs fail\n");
	exit(KSFT_SKIP);
}

int main(int argc, char *argv[])
{
	u64 seed = DEFAULT_SEED, programs = 0, seconds = 0, until = ~0ULL;
	bool short_of_memory = false, allocations_fail = false, has_group, has_failslab, ok;
	struct pit_users before;
	int opt;

	while ((opt = getopt(argc, argv, "s:n:d:mf")) != -1) {
		switch (opt) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			programs = strtoull(optarg, NULL, 0);
			break;
		case 'd':
			seconds = strtoull(optarg, NULL, 0);
			break;
		case 'm':
			short_of_memory = true;
			break;
		case 'f':
			allocations_fail = true;
			break;
		default:
			print_help(argv[0]);
		}
	}
	if (!programs)
		programs = seconds ? ~0ULL : DEFAULT_PROGRAMS;

	ksft_print_header();
	setlinebuf(stdout);
	__TEST_REQUIRE(pit_has_policies(), "no KVM_CAP_PIT_TICK_POLICY");
	pit_require_debugfs();
	ksft_set_plan(2 + short_of_memory + allocations_fail);
	set_up();
	has_group = short_of_memory && create_cgroup();
	has_failslab = allocations_fail && set_up_failslab();
	before = pit_count_users();

	ksft_print_msg("seed %lu\n", seed);
	if (seconds)
		until = now_ns() + seconds * NSEC_PER_SEC;
	ok = try_programs(seed, programs, until, has_group, has_failslab);
	print_sums();
	if (has_failslab)
		write_number(FAILSLAB "probability", 0);

	ksft_test_result(ok && shared->pits && shared->runs, "programs of a hostile VMM\n");
	if (has_group)
		ksft_test_result(ok, "some of them short of memory\n");
	else if (short_of_memory)
		ksft_test_result_skip("some of them short of memory: no cgroup2 with memory\n");
	if (has_failslab)
		ksft_test_result(ok, "some of them with allocations that fail\n");
	else if (allocations_fail)
		ksft_test_result_skip("some of them with allocations that fail: no failslab\n");
	ksft_test_result(pit_users_are_as(&before), "nothing is left of the VMs\n");
	if (has_group)
		remove_cgroup();
	ksft_finished();
}
