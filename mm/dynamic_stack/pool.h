/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dynamic kernel stacks: what pools are made of, for pool.c and those that fill
 * them.
 */
#ifndef _MM_DYNAMIC_STACK_POOL_H
#define _MM_DYNAMIC_STACK_POOL_H

#include <linux/hrtimer.h>
#include <linux/percpu-defs.h>

#include "internal.h"

/*
 * The last pages of a pool, for those of a higher level: DSTACK_NEED of them for the
 * highest alone, and what a task of the other may need. A pool at rest has no more
 * than these.
 */
#define POOL_MIN		(DSTACK_NEED + DSTACK_MAX_NEED)
/* What serves a task of any level once. */
#define POOL_ENOUGH		(POOL_MIN + DSTACK_MAX_NEED)

/**
 * struct kstack_pool - a CPU's pages
 * @lock: guards the members up to @pages; held for a few instructions only.
 *	Others look without it, to see whether it is worth taking.
 * @nr: number of pages
 * @starved: a task could not be run for want of pages. Whoever adds pages
 *	reschedules the CPU; since both look under @lock, none is missed.
 * @level: the highest level of a task that was refused pages since then, or before
 * @kicked: @kick is on its way or kstackd is at work
 * @retry: jiffies before which kstackd need not be kicked again
 * @served: jiffies of when it last had enough for a task that had to wait
 * @served_level: what @level was then, until such a task has taken its pages
 * @backoff: kstackd found nothing and sleeps; to wake it would make it spin
 * @online: @pages may be filled
 * @kicks: kstackd was kicked since kstack_pools_age()
 * @want: so many pages it is filled up to. Doubles with each further kick, and is halved
 *	when there was none for a while
 * @mark: with fewer pages, kstackd is kicked; goes with @want
 * @busy: consecutive times kstackd found another thread collecting
 * @pages: the pages, last in, first out
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
	u8			served_level;
	bool			kicked;
	bool			backoff;
	bool			online;
	bool			kicks;
	unsigned int		want;
	unsigned int		mark;
	unsigned int		busy;
	unsigned long		retry;
	unsigned long		served;
	struct page		*pages[POOL_CAPACITY];

	int			cpu;
	int			node;
	struct irq_work		kick;
	struct hrtimer		timer;
	struct task_struct	*kstackd;
};

DECLARE_PER_CPU_ALIGNED(struct kstack_pool, kstack_pool);

/*
 * A list of cleared pages: one for each node, and the reserve. @low is the
 * smallest @nr since kstack_overflow_age(), @keep what ageing and memory reclaim
 * leave: the stock that pools at rest have in common.
 */
struct kstack_list {
	raw_spinlock_t		lock;
	struct list_head	pages;
	unsigned long		nr;
	unsigned long		low;
	unsigned long		keep;
};

extern struct kstack_list *kstack_overflow;
extern struct kstack_list kstack_reserve;
extern unsigned long kstack_reserve_target;

/* The marks: sysctls that may change at any time. */
extern unsigned int kstack_pool_low;
extern unsigned int kstack_pool_high;

void kstack_list_add(struct kstack_list *list, struct page *page);
struct page *kstack_list_del(struct kstack_list *list);
struct page *kstack_surplus_del(struct kstack_list *list);
void kstack_overflow_add(struct page *page);
unsigned int kstack_pool_target(void);
void kstack_pool_set_want(struct kstack_pool *pool, unsigned int want);
void kstack_pool_grow(struct kstack_pool *pool);
unsigned int kstack_pool_enough(struct kstack_pool *pool);
unsigned int kstack_pool_floor(enum dynamic_stack_level level);
bool kstack_pool_unstarve(struct kstack_pool *pool);
unsigned int kstack_pool_add_some(struct kstack_pool *pool, struct page **pages, unsigned int nr);
bool kstack_pool_add(struct kstack_pool *pool, struct page *page);
struct page *kstack_pool_del(struct kstack_pool *pool, unsigned int keep);
unsigned int kstack_pool_keep(struct kstack_pool *pool, struct kstack_pool *starved);
struct kstack_pool *kstack_pool_short(enum kstack_mark mark);
void kstack_pool_set_online(struct kstack_pool *pool, bool online);
void kstack_pool_drain(struct kstack_pool *pool);

#endif /* _MM_DYNAMIC_STACK_POOL_H */
