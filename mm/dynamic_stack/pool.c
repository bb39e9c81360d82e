// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: where the pages come from.
 *
 * Every CPU has a pool of cleared pages, from which its switches take and to
 * which they give. What a pool can't hold, and what belongs to another node, goes
 * to the overflow list of the page's node. Some stay there, as a stock for the
 * node's pools. A fixed reserve stands behind them all.
 *
 * The last POOL_MIN pages of a pool are for tasks that are killed, and half of these
 * for tasks that memory reclaim may depend on, see kstack_pool_floor(). A pool at
 * rest has only these; its switches take from the stock what others need. That, and
 * each time that a pool falls below its mark, wakes up kstackd/N. It fills the pool,
 * and from the second time within a second on up to twice as much as before, until the CPU
 * has enough to need it rarely. Where it was not needed for a second, half of that goes
 * again. Above the high mark, pages overflow.
 *
 * This is the lowest floor: it says that there is something to do, by a flag and
 * a wake-up, and knows nothing of what kstackd and kstack_collectd do then.
 *
 * Lock order: runqueue lock -> pool->lock -> node->lock; reserve.lock is last.
 */
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/topology.h>

#include "internal.h"
#include "pool.h"

unsigned int kstack_pool_low __read_mostly = 8 * DSTACK_NEED;
unsigned int kstack_pool_high __read_mostly = 16 * DSTACK_NEED;

DEFINE_PER_CPU_ALIGNED(struct kstack_pool, kstack_pool);

/*
 * A node's stock: so many pages for each of its CPUs, but no less than the minimum. Not
 * all CPUs that are at rest get a task at the same moment, and each of those that do has
 * its kstackd fill the stock up again.
 */
#define STOCK_PER_CPU		2
#define STOCK_MIN		(3 * DSTACK_NEED)

/* Overflown pages and the stock, for each node: [nr_node_ids]. */
struct kstack_list *kstack_overflow;

/* What was poisoned in a pool waits here for process context. */
static struct kstack_list kstack_poisoned;

/*
 * What kstackd falls back on when the page allocator has nothing. Those that memory
 * reclaim may depend on have each pool's last pages before, and the page allocator's
 * after, and kstack_collectd fills it up again: so it need not grow with the CPUs.
 */
struct kstack_list kstack_reserve;
unsigned long kstack_reserve_target;

/**
 * dstack_vm_event - sum of a gauge that is kept as a vm event
 * @item: the event
 *
 * Each CPU counts up and down, so only the sum is meaningful; an offline CPU's
 * part has been folded into another's.
 *
 * They are no node_stat_item, although NR_KERNEL_STACK_KB is one. To count is one
 * instruction here, in the switch; there it is a call, and a comparison with a
 * threshold. A stack fault may come between any two of its instructions, and counts
 * the same gauge. And what is below the threshold of each CPU is not in the sum,
 * while the collector decides by a few pages.
 *
 * Return: the sum, exact if nothing moves meanwhile.
 */
unsigned long dstack_vm_event(enum vm_event_item item)
{
	long nr = 0;
	int cpu;

	for_each_online_cpu(cpu) {
		/* Others count on: the sum is as good as it can be. */
		nr += data_race(per_cpu(vm_event_states, cpu).event[item]);
	}
	return max(nr, 0L);
}

/**
 * kstack_page_alloc - allocate a cleared page
 * @node: NUMA node
 * @gfp: GFP flags; they decide whether this may sleep
 *
 * From here to kstack_page_free() the page counts as kernel stack, wherever
 * it is.
 *
 * Return: the page, %NULL without memory.
 */
struct page *kstack_page_alloc(int node, gfp_t gfp)
{
	struct page *page = alloc_pages_node(node, gfp | __GFP_ZERO | __GFP_NOWARN, 0);

	if (page) {
		set_page_private(page, 0);
		mod_node_page_state(page_pgdat(page), NR_KERNEL_STACK_KB, PAGE_SIZE / 1024);
	}
	return page;
}

/**
 * kstack_page_free - give a page back to the page allocator
 * @page: the page; need not be cleared
 *
 * Context: any but NMI and runqueue lock held.
 */
void kstack_page_free(struct page *page)
{
	set_page_private(page, 0);
	mod_node_page_state(page_pgdat(page), NR_KERNEL_STACK_KB, -(long)(PAGE_SIZE / 1024));
	__free_page(page);
}

static void kstack_list_init(struct kstack_list *list)
{
	raw_spin_lock_init(&list->lock);
	INIT_LIST_HEAD(&list->pages);
}

/**
 * kstack_list_add - add a cleared page to a list
 * @list: the list
 * @page: the page
 *
 * Context: any but NMI; a runqueue lock and a pool's may be held.
 */
void kstack_list_add(struct kstack_list *list, struct page *page)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&list->lock, flags);
	list_add(&page->lru, &list->pages);
	WRITE_ONCE(list->nr, list->nr + 1);
	__count_vm_event(NR_KSTACK_POOL);
	raw_spin_unlock_irqrestore(&list->lock, flags);
}

/* Without counting it. The list has one, and its lock is held. */
static struct page *kstack_list_pop(struct kstack_list *list)
{
	struct page *page = list_first_entry(&list->pages, struct page, lru);

	lockdep_assert_held(&list->lock);
	list_del(&page->lru);
	WRITE_ONCE(list->nr, list->nr - 1);
	list->low = min(list->low, list->nr);
	return page;
}

static struct page *__kstack_list_del(struct kstack_list *list, unsigned long keep)
{
	struct page *page = NULL;
	unsigned long flags;

	if (READ_ONCE(list->nr) <= keep)
		return NULL;

	raw_spin_lock_irqsave(&list->lock, flags);
	if (list->nr > keep) {
		page = kstack_list_pop(list);
		__count_vm_events(NR_KSTACK_POOL, -1L);
	}
	raw_spin_unlock_irqrestore(&list->lock, flags);
	return page;
}

/**
 * kstack_list_del - take a page from a list
 * @list: the list
 *
 * Memory that has failed is found out at any time. The page allocator keeps such
 * a page to itself, so it gets it back.
 *
 * Context: any but NMI and runqueue lock held.
 * Return: the page, %NULL if there is none.
 */
struct page *kstack_list_del(struct kstack_list *list)
{
	struct page *page;

	while ((page = __kstack_list_del(list, 0)) && unlikely(PageHWPoison(page)))
		kstack_page_free(page);
	return page;
}

/**
 * kstack_surplus_del - take a page from a node's list, but not of its stock
 * @list: the list
 *
 * Context: any but NMI and runqueue lock held.
 * Return: the page, %NULL if there are no more than the stock.
 */
struct page *kstack_surplus_del(struct kstack_list *list)
{
	struct page *page;

	while ((page = __kstack_list_del(list, READ_ONCE(list->keep))) &&
	       unlikely(PageHWPoison(page)))
		kstack_page_free(page);
	return page;
}

/* Has kstack_free_poisoned() something to do? */
bool kstack_any_poisoned(void)
{
	return READ_ONCE(kstack_poisoned.nr);
}

/**
 * kstack_free_poisoned - give back the pages that were found poisoned in a switch
 *
 * Context: process context.
 */
void kstack_free_poisoned(void)
{
	struct page *page;

	while ((page = __kstack_list_del(&kstack_poisoned, 0)))
		kstack_page_free(page);
}

/**
 * kstack_overflow_add - a cleared page that its CPU's pool does not take
 * @page: the page
 *
 * Context: any but NMI; a runqueue lock and a pool's may be held.
 */
void kstack_overflow_add(struct page *page)
{
	kstack_list_add(&kstack_overflow[page_to_nid(page)], page);
}

/**
 * kstack_pool_target - how many pages a pool that has grown should have
 *
 * So filled, it can both give and take.
 *
 * Return: the number, half-way between the marks, which may change at any time.
 */
unsigned int kstack_pool_target(void)
{
	return (READ_ONCE(kstack_pool_low) + READ_ONCE(kstack_pool_high)) / 2;
}

/**
 * kstack_pool_set_want - say how many pages a pool is filled up to
 * @pool: the pool
 * @want: so many, if the marks allow that
 *
 * kstackd is kicked as far below it as the low mark is below the target, but before
 * the pool can't serve any task. It preempts the task whose pages were just
 * taken; when that is picked again, a pool that was filled meanwhile must be
 * able to serve it without another kick, or the task would never get to run.
 *
 * Context: the pool's lock is held.
 */
void kstack_pool_set_want(struct kstack_pool *pool, unsigned int want)
{
	unsigned int low = READ_ONCE(kstack_pool_low), target = kstack_pool_target();
	unsigned int mark = POOL_MIN;

	/* Both marks may change at any time. */
	low = min(low, target);
	want = clamp(want, POOL_MIN, target);
	if (want > POOL_MIN)
		mark = min(want, max(POOL_ENOUGH, want - min(want, target - low)));
	WRITE_ONCE(pool->want, want);
	WRITE_ONCE(pool->mark, min3(mark, low, target - DSTACK_MAX_NEED));
}

/**
 * kstack_pool_grow - kstackd was kicked: is the pool too small?
 * @pool: the pool
 *
 * Not if that was the only time since kstack_pools_age(): then it gets back what was taken.
 *
 * Context: thread context.
 */
void kstack_pool_grow(struct kstack_pool *pool)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	if (pool->starved)
		kstack_pool_set_want(pool, kstack_pool_target());
	else if (pool->kicks)
		kstack_pool_set_want(pool, 2 * pool->want);
	WRITE_ONCE(pool->kicks, true);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}

/**
 * kstack_pool_enough - below how many pages a pool is short
 * @pool: the pool
 *
 * Return: the number of pages.
 */
unsigned int kstack_pool_enough(struct kstack_pool *pool)
{
	return min(READ_ONCE(pool->want), max(READ_ONCE(pool->mark), POOL_ENOUGH));
}

/**
 * kstack_pool_floor - how many pages are left to those of a higher level
 * @level: the level of who wants some
 *
 * Return: the number of pages.
 */
unsigned int kstack_pool_floor(enum dynamic_stack_level level)
{
	return (DSTACK_LEVEL_ALL - level) * POOL_MIN / 2;
}

/* The thread itself is in refill.c. */
struct kstack_collectd kstack_collectd;

static void kstack_wake_fn(struct irq_work *work)
{
	WRITE_ONCE(kstack_collectd.asleep, false);
	WRITE_ONCE(kstack_collectd.queued, true);
	wake_up_process(kstack_collectd.task);
}

DEFINE_PER_CPU(struct irq_work, kstack_collectd_wake) = IRQ_WORK_INIT_HARD(kstack_wake_fn);

/**
 * kstack_poke_collector - there are pages to give back
 *
 * Context: any but NMI; a runqueue lock may be held.
 */
void kstack_poke_collector(void)
{
	unsigned long flags;

	smp_mb();	/* the pages before the flag, see collectd_sleep() */
	if (!READ_ONCE(kstack_collectd.asleep))
		return;
	local_irq_save(flags);
	irq_work_queue(this_cpu_ptr(&kstack_collectd_wake));
	local_irq_restore(flags);
}

/**
 * kstack_wake_collector - ask the thread that may sleep to find memory
 *
 * Context: thread context.
 */
void kstack_wake_collector(void)
{
	WRITE_ONCE(kstack_collectd.requested, true);
	/* There is none with dynamic_stack=off, and while parameters are parsed. */
	if (kstack_collectd.task)
		wake_up_process(kstack_collectd.task);
}

/**
 * dynamic_stack_collector - the thread that collects, and may sleep for memory
 *
 * Return: the thread. Its stack is always whole.
 */
struct task_struct *dynamic_stack_collector(void)
{
	return kstack_collectd.task;
}

/**
 * dynamic_stack_collecting - is kstack_collectd in the midst of a pass?
 *
 * Context: any.
 * Return: true if a CPU that starves may have to wait for it.
 */
bool dynamic_stack_collecting(void)
{
	return READ_ONCE(kstack_collectd.busy);
}

/* Memory has failed in a pool. Keep the rest, and let the task wait for better. */
static bool kstack_pool_poisoned(struct kstack_pool *pool, struct page **pages, unsigned int nr)
{
	unsigned int i, bad = 0;

	lockdep_assert_held(&pool->lock);
	for (i = 0; i < nr; i++)
		bad += PageHWPoison(pages[i]);
	if (likely(!bad))
		return false;

	while (nr--) {
		if (PageHWPoison(pages[nr])) {
			kstack_list_add(&kstack_poisoned, pages[nr]);
			/* It was counted, and is now once more. */
			__count_vm_events(NR_KSTACK_POOL, -1L);
		} else {
			pool->pages[pool->nr] = pages[nr];
			WRITE_ONCE(pool->nr, pool->nr + 1);
		}
	}
	return true;
}

#ifdef CONFIG_DYNAMIC_STACK_FAULT
/**
 * kstack_page_poisoned - give back a page whose memory has failed
 * @page: the page; nobody refers to it
 *
 * Context: a runqueue lock may be held; interrupts off.
 */
void kstack_page_poisoned(struct page *page)
{
	kstack_list_add(&kstack_poisoned, page);
	kstack_poke_collector();
}
#endif

/* A pool at rest gets what it lacks from its node's stock, if that has it all. */
static bool kstack_pool_borrow(struct kstack_pool *pool, unsigned int enough)
{
	struct kstack_list *stock = &kstack_overflow[pool->node];
	bool borrowed;

	lockdep_assert_held(&pool->lock);
	if (READ_ONCE(stock->nr) < enough - pool->nr)
		return false;
	raw_spin_lock(&stock->lock);
	borrowed = stock->nr >= enough - pool->nr;
	while (borrowed && pool->nr < enough) {
		pool->pages[pool->nr] = kstack_list_pop(stock);
		WRITE_ONCE(pool->nr, pool->nr + 1);
	}
	raw_spin_unlock(&stock->lock);
	return borrowed;
}

/**
 * kstack_pool_take - take pages from this CPU's pool, all or nothing
 * @pages: where to put them
 * @nr: how many
 * @level: how many of the last pages may be used
 *
 * What the pool lacks comes from the node's stock: both are guarded by raw locks, and no
 * more than POOL_ENOUGH pages are moved.
 *
 * Context: runqueue lock held, interrupts off.
 * Return: false if there are not enough; the CPU is marked as starved then.
 */
bool kstack_pool_take(struct page **pages, unsigned int nr, enum dynamic_stack_level level)
{
	struct kstack_pool *pool = this_cpu_ptr(&kstack_pool);
	bool kick = false, taken = false, poisoned = false, borrowed = false;
	unsigned int enough = nr + kstack_pool_floor(level);

	raw_spin_lock(&pool->lock);
	if (unlikely(pool->nr < enough))
		borrowed = !kstack_empty() && kstack_pool_borrow(pool, enough);
	if (pool->nr >= enough && !kstack_empty()) {
		WRITE_ONCE(pool->nr, pool->nr - nr);
		memcpy(pages, pool->pages + pool->nr, nr * sizeof(*pages));
		poisoned = kstack_pool_poisoned(pool, pages, nr);
		taken = !poisoned;
		/* Whom it was given some for has them. */
		if (taken && level == pool->served_level)
			WRITE_ONCE(pool->served_level, DSTACK_LEVEL_NONE);
	}
	if (!taken) {
		WRITE_ONCE(pool->level, pool->starved ? max_t(u8, pool->level, level) : level);
		WRITE_ONCE(pool->starved, true);
	}
	/* While it is kicked, kstackd looks again before it goes to sleep. */
	if (!pool->kicked && (!taken || ((borrowed || pool->nr < pool->mark) &&
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

/**
 * kstack_pool_unstarve - are there enough pages for whom had to wait?
 * @pool: the pool
 *
 * Context: the pool's lock is held; the caller reschedules the CPU when it has
 * dropped it.
 * Return: true if so: the CPU can try again, and is no longer marked as starved.
 */
bool kstack_pool_unstarve(struct kstack_pool *pool)
{
	lockdep_assert_held(&pool->lock);

	if (!pool->starved || pool->nr < kstack_pool_floor(pool->level) + DSTACK_MAX_NEED ||
	    kstack_empty())
		return false;
	WRITE_ONCE(pool->served, jiffies);
	WRITE_ONCE(pool->served_level, pool->level);
	WRITE_ONCE(pool->starved, false);
	return true;
}

/**
 * kstack_pool_put - give cleared pages to this CPU's pool
 * @pages: the pages
 * @nr: how many
 *
 * Context: a runqueue lock may be held, interrupts are off.
 */
void kstack_pool_put(struct page **pages, unsigned int nr)
{
	struct kstack_pool *pool = this_cpu_ptr(&kstack_pool);
	unsigned int high = READ_ONCE(kstack_pool_high), added = 0;
	bool kick, poke = false;

	raw_spin_lock(&pool->lock);
	while (nr--) {
		if (unlikely(PageHWPoison(pages[nr]))) {
			kstack_list_add(&kstack_poisoned, pages[nr]);
			poke = true;
		} else if (pool->nr < high &&
			   (pool->starved || page_to_nid(pages[nr]) == pool->node)) {
			pool->pages[pool->nr] = pages[nr];
			WRITE_ONCE(pool->nr, pool->nr + 1);
			added++;
		} else {
			kstack_overflow_add(pages[nr]);
			poke = true;
		}
	}
	/* Only now it has more than it wants: to age, see kstack_pools_age(). */
	if (pool->nr > pool->want && pool->nr - added <= pool->want)
		poke = true;
	/* Rescheduling takes the runqueue lock: not from here. */
	kick = pool->starved;
	raw_spin_unlock(&pool->lock);

	__count_vm_events(NR_KSTACK_POOL, added);
	if (kick)
		irq_work_queue(&pool->kick);
	if (poke)
		kstack_poke_collector();
}

/**
 * kstack_pool_add_some - add cleared pages to any CPU's pool
 * @pool: the pool
 * @pages: the pages
 * @nr: how many
 *
 * Context: thread context.
 * Return: how many were added; if the pool is full or offline, the last ones were
 * not.
 */
unsigned int kstack_pool_add_some(struct kstack_pool *pool, struct page **pages,
				  unsigned int nr)
{
	unsigned int added = 0;
	bool resched = false;
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	while (added < nr && pool->online && pool->nr < READ_ONCE(kstack_pool_high)) {
		pool->pages[pool->nr] = pages[added++];
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

/* One, see kstack_pool_add_some(). */
bool kstack_pool_add(struct kstack_pool *pool, struct page *page)
{
	return kstack_pool_add_some(pool, &page, 1);
}

/**
 * kstack_pool_below - could this CPU's pool do with a whole stack's pages?
 * @mark: below which mark
 *
 * Context: interrupts off.
 * Return: true if it is that low, and has the room.
 */
bool kstack_pool_below(enum kstack_mark mark)
{
	unsigned int nr = this_cpu_read(kstack_pool.nr);

	return nr + DSTACK_PAGES <= READ_ONCE(kstack_pool_high) &&
	       (mark == KSTACK_MARK_HIGH || nr < this_cpu_read(kstack_pool.mark));
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
		page = pool->pages[pool->nr];
		__count_vm_events(NR_KSTACK_POOL, -1L);
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return page;
}

/**
 * kstack_pool_del - take one page from any CPU's pool
 * @pool: the pool
 * @keep: so many have to stay
 *
 * Context: thread context.
 * Return: the page, %NULL if there are no more than @keep.
 */
struct page *kstack_pool_del(struct kstack_pool *pool, unsigned int keep)
{
	struct page *page;

	while ((page = __kstack_pool_del(pool, keep)) && unlikely(PageHWPoison(page)))
		kstack_page_free(page);
	return page;
}

/*
 * Is this CPU to be helped before that one? If it starves, and that one does not. If both
 * do, by level, then who was helped longest ago. So the pages come together in one pool
 * until they are enough: all pools together could have much, and none of them enough. If
 * none does, who has least.
 */
static bool kstack_pool_before(struct kstack_pool *this, struct kstack_pool *that)
{
	unsigned long served = READ_ONCE(this->served), last = READ_ONCE(that->served);
	bool starved = READ_ONCE(this->starved);

	if (starved != READ_ONCE(that->starved))
		return starved;
	if (!starved)
		return READ_ONCE(this->nr) < READ_ONCE(that->nr);
	if (READ_ONCE(this->level) != READ_ONCE(that->level))
		return READ_ONCE(this->level) > READ_ONCE(that->level);
	return served == last ? this->cpu < that->cpu : time_before(served, last);
}

/* So long a task gets to take what its CPU was just given for it: two ticks at least. */
#define POOL_SERVED		(2 + HZ / 100)

/**
 * kstack_pool_keep - what a pool does not have to give to a CPU that starves
 * @pool: another CPU's pool
 * @starved: the pool that has too little
 *
 * A task that is killed needs three pages beyond three, and brings back more when it is gone.
 * All pools together may have many times that, and none has enough. So a pool at
 * rest gives half of what it has, or all of it to what memory reclaim may wait for; but
 * not if its CPU starves as well, and comes first: two that take from each other would
 * go on for ever. Nor if it has just been given that for a task of the same level or above.
 *
 * Context: thread context.
 * Return: the number of pages that have to stay.
 */
unsigned int kstack_pool_keep(struct kstack_pool *pool, struct kstack_pool *starved)
{
	enum dynamic_stack_level level = READ_ONCE(starved->level);
	bool first;

	if (!READ_ONCE(starved->starved) || level == DSTACK_LEVEL_NONE)
		return POOL_ENOUGH;
	/* Its CPU may look at others before that task, and starve for one that may wait. */
	first = READ_ONCE(pool->served_level) >= level &&
		time_before(jiffies, READ_ONCE(pool->served) + POOL_SERVED);
	if (READ_ONCE(pool->starved))
		first |= kstack_pool_before(pool, starved);
	return first ? POOL_ENOUGH : kstack_pool_floor(level);
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
	/* A pool at rest that borrowed has no more than it wants, and that is too little. */
	fill = pool->starved || pool->nr < POOL_ENOUGH || pool->nr < pool->mark;
	WRITE_ONCE(pool->kicked, fill);
	raw_spin_unlock(&pool->lock);

	if (resched)
		dynamic_stack_resched(pool->cpu);
	if (fill && !READ_ONCE(pool->backoff))
		kstackd_wake(pool);
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
 * the pool has enough pages again.
 */
bool dynamic_stack_cpu_starved(int cpu)
{
	return dynamic_stack_enabled() && READ_ONCE(per_cpu(kstack_pool, cpu).starved);
}

/**
 * kstack_pool_short - find a CPU whose pool has too little
 * @mark: less than it should have at least; than it wants; or than any can have
 *
 * One that starves before one that does not, and for a killed task, or one that
 * memory reclaim waits for, before others, which keep what they get. Of those that do
 * not, the one that has least.
 *
 * Return: its pool, %NULL if there is none.
 */
struct kstack_pool *kstack_pool_short(enum kstack_mark mark)
{
	struct kstack_pool *found = NULL;
	int cpu;

	for_each_online_cpu(cpu) {
		struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);
		unsigned int nr = POOL_CAPACITY;

		if (mark == KSTACK_MARK_LOW)
			nr = kstack_pool_enough(pool);
		else if (mark == KSTACK_MARK_WANT)
			nr = READ_ONCE(pool->want);
		if (mark != KSTACK_MARK_HIGH) {
			/* Until it has grown. */
			if (READ_ONCE(pool->starved))
				nr = max(nr, POOL_ENOUGH);
			/* Lowered just now: it takes no more. */
			nr = min(nr, READ_ONCE(kstack_pool_high));
		}
		if (!READ_ONCE(pool->online) || READ_ONCE(pool->nr) >= nr)
			continue;
		if (!found || kstack_pool_before(pool, found))
			found = pool;
	}
	return found;
}

/* To a CPU that can't run what it should. */
static bool kstack_give_starved(struct page *page)
{
	struct kstack_pool *pool = kstack_pool_short(KSTACK_MARK_HIGH);

	return pool && READ_ONCE(pool->starved) && kstack_pool_add(pool, page);
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
 * kstack_page_recycle - give a page to whoever needs it most
 * @page: the page; it is cleared
 *
 * kstack_poke_collector() when all are given: the collector may have gone to
 * sleep meanwhile.
 *
 * Context: process context, interrupts on.
 */
void kstack_page_recycle(struct page *page)
{
	if (unlikely(PageHWPoison(page))) {
		kstack_page_free(page);
		return;
	}
	clear_highpage(page);
	if (!kstack_give_starved(page))
		kstack_overflow_add(page);
}

/**
 * kstack_page_retire - a page of a dead stack goes
 * @page: the page; need not be cleared
 *
 * To a CPU that starves: what it can't run may be what is to be killed next.
 *
 * Context: process context, interrupts on.
 */
void kstack_page_retire(struct page *page)
{
	if (unlikely(kstack_any_starved()) && !PageHWPoison(page)) {
		clear_highpage(page);
		if (kstack_give_starved(page))
			return;
	}
	kstack_page_free(page);
}

/* What a node's list has beyond the stock. */
static unsigned long kstack_surplus(struct kstack_list *list)
{
	unsigned long nr = READ_ONCE(list->nr), keep = READ_ONCE(list->keep);

	return nr > keep ? nr - keep : 0;
}

/* Number of pages on the overflow lists, beyond the nodes' stocks. */
unsigned long kstack_overflow_nr(void)
{
	unsigned long nr = 0;
	int node;

	for_each_node_state(node, N_MEMORY)
		nr += kstack_surplus(&kstack_overflow[node]);
	return nr;
}

/* Is there a node that has more than @nr pages on its overflow list, and its stock? */
bool kstack_overflow_above(unsigned long nr)
{
	int node;

	for_each_node_state(node, N_MEMORY) {
		if (kstack_surplus(&kstack_overflow[node]) > nr)
			return true;
	}
	return false;
}

/**
 * kstack_overflow_trim - give overflown pages back to the page allocator
 *
 * All but the nodes' stocks: pools at rest have nothing else for most tasks.
 *
 * Context: process context.
 * Return: number of pages given back.
 */
unsigned long kstack_overflow_trim(void)
{
	unsigned long freed = 0;
	struct page *page;
	int node;

	for_each_node_state(node, N_MEMORY) {
		while ((page = kstack_surplus_del(&kstack_overflow[node]))) {
			kstack_page_free(page);
			freed++;
		}
	}
	return freed;
}

/**
 * kstack_overflow_age - give back overflown pages that nobody needed
 *
 * A page that goes back to the page allocator is cleared again when it returns,
 * which costs more than all else that happens to it. So those stay that were
 * taken, and put back, since the last call; and the node's stock.
 *
 * Context: process context.
 */
void kstack_overflow_age(void)
{
	int node;

	for_each_node_state(node, N_MEMORY) {
		struct kstack_list *list = &kstack_overflow[node];
		unsigned long flags, keep, nr;
		struct page *page;

		raw_spin_lock_irqsave(&list->lock, flags);
		keep = READ_ONCE(list->keep);
		nr = list->low > keep ? list->low - keep : 0;
		list->low = list->nr - nr;
		raw_spin_unlock_irqrestore(&list->lock, flags);

		while (nr-- && (page = kstack_surplus_del(list)))
			kstack_page_free(page);
	}
}

/**
 * kstack_pools_at_rest - is there nothing to be had from the pools?
 *
 * Return: true if none has, or wants, more than a pool at rest, nor did something
 * that kstack_pools_age() has to forget.
 */
bool kstack_pools_at_rest(void)
{
	int cpu;

	for_each_online_cpu(cpu) {
		struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);

		if (READ_ONCE(pool->kicks) ||
		    max(READ_ONCE(pool->want), READ_ONCE(pool->nr)) > POOL_MIN)
			return false;
	}
	return true;
}

static void kstack_pool_age(struct kstack_pool *pool)
{
	unsigned int want = 0;
	unsigned long flags;
	struct page *page;

	raw_spin_lock_irqsave(&pool->lock, flags);
	if (!pool->kicks && !pool->kicked && !pool->starved) {
		kstack_pool_set_want(pool, pool->want / 2);
		want = pool->want;
	}
	WRITE_ONCE(pool->kicks, false);
	raw_spin_unlock_irqrestore(&pool->lock, flags);

	/* It may grow again meanwhile. */
	while (want && READ_ONCE(pool->want) == want && (page = kstack_pool_del(pool, want)))
		kstack_overflow_add(page);
}

/**
 * kstack_pools_age - take from the pools what they did not need
 *
 * Those whose kstackd was not kicked since the last call want half as much from now on.
 * What they have beyond that overflows, and ages there.
 *
 * Context: process context.
 */
void kstack_pools_age(void)
{
	int cpu;

	for_each_online_cpu(cpu)
		kstack_pool_age(per_cpu_ptr(&kstack_pool, cpu));
}

/* Has the reserve been used? */
bool kstack_reserve_low(void)
{
	return READ_ONCE(kstack_reserve.nr) < kstack_reserve_target;
}

/* A node without CPUs has no stock. */
static void kstack_stock_size(int node)
{
	unsigned int cpu, nr = 0;

	for_each_possible_cpu(cpu) {
		struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);

		nr += READ_ONCE(pool->online) && pool->node == node;
	}
	WRITE_ONCE(kstack_overflow[node].keep, nr ? max(STOCK_PER_CPU * nr, STOCK_MIN) : 0);
}

/**
 * kstack_pool_set_online - may the pool be filled?
 * @pool: the pool
 * @online: true if so
 *
 * Context: thread context; one at a time.
 */
void kstack_pool_set_online(struct kstack_pool *pool, bool online)
{
	raw_spin_lock_irq(&pool->lock);
	WRITE_ONCE(pool->online, online);
	raw_spin_unlock_irq(&pool->lock);
	kstack_stock_size(pool->node);
	/* What the stock has too much ages. */
	kstack_poke_collector();
}

/**
 * kstack_pool_drain - give all of a pool's pages back to the page allocator
 * @pool: the pool, offline
 *
 * Context: process context.
 */
void kstack_pool_drain(struct kstack_pool *pool)
{
	struct page *page;

	while ((page = kstack_pool_del(pool, 0)))
		kstack_page_free(page);
}

/**
 * kstack_pool_init - make empty pools, and fill the reserve
 *
 * Context: early initcall, once.
 * Return: 0 or -ENOMEM.
 */
int __init kstack_pool_init(void)
{
	unsigned int cpu;
	int node;

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
		hrtimer_setup(&pool->timer, kstackd_timer, CLOCK_MONOTONIC,
			      HRTIMER_MODE_REL_PINNED_HARD);
	}

	kstack_reserve_target = min(2 * DSTACK_MAX_NEED * num_possible_cpus(),
				    4 * DSTACK_MAX_NEED + num_possible_cpus() / 8);
	while (kstack_reserve_low()) {
		struct page *page = kstack_page_alloc(numa_node_id(), GFP_KERNEL);

		if (!page)
			return -ENOMEM;
		kstack_list_add(&kstack_reserve, page);
	}
	return 0;
}

#ifdef CONFIG_DEBUG_FS
/* Print the state of all pools, for debugfs. */
void kstack_pool_show(struct seq_file *m)
{
	int cpu, node;

	for_each_online_cpu(cpu) {
		struct kstack_pool *pool = per_cpu_ptr(&kstack_pool, cpu);

		seq_printf(m, "cpu %d: frames %u of %u%s\n", cpu, READ_ONCE(pool->nr),
			   READ_ONCE(pool->want), READ_ONCE(pool->starved) ? " starved" : "");
	}
	for_each_node_state(node, N_MEMORY)
		seq_printf(m, "node %d: overflow %lu stock %lu\n", node,
			   READ_ONCE(kstack_overflow[node].nr),
			   READ_ONCE(kstack_overflow[node].keep));
	seq_printf(m, "reserve: %lu of %lu\n", READ_ONCE(kstack_reserve.nr),
		   kstack_reserve_target);
}
#endif

#ifdef CONFIG_DYNAMIC_STACK_KUNIT_TEST
#include "pool_test.c"
#endif
