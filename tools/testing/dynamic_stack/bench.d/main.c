// SPDX-License-Identifier: GPL-2.0
/*
 * ds-bench - workloads for an A/B of dynamic kernel stacks
 *
 * Static, needs nothing but a kernel, also one without the feature. Each
 * result is a line "@@ {json}".
 */
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

const char *self_path;

void fail(const char *what)
{
	fprintf(stderr, "ds-bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/*
 * Batches of about the same length, in rounds. The figure is the median over
 * a round's batches, so that an interrupt doesn't count, and it is done when two
 * rounds in succession agree. Where only instructions are counted, it is the
 * mean over all: there, what doesn't happen in each batch is the operation's,
 * too, as what it leaves to RCU. It is done when the mean's standard error is
 * a quarter of the tolerance, so that another run's is very likely within it.
 */
#define BATCHES		15
#define MAX_ROUNDS	120

struct settings {
	double	batch;		/* length of a batch */
	double	tolerance;
	bool	profile;
	bool	mean;
};

static double timed(const struct op *op, uint64_t nr, uint64_t *done)
{
	uint64_t from, spent = ~0ULL;

	from = clock_now();
	*done = op->run(nr, &spent);
	if (spent == ~0ULL)
		spent = clock_now() - from;
	return spent;
}

static void measure(const struct op *op, const struct settings *s)
{
	double per_op[BATCHES], median, last = 0, min = 0, sum = 0, max = 0, apart, per;
	double each = 0, squares = 0;
	uint64_t nr = 4, done, total = 0;
	struct counters before, after;
	int round, i, batches = 0;

	if (op->setup && op->setup()) {
		printf("@@ {\"op\": \"%s\", \"skipped\": \"not on this kernel\"}\n", op->name);
		return;
	}
	/* Warm up, and see how many make a batch. */
	for (;;) {
		double t = timed(op, nr, &done);

		if (t >= s->batch / 2) {
			nr = nr * s->batch / t;
			break;
		}
		nr *= t < s->batch / 32 ? 4 : 2;
		/* What the workload's own share of the time is too small to tell. */
		if (nr > s->batch)
			break;
	}
	if (!nr)
		nr = 1;
	timed(op, nr, &done);
	timed(op, nr, &done);

	if (s->profile)
		profile_mark();
	read_counters(&before);
	for (round = 1;; round++) {
		for (i = 0; i < BATCHES; i++) {
			double t = timed(op, nr, &done);

			per_op[i] = t / done;
			sum += t;
			total += done;
			batches++;
			each += per_op[i];
			squares += per_op[i] * per_op[i];
			if (!min || per_op[i] < min)
				min = per_op[i];
			if (per_op[i] > max)
				max = per_op[i];
		}
		qsort(per_op, BATCHES, sizeof(*per_op), compare);
		median = per_op[BATCHES / 2];
		apart = last ? (median > last ? median - last : last - median) / last : 1;
		if (s->mean && last) {
			/* Of the mean's variance, times 4 squared */
			apart = 16 * (squares - each * each / batches) / batches / (batches - 1);
			apart = sqrt(apart > 0 ? apart : 0) * total / sum;
		}
		if (apart <= s->tolerance || round == MAX_ROUNDS || s->profile)
			break;
		last = median;
	}
	read_counters(&after);
	if (s->profile)
		profile_mark();
	if (op->teardown)
		op->teardown();

	per = total;
	printf("@@ {\"op\": \"%s\", \"figure\": %.1f, ", op->name, s->mean ? sum / per : median);
	printf("\"median\": %.1f, \"min\": %.1f, \"max\": %.1f, \"mean\": %.1f, ",
	       median, min, max, sum / per);
	printf("\"batches\": %d, \"ops\": %llu, \"apart\": %.5f, \"stable\": %s, ",
	       batches, U(total), apart, apart <= s->tolerance ? "true" : "false");
	printf("\"switches\": %.3f, \"idle_ms\": %llu, \"populate\": %.3f, \"reclaim\": %.3f, ",
	       (after.switches - before.switches) / per, U(after.idle - before.idle) * 10,
	       (after.populate - before.populate) / per, (after.reclaim - before.reclaim) / per);
	printf("\"park\": %.3f, \"restore\": %.3f, \"collect\": %.3f, \"starved\": %.3f}\n",
	       (after.park - before.park) / per, (after.restore - before.restore) / per,
	       (after.collect - before.collect) / per, (after.starved - before.starved) / per);
	fflush(stdout);
}

static bool chosen(const char *name, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!fnmatch(argv[i], name, 0))
			return true;
	}
	return !argc;
}

/* Where the time since reset went: under -icount idle time costs nothing. */
static void print_start(int cpu)
{
	struct counters c;
	struct utsname u;

	read_counters(&c);
	uname(&u);
	printf("@@ {\"start\": \"%s\", \"unit\": \"%s\", \"per_instruction\": %.4f, \"tsc\": %llu, ",
	       u.release, clock_unit(), clock_per_instruction(), U(rdtsc()));
	printf("\"idle_ms\": %llu, \"cpu\": %d, \"kernel_stack_kib\": %ld, \"mem_available_kib\": %ld}\n",
	       U(c.idle) * 10, cpu, read_meminfo("KernelStack:"), read_meminfo("MemAvailable:"));
	fflush(stdout);
}

/* A process of its own, so that what was measured before leaves no trace. */
static void measure_alone(const struct op *op, char **argv, int options)
{
	char *child[16];
	pid_t pid;
	int i, status;

	child[0] = (char *)self_path;
	for (i = 0; i < options && i < 12; i++)
		child[i + 1] = argv[i];
	child[i + 1] = "-1";
	child[i + 2] = (char *)op->name;
	child[i + 3] = NULL;
	pid = fork();
	if (!pid) {
		execv(self_path, child);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		printf("@@ {\"op\": \"%s\", \"skipped\": \"failed with status %d\"}\n",
		       op->name, status);
		fflush(stdout);
	}
}

static int cmd_ops(int argc, char **argv)
{
	struct settings s = { .batch = 8e6, .tolerance = 0.005 };
	bool perf = false, alone = false;
	unsigned int i;
	int opt, cpu = 0;

	while ((opt = getopt(argc, argv, "1b:c:emt:p")) != -1) {
		switch (opt) {
		case '1':
			alone = true;
			break;
		case 'b':
			s.batch = atof(optarg);
			break;
		case 'c':
			cpu = atoi(optarg);
			break;
		case 'e':
			perf = true;
			break;
		case 'm':
			s.mean = true;
			break;
		case 't':
			s.tolerance = atof(optarg) / 100;
			break;
		case 'p':
			s.profile = true;
			break;
		default:
			return 1;
		}
	}
	pin(cpu);
	clock_init(cpu, perf);
	if (!alone)
		print_start(cpu);
	for (i = 0; i < nr_ops; i++) {
		if (!chosen(ops[i].name, argc - optind, argv + optind))
			continue;
		if (alone)
			measure(&ops[i], &s);
		else
			measure_alone(&ops[i], argv, optind);
	}
	return 0;
}

/* For differences over what someone else runs. */
static int cmd_counters(int argc, char **argv)
{
	static const char *const kinds[] = { "TLB", "CAL", "RES" };
	struct timespec ts;
	struct counters c;
	unsigned int i;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	read_counters(&c);
	printf("@@ {\"counters\": \"%s\", \"seconds\": %.6f, ",
	       argc > 1 ? argv[1] : "", ts.tv_sec + ts.tv_nsec / 1e9);
	printf("\"switches\": %llu, \"shootdowns\": %llu, \"populate\": %llu, \"park\": %llu, \"starved\": %llu",
	       U(c.switches), U(c.shootdown), U(c.populate), U(c.park), U(c.starved));
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		printf(", \"%s\": %llu", kinds[i],
		       U(read_interrupts(kinds[i], NULL, 0)));
	printf("}\n");
	return 0;
}

static int cmd_list(int argc, char **argv)
{
	unsigned int i;

	(void)argc;
	(void)argv;
	for (i = 0; i < nr_ops; i++)
		printf("%-22s %s\n", ops[i].name, ops[i].what);
	return 0;
}

static int cmd_nothing(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static const struct {
	const char	*name;
	int		(*run)(int argc, char **argv);
	const char	*help;
} commands[] = {
	{ "ops", cmd_ops, "[-b TICKS] [-t PERCENT] [-c CPU] [-e] [-m] [-p] [OPERATION...]\n"
	  "\tcost of an operation; -b: length of a batch, -t: how near two rounds must be,\n"
	  "\t-e: CPU cycles from perf, -m: the mean, not the median,\n"
	  "\t-p: one round, between marks for the profiler" },
	{ "counters", cmd_counters, "[NAME]\n\tinterrupts and kstack counters now" },
	{ "list", cmd_list, "\n\tthe operations" },
	{ "messaging", cmd_messaging, "GROUPS PAIRS MESSAGES\n\tmany processes that send to many" },
	{ "latency", cmd_latency, "SECONDS [PERIOD_US [PRIORITY]]\n"
	  "\thow late a real-time task wakes up, under load" },
	{ "scale", cmd_scale, "THREADS\n\tmany sleepers: memory, and what they cost others" },
	{ "idle", cmd_idle, "SECONDS\n\tinterrupts of a machine where next to nothing happens" },
	{ "day", cmd_day, "[SECONDS]\n\ta phone's day: memory over time, and what it costs" },
	{ "frag", cmd_frag, "load PERCENT | measure\n"
	  "\tmemory that comes and goes in pieces, and how whole free memory is" },
	{ "nothing", cmd_nothing, "\n\texit" },
};

int main(int argc, char **argv)
{
	static char path[4096];
	unsigned int i;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	self_path = n > 0 ? path : argv[0];
	for (i = 0; argc > 1 && i < sizeof(commands) / sizeof(*commands); i++) {
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "usage:\n");
	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(stderr, "  ds-bench %s %s\n", commands[i].name, commands[i].help);
	return 1;
}
