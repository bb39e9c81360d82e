// SPDX-License-Identifier: GPL-2.0
/*
 * Use much stack on request, for tests. Through debugfs, as the calling task:
 *
 * echo "touch BYTES" > dynamic_stack_test
 *	go BYTES deep and come back
 * echo "sleep BYTES MS" > dynamic_stack_test
 *	go BYTES deep, sleep there for MS, check that the stack's contents are
 *	what they were: -EUCLEAN if not
 * echo "block BYTES MS" > dynamic_stack_test
 *	the same, in an uninterruptible sleep
 * echo "remote BYTES MS" > dynamic_stack_test
 *	the same, and meanwhile a kworker on another CPU writes to an object in
 *	the deepest frame; that the task sees what was written is checked as well
 * echo "pair BYTES N" > dynamic_stack_test
 *	of two tasks that do this: go BYTES deep, then wake each other up N times;
 *	one pair at a time
 * echo "mutex BYTES MS N" > dynamic_stack_test
 *	hold mutex N, 0 to 3, go BYTES deep and sleep there for MS; back up, wait
 *	for mutex N - 1, if that is one
 *
 * Reading the file tells the frames of the reading task's own stack.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/mutex.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "internal.h"

#define STEP		256	/* bytes of stack that one level takes, at least */

struct deep {
	unsigned long	bottom;		/* go down to here */
	unsigned int	sleep_ms;
	unsigned int	rounds;
	bool		remote;
	bool		block;
	bool		clean;		/* contents were as expected */
};

struct remote_write {
	struct work_struct	work;
	unsigned long		*word;
	unsigned long		value;
};

static void remote_write(struct work_struct *work)
{
	struct remote_write *w = container_of(work, struct remote_write, work);

	WRITE_ONCE(*w->word, w->value);
}

/* Not on the stack: what runs elsewhere must not go deeper than its own. */
static bool deep_remote(unsigned long *word)
{
	struct remote_write *w = kmalloc(sizeof(*w), GFP_KERNEL);
	unsigned int cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	bool seen;

	if (!w)
		return false;
	if (cpu >= nr_cpu_ids)
		cpu = raw_smp_processor_id();
	INIT_WORK(&w->work, remote_write);
	w->word = word;
	w->value = (unsigned long)word ^ jiffies ^ 0x5a5a5a5a5a5a5a5aUL;
	schedule_work_on(cpu, &w->work);
	flush_work(&w->work);
	seen = READ_ONCE(*word) == w->value;
	kfree(w);
	return seen;
}

/* Completions count, so neither side can be too early. */
static struct completion pair_turn[2];
static atomic_t pair_sides = ATOMIC_INIT(0);

static bool deep_pair(unsigned int rounds)
{
	unsigned int side = atomic_fetch_inc(&pair_sides) & 1;

	while (rounds--) {
		complete(&pair_turn[!side]);
		if (wait_for_completion_interruptible(&pair_turn[side]))
			return false;
	}
	return true;
}

/* Says whose word it is, and at what address. */
static unsigned long pattern(void *addr)
{
	return DSTACK_TEST_MARK << 32 | (u32)((unsigned long)addr ^ (unsigned long)current);
}

static noinline void go_deep(struct deep *deep)
{
	unsigned long fill[STEP / sizeof(long)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fill); i++)
		WRITE_ONCE(fill[i], pattern(&fill[i]));

	if ((unsigned long)fill > deep->bottom + 2 * STEP) {
		go_deep(deep);
	} else {
		if (deep->remote && !deep_remote(&fill[0]))
			deep->clean = false;
		WRITE_ONCE(fill[0], pattern(&fill[0]));
		if (deep->sleep_ms && deep->block)
			msleep(deep->sleep_ms);
		else if (deep->sleep_ms)
			msleep_interruptible(deep->sleep_ms);
		if (deep->rounds && !deep_pair(deep->rounds))
			deep->clean = false;
	}

	for (i = 0; i < ARRAY_SIZE(fill); i++) {
		if (READ_ONCE(fill[i]) != pattern(&fill[i]))
			deep->clean = false;
	}
}

/* A chain: whoever holds one of them waits for the one before it. */
static struct mutex chain[4];

static void deep_chain(struct deep *deep, unsigned int link)
{
	mutex_lock(&chain[link]);
	go_deep(deep);
	if (link) {
		mutex_lock_nested(&chain[link - 1], SINGLE_DEPTH_NESTING);
		mutex_unlock(&chain[link - 1]);
	}
	mutex_unlock(&chain[link]);
}

static ssize_t test_write(struct file *file, const char __user *ubuf, size_t len, loff_t *pos)
{
	/* What msleep() and the scheduler need below the deepest frame. */
	const unsigned long room = 3072;
	struct deep deep = { .clean = true };
	unsigned long top = (unsigned long)task_stack_page(current) + THREAD_SIZE;
	unsigned int bytes, ms = 0, link = 0;
	char buf[64], cmd[16];

	if (len >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, len))
		return -EFAULT;
	buf[len] = '\0';
	if (sscanf(buf, "%15s %u %u %u", cmd, &bytes, &ms, &link) < 2 ||
	    link >= ARRAY_SIZE(chain))
		return -EINVAL;
	if (bytes > THREAD_SIZE - room)
		return -ERANGE;

	if (!strcmp(cmd, "remote"))
		deep.remote = true;
	else if (!strcmp(cmd, "block"))
		deep.block = true;
	else if (!strcmp(cmd, "touch"))
		ms = 0;
	else if (!strcmp(cmd, "pair"))
		swap(deep.rounds, ms);
	else if (strcmp(cmd, "sleep") && strcmp(cmd, "mutex"))
		return -EINVAL;

	deep.bottom = top - bytes;
	deep.sleep_ms = ms;
	if (!strcmp(cmd, "mutex"))
		deep_chain(&deep, link);
	else
		go_deep(&deep);
	return deep.clean ? len : -EUCLEAN;
}

/* pfn of each page, from the top; "-" without one, "whole" if not managed. */
static int test_show(struct seq_file *m, void *unused)
{
	struct dynamic_stack *ds = current->dynamic_stack;
	int i;

	if (!ds) {
		seq_puts(m, "whole\n");
		return 0;
	}
	/* This task runs, so nobody else changes it. */
	for (i = DSTACK_PAGES - 1; i >= 0; i--) {
		if (ds->page[i])
			seq_printf(m, "%lx", page_to_pfn(ds->page[i]));
		else
			seq_puts(m, "-");
		seq_putc(m, i ? ' ' : '\n');
	}
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(test);

static int __init test_deep_init(void)
{
	int i;

	init_completion(&pair_turn[0]);
	init_completion(&pair_turn[1]);
	for (i = 0; i < ARRAY_SIZE(chain); i++)
		mutex_init(&chain[i]);
	debugfs_create_file("dynamic_stack_test", 0600, NULL, NULL, &test_fops);
	return 0;
}
late_initcall(test_deep_init);
