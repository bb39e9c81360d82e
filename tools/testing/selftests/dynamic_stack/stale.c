// SPDX-License-Identifier: GPL-2.0
/*
 * No CPU knows a page that was taken from a stack: another CPU reads it while
 * the task goes to sleep, and its reads must fault as soon as the slot is
 * empty. The kernel's part is in mm/dynamic_stack/test_stale.c.
 *
 * vm: --smp 2
 */
#define _GNU_SOURCE
#include <sched.h>

#include "common.h"

#define STALE	"/sys/kernel/debug/dynamic_stack_stale"
#define ROUNDS	"300"

int main(void)
{
	long present, absent, empty, stale, collected;
	cpu_set_t cpu;
	int err;

	ksft_print_header();
	need_feature();
	if (access(STALE, W_OK))
		ksft_exit_skip("no " STALE "\n");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		ksft_exit_skip("needs two CPUs\n");
	ksft_set_plan(3);

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		ksft_exit_fail_msg("sched_setaffinity: %s\n", strerror(errno));

	collected = vmstat("kstack_collect");
	err = write_file(STALE, ROUNDS);
	if (err)
		ksft_exit_fail_msg("%s: %s\n", STALE, strerror(-err));
	collected = vmstat("kstack_collect") - collected;
	present = read_key(STALE, "present");
	absent = read_key(STALE, "absent");
	empty = read_key(STALE, "empty");
	stale = read_key(STALE, "stale");

	ksft_test_result(!stale, "no stale read of an empty slot (%ld of %ld)\n", stale, empty);
	/* Else nothing was tested. */
	ksft_test_result(present > 0 && absent > 0 && empty > 0,
			 "the page came and went (%ld reads found it, %ld did not)\n",
			 present, absent);
	ksft_test_result(collected > 0, "frames were collected meanwhile (%ld)\n", collected);
	ksft_finished();
}
