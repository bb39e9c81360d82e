// SPDX-License-Identifier: GPL-2.0
/*
 * No data cross tasks: deep sleepers mark their stacks, lose the pages to the
 * collector or die with them, and then many new tasks look for the marks on
 * their own stacks, and for words other than 0 in pages that they never used.
 */
#define _GNU_SOURCE
#include <sched.h>

#include "common.h"

#define LOOK		"/sys/kernel/debug/dynamic_stack_look"
#define ROUNDS		3
#define MARKERS		48
#define SCANNERS	96
#define DEEP		"touch 13000"

static void marker(int id)
{
	int bad = !!write_file(TESTFILE, DEEP);

	/* One half is collected in its sleep, the other takes its frames along. */
	if (id % 2)
		sleep_ms(1200);
	/* Again, on the frames of others. */
	if (id % 4 == 1)
		bad |= !!write_file(TESTFILE, DEEP);
	_exit(bad);
}

static void scanner(int id)
{
	/* A switch or two, so that pages come and go. */
	if (id % 2)
		sleep_ms(id % 8 * 10);
	_exit(-write_file(LOOK, "scan") & 0xff);
}

/* Number of children that did not exit with @expect. */
static int storm(int n, void (*child)(int), int expect)
{
	int i, status, wrong = 0;

	for (i = 0; i < n; i++) {
		pid_t pid = fork();

		if (!pid)
			child(i);
		if (pid < 0)
			ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	}
	while (wait(&status) > 0)
		wrong += !WIFEXITED(status) || WEXITSTATUS(status) != expect;
	return wrong;
}

/* The test must be able to fail: a task finds its own marks. */
static void self_check(int id)
{
	write_file(TESTFILE, DEEP);
	scanner(id);
}

int main(void)
{
	char period[32], sleep[32];
	int i, lost = 0, found = 0;
	long collected;

	ksft_print_header();
	need_feature();
	if (access(LOOK, W_OK))
		ksft_exit_skip("no " LOOK "\n");
	ksft_set_plan(4);
	read_file(PERIOD, period, sizeof(period));
	read_file(SLEEP, sleep, sizeof(sleep));
	write_file(SLEEP, "20");
	write_file(PERIOD, "20");

	ksft_test_result(!storm(2, self_check, EUCLEAN), "a task finds its own marks\n");
	collected = vmstat("kstack_collect");
	for (i = 0; i < ROUNDS; i++) {
		lost += storm(MARKERS, marker, 0);
		found += storm(SCANNERS, scanner, 0);
	}
	collected = vmstat("kstack_collect") - collected;
	ksft_test_result(!lost, "all deep sleepers came back (%d did not)\n", lost);
	ksft_test_result(!found, "no new task found anything on its stack (%d of %d did)\n",
			 found, ROUNDS * SCANNERS);
	ksft_test_result(collected > MARKERS, "frames were collected meanwhile (%ld)\n", collected);

	write_file(PERIOD, period);
	write_file(SLEEP, sleep);
	ksft_finished();
}
