// SPDX-License-Identifier: GPL-2.0
/*
 * David Laight's case. A task hands an object in a deep frame to another CPU,
 * which writes there and so has the page in its TLB. The task returns, sleeps
 * with a shallow stack, and loses the page. It goes deep again, and the same CPU
 * writes to the same address: does the task see it?
 *
 * First a few tasks stay on one CPU, so that the other one, where a kworker
 * writes, has no reason to flush its TLB in between. Then many move from CPU to
 * CPU while they do it, so that each of them has been here and there in a TLB.
 *
 * vm: --smp 2
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include "common.h"

#define TASKS	4
#define ROUNDS	25
#define MOVERS	32
#define MOVES	12

static void run_on(int n)
{
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(n, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		ksft_exit_fail_msg("sched_setaffinity: %s\n", strerror(errno));
}

/* Deep and shallow in turn, at a pace of its own; returns failed rounds. */
static int deep_and_shallow(int id, int rounds, bool move)
{
	int i, failed = 0, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char cmd[64];

	for (i = 0; i < rounds; i++) {
		if (move)
			run_on((id + i / 2) % cpus);
		snprintf(cmd, sizeof(cmd), "remote %d %d", 6000 + i * 997 % 6000, id * 7);
		if (write_file(TESTFILE, cmd))
			failed++;
		/* Shorter and longer than the collector needs. */
		sleep_ms(20 + (i * 37 + id * 61) % 200);
	}
	return failed;
}

static void run(const char *name, int tasks, int rounds, bool move)
{
	int i, status, failed = 0, lost = 0;
	long collected = vmstat("kstack_collect");

	for (i = 0; i < tasks; i++) {
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(deep_and_shallow(i, rounds, move));
		}
	}
	while (wait(&status) > 0) {
		if (WIFEXITED(status))
			failed += WEXITSTATUS(status);
		else
			lost++;
	}
	collected = vmstat("kstack_collect") - collected;

	ksft_test_result(!lost, "%s: all tasks came back\n", name);
	ksft_test_result(!failed, "%s: all remote writes arrived (%d of %d did not)\n",
			 name, failed, tasks * rounds);
	/* Else nothing was tested. */
	ksft_test_result(collected > tasks, "%s: frames were collected meanwhile (%ld)\n",
			 name, collected);
}

int main(void)
{
	char period[32], sleep[32];

	ksft_print_header();
	need_feature();
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		ksft_exit_skip("needs two CPUs\n");
	ksft_set_plan(6);
	read_file(PERIOD, period, sizeof(period));
	read_file(SLEEP, sleep, sizeof(sleep));
	write_file(SLEEP, "10");
	write_file(PERIOD, "10");

	run_on(0);
	run("on one CPU", TASKS, ROUNDS, false);
	run("moving", MOVERS, MOVES, true);

	write_file(PERIOD, period);
	write_file(SLEEP, sleep);
	ksft_finished();
}
