// SPDX-License-Identifier: GPL-2.0
/* Runs that are about time and numbers of threads, not one operation. */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	nanosleep(&ts, NULL);
}

static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

/* Gone with us, or when end_children() is called. */
static pid_t child_group;

static pid_t child(void (*body)(int nr), int nr)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, child_group);
		body(nr);
		_exit(0);
	}
	setpgid(pid, child_group);
	if (!child_group)
		child_group = pid;
	return pid;
}

static void end_children(void)
{
	if (child_group)
		kill(-child_group, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	child_group = 0;
}

/*
 * Groups of processes in which each of PAIRS senders sends MESSAGES to each of
 * as many receivers.
 */
#define MESSAGE	100
static int messaging_pairs, messaging_count;
static int (*messaging_fds)[2];

static void receive(int nr)
{
	char data[MESSAGE];
	int left = messaging_pairs * messaging_count, i;

	for (i = 0; i < messaging_pairs; i++)
		close(messaging_fds[i][1]);
	while (left--) {
		size_t have = 0;

		while (have < sizeof(data)) {
			ssize_t n = read(messaging_fds[nr][0], data + have, sizeof(data) - have);

			if (n <= 0)
				_exit(1);
			have += n;
		}
	}
}

static void send_all(int nr)
{
	char data[MESSAGE] = { };
	int i, to;

	(void)nr;
	for (i = 0; i < messaging_count; i++) {
		for (to = 0; to < messaging_pairs; to++) {
			if (write(messaging_fds[to][1], data, sizeof(data)) != sizeof(data))
				_exit(1);
		}
	}
}

int cmd_messaging(int argc, char **argv)
{
	int groups = argc > 1 ? atoi(argv[1]) : 2, g, i, status, bad = 0;
	struct counters before, after;
	uint64_t from, ticks;

	messaging_pairs = argc > 2 ? atoi(argv[2]) : 8;
	messaging_count = argc > 3 ? atoi(argv[3]) : 100;
	messaging_fds = calloc(messaging_pairs, sizeof(*messaging_fds));
	if (groups < 1 || messaging_pairs < 1 || messaging_count < 1 || !messaging_fds)
		return 1;
	read_counters(&before);
	from = now_ns();
	ticks = rdtsc();
	for (g = 0; g < groups; g++) {
		for (i = 0; i < messaging_pairs; i++) {
			if (socketpair(AF_UNIX, SOCK_STREAM, 0, messaging_fds[i]))
				fail("socketpair");
		}
		for (i = 0; i < messaging_pairs; i++)
			child(receive, i);
		for (i = 0; i < messaging_pairs; i++)
			child(send_all, i);
		for (i = 0; i < messaging_pairs; i++) {
			close(messaging_fds[i][0]);
			close(messaging_fds[i][1]);
		}
	}
	while (waitpid(-1, &status, 0) > 0)
		bad |= status;
	ticks = rdtsc() - ticks;
	from = now_ns() - from;
	read_counters(&after);
	printf("@@ {\"messaging\": %.1f, \"ticks\": %llu, \"messages\": %llu, \"switches\": %llu, \"status\": %d}\n",
	       1e9 * groups * messaging_pairs * messaging_pairs * messaging_count / from,
	       U(ticks),
	       1ULL * groups * messaging_pairs * messaging_pairs * messaging_count,
	       U(after.switches - before.switches), bad);
	return bad ? 1 : 0;
}

/* Load: pairs that switch all the time, and tasks that go deep and sleep. */
static void switch_forever(int nr)
{
	int a[2], b[2];
	char c = 'x';

	(void)nr;
	if (pipe(a) || pipe(b))
		_exit(1);
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (read(a[0], &c, 1) == 1 && write(b[1], &c, 1) == 1)
			;
		_exit(0);
	}
	while (write(a[1], &c, 1) == 1 && read(b[0], &c, 1) == 1)
		;
}

static void deep_and_sleep(int ms)
{
	for (;;) {
		go_deep(12000);
		sleep_ns(ms * 1000000ULL);
	}
}

static void fork_forever(int nr)
{
	(void)nr;
	for (;;) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

static void exchange_file(const char *path, const char *text, char old[32])
{
	FILE *f = fopen(path, "r");

	old[0] = '\0';
	if (!f)
		return;
	if (!fgets(old, 32, f))
		old[0] = '\0';
	fclose(f);
	write_file(path, text);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int cmd_latency(int argc, char **argv)
{
	struct sched_param param = { .sched_priority = argc > 3 ? atoi(argv[3]) : 80 };
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 10;
	uint64_t period = 1000ULL * (argc > 2 ? atoi(argv[2]) : 500), at;
	unsigned int samples = seconds * 1000000000ULL / period, i, bucket[40] = { }, last = 0;
	struct counters before, after;
	char sleep_ms[32], period_ms[32];
	uint32_t *late;

	late = calloc(samples, sizeof(*late));
	if (!late || !samples)
		return 1;
	memset(late, 1, samples * sizeof(*late));
	/* The collector as often as it can, and for each task at once. */
	exchange_file("/proc/sys/vm/dynamic_stack_sleep_ms", "0", sleep_ms);
	exchange_file("/proc/sys/vm/dynamic_stack_collect_period_ms", "1", period_ms);
	mlockall(MCL_CURRENT);
	for (i = 0; i < 2; i++)
		child(switch_forever, i);
	for (i = 0; i < 40; i++)
		child(deep_and_sleep, 2 + i % 7);
	child(fork_forever, 0);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		fail("sched_setscheduler");
	sleep_ns(100000000);

	read_counters(&before);
	at = now_ns();
	for (i = 0; i < samples; i++) {
		struct timespec ts;
		uint64_t now;

		at += period;
		ts.tv_sec = at / 1000000000;
		ts.tv_nsec = at % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		now = now_ns();
		late[i] = now > at ? now - at : 0;
		/* What was missed is one late wake-up, not many. */
		if (now > at + period)
			at = now;
	}
	read_counters(&after);
	end_children();
	write_file("/proc/sys/vm/dynamic_stack_sleep_ms", sleep_ms);
	write_file("/proc/sys/vm/dynamic_stack_collect_period_ms", period_ms);

	for (i = 0; i < samples; i++) {
		unsigned int b = 0;

		while (b < 39 && late[i] >> (b + 1))
			b++;
		bucket[b]++;
		if (b > last)
			last = b;
	}
	qsort(late, samples, sizeof(*late), compare_u32);
	printf("@@ {\"latency\": %u, \"period_us\": %llu, \"min\": %u, \"median\": %u, ",
	       samples, U(period) / 1000, late[0], late[samples / 2]);
	printf("\"p99\": %u, \"p999\": %u, \"max\": %u, ", late[(uint64_t)samples * 99 / 100],
	       late[(uint64_t)samples * 999 / 1000], late[samples - 1]);
	printf("\"switches\": %llu, \"shootdowns\": %llu, \"collected\": %llu, \"log2_ns\": [",
	       U(after.switches - before.switches), U(after.shootdown - before.shootdown),
	       U(after.collect - before.collect));
	for (i = 0; i <= last; i++)
		printf("%s%u", i ? ", " : "", bucket[i]);
	printf("]}\n");
	return 0;
}

/* Interrupts of each CPU while nothing happens, then while next to nothing does. */
#define MAX_CPUS 64
static const char *const kinds[] = { "TLB", "CAL", "RES", "LOC", "IWI" };
#define NR_KINDS (sizeof(kinds) / sizeof(*kinds))

static void print_interrupts(const char *phase, unsigned int seconds)
{
	uint64_t before[NR_KINDS][MAX_CPUS] = { }, after[MAX_CPUS];
	struct counters from, to;
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), cpu;
	unsigned int i;

	for (i = 0; i < NR_KINDS; i++)
		read_interrupts(kinds[i], before[i], MAX_CPUS);
	read_counters(&from);
	sleep_ns(seconds * 1000000000ULL);
	read_counters(&to);
	printf("@@ {\"idle\": \"%s\", \"seconds\": %u, \"shootdowns\": %llu, \"collected\": %llu, \"parked\": %llu",
	       phase, seconds, U(to.shootdown - from.shootdown), U(to.collect - from.collect),
	       U(to.park - from.park));
	for (i = 0; i < NR_KINDS; i++) {
		memset(after, 0, sizeof(after));
		read_interrupts(kinds[i], after, MAX_CPUS);
		printf(", \"%s\": [", kinds[i]);
		for (cpu = 0; cpu < cpus && cpu < MAX_CPUS; cpu++)
			printf("%s%llu", cpu ? ", " : "", U(after[cpu] - before[i][cpu]));
		printf("]");
	}
	printf("}\n");
	fflush(stdout);
}

static void wake_now_and_then(int ms)
{
	pin(0);
	deep_and_sleep(ms);
}

int cmd_idle(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 60, i;

	sleep_ns(15000000000);
	print_interrupts("nothing", seconds);
	/* A task that never sleeps long enough; then some that do. */
	child(wake_now_and_then, 100);
	sleep_ns(5000000000);
	print_interrupts("one task each 100 ms", seconds);
	child(wake_now_and_then, 3000);
	sleep_ns(5000000000);
	print_interrupts("and one each 3 s", seconds);
	for (i = 0; i < 8; i++)
		child(wake_now_and_then, 3000);
	sleep_ns(5000000000);
	print_interrupts("and nine each 3 s", seconds);
	end_children();
	return 0;
}

/* Many sleepers, in a process of their own. */
#define SLEEPER_STACK	1024

struct scale {
	atomic_uint	ready;
	uint64_t	made;
	int		error;
};

static struct scale *scale;
static atomic_uint never;

static int sleeper_body(void *arg)
{
	(void)arg;
	for (;;)
		syscall(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return 0;
}

static void hold_sleepers(int nr)
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			  CLONE_SYSVSEM;
	char *stacks = mmap(NULL, (size_t)nr * SLEEPER_STACK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	uint64_t from;
	int i;

	if (stacks == MAP_FAILED) {
		scale->error = errno;
		atomic_store(&scale->ready, 1);
		return;
	}
	profile_mark();
	from = clock_now();
	for (i = 0; i < nr; i++) {
		char *stack_top = stacks + (size_t)(i + 1) * SLEEPER_STACK;

		if (clone(sleeper_body, stack_top, flags, NULL) < 0) {
			scale->error = errno;
			break;
		}
	}
	scale->made = clock_now() - from;
	profile_mark();
	atomic_store(&scale->ready, 1);
	for (;;)
		pause();
}

static void run_child(char *const argv[])
{
	pid_t pid = fork();

	if (!pid) {
		execv(self_path, argv);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

/* Passes of the collector, and stacks that it looked at, from its tracepoint. */
#define EVENT "/sys/kernel/tracing/events/dynamic_stack/dynamic_stack_collect/enable"
static void read_passes(unsigned int *passes, uint64_t *visited, uint64_t *frames)
{
	FILE *f = fopen("/sys/kernel/tracing/trace", "r");
	char line[512], *p;

	*passes = 0;
	*visited = 0;
	*frames = 0;
	while (f && fgets(line, sizeof(line), f)) {
		p = strstr(line, "dynamic_stack_collect: visited=");
		if (!p)
			continue;
		(*passes)++;
		*visited += strtoull(strchr(p, '=') + 1, NULL, 10);
		p = strstr(p, "frames=");
		if (p)
			*frames += strtoull(p + 7, NULL, 10);
	}
	if (f)
		fclose(f);
}

int cmd_scale(int argc, char **argv)
{
	char *const pingpong[] = { (char *)self_path, "ops", "-1", "-m", "switch-pipe", NULL };
	int threads = argc > 1 ? atoi(argv[1]) : 300, collector, i;
	unsigned int passes = 0;
	uint64_t visited = 0, frames = 0, runtime = 0, gone, idle;
	long stack_kib, available_kib, settled_kib, settled_available;
	pid_t holder;

	if (threads < 1)
		return 1;
	write_file("/proc/sys/kernel/pid_max", "4194304");
	write_file("/proc/sys/kernel/threads-max", "200000");
	write_file("/proc/sys/vm/max_map_count", "1000000");
	scale = shared(sizeof(*scale));
	stack_kib = read_meminfo("KernelStack:");
	available_kib = read_meminfo("MemAvailable:");
	holder = child(hold_sleepers, threads);
	while (!atomic_load(&scale->ready))
		sleep_ns(10000000);
	if (scale->error) {
		printf("@@ {\"scale\": %d, \"error\": \"%s\"}\n", threads,
		       strerror(scale->error));
		end_children();
		return 0;
	}
	/* What the collector takes, it has taken. */
	sleep_ns(12000000000);
	settled_kib = read_meminfo("KernelStack:");
	settled_available = read_meminfo("MemAvailable:");

	/* Sixteen others go deep and sleep; only they are the collector's work. */
	child_group = 0;
	collector = find_task("kstack_collectd");
	for (i = 0; i < 16; i++)
		child(deep_and_sleep, 3000);
	sleep_ns(10000000000);
	if (collector > 0 && !write_file(EVENT, "1")) {
		write_file("/sys/kernel/tracing/trace", " ");
		runtime = task_runtime(collector);
		sleep_ns(30000000000);
		runtime = task_runtime(collector) - runtime;
		read_passes(&passes, &visited, &frames);
		write_file(EVENT, "0");
	}
	kill(-child_group, SIGKILL);

	printf("@@ {\"scale\": %d, \"create\": %.1f, \"stack_kib\": %.3f, \"memory_kib\": %.3f, ",
	       threads, (double)scale->made / threads, (double)(settled_kib - stack_kib) / threads,
	       (double)(available_kib - settled_available) / threads);
	printf("\"passes\": %u, \"visited\": %llu, \"frames\": %llu, \"collector_ns\": %llu}\n",
	       passes, U(visited), U(frames), U(runtime));
	fflush(stdout);
	run_child(pingpong);

	/* With what is left to RCU and workqueues: all that is not idle. */
	gone = clock_now();
	idle = read_idle_ns();
	profile_mark();
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	sleep_ns(2000000000);
	profile_mark();
	idle = read_idle_ns() - idle;
	gone = clock_now() - gone - idle;
	printf("@@ {\"scale_exit\": %d, \"exit\": %.1f}\n", threads, (double)gone / threads);
	end_children();
	return 0;
}
