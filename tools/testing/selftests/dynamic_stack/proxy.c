// SPDX-License-Identifier: GPL-2.0
/*
 * Whoever has a mutex may run in the turn of one that waits for it (proxy execution):
 * also a sleeper that has only just been woken up, and was not picked itself, so that
 * its stack lacks pages. Here it stands at the end of a chain over two CPUs, behind a
 * real-time task that never sleeps. Then the same while there are no pages.
 *
 * Without CONFIG_SCHED_PROXY_EXEC, or with sched_proxy_exec=0, they wait for each
 * other as ever.
 *
 * vm: --smp 2 --timeout 240
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "common.h"

#define FAIL	"/sys/kernel/debug/fail_kstack_refill/"
#define ROUNDS	8
#define LINKS	4	/* mutexes of the test file */
#define CROWD	60
#define HOG_MS	400
#define IN_VAIN	3	/* the hog's status if nobody came past it */

static struct shared {
	int	hog, done, stop;
} *shared;

static int get(int *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static void set(int *flag, int to)
{
	__atomic_store_n(flag, to, __ATOMIC_SEQ_CST);
}

static void run_on(int cpu, int fifo)
{
	struct sched_param param = { .sched_priority = fifo };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) ||
	    sched_setscheduler(0, fifo ? SCHED_FIFO : SCHED_OTHER, &param))
		_exit(2);
}

static int wait_state(pid_t pid, char wanted)
{
	int i;

	for (i = 0; i < 2000; i++) {
		if (in_state(pid, wanted))
			return 1;
		sleep_ms(1);
	}
	return 0;
}

static pid_t child(int cpu, int fifo, const char *command)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run_on(cpu, fifo);
	_exit(!!write_file(TESTFILE, command));
}

/* Until the one that waits has what it waits for, or for HOG_MS. */
static pid_t hog(int cpu)
{
	pid_t pid;
	long long end;

	set(&shared->hog, 0);
	set(&shared->done, 0);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run_on(cpu, 1);
	set(&shared->hog, 1);
	end = now_ms() + HOG_MS;
	while (!get(&shared->done) && now_ms() < end)
		;
	_exit(get(&shared->done) ? 0 : IN_VAIN);
}

static pid_t waiter(int cpu)
{
	pid_t pid = fork();
	int failed;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run_on(cpu, 50);
	failed = !!write_file(TESTFILE, "mutex 9000 0 3");
	set(&shared->done, 1);
	_exit(failed);
}

static int failed, turns, late;

/* It has to end as it should. */
static void ended(pid_t pid, const char *who)
{
	int status = -1;

	if (waitpid(pid, &status, 0) == pid && !status)
		return;
	ksft_print_msg("%s: lost, or status %#x\n", who, status);
	failed++;
}

static void round_of(void)
{
	static const char * const who[] = { "sleeper", "first", "second", "waiter", "hog" };
	pid_t pid[LINKS + 1];
	int i, status;

	/*
	 * Sleeps with the first mutex, and wakes up while the hog is there. Without
	 * pages, it may be late, and the round shows nothing.
	 */
	pid[0] = child(0, 0, "mutex 11000 100 0");
	late += !wait_state(pid[0], 'S');
	pid[LINKS] = hog(0);
	while (!get(&shared->hog) && waitpid(pid[LINKS], &status, WNOHANG) != pid[LINKS])
		sleep_ms(1);
	sleep_ms(120);
	pid[1] = child(1, 0, "mutex 11000 0 1");
	wait_state(pid[1], 'D');
	pid[2] = child(1, 0, "mutex 9000 0 2");
	wait_state(pid[2], 'D');
	pid[3] = waiter(1);
	ended(pid[3], who[3]);
	for (i = 0; i < LINKS; i++) {
		if (i != 3)
			ended(pid[i], who[i]);
	}
	/* The hog never slept, and it was not to be waited for. */
	if (waitpid(pid[LINKS], &status, 0) != pid[LINKS] || !WIFEXITED(status) ||
	    (WEXITSTATUS(status) && WEXITSTATUS(status) != IN_VAIN))
		failed++;
	else
		turns += !WEXITSTATUS(status);
}

/* Those that go deep and sleep, on both CPUs, so that the pools run dry */
static void crowd(pid_t *pid)
{
	int i;

	for (i = 0; i < CROWD; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_on(i & 1, 0);
		while (!get(&shared->stop)) {
			if (write_file(TESTFILE, "sleep 11000 20"))
				_exit(1);
			sleep_ms(i % 7);
		}
		_exit(0);
	}
}

int main(void)
{
	char policy[32], line[1024] = "";
	int i, proxy, dry = 0;
	pid_t pid[CROWD];
	long starved;

	ksft_print_header();
	need_feature();
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		ksft_exit_skip("needs two CPUs\n");
	read_file(RECLAIM, policy, sizeof(policy));
	if (write_file(RECLAIM, "switch") == -EOPNOTSUPP)
		ksft_exit_skip("no reclaim=switch here, so nobody lacks pages\n");
	read_file("/proc/cmdline", line, sizeof(line));
	proxy = !system("zcat /proc/config.gz | grep -q ^CONFIG_SCHED_PROXY_EXEC=y") &&
		!strstr(line, "sched_proxy_exec=0");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	ksft_set_plan(5);
	/* Never kept from looking, and never on the hog's CPU */
	run_on(1, 60);

	for (i = 0; i < ROUNDS; i++)
		round_of();
	ksft_test_result(!failed && !late,
			 "chains of mutexes: all came back with their data intact\n");
	if (proxy)
		ksft_test_result(turns > 0, "the owner ran in the waiter's turn (%d of %d)\n",
				 turns, ROUNDS);
	else
		ksft_test_result_skip("no proxy execution here (%d of %d)\n", turns, ROUNDS);

	if (access(FAIL "probability", W_OK)) {
		ksft_test_result_skip("no CONFIG_FAULT_INJECTION_DEBUG_FS\n");
		ksft_test_result_skip("no CONFIG_FAULT_INJECTION_DEBUG_FS\n");
	} else {
		failed = 0;
		late = 0;
		starved = vmstat("kstack_starved");
		crowd(pid);
		write_file(FAIL "verbose", "0");
		write_file(FAIL "interval", "1");
		write_file(FAIL "times", "20000");
		write_file(FAIL "probability", "100");
		for (i = 0; i < ROUNDS; i++)
			round_of();
		write_file(FAIL "probability", "0");
		set(&shared->stop, 1);
		for (i = 0; i < CROWD; i++)
			ended(pid[i], "one of the crowd");
		dry = vmstat("kstack_starved") - starved;
		ksft_test_result(!failed, "the same without pages (%d of %d late)\n", late, ROUNDS);
		ksft_test_result(dry > 0, "some had to wait for pages (%d times)\n", dry);
	}
	write_file(RECLAIM, policy);
	ksft_test_result(vmstat("kstack_fault") <= 0, "no stack fault\n");
	ksft_finished();
}
