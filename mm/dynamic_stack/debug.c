// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: checks of each page's owner, and what widens races and
 * makes failures up, for the tests. Nothing of this is in a kernel for use.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/moduleparam.h>

#include "internal.h"

/* The parameters belong to the feature, not to this file. */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "dynamic_stack."

/* Milliseconds between a collector's look and its deed, to widen races. */
static unsigned int dynamic_stack_delay;
module_param_named(delay_ms, dynamic_stack_delay, uint, 0644);

void dstack_delay(void)
{
	if (dynamic_stack_delay)
		msleep(dynamic_stack_delay);
}

/* Milliseconds in the collector, when it has taken pages and given none away. */
static unsigned int dynamic_stack_delay_give;
module_param_named(delay_give_ms, dynamic_stack_delay_give, uint, 0644);

void dstack_give_delay(void)
{
	if (dynamic_stack_delay_give)
		msleep(dynamic_stack_delay_give);
}

/* Microseconds in the switch, before it maps parked pages. */
static unsigned int dynamic_stack_delay_us;
module_param_named(delay_us, dynamic_stack_delay_us, uint, 0644);

void dstack_switch_delay(void)
{
	udelay(min(READ_ONCE(dynamic_stack_delay_us), 5000U));
}

/*
 * A page that is live in two places is the worst that can go wrong here. Each
 * PTE write checks that the page belongs to this stack.
 */
void dstack_check_owner(struct dynamic_stack *ds, struct page *page)
{
	WARN_ONCE(page_private(page) != (unsigned long)ds,
		  "stack frame %lx is owned by %lx, mapped by %p\n",
		  page_to_pfn(page), page_private(page), ds);
}

void dstack_set_owner(struct dynamic_stack *ds, struct page *page)
{
	WARN_ONCE(ds && page_private(page),
		  "stack frame %lx changes hands from %lx to %p\n",
		  page_to_pfn(page), page_private(page), ds);
	set_page_private(page, (unsigned long)ds);
}

/* What leaves a pool was cleared, and not written since. */
void dstack_check_clean(struct page *page)
{
	WARN_ONCE(memchr_inv(page_address(page), 0, PAGE_SIZE),
		  "stack frame %lx is not clean\n", page_to_pfn(page));
}

/**
 * dstack_assert_state - may the state of a stack's pages be written now?
 * @ds: the stack
 *
 * See struct dynamic_stack for who may.
 *
 * Context: where it is written.
 */
void dstack_assert_state(const struct dynamic_stack *ds)
{
	struct task_struct *tsk = READ_ONCE(ds->task);

	/* Nobody else can find it; or a task of a test, which the scheduler does not know. */
	if (!tsk || !tsk->pid)
		return;
	/* The switch. */
	if (dynamic_stack_rq_locked() && task_cpu(tsk) == raw_smp_processor_id())
		return;
	/* A callback of task_call_func(). */
	if ((!IS_ENABLED(CONFIG_LOCKDEP) || lockdep_is_held(&tsk->pi_lock)) && dstack_off_cpu(tsk))
		return;
	if (IS_ENABLED(CONFIG_DYNAMIC_STACK_FAULT) && tsk == current)
		return;
	/* A runqueue lock may be held. */
	printk_deferred_enter();
	WARN_ONCE(1, "the stack of %s/%d is changed by %s/%d, who may not\n",
		  tsk->comm, tsk->pid, current->comm, current->pid);
	printk_deferred_exit();
}

#ifdef CONFIG_PROVE_LOCKING
/* For lock_classes[]: a lock's map does not tell the class of a nested one. */
#include "../../kernel/locking/lockdep_internals.h"

static DEFINE_RAW_SPINLOCK(reclaim_lock);
static DECLARE_BITMAP(reclaim_seen, MAX_LOCKDEP_KEYS);
static u16 reclaim_todo[MAX_LOCKDEP_KEYS];

/*
 * May memory reclaim wait for a lock of this class, or for one whose holder may
 * wait for it, and so on? Lockdep links a lock to the one that was taken before
 * it, so this walks back until it finds what stands for reclaim.
 */
static bool lock_in_reclaim(struct lock_class *class)
{
	unsigned int nr = 0;
	bool found = false;

	raw_spin_lock(&reclaim_lock);
	bitmap_zero(reclaim_seen, MAX_LOCKDEP_KEYS);
	__set_bit(class - lock_classes, reclaim_seen);
	reclaim_todo[nr++] = class - lock_classes;
	while (nr && !found) {
		struct lock_list *entry;

		class = lock_classes + reclaim_todo[--nr];
		list_for_each_entry_rcu(entry, &class->locks_before, entry) {
			unsigned long i = entry->class - lock_classes;

			found |= entry->class->name && !strcmp(entry->class->name, "fs_reclaim");
			if (i < MAX_LOCKDEP_KEYS && !__test_and_set_bit(i, reclaim_seen))
				reclaim_todo[nr++] = i;
		}
	}
	raw_spin_unlock(&reclaim_lock);
	return found;
}
#endif

/*
 * That a sleep is interruptible does not prove that nothing is held over it that
 * memory reclaim may wait for. Lockdep knows, of locks: not of locked folios,
 * writeback or completions.
 *
 * The task is off the CPU, or was switched out just now, so that its held locks
 * stay as they are. Interrupts are off, which serves as RCU's read side; a
 * runqueue lock is held, so that nothing may be printed at once.
 */
void dstack_check_locks(struct task_struct *tsk)
{
#ifdef CONFIG_PROVE_LOCKING
	int i;

	for (i = 0; i < tsk->lockdep_depth && debug_locks; i++) {
		struct lock_class *class = lock_classes + tsk->held_locks[i].class_idx;

		if (!lock_in_reclaim(class))
			continue;
		printk_deferred_enter();
		WARN_ONCE(1, "%s is shrunk and holds %s, which reclaim may wait for\n",
			  tsk->comm, class->name);
		printk_deferred_exit();
	}
#endif
}

/*
 * Behind the back of the proof that the Accessed flag can be trusted: which of
 * its steps finds the flag, or the page, wrong, and from which CPU on.
 */
static unsigned int dynamic_stack_proof_lie, dynamic_stack_proof_lie_cpu;
module_param_named(proof_lie, dynamic_stack_proof_lie, uint, 0644);
module_param_named(proof_lie_cpu, dynamic_stack_proof_lie_cpu, uint, 0644);

bool dstack_proof_lie(enum dynamic_stack_proof step)
{
	return dynamic_stack_proof_lie == step &&
	       raw_smp_processor_id() >= dynamic_stack_proof_lie_cpu;
}

/* dynamic_stack.empty_ms: for so long there is no page for anyone. */
static unsigned long kstack_empty_until;

bool kstack_empty(void)
{
	unsigned long until = READ_ONCE(kstack_empty_until);

	return until && time_before(jiffies, until);
}

static int empty_set(const char *val, const struct kernel_param *kp)
{
	unsigned int ms;
	int err = kstrtouint(val, 0, &ms);

	if (!err)
		WRITE_ONCE(kstack_empty_until, (jiffies + msecs_to_jiffies(ms)) ?: 1);
	return err;
}

static const struct kernel_param_ops empty_ops = {
	.set = empty_set,
};
module_param_cb(empty_ms, &empty_ops, NULL, 0200);
