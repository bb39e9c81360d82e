// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the threads that find pages. Included by refill.c.
 */
#include <kunit/test.h>

#include "kunit_test.h"

/* Half of the reserve is for all, a quarter for the killed, the rest for reclaim. */
static int last_resort(void *data)
{
	int node = this_cpu_read(kstack_pool.node);
	unsigned long gauge = dstack_vm_event(NR_KSTACK_POOL);
	struct dstack_iso *iso = data;
	struct page *page, *next;
	LIST_HEAD(taken);

	while ((page = kstack_last_resort(node, DSTACK_LEVEL_NONE)))
		list_add(&page->lru, &taken);
	ISO_EQ(iso, kstack_reserve.nr, kstack_reserve_target / 2);
	while ((page = kstack_last_resort(node, DSTACK_LEVEL_LAST)))
		list_add(&page->lru, &taken);
	ISO_EQ(iso, kstack_reserve.nr, kstack_reserve_target / 4);
	page = kstack_last_resort(node, DSTACK_LEVEL_ALL);
	ISO_TRUE(iso, page);
	if (page)
		list_add(&page->lru, &taken);
	ISO_EQ(iso, kstack_reserve.nr, kstack_reserve_target / 4 - 1);
	list_for_each_entry_safe(page, next, &taken, lru) {
		list_del(&page->lru);
		kstack_list_add(&kstack_reserve, page);
	}
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), gauge);
	return 0;
}

static void refill_last_resort(struct kunit *test)
{
	struct dstack_iso iso = { };

	dstack_isolated(test, last_resort, &iso);
}

static struct kunit_case refill_cases[] = {
	KUNIT_CASE(refill_last_resort),
	{}
};

static struct kunit_suite refill_suite = {
	.name		= "dynamic_stack_refill",
	.init		= dstack_test_init,
	.test_cases	= refill_cases,
};

kunit_test_suite(refill_suite);
