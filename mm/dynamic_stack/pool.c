// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: where the frames come from.
 *
 * Every CPU has a pool of cleared frames, from which its switches take and to
 * which they give. kstackd/N keeps it filled. What a pool can't hold, and what
 * belongs to another node, goes to the overflow list of the frame's node. A
 * fixed reserve stands behind them all.
 *
 * The pool's marks: below @low, kstackd is kicked. The last @min frames are for
 * tasks that are killed, and half of these for tasks that memory reclaim may
 * depend on, see pool_floor(). Above @high, frames overflow.
 *
 * Lock order: runqueue lock -> pool->lock -> node->lock; reserve.lock is last.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/cpuhotplug.h>
#include <linux/fault-inject.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/hrtimer.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <linux/topology.h>

#include "internal.h"

#include <trace/events/dynamic_stack.h>

#define POOL_MIN		(2 * DSTACK_MAX_NEED)

/* Frames that kstackd allocates at once: enough for a CPU that starves. */
#define FILL_BATCH		((unsigned int)(4 * DSTACK_MAX_NEED))

static unsigned int kstack_pool_low __read_mostly = 8 * DSTACK_MAX_NEED;
static unsigned int kstack_pool_high __read_mostly = 16 * DSTACK_MAX_NEED;

/**
 * struct kstack_pool - a CPU's frames
 * @lock: guards the members up to @frame; held for a few instructions only.
 *	Others look without it, to see whether it is worth taking.
 * @nr: number of frames
 * @starved: a task could not be run for want of frames. Whoever adds frames
 *	reschedules the CPU; since both look under @lock, none is missed.
 * @level: the highest level of a task that was refused frames since then
 * @kicked: @kick is on its way or kstackd is at work
 * @retry: jiffies before which kstackd need not be kicked again
 * @backoff: kstackd found nothing and sleeps; to wake it would make it spin
 * @online: @frame may be filled
 * @busy: consecutive times kstackd found another thread collecting
 * @frame: the frames, last in, first out
 * @cpu: whose pool this is
 * @node: its NUMA node
 * @kick: leaves the runqueue lock behind, to wake up kstackd. Hard also on
 *	PREEMPT_RT, where the other kind depends on a thread.
 * @timer: wakes up kstackd when it has found nothing. Hard as well: a timer
 *	may need ksoftirqd, which may be queued behind the task that starves.
 * @kstackd: the CPU's refiller
 */
struct kstack_pool {
	raw_spinlock_t		lock;
	unsigned int		nr;
	bool			starved;
	u8			level;
	bool			kicked;
	bool			backoff;
	bool			online;
	unsigned int		busy;
	unsigned long		retry;
	struct page		*frame[POOL_CAPACITY];

	int			cpu;
	int			node;
	struct irq_work		kick;
	struct hrtimer		timer;
	struct task_struct	*kstackd;
};

static DEFINE_PER_CPU_ALIGNED(struct kstack_pool, kstack_pool);

/*
 * A list of cleared frames: one for each node, and the reserve. @low is the
 * smallest @nr since kstack_overflow_age().
 */
struct kstack_list {
	raw_spinlock_t		lock;
	struct list_head	frames;
	unsigned long		nr;
	unsigned long		low;
};

static struct kstack_list *kstack_overflow;	/* [nr_node_ids] */

/* What was poisoned in a pool waits here for process context. */
static struct kstack_list kstack_poisoned;

/*
 * What kstackd falls back on when the page allocator has nothing: one full
 * stack for each CPU, and as much again.
 */
static struct kstack_list kstack_reserve;
static unsigned long kstack_reserve_target;

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

/**
 * kstack_frame_alloc - allocate a cleared frame
 * @node: NUMA node
 * @gfp: GFP flags; they decide whether this may sleep
 *
 * From here to kstack_frame_free() the frame counts as kernel stack, wherever
 * it is.
 *
 * Return: the frame, %NULL without memory.
 */
struct page *kstack_frame_alloc(int node, gfp_t gfp)
{
	struct page *page = alloc_pages_node(node, gfp | __GFP_ZERO | __GFP_NOWARN, 0);

	if (page) {
		set_page_private(page, 0);
		mod_node_page_state(page_pgdat(page), NR_KERNEL_STACK_KB, PAGE_SIZE / 1024);
	}
	return page;
}

/**
 * kstack_frame_free - give a frame back to the page allocator
 * @page: the frame; need not be cleared
 *
 * Context: any but NMI and runqueue lock held.
 */
void kstack_frame_free(struct page *page)
{
	set_page_private(page, 0);
	mod_node_page_state(page_pgdat(page), NR_KERNEL_STACK_KB, -(long)(PAGE_SIZE / 1024));
	__free_page(page);
}

static void kstack_list_init(struct kstack_list *list)
{
	raw_spin_lock_init(&list->lock);
	INIT_LIST_HEAD(&list->frames);
}

static void kstack_list_add(struct kstack_list *list, struct page *page)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&list->lock, flags);
	list_add(&page->lru, &list->frames);
	WRITE_ONCE(list->nr, list->nr + 1);
	__count_vm_event(NR_KSTACK_POOL);
	raw_spin_unlock_irqrestore(&list->lock, flags);
}

static struct page *__kstack_list_del(struct kstack_list *list)
{
	struct page *page;
	unsigned long flags;

	if (!READ_ONCE(list->nr))
		return NULL;

	raw_spin_lock_irqsave(&list->lock, flags);
	page = list_first_entry_or_null(&list->frames, struct page, lru);
	if (page) {
		list_del(&page->lru);
		WRITE_ONCE(list->nr, list->nr - 1);
		list->low = min(list->low, list->nr);
		__count_vm_events(NR_KSTACK_POOL, -1L);
	}
	raw_spin_unlock_irqrestore(&list->lock, flags);
	return page;
}

/*
 * Memory that has failed is found out at any time. The page allocator keeps such
 * a frame to itself, so it gets it back.
 *
 * Context: any but NMI and runqueue lock held.
 */
static struct page *kstack_list_del(struct kstack_list *list)
{
	struct page *page;

	while ((page = __kstack_list_del(list)) && unlikely(PageHWPoison(page)))
		kstack_frame_free(page);
	return page;
}

/**
 * kstack_free_poisoned - give back the frames that were found poisoned in a switch
 *
 * Context: process context.
 */
void kstack_free_poisoned(void)
{
	struct page *page;

	while ((page = __kstack_list_del(&kstack_poisoned)))
		kstack_frame_free(page);
}

static void kstack_overflow_add(struct page *page)
{
	kstack_list_add(&kstack_overflow[page_to_nid(page)], page);
}

/* Filled, a pool can both give and take. Both marks may change at any time. */
static unsigned int kstack_pool_target(void)
{
	return (READ_ONCE(kstack_pool_low) + READ_ONCE(kstack_pool_high)) / 2;
}

/*
 * Below this, kstackd is kicked. It preempts the task whose frames were just
 * taken; when that is picked again, a pool that was filled meanwhile must be
 * able to serve it without another kick, or the task would never get to run.
 */
static unsigned int kstack_pool_mark(void)
{
	return min(READ_ONCE(kstack_pool_low), kstack_pool_target() - DSTACK_MAX_NEED);
}

/* So many frames are left to those of a higher level. */
static unsigned int pool_floor(enum dynamic_stack_level level)
{
	return (DSTACK_LEVEL_ALL - level) * POOL_MIN / 2;
}

/* Memory has failed in a pool. Keep the rest, and let the task wait for better. */
static bool kstack_pool_poisoned(struct kstack_pool *pool, struct page **frame, unsigned int nr)
{
	unsigned int i, bad = 0;

	for (i = 0; i < nr; i++)
		bad += PageHWPoison(frame[i]);
	if (likely(!bad))
		return false;

	while (nr--) {
		if (PageHWPoison(frame[nr])) {
			kstack_list_add(&kstack_poisoned, frame[nr]);
			/* It was counted, and is now once more. */
			__count_vm_events(NR_KSTACK_POOL, -1L);
		} else {
			pool->frame[pool->nr] = frame[nr];
			WRITE_ONCE(pool->nr, pool->nr + 1);
		}
	}
	return true;
}

/**
 * kstack_pool_take - take frames from this CPU's pool, all or nothing
 * @frame: where to put them
 * @nr: how many
 * @level: how many of the last frames may be used
 *
 * Context: runqueue lock held, interrupts off.
 * Return: false if there are not enough; the CPU is marked as starved then.
 */
bool kstack_pool_take(struct page **frame, unsigned int nr, enum dynamic_stack_level level)
{
	struct kstack_pool *pool = this_cpu_ptr(&kstack_pool);
	bool kick = false, taken = false, poisoned = false;

	raw_spin_lock(&pool->lock);
	if (pool->nr >= nr + pool_floor(level) && !kstack_empty()) {
		WRITE_ONCE(pool->nr, pool->nr - nr);
		memcpy(frame, pool->frame + pool->nr, nr * sizeof(*frame));
		poisoned = kstack_pool_poisoned(pool, frame, nr);
		taken = !poisoned;
	}
	if (!taken) {
		pool->level = pool->starved ? max_t(u8, pool->level, level) : level;
		WRITE_ONCE(pool->starved, true);
	}
	/* While it is kicked, kstackd looks again before it goes to sleep. */
	if (!pool->kicked && (!taken || (pool->nr < kstack_pool_mark() &&
					 time_after_eq(jiffies, pool->retry)))) {
		WRITE_ONCE(pool->kicked, true);
		kick = true;
	}
	raw_spin_unlock(&pool->lock);

	if (taken)
		__count_vm_events(NR_KSTACK_POOL, -(long)nr);
	if (unlikely(poisoned))
		kstack_poke_collector();
	if (kick)
		irq_work_queue(&pool->kick);
	return taken;
}

/* Enough for whom had to wait? Then a starved CPU can try again. */
static bool kstack_pool_unstarve(struct kstack_pool *pool)
{
	lockdep_assert_held(&pool->lock);

	if (!pool->starved || pool->nr < pool_floor(pool->level) + DSTACK_MAX_NEED ||
	    kstack_empty())
		return false;
	WRITE_ONCE(pool->starved, false);
	return true;
}

/**
 * kstack_pool_put - give cleared frames to this CPU's pool
 * @frame: the frames
 * @nr: how many
 *
 * Context: a runqueue lock may be held, interrupts are off.
 */
void kstack_pool_put(struct page **frame, unsigned int nr)
{
	struct kstack_pool *pool = this_cpu_ptr(&kstack_pool);
	unsigned int high = READ_ONCE(kstack_pool_high), added = 0;
	bool kick, poke = false;

	raw_spin_lock(&pool->lock);
	while (nr--) {
		if (unlikely(PageHWPoison(frame[nr]))) {
			kstack_list_add(&kstack_poisoned, frame[nr]);
			poke = true;
		} else if (pool->nr < high && page_to_nid(frame[nr]) == pool->node) {
			pool->frame[pool->nr] = frame[nr];
			WRITE_ONCE(pool->nr, pool->nr + 1);
			added++;
		} else {
			kstack_overflow_add(frame[nr]);
			poke = true;
		}
	}
	/* Rescheduling takes the runqueue lock: not from here. */
	kick = pool->starved;
	raw_spin_unlock(&pool->lock);

	__count_vm_events(NR_KSTACK_POOL, added);
	if (kick)
		irq_work_queue(&pool->kick);
	if (poke)
		kstack_poke_collector();
}

/*
 * Add frames to a pool from thread context. Returns how many were added; if the
 * pool is full or offline, the last ones were not.
 */
static unsigned int kstack_pool_add_some(struct kstack_pool *pool, struct page **frame,
					 unsigned int nr)
{
	unsigned int added = 0;
	bool resched = false;
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	while (added < nr && pool->online && pool->nr < READ_ONCE(kstack_pool_high)) {
		pool->frame[pool->nr] = frame[added++];
		WRITE_ONCE(pool->nr, pool->nr + 1);
	}
	if (added) {
		__count_vm_events(NR_KSTACK_POOL, added);
		resched = kstack_pool_unstarve(pool);
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);

	if (resched)
		dynamic_stack_resched(pool->cpu);
	return added;
}

static bool kstack_pool_add(struct kstack_pool *pool, struct page *page)
{
	return kstack_pool_add_some(pool, &page, 1);
}

/**
 * kstack_pool_below - could this CPU's pool do with a whole stack's frames?
 * @mark: below which mark
 *
 * Context: interrupts off.
 * Return: true if it is that low, and has the room.
 */
bool kstack_pool_below(enum kstack_mark mark)
{
	unsigned int nr = this_cpu_read(kstack_pool.nr);

	return nr + DSTACK_PAGES <= READ_ONCE(kstack_pool_high) &&
	       (mark == KSTACK_MARK_HIGH || nr < READ_ONCE(kstack_pool_low));
}

static struct page *__kstack_pool_del(struct kstack_pool *pool, unsigned int keep)
{
	struct page *page = NULL;
	unsigned long flags;

	if (READ_ONCE(pool->nr) <= keep)
		return NULL;

	raw_spin_lock_irqsave(&pool->lock, flags);
	if (pool->nr > keep) {
		WRITE_ONCE(pool->nr, pool->nr - 1);
		page = pool->frame[pool->nr];
		__count_vm_events(NR_KSTACK_POOL, -1L);
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return page;
}

/* Take one frame from a pool down to @keep, from thread context. */
static struct page *kstack_pool_del(struct kstack_pool *pool, unsigned int keep)
{
	struct page *page;

	while ((page = __kstack_pool_del(pool, keep)) && unlikely(PageHWPoison(page)))
		kstack_frame_free(page);
	return page;
}

/*
 * What runs instead of a starved task may be more urgent than kstackd. But the
 * starved task is more urgent than that, so the CPU has to pick again.
 */
static void kstackd_wake(struct kstack_pool *pool)
{
	wake_up_process(pool->kstackd);
	if (READ_ONCE(pool->starved))
		dynamic_stack_resched(pool->cpu);
}

static enum hrtimer_restart kstackd_timer(struct hrtimer *timer)
{
	kstackd_wake(container_of(timer, struct kstack_pool, timer));
	return HRTIMER_NORESTART;
}

static void kstack_kick(struct irq_work *work)
{
	struct kstack_pool *pool = container_of(work, struct kstack_pool, kick);
	bool resched, fill;

	raw_spin_lock(&pool->lock);
	/* The previous task may have given back what the next one lacked. */
	resched = kstack_pool_unstarve(pool);
	fill = pool->starved || pool->nr < kstack_pool_mark();
	WRITE_ONCE(pool->kicked, fill);
	raw_spin_unlock(&pool->lock);

	if (resched)
		dynamic_stack_resched(pool->cpu);
	if (fill && !READ_ONCE(pool->backoff))
		kstackd_wake(pool);
}

/*
 * Of this node, from the page allocator: one frame for the caller, and some of
 * what the pool lacks, since most of an allocation's work is done once for all.
 * The allocator would clear them with a lock held, so that is done here.
 */
static struct page *kstack_alloc_some(struct kstack_pool *pool)
{
	const gfp_t gfp = GFP_NOWAIT | __GFP_THISNODE | __GFP_NOWARN;
	unsigned int have = READ_ONCE(pool->nr), target = kstack_pool_target(), nr, i;
	struct page *frame[FILL_BATCH] = { };

	nr = have < target ? min(target - have, FILL_BATCH) : 1;
	nr = alloc_pages_bulk_array_node(gfp, pool->node, nr, frame);
	if (!nr)
		return NULL;
	for (i = 0; i < nr; i++) {
		if (!want_init_on_alloc(gfp))
			clear_highpage(frame[i]);
		set_page_private(frame[i], 0);
	}
	mod_node_page_state(page_pgdat(frame[0]), NR_KERNEL_STACK_KB,
			    nr * (long)(PAGE_SIZE / 1024));

	for (i = 1 + kstack_pool_add_some(pool, frame + 1, nr - 1); i < nr; i++)
		kstack_overflow_add(frame[i]);
	return frame[0];
}

/* A frame from anywhere that costs nobody anything. */
static struct page *kstack_find_frame(struct kstack_pool *pool)
{
	struct page *page;
	int node, cpu;

	page = kstack_list_del(&kstack_overflow[pool->node]);
	if (page)
		return page;

	if (!kstack_should_fail()) {
		page = kstack_alloc_some(pool);
		if (page)
			return page;
		page = kstack_frame_alloc(pool->node, GFP_NOWAIT);
		if (page)
			return page;
	}

	for_each_node_state(node, N_MEMORY) {
		page = kstack_list_del(&kstack_overflow[node]);
		if (page)
			return page;
	}
	for_each_online_cpu(cpu) {
		struct kstack_pool *other = per_cpu_ptr(&kstack_pool, cpu);

		if (other == pool)
			continue;
		page = kstack_pool_del(other, READ_ONCE(kstack_pool_low));
		if (page)
			return page;
	}
	return NULL;
}

/* How often kstackd waits for another thread's collection, see below. */
#define POOL_MAX_BUSY		20

/*
 * Many tasks that reclaim does not depend on may want frames, and keep them for
 * long. They get half of the reserve, which is filled up again as fast as memory
 * is freed, those that are killed get three quarters, and none of them anything
 * of what the page allocator keeps for those who free memory.
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
	return kstack_frame_alloc(node, GFP_NOWAIT | __GFP_MEMALLOC);
}

/* A frame for a CPU that can't run what it should: nothing is too dear. */
static struct page *kstack_find_frame_hard(struct kstack_pool *pool)
{
	unsigned int nr = READ_ONCE(pool->nr);
	enum dynamic_stack_level level;
	struct page *page;
	long taken;
	int cpu;

	/* Whom the next frame is for. */
	level = nr < pool_floor(DSTACK_LEVEL_LAST) ? DSTACK_LEVEL_ALL :
		nr < pool_floor(DSTACK_LEVEL_NONE) ? DSTACK_LEVEL_LAST : DSTACK_LEVEL_NONE;

	for_each_online_cpu(cpu) {
		struct kstack_pool *other = per_cpu_ptr(&kstack_pool, cpu);

		if (other == pool)
			continue;
		page = kstack_pool_del(other, POOL_MIN + DSTACK_MAX_NEED);
		if (page)
			return page;
	}

	/* Sends IPIs, but allocates nothing and waits for no task. */
	taken = kstack_collect(KSTACK_COLLECT_STARVED);
	if (taken > 0) {
		pool->busy = 0;
		page = kstack_find_frame(pool);
		if (page)
			return page;
	}
	/*
	 * Another thread is at it, for all, or was until a moment ago. As long as
	 * there are frames for those that reclaim waits for, come back instead of
	 * using up the memory that it depends on; but that thread may be slow, and
	 * is waited for once, not for each frame. There is no need to wait if there
	 * was nothing to collect.
	 */
	if (!taken)
		pool->busy = POOL_MAX_BUSY;
	if (taken < 0 && level == DSTACK_LEVEL_NONE && pool->busy < POOL_MAX_BUSY) {
		pool->busy++;
		return NULL;
	}

	return kstack_last_resort(pool->node, level);
}

/*
 * Fill a pool without sleeping: what this thread would wait for might in turn
 * wait for a stack. Return false if there were not enough frames.
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

		if (READ_ONCE(pool->nr) >= kstack_pool_target())
			break;
		page = kstack_find_frame(pool);
		if (!page && READ_ONCE(pool->nr) < POOL_MIN + DSTACK_MAX_NEED)
			page = kstack_find_frame_hard(pool);
		if (!page) {
			/* Let the other thread wait for memory. */
			if (READ_ONCE(pool->nr) < READ_ONCE(kstack_pool_low))
				kstack_wake_collector();
			filled = false;
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

static int kstackd(void *arg)
{
	struct kstack_pool *pool = arg;

	sched_set_fifo(current);

	for (;;) {
		bool filled, again, resched;

		set_current_state(TASK_IDLE);
		if (kthread_should_stop() || kthread_should_park()) {
			__set_current_state(TASK_RUNNING);
			if (kthread_should_stop())
				return 0;
			kthread_parkme();
			continue;
		}
		if (!READ_ONCE(pool->kicked)) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);

		filled = kstack_pool_fill(pool);

		raw_spin_lock_irq(&pool->lock);
		resched = kstack_pool_unstarve(pool);
		/* Whoever came in the meantime did not kick again. */
		again = pool->starved || pool->nr < kstack_pool_mark();
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

/**
 * dynamic_stack_refiller - the thread that fills a CPU's pool
 * @cpu: the CPU, online
 *
 * Return: the thread. Its stack is always whole.
 */
struct task_struct *dynamic_stack_refiller(int cpu)
{
	return per_cpu(kstack_pool, cpu).kstackd;
}

/**
 * dynamic_stack_cpu_starved - is a task put off on this CPU?
 * @cpu: the CPU
 *
 * Context: any.
 * Return: true from the moment that a task was put off until
 * the pool has enough frames again.
 */
bool dynamic_stack_cpu_starved(int cpu)
{
	return dynamic_stack_enabled() && READ_ONCE(per_cpu(kstack_pool, cpu).starved);
}

/* To a CPU that can't run what it should. */
static bool kstack_give_starved(struct page *page)
{
	int cpu;

	for_each_online_cpu(cpu) {
		struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);

		if (READ_ONCE(pool->starved) && kstack_pool_add(pool, page))
			return true;
	}
	return false;
}

/**
 * kstack_any_starved - is there a CPU that can't run what it should?
 *
 * Return: true if there is.
 */
bool kstack_any_starved(void)
{
	int cpu;

	for_each_online_cpu(cpu) {
		if (READ_ONCE(per_cpu(kstack_pool, cpu).starved))
			return true;
	}
	return false;
}

/**
 * kstack_frame_recycle - give a frame to whoever needs it most
 * @page: the frame; it is cleared
 *
 * kstack_poke_collector() when all are given: the collector may have gone to
 * sleep meanwhile.
 *
 * Context: process context, interrupts on.
 */
void kstack_frame_recycle(struct page *page)
{
	if (unlikely(PageHWPoison(page))) {
		kstack_frame_free(page);
		return;
	}
	clear_highpage(page);
	if (!kstack_give_starved(page))
		kstack_overflow_add(page);
}

/**
 * kstack_frame_retire - a frame of a dead stack goes
 * @page: the frame; need not be cleared
 *
 * To a CPU that starves: what it can't run may be what is to be killed next.
 *
 * Context: process context, interrupts on.
 */
void kstack_frame_retire(struct page *page)
{
	if (unlikely(kstack_any_starved()) && !PageHWPoison(page)) {
		clear_highpage(page);
		if (kstack_give_starved(page))
			return;
	}
	kstack_frame_free(page);
}

/* Number of frames on the overflow lists. */
unsigned long kstack_overflow_nr(void)
{
	unsigned long nr = 0;
	int node;

	for_each_node_state(node, N_MEMORY)
		nr += READ_ONCE(kstack_overflow[node].nr);
	return nr;
}

/* Is there a node that has more than @nr frames on its overflow list? */
bool kstack_overflow_above(unsigned long nr)
{
	int node;

	for_each_node_state(node, N_MEMORY) {
		if (READ_ONCE(kstack_overflow[node].nr) > nr)
			return true;
	}
	return false;
}

/**
 * kstack_overflow_trim - give overflown frames back to the page allocator
 * @keep: how many to keep on each node
 *
 * Context: process context.
 * Return: number of frames given back.
 */
unsigned long kstack_overflow_trim(unsigned long keep)
{
	unsigned long freed = 0;
	int node;

	for_each_node_state(node, N_MEMORY) {
		while (READ_ONCE(kstack_overflow[node].nr) > keep) {
			struct page *page = kstack_list_del(&kstack_overflow[node]);

			if (!page)
				break;
			kstack_frame_free(page);
			freed++;
		}
	}
	return freed;
}

/**
 * kstack_overflow_age - give back overflown frames that nobody needed
 * @keep: how many to keep on each node
 *
 * A frame that goes back to the page allocator is cleared again when it returns,
 * which costs more than all else that happens to it. So those stay that were
 * taken, and put back, since the last call.
 *
 * Context: process context.
 */
void kstack_overflow_age(unsigned long keep)
{
	int node;

	for_each_node_state(node, N_MEMORY) {
		struct kstack_list *list = &kstack_overflow[node];
		unsigned long flags, nr;
		struct page *page;

		raw_spin_lock_irqsave(&list->lock, flags);
		nr = list->low > keep ? list->low - keep : 0;
		list->low = list->nr - nr;
		raw_spin_unlock_irqrestore(&list->lock, flags);

		while (nr-- && (page = kstack_list_del(list)))
			kstack_frame_free(page);
	}
}

/* Has the reserve been used? */
bool kstack_reserve_low(void)
{
	return READ_ONCE(kstack_reserve.nr) < kstack_reserve_target;
}

/* A CPU whose pool has less than @nr frames. */
static struct kstack_pool *kstack_pool_short(unsigned int nr)
{
	int cpu;

	for_each_online_cpu(cpu) {
		struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);

		if (READ_ONCE(pool->online) && READ_ONCE(pool->nr) < nr)
			return pool;
	}
	return NULL;
}

/**
 * kstack_refill_sleeping - get what kstackd could not get without sleeping
 *
 * Not by an OOM kill, as long as something may be freed without: what was killed
 * may be about to end. After a second in which there was nothing at all, and while a
 * CPU starves, there may be nobody else left who could ask for one.
 *
 * Context: kstack_collectd, which nothing waits for; enters reclaim, may OOM-kill.
 * Return: false if the page allocator gave up.
 */
bool kstack_refill_sleeping(void)
{
	static unsigned long failing;
	struct kstack_pool *pool;
	struct page *page;

	/* Those in need first, then the reserve, then some more for each. */
	while ((pool = kstack_pool_short(READ_ONCE(kstack_pool_low))) ||
	       kstack_reserve_low() ||
	       (pool = kstack_pool_short(kstack_pool_target()))) {
		int node = pool ? pool->node : numa_node_id();

		gfp_t gfp = GFP_KERNEL;

		if (!failing || !time_after(jiffies, failing + HZ) || !kstack_any_starved())
			gfp |= __GFP_RETRY_MAYFAIL;
		page = kstack_should_fail() ? NULL : kstack_frame_alloc(node, gfp);
		if (!page) {
			failing = failing ?: jiffies ?: 1;
			return false;
		}
		failing = 0;
		if (!pool)
			kstack_list_add(&kstack_reserve, page);
		else if (!kstack_pool_add(pool, page))
			kstack_overflow_add(page);
	}
	failing = 0;
	return true;
}

static void kstack_pool_set_online(struct kstack_pool *pool, bool online)
{
	raw_spin_lock_irq(&pool->lock);
	WRITE_ONCE(pool->online, online);
	raw_spin_unlock_irq(&pool->lock);
}

static void kstack_pool_drain(struct kstack_pool *pool)
{
	struct page *page;

	while ((page = kstack_pool_del(pool, 0)))
		kstack_frame_free(page);
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
	while (READ_ONCE(pool->nr) < READ_ONCE(kstack_pool_low)) {
		struct page *page = NULL;

		if (!kstack_should_fail())
			page = kstack_frame_alloc(pool->node, GFP_KERNEL);
		if (!page)
			goto drain;
		if (!kstack_pool_add(pool, page)) {
			kstack_frame_free(page);
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
 * may need frames to get off the CPU. That is too late for an smpboot thread.
 */
static int kstack_cpu_online(unsigned int cpu)
{
	struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);
	int err = dstack_proof_online(cpu);

	if (err)
		return err;
	raw_spin_lock_irq(&pool->lock);
	WRITE_ONCE(pool->kicked, pool->nr < kstack_pool_mark());
	raw_spin_unlock_irq(&pool->lock);
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

/* What pools have too much overflows, and ages. */
static void kstack_pool_trim(void)
{
	struct page *page;
	int cpu;

	for_each_online_cpu(cpu) {
		struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);

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

int __init kstack_pool_init(void)
{
	unsigned int cpu;
	int node, err;

	kstack_overflow = kcalloc(nr_node_ids, sizeof(*kstack_overflow), GFP_KERNEL);
	if (!kstack_overflow)
		return -ENOMEM;
	for (node = 0; node < nr_node_ids; node++)
		kstack_list_init(&kstack_overflow[node]);
	kstack_list_init(&kstack_poisoned);
	kstack_list_init(&kstack_reserve);

	for_each_possible_cpu(cpu) {
		struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);

		raw_spin_lock_init(&pool->lock);
		pool->kick = IRQ_WORK_INIT_HARD(kstack_kick);
		hrtimer_init(&pool->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
		pool->timer.function = kstackd_timer;
	}

	kstack_reserve_target = 2 * DSTACK_MAX_NEED * num_possible_cpus();
	while (kstack_reserve_low()) {
		struct page *page = kstack_frame_alloc(numa_node_id(), GFP_KERNEL);

		if (!page)
			return -ENOMEM;
		kstack_list_add(&kstack_reserve, page);
	}

#ifdef CONFIG_SYSCTL
	register_sysctl_init("vm", kstack_pool_sysctls);
#endif
	err = cpuhp_setup_state(CPUHP_BP_PREPARE_DYN, "mm/dynamic_stack:prepare",
				kstack_cpu_prepare, kstack_cpu_dead);
	if (err < 0)
		return err;
	return cpuhp_setup_state(CPUHP_AP_DYNAMIC_STACK, "mm/dynamic_stack:online",
				 kstack_cpu_online, kstack_cpu_offline);
}

#ifdef CONFIG_DEBUG_FS
/* Print the state of all pools, for debugfs. */
void kstack_pool_show(struct seq_file *m)
{
	int cpu, node;

	for_each_online_cpu(cpu) {
		struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);

		seq_printf(m, "cpu %d: frames %u%s\n", cpu, READ_ONCE(pool->nr),
			   READ_ONCE(pool->starved) ? " starved" : "");
	}
	for_each_node_state(node, N_MEMORY)
		seq_printf(m, "node %d: overflow %lu\n", node,
			   READ_ONCE(kstack_overflow[node].nr));
	seq_printf(m, "reserve: %lu of %lu\n", READ_ONCE(kstack_reserve.nr),
		   kstack_reserve_target);
	kstack_fault_show(m);
}
#endif

#ifdef CONFIG_DYNAMIC_STACK_KUNIT_TEST
#include "pool_test.c"
#endif
