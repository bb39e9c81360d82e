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

#include <linux/jump_label.h>
#include <linux/sched.h>

struct dynamic_stack;
struct page;

#ifdef CONFIG_DYNAMIC_STACK

DECLARE_STATIC_KEY_FALSE(dynamic_stack_key);

/* True once the feature is on; it never goes off again. */
static __always_inline bool dynamic_stack_enabled(void)
{
	return static_branch_unlikely(&dynamic_stack_key);
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
unsigned long dynamic_stack_not_used(struct task_struct *tsk);
struct page *dynamic_stack_page(struct task_struct *tsk, unsigned int index);

bool __dynamic_stack_reserve(struct task_struct *next);
void __dynamic_stack_map(struct task_struct *next);
void __dynamic_stack_switched_out(struct task_struct *prev);

/*
 * The three steps of a switch. The scheduler reserves the frames for the task
 * that it picked; the architecture maps them before it loads the task's stack
 * pointer, and says when the CPU has left the previous task's stack.
 */
static __always_inline bool dynamic_stack_reserve(struct task_struct *next)
{
	return !dynamic_stack_managed(next) || __dynamic_stack_reserve(next);
}

static __always_inline void dynamic_stack_map(struct task_struct *next)
{
	if (dynamic_stack_managed(next))
		__dynamic_stack_map(next);
}

static __always_inline void dynamic_stack_switched_out(struct task_struct *prev)
{
	if (dynamic_stack_managed(prev))
		__dynamic_stack_switched_out(prev);
}

bool dynamic_stack_runnable(struct task_struct *tsk);
struct task_struct *dynamic_stack_refiller(int cpu);
struct task_struct *dynamic_stack_collector(void);
bool dynamic_stack_cpu_starved(int cpu);
void dynamic_stack_resched(int cpu);

#else /* !CONFIG_DYNAMIC_STACK */

static __always_inline bool dynamic_stack_enabled(void) { return false; }
static __always_inline bool dynamic_stack_managed(const struct task_struct *tsk) { return false; }
static __always_inline bool dynamic_stack_reserve(struct task_struct *next) { return true; }
static __always_inline void dynamic_stack_map(struct task_struct *next) { }
static __always_inline void dynamic_stack_switched_out(struct task_struct *prev) { }
static inline int dynamic_stack_alloc(struct task_struct *tsk, int node) { return 0; }
static inline void dynamic_stack_free(struct task_struct *tsk) { }
static inline void dynamic_stack_exit_account(struct task_struct *tsk) { }
static inline int dynamic_stack_fork(struct task_struct *tsk, bool idle) { return 0; }
/* A macro, so that not even "current" is evaluated. */
#define dynamic_stack_keep(tsk)		({ 0; })
static inline unsigned long dynamic_stack_not_used(struct task_struct *tsk) { return 0; }
static inline struct page *dynamic_stack_page(struct task_struct *tsk, unsigned int index)
{
	return NULL;
}

#endif /* CONFIG_DYNAMIC_STACK */
#endif /* _LINUX_DYNAMIC_STACK_H */
