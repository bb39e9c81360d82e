// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of dynamic kernel stacks: what the suites have in common.
 *
 * The system that these run on has its own stacks and pools. What needs exact
 * numbers runs under stop_machine(): nobody else switches, takes or gives.
 */
#include <linux/stop_machine.h>

#include "kunit_test.h"
#include "pool.h"

/* For every case of every suite: without the feature there is nothing to test. */
int dstack_test_init(struct kunit *test)
{
	if (!dynamic_stack_enabled())
		kunit_skip(test, "dynamic_stack is off");
	return 0;
}

struct isolated {
	int	(*fn)(void *data);
	void	*data;
};

/* A pool that lacks pages gets none from its node's stock: that is set aside. */
static int isolated_run(void *data)
{
	struct kstack_list *list = &kstack_overflow[this_cpu_read(kstack_pool.node)];
	unsigned long nr = list->nr, low = list->low;
	struct isolated *isolated = data;
	LIST_HEAD(stock);
	int ret;

	list_splice_init(&list->pages, &stock);
	list->nr = 0;
	list->low = 0;
	ret = isolated->fn(isolated->data);
	list_splice(&stock, &list->pages);
	list->nr += nr;
	list->low = min(low, list->nr);
	return ret;
}

/* stop_machine() runs a case on this CPU: its pool must not be at rest. */
static void isolated_pool(struct kunit *test)
{
	struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpumask_first(cpu_online_mask));

	/* Also if it has grown: it is not to age meanwhile. */
	do {
		kstack_pool_grow(pool);
	} while (READ_ONCE(pool->want) < kstack_pool_target());
	while (READ_ONCE(pool->nr) < kstack_pool_target()) {
		struct page *page = kstack_page_alloc(pool->node, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, page);
		if (!kstack_pool_add(pool, page))
			kstack_page_free(page);
	}
}

/* Run @fn while the rest of the machine stands still; @data begins with a dstack_iso. */
void dstack_isolated(struct kunit *test, int (*fn)(void *data), void *data)
{
	struct isolated isolated = { .fn = fn, .data = data };
	struct dstack_iso *iso = data;

	isolated_pool(test);
	KUNIT_ASSERT_EQ(test, stop_machine(isolated_run, &isolated, NULL), 0);
	if (iso->what)
		KUNIT_FAIL(test, "line %d: %s: %ld, %ld", iso->line, iso->what,
			   iso->left, iso->right);
}

/* KernelStack, in pages; exact while the machine stands still. */
long dstack_test_pages(void)
{
	long kb = 0;
	int node, cpu;

	for_each_online_node(node) {
		struct pglist_data *pgdat = NODE_DATA(node);

		kb += atomic_long_read(&pgdat->vm_stat[NR_KERNEL_STACK_KB]);
		for_each_online_cpu(cpu)
			kb += per_cpu_ptr(pgdat->per_cpu_nodestats, cpu)
				->vm_node_stat_diff[NR_KERNEL_STACK_KB];
	}
	return kb / (long)(PAGE_SIZE / 1024);
}
