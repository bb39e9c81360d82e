// SPDX-License-Identifier: GPL-2.0
/*
 * Look at stacks on request, for tests. Through debugfs:
 *
 * echo "reliable PID" > dynamic_stack_look
 *	unwind another task's stack as livepatch does: -EBUSY if it runs just
 *	now, -EINVAL if the trace is not reliable, -ENOENT if it is empty
 * echo scan > dynamic_stack_look
 *	does the calling task's stack hold what another task left there?
 *	-EUCLEAN if so. The task must not have used dynamic_stack_test itself.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/debugfs.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/pid.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/stacktrace.h>
#include <linux/uaccess.h>

#include "internal.h"

#define MAX_ENTRIES	64

/* Under task_call_func(), as in klp_try_switch_task(): it can't run meanwhile. */
static int look_reliable(struct task_struct *tsk, void *data)
{
	if (task_curr(tsk))
		return -EBUSY;
	return stack_trace_save_tsk_reliable(tsk, data, MAX_ENTRIES);
}

static int reliable(pid_t nr)
{
	unsigned long entries[MAX_ENTRIES];
	struct task_struct *tsk;
	int ret;

	tsk = find_get_task_by_vpid(nr);
	if (!tsk)
		return -ESRCH;
	ret = task_call_func(tsk, look_reliable, entries);
	put_task_struct(tsk);
	return ret ?: -ENOENT;
}

/*
 * Through the direct map, so that nothing here touches the stack's own
 * addresses. A page that this task has not touched must be zero; in others,
 * only the task itself may have written.
 */
static int scan(void)
{
	struct dynamic_stack *ds = current->dynamic_stack;
	unsigned int i, n, marks = 0, dirty = 0;

	if (!ds)
		return -EOPNOTSUPP;
	/* It runs, so its pages stay where they are. */
	for (i = 0; i < DSTACK_PAGES; i++) {
		unsigned long *word;
		unsigned int used = 0;

		if (!ds->page[i])
			continue;
		word = page_address(ds->page[i]);
		for (n = 0; n < PAGE_SIZE / sizeof(*word); n++) {
			used += !!READ_ONCE_NOCHECK(word[n]);
			marks += READ_ONCE_NOCHECK(word[n]) >> 32 == DSTACK_TEST_MARK;
		}
		if (!pte_young(ptep_get(ds->ptep + i)))
			dirty += used;
	}
	if (marks || dirty)
		pr_info("%s[%d]: %u words of another task, %u in untouched pages\n",
			current->comm, current->pid, marks, dirty);
	return marks || dirty ? -EUCLEAN : 0;
}

static ssize_t look_write(struct file *file, const char __user *ubuf, size_t len, loff_t *pos)
{
	char buf[32];
	int err, nr;

	if (len >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, len))
		return -EFAULT;
	buf[len] = '\0';

	if (sscanf(buf, "reliable %d", &nr) == 1)
		err = reliable(nr);
	else if (!strncmp(buf, "scan", 4))
		err = scan();
	else
		err = -EINVAL;
	return err < 0 ? err : len;
}

static const struct file_operations look_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.write	= look_write,
};

static int __init test_look_init(void)
{
	debugfs_create_file("dynamic_stack_look", 0200, NULL, NULL, &look_fops);
	return 0;
}
late_initcall(test_look_init);
