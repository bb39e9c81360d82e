// SPDX-License-Identifier: GPL-2.0
/*
 * Does any CPU still know a page that was taken? On request, for tests:
 *
 * echo ROUNDS > dynamic_stack_stale
 *	the calling task sleeps ROUNDS times, while a kworker on another CPU
 *	reads the lowest page of its stack at just that moment, and so has the
 *	page in its TLB if it finds it present. Once the slot is empty, which
 *	means that its frame may be anywhere, that read must fault.
 *
 * Reading the file tells about the last run: reads that found the page, reads
 * that did not, those of an empty slot, and stale ones: of an empty slot,
 * without a fault.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "internal.h"

#define PROBE_US	1000	/* how long to read, in each round */
#define MAX_START_US	1000	/* when to begin, after the task said so */

struct stale {
	struct work_struct	work;
	struct dynamic_stack	*ds;
	unsigned int		rounds;
	bool			armed;		/* the task is about to sleep */
	struct completion	next;
};

static DEFINE_MUTEX(stale_mutex);
static struct stale_counts {
	unsigned long	present, absent, empty, stale;
} counts;

/* Only to map it fills an empty slot, and it counts up seq. */
static bool slot_empty(struct dynamic_stack *ds, unsigned int *seq)
{
	*seq = READ_ONCE(ds->seq);
	smp_rmb();	/* seq before the slot, and the slot before the page */
	return !READ_ONCE(ds->page[0]);
}

static void probe(struct dynamic_stack *ds)
{
	unsigned int before, after;
	unsigned long val;
	bool empty, absent;

	empty = slot_empty(ds, &before);
	smp_rmb();	/* the slot's state before the page */
	absent = copy_from_kernel_nofault(&val, (void *)ds->base, sizeof(val));
	smp_rmb();	/* and the page before the slot's state again */
	empty = empty && slot_empty(ds, &after) && before == after;

	counts.present += !absent;
	counts.absent += absent;
	counts.empty += empty;
	counts.stale += empty && !absent;
}

static void probe_for(struct dynamic_stack *ds, unsigned int us)
{
	ktime_t end = ktime_add_us(ktime_get(), us);

	/* Another task here would flush the TLB under emulation. */
	preempt_disable();
	do {
		probe(ds);
	} while (ktime_before(ktime_get(), end));
	preempt_enable();
}

static void stale_work(struct work_struct *work)
{
	struct stale *s = container_of(work, struct stale, work);
	unsigned int i;

	for (i = 0; i < s->rounds; i++) {
		while (!READ_ONCE(s->armed))
			cond_resched();
		WRITE_ONCE(s->armed, false);
		/* Before the page is taken, and around that. */
		if (i % 4)
			udelay(get_random_u32_below(MAX_START_US));
		probe_for(s->ds, PROBE_US);
		kstack_collect_once(KSTACK_COLLECT_ALL);
		probe_for(s->ds, PROBE_US / 10);
		complete(&s->next);
	}
}

static ssize_t stale_write(struct file *file, const char __user *ubuf, size_t len, loff_t *pos)
{
	struct stale *s;
	unsigned int i, cpu, rounds;
	int err = kstrtouint_from_user(ubuf, len, 0, &rounds);

	if (err)
		return err;
	if (!current->dynamic_stack)
		return -EOPNOTSUPP;
	cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	if (cpu >= nr_cpu_ids)
		return -ENODEV;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;

	mutex_lock(&stale_mutex);
	counts = (struct stale_counts) { };
	s->ds = current->dynamic_stack;
	s->rounds = rounds;
	init_completion(&s->next);
	INIT_WORK(&s->work, stale_work);
	schedule_work_on(cpu, &s->work);
	for (i = 0; i < rounds; i++) {
		WRITE_ONCE(s->armed, true);
		/* Or the reader, if it is slow, would never find the page. */
		if (i % 2)
			udelay(get_random_u32_below(MAX_START_US));
		/* Only such sleepers are shrunk. After a signal, it ends unseen. */
		if (wait_for_completion_interruptible(&s->next))
			wait_for_completion(&s->next);
	}
	flush_work(&s->work);
	mutex_unlock(&stale_mutex);
	kfree(s);
	return len;
}

static int stale_show(struct seq_file *m, void *unused)
{
	mutex_lock(&stale_mutex);
	seq_printf(m, "present %lu\nabsent %lu\nempty %lu\nstale %lu\n",
		   counts.present, counts.absent, counts.empty, counts.stale);
	mutex_unlock(&stale_mutex);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(stale);

static int __init test_stale_init(void)
{
	debugfs_create_file("dynamic_stack_stale", 0600, NULL, NULL, &stale_fops);
	return 0;
}
late_initcall(test_stale_init);
