// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: a stack's life from fork to exit.
 *
 * fork() reserves the address range with its page tables and allocates the top
 * page, which holds pt_regs and the frame that the new task starts with. The
 * other pages come when the task is first switched to.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/cpuhotplug.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/kasan.h>
#include <linux/memcontrol.h>
#include <linux/percpu.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "../vmalloc.h"
#include "internal.h"

#define NR_CACHED	2

static struct kmem_cache *dstack_cachep __ro_after_init;

/*
 * Stacks of dead tasks, for the next fork on this CPU. They age on another one, see
 * dstack_cache_age(): so not even the CPU itself goes without xchg() and cmpxchg().
 */
static DEFINE_PER_CPU(struct dynamic_stack *, dstack_cached[NR_CACHED]);
/* Pages they hold. A stack may leave on another CPU: only the sum counts. */
static DEFINE_PER_CPU(long, dstack_cached_held);

/* Stacks that wait for process context to be freed. */
static LLIST_HEAD(dstack_dead);
static void dstack_free_dead(struct work_struct *work);
static DECLARE_DELAYED_WORK(dstack_dead_work, dstack_free_dead);
static struct workqueue_struct *dstack_wq __ro_after_init;

static void dstack_kick_dead(struct irq_work *work)
{
	/*
	 * A process of very many threads may be going: a tick's worth at a time. But
	 * the timer may depend on ksoftirqd, and so on who keeps it from running. Who
	 * needs memory later does not wait for it, see dstack_hurry_dead().
	 */
	queue_delayed_work(dstack_wq, &dstack_dead_work, !kstack_any_starved());
}

static struct irq_work dstack_dead_kick = IRQ_WORK_INIT_HARD(dstack_kick_dead);

/**
 * dstack_put - drop a reference to a descriptor
 * @ds: the descriptor
 *
 * The stack itself goes with the owner's reference; the collector's may keep
 * the bare descriptor a little longer.
 *
 * Context: any but NMI and runqueue lock held.
 */
void dstack_put(struct dynamic_stack *ds)
{
	if (refcount_dec_and_test(&ds->ref))
		kmem_cache_free(dstack_cachep, ds);
}

#ifdef CONFIG_MEMCG
/* memory.stat's kernel_stack is what is charged; the node's counts pages itself. */
static void dstack_memcg_stat(struct dynamic_stack *ds, struct obj_cgroup *objcg, int nr)
{
	struct pglist_data *pgdat = NODE_DATA(ds->node_id);
	int kb = nr * (int)(PAGE_SIZE / 1024);

	rcu_read_lock();
	mod_lruvec_state(mem_cgroup_lruvec(obj_cgroup_memcg(objcg), pgdat),
			 NR_KERNEL_STACK_KB, kb);
	rcu_read_unlock();
	mod_node_page_state(pgdat, NR_KERNEL_STACK_KB, -kb);
}

/*
 * At fork, for the whole stack, whatever it holds now. The task may need all of
 * it at any time, when nobody can be asked to wait or to reclaim: a charge that
 * followed what it holds would have to be forced on a group at its limit whenever
 * sleepers wake up. So a group can have as many threads as without the feature,
 * and the memory that is saved is everybody's.
 */
static int dstack_charge_fork(struct dynamic_stack *ds)
{
	struct obj_cgroup *objcg;
	int err;

	if (!memcg_kmem_online())
		return 0;
	objcg = get_obj_cgroup_from_current();
	if (!objcg || obj_cgroup_is_root(objcg)) {
		/* Kernel threads', for instance. Nobody counts what the root has. */
		obj_cgroup_put(objcg);
		return 0;
	}
	err = obj_cgroup_charge(objcg, GFP_KERNEL, DSTACK_PROMISED * PAGE_SIZE);
	if (err) {
		obj_cgroup_put(objcg);
		return err;
	}
	/* The collector may still have the stack from an earlier life. */
	raw_spin_lock_irq(&ds->lock);
	ds->objcg = objcg;
	raw_spin_unlock_irq(&ds->lock);
	dstack_memcg_stat(ds, objcg, DSTACK_PROMISED);
	return 0;
}

#else
static int dstack_charge_fork(struct dynamic_stack *ds) { return 0; }
#endif

/**
 * dynamic_stack_exit_account - a task's stack is no longer charged to anyone
 * @tsk: the task: exiting, or never started
 *
 * Its pages stay counted in KernelStack until they are freed.
 *
 * Context: process context.
 */
void dynamic_stack_exit_account(struct task_struct *tsk)
{
#ifdef CONFIG_MEMCG
	struct dynamic_stack *ds = tsk->dynamic_stack;
	struct obj_cgroup *objcg;

	raw_spin_lock_irq(&ds->lock);
	objcg = ds->objcg;
	ds->objcg = NULL;
	raw_spin_unlock_irq(&ds->lock);

	if (!objcg)
		return;
	dstack_memcg_stat(ds, objcg, -(int)DSTACK_PROMISED);
	obj_cgroup_uncharge(objcg, DSTACK_PROMISED * PAGE_SIZE);
	obj_cgroup_put(objcg);
#endif
}

static int dstack_note_pte(pte_t *ptep, unsigned long addr, void *data)
{
	struct dynamic_stack *ds = data;

	if (addr == ds->base)
		ds->ptep = ptep;
	return 0;
}

static void dstack_free_range(struct dynamic_stack *ds)
{
	/* Waits for the lazy flush before the addresses are used again. */
	free_vm_area(ds->vm);
	ds->vm = NULL;
	dstack_put(ds);
}

static struct dynamic_stack *dstack_create(int node)
{
	struct dynamic_stack *ds;
	struct page *page;

	ds = kmem_cache_alloc_node(dstack_cachep, GFP_KERNEL | __GFP_ZERO, node);
	if (!ds)
		return NULL;
	raw_spin_lock_init(&ds->lock);
	refcount_set(&ds->ref, 1);

	/* THREAD_ALIGN keeps a stack's PTEs in one page table. */
	ds->vm = __get_vm_area_node(THREAD_SIZE, THREAD_ALIGN, PAGE_SHIFT, VM_MAP,
				    VMALLOC_START, VMALLOC_END, node, GFP_KERNEL,
				    __builtin_return_address(0));
	if (!ds->vm)
		goto put;
	ds->base = (unsigned long)kasan_reset_tag(ds->vm->addr);

	/* Page tables for all of it, so that a PTE write never allocates. */
	if (apply_to_page_range(&init_mm, ds->base, THREAD_SIZE, dstack_note_pte, ds))
		goto free_range;

	page = kstack_page_alloc(node, GFP_KERNEL);
	if (!page)
		goto free_range;
	ds->node_id = page_to_nid(page);
	ds->page[DSTACK_PAGES - 1] = page;
	dstack_set_owner(ds, page);
	ds->mapped = BIT(DSTACK_PAGES - 1);
	/* Never parked, so its Accessed flag tells nothing. */
	arch_dynamic_stack_set(ds->ptep + DSTACK_PAGES - 1, mk_pte(page, PAGE_KERNEL));
	arch_dynamic_stack_sync();
	return ds;

free_range:
	dstack_free_range(ds);
	return NULL;
put:
	dstack_put(ds);
	return NULL;
}

/*
 * Process context frees the stack: a runqueue lock may be held here, as a
 * tracing program may have put the last reference, and on PREEMPT_RT the page
 * allocator's locks sleep.
 */
static void dstack_destroy(struct dynamic_stack *ds)
{
	unsigned long flags;

	/*
	 * Who adds the first one kicks, for all that come after it: nothing may keep it
	 * from that. irq_work_queue() itself can be preempted after it has claimed.
	 */
	local_irq_save(flags);
	if (llist_add(&ds->dead, &dstack_dead))
		irq_work_queue(&dstack_dead_kick);
	local_irq_restore(flags);
}

/*
 * A stack from the cache keeps its addresses, and the pages that it had. Those
 * that were touched are cleared, through the direct map: not all of them need
 * be mapped. One whose Accessed bit is clear was never written. The bit stays
 * as it is: it can't be cleared while the page is mapped.
 */
static struct dynamic_stack *dstack_reuse(void)
{
	struct dynamic_stack *ds = NULL;
	bool poisoned = false;
	int i;

	for (i = 0; i < NR_CACHED && !ds; i++)
		ds = xchg(raw_cpu_ptr(&dstack_cached[i]), NULL);
	if (!ds)
		return NULL;

	this_cpu_sub(dstack_cached_held, dstack_held(ds));
	for (i = 0; i < DSTACK_PAGES; i++)
		poisoned |= ds->page[i] && PageHWPoison(ds->page[i]);
	if (unlikely(poisoned)) {
		dstack_destroy(ds);
		return NULL;
	}
	count_vm_events(NR_KSTACK_PARKED, hweight32(ds->parked));
	/* Hardware tags are of memory, which may not be mapped; and these pages have none. */
	if (!IS_ENABLED(CONFIG_KASAN_HW_TAGS))
		kasan_unpoison_range((void *)ds->base, THREAD_SIZE);
	for (i = 0; i < DSTACK_PAGES; i++) {
		if (!ds->page[i])
			continue;
		if ((ds->parked & BIT(i)) || pte_young(ptep_get(ds->ptep + i)))
			clear_highpage(ds->page[i]);
		else
			dstack_check_clean(ds->page[i]);
	}
	return ds;
}

/*
 * What a dead stack holds, to this CPU's pool: it is what the next task needs
 * that is to be killed. As with vfree(), nobody uses these addresses, so it need
 * not be flushed before; see dstack_free_dead().
 */
static void dstack_strip(struct dynamic_stack *ds)
{
	struct page *pages[DSTACK_PAGES];
	unsigned int i, nr = 0;

	dstack_assert_state(ds);
	for (i = 0; i < DSTACK_PAGES; i++) {
		pte_t pte;

		if (!ds->page[i])
			continue;
		dstack_check_owner(ds, ds->page[i]);
		dstack_set_owner(NULL, ds->page[i]);
		pte = arch_dynamic_stack_clear(ds->ptep + i);
		if (((ds->parked & BIT(i)) || pte_young(pte)) && !PageHWPoison(ds->page[i]))
			clear_highpage(ds->page[i]);
		pages[nr++] = ds->page[i];
		WRITE_ONCE(ds->page[i], NULL);
	}
	ds->mapped = 0;
	ds->parked = 0;
	kstack_pool_put(pages, nr);
}

static bool dstack_strip_for(enum kstack_mark mark, struct dynamic_stack *ds)
{
	unsigned long flags;
	bool strip;

	local_irq_save(flags);
	strip = kstack_pool_below(mark);
	if (strip)
		dstack_strip(ds);
	local_irq_restore(flags);
	return strip;
}

/*
 * Nobody runs on the stack any more, and nobody waits for its parked pages:
 * the collector can't get them. If pages are short here, they stay here. Else
 * the stack goes to the cache as it is. If that is full, the pool gets what it
 * has room for, and process context the rest.
 */
static void dstack_release(struct dynamic_stack *ds)
{
	unsigned int i;

	count_vm_events(NR_KSTACK_PARKED, -(long)hweight32(ds->parked));

	if (unlikely(dstack_strip_for(KSTACK_MARK_LOW, ds))) {
		dstack_destroy(ds);
		return;
	}

	/* As soon as it is in the cache, someone else may take it. */
	this_cpu_add(dstack_cached_held, dstack_held(ds));
	for (i = 0; i < NR_CACHED; i++) {
		struct dynamic_stack *none = NULL;

		if (try_cmpxchg(raw_cpu_ptr(&dstack_cached[i]), &none, ds)) {
			/* It is to age there. */
			kstack_poke_collector();
			return;
		}
	}
	this_cpu_sub(dstack_cached_held, dstack_held(ds));
	dstack_strip_for(KSTACK_MARK_HIGH, ds);
	dstack_destroy(ds);
}

/**
 * dynamic_stack_alloc - allocate a managed stack for a new task
 * @tsk: the task
 * @node: NUMA node
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM without memory or at the memcg's limit.
 */
int dynamic_stack_alloc(struct task_struct *tsk, int node)
{
	struct dynamic_stack *ds = dstack_reuse() ?: dstack_create(node);

	/* Don't free the parent's on an error path. */
	tsk->dynamic_stack = NULL;
	if (!ds)
		return -ENOMEM;

	dstack_assert_state(ds);
	ds->keep = false;
	if (IS_ENABLED(CONFIG_DYNAMIC_STACK_FAULT))
		ds->ensured = 0;
	ds->deepest = DSTACK_PAGES - 1;
	ds->unused = THREAD_SIZE;
	ds->last_out = jiffies;
#ifdef CONFIG_DYNAMIC_STACK_VACATE
	ds->unreferenced = false;
	ds->backoff = 0;
#endif
	dstack_set_unsynced(ds, false);
	if (dstack_charge_fork(ds)) {
		dstack_release(ds);
		return -ENOMEM;
	}

	/* Not the area's address, which may have a tag. */
	tsk->stack = (void *)ds->base;
	tsk->stack_vm_area = ds->vm;
	tsk->dynamic_stack = ds;
	return 0;
}

/*
 * What was not touched can serve this CPU's next switch, unless there is plenty, or another
 * one needs it more, see kstack_page_retire().
 */
static void dstack_salvage(struct dynamic_stack *ds)
{
	unsigned long flags;

	if (!dstack_complete(ds) || kstack_overflow_above(OVERFLOW_EXIT) || kstack_any_starved())
		return;
	local_irq_save(flags);
	dstack_park(ds, ds->base + THREAD_SIZE - 1);
	local_irq_restore(flags);
	count_vm_events(NR_KSTACK_PARKED, -(long)hweight32(ds->parked));
}

/* From here on the collector can't find the task any more. */
static void dstack_disown(struct dynamic_stack *ds)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ds->lock, flags);
	ds->task = NULL;
	raw_spin_unlock_irqrestore(&ds->lock, flags);
}

/*
 * The pages may go before the flush, as with vfree(): no one has a reason to
 * touch a dead stack, and its addresses are not used again before they have
 * been flushed. But the range goes first, so that vm_unmap_aliases() flushes it
 * for who changes the attributes of a page that was here.
 */
static void dstack_free_dead(struct work_struct *work)
{
	struct llist_node *first = llist_del_all(&dstack_dead);
	struct dynamic_stack *ds, *next;
	unsigned int i;

	llist_for_each_entry_safe(ds, next, first, dead) {
		struct task_struct *tsk = ds->task;
		struct page *pages[DSTACK_PAGES];

		/* See dynamic_stack_free(). */
		if (unlikely(tsk)) {
			dstack_disown(ds);
			put_task_struct(tsk);
		}
		dstack_salvage(ds);
		dstack_assert_state(ds);
		for (i = 0; i < DSTACK_PAGES; i++) {
			pages[i] = ds->page[i];
			if (!pages[i])
				continue;
			dstack_check_owner(ds, pages[i]);
			dstack_set_owner(NULL, pages[i]);
			arch_dynamic_stack_clear(ds->ptep + i);
			ds->page[i] = NULL;
		}
		ds->mapped = 0;
		ds->parked = 0;
		dstack_free_range(ds);
		for (i = 0; i < DSTACK_PAGES; i++) {
			if (pages[i])
				kstack_page_retire(pages[i]);
		}
	}
}

static void dstack_free(struct task_struct *tsk)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;

	tsk->dynamic_stack = NULL;
	dstack_disown(ds);
	dstack_release(ds);
}

/**
 * dynamic_stack_free - a dead task gives up its stack
 * @tsk: the task
 *
 * Context: any: the next task's finish_task_switch(), an RCU callback, a late
 * put_task_stack(), also that of a tracing program.
 */
void dynamic_stack_free(struct task_struct *tsk)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;

	if (likely(!irqs_disabled() && !in_nmi())) {
		dstack_free(tsk);
		return;
	}
	/*
	 * A tracing program has put the last reference, and what it interrupted may
	 * hold any lock of ours: process context does all. Until then the collector may
	 * find the task, which has to stay for that. (One that has never run has no
	 * ds->task.)
	 */
	tsk->dynamic_stack = NULL;
	if (ds->task)
		get_task_struct(tsk);
	count_vm_events(NR_KSTACK_PARKED, -(long)hweight32(ds->parked));
	dstack_destroy(ds);
}

struct keep_args {
	struct page	*pages[DSTACK_PAGES - !IS_ENABLED(CONFIG_DYNAMIC_STACK_VACATE)];
	unsigned int	nr;
#ifdef CONFIG_DYNAMIC_STACK_VACATE
	bool		fill;
#endif
};

#ifdef CONFIG_DYNAMIC_STACK_VACATE
static bool dstack_filled(struct dynamic_stack *ds, const struct keep_args *args)
{
	/* If nobody wakes it up, it is to be shrunk again. If somebody has, it queues itself. */
	if (args->fill && !ds->queued && ds->task && dstack_off_cpu(ds->task))
		dstack_queue(ds);
	return args->fill;
}
#else
static bool dstack_filled(struct dynamic_stack *ds, const struct keep_args *args) { return false; }
#endif

/* Under task_call_func(): 1 unless more pages are needed, or an error. */
static int dstack_keep_func(struct task_struct *tsk, void *data)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;
	struct keep_args *args = data;
	unsigned int i;

	if (ds->mapped != DSTACK_ALL) {
		/* It runs, and a fault may fill the same slot. */
		if (IS_ENABLED(CONFIG_DYNAMIC_STACK_FAULT) && !dstack_off_cpu(tsk))
			return -EBUSY;
		if (args->nr < DSTACK_PAGES - dstack_held(ds))
			return false;
		dstack_assert_state(ds);
		for (i = 0; i < DSTACK_PAGES; i++) {
			if (ds->page[i])
				continue;
			WRITE_ONCE(ds->page[i], args->pages[--args->nr]);
			dstack_set_owner(ds, ds->page[i]);
		}
		dstack_map_pages(ds);
		dstack_set_unsynced(ds, true);
	}
	if (!dstack_filled(ds, args))
		ds->keep = true;
	return true;
}

/* Pages for dstack_keep_func(), as long as it wants some and memory has them. */
static int dstack_give(struct task_struct *tsk, struct keep_args *args, gfp_t gfp)
{
	int err, done;

	while (!(done = task_call_func(tsk, dstack_keep_func, args))) {
		struct page *page;

		page = kstack_page_alloc(tsk->dynamic_stack->node_id, gfp);
		if (!page) {
			done = -ENOMEM;
			break;
		}
		args->pages[args->nr++] = page;
	}
	err = min(done, 0);
	while (args->nr)
		kstack_page_free(args->pages[--args->nr]);
	return err;
}

/**
 * dynamic_stack_keep - make a task's stack whole and keep it so
 * @tsk: the task, usually current; the caller holds a reference
 *
 * For threads that must never have to wait for a page. There is no way back.
 *
 * Context: process context; may sleep, unless @tsk is current and
 * CONFIG_DYNAMIC_STACK_FAULT is off.
 * Return: 0, or -ENOMEM. With CONFIG_DYNAMIC_STACK_FAULT also -EBUSY, if @tsk is
 * running.
 */
int dynamic_stack_keep(struct task_struct *tsk)
{
	struct keep_args args = { };

	if (!dynamic_stack_managed(tsk))
		return 0;
	if (tsk == current) {
		/* It runs, so it is complete, but for what comes by fault. */
		tsk->dynamic_stack->keep = true;
		return dstack_fill(tsk->dynamic_stack, 0);
	}

	return dstack_give(tsk, &args, GFP_KERNEL);
}

#ifdef CONFIG_DYNAMIC_STACK_VACATE
/**
 * dynamic_stack_fill - make the stack of a task whole that is about to be woken up
 * @tsk: the task; the caller holds a reference
 *
 * So that very many that are woken at once don't starve. If there is no memory, the
 * pools serve, as ever: nothing is reclaimed for this, as cgroup_mutex may be held, which
 * who kills waits for. Does nothing if the top page is there.
 *
 * Context: process context.
 */
void dynamic_stack_fill(struct task_struct *tsk)
{
	struct keep_args args = { .fill = true };

	if (!dynamic_stack_enabled() || !try_get_task_stack(tsk))
		return;
	/* data_race: that it is gone, or comes back, meanwhile is no harm. */
	if (tsk->dynamic_stack && data_race(tsk->dynamic_stack->copy))
		dstack_give(tsk, &args, GFP_KERNEL & ~__GFP_DIRECT_RECLAIM);
	put_task_stack(tsk);
}
#endif

/**
 * dynamic_stack_fork - decide how a new task's stack is treated
 * @tsk: the new task, not yet visible to anyone
 * @idle: it is going to be a CPU's idle task
 *
 * Idle tasks are what runs when there are no pages. IO and user workers do a
 * user task's work where it can't wait.
 *
 * Context: process context, may sleep; after sched_fork().
 * Return: 0, or -ENOMEM.
 */
int dynamic_stack_fork(struct task_struct *tsk, bool idle)
{
	if (idle || (tsk->flags & (PF_IO_WORKER | PF_USER_WORKER)))
		return dynamic_stack_keep(tsk);
	return 0;
}

#if defined(CONFIG_DEBUG_STACK_USAGE) || defined(CONFIG_DEBUG_KMEMLEAK) || \
	defined(CONFIG_DYNAMIC_STACK_KUNIT_TEST)
/**
 * dynamic_stack_page - the page at a place of a task's stack
 * @tsk: the task; the caller holds a reference on its stack
 * @index: page, counted from the lowest
 *
 * The stack may lose the page while the caller looks at it, so this serves
 * those who scan memory and don't mind.
 *
 * Return: the page with a reference, for put_page(); %NULL if there is none.
 */
struct page *dynamic_stack_page(struct task_struct *tsk, unsigned int index)
{
	struct page **slot = &tsk->dynamic_stack->page[index];
	struct page *page = READ_ONCE(*slot);

	if (!page || !get_page_unless_zero(page))
		return NULL;
	if (page == READ_ONCE(*slot))
		return page;
	put_page(page);
	return NULL;
}

/**
 * dynamic_stack_not_used - how much of its stack a task never used
 * @tsk: the task; the caller holds a reference on its stack
 *
 * What it has now, and what the collector saw in the pages that it took. A
 * page that was given back without a look was never written.
 *
 * Return: number of bytes.
 */
unsigned long dynamic_stack_not_used(struct task_struct *tsk)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;
	unsigned long unused = 0;
	unsigned int i;

	for (i = 0; i < DSTACK_PAGES; i++) {
		unsigned long *word, *end;
		struct page *page;

		page = dynamic_stack_page(tsk, i);
		if (!page) {
			unused += PAGE_SIZE;
			continue;
		}
		word = page_address(page);
		end = word + PAGE_SIZE / sizeof(*word);
		while (word < end && !READ_ONCE_NOCHECK(*word))
			word++;
		unused += (void *)word - page_address(page);
		put_page(page);
		if (word < end)
			break;
	}
	return min_t(unsigned long, unused, READ_ONCE(ds->unused));
}
#endif

/**
 * dstack_cached_pages - number of pages that the stacks in the cache hold
 *
 * Return: the number, exact if nobody forks or exits meanwhile.
 */
unsigned long dstack_cached_pages(void)
{
	long nr = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		/* Others fork and exit: the sum is as good as it can be. */
		nr += data_race(per_cpu(dstack_cached_held, cpu));
	}
	return max(nr, 0L);
}

/**
 * dstack_any_dead - do stacks of dead tasks wait for being freed?
 *
 * Context: any.
 * Return: that they do. May change at any time.
 */
bool dstack_any_dead(void)
{
	return !llist_empty(&dstack_dead);
}

/**
 * dstack_hurry_dead - free the stacks of dead tasks as soon as a kworker can run
 *
 * Not when a timer says so that was set while nobody was in need. But what is queued
 * already stays where it is: it would move to the workers of this CPU, and where many
 * ask for it again and again, away from those who are about to do it.
 *
 * Context: any but NMI.
 */
void dstack_hurry_dead(void)
{
	/* If it is set only now, the next one who asks sees it. */
	if (timer_pending(&dstack_dead_work.timer))
		mod_delayed_work(dstack_wq, &dstack_dead_work, 0);
}

/**
 * dstack_cache_age - free the cached stacks that no fork has needed
 * @age: for so many jiffies
 *
 * Who is not in the cache meanwhile is not found there: a fork makes a new stack then.
 * With an @age of 0 somebody starves: these, and those that are dead already, are freed
 * as soon as a kworker can run.
 *
 * Context: process context.
 */
void dstack_cache_age(unsigned long age)
{
	int cpu, i;

	/* Who was moved to another CPU may leave one on a CPU that has gone. */
	for_each_possible_cpu(cpu) {
		for (i = 0; i < NR_CACHED; i++) {
			struct dynamic_stack **slot = per_cpu_ptr(&dstack_cached[i], cpu);
			struct dynamic_stack *ds, *none = NULL;

			if (!READ_ONCE(*slot))
				continue;
			/* Taken out, nobody frees it while it is looked at. */
			ds = xchg(slot, NULL);
			if (!ds || (time_before(jiffies, ds->last_out + age) &&
				    try_cmpxchg(slot, &none, ds)))
				continue;
			this_cpu_sub(dstack_cached_held, dstack_held(ds));
			dstack_destroy(ds);
		}
	}
	if (!age)
		dstack_hurry_dead();
}

static int dstack_drain_cache(unsigned int cpu)
{
	int i;

	for (i = 0; i < NR_CACHED; i++) {
		struct dynamic_stack *ds = xchg(per_cpu_ptr(&dstack_cached[i], cpu), NULL);

		if (!ds)
			continue;
		this_cpu_sub(dstack_cached_held, dstack_held(ds));
		dstack_destroy(ds);
	}
	return 0;
}

int __init dstack_stack_init(void)
{
	int err;

	dstack_cachep = KMEM_CACHE(dynamic_stack, SLAB_PANIC);
	/*
	 * With a rescuer, and on any CPU, this one may be starved: what it frees
	 * may be all that an OOM kill yields.
	 */
	dstack_wq = alloc_workqueue("kstack_free", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!dstack_wq)
		return -ENOMEM;
	err = cpuhp_setup_state(CPUHP_BP_PREPARE_DYN, "mm/dynamic_stack:cache",
				NULL, dstack_drain_cache);
	return min(err, 0);
}

#ifdef CONFIG_DYNAMIC_STACK_KUNIT_TEST
#include "stack_test.c"
#endif
