/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SELFTEST_DYNAMIC_STACK_COMMON_H
#define SELFTEST_DYNAMIC_STACK_COMMON_H

#include "files.h"
#include "kselftest.h"

#define PERIOD		"/proc/sys/vm/dynamic_stack_collect_period_ms"
#define SLEEP		"/proc/sys/vm/dynamic_stack_sleep_ms"
#define RECLAIM		"/sys/module/dynamic_stack/parameters/reclaim"

static inline void need_feature(void)
{
	if (geteuid())
		ksft_exit_skip("must be root\n");
	if (read_key(DEBUGFS "summary", "enabled") != 1)
		ksft_exit_skip("dynamic stacks are off, or no debugfs\n");
	if (access(TESTFILE, W_OK))
		ksft_exit_skip("no CONFIG_DYNAMIC_STACK_TEST\n");
}

#endif
