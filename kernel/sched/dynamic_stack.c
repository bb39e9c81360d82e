// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: what the scheduler does when the task that it picked
 * can't have its whole stack.
 */
#include <linux/mmu_context.h>

#include "sched.h"
#include "dynamic_stack.h"

#ifdef CONFIG_SMP
/*
 * Looks at no more fair tasks than this at a time: the runqueue lock is held.
 * Others come next time.
 */
#define MAX_LOOK	32
#endif

static bool throttled(struct task_struct *tsk)
{
#ifdef CONFIG_CFS_BANDWIDTH
	return cfs_rq_of(&tsk->se)->throttle_count;
#else
	return false;
#endif
}

/*
 * @tsk is in one of this CPU's queues. With core scheduling it must not run
 * beside a sibling's task with another cookie. A privileged one may use frames
 * that the starved task was refused. *@ask: one that does not get them is
 * enough; nearly all sleepers need the same number.
 */
static bool can_run(struct task_struct *tsk, bool *ask)
{
	if (!sched_cpu_cookie_match(task_rq(tsk), tsk))
		return false;
	if (dynamic_stack_runnable(tsk))
		return true;
	if (!*ask || !dynamic_stack_privileged(tsk))
		return false;
	*ask = dynamic_stack_reserve(tsk);
	return *ask;
}

/* The deadline task with a whole stack that is due first. */
static struct task_struct *whole_dl_task(struct rq *rq, bool *ask)
{
	struct rb_node *node;

	for (node = rb_first_cached(&rq->dl.root); node; node = rb_next(node)) {
		struct sched_dl_entity *dl_se = rb_entry(node, struct sched_dl_entity, rb_node);
		struct task_struct *tsk = container_of(dl_se, struct task_struct, dl);

		if (!dl_se->dl_server && can_run(tsk, ask))
			return tsk;
	}
	return NULL;
}

#ifndef CONFIG_RT_GROUP_SCHED
static struct task_struct *whole_task_in(struct list_head *queue, bool *ask)
{
	struct task_struct *tsk;

	list_for_each_entry(tsk, queue, rt.run_list) {
		if (can_run(tsk, ask))
			return tsk;
	}
	return NULL;
}
#endif

/* The best real-time task with a whole stack: an interrupt thread, say. */
static struct task_struct *whole_rt_task(struct rq *rq, bool *ask)
{
#ifndef CONFIG_RT_GROUP_SCHED
	struct rt_prio_array *array = &rq->rt.active;
	struct task_struct *tsk, *kstackd;
	int prio;

	/*
	 * Where a spinlock can be waited for, kstackd may wait for the page
	 * allocator's. Its owner is whole, and has kstackd's priority then.
	 */
	kstackd = dynamic_stack_refiller(cpu_of(rq));
	if (IS_ENABLED(CONFIG_PREEMPT_RT) && kstackd && rt_prio(kstackd->prio)) {
		tsk = whole_task_in(array->queue + kstackd->prio, ask);
		if (tsk)
			return tsk;
	}

	for_each_set_bit(prio, array->bitmap, MAX_RT_PRIO) {
		tsk = whole_task_in(array->queue + prio, ask);
		if (tsk)
			return tsk;
	}
#endif
	return NULL;
}

static bool fair_task_ready(struct task_struct *tsk)
{
	return !tsk->se.sched_delayed && !throttled(tsk);
}

/*
 * The refiller, if it is in this queue. It is bound to this CPU, so that its
 * state is guarded by this lock. It may run beside any cookie: what it sees of
 * other tasks, their frames while it clears them, interrupts see as well.
 */
static struct task_struct *ready_refiller(struct rq *rq)
{
	struct task_struct *tsk = dynamic_stack_refiller(cpu_of(rq));

	if (!tsk || task_rq(tsk) != rq || !task_on_rq_queued(tsk) || tsk->se.sched_delayed)
		return NULL;
	return tsk;
}

/*
 * The collector, if it is in this queue: what it finds may be for all.
 *
 * It is not bound to a CPU. While it sleeps, a waker moves it to another queue
 * under its pi_lock alone, and queues it under that queue's lock: it could seem
 * to be here and to be queued, and be neither. So both locks are needed. This
 * is the wrong order for them; if it is just being woken up, this CPU will be
 * rescheduled, should it be the one.
 */
static struct task_struct *ready_collector(struct rq *rq)
{
	struct task_struct *tsk = dynamic_stack_collector();
	bool ready;

	if (task_rq(tsk) != rq || !raw_spin_trylock(&tsk->pi_lock))
		return NULL;
	ready = task_rq(tsk) == rq && task_on_rq_queued(tsk) &&
		tsk->sched_class == &fair_sched_class && fair_task_ready(tsk) &&
		sched_cpu_cookie_match(rq, tsk);
	raw_spin_unlock(&tsk->pi_lock);
	return ready ? tsk : NULL;
}

#ifdef CONFIG_SMP
/*
 * The one that has not run for longest, or a busy one would keep out the rest.
 * Those that can't run are turned to the other end of the list, as in the load
 * balancer, or many of them would for ever hide those that can.
 */
static struct task_struct *whole_fair_task(struct rq *rq, bool *ask)
{
	struct task_struct *tsk, *found = NULL;
	LIST_HEAD(seen);
	int look;

	for (look = 0; look < MAX_LOOK && !list_empty(&rq->cfs_tasks); look++) {
		tsk = list_last_entry(&rq->cfs_tasks, struct task_struct, se.group_node);
		if (fair_task_ready(tsk) && can_run(tsk, ask)) {
			found = tsk;
			break;
		}
		list_move(&tsk->se.group_node, &seen);
	}
	list_splice(&seen, &rq->cfs_tasks);
	return found;
}
#else
static struct task_struct *whole_task_of(struct cfs_rq *cfs_rq, bool *ask)
{
	struct rb_node *node;

	for (node = rb_first_cached(&cfs_rq->tasks_timeline); node; node = rb_next(node)) {
		struct sched_entity *se = rb_entry(node, struct sched_entity, run_node);
		struct task_struct *tsk = container_of(se, struct task_struct, se);

		if (entity_is_task(se) && fair_task_ready(tsk) && can_run(tsk, ask))
			return tsk;
	}
	return NULL;
}

/* There is no list of all fair tasks here, but one of the queues that have any. */
static struct task_struct *whole_fair_task(struct rq *rq, bool *ask)
{
	struct task_struct *tsk = NULL;

#ifdef CONFIG_FAIR_GROUP_SCHED
	struct cfs_rq *cfs_rq;

	list_for_each_entry(cfs_rq, &rq->leaf_cfs_rq_list, leaf_cfs_rq_list) {
		tsk = whole_task_of(cfs_rq, ask);
		if (tsk)
			break;
	}
#else
	tsk = whole_task_of(&rq->cfs, ask);
#endif
	return tsk;
}
#endif

/**
 * dynamic_stack_pick_other - something to run instead of a starved task
 * @rq: this CPU's runqueue
 * @next: the task that was picked; it stays queued where it is
 *
 * That is this CPU's refiller, so that no task of a higher class or priority
 * can keep it from helping; or a deadline, real-time or fair task that has its
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
	struct task_struct *other;
	bool ask = true;

	next->dl_server = NULL;
	next->sched_class->put_prev_task(rq, next, NULL);
#ifdef CONFIG_SCHED_CLASS_EXT
	if (next->sched_class == &ext_sched_class)
		/*
		 * As switch_class() does. Pairs with the smp_load_acquire() in
		 * kick_cpus_irq_workfn(): a CPU may be waiting there, with
		 * interrupts off, for this one to have picked.
		 */
		smp_store_release(&rq->scx.pnt_seq, rq->scx.pnt_seq + 1);
#endif

	other = ready_refiller(rq) ?: whole_dl_task(rq, &ask) ?: whole_rt_task(rq, &ask) ?:
		ready_collector(rq) ?: whole_fair_task(rq, &ask) ?: rq->idle;
	other->sched_class->set_next_task(rq, other, true);
	return other;
}

/**
 * dynamic_stack_pick_idle - what a CPU runs that core scheduling keeps idle
 * @rq: this CPU's runqueue
 *
 * The sibling's task may be one that is starved itself, and still be picked
 * first again and again; or a busy one. Neither may keep this CPU's refiller
 * from helping the tasks that starve here.
 *
 * Context: __schedule(); @rq's lock is held, interrupts are off.
 * Return: the task to run.
 */
struct task_struct *dynamic_stack_pick_idle(struct rq *rq)
{
	struct task_struct *other = NULL;

	if (dynamic_stack_rq_starved(rq))
		other = ready_refiller(rq);
	if (!other)
		return rq->idle;
	rq->idle->dl_server = NULL;
	rq->idle->sched_class->put_prev_task(rq, rq->idle, NULL);
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
