// SPDX-License-Identifier: GPL-2.0
/*
 * A fork bomb in a memory cgroup: it is held by memory.max alone, to which whole
 * stacks are charged at fork. The limit is not exceeded, who is outside goes on,
 * and afterwards the group has nothing left.
 *
 * vm: --icount 0 --smp 2 --mem 512M --timeout 300
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common.h"

#define CGROUP	"/sys/fs/cgroup/"
#define PARENT	CGROUP "forkbomb/"
#define GROUP	PARENT "bomb/"
#define BOMB_MS	3000
#define MAX	(24L << 20)
/* Interrupts charge what they allocate without looking at the limit. */
#define SLACK	(256L << 10)
/* The machine may be emulated, and busy. */
#define SLOW_MS	10000

struct shared {
	long forks, refused, other;
};

static struct shared *shared;

static long read_long(const char *path)
{
	char text[32];

	return read_file(path, text, sizeof(text)) ? -1 : atol(text);
}

static void bomb(void)
{
	for (;;) {
		pid_t pid = fork();

		if (!pid)
			__atomic_add_fetch(&shared->forks, 1, __ATOMIC_RELAXED);
		if (pid >= 0)
			continue;
		if (errno == EAGAIN || errno == ENOMEM)
			__atomic_add_fetch(&shared->refused, 1, __ATOMIC_RELAXED);
		else
			__atomic_add_fetch(&shared->other, 1, __ATOMIC_RELAXED);
		/* Each refusal fills a page of the console. */
		sleep_ms(200);
	}
}

/* A process outside of the group lives, and uses its stack. False: it failed. */
static bool outside(long long *longest)
{
	long long start = now_ms();
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(!!write_file(TESTFILE, "sleep 11000 5"));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (now_ms() - start > *longest)
		*longest = now_ms() - start;
	return !status;
}

static void visit_cpus(void)
{
	int cpu, nr = sysconf(_SC_NPROCESSORS_CONF);
	cpu_set_t set, all;

	sched_getaffinity(0, sizeof(all), &all);
	for (cpu = 0; cpu < nr; cpu++) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

/* What is left? For who has to find out. */
static void show_stat(const char *path)
{
	FILE *f = fopen(path, "r");
	char key[64];
	long value;

	while (f && fscanf(f, "%63s %ld", key, &value) == 2) {
		if (value)
			ksft_print_msg("%s %ld\n", key, value);
	}
	if (f)
		fclose(f);
}

static bool at_limit(void)
{
	return shared->refused || read_key(GROUP "memory.events", "oom_kill") > 0;
}

static void run_bomb(const char *what, const char *oom_score_adj)
{
	long long longest = 0, end;
	long current, stack, left, kills, peak, peak_stack = 0;
	int rounds = 0, bad = 0, i;
	char text[32];
	bool removed;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	mkdir(PARENT, 0755);
	write_file(PARENT "cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		ksft_exit_fail_msg("mkdir " GROUP ": %s\n", strerror(errno));
	snprintf(text, sizeof(text), "%ld", MAX);
	write_file(GROUP "memory.max", text);
	write_file(GROUP "memory.swap.max", "0");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		signal(SIGCHLD, SIG_IGN);
		snprintf(text, sizeof(text), "%d", getpid());
		if (write_file("/proc/self/oom_score_adj", oom_score_adj) ||
		    write_file(GROUP "cgroup.procs", text))
			_exit(1);
		bomb();
	}

	end = now_ms() + BOMB_MS;
	while (now_ms() < end || (now_ms() < end + SLOW_MS && !at_limit())) {
		rounds++;
		bad += !outside(&longest);
		stack = read_key(GROUP "memory.stat", "kernel_stack");
		if (stack > peak_stack)
			peak_stack = stack;
		sleep_ms(50);
	}
	kills = read_key(GROUP "memory.events", "oom_kill");
	peak = read_long(GROUP "memory.peak");
	ksft_print_msg("%s: %ld forks, %ld refused, %ld OOM kills, %ld KiB of stacks\n",
		       what, shared->forks, shared->refused, kills, peak_stack >> 10);
	ksft_print_msg("%s: outside: %d rounds, the longest took %lld ms\n", what, rounds, longest);
	ksft_test_result(shared->forks > 20 && !shared->other && at_limit(),
			 "%s: the group is held at its limit\n", what);
	ksft_test_result(peak > 0 && peak <= MAX + SLACK, "%s: at most %ld KiB, the limit is %ld\n",
			 what, peak >> 10, MAX >> 10);
	ksft_test_result(!bad && longest < SLOW_MS, "%s: who is outside goes on\n", what);

	/*
	 * Again and again: of a bomb that forks meanwhile some may outlive it, as
	 * 7.3 shows with the feature off, too.
	 */
	for (i = 0; i < 200 && read_key(GROUP "cgroup.events", "populated"); i++) {
		write_file(GROUP "cgroup.kill", "1");
		sleep_ms(50);
	}
	waitpid(pid, NULL, 0);
	stack = -1;
	for (i = 0; i < 100 && stack; i++) {
		stack = read_key(GROUP "memory.stat", "kernel_stack");
		if (stack)
			sleep_ms(100);
	}
	current = read_long(GROUP "memory.current");
	removed = !rmdir(GROUP);
	/*
	 * Bytes of pages that were charged for small objects may be left with
	 * a group for as long as it lives, and what CPUs have in stock counts
	 * as charged: setting a limit returns that. A CPU that idles since a task
	 * of the group died there still has its mm_struct. And up to 31 pages that
	 * were to be put on a list of reclaim's wait in each CPU, also when they are
	 * nobody's any more: dropping caches has them all done.
	 */
	left = -1;
	for (i = 0; i < 100 && left; i++) {
		visit_cpus();
		write_file("/proc/sys/vm/drop_caches", "1");
		write_file(PARENT "memory.high", "0");
		left = read_long(PARENT "memory.current");
		if (left)
			sleep_ms(100);
	}
	if (left)
		show_stat(PARENT "memory.stat");
	ksft_test_result(!stack && removed && !left && !rmdir(PARENT),
			 "%s: nothing is left charged (%ld bytes when empty, %ld of them stacks; %ld when removed)\n",
			 what, current, stack, left);
}

int main(void)
{
	char text[256];

	ksft_print_header();
	need_feature();
	if (read_file(CGROUP "cgroup.controllers", text, sizeof(text)) || !strstr(text, "memory"))
		ksft_exit_skip("no memory controller in " CGROUP "\n");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	write_file(CGROUP "cgroup.subtree_control", "+memory");
	/* As one competitor for the CPUs, not as hundreds. */
	write_file(CGROUP "cgroup.subtree_control", "+cpu");
	write_file("/proc/sys/vm/oom_dump_tasks", "0");
	ksft_set_plan(2 * 4 + 1);

	run_bomb("fork fails", "-1000");
	run_bomb("OOM kills", "0");
	ksft_test_result(vmstat("kstack_fault") <= 0, "no stack fault\n");
	ksft_finished();
}
