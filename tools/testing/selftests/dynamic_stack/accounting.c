// SPDX-License-Identifier: GPL-2.0
/*
 * The counters tell the truth: KernelStack is what stacks, pools and the stack
 * cache hold, nr_kstack_pool what each pool has, and nr_kstack_parked what each
 * stack has, before and after storms of forks and deep sleepers.
 */
#define _GNU_SOURCE
#include "common.h"

static long page_kib;

/* Frames by the kernel's own account, and as the sum of their holders. */
static bool balanced(char *why, size_t size)
{
	long kernel_stack, held = 0, pages = read_key(DEBUGFS "summary", "stack_pages");
	long cached, idle, pool, parked, parked_sum = 0, pool_sum = 0, n;
	char key[32], line[256], map[32];
	FILE *f;
	int i;

	/* Fold the per-CPU parts of the memory statistics. */
	write_file("/proc/sys/vm/stat_refresh", "1");
	kernel_stack = read_key("/proc/meminfo", "KernelStack") / page_kib;
	pool = vmstat("nr_kstack_pool");
	cached = read_key(DEBUGFS "summary", "cached_pages");
	idle = read_key(DEBUGFS "summary", "idle_pages");
	for (i = 1; i <= pages; i++) {
		snprintf(key, sizeof(key), "pages_%d", i);
		held += i * read_key(DEBUGFS "summary", key);
	}

	parked = vmstat("nr_kstack_parked");
	f = fopen(DEBUGFS "stacks", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*d %*d %31s", map) != 1)
			continue;
		for (i = 0; map[i]; i++)
			parked_sum += map[i] == 'P';
	}
	if (f)
		fclose(f);
	if (parked != parked_sum) {
		snprintf(why, size, "nr_kstack_parked %ld, but stacks have %ld",
			 parked, parked_sum);
		return false;
	}

	f = fopen(DEBUGFS "pools", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "cpu %*d: frames %ld", &n) == 1 ||
		    sscanf(line, "cpu %*d: fault reserve %ld", &n) == 1 ||
		    sscanf(line, "node %*d: overflow %ld", &n) == 1 ||
		    sscanf(line, "reserve: %ld", &n) == 1)
			pool_sum += n;
	}
	if (f)
		fclose(f);
	if (pool != pool_sum) {
		snprintf(why, size, "nr_kstack_pool %ld, but pools have %ld", pool, pool_sum);
		return false;
	}

	snprintf(why, size, "KernelStack %ld = stacks %ld + idle %ld + pool %ld + cached %ld pages",
		 kernel_stack, held, idle, pool, cached);
	return kernel_stack == held + idle + pool + cached;
}

/*
 * Tasks run between the readings, this one included, and each that does moves
 * frames. So try a few times: a leak doesn't go away.
 */
static void check_balance(const char *when)
{
	char why[160];
	int i;

	for (i = 0; i < 50; i++) {
		if (balanced(why, sizeof(why)))
			break;
		sleep_ms(100);
	}
	ksft_test_result(i < 50, "%s: %s\n", when, why);
}

static void deep_child(void)
{
	write_file(TESTFILE, "sleep 9000 50");
	sleep_ms(300);
	write_file(TESTFILE, "touch 6000");
	sleep_ms(100);
	_exit(0);
}

static void storm(int forks, bool deep)
{
	int i;

	for (i = 0; i < forks; i++) {
		pid_t pid = fork();

		if (!pid) {
			if (deep)
				deep_child();
			_exit(0);
		}
		if (pid < 0)
			ksft_exit_fail_msg("fork: %s\n", strerror(errno));
		if (i % 32 == 31) {
			while (waitpid(-1, NULL, 0) > 0)
				;
		}
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
}

int main(void)
{
	char period[32], sleep[32];

	ksft_print_header();
	need_feature();
	page_kib = sysconf(_SC_PAGESIZE) / 1024;
	ksft_set_plan(3);
	read_file(PERIOD, period, sizeof(period));
	read_file(SLEEP, sleep, sizeof(sleep));
	write_file(SLEEP, "10");
	write_file(PERIOD, "50");

	check_balance("at first");
	storm(500, false);
	check_balance("after 500 forks");
	storm(128, true);
	check_balance("after 128 deep sleepers");

	write_file(PERIOD, period);
	write_file(SLEEP, sleep);
	ksft_finished();
}
