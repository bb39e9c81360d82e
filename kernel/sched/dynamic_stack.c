// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: what the scheduler does when the task that it picked
 * can't have its whole stack.
 */
#include <linux/mmu_context.h>

#include "sched.h"
#include "dynamic_stack.h"

static bool can_run(struct rq *rq, struct task_struct *tsk)
{
	return tsk && task_rq(tsk) == rq && task_on_rq_queued(tsk) &&
	       !tsk->se.sched_delayed && dynamic_stack_runnable(tsk);
}

static bool throttled(struct task_struct *tsk)
{
#ifdef CONFIG_CFS_BANDWIDTH
	return cfs_rq_of(&tsk->se)->throttle_count;
#else
	return false;
#endif
}

/* Looks at no more than this many: the runqueue lock is held. */
#define MAX_LOOK	32

/*
 * A fair task with a whole stack. The starved task would be picked again and
 * again, and the kworker or kswapd that is going to free memory may be behind
 * it. So it runs out of turn; its virtual time will tell.
 */
static struct task_struct *whole_fair_task(struct rq *rq)
{
#ifdef CONFIG_SMP
	struct task_struct *tsk;
	int look = 0;

	list_for_each_entry(tsk, &rq->cfs_tasks, se.group_node) {
		if (can_run(rq, tsk) && !throttled(tsk))
			return tsk;
		if (++look == MAX_LOOK)
			break;
	}
#endif
	return NULL;
}

/**
 * dynamic_stack_pick_other - something to run instead of a starved task
 * @rq: this CPU's runqueue
 * @next: the task that was picked; it stays queued where it is
 *
 * That is this CPU's refiller, so that no task of a higher class or priority
 * can keep it from helping; or the collector; or a fair task that needs no
 * frames; else idle. Whoever finds frames reschedules this CPU.
 *
 * put_prev_set_next_task() has been done for @next already, and rq->curr is
 * still the previous task, so that can't be used a second time. No next class
 * is given: this is not a class switch that sched_ext should hear of.
 *
 * Context: __schedule(); @rq's lock is held, interrupts are off.
 * Return: the task to run; it may be the one that runs now.
 */
struct task_struct *dynamic_stack_pick_other(struct rq *rq, struct task_struct *next)
{
	struct task_struct *other = dynamic_stack_refiller(cpu_of(rq));

	if (!can_run(rq, other))
		other = dynamic_stack_collector();
	if (!can_run(rq, other))
		other = NULL;

	next->dl_server = NULL;
	next->sched_class->put_prev_task(rq, next, NULL);

	/* With @next back in its queue, so that the list is complete. */
	if (!other && !sched_core_enabled(rq))
		other = whole_fair_task(rq);
	if (!other)
		other = rq->idle;
	other->sched_class->set_next_task(rq, other, true);
	return other;
}

/**
 * dynamic_stack_resched - let a CPU pick again, now that there are frames
 * @cpu: the CPU
 *
 * Context: any but NMI and runqueue lock held.
 */
void dynamic_stack_resched(int cpu)
{
	resched_cpu(cpu);
}
