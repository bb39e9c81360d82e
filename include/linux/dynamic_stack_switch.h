/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dynamic kernel stacks: the descriptor of a stack, and the steps of a switch. For
 * the scheduler, the architecture's switch and page fault, and mm/dynamic_stack.
 *
 * See Documentation/mm/dynamic_stack.rst for the page states, the invariants
 * and the locking.
 *
 * Words: to map is to make pages of a stack present; user space knows it as
 * "populate". To park is the reverse. A stack is
 *
 * complete	when all pages are present that its task may use without a fault;
 * ready	when it is complete, and there is a page in reserve for each fault
 *		that its task may take;
 * runnable	when it takes no new page to make it ready;
 * whole	when all of its pages are present. What is not managed always is.
 */
#ifndef _LINUX_DYNAMIC_STACK_SWITCH_H
#define _LINUX_DYNAMIC_STACK_SWITCH_H

#include <linux/dynamic_stack.h>

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
/* Index of the page that pt_regs are in */
#define DSTACK_TOP	(DSTACK_PAGES - 1)

#ifdef CONFIG_DYNAMIC_STACK_FAULT
/* Of a larger stack, so many pages from the top are promised. */
#define DSTACK_PROMISED	(DSTACK_PAGES >> CONFIG_DYNAMIC_STACK_ORDER)
/* Bit i is set: page i is there while the task runs. The others come by fault. */
extern unsigned int dynamic_stack_promise;
#else
#define DSTACK_PROMISED	DSTACK_PAGES
#define dynamic_stack_promise	DSTACK_ALL
#endif

/*
 * A managed kernel stack. Grouped by who may write what; with
 * CONFIG_DYNAMIC_STACK_DEBUG, dstack_assert_state() looks whether that is so. What
 * each switch looks at comes first.
 */
struct dynamic_stack {
	/* Constant from the creation of the stack to its end. */

	/* PTE of the lowest page. THREAD_ALIGN keeps the others behind it. */
	pte_t			*ptep;
	/* Lowest address. */
	unsigned long		base;

	/* Written by current, and by fork(); @keep by dynamic_stack_keep()'s callback, too. */

	/* Never shrink this stack again. */
	bool			keep;
	/* Never take one of so many pages from the top. */
	u8			ensured;

	/* Written under @lock. */

	raw_spinlock_t		lock;
	/* The owner, from its first switch until it gives up the stack, or NULL. */
	struct task_struct	*task;
	/* Whom the whole stack is charged to, NULL: nobody. */
	struct obj_cgroup	*objcg;

	/*
	 * The state of the pages, and when the task was seen. Written by
	 *
	 * - the CPU that switches to or from the task, under its runqueue lock,
	 *   from the pick to the end of the switch;
	 * - a callback of task_call_func() while the task is off the CPU: the
	 *   collector's, and dynamic_stack_keep()'s;
	 * - whoever has a stack that nobody else can find: fork() until the new
	 *   task is visible, and whoever frees it once @task is NULL again. The
	 *   collector may still have it queued; it sees that there is no @task,
	 *   and looks no further;
	 * - with CONFIG_DYNAMIC_STACK_FAULT, current: in dynamic_stack_fault_in(),
	 *   which may interrupt its own dstack_fill().
	 *
	 * The first two keep each other out, so they need neither a lock nor atomics
	 * of their own. Others read some of it without any.
	 */

	/* Bit i is set: page i is present. */
	unsigned int		mapped;
	/*
	 * Bit i is set: page i was touched, and is not present. It waits in page[i],
	 * with its PTE in saved[i], if there is that.
	 */
	unsigned int		parked;
	/* Counts how often pages were mapped, so that the collector sees that the task ran. */
	unsigned int		seq;
	/* Lowest page index ever seen accessed. */
	u8			deepest;
	/*
	 * On a collector list; the collector holds a reference then. Cleared under
	 * @lock, too, if there is no @task.
	 */
	bool			queued;
#ifdef CONFIG_ARCH_DYNAMIC_STACK_SYNC
	/* Mapped by another CPU than that which runs the task next. */
	bool			unsynced;
#endif
	/* jiffies when the task last left the CPU. */
	unsigned long		last_out;
	/* The pages, from the lowest; NULL: the slot is empty. */
	struct page		*page[DSTACK_PAGES];
#ifndef CONFIG_ARCH_DYNAMIC_STACK_NO_SAVED_PTE
	/* PTE value of a parked page. */
	pte_t			saved[DSTACK_PAGES];
#endif

#ifdef CONFIG_DYNAMIC_STACK_VACATE
	/* Written by current: it sleeps where nobody refers to its stack. */
	bool			unreferenced;
	/* Like the state of the pages: woken up early so often, a few bytes of it. */
	u8			backoff;
	u16			copy_len;
	/* jiffies when the top page was taken. */
	unsigned long		vacated_at;
	u64			copy_sum;
	/*
	 * Likewise, and under @lock: what was live in the top page when that was
	 * taken. NULL: it was not, or it is back.
	 */
	void			*copy;
#ifdef CONFIG_DYNAMIC_STACK_DEBUG
	/* Of what was live when the task left its stack. */
	u64			live_sum;
#endif
#endif

	/* Written under collect_mutex; @unused by fork(), too. */

	/* Copy of @seq. */
	unsigned int		snap;
	/*
	 * Bytes at the bottom that no collected page had in use; only with
	 * CONFIG_DEBUG_STACK_USAGE.
	 */
	unsigned int		unused;
	/* Link in the collector's own lists. */
	struct list_head	list;

	/* Link in a CPU's list of stacks for the collector: whoever sets @queued. */
	struct llist_node	node;
	/* Link in the list of stacks to free: whoever gives it up. */
	struct llist_node	dead;
	/* One for the owner or the stack cache, one while queued. */
	refcount_t		ref;

	/* Constant, too, but rarely looked at. */

	/* NUMA node of the top page. */
	int			node_id;
	/* The address range. */
	struct vm_struct	*vm;
};

#ifdef CONFIG_ARCH_DYNAMIC_STACK_SYNC
void __dynamic_stack_sync(struct task_struct *next);

static __always_inline bool dstack_unsynced(const struct dynamic_stack *ds)
{
	return ds->unsynced;
}

static __always_inline void dstack_set_unsynced(struct dynamic_stack *ds, bool unsynced)
{
	ds->unsynced = unsynced;
}
#else
static __always_inline void __dynamic_stack_sync(struct task_struct *next) { }
static __always_inline bool dstack_unsynced(const struct dynamic_stack *ds) { return false; }
static __always_inline void dstack_set_unsynced(struct dynamic_stack *ds, bool unsynced) { }
#endif

enum dynamic_stack_reclaim {
	DSTACK_RECLAIM_SWITCH,
	DSTACK_RECLAIM_SLEEP,
	DSTACK_RECLAIM_NEVER,
};

extern unsigned int dynamic_stack_reclaim;

static __always_inline bool dstack_complete(const struct dynamic_stack *ds)
{
#ifdef CONFIG_DYNAMIC_STACK_FAULT
	return !ds->parked && !(dynamic_stack_promise & ~ds->mapped);
#else
	return ds->mapped == DSTACK_ALL;
#endif
}

bool __dynamic_stack_reserve(struct task_struct *next, struct task_struct *donor);
void __dynamic_stack_map(struct task_struct *next);
void __dynamic_stack_switched_out(struct task_struct *prev);

#ifdef CONFIG_DYNAMIC_STACK_FAULT
/* Whose stack this CPU is on, or is about to be on. */
DECLARE_PER_CPU(struct dynamic_stack *, dynamic_stack_next);
/* Pages that this CPU's reserve lacks. */
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

#ifdef CONFIG_DYNAMIC_STACK_VACATE
/* For a sleep in which nobody refers to the stack; preemption is off around it. */
static __always_inline void dynamic_stack_mark(bool unreferenced)
{
	if (current->dynamic_stack)
		WRITE_ONCE(current->dynamic_stack->unreferenced, unreferenced);
}

static __always_inline bool dstack_marked(const struct dynamic_stack *ds)
{
	return ds->unreferenced;
}
#else
static __always_inline bool dstack_marked(const struct dynamic_stack *ds) { return false; }
#endif

#if defined(CONFIG_DYNAMIC_STACK_VACATE) && defined(CONFIG_DYNAMIC_STACK_DEBUG)
void dstack_note_live(struct task_struct *tsk);
#else
static __always_inline void dstack_note_live(struct task_struct *tsk) { }
#endif

/*
 * The three steps of a switch: the scheduler reserves the pages for the task
 * that it picked; they are mapped right before its stack pointer is loaded; and
 * the previous task's stack is looked after when the CPU has left it. Where the
 * architecture's switch is split, the last two are in its halves, otherwise
 * around it.
 *
 * A task that runs again soon costs no more than the tests here: its stack is
 * still complete, and the collector has it on its list already. Nor does one
 * whose stack is kept, an idle task above all.
 *
 * For those who get here only if the feature is on: that has been asked once.
 */
static __always_inline bool
dynamic_stack_reserve(struct task_struct *next, struct task_struct *donor)
{
	struct dynamic_stack *ds = next->dynamic_stack;

	return !ds || likely(dstack_ready(ds)) || __dynamic_stack_reserve(next, donor);
}

/* Likewise. */
static __always_inline void dynamic_stack_first_half(struct task_struct *next)
{
	struct dynamic_stack *ds = next->dynamic_stack;

	dynamic_stack_note_next(ds);
	if (ds && unlikely(!dstack_complete(ds)))
		__dynamic_stack_map(next);
	if (ds && unlikely(dstack_unsynced(ds)))
		__dynamic_stack_sync(next);
}

/* Likewise. */
static __always_inline void dynamic_stack_second_half(struct task_struct *prev)
{
	struct dynamic_stack *ds = prev->dynamic_stack;

	if (!ds)
		return;
	ds->last_out = jiffies;
	if (dstack_marked(ds))
		dstack_note_live(prev);
	if ((READ_ONCE(dynamic_stack_reclaim) == DSTACK_RECLAIM_SWITCH ||
	     !ds->queued || !ds->task) && !ds->keep)
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

/* What a task that lacks pages may use, beyond what every task may. */
enum dynamic_stack_level {
	DSTACK_LEVEL_NONE,
	DSTACK_LEVEL_LAST,	/* some of a pool's last pages, and of the reserve */
	DSTACK_LEVEL_ALL,	/* all of both, and what the page allocator keeps */
};

enum dynamic_stack_level dynamic_stack_level(struct task_struct *tsk, struct task_struct *donor);
bool dynamic_stack_runnable(struct task_struct *tsk);
unsigned int dynamic_stack_lacks(struct task_struct *tsk);
struct task_struct *dynamic_stack_refiller(int cpu);
struct task_struct *dynamic_stack_collector(void);
bool dynamic_stack_collecting(void);
bool dynamic_stack_cpu_starved(int cpu);
void dynamic_stack_resched(int cpu);
bool dynamic_stack_rq_locked(void);

#else

static __always_inline bool
dynamic_stack_reserve(struct task_struct *next, struct task_struct *donor) { return true; }
static __always_inline void dynamic_stack_before_switch(struct task_struct *next) { }
static __always_inline void dynamic_stack_after_switch(struct task_struct *prev) { }

#endif /* CONFIG_DYNAMIC_STACK */
#endif /* _LINUX_DYNAMIC_STACK_SWITCH_H */
