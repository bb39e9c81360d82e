// SPDX-License-Identifier: GPL-2.0
/*
 * No frames for a while: tasks wait, and nothing worse. Refills fail a given
 * number of times (fault injection), while more deep sleepers wake up and fall
 * asleep than the pools have frames for.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include "common.h"

#define FAIL	"/sys/kernel/debug/fail_kstack_refill/"
#define TASKS	200
#define ROUNDS	10

static void fail_refills(const char *times)
{
	write_file(FAIL "verbose", "0");
	write_file(FAIL "interval", "1");
	write_file(FAIL "times", times);
	write_file(FAIL "probability", "100");
}

static int sleeper(int id, int go)
{
	int i, failed = 0;
	char c;

	/* Until the other end is closed. */
	if (read(go, &c, 1))
		return 1;
	for (i = 0; i < ROUNDS; i++) {
		failed += !!write_file(TESTFILE, "sleep 11000 50");
		sleep_ms(id % 40);
	}
	return failed;
}

int main(void)
{
	int i, status, go[2], failed = 0, lost = 0, started = 0;
	char policy[32];
	long starved;

	ksft_print_header();
	need_feature();
	if (access(FAIL "probability", W_OK))
		ksft_exit_skip("no CONFIG_FAULT_INJECTION_DEBUG_FS\n");
	/* So that each task needs frames each time. */
	read_file(RECLAIM, policy, sizeof(policy));
	if (write_file(RECLAIM, "switch") == -EOPNOTSUPP)
		ksft_exit_skip("no reclaim=switch here, so nobody lacks frames\n");
	ksft_set_plan(4);
	starved = vmstat("kstack_starved");
	if (pipe(go))
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));

	for (i = 0; i < TASKS; i++) {
		pid_t pid = fork();

		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(go[1]);
			_exit(sleeper(i, go[0]));
		}
		started += pid > 0;
	}
	/* A CPU without frames tries about 3000 times a second. */
	fail_refills("20000");
	close(go[1]);
	while (wait(&status) > 0) {
		if (WIFEXITED(status))
			failed += WEXITSTATUS(status);
		else
			lost++;
	}
	write_file(FAIL "probability", "0");
	write_file(RECLAIM, policy);

	ksft_test_result(started == TASKS, "%d of %d tasks started\n", started, TASKS);
	ksft_test_result(!lost && !failed, "all came back with their data intact\n");
	starved = vmstat("kstack_starved") - starved;
	ksft_test_result(starved > 0, "some had to wait for frames (%ld times)\n", starved);
	ksft_test_result(vmstat("kstack_fault") <= 0, "no stack fault\n");
	ksft_finished();
}
