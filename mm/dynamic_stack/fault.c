// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: pages that come by fault.
 *
 * Not with the default configuration: there every page of a stack is present
 * while its task runs. Here some pages may be missing: of a stack that is
 * larger than what is promised, and with dynamic_stack.populate=.
 *
 * A stack fault may come anywhere: in the page allocator, with a pool's lock
 * held, in the switch itself. So it takes nothing but a page from its CPU's
 * reserve, which nobody else takes from, and no lock. Only the switch fills the
 * reserve, from the CPU's pool: a task that may take a fault is not switched to
 * while the reserve is not full. So between two fillings there can be the faults
 * of the previous task, on its way through the switch, and those of the next
 * one. That gives the size of the reserve: twice what a stack may lack.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/bug.h>
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/ratelimit.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>

#include "internal.h"

/* The parameters belong to the feature, not to this file. */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "dynamic_stack."

/* The top page is always there. */
#define FAULT_SLOTS	(2 * (DSTACK_PAGES - 1))

/**
 * struct kstack_fault - a CPU's reserve
 * @page: its pages; %NULL: the slot is empty
 * @poisoned: one whose memory failed, until the reserve is filled again
 * @taken: number of faults
 * @deep: those of them beyond what is promised
 * @window: those of them on a stack that was not current's yet
 *
 * Only its CPU writes it, and only a fault empties a slot: also in the midst of
 * the filling, which it may interrupt anywhere. So there is no counter that the
 * two would have to agree on, but each slot is empty or full, and changes by one
 * store.
 */
struct kstack_fault {
	struct page	*page[FAULT_SLOTS];
	struct page	*poisoned;
	unsigned long	taken;
	unsigned long	deep;
	unsigned long	window;
};

static DEFINE_PER_CPU(struct kstack_fault, kstack_fault);
DEFINE_PER_CPU(unsigned int, kstack_fault_short);
DEFINE_PER_CPU(struct dynamic_stack *, dynamic_stack_next);

unsigned int dynamic_stack_promise __ro_after_init = DSTACK_ALL;
/* How many slots are in use: none if no page ever comes by fault. */
static unsigned int fault_slots __ro_after_init;
/* A fresh PTE, but for the page. */
static pteval_t fault_pte __ro_after_init;

static unsigned int kstack_populate = DSTACK_PROMISED;
module_param_named(populate, kstack_populate, uint, 0444);

static __always_inline bool kstack_fault_poisoned(struct page *page)
{
#ifdef CONFIG_MEMORY_FAILURE
	/* PageHWPoison() may be instrumented. Later kernels have the flags in a struct. */
	return arch_test_bit(PG_hwpoison, (const unsigned long *)&page->flags);
#else
	return false;
#endif
}

/*
 * The page for a slot that a fault is about to fill. The owner is noted by
 * hand: what checks it may warn, and a warning must not come from here.
 */
static __always_inline struct page *kstack_fault_take(struct dynamic_stack *ds)
{
	unsigned int i;

	for (i = 0; i < FAULT_SLOTS; i++) {
		struct page **slot = raw_cpu_ptr(&kstack_fault.page[i]);
		struct page *page = READ_ONCE(*slot);

		if (!page)
			continue;
		WRITE_ONCE(*slot, NULL);
		/* One instruction each, against the filling that this may interrupt. */
		raw_cpu_inc(kstack_fault_short);
		raw_cpu_dec(vm_event_states.event[NR_KSTACK_POOL]);
		/* Its memory has failed. That two do at a time is too rare to care. */
		if (unlikely(kstack_fault_poisoned(page))) {
			raw_cpu_write(kstack_fault.poisoned, page);
			continue;
		}
		if (IS_ENABLED(CONFIG_DYNAMIC_STACK_DEBUG))
			page->private = (unsigned long)ds;
		return page;
	}
	return NULL;
}

/**
 * dynamic_stack_fault_in - make a page of this CPU's task's stack present
 * @ds: the stack that this CPU is on
 * @i: the page
 *
 * The task runs, so nobody else changes the stack's state but the task itself,
 * in dstack_fill(), which is prepared for it: a slot that has a page already
 * gets that one. There are no parked pages: those were all mapped in the switch.
 *
 * Context: interrupts off, not on @ds. Entry code: no tracing, no locks.
 * Return: false if the reserve is empty.
 */
noinstr bool dynamic_stack_fault_in(struct dynamic_stack *ds, unsigned int i)
{
	struct page *page = READ_ONCE(ds->page[i]);

	/* A fault that comes twice: the walk was early. */
	if (!pte_none(READ_ONCE(ds->ptep[i])))
		return true;
	if (!page) {
		page = kstack_fault_take(ds);
		if (!page)
			return false;
		WRITE_ONCE(ds->page[i], page);
	}
	WRITE_ONCE(*(pteval_t *)(ds->ptep + i),
		   fault_pte | ((pteval_t)page_to_pfn(page) << PAGE_SHIFT));
	WRITE_ONCE(ds->mapped, ds->mapped | BIT(i));
	/*
	 * The collector may have noted the number before the task ran. With all
	 * promised pages present, the switch does not count it up.
	 */
	WRITE_ONCE(ds->seq, ds->seq + 1);
	smp_mb();	/* the PTE before the walk for the next push */

	raw_cpu_inc(vm_event_states.event[KSTACK_FAULT]);
	raw_cpu_inc(kstack_fault.taken);
	if (i < DSTACK_PAGES - DSTACK_PROMISED)
		raw_cpu_inc(kstack_fault.deep);
	if (ds != current->dynamic_stack)
		raw_cpu_inc(kstack_fault.window);
	return true;
}

/**
 * dynamic_stack_warn_deep - a task uses more of its stack than is promised
 * @regs: what it was doing
 * @ds: the stack
 * @address: where it touched it
 *
 * Context: like an NMI, on a stack of its own.
 */
void dynamic_stack_warn_deep(struct pt_regs *regs, struct dynamic_stack *ds,
			     unsigned long address)
{
	static DEFINE_RATELIMIT_STATE(limit, 10 * HZ, 1);
	struct task_struct *tsk;

	if (!__ratelimit(&limit))
		return;
	/* In the midst of a switch, it is not current's. */
	tsk = READ_ONCE(ds->task) ?: current;
	printk(KERN_WARNING CUT_HERE);
	pr_warn("%s/%d is %lu bytes deep in its kernel stack, %lu are promised\n",
		tsk->comm, task_pid_nr(tsk), ds->base + THREAD_SIZE - address,
		DSTACK_PROMISED * PAGE_SIZE);
	/* With the registers, so that the trace begins where it happened. */
	__warn(__FILE__, __LINE__, (void *)instruction_pointer(regs), TAINT_WARN, regs, NULL);
}

/**
 * dynamic_stack_panic - there is no page for a fault
 * @ds: the stack
 * @address: where it lacks a page
 *
 * Context: like an NMI, on a stack of its own.
 */
void dynamic_stack_panic(struct dynamic_stack *ds, unsigned long address)
{
	panic("dynamic_stack: CPU %d took more faults than its reserve of %u frames: page %lu of %lu of the stack of %s/%d is missing, and can't be allocated here",
	      raw_smp_processor_id(), fault_slots,
	      DSTACK_PAGES - ((address - ds->base) >> PAGE_SHIFT), DSTACK_PAGES,
	      current->comm, task_pid_nr(current));
}

/**
 * kstack_fault_refill - fill this CPU's reserve from its pool
 * @level: how many of the pool's last pages may be used
 *
 * Context: runqueue lock held, interrupts off. A stack fault may come at any
 * point here, and take a page from any slot.
 * Return: false if the pool has not enough; the CPU is marked as starved then.
 */
bool kstack_fault_refill(enum dynamic_stack_level level)
{
	struct kstack_fault *reserve = this_cpu_ptr(&kstack_fault);
	struct page *page;
	unsigned int i;

	if (!this_cpu_read(kstack_fault_short))
		return true;
	page = xchg(&reserve->poisoned, NULL);
	if (unlikely(page))
		kstack_page_poisoned(page);
	for (i = 0; i < fault_slots && this_cpu_read(kstack_fault_short); i++) {
		if (READ_ONCE(reserve->page[i]))
			continue;
		if (!kstack_pool_take(&page, 1, level))
			return false;
		dstack_check_clean(page);
		WRITE_ONCE(reserve->page[i], page);
		this_cpu_dec(kstack_fault_short);
		__count_vm_event(NR_KSTACK_POOL);
	}
	return true;
}

/* Before the CPU comes up. */
int kstack_fault_prepare(unsigned int cpu)
{
	struct kstack_fault *reserve = per_cpu_ptr(&kstack_fault, cpu);
	unsigned int i;

	for (i = 0; i < fault_slots; i++) {
		if (reserve->page[i])
			continue;
		reserve->page[i] = kstack_page_alloc(cpu_to_mem(cpu), GFP_KERNEL);
		if (!reserve->page[i])
			return -ENOMEM;
		count_vm_event(NR_KSTACK_POOL);
	}
	per_cpu(kstack_fault_short, cpu) = 0;
	return 0;
}

void kstack_fault_drain(unsigned int cpu)
{
	struct kstack_fault *reserve = per_cpu_ptr(&kstack_fault, cpu);
	struct page *page = xchg(&reserve->poisoned, NULL);
	unsigned int i;

	if (page)
		kstack_page_free(page);
	for (i = 0; i < fault_slots; i++) {
		if (!reserve->page[i])
			continue;
		kstack_page_free(reserve->page[i]);
		reserve->page[i] = NULL;
		count_vm_events(NR_KSTACK_POOL, -1L);
	}
}

static void dstack_set_mapped(struct dynamic_stack *ds, unsigned int i)
{
	unsigned int old = READ_ONCE(ds->mapped);

	do {
	} while (!try_cmpxchg(&ds->mapped, &old, old | BIT(i)));
}

/**
 * dstack_fill - make current's stack present from its top down to a page
 * @ds: current's stack
 * @from: the lowest page
 *
 * Any instruction here may take a stack fault for one of these pages. Whoever
 * puts the page into the slot first has won; its PTE is written once, from 0,
 * since it must not be written again when it may have been used.
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM.
 */
int dstack_fill(struct dynamic_stack *ds, unsigned int from)
{
	int i;

	for (i = DSTACK_PAGES - 1; i >= (int)from; i--) {
		struct page *page, *none = NULL;
		pteval_t empty = 0, pte;

		if (READ_ONCE(ds->mapped) & BIT(i))
			continue;
		page = kstack_page_alloc(ds->node_id, GFP_KERNEL);
		if (!page)
			return -ENOMEM;
		dstack_set_owner(ds, page);
		if (!try_cmpxchg(&ds->page[i], &none, page)) {
			kstack_page_free(page);
			page = none;
		}

		dstack_assert_state(ds);
		preempt_disable();
		pte = fault_pte | ((pteval_t)page_to_pfn(page) << PAGE_SHIFT);
		if (try_cmpxchg((pteval_t *)(ds->ptep + i), &empty, pte)) {
			dstack_set_mapped(ds, i);
			/* If a fault counts it up meanwhile, it has changed as well. */
			WRITE_ONCE(ds->seq, ds->seq + 1);
			__count_vm_event(KSTACK_POPULATE);
		}
		preempt_enable();
	}
	return 0;
}

/**
 * dynamic_stack_ensure - make sure that so much of the stack remains
 * @bytes: what the caller is going to use of its stack, from where it is now;
 *	0: no more than what every task has
 *
 * The pages are there from now on and stay, until the task calls this again or
 * exits; so what fails for want of memory fails here, and not by a fault later.
 * Does not nest: what an inner caller asks for replaces it.
 *
 * Context: process context, may sleep.
 * Return: 0; -E2BIG if the stack is not that large; -ENOMEM.
 */
int dynamic_stack_ensure(unsigned long bytes)
{
	unsigned long low = current_stack_pointer - bytes;
	struct dynamic_stack *ds = current->dynamic_stack;
	unsigned int first;
	int err;

	might_sleep();
	if (bytes > THREAD_SIZE || low < (unsigned long)task_stack_page(current))
		return -E2BIG;
	if (!dynamic_stack_managed(current))
		return 0;
	if (!bytes) {
		WRITE_ONCE(ds->ensured, 0);
		return 0;
	}

	/* First keep, then fill: what is filled must not be taken meanwhile. */
	first = (low - ds->base) >> PAGE_SHIFT;
	WRITE_ONCE(ds->ensured, DSTACK_PAGES - first);
	err = dstack_fill(ds, first);
	if (err)
		WRITE_ONCE(ds->ensured, 0);
	return err;
}
EXPORT_SYMBOL_GPL(dynamic_stack_ensure);

void kstack_fault_show(struct seq_file *m)
{
	int cpu;

	if (!fault_slots)
		return;
	for_each_online_cpu(cpu) {
		struct kstack_fault *reserve = per_cpu_ptr(&kstack_fault, cpu);

		/* They count on: as good as it can be. */
		seq_printf(m, "cpu %d: fault reserve %u of %u, faults %lu, deep %lu, window %lu, interrupts %lu\n",
			   cpu, fault_slots - READ_ONCE(per_cpu(kstack_fault_short, cpu)),
			   fault_slots, READ_ONCE(reserve->taken), READ_ONCE(reserve->deep),
			   READ_ONCE(reserve->window),
			   READ_ONCE(per_cpu(dynamic_stack_redelivered, cpu)));
		if (IS_ENABLED(CONFIG_DYNAMIC_STACK_FRED))
			seq_printf(m, "cpu %d: FRED level 1: stack faults %lu, others %lu, not at level 1 %lu\n",
				   cpu, READ_ONCE(per_cpu(dynamic_stack_level1[0], cpu)),
				   READ_ONCE(per_cpu(dynamic_stack_level1[1], cpu)),
				   READ_ONCE(per_cpu(dynamic_stack_level1[2], cpu)));
	}
}

/* Before anything is mapped. False: stacks can't be what they are to be here. */
bool __init kstack_fault_init(void)
{
	unsigned int pages = clamp(kstack_populate, 1U, (unsigned int)DSTACK_PROMISED);

	if (!arch_dynamic_stack_fault_supported()) {
		if (kstack_populate != DSTACK_PROMISED)
			pr_warn("no stack faults on this machine: populate= is ignored\n");
		return DSTACK_PROMISED == DSTACK_PAGES;
	}
	fault_pte = pte_val(pfn_pte(0, dstack_preset() ? PAGE_KERNEL : DYNAMIC_STACK_PROT));
	fault_slots = 2 * (DSTACK_PAGES - pages);
	dynamic_stack_promise = GENMASK(DSTACK_PAGES - 1, DSTACK_PAGES - pages);
	if (fault_slots)
		pr_info("%u of %lu pages of a stack are promised, others come by fault; %u frames in reserve for each CPU\n",
			pages, DSTACK_PAGES, fault_slots);
	return true;
}

#ifdef CONFIG_DYNAMIC_STACK_FAULT_KUNIT_TEST
#include "fault_test.c"
#endif
