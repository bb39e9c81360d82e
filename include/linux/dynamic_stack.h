/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dynamic kernel stacks: a task that is off the CPU keeps only the stack
 * pages it needs.
 *
 * See Documentation/mm/dynamic_stack.rst for the page states, the invariants
 * and the locking.
 */
#ifndef _LINUX_DYNAMIC_STACK_H
#define _LINUX_DYNAMIC_STACK_H

#include <linux/sched.h>

struct dynamic_stack;
struct page;

#ifdef CONFIG_DYNAMIC_STACK

#include <linux/bits.h>
#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mm_types.h>
#include <linux/percpu-defs.h>
#include <linux/refcount.h>
#include <linux/spinlock_types.h>
#include <linux/thread_info.h>

struct obj_cgroup;

#define DSTACK_PAGES	(THREAD_SIZE / PAGE_SIZE)
#define DSTACK_ALL	GENMASK(DSTACK_PAGES - 1, 0)

#ifdef CONFIG_DYNAMIC_STACK_FAULT
/* Of a larger stack, so many pages from the top are promised. */
#define DSTACK_PROMISED	(DSTACK_PAGES >> CONFIG_DYNAMIC_STACK_ORDER)
/* Bit i is set: page i is there while the task runs. The others come by fault. */
extern unsigned int dynamic_stack_promise;
#else
#define DSTACK_PROMISED	DSTACK_PAGES
#define dynamic_stack_promise	DSTACK_ALL
#endif

/**
 * struct dynamic_stack - a managed kernel stack
 * @ptep: PTE of the lowest page. THREAD_ALIGN keeps the others behind it.
 * @base: lowest address of the stack
 * @mapped: bit i is set: page i is present
 * @parked: bit i is set: page i is not present, its frame was touched and
 *	waits in @page[i], with its PTE in @saved[i]
 * @seq: counts populations, so that the collector sees that the task ran
 * @deepest: lowest page index ever seen accessed
 * @keep: never shrink this stack again
 * @ensured: never take one of so many pages from the top
 * @queued: on a collector list; the collector holds a reference then
 * @last_out: jiffies when the task last left the CPU
 * @task: the owner, from its first switch until it gives up the stack, or NULL
 * @page: the frame of each page, NULL: the slot is empty. Also read without
 *	any lock.
 * @saved: PTE value of a parked page
 * @unused: bytes at the bottom that no collected frame had in use; only with
 *	CONFIG_DEBUG_STACK_USAGE, and only the collector writes it
 * @snap: collector's copy of @seq
 * @node: link in a CPU's list of stacks for the collector
 * @dead: link in the list of stacks to free
 * @list: link in the collector's own lists
 * @vm: the stack's address range
 * @node_id: NUMA node of the top page
 * @lock: guards @task and @objcg
 * @objcg: whom the whole stack is charged to, NULL: nobody
 * @ref: one for the owner or the stack cache, one while queued
 *
 * But for @task and @unused, the members up to @snap are written by the CPU
 * that switches to or from the task, under its runqueue lock, and by callbacks
 * of task_call_func() on it while it is off the CPU. Each of the two keeps the
 * other out, so they need neither a lock nor atomics of their own.
 */
struct dynamic_stack {
	pte_t			*ptep;
	unsigned long		base;
	unsigned int		mapped;
	unsigned int		parked;
	unsigned int		seq;
	u8			deepest;
	bool			keep;
	bool			queued;
	u8			ensured;
	unsigned long		last_out;
	struct task_struct	*task;
	struct page		*page[DSTACK_PAGES];
	pte_t			saved[DSTACK_PAGES];
	unsigned int		unused;
	unsigned int		snap;

	struct llist_node	node;
	struct llist_node	dead;
	struct list_head	list;
	struct vm_struct	*vm;
	int			node_id;
	raw_spinlock_t		lock;
	struct obj_cgroup	*objcg;
	refcount_t		ref;
};

enum dynamic_stack_reclaim {
	DSTACK_RECLAIM_SWITCH,
	DSTACK_RECLAIM_SLEEP,
	DSTACK_RECLAIM_NEVER,
};

extern unsigned int dynamic_stack_reclaim;

/* All pages are present that the task may use without a fault. */
static __always_inline bool dstack_complete(const struct dynamic_stack *ds)
{
#ifdef CONFIG_DYNAMIC_STACK_FAULT
	return !ds->parked && !(dynamic_stack_promise & ~ds->mapped);
#else
	return ds->mapped == DSTACK_ALL;
#endif
}

DECLARE_STATIC_KEY_FALSE(dynamic_stack_key);

extern bool dynamic_stack_live;

/* True once the feature is on; it never goes off again. */
static __always_inline bool dynamic_stack_enabled(void)
{
	return static_branch_unlikely(&dynamic_stack_key);
}

/* For fork(): all of the kernel knows of managed stacks, not only this place. */
static __always_inline bool dynamic_stack_may_alloc(void)
{
	return dynamic_stack_enabled() && READ_ONCE(dynamic_stack_live);
}

/*
 * Whether a stack is managed is a property of the stack, not of the static
 * key: tasks older than the key, and the boot CPU's idle task, stay whole.
 */
static __always_inline bool dynamic_stack_managed(const struct task_struct *tsk)
{
	return dynamic_stack_enabled() && tsk->dynamic_stack;
}

int dynamic_stack_alloc(struct task_struct *tsk, int node);
void dynamic_stack_free(struct task_struct *tsk);
void dynamic_stack_exit_account(struct task_struct *tsk);
int dynamic_stack_fork(struct task_struct *tsk, bool idle);
int dynamic_stack_keep(struct task_struct *tsk);
int dynamic_stack_ensure(unsigned long bytes);
unsigned long dynamic_stack_not_used(struct task_struct *tsk);
struct page *dynamic_stack_page(struct task_struct *tsk, unsigned int index);

bool __dynamic_stack_reserve(struct task_struct *next);
void __dynamic_stack_map(struct task_struct *next);
void __dynamic_stack_switched_out(struct task_struct *prev);

#ifdef CONFIG_DYNAMIC_STACK_FAULT
/* Whose stack this CPU is on, or is about to be on. */
DECLARE_PER_CPU(struct dynamic_stack *, dynamic_stack_next);
/* Frames that this CPU's reserve lacks. */
DECLARE_PER_CPU(unsigned int, kstack_fault_short);

bool dynamic_stack_fault_in(struct dynamic_stack *ds, unsigned int i);
void dynamic_stack_warn_deep(struct pt_regs *regs, struct dynamic_stack *ds,
			     unsigned long address);
void dynamic_stack_panic(struct dynamic_stack *ds, unsigned long address);

/*
 * The managed stack that a stack pointer of this CPU belongs to. Not
 * necessarily current's: the switch loads the next task's stack pointer first,
 * and writes current later. Both are looked at.
 */
static __always_inline struct dynamic_stack *dynamic_stack_at(unsigned long sp)
{
	struct dynamic_stack *ds = current->dynamic_stack;

	/* The top itself is a stack pointer, too: of an empty stack. */
	if (ds && sp - ds->base <= THREAD_SIZE)
		return ds;
	ds = this_cpu_read(dynamic_stack_next);
	if (ds && sp - ds->base <= THREAD_SIZE)
		return ds;
	return NULL;
}

/* A task that may take a fault on its stack runs only if a frame is there for it. */
static __always_inline bool dstack_ready(const struct dynamic_stack *ds)
{
	return dstack_complete(ds) &&
	       (ds->mapped == DSTACK_ALL || !this_cpu_read(kstack_fault_short));
}

static __always_inline void dynamic_stack_note_next(struct dynamic_stack *ds)
{
	this_cpu_write(dynamic_stack_next, ds);
}
#else
static __always_inline bool dstack_ready(const struct dynamic_stack *ds)
{
	return dstack_complete(ds);
}

static __always_inline void dynamic_stack_note_next(struct dynamic_stack *ds) { }
#endif

/*
 * The three steps of a switch: the scheduler reserves the frames for the task
 * that it picked; they are mapped right before its stack pointer is loaded; and
 * the previous task's stack is looked after when the CPU has left it. Where the
 * architecture's switch is split, the last two are in its halves, otherwise
 * around it.
 *
 * A task that runs again soon costs no more than the tests here: its stack is
 * still whole, and the collector has it on its list already.
 */
static __always_inline bool dynamic_stack_reserve(struct task_struct *next)
{
	return !dynamic_stack_managed(next) ||
	       likely(dstack_ready(next->dynamic_stack)) ||
	       __dynamic_stack_reserve(next);
}

/* For those who get here only if the feature is on. */
static __always_inline void dynamic_stack_first_half(struct task_struct *next)
{
	struct dynamic_stack *ds = next->dynamic_stack;

	dynamic_stack_note_next(ds);
	if (ds && unlikely(!dstack_complete(ds)))
		__dynamic_stack_map(next);
}

/* Likewise. */
static __always_inline void dynamic_stack_second_half(struct task_struct *prev)
{
	struct dynamic_stack *ds = prev->dynamic_stack;

	if (!ds)
		return;
	ds->last_out = jiffies;
	if (READ_ONCE(dynamic_stack_reclaim) == DSTACK_RECLAIM_SWITCH ||
	    !ds->queued || !ds->task)
		__dynamic_stack_switched_out(prev);
}

#ifdef CONFIG_DYNAMIC_STACK_SPLIT
void arch_dynamic_stack_split(void);
#else
static inline void arch_dynamic_stack_split(void) { }
#endif

DECLARE_STATIC_KEY_FALSE(dynamic_stack_hooks_key);

/* Are the two halves around the architecture's switch, not in it? */
static __always_inline bool dynamic_stack_hooks(void)
{
	if (IS_ENABLED(CONFIG_DYNAMIC_STACK_HOOKS))
		return static_branch_unlikely(&dynamic_stack_hooks_key);
	return !IS_ENABLED(CONFIG_DYNAMIC_STACK_SPLIT) && dynamic_stack_enabled();
}

static __always_inline void dynamic_stack_before_switch(struct task_struct *next)
{
	if (dynamic_stack_hooks())
		dynamic_stack_first_half(next);
}

static __always_inline void dynamic_stack_after_switch(struct task_struct *prev)
{
	if (dynamic_stack_hooks())
		dynamic_stack_second_half(prev);
}

/* What a task that lacks frames may use, beyond what every task may. */
enum dynamic_stack_level {
	DSTACK_LEVEL_NONE,
	DSTACK_LEVEL_LAST,	/* some of a pool's last frames, and of the reserve */
	DSTACK_LEVEL_ALL,	/* all of both, and what the page allocator keeps */
};

enum dynamic_stack_level dynamic_stack_level(struct task_struct *tsk);
bool dynamic_stack_runnable(struct task_struct *tsk);
struct task_struct *dynamic_stack_refiller(int cpu);
struct task_struct *dynamic_stack_collector(void);
bool dynamic_stack_collecting(void);
bool dynamic_stack_cpu_starved(int cpu);
void dynamic_stack_resched(int cpu);

#else /* !CONFIG_DYNAMIC_STACK */

static __always_inline bool dynamic_stack_enabled(void) { return false; }
static __always_inline bool dynamic_stack_may_alloc(void) { return false; }
static __always_inline bool dynamic_stack_managed(const struct task_struct *tsk) { return false; }
static __always_inline bool dynamic_stack_reserve(struct task_struct *next) { return true; }
static __always_inline void dynamic_stack_before_switch(struct task_struct *next) { }
static __always_inline void dynamic_stack_after_switch(struct task_struct *prev) { }
static inline int dynamic_stack_alloc(struct task_struct *tsk, int node) { return 0; }
static inline void dynamic_stack_free(struct task_struct *tsk) { }
static inline void dynamic_stack_exit_account(struct task_struct *tsk) { }
static inline int dynamic_stack_fork(struct task_struct *tsk, bool idle) { return 0; }
/* A macro, so that not even "current" is evaluated. */
#define dynamic_stack_keep(tsk)		({ 0; })
static inline int dynamic_stack_ensure(unsigned long bytes) { return 0; }
static inline unsigned long dynamic_stack_not_used(struct task_struct *tsk) { return 0; }
static inline struct page *dynamic_stack_page(struct task_struct *tsk, unsigned int index)
{
	return NULL;
}

#endif /* CONFIG_DYNAMIC_STACK */
#endif /* _LINUX_DYNAMIC_STACK_H */
