// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the last page of a stack that nobody refers to. Included by vacate.c.
 * Only with dynamic_stack.vacate=on, as there are no caches otherwise.
 */
#include "kunit_test.h"

#define TEST_LIVE	736

static unsigned int saved_period;
static bool period_saved;

/* kstack_collectd must not come by, and prepare copies as it sees fit. */
static int vacate_suite_init(struct kunit_suite *suite)
{
	if (vacate_mode != VACATE_ON || !dynamic_stack_enabled())
		return 0;
	saved_period = kstack_collect_period;
	period_saved = true;
	return dstack_test_quiet_collectd();
}

static void vacate_suite_exit(struct kunit_suite *suite)
{
	if (!period_saved)
		return;
	period_saved = false;
	WRITE_ONCE(kstack_collect_period, saved_period);
	kstack_wake_collector();
}

static int vacate_test_init(struct kunit *test)
{
	if (vacate_mode != VACATE_ON)
		kunit_skip(test, "dynamic_stack.vacate is not on");
	/* Then kstack_collectd has a pass of its own now and then. */
	if (READ_ONCE(dynamic_stack_reclaim) == DSTACK_RECLAIM_NEVER)
		kunit_skip(test, "dynamic_stack.reclaim is never");
	return dstack_test_init(test);
}

/* A user task in the freezer's trap, as far as anybody looks at it. */
static struct task_struct *vacate_test_task(struct kunit *test)
{
	struct task_struct *tsk = dstack_test_task(test);
	struct dynamic_stack *ds = tsk->dynamic_stack;

	tsk->flags = 0;
	WRITE_ONCE(tsk->__state, TASK_INTERRUPTIBLE);
	arch_dynamic_stack_set_sp(tsk, ds->base + THREAD_SIZE - TEST_LIVE);
	ds->unreferenced = true;
	ds->last_out = jiffies - vacate_age(ds);
	return tsk;
}

/* As if a pass had wanted them. */
static void vacate_test_copies(struct kunit *test, unsigned int nr)
{
	unsigned int i;

	kstack_copies_begin();
	for (i = 0; i < COPY_CLASSES; i++)
		copy_classes[i].wanted = nr;
	kstack_copies_prepare();
	kstack_copies_begin();
	for (i = 0; i < COPY_CLASSES; i++)
		KUNIT_EXPECT_EQ(test, copy_classes[i].nr, nr);
}

struct vacate_test {
	struct dstack_iso	iso;
	struct task_struct	*tsk;
	unsigned int		len;
	bool			early;		/* woken up before it was taken */
	bool			late;		/* written to before the shootdown */
};

static u64 test_word(unsigned int i)
{
	return (i + 1) * 0x0123456789abcdefULL;
}

/* What the collector does between its two halves, and after them. */
static void test_take(struct dstack_iso *iso, struct task_struct *tsk)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;
	struct page *pages[DSTACK_PAGES];
	unsigned int i, nr = 0;

	arch_dynamic_stack_flush_cpu(ds->base);
	ISO_EQ(iso, dstack_vacate(tsk, true), 0);
	for (i = 0; i < DSTACK_PAGES; i++) {
		if (!(ds->parked & BIT(i)))
			continue;
		dstack_set_owner(NULL, ds->page[i]);
		clear_highpage(ds->page[i]);
		pages[nr++] = ds->page[i];
		ds->page[i] = NULL;
		__count_vm_events(NR_KSTACK_PARKED, -1L);
	}
	ds->parked = 0;
	kstack_pool_put(pages, nr);
}

static int test_round_trip(void *data)
{
	struct vacate_test *t = data;
	struct dstack_iso *iso = &t->iso;
	struct task_struct *tsk = t->tsk;
	struct dynamic_stack *ds = tsk->dynamic_stack;
	u64 *live, read[2];
	unsigned int i;

	arch_dynamic_stack_set_sp(tsk, ds->base + THREAD_SIZE - t->len);
	dstack_test_populate(iso, tsk);
	if (iso->what)
		return 0;
	live = live_in_frame(ds, t->len);
	for (i = 0; i < t->len / sizeof(u64); i++)
		live[i] = test_word(i);
	live[-1] = ~0ULL;	/* below the stack pointer */
	dstack_note_live(tsk);

	dstack_park(ds, arch_dynamic_stack_sp(tsk));
	ISO_EQ(iso, dstack_takable(tsk, ds->parked, false) & BIT(DSTACK_TOP), 0);
	ISO_EQ(iso, ds->mapped, BIT(DSTACK_TOP));
	ISO_EQ(iso, dstack_takable(tsk, ds->parked, true) & BIT(DSTACK_TOP), BIT(DSTACK_TOP));
	ISO_EQ(iso, ds->mapped, 0);
	dstack_test_consistent(iso, ds);
	/* PARKED reads like MAPPED. */
	ISO_TRUE(iso, dynamic_stack_read(tsk, read, (void *)arch_dynamic_stack_sp(tsk),
					 sizeof(read)));
	ISO_TRUE(iso, read[0] == test_word(0) && read[1] == test_word(1));
	/* As by a CPU that has the page in its TLB. */
	if (t->late) {
		live[1] = test_word(t->len);
		dstack_note_live(tsk);
	}
	if (t->early) {
		ISO_EQ(iso, dstack_lacks(ds), DSTACK_PAGES - dstack_held(ds));
		dstack_test_populate(iso, tsk);
		ISO_TRUE(iso, !dstack_vacated(ds));
		goto compare;
	}

	test_take(iso, tsk);
	ISO_TRUE(iso, dstack_vacated(ds));
	ISO_EQ(iso, dstack_held(ds), 0);
	ISO_EQ(iso, dstack_lacks(ds), DSTACK_PAGES);
	ISO_TRUE(iso, dynamic_stack_read(tsk, read, (void *)arch_dynamic_stack_sp(tsk),
					 sizeof(read)));
	ISO_TRUE(iso, read[0] == test_word(0) && read[1] == test_word(t->late ? t->len : 1));
	/* Neither what is below the stack pointer, nor beyond the top. */
	ISO_TRUE(iso, !dynamic_stack_read(tsk, read, (void *)arch_dynamic_stack_sp(tsk) - 8, 16));
	ISO_TRUE(iso, !dynamic_stack_read(tsk, read, (void *)ds->base + THREAD_SIZE - 8, 16));

	ISO_TRUE(iso, __dynamic_stack_reserve(tsk, tsk));
	if (iso->what)
		return 0;
	/* A task may be reserved for and passed over: nothing is copied yet. */
	ISO_TRUE(iso, dstack_vacated(ds));
	ISO_TRUE(iso, !memchr_inv(page_address(ds->page[DSTACK_TOP]), 0, PAGE_SIZE));
	ISO_TRUE(iso, dynamic_stack_read(tsk, read, (void *)arch_dynamic_stack_sp(tsk),
					 sizeof(read)));
	ISO_TRUE(iso, read[0] == test_word(0));
	__dynamic_stack_map(tsk);
	ISO_TRUE(iso, !dstack_vacated(ds));
	ISO_TRUE(iso, kstack_any_copies_done());
	/* It is not clean, whatever happens next. */
	ISO_TRUE(iso, pte_young(ptep_get(ds->ptep + DSTACK_TOP)));
	ISO_EQ(iso, ((u64 *)live_in_frame(ds, t->len))[-1], 0);
	ISO_EQ(iso, ds->backoff, 1);
compare:
	ISO_EQ(iso, ds->mapped, DSTACK_ALL);
	dstack_test_consistent(iso, ds);
	for (i = 0; i < t->len / sizeof(u64); i++)
		ISO_TRUE(iso, ((u64 *)arch_dynamic_stack_sp(tsk))[i] ==
			 test_word(i == 1 && t->late ? t->len : i));
	return 0;
}

static void vacate_test_round_trip(struct kunit *test)
{
	static const unsigned int lens[] = { 64, 736, 768, 776, 1736, COPY_MAX };
	struct vacate_test t;
	unsigned int i;

	for (i = 0; i < 3 * ARRAY_SIZE(lens); i++) {
		t = (struct vacate_test) {
			.tsk = vacate_test_task(test), .len = lens[i / 3],
			.early = i % 3 == 1, .late = i % 3 == 2,
		};
		vacate_test_copies(test, 1);
		dstack_isolated(test, test_round_trip, &t);
	}
	kstack_copies_free();
	KUNIT_EXPECT_FALSE(test, kstack_any_copies_done());
}

/* All four pages or none. */
static int test_reserve_none(void *data)
{
	struct vacate_test *t = data;
	struct dstack_iso *iso = &t->iso;
	struct dynamic_stack *ds = t->tsk->dynamic_stack;
	static struct page *pages[POOL_CAPACITY];
	unsigned int nr = 0;
	void *copy;

	dstack_test_populate(iso, t->tsk);
	if (iso->what)
		return 0;
	dstack_note_live(t->tsk);
	dstack_park(ds, arch_dynamic_stack_sp(t->tsk));
	dstack_takable(t->tsk, ds->parked, true);
	test_take(iso, t->tsk);
	copy = ds->copy;
	/* May use all: leave three. */
	t->tsk->flags = PF_MEMALLOC;
	while (nr < ARRAY_SIZE(pages) && kstack_pool_take(pages + nr, 1, DSTACK_LEVEL_ALL))
		nr++;
	kstack_pool_put(pages + nr - 3, 3);
	nr -= 3;
	ISO_TRUE(iso, !__dynamic_stack_reserve(t->tsk, t->tsk));
	ISO_EQ(iso, dstack_held(ds), 0);
	ISO_TRUE(iso, copy && ds->copy == copy);
	kstack_pool_put(pages + nr - 1, 1);
	nr--;
	ISO_TRUE(iso, __dynamic_stack_reserve(t->tsk, t->tsk));
	if (dstack_held(ds) == DSTACK_PAGES)
		__dynamic_stack_map(t->tsk);
	ISO_EQ(iso, ds->mapped, DSTACK_ALL);
	kstack_pool_put(pages, nr);
	t->tsk->flags = 0;
	return 0;
}

static void vacate_test_all_or_nothing(struct kunit *test)
{
	struct vacate_test t = { .tsk = vacate_test_task(test) };

	vacate_test_copies(test, 1);
	dstack_isolated(test, test_reserve_none, &t);
	kstack_copies_free();
}

/* What a pass was promised and did not use is there for the next one, and no longer. */
static void vacate_test_promises(struct kunit *test)
{
	vacate_test_copies(test, 2);
	KUNIT_EXPECT_TRUE(test, copy_promise(0));
	KUNIT_EXPECT_TRUE(test, copy_promise(0));
	KUNIT_EXPECT_FALSE(test, copy_promise(0));
	/* One is used, one is not, and one was asked for in vain. */
	kmem_cache_free(copy_classes[0].cachep, copy_get(0));
	kstack_copies_prepare();
	KUNIT_EXPECT_EQ(test, copy_classes[0].nr, 2);
	kstack_copies_begin();
	kstack_copies_prepare();
	KUNIT_EXPECT_EQ(test, copy_classes[0].nr, 0);
}

/* Whose stack somebody may refer to keeps it. */
static void vacate_test_refuses(struct kunit *test)
{
	struct task_struct *tsk = vacate_test_task(test);
	struct dynamic_stack *ds = tsk->dynamic_stack;

	KUNIT_EXPECT_TRUE(test, dstack_vacate_waits(tsk));

	ds->unreferenced = false;
	/* As a parent in vfork(), and whom the system's freezer found asleep. */
	tsk->frozen = true;
	WRITE_ONCE(tsk->__state, TASK_FROZEN);
	KUNIT_EXPECT_FALSE(test, dstack_vacate_waits(tsk));
	tsk->frozen = false;
	WRITE_ONCE(tsk->__state, TASK_INTERRUPTIBLE);
	ds->unreferenced = true;

	WRITE_ONCE(tsk->__state, TASK_WAKING);
	KUNIT_EXPECT_FALSE(test, dstack_vacate_waits(tsk));
	WRITE_ONCE(tsk->__state, TASK_STOPPED);
	KUNIT_EXPECT_TRUE(test, dstack_vacate_waits(tsk));
	tsk->on_rq = 1;
	KUNIT_EXPECT_FALSE(test, dstack_vacate_waits(tsk));
	/* Asleep, and queued for its lag alone. */
	tsk->se.sched_delayed = 1;
	KUNIT_EXPECT_TRUE(test, dstack_vacate_waits(tsk));
	tsk->se.sched_delayed = 0;
	tsk->on_rq = 0;
	tsk->flags = PF_KTHREAD;
	KUNIT_EXPECT_FALSE(test, dstack_vacate_waits(tsk));
	tsk->flags = PF_USER_WORKER;
	KUNIT_EXPECT_FALSE(test, dstack_vacate_waits(tsk));
	tsk->flags = 0;
	arch_dynamic_stack_set_sp(tsk, ds->base + THREAD_SIZE - COPY_MAX - 8);
	KUNIT_EXPECT_FALSE(test, dstack_vacate_waits(tsk));
	arch_dynamic_stack_set_sp(tsk, ds->base + THREAD_SIZE - COPY_MAX);
	KUNIT_EXPECT_TRUE(test, dstack_vacate_waits(tsk));
	ds->keep = true;
	KUNIT_EXPECT_FALSE(test, dstack_may_shrink(tsk));
	ds->keep = false;
	/* Not of age. */
	ds->last_out = jiffies;
	KUNIT_EXPECT_EQ(test, dstack_takable(tsk, ds->parked, true), 0);
}

/* A copy that somebody overwrites is noticed, whichever bit it is. */
static void vacate_test_sum(struct kunit *test)
{
	u64 *from = kunit_kzalloc(test, COPY_MAX, GFP_KERNEL);
	u64 *to = kunit_kzalloc(test, COPY_MAX, GFP_KERNEL);
	unsigned int i, len;
	u64 sum;

	KUNIT_ASSERT_NOT_NULL(test, from);
	KUNIT_ASSERT_NOT_NULL(test, to);
	for (len = 72; len <= 736; len += 664) {
		get_random_bytes(from, len);
		sum = copy_and_sum(to, from, len);
		KUNIT_EXPECT_MEMEQ(test, to, from, len);
		KUNIT_EXPECT_TRUE(test, sum == copy_and_sum(to, from, len));
		for (i = 0; i < 8 * len; i++) {
			from[i / 64] ^= BIT_ULL(i % 64);
			KUNIT_EXPECT_TRUE(test, sum != copy_and_sum(to, from, len));
			from[i / 64] ^= BIT_ULL(i % 64);
		}
	}
}

static struct kunit_case vacate_cases[] = {
	KUNIT_CASE(vacate_test_round_trip),
	KUNIT_CASE(vacate_test_all_or_nothing),
	KUNIT_CASE(vacate_test_promises),
	KUNIT_CASE(vacate_test_refuses),
	KUNIT_CASE(vacate_test_sum),
	{ }
};

static struct kunit_suite vacate_suite = {
	.name		= "dynamic_stack_vacate",
	.suite_init	= vacate_suite_init,
	.suite_exit	= vacate_suite_exit,
	.init		= vacate_test_init,
	.test_cases	= vacate_cases,
};

kunit_test_suite(vacate_suite);
