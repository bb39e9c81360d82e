/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dynamic kernel stacks: a task that is off the CPU keeps only the stack
 * pages it needs.
 *
 * What fork(), exit() and those need who look at other tasks' stacks, or whose own
 * must stay whole. The descriptor of a stack, and what happens in the switch, are in
 * dynamic_stack_switch.h. See Documentation/mm/dynamic_stack.rst.
 */
#ifndef _LINUX_DYNAMIC_STACK_H
#define _LINUX_DYNAMIC_STACK_H

#include <linux/sched.h>

struct page;
struct pt_regs;

#ifdef CONFIG_DYNAMIC_STACK

#include <linux/jump_label.h>

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
unsigned long dynamic_stack_not_used(struct task_struct *tsk);
struct page *dynamic_stack_page(struct task_struct *tsk, unsigned int index);

#else

static __always_inline bool dynamic_stack_enabled(void) { return false; }
static __always_inline bool dynamic_stack_may_alloc(void) { return false; }
static __always_inline bool dynamic_stack_managed(const struct task_struct *tsk) { return false; }
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

#ifdef CONFIG_DYNAMIC_STACK_FAULT
int dynamic_stack_ensure(unsigned long bytes);
#else
/* A macro, since what it needs is included where it is used. */
#define dynamic_stack_ensure(bytes)						\
	((bytes) > current_stack_pointer - (unsigned long)task_stack_page(current) ? -E2BIG : 0)
#endif

#ifdef CONFIG_DYNAMIC_STACK_VACATE
void schedule_unreferenced(void);
void dynamic_stack_fill(struct task_struct *tsk);
bool dynamic_stack_read(struct task_struct *tsk, void *dst, const void *src, size_t size);

/* A word of another task's stack that is not where it should be. */
static inline unsigned long dynamic_stack_absent_word(struct task_struct *tsk,
						      const unsigned long *addr)
{
	unsigned long val;

	return dynamic_stack_read(tsk, &val, addr, sizeof(val)) ? val : 0;
}
#else
static __always_inline void schedule_unreferenced(void) { schedule(); }
static inline void dynamic_stack_fill(struct task_struct *tsk) { }
static __always_inline unsigned long dynamic_stack_absent_word(struct task_struct *tsk,
							       const unsigned long *addr)
{
	return 0;
}
#endif

#if defined(CONFIG_DYNAMIC_STACK_VACATE) && defined(CONFIG_DYNAMIC_STACK_DEBUG)
bool dynamic_stack_vacate_fault(struct pt_regs *regs, unsigned long address);
#else
static __always_inline bool dynamic_stack_vacate_fault(struct pt_regs *regs,
						       unsigned long address)
{
	return false;
}
#endif
#endif /* _LINUX_DYNAMIC_STACK_H */
