/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DYNAMIC_STACK_INTERNAL_H
#define _MM_DYNAMIC_STACK_INTERNAL_H

#include <linux/dynamic_stack.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/thread_info.h>
#include <linux/vmstat.h>

#include <asm/dynamic_stack.h>

#define DSTACK_PAGES	(THREAD_SIZE / PAGE_SIZE)
#define DSTACK_ALL	GENMASK(DSTACK_PAGES - 1, 0)
/* Most frames that one task can need at once: the top page always stays. */
#define DSTACK_MAX_NEED	(DSTACK_PAGES - 1)

struct obj_cgroup;
struct seq_file;

/**
 * struct dynamic_stack - a managed kernel stack
 * @ptep: PTE of the lowest page. THREAD_ALIGN keeps the others behind it.
 * @base: lowest address of the stack
 * @mapped: bit i is set: page i is present
 * @parked: bit i is set: page i is not present, its frame was touched and
 *	waits in @page[i], with its PTE in @saved[i]
 * @seq: counts populations, so that the collector sees that the task ran
 * @deepest: lowest page index ever seen accessed
 * @unused: bytes at the bottom that no collected frame had in use; only with
 *	CONFIG_DEBUG_STACK_USAGE, and only the collector writes it
 * @keep: never shrink this stack again
 * @queued: on a collector list; the collector holds a reference then
 * @page: the frame of each page, NULL: the slot is empty
 * @saved: PTE value of a parked page
 * @last_out: jiffies when the task last left the CPU
 * @snap: collector's copy of @seq
 * @node: link in a CPU's list of stacks for the collector
 * @dead: link in the list of stacks to free
 * @list: link in the collector's own lists
 * @vm: the stack's address range
 * @node_id: NUMA node of the top page
 * @lock: guards @task, @objcg, @charged
 * @task: the owner; NULL once the stack is given up
 * @objcg: whom the frames are charged to, NULL: nobody
 * @charged: number of frames charged to @objcg
 * @ref: one for the owner or the stack cache, one while queued
 *
 * The members up to @snap are written by the CPU that switches to or from the
 * task, under its runqueue lock, and by callbacks of task_call_func() on it
 * while it is off the CPU. Each of the two keeps the other out, so they need
 * neither a lock nor atomics of their own.
 */
struct dynamic_stack {
	pte_t			*ptep;
	unsigned long		base;
	unsigned int		mapped;
	unsigned int		parked;
	unsigned int		seq;
	unsigned int		unused;
	u8			deepest;
	bool			keep;
	bool			queued;
	struct page		*page[DSTACK_PAGES];
	pte_t			saved[DSTACK_PAGES];
	unsigned long		last_out;
	unsigned int		snap;

	struct llist_node	node;
	struct llist_node	dead;
	struct list_head	list;
	struct vm_struct	*vm;
	int			node_id;
	raw_spinlock_t		lock;
	struct task_struct	*task;
	struct obj_cgroup	*objcg;
	unsigned int		charged;
	refcount_t		ref;
};

enum dynamic_stack_reclaim {
	DSTACK_RECLAIM_SWITCH,
	DSTACK_RECLAIM_SLEEP,
	DSTACK_RECLAIM_NEVER,
};

extern unsigned int dynamic_stack_reclaim;

/* Frames that the stack holds, present or parked. */
static inline unsigned int dstack_held(const struct dynamic_stack *ds)
{
	return hweight32(ds->mapped | ds->parked);
}

static inline bool dstack_complete(const struct dynamic_stack *ds)
{
	return ds->mapped == DSTACK_ALL;
}

/*
 * Planted bugs, to show that the tests notice: bits of dynamic_stack.plant=.
 * Without CONFIG_DYNAMIC_STACK_DEBUG the compiler drops all of it.
 */
enum dynamic_stack_plant {
	DSTACK_PLANT_NO_FLUSH,		/* 0 collect without a shootdown */
	DSTACK_PLANT_FRESH_FRAME,	/* 1 parked frame replaced at switch-in */
	DSTACK_PLANT_IGNORE_ACCESSED,	/* 2 a touched page is taken as clean */
	DSTACK_PLANT_IGNORE_SEQ,	/* 3 collect although the task ran */
	DSTACK_PLANT_ABOVE_SP,		/* 4 park one page too many */
	DSTACK_PLANT_PRESET_ACCESSED,	/* 5 fresh PTE with A=1 */
	DSTACK_PLANT_NO_ZERO,		/* 6 collected frame not cleared */
	DSTACK_PLANT_LEAK,		/* 7 a collected frame gets lost */
	DSTACK_PLANT_COUNTER,		/* 8 a gauge is not updated */
	DSTACK_PLANT_HALF,		/* 9 populate half-way when frames are short */
	DSTACK_PLANT_NO_EXCLUSION,	/* 10 collect by the sequence number alone */
	DSTACK_PLANT_LATE_PARK,		/* 11 park after on_cpu is cleared */
};

#ifdef CONFIG_DYNAMIC_STACK_DEBUG
extern unsigned long dynamic_stack_plant;
extern unsigned int dynamic_stack_delay;
#define dstack_planted(bug)	\
	unlikely(READ_ONCE(dynamic_stack_plant) & BIT(DSTACK_PLANT_##bug))
void dstack_check_owner(struct dynamic_stack *ds, struct page *page);
void dstack_set_owner(struct dynamic_stack *ds, struct page *page);
void dstack_check_clean(struct page *page);
void dstack_delay(void);
#else
#define dstack_planted(bug)	(false)
static inline void dstack_check_owner(struct dynamic_stack *ds, struct page *page) { }
static inline void dstack_set_owner(struct dynamic_stack *ds, struct page *page) { }
static inline void dstack_check_clean(struct page *page) { }
static inline void dstack_delay(void) { }
#endif

/* core.c */
unsigned long dstack_vm_event(enum vm_event_item item);
void dstack_map_pages(struct dynamic_stack *ds);
bool dstack_may_shrink(struct task_struct *tsk);
void dstack_park(struct dynamic_stack *ds, unsigned long sp);

/* pool.c */
#define POOL_CAPACITY	256
extern unsigned int kstack_pool_low, kstack_pool_high;
struct page *kstack_frame_alloc(int node, gfp_t gfp);
void kstack_frame_free(struct page *page);
bool kstack_pool_take(struct page **frame, unsigned int nr, bool privileged);
void kstack_pool_put(struct page **frame, unsigned int nr);
void kstack_frames_recycle(struct list_head *frames);
unsigned long kstack_overflow_nr(void);
unsigned long kstack_overflow_trim(unsigned long keep);
bool kstack_reserve_low(void);
bool kstack_refill_sleeping(void);
int kstack_pool_init(void);
void kstack_pool_show(struct seq_file *m);

/* collect.c */
void kstack_queue(struct dynamic_stack *ds);
unsigned long kstack_collect(bool now);
void kstack_wake_collector(void);
int kstack_collect_init(void);

/* stack.c */
int dstack_stack_init(void);
void dstack_put(struct dynamic_stack *ds);
void dstack_charge(struct dynamic_stack *ds);
unsigned long dstack_cached_pages(void);

#endif /* _MM_DYNAMIC_STACK_INTERNAL_H */
