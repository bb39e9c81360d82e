// SPDX-License-Identifier: GPL-2.0
/*
 * To kill takes no memory, or none that only the killed could give.
 *
 * progress-kill watcher ROUNDS: as lmkd or systemd-oomd do it. A process of 2500
 * threads that sleep eats all memory; who watches sends SIGKILL when little is
 * left. How long until it is gone?
 *
 * progress-kill no-frames: 200 sleeping processes, each of which lacks pages, are
 * killed while no pool can be filled.
 *
 * progress-kill frozen: the same with 500 in a frozen cgroup, through cgroup.kill.
 */
#include <sys/sysinfo.h>

#include "progress.h"

#define FAIL	"/sys/kernel/debug/fail_kstack_refill/"
#define GROUP	CGROUP "progress/"

static unsigned long free_kb(void)
{
	struct sysinfo info;

	sysinfo(&info);
	return info.freeram * info.mem_unit / 1024;
}

/* Whatever happens, who measures has what it needs. */
static void protect(void)
{
	must_write("/proc/self/oom_score_adj", "-1000");
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		die("mlockall: %s", strerror(errno));
}

static void eat(size_t bytes)
{
	const size_t page = 4096;
	char *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t i;

	for (i = 0; mem != MAP_FAILED && i < bytes; i += page)
		mem[i] = 1;
}

#define WATCHER_THREADS	2500
#define WATCHER_KB	7000

static struct raw_call pause_calls[] = { { .nr = SYS_pause }, { .nr = SYS_pause } };

static void hungry(int ready)
{
	int i;

	munlockall();
	if (write_file("/proc/self/oom_score_adj", "0"))
		_exit(1);
	for (i = 0; i < WATCHER_THREADS; i++) {
		if (raw_thread(pause_calls) < 0)
			_exit(2);
	}
	if (write(ready, "", 1) != 1)
		_exit(3);
	sleep_ms(4000);
	eat(4UL << 30);
	_exit(4);
}

/* All times in ms, and at the end how often the OOM killer had to help. */
static int watcher(int rounds)
{
	long kills = vmstat("oom_kill"), stalls;

	while (rounds--) {
		long long end, start;
		int ready[2], status;
		pid_t pid;
		char c;

		stalls = vmstat("allocstall_normal") + vmstat("allocstall_dma32");
		if (pipe(ready))
			die("pipe: %s", strerror(errno));
		pid = fork();
		if (!pid)
			hungry(ready[1]);
		close(ready[1]);
		if (read(ready[0], &c, 1) != 1)
			die("no threads");
		close(ready[0]);
		end = now_ms() + 60000;
		while (free_kb() > WATCHER_KB && now_ms() < end && !waitpid(pid, &status, WNOHANG))
			sleep_ms(2);
		start = now_ms();
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		printf("@@ gone after %lld ms (status %#x, %ld stalls)\n", now_ms() - start, status,
		       vmstat("allocstall_normal") + vmstat("allocstall_dma32") - stalls);
		fflush(stdout);
		if (!WIFSIGNALED(status))
			die("it was not killed");
	}
	printf("@@ oom kills: %ld\n", vmstat("oom_kill") - kills);
	return 0;
}

/* Until all of them hold one page. */
static void wait_shrunk(const char *comm, int nr)
{
	long long end = now_ms() + 20000;
	int all, shrunk;
	long sum;

	while ((shrunk = count_shrunk(comm, 1, &all, &sum)) < nr) {
		if (now_ms() > end)
			die("only %d of %d sleepers are shrunk", shrunk, nr);
		sleep_ms(100);
	}
}

/* With pages it takes a tenth of this on a slow machine. */
#define LIMIT_MS	5000

#define NO_FRAMES	200

static void fail_refills(void)
{
	must_write(FAIL "verbose", "0");
	must_write(FAIL "interval", "1");
	must_write(FAIL "times", "-1");
	must_write(FAIL "probability", "100");
}

/*
 * Until all children are gone; in ms. Those that can't die without pages get them
 * after 20 s.
 */
static long long wait_gone(int nr)
{
	long long start = now_ms(), took;
	int gone = 0;

	while (gone < nr && now_ms() - start < 20000) {
		if (waitpid(-1, NULL, WNOHANG) > 0)
			gone++;
		else
			usleep(1000);
	}
	took = now_ms() - start;
	must_write(FAIL "probability", "0");
	printf("@@ %d of %d gone after %lld ms\n", gone, nr, took);
	fflush(stdout);
	while (wait(NULL) > 0)
		;
	return took;
}

static int no_frames(void)
{
	pid_t pid[NO_FRAMES];
	int i;

	for (i = 0; i < NO_FRAMES; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			munlockall();
			prctl(PR_SET_NAME, "victim");
			for (;;)
				pause();
		}
	}
	wait_shrunk("victim", NO_FRAMES);
	fail_refills();
	for (i = 0; i < NO_FRAMES; i++)
		kill(pid[i], SIGKILL);
	return wait_gone(NO_FRAMES) > LIMIT_MS;
}

#define FROZEN	500

static int frozen(void)
{
	pid_t pid;
	int i;

	must_write(CGROUP "cgroup.subtree_control", "+memory");
	mkdir(GROUP, 0755);
	for (i = 0; i < FROZEN; i++) {
		pid = fork();
		if (!pid) {
			munlockall();
			prctl(PR_SET_NAME, "victim");
			if (write_file("/proc/self/oom_score_adj", "0") ||
			    write_file(GROUP "cgroup.procs", "0"))
				_exit(1);
			for (;;)
				pause();
		}
		if (pid < 0)
			die("fork: %s", strerror(errno));
	}
	while (read_key(GROUP "cgroup.events", "populated") != 1)
		sleep_ms(100);
	must_write(GROUP "cgroup.freeze", "1");
	for (i = 0; read_key(GROUP "cgroup.events", "frozen") != 1; i++) {
		if (i > 100)
			die("they don't freeze");
		sleep_ms(100);
	}
	wait_shrunk("victim", FROZEN);
	fail_refills();
	must_write(GROUP "cgroup.kill", "1");
	return wait_gone(FROZEN) > LIMIT_MS;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	protect();
	if (!strcmp(mode, "watcher"))
		return watcher(argc > 2 ? atoi(argv[2]) : 1);
	if (!strcmp(mode, "no-frames"))
		return no_frames();
	if (!strcmp(mode, "frozen"))
		return frozen();
	die("usage: progress-kill watcher ROUNDS | no-frames | frozen");
}
