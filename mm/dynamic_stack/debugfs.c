// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: the debugfs view.
 *
 * summary	what all stacks hold, in numbers
 * stacks	a line for each task
 * pools	pages of each CPU and node
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>

#include "internal.h"

/*
 * A task may switch while its descriptor is read. The numbers can then be off
 * by what that switch changed, but each is one that it had.
 */
static int summary_show(struct seq_file *m, void *unused)
{
	unsigned long pages[DSTACK_PAGES + 1] = { }, managed = 0, whole = 0, kept = 0;
	unsigned long idle = 0;
	struct task_struct *group, *tsk;
	unsigned int i;
	int cpu;

	rcu_read_lock();
	for_each_process_thread(group, tsk) {
		struct dynamic_stack *ds;

		if (!try_get_task_stack(tsk))
			continue;
		ds = READ_ONCE(tsk->dynamic_stack);
		if (ds) {
			managed++;
			/* Set once, at any time. */
			kept += data_race(ds->keep);
			pages[dstack_held(ds)]++;
		} else {
			whole++;
			pages[DSTACK_PAGES]++;
		}
		put_task_stack(tsk);
	}
	rcu_read_unlock();

	/* Not on the task list. The boot CPU's has a static stack. */
	for_each_possible_cpu(cpu) {
		tsk = idle_task(cpu);
		if (tsk && tsk != &init_task)
			idle += DSTACK_PAGES;
	}

	seq_printf(m, "enabled %d\n", dynamic_stack_enabled());
	seq_printf(m, "managed %lu\nkept %lu\nwhole %lu\n", managed, kept, whole);
	for (i = !IS_ENABLED(CONFIG_DYNAMIC_STACK_VACATE); i <= DSTACK_PAGES; i++)
		seq_printf(m, "pages_%u %lu\n", i, pages[i]);
	seq_printf(m, "parked_pages %lu\npool_pages %lu\n", dstack_vm_event(NR_KSTACK_PARKED),
		   dstack_vm_event(NR_KSTACK_POOL));
	seq_printf(m, "cached_pages %lu\nidle_pages %lu\n",
		   dynamic_stack_enabled() ? dstack_cached_pages() : 0, idle);
	seq_printf(m, "stack_pages %lu\n", DSTACK_PAGES);
	if (IS_ENABLED(CONFIG_DYNAMIC_STACK_FAULT))
		seq_printf(m, "promised_pages %lu\n", DSTACK_PROMISED);
	if (IS_ENABLED(CONFIG_DYNAMIC_STACK_VACATE))
		kstack_vacate_show(m);
	seq_printf(m, "descriptor_bytes %zu\n", sizeof(struct dynamic_stack));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(summary);

/*
 * How much of the stack was ever in use, as far as one can see: what is in use
 * now, what was accessed when pages were taken, and what has been since.
 */
static unsigned long deepest_use(const struct dynamic_stack *ds, unsigned long sp)
{
	unsigned int i, lowest = min_t(unsigned long, ds->deepest, (sp - ds->base) >> PAGE_SHIFT);

	for (i = 0; i < lowest; i++) {
		if ((ds->mapped & BIT(i)) && pte_young(ptep_get(ds->ptep + i)))
			break;
	}
	return (DSTACK_PAGES - i) * PAGE_SIZE;
}

/*
 * One character for each page, the top of the stack first: M present, P parked,
 * V vacated, - none.
 */
static int stacks_show(struct seq_file *m, void *unused)
{
	struct task_struct *group, *tsk;
	int i;

	seq_puts(m, "    pid held pages            depth deepest comm\n");
	rcu_read_lock();
	for_each_process_thread(group, tsk) {
		struct dynamic_stack *ds;
		char map[DSTACK_PAGES + 1];
		unsigned long sp;

		if (!try_get_task_stack(tsk))
			continue;
		ds = READ_ONCE(tsk->dynamic_stack);
		if (ds) {
			/* It may change while it is copied, see above. */
			struct dynamic_stack now = data_race(*ds);

			for (i = 0; i < DSTACK_PAGES; i++) {
				unsigned int bit = BIT(DSTACK_PAGES - 1 - i);

				map[i] = (now.mapped & bit) ? 'M' :
					 (now.parked & bit) ? 'P' :
					 !i && dstack_vacated(&now) ? 'V' : '-';
			}
			map[DSTACK_PAGES] = '\0';
			sp = arch_dynamic_stack_sp(tsk);
			seq_printf(m, "%7d %4u %-16s %5lu %7lu %s%s\n", tsk->pid,
				   dstack_held(&now), map,
				   ds->base + THREAD_SIZE - sp,
				   deepest_use(&now, sp),
				   tsk->comm, now.keep ? " (kept)" : "");
		}
		put_task_stack(tsk);
	}
	rcu_read_unlock();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stacks);

static int pools_show(struct seq_file *m, void *unused)
{
	if (dynamic_stack_enabled()) {
		kstack_pool_show(m);
		kstack_fault_show(m);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pools);

static int __init dstack_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("dynamic_stack", NULL);

	debugfs_create_file("summary", 0444, dir, NULL, &summary_fops);
	debugfs_create_file("stacks", 0400, dir, NULL, &stacks_fops);
	debugfs_create_file("pools", 0444, dir, NULL, &pools_fops);
	return 0;
}
late_initcall(dstack_debugfs_init);
