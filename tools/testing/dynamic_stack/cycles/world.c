// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel of one processor around the switch's sources: rings of tasks that it
 * switches between, what the sources call, and checks that they did what they
 * should have. Pages have no content here: a flag says that a page was written to.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/dynamic_stack_switch.h>

#include "internal.h"
#include "pool.h"

#define PAGES		4096
#define STACKS		1024
#define MAX_RINGS	(2 * NR_WORKS)
/* A stack and its guard page, aligned: as many PTEs as a cache line has. */
#define STACK_PTES	8

struct ring {
	enum work		work;
	struct task_struct	*running;
	unsigned int		away;		/* pages that a task off the CPU has not mapped */
	bool			touched;
};

/* What the sources want of the rest of the kernel */
__thread struct vm_event_state vm_event_states;
__thread int preempt_count;
volatile unsigned long world_jiffies = 1000;
unsigned long vmemmap_base, sme_me_mask, supported_pte_mask = ~0UL;

static pte_t (*page_table)[STACK_PTES];
static unsigned int nr_stacks;
static struct list_head free_pages;
static unsigned long nr_allocated;
static struct irq_work *raised;
static struct task_struct kstackd;
static unsigned int warnings;
static bool fast_strings;

static const unsigned int pages_away[NR_WORKS] = {
	[WORK_THREE_TAKEN] = 3, [WORK_ONE_CLEAN] = 1, [WORK_ONE_TOUCHED] = 1,
	[WORK_THREE_CLEAN] = 3, [WORK_THREE_TOUCHED] = 3,
};

static struct ring *rings[MAX_RINGS];
static unsigned int nr_rings;

/* What must have been counted, and how many frames the pools must have. */
static unsigned long expected[NR_VM_EVENT_ITEMS], settled;

#define check(cond, fmt, ...)	\
	do { if (!(cond)) host_fail(fmt " (%s)", ##__VA_ARGS__, #cond); } while (0)

void world_warn(const char *fmt, ...)
{
	warnings++;
	(void)fmt;
}

void *world_memcpy(void *to, const void *from, size_t size)
{
	unsigned long *word = to;
	const unsigned long *source = from;
	void *at = to;

	if (fast_strings || size % sizeof(*word)) {
		asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
		return to;
	}
	for (; size; size -= sizeof(*word)) {
		*word++ = *source++;
		barrier();
	}
	return to;
}

static bool has_fast_strings(void)
{
	unsigned int a = 0, b, c = 0, d;

	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (a < 7)
		return false;
	a = 7;
	c = 0;
	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return d & BIT(4);
}

/* Pages */
struct page *alloc_pages_node(int node, gfp_t gfp, unsigned int order)
{
	struct page *page = list_first_entry_or_null(&free_pages, struct page, lru);

	if (!page)
		return NULL;
	list_del(&page->lru);
	page->allocated = true;
	page->dirty = false;
	nr_allocated++;
	return page;
}

void __free_page(struct page *page)
{
	check(page->allocated, "a page was freed twice");
	page->allocated = false;
	list_add(&page->lru, &free_pages);
	nr_allocated--;
}

void clear_highpage(struct page *page)
{
	page->dirty = false;
}

/* Of the threads, only kstackd matters: it fills the pool. */
int wake_up_process(struct task_struct *tsk)
{
	tsk->woken = true;
	return 1;
}

static void fill_pool(void)
{
	struct kstack_pool *pool = this_cpu_ptr(&kstack_pool);

	while (pool->nr < kstack_pool_target()) {
		struct page *page = kstack_page_alloc(0, GFP_KERNEL);

		check(page && kstack_pool_add(pool, page), "the pool can't be filled");
	}
	pool->kicked = false;
}

bool irq_work_queue(struct irq_work *work)
{
	if (work->pending)
		return false;
	work->pending = true;
	raised = work;
	return true;
}

/* Interrupts are on, and nobody else wants the processor. */
static void idle(void)
{
	check(!preempt_count, "preempt_count is %d", preempt_count);
	world_jiffies++;
	while (raised) {
		struct irq_work *work = raised;

		raised = NULL;
		work->pending = false;
		work->func(work);
	}
	if (kstackd.woken) {
		kstackd.woken = false;
		fill_pool();
	}
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

int world_match(const char *const *name, size_t nr, const char *value)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (same(name[i], value))
			return i;
	}
	return -EINVAL;
}

int sysfs_emit(char *buffer, const char *fmt, ...)
{
	return 0;
}

int kstrtobool(const char *text, bool *value)
{
	return -EINVAL;
}

/* The feature's other files: nothing of theirs is timed. */
bool dstack_proof_init(void) { return true; }
int dstack_stack_init(void) { return 0; }
int kstack_collect_init(void) { return 0; }
void dynamic_stack_resched(int cpu) { }
void arch_dynamic_stack_split(void) { }

int kstack_refill_init(void)
{
	this_cpu_ptr(&kstack_pool)->kstackd = &kstackd;
	kstack_pool_set_online(this_cpu_ptr(&kstack_pool), true);
	/* As on a CPU that is busy. */
	kstack_pool_set_want(this_cpu_ptr(&kstack_pool), kstack_pool_target());
	fill_pool();
	return 0;
}

void world_init(void)
{
	struct page *page = host_alloc(PAGES * sizeof(*page));
	unsigned int i;

	fast_strings = has_fast_strings();
	vmemmap_base = (unsigned long)page;
	INIT_LIST_HEAD(&free_pages);
	/* Not the first: a PTE of it would be next to nothing. */
	for (i = PAGES - 1; i; i--)
		list_add(&page[i].lru, &free_pages);
	page_table = host_alloc(STACKS * sizeof(*page_table));
	check(!world_initcall(), "the feature does not start");
	check(dynamic_stack_enabled() && dynamic_stack_live, "the feature is off");
	idle();
	check(dstack_vm_event(NR_KSTACK_POOL), "the pool is empty");
}

/* A task that has just been made: its stack is whole, and only the top page is written to. */
static struct task_struct *make_task(void)
{
	struct task_struct *tsk = host_alloc(sizeof(*tsk));
	struct dynamic_stack *ds = host_alloc(sizeof(*ds));
	unsigned int i;

	check(nr_stacks < STACKS, "too many tasks");
	tsk->__state = TASK_INTERRUPTIBLE;
	tsk->prio = 120;
	tsk->mm = host_alloc(sizeof(*tsk->mm));
	tsk->mm->total_vm = 1000;
	tsk->signal = host_alloc(sizeof(*tsk->signal));
	tsk->dynamic_stack = ds;
	ds->base = 0xffffc90000000000UL + nr_stacks * STACK_PTES * PAGE_SIZE;
	ds->ptep = page_table[nr_stacks++];
	ds->deepest = DSTACK_PAGES - 1;
	for (i = 0; i < DSTACK_PAGES; i++) {
		ds->page[i] = kstack_page_alloc(0, GFP_KERNEL);
		check(ds->page[i], "out of pages");
		set_pte(ds->ptep + i, mk_pte(ds->page[i], DYNAMIC_STACK_PROT));
	}
	ds->mapped = DSTACK_ALL;
	return tsk;
}

/* What the processor does when the task pushes something. */
static void touch(struct dynamic_stack *ds, unsigned int i)
{
	ds->ptep[i].pte |= _PAGE_ACCESSED | _PAGE_DIRTY;
	ds->page[i]->dirty = true;
}

static void switch_tasks(struct ring *ring, unsigned int switches)
{
	struct task_struct *prev = ring->running, *next;

	while (switches--) {
		next = prev->ring;
		/* None begins before the last one has ended. */
		asm volatile("lfence" : : : "memory");
		if (unlikely(!dynamic_stack_reserve(next, next)))
			host_fail("no frames");
		barrier();
		dynamic_stack_first_half(next);
		barrier();
		dynamic_stack_second_half(prev);
		prev = next;
	}
	ring->running = prev;
}

static void switch_nothing(struct ring *ring, unsigned int switches, bool load)
{
	struct task_struct *prev = ring->running, *next;

	while (switches--) {
		next = prev->ring;
		asm volatile("lfence" : : : "memory");
		if (load)
			READ_ONCE(next->dynamic_stack);
		prev = next;
	}
	ring->running = prev;
}

/* Only this is timed. */
void world_run(struct ring *ring, unsigned int switches)
{
	if (ring->work < WORK_WHOLE)
		switch_nothing(ring, switches, ring->work == WORK_LOAD);
	else
		switch_tasks(ring, switches);
}

/* What is set for all, before a ring runs */
void world_before(struct ring *ring)
{
	check(!world_param_reclaim->set(ring->work > WORK_THREE_TAKEN ? "switch" : "sleep", NULL),
	      "no such policy");
}

/* After a ring has run: count what must have been done, do what others would do meanwhile. */
void world_after(struct ring *ring, unsigned int switches)
{
	unsigned long pages = (unsigned long)switches * ring->away;
	struct task_struct *tsk;

	expected[ring->touched ? KSTACK_RESTORE : KSTACK_POPULATE] += pages;
	expected[ring->touched ? KSTACK_PARK : KSTACK_RECLAIM] += pages;
	/* It is the collector that takes these, from all that sleep. */
	if (ring->work == WORK_THREE_TAKEN) {
		for (tsk = ring->running->ring; tsk != ring->running; tsk = tsk->ring)
			dstack_park(tsk->dynamic_stack, tsk->thread.sp);
	}
	idle();
}

struct ring *world_ring(enum work work, unsigned int tasks)
{
	struct ring *ring = host_alloc(sizeof(*ring));
	struct task_struct **tsk = host_alloc(tasks * sizeof(*tsk));
	static u32 random = 1;
	unsigned int i, j;

	check(nr_rings < MAX_RINGS && tasks >= 2, "no such ring");
	ring->work = work;
	ring->away = pages_away[work];
	ring->touched = work == WORK_ONE_TOUCHED || work == WORK_THREE_TOUCHED;
	for (i = 0; i < tasks; i++) {
		struct dynamic_stack *ds;

		tsk[i] = make_task();
		ds = tsk[i]->dynamic_stack;
		/* It sleeps with its stack pointer in the page above those that go. */
		tsk[i]->thread.sp = ds->base + ring->away * PAGE_SIZE + 1000;
		for (j = ring->touched ? 0 : ring->away; j < DSTACK_PAGES; j++)
			touch(ds, j);
	}
	/* In an order that no prefetcher knows. */
	for (i = tasks - 1; i; i--) {
		random = random * 1664525 + 1013904223;
		j = (random >> 8) % (i + 1);
		swap(tsk[i], tsk[j]);
	}
	for (i = 0; i < tasks; i++)
		tsk[i]->ring = tsk[(i + 1) % tasks];
	ring->running = tsk[0];
	rings[nr_rings++] = ring;

	/* Until each has been switched out once, and back in. */
	world_before(ring);
	world_run(ring, 2 * tasks);
	world_after(ring, 0);
	return ring;
}

/* All rings are there: from now on the pool's level does not change. */
void world_settle(void)
{
	unsigned int i;

	settled = dstack_vm_event(NR_KSTACK_POOL);
	for (i = 0; i < NR_VM_EVENT_ITEMS; i++)
		expected[i] = vm_event_states.event[i];
}

static void flush(const void *start, size_t size)
{
	const char *line = (const char *)((unsigned long)start & ~63UL);

	for (; line < (const char *)start + size; line += 64)
		asm volatile("clflush %0" : : "m"(*line));
}

/*
 * Out of all caches: what a switch to a task that has not run for long finds there of
 * the feature's own. Not the rest of the task, which the scheduler has just looked at.
 */
void world_flush(struct ring *ring)
{
	struct task_struct *tsk;
	unsigned int i;

	for (tsk = ring->running->ring; tsk != ring->running; tsk = tsk->ring) {
		struct dynamic_stack *ds = tsk->dynamic_stack;

		for (i = 0; i < DSTACK_PAGES; i++) {
			if (ds->page[i])
				flush(ds->page[i], sizeof(*ds->page[i]));
		}
		flush(ds->ptep, DSTACK_PAGES * sizeof(*ds->ptep));
		flush(ds, sizeof(*ds));
		flush(&tsk->dynamic_stack, sizeof(tsk->dynamic_stack));
	}
	asm volatile("mfence" : : : "memory");
}

static unsigned int generation;

/* Nobody else has this frame. */
static void check_frame(struct page *page, const char *where)
{
	check(page->allocated, "a free page is %s", where);
	check(page->seen != generation, "a page is twice where it may be once: %s", where);
	page->seen = generation;
}

static void check_task(struct ring *ring, struct task_struct *tsk)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;
	unsigned int away = tsk == ring->running ? 0 : GENMASK(3, 0) >> (4 - ring->away), i;

	check(ds->mapped == (DSTACK_ALL & ~away), "work %d: mapped is %#x, not %#lx", ring->work,
	      ds->mapped, DSTACK_ALL & ~away);
	check(ds->parked == (ring->touched ? away : 0), "work %d: parked is %#x", ring->work,
	      ds->parked);
	for (i = 0; i < DSTACK_PAGES; i++) {
		pte_t pte = ds->ptep[i];

		if (away & BIT(i)) {
			check(!pte.pte, "work %d: the PTE of a page that is away is %#lx",
			      ring->work, pte.pte);
			pte = ds->saved[i];
		}
		if ((away & BIT(i)) && !ring->touched) {
			check(!ds->page[i], "work %d: a page that nobody wrote to stays",
			      ring->work);
			continue;
		}
		check(ds->page[i], "work %d: page %u is missing", ring->work, i);
		check_frame(ds->page[i], "on a stack");
		check((pte.pte & PTE_PFN_MASK) >> PAGE_SHIFT == page_to_pfn(ds->page[i]),
		      "work %d: the PTE of page %u is another page's", ring->work, i);
		check((pte.pte & (_PAGE_PRESENT | _PAGE_RW)) == (_PAGE_PRESENT | _PAGE_RW),
		      "work %d: the PTE of page %u is %#lx", ring->work, i, pte.pte);
		check(pte_young(pte) == ds->page[i]->dirty,
		      "work %d: the PTE of page %u does not tell whether it was used",
		      ring->work, i);
	}
}

/* Each frame of the pool is there once, clean, and on no stack. */
static void check_pool(void)
{
	static struct page *frame[POOL_CAPACITY];
	unsigned int nr = 0;

	while (nr < POOL_CAPACITY && kstack_pool_take(&frame[nr], 1, DSTACK_LEVEL_ALL)) {
		check_frame(frame[nr], "in a pool");
		check(!frame[nr]->dirty, "a page that was written to is in a pool");
		nr++;
	}
	check(nr, "the pool is empty");
	kstack_pool_put(frame, nr);
	idle();
}

static unsigned int bits(unsigned int mask)
{
	return __builtin_popcount(mask);
}

void world_check(void)
{
	unsigned long held = 0, parked = 0;
	unsigned int i;

	generation++;
	for (i = 0; i < nr_rings; i++) {
		struct task_struct *tsk = rings[i]->running;

		do {
			check_task(rings[i], tsk);
			held += dstack_held(tsk->dynamic_stack);
			parked += bits(tsk->dynamic_stack->parked);
			tsk = tsk->ring;
		} while (tsk != rings[i]->running);
	}
	check(dstack_vm_event(NR_KSTACK_POOL) == settled, "the pools have %lu frames, not %lu",
	      dstack_vm_event(NR_KSTACK_POOL), settled);
	check(nr_allocated == held + settled, "%lu frames, %lu of them on stacks, %lu in pools",
	      nr_allocated, held, settled);
	check(dstack_vm_event(NR_KSTACK_PARKED) == parked, "%lu frames are parked, not %lu",
	      parked, dstack_vm_event(NR_KSTACK_PARKED));
	for (i = KSTACK_POPULATE; i < NR_VM_EVENT_ITEMS; i++)
		check(vm_event_states.event[i] == expected[i],
		      "event %u was counted %lu times, not %lu", i, vm_event_states.event[i],
		      expected[i]);
	check_pool();
	check(dstack_vm_event(NR_KSTACK_POOL) == settled, "the pools have %lu frames, not %lu",
	      dstack_vm_event(NR_KSTACK_POOL), settled);
	check(!warnings && !preempt_count, "%u warnings, preempt_count is %d", warnings,
	      preempt_count);
	/* Emptied, it was starved: that is counted, too. */
	expected[KSTACK_STARVED] = vm_event_states.event[KSTACK_STARVED];
}
