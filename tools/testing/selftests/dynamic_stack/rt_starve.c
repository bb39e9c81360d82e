// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks of the real-time and deadline classes without frames. Nothing that
 * they do may keep the refiller away: what they wait for is what it brings.
 *
 * The kernel's tracepoints tell when a task was put off, and when kstackd ran
 * on that CPU, or the task itself. Without an argument all parts are run.
 *
 * vm: --icount 0 --smp 2 --mem 512M
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common.h"

#define FAIL		"/sys/kernel/debug/fail_kstack_refill/"
#define EMPTY		"/sys/module/dynamic_stack/parameters/empty_ms"
#define TRACING		"/sys/kernel/tracing/"
#define RT_RUNTIME	"/proc/sys/kernel/sched_rt_runtime_us"
#define FREEZER		"/sys/fs/cgroup/rt_starve"
#define MAX_CPUS	16
#define MAX_TASKS	512
/* How long the refiller of a CPU that starves may take to run there. */
#define LIMIT_US	100000
/* Attempts of a CPU to run what it has no frames for, in a millisecond. */
#define LIMIT_RATE	8
/* With this many a pool is no longer starved: more, if a task may lack its last page. */
#define POOL_ENOUGH	(access("/sys/module/dynamic_stack/parameters/vacate", F_OK) ? 9 : 11)

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE		62
#define PR_SCHED_CORE_CREATE	1
#endif

struct part {
	const char *name;
	int policy;		/* of the sleepers */
	int hog_prio;
	bool eat;		/* others have all frames */
	const char *times;	/* that a refill fails */
	bool throttle;		/* sched_rt_runtime_us as it was, else -1 */
	bool cookies;
	bool free;		/* not bound to a CPU; a deadline task can't be */
	const char *reclaim;	/* "never": the hog has all its frames for ever */
};

static const struct part parts[] = {
	{ "FIFO",		 SCHED_FIFO,	 99, true,  "6000", true,  false, false, "switch" },
	{ "FIFO, free to move",	 SCHED_FIFO,	 99, true,  "6000", true,  false, true,	 "switch" },
	{ "FIFO, no throttling", SCHED_FIFO,	 99, true,  "6000", false, false, false, "switch" },
	{ "deadline",		 SCHED_DEADLINE, 99, true,  "6000", true,  false, true,	 "switch" },
	{ "core scheduling",	 SCHED_FIFO,	 99, true,  "6000", false, true,  false, "switch" },
	{ "FIFO over a hog",	 SCHED_FIFO,	 98, false, "300",  false, false, false, "switch" },
	{ "FIFO over a whole hog", SCHED_FIFO,	 98, false, "300",  false, false, false, "never" },
	{ "deadline over a hog", SCHED_DEADLINE, 99, false, "300",  false, false, true,	 "never" },
};

struct shared {
	long long t0;		/* ms: when the sleepers wake up */
	int rt_done, rt_all;
	int failed;
};

static struct shared *shared;
static int nr_cpus, kstackd[MAX_CPUS];

static void sleep_until(long long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/*
 * An emulator that runs all processors in one thread lets another one go on here.
 * Without, it may give a busy one milliseconds, and those beside it microseconds.
 */
static void relax(void)
{
#if defined(__x86_64__)
	__asm__ volatile("pause");
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void spin_until(long long ms)
{
	while (now_ms() < ms)
		relax();
}

static void pin(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(pid, sizeof(set), &set))
		ksft_print_msg("sched_setaffinity: %s\n", strerror(errno));
}

static int set_policy(pid_t pid, int policy, int prio)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { .size = sizeof(attr), .policy = policy };

	if (policy == SCHED_DEADLINE) {
		attr.runtime = 1000000;
		attr.deadline = 100000000;
		attr.period = 100000000;
	} else {
		attr.priority = prio;
	}
	return syscall(SYS_sched_setattr, pid, &attr, 0) ? -errno : 0;
}

static void fail_refills(const char *times)
{
	write_file(FAIL "verbose", "0");
	write_file(FAIL "interval", "1");
	write_file(FAIL "times", times);
	write_file(FAIL "probability", "100");
}

static void find_refillers(void)
{
	char path[64], comm[32];
	int pid, cpu, max = 4096;

	for (pid = 2; pid < max; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		if (!read_file(path, comm, sizeof(comm)) &&
		    sscanf(comm, "kstackd/%d", &cpu) == 1 && cpu >= 0 && cpu < MAX_CPUS)
			kstackd[cpu] = pid;
	}
}

/* A task that was put off, until it runs. */
struct pending {
	int pid, cpu;
	long long first, since;		/* us; since: no refiller came yet */
};

static struct {
	struct pending task[MAX_TASKS];
	int nr;
	long put_off, refiller_us, refill_us, wait_us, rate, never;
	long long begin, end;
	long long refill_short[MAX_CPUS];
	long long worst_us, worst_refill_us;
	char worst[160];
} seen;

static void seen_starved(long long us, int cpu, int pid)
{
	struct pending *p;

	seen.put_off++;
	if (!seen.begin)
		seen.begin = us;
	seen.end = us;
	for (p = seen.task; p < seen.task + seen.nr; p++) {
		if (p->pid == pid)
			break;
	}
	if (p == seen.task + seen.nr) {
		if (seen.nr == MAX_TASKS)
			return;
		*p = (struct pending){ .pid = pid, .first = us };
		seen.nr++;
	}
	if (!p->since) {
		p->since = us;
		p->cpu = cpu;
	}
}

/* It runs: because of a switch to it, or it ran on after it had been preempted. */
static void seen_run(long long us, int cpu, int pid)
{
	int i;

	for (i = 0; i < seen.nr; i++) {
		struct pending *p = &seen.task[i];
		bool runs = p->pid == pid;

		if (!runs && (p->cpu != cpu || pid != kstackd[cpu]))
			continue;
		if (p->since && us - p->since > seen.refiller_us) {
			seen.refiller_us = us - p->since;
			seen.worst_us = p->since;
			snprintf(seen.worst, sizeof(seen.worst),
				 "CPU %d put off task %d at %lld.%06lld s", p->cpu, p->pid,
				 p->since / 1000000, p->since % 1000000);
		}
		p->since = 0;
		if (!runs)
			continue;
		if (seen.refill_short[cpu] && us - seen.refill_short[cpu] > seen.refill_us) {
			seen.refill_us = us - seen.refill_short[cpu];
			seen.worst_refill_us = seen.refill_short[cpu];
		}
		seen.refill_short[cpu] = 0;
		if (us - p->first > seen.wait_us)
			seen.wait_us = us - p->first;
		*p = seen.task[--seen.nr];
		i--;
	}
}

/* Tasks of these classes only: others may have to wait for a busy one. */
static void read_trace(void)
{
	FILE *f = fopen(TRACING "trace", "r");
	int cpu, pid, prio, before, after, starved, last_cpu = -1;
	char line[512], event[64], *p;
	long s, us;
	long long t = 0;

	memset(&seen, 0, sizeof(seen));
	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "LOST "))
			ksft_print_msg("the trace is not complete: %s", line);
		p = strstr(line, " [");
		if (!p || sscanf(p, " [%d] %*s %ld.%ld: %63[^:]:", &cpu, &s, &us, event) != 4 ||
		    cpu >= MAX_CPUS)
			continue;
		t = s * 1000000LL + us;
		last_cpu = cpu;
		if (!strcmp(event, "dynamic_stack_starved")) {
			p = strstr(p, " pid=");
			if (p && sscanf(p, " pid=%d prio=%d", &pid, &prio) == 2 && prio < 99)
				seen_starved(t, cpu, pid);
		} else if (!strcmp(event, "sched_switch")) {
			p = strstr(p, "next_pid=");
			if (p && sscanf(p, "next_pid=%d", &pid) == 1)
				seen_run(t, cpu, pid);
		} else if (!strcmp(event, "dynamic_stack_refill")) {
			p = strstr(p, " cpu=");
			if (!p || sscanf(p, " cpu=%d before=%d after=%d starved=%d",
					 &cpu, &before, &after, &starved) != 4 || cpu >= MAX_CPUS)
				continue;
			seen_run(t, cpu, kstackd[cpu]);
			if (starved && after < POOL_ENOUGH)
				seen.refill_short[cpu] = t;
		}
	}
	if (f)
		fclose(f);
	if (last_cpu < 0)
		ksft_print_msg("the trace is empty\n");
	seen.never = seen.nr;
	seen.rate = seen.put_off * 1000 / (seen.end - seen.begin + 1) / nr_cpus;
}

/* What came to pass from a time on, for who has to find out why. */
static void show_trace(long long from)
{
	FILE *f = fopen(TRACING "trace", "r");
	char line[512], *p;
	int cpu, lines = 0;
	long s, us;

	while (f && lines < 300 && fgets(line, sizeof(line), f)) {
		p = strstr(line, " [");
		if (!p || sscanf(p, " [%d] %*s %ld.%ld:", &cpu, &s, &us) != 3 ||
		    s * 1000000LL + us < from)
			continue;
		ksft_print_msg("%s", line);
		lines++;
	}
	if (f)
		fclose(f);
}

static void trace(bool on)
{
	if (!on) {
		write_file(TRACING "tracing_on", "0");
		return;
	}
	write_file(TRACING "tracing_on", "0");
	write_file(TRACING "buffer_size_kb", "8192");
	/* Empties it. */
	close(open(TRACING "trace", O_WRONLY | O_TRUNC));
	write_file(TRACING "events/dynamic_stack/dynamic_stack_starved/enable", "1");
	write_file(TRACING "events/dynamic_stack/dynamic_stack_refill/enable", "1");
	write_file(TRACING "events/sched/sched_switch/enable", "1");
	write_file(TRACING "tracing_on", "1");
}

/* Holds frames that nobody else can have meanwhile. */
static void eater(int go)
{
	char c;

	if (read(go, &c, 1))
		_exit(1);
	_exit(!!write_file(TESTFILE, "sleep 11000 1500"));
}

static void rt_done(bool failed)
{
	if (failed)
		__atomic_add_fetch(&shared->failed, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&shared->rt_done, 1, __ATOMIC_RELAXED);
	_exit(0);
}

static void cookie(const struct part *part)
{
	if (part->cookies && prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, 1, 0))
		rt_done(true);
}

static bool few(const struct part *part)
{
	return part->eat && part->free && part->policy == SCHED_FIFO;
}

/*
 * Asleep with data on its stack when the frames run out. It is an ordinary task
 * when it goes to sleep, and shrunk; those of other classes keep their stacks.
 */
static void rt_sleeper(const struct part *part, int id, int cpu)
{
	bool failed = false;
	char cmd[64];
	int i;

	cookie(part);
	if (!part->free)
		pin(0, cpu);
	if (part->eat) {
		snprintf(cmd, sizeof(cmd), "sleep %d %lld", few(part) ? 3000 : 6000,
			 shared->t0 - now_ms());
		failed |= !!write_file(TESTFILE, cmd);
		for (i = 0; i < 3; i++)
			failed |= !!write_file(TESTFILE, "sleep 9000 5");
	} else {
		sleep_until(shared->t0 + id / 8);
		failed |= !!write_file(TESTFILE, "sleep 11000 100");
	}
	rt_done(failed);
}

/* Busy, and gives way only to its like; or doesn't. */
static void hog(const struct part *part, int cpu)
{
	int i;

	cookie(part);
	pin(0, cpu);
	if (set_policy(0, SCHED_FIFO, part->hog_prio))
		rt_done(true);
	if (part->eat) {
		sleep_until(shared->t0);
		for (i = 0; i < 20; i++) {
			spin_until(now_ms() + 5);
			sched_yield();
		}
	} else {
		long long end = shared->t0 + 1500;

		sleep_until(shared->t0 - 100);
		/* All the others but the hogs are back: it may end. */
		while (now_ms() < end &&
		       __atomic_load_n(&shared->rt_done, __ATOMIC_RELAXED) < shared->rt_all)
			relax();
	}
	rt_done(false);
}

static int start(void)
{
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void run_part(const struct part *part)
{
	int i, cpu, status, go[2], eaters = 0, failed = 0, lost = 0, nr = 0;
	pid_t pids[MAX_TASKS];
	/* Without eaters each CPU's pool is what must be used up. */
	int sleepers = part->eat ? 6 : 40, cpus = nr_cpus, hogs = part->eat ? 2 : 1;
	long put_off = vmstat("kstack_starved");
	char runtime[32];

	if (part->eat && access(FAIL "probability", W_OK)) {
		ksft_test_result_skip("%s: no CONFIG_FAULT_INJECTION_DEBUG_FS\n", part->name);
		return;
	}
	if (part->cookies && prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, 1, 0)) {
		ksft_test_result_skip("%s: no SMT (%s)\n", part->name, strerror(errno));
		return;
	}
	read_file(RT_RUNTIME, runtime, sizeof(runtime));
	if (!part->throttle && write_file(RT_RUNTIME, "-1"))
		ksft_print_msg("RT throttling could not be switched off\n");
	memset(shared, 0, sizeof(*shared));
	if (pipe(go))
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
	fflush(stdout);

	/* Each takes two frames away, and not more than there are. */
	if (part->eat)
		eaters = vmstat("nr_kstack_pool") / 2 + 16;
	for (i = 0; i < eaters; i++) {
		if (!start()) {
			close(go[1]);
			eater(go[0]);
		}
	}
	/*
	 * Few, of different priorities: pushed from CPU to CPU if anything is. More
	 * than what is left for them in two pools, and of the reserve, would serve.
	 */
	if (few(part)) {
		cpus = 1;
		sleepers = 8;
		hogs = 0;
	}
	shared->rt_all = sleepers * cpus;
	shared->t0 = now_ms() + 1200;
	for (cpu = 0; cpu < cpus; cpu++) {
		for (i = 0; i < hogs; i++) {
			if (!start()) {
				close(go[1]);
				hog(part, cpu);
			}
		}
		for (i = 0; i < sleepers; i++) {
			pids[nr] = start();
			if (!pids[nr]) {
				close(go[1]);
				rt_sleeper(part, i, cpu);
			}
			nr++;
		}
	}
	trace(true);
	if (now_ms() > shared->t0 - 400)
		ksft_print_msg("%s: this machine is too slow, the times are not right\n",
			       part->name);
	sleep_until(shared->t0 - 400);
	for (i = 0; i < nr; i++) {
		if (set_policy(pids[i], part->policy, few(part) ? 99 - i : 99))
			failed++;
	}
	/* What overflowed when all these tasks blocked would last for long. */
	write_file("/proc/sys/vm/drop_caches", "2");
	fail_refills(part->times);
	write_file(RECLAIM, part->reclaim);
	close(go[1]);
	while (wait(&status) > 0) {
		if (!WIFEXITED(status))
			lost++;
		else
			failed += WEXITSTATUS(status);
	}
	close(go[0]);
	write_file(FAIL "probability", "0");
	write_file(RECLAIM, "switch");
	trace(false);
	write_file(RT_RUNTIME, runtime);
	read_trace();
	put_off = vmstat("kstack_starved") - put_off;

	ksft_print_msg("%s: put off %ld times, %ld of them RT or deadline, %ld a ms and CPU\n",
		       part->name, put_off, seen.put_off, seen.rate);
	ksft_print_msg("%s: kstackd came after at most %ld us (%s)\n",
		       part->name, seen.refiller_us, seen.worst);
	ksft_print_msg("%s: a task ran %ld us after the last lack of frames, waited up to %ld us\n",
		       part->name, seen.refill_us, seen.wait_us);
	if (seen.refiller_us > LIMIT_US)
		show_trace(seen.worst_us);
	else if (!part->cookies && seen.refill_us > LIMIT_US)
		show_trace(seen.worst_refill_us);
	if (lost || failed || shared->failed)
		ksft_test_result_fail("%s: %d lost, %d others and %d RT tasks failed\n",
				      part->name, lost, failed, shared->failed);
	else if (!seen.put_off || put_off < seen.put_off)
		ksft_test_result_fail("%s: no RT or deadline task had to wait (%ld; traced: %ld)\n",
				      part->name, put_off, seen.put_off);
	else if (seen.never)
		ksft_test_result_fail("%s: %ld tasks never ran again\n", part->name, seen.never);
	else if (part->eat && seen.rate > LIMIT_RATE)
		ksft_test_result_fail("%s: %ld attempts a ms and CPU\n", part->name, seen.rate);
	else
		/* With core scheduling, those who wait also wait for other cookies. */
		ksft_test_result(seen.refiller_us <= LIMIT_US &&
				 (part->cookies || seen.refill_us <= LIMIT_US),
				 "%s: the refiller is not kept away\n", part->name);
}

enum { KILL, STOP, TRACE, MOVE, FREEZE, PRIO, LOOK, SIGNAL, NOTHING, VICTIMS };

static void on_signal(int sig)
{
	(void)sig;
}

static void victim(void)
{
	signal(SIGUSR1, on_signal);
	pin(0, 1);
	_exit(write_file(TESTFILE, "sleep 6000 2000") || write_file(TESTFILE, "sleep 9000 5"));
}

static int count_in_state(pid_t *pids, char state)
{
	int i, nr = 0;

	for (i = 0; i < VICTIMS; i++)
		nr += in_state(pids[i], state);
	return nr;
}

/*
 * What can be done to a task that waits for frames, by one that has them.
 */
static void run_disturbed(void)
{
	const char *name = "disturbed while they wait";
	int i, status, asleep, waiting = 0, bad = 0;
	struct sched_param normal = { }, fifo = { .sched_priority = 50 };
	char runtime[32], path[64], text[4096];
	pid_t pid, pids[VICTIMS];
	long long end;
	long put_off;
	cpu_set_t all;

	if (access(EMPTY, W_OK)) {
		for (i = 0; i < 2; i++)
			ksft_test_result_skip("%s: no CONFIG_DYNAMIC_STACK_DEBUG\n", name);
		return;
	}
	if (nr_cpus < 2) {
		for (i = 0; i < 2; i++)
			ksft_test_result_skip("%s: one CPU\n", name);
		return;
	}
	read_file(RT_RUNTIME, runtime, sizeof(runtime));
	write_file(RT_RUNTIME, "-1");
	sched_getaffinity(0, sizeof(all), &all);
	mkdir(FREEZER, 0755);
	fflush(stdout);
	for (i = 0; i < VICTIMS; i++) {
		pids[i] = start();
		if (!pids[i])
			victim();
	}
	snprintf(text, sizeof(text), "%d", pids[FREEZE]);
	if (write_file(FREEZER "/cgroup.procs", text))
		ksft_print_msg("no cgroup to freeze in\n");

	/* All asleep, and the collector has been there. */
	for (i = 0; i < 100 && count_in_state(pids, 'S') < VICTIMS; i++)
		sleep_ms(10);
	sleep_ms(700);
	pin(0, 0);
	set_policy(0, SCHED_FIFO, 99);
	/* From here on who runs keeps its frames: this task. */
	write_file(RECLAIM, "never");
	sleep_ms(20);
	asleep = count_in_state(pids, 'S');
	put_off = vmstat("kstack_starved");
	/* Whatever happens, there is an end to it. */
	write_file(EMPTY, "3000");
	for (end = now_ms() + 3000; waiting < VICTIMS && now_ms() < end;) {
		spin_until(now_ms() + 50);
		waiting = count_in_state(pids, 'R');
	}
	kill(pids[KILL], SIGKILL);
	kill(pids[STOP], SIGSTOP);
	ptrace(PTRACE_SEIZE, pids[TRACE], NULL, NULL);
	ptrace(PTRACE_INTERRUPT, pids[TRACE], NULL, NULL);
	pin(pids[MOVE], 0);
	write_file(FREEZER "/cgroup.freeze", "1");
	sched_setscheduler(pids[PRIO], SCHED_FIFO, &fifo);
	snprintf(path, sizeof(path), "/proc/%d/stack", pids[LOOK]);
	read_file(path, text, sizeof(text));
	snprintf(path, sizeof(path), "/proc/%d/wchan", pids[LOOK]);
	read_file(path, text, sizeof(text));
	kill(pids[SIGNAL], SIGUSR1);
	spin_until(now_ms() + 100);
	write_file(EMPTY, "0");
	write_file(RECLAIM, "switch");
	sched_setscheduler(0, SCHED_OTHER, &normal);
	sched_setaffinity(0, sizeof(all), &all);
	write_file(RT_RUNTIME, runtime);
	put_off = vmstat("kstack_starved") - put_off;
	ksft_test_result(asleep == VICTIMS && waiting && put_off >= VICTIMS,
			 "%s: %d of %d tasks slept, %d waited when they were disturbed (put off %ld times)\n",
			 name, asleep, VICTIMS, waiting, put_off);

	if (waitpid(pids[STOP], &status, WUNTRACED) != pids[STOP] || !WIFSTOPPED(status))
		ksft_print_msg("the stopped task is not (%#x)\n", status), bad++;
	kill(pids[STOP], SIGCONT);
	if (waitpid(pids[TRACE], &status, __WALL) != pids[TRACE] || !WIFSTOPPED(status))
		ksft_print_msg("the traced task is not (%#x)\n", status), bad++;
	ptrace(PTRACE_DETACH, pids[TRACE], NULL, NULL);
	for (i = 0; i < 50 && read_key(FREEZER "/cgroup.events", "frozen") != 1; i++)
		sleep_ms(100);
	if (i == 50)
		ksft_print_msg("the frozen task is not\n"), bad++;
	write_file(FREEZER "/cgroup.freeze", "0");

	while ((pid = wait(&status)) > 0) {
		if (pid == pids[KILL] ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL :
		    WIFEXITED(status) && !WEXITSTATUS(status))
			continue;
		ksft_print_msg("task %d (the killed one is %d) ended with %#x\n",
			       pid, pids[KILL], status);
		bad++;
	}
	rmdir(FREEZER);
	ksft_test_result(!bad, "%s: each did what it was told\n", name);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;
	char period[32], sleep[32], policy[32];
	unsigned int i, chosen = 0;
	bool disturbed;

	ksft_print_header();
	need_feature();
	if (access(TRACING "trace", R_OK))
		ksft_exit_skip("no tracing\n");
	read_file(RECLAIM, policy, sizeof(policy));
	if (write_file(RECLAIM, "switch") == -EOPNOTSUPP)
		ksft_exit_skip("no reclaim=switch here, so nobody lacks frames\n");
	write_file(RECLAIM, policy);
	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (nr_cpus > MAX_CPUS)
		nr_cpus = MAX_CPUS;
	find_refillers();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		chosen += !only || !strcmp(only, parts[i].name);
	disturbed = only && !strcmp(only, "disturbed");
	ksft_set_plan(chosen + (!only || disturbed ? 2 : 0) + 1);
	read_file(PERIOD, period, sizeof(period));
	read_file(SLEEP, sleep, sizeof(sleep));
	/* Who sleeps has nothing but what it uses. */
	write_file(SLEEP, "10");
	write_file(PERIOD, "20");

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!only || !strcmp(only, parts[i].name))
			run_part(&parts[i]);
	}
	if (!only || disturbed)
		run_disturbed();
	ksft_test_result(vmstat("kstack_fault") <= 0, "no stack fault\n");

	write_file(PERIOD, period);
	write_file(SLEEP, sleep);
	ksft_finished();
}
