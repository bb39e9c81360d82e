// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: the last page of a stack that nobody refers to.
 *
 * A task in the freezer's trap, or stopped, sleeps where no other code can hold a
 * pointer into its stack. When it has slept for long, the collector parks its top page,
 * too, and takes it after the shootdown: the live bytes wait in an object of a slab
 * cache, the copy, and are copied back when the task is switched to.
 *
 * Documentation/mm/dynamic_stack.rst, "The last page", has the protocol.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/extable.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/llist.h>
#include <linux/moduleparam.h>
#include <linux/random.h>
#include <linux/sched/debug.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

#include "internal.h"

#include <trace/events/dynamic_stack.h>

/* The parameters belong to the feature, not to this file. */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "dynamic_stack."

enum {
	VACATE_OFF,
	VACATE_PARK,	/* never take what is parked: shows who touches it */
	VACATE_ON,
};

static unsigned int vacate_mode __ro_after_init = VACATE_OFF;

static const char * const vacate_names[] = {
	[VACATE_OFF]	= "off",
	[VACATE_PARK]	= "park",
	[VACATE_ON]	= "on",
};

static int vacate_set(const char *val, const struct kernel_param *kp)
{
	int i = sysfs_match_string(vacate_names, val);

	if (i < 0)
		return i;
	vacate_mode = i;
	return 0;
}

static int vacate_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", vacate_names[vacate_mode]);
}

static const struct kernel_param_ops vacate_ops = {
	.set = vacate_set,
	.get = vacate_get,
};
module_param_cb(vacate, &vacate_ops, NULL, 0444);

/* How long a task must have slept, in milliseconds. 0: however long, it keeps the page. */
static unsigned int vacate_age_ms __read_mostly = 10000;

/* Who is woken up early sleeps twice as long the next time, so often at most. */
#define VACATE_MAX_BACKOFF	6

/* The switch copies no more than this. */
#define COPY_MAX		2048U
#define COPY_MIN		768U
#define COPY_STEP		256U
#define COPY_CLASSES		((COPY_MAX - COPY_MIN) / COPY_STEP + 1)

/*
 * The memory of a copy while it holds none. @node first: the switch may link it as soon
 * as it has the bytes.
 */
struct dstack_copy {
	struct llist_node	node;
	unsigned int		class;
};

/*
 * Memory for copies of one size. @nr and @first are guarded by copy_lock; the others
 * by collect_mutex, but for @wanted, which kstack_copies_prepare() takes without, and
 * @promised, which it reads.
 */
static struct copy_class {
	struct kmem_cache	*cachep;
	struct llist_node	*first;
	unsigned int		nr;
	unsigned int		promised;	/* to stacks of this pass */
	unsigned int		wanted;		/* by stacks of the last pass */
} copy_classes[COPY_CLASSES];

/* Under a task's pi_lock; nothing under it. */
static DEFINE_RAW_SPINLOCK(copy_lock);
/* What was copied back: full of return addresses, to be cleared and freed. */
static LLIST_HEAD(copies_done);
static u64 copy_key __ro_after_init;

static unsigned int copy_class(unsigned int len)
{
	return len <= COPY_MIN ? 0 : DIV_ROUND_UP(len - COPY_MIN, COPY_STEP);
}

static unsigned int copy_size(unsigned int class)
{
	return COPY_MIN + class * COPY_STEP;
}

static unsigned int live_bytes(const struct dynamic_stack *ds, unsigned long sp)
{
	return ds->base + THREAD_SIZE - sp;
}

/*
 * Copy words, and sum them up with the key. It shows whether a copy was
 * overwritten; who can read the copy and the sum could forge both. Each word is read
 * once: what is used is what was summed up.
 */
static u64 copy_and_sum(u64 *to, const u64 *from, unsigned int len)
{
	u64 a = copy_key, b = ~copy_key ^ len;
	unsigned int i;

	/* Two chains: a multiplication takes as long as the load of the next word. */
	for (i = 0; i + 1 < len / sizeof(u64); i += 2) {
		u64 v = READ_ONCE(from[i]), w = READ_ONCE(from[i + 1]);

		to[i] = v;
		to[i + 1] = w;
		a = (a ^ v) * 0x9e3779b97f4a7c15ULL;
		b = (b ^ w) * 0xc2b2ae3d27d4eb4fULL;
	}
	if (i < len / sizeof(u64)) {
		u64 v = READ_ONCE(from[i]);

		to[i] = v;
		a = (a ^ v) * 0x9e3779b97f4a7c15ULL;
	}
	return a ^ rol64(b, 32);
}

static void *live_in_frame(const struct dynamic_stack *ds, unsigned int len)
{
	return page_address(ds->page[DSTACK_TOP]) + PAGE_SIZE - len;
}

#ifdef CONFIG_DYNAMIC_STACK_DEBUG
static u64 live_sum(const struct dynamic_stack *ds, unsigned int len)
{
	const u64 *from = live_in_frame(ds, len);
	u64 sum = copy_key;
	unsigned int i;

	for (i = 0; i < len / sizeof(u64); i++)
		sum = (sum ^ READ_ONCE_NOCHECK(from[i])) * 0x9e3779b97f4a7c15ULL;
	return sum;
}

/**
 * dstack_note_live - remember what is on a stack that nobody refers to
 * @tsk: the task that has left it
 *
 * Context: on the next task's stack; runqueue lock held, interrupts off.
 */
void dstack_note_live(struct task_struct *tsk)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;
	unsigned int len = live_bytes(ds, arch_dynamic_stack_sp(tsk));

	if (vacate_mode != VACATE_OFF && len <= COPY_MAX)
		ds->live_sum = live_sum(ds, len);
}

/* Nobody has written to it since then: that is what all of this rests on. */
static void dstack_check_live(struct task_struct *tsk, const char *when)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;

	if (live_sum(ds, live_bytes(ds, arch_dynamic_stack_sp(tsk))) == ds->live_sum)
		return;
	/* A runqueue lock may be held. */
	printk_deferred_enter();
	WARN_ONCE(1, "the stack of %s/%d, to which nobody should refer, has changed %s\n",
		  tsk->comm, tsk->pid, when);
	printk_deferred_exit();
}
#else
static inline void dstack_check_live(struct task_struct *tsk, const char *when) { }
#endif

/* Is @tsk asleep where nobody refers to its stack? It stays so: task_call_func(). */
static bool dstack_unreferenced(struct task_struct *tsk)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;
	unsigned long sp = arch_dynamic_stack_sp(tsk);

	/* Not runnable: it may be queued all the same, for its lag, but is not run then. */
	if (!READ_ONCE(ds->unreferenced) || task_is_runnable(tsk) ||
	    READ_ONCE(tsk->__state) == TASK_WAKING)
		return false;
	if (tsk->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER))
		return false;
	/* With sanitizers it may be deeper. */
	if (sp < ds->base || sp >= ds->base + THREAD_SIZE || live_bytes(ds, sp) > COPY_MAX)
		return false;
#ifdef CONFIG_LOCKDEP
	if (tsk->lockdep_depth) {
		/* A runqueue lock may be held. */
		printk_deferred_enter();
		WARN_ON_ONCE(1);
		printk_deferred_exit();
		return false;
	}
#endif
	return true;
}

static unsigned long vacate_age(const struct dynamic_stack *ds)
{
	/* If it runs meanwhile, this is too early or too late, which is no harm. */
	return msecs_to_jiffies(READ_ONCE(vacate_age_ms)) << data_race(ds->backoff);
}

static bool vacate_on(void)
{
	return vacate_mode != VACATE_OFF && READ_ONCE(vacate_age_ms);
}

/**
 * dstack_vacate_waits - is a stack's top page to be taken, now or later?
 * @tsk: the task; its stack may be shrunk
 *
 * Context: a callback of task_call_func(), or @tsk is being switched out.
 * Return: true if the collector has to look again.
 */
bool dstack_vacate_waits(struct task_struct *tsk)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;
	struct page *top = ds->page[DSTACK_TOP];

	if (!vacate_on() || !top || PageHWPoison(top) || !dstack_unreferenced(tsk))
		return false;
	return vacate_mode == VACATE_ON || (ds->mapped & BIT(DSTACK_TOP));
}

/**
 * dstack_vacate_too_early - is there nothing to do but to wait?
 * @ds: a stack on the collector's list
 *
 * It is as small as it can be with its top page, and waits until that may be taken.
 *
 * Context: collect_mutex held.
 * Return: true if so.
 */
bool dstack_vacate_too_early(struct dynamic_stack *ds)
{
	unsigned long last;

	if (vacate_mode == VACATE_OFF)
		return false;
	/* If any of it is old, then the next pass sees it, or collect_prepare(). */
	if (data_race(ds->mapped != BIT(DSTACK_TOP) || ds->parked || !ds->unreferenced ||
		      !ds->task))
		return false;
	last = data_race(ds->last_out);	/* likewise */
	return time_before(jiffies, last + vacate_age(ds));
}

/* Park the top page, as dstack_park() does with the others. Its PTE has A=1 always. */
static void dstack_park_top(struct task_struct *tsk)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;
	pte_t pte;

	dstack_check_owner(ds, ds->page[DSTACK_TOP]);
	dstack_check_live(tsk, "before it was parked");
	pte = arch_dynamic_stack_clear(ds->ptep + DSTACK_TOP);
	VM_WARN_ON_ONCE(!pte_young(pte));
	dstack_save_pte(ds, DSTACK_TOP, pte);
	ds->parked |= BIT(DSTACK_TOP);
	ds->mapped &= ~BIT(DSTACK_TOP);
	__count_vm_event(KSTACK_PARK);
	__count_vm_event(NR_KSTACK_PARKED);
	trace_dynamic_stack_park(tsk, ds->mapped, ds->parked);
}

/* One object for a stack of this pass, if there is one. Under collect_mutex. */
static bool copy_promise(unsigned int class)
{
	struct copy_class *c = copy_classes + class;

	if (c->promised < READ_ONCE(c->nr)) {
		WRITE_ONCE(c->promised, c->promised + 1);
		return true;
	}
	/* For the next pass. */
	WRITE_ONCE(c->wanted, c->wanted + 1);
	return false;
}

/**
 * dstack_takable - which of its parked pages may be taken from a stack?
 * @tsk: the task; its stack may be shrunk, and what is below its stack pointer is
 *	parked or gone
 * @parked: what is parked now
 * @vacate: the top page may go, if it is of age
 *
 * Parks the top page if that is so.
 *
 * Context: first half of a pass, under task_call_func().
 * Return: bit i is set: page i.
 */
unsigned int dstack_takable(struct task_struct *tsk, unsigned int parked, bool vacate)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;
	unsigned int lower = parked & ~BIT(DSTACK_TOP);

	if (!vacate || !dstack_vacate_waits(tsk) ||
	    time_before(jiffies, ds->last_out + vacate_age(ds)))
		return lower;
	if (vacate_mode == VACATE_PARK) {
		dstack_park_top(tsk);
		return lower;
	}
	if (!copy_promise(copy_class(live_bytes(ds, arch_dynamic_stack_sp(tsk)))))
		return lower;
	if (ds->mapped & BIT(DSTACK_TOP))
		dstack_park_top(tsk);
	return ds->parked;
}

static void *copy_get(unsigned int class)
{
	struct copy_class *c = copy_classes + class;
	struct llist_node *node;

	raw_spin_lock(&copy_lock);
	node = c->first;
	if (node) {
		c->first = node->next;
		WRITE_ONCE(c->nr, c->nr - 1);
	}
	raw_spin_unlock(&copy_lock);
	if (node && c->promised)
		WRITE_ONCE(c->promised, c->promised - 1);
	return node ? llist_entry(node, struct dstack_copy, node) : NULL;
}

/**
 * dstack_vacate - copy what is live in a stack's top page, which is taken then
 * @tsk: the task; did not run since dstack_takable(), and a shootdown came since
 * @vacate: as for that
 *
 * After the shootdown: until then, a CPU with an old entry in its TLB could write to the
 * page what the copy has not.
 *
 * Context: second half of a pass, under task_call_func(); interrupts off.
 * Return: bit i is set: page i stays, parked.
 */
unsigned int dstack_vacate(struct task_struct *tsk, bool vacate)
{
	struct dynamic_stack *ds = tsk->dynamic_stack;
	unsigned int len;
	void *copy;

	if (!(ds->parked & BIT(DSTACK_TOP)))
		return 0;
	if (!vacate || vacate_mode != VACATE_ON || !dstack_vacate_waits(tsk))
		return BIT(DSTACK_TOP);
	len = live_bytes(ds, arch_dynamic_stack_sp(tsk));
	copy = copy_get(copy_class(len));
	if (!copy)
		return BIT(DSTACK_TOP);

	dstack_check_live(tsk, "while it was parked");
	raw_spin_lock(&ds->lock);
	ds->copy_sum = copy_and_sum(copy, live_in_frame(ds, len), len);
	ds->copy_len = len;
	ds->copy = copy;
	raw_spin_unlock(&ds->lock);
	ds->vacated_at = jiffies;

	__count_vm_event(KSTACK_VACATE);
	__count_vm_event(NR_KSTACK_VACATED);
	__count_vm_events(NR_KSTACK_COPY_BYTES, copy_size(copy_class(len)));
	trace_dynamic_stack_vacate(tsk, len);
	return 0;
}

/**
 * dstack_copy_back - the live bytes of a vacated stack, to its new top page
 * @ds: the stack; it has the page, which is not mapped yet
 *
 * The memory of the copy is not freed here, where a runqueue lock is held.
 *
 * Context: as dstack_map_pages(); interrupts off.
 */
void dstack_copy_back(struct dynamic_stack *ds)
{
	unsigned int len = ds->copy_len, class = copy_class(len);
	struct dstack_copy *copy = ds->copy;
	u64 sum;

	raw_spin_lock(&ds->lock);
	sum = copy_and_sum(live_in_frame(ds, len), ds->copy, len);
	ds->copy = NULL;
	raw_spin_unlock(&ds->lock);
	/* It would return to where somebody else wants it to. */
	if (unlikely(sum != ds->copy_sum))
		panic("dynamic_stack: the copy of a kernel stack was overwritten\n");

	if (time_before(jiffies, ds->vacated_at + msecs_to_jiffies(READ_ONCE(vacate_age_ms))))
		ds->backoff = min(ds->backoff + 1, VACATE_MAX_BACKOFF);
	else
		ds->backoff = 0;
	__count_vm_event(KSTACK_UNVACATE);
	__count_vm_events(NR_KSTACK_VACATED, -1L);
	__count_vm_events(NR_KSTACK_COPY_BYTES, -(long)copy_size(class));

	copy->class = class;
	llist_add(&copy->node, &copies_done);
	if (unlikely(READ_ONCE(kstack_collectd.asleep)))
		irq_work_queue(this_cpu_ptr(&kstack_collectd_wake));
}

/* Has kstack_copies_free() something to do? */
bool kstack_any_copies_done(void)
{
	return !llist_empty(&copies_done);
}

/**
 * kstack_copies_free - clear and free the memory of what was copied back
 *
 * Context: process context.
 */
void kstack_copies_free(void)
{
	struct llist_node *first = llist_del_all(&copies_done);
	struct dstack_copy *copy, *next;

	llist_for_each_entry_safe(copy, next, first, node) {
		unsigned int class = copy->class;

		memzero_explicit(copy, copy_size(class));
		kmem_cache_free(copy_classes[class].cachep, copy);
	}
}

/*
 * As many as the last pass could have used, and no more: those that it asked for in vain,
 * and those that it was promised and did not use, since the pass was not worth a
 * shootdown.
 */
static void copy_class_fill(struct copy_class *c)
{
	unsigned int class = c - copy_classes;
	unsigned int target = xchg(&c->wanted, 0) + READ_ONCE(c->promised);
	struct dstack_copy *copy;

	while (READ_ONCE(c->nr) < target) {
		copy = kmem_cache_alloc(c->cachep, GFP_NOWAIT | __GFP_NOWARN);
		if (!copy)
			break;
		raw_spin_lock_irq(&copy_lock);
		copy->node.next = c->first;
		c->first = &copy->node;
		WRITE_ONCE(c->nr, c->nr + 1);
		raw_spin_unlock_irq(&copy_lock);
		cond_resched();
	}
	while (READ_ONCE(c->nr) > target) {
		raw_spin_lock_irq(&copy_lock);
		copy = NULL;
		if (c->first) {
			copy = llist_entry(c->first, struct dstack_copy, node);
			c->first = copy->node.next;
			WRITE_ONCE(c->nr, c->nr - 1);
		}
		raw_spin_unlock_irq(&copy_lock);
		if (!copy)
			break;
		/* It was never used, or it was cleared. */
		memzero_explicit(copy, min_t(size_t, sizeof(*copy), copy_size(class)));
		kmem_cache_free(c->cachep, copy);
	}
}

/**
 * kstack_copies_prepare - get the memory for copies that a pass may need
 *
 * Before a pass: who has collect_mutex must not wait, and a kstackd not allocate.
 *
 * Context: kstack_collectd, or a test; may be preempted, but does not wait.
 */
void kstack_copies_prepare(void)
{
	unsigned int i;

	if (vacate_mode != VACATE_ON)
		return;
	kstack_copies_free();
	for (i = 0; i < COPY_CLASSES; i++)
		copy_class_fill(copy_classes + i);
}

/**
 * kstack_copies_begin - a pass that may vacate begins: nothing is promised yet
 *
 * Context: collect_mutex held.
 */
void kstack_copies_begin(void)
{
	unsigned int i;

	for (i = 0; i < COPY_CLASSES; i++)
		WRITE_ONCE(copy_classes[i].promised, 0);
}

/* Under the descriptor's lock. @from_top: how far below the top of the stack it begins. */
static bool dstack_read_top(struct dynamic_stack *ds, void *dst, size_t size, size_t from_top)
{
	struct page *page = READ_ONCE(ds->page[DSTACK_TOP]);

	/* If it has both, the page is reserved, and still clear. */
	if (ds->copy) {
		if (from_top > ds->copy_len)
			return false;
		memcpy(dst, ds->copy + ds->copy_len - from_top, size);
		return true;
	}
	if (!page)
		return false;
	memcpy(dst, page_address(page) + PAGE_SIZE - from_top, size);
	return true;
}

/**
 * dynamic_stack_read - read from another task's stack, wherever its bytes are
 * @tsk: the task; the caller has a reference on its stack
 * @dst: where to put them
 * @src: address in the stack
 * @size: how many
 *
 * Like any look at another task's stack, it may find what was, if the task runs
 * meanwhile.
 *
 * Context: any.
 * Return: false if they are not there, and @dst is undefined then.
 */
bool dynamic_stack_read(struct task_struct *tsk, void *dst, const void *src, size_t size)
{
	struct dynamic_stack *ds = READ_ONCE(tsk->dynamic_stack);
	unsigned long from_top, flags;
	bool found = false;
	int tries;

	if (!copy_from_kernel_nofault(dst, src, size))
		return true;
	if (!ds)
		return false;
	from_top = ds->base + THREAD_SIZE - (unsigned long)src;
	if (from_top > PAGE_SIZE || from_top < size)
		return false;

	local_irq_save(flags);
	/*
	 * The lock's holder may not run: it was interrupted by this NMI, or kgdb stopped
	 * it. To read is not worth to hang. Without SMP, nobody can tell.
	 */
	for (tries = in_nmi() ? IS_ENABLED(CONFIG_SMP) : 10000; tries; tries--) {
		if (raw_spin_trylock(&ds->lock)) {
			found = dstack_read_top(ds, dst, size, from_top);
			raw_spin_unlock(&ds->lock);
			break;
		}
		cpu_relax();
	}
	local_irq_restore(flags);
	return found;
}
EXPORT_SYMBOL_GPL(dynamic_stack_read);

#ifdef CONFIG_DYNAMIC_STACK_DEBUG
/**
 * dynamic_stack_vacate_fault - did somebody touch a stack that nobody refers to?
 * @regs: who
 * @address: what
 *
 * With dynamic_stack.vacate=park: say so, and map the page again behind the back of its
 * state, which a later map does not mind: the same page, the same PTE. Whoever looks with
 * loads that may fault is left alone.
 *
 * Context: a page fault of the kernel.
 * Return: true if the access may be tried again.
 */
bool dynamic_stack_vacate_fault(struct pt_regs *regs, unsigned long address)
{
	struct task_struct *group, *tsk;
	bool found = false;

	if (vacate_mode != VACATE_PARK || !is_vmalloc_addr((void *)address) ||
	    search_exception_tables(instruction_pointer(regs)))
		return false;

	rcu_read_lock();
	for_each_process_thread(group, tsk) {
		struct dynamic_stack *ds;

		if (found || !try_get_task_stack(tsk))
			continue;
		ds = READ_ONCE(tsk->dynamic_stack);
		if (ds && address - ds->base < THREAD_SIZE &&
		    (address - ds->base) >> PAGE_SHIFT == DSTACK_TOP &&
		    (READ_ONCE(ds->parked) & BIT(DSTACK_TOP))) {
			arch_dynamic_stack_set(ds->ptep + DSTACK_TOP,
					       dstack_saved_pte(ds, DSTACK_TOP));
			arch_dynamic_stack_sync();
			found = true;
			printk_deferred_enter();
			WARN(1, "%pS touched the stack of %s/%d, to which nobody should refer\n",
			     (void *)instruction_pointer(regs), tsk->comm, tsk->pid);
			printk_deferred_exit();
		}
		put_task_stack(tsk);
	}
	rcu_read_unlock();
	return found;
}
#endif

#ifdef CONFIG_SYSCTL
static struct ctl_table vacate_sysctls[] = {
	{
		.procname	= "dynamic_stack_vacate_ms",
		.data		= &vacate_age_ms,
		.maxlen		= sizeof(vacate_age_ms),
		.mode		= 0644,
		.proc_handler	= proc_douintvec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_INT_MAX,	/* times 64, in jiffies */
	},
};
#endif

#ifdef CONFIG_DEBUG_FS
/* Print what is vacated, for debugfs. */
void kstack_vacate_show(struct seq_file *m)
{
	seq_printf(m, "vacated_stacks %lu\ncopy_bytes %lu\n", dstack_vm_event(NR_KSTACK_VACATED),
		   dstack_vm_event(NR_KSTACK_COPY_BYTES));
}
#endif

/**
 * kstack_vacate_init - caches for the copies
 *
 * Context: early initcall, once.
 */
void __init kstack_vacate_init(void)
{
	unsigned int i;

	if (vacate_mode == VACATE_OFF)
		return;
	copy_key = get_random_u64();
	for (i = 0; i < COPY_CLASSES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "kstack_copy-%u", copy_size(i));
		/* Neither shared with other objects, nor ever copied to or from user space. */
		copy_classes[i].cachep = kmem_cache_create_usercopy(name, copy_size(i), sizeof(u64),
								    SLAB_PANIC | SLAB_NO_MERGE,
								    0, 0, NULL);
	}
#ifdef CONFIG_SYSCTL
	register_sysctl_init("vm", vacate_sysctls);
#endif
	pr_info("vacate=%s\n", vacate_names[vacate_mode]);
}

#ifdef CONFIG_DYNAMIC_STACK_KUNIT_TEST
#include "vacate_test.c"
#endif
