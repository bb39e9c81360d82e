// SPDX-License-Identifier: GPL-2.0
/*
 * ds-cycles: cycles of a switch's work on this processor, beside those of a pipe
 * ping-pong of two processes with this machine's own kernel.
 *
 *   ds-cycles check		switch, and look at the result; nothing is timed
 *   ds-cycles ROUNDS		a line of JSON for each round, and checks
 */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <signal.h>
#include <unistd.h>

#include "../bench.d/bench.h"
#include "world.h"

#define ARENA		(8UL << 20)
#define HUGE_PAGE	(2UL << 20)
/* Where it is cold, each task of a ring runs once, then all is flushed again. */
#define WARM_TASKS	2
#define COLD_TASKS	64
/* As many as a pool can serve without kstackd */
#define TAKEN_TASKS	8
#define WARM_SWITCHES	200
/* Of so many batches, the median */
#define BATCHES		20
#define ROUND_TRIPS	10

static const char *const names[NR_WORKS] = {
	[WORK_EMPTY]		= "empty",
	[WORK_LOAD]		= "load",
	[WORK_WHOLE]		= "whole",
	[WORK_THREE_TAKEN]	= "three-taken",
	[WORK_ONE_CLEAN]	= "one-clean",
	[WORK_ONE_TOUCHED]	= "one-touched",
	[WORK_THREE_CLEAN]	= "three-clean",
	[WORK_THREE_TOUCHED]	= "three-touched",
};

static struct ring *ring[NR_WORKS][2];
static int to_partner[2], from_partner[2];

void host_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("FAIL: ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	exit(1);
}

/* bench.d */
void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* One piece, in large pages if there are any: the kernel's direct map has them, too. */
void *host_alloc(unsigned long size)
{
	static char *next, *end;
	void *found;

	if (!next) {
		char *p = mmap(NULL, ARENA + HUGE_PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			fail("mmap");
		next = (char *)(((uintptr_t)p + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
		end = next + ARENA;
		madvise(next, ARENA, MADV_HUGEPAGE);
		memset(next, 0, ARENA);
	}
	size = (size + 63) & ~63UL;
	if (size > (unsigned long)(end - next))
		host_fail("%lu bytes more than there are", size);
	found = next;
	next += size;
	return found;
}

/*
 * Ticks of the clock in a cycle: a chain of 32-bit multiplications takes three
 * cycles for each, on all processors of the last decade.
 */
static double ticks_per_cycle(void)
{
	const unsigned int loops = 200, chain = 20;
	uint64_t best = ~0ULL;
	unsigned int i, j;

	for (i = 0; i < 5; i++) {
		unsigned int x = 3;
		uint64_t t = clock_now();

		for (j = 0; j < loops; j++)
			__asm__ volatile(".rept 20\n\timull %0, %0\n\t.endr" : "+r"(x));
		t = clock_now() - t;
		if (t < best)
			best = t;
	}
	return (double)best / (3.0 * loops * chain);
}

static void partner(void)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(to_partner[0], &byte, 1) == 1) {
		if (write(from_partner[1], &byte, 1) != 1)
			break;
	}
	_exit(0);
}

static void start_partner(void)
{
	pid_t pid;

	if (pipe(to_partner) || pipe(from_partner))
		fail("pipe");
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid) {
		close(to_partner[1]);
		close(from_partner[0]);
		partner();
	}
	close(to_partner[0]);
	close(from_partner[1]);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t median(uint64_t *t)
{
	qsort(t, BATCHES, sizeof(*t), compare);
	return t[BATCHES / 2];
}

/* What the clock itself takes */
static double clock_cost(void)
{
	uint64_t t[BATCHES];
	int i;

	for (i = 0; i < BATCHES; i++) {
		t[i] = clock_now();
		t[i] = clock_now() - t[i];
	}
	return median(t);
}

static double ping_pong(double cost)
{
	uint64_t t[BATCHES];
	char byte = 0;
	int i, j;

	for (i = 0; i < BATCHES; i++) {
		t[i] = clock_now();
		for (j = 0; j < ROUND_TRIPS; j++) {
			if (write(to_partner[1], &byte, 1) != 1 ||
			    read(from_partner[0], &byte, 1) != 1)
				fail("the partner has gone");
		}
		t[i] = clock_now() - t[i];
	}
	return (median(t) - cost) / ROUND_TRIPS;
}

static unsigned int tasks_of(enum work work, bool cold)
{
	return work == WORK_THREE_TAKEN ? TAKEN_TASKS : cold ? COLD_TASKS : WARM_TASKS;
}

/* In one go: where all is flushed or taken before, each task runs once. */
static unsigned int switches_of(enum work work, bool cold)
{
	return work == WORK_THREE_TAKEN || cold ? tasks_of(work, cold) - 1 : WARM_SWITCHES;
}

/* Ticks for each switch */
static double timed(enum work work, bool cold, double cost)
{
	unsigned int switches = switches_of(work, cold), i;
	struct ring *r = ring[work][cold];
	uint64_t t[BATCHES];

	world_before(r);
	world_run(r, switches);
	world_after(r, switches);
	for (i = 0; i < BATCHES; i++) {
		if (cold)
			world_flush(r);
		t[i] = clock_now();
		world_run(r, switches);
		t[i] = clock_now() - t[i];
		world_after(r, switches);
	}
	return (median(t) - cost) / switches;
}

static void make_rings(void)
{
	int work, cold;

	world_init();
	for (work = 0; work < NR_WORKS; work++) {
		for (cold = 0; cold < 2; cold++)
			ring[work][cold] = world_ring(work, tasks_of(work, cold));
	}
	world_settle();
	world_check();
}

/* Each length from 1, so that each task of a ring has been the last one. */
static int check(void)
{
	unsigned int switches, n;
	int work, cold;

	make_rings();
	for (switches = 1; switches <= COLD_TASKS + 1; switches++) {
		for (work = 0; work < NR_WORKS; work++) {
			for (cold = 0; cold < 2; cold++) {
				n = switches;
				if (work == WORK_THREE_TAKEN)
					n = 1 + switches % (TAKEN_TASKS - 1);
				world_before(ring[work][cold]);
				world_run(ring[work][cold], n);
				world_after(ring[work][cold], n);
			}
		}
		world_check();
	}
	printf("%d rings, %u times: as it should be\n", 2 * NR_WORKS, switches - 1);
	return 0;
}

static void one_round(unsigned int nr)
{
	double scale = ticks_per_cycle(), cost = clock_cost(), pong = ping_pong(cost);
	double result[NR_WORKS][2];
	int i, cold;

	/* A B C, then C B A: what changes slowly meets all of them. */
	for (i = 0; i < 2 * NR_WORKS; i++) {
		int at = nr % 2 ? 2 * NR_WORKS - 1 - i : i;

		result[at / 2][at % 2] = timed(at / 2, at % 2, cost);
	}
	printf("@@ {\"round\": %u, \"ticks_per_cycle\": %.4f, \"pipe_ping_pong\": %.1f",
	       nr, scale, pong);
	for (cold = 0; cold < 2; cold++) {
		printf(", \"%s\": {", cold ? "cold" : "warm");
		for (i = 0; i < NR_WORKS; i++)
			printf("%s\"%s\": %.2f", i ? ", " : "", names[i], result[i][cold]);
		printf("}");
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	unsigned int rounds, i;
	cpu_set_t set;
	int cpu;

	if (argc != 2)
		host_fail("usage: ds-cycles check|ROUNDS");
	if (!strcmp(argv[1], "check"))
		return check();
	rounds = atoi(argv[1]);

	cpu = sched_getcpu();
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (cpu < 0 || sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
	/* Of those who share the processor, not too much is to be in the figures. */
	if (setpriority(PRIO_PROCESS, 0, -20))
		fprintf(stderr, "note: not root: this processor's other tasks are in the figures\n");
	clock_init(cpu, true);
	start_partner();
	make_rings();
#ifdef __clang__
	printf("@@ {\"compiler\": \"%s\", ", __VERSION__);
#else
	printf("@@ {\"compiler\": \"gcc %s\", ", __VERSION__);
#endif
	printf("\"clock\": \"%s\", \"batches\": %d, \"round_trips\": %d, ",
	       strcmp(clock_unit(), "cycles") ? "tsc" : "perf", BATCHES, ROUND_TRIPS);
	printf("\"switches\": {\"warm\": %d, \"cold\": %d, \"three-taken\": %d}}\n",
	       WARM_SWITCHES, COLD_TASKS - 1, TAKEN_TASKS - 1);
	for (i = 1; i <= rounds; i++)
		one_round(i);
	world_check();
	return 0;
}
