// SPDX-License-Identifier: GPL-2.0
/*
 * A memory control group is charged for a whole stack for each of its tasks, from
 * fork to exit, whatever the stack holds: the task may want all of it at any time.
 * So a limit bounds what the group's stacks can hold. At its limit, it gets no more
 * tasks.
 *
 * The group's statistics are up to two seconds old.
 *
 * vm: --smp 2
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common.h"

#define CGROUP		"/sys/fs/cgroup/"
#define GROUP		CGROUP "dynamic_stack_test/"
#define TASKS		150
#define LAG_MS		(2 * 2000)
#define NOISE_PAGES	24	/* slab pages and the like */
#define MAX_THREADS	4000

static long page_size, whole;
static pid_t task[TASKS];

static long group_stat(const char *key)
{
	return read_key(GROUP "memory.stat", key);
}

static long group_current(void)
{
	char text[32];

	return read_file(GROUP "memory.current", text, sizeof(text)) ? -1 : atol(text);
}

/* Frames that the group's tasks hold; @settled: all of them @each. */
static long held_frames(int each, bool *settled)
{
	FILE *f = fopen(DEBUGFS "stacks", "r");
	int pid, held, i, found = 0;
	char line[256];
	long sum = 0;

	*settled = true;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%d %d", &pid, &held) != 2)
			continue;
		for (i = 0; i < TASKS && task[i] != pid; i++)
			;
		if (i == TASKS)
			continue;
		found++;
		sum += held;
		*settled &= held == each;
	}
	if (f)
		fclose(f);
	*settled &= found == TASKS;
	return sum;
}

/* The frames, once all tasks have as many as they should. */
static long wait_settled(int each)
{
	long held = 0;
	bool settled;
	int i;

	for (i = 0; i < 200; i++) {
		held = held_frames(each, &settled);
		if (settled)
			return held;
		sleep_ms(50);
	}
	ksft_print_msg("not all tasks hold %d pages (sum %ld)\n", each, held);
	return -1;
}

/* @tasks: how many the group has; @held: frames that they hold, -1 if not known */
static void check_charge(const char *when, long tasks, long held)
{
	long charged = -1;
	int ms;

	for (ms = 0; ms <= LAG_MS; ms += 100) {
		charged = group_stat("kernel_stack") / page_size;
		if (charged == tasks * whole)
			break;
		sleep_ms(100);
	}
	ksft_test_result(held >= 0 && held <= charged && charged == tasks * whole,
			 "%s: %ld frames held, %ld charged for %ld tasks, after %d ms\n",
			 when, held, charged, tasks, ms);
}

static void wake(int sig)
{
	(void)sig;
}

static void sleeper(void)
{
	struct sigaction sa = { .sa_handler = wake };

	sigaction(SIGUSR1, &sa, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (write_file(TESTFILE, "sleep 11000 60000"))
		_exit(1);
	for (;;)
		pause();
}

/* Its own stack is charged to whoever forked it, its children's to the group. */
static pid_t start_group(void)
{
	int pipefd[2], i;
	pid_t pid;

	if (pipe(pipefd))
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
	pid = fork();
	if (pid < 0)
		ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write_file(GROUP "cgroup.procs", "0"))
			_exit(1);
		for (i = 0; i < TASKS; i++) {
			task[i] = fork();
			if (!task[i])
				sleeper();
			if (task[i] < 0)
				_exit(1);
		}
		if (write(pipefd[1], task, sizeof(task)) != sizeof(task))
			_exit(1);
		for (;;)
			pause();
	}
	close(pipefd[1]);
	if (read(pipefd[0], task, sizeof(task)) != sizeof(task))
		ksft_exit_fail_msg("the group did not start\n");
	close(pipefd[0]);
	return pid;
}

static bool wait_empty(void)
{
	int i;

	for (i = 0; i < 100 && read_key(GROUP "cgroup.events", "populated"); i++)
		sleep_ms(50);
	return i < 100;
}

static void test_promise(void)
{
	/* Each CPU keeps up to 64 charged pages at hand. */
	long stock = 64 * sysconf(_SC_NPROCESSORS_ONLN), kernel, current, anon, held;
	pid_t leader = start_group();
	int i;

	held = wait_settled(3);
	check_charge("deep sleepers", TASKS, held);
	kernel = group_stat("kernel") / page_size;
	current = group_current() / page_size;
	anon = group_stat("anon") / page_size;

	for (i = 0; i < TASKS; i++)
		kill(task[i], SIGUSR1);
	held = wait_settled(1);
	check_charge("collected", TASKS, held);
	kernel -= group_stat("kernel") / page_size;
	current -= group_current() / page_size;
	/* Those who wake up write to their own stacks, which they share until then. */
	anon -= group_stat("anon") / page_size;
	ksft_test_result(labs(kernel) <= NOISE_PAGES, "%ld pages less of the kernel's\n", kernel);
	ksft_test_result(labs(current - anon) <= NOISE_PAGES + stock,
			 "and %ld in memory.current, with %ld more of the user's\n",
			 current, -anon);

	for (i = 0; i < TASKS; i++)
		kill(task[i], SIGKILL);
	kill(leader, SIGKILL);
	while (wait(NULL) > 0)
		;
	ksft_test_result(wait_empty(), "the group is empty\n");
	check_charge("empty", 0, 0);
}

/*
 * A thread that sleeps for ever. As it is on this one's user stack it must not write
 * there: it stays in its system call.
 */
static long sleeping_thread(unsigned long flags)
{
#if defined(__x86_64__)
	long tid;

	asm volatile("syscall\n\t"
		     "test %%rax, %%rax\n\t"
		     "jnz 2f\n"
		     "1:\tmov %[pause], %%eax\n\t"
		     "syscall\n\t"
		     "jmp 1b\n"
		     "2:"
		     : "=a" (tid)
		     : "a" (SYS_clone), "D" (flags), "S" (0), "d" (0), [pause] "i" (SYS_pause)
		     : "rcx", "r11", "r8", "r10", "memory");
	return tid;
#elif defined(__aarch64__)
	register unsigned long x0 asm("x0") = flags;
	register long x1 asm("x1") = 0, x2 asm("x2") = 0, x3 asm("x3") = 0, x4 asm("x4") = 0;
	register long x8 asm("x8") = SYS_clone;

	asm volatile("svc	#0\n\t"
		     "cbnz	x0, 2f\n"
		     "1:\tmov	x0, xzr\n\t"
		     "mov	x8, %[ppoll]\n\t"
		     "svc	#0\n\t"
		     "b	1b\n"
		     "2:"
		     : "+r" (x0)
		     : "r" (x1), "r" (x2), "r" (x3), "r" (x4), "r" (x8), [ppoll] "i" (SYS_ppoll)
		     : "memory");
	return x0;
#else
	return -EOPNOTSUPP;
#endif
}

/* Threads that touch no new memory of the user's: only the kernel's counts. */
static void limit_child(void)
{
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		    CLONE_SYSVSEM;
	long i, tid = 0;

	if (write_file(GROUP "cgroup.procs", "0") ||
	    write_file("/proc/self/oom_score_adj", "-1000") || mlockall(MCL_CURRENT))
		_exit(99);
	for (i = 0; i < MAX_THREADS; i++) {
		tid = sleeping_thread(flags);
		if (tid < 0)
			break;
	}
	_exit(tid == -ENOMEM ? 1 : tid == -EAGAIN ? 2 : i < MAX_THREADS ? 3 : 4);
}

static void test_limit(void)
{
	static const char * const names[] = { "?", "ENOMEM", "EAGAIN", "another error", "none" };
	char limit[32];
	int status, code;
	pid_t pid;

	snprintf(limit, sizeof(limit), "%ld", group_current() + (6L << 20));
	write_file(GROUP "memory.max", limit);
	pid = fork();
	if (!pid)
		limit_child();
	waitpid(pid, &status, 0);
	code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	ksft_test_result(code == 1 || code == 2, "at the limit, clone() fails: %s\n",
			 names[code < 5 ? code : 0]);
	ksft_test_result(wait_empty(), "the group is empty again\n");
	check_charge("empty again", 0, 0);
}

int main(void)
{
	char period[32], sleep[32], printk[64];

	ksft_print_header();
	need_feature();
	page_size = sysconf(_SC_PAGESIZE);
	whole = usable_pages();
	/* To wait for the group's tasks when their parent is dead. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	write_file(CGROUP "cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) || access(GROUP "memory.max", W_OK))
		ksft_exit_skip("no memory controller at " CGROUP "\n");
	ksft_set_plan(10);
	read_file(PERIOD, period, sizeof(period));
	read_file(SLEEP, sleep, sizeof(sleep));
	read_file("/proc/sys/kernel/printk", printk, sizeof(printk));
	/* The report of the OOM killer, which finds nobody, is long. */
	write_file("/proc/sys/kernel/printk", "3");
	write_file(SLEEP, "20");
	write_file(PERIOD, "100");

	test_promise();
	test_limit();

	write_file("/proc/sys/kernel/printk", printk);
	write_file(PERIOD, period);
	write_file(SLEEP, sleep);
	ksft_test_result(!rmdir(GROUP), "the group goes away\n");
	ksft_finished();
}
