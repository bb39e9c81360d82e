// SPDX-License-Identifier: GPL-2.0
/*
 * What nobody should do to a stack that nobody refers to. On request, for tests:
 *
 * echo PID > dynamic_stack_touch
 *	read a word of the top page of that task's stack, as code with a pointer into it
 *	would: with dynamic_stack.vacate=park that is reported.
 * echo PID > dynamic_stack_forge
 *	change a bit of what is kept of its stack's top page: when the task is woken up,
 *	the kernel panics.
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/pid.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/uaccess.h>

#include "internal.h"

static struct task_struct *task_of(const char __user *ubuf, size_t len, int *err)
{
	struct task_struct *tsk;
	unsigned int pid;

	*err = kstrtouint_from_user(ubuf, len, 0, &pid);
	if (*err)
		return NULL;
	rcu_read_lock();
	tsk = find_task_by_vpid(pid);
	if (tsk)
		get_task_struct(tsk);
	rcu_read_unlock();
	if (tsk && (!tsk->dynamic_stack || !try_get_task_stack(tsk))) {
		put_task_struct(tsk);
		tsk = NULL;
	}
	if (!tsk)
		*err = -ESRCH;
	return tsk;
}

static void put_task(struct task_struct *tsk)
{
	put_task_stack(tsk);
	put_task_struct(tsk);
}

static ssize_t touch_write(struct file *file, const char __user *ubuf, size_t len, loff_t *pos)
{
	struct task_struct *tsk;
	int err;

	tsk = task_of(ubuf, len, &err);
	if (!tsk)
		return err;
	READ_ONCE(*(unsigned long *)(tsk->dynamic_stack->base + THREAD_SIZE - sizeof(long)));
	put_task(tsk);
	return len;
}

static const struct file_operations touch_fops = {
	.write	= touch_write,
};

static ssize_t forge_write(struct file *file, const char __user *ubuf, size_t len, loff_t *pos)
{
	struct task_struct *tsk;
	struct dynamic_stack *ds;
	int err;

	tsk = task_of(ubuf, len, &err);
	if (!tsk)
		return err;
	ds = tsk->dynamic_stack;
	err = -ENOENT;
	raw_spin_lock_irq(&ds->lock);
	if (ds->copy) {
		((u8 *)ds->copy)[ds->copy_len / 2] ^= 1;
		err = 0;
	}
	raw_spin_unlock_irq(&ds->lock);
	put_task(tsk);
	return err ?: len;
}

static const struct file_operations forge_fops = {
	.write	= forge_write,
};

static int __init test_vacate_init(void)
{
	debugfs_create_file("dynamic_stack_touch", 0200, NULL, NULL, &touch_fops);
	debugfs_create_file("dynamic_stack_forge", 0200, NULL, NULL, &forge_fops);
	return 0;
}
late_initcall(test_vacate_init);
