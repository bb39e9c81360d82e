// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of a stack's life: creation, the cache, exit, keep, the charge.
 * Included by stack.c.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>

#include "kunit_test.h"

#define TEST_WAIT	(20 * HZ)

struct stack_ctx {
	struct dstack_iso	iso;
	struct task_struct	*tsk;
	struct dynamic_stack	*ds;
	struct dynamic_stack	*other[NR_CACHED];
	struct dynamic_stack	*saved[NR_CACHED];
	struct page		*stash[POOL_CAPACITY];
};

static struct dynamic_stack *stack_create(struct kunit *test)
{
	struct dynamic_stack *ds = dstack_create(NUMA_NO_NODE);

	KUNIT_ASSERT_NOT_NULL(test, ds);
	return ds;
}

/* This CPU's cache, as the case wants it; and as it was. */
static void cache_set(struct dynamic_stack **want, struct dynamic_stack **old)
{
	int i;

	for (i = 0; i < NR_CACHED; i++) {
		old[i] = this_cpu_read(dstack_cached[i]);
		this_cpu_write(dstack_cached[i], want[i]);
	}
}

/* This CPU's pool gets what it lacks: kstackd may not have had its turn. */
static void pool_top_up(struct stack_ctx *ctx, enum kstack_mark mark, unsigned int *nr)
{
	while (kstack_pool_below(mark) && *nr < POOL_CAPACITY && ctx->stash[*nr])
		kstack_pool_put(&ctx->stash[(*nr)++], 1);
}

/* The task used its whole stack but for page 1. */
static void use_stack(struct stack_ctx *ctx)
{
	struct dynamic_stack *ds = ctx->ds;
	unsigned int i;

	ctx->tsk->dynamic_stack = ds;
	dstack_test_populate(&ctx->iso, ctx->tsk);
	if (ctx->iso.what)
		return;
	for (i = 0; i < DSTACK_PAGES; i++) {
		if (i != 1)
			memset(dstack_test_word(ds, i), 0x5a, 512);
	}
	dstack_test_untouched(ds, BIT(1));
}

static struct stack_ctx *stack_ctx(struct kunit *test)
{
	struct stack_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->tsk = dstack_test_task(test);
	ctx->ds = ctx->tsk->dynamic_stack;
	return ctx;
}

static void stack_fresh(struct kunit *test)
{
	struct dynamic_stack *ds = stack_create(test);
	unsigned int i;

	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(ds->base, THREAD_ALIGN));
	KUNIT_EXPECT_EQ(test, ds->mapped, BIT(DSTACK_PAGES - 1));
	KUNIT_EXPECT_EQ(test, ds->parked, 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&ds->ref), 1);
	for (i = 0; i < DSTACK_PAGES - 1; i++) {
		KUNIT_EXPECT_NULL(test, ds->page[i]);
		KUNIT_EXPECT_TRUE(test, pte_none(ptep_get(ds->ptep + i)));
	}
	KUNIT_EXPECT_TRUE(test, pte_present(ptep_get(ds->ptep + i)));
	KUNIT_EXPECT_TRUE(test, pte_young(ptep_get(ds->ptep + i)));
	KUNIT_EXPECT_PTR_EQ(test, vmalloc_to_page((void *)ds->base + i * PAGE_SIZE), ds->page[i]);
	KUNIT_EXPECT_TRUE(test, !memchr_inv(page_address(ds->page[i]), 0, PAGE_SIZE));
	dstack_destroy(ds);
}

static int cache_reuse(void *data)
{
	struct dynamic_stack *none[NR_CACHED] = { }, *left[NR_CACHED];
	struct stack_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	long pages = dstack_test_pages(), pool, gauge, cached;
	struct page *page[DSTACK_PAGES];
	unsigned int i, round, nr = 0;

	cache_set(none, ctx->saved);
	pool_top_up(ctx, KSTACK_MARK_HIGH, &nr);
	for (round = 0; round < 2; round++) {
		use_stack(ctx);
		/* Where pages are short, the pool would get those of the stack. */
		pool_top_up(ctx, KSTACK_MARK_LOW, &nr);
		if (iso->what)
			break;
		memcpy(page, ds->page, sizeof(page));
		pool = dstack_vm_event(NR_KSTACK_POOL);
		gauge = dstack_vm_event(NR_KSTACK_PARKED);
		cached = dstack_cached_pages();

		dstack_free(ctx->tsk);
		ISO_TRUE(iso, !ctx->tsk->dynamic_stack);
		ISO_TRUE(iso, !ds->task);
		ISO_TRUE(iso, this_cpu_read(dstack_cached[0]) == ds);
		/* As it was: whole, the untouched page too. */
		ISO_TRUE(iso, dstack_complete(ds));
		ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool);
		ISO_EQ(iso, dstack_vm_event(NR_KSTACK_PARKED), gauge);
		ISO_EQ(iso, dstack_cached_pages(), cached + DSTACK_PAGES);
		/*
		 * Only what was touched is cleared: this page says that it was
		 * not. (The debug kernel would warn, and rightly.)
		 */
		if (!IS_ENABLED(CONFIG_DYNAMIC_STACK_DEBUG))
			*(u8 *)page_address(page[1]) = 1;

		ISO_TRUE(iso, dstack_reuse() == ds);
		ISO_TRUE(iso, !this_cpu_read(dstack_cached[0]));
		ISO_EQ(iso, dstack_cached_pages(), cached);
		ISO_EQ(iso, dstack_vm_event(NR_KSTACK_PARKED), gauge);
		ISO_EQ(iso, *(u8 *)page_address(page[1]), !IS_ENABLED(CONFIG_DYNAMIC_STACK_DEBUG));
		*(u8 *)page_address(page[1]) = 0;
		dstack_test_consistent(iso, ds);
		for (i = 0; i < DSTACK_PAGES; i++) {
			ISO_TRUE(iso, ds->page[i] == page[i]);
			ISO_TRUE(iso, !memchr_inv(page_address(page[i]), 0, PAGE_SIZE));
		}
		ISO_EQ(iso, dstack_test_pages(), pages);
	}
	/* What the pool got may be on the stack by now. */
	memset(ctx->stash, 0, nr * sizeof(*ctx->stash));
	ctx->tsk->dynamic_stack = ds;
	cache_set(ctx->saved, left);
	return 0;
}

static void stash_fill(struct kunit *test, struct stack_ctx *ctx)
{
	unsigned int i;

	for (i = 0; i < POOL_CAPACITY; i++) {
		ctx->stash[i] = kstack_page_alloc(NUMA_NO_NODE, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, ctx->stash[i]);
	}
}

static void stash_free(struct stack_ctx *ctx)
{
	unsigned int i;

	for (i = 0; i < POOL_CAPACITY; i++) {
		if (ctx->stash[i])
			kstack_page_free(ctx->stash[i]);
	}
}

static void stack_cache_reuse(struct kunit *test)
{
	struct stack_ctx *ctx = stack_ctx(test);

	stash_fill(test, ctx);
	dstack_isolated(test, cache_reuse, ctx);
	stash_free(ctx);
}

static int exit_destroys(void *data)
{
	struct stack_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	long pages = dstack_test_pages(), cached = dstack_cached_pages();
	long pool = dstack_vm_event(NR_KSTACK_POOL), gauge = dstack_vm_event(NR_KSTACK_PARKED);
	unsigned int nr = 0;

	/* No room in the cache, nor in the pool. */
	cache_set(ctx->other, ctx->saved);
	use_stack(ctx);
	pool_top_up(ctx, KSTACK_MARK_HIGH, &nr);
	dstack_free(ctx->tsk);
	/* All wait for process context. */
	ISO_TRUE(iso, ds->page[1]);
	/* All lower pages came from the pool, and the untouched one goes back. */
	while (nr && kstack_pool_take(&ctx->stash[nr - 1], 1, DSTACK_LEVEL_ALL))
		nr--;
	ISO_EQ(iso, nr, 0);
	dstack_salvage(ds);
	ISO_TRUE(iso, !ds->page[1]);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool - DSTACK_NEED + 1);
	ISO_EQ(iso, dstack_test_pages(), pages);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_PARKED), gauge);
	ISO_EQ(iso, dstack_cached_pages(), cached);
	cache_set(ctx->saved, ctx->other);
	return 0;
}

/* A stack that no fork needs goes, and not sooner. */
static int cache_age(void *data)
{
	struct dynamic_stack *none[NR_CACHED] = { }, *left[NR_CACHED];
	struct stack_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	unsigned int nr = 0;
	unsigned long cached;

	cache_set(none, ctx->saved);
	cached = dstack_cached_pages();
	use_stack(ctx);
	pool_top_up(ctx, KSTACK_MARK_LOW, &nr);
	ds->last_out = jiffies - 10;
	dstack_free(ctx->tsk);
	ISO_TRUE(iso, this_cpu_read(dstack_cached[0]) == ds);
	/* Others' are older than that, or stay. */
	dstack_cache_age(MAX_JIFFY_OFFSET);
	ISO_TRUE(iso, this_cpu_read(dstack_cached[0]) == ds);
	ISO_EQ(iso, dstack_cached_pages(), cached + DSTACK_PAGES);
	/* Put into the next free place, it is found as well. */
	cache_set(none, left);
	this_cpu_write(dstack_cached[NR_CACHED - 1], ds);
	dstack_cache_age(10);
	ISO_TRUE(iso, !this_cpu_read(dstack_cached[NR_CACHED - 1]));
	ISO_TRUE(iso, dstack_cached_pages() <= cached);
	cache_set(ctx->saved, left);
	/* What the pool got may be on the stack by now. */
	memset(ctx->stash, 0, nr * sizeof(*ctx->stash));
	return 0;
}

/* Pages are short here: all that a dead stack has goes to the pool. */
static int exit_strips(void *data)
{
	struct dynamic_stack *none[NR_CACHED] = { }, *left[NR_CACHED];
	struct stack_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	long pages = dstack_test_pages(), pool, gauge = dstack_vm_event(NR_KSTACK_PARKED);
	unsigned int nr = 0, i;

	cache_set(none, ctx->saved);
	use_stack(ctx);
	/* One is parked. */
	dstack_park(ds, ds->base + PAGE_SIZE + 8);
	while (!kstack_pool_below(KSTACK_MARK_LOW) &&
	       kstack_pool_take(ctx->stash + nr, 1, DSTACK_LEVEL_ALL))
		nr++;
	pool = dstack_vm_event(NR_KSTACK_POOL);
	ISO_TRUE(iso, kstack_pool_below(KSTACK_MARK_LOW));
	dstack_free(ctx->tsk);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool + DSTACK_PAGES);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_PARKED), gauge);
	ISO_EQ(iso, dstack_held(ds), 0);
	ISO_EQ(iso, ds->mapped | ds->parked, 0);
	for (i = 0; i < DSTACK_PAGES; i++)
		ISO_TRUE(iso, pte_none(ptep_get(ds->ptep + i)));
	ISO_TRUE(iso, !this_cpu_read(dstack_cached[0]));
	/* And they are clean. */
	ISO_TRUE(iso, kstack_pool_take(ctx->stash + nr, DSTACK_PAGES, DSTACK_LEVEL_ALL));
	for (i = 0; i < DSTACK_PAGES && !iso->what; i++)
		ISO_TRUE(iso, !memchr_inv(page_address(ctx->stash[nr + i]), 0, PAGE_SIZE));
	if (!iso->what)
		kstack_pool_put(ctx->stash, nr + DSTACK_PAGES);
	ISO_EQ(iso, dstack_test_pages(), pages);
	cache_set(ctx->saved, left);
	return 0;
}

static void stack_exit_strips(struct kunit *test)
{
	struct stack_ctx *ctx = stack_ctx(test);
	struct dynamic_stack *given = ctx->ds;

	ctx->ds = stack_create(test);
	dstack_isolated(test, exit_strips, ctx);
	ctx->tsk->dynamic_stack = given;
}

/* Whoever put the first one on the list may be about to kick. */
static void flush_dead(void)
{
	mod_delayed_work(dstack_wq, &dstack_dead_work, 0);
	flush_delayed_work(&dstack_dead_work);
}

/* They don't wait for a timer that may be late, once somebody starves. */
static void stack_dead_hurry(struct kunit *test)
{
	struct dynamic_stack *ds = stack_create(test);

	/* To see what becomes of it. */
	refcount_inc(&ds->ref);
	flush_dead();
	mod_delayed_work(dstack_wq, &dstack_dead_work, 1000 * HZ);
	dstack_destroy(ds);
	dstack_cache_age(0);
	flush_work(&dstack_dead_work.work);
	KUNIT_EXPECT_NULL(test, ds->vm);
	KUNIT_EXPECT_EQ(test, refcount_read(&ds->ref), 1);
	flush_dead();
	dstack_put(ds);
}

static void stack_exit_destroys(struct kunit *test)
{
	struct stack_ctx *ctx = stack_ctx(test);
	struct dynamic_stack *ds = stack_create(test), *given = ctx->ds;
	unsigned int i;

	for (i = 0; i < NR_CACHED; i++)
		ctx->other[i] = stack_create(test);
	stash_fill(test, ctx);
	ctx->ds = ds;
	/* To see what becomes of it. */
	refcount_inc(&ds->ref);
	dstack_isolated(test, exit_destroys, ctx);
	ctx->tsk->dynamic_stack = given;
	stash_free(ctx);

	flush_dead();
	KUNIT_EXPECT_EQ(test, ds->mapped | ds->parked, 0);
	for (i = 0; i < DSTACK_PAGES; i++)
		KUNIT_EXPECT_NULL(test, ds->page[i]);
	KUNIT_EXPECT_NULL(test, ds->vm);
	KUNIT_EXPECT_EQ(test, refcount_read(&ds->ref), 1);
	dstack_put(ds);
	for (i = 0; i < NR_CACHED; i++)
		dstack_destroy(ctx->other[i]);
}

static int exit_locked(void *data)
{
	struct stack_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	long gauge = dstack_vm_event(NR_KSTACK_PARKED);

	use_stack(ctx);
	/* One is parked. */
	dstack_park(ds, ds->base + PAGE_SIZE + 8);
	ISO_EQ(iso, ds->parked, BIT(0));
	ds->task = ctx->tsk;
	/* A tracing program has interrupted somebody who has the lock. */
	raw_spin_lock(&ds->lock);
	dynamic_stack_free(ctx->tsk);
	/* The collector finds the task, and may look at it. */
	ISO_TRUE(iso, ds->task == ctx->tsk);
	ISO_EQ(iso, refcount_read(&ctx->tsk->usage), 3);
	raw_spin_unlock(&ds->lock);
	ISO_TRUE(iso, !ctx->tsk->dynamic_stack);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_PARKED), gauge);
	return 0;
}

/* Until process context has it, a stack that ends with interrupts off keeps its task. */
static void stack_exit_locked(struct kunit *test)
{
	struct stack_ctx *ctx = stack_ctx(test);
	struct dynamic_stack *ds = stack_create(test), *given = ctx->ds;

	ctx->ds = ds;
	/* To see what becomes of them. */
	refcount_inc(&ds->ref);
	refcount_set(&ctx->tsk->usage, 2);
	dstack_isolated(test, exit_locked, ctx);
	ctx->tsk->dynamic_stack = given;

	flush_dead();
	KUNIT_EXPECT_NULL(test, ds->task);
	KUNIT_EXPECT_EQ(test, refcount_read(&ctx->tsk->usage), 2);
	KUNIT_EXPECT_EQ(test, ds->mapped | ds->parked, 0);
	KUNIT_EXPECT_NULL(test, ds->vm);
	KUNIT_EXPECT_EQ(test, refcount_read(&ds->ref), 1);
	dstack_put(ds);
}

static void stack_cache_age(struct kunit *test)
{
	struct stack_ctx *ctx = stack_ctx(test);
	struct dynamic_stack *ds = stack_create(test), *given = ctx->ds;

	stash_fill(test, ctx);
	ctx->ds = ds;
	/* To see what becomes of it. */
	refcount_inc(&ds->ref);
	dstack_isolated(test, cache_age, ctx);
	ctx->tsk->dynamic_stack = given;
	stash_free(ctx);

	flush_dead();
	KUNIT_EXPECT_NULL(test, ds->vm);
	KUNIT_EXPECT_EQ(test, refcount_read(&ds->ref), 1);
	dstack_put(ds);
}

static int idle_fn(void *unused)
{
	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static void stop_thread(void *tsk)
{
	kthread_stop(tsk);
}

static void wait_off_cpu(struct kunit *test, struct task_struct *tsk, unsigned int state)
{
	unsigned long end = jiffies + TEST_WAIT;

	while (!wait_task_inactive(tsk, state)) {
		KUNIT_ASSERT_TRUE(test, time_before(jiffies, end));
		usleep_range(1000, 2000);
	}
}

static void stack_keep(struct kunit *test)
{
	struct task_struct *tsk = kthread_create(idle_fn, NULL, "kstack_test");
	struct dynamic_stack *ds;
	unsigned int policy = dynamic_stack_reclaim, seq, i;

	KUNIT_ASSERT_FALSE(test, IS_ERR(tsk));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_thread, tsk), 0);
	ds = tsk->dynamic_stack;
	KUNIT_ASSERT_NOT_NULL(test, ds);
	wait_off_cpu(test, tsk, TASK_UNINTERRUPTIBLE);
	if (policy == DSTACK_RECLAIM_SWITCH)
		KUNIT_EXPECT_FALSE(test, dstack_complete(ds));
	seq = ds->seq + !dstack_complete(ds);

	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, dynamic_stack_keep(tsk), 0);
		KUNIT_EXPECT_TRUE(test, ds->keep);
		KUNIT_EXPECT_TRUE(test, dstack_complete(ds));
		KUNIT_EXPECT_EQ(test, ds->parked, 0);
		KUNIT_EXPECT_EQ(test, ds->seq, seq);
	}
	/* It runs, sleeps, and is still whole. */
	wake_up_process(tsk);
	wait_off_cpu(test, tsk, TASK_IDLE);
	KUNIT_EXPECT_TRUE(test, dstack_complete(ds));
	KUNIT_EXPECT_EQ(test, ds->seq, seq);
}

static int keep_counts(void *data)
{
	struct stack_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	struct keep_args args = { };
	unsigned int i;
	long gauge;

	/* Something to restore: page 1 only. */
	dstack_test_populate(iso, ctx->tsk);
	dstack_test_untouched(ds, DSTACK_LOWER);
	set_pte(ds->ptep + 1, pte_mkyoung(ptep_get(ds->ptep + 1)));
	dstack_park(ds, ds->base + THREAD_SIZE - 64);
	ISO_EQ(iso, ds->parked, BIT(1));
	gauge = dstack_vm_event(NR_KSTACK_PARKED);

	/* All or nothing here, too. */
	ISO_TRUE(iso, !task_call_func(ctx->tsk, dstack_keep_func, &args));
	ISO_TRUE(iso, !ds->keep);
	ISO_EQ(iso, ds->parked, BIT(1));
	for (i = 0; i < DSTACK_NEED - 1; i++) {
		ISO_TRUE(iso, !task_call_func(ctx->tsk, dstack_keep_func, &args));
		args.pages[i] = kstack_page_alloc(ds->node_id, GFP_NOWAIT);
		ISO_TRUE(iso, args.pages[i]);
		if (iso->what)
			return 0;
		args.nr++;
	}
	ISO_TRUE(iso, task_call_func(ctx->tsk, dstack_keep_func, &args));
	ISO_TRUE(iso, ds->keep);
	ISO_EQ(iso, args.nr, 0);
	ISO_EQ(iso, ds->mapped, DSTACK_ALL);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_PARKED), gauge - 1);
	dstack_test_consistent(iso, ds);
	return 0;
}

static void stack_keep_all_or_nothing(struct kunit *test)
{
	struct stack_ctx *ctx = stack_ctx(test);

	WRITE_ONCE(ctx->tsk->__state, TASK_UNINTERRUPTIBLE);
	dstack_isolated(test, keep_counts, ctx);
}

#ifdef CONFIG_MEMCG
static void objcg_release(struct percpu_ref *ref)
{
	struct obj_cgroup *objcg = container_of(ref, struct obj_cgroup, refcnt);

	percpu_ref_exit(ref);
	kfree_rcu(objcg, rcu);
}

/* The node's pages stay as many, whoever is charged for them. */
static int charge_exit(void *data)
{
	struct stack_ctx *ctx = data;
	struct dstack_iso *iso = &ctx->iso;
	long pages = dstack_test_pages();

	dstack_memcg_stat(ctx->ds, ctx->ds->objcg, DSTACK_PROMISED);
	ISO_EQ(iso, dstack_test_pages(), pages);
	dynamic_stack_exit_account(ctx->tsk);
	ISO_EQ(iso, dstack_test_pages(), pages);
	ISO_TRUE(iso, !ctx->ds->objcg);
	dynamic_stack_exit_account(ctx->tsk);
	ISO_EQ(iso, dstack_test_pages(), pages);
	return 0;
}

static void stack_charge(struct kunit *test)
{
	struct stack_ctx *ctx = stack_ctx(test);
	struct dynamic_stack *ds = ctx->ds;
	struct obj_cgroup *objcg;

	if (mem_cgroup_disabled())
		kunit_skip(test, "no memory control groups");

	/* A charge to the root, which has no limit and charges nobody else. */
	objcg = kzalloc(sizeof(*objcg), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, objcg);
	objcg->memcg = root_mem_cgroup;
	if (percpu_ref_init(&objcg->refcnt, objcg_release, 0, GFP_KERNEL)) {
		kfree(objcg);
		KUNIT_FAIL(test, "no memory");
		return;
	}
	obj_cgroup_get(objcg);
	ds->objcg = objcg;
	dstack_isolated(test, charge_exit, ctx);
	percpu_ref_kill(&objcg->refcnt);
}
#endif

static void stack_depth(struct kunit *test)
{
	struct task_struct *tsk = dstack_test_task(test);
	struct dynamic_stack *ds = tsk->dynamic_stack;
	unsigned long *word = page_address(ds->page[DSTACK_PAGES - 1]);
	unsigned long lower = (DSTACK_PAGES - 1) * PAGE_SIZE;

	KUNIT_EXPECT_NULL(test, dynamic_stack_page(tsk, 0));
	memset(word, 0, PAGE_SIZE);
	word[10] = 1;
	KUNIT_EXPECT_EQ(test, dynamic_stack_not_used(tsk), lower + 10 * sizeof(long));
	/* What the collector saw goes deeper. */
	ds->unused = 100;
	KUNIT_EXPECT_EQ(test, dynamic_stack_not_used(tsk), 100);
	ds->unused = THREAD_SIZE;
	word[10] = 0;
}

static struct kunit_case stack_cases[] = {
	KUNIT_CASE(stack_fresh),
	KUNIT_CASE(stack_cache_reuse),
	KUNIT_CASE(stack_cache_age),
	KUNIT_CASE(stack_dead_hurry),
	KUNIT_CASE(stack_exit_destroys),
	KUNIT_CASE(stack_exit_locked),
	KUNIT_CASE(stack_exit_strips),
	KUNIT_CASE(stack_keep),
	KUNIT_CASE(stack_keep_all_or_nothing),
#ifdef CONFIG_MEMCG
	KUNIT_CASE(stack_charge),
#endif
	KUNIT_CASE(stack_depth),
	{}
};

static struct kunit_suite stack_suite = {
	.name		= "dynamic_stack_stack",
	.init		= dstack_test_init,
	.test_cases	= stack_cases,
};

kunit_test_suite(stack_suite);
