// SPDX-License-Identifier: GPL-2.0
/*
 * A limit bounds what a group's stacks hold, whatever its threads do.
 *
 * progress-memcg bomb: threads that sleep 100 ms at a time, as many as the limit
 * admits; memory.peak is not above memory.max.
 *
 * progress-memcg wake: many threads sleep and are shrunk, the group fills up
 * what is left, and all of them wake up at once: nothing goes beyond the limit,
 * and nobody is killed for it.
 */
#include "progress.h"

#define GROUP	CGROUP "progress/"
#define MAX	(32L << 20)

static void enter(void)
{
	if (write_file(GROUP "cgroup.procs", "0"))
		die("can't enter the group");
}

static void setup(void)
{
	char text[32];

	must_write(CGROUP "cgroup.subtree_control", "+memory");
	mkdir(GROUP, 0755);
	snprintf(text, sizeof(text), "%ld", MAX);
	must_write(GROUP "memory.max", text);
	/* The report of the OOM killer, which finds nobody, is long. */
	must_write("/proc/sys/kernel/printk", "3");
}

static int report(const char *when)
{
	long peak = read_key(GROUP "memory.peak", ""), sum;
	long kills = read_key(GROUP "memory.events", "oom_kill");
	int all;

	count_shrunk("group", 1, &all, &sum);
	printf("@@ %s: %d tasks hold %ld KiB of stacks (charged: %ld), peak %ld KiB, limit %ld KiB, OOM kills %ld\n",
	       when, all, sum * 4, read_key(GROUP "memory.stat", "kernel_stack") / 1024,
	       peak / 1024, MAX / 1024, kills);
	fflush(stdout);
	return peak > MAX || sum * 4096 > MAX || kills;
}

static void bomber(void)
{
	static struct timespec nap = { .tv_nsec = 100000000 };
	static struct raw_call call[] = {
		{ .nr = SYS_nanosleep, .arg = { (long)&nap } },
		{ .nr = SYS_nanosleep, .arg = { (long)&nap } },
	};

	prctl(PR_SET_NAME, "group");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must_write("/proc/self/oom_score_adj", "-1000");
	enter();
	for (;;) {
		if (raw_thread(call) < 0)
			sleep_ms(100);
	}
}

static int bomb(void)
{
	pid_t pid = fork();
	int i, bad = 0;

	if (!pid)
		bomber();
	/* Seen without the feature: the limit is reached in a second. */
	for (i = 0; i < 5; i++) {
		sleep_ms(1000);
		bad |= report("bomb");
	}
	if (read_key(GROUP "memory.events", "max") <= 0)
		die("the limit was not reached");
	must_write(GROUP "cgroup.kill", "1");
	waitpid(pid, NULL, 0);
	return bad;
}

#define THREADS	700

static int word;

static void sleepers(int ready)
{
	static struct raw_call call[] = {
		{ .nr = SYS_futex, .arg = { (long)&word, FUTEX_WAIT_PRIVATE } },
		{ .nr = SYS_futex, .arg = { (long)&word, FUTEX_WAIT_PRIVATE } },
	};
	char c;
	int i;

	prctl(PR_SET_NAME, "group");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter();
	for (i = 0; i < THREADS; i++) {
		if (raw_thread(call) < 0)
			die("only %d threads", i);
	}
	/* Told to wake them up. */
	for (;;) {
		if (read(ready, &c, 1) == 1)
			syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX);
	}
}

static void fill(const char *path)
{
	static char chunk[65536];
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	enter();
	memset(chunk, 1, sizeof(chunk));
	while (read_key(GROUP "memory.current", "") < MAX - (2L << 20)) {
		if (write(fd, chunk, sizeof(chunk)) != sizeof(chunk))
			_exit(1);
	}
	_exit(0);
}

static int wake(void)
{
	int ready[2], status, all, i, bad = 0;
	pid_t pid, bystander, filler, child;
	long sum;

	if (pipe(ready))
		die("pipe: %s", strerror(errno));
	pid = fork();
	if (!pid)
		sleepers(ready[0]);
	bystander = fork();
	if (!bystander) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		enter();
		for (;;)
			pause();
	}
	for (i = 0; count_shrunk("group", 1, &all, &sum) < THREADS; i++) {
		if (i > 100)
			die("the threads are not shrunk");
		sleep_ms(100);
	}
	filler = fork();
	if (!filler)
		fill("/tmp/fill");
	waitpid(filler, &status, 0);
	if (status)
		die("the group can't be filled: %#x", status);
	/* What was charged last may still be in a CPU's stock. */
	sleep_ms(500);
	bad |= report("asleep");
	for (i = 0; i < 3; i++) {
		if (write(ready[1], "", 1) != 1)
			die("pipe");
		/* Whoever charges late does it within two seconds. */
		sleep_ms(800);
		bad |= report("woken up");
	}
	/* A fork needs less than the 2 MiB that are left. */
	child = fork();
	if (!child) {
		enter();
		child = fork();
		if (!child)
			_exit(0);
		_exit(child < 0 || waitpid(child, NULL, 0) != child);
	}
	waitpid(child, &status, 0);
	if (status)
		bad = 1;
	printf("@@ a fork in the group: status %#x\n", status);
	bad |= report("in the end");
	if (waitpid(bystander, &status, WNOHANG) || waitpid(pid, &status, WNOHANG)) {
		printf("@@ a bystander was killed\n");
		bad = 1;
	}
	must_write(GROUP "cgroup.kill", "1");
	while (wait(NULL) > 0)
		;
	return bad;
}

int main(int argc, char **argv)
{
	setup();
	if (argc > 1 && !strcmp(argv[1], "bomb"))
		return bomb();
	if (argc > 1 && !strcmp(argv[1], "wake"))
		return wake();
	die("usage: progress-memcg bomb | wake");
}
