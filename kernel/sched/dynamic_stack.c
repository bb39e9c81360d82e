// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: what the scheduler does when the task that it picked
 * can't have its whole stack.
 */
#include <linux/mmu_context.h>

#include "sched.h"
#include "dynamic_stack.h"

/*
 * Looks at no more tasks of a class than this at a time: the runqueue lock is
 * held, and interrupts are off.
 */
#define MAX_LOOK	32

/**
 * struct look - the search for a task that can run
 * @refused: for each level, so many pages were refused, and more would be
 * @left: so many may still be looked at
 */
struct look {
	unsigned int	refused[DSTACK_LEVEL_ALL + 1];
	int		left;
};

/* @level: what it was when @tsk was refused. It rises when a task is killed. */
static void note_refused(struct look *look, struct task_struct *tsk, int level)
{
	unsigned int lacks = dynamic_stack_lacks(tsk);

	/* What one may not have, nobody of a lower level may. */
	for (; level > DSTACK_LEVEL_NONE; level--)
		look->refused[level] = min(look->refused[level], lacks);
	/* Those who need less could pass by for ever one who has to wait for more. */
	look->refused[DSTACK_LEVEL_NONE] = 0;
}

/* As __schedule() does with what it has picked. */
static void run_instead(struct rq *rq, struct task_struct *other)
{
	other->sched_class->set_next_task(rq, other, true);
	rq->next_class = other->sched_class;
	rq_set_donor(rq, other);
#ifdef CONFIG_SCHED_PROXY_EXEC
	other->blocked_donor = NULL;
#endif
}

/*
 * @tsk is in one of this CPU's queues. If it is blocked, it is there only for its
 * turn to be the mutex owner's, or until its dequeue is due. With core scheduling
 * it must not run beside a sibling's task with another cookie. One of a higher
 * level may use pages that others were refused, and one that is killed and needs
 * less may find enough; nobody else is asked for again.
 */
static bool can_run(struct task_struct *tsk, struct look *look)
{
	enum dynamic_stack_level level;

	look->left--;
	if (tsk->is_blocked)
		return false;
	if (!sched_cpu_cookie_match(task_rq(tsk), tsk))
		return false;
	if (dynamic_stack_runnable(tsk))
		return true;
	level = dynamic_stack_level(tsk, tsk);
	if (dynamic_stack_lacks(tsk) >= look->refused[level])
		return false;
	if (dynamic_stack_reserve(tsk, tsk))
		return true;
	note_refused(look, tsk, level);
	return false;
}

/*
 * The deadline task with a whole stack that is due first. Such tasks are shrunk
 * only if they became so in their sleep: there are hardly any that can't run.
 */
static struct task_struct *whole_dl_task(struct rq *rq, struct look *look)
{
	struct rb_node *node = rb_first_cached(&rq->dl.root);

	for (look->left = MAX_LOOK; node && look->left > 0; node = rb_next(node)) {
		struct sched_dl_entity *dl_se = rb_entry(node, struct sched_dl_entity, rb_node);
		struct task_struct *tsk = container_of(dl_se, struct task_struct, dl);

		if (!dl_se->dl_server && can_run(tsk, look))
			return tsk;
	}
	return NULL;
}

#ifndef CONFIG_RT_GROUP_SCHED
static struct task_struct *whole_task_in(struct list_head *queue, struct look *look)
{
	struct task_struct *tsk;

	list_for_each_entry(tsk, queue, rt.run_list) {
		if (can_run(tsk, look))
			return tsk;
		if (look->left <= 0)
			break;
	}
	return NULL;
}
#endif

/*
 * The best real-time task with a whole stack. Those that can't run are interrupt
 * threads, which may use the pool's last pages and are served first; so that
 * only a few are looked at costs no more than a delay.
 */
static struct task_struct *whole_rt_task(struct rq *rq, struct look *look)
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
	look->left = MAX_LOOK;
	if (IS_ENABLED(CONFIG_PREEMPT_RT) && kstackd && rt_prio(kstackd->prio)) {
		tsk = whole_task_in(array->queue + kstackd->prio, look);
		if (tsk)
			return tsk;
	}

	look->left = MAX_LOOK;
	for_each_set_bit(prio, array->bitmap, MAX_RT_PRIO) {
		tsk = whole_task_in(array->queue + prio, look);
		if (tsk)
			return tsk;
		if (look->left <= 0)
			break;
	}
#endif
	return NULL;
}

/*
 * The refiller, if it is in this queue. It is bound to this CPU, so that its state
 * is guarded by this lock: it never blocks on a mutex, or proxy execution could have
 * it elsewhere. It may run beside any cookie: what it sees of other tasks, their
 * pages while it clears them, interrupts see as well.
 */
static struct task_struct *ready_refiller(struct rq *rq)
{
	struct task_struct *tsk = dynamic_stack_refiller(cpu_of(rq));

	if (!tsk || task_rq(tsk) != rq || !task_on_rq_queued(tsk) || tsk->is_blocked)
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
 * rescheduled, should it be the one. Load balance moves it under the other queue's
 * lock: ->on_rq says so before its CPU is this one.
 */
static struct task_struct *ready_collector(struct rq *rq)
{
	struct task_struct *tsk = dynamic_stack_collector();
	bool ready;

	if (task_rq(tsk) != rq || !raw_spin_trylock(&tsk->pi_lock))
		return NULL;
	ready = task_rq(tsk) == rq;
	/* Pairs with the smp_wmb() in __set_task_cpu(). */
	smp_rmb();
	/* Somebody may have made it a real-time task. */
	ready = ready && task_on_rq_queued(tsk) && !tsk->is_blocked &&
		(tsk->sched_class == &rt_sched_class ||
		 tsk->sched_class == &fair_sched_class) &&
		sched_cpu_cookie_match(rq, tsk);
	raw_spin_unlock(&tsk->pi_lock);
	return ready ? tsk : NULL;
}

/*
 * The one that has not run for longest, or a busy one would keep out the rest.
 * Those that can't run are turned to the other end of the list, as in the load
 * balancer, or many of them would for ever hide those that can.
 */
static struct task_struct *whole_fair_task(struct rq *rq, struct look *look)
{
	struct task_struct *tsk, *found = NULL;
	LIST_HEAD(seen);
	int nr;

	for (nr = 0; nr < MAX_LOOK && !list_empty(&rq->cfs_tasks); nr++) {
		tsk = list_last_entry(&rq->cfs_tasks, struct task_struct, se.group_node);
		if (can_run(tsk, look)) {
			found = tsk;
			break;
		}
		list_move(&tsk->se.group_node, &seen);
	}
	list_splice(&seen, &rq->cfs_tasks);
	return found;
}

/**
 * dynamic_stack_pick_other - something to run instead of a starved task
 * @rq: this CPU's runqueue
 * @next: the task that was to run; it stays queued where it is
 *
 * That is this CPU's refiller, so that no task of a higher class or priority
 * can keep it from helping; the collector, if it is in a pass; or a deadline,
 * real-time or fair task that has its pages; else idle. Whoever finds pages
 * reschedules this CPU.
 *
 * A task that the fair server picked is put off for another fair one: a real-time
 * task that never sleeps leaves them no other time, and it is not what pays for
 * the server's.
 *
 * put_prev_set_next_task() has been done for the donor already: @next, or with
 * proxy execution the task that @next would run for. It is put back, and will be
 * picked again, and look for the mutex's owner again. No next task is given: this
 * is not a class switch that sched_ext should hear of.
 *
 * Context: __schedule(); @rq's lock is held, interrupts are off.
 * Return: the task to run; it may be the one that runs now.
 */
struct task_struct *dynamic_stack_pick_other(struct rq *rq, struct task_struct *next)
{
	struct look look = { .refused = { [0 ... DSTACK_LEVEL_ALL] = UINT_MAX } };
	struct task_struct *donor = dynamic_stack_donor(rq, next), *other;
	struct sched_dl_entity *server = donor->dl_server;

	/* The time of sched_ext's is not that of fair tasks. */
	if (server != &rq->fair_server)
		server = NULL;
	note_refused(&look, next, dynamic_stack_level(next, donor));
	donor->dl_server = NULL;
	donor->sched_class->put_prev_task(rq, donor, NULL);

	other = ready_refiller(rq);
	if (!other && dynamic_stack_collecting())
		other = ready_collector(rq);
	if (!other)
		other = whole_dl_task(rq, &look);
	if (!other && !server)
		other = whole_rt_task(rq, &look);
	if (!other)
		other = ready_collector(rq) ?: whole_fair_task(rq, &look);
	if (!other && server)
		other = whole_rt_task(rq, &look);
	if (!other)
		other = rq->idle;
	if (server && other->sched_class == &fair_sched_class)
		other->dl_server = server;
	run_instead(rq, other);
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
	run_instead(rq, other);
	return other;
}

/**
 * dynamic_stack_resched - let a CPU pick again, now that there are pages
 * @cpu: the CPU
 *
 * Context: any but NMI and runqueue lock held.
 */
void dynamic_stack_resched(int cpu)
{
	resched_cpu(cpu);
}

#ifdef CONFIG_DYNAMIC_STACK_DEBUG
/**
 * dynamic_stack_rq_locked - does this CPU hold its runqueue's lock?
 *
 * Lockdep does not know: in the switch, the lock has been handed over already to the
 * task that will drop it.
 *
 * Context: any.
 * Return: true if so, or if that can't be told.
 */
bool dynamic_stack_rq_locked(void)
{
	if (!irqs_disabled())
		return false;
#ifdef CONFIG_DEBUG_SPINLOCK
	return READ_ONCE(__rq_lockp(this_rq())->owner_cpu) == raw_smp_processor_id();
#else
	return true;
#endif
}
#endif
