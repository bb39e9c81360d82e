// SPDX-License-Identifier: GPL-2.0
/*
 * What a sleeping task's stack holds, and that it is the right thing.
 *
 * Each test takes a child that uses its kernel stack as told, through the test
 * file in debugfs, and looks at the child's stack from outside.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/prctl.h>

#include "common.h"

static long page_size;

/* A child that waits for the test's next command in read(2). */
struct child {
	pid_t pid;
	int to, from;
};

/* Commands: 'q' quit; 'f' tell frames; else a line for the test file. */
static void child_main(int in, int out)
{
	char cmd[64], reply[256];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(in, cmd, sizeof(cmd)) == sizeof(cmd)) {
		memset(reply, 0, sizeof(reply));
		if (cmd[0] == 'q')
			break;
		if (cmd[0] == 'f') {
			if (read_file(TESTFILE, reply, sizeof(reply)))
				snprintf(reply, sizeof(reply), "unreadable");
		} else {
			snprintf(reply, sizeof(reply), "%d", write_file(TESTFILE, cmd));
		}
		if (write(out, reply, sizeof(reply)) != sizeof(reply))
			break;
	}
	_exit(0);
}

static void start(struct child *c)
{
	int to[2], from[2];

	if (pipe(to) || pipe(from))
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
	c->pid = fork();
	if (c->pid < 0)
		ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	if (!c->pid) {
		close(to[1]);
		close(from[0]);
		child_main(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	c->to = to[1];
	c->from = from[0];
}

static void stop(struct child *c)
{
	close(c->to);
	close(c->from);
	waitpid(c->pid, NULL, 0);
}

static void send(struct child *c, const char *text)
{
	char cmd[64] = "";

	snprintf(cmd, sizeof(cmd), "%s", text);
	if (write(c->to, cmd, sizeof(cmd)) != sizeof(cmd))
		ksft_exit_fail_msg("child is gone\n");
}

static char *receive(struct child *c)
{
	static char reply[256];

	if (read(c->from, reply, sizeof(reply)) != sizeof(reply))
		ksft_exit_fail_msg("child is gone\n");
	return reply;
}

static char *ask(struct child *c, const char *text)
{
	send(c, text);
	return receive(c);
}

static void no_collector(void)
{
	write_file(PERIOD, "0");
	/* A pass that is under way ends. */
	sleep_ms(100);
}

static void eager_collector(void)
{
	write_file(SLEEP, "50");
	write_file(PERIOD, "50");
}

/* Until the child's stack holds @held pages; the collector has its own pace. */
static bool wait_held(struct child *c, int held, struct stack_info *info)
{
	int i;

	for (i = 0; i < 100; i++) {
		if (stack_info(c->pid, info) && info->held == held)
			return true;
		sleep_ms(100);
	}
	return false;
}

static void test_shallow(void)
{
	struct stack_info info = { };
	struct child c;
	bool one;

	eager_collector();
	start(&c);
	one = wait_held(&c, 1, &info);
	ksft_test_result(one && info.map[0] == 'M' && info.depth < page_size,
			 "a shallow sleeper holds one page (%d, %s, %ld bytes deep)\n",
			 info.held, info.map, info.depth);
	stop(&c);
}

static void test_deep(void)
{
	int pages, total = usable_pages();
	struct stack_info info;
	char cmd[64];
	struct child c;

	eager_collector();
	for (pages = 2; pages < total; pages++) {
		bool held, mapped = true;
		int i;

		start(&c);
		/* Half-way into the last page. */
		snprintf(cmd, sizeof(cmd), "sleep %ld 1500",
			 pages * page_size - page_size / 2 - 512);
		send(&c, cmd);
		sleep_ms(700);
		held = stack_info(c.pid, &info) && info.held == pages &&
		       info.depth > (pages - 1) * page_size;
		for (i = 0; i < pages; i++)
			mapped &= info.map[i] == 'M';
		ksft_test_result(held && mapped,
				 "a sleeper at %d pages holds %d pages (%s, %ld bytes deep)\n",
				 pages, info.held, info.map, info.depth);
		ksft_test_result(!strcmp(receive(&c), "0"),
				 "its data at %d pages are intact\n", pages);
		stop(&c);
	}
}

static void test_remote(void)
{
	struct child c;
	int i, good = 0;

	eager_collector();
	start(&c);
	for (i = 0; i < 20; i++) {
		/* Deep, with a write by another CPU; then shallow, collected. */
		good += !strcmp(ask(&c, "remote 9000 20"), "0");
		sleep_ms(i % 4 * 60);
	}
	ksft_test_result(good == 20, "what another CPU writes to a deep frame arrives (%d of 20)\n",
			 good);
	stop(&c);
}

/* Frame of the n-th page from the top. */
static unsigned long frame(const char *frames, int n)
{
	char *end;
	unsigned long pfn = 0;

	while (n-- >= 0) {
		pfn = strtoul(frames, &end, 16);
		frames = end;
	}
	return pfn;
}

static void test_restore(const char *policy)
{
	unsigned long before, after, restored;
	struct stack_info info = { };
	struct child c;
	bool parked;

	no_collector();
	if (write_file(RECLAIM, "switch") == -EOPNOTSUPP) {
		ksft_test_result_skip("a touched page is parked: no reclaim=switch here\n");
		ksft_test_result_skip("and comes back as the same frame\n");
		return;
	}
	start(&c);
	ask(&c, "touch 6000");
	sleep_ms(50);
	parked = stack_info(c.pid, &info) && info.map[1] == 'P';
	ksft_test_result(parked, "a touched page is parked (%s)\n", info.map);

	before = frame(ask(&c, "f"), 1);
	sleep_ms(300);
	restored = vmstat("kstack_restore");
	after = frame(ask(&c, "f"), 1);
	ksft_test_result(before && before == after && vmstat("kstack_restore") > (long)restored,
			 "and comes back as the same frame (%lx, %lx)\n", before, after);
	stop(&c);
	write_file(RECLAIM, policy);
}

static void test_collect(void)
{
	long collected = vmstat("kstack_collect"), shootdowns = vmstat("kstack_shootdown");
	struct stack_info info = { };
	struct child c;
	bool one;

	no_collector();
	start(&c);
	ask(&c, "touch 9000");
	sleep_ms(50);
	eager_collector();
	one = wait_held(&c, 1, &info);
	ksft_test_result(one && vmstat("kstack_collect") >= collected + 2,
			 "touched pages of a sleeper are collected (%s)\n", info.map);
	ksft_test_result(vmstat("kstack_shootdown") > shootdowns, "after a shootdown\n");
	ksft_test_result(!strcmp(ask(&c, "sleep 9000 10"), "0"), "and it goes deep again\n");
	stop(&c);
}

static void test_policies(const char *policy)
{
	struct stack_info info = { };
	struct child c;
	bool kept;

	write_file(RECLAIM, "never");
	start(&c);
	ask(&c, "touch 100");
	sleep_ms(300);
	kept = stack_info(c.pid, &info) && info.held == usable_pages();
	ksft_test_result(kept, "reclaim=never takes nothing (%s)\n", info.map);

	eager_collector();
	write_file(RECLAIM, "sleep");
	ask(&c, "touch 100");
	ksft_test_result(wait_held(&c, 1, &info), "reclaim=sleep takes it later (%s)\n", info.map);
	ksft_test_result(!strcmp(ask(&c, "sleep 9000 10"), "0"), "and gives it back\n");
	ksft_test_result(write_file(RECLAIM, "sometimes") == -EINVAL,
			 "an unknown policy is refused\n");
	write_file(RECLAIM, policy);
	stop(&c);
}

int main(void)
{
	int total;
	char period[32], sleep[32], policy[32];

	ksft_print_header();
	need_feature();
	page_size = sysconf(_SC_PAGESIZE);
	/* The kernel warns of what goes deeper. */
	total = usable_pages();
	ksft_set_plan(1 + 2 * (total - 2) + 1 + 2 + 3 + 4 + 1);
	read_file(PERIOD, period, sizeof(period));
	read_file(SLEEP, sleep, sizeof(sleep));
	read_file(RECLAIM, policy, sizeof(policy));

	test_shallow();
	test_deep();
	test_remote();
	test_restore(policy);
	test_collect();
	test_policies(policy);
	ksft_test_result(vmstat("kstack_fault") <= 0, "no stack fault\n");

	write_file(PERIOD, period);
	write_file(SLEEP, sleep);
	ksft_finished();
}
