// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: what happens in the context switch.
 *
 * Everything here runs with interrupts off and either the runqueue lock of the
 * task's CPU held, or from a task_call_func() callback. It allocates nothing
 * and sends no IPI to another CPU. The locks that it takes are raw spinlocks,
 * held for a few instructions: the pool's, an overflow list's if the pool is
 * full, and once in a task's life its descriptor's.
 */
#include <linux/highmem.h>
#include <linux/irq_work.h>
#include <linux/llist.h>
#include <linux/oom.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>

#include "internal.h"

#include <trace/events/dynamic_stack.h>

/* Stacks that a CPU's switches have left for the collector to look at. */
DEFINE_PER_CPU(struct llist_head, dstack_queued);

/**
 * dstack_queue - let the collector look at a stack
 * @ds: the stack
 *
 * Context: the task's switch; runqueue lock held, interrupts off.
 */
void dstack_queue(struct dynamic_stack *ds)
{
	dstack_assert_state(ds);
	ds->queued = true;
	refcount_inc(&ds->ref);
	llist_add(&ds->node, this_cpu_ptr(&dstack_queued));
	/* Not from under the runqueue lock. */
	if (unlikely(READ_ONCE(kstack_collectd.asleep)))
		irq_work_queue(this_cpu_ptr(&kstack_collectd_wake));
}

/* It asked not to wait for memory: real-time, or all its memory is locked. */
static bool dstack_user_urgent(struct task_struct *tsk)
{
	struct mm_struct *mm = tsk->mm;

	if (rt_or_dl_task(tsk))
		return true;
	/* It does not run, so its memory map stays; others may lock more of it now. */
	if (!mm || !(READ_ONCE(mm->locked_vm) | READ_ONCE(mm->def_flags)))
		return false;
	return (READ_ONCE(mm->def_flags) & VM_LOCKED) ||
	       2 * READ_ONCE(mm->locked_vm) >= READ_ONCE(mm->total_vm);
}

/* From the signal to the end of its process, or of a dump of it. */
static bool dstack_dying(struct task_struct *tsk)
{
	return (READ_ONCE(tsk->flags) & PF_EXITING) || fatal_signal_pending(tsk) ||
	       (READ_ONCE(tsk->signal->flags) & SIGNAL_GROUP_EXIT) || tsk_is_oom_victim(tsk);
}

/* What a task may use for its own stack, or for that of who runs in its turn. */
static enum dynamic_stack_level dstack_claim(struct task_struct *tsk)
{
	/* Only the task writes them, preempted half-way at most: old or new. */
	unsigned int flags = data_race(tsk->flags);

	if (flags & (PF_KTHREAD | PF_MEMALLOC))
		return DSTACK_LEVEL_ALL;
	/* The one thread of an OOM victim that the page allocator trusts as well. */
	if (test_tsk_thread_flag(tsk, TIF_MEMDIE))
		return DSTACK_LEVEL_ALL;
	/*
	 * A sleeper that reclaim may wait for is not parked: a task that is not whole
	 * is a new thread of an I/O flusher. Not one of a process that it has started: that
	 * inherits the flags, keeps what it gets, and so does whatever it executes.
	 */
	if (flags & (PF_MEMALLOC_NOFS | PF_MEMALLOC_NOIO) && !thread_group_leader(tsk))
		return DSTACK_LEVEL_LAST;
	return dstack_dying(tsk) || dstack_user_urgent(tsk) ? DSTACK_LEVEL_LAST : DSTACK_LEVEL_NONE;
}

/**
 * dynamic_stack_level - what may a task use that lacks pages?
 * @tsk: a task that is queued
 * @donor: the one whose turn it is. That is @tsk; or with proxy execution one that
 *	waits for a mutex that @tsk has, and so for @tsk's pages
 *
 * All that there is may those use that memory reclaim, and so the refilling of
 * the pool itself, may have to wait for. A killed process must not need memory
 * that only its end can free; but it may have very many threads, and they may
 * not get to an end soon: behind a core dump, or a server that does not answer.
 * So they get some of what is kept, and what the first of them give back.
 *
 * Context: any; the runqueue lock keeps both from running elsewhere.
 * Return: the higher of their levels.
 */
enum dynamic_stack_level dynamic_stack_level(struct task_struct *tsk, struct task_struct *donor)
{
	enum dynamic_stack_level level = dstack_claim(tsk);

	/*
	 * What is short is the CPU's reserve for faults. The task has what it needs,
	 * perhaps since it was preempted or its sleep was the kernel's: it may hold
	 * anything. Not so if its stack grows by fault like any other, when all would
	 * have all; or if it was parked, in a sleep that nobody waits for.
	 */
	if (IS_ENABLED(CONFIG_DYNAMIC_STACK_FAULT) && tsk->dynamic_stack &&
	    dstack_complete(tsk->dynamic_stack)) {
		if (dynamic_stack_promise ==
		    GENMASK(DSTACK_PAGES - 1, DSTACK_PAGES - DSTACK_PROMISED))
			return DSTACK_LEVEL_ALL;
		/* Reclaim may wait for these, so they are not parked either. */
		if (data_race(tsk->flags) & (PF_MEMALLOC_NOFS | PF_MEMALLOC_NOIO))
			return DSTACK_LEVEL_ALL;
	}
	return donor == tsk ? level : max(level, dstack_claim(donor));
}

/**
 * __dynamic_stack_reserve - get the pages that a task needs to run
 * @next: the task that the scheduler has chosen; its stack is managed
 * @donor: the one whose turn it is, as for dynamic_stack_level()
 *
 * All or nothing. The pages are in the stack's slots afterwards, but not
 * mapped; the switch does that. Whoever takes pages away from a stack needs
 * the runqueue lock of a queued task, so what is reserved here stays reserved
 * until the switch.
 *
 * Context: on the previous task's stack; runqueue lock held, interrupts off.
 * Return: false if pages are short. @next must not run then.
 */
bool __dynamic_stack_reserve(struct task_struct *next, struct task_struct *donor)
{
	struct dynamic_stack *ds = next->dynamic_stack;
	struct page *pages[DSTACK_PAGES];
	unsigned int i, nr = 0, need;

	if (dstack_ready(ds))
		return true;
	/* None if it was reserved for, and then another task was preferred. */
	need = dstack_lacks(ds);
	if (IS_ENABLED(CONFIG_DYNAMIC_STACK_FAULT) &&
	    !kstack_fault_refill(dynamic_stack_level(next, donor))) {
		__count_vm_event(KSTACK_STARVED);
		trace_dynamic_stack_starved(next, need);
		return false;
	}
	if (!need)
		return true;

	if (!kstack_pool_take(pages, need, dynamic_stack_level(next, donor))) {
		__count_vm_event(KSTACK_STARVED);
		trace_dynamic_stack_starved(next, need);
		return false;
	}

	dstack_assert_state(ds);
	for (i = 0; i < DSTACK_PAGES; i++) {
		if (ds->page[i] || !(dynamic_stack_promise & BIT(i)))
			continue;
		dstack_check_clean(pages[nr]);
		WRITE_ONCE(ds->page[i], pages[nr++]);
		dstack_set_owner(ds, ds->page[i]);
	}
	return true;
}

/**
 * dynamic_stack_runnable - can a task run on this CPU without any new page?
 * @tsk: a task on this CPU's runqueue
 *
 * Context: runqueue lock held, interrupts off.
 * Return: true if its stack is complete, or all its pages are there.
 */
bool dynamic_stack_runnable(struct task_struct *tsk)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;

#ifdef CONFIG_DYNAMIC_STACK_FAULT
	/* It may take a fault. */
	if (ds && dstack_held(ds) != DSTACK_PAGES && this_cpu_read(kstack_fault_short))
		return false;
#endif
	return !ds || !dstack_lacks(ds);
}

/**
 * dynamic_stack_lacks - how many pages does a task lack that it needs to run?
 * @tsk: a task on this CPU's runqueue
 *
 * Context: runqueue lock held, interrupts off.
 * Return: the number of pages.
 */
unsigned int dynamic_stack_lacks(struct task_struct *tsk)
{
	return tsk->dynamic_stack ? dstack_lacks(tsk->dynamic_stack) : 0;
}

/*
 * Map every slot that has a page. A parked one gets its own
 * PTE back, so an entry that some TLB still has is right again (I4).
 */
void dstack_map_pages(struct dynamic_stack *ds)
{
	unsigned int i, fresh = 0, restored = 0;

	dstack_assert_state(ds);
	for (i = 0; i < DSTACK_PAGES; i++) {
		pte_t pte;

		if (ds->mapped & BIT(i))
			continue;
		/* It comes by fault. */
		if (IS_ENABLED(CONFIG_DYNAMIC_STACK_FAULT) && !ds->page[i])
			continue;

		dstack_check_owner(ds, ds->page[i]);
		if (ds->parked & BIT(i)) {
			pte = dstack_saved_pte(ds, i);
			restored++;
		} else if (i == DSTACK_TOP && dstack_vacated(ds)) {
			/* Written through the direct map: dirty, so never with A=0. */
			dstack_copy_back(ds);
			pte = mk_pte(ds->page[i], PAGE_KERNEL);
			fresh++;
		} else {
			pte = mk_pte(ds->page[i], DYNAMIC_STACK_PROT);
			if (dstack_preset())
				pte = pte_mkyoung(pte);
			else
				VM_WARN_ON_ONCE(pte_young(pte));
			fresh++;
		}
		arch_dynamic_stack_set(ds->ptep + i, pte);
		ds->mapped |= BIT(i);
	}
	ds->parked = 0;
	ds->seq++;
	arch_dynamic_stack_sync();

	__count_vm_events(KSTACK_POPULATE, fresh);
	__count_vm_events(KSTACK_RESTORE, restored);
	__count_vm_events(NR_KSTACK_PARKED, -(long)restored);
}

/**
 * __dynamic_stack_map - make the stack of the task complete that is switched to
 * @next: the task; its stack is not complete, and __dynamic_stack_reserve() got the
 *	pages
 *
 * Context: on the previous task's stack; runqueue lock held, interrupts off.
 * An NMI here runs on that stack or on one of its own, and doesn't look at @next's.
 */
void __dynamic_stack_map(struct task_struct *next)
{
	struct dynamic_stack *ds = next->dynamic_stack;

	trace_dynamic_stack_populate(next, DSTACK_ALL & ~ds->mapped, ds->parked);
	if (ds->parked)
		dstack_switch_delay();
	dstack_map_pages(ds);
}

#ifdef CONFIG_ARCH_DYNAMIC_STACK_SYNC
/**
 * __dynamic_stack_sync - see what another CPU mapped of the stack
 * @next: the task that is switched to; its stack is whole
 *
 * Context: on the previous task's stack; runqueue lock held, interrupts off.
 */
void __dynamic_stack_sync(struct task_struct *next)
{
	dstack_assert_state(next->dynamic_stack);
	dstack_set_unsynced(next->dynamic_stack, false);
	arch_dynamic_stack_sync();
}
#endif

/*
 * Unmap everything below the page that holds the stack pointer. The kernel has
 * no red zone, so nothing there is live. A page whose Accessed bit is still 0
 * in the atomically cleared PTE is in no TLB, and its page is as clean as it
 * came: back to the pool. Any other page stays with the stack, parked.
 *
 * The task is off the CPU and can't be picked or woken: the caller is its last
 * switch, before on_cpu is cleared, or a task_call_func() callback.
 */
void dstack_park(struct dynamic_stack *ds, unsigned long sp)
{
	unsigned int i, clean = 0, parked = 0, first;
	struct page *pages[DSTACK_PAGES];

	/* Never twice: a parked page's PTE of 0 would read as "not accessed". */
	if (!dstack_complete(ds))
		return;
	if (WARN_ON_ONCE(sp < ds->base || sp >= ds->base + THREAD_SIZE))
		return;

	dstack_assert_state(ds);
	first = (sp - ds->base) >> PAGE_SHIFT;
	if (IS_ENABLED(CONFIG_DYNAMIC_STACK_FAULT))
		first = min(first, (unsigned int)DSTACK_PAGES - ds->ensured);

	for (i = 0; i < first; i++) {
		pte_t pte;

		/* It has not been used. */
		if (IS_ENABLED(CONFIG_DYNAMIC_STACK_FAULT) && !(ds->mapped & BIT(i)))
			continue;
		dstack_check_owner(ds, ds->page[i]);
		pte = arch_dynamic_stack_clear(ds->ptep + i);

		if (pte_young(pte)) {
			dstack_save_pte(ds, i, pte);
			ds->parked |= BIT(i);
			if (i < ds->deepest)
				ds->deepest = i;
			parked++;
		} else {
			pages[clean++] = ds->page[i];
			dstack_set_owner(NULL, ds->page[i]);
			WRITE_ONCE(ds->page[i], NULL);
		}
		ds->mapped &= ~BIT(i);
	}
	if (first < ds->deepest)
		ds->deepest = first;

	if (clean) {
		kstack_pool_put(pages, clean);
		__count_vm_events(KSTACK_RECLAIM, clean);
	}
	__count_vm_events(KSTACK_PARK, parked);
	__count_vm_events(NR_KSTACK_PARKED, parked);
}

/*
 * Only sleepers are shrunk, and of user tasks only those whose sleep may last as
 * long as somebody likes: interruptible, stopped or traced ones. Nothing that the
 * kernel can't do without may be held over such a sleep. A task that is queued
 * was preempted or woken up, and may hold anything; one that sleeps
 * uninterruptibly waits for the kernel, and may hold what memory reclaim needs.
 * A kernel thread that has nothing to do sleeps in TASK_IDLE, or is parked.
 *
 * That it is freezable says nothing, as long as TASK_FREEZABLE_UNSAFE can be told
 * from it in a kernel with lockdep only.
 */
static bool dstack_asleep(struct task_struct *tsk)
{
	unsigned int state = READ_ONCE(tsk->__state);

	if (task_is_runnable(tsk))
		return false;
	/*
	 * What it froze in. 0 in the refrigerator, but also if it was woken up
	 * meanwhile, and then it may hold something.
	 */
	if (state & TASK_FROZEN)
		state = READ_ONCE(tsk->saved_state);
	if (state & (TASK_INTERRUPTIBLE | __TASK_STOPPED | __TASK_TRACED))
		return true;
	/* Threads that wait for a dump of their process sleep like kernel threads. */
	return (tsk->flags & (PF_KTHREAD | PF_POSTCOREDUMP)) &&
	       (state & (TASK_NOLOAD | TASK_PARKED));
}

/**
 * dstack_may_shrink - may a task's stack be shrunk now?
 * @tsk: the task; its stack is managed
 *
 * See dstack_asleep(). A dying task gives its whole stack back soon, unless it
 * waits for a dump. A task in direct reclaim, and one that must not enter file
 * systems or block devices when it allocates because reclaim may wait for it,
 * must not have to wait for a page.
 *
 * Context: the task is off the CPU and can't start, or is being switched out.
 * Return: true if it may.
 */
bool dstack_may_shrink(struct task_struct *tsk)
{
	/* Only the task writes them, preempted half-way at most: old or new. */
	unsigned int flags = data_race(tsk->flags);

	if (tsk->dynamic_stack->keep || !dstack_asleep(tsk))
		return false;
	if (flags & (PF_EXITING | PF_MEMALLOC | PF_MEMALLOC_NOFS | PF_MEMALLOC_NOIO))
		return false;
	if (flags & (PF_KTHREAD | PF_POSTCOREDUMP))
		return true;
	return !dstack_user_urgent(tsk) && !dstack_dying(tsk);
}

/**
 * __dynamic_stack_switched_out - a task has left its stack
 * @prev: the task; its stack is managed and not kept
 *
 * Context: on the next task's stack; runqueue lock held, interrupts off.
 * @prev->on_cpu is still set, so that no other CPU can run it yet. If it was
 * woken up a moment ago, its state may still be that of a sleeper: then it is
 * parked, which does not take anything from it that was touched.
 */
void __dynamic_stack_switched_out(struct task_struct *prev)
{
	struct dynamic_stack *ds = prev->dynamic_stack;
	bool parks = READ_ONCE(dynamic_stack_reclaim) == DSTACK_RECLAIM_SWITCH;

	/* The stack is about to go. */
	if (prev->flags & PF_EXITING)
		return;
	/*
	 * Only now, and not in fork(), may the collector find the task: before
	 * that its reference counts and locks may be copies of the parent's,
	 * and a fork that fails frees it without a look at them.
	 */
	if (unlikely(!ds->task)) {
		raw_spin_lock(&ds->lock);
		ds->task = prev;
		raw_spin_unlock(&ds->lock);
	}

	if (parks && dstack_may_shrink(prev)) {
		dstack_check_locks(prev);
		dstack_park(ds, arch_dynamic_stack_sp(prev));
		trace_dynamic_stack_park(prev, ds->mapped, ds->parked);
	}

	/* With "never", for when another policy comes. */
	if ((!parks || ds->parked || dstack_vacate_waits(prev)) && !ds->queued)
		dstack_queue(ds);
}
