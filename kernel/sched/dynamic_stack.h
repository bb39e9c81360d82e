/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_SCHED_DYNAMIC_STACK_H
#define _KERNEL_SCHED_DYNAMIC_STACK_H

#include <linux/dynamic_stack_switch.h>

#ifdef CONFIG_DYNAMIC_STACK

struct task_struct *dynamic_stack_pick_other(struct rq *rq, struct task_struct *next);
struct task_struct *dynamic_stack_pick_idle(struct rq *rq);

/*
 * The task whose turn it is: with proxy execution, @next may run for another one,
 * which waits for a mutex that @next has.
 */
static __always_inline struct task_struct *
dynamic_stack_donor(struct rq *rq, struct task_struct *next)
{
#ifdef CONFIG_SCHED_PROXY_EXEC
	return rq->donor;
#else
	return next;
#endif
}

/*
 * From here to the switch the runqueue lock is held, and @next is queued, so
 * the collector can't take away again what is reserved now.
 */
static __always_inline struct task_struct *
dynamic_stack_pick(struct rq *rq, struct task_struct *next)
{
	/* One branch if the feature is off, before sched_core_enabled()'s. */
	if (!dynamic_stack_enabled())
		return next;
	if (unlikely(!dynamic_stack_reserve(next, dynamic_stack_donor(rq, next))))
		return dynamic_stack_pick_other(rq, next);
	if (sched_core_enabled(rq) && next == rq->idle)
		return dynamic_stack_pick_idle(rq);
	return next;
}

/* For push: the CPU knowingly runs something else than its best task. */
static inline bool dynamic_stack_rq_starved(struct rq *rq)
{
	return dynamic_stack_cpu_starved(cpu_of(rq));
}

/*
 * For push: there are no pages for @tsk on that CPU either. It would be pushed
 * back. Both runqueues are locked.
 */
static inline bool dynamic_stack_would_starve(struct rq *rq, struct task_struct *tsk)
{
	return dynamic_stack_rq_starved(rq) && !dynamic_stack_runnable(tsk);
}

#else

static __always_inline struct task_struct *
dynamic_stack_pick(struct rq *rq, struct task_struct *next)
{
	return next;
}

static inline bool dynamic_stack_rq_starved(struct rq *rq) { return false; }

static inline bool dynamic_stack_would_starve(struct rq *rq, struct task_struct *tsk)
{
	return false;
}

#endif /* CONFIG_DYNAMIC_STACK */
#endif /* _KERNEL_SCHED_DYNAMIC_STACK_H */
