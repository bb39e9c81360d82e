// SPDX-License-Identifier: GPL-2.0
/*
 * progress-rt: on one CPU, a real-time task that never sleeps, and a fair one that
 * doesn't either. What the fair server gives to the fair one, it also gets while
 * the CPU starves; and the collector, if it is needed then, gets to an end.
 */
#include "progress.h"

#define EMPTY	"/sys/module/dynamic_stack/parameters/empty_ms"
#define DELAY	"/sys/module/dynamic_stack/parameters/delay_ms"

static pid_t spin(int policy, int prio)
{
	struct sched_param param = { .sched_priority = prio };
	pid_t pid = fork();

	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		must_write("/proc/self/oom_score_adj", "-1000");
		if (sched_setscheduler(0, policy, &param))
			die("sched_setscheduler: %s", strerror(errno));
		for (;;)
			;
	}
	return pid;
}

static long witness(pid_t pid, const char *when, int ms)
{
	long starved = vmstat("kstack_starved"), shootdowns = vmstat("kstack_shootdown");
	long ran = ticks(pid);

	sleep_ms(ms);
	ran = ticks(pid) - ran;
	printf("@@ %s: the fair task ran %ld of %d ticks, ", when, ran, ms / 10);
	printf("starved %ld times, %ld shootdowns\n", vmstat("kstack_starved") - starved,
	       vmstat("kstack_shootdown") - shootdowns);
	fflush(stdout);
	return ran;
}

int main(void)
{
	long with, starving, shootdowns;
	pid_t fair, hog;
	int bad = 0;

	stay_whole(99);
	fair = spin(SCHED_OTHER, 0);
	hog = spin(SCHED_FIFO, 10);
	with = witness(fair, "beside a real-time task", 4000);

	must_write(EMPTY, "20000");
	sleep_ms(500);
	starving = witness(fair, "and the CPU starves", 4000);
	must_write(EMPTY, "0");
	if (with < 4 || starving < with / 2) {
		printf("@@ WRONG: it does not get its share\n");
		bad = 1;
	}

	/* The collector is slow, and needed. */
	must_write(DELAY, "30");
	fail_refills(true);
	witness(fair, "nothing can be refilled", 6000);
	fail_refills(false);
	must_write(DELAY, "0");
	sleep_ms(1000);
	shootdowns = vmstat("kstack_shootdown");
	witness(fair, "it can again", 5000);
	if (vmstat("kstack_shootdown") - shootdowns < 1) {
		printf("@@ WRONG: the collector does not run any more\n");
		bad = 1;
	}
	kill(hog, SIGKILL);
	kill(fair, SIGKILL);
	return bad;
}
