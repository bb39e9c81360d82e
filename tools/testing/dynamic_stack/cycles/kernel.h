/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of a kernel as the switch's sources need, in user space. Each of the
 * kernel's own headers that they include is this file; see the Makefile.
 *
 * What the switch calls while it is timed does what the kernel's does, with
 * instructions as dear: locked ones are locked, this CPU's variables are behind a
 * segment register. Static keys are what they are with the feature on.
 */
#ifndef DS_CYCLES_KERNEL_H
#define DS_CYCLES_KERNEL_H

#include "world.h"

#define CONFIG_DYNAMIC_STACK			1
#define CONFIG_DYNAMIC_STACK_DEFAULT_ON		1
#define CONFIG_DYNAMIC_STACK_SPLIT		1
#define CONFIG_SMP				1

/* Types, and what the compiler is told */
typedef _Bool bool;
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;
typedef __SIZE_TYPE__ size_t;
typedef unsigned int gfp_t;

#define true		1
#define false		0
#define NULL		((void *)0)
#define __init
#define __initdata
#define __read_mostly
#define __used		__attribute__((used))
#define __aligned(x)	__attribute__((aligned(x)))
#define __always_inline	inline __attribute__((always_inline))
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define barrier()	asm volatile("" : : : "memory")

#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile typeof(x) *)&(x) = (v))
#define data_race(x)		(x)
#define container_of(ptr, type, member)	\
	((type *)((char *)(ptr) - __builtin_offsetof(type, member)))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define BIT(n)			(1UL << (n))
#define GENMASK(high, low)	((~0UL << (low)) & (~0UL >> (63 - (high))))
#define min(a, b)		({ typeof(a) a_ = (a); typeof(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b)		({ typeof(a) a_ = (a); typeof(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define swap(a, b)		do { typeof(a) a_ = (a); (a) = (b); (b) = a_; } while (0)
#define max_t(type, a, b)	max((type)(a), (type)(b))
#define min3(a, b, c)		min(min(a, b), c)
#define clamp(x, lo, hi)	min(max(x, lo), hi)

/* IS_ENABLED(): an option is 1, or its name is no macro. */
#define OPTION_1			,
#define THE_SECOND(a, b, ...)		b
#define OPTION_IS_SET(text)		THE_SECOND(text 1, 0, 0)
#define IS_ENABLED_VALUE(value)		OPTION_IS_SET(OPTION_##value)
#define IS_ENABLED(option)		IS_ENABLED_VALUE(option)

#define ENOMEM		12
#define EINVAL		22
#define EOPNOTSUPP	95

#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif
#define pr_info(fmt, ...)	do { if (0) world_warn(pr_fmt(fmt), ##__VA_ARGS__); } while (0)
#define pr_warn(fmt, ...)	world_warn(pr_fmt(fmt), ##__VA_ARGS__)
#define WARN_ON_ONCE(cond)	\
	({ bool cond_ = (cond); if (unlikely(cond_)) world_warn("%s\n", #cond); cond_; })
/* As without CONFIG_DEBUG_VM. */
#define VM_WARN_ON_ONCE(cond)	((void)sizeof(cond))

/* memcpy() of x86: a string instruction where that is fast, else words. */
#define memcpy(to, from, size)	world_memcpy(to, from, size)
void *world_memcpy(void *to, const void *from, size_t size);

/* Static keys: the branch is patched to a jump or to nothing. */
#define DECLARE_STATIC_KEY_FALSE(name)	extern bool name
#define DEFINE_STATIC_KEY_FALSE(name)	bool name
/* The feature is on, and all that is optional is not. */
#define static_branch_unlikely(key)	(!__builtin_strcmp(#key, "&dynamic_stack_key"))
#define static_branch_enable(key)	(*(key) = true)

/* This CPU's variables */
#define DECLARE_PER_CPU(type, name)		extern __thread type name
#define DECLARE_PER_CPU_ALIGNED(type, name)	DECLARE_PER_CPU(type, name) __aligned(64)
#define DEFINE_PER_CPU(type, name)		__thread type name
#define DEFINE_PER_CPU_ALIGNED(type, name)	__thread type name __aligned(64)
#define this_cpu_ptr(ptr)			(ptr)
#define this_cpu_read(var)			READ_ONCE(var)
#define this_cpu_write(var, value)		WRITE_ONCE(var, value)
#define per_cpu_ptr(ptr, cpu)			({ (void)(cpu); (ptr); })
#define per_cpu(var, cpu)			(*per_cpu_ptr(&(var), cpu))
#define for_each_possible_cpu(cpu)		for ((cpu) = 0; (cpu) < 1; (cpu)++)
#define for_each_online_cpu(cpu)		for_each_possible_cpu(cpu)
#define num_possible_cpus()			1
#define nr_node_ids				1
#define N_MEMORY				0
#define for_each_node_state(node, state)	\
	for ((node) = (state); (node) < nr_node_ids; (node)++)
#define numa_node_id()				0

extern __thread int preempt_count;

#define smp_mb()	asm volatile("lock addl $0,-4(%%rsp)" : : : "memory")
#define cpu_relax()	asm volatile("pause" : : : "memory")
#define xchg(ptr, value) __atomic_exchange_n(ptr, value, __ATOMIC_SEQ_CST)

/* Locks. One CPU, whose interrupts come when they are let in. */
typedef struct { unsigned int value; } raw_spinlock_t;

#define lockdep_assert_held(lock)	((void)(lock))

static inline void schedule(void) { }
static inline void raw_spin_lock_init(raw_spinlock_t *lock)
{
	lock->value = 0;
}

static __always_inline void raw_spin_lock(raw_spinlock_t *lock)
{
	unsigned int free = 0;

	preempt_count++;
	barrier();
	while (!__atomic_compare_exchange_n(&lock->value, &free, 1, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED)) {
		free = 0;
		cpu_relax();
	}
}

static __always_inline void raw_spin_unlock(raw_spinlock_t *lock)
{
	__atomic_store_n(&lock->value, 0, __ATOMIC_RELEASE);
	barrier();
	preempt_count--;
}

#define local_irq_save(flags)			((flags) = 0)
#define local_irq_restore(flags)		((void)(flags))
#define raw_spin_lock_irq(lock)			raw_spin_lock(lock)
#define raw_spin_unlock_irq(lock)		raw_spin_unlock(lock)
#define raw_spin_lock_irqsave(lock, flags)	do { (flags) = 0; raw_spin_lock(lock); } while (0)
#define raw_spin_unlock_irqrestore(lock, flags)	\
	do { (void)(flags); raw_spin_unlock(lock); } while (0)

/* Lists */
struct list_head {
	struct list_head *next, *prev;
};

struct llist_node {
	struct llist_node *next;
};

struct llist_head {
	struct llist_node *first;
};

static inline bool llist_add(struct llist_node *item, struct llist_head *head)
{
	struct llist_node *first = READ_ONCE(head->first);

	do {
		item->next = first;
	} while (!__atomic_compare_exchange_n(&head->first, &first, item, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	return !first;
}

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list;
	list->prev = list;
}

static inline void list_add(struct list_head *item, struct list_head *head)
{
	item->next = head->next;
	item->prev = head;
	head->next->prev = item;
	head->next = item;
}

static inline void list_del(struct list_head *item)
{
	item->next->prev = item->prev;
	item->prev->next = item->next;
}

#define list_first_entry(head, type, member)	container_of((head)->next, type, member)
#define list_first_entry_or_null(head, type, member)	\
	((head)->next == (head) ? NULL : container_of((head)->next, type, member))

typedef struct { int refs; } refcount_t;

static inline void refcount_inc(refcount_t *ref)
{
	__atomic_add_fetch(&ref->refs, 1, __ATOMIC_RELAXED);
}

/* Pages, and their tables */
#define PAGE_SHIFT	12
#define PAGE_SIZE	BIT(PAGE_SHIFT)
#define THREAD_SIZE	(4 * PAGE_SIZE)
#define PG_HWPOISON	20
#define NODES_SHIFT	58

struct page {
	unsigned long		flags;
	struct list_head	lru;
	unsigned long		private;
	/* In a real one, other members: is it in use, has the processor written to it? */
	bool			allocated, dirty;
	/* Checked once, by a check of all */
	unsigned int		seen;
} __aligned(64);

typedef struct { unsigned long pte; } pte_t;
typedef struct { unsigned long pgprot; } pgprot_t;

#define _PAGE_PRESENT		BIT(0)
#define _PAGE_RW		BIT(1)
#define _PAGE_ACCESSED		BIT(5)
#define _PAGE_DIRTY		BIT(6)
#define _PAGE_GLOBAL		BIT(8)
#define _PAGE_NX		BIT(63)
#define PTE_PFN_MASK		GENMASK(51, PAGE_SHIFT)
#define __pgprot(x)		((pgprot_t){ x })
#define pgprot_val(x)		((x).pgprot)
#define PAGE_KERNEL		__pgprot(_PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY | \
					 _PAGE_GLOBAL | _PAGE_NX | sme_me_mask)

extern unsigned long vmemmap_base, sme_me_mask, supported_pte_mask;

#define page_to_nid(page)	((int)((page)->flags >> NODES_SHIFT))
#define page_pgdat(page)	((void)(page), NULL)
#define PageHWPoison(page)	(!!(READ_ONCE((page)->flags) & BIT(PG_HWPOISON)))
#define set_page_private(page, value)	((page)->private = (value))
#define NR_KERNEL_STACK_KB	0
#define mod_node_page_state(node, item, delta)	((void)(node), (void)(delta))

static __always_inline unsigned long page_to_pfn(const struct page *page)
{
	return page - (const struct page *)vmemmap_base;
}

static __always_inline pte_t native_make_pte(unsigned long value)
{
	return (pte_t){ value };
}

static __always_inline pte_t mk_pte(const struct page *page, pgprot_t prot)
{
	return native_make_pte(((page_to_pfn(page) << PAGE_SHIFT) & PTE_PFN_MASK) |
			       (pgprot_val(prot) & supported_pte_mask));
}

static __always_inline void set_pte(pte_t *ptep, pte_t pte)
{
	WRITE_ONCE(ptep->pte, pte.pte);
}

static __always_inline bool pte_young(pte_t pte)
{
	return pte.pte & _PAGE_ACCESSED;
}

static __always_inline pte_t pte_mkyoung(pte_t pte)
{
	return native_make_pte(pte.pte | _PAGE_ACCESSED);
}

static inline void __flush_tlb_all(void) { }

#define GFP_KERNEL		0u
#define __GFP_ZERO		0u
#define __GFP_NOWARN		0u

struct page *alloc_pages_node(int node, gfp_t gfp, unsigned int order);
void __free_page(struct page *page);
void clear_highpage(struct page *page);
#define kcalloc(nr, size, gfp)	host_alloc((nr) * (size) + 0 * (gfp))

/* Events */
enum vm_event_item {
	NR_KSTACK_PARKED, NR_KSTACK_POOL,
	KSTACK_POPULATE, KSTACK_RECLAIM, KSTACK_PARK, KSTACK_RESTORE, KSTACK_COLLECT,
	KSTACK_SHOOTDOWN, KSTACK_FAULT, KSTACK_STARVED,
	NR_VM_EVENT_ITEMS
};

struct vm_event_state {
	unsigned long event[NR_VM_EVENT_ITEMS];
};

DECLARE_PER_CPU(struct vm_event_state, vm_event_states);

#define __count_vm_events(item, delta)	((void)(vm_event_states.event[item] += (delta)))
#define __count_vm_event(item)		__count_vm_events(item, 1)

/* Tracepoints that are off */
#define TP_PROTO(args...)	args
#define TP_ARGS(args...)	args
#define DECLARE_EVENT_CLASS(name, args...)
#define DEFINE_EVENT(class, name, proto, args)	static inline void trace_##name(proto) { }
#define TRACE_EVENT(name, proto, args...)	static inline void trace_##name(proto) { }

/* Tasks */
#define TASK_INTERRUPTIBLE	0x1
#define __TASK_STOPPED		0x4
#define __TASK_TRACED		0x8
#define TASK_PARKED		0x40
#define TASK_NOLOAD		0x400
#define TASK_FROZEN		0x8000
#define PF_EXITING		0x4
#define PF_POSTCOREDUMP		0x8
#define PF_MEMALLOC		0x800
#define PF_KTHREAD		0x200000
#define PF_MEMALLOC_NOFS	0x40000
#define PF_MEMALLOC_NOIO	0x80000
#define SIGNAL_GROUP_EXIT	0x4
#define VM_LOCKED		0x2000
#define TIF_SIGPENDING		2
#define TIF_MEMDIE		20

struct mm_struct {
	unsigned long	total_vm, locked_vm, def_flags;
} __aligned(64);

struct signal_struct {
	unsigned int	flags;
	struct mm_struct *oom_mm;
} __aligned(64);

struct thread_struct {
	unsigned long	sp;
} __aligned(64);

/* The descriptor's address is on a line that a switch needs for nothing else. */
struct task_struct {
	unsigned long		thread_flags;
	unsigned int		__state, saved_state, flags;
	int			on_cpu, on_rq, sched_delayed, prio, exit_signal;
	struct mm_struct	*mm;
	struct signal_struct	*signal;
	struct task_struct	*ring;

	struct dynamic_stack	*dynamic_stack __aligned(64);
	struct thread_struct	thread;

	bool			woken;
};

#define task_curr(tsk)			((tsk)->on_cpu)
#define task_is_runnable(tsk)		((tsk)->on_rq && !(tsk)->sched_delayed)
#define thread_group_leader(tsk)	((tsk)->exit_signal >= 0)
#define rt_or_dl_task(tsk)		((tsk)->prio < 100)
#define test_tsk_thread_flag(tsk, flag)	(!!(READ_ONCE((tsk)->thread_flags) & BIT(flag)))
/* Only for SIGKILL, which nobody sends here. */
#define fatal_signal_pending(tsk)	test_tsk_thread_flag(tsk, TIF_SIGPENDING)
#define tsk_is_oom_victim(tsk)		(!!(tsk)->signal->oom_mm)
int wake_up_process(struct task_struct *tsk);

/* Time and interrupts */
#define HZ			250
#define jiffies			world_jiffies
#define time_after_eq(a, b)	((long)((a) - (b)) >= 0)
#define time_before(a, b)	(!time_after_eq(a, b))
extern volatile unsigned long world_jiffies;

struct irq_work {
	void		(*func)(struct irq_work *work);
	bool		pending;
};

#define IRQ_WORK_INIT_HARD(fn)	((struct irq_work){ .func = (fn) })
bool irq_work_queue(struct irq_work *work);

enum hrtimer_restart { HRTIMER_NORESTART };

struct hrtimer {
	enum hrtimer_restart	(*function)(struct hrtimer *timer);
};

#define hrtimer_setup(timer, func, clock, mode)	((timer)->function = (func))
#define CLOCK_MONOTONIC				1
#define HRTIMER_MODE_REL_PINNED_HARD		0

/* How the sources are started, and what is set from outside */
extern int (*const world_initcall)(void);
#define early_initcall(fn)	int (*const world_initcall)(void) = (fn)
#define core_initcall(fn)	static int (*const world_core_initcall)(void) __used = (fn)
#define __setup(text, fn)	static int (*const world_setup)(char *) __used = (fn)

struct kernel_param;

struct kernel_param_ops {
	int	(*set)(const char *value, const struct kernel_param *param);
	int	(*get)(char *buffer, const struct kernel_param *param);
};

extern const struct kernel_param_ops *const world_param_reclaim;
#define module_param_cb(name, ops, arg, mode)	\
	const struct kernel_param_ops *const world_param_##name = (ops)
#define module_param_named(name, variable, type, mode)	\
	static type *const world_param_##name __used = &(variable)
int world_match(const char *const *name, size_t nr, const char *value);
#define sysfs_match_string(names, value)	world_match(names, ARRAY_SIZE(names), value)
int sysfs_emit(char *buffer, const char *fmt, ...) __printf(2, 3);
int kstrtobool(const char *text, bool *value);

/* The processor */
#define X86_FEATURE_XENPV		0
#define X86_VENDOR_INTEL		0
#define X86_VENDOR_AMD			2
#define X86_VENDOR_HYGON		9
#define cpu_feature_enabled(feature)	((feature) != 0)
#define boot_cpu_data			((struct { int x86_vendor; }){ X86_VENDOR_AMD })

#endif
