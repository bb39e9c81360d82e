/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dynamic kernel stacks: what its files share. dynamic_stack_*() is for the rest
 * of the kernel, dstack_*() is about one stack, kstack_*() about pages: the
 * pools and the collector.
 */
#ifndef _MM_DYNAMIC_STACK_INTERNAL_H
#define _MM_DYNAMIC_STACK_INTERNAL_H

#include <linux/dynamic_stack_switch.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/percpu-defs.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/thread_info.h>
#include <linux/vmstat.h>

#include <asm/dynamic_stack.h>

#include "debug.h"

/* Pages that a task needs at most, unless its top page was taken as well. */
#define DSTACK_NEED	(DSTACK_PROMISED - 1)
/* Most pages that one task can need at once. */
#define DSTACK_MAX_NEED	(DSTACK_NEED + IS_ENABLED(CONFIG_DYNAMIC_STACK_VACATE))

struct seq_file;

/*
 * Of struct page this uses, from kstack_page_alloc() to kstack_page_free():
 *
 * lru		link in a list: of a node's pages, the reserve, or what a pass has taken
 * private	with CONFIG_DYNAMIC_STACK_DEBUG, the stack that the page belongs to; see
 *		dstack_set_owner()
 */

/* The PTE of a page that is parked, as it was, or one that is as good. */
#ifdef CONFIG_ARCH_DYNAMIC_STACK_NO_SAVED_PTE
static inline void dstack_save_pte(struct dynamic_stack *ds, unsigned int i, pte_t pte) { }
static inline pte_t dstack_saved_pte(const struct dynamic_stack *ds, unsigned int i)
{
	return mk_pte(ds->page[i], PAGE_KERNEL);
}
#else
static inline void dstack_save_pte(struct dynamic_stack *ds, unsigned int i, pte_t pte)
{
	ds->saved[i] = pte;
}

static inline pte_t dstack_saved_pte(const struct dynamic_stack *ds, unsigned int i)
{
	return ds->saved[i];
}
#endif

DECLARE_STATIC_KEY_FALSE(dynamic_stack_preset_key);

/*
 * The Accessed flag tells nothing: not all CPUs set it, or nobody is to look at it.
 * Then pages are mapped with the flag set, each page below the stack pointer counts
 * as touched, and goes by way of a shootdown. May become false while the machine
 * boots; each PTE speaks for itself.
 */
static __always_inline bool dstack_preset(void)
{
	return static_branch_unlikely(&dynamic_stack_preset_key) ||
	       !arch_dynamic_stack_sets_accessed();
}

/* Pages that the stack holds: present, parked, or reserved for the next run. */
static inline unsigned int dstack_held(const struct dynamic_stack *ds)
{
	unsigned int i, nr = 0;

	for (i = 0; i < DSTACK_PAGES; i++)
		nr += !!READ_ONCE(ds->page[i]);
	return nr;
}

/* Pages that the stack lacks of those that its task needs to run. */
static inline unsigned int dstack_lacks(const struct dynamic_stack *ds)
{
	unsigned int i, nr = 0;

	for (i = 0; i < DSTACK_PAGES; i++)
		nr += (dynamic_stack_promise & BIT(i)) && !READ_ONCE(ds->page[i]);
	return nr;
}

/* For callbacks of task_call_func(), which keep it so. */
static inline bool dstack_off_cpu(struct task_struct *tsk)
{
#ifdef CONFIG_SMP
	if (tsk->on_cpu)
		return false;
#endif
	return !task_curr(tsk);
}

/* Each file calls only those that come before it here, debug.c, and the scheduler. */

/* proof.c */
bool dstack_proof_init(void);
int dstack_proof_online(unsigned int cpu);

/* pool.c; what pools are made of is in pool.h */
#define POOL_CAPACITY	256

enum kstack_mark {
	KSTACK_MARK_LOW,
	KSTACK_MARK_WANT,
	KSTACK_MARK_HIGH,
};

/* What exit() leaves at most on a node's overflow list. */
#define OVERFLOW_EXIT	64

/* What a pass of the collector is for. */
enum kstack_collect {
	KSTACK_COLLECT_AGED,		/* its own pace */
	KSTACK_COLLECT_PRESSURE,	/* memory is reclaimed */
	KSTACK_COLLECT_OOM,		/* somebody is about to be killed for memory */
	KSTACK_COLLECT_STARVED,		/* a CPU can't run what it should */
	KSTACK_COLLECT_ALL,		/* for tests: from any sleeper */
};

/**
 * struct kstack_collectd - what the collector's thread is told
 * @task: the thread; NULL with dynamic_stack=off, and while parameters are parsed
 * @busy: it is in a pass, from before it tries collect_mutex until the pages are
 *	given away
 * @hurried: a kstackd gave it the best niceness that there is
 * @asleep: it has nothing to wait for: the next one to queue wakes it up
 * @queued: set by those who want it to do something, and cleared when it does
 * @requested: likewise, by those who want pages
 * @pressed: which pass somebody wants who reclaims memory; %KSTACK_COLLECT_AGED: none
 */
struct kstack_collectd {
	struct task_struct	*task;
	bool			busy;
	bool			hurried;
	bool			asleep;
	bool			queued;
	bool			requested;
	enum kstack_collect	pressed;
};

extern struct kstack_collectd kstack_collectd;
DECLARE_PER_CPU(struct irq_work, kstack_collectd_wake);

unsigned long dstack_vm_event(enum vm_event_item item);
struct page *kstack_page_alloc(int node, gfp_t gfp);
void kstack_page_free(struct page *page);
bool kstack_pool_take(struct page **pages, unsigned int nr, enum dynamic_stack_level level);
void kstack_page_poisoned(struct page *page);
void kstack_pool_put(struct page **pages, unsigned int nr);
void kstack_page_recycle(struct page *page);
void kstack_page_retire(struct page *page);
bool kstack_pool_below(enum kstack_mark mark);
bool kstack_any_starved(void);
bool kstack_any_poisoned(void);
void kstack_free_poisoned(void);
unsigned long kstack_overflow_nr(void);
bool kstack_overflow_above(unsigned long nr);
unsigned long kstack_overflow_trim(void);
void kstack_overflow_age(void);
bool kstack_pools_at_rest(void);
void kstack_pools_age(void);
bool kstack_reserve_low(void);
void kstack_poke_collector(void);
void kstack_wake_collector(void);
int kstack_pool_init(void);
void kstack_pool_show(struct seq_file *m);

/* fault.c */
#ifdef CONFIG_DYNAMIC_STACK_FAULT
bool kstack_fault_init(void);
bool kstack_fault_refill(enum dynamic_stack_level level);
int kstack_fault_prepare(unsigned int cpu);
void kstack_fault_drain(unsigned int cpu);
void kstack_fault_show(struct seq_file *m);
int dstack_fill(struct dynamic_stack *ds, unsigned int from);
#else
static inline bool kstack_fault_init(void) { return true; }
static inline bool kstack_fault_refill(enum dynamic_stack_level level) { return true; }
static inline int kstack_fault_prepare(unsigned int cpu) { return 0; }
static inline void kstack_fault_drain(unsigned int cpu) { }
static inline void kstack_fault_show(struct seq_file *m) { }
static inline int dstack_fill(struct dynamic_stack *ds, unsigned int from) { return 0; }
#endif

/* vacate.c */
#ifdef CONFIG_DYNAMIC_STACK_VACATE
static inline bool dstack_vacated(const struct dynamic_stack *ds) { return ds->copy; }

bool dstack_vacate_waits(struct task_struct *tsk);
bool dstack_vacate_too_early(struct dynamic_stack *ds);
unsigned int dstack_takable(struct task_struct *tsk, unsigned int parked, bool vacate);
unsigned int dstack_vacate(struct task_struct *tsk, bool vacate);
void dstack_copy_back(struct dynamic_stack *ds);
bool kstack_any_copies_done(void);
void kstack_copies_free(void);
void kstack_copies_prepare(void);
void kstack_copies_begin(void);
void kstack_vacate_init(void);
void kstack_vacate_show(struct seq_file *m);
#else
static inline bool dstack_vacated(const struct dynamic_stack *ds) { return false; }
static inline bool dstack_vacate_waits(struct task_struct *tsk) { return false; }
static inline bool dstack_vacate_too_early(struct dynamic_stack *ds) { return false; }
static inline unsigned int dstack_takable(struct task_struct *tsk, unsigned int parked, bool vacate)
{
	return parked;
}

static inline unsigned int dstack_vacate(struct task_struct *tsk, bool vacate) { return 0; }
static inline void dstack_copy_back(struct dynamic_stack *ds) { }
static inline bool kstack_any_copies_done(void) { return false; }
static inline void kstack_copies_free(void) { }
static inline void kstack_copies_prepare(void) { }
static inline void kstack_copies_begin(void) { }
static inline void kstack_vacate_init(void) { }
static inline void kstack_vacate_show(struct seq_file *m) { }
#endif

/* switch.c */
DECLARE_PER_CPU(struct llist_head, dstack_queued);
void dstack_queue(struct dynamic_stack *ds);
void dstack_map_pages(struct dynamic_stack *ds);
bool dstack_may_shrink(struct task_struct *tsk);
void dstack_park(struct dynamic_stack *ds, unsigned long sp);

/* stack.c */
int dstack_stack_init(void);
void dstack_put(struct dynamic_stack *ds);
unsigned long dstack_cached_pages(void);
void dstack_cache_age(unsigned long age);
bool dstack_any_dead(void);
void dstack_hurry_dead(void);

/* collect.c */
extern unsigned int kstack_collect_period;
long kstack_collect(enum kstack_collect why);
long kstack_collect_once(enum kstack_collect why);
long kstack_collect_pressed(void);
bool kstack_collect_idle(void);
int kstack_collect_init(void);

/* refill.c */
int kstack_refill_init(void);

/*
 * What test_deep.c leaves in the upper half of the words of a stack, and
 * test_look.c must not find in another task's.
 */
#define DSTACK_TEST_MARK	0x5dead5acUL

#endif /* _MM_DYNAMIC_STACK_INTERNAL_H */
