/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dynamic kernel stacks: what its files share. dynamic_stack_*() is for the rest
 * of the kernel, dstack_*() is about one stack, kstack_*() about frames: the
 * pools and the collector.
 */
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

/* Most frames that one task can need at once: the top page always stays. */
#define DSTACK_MAX_NEED	(DSTACK_PROMISED - 1)

struct seq_file;

/* Frames that the stack holds: present, parked, or reserved for the next run. */
static inline unsigned int dstack_held(const struct dynamic_stack *ds)
{
	unsigned int i, nr = 0;

	for (i = 0; i < DSTACK_PAGES; i++)
		nr += !!READ_ONCE(ds->page[i]);
	return nr;
}

/* Frames that the stack lacks of those that its task needs to run. */
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

/*
 * The steps of the proof that the Accessed flag can be trusted, and the numbers of
 * dynamic_stack.proof_lie=, which plants the failure of one.
 */
enum dynamic_stack_proof {
	DSTACK_PROOF_READ = 1,
	DSTACK_PROOF_WRITE,
	DSTACK_PROOF_PUSH,
	DSTACK_PROOF_IDLE,
	DSTACK_PROOF_REUSE,
	DSTACK_PROOF_RESTORE,
	DSTACK_PROOF_FLUSH,
};

/* debug.c */
#ifdef CONFIG_DYNAMIC_STACK_DEBUG
void dstack_check_owner(struct dynamic_stack *ds, struct page *page);
void dstack_set_owner(struct dynamic_stack *ds, struct page *page);
void dstack_check_clean(struct page *page);
void dstack_delay(void);
void dstack_switch_delay(void);
bool dstack_proof_lie(enum dynamic_stack_proof step);
bool kstack_empty(void);
void dstack_check_locks(struct task_struct *tsk);
#else
static inline void dstack_check_owner(struct dynamic_stack *ds, struct page *page) { }
static inline void dstack_set_owner(struct dynamic_stack *ds, struct page *page) { }
static inline void dstack_check_clean(struct page *page) { }
static inline void dstack_delay(void) { }
static inline void dstack_switch_delay(void) { }
static inline bool dstack_proof_lie(enum dynamic_stack_proof step) { return false; }
static inline bool kstack_empty(void) { return false; }
static inline void dstack_check_locks(struct task_struct *tsk) { }
#endif

/* core.c */
unsigned long dstack_vm_event(enum vm_event_item item);
void dstack_map_pages(struct dynamic_stack *ds);
bool dstack_may_shrink(struct task_struct *tsk);
void dstack_park(struct dynamic_stack *ds, unsigned long sp);

/* proof.c */
bool dstack_proof_init(void);
int dstack_proof_online(unsigned int cpu);

/* pool.c */
#define POOL_CAPACITY	256
enum kstack_mark {
	KSTACK_MARK_LOW,
	KSTACK_MARK_HIGH,
};

/* What exit() leaves at most on a node's overflow list. */
#define OVERFLOW_EXIT	64
struct page *kstack_frame_alloc(int node, gfp_t gfp);
void kstack_frame_free(struct page *page);
bool kstack_pool_take(struct page **frame, unsigned int nr, enum dynamic_stack_level level);
void kstack_pool_put(struct page **frame, unsigned int nr);
void kstack_frame_recycle(struct page *page);
void kstack_frame_retire(struct page *page);
bool kstack_pool_below(enum kstack_mark mark);
bool kstack_any_starved(void);
void kstack_free_poisoned(void);
unsigned long kstack_overflow_nr(void);
bool kstack_overflow_above(unsigned long nr);
unsigned long kstack_overflow_trim(unsigned long keep);
void kstack_overflow_age(unsigned long keep);
bool kstack_reserve_low(void);
bool kstack_refill_sleeping(void);
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

/* collect.c */

/* What a pass of the collector is for. */
enum kstack_collect {
	KSTACK_COLLECT_AGED,		/* its own pace */
	KSTACK_COLLECT_PRESSURE,	/* memory is reclaimed */
	KSTACK_COLLECT_OOM,		/* somebody is about to be killed for memory */
	KSTACK_COLLECT_STARVED,		/* a CPU can't run what it should */
	KSTACK_COLLECT_ALL,		/* for tests: from any sleeper */
};

void kstack_queue(struct dynamic_stack *ds);
void kstack_poke_collector(void);
long kstack_collect(enum kstack_collect why);
long kstack_collect_once(enum kstack_collect why);
void kstack_wake_collector(void);
int kstack_collect_init(void);

/* stack.c */
int dstack_stack_init(void);
void dstack_put(struct dynamic_stack *ds);
unsigned long dstack_cached_pages(void);

/*
 * What test_deep.c leaves in the upper half of the words of a stack, and
 * test_look.c must not find in another task's.
 */
#define DSTACK_TEST_MARK	0x5dead5acUL

#endif /* _MM_DYNAMIC_STACK_INTERNAL_H */
