// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: what the scheduler does when the task that it picked
 * can't have its whole stack.
 */
#include "sched.h"
#include "dynamic_stack.h"

/**
 * dynamic_stack_pick_other - something to run instead of a starved task
 * @rq: this CPU's runqueue
 * @next: the task that was picked; it stays queued where it is
 *
 * That is this CPU's refiller if it wants to run, so that no task of a higher
 * class or priority can keep it from helping; else idle. Whoever finds frames
 * reschedules this CPU.
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

	if (!other || task_rq(other) != rq || !task_on_rq_queued(other))
		other = rq->idle;

	next->dl_server = NULL;
	next->sched_class->put_prev_task(rq, next, NULL);
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
