// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: the collector.
 *
 * A page that was touched may be in any CPU's TLB, so it stays with its stack
 * when the task is switched out. The collector takes such pages from stacks
 * whose task did not run across one shootdown for all of them.
 *
 * It sees only stacks that something happened to: the switch from a task queues
 * its stack, with reclaim=switch only if it parked a page; and it stays
 * queued until there is nothing left to take. The cost of a pass does not
 * depend on how many threads sleep.
 */
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/sched/isolation.h>
#include <linux/sched/rt.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/shrinker.h>
#include <linux/sysctl.h>
#include <linux/wait.h>
#include <uapi/linux/sched/types.h>

#include <asm/tlbflush.h>

#include "internal.h"

#include <trace/events/dynamic_stack.h>

/* How often kstack_collectd looks, and how long a task must have slept; in milliseconds. */
unsigned int kstack_collect_period __read_mostly = 1000;
static unsigned int kstack_collect_sleep __read_mostly = 1000;

/* A shootdown for less than this has to wait a few periods for company. */
#define COLLECT_MIN_PAGES	16
#define COLLECT_PATIENCE	8

/* Memory reclaim may ask for a shootdown this often. */
#define COLLECT_SHRINK_INTERVAL	(HZ / 10)

/*
 * From whom reclaim takes: what slept for less will want it back soon, and would
 * take it from the pools when they can least be filled.
 */
#define COLLECT_SHRINK_SLEEP_MS	1000U

/*
 * CPUs that starve may cause one this often, all of them together. They take
 * nothing from a user task that slept for less, and nothing from a kernel thread
 * that did something within the last second: it may use what is kept for
 * emergencies, and these must not become what all others run on.
 */
#define COLLECT_STARVED_INTERVAL	DIV_ROUND_UP(HZ, 50)

/* How long an OOM kill waits for a pass, and how long none does then. */
#define COLLECT_OOM_WAIT	(HZ / 10)
#define COLLECT_OOM_INTERVAL	(10 * HZ)

/*
 * Isolated CPUs are interrupted for no less than this, and no more often, unless
 * memory is short: 2 MiB, a minute.
 */
#define COLLECT_ISOLATED_PAGES	512
#define COLLECT_ISOLATED_INTERVAL	(60 * HZ)

/*
 * Guards the lists below. Only ever tried: a thread that fills a starved pool
 * must not wait for one that could be preempted.
 */
static DEFINE_MUTEX(collect_mutex);
static LIST_HEAD(collect_active);
/*
 * How many complete stacks the last pass left on it though their tasks have slept
 * long enough for reclaim: because the period is 0, or sleepers must be older.
 */
static unsigned int collect_nr_held;
/* When the last pass was, and the last that took all that reclaim may have. */
static unsigned long collect_passed = INITIAL_JIFFIES;
static unsigned long collect_reclaimed = INITIAL_JIFFIES;
/* Passes for somebody who would kill a task else, and what the last one took. */
static unsigned int collect_oom_passes;
static unsigned long collect_oom_taken;
static DECLARE_WAIT_QUEUE_HEAD(collect_wait);
static unsigned int collect_patience;
/* When the last shootdown was. */
static unsigned long collect_flushed = INITIAL_JIFFIES;

/*
 * The owner, with a reference on it and on its stack. NULL if it is about to
 * give up the stack. *@orphan: nobody owns the stack, and it is unqueued.
 */
static struct task_struct *dstack_get_task(struct dynamic_stack *ds, bool *orphan)
{
	struct task_struct *tsk, *put = NULL;
	unsigned long flags;

	/*
	 * The owner clears ds->task, under the lock, before it can be freed.
	 * Its first switch sets it under the lock, before it looks whether the
	 * stack is still queued from an earlier life.
	 */
	raw_spin_lock_irqsave(&ds->lock, flags);
	tsk = ds->task;
	*orphan = !tsk;
	if (!tsk) {
		ds->queued = false;
	} else {
		/* The task first: whoever holds its stack may drop both. */
		get_task_struct(tsk);
		if (!try_get_task_stack(tsk)) {
			put = tsk;
			tsk = NULL;
		}
	}
	raw_spin_unlock_irqrestore(&ds->lock, flags);
	if (put)
		put_task_struct(put);
	return tsk;
}

static void dstack_put_task(struct task_struct *tsk)
{
	put_task_stack(tsk);
	put_task_struct(tsk);
}

enum { COLLECT_WAIT, COLLECT_DONE, COLLECT_TAKE };

struct collect_args {
	struct dynamic_stack	*ds;
	unsigned long		min_age;
	unsigned long		min_age_kthread;
	bool			hold;		/* take nothing now */
#ifdef CONFIG_DYNAMIC_STACK_VACATE
	bool			vacate;		/* the top page may be taken */
#endif
	unsigned int		held;		/* stacks that reclaim could shrink */
	struct list_head	*pages;
	unsigned int		nr;
	unsigned int		which;		/* bit i is set: page i is on @pages */
};

#ifdef CONFIG_DYNAMIC_STACK_VACATE
/* Not for those who are in need: a kstackd, or memory reclaim. It takes memory first. */
static void collect_may_vacate(struct collect_args *args, enum kstack_collect why)
{
	args->vacate = why == KSTACK_COLLECT_AGED || why == KSTACK_COLLECT_ALL;
}

static bool collect_vacates(const struct collect_args *args)
{
	return args->vacate;
}
#else
static void collect_may_vacate(struct collect_args *args, enum kstack_collect why) { }
static bool collect_vacates(const struct collect_args *args) { return false; }
#endif

/* First half of a pass, under task_call_func(): what is there to take? */
static int collect_prepare(struct task_struct *tsk, void *data)
{
	struct collect_args *args = data;
	struct dynamic_stack *ds = args->ds;
	unsigned int takable;

	if (!dstack_off_cpu(tsk) || time_before(jiffies, ds->last_out + args->min_age))
		return COLLECT_WAIT;
	if ((tsk->flags & PF_KTHREAD) && time_before(jiffies, ds->last_out + args->min_age_kthread))
		return COLLECT_WAIT;

	dstack_assert_state(ds);
	if (!dstack_may_shrink(tsk)) {
		/* Woken up, it runs soon. Whole, it is queued again when it has run. */
		if (ds->parked)
			return COLLECT_WAIT;
		ds->queued = false;
		return COLLECT_DONE;
	}

	if (args->hold) {
		args->held += dstack_complete(ds);
		return COLLECT_WAIT;
	}

	/* With "switch", it left the CPU when the policy was another. */
	if (dstack_complete(ds)) {
		if (READ_ONCE(dynamic_stack_reclaim) == DSTACK_RECLAIM_NEVER)
			return COLLECT_WAIT;
		dstack_check_locks(tsk);
		dstack_park(ds, arch_dynamic_stack_sp(tsk));
		trace_dynamic_stack_park(tsk, ds->mapped, ds->parked);
	}

	takable = dstack_takable(tsk, ds->parked, collect_vacates(args));
	if (!takable) {
		if (dstack_vacate_waits(tsk))
			return COLLECT_WAIT;
		/* Only now, when the task can't be switched out again. */
		ds->queued = false;
		return COLLECT_DONE;
	}
	ds->snap = ds->seq;
	args->nr += hweight32(takable);
	return COLLECT_TAKE;
}

/*
 * Second half, after the shootdown, under task_call_func(): if the task has
 * not run, then its PTEs have been 0 since before the shootdown, and no TLB
 * can know the pages (I3). To map them would have counted up seq.
 */
static int collect_take(struct task_struct *tsk, void *data)
{
	struct collect_args *args = data;
	struct dynamic_stack *ds = args->ds;
	unsigned int i, stay;

	/* Who was woken up meanwhile must not have to wait for what is still its own. */
	if (!dstack_off_cpu(tsk) || dstack_complete(ds) || !dstack_may_shrink(tsk))
		return COLLECT_WAIT;
	if (ds->seq != ds->snap)
		return COLLECT_WAIT;

	dstack_assert_state(ds);
	stay = dstack_vacate(tsk, collect_vacates(args));
	for (i = 0; i < DSTACK_PAGES; i++) {
		if (!(ds->parked & ~stay & BIT(i)))
			continue;
		dstack_check_owner(ds, ds->page[i]);
		dstack_set_owner(NULL, ds->page[i]);
		list_add_tail(&ds->page[i]->lru, args->pages);
		WRITE_ONCE(ds->page[i], NULL);
		args->nr++;
	}
	__count_vm_events(NR_KSTACK_PARKED, -(long)hweight32(ds->parked & ~stay));
	args->which = ds->parked & ~stay;
	ds->parked &= stay;
	if (dstack_vacate_waits(tsk))
		return COLLECT_WAIT;
	ds->queued = false;
	return COLLECT_DONE;
}

/* A stack's lowest word in use is about to be cleared. Remember where it was. */
static void collect_note_depth(struct dynamic_stack *ds, struct list_head *pages,
			       unsigned int which)
{
	unsigned long *word, *end;
	struct page *page;

	list_for_each_entry(page, pages, lru) {
		unsigned int i = __ffs(which);

		which &= ~BIT(i);
		if (PageHWPoison(page))
			continue;
		word = page_address(page);
		end = word + PAGE_SIZE / sizeof(*word);
		while (word < end && !*word)
			word++;
		if (word == end)
			continue;
		WRITE_ONCE(ds->unused, min_t(unsigned int, ds->unused,
					     i * PAGE_SIZE + offset_in_page(word)));
		return;
	}
}

/*
 * One pass. A stack is on one list at a time: collect_active, or @take while it
 * waits for the shootdown, or @done when it is unqueued.
 */
struct collect_pass {
	struct collect_args	args;
	struct list_head	take;
	struct list_head	done;
	struct list_head	pages;
	unsigned int		visited;
	unsigned int		stacks;
	unsigned int		taken;
};

/* What the CPUs have queued since the last pass. */
static void collect_gather(void)
{
	struct dynamic_stack *ds;
	int cpu;

	lockdep_assert_held(&collect_mutex);
	for_each_possible_cpu(cpu) {
		struct llist_node *first = llist_del_all(per_cpu_ptr(&dstack_queued, cpu));

		llist_for_each_entry(ds, first, node)
			list_add_tail(&ds->list, &collect_active);
	}
}

static unsigned long collect_min_age(enum kstack_collect why)
{
	unsigned int ms = READ_ONCE(kstack_collect_sleep);

	switch (why) {
	case KSTACK_COLLECT_ALL:
		return 0;
	case KSTACK_COLLECT_STARVED:
		return min(msecs_to_jiffies(ms), (unsigned long)COLLECT_STARVED_INTERVAL);
	case KSTACK_COLLECT_PRESSURE:
	case KSTACK_COLLECT_OOM:
		ms = min(ms, COLLECT_SHRINK_SLEEP_MS);
		break;
	case KSTACK_COLLECT_AGED:
		break;
	}
	return msecs_to_jiffies(ms);
}

/* It ran not long ago: collect_prepare() would say COLLECT_WAIT. */
static bool collect_too_early(struct dynamic_stack *ds, unsigned long min_age)
{
	/* If this is old, then the next pass sees it, or collect_prepare(). */
	return data_race(ds->task) && time_before(jiffies, data_race(ds->last_out) + min_age);
}

/* Sort them. Those on @take keep their task, and its stack, referenced. */
static void collect_choose(struct collect_pass *pass)
{
	unsigned long for_reclaim = collect_min_age(KSTACK_COLLECT_PRESSURE);
	struct dynamic_stack *ds, *next;

	lockdep_assert_held(&collect_mutex);
	list_for_each_entry_safe(ds, next, &collect_active, list) {
		struct task_struct *tsk;
		bool orphan;

		/* There may be very many, and nobody waits for collect_mutex. */
		cond_resched();
		pass->visited++;
		if (dstack_vacate_too_early(ds))
			continue;
		if (collect_too_early(ds, pass->args.min_age)) {
			pass->args.held += !collect_too_early(ds, for_reclaim);
			continue;
		}
		tsk = dstack_get_task(ds, &orphan);
		if (orphan)
			list_move(&ds->list, &pass->done);
		if (!tsk)
			continue;
		pass->args.ds = ds;
		switch (task_call_func(tsk, collect_prepare, &pass->args)) {
		case COLLECT_TAKE:
			list_move(&ds->list, &pass->take);
			continue;
		case COLLECT_DONE:
			list_move(&ds->list, &pass->done);
			break;
		case COLLECT_WAIT:
			break;
		}
		dstack_put_task(tsk);
	}
}

/* Is there a CPU that asked not to be interrupted, and would be? */
static bool collect_isolated(void)
{
	bool isolated = false;
	int cpu;

	if (ARCH_DYNAMIC_STACK_FLUSH_PAGES)
		return false;
	/* A cpuset may replace the mask meanwhile. */
	rcu_read_lock();
	for_each_online_cpu(cpu) {
		/* Later kernels don't count nohz_full= as isolated. */
		isolated = cpu_is_isolated(cpu) || !housekeeping_cpu(cpu, HK_TYPE_TICK);
		if (isolated)
			break;
	}
	rcu_read_unlock();
	return isolated;
}

/* Nobody is in need. Are so many pages worth a shootdown? */
static bool collect_enough(unsigned int nr)
{
	if (collect_isolated())
		return nr >= COLLECT_ISOLATED_PAGES &&
		       time_after_eq(jiffies, collect_flushed + COLLECT_ISOLATED_INTERVAL);
	return nr >= COLLECT_MIN_PAGES || ++collect_patience >= COLLECT_PATIENCE;
}

/*
 * Is it worth a shootdown? If not, wait for company. That memory is reclaimed does
 * not mean that it is short: to read a large file is enough.
 */
static bool collect_worthwhile(struct collect_pass *pass, enum kstack_collect why)
{
	bool now = why != KSTACK_COLLECT_AGED &&
		   !(why == KSTACK_COLLECT_PRESSURE && collect_isolated());
	struct dynamic_stack *ds;

	if (list_empty(&pass->take))
		return false;
	if (now || collect_enough(pass->args.nr)) {
		collect_patience = 0;
		return true;
	}
	list_for_each_entry(ds, &pass->take, list)
		dstack_put_task(ds->task);
	list_splice_init(&pass->take, &collect_active);
	return false;
}

/*
 * All that is parked, or at least the pages of those stacks on @take whose tasks
 * don't run meanwhile: to map a stack changes parked, but it also counts up seq.
 */
static void collect_flush_tlbs(struct collect_pass *pass)
{
	struct dynamic_stack *ds;

	if (!ARCH_DYNAMIC_STACK_FLUSH_PAGES || pass->args.nr > ARCH_DYNAMIC_STACK_FLUSH_PAGES) {
		flush_tlb_all();
		return;
	}
	arch_dynamic_stack_flush_begin();
	list_for_each_entry(ds, &pass->take, list) {
		/* If it changes, nothing is taken from this stack. */
		unsigned long parked = data_race(READ_ONCE(ds->parked));
		unsigned int i;

		for_each_set_bit(i, &parked, DSTACK_PAGES)
			arch_dynamic_stack_flush_page(ds->base + i * PAGE_SIZE);
	}
	arch_dynamic_stack_flush_end();
}

/* No TLB knows a page any more whose PTE was cleared before this. */
static void collect_flush(struct collect_pass *pass)
{
	/*
	 * The cleared PTEs before the look at the online CPUs: pairs with
	 * arch_dynamic_stack_cpu_online().
	 */
	smp_mb();
	collect_flush_tlbs(pass);
	WRITE_ONCE(collect_flushed, jiffies);
	count_vm_event(KSTACK_SHOOTDOWN);
	dstack_delay();
}

static void collect_take_all(struct collect_pass *pass)
{
	struct dynamic_stack *ds, *next;
	LIST_HEAD(pages);

	lockdep_assert_held(&collect_mutex);
	pass->args.pages = &pages;
	pass->args.nr = 0;
	list_for_each_entry_safe(ds, next, &pass->take, list) {
		struct task_struct *tsk = ds->task;

		cond_resched();
		pass->args.ds = ds;
		pass->stacks++;
		if (task_call_func(tsk, collect_take, &pass->args) == COLLECT_DONE)
			list_move(&ds->list, &pass->done);
		else
			list_move(&ds->list, &collect_active);
		if (IS_ENABLED(CONFIG_DEBUG_STACK_USAGE))
			collect_note_depth(ds, &pages, pass->args.which);
		list_splice_init(&pages, &pass->pages);
		dstack_put_task(tsk);
	}
	pass->taken = pass->args.nr;
	count_vm_events(KSTACK_COLLECT, pass->taken);
}

/* These are off the collector's lists, but may be queued again by now. */
static void collect_release(struct collect_pass *pass)
{
	struct dynamic_stack *ds, *next;

	lockdep_assert_held(&collect_mutex);
	WRITE_ONCE(collect_nr_held, pass->args.held);
	WRITE_ONCE(collect_passed, jiffies);
	/* Another one for reclaim would find nothing; after others, it may. */
	if (!pass->args.hold && pass->args.min_age <= collect_min_age(KSTACK_COLLECT_PRESSURE))
		WRITE_ONCE(collect_reclaimed, jiffies);
	list_for_each_entry_safe(ds, next, &pass->done, list) {
		list_del(&ds->list);
		dstack_put(ds);
	}
}

/* One by one: a CPU that starves must not wait until all are cleared. */
static void collect_recycle(struct collect_pass *pass)
{
	struct page *page, *next;

	if (pass->taken)
		dstack_give_delay();
	list_for_each_entry_safe(page, next, &pass->pages, lru) {
		kstack_page_recycle(page);
		cond_resched();
	}
	kstack_poke_collector();
}

/*
 * Whoever holds collect_mutex is waited for by all, and may stand behind others on
 * its CPU. If it is kstack_collectd, it gets the best niceness. It does not become a
 * real-time task: those that it would wait for then may never sleep, while a fair
 * task has the fair server. If it is a kstackd, it gets the highest priority.
 */
static struct task_struct *collect_kstackd;
/* When whoever has collect_mutex took it. */
static unsigned long collect_began = INITIAL_JIFFIES;

/* It is over. Whoever is hurried too late is not hurried any more. */
static void collectd_step_back(void)
{
	if (unlikely(READ_ONCE(kstack_collectd.hurried)) && xchg(&kstack_collectd.hurried, false))
		set_user_nice(kstack_collectd.task, 0);
}

static void collectd_hurry(void)
{
	struct task_struct *tsk = kstack_collectd.task;
	bool rt = READ_ONCE(tsk->rt_priority);

	/* Whoever let the last one step back may have done so only now. */
	if (READ_ONCE(kstack_collectd.hurried) && !rt && task_nice(tsk) == MIN_NICE)
		return;
	/* Somebody has made it a real-time task: it would wait for those above it. */
	if (rt)
		sched_set_normal(tsk, MIN_NICE);
	else
		set_user_nice(tsk, MIN_NICE);
	/* Pairs with collect_end(): one of the two sees the other's. */
	smp_store_mb(kstack_collectd.hurried, true);
	if (!READ_ONCE(kstack_collectd.busy))
		collectd_step_back();
}

#define KSTACKD_HURRIED	(MAX_RT_PRIO - 1)

/*
 * To what every kstackd has from its start, not to what it had when the pass began:
 * that may be what somebody gave it who was late for the pass before.
 */
static void kstackd_step_back(struct task_struct *tsk)
{
	if (unlikely(READ_ONCE(tsk->rt_priority) == KSTACKD_HURRIED))
		sched_set_fifo(tsk);
}

static void kstackd_raise(struct task_struct *tsk)
{
	sched_setscheduler_nocheck(tsk, SCHED_FIFO,
				   &(struct sched_param){ .sched_priority = KSTACKD_HURRIED });
}

static void kstackd_hurry_task(struct task_struct *tsk)
{
	if (READ_ONCE(tsk->rt_priority) == KSTACKD_HURRIED)
		return;
	kstackd_raise(tsk);
	/* Pairs with collect_end(). */
	smp_mb();
	if (READ_ONCE(collect_kstackd) != tsk)
		kstackd_step_back(tsk);
}

static void kstackd_hurry(void)
{
	struct task_struct *tsk;

	/* It can't be freed while it is found to be in a pass here. */
	rcu_read_lock();
	tsk = READ_ONCE(collect_kstackd);
	if (tsk)
		get_task_struct(tsk);
	rcu_read_unlock();
	if (!tsk)
		return;
	kstackd_hurry_task(tsk);
	put_task_struct(tsk);
}

/* Take collect_mutex, and be known to have it, before anybody else can run here. */
static bool collect_begin(void)
{
	bool locked;

	if (current == kstack_collectd.task)
		/* Before it has the lock: a kstackd that does not get it looks here. */
		smp_store_mb(kstack_collectd.busy, true);
	preempt_disable();
	locked = mutex_trylock(&collect_mutex);
	if (locked)
		WRITE_ONCE(collect_began, jiffies);
	/*
	 * By what it is, not by its priority: that may be lent, or somebody may have
	 * taken it away. Others are tests.
	 */
	if (locked && current != kstack_collectd.task && current->flags & PF_KTHREAD)
		WRITE_ONCE(collect_kstackd, current);
	preempt_enable();
	return locked;
}

static void collect_unlock(void)
{
	preempt_disable();
	WRITE_ONCE(collect_kstackd, NULL);
	mutex_unlock(&collect_mutex);
	preempt_enable();
}

/* With or without the lock, all is done. */
static void collect_end(void)
{
	if (current == kstack_collectd.task) {
		/* Pairs with collectd_hurry(). */
		smp_store_mb(kstack_collectd.busy, false);
		collectd_step_back();
	} else {
		/* Pairs with kstackd_hurry_task(). */
		smp_mb();
		kstackd_step_back(current);
	}
}

/* One pass, however early; see kstack_collect(). */
long kstack_collect_once(enum kstack_collect why)
{
	struct collect_pass pass = {
		.args = {
			.min_age = collect_min_age(why),
			.min_age_kthread = why == KSTACK_COLLECT_STARVED ?
					   collect_min_age(KSTACK_COLLECT_PRESSURE) : 0,
			/* Only descriptors that nobody owns any more. */
			.hold = why == KSTACK_COLLECT_AGED && !READ_ONCE(kstack_collect_period),
		},
		.take = LIST_HEAD_INIT(pass.take),
		.done = LIST_HEAD_INIT(pass.done),
		.pages = LIST_HEAD_INIT(pass.pages),
	};

	collect_may_vacate(&pass.args, why);
	if (collect_vacates(&pass.args))
		kstack_copies_prepare();
	if (!collect_begin()) {
		/* If nobody waits for pages, only one that has been at it for long. */
		if (why != KSTACK_COLLECT_AGED ||
		    time_after(jiffies, READ_ONCE(collect_began) + HZ))
			kstackd_hurry();
		collect_end();
		return -EBUSY;
	}

	if (collect_vacates(&pass.args))
		kstack_copies_begin();
	collect_gather();
	collect_choose(&pass);
	if (collect_worthwhile(&pass, why)) {
		collect_flush(&pass);
		collect_take_all(&pass);
	}
	collect_release(&pass);
	/* What it took is nobody's until then: others could only take less. */
	collect_recycle(&pass);
	collect_unlock();

	collect_end();
	if (pass.visited)
		trace_dynamic_stack_collect(pass.visited, pass.stacks, pass.taken);
	return pass.taken;
}

/**
 * kstack_collect - take parked pages from sleeping tasks
 * @why: decides how long tasks must have slept, and whether to wait for company.
 *	Starved CPUs may do it each 20 ms, all of them together: each pass looks at
 *	all sleepers, and interrupts all CPUs.
 *
 * The pages are cleared and given to the pools.
 *
 * Context: kstack_collectd, or a kstackd; interrupts on. Nobody else: whoever holds
 * collect_mutex must be able to run, whatever bandwidth its group or its niceness
 * leaves to others. Sends IPIs, may be preempted, but neither waits nor allocates.
 * Return: number of pages taken. -EBUSY if another thread is at it, -EAGAIN if it
 * is too early.
 */
long kstack_collect(enum kstack_collect why)
{
	static unsigned long last = INITIAL_JIFFIES - HZ;
	long taken;

	if (IS_ENABLED(CONFIG_DYNAMIC_STACK_DEBUG))
		WARN_ON_ONCE(!(current->flags & PF_KTHREAD));
	if (why == KSTACK_COLLECT_STARVED) {
		unsigned long was = READ_ONCE(last), now = jiffies;

		if (time_before(now, was + COLLECT_STARVED_INTERVAL) ||
		    cmpxchg(&last, was, now) != was)
			return -EAGAIN;
	}
	taken = kstack_collect_once(why);
	if (why == KSTACK_COLLECT_STARVED) {
		/* It has the lock, or the pages; that it has not is seen late at worst. */
		smp_mb();
		if (taken <= 0 && READ_ONCE(kstack_collectd.busy)) {
			taken = -EBUSY;
			collectd_hurry();
		}
		WRITE_ONCE(last, jiffies);
	}
	/* Who did not look has not answered. */
	if (why == KSTACK_COLLECT_OOM && taken >= 0) {
		WRITE_ONCE(collect_oom_taken, taken);
		/* Pairs with kstack_oom(): who sees the pass sees what it took. */
		smp_store_release(&collect_oom_passes, collect_oom_passes + 1);
		wake_up_all(&collect_wait);
	}
	return taken;
}

/**
 * kstack_collect_pressed - the pass that who reclaims memory has asked for, if any
 *
 * Somebody who would kill a task else is waiting, so that request stays until there
 * is an answer.
 *
 * Context: kstack_collectd.
 * Return: number of pages taken. -EBUSY if another thread is at it.
 */
long kstack_collect_pressed(void)
{
	enum kstack_collect why = xchg(&kstack_collectd.pressed, KSTACK_COLLECT_AGED);
	long taken;

	if (why == KSTACK_COLLECT_AGED)
		return 0;
	taken = kstack_collect(why);
	if (taken < 0 && why == KSTACK_COLLECT_OOM)
		WRITE_ONCE(kstack_collectd.pressed, why);
	return taken;
}

#ifdef CONFIG_SYSCTL
/* A new period starts at once. */
static int kstack_period_handler(const struct ctl_table *table, int write,
				 void *buffer, size_t *lenp, loff_t *ppos)
{
	int err = proc_douintvec(table, write, buffer, lenp, ppos);

	if (!err && write)
		kstack_wake_collector();
	return err;
}
#endif

/**
 * kstack_collect_idle - is there nothing to look at?
 *
 * With collect_mutex, or another thread may have the stacks on its own lists.
 *
 * Context: kstack_collectd.
 * Return: true if no stack is queued.
 */
bool kstack_collect_idle(void)
{
	bool idle = false;
	int cpu;

	if (collect_begin()) {
		idle = list_empty(&collect_active);
		for_each_possible_cpu(cpu)
			idle &= llist_empty(per_cpu_ptr(&dstack_queued, cpu));
		collect_unlock();
	}
	collect_end();
	return idle;
}

/* Pages that a shootdown may yield. Of a complete stack, one at least. */
static unsigned long collect_estimate(void)
{
	unsigned long nr = dstack_vm_event(NR_KSTACK_PARKED) + READ_ONCE(collect_nr_held);

	/* Long ago, or kstack_collectd is held up: who knows? */
	if (time_after(jiffies, READ_ONCE(collect_passed) + 3 * HZ) &&
	    !READ_ONCE(kstack_collectd.asleep))
		nr = max(nr, (unsigned long)COLLECT_MIN_PAGES);
	return nr;
}

/* May reclaim have a pass? Not if there was one just now, or nothing to gain. */
static bool collect_due(void)
{
	unsigned long nr = collect_estimate();

	if (nr < COLLECT_MIN_PAGES ||
	    time_before_eq(jiffies, READ_ONCE(collect_reclaimed) + COLLECT_SHRINK_INTERVAL))
		return false;
	/* It would take nothing, see collect_enough(). */
	return !collect_isolated() || (nr >= COLLECT_ISOLATED_PAGES &&
				       time_after_eq(jiffies, READ_ONCE(collect_flushed) +
						     COLLECT_ISOLATED_INTERVAL));
}

/*
 * Under pressure: pages on the overflow lists are free for the taking; parked
 * ones cost a shootdown, which is still cheaper than to swap.
 */
static unsigned long kstack_shrink_count(struct shrinker *shrink, struct shrink_control *sc)
{
	unsigned long nr = kstack_overflow_nr() + collect_estimate();

	/* A process of very many threads may be going. */
	if (dstack_any_dead())
		nr += COLLECT_MIN_PAGES;
	return nr ?: SHRINK_EMPTY;
}

static void collect_press(enum kstack_collect why)
{
	/* The more urgent one stays. */
	if (why == KSTACK_COLLECT_OOM)
		WRITE_ONCE(kstack_collectd.pressed, why);
	else
		cmpxchg(&kstack_collectd.pressed, KSTACK_COLLECT_AGED, why);
	wake_up_process(kstack_collectd.task);
}

/* A pass frees its pages later, see kstack_collect() for why. */
static unsigned long kstack_shrink_scan(struct shrinker *shrink, struct shrink_control *sc)
{
	unsigned long freed = kstack_overflow_trim();

	dstack_hurry_dead();
	/* It may be here for long, while it is waited for. */
	if (current == kstack_collectd.task &&
	    READ_ONCE(kstack_collectd.pressed) == KSTACK_COLLECT_OOM &&
	    kstack_collect_pressed() > 0)
		freed += kstack_overflow_trim();
	if (freed >= sc->nr_to_scan || !collect_due())
		return freed ?: SHRINK_STOP;
	if (current != kstack_collectd.task)
		collect_press(KSTACK_COLLECT_PRESSURE);
	else if (kstack_collect(KSTACK_COLLECT_PRESSURE) > 0)
		freed += kstack_overflow_trim();
	return freed ?: SHRINK_STOP;
}

/*
 * The last chance: before a task is killed for memory, wait a moment for what its
 * sleepers would give. Who waits is allocating, and whole. Not each time: what is
 * taken from sleepers they want back, so there may always be a little, and then
 * nobody would ever be killed; and others who must not kill may ask all the time,
 * with oom_lock. Others may have freed the pages before this one could.
 */
static int kstack_oom(struct notifier_block *nb, unsigned long unused, void *data)
{
	static unsigned long last = INITIAL_JIFFIES - COLLECT_OOM_INTERVAL;
	unsigned int passes = READ_ONCE(collect_oom_passes);
	unsigned long *freed = data, got, taken = 0;

	dstack_hurry_dead();
	got = kstack_overflow_trim();
	if (time_before(jiffies, last + COLLECT_OOM_INTERVAL))
		return NOTIFY_OK;
	if (collect_estimate() >= COLLECT_MIN_PAGES) {
		/* Also if it waits in vain. */
		last = jiffies;
		if (current == kstack_collectd.task) {
			taken = max(kstack_collect(KSTACK_COLLECT_OOM), 0L);
		} else {
			collect_press(KSTACK_COLLECT_OOM);
			if (wait_event_timeout(collect_wait,
					       /* pairs with kstack_collect() */
					       smp_load_acquire(&collect_oom_passes) != passes,
					       COLLECT_OOM_WAIT))
				taken = READ_ONCE(collect_oom_taken);
		}
		got += kstack_overflow_trim();
	}
	if (max(got, taken) >= COLLECT_MIN_PAGES) {
		last = jiffies;
		*freed += max(got, taken);
	}
	return NOTIFY_OK;
}

static struct notifier_block kstack_oom_nb = { .notifier_call = kstack_oom };

#ifdef CONFIG_SYSCTL
static struct ctl_table kstack_sysctls[] = {
	{
		.procname	= "dynamic_stack_collect_period_ms",
		.data		= &kstack_collect_period,
		.maxlen		= sizeof(kstack_collect_period),
		.mode		= 0644,
		.proc_handler	= kstack_period_handler,
	},
	{
		.procname	= "dynamic_stack_sleep_ms",
		.data		= &kstack_collect_sleep,
		.maxlen		= sizeof(kstack_collect_sleep),
		.mode		= 0644,
		.proc_handler	= proc_douintvec,
	},
};
#endif

/**
 * kstack_collect_init - let memory reclaim ask for passes
 *
 * Context: early initcall, when there is a thread to ask.
 * Return: 0 or -ENOMEM.
 */
int __init kstack_collect_init(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "kstack");

	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = kstack_shrink_count;
	shrinker->scan_objects = kstack_shrink_scan;
	shrinker_register(shrinker);
	register_oom_notifier(&kstack_oom_nb);
#ifdef CONFIG_SYSCTL
	register_sysctl_init("vm", kstack_sysctls);
#endif
	return 0;
}

#ifdef CONFIG_DYNAMIC_STACK_KUNIT_TEST
#include "collect_test.c"
#endif
