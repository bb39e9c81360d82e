// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the page pools. Included by pool.c.
 *
 * Each runs while the machine stands still, on this CPU's pool: what is in it
 * is set aside before and is there again afterwards.
 */
#include <kunit/test.h>

#include "kunit_test.h"

#define TEST_PAGES	40
#define TEST_ENOUGH	POOL_ENOUGH
#define TEST_LOW	(TEST_ENOUGH + 1)
#define TEST_HIGH	(TEST_ENOUGH + 2 * DSTACK_MAX_NEED + 1)

struct pool_ctx {
	struct dstack_iso	iso;
	void			(*fn)(struct pool_ctx *ctx);
	struct kstack_pool	*pool;
	struct kstack_pool	saved;
	struct page		*pages[TEST_PAGES];
	unsigned int		nr;		/* pages that are left */
	long			gauge;		/* NR_KSTACK_POOL with an empty pool */
};

/* Leave the pool empty. The pages are still in ctx->pages. */
static void pool_empty(struct pool_ctx *ctx)
{
	while (kstack_pool_del(ctx->pool, 0))
		;
	ctx->pool->starved = false;
	ISO_EQ(&ctx->iso, dstack_vm_event(NR_KSTACK_POOL), ctx->gauge);
}

static int pool_run(void *data)
{
	unsigned int low = kstack_pool_low, high = kstack_pool_high;
	struct pool_ctx *ctx = data;
	struct kstack_pool *pool = this_cpu_ptr(&kstack_pool);
	struct kstack_list *list = &kstack_overflow[pool->node];
	unsigned long keep = list->keep;
	long gauge = dstack_vm_event(NR_KSTACK_POOL);

	ctx->pool = pool;
	ctx->saved.nr = pool->nr;
	ctx->saved.starved = pool->starved;
	ctx->saved.kicked = pool->kicked;
	ctx->saved.backoff = pool->backoff;
	ctx->saved.online = pool->online;
	ctx->saved.retry = pool->retry;
	ctx->saved.served = pool->served;
	ctx->saved.served_level = pool->served_level;
	ctx->saved.node = pool->node;
	ctx->saved.kicks = pool->kicks;
	ctx->saved.want = pool->want;
	ctx->saved.mark = pool->mark;
	memcpy(ctx->saved.pages, pool->pages, sizeof(pool->pages));

	pool->nr = 0;
	pool->starved = false;
	/* No kick, and if there is one it does not wake kstackd. */
	pool->kicked = true;
	pool->backoff = true;
	kstack_pool_low = TEST_LOW;
	kstack_pool_high = TEST_HIGH;
	kstack_pool_set_want(pool, TEST_HIGH);
	list->keep = 0;
	ctx->gauge = gauge;

	ctx->fn(ctx);
	pool_empty(ctx);

	list->keep = keep;
	kstack_pool_low = low;
	kstack_pool_high = high;
	pool->nr = ctx->saved.nr;
	pool->starved = ctx->saved.starved;
	pool->kicked = ctx->saved.kicked;
	pool->backoff = ctx->saved.backoff;
	pool->online = ctx->saved.online;
	pool->retry = ctx->saved.retry;
	pool->served = ctx->saved.served;
	pool->served_level = ctx->saved.served_level;
	pool->node = ctx->saved.node;
	pool->kicks = ctx->saved.kicks;
	pool->want = ctx->saved.want;
	pool->mark = ctx->saved.mark;
	memcpy(pool->pages, ctx->saved.pages, sizeof(pool->pages));
	return 0;
}

static void pool_pages_free(void *data)
{
	struct pool_ctx *ctx = data;

	/* After a failure they may be anywhere: leak them. */
	while (ctx->nr && !ctx->iso.what)
		kstack_page_free(ctx->pages[--ctx->nr]);
}

static void pool_test(struct kunit *test, void (*fn)(struct pool_ctx *ctx))
{
	struct pool_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, pool_pages_free, ctx), 0);
	while (ctx->nr < TEST_PAGES) {
		/* stop_machine() runs it on the first CPU. */
		struct page *page = kstack_page_alloc(cpu_to_mem(cpumask_first(cpu_online_mask)),
						       GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, page);
		ctx->pages[ctx->nr++] = page;
	}
	ctx->fn = fn;
	dstack_isolated(test, pool_run, ctx);
}

static void take_one(struct pool_ctx *ctx, unsigned int have, unsigned int nr,
		     enum dynamic_stack_level level)
{
	static const unsigned int kept[] = { POOL_MIN, POOL_MIN / 2, 0 };
	bool enough = have >= nr + kept[level];
	unsigned int left = have - (enough ? nr : 0), i;
	struct page *got[DSTACK_PAGES] = { };
	struct kstack_pool *pool = ctx->pool;
	struct dstack_iso *iso = &ctx->iso;

	kstack_pool_put(ctx->pages, have);
	ISO_EQ(iso, pool->nr, have);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), ctx->gauge + have);

	ISO_EQ(iso, kstack_pool_take(got, nr, level), enough);
	ISO_EQ(iso, pool->nr, left);
	ISO_EQ(iso, pool->starved, !enough);
	ISO_EQ(iso, dynamic_stack_cpu_starved(pool->cpu), !enough);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), ctx->gauge + left);
	for (i = 0; i < DSTACK_PAGES; i++)
		ISO_TRUE(iso, got[i] == (enough && i < nr ? pool->pages[left + i] : NULL));
	pool_empty(ctx);
}

static void take(struct pool_ctx *ctx)
{
	unsigned int have, nr;

	for (nr = 1; nr <= DSTACK_MAX_NEED; nr++) {
		for (have = 0; have <= TEST_ENOUGH; have++) {
			take_one(ctx, have, nr, DSTACK_LEVEL_NONE);
			take_one(ctx, have, nr, DSTACK_LEVEL_LAST);
			take_one(ctx, have, nr, DSTACK_LEVEL_ALL);
		}
	}
}

static void pool_take(struct kunit *test)
{
	pool_test(test, take);
}

/* Who makes kstackd run: a failure, and the low mark unless it was just tried. */
static void kick(struct pool_ctx *ctx)
{
	struct kstack_pool *pool = ctx->pool;
	struct dstack_iso *iso = &ctx->iso;
	struct page *got[1];

	pool->retry = jiffies;
	pool->kicked = false;
	kstack_pool_put(ctx->pages, TEST_LOW + 1);
	ISO_TRUE(iso, kstack_pool_take(got, 1, DSTACK_LEVEL_NONE));
	ISO_TRUE(iso, !pool->kicked);
	ISO_TRUE(iso, kstack_pool_take(got, 1, DSTACK_LEVEL_NONE));
	ISO_TRUE(iso, pool->kicked);

	pool->kicked = false;
	pool->retry = jiffies + HZ;
	ISO_TRUE(iso, kstack_pool_take(got, 1, DSTACK_LEVEL_NONE));
	ISO_TRUE(iso, !pool->kicked);
	pool_empty(ctx);
	ISO_TRUE(iso, !kstack_pool_take(got, 1, DSTACK_LEVEL_NONE));
	ISO_TRUE(iso, pool->kicked);
}

static void pool_kick(struct kunit *test)
{
	pool_test(test, kick);
}

static void unstarve(struct pool_ctx *ctx)
{
	struct kstack_pool *pool = ctx->pool;
	struct dstack_iso *iso = &ctx->iso;
	struct page *got[1];
	unsigned int i;

	/* From thread context. */
	ISO_TRUE(iso, !kstack_pool_take(got, 1, DSTACK_LEVEL_NONE));
	for (i = 0; i < TEST_ENOUGH; i++) {
		ISO_TRUE(iso, pool->starved);
		ISO_TRUE(iso, kstack_pool_add(pool, ctx->pages[i]));
		ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), ctx->gauge + i + 1);
	}
	ISO_TRUE(iso, !pool->starved);
	pool_empty(ctx);

	/* A kernel thread needs less, whoever else had to wait before. */
	ISO_TRUE(iso, !kstack_pool_take(got, 1, DSTACK_LEVEL_ALL));
	ISO_TRUE(iso, !kstack_pool_take(got, 1, DSTACK_LEVEL_NONE));
	for (i = 0; i < DSTACK_MAX_NEED; i++) {
		ISO_TRUE(iso, pool->starved);
		ISO_TRUE(iso, kstack_pool_add(pool, ctx->pages[i]));
	}
	ISO_TRUE(iso, !pool->starved);
	/* They are kept for it until it has them, and no longer. */
	ISO_EQ(iso, pool->served_level, DSTACK_LEVEL_ALL);
	ISO_TRUE(iso, kstack_pool_take(got, 1, DSTACK_LEVEL_ALL));
	ISO_EQ(iso, pool->served_level, DSTACK_LEVEL_NONE);
	kstack_pool_put(got, 1);
	pool_empty(ctx);

	/* From a switch; the irq_work comes later. */
	ISO_TRUE(iso, !kstack_pool_take(got, 1, DSTACK_LEVEL_NONE));
	kstack_pool_put(ctx->pages, TEST_ENOUGH - 1);
	kstack_kick(&pool->kick);
	ISO_TRUE(iso, pool->starved);
	kstack_pool_put(ctx->pages + TEST_ENOUGH - 1, 1);
	ISO_TRUE(iso, pool->starved);
	kstack_kick(&pool->kick);
	ISO_TRUE(iso, !pool->starved);
	/* Still below the low mark. */
	ISO_TRUE(iso, pool->kicked);
	kstack_pool_put(ctx->pages + TEST_ENOUGH, 1);
	kstack_kick(&pool->kick);
	ISO_TRUE(iso, !pool->kicked);
}

static void pool_unstarve(struct kunit *test)
{
	pool_test(test, unstarve);
}

/* The last @nr of the test's pages have overflown: get them back. */
static void take_overflown(struct pool_ctx *ctx, unsigned long before, unsigned int nr)
{
	struct kstack_list *list = &kstack_overflow[page_to_nid(ctx->pages[0])];
	struct dstack_iso *iso = &ctx->iso;
	unsigned int i;

	ISO_EQ(iso, list->nr, before + nr);
	while (nr-- && !iso->what) {
		struct page *page = kstack_list_del(list);
		bool mine = false;

		for (i = 0; i < TEST_PAGES; i++)
			mine |= page == ctx->pages[i];
		ISO_TRUE(iso, mine);
	}
}

static void high(struct pool_ctx *ctx)
{
	struct kstack_list *list = &kstack_overflow[page_to_nid(ctx->pages[0])];
	struct kstack_pool *pool = ctx->pool;
	struct dstack_iso *iso = &ctx->iso;
	unsigned long before = list->nr;

	kstack_pool_put(ctx->pages, TEST_HIGH - 1);
	ISO_EQ(iso, pool->nr, TEST_HIGH - 1);
	ISO_EQ(iso, list->nr, before);
	kstack_pool_put(ctx->pages + TEST_HIGH - 1, DSTACK_MAX_NEED);
	ISO_EQ(iso, pool->nr, TEST_HIGH);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), ctx->gauge + TEST_HIGH + DSTACK_MAX_NEED - 1);
	take_overflown(ctx, before, DSTACK_MAX_NEED - 1);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), ctx->gauge + TEST_HIGH);
	ISO_TRUE(iso, !kstack_pool_add(pool, ctx->pages[TEST_PAGES - 1]));
	ISO_EQ(iso, pool->nr, TEST_HIGH);
}

static void pool_high(struct kunit *test)
{
	pool_test(test, high);
}

static void foreign(struct pool_ctx *ctx)
{
	unsigned long before = kstack_overflow[page_to_nid(ctx->pages[0])].nr;
	struct kstack_pool *pool = ctx->pool;
	struct dstack_iso *iso = &ctx->iso;

	pool->node = page_to_nid(ctx->pages[0]) + 1;
	kstack_pool_put(ctx->pages, DSTACK_MAX_NEED);
	ISO_EQ(iso, pool->nr, 0);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), ctx->gauge + DSTACK_MAX_NEED);
	take_overflown(ctx, before, DSTACK_MAX_NEED);
}

static void pool_foreign(struct kunit *test)
{
	pool_test(test, foreign);
}

static void drain(struct pool_ctx *ctx)
{
	long pages = dstack_test_pages();
	struct kstack_pool *pool = ctx->pool;
	struct dstack_iso *iso = &ctx->iso;

	ctx->nr -= DSTACK_MAX_NEED;
	kstack_pool_put(ctx->pages + ctx->nr, DSTACK_MAX_NEED);
	pool->online = false;
	ISO_TRUE(iso, !kstack_pool_add(pool, ctx->pages[0]));
	kstack_pool_drain(pool);
	ISO_EQ(iso, pool->nr, 0);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), ctx->gauge);
	ISO_EQ(iso, dstack_test_pages(), pages - DSTACK_MAX_NEED);
}

static void pool_drain(struct kunit *test)
{
	pool_test(test, drain);
}

/* Starved pools first, the rest overflows. */
static void recycle(struct pool_ctx *ctx)
{
	unsigned long before = kstack_overflow[page_to_nid(ctx->pages[0])].nr;
	struct kstack_pool *pool = ctx->pool;
	struct dstack_iso *iso = &ctx->iso;
	unsigned int i;

	memset(page_address(ctx->pages[0]), 1, PAGE_SIZE);
	pool->starved = true;
	pool->level = DSTACK_LEVEL_NONE;
	for (i = 0; i < TEST_ENOUGH + 2; i++)
		kstack_page_recycle(ctx->pages[i]);
	ISO_TRUE(iso, !memchr_inv(page_address(ctx->pages[0]), 0, PAGE_SIZE));
	ISO_EQ(iso, pool->nr, TEST_ENOUGH);
	ISO_TRUE(iso, !pool->starved);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), ctx->gauge + TEST_ENOUGH + 2);
	take_overflown(ctx, before, 2);
}

static void pool_recycle(struct kunit *test)
{
	pool_test(test, recycle);
}

static void trim(struct pool_ctx *ctx)
{
	struct kstack_list *list = &kstack_overflow[page_to_nid(ctx->pages[0])];
	unsigned long before = list->nr, others = kstack_overflow_nr() - before;
	long pages = dstack_test_pages(), pool = dstack_vm_event(NR_KSTACK_POOL);
	struct dstack_iso *iso = &ctx->iso;
	unsigned long freed;

	ctx->nr -= 4;
	kstack_overflow_add(ctx->pages[ctx->nr]);
	kstack_overflow_add(ctx->pages[ctx->nr + 1]);
	kstack_overflow_add(ctx->pages[ctx->nr + 2]);
	kstack_overflow_add(ctx->pages[ctx->nr + 3]);
	ISO_EQ(iso, kstack_overflow_nr(), others + before + 4);
	list->keep = before + 1;
	ISO_EQ(iso, kstack_overflow_nr(), others + 3);
	freed = kstack_overflow_trim();
	/* Other nodes are trimmed as well. */
	ISO_TRUE(iso, freed >= 3);
	ISO_EQ(iso, list->nr, before + 1);
	ISO_EQ(iso, dstack_test_pages(), pages - freed);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool + 4 - freed);
	list->keep = before;
	freed += kstack_overflow_trim();
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool + 4 - freed);
	ctx->gauge -= freed - 4;
}

static void pool_trim(struct kunit *test)
{
	pool_test(test, trim);
}

/* What was taken and put back since the last time stays. */
static void age(struct pool_ctx *ctx)
{
	struct kstack_list *list = &kstack_overflow[page_to_nid(ctx->pages[0])];
	struct dstack_iso *iso = &ctx->iso;
	struct page *page[2];
	long pages;
	int i;

	ctx->gauge -= kstack_overflow_trim();
	kstack_overflow_age();
	pages = dstack_test_pages();
	ctx->nr -= 4;
	for (i = 0; i < 4; i++)
		kstack_overflow_add(ctx->pages[ctx->nr + i]);
	/* They have only just come. */
	kstack_overflow_age();
	ISO_EQ(iso, list->nr, 4);
	for (i = 0; i < 2; i++)
		page[i] = kstack_list_del(list);
	for (i = 0; i < 2; i++)
		kstack_overflow_add(page[i]);
	list->keep = 1;
	kstack_overflow_age();
	ISO_EQ(iso, list->nr, 3);
	kstack_overflow_age();
	ISO_EQ(iso, list->nr, 1);
	list->keep = 0;
	kstack_overflow_age();
	ISO_EQ(iso, list->nr, 0);
	ISO_EQ(iso, dstack_test_pages(), pages - 4);
}

static void pool_age(struct kunit *test)
{
	pool_test(test, age);
}

/* A pool at rest: what it keeps for others stays, and the rest comes from the stock. */
static void rest(struct pool_ctx *ctx)
{
	struct kstack_list *stock = &kstack_overflow[ctx->pool->node];
	struct kstack_pool *pool = ctx->pool;
	struct dstack_iso *iso = &ctx->iso;
	struct page *got[DSTACK_PAGES];
	unsigned int i, have = 2 * DSTACK_NEED - 1;

	kstack_pool_set_want(pool, 0);
	ISO_EQ(iso, pool->want, POOL_MIN);
	kstack_pool_put(ctx->pages, POOL_MIN);
	for (i = 0; i < have; i++)
		kstack_overflow_add(ctx->pages[POOL_MIN + i]);
	pool->retry = jiffies;
	pool->kicked = false;

	/* Those of a higher level take what is kept for them. */
	ISO_TRUE(iso, kstack_pool_take(got, DSTACK_NEED, DSTACK_LEVEL_LAST));
	ISO_EQ(iso, stock->nr, have);
	ISO_EQ(iso, pool->nr, POOL_MIN - DSTACK_NEED);
	ISO_TRUE(iso, pool->kicked);
	kstack_pool_put(got, DSTACK_NEED);
	pool->kicked = false;

	/* Any other task: as much as there is for the next one, and kstackd is told. */
	ISO_TRUE(iso, kstack_pool_take(got, DSTACK_NEED, DSTACK_LEVEL_NONE));
	have -= DSTACK_NEED;
	ISO_EQ(iso, pool->nr, POOL_MIN);
	ISO_EQ(iso, stock->nr, have);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), ctx->gauge + POOL_MIN + have);
	ISO_TRUE(iso, !pool->starved);
	ISO_TRUE(iso, pool->kicked);

	/* All or nothing. */
	ISO_TRUE(iso, !kstack_pool_take(got, DSTACK_NEED, DSTACK_LEVEL_NONE));
	ISO_EQ(iso, pool->nr, POOL_MIN);
	ISO_EQ(iso, stock->nr, DSTACK_NEED - 1);
	ISO_TRUE(iso, pool->starved);
	/* If there is some in the pool, it suffices. */
	pool->starved = false;
	kstack_pool_put(ctx->pages + TEST_PAGES - 1, 1);
	ISO_TRUE(iso, kstack_pool_take(got, DSTACK_NEED, DSTACK_LEVEL_NONE));
	ISO_EQ(iso, pool->nr, POOL_MIN);
	ISO_EQ(iso, stock->nr, 0);
}

static void pool_rest(struct kunit *test)
{
	pool_test(test, rest);
}

/* The more often kstackd is kicked, the more it brings; and what is not needed goes. */
static void grow(struct pool_ctx *ctx)
{
	struct kstack_list *list = &kstack_overflow[ctx->pool->node];
	struct kstack_pool *pool = ctx->pool;
	struct dstack_iso *iso = &ctx->iso;
	unsigned int target;

	kstack_pool_low = 4 * POOL_MIN;
	kstack_pool_high = 8 * POOL_MIN;
	target = kstack_pool_target();
	ISO_EQ(iso, target, 6 * POOL_MIN);
	kstack_pool_set_want(pool, 0);
	ISO_EQ(iso, pool->mark, POOL_MIN);
	ISO_EQ(iso, kstack_pool_enough(pool), POOL_MIN);
	/* Once in a while is no reason to grow. */
	pool->kicks = false;
	kstack_pool_grow(pool);
	ISO_EQ(iso, pool->want, POOL_MIN);
	kstack_pool_grow(pool);
	ISO_EQ(iso, pool->want, 2 * POOL_MIN);
	/* Before there is too little for any task. */
	ISO_EQ(iso, pool->mark, TEST_ENOUGH);
	kstack_pool_grow(pool);
	kstack_pool_grow(pool);
	ISO_EQ(iso, pool->want, target);
	ISO_EQ(iso, pool->mark, kstack_pool_low);
	ISO_EQ(iso, kstack_pool_enough(pool), kstack_pool_low);

	/* It was needed since, or is. */
	kstack_pool_put(ctx->pages, TEST_PAGES);
	pool->kicked = false;
	kstack_pool_age(pool);
	ISO_EQ(iso, pool->want, target);
	pool->starved = true;
	kstack_pool_age(pool);
	ISO_EQ(iso, pool->want, target);
	pool->starved = false;
	ISO_EQ(iso, pool->nr, TEST_PAGES);
	kstack_pool_age(pool);
	ISO_EQ(iso, pool->want, target / 2);
	ISO_EQ(iso, pool->nr, target / 2);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), ctx->gauge + TEST_PAGES);
	kstack_pool_age(pool);
	kstack_pool_age(pool);
	kstack_pool_age(pool);
	ISO_EQ(iso, pool->want, POOL_MIN);
	ISO_EQ(iso, pool->nr, POOL_MIN);
	ISO_EQ(iso, list->nr, TEST_PAGES - POOL_MIN);
	take_overflown(ctx, 0, TEST_PAGES - POOL_MIN);

	/* Who starves gets all at once. */
	ISO_TRUE(iso, !pool->kicks);
	pool->starved = true;
	kstack_pool_grow(pool);
	ISO_EQ(iso, pool->want, target);
	/* Whatever the marks are. */
	kstack_pool_low = TEST_ENOUGH;
	kstack_pool_high = TEST_ENOUGH;
	kstack_pool_set_want(pool, pool->want);
	ISO_EQ(iso, pool->want, TEST_ENOUGH);
	ISO_EQ(iso, pool->mark, TEST_ENOUGH - DSTACK_MAX_NEED);
	ISO_EQ(iso, kstack_pool_enough(pool), TEST_ENOUGH);
}

static void pool_grow(struct kunit *test)
{
	pool_test(test, grow);
}

static void reserve(struct pool_ctx *ctx)
{
	struct dstack_iso *iso = &ctx->iso;
	unsigned long nr = kstack_reserve.nr;
	struct page *page = kstack_list_del(&kstack_reserve);

	if (!page) {
		ISO_EQ(iso, nr, 0);
		return;
	}
	ISO_TRUE(iso, kstack_reserve_low());
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), ctx->gauge - 1);
	kstack_list_add(&kstack_reserve, page);
	ISO_EQ(iso, kstack_reserve_low(), nr < kstack_reserve_target);
	ISO_EQ(iso, kstack_reserve.nr, nr);
}

static void pool_reserve(struct kunit *test)
{
	pool_test(test, reserve);
}

static int page_alloc(void *data)
{
	struct dstack_iso *iso = data;
	long pages = dstack_test_pages();
	struct page *page = kstack_page_alloc(numa_mem_id(), GFP_NOWAIT);

	ISO_TRUE(iso, page);
	if (!page)
		return 0;
	ISO_EQ(iso, dstack_test_pages(), pages + 1);
	ISO_TRUE(iso, !memchr_inv(page_address(page), 0, PAGE_SIZE));
	memset(page_address(page), 0x5a, PAGE_SIZE);
	kstack_page_free(page);
	ISO_EQ(iso, dstack_test_pages(), pages);
	return 0;
}

static void pool_page(struct kunit *test)
{
	struct dstack_iso iso = { };

	dstack_isolated(test, page_alloc, &iso);
}

/* What another CPU's pool gives at last, and to whom: pools that nobody uses. */
static void pool_keep(struct kunit *test)
{
	struct kstack_pool *pools = kunit_kcalloc(test, 2, sizeof(*pools), GFP_KERNEL);
	const unsigned int half = POOL_MIN / 2;
	struct kstack_pool *first = pools, *second = pools + 1;

	KUNIT_ASSERT_NOT_NULL(test, pools);
	second->cpu = 1;
	first->served = jiffies - HZ;
	second->served = first->served;

	/* Nobody has to wait, or only one who may wait for memory. */
	first->level = DSTACK_LEVEL_LAST;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), POOL_ENOUGH);
	first->starved = true;
	first->level = DSTACK_LEVEL_ALL;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), 0);
	first->level = DSTACK_LEVEL_NONE;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), POOL_ENOUGH);

	first->level = DSTACK_LEVEL_LAST;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), half);
	second->starved = true;
	second->level = DSTACK_LEVEL_NONE;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), half);
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(first, second), POOL_ENOUGH);
	/* Also if it got something just now: that was for another level. */
	second->served = jiffies;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), half);
	second->served = first->served;

	/* One of two takes from the other: who was helped longest ago, or comes first. */
	second->level = DSTACK_LEVEL_LAST;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), half);
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(first, second), POOL_ENOUGH);
	first->served++;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), POOL_ENOUGH);
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(first, second), half);
	second->level = DSTACK_LEVEL_ALL;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), POOL_ENOUGH);
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(first, second), 0);

	/* It has just been given what it needs... */
	second->starved = false;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), half);
	second->served_level = DSTACK_LEVEL_LAST;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), half);
	second->served = jiffies;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), POOL_ENOUGH);
	/* ...and its CPU has picked another task meanwhile, which may wait. */
	second->starved = true;
	second->level = DSTACK_LEVEL_NONE;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), POOL_ENOUGH);
	/* That is for one who is killed, not for one that nobody may wait for. */
	first->level = DSTACK_LEVEL_ALL;
	KUNIT_EXPECT_EQ(test, kstack_pool_keep(second, first), 0);
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE(pool_take),
	KUNIT_CASE(pool_kick),
	KUNIT_CASE(pool_unstarve),
	KUNIT_CASE(pool_high),
	KUNIT_CASE(pool_foreign),
	KUNIT_CASE(pool_drain),
	KUNIT_CASE(pool_recycle),
	KUNIT_CASE(pool_trim),
	KUNIT_CASE(pool_age),
	KUNIT_CASE(pool_rest),
	KUNIT_CASE(pool_grow),
	KUNIT_CASE(pool_reserve),
	KUNIT_CASE(pool_page),
	KUNIT_CASE(pool_keep),
	{}
};

static struct kunit_suite pool_suite = {
	.name		= "dynamic_stack_pool",
	.init		= dstack_test_init,
	.test_cases	= pool_cases,
};

kunit_test_suite(pool_suite);
