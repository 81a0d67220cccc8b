// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a PIT costs, and how late its ticks are: the figures of `make bench`.
 *
 * Not a test: it judges nothing, and knows nothing of the PIT that it measures.
 * Each measurement prints lines "KEY VALUE". Times are in ns of CLOCK_MONOTONIC,
 * which are instructions on a host that counts these. The guests' TSC is the
 * host's but for an offset, and guests take all times with it.
 *
 * A tick is due k periods after the guest's last OUT to the counter, k periods
 * being k * count * 88000/105 ns. So how late it is has the way of that OUT to
 * the PIT in it, for every PIT alike.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "bench_guest.h"

struct bench bench;

/* Guests that the host stops */

static void sample_time(struct ex_regs *regs)
{
	u64 now = ns_since(bench.load);

	bench.taken++;
	if (bench.nr < MAX_SAMPLES)
		bench.samples[bench.nr++] = now;
	pic_eoi();
}

static void guest_forever(void)
{
	pic_init(0xfe);
	program();
	wait_for_ticks(~0ULL);
}

/*
 * The host's side
 */

/* Nearest to that many Hz */
static u32 count_of(double hz)
{
	return min(65536, (int)(105e6 / 88 / hz + 0.5));
}

/* The lab's deterministic hypervisor has 1 GHz exactly. */
static u64 tsc_khz(void)
{
	u64 ns = now_ns(), tsc = rdtsc();
	double rate;

	sleep_until_ns(ns + 100 * NSEC_PER_MSEC);
	tsc = rdtsc() - tsc;
	rate = 1e6 * tsc / (now_ns() - ns);
	return rate > 999950 && rate < 1000050 ? 1000000 : rate;
}

static u64 khz;

static void tell(struct kvm_vm *vm, const struct bench *b)
{
	struct bench *told = addr_gva2hva(vm, (uintptr_t)&bench);

	*told = *b;
	told->tsc_khz = khz;
}

static struct kvm_vm *create(struct kvm_vcpu **vcpu, void *guest_code, void *irq0,
			     const struct bench *b)
{
	struct kvm_vm *vm = pit_vm_create(vcpu, guest_code, irq0);

	tell(vm, b);
	return vm;
}

static struct bench *found(struct kvm_vm *vm)
{
	return addr_gva2hva(vm, (uintptr_t)&bench);
}

static void run_to_end(struct kvm_vcpu *vcpu)
{
	vcpu_run(vcpu);
	TEST_ASSERT(pit_event(vcpu) == BENCH_DONE, "the guest does something else");
}

/* A command that runs the guest in QEMU, and the file that is its memory */
static const char *qemu_command, *qemu_ram;

static struct bench *run_in_qemu(enum bench_guest guest, const struct bench *b)
{
	static struct bench *shared;
	int fd, status;

	if (!shared) {
		fd = open(qemu_ram, O_RDWR);
		TEST_ASSERT(fd >= 0, "cannot open %s", qemu_ram);
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED,
			      fd, BENCH_QEMU_GPA);
		TEST_ASSERT(shared != MAP_FAILED, "cannot map %s", qemu_ram);
		close(fd);
	}
	*shared = *b;
	shared->tsc_khz = khz;
	shared->guest = guest;
	status = system(qemu_command);
	/* That of QEMU's isa-debug-exit */
	TEST_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == (BENCH_DONE << 1 | 1),
		    "QEMU ends with %#x", status);
	return shared;
}

/* Run that guest to its end. */
static struct bench *run(struct kvm_vm **vm, enum bench_guest guest, const struct bench *b)
{
	struct kvm_vcpu *vcpu;

	*vm = NULL;
	if (qemu_command)
		return run_in_qemu(guest, b);
	*vm = create(&vcpu, bench_guests[guest].code, bench_guests[guest].irq0, b);
	run_to_end(vcpu);
	return found(*vm);
}

static int by_value(const void *a, const void *b)
{
	s64 x = *(s64 *)a, y = *(s64 *)b;

	return x < y ? -1 : x > y;
}

static s64 percentile(struct bench *b, unsigned int percent)
{
	TEST_ASSERT(b->nr, "the guest has no samples");
	return b->samples[(b->nr - 1) * percent / 100];
}

static void print_percentiles(struct bench *b, const char *key)
{
	qsort(b->samples, b->nr, sizeof(b->samples[0]), by_value);
	printf("%s.min %ld\n", key, percentile(b, 0));
	printf("%s.p50 %ld\n", key, percentile(b, 50));
	printf("%s.p99 %ld\n", key, percentile(b, 99));
	printf("%s.max %ld\n", key, percentile(b, 100));
}

/* latency: how late ticks are, idle and busy, in ns */
static void measure_latency(const char *what, int hz, u64 rounds)
{
	struct bench b = {
		.count = count_of(hz),
		.halt = !strcmp(what, "idle"),
		.rounds = rounds,
		.ticks = 10,
	};
	struct kvm_vm *vm;
	char key[64];

	snprintf(key, sizeof(key), "latency.%s.%d", what, hz);
	print_percentiles(run(&vm, GUEST_ROUNDS, &b), key);
	kvm_vm_free(vm);
}

static u64 loops_in(int hz, u64 window, u64 *ticks)
{
	struct bench *found, b = { .count = hz ? count_of(hz) : 0, .window = window };
	struct kvm_vm *vm;
	u64 loops;

	found = run(&vm, GUEST_LOOPS, &b);
	loops = found->loops;
	*ticks = found->nr;
	kvm_vm_free(vm);
	return loops;
}

/* cost: what a busy guest loses for a tick, in ns */
static void measure_cost(u64 window)
{
	static const int rates[] = { 100, 1000, 5000 };
	u64 ticks, without, loops;
	int i;

	without = loops_in(0, window, &ticks);
	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		loops = loops_in(rates[i], window, &ticks);
		printf("cost.busy.%d %.0f\n", rates[i],
		       (double)window * (without - loops) / without / ticks);
	}
}

static u64 vm_stat(struct kvm_vm *vm, const char *name)
{
	char path[128];
	u64 value;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/%s", getpid(), vm->fd, name);
	f = fopen(path, "r");
	TEST_ASSERT(f && fscanf(f, "%lu", &value) == 1, "cannot read %s", path);
	fclose(f);
	return value;
}

/* exits: of the vCPU, for a tick */
static void measure_exits(const char *what)
{
	struct bench b = { .count = count_of(1000), .halt = !strcmp(what, "idle") };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, guest_forever, count_only, &b);
	u64 exits, taken;

	pit_run_for(vcpu, 20 * NSEC_PER_MSEC);
	exits = vm_stat(vm, "exits");
	taken = found(vm)->taken;
	pit_run_for(vcpu, 500 * NSEC_PER_MSEC);
	printf("exits.%s %.2f\n", what,
	       (double)(vm_stat(vm, "exits") - exits) / (found(vm)->taken - taken));
	kvm_vm_free(vm);
}

/* port: what an access takes the guest, in ns */
static void measure_ports(void)
{
	static const char *const names[] = { "read", "latch", "reload" };
	struct bench *b, ports = { .count = count_of(100), .rounds = 1001 };
	struct kvm_vm *vm;

	for (ports.ticks = 0; ports.ticks < PORT_NONE; ports.ticks++) {
		b = run(&vm, GUEST_PORTS, &ports);
		qsort(b->samples, b->nr, sizeof(b->samples[0]), by_value);
		printf("port.%s %ld\n", names[ports.ticks], percentile(b, 50));
		kvm_vm_free(vm);
	}
}

/* lost: of 100 ticks, where the guest is not held */
static void measure_lost(int hz)
{
	struct bench *found, b = { .count = count_of(hz), .window = NSEC_PER_SEC };
	struct kvm_vm *vm;
	u64 due;

	found = run(&vm, GUEST_COUNTS, &b);
	due = pit_ns_to_clocks(found->end) / b.count;
	printf("lost.%d %.1f\n", hz, 100.0 - 100.0 * found->taken / due);
	kvm_vm_free(vm);
}

/* CLOCK_MONOTONIC and the TSC, as close together as it gets */
static void read_clocks(u64 *ns, u64 *tsc)
{
	u64 start, now, gap, least = ~0ULL;
	int i;

	for (i = 0; i < 100; i++) {
		start = rdtsc();
		now = now_ns();
		gap = rdtsc() - start;
		if (gap < least) {
			least = gap;
			*ns = now;
			*tsc = start;
		}
	}
}

/* freq: how much too fast for CLOCK_MONOTONIC, in ppm, over so many seconds */
static void measure_freq(const char *hz, int seconds)
{
	double rate = strtod(hz, NULL);
	struct bench *found, b = {
		.count = count_of(rate),
		.halt = true,
		.ticks = rate * seconds,
		.edge = rate * seconds / 10,
		.first = LONG_MAX,
		.last = LONG_MAX,
	};
	u64 ns, tsc, end, end_tsc, span;
	struct kvm_vm *vm;
	double host;

	read_clocks(&ns, &tsc);
	found = run(&vm, GUEST_TICKS, &b);
	read_clocks(&end, &end_tsc);
	host = (end - ns) / ((end_tsc - tsc) * 1e6 / khz) - 1;
	span = pit_clocks_to_ns((b.ticks - b.edge) * b.count);
	printf("freq.%s %.4f\n", hz,
	       1e6 * ((double)(found->first - found->last) / span - host));
	kvm_vm_free(vm);
}

/* catchup: after a stall, in ms, and how many ticks are missing then */
static void measure_catchup(const char *policy, int stall_ms)
{
	struct bench *seen, b = { .count = count_of(100), .halt = true };
	static const char *const names[] = { "delay", "discard", "slew", "merge" };
	s64 caught_up = -1, period = pit_clocks_to_ns(b.count);
	u64 release, i, due;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&vcpu, guest_forever, sample_time, &b);

	if (pit_has_policies()) {
		for (i = 0; strcmp(names[i], policy); i++)
			;
		pit_set_policy(vm, i);
	} else {
		pit_set_reinject(vm, !strcmp(policy, "delay"));
	}
	seen = found(vm);
	pit_run_for(vcpu, 105 * NSEC_PER_MSEC);
	sleep_until_ns(now_ns() + stall_ms * NSEC_PER_MSEC);
	i = seen->nr;
	pit_run_for(vcpu, (stall_ms * 2 + 200) * NSEC_PER_MSEC);
	release = seen->samples[i];
	for (; i < seen->nr; i++) {
		due = seen->samples[i] / period;
		if (caught_up < 0 && i + 1 >= due)
			caught_up = seen->samples[i] - release;
	}
	due = seen->samples[seen->nr - 1] / period;
	if (caught_up < 0)
		printf("catchup.%s.%d.ms never\n", policy, stall_ms);
	else
		printf("catchup.%s.%d.ms %.3f\n", policy, stall_ms, caught_up / 1e6);
	printf("catchup.%s.%d.missing %ld\n", policy, stall_ms, (s64)due - (s64)seen->nr);
	kvm_vm_free(vm);
}

/* life: of a PIT, and the end of its VM, in ns */
static void measure_life(void)
{
	struct bench created = { .nr = 21 }, freed = { .nr = 21 };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	u64 i, start;

	for (i = 0; i < created.nr; i++) {
		vm = vm_create_with_one_vcpu(&vcpu, guest_forever);
		start = now_ns();
		pit_create(vm);
		created.samples[i] = now_ns() - start;
		start = now_ns();
		kvm_vm_free(vm);
		freed.samples[i] = now_ns() - start;
	}
	print_percentiles(&created, "life.create");
	print_percentiles(&freed, "life.destroy");
}

/* vms: what many VMs cost, each a process */

static struct crowd {
	pthread_barrier_t barrier;
	u64 due;
	u64 taken;
} *crowd;

static struct kvm_run *one_run;

static void meet(void)
{
	pthread_barrier_wait(&crowd->barrier);
}

static void leave(int sig)
{
	one_run->immediate_exit = 1;
}

static void one_of_many(int hz)
{
	struct bench b = { .count = count_of(hz), .halt = true };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	u64 start;

	vm = vm_create_with_one_vcpu(&vcpu, guest_forever);
	pit_init_vm_vectors(vm);
	pit_init_vcpu_vectors(vcpu);
	vm_install_exception_handler(vm, PIT_IRQ_VECTOR, count_only);
	tell(vm, &b);
	one_run = vcpu->run;
	signal(SIGUSR1, leave);
	meet();			/* there is all but the PIT */
	meet();
	pit_create(vm);
	meet();			/* there is the PIT */
	meet();
	start = now_ns();
	while (!__vcpu_run(vcpu))
		;
	__sync_fetch_and_add(&crowd->due, pit_ns_to_clocks(now_ns() - start) / b.count);
	__sync_fetch_and_add(&crowd->taken, found(vm)->taken);
	exit(0);
}

static u64 number_in(const char *path, const char *word)
{
	char line[256], *at;
	u64 number = 0;
	FILE *f = fopen(path, "r");

	TEST_ASSERT(f, "cannot open %s", path);
	while (!number && fgets(line, sizeof(line), f)) {
		at = strstr(line, word);
		if (at)
			number = strtoull(at + strcspn(at, "0123456789"), NULL, 10);
	}
	fclose(f);
	return number;
}

static int threads(void)
{
	int n = 0;
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], name[32];
	FILE *f;

	TEST_ASSERT(proc, "no /proc");
	while ((entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && !strncmp(name, "kvm-pit/", 8))
			n++;
		fclose(f);
	}
	closedir(proc);
	return n;
}

/* What the kernel has for itself, in KB */
static u64 kernel_memory(void)
{
	return number_in("/proc/meminfo", "Slab") + number_in("/proc/meminfo", "KernelStack");
}

static u64 idle_ns(void)
{
	return number_in("/proc/timer_list", ".idle_sleeptime");
}

static void measure_vms(int vms, int hz, int ms)
{
	u64 start, memory, idle, ns;
	pthread_barrierattr_t shared;
	pid_t *pids = calloc(vms, sizeof(*pids));
	int i;

	crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(crowd != MAP_FAILED, "no memory");
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&crowd->barrier, &shared, vms + 1);
	for (i = 0; i < vms; i++) {
		pids[i] = fork();
		TEST_ASSERT(pids[i] >= 0, "fork");
		if (!pids[i])
			one_of_many(hz);
	}
	meet();
	memory = kernel_memory();
	meet();
	meet();
	printf("vms.%d.%d.memory %.1f\n", vms, hz, (double)(kernel_memory() - memory) / vms);
	printf("vms.%d.%d.threads %.2f\n", vms, hz, (double)threads() / vms);
	meet();
	sleep_until_ns(now_ns() + 300 * NSEC_PER_MSEC);
	idle = idle_ns();
	start = now_ns();
	sleep_until_ns(start + ms * NSEC_PER_MSEC);
	idle = idle_ns() - idle;
	ns = now_ns() - start;
	printf("vms.%d.%d.cpu %.3f\n", vms, hz, 100.0 * (ns - idle) / ns / vms);
	fflush(stdout);
	for (i = 0; i < vms; i++)
		kill(pids[i], SIGUSR1);
	for (i = 0; i < vms; i++)
		waitpid(pids[i], NULL, 0);
	printf("vms.%d.%d.taken %.1f\n", vms, hz, 100.0 * crowd->taken / crowd->due);
	free(pids);
}

/*
 * bench WHAT ..., or of QEMU's own PIT, and then not all: bench --qemu RAM COMMAND
 * WHAT ... with a COMMAND that runs lab/guest/bench.c in QEMU, with the file RAM as
 * its memory, and isa-debug-exit at PIT_EVENT_PORT.
 */
int main(int argc, char **argv)
{
	const char *what, *word;
	int a, b;

	if (argc > 3 && !strcmp(argv[1], "--qemu")) {
		qemu_ram = argv[2];
		qemu_command = argv[3];
		argc -= 3;
		argv += 3;
	}
	what = argc > 1 ? argv[1] : "";
	word = argc > 2 ? argv[2] : "";
	a = argc > 3 ? atoi(argv[3]) : 0;
	b = argc > 4 ? atoi(argv[4]) : 0;
	prctl(PR_SET_TIMERSLACK, 1);
	khz = tsc_khz();
	if (!strcmp(what, "latency"))
		measure_latency(word, a, b);
	else if (!strcmp(what, "cost"))
		measure_cost(atoi(word) * NSEC_PER_MSEC);
	else if (!strcmp(what, "exits"))
		measure_exits(word);
	else if (!strcmp(what, "ports"))
		measure_ports();
	else if (!strcmp(what, "lost"))
		measure_lost(atoi(word));
	else if (!strcmp(what, "freq"))
		measure_freq(word, a);
	else if (!strcmp(what, "catchup"))
		measure_catchup(word, a);
	else if (!strcmp(what, "life"))
		measure_life();
	else if (!strcmp(what, "vms"))
		measure_vms(atoi(word), a, b);
	else
		TEST_FAIL("usage: bench latency idle|busy HZ ROUNDS, bench cost MS, ...");
	return 0;
}
