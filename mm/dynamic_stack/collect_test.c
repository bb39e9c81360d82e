// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the collector. Included by collect.c.
 *
 * They need real tasks: kernel threads that fill their own stack and sleep.
 * Meanwhile the collector's thread must not come by, so it gets a period of an
 * hour, and all other tasks sleep too short to be collected.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>

#include "kunit_test.h"

#define TEST_HOUR	3600
#define TEST_MAGIC	0x5ca1ab1e0ddba11UL
#define TEST_SKIP	64	/* the lowest bytes of a stack, and more */
#define TEST_WAIT	(20 * HZ)

static unsigned int saved_period, saved_sleep, saved_reclaim;

static bool collectd_asleep(void)
{
	unsigned long end = jiffies + TEST_WAIT;

	while (!wait_task_inactive(dynamic_stack_collector(), TASK_IDLE)) {
		if (time_after(jiffies, end))
			return false;
		usleep_range(1000, 2000);
	}
	return true;
}

/* kstack_collectd comes by in an hour. Who calls this restores the period. */
int dstack_test_quiet_collectd(void)
{
	int i;

	WRITE_ONCE(kstack_collect_period, TEST_HOUR * MSEC_PER_SEC);
	/* Twice: it may have been on its way to a sleep of the old length. */
	for (i = 0; i < 2; i++) {
		kstack_wake_collector();
		if (!collectd_asleep())
			return -EBUSY;
	}
	return 0;
}

static int collect_suite_init(struct kunit_suite *suite)
{
	if (!dynamic_stack_enabled())
		return 0;
	saved_period = kstack_collect_period;
	saved_sleep = kstack_collect_sleep;
	saved_reclaim = dynamic_stack_reclaim;
	WRITE_ONCE(kstack_collect_sleep, TEST_HOUR * MSEC_PER_SEC);
	WRITE_ONCE(dynamic_stack_reclaim, DSTACK_RECLAIM_SWITCH);
	return dstack_test_quiet_collectd();
}

static void collect_suite_exit(struct kunit_suite *suite)
{
	if (!dynamic_stack_enabled())
		return;
	WRITE_ONCE(kstack_collect_period, saved_period);
	WRITE_ONCE(kstack_collect_sleep, saved_sleep);
	WRITE_ONCE(dynamic_stack_reclaim, saved_reclaim);
	kstack_wake_collector();
}

struct sleeper {
	struct task_struct	*tsk;
	struct dynamic_stack	*ds;
	bool			go;
	bool			spin;		/* keep the CPU until this is cleared */
	bool			spinning;
	unsigned int		found;		/* pages with what was written before */
	unsigned int		dirty;		/* pages that are not all zero */
};

static int sleeper_fn(void *arg)
{
	unsigned long base = (unsigned long)task_stack_page(current);
	struct sleeper *s = arg;
	unsigned int i, below;

	/* Nothing below the page that holds this frame is in use. */
	below = ((unsigned long)__builtin_frame_address(0) - base) >> PAGE_SHIFT;

	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		if (!READ_ONCE(s->go)) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);

		s->found = 0;
		s->dirty = 0;
		for (i = 0; i < below; i++) {
			u64 *word = (u64 *)(base + i * PAGE_SIZE + TEST_SKIP);
			unsigned int n = (PAGE_SIZE - TEST_SKIP) / sizeof(*word);

			if (READ_ONCE(word[0]) == TEST_MAGIC)
				s->found |= BIT(i);
			if (READ_ONCE(word[0]))
				s->dirty |= BIT(i);
			while (n)
				WRITE_ONCE(word[--n], TEST_MAGIC);
		}
		preempt_disable();
		if (READ_ONCE(s->spin)) {
			unsigned long end = jiffies + TEST_WAIT / 10;

			WRITE_ONCE(s->spinning, true);
			while (READ_ONCE(s->spin) && time_before(jiffies, end))
				cpu_relax();
			WRITE_ONCE(s->spinning, false);
		}
		preempt_enable();
		WRITE_ONCE(s->go, false);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/* Let it write to its stack, and wait until it is off the CPU again. */
static void sleeper_run(struct kunit *test, struct sleeper *s)
{
	unsigned long end = jiffies + TEST_WAIT;

	WRITE_ONCE(s->go, true);
	wake_up_process(s->tsk);
	while (READ_ONCE(s->go) || !wait_task_inactive(s->tsk, TASK_IDLE)) {
		KUNIT_ASSERT_TRUE(test, time_before(jiffies, end));
		usleep_range(1000, 2000);
	}
}

/* Pages below the one with the stack pointer. */
static unsigned int sleeper_below(struct sleeper *s)
{
	return BIT((arch_dynamic_stack_sp(s->tsk) - s->ds->base) >> PAGE_SHIFT) - 1;
}

static void sleeper_stop(void *data)
{
	struct sleeper *s = data;

	WRITE_ONCE(s->spin, false);
	kthread_stop(s->tsk);
	put_task_struct(s->tsk);
}

static struct sleeper *sleeper_create(struct kunit *test, int cpu)
{
	struct sleeper *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct task_struct *tsk;

	KUNIT_ASSERT_NOT_NULL(test, s);
	tsk = kthread_create(sleeper_fn, s, "kstack_test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(tsk));
	if (cpu >= 0)
		kthread_bind(tsk, cpu);
	s->tsk = get_task_struct(tsk);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, sleeper_stop, s), 0);
	KUNIT_ASSERT_TRUE(test, dynamic_stack_managed(tsk));
	s->ds = tsk->dynamic_stack;
	return s;
}

/* One that sleeps with all pages parked that can be. */
static struct sleeper *sleeper(struct kunit *test)
{
	struct sleeper *s = sleeper_create(test, -1);

	sleeper_run(test, s);
	KUNIT_ASSERT_NE(test, sleeper_below(s), 0);
	KUNIT_ASSERT_EQ(test, s->ds->parked, sleeper_below(s));
	KUNIT_ASSERT_TRUE(test, s->ds->queued);
	return s;
}

static void sleeper_age(struct sleeper *s)
{
	/* It sleeps, and nobody else writes to this. */
	s->ds->last_out = jiffies - 2UL * TEST_HOUR * HZ;
}

struct take_ctx {
	struct dstack_iso	iso;
	struct task_struct	*tsk;
	struct collect_args	args;
	struct list_head	pages;
	int			want;
};

/* collect_take(), with a look at the gauges. */
static int take_isolated(void *data)
{
	struct take_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->args.ds;
	struct dstack_iso *iso = &ctx->iso;
	long parked = dstack_vm_event(NR_KSTACK_PARKED), pages = dstack_test_pages();
	unsigned int mask = ds->parked, held = dstack_held(ds);
	unsigned int nr = ctx->want == COLLECT_DONE ? hweight32(mask) : 0;

	ctx->args.nr = 0;
	ctx->args.pages = &ctx->pages;
	INIT_LIST_HEAD(&ctx->pages);
	ISO_EQ(iso, task_call_func(ctx->tsk, collect_take, &ctx->args), ctx->want);
	ISO_EQ(iso, ctx->args.nr, nr);
	ISO_EQ(iso, list_count_nodes(&ctx->pages), nr);
	ISO_EQ(iso, ds->parked, nr ? 0 : mask);
	ISO_EQ(iso, dstack_held(ds), held - nr);
	ISO_EQ(iso, ds->queued, ctx->want != COLLECT_DONE);
	ISO_EQ(iso, dstack_vm_event(NR_KSTACK_PARKED), parked - nr);
	ISO_EQ(iso, dstack_test_pages(), pages);
	dstack_test_consistent(iso, ds);
	/* Nobody took it off the collector's list. */
	ds->queued = true;
	return 0;
}

static void collect_seq(struct kunit *test)
{
	struct take_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	struct sleeper *s = sleeper(test);
	struct dynamic_stack *ds = s->ds;
	unsigned int below = ds->parked, seq = ds->seq;
	struct page *page, *next;

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->tsk = s->tsk;
	ctx->args.ds = ds;

	/* It runs in between, and parks the same pages again. */
	KUNIT_ASSERT_EQ(test, task_call_func(s->tsk, collect_prepare, &ctx->args), COLLECT_TAKE);
	KUNIT_EXPECT_EQ(test, ctx->args.nr, hweight32(below));
	KUNIT_EXPECT_EQ(test, ds->snap, seq);
	sleeper_run(test, s);
	KUNIT_EXPECT_EQ(test, s->found & below, below);
	KUNIT_EXPECT_EQ(test, ds->seq, seq + 1);
	KUNIT_ASSERT_EQ(test, ds->parked, below);
	ctx->want = COLLECT_WAIT;
	dstack_isolated(test, take_isolated, ctx);
	sleeper_run(test, s);
	KUNIT_EXPECT_EQ(test, s->found & below, below);

	/* It sleeps on. */
	KUNIT_ASSERT_EQ(test, task_call_func(s->tsk, collect_prepare, &ctx->args), COLLECT_TAKE);
	flush_tlb_all();
	ctx->want = COLLECT_DONE;
	dstack_isolated(test, take_isolated, ctx);
	list_for_each_entry_safe(page, next, &ctx->pages, lru)
		kstack_page_recycle(page);

	/* New pages, and clean. */
	sleeper_run(test, s);
	KUNIT_EXPECT_EQ(test, s->dirty & below, 0);
}

static void collect_on_cpu(struct kunit *test)
{
	struct dynamic_stack *ds = current->dynamic_stack;
	struct collect_args args = { .ds = ds };
	bool queued;

	KUNIT_ASSERT_NOT_NULL(test, ds);
	queued = ds->queued;
	KUNIT_EXPECT_EQ(test, task_call_func(current, collect_prepare, &args), COLLECT_WAIT);
	KUNIT_EXPECT_EQ(test, task_call_func(current, collect_take, &args), COLLECT_WAIT);
	KUNIT_EXPECT_EQ(test, args.nr, 0);
	KUNIT_EXPECT_TRUE(test, dstack_complete(ds));
	/* If that failed: it is on a list still. */
	ds->queued = queued;
}

static void collect_on_other_cpu(struct kunit *test)
{
	unsigned long end = jiffies + TEST_WAIT;
	struct collect_args args = { };
	struct sleeper *s;
	unsigned int cpu;
	int ret;

	/* Not migrate_disable(): a failed assertion ends this thread, and all that it has. */
	cpu = raw_smp_processor_id();
	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(cpu)), 0);
	cpu = cpumask_any_but(cpu_online_mask, cpu);
	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "needs two CPUs");
	s = sleeper_create(test, cpu);
	args.ds = s->ds;
	sleeper_run(test, s);
	WRITE_ONCE(s->spin, true);
	WRITE_ONCE(s->go, true);
	wake_up_process(s->tsk);
	while (!READ_ONCE(s->spinning) && time_before(jiffies, end))
		usleep_range(1000, 2000);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(s->spinning));
	ret = task_call_func(s->tsk, collect_prepare, &args);
	KUNIT_EXPECT_EQ(test, ret, COLLECT_WAIT);
	ret = task_call_func(s->tsk, collect_take, &args);
	KUNIT_EXPECT_EQ(test, ret, COLLECT_WAIT);
	KUNIT_EXPECT_TRUE(test, dstack_complete(s->ds));
	KUNIT_EXPECT_TRUE(test, READ_ONCE(s->spinning));
	WRITE_ONCE(s->spin, false);
}

static void collect_age(struct kunit *test)
{
	struct sleeper *s = sleeper(test);
	struct collect_args args = { .ds = s->ds, .min_age = TEST_HOUR * HZ };
	unsigned int parked = s->ds->parked;

	KUNIT_EXPECT_EQ(test, task_call_func(s->tsk, collect_prepare, &args), COLLECT_WAIT);
	KUNIT_EXPECT_EQ(test, args.nr, 0);
	args.min_age = 0;
	args.hold = true;
	KUNIT_EXPECT_EQ(test, task_call_func(s->tsk, collect_prepare, &args), COLLECT_WAIT);
	KUNIT_EXPECT_EQ(test, args.nr, 0);
	args.min_age = TEST_HOUR * HZ;
	args.hold = false;
	sleeper_age(s);
	KUNIT_EXPECT_EQ(test, task_call_func(s->tsk, collect_prepare, &args), COLLECT_TAKE);
	KUNIT_EXPECT_EQ(test, args.nr, hweight32(parked));
	KUNIT_EXPECT_EQ(test, s->ds->parked, parked);
	KUNIT_EXPECT_TRUE(test, s->ds->queued);
}

/* The first half parks what the switch left whole. */
static void collect_policy_sleep(struct kunit *test)
{
	struct sleeper *s = sleeper_create(test, -1);
	struct collect_args args = { .ds = s->ds };

	WRITE_ONCE(dynamic_stack_reclaim, DSTACK_RECLAIM_SLEEP);
	sleeper_run(test, s);
	KUNIT_EXPECT_TRUE(test, dstack_complete(s->ds));
	KUNIT_EXPECT_TRUE(test, s->ds->queued);
	KUNIT_EXPECT_EQ(test, task_call_func(s->tsk, collect_prepare, &args), COLLECT_TAKE);
	KUNIT_EXPECT_EQ(test, s->ds->parked, sleeper_below(s));
	KUNIT_EXPECT_EQ(test, s->ds->mapped, DSTACK_ALL & ~sleeper_below(s));
	WRITE_ONCE(dynamic_stack_reclaim, DSTACK_RECLAIM_SWITCH);
}

/* Words that a sleeper wrote. */
static unsigned int magic_words(struct page *page)
{
	u64 *word = page_address(page);
	unsigned int i, nr = 0;

	for (i = 0; i < PAGE_SIZE / sizeof(*word); i++)
		nr += READ_ONCE(word[i]) == TEST_MAGIC;
	return nr;
}

static void collect_now(struct kunit *test)
{
	unsigned long took, collected, shootdowns;
	struct sleeper *s = sleeper(test);
	struct dynamic_stack *ds = s->ds;
	unsigned int below = ds->parked, i;
	struct page *page[DSTACK_PAGES];

	/* Too young, as everyone is. */
	shootdowns = dstack_vm_event(KSTACK_SHOOTDOWN);
	KUNIT_EXPECT_EQ(test, kstack_collect_once(KSTACK_COLLECT_AGED), 0);
	KUNIT_EXPECT_EQ(test, ds->parked, below);
	KUNIT_EXPECT_EQ(test, dstack_vm_event(KSTACK_SHOOTDOWN), shootdowns);

	memcpy(page, ds->page, sizeof(page));
	for (i = 0; i < DSTACK_PAGES; i++) {
		if (below & BIT(i))
			KUNIT_EXPECT_GT(test, magic_words(page[i]), 0);
	}
	collected = dstack_vm_event(KSTACK_COLLECT);
	took = kstack_collect_once(KSTACK_COLLECT_ALL);
	KUNIT_EXPECT_GE(test, took, hweight32(below));
	KUNIT_EXPECT_EQ(test, dstack_vm_event(KSTACK_COLLECT), collected + took);
	KUNIT_EXPECT_EQ(test, dstack_vm_event(KSTACK_SHOOTDOWN), shootdowns + 1);
	KUNIT_EXPECT_EQ(test, ds->parked, 0);
	KUNIT_EXPECT_FALSE(test, ds->queued);
	KUNIT_EXPECT_EQ(test, refcount_read(&ds->ref), 1);

	/* Others may use them by now, but not find this in them. */
	for (i = 0; i < DSTACK_PAGES; i++) {
		if (!(below & BIT(i)))
			continue;
		KUNIT_EXPECT_NULL(test, ds->page[i]);
		KUNIT_EXPECT_EQ(test, magic_words(page[i]), 0);
	}
	sleeper_run(test, s);
	KUNIT_EXPECT_EQ(test, s->dirty & below, 0);
	KUNIT_EXPECT_EQ(test, ds->parked & below, below);
}

/* Reclaim takes nothing from those that slept for less than a second. */
static void collect_for_reclaim(struct kunit *test)
{
	struct sleeper *s = sleeper(test);
	unsigned int below = s->ds->parked;

	/* However long "long" is: the suite has set it to an hour. */
	s->ds->last_out = jiffies;
	kstack_collect_once(KSTACK_COLLECT_PRESSURE);
	KUNIT_EXPECT_EQ(test, s->ds->parked, below);
	s->ds->last_out = jiffies - msecs_to_jiffies(COLLECT_SHRINK_SLEEP_MS) - 1;
	/* Its own pace leaves it, and counts it for reclaim. It is parked, too. */
	kstack_collect_once(KSTACK_COLLECT_AGED);
	KUNIT_EXPECT_EQ(test, s->ds->parked, below);
	KUNIT_EXPECT_GE(test, READ_ONCE(collect_nr_held), 1);
	KUNIT_EXPECT_GE(test, kstack_collect_once(KSTACK_COLLECT_PRESSURE), hweight32(below));
	KUNIT_EXPECT_EQ(test, s->ds->parked, 0);
}

/* A CPU that starves takes nothing from a kernel thread that is in use. */
static void collect_starved_kthread(struct kunit *test)
{
	struct sleeper *s = sleeper(test);
	unsigned int below = s->ds->parked;

	WRITE_ONCE(kstack_collect_sleep, COLLECT_SHRINK_SLEEP_MS);
	s->ds->last_out = jiffies - 2 * COLLECT_STARVED_INTERVAL;
	kstack_collect_once(KSTACK_COLLECT_STARVED);
	KUNIT_EXPECT_EQ(test, s->ds->parked, below);
	sleeper_age(s);
	KUNIT_EXPECT_GE(test, kstack_collect_once(KSTACK_COLLECT_STARVED), hweight32(below));
	KUNIT_EXPECT_EQ(test, s->ds->parked, 0);
	WRITE_ONCE(kstack_collect_sleep, TEST_HOUR * MSEC_PER_SEC);
}

/* CPUs that starve share what shootdowns they may have. */
static void collect_starved_rate(struct kunit *test)
{
	unsigned long end = jiffies + 10 * COLLECT_STARVED_INTERVAL;
	unsigned int passes = 0;

	while (time_before(jiffies, end)) {
		passes += kstack_collect(KSTACK_COLLECT_STARVED) >= 0;
		cpu_relax();
		cond_resched();
	}
	KUNIT_EXPECT_GT(test, passes, 0);
	KUNIT_EXPECT_LE(test, passes, 11);
}

/*
 * One that was woken up keeps what is parked, between the halves of a pass, too.
 * It can't run before the machine goes on.
 */
static int take_woken(void *data)
{
	struct take_ctx *ctx = data;
	struct dynamic_stack *ds = ctx->args.ds;
	struct dstack_iso *iso = &ctx->iso;
	unsigned int parked = ds->parked;

	ISO_EQ(iso, task_call_func(ctx->tsk, collect_prepare, &ctx->args), COLLECT_TAKE);
	wake_up_process(ctx->tsk);
	ISO_EQ(iso, task_call_func(ctx->tsk, collect_take, &ctx->args), COLLECT_WAIT);
	ISO_EQ(iso, task_call_func(ctx->tsk, collect_prepare, &ctx->args), COLLECT_WAIT);
	ISO_EQ(iso, ds->parked, parked);
	ISO_TRUE(iso, ds->queued);
	return 0;
}

static void collect_woken(struct kunit *test)
{
	struct take_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	struct sleeper *s = sleeper(test);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->tsk = s->tsk;
	ctx->args.ds = s->ds;
	/* If it takes any, they are lost. */
	INIT_LIST_HEAD(&ctx->pages);
	ctx->args.pages = &ctx->pages;
	dstack_isolated(test, take_woken, ctx);
}

static void collect_few(struct kunit *test)
{
	struct sleeper *s = sleeper(test);
	unsigned int pass = 0, below = s->ds->parked;

	KUNIT_ASSERT_LT(test, hweight32(below), COLLECT_MIN_PAGES);
	/* The passes are counted from the last shootdown on. */
	KUNIT_ASSERT_GT(test, kstack_collect_once(KSTACK_COLLECT_ALL), 0);
	sleeper_run(test, s);
	sleeper_age(s);
	for (pass = 1; pass < COLLECT_PATIENCE; pass++) {
		KUNIT_EXPECT_EQ(test, kstack_collect_once(KSTACK_COLLECT_AGED), 0);
		KUNIT_EXPECT_EQ(test, s->ds->parked, below);
	}
	KUNIT_EXPECT_EQ(test, kstack_collect_once(KSTACK_COLLECT_AGED), hweight32(below));
	KUNIT_EXPECT_EQ(test, s->ds->parked, 0);
}

static void collect_many(struct kunit *test)
{
	struct sleeper *s[COLLECT_MIN_PAGES];
	unsigned int i, nr = 0, pages = 0;

	while (pages < COLLECT_MIN_PAGES) {
		s[nr] = sleeper(test);
		pages += hweight32(s[nr]->ds->parked);
		nr++;
	}
	KUNIT_ASSERT_GT(test, kstack_collect_once(KSTACK_COLLECT_ALL), 0);
	pages = 0;
	for (i = 0; i < nr; i++) {
		sleeper_run(test, s[i]);
		sleeper_age(s[i]);
		pages += hweight32(s[i]->ds->parked);
	}
	KUNIT_EXPECT_EQ(test, kstack_collect_once(KSTACK_COLLECT_AGED), pages);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, s[i]->ds->parked, 0);
}

static void collect_orphan(struct kunit *test)
{
	struct dynamic_stack *ds = dstack_test_task(test)->dynamic_stack;
	unsigned int period = kstack_collect_period, i;
	struct sleeper *s = sleeper(test);
	unsigned int parked = s->ds->parked;

	/* As if its task had died. Also in a pass that takes nothing. */
	for (i = 0; i < 2; i++) {
		local_irq_disable();
		dstack_queue(ds);
		local_irq_enable();
		KUNIT_EXPECT_TRUE(test, ds->queued);
		KUNIT_EXPECT_EQ(test, refcount_read(&ds->ref), 2);

		sleeper_age(s);
		WRITE_ONCE(kstack_collect_period, i ? 0 : period);
		kstack_collect_once(i ? KSTACK_COLLECT_AGED : KSTACK_COLLECT_ALL);
		WRITE_ONCE(kstack_collect_period, period);
		KUNIT_EXPECT_FALSE(test, ds->queued);
		KUNIT_EXPECT_EQ(test, refcount_read(&ds->ref), 1);
		KUNIT_EXPECT_EQ(test, s->ds->parked, i ? parked : 0);
		if (!i)
			sleeper_run(test, s);
	}
}

static void collect_depth(struct kunit *test)
{
	struct dynamic_stack *ds = kunit_kzalloc(test, sizeof(*ds), GFP_KERNEL);
	struct page *low = alloc_page(GFP_KERNEL | __GFP_ZERO);
	struct page *high = alloc_page(GFP_KERNEL | __GFP_ZERO);
	LIST_HEAD(pages);

	if (ds && low && high) {
		ds->unused = THREAD_SIZE;
		list_add_tail(&low->lru, &pages);
		list_add_tail(&high->lru, &pages);
		collect_note_depth(ds, &pages, BIT(1) | BIT(2));
		KUNIT_EXPECT_EQ(test, ds->unused, THREAD_SIZE);
		((unsigned long *)page_address(high))[5] = 1;
		collect_note_depth(ds, &pages, BIT(1) | BIT(2));
		KUNIT_EXPECT_EQ(test, ds->unused, 2 * PAGE_SIZE + 5 * sizeof(long));
		((unsigned long *)page_address(low))[7] = 1;
		collect_note_depth(ds, &pages, BIT(1) | BIT(2));
		KUNIT_EXPECT_EQ(test, ds->unused, PAGE_SIZE + 7 * sizeof(long));
		/* The deepest ever. */
		((unsigned long *)page_address(low))[7] = 0;
		collect_note_depth(ds, &pages, BIT(1) | BIT(2));
		KUNIT_EXPECT_EQ(test, ds->unused, PAGE_SIZE + 7 * sizeof(long));
	} else {
		KUNIT_FAIL(test, "no memory");
	}
	if (low)
		__free_page(low);
	if (high)
		__free_page(high);
}

static void collect_lock(void)
{
	while (!mutex_trylock(&collect_mutex))
		usleep_range(1000, 2000);
}

/* Who would kill a task else waits for a pass, not for one that can't be. */
static void collect_answer(struct kunit *test)
{
	unsigned int passes;

	collect_lock();
	passes = READ_ONCE(collect_oom_passes);
	collect_press(KSTACK_COLLECT_OOM);
	msleep(50);
	KUNIT_EXPECT_EQ(test, READ_ONCE(collect_oom_passes), passes);
	mutex_unlock(&collect_mutex);
	KUNIT_EXPECT_GT(test, wait_event_timeout(collect_wait,
						 READ_ONCE(collect_oom_passes) != passes, HZ), 0L);
}

struct hurried {
	struct completion	done;
	int			prio[5];
};

/* As a kstackd. It hurries itself, in the place of others. */
static int collect_hurried_fn(void *arg)
{
	struct hurried *h = arg;

	sched_set_fifo(current);
	while (!collect_begin())
		usleep_range(1000, 2000);
	h->prio[0] = current->rt_priority;
	kstackd_hurry();
	h->prio[1] = current->rt_priority;
	collect_unlock();
	collect_end();
	h->prio[2] = current->rt_priority;
	/* Too late */
	kstackd_hurry_task(current);
	h->prio[3] = current->rt_priority;

	/* So late that the next pass begins with it. */
	kstackd_raise(current);
	while (!collect_begin())
		usleep_range(1000, 2000);
	collect_unlock();
	collect_end();
	h->prio[4] = current->rt_priority;
	complete(&h->done);
	return 0;
}

static void collect_hurry(struct kunit *test)
{
	static struct hurried h;
	struct task_struct *tsk;

	init_completion(&h.done);
	tsk = kthread_run(collect_hurried_fn, &h, "kstackd-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(tsk));
	wait_for_completion(&h.done);
	KUNIT_EXPECT_EQ(test, h.prio[0], MAX_RT_PRIO / 2);
	KUNIT_EXPECT_EQ(test, h.prio[1], MAX_RT_PRIO - 1);
	KUNIT_EXPECT_EQ(test, h.prio[2], MAX_RT_PRIO / 2);
	KUNIT_EXPECT_EQ(test, h.prio[3], MAX_RT_PRIO / 2);
	KUNIT_EXPECT_EQ(test, h.prio[4], MAX_RT_PRIO / 2);

	/* Too late as well: it sleeps. */
	KUNIT_EXPECT_TRUE(test, collectd_asleep());
	collectd_hurry();
	KUNIT_EXPECT_FALSE(test, READ_ONCE(kstack_collectd.hurried));
	KUNIT_EXPECT_EQ(test, task_nice(kstack_collectd.task), 0);

	/* In its pass it goes before all others, */
	WRITE_ONCE(kstack_collectd.busy, true);
	collectd_hurry();
	KUNIT_EXPECT_EQ(test, task_nice(kstack_collectd.task), MIN_NICE);
	/* also if who let it step back was late for that, */
	set_user_nice(kstack_collectd.task, 0);
	collectd_hurry();
	KUNIT_EXPECT_EQ(test, task_nice(kstack_collectd.task), MIN_NICE);
	/* and if it is a real-time task by now. */
	sched_set_fifo_low(kstack_collectd.task);
	collectd_hurry();
	KUNIT_EXPECT_EQ(test, kstack_collectd.task->rt_priority, 0);
	KUNIT_EXPECT_EQ(test, task_nice(kstack_collectd.task), MIN_NICE);
	WRITE_ONCE(kstack_collectd.busy, false);
	collectd_step_back();
	KUNIT_EXPECT_EQ(test, task_nice(kstack_collectd.task), 0);
}

static struct kunit_case collect_cases[] = {
	KUNIT_CASE(collect_seq),
	KUNIT_CASE(collect_on_cpu),
	KUNIT_CASE(collect_on_other_cpu),
	KUNIT_CASE(collect_age),
	KUNIT_CASE(collect_policy_sleep),
	KUNIT_CASE(collect_now),
	KUNIT_CASE(collect_for_reclaim),
	KUNIT_CASE(collect_starved_kthread),
	KUNIT_CASE(collect_starved_rate),
	KUNIT_CASE(collect_woken),
	KUNIT_CASE(collect_few),
	KUNIT_CASE(collect_many),
	KUNIT_CASE(collect_orphan),
	KUNIT_CASE(collect_depth),
	KUNIT_CASE(collect_answer),
	KUNIT_CASE(collect_hurry),
	{}
};

static struct kunit_suite collect_suite = {
	.name		= "dynamic_stack_collect",
	.suite_init	= collect_suite_init,
	.suite_exit	= collect_suite_exit,
	.init		= dstack_test_init,
	.test_cases	= collect_cases,
};

kunit_test_suite(collect_suite);
