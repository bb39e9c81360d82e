// SPDX-License-Identifier: GPL-2.0
/*
 * With CONFIG_DEBUG_STACK_USAGE, how deep a task ever went stays known after
 * its pages were taken: in sysrq-t's column, the exit message, and the
 * histogram in /proc/vmstat.
 */
#define _GNU_SOURCE
#include "common.h"

/* "touch BYTES" stops less than two of its steps above BYTES. */
#define STEPS	512

static int kmsg;

static void skip_log(void)
{
	lseek(kmsg, 0, SEEK_END);
}

/*
 * From the log since skip_log(): the number behind the text @before in a record
 * that has the text @what. -1: none.
 */
static long find_in_log(const char *what, const char *before)
{
	char record[8192], *at;
	long val = -1;
	ssize_t len;

	while ((len = read(kmsg, record, sizeof(record) - 1)) > 0 || (len < 0 && errno == EPIPE)) {
		record[len > 0 ? len : 0] = '\0';
		at = strstr(record, what) ? strstr(record, before) : NULL;
		if (at)
			val = strtol(at + strlen(before), NULL, 10);
	}
	return val;
}

/* A child that went @bytes deep, and sleeps shallow now. */
static pid_t start(int bytes, int *quit)
{
	char cmd[32];
	int pipefd[2];
	pid_t pid;
	char c;

	if (pipe(pipefd))
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
	snprintf(cmd, sizeof(cmd), "touch %d", bytes);
	pid = fork();
	if (pid < 0)
		ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	if (!pid) {
		close(pipefd[1]);
		if (write_file(TESTFILE, cmd) || read(pipefd[0], &c, 1))
			_exit(1);
		_exit(0);
	}
	close(pipefd[0]);
	*quit = pipefd[1];
	return pid;
}

static bool wait_collected(pid_t pid, struct stack_info *info)
{
	int i;

	for (i = 0; i < 100; i++) {
		sleep_ms(50);
		if (stack_info(pid, info) && info->held == 1)
			return true;
	}
	return false;
}

static const char *bucket(long used)
{
	return used <= 1024 ? "kstack_1k" : used <= 2048 ? "kstack_2k" :
	       used <= 4096 ? "kstack_4k" : used <= 8192 ? "kstack_8k" :
	       used <= 16384 ? "kstack_16k" : "kstack_32k";
}

static void test_depth(int bytes)
{
	long size = read_key(DEBUGFS "summary", "stack_pages") * sysconf(_SC_PAGESIZE);
	struct stack_info info = { };
	int quit, status, err;
	long free, counted, most = size - (bytes - STEPS);
	char what[32];
	pid_t pid = start(bytes, &quit);
	bool collected = wait_collected(pid, &info);

	ksft_test_result(collected, "%d bytes deep: its pages were taken (%s)\n", bytes, info.map);

	skip_log();
	err = write_file("/proc/sysrq-trigger", "t");
	snprintf(what, sizeof(what), " pid:%d ", pid);
	free = find_in_log(what, " stack:");
	ksft_test_result(!err && free <= most && free > most - 3072,
			 "%d bytes deep: sysrq-t says that %ld were never used\n", bytes, free);

	/* A depth that no task of this system reached so far. */
	skip_log();
	counted = vmstat(bucket(size - free));
	close(quit);
	waitpid(pid, &status, 0);
	sleep_ms(100);
	ksft_test_result(!status && vmstat(bucket(size - free)) > counted,
			 "%d bytes deep: its exit counts as %s\n", bytes, bucket(size - free));
	snprintf(what, sizeof(what), "stack_usage (%d) ", pid);
	free = find_in_log(what, "depth: ");
	ksft_test_result(free > 0 && free <= most,
			 "%d bytes deep: its exit message says that %ld were left\n", bytes, free);
}

int main(void)
{
	char period[32], sleep[32], printk[64];

	ksft_print_header();
	need_feature();
	if (vmstat("kstack_1k") < 0)
		ksft_exit_skip("no CONFIG_DEBUG_STACK_USAGE\n");
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (kmsg < 0)
		ksft_exit_skip("/dev/kmsg: %s\n", strerror(errno));
	ksft_set_plan(12);
	read_file(PERIOD, period, sizeof(period));
	read_file(SLEEP, sleep, sizeof(sleep));
	read_file("/proc/sys/kernel/printk", printk, sizeof(printk));
	write_file("/proc/sys/kernel/printk", "3");
	write_file(SLEEP, "20");
	write_file(PERIOD, "20");

	/* Each the deepest so far, by enough. */
	test_depth(9000);
	test_depth(11000);
	test_depth(13000);

	write_file("/proc/sys/kernel/printk", printk);
	write_file(PERIOD, period);
	write_file(SLEEP, sleep);
	ksft_finished();
}
