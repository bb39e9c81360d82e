// SPDX-License-Identifier: GPL-2.0
/*
 * A phone's day in two minutes: processes come alive, their threads wake up at
 * different rates, some go deep, call each other, and sleep. The screen goes on
 * and off. Apps start and are killed while it is on. The same in each run: each
 * thread has its own sequence of pseudo random numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define SYSTEM		16	/* processes that stay, of so many threads */
#define SYSTEM_THREADS	25
#define APPS		15
#define APP_THREADS	20
#define PROCESSES	(SYSTEM + APPS)

#define MSEC		1000000ULL
#define SEC		(1000 * MSEC)
#define TICK		(500 * MSEC)	/* a sample, births and deaths */
#define APP_LIFE	(15 * SEC)
#define MAX_SAMPLES	1000

/* When the screen goes on and off, in seconds; the first is the boot. */
static const unsigned int toggles[] = { 0, 50, 80, 100, 120 };

/* Rates of a thread, periods in ms; drawn from the range for each sleep. */
static const struct class {
	unsigned int	share;		/* of all threads, % */
	unsigned int	on[2], off[2];	/* 0: not at all */
	unsigned int	deep;		/* one wake-up in so many goes deep */
	unsigned int	call;		/* one in so many calls a pool thread */
} classes[] = {
	{ 60, { }, { }, 16, 0 },				/* pool: waits to be called */
	{ 20, { 5000, 30000 }, { 15000, 60000 }, 4, 4 },	/* now and then */
	{ 12, { 500, 3000 }, { 3000, 15000 }, 8, 2 },		/* background */
	{ 6, { 20, 200 }, { 5000, 20000 }, 16, 4 },		/* user interface */
	{ 2, { 16, 17 }, { }, 64, 4 },				/* each frame */
};

#define POOL		0
#define NR_CLASSES	(sizeof(classes) / sizeof(*classes))

static const unsigned int depths[] = { 6000, 9000, 12000 };

#define NR_DEPTHS	(sizeof(depths) / sizeof(*depths))

struct member {
	atomic_uint	calls;		/* a pool thread waits for this to change */
	uint32_t	rng;
	unsigned int	class;
	unsigned int	wakes;
	unsigned int	deep[NR_DEPTHS];
};

struct process {
	pid_t		pid;
	unsigned int	threads;
	unsigned int	pool;		/* the first so many are the pool */
	struct member	member[SYSTEM_THREADS];
};

static struct day {
	uint64_t	start;
	atomic_uint	created;
	struct process	process[PROCESSES];
} *day;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SEC + ts.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = { ns / SEC, ns % SEC };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static unsigned int draw(struct member *m, unsigned int below)
{
	return draw_from(&m->rng, below);
}

static bool screen_on(uint64_t at, uint64_t *until)
{
	unsigned int i;

	for (i = 1; i < sizeof(toggles) / sizeof(*toggles); i++) {
		*until = toggles[i] * SEC;
		if (at < *until)
			return i % 2;
	}
	*until = ~0ULL;
	return false;
}

static uint64_t next_wake(struct member *m, uint64_t at)
{
	const struct class *c = &classes[m->class];
	uint64_t until, next;
	bool on = screen_on(at, &until);
	const unsigned int *range = on ? c->on : c->off;

	next = ~0ULL;
	if (range[1])
		next = at + range[0] * MSEC + draw(m, (range[1] - range[0]) * 1000) * 1000ULL;
	/* When the screen goes on, they all have something to do soon. */
	if (!on && until != ~0ULL && next > until)
		next = until + draw(m, c->on[1] < 2000 ? c->on[1] : 2000) * MSEC;
	return next;
}

/* The pool's first threads are called most: who slept last runs next. */
static void call_someone(struct member *m)
{
	struct process *p = &day->process[draw(m, SYSTEM)];
	unsigned int i = SYSTEM_THREADS, n, k;

	if (!atomic_load(&day->created) || !p->pool)
		return;
	for (k = 0; k < 6; k++) {
		n = draw(m, p->pool);
		if (n < i)
			i = n;
	}
	atomic_fetch_add(&p->member[i].calls, 1);
	syscall(SYS_futex, &p->member[i].calls, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void live(struct member *m, unsigned int deep)
{
	char data[64];
	int fd;

	m->wakes++;
	spin(1000 + draw(m, 15000));
	fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, data, sizeof(data)) < 0)
		_exit(1);
	close(fd);
	if (deep && !draw(m, deep)) {
		unsigned int i = draw(m, NR_DEPTHS);

		m->deep[i]++;
		go_deep(depths[i]);
	}
	if (classes[m->class].call && !draw(m, classes[m->class].call))
		call_someone(m);
}

static void *thread(void *arg)
{
	struct member *m = arg;
	unsigned int seen = 0;
	uint64_t at;

	/* The start of a process is where its threads do most. */
	live(m, 2);
	if (m->class == POOL) {
		for (;;) {
			while (atomic_load(&m->calls) == seen)
				syscall(SYS_futex, &m->calls, FUTEX_WAIT, seen, NULL, NULL, 0);
			seen = atomic_load(&m->calls);
			live(m, classes[POOL].deep);
		}
	}
	for (at = now_ns() - day->start; ; ) {
		at = next_wake(m, at);
		if (at == ~0ULL)
			pause();
		sleep_until(day->start + at);
		live(m, classes[m->class].deep);
	}
	return NULL;
}

static void run_process(struct process *p)
{
	pthread_attr_t attr;
	pthread_t id;
	unsigned int i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (i = 0; i < p->threads; i++) {
		if (pthread_create(&id, &attr, thread, &p->member[i]))
			fail("pthread_create");
	}
	atomic_fetch_add(&day->created, p->threads + 1);
	for (;;)
		pause();
}

static void start_process(unsigned int nr)
{
	struct process *p = &day->process[nr];
	unsigned int i;
	pid_t pid;

	p->threads = nr < SYSTEM ? SYSTEM_THREADS : APP_THREADS;
	for (i = 0; i < p->threads; i++) {
		struct member *m = &p->member[i];
		/* Each process has each class, by its share. */
		unsigned int at = (i * 100 + (nr * 37) % 100) / p->threads, c = 0;

		while (at >= classes[c].share && c < NR_CLASSES - 1)
			at -= classes[c++].share;
		m->class = c;
		if (c == POOL && p->pool == i)
			p->pool++;
		m->rng = 0x9e3779b9u * (nr * 64 + i + 1);
	}
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid) {
		struct sched_param param = { };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sched_setscheduler(0, SCHED_OTHER, &param);
		run_process(p);
	}
	p->pid = pid;
}

static void end_process(struct process *p)
{
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	p->pid = 0;
}

/*
 * What a call of the test file costs, and what the unpatched kernel, which has
 * none, does instead: not part of the comparison.
 */
static uint64_t deep_cost(unsigned int bytes)
{
	uint64_t from;
	int i;

	go_deep(bytes);
	from = clock_now();
	for (i = 0; i < 100; i++)
		go_deep(bytes);
	return (clock_now() - from) / 100;
}

/* Apps start while the screen is on, each 4 s, after the boot. */
static unsigned int app_births(uint64_t *birth)
{
	unsigned int nr = 0, s;
	uint64_t until;

	for (s = 12; s < 120 && nr < APPS; s += 4) {
		if (screen_on(s * SEC, &until))
			birth[nr++] = s * SEC;
	}
	return nr;
}

int cmd_day(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 120, nr = 0, i, k;
	unsigned int births = 0, apps, wakes = 0, first = 0, peak = 0;
	struct sched_param param = { .sched_priority = 90 };
	uint64_t birth[APPS], cost[NR_DEPTHS], deep = 0, idle, ns, mean = 0;
	static unsigned int kib[MAX_SAMPLES];
	struct counters from, to;

	if (seconds < 1 || seconds * SEC / TICK > MAX_SAMPLES)
		return 1;
	day = mmap(NULL, sizeof(*day), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (day == MAP_FAILED)
		fail("mmap");
	for (i = 0; i < NR_DEPTHS; i++)
		cost[i] = deep_cost(depths[i]);
	apps = app_births(birth);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		fail("sched_setscheduler");

	day->start = now_ns() + 2 * SEC;
	sleep_until(day->start);
	read_counters(&from);
	idle = read_idle_ns();
	ns = now_ns();
	profile_mark();
	for (;;) {
		uint64_t at = nr * TICK;

		sleep_until(day->start + at);
		kib[nr++] = read_meminfo("KernelStack:");
		if (at >= seconds * SEC)
			break;
		/* Two of the system's processes at a time. */
		while (births < SYSTEM && births < 2 * nr)
			start_process(births++);
		for (i = 0; i < apps; i++) {
			if (birth[i] == at)
				start_process(SYSTEM + i);
			else if (birth[i] + APP_LIFE == at)
				end_process(&day->process[SYSTEM + i]);
		}
	}
	profile_mark();
	idle = read_idle_ns() - idle;
	ns = now_ns() - ns;
	read_counters(&to);

	for (i = 0; i < PROCESSES; i++) {
		for (k = 0; k < day->process[i].threads; k++) {
			struct member *m = &day->process[i].member[k];
			unsigned int d;

			wakes += m->wakes;
			for (d = 0; d < NR_DEPTHS; d++)
				deep += m->deep[d] * cost[d];
		}
	}
	/* From the end of the boot on. */
	first = nr > 20 ? 20 : 0;
	for (i = first; i < nr; i++) {
		mean += kib[i];
		if (kib[i] > peak)
			peak = kib[i];
	}
	printf("@@ {\"day\": %u, \"threads\": %u, \"wakes\": %u, \"busy\": %llu, \"test_file\": %llu, ",
	       seconds, atomic_load(&day->created), wakes, U(ns - idle), U(deep));
	printf("\"mean_kib\": %llu, \"peak_kib\": %u, \"end_kib\": %u, \"switches\": %llu, ",
	       U(mean / (nr - first)), peak, kib[nr - 1], U(to.switches - from.switches));
	printf("\"populate\": %llu, \"restore\": %llu, \"reclaim\": %llu, \"park\": %llu, ",
	       U(to.populate - from.populate), U(to.restore - from.restore),
	       U(to.reclaim - from.reclaim), U(to.park - from.park));
	printf("\"collect\": %llu, \"shootdowns\": %llu, \"starved\": %llu, \"each_ms\": %llu, \"kib\": [",
	       U(to.collect - from.collect), U(to.shootdown - from.shootdown),
	       U(to.starved - from.starved), U(TICK / MSEC));
	for (i = 0; i < nr; i++)
		printf("%s%u", i ? ", " : "", kib[i]);
	printf("]}\n");
	fflush(stdout);
	for (i = 0; i < PROCESSES; i++) {
		if (day->process[i].pid > 0)
			kill(day->process[i].pid, SIGKILL);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	return 0;
}
