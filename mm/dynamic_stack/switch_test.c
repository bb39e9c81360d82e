// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of dynamic kernel stacks: the states of a page, and a task that
 * nobody knows, for the suites that need one.
 */
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/sched/signal.h>

#include "kunit_test.h"
#include "pool.h"

#define TOP	(DSTACK_PAGES - 1)

struct given {
	struct task_struct	*tsk;
	struct dynamic_stack	*ds;
};

static void give_back(void *data)
{
	struct given *given = data;

	given->tsk->dynamic_stack = given->ds;
	dynamic_stack_free(given->tsk);
}

/*
 * A task that nobody knows, with nothing but what the functions under test
 * look at, and a stack of which only the top page is there. One from the cache
 * of stacks may hold more, and the collector may know it: such ones are set
 * aside until the test is over.
 */
struct task_struct *dstack_test_task(struct kunit *test)
{
	struct task_struct *tsk = kunit_kzalloc(test, sizeof(*tsk), GFP_KERNEL);
	unsigned int tries = 4 * num_possible_cpus() + 4;
	struct dynamic_stack *ds;

	KUNIT_ASSERT_NOT_NULL(test, tsk);
	tsk->signal = kunit_kzalloc(test, sizeof(*tsk->signal), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, tsk->signal);
	tsk->flags = PF_KTHREAD;
	tsk->prio = DEFAULT_PRIO;
	raw_spin_lock_init(&tsk->pi_lock);

	do {
		struct given *given = kunit_kzalloc(test, sizeof(*given), GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, given);
		KUNIT_ASSERT_NE(test, tries--, 0);
		KUNIT_ASSERT_EQ(test, dynamic_stack_alloc(tsk, NUMA_NO_NODE), 0);
		ds = tsk->dynamic_stack;
		given->tsk = tsk;
		given->ds = ds;
		KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, give_back, given), 0);
	} while (ds->parked || ds->queued || ds->mapped != BIT(TOP));

	arch_dynamic_stack_set_sp(tsk, ds->base + THREAD_SIZE - 64);
	return tsk;
}

/* A word of a page, by its address on the stack. */
unsigned long *dstack_test_word(struct dynamic_stack *ds, unsigned int i)
{
	return (unsigned long *)(ds->base + i * PAGE_SIZE + 256);
}

/* The same word, by the direct map: doesn't set the Accessed bit. */
static unsigned long *page_word(struct dynamic_stack *ds, unsigned int i)
{
	return page_address(ds->page[i]) + 256;
}

/* What the switch does. */
void dstack_test_populate(struct dstack_iso *iso, struct task_struct *tsk)
{
	ISO_TRUE(iso, __dynamic_stack_reserve(tsk, tsk));
	if (!iso->what)
		__dynamic_stack_map(tsk);
}

/* Where pages are mapped with the flag preset, these are as if they had not been. */
void dstack_test_untouched(struct dynamic_stack *ds, unsigned int mask)
{
	unsigned int i;

	for (i = 0; dstack_preset() && i < DSTACK_PAGES; i++) {
		if (mask & BIT(i))
			set_pte(ds->ptep + i, pte_mkold(ptep_get(ds->ptep + i)));
	}
}

/* PTEs, masks and slots must tell the same; not between reserve and map. */
void dstack_test_consistent(struct dstack_iso *iso, struct dynamic_stack *ds)
{
	unsigned int i;

	ISO_EQ(iso, ds->mapped & ds->parked, 0);
	ISO_EQ(iso, (ds->mapped | ds->parked) & ~DSTACK_ALL, 0);
	ISO_EQ(iso, dstack_held(ds), hweight32(ds->mapped | ds->parked));
	ISO_EQ(iso, dstack_complete(ds), ds->mapped == DSTACK_ALL);

	for (i = 0; i < DSTACK_PAGES; i++) {
		bool mapped = ds->mapped & BIT(i), parked = ds->parked & BIT(i);
		pte_t pte = ptep_get(ds->ptep + i);

		ISO_EQ(iso, !!ds->page[i], mapped || parked);
		ISO_EQ(iso, !!pte_present(pte), mapped);
		ISO_TRUE(iso, mapped || pte_none(pte));
		if (!ds->page[i])
			continue;
		if (mapped)
			ISO_EQ(iso, pte_pfn(pte), page_to_pfn(ds->page[i]));
		if (parked) {
			ISO_EQ(iso, pte_pfn(dstack_saved_pte(ds, i)), page_to_pfn(ds->page[i]));
			ISO_TRUE(iso, pte_young(dstack_saved_pte(ds, i)));
		}
	}
}

struct switch_ctx {
	struct dstack_iso	iso;
	struct task_struct	*tsk;
	/* Whose turn it is. */
	struct task_struct	*donor;
	struct task_struct	*other;
	struct dynamic_stack	*ds;
	bool			touch;
	unsigned int		nr;
	struct page		*stash[POOL_CAPACITY];
};

static struct switch_ctx *switch_ctx(struct kunit *test)
{
	struct switch_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->tsk = dstack_test_task(test);
	ctx->donor = ctx->tsk;
	ctx->ds = ctx->tsk->dynamic_stack;
	return ctx;
}

static unsigned long top_sp(struct dynamic_stack *ds)
{
	return ds->base + THREAD_SIZE - 64;
}

/* As if the CPU had used it. */
static void set_accessed(struct dynamic_stack *ds, unsigned int i)
{
	set_pte(ds->ptep + i, pte_mkyoung(ptep_get(ds->ptep + i)));
}

static int populate_fresh(void *data)
{
	long pool = dstack_vm_event(NR_KSTACK_POOL), count = dstack_vm_event(KSTACK_POPULATE);
	struct switch_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	unsigned int i, seq = ds->seq;

	dstack_test_consistent(iso, ds);
	ISO_EQ(iso, dstack_held(ds), 1);
	ISO_TRUE(iso, !dynamic_stack_runnable(ctx->tsk));

	ISO_TRUE(iso, __dynamic_stack_reserve(ctx->tsk, ctx->tsk));
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool - DSTACK_NEED);
	ISO_EQ(iso, ds->mapped, BIT(TOP));
	ISO_EQ(iso, ds->seq, seq);
	for (i = 0; i < DSTACK_NEED; i++) {
		ISO_TRUE(iso, ds->page[i]);
		ISO_TRUE(iso, pte_none(ptep_get(ds->ptep + i)));
	}
	if (iso->what)
		return 0;

	__dynamic_stack_map(ctx->tsk);
	ISO_EQ(iso, ds->mapped, DSTACK_ALL);
	ISO_EQ(iso, ds->seq, seq + 1);
	ISO_EQ(iso, dstack_vm_event(KSTACK_POPULATE), count + DSTACK_NEED);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool - DSTACK_NEED);
	dstack_test_consistent(iso, ds);
	for (i = 0; i < DSTACK_NEED; i++) {
		pte_t pte = ptep_get(ds->ptep + i);

		ISO_TRUE(iso, pte_same(pte_mkold(pte), mk_pte(ds->page[i], DYNAMIC_STACK_PROT)));
		ISO_EQ(iso, !!pte_young(pte), dstack_preset());
		ISO_TRUE(iso, pte_write(pte));
		ISO_TRUE(iso, !memchr_inv(page_address(ds->page[i]), 0, PAGE_SIZE));
	}
	return 0;
}

static void switch_populate_fresh(struct kunit *test)
{
	dstack_isolated(test, populate_fresh, switch_ctx(test));
}

static int complete_takes_nothing(void *data)
{
	struct switch_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	unsigned int seq;
	long pool;

	dstack_test_populate(iso, ctx->tsk);
	seq = ds->seq;
	pool = dstack_vm_event(NR_KSTACK_POOL);
	ISO_TRUE(iso, dynamic_stack_runnable(ctx->tsk));
	ISO_TRUE(iso, dynamic_stack_reserve(ctx->tsk, ctx->tsk));
	dynamic_stack_first_half(ctx->tsk);
	ISO_EQ(iso, ds->seq, seq);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool);
	dstack_test_consistent(iso, ds);
	return 0;
}

static void switch_complete_takes_nothing(struct kunit *test)
{
	dstack_isolated(test, complete_takes_nothing, switch_ctx(test));
}

/* The scheduler may reserve for a task and then run the collector instead. */
static int reserve_twice(void *data)
{
	struct switch_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	long pool = dstack_vm_event(NR_KSTACK_POOL);

	ISO_TRUE(iso, __dynamic_stack_reserve(ctx->tsk, ctx->tsk));
	ISO_TRUE(iso, dynamic_stack_runnable(ctx->tsk));
	ISO_TRUE(iso, __dynamic_stack_reserve(ctx->tsk, ctx->tsk));
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool - DSTACK_NEED);
	__dynamic_stack_map(ctx->tsk);
	dstack_test_consistent(iso, ds);
	return 0;
}

static void switch_reserve_twice(struct kunit *test)
{
	dstack_isolated(test, reserve_twice, switch_ctx(test));
}

static int park_untouched(void *data)
{
	long pool = dstack_vm_event(NR_KSTACK_POOL), count = dstack_vm_event(KSTACK_RECLAIM);
	struct switch_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	unsigned int i;

	dstack_test_populate(iso, ctx->tsk);
	dstack_park(ds, top_sp(ds));
	ISO_EQ(iso, ds->mapped, BIT(TOP));
	ISO_EQ(iso, ds->parked, dstack_preset() ? DSTACK_LOWER : 0);
	for (i = 0; i < DSTACK_NEED; i++)
		ISO_EQ(iso, !ds->page[i], !dstack_preset());
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool - hweight32(ds->parked));
	ISO_EQ(iso, dstack_vm_event(KSTACK_RECLAIM),
	       count + DSTACK_NEED - hweight32(ds->parked));
	dstack_test_consistent(iso, ds);
	return 0;
}

static void switch_park_untouched(struct kunit *test)
{
	dstack_isolated(test, park_untouched, switch_ctx(test));
}

/* Page 0 is written, page 1 is not touched, page 2 is read. */
static int park_restore(void *data)
{
	long pool = dstack_vm_event(NR_KSTACK_POOL), gauge = dstack_vm_event(NR_KSTACK_PARKED);
	long park = dstack_vm_event(KSTACK_PARK), restore = dstack_vm_event(KSTACK_RESTORE);
	struct switch_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	struct page *page[DSTACK_PAGES];
	pte_t pte[DSTACK_PAGES];
	unsigned int i, round;

	dstack_test_populate(iso, ctx->tsk);
	WRITE_ONCE(*dstack_test_word(ds, 0), 0x1234);
	(void)READ_ONCE(*dstack_test_word(ds, 2));
	dstack_test_untouched(ds, BIT(1));
	memcpy(page, ds->page, sizeof(page));
	for (i = 0; i < DSTACK_PAGES; i++)
		pte[i] = ptep_get(ds->ptep + i);
	ISO_TRUE(iso, pte_young(pte[0]) && pte_dirty(pte[0]));
	ISO_TRUE(iso, !pte_young(pte[1]));
	ISO_TRUE(iso, pte_young(pte[2]));
	ISO_EQ(iso, pte_dirty(pte[2]), pte_dirty(mk_pte(ds->page[2], DYNAMIC_STACK_PROT)));

	for (round = 1; round <= 3; round++) {
		dstack_park(ds, top_sp(ds));
		ISO_EQ(iso, ds->parked, BIT(0) | BIT(2));
		ISO_EQ(iso, ds->mapped, BIT(TOP));
		dstack_test_consistent(iso, ds);
		for (i = 0; i <= 2; i += 2) {
			ISO_TRUE(iso, ds->page[i] == page[i]);
			ISO_TRUE(iso, pte_same(dstack_saved_pte(ds, i), pte[i]));
		}
		ISO_EQ(iso, *page_word(ds, 0), 0x1234);
		ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool - 2);
		ISO_EQ(iso, dstack_vm_event(NR_KSTACK_PARKED), gauge + 2);
		ISO_EQ(iso, dstack_vm_event(KSTACK_PARK), park + 2 * round);
		if (iso->what)
			return 0;

		dstack_test_populate(iso, ctx->tsk);
		ISO_EQ(iso, ds->mapped, DSTACK_ALL);
		dstack_test_consistent(iso, ds);
		for (i = 0; i <= 2; i += 2) {
			ISO_TRUE(iso, ds->page[i] == page[i]);
			ISO_TRUE(iso, pte_same(ptep_get(ds->ptep + i), pte[i]));
		}
		dstack_test_untouched(ds, BIT(1));
		ISO_TRUE(iso, !pte_young(ptep_get(ds->ptep + 1)));
		ISO_EQ(iso, READ_ONCE(*dstack_test_word(ds, 0)), 0x1234);
		ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool - DSTACK_NEED);
		ISO_EQ(iso, dstack_vm_event(NR_KSTACK_PARKED), gauge);
		ISO_EQ(iso, dstack_vm_event(KSTACK_RESTORE), restore + 2 * round);
		if (iso->what)
			return 0;
	}
	return 0;
}

static void switch_park_restore(struct kunit *test)
{
	dstack_isolated(test, park_restore, switch_ctx(test));
}

static int park_once(void *data)
{
	struct switch_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	struct page *page[DSTACK_PAGES];
	long pool, gauge;
	unsigned int i;

	dstack_test_populate(iso, ctx->tsk);
	dstack_test_untouched(ds, DSTACK_LOWER);
	set_accessed(ds, 0);
	set_accessed(ds, 1);
	dstack_park(ds, top_sp(ds));
	memcpy(page, ds->page, sizeof(page));
	pool = dstack_vm_event(NR_KSTACK_POOL);
	gauge = dstack_vm_event(NR_KSTACK_PARKED);

	for (i = 0; i < 2; i++) {
		dstack_park(ds, top_sp(ds));
		ISO_EQ(iso, ds->parked, BIT(0) | BIT(1));
		ISO_EQ(iso, ds->mapped, BIT(TOP));
		ISO_TRUE(iso, !memcmp(page, ds->page, sizeof(page)));
		ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool);
		ISO_EQ(iso, dstack_vm_event(NR_KSTACK_PARKED), gauge);
		dstack_test_consistent(iso, ds);
	}
	return 0;
}

static void switch_park_once(struct kunit *test)
{
	dstack_isolated(test, park_once, switch_ctx(test));
}

/* Every sp near a page boundary: the pages from sp's own on stay. */
static int park_above_sp(void *data)
{
	struct switch_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	long edge, d;

	for (edge = 0; edge <= THREAD_SIZE; edge += PAGE_SIZE) {
		for (d = -8; d <= 8; d++) {
			struct page *page[DSTACK_PAGES];
			unsigned long sp = ds->base + edge + d;
			unsigned int i, below = 0;

			if (edge + d < 0 || edge + d >= THREAD_SIZE)
				continue;
			dstack_test_populate(iso, ctx->tsk);
			dstack_test_untouched(ds, DSTACK_LOWER);
			for (i = 0; i < DSTACK_PAGES; i++) {
				if (ctx->touch)
					set_accessed(ds, i);
				if (ds->base + (i + 1) * PAGE_SIZE <= sp)
					below |= BIT(i);
			}
			memcpy(page, ds->page, sizeof(page));

			dstack_park(ds, sp);
			ISO_EQ(iso, ds->mapped, DSTACK_ALL & ~below);
			ISO_EQ(iso, ds->parked, ctx->touch ? below : 0);
			dstack_test_consistent(iso, ds);
			for (i = 0; i < DSTACK_PAGES; i++) {
				if (ctx->touch || !(below & BIT(i)))
					ISO_TRUE(iso, ds->page[i] == page[i]);
			}
			if (iso->what)
				return 0;
		}
	}
	return 0;
}

static void switch_park_above_sp(struct kunit *test)
{
	struct switch_ctx *ctx = switch_ctx(test);

	dstack_isolated(test, park_above_sp, ctx);
	ctx->touch = true;
	dstack_isolated(test, park_above_sp, ctx);
}

static int seq_counts(void *data)
{
	struct switch_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	unsigned int i, seq = ds->seq;

	for (i = 1; i <= 5; i++) {
		dstack_test_populate(iso, ctx->tsk);
		ISO_EQ(iso, ds->seq, seq + i);
		/* Nothing to map: the task was not parked. */
		dynamic_stack_first_half(ctx->tsk);
		ISO_EQ(iso, ds->seq, seq + i);
		if (i & 1)
			set_accessed(ds, 0);
		dstack_park(ds, top_sp(ds));
		ISO_EQ(iso, ds->seq, seq + i);
	}
	return 0;
}

static void switch_seq(struct kunit *test)
{
	dstack_isolated(test, seq_counts, switch_ctx(test));
}

static int deepest(void *data)
{
	struct switch_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;

	ISO_EQ(iso, ds->deepest, TOP);
	dstack_test_populate(iso, ctx->tsk);
	dstack_test_untouched(ds, DSTACK_LOWER);
	dstack_park(ds, top_sp(ds));
	ISO_EQ(iso, ds->deepest, TOP);
	/* Where sp is counts, touched or not. */
	dstack_test_populate(iso, ctx->tsk);
	dstack_test_untouched(ds, DSTACK_LOWER);
	dstack_park(ds, ds->base + 2 * PAGE_SIZE + 8);
	ISO_EQ(iso, ds->deepest, 2);
	dstack_test_populate(iso, ctx->tsk);
	dstack_test_untouched(ds, DSTACK_LOWER);
	set_accessed(ds, 1);
	dstack_park(ds, top_sp(ds));
	ISO_EQ(iso, ds->deepest, 1);
	/* It stays. */
	dstack_test_populate(iso, ctx->tsk);
	dstack_test_untouched(ds, DSTACK_LOWER);
	dstack_park(ds, ds->base + 2 * PAGE_SIZE + 8);
	ISO_EQ(iso, ds->deepest, 1);
	return 0;
}

static void switch_deepest(struct kunit *test)
{
	dstack_isolated(test, deepest, switch_ctx(test));
}

/* Empty this CPU's pool but for @keep pages. */
static void pool_keep(struct switch_ctx *ctx, unsigned int keep)
{
	while (ctx->nr < ARRAY_SIZE(ctx->stash) &&
	       kstack_pool_take(ctx->stash + ctx->nr, 1, DSTACK_LEVEL_ALL))
		ctx->nr++;
	ISO_TRUE(&ctx->iso, ctx->nr >= keep);
	if (ctx->nr < keep)
		return;
	ctx->nr -= keep;
	kstack_pool_put(ctx->stash + ctx->nr, keep);
}

/* With @have pages in the pool, does the task get all that it needs? */
static void reserve_from(struct switch_ctx *ctx, unsigned int have, bool enough)
{
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;
	long starved = dstack_vm_event(KSTACK_STARVED);
	long pool;
	unsigned int i;

	pool_keep(ctx, have);
	pool = dstack_vm_event(NR_KSTACK_POOL);
	ISO_EQ(iso, __dynamic_stack_reserve(ctx->tsk, ctx->donor), enough);
	ISO_EQ(iso, dstack_vm_event(KSTACK_STARVED), starved + !enough);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool - (enough ? DSTACK_NEED : 0));
	ISO_EQ(iso, dynamic_stack_runnable(ctx->tsk), enough);
	for (i = 0; i < DSTACK_NEED; i++)
		ISO_EQ(iso, !!ds->page[i], enough);
	if (enough && !iso->what) {
		__dynamic_stack_map(ctx->tsk);
		dstack_test_untouched(ds, DSTACK_LOWER);
		dstack_park(ds, top_sp(ds));
	}
	dstack_test_consistent(iso, ds);
}

static int reserve_all_or_nothing(void *data)
{
	struct switch_ctx *ctx = data;
	struct task_struct *tsk = ctx->tsk;
	struct dstack_iso *iso = &ctx->iso;
	long pool = dstack_vm_event(NR_KSTACK_POOL), pages = dstack_test_pages();
	unsigned int have;

	for (have = 0; have <= DSTACK_NEED; have++) {
		tsk->flags = PF_KTHREAD;
		reserve_from(ctx, have, have == DSTACK_NEED);
		tsk->flags = PF_MEMALLOC;
		reserve_from(ctx, have, have == DSTACK_NEED);
		tsk->flags = 0;
		reserve_from(ctx, have, false);
	}
	/* Killed, whoever did it: some of the last ones. */
	for (have = DSTACK_NEED; have <= 2 * DSTACK_NEED; have++) {
		reserve_from(ctx, have, false);
		tsk->signal->oom_mm = &init_mm;
		reserve_from(ctx, have, have == 2 * DSTACK_NEED);
		tsk->signal->oom_mm = NULL;
		tsk->flags = PF_EXITING;
		reserve_from(ctx, have, have == 2 * DSTACK_NEED);
		tsk->flags = 0;
		sigaddset(&tsk->pending.signal, SIGKILL);
		set_tsk_thread_flag(tsk, TIF_SIGPENDING);
		reserve_from(ctx, have, have == 2 * DSTACK_NEED);
		clear_tsk_thread_flag(tsk, TIF_SIGPENDING);
		sigemptyset(&tsk->pending.signal);
		/* Or it runs in the turn of one that was. */
		ctx->donor = ctx->other;
		reserve_from(ctx, have, have == 2 * DSTACK_NEED);
		ctx->donor = tsk;
	}
	reserve_from(ctx, 2 * DSTACK_NEED + DSTACK_MAX_NEED, true);

	/* Pages already there reduce the need. */
	tsk->flags = PF_KTHREAD;
	pool_keep(ctx, DSTACK_NEED);
	dstack_test_populate(iso, tsk);
	dstack_test_untouched(ctx->ds, DSTACK_LOWER);
	set_accessed(ctx->ds, 1);
	dstack_park(ctx->ds, top_sp(ctx->ds));
	pool_keep(ctx, DSTACK_NEED - 1);
	dstack_test_populate(iso, tsk);
	dstack_test_consistent(iso, ctx->ds);

	kstack_pool_put(ctx->stash, ctx->nr);
	dstack_test_untouched(ctx->ds, DSTACK_LOWER & ~BIT(1));
	/* Two pages of the stack are back, the touched one is not. */
	dstack_park(ctx->ds, top_sp(ctx->ds));
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_POOL), pool - 1);
	ISO_EQ(iso, dstack_test_pages(), pages);
	return 0;
}

static void switch_reserve_all_or_nothing(struct kunit *test)
{
	struct switch_ctx *ctx = switch_ctx(test);

	ctx->other = dstack_test_task(test);
	ctx->other->flags = PF_EXITING;
	dstack_isolated(test, reserve_all_or_nothing, ctx);
}

static void switch_level_of_donor(struct kunit *test)
{
	struct task_struct *tsk = dstack_test_task(test), *donor = dstack_test_task(test);

	tsk->flags = 0;
	donor->flags = 0;
	KUNIT_EXPECT_EQ(test, dynamic_stack_level(tsk, donor), DSTACK_LEVEL_NONE);
	donor->flags = PF_EXITING;
	KUNIT_EXPECT_EQ(test, dynamic_stack_level(tsk, donor), DSTACK_LEVEL_LAST);
	tsk->flags = PF_MEMALLOC;
	KUNIT_EXPECT_EQ(test, dynamic_stack_level(tsk, donor), DSTACK_LEVEL_ALL);
	tsk->flags = 0;
	donor->flags = PF_KTHREAD;
	KUNIT_EXPECT_EQ(test, dynamic_stack_level(tsk, donor), DSTACK_LEVEL_ALL);
}

static void switch_may_shrink(struct kunit *test)
{
	static const unsigned int stays[] = {
		PF_EXITING, PF_MEMALLOC, PF_MEMALLOC_NOFS, PF_MEMALLOC_NOIO,
	};
	struct task_struct *tsk = dstack_test_task(test);
	struct mm_struct *mm = kunit_kzalloc(test, sizeof(*mm), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	WRITE_ONCE(tsk->__state, TASK_INTERRUPTIBLE);
	tsk->flags = 0;
	KUNIT_EXPECT_TRUE(test, dstack_may_shrink(tsk));
	KUNIT_EXPECT_EQ(test, dynamic_stack_level(tsk, tsk), DSTACK_LEVEL_NONE);
	tsk->flags = PF_KTHREAD;
	KUNIT_EXPECT_TRUE(test, dstack_may_shrink(tsk));
	KUNIT_EXPECT_EQ(test, dynamic_stack_level(tsk, tsk), DSTACK_LEVEL_ALL);
	for (i = 0; i < ARRAY_SIZE(stays); i++) {
		tsk->flags = stays[i];
		KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
		tsk->flags = PF_KTHREAD | stays[i];
		KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
	}
	/* A new thread of one that memory reclaim waits for. */
	tsk->flags = PF_MEMALLOC_NOIO;
	tsk->exit_signal = -1;
	KUNIT_EXPECT_EQ(test, dynamic_stack_level(tsk, tsk), DSTACK_LEVEL_LAST);
	/* Or a process that it has started. */
	tsk->exit_signal = SIGCHLD;
	KUNIT_EXPECT_EQ(test, dynamic_stack_level(tsk, tsk), DSTACK_LEVEL_NONE);

	tsk->signal->oom_mm = &init_mm;
	tsk->flags = 0;
	KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
	tsk->flags = PF_KTHREAD;
	KUNIT_EXPECT_TRUE(test, dstack_may_shrink(tsk));
	tsk->signal->oom_mm = NULL;

	/* Real-time user tasks stay whole; interrupt threads don't. */
	tsk->prio = MAX_RT_PRIO - 1;
	KUNIT_EXPECT_TRUE(test, dstack_may_shrink(tsk));
	tsk->flags = 0;
	KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
	tsk->prio = -1;
	KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
	tsk->prio = DEFAULT_PRIO;

	/* With memory that is locked, now or in future. */
	tsk->mm = mm;
	mm->total_vm = 10;
	KUNIT_EXPECT_TRUE(test, dstack_may_shrink(tsk));
	mm->locked_vm = 5;
	KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
	KUNIT_EXPECT_EQ(test, dynamic_stack_level(tsk, tsk), DSTACK_LEVEL_LAST);
	/* A key that must not be swapped out does not say that. */
	mm->locked_vm = 1;
	KUNIT_EXPECT_TRUE(test, dstack_may_shrink(tsk));
	KUNIT_EXPECT_EQ(test, dynamic_stack_level(tsk, tsk), DSTACK_LEVEL_NONE);
	mm->locked_vm = 0;
	mm->def_flags = VM_LOCKED;
	KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
	tsk->mm = NULL;

	/* Killed. */
	sigaddset(&tsk->pending.signal, SIGKILL);
	KUNIT_EXPECT_TRUE(test, dstack_may_shrink(tsk));
	set_tsk_thread_flag(tsk, TIF_SIGPENDING);
	KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
	clear_tsk_thread_flag(tsk, TIF_SIGPENDING);
	set_tsk_thread_flag(tsk, TIF_MEMDIE);
	KUNIT_EXPECT_EQ(test, dynamic_stack_level(tsk, tsk), DSTACK_LEVEL_ALL);
	clear_tsk_thread_flag(tsk, TIF_MEMDIE);
	/* The signal is gone, and it is on its way to exit. */
	tsk->signal->flags = SIGNAL_GROUP_EXIT;
	KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
	KUNIT_EXPECT_EQ(test, dynamic_stack_level(tsk, tsk), DSTACK_LEVEL_LAST);
	/* Until it waits for others to be dumped. */
	tsk->flags = PF_POSTCOREDUMP;
	WRITE_ONCE(tsk->__state, TASK_IDLE);
	KUNIT_EXPECT_TRUE(test, dstack_may_shrink(tsk));
	WRITE_ONCE(tsk->__state, TASK_INTERRUPTIBLE);
	tsk->signal->flags = 0;
	tsk->flags = 0;

	tsk->dynamic_stack->keep = true;
	KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
	tsk->flags = PF_KTHREAD;
	KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
	tsk->dynamic_stack->keep = false;
	KUNIT_EXPECT_TRUE(test, dstack_may_shrink(tsk));
}

/* Which sleeps let a stack be shrunk: a user task's, a kernel thread's. */
static void switch_asleep(struct kunit *test)
{
	static const struct {
		unsigned int	state;
		bool		user;
		bool		kthread;
	} sleep[] = {
		{ TASK_RUNNING,						false, false },
		{ TASK_INTERRUPTIBLE,					true,  true },
		{ TASK_INTERRUPTIBLE | TASK_FREEZABLE,			true,  true },
		{ TASK_UNINTERRUPTIBLE,					false, false },
		{ TASK_KILLABLE,					false, false },
		{ TASK_KILLABLE | TASK_FREEZABLE,			false, false },
		{ TASK_KILLABLE | TASK_FREEZABLE_UNSAFE,		false, false },
		{ TASK_IDLE,						false, true },
		{ TASK_STOPPED,						true,  true },
		{ TASK_TRACED,						true,  true },
		{ TASK_FROZEN,						false, false },
		{ TASK_PARKED,						false, true },
		{ TASK_RTLOCK_WAIT,					false, false },
		{ TASK_WAKING,						false, false },
		{ TASK_NEW,						false, false },
		{ TASK_DEAD,						false, false },
	};
	struct task_struct *tsk = dstack_test_task(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sleep); i++) {
		WRITE_ONCE(tsk->__state, sleep[i].state);
		tsk->flags = 0;
		KUNIT_EXPECT_EQ_MSG(test, dstack_may_shrink(tsk), sleep[i].user,
				    "user, state %#x", sleep[i].state);
		tsk->flags = PF_KTHREAD;
		KUNIT_EXPECT_EQ_MSG(test, dstack_may_shrink(tsk), sleep[i].kthread,
				    "kthread, state %#x", sleep[i].state);
		/* About to sleep, but preempted before. */
		tsk->on_rq = 1;
		KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
		tsk->flags = 0;
		KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
		tsk->on_rq = 0;
		if (sleep[i].state == TASK_RUNNING || sleep[i].state == TASK_FROZEN)
			continue;
		/* Frozen in that sleep. */
		WRITE_ONCE(tsk->saved_state, sleep[i].state);
		WRITE_ONCE(tsk->__state, TASK_FROZEN);
		KUNIT_EXPECT_EQ(test, dstack_may_shrink(tsk), sleep[i].user);
		tsk->flags = PF_KTHREAD;
		KUNIT_EXPECT_EQ(test, dstack_may_shrink(tsk), sleep[i].kthread);
		WRITE_ONCE(tsk->saved_state, TASK_RUNNING);
	}
}

static int switched_out(void *data)
{
	static const unsigned int stays[] = { PF_MEMALLOC, PF_KTHREAD | PF_MEMALLOC, PF_EXITING };
	unsigned int policy = dynamic_stack_reclaim, i;
	struct switch_ctx *ctx = data;
	struct task_struct *tsk = ctx->tsk;
	struct dynamic_stack *ds = ctx->ds;
	struct dstack_iso *iso = &ctx->iso;

	/* The collector must not hear of a task that does not exist. */
	ds->queued = true;

	dynamic_stack_reclaim = DSTACK_RECLAIM_SWITCH;
	WRITE_ONCE(tsk->__state, TASK_INTERRUPTIBLE);
	dstack_test_populate(iso, tsk);
	tsk->flags = PF_KTHREAD;
	ds->keep = true;
	dynamic_stack_second_half(tsk);
	ISO_TRUE(iso, dstack_complete(ds));
	/* The collector does not hear of those that will never be shrunk. */
	ISO_TRUE(iso, !ds->task);
	ds->keep = false;
	tsk->flags = PF_EXITING;
	__dynamic_stack_switched_out(tsk);
	ISO_TRUE(iso, dstack_complete(ds));
	ISO_TRUE(iso, !ds->task);
	for (i = 0; i < ARRAY_SIZE(stays); i++) {
		tsk->flags = stays[i];
		__dynamic_stack_switched_out(tsk);
		ISO_TRUE(iso, dstack_complete(ds));
	}
	/* Preempted. */
	tsk->flags = 0;
	tsk->on_rq = 1;
	__dynamic_stack_switched_out(tsk);
	ISO_TRUE(iso, dstack_complete(ds));
	tsk->on_rq = 0;
	tsk->flags = PF_KTHREAD;

	dynamic_stack_reclaim = DSTACK_RECLAIM_NEVER;
	__dynamic_stack_switched_out(tsk);
	ISO_TRUE(iso, dstack_complete(ds));
	dynamic_stack_reclaim = DSTACK_RECLAIM_SLEEP;
	__dynamic_stack_switched_out(tsk);
	ISO_TRUE(iso, dstack_complete(ds));

	dynamic_stack_reclaim = DSTACK_RECLAIM_SWITCH;
	arch_dynamic_stack_set_sp(tsk, ds->base + 2 * PAGE_SIZE + 512);
	ds->last_out = jiffies - HZ;
	dynamic_stack_second_half(tsk);
	ISO_EQ(iso, ds->mapped, DSTACK_ALL & ~(BIT(0) | BIT(1)));
	ISO_TRUE(iso, ds->task == tsk);
	ISO_EQ(iso, ds->last_out, jiffies);
	dstack_test_consistent(iso, ds);

	dynamic_stack_reclaim = policy;
	ds->queued = false;
	ds->task = NULL;
	return 0;
}

static void switch_switched_out(struct kunit *test)
{
	dstack_isolated(test, switched_out, switch_ctx(test));
}

static struct kunit_case switch_cases[] = {
	KUNIT_CASE(switch_populate_fresh),
	KUNIT_CASE(switch_complete_takes_nothing),
	KUNIT_CASE(switch_reserve_twice),
	KUNIT_CASE(switch_reserve_all_or_nothing),
	KUNIT_CASE(switch_park_untouched),
	KUNIT_CASE(switch_park_restore),
	KUNIT_CASE(switch_park_once),
	KUNIT_CASE(switch_park_above_sp),
	KUNIT_CASE(switch_seq),
	KUNIT_CASE(switch_deepest),
	KUNIT_CASE(switch_level_of_donor),
	KUNIT_CASE(switch_may_shrink),
	KUNIT_CASE(switch_asleep),
	KUNIT_CASE(switch_switched_out),
	{}
};

static struct kunit_suite switch_suite = {
	.name		= "dynamic_stack_switch",
	.init		= dstack_test_init,
	.test_cases	= switch_cases,
};

kunit_test_suite(switch_suite);
