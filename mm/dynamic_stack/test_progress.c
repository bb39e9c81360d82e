// SPDX-License-Identifier: GPL-2.0
/*
 * For the tests of progress without memory: a sleep of dynamic_stack_oom_ms
 * (debugfs) for whoever is about to choose an OOM victim, as virtio_balloon has
 * one. It holds oom_lock, and has no privilege.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/notifier.h>
#include <linux/oom.h>

static u32 test_oom_ms;

static int test_oom_notify(struct notifier_block *nb, unsigned long unused, void *freed)
{
	u32 ms = READ_ONCE(test_oom_ms);

	if (ms)
		msleep(min(ms, 10000U));
	return NOTIFY_OK;
}

static struct notifier_block test_oom_nb = {
	.notifier_call = test_oom_notify,
};

static int __init test_progress_init(void)
{
	debugfs_create_u32("dynamic_stack_oom_ms", 0600, NULL, &test_oom_ms);
	return register_oom_notifier(&test_oom_nb);
}
late_initcall(test_progress_init);
