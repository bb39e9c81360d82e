// SPDX-License-Identifier: GPL-2.0
/*
 * David Laight's case. A task hands an object in a deep frame to another CPU,
 * which writes there and so has the page in its TLB. The task returns, sleeps
 * with a shallow stack, and loses the page. It goes deep again, and the same CPU
 * writes to the same address: does the task see it?
 *
 * The tasks stay on one CPU, so that the other one, where a kworker writes, has
 * no reason to flush its TLB in between.
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

/* Deep and shallow in turn, at a pace of its own; returns failed rounds. */
static int deep_and_shallow(int id)
{
	char cmd[64];
	int i, failed = 0;

	for (i = 0; i < ROUNDS; i++) {
		snprintf(cmd, sizeof(cmd), "remote %d %d", 6000 + i * 997 % 6000, id * 7);
		if (write_file(TESTFILE, cmd))
			failed++;
		/* Shorter and longer than the collector needs. */
		sleep_ms(20 + (i * 37 + id * 61) % 200);
	}
	return failed;
}

int main(void)
{
	int i, status, failed = 0, lost = 0;
	char period[32], sleep[32];
	long collected;
	cpu_set_t cpu;

	ksft_print_header();
	need_feature();
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		ksft_exit_skip("needs two CPUs\n");
	ksft_set_plan(3);

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		ksft_exit_fail_msg("sched_setaffinity: %s\n", strerror(errno));

	read_file(PERIOD, period, sizeof(period));
	read_file(SLEEP, sleep, sizeof(sleep));
	write_file(SLEEP, "10");
	write_file(PERIOD, "10");
	collected = vmstat("kstack_collect");

	for (i = 0; i < TASKS; i++) {
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(deep_and_shallow(i));
		}
	}
	while (wait(&status) > 0) {
		if (WIFEXITED(status))
			failed += WEXITSTATUS(status);
		else
			lost++;
	}
	collected = vmstat("kstack_collect") - collected;
	write_file(PERIOD, period);
	write_file(SLEEP, sleep);

	ksft_test_result(!lost, "all tasks came back\n");
	ksft_test_result(!failed, "all remote writes arrived (%d of %d did not)\n",
			 failed, TASKS * ROUNDS);
	/* Else nothing was tested. */
	ksft_test_result(collected > TASKS, "frames were collected meanwhile (%ld)\n", collected);
	ksft_finished();
}
