// SPDX-License-Identifier: GPL-2.0
/*
 * progress-holders: whom memory reclaim may wait for, and who asked not to wait
 * for memory, keeps the whole stack, however much reclaim wants it; an ordinary
 * sleeper beside them is shrunk. They all do what leaves three pages unused.
 */
#include "progress.h"

#define MS	4000

static void nap(void)
{
	for (;;)
		pause();
}

static void ordinary(void)
{
	nap();
}

/* It can't run: a real-time task spins on its CPU. */
static void preempted(void)
{
	pin(1);
	for (;;)
		;
}

static void blocked(void)
{
	for (;;)
		write_file(TESTFILE, "block 100 5000");
}

static void io_flusher(void)
{
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		_exit(1);
	nap();
}

static void mlocked(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		_exit(1);
	nap();
}

static void fifo(void)
{
	struct sched_param param = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		_exit(1);
	nap();
}

static struct holder {
	const char	*what;
	void		(*fn)(void);
	bool		shrunk;		/* should be */
	pid_t		pid;
	int		least;
} holders[] = {
	{ .what = "an ordinary sleeper", .fn = ordinary, .shrunk = true },
	{ .what = "a preempted task", .fn = preempted },
	{ .what = "an uninterruptible sleeper", .fn = blocked },
	{ .what = "an IO flusher", .fn = io_flusher },
	{ .what = "who has locked its memory", .fn = mlocked },
	{ .what = "a real-time task", .fn = fifo },
};

/* For so long nobody else runs on CPU 1. */
static pid_t spinner(void)
{
	struct sched_param param = { .sched_priority = 10 };
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(1);
	sched_setscheduler(0, SCHED_FIFO, &param);
	for (;;)
		;
}

int main(void)
{
	unsigned int i, bad = 0;
	long long end;
	pid_t spin;

	must_write("/proc/sys/kernel/sched_rt_runtime_us", "-1");
	for (i = 0; i < ARRAY_SIZE(holders); i++) {
		holders[i].least = 99;
		holders[i].pid = fork();
		if (!holders[i].pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			holders[i].fn();
		}
	}
	/* Each is where it should be before the look at it begins. */
	sleep_ms(300);
	pin(0);
	spin = spinner();
	sleep_ms(100);
	for (end = now_ms() + MS; now_ms() < end; sleep_ms(20)) {
		must_write("/proc/sys/vm/drop_caches", "2");
		for (i = 0; i < ARRAY_SIZE(holders); i++) {
			int held = held_pages(holders[i].pid);

			if (held < holders[i].least)
				holders[i].least = held;
		}
	}
	kill(spin, SIGKILL);
	for (i = 0; i < ARRAY_SIZE(holders); i++) {
		bool ok = holders[i].least == (holders[i].shrunk ? 1 : 4);

		printf("@@ %s%s: held %d pages at least\n", ok ? "" : "WRONG: ", holders[i].what,
		       holders[i].least);
		bad += !ok;
		kill(holders[i].pid, SIGKILL);
	}
	while (wait(NULL) > 0)
		;
	return !!bad;
}
