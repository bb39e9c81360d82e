// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: the threads that find pages.
 *
 * kstackd/N fills its CPU's pool without ever sleeping for memory, since what it
 * would wait for might wait for a stack: from the overflow lists, the page
 * allocator, other CPUs, the collector, and the reserve. kstack_collectd runs the
 * collector's passes, and gets by sleeping what the kstackds could not get
 * without. A CPU that comes up has its pool filled before.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/cpuhotplug.h>
#include <linux/fault-inject.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/hrtimer.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sysctl.h>
#include <linux/topology.h>

#include "internal.h"
#include "pool.h"

#include <trace/events/dynamic_stack.h>

/* Pages that kstackd allocates at once: enough for a CPU that starves. */
#define FILL_BATCH		((unsigned int)(4 * DSTACK_NEED))

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
static DECLARE_FAULT_ATTR(fail_kstack_refill);

static bool kstack_should_fail(void)
{
	return should_fail(&fail_kstack_refill, PAGE_SIZE);
}

static int __init fail_kstack_refill_debugfs(void)
{
	struct dentry *dir;

	dir = fault_create_debugfs_attr("fail_kstack_refill", NULL, &fail_kstack_refill);
	return PTR_ERR_OR_ZERO(dir);
}
late_initcall(fail_kstack_refill_debugfs);
#else
static inline bool kstack_should_fail(void) { return false; }
#endif

/*
 * Of this node, from the page allocator: one page for the caller, and some of
 * what the pool lacks, since most of an allocation's work is done once for all.
 * The allocator would clear them with a lock held, so that is done here.
 */
static struct page *kstack_alloc_some(struct kstack_pool *pool)
{
	const gfp_t gfp = GFP_NOWAIT | __GFP_THISNODE | __GFP_NOWARN;
	unsigned int have = READ_ONCE(pool->nr), want = READ_ONCE(pool->want), nr, i;
	struct page *pages[FILL_BATCH] = { };

	nr = have < want ? min(want - have, FILL_BATCH) : 1;
	nr = alloc_pages_bulk_node(gfp, pool->node, nr, pages);
	if (!nr)
		return NULL;
	for (i = 0; i < nr; i++) {
		if (!want_init_on_alloc(gfp))
			clear_highpage(pages[i]);
		set_page_private(pages[i], 0);
	}
	mod_node_page_state(page_pgdat(pages[0]), NR_KERNEL_STACK_KB,
			    nr * (long)(PAGE_SIZE / 1024));

	for (i = 1 + kstack_pool_add_some(pool, pages + 1, nr - 1); i < nr; i++)
		kstack_overflow_add(pages[i]);
	return pages[0];
}

/* A page from anywhere that costs nobody anything. */
static struct page *kstack_find_page(struct kstack_pool *pool)
{
	struct page *page;
	int node, cpu;

	page = kstack_surplus_del(&kstack_overflow[pool->node]);
	if (page)
		return page;

	if (!kstack_should_fail()) {
		page = kstack_alloc_some(pool);
		if (page)
			return page;
		page = kstack_page_alloc(pool->node, GFP_NOWAIT);
		if (page)
			return page;
	}

	for_each_node_state(node, N_MEMORY) {
		/* The stocks are for those that have too little for any task. */
		page = READ_ONCE(pool->nr) < POOL_ENOUGH ?
		       kstack_list_del(&kstack_overflow[node]) :
		       kstack_surplus_del(&kstack_overflow[node]);
		if (page)
			return page;
	}
	for_each_online_cpu(cpu) {
		struct kstack_pool *other = per_cpu_ptr(&kstack_pool, cpu);

		if (other == pool)
			continue;
		page = kstack_pool_del(other, kstack_pool_enough(other));
		if (page)
			return page;
	}
	return NULL;
}

/* How often kstackd waits for another thread's collection, see below. */
#define POOL_MAX_BUSY		20

/*
 * Many tasks that reclaim does not depend on may want pages, and keep them for
 * long. They get half of the reserve, which kstack_collectd fills up again, those
 * that are killed get three quarters, and none of them anything of what the page
 * allocator keeps for those who free memory.
 */
static struct page *kstack_last_resort(int node, enum dynamic_stack_level level)
{
	unsigned long floor = (DSTACK_LEVEL_ALL - level) * kstack_reserve_target / 4;
	struct page *page;

	if (READ_ONCE(kstack_reserve.nr) > floor) {
		page = kstack_list_del(&kstack_reserve);
		if (page) {
			/* To fill it up again. */
			kstack_wake_collector();
			return page;
		}
	}
	if (level != DSTACK_LEVEL_ALL || kstack_should_fail())
		return NULL;
	return kstack_page_alloc(node, GFP_NOWAIT | __GFP_MEMALLOC);
}

/* What other CPUs have and any task could do without; at last, what some could. */
static struct page *kstack_from_others(struct kstack_pool *pool, bool last)
{
	struct page *page;
	int cpu;

	for_each_online_cpu(cpu) {
		struct kstack_pool *other = per_cpu_ptr(&kstack_pool, cpu);

		if (other == pool)
			continue;
		page = kstack_pool_del(other, last ? kstack_pool_keep(other, pool) : POOL_ENOUGH);
		if (page)
			return page;
	}
	return NULL;
}

/* A task was put off, or the next one may be that nobody may wait for. */
static bool kstack_needs_hard(struct kstack_pool *pool)
{
	return READ_ONCE(pool->starved) ||
	       READ_ONCE(pool->nr) < kstack_pool_floor(DSTACK_LEVEL_LAST);
}

/* A page for a CPU that can't run what it should, or soon can't: nothing is too dear. */
static struct page *kstack_find_page_hard(struct kstack_pool *pool)
{
	enum dynamic_stack_level level;
	struct page *page;
	unsigned int nr, last;
	long taken;

	page = kstack_from_others(pool, false);
	if (page)
		return page;
	/*
	 * One that reclaim waits for has taken some of a pool at rest, and the next can
	 * do so, too. That is no reason to interrupt all CPUs, or to use the reserve.
	 */
	if (!kstack_needs_hard(pool))
		return NULL;

	/* Sends IPIs, but allocates nothing and waits for no task. */
	taken = kstack_collect(KSTACK_COLLECT_STARVED);
	if (taken > 0) {
		pool->busy = 0;
		page = kstack_find_page(pool);
		if (page)
			return page;
	}
	/* The pass may have given this pool what it lacks. */
	nr = READ_ONCE(pool->nr);
	if (nr >= POOL_ENOUGH)
		return NULL;
	/* What no fork needs but a CPU that starves. A kworker frees them, for the next try. */
	dstack_cache_age(0);
	/* Whom the next page is for. One of the highest level may lack its top page, too. */
	last = kstack_pool_floor(DSTACK_LEVEL_LAST);
	if (IS_ENABLED(CONFIG_DYNAMIC_STACK_VACATE) && READ_ONCE(pool->starved) &&
	    READ_ONCE(pool->level) == DSTACK_LEVEL_ALL)
		last = DSTACK_MAX_NEED;
	level = nr < last ? DSTACK_LEVEL_ALL :
		nr < kstack_pool_floor(DSTACK_LEVEL_NONE) ? DSTACK_LEVEL_LAST : DSTACK_LEVEL_NONE;
	/*
	 * Another thread is at it, for all, or was until a moment ago. As long as
	 * there are pages for those that reclaim waits for, come back instead of
	 * using up the memory that it depends on; but that thread may be slow, and
	 * is waited for once, not for each page. There is no need to wait if there
	 * was nothing to collect.
	 */
	if (!taken)
		pool->busy = POOL_MAX_BUSY;
	if (taken < 0 && level == DSTACK_LEVEL_NONE && pool->busy < POOL_MAX_BUSY) {
		pool->busy++;
		return NULL;
	}

	return kstack_last_resort(pool->node, level) ?: kstack_from_others(pool, true);
}

/*
 * Fill a pool without sleeping: what this thread would wait for might in turn
 * wait for a stack. Return false if there were not enough pages.
 */
static bool kstack_pool_fill(struct kstack_pool *pool)
{
	unsigned int before = READ_ONCE(pool->nr);
	bool starved = READ_ONCE(pool->starved);
	bool filled = true;

	if (kstack_empty())
		return false;
	for (;;) {
		struct page *page;

		if (READ_ONCE(pool->nr) >= READ_ONCE(pool->want))
			break;
		page = kstack_find_page(pool);
		if (!page && READ_ONCE(pool->nr) < POOL_ENOUGH)
			page = kstack_find_page_hard(pool);
		if (!page) {
			/* A pass of the collector fills it as well. */
			filled = READ_ONCE(pool->nr) >= READ_ONCE(pool->want);
			/* Let the other thread wait for memory. */
			if (READ_ONCE(pool->nr) < kstack_pool_enough(pool))
				kstack_wake_collector();
			break;
		}
		if (!kstack_pool_add(pool, page)) {
			kstack_overflow_add(page);
			break;
		}
	}
	trace_dynamic_stack_refill(pool->cpu, before, READ_ONCE(pool->nr), starved);
	return filled;
}

/*
 * What pools at rest have taken of a node's stock. A page of another node serves
 * them as well, and the stock must be filled: it is added whatever its node. Whoever
 * may sleep here, for long, has something better to do if a CPU starves.
 * Return: false without memory.
 */
static bool kstack_stock_fill(int node, gfp_t gfp)
{
	struct kstack_list *stock = &kstack_overflow[node];
	unsigned long tries = READ_ONCE(stock->keep);

	/* All kstackds of the node may be at it; but nobody for ever, while others take. */
	while (READ_ONCE(stock->nr) < READ_ONCE(stock->keep) && tries--) {
		struct page *page;

		if (gfpflags_allow_blocking(gfp) && kstack_any_starved())
			break;
		page = kstack_should_fail() ? NULL : kstack_page_alloc(node, gfp);
		if (!page)
			return false;
		kstack_list_add(stock, page);
	}
	return true;
}

static int kstackd(void *arg)
{
	struct kstack_pool *pool = arg;
	bool filled = true;

	sched_set_fifo(current);

	for (;;) {
		bool again, resched;

		set_current_state(TASK_IDLE);
		if (kthread_should_stop() || kthread_should_park()) {
			__set_current_state(TASK_RUNNING);
			if (kthread_should_stop())
				return 0;
			kthread_parkme();
			continue;
		}
		if (!READ_ONCE(pool->kicked)) {
			/* The next kick is not another try. */
			filled = true;
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);

		/* To try again is no demand. */
		if (filled || READ_ONCE(pool->starved))
			kstack_pool_grow(pool);
		filled = kstack_pool_fill(pool);
		if (filled && !kstack_stock_fill(pool->node, GFP_NOWAIT))
			kstack_wake_collector();
		/* What the pool does not need is to go again. */
		kstack_poke_collector();

		raw_spin_lock_irq(&pool->lock);
		resched = kstack_pool_unstarve(pool);
		/* Whoever came in the meantime did not kick again. */
		again = pool->starved || pool->nr < pool->mark;
		/* kstack_collectd was asked. Until it finds some, who lacks pages kicks again. */
		if (!filled && !kstack_needs_hard(pool))
			again = false;
		WRITE_ONCE(pool->kicked, again);
		WRITE_ONCE(pool->backoff, again && !filled);
		/* Each switch may cross the low mark: don't come back for each. */
		pool->retry = jiffies + !filled;
		raw_spin_unlock_irq(&pool->lock);
		if (resched)
			dynamic_stack_resched(pool->cpu);

		/* Nothing to be had now. Don't spin at real-time priority. */
		if (again && !filled) {
			set_current_state(TASK_IDLE);
			hrtimer_start(&pool->timer, ms_to_ktime(1),
				      HRTIMER_MODE_REL_PINNED_HARD);
			schedule();
			hrtimer_cancel(&pool->timer);
			WRITE_ONCE(pool->backoff, false);
		}
	}
}

/* With nothing to collect: how often to free the descriptors of dead tasks. */
#define COLLECT_ORPHANS_MS	10000

/* What nobody needed for so long goes: overflown pages, and what pools have too much. */
#define OVERFLOW_AGE		HZ

/* So do stacks in the cache. */
#define CACHE_AGE		(2 * HZ)

static bool collectd_ages(void)
{
	return kstack_overflow_above(0) || !kstack_pools_at_rest() || dstack_cached_pages();
}

/* It was asked for, but there was none; or a CPU took what another one should have. */
static bool collectd_refills(void)
{
	return kstack_reserve_low() || kstack_pool_short(KSTACK_MARK_LOW);
}

/* Nothing to look at, nothing to age, and nothing to give back. */
static bool collectd_idle(void)
{
	return kstack_collect_idle() && !collectd_ages() && !collectd_refills() &&
	       !kstack_any_poisoned() && !kstack_any_copies_done();
}

/* That ages at its own pace, however rarely stacks are looked at. */
static unsigned long collectd_timeout(unsigned int period)
{
	unsigned long timeout = msecs_to_jiffies(period);

	return collectd_ages() || collectd_refills() ? min(timeout, OVERFLOW_AGE) : timeout;
}

/* Somebody can't wait until the period is over. */
static bool collectd_wanted(void)
{
	return READ_ONCE(kstack_collectd.requested) ||
	       READ_ONCE(kstack_collectd.pressed) != KSTACK_COLLECT_AGED;
}

/*
 * Sleep for a period, or until there is something to do. An idle machine is
 * left alone: with nothing queued, there is no timeout.
 */
static void collectd_sleep(unsigned int period)
{
	WRITE_ONCE(kstack_collectd.asleep, true);
	/*
	 * Pairs with the llist_add() in dstack_queue(), which is a full barrier,
	 * and with kstack_poke_collector().
	 */
	smp_mb();
	if (!collectd_idle())
		WRITE_ONCE(kstack_collectd.asleep, false);

	set_current_state(TASK_IDLE);
	if (!collectd_wanted()) {
		if (!READ_ONCE(kstack_collectd.asleep) && !READ_ONCE(kstack_collectd.queued))
			schedule_timeout(collectd_timeout(period));
		else if (!READ_ONCE(kstack_collectd.queued))
			schedule();
	}
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(kstack_collectd.asleep, false);

	/* What woke it up was queued just now: give it its time. */
	if (!xchg(&kstack_collectd.queued, false))
		return;
	set_current_state(TASK_IDLE);
	if (!collectd_wanted())
		schedule_timeout(collectd_timeout(period));
	__set_current_state(TASK_RUNNING);
}

/* Since when there was nothing, in jiffies; 0: there was, or nobody has asked since. */
static unsigned long refill_failing;

/*
 * Get what kstackd could not get without sleeping.
 *
 * Not by an OOM kill, as long as something may be freed without: what was killed
 * may be about to end. After a second in which there was nothing at all, and while a
 * CPU starves, there may be nobody else left who could ask for one.
 *
 * Context: kstack_collectd, which nothing waits for; enters reclaim, may OOM-kill.
 * Return: false if the page allocator gave up.
 */
static bool kstack_refill_sleeping(void)
{
	struct kstack_pool *pool;
	struct page *page;
	int nid;

	/* Those in need first, then the reserve, then some more for each. */
	while ((pool = kstack_pool_short(KSTACK_MARK_LOW)) || kstack_reserve_low() ||
	       (pool = kstack_pool_short(KSTACK_MARK_WANT))) {
		int node = pool ? pool->node : numa_node_id();

		gfp_t gfp = GFP_KERNEL;

		if (!refill_failing || !time_after(jiffies, refill_failing + HZ) ||
		    !kstack_any_starved())
			gfp |= __GFP_RETRY_MAYFAIL;
		page = kstack_should_fail() ? NULL : kstack_page_alloc(node, gfp);
		if (!page) {
			refill_failing = refill_failing ?: jiffies ?: 1;
			return false;
		}
		refill_failing = 0;
		if (!pool)
			kstack_list_add(&kstack_reserve, page);
		else if (!kstack_pool_add(pool, page))
			kstack_overflow_add(page);
	}
	refill_failing = 0;
	/* Nobody waits for these. */
	for_each_node_state(nid, N_MEMORY)
		kstack_stock_fill(nid, GFP_KERNEL | __GFP_NORETRY);
	return true;
}

static int kstack_collectd_fn(void *unused)
{
	unsigned long last = jiffies, aged = jiffies;

	for (;;) {
		unsigned int period = READ_ONCE(kstack_collect_period);
		bool requested;

		if (!period || READ_ONCE(dynamic_stack_reclaim) == DSTACK_RECLAIM_NEVER)
			period = COLLECT_ORPHANS_MS;

		collectd_sleep(period);
		requested = xchg(&kstack_collectd.requested, false);

		/* Requests for memory may come more often. */
		if (time_after_eq(jiffies, last + msecs_to_jiffies(period))) {
			last = jiffies;
			kstack_collect(KSTACK_COLLECT_AGED);
		}
		if (kstack_collect_pressed() == -EBUSY)
			schedule_timeout_idle(1);
		kstack_free_poisoned();
		kstack_copies_free();
		/*
		 * Waits for memory if it must. A CPU that starves meanwhile
		 * runs the collector from its own kstackd.
		 */
		if (requested || collectd_refills())
			kstack_refill_sleeping();
		else if (!kstack_any_starved())
			refill_failing = 0;
		if (time_after_eq(jiffies, aged + OVERFLOW_AGE)) {
			aged = jiffies;
			kstack_pools_age();
			dstack_cache_age(CACHE_AGE);
			kstack_overflow_age();
		}
	}
	return 0;
}

/*
 * Before a CPU comes up: it gets a pool that can serve it, or doesn't come up.
 */
static int kstack_cpu_prepare(unsigned int cpu)
{
	struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);
	struct task_struct *tsk;
	int err = -ENOMEM;

	pool->cpu = cpu;
	pool->node = cpu_to_mem(cpu);
	kstack_pool_set_online(pool, true);
	/* Kept over suspend, see kstack_cpu_dead(). */
	if (pool->kstackd)
		return 0;
	/* Not at rest: what it begins with is kicked for. */
	raw_spin_lock_irq(&pool->lock);
	kstack_pool_set_want(pool, 2 * POOL_MIN);
	raw_spin_unlock_irq(&pool->lock);
	while (READ_ONCE(pool->nr) < POOL_ENOUGH) {
		struct page *page = NULL;

		if (!kstack_should_fail())
			page = kstack_page_alloc(pool->node, GFP_KERNEL);
		if (!page)
			goto drain;
		if (!kstack_pool_add(pool, page)) {
			kstack_page_free(page);
			break;
		}
	}

	tsk = kthread_create_on_cpu(kstackd, pool, cpu, "kstackd/%u");
	if (IS_ERR(tsk)) {
		err = PTR_ERR(tsk);
		goto drain;
	}
	kthread_set_per_cpu(tsk, cpu);
	err = dynamic_stack_keep(tsk) ?: kstack_fault_prepare(cpu);
	if (err) {
		kthread_stop(tsk);
		goto drain;
	}
	/* Until the CPU is up. */
	kthread_park(tsk);
	pool->kstackd = tsk;
	return 0;

drain:
	pr_warn("no stack frames for CPU %u, it stays offline\n", cpu);
	kstack_pool_set_online(pool, false);
	kstack_pool_drain(pool);
	kstack_fault_drain(cpu);
	return err;
}

static int kstack_cpu_dead(unsigned int cpu)
{
	struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);

	kstack_pool_set_online(pool, false);
	WRITE_ONCE(pool->starved, false);
	WRITE_ONCE(pool->kicked, false);
	/*
	 * At resume nobody can be killed for memory, and a CPU that does not come
	 * back is lost. It has what it needs to come online, kstackd foremost; if
	 * its pool has less than it should, that is filled then.
	 */
	if (cpuhp_tasks_frozen)
		return 0;
	kthread_stop(pool->kstackd);
	pool->kstackd = NULL;
	kstack_pool_drain(pool);
	kstack_fault_drain(cpu);
	return 0;
}

/*
 * The first that runs on a CPU that comes up, and the last on one that goes
 * down, after the scheduler has moved everyone else away: until then a task
 * may need pages to get off the CPU. That is too late for an smpboot thread.
 */
static int kstack_cpu_online(unsigned int cpu)
{
	struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);
	int err = dstack_proof_online(cpu);

	if (err)
		return err;
	/* Also for the node's stock, which may have shrunk over suspend. */
	WRITE_ONCE(pool->kicked, true);
	kthread_unpark(pool->kstackd);
	return 0;
}

static int kstack_cpu_offline(unsigned int cpu)
{
	kthread_park(per_cpu(kstack_pool, cpu).kstackd);
	return 0;
}

#ifdef CONFIG_SYSCTL
static DEFINE_MUTEX(kstack_marks_mutex);

/* The marks have changed. What pools have too much overflows, and ages. */
static void kstack_pool_trim(void)
{
	struct page *page;
	int cpu;

	for_each_possible_cpu(cpu) {
		struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);

		raw_spin_lock_irq(&pool->lock);
		kstack_pool_set_want(pool, pool->want);
		raw_spin_unlock_irq(&pool->lock);
		while ((page = kstack_pool_del(pool, READ_ONCE(kstack_pool_high))))
			kstack_overflow_add(page);
	}
	kstack_poke_collector();
}

/* One at a time: each mark is the limit of the other. */
static int kstack_marks_handler(const struct ctl_table *table, int write,
				void *buffer, size_t *lenp, loff_t *ppos)
{
	int err;

	mutex_lock(&kstack_marks_mutex);
	err = proc_douintvec_minmax(table, write, buffer, lenp, ppos);
	if (!err && write)
		kstack_pool_trim();
	mutex_unlock(&kstack_marks_mutex);
	return err;
}

static const unsigned int pool_low_min = 3 * DSTACK_MAX_NEED;
static const unsigned int pool_high_max = POOL_CAPACITY;

static struct ctl_table kstack_pool_sysctls[] = {
	{
		.procname	= "dynamic_stack_pool_low",
		.data		= &kstack_pool_low,
		.maxlen		= sizeof(kstack_pool_low),
		.mode		= 0644,
		.proc_handler	= kstack_marks_handler,
		.extra1		= (void *)&pool_low_min,
		.extra2		= &kstack_pool_high,
	},
	{
		.procname	= "dynamic_stack_pool_high",
		.data		= &kstack_pool_high,
		.maxlen		= sizeof(kstack_pool_high),
		.mode		= 0644,
		.proc_handler	= kstack_marks_handler,
		.extra1		= &kstack_pool_low,
		.extra2		= (void *)&pool_high_max,
	},
};
#endif

/**
 * kstack_refill_init - fill the boot CPU's pool, and start the threads
 *
 * Each other CPU's is filled, and its kstackd started, when it comes up.
 *
 * Context: early initcall, once.
 * Return: 0, or an error: then the feature stays off.
 */
int __init kstack_refill_init(void)
{
	struct task_struct *tsk;
	int err;

#ifdef CONFIG_SYSCTL
	register_sysctl_init("vm", kstack_pool_sysctls);
#endif
	err = cpuhp_setup_state(CPUHP_BP_PREPARE_DYN, "mm/dynamic_stack:prepare",
				kstack_cpu_prepare, kstack_cpu_dead);
	if (err < 0)
		return err;
	err = cpuhp_setup_state(CPUHP_AP_DYNAMIC_STACK, "mm/dynamic_stack:online",
				kstack_cpu_online, kstack_cpu_offline);
	if (err < 0)
		return err;

	tsk = kthread_run(kstack_collectd_fn, NULL, "kstack_collectd");
	if (IS_ERR(tsk))
		return PTR_ERR(tsk);
	WRITE_ONCE(kstack_collectd.task, tsk);
	return 0;
}

#ifdef CONFIG_DYNAMIC_STACK_KUNIT_TEST
#include "refill_test.c"
#endif
