// SPDX-License-Identifier: GPL-2.0
/*
 * Force stack faults at chosen spots, for tests. Through debugfs, as the calling
 * task, with dynamic_stack.populate=1:
 *
 * echo "storm N" > dynamic_stack_fault
 *	N times: a timer's interrupt comes when the stack pointer is at the edge
 *	of a missing page
 * echo "copy N" > dynamic_stack_fault
 *	N times, with the stack pointer at other distances from the edge: read a
 *	page of user memory that is not present
 * echo "nmi N", echo "db N", echo "mc N" > dynamic_stack_fault
 *	N times: an NMI, a #DB, or a #MC, comes while a stack fault, or the fault
 *	on a user page, is on the #PF stack, and takes a page fault itself
 * echo "window N" > dynamic_stack_fault
 *	sleep N times with the stack pointer so near to the edge that some wake-ups
 *	fault before the CPU knows which task it runs; it helps if the previous
 *	task has FPU registers to be saved, which goes deeper
 * echo "drain N" > dynamic_stack_fault
 *	take N stack faults without a switch in between
 * echo "price N" > dynamic_stack_fault
 *	N times: what does a stack fault take, in ticks of the time stamp counter
 * echo "pf N" > dynamic_stack_fault
 *	the same of a page fault of the kernel that is no stack fault; with FRED
 *	also if it were taken at stack level 0
 * echo "ensure N" > dynamic_stack_fault
 *	go N bytes deep, and sleep, without a fault
 *
 * Reading the file tells what happened.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/hw_breakpoint.h>
#include <linux/init.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/nmi.h>
#include <linux/perf_event.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/stacktrace.h>
#include <linux/uaccess.h>

#include <asm/apic.h>
#include <asm/mce.h>
#include <asm/nmi.h>
#include <asm/tlbflush.h>
#include <asm/trapnr.h>

#include "internal.h"

static DEFINE_MUTEX(test_mutex);

/* What the last command saw. */
static struct {
	unsigned long	rounds;
	unsigned long	faults;
	unsigned long	early;		/* not at the spot */
	unsigned long	lost;		/* interrupts that never came */
	unsigned long	in_service;	/* rounds that left a bit set in the ISR */
	unsigned long	wrong;		/* data, or an error where none was due */
	unsigned long	nested;		/* faults while the #PF stack was in use */
	unsigned long	unwound;	/* from there to the function that faulted */
	unsigned long	price;		/* of a fault, the least */
	unsigned long	level0;		/* the same at stack level 0 */
} seen;

static unsigned long faults(void)
{
	return dstack_vm_event(KSTACK_FAULT);
}

/*
 * Lose what may come by fault again, but for the page that the stack pointer is
 * in, and the next one. Nobody else has a reason to look there.
 */
static noinline void evict(void)
{
	struct dynamic_stack *ds = current->dynamic_stack;
	unsigned int first = ((current_stack_pointer - ds->base) >> PAGE_SHIFT) - 1, i;
	struct page *page, *next;
	LIST_HEAD(frames);

	local_irq_disable();
	for (i = 0; i < first; i++) {
		if (!(ds->mapped & BIT(i) & ~dynamic_stack_promise))
			continue;
		arch_dynamic_stack_clear(ds->ptep + i);
		ds->mapped &= ~BIT(i);
		dstack_set_owner(NULL, ds->page[i]);
		list_add(&ds->page[i]->lru, &frames);
		WRITE_ONCE(ds->page[i], NULL);
	}
	local_irq_enable();
	flush_tlb_all();
	list_for_each_entry_safe(page, next, &frames, lru)
		kstack_page_recycle(page);
}

/* A switch fills the reserve: no task faults as often in between as these tests. */
static void refill(void)
{
	usleep_range(50, 100);
}

enum edge_op { EDGE_SPIN, EDGE_PUSH, EDGE_READ, EDGE_SLEEP, EDGE_PRICE };

struct edge {
	enum edge_op	op;
	unsigned int	above;		/* bytes from the stack pointer down to the edge */
	bool		*until;
	u64		timeout;
	const u8 __user	*user;
	unsigned long	ticks;
	bool		ok;
};

/* The page that the stack pointer is in stays, and the next one: below it. */
static noinline void at_edge(struct edge *edge)
{
	unsigned long target = (current_stack_pointer & PAGE_MASK) - PAGE_SIZE + edge->above;
	void *hole = __builtin_alloca(current_stack_pointer - target - 64);

	do {
		asm volatile("" : : "r" (hole) : "memory");
		hole = __builtin_alloca(8);
	} while (current_stack_pointer > target + 8);
	asm volatile("" : : "r" (hole) : "memory");

	switch (edge->op) {
	case EDGE_SPIN: {
		u64 end = rdtsc() + edge->timeout;

		while (!READ_ONCE(*edge->until) && rdtsc() < end)
			cpu_relax();
		break;
	}
	case EDGE_PUSH: {
		unsigned long was = 0x5eed5eed5eed5eedUL, is;

		/* Across the edge, and as far as any page lasts. */
		asm volatile("subq %[below], %%rsp\n\t"
			     "pushq %[was]\n\t"
			     "popq %[is]\n\t"
			     "addq %[below], %%rsp"
			     : [is] "=&r" (is) : [was] "r" (was), [below] "r" (edge->above + 512UL)
			     : "memory", "cc");
		edge->ok = is == was;
		break;
	}
	case EDGE_READ: {
		u8 byte;

		edge->ok = false;
		if (!user_read_access_begin(edge->user, 1))
			break;
		unsafe_get_user(byte, edge->user, fault);
		edge->ok = !byte;
fault:
		user_read_access_end();
		break;
	}
	case EDGE_PRICE: {
		unsigned long flags;

		/* With interrupts on, the local APIC would be asked as well. */
		local_irq_save(flags);
		edge->ticks = rdtsc();
		/* The first may still be above the edge. */
		asm volatile("pushq %%rax; pushq %%rax; popq %%rax; popq %%rax" : : : "memory");
		edge->ticks = rdtsc() - edge->ticks;
		local_irq_restore(flags);
		break;
	}
	case EDGE_SLEEP:
		msleep_interruptible(40);
		break;
	}
}

static unsigned int in_service(void)
{
	unsigned int i, vector = 0;

	for (i = 1; i < 8; i++) {
		u32 isr = apic_read(APIC_ISR + i * 0x10);

		if (isr)
			vector = i * 32 + __fls(isr);
	}
	return vector;
}

struct storm {
	struct hrtimer	timer;
	bool		fired;
};

static enum hrtimer_restart storm_timer(struct hrtimer *timer)
{
	WRITE_ONCE(container_of(timer, struct storm, timer)->fired, true);
	return HRTIMER_NORESTART;
}

static void storm(unsigned int rounds)
{
	static struct storm storm;

	hrtimer_setup(&storm.timer, storm_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_PINNED_HARD);

	while (rounds--) {
		struct edge edge = {
			.op = EDGE_SPIN, .above = 16 * (rounds % 3), .until = &storm.fired,
			.timeout = 50ULL * tsc_khz,
		};
		unsigned int vector, tries = 100;

		preempt_disable();
		evict();
		storm.fired = false;
		hrtimer_start(&storm.timer, ns_to_ktime(500 * NSEC_PER_USEC),
			      HRTIMER_MODE_REL_PINNED_HARD);
		if (READ_ONCE(storm.fired))
			seen.early++;
		/* It may only be late: a lost one is in service. */
		do {
			at_edge(&edge);
		} while (!READ_ONCE(storm.fired) && !in_service() && --tries);
		if (!READ_ONCE(storm.fired)) {
			seen.lost++;
			local_irq_disable();
			vector = in_service();
			if (vector) {
				/* Late, but the machine shall survive the test. */
				seen.in_service++;
				apic_eoi();
				__apic_send_IPI_self(vector);
			}
			local_irq_enable();
		} else {
			seen.in_service += !!in_service();
		}
		preempt_enable();
		hrtimer_cancel(&storm.timer);
		seen.rounds++;
		refill();
	}
}

static void copy(unsigned int rounds, const u8 __user *user)
{
	unsigned int i;

	for (i = 0; i < rounds; i++) {
		struct edge edge = {
			.op = EDGE_READ, .above = 16 * (i % 64), .user = user + i * PAGE_SIZE,
		};

		preempt_disable();
		evict();
		preempt_enable();
		at_edge(&edge);
		seen.wrong += !edge.ok;
		seen.rounds++;
		refill();
	}
}

/* In an NMI or #DB. What is below the guard page's end faults. */
static void nest(void)
{
	unsigned long word, *guard = task_stack_page(current) - sizeof(word);
	unsigned int i, faulted = 0;

	/* The second comes as the first has left things. */
	for (i = 0; i < 2; i++)
		faulted += !!copy_from_kernel_nofault(&word, guard, sizeof(word));
	if (faulted == 2)
		seen.nested++;
	else
		seen.wrong++;
}

/* From the NMI's stack over the #PF stack to the task's. */
static bool unwind(void)
{
	static unsigned long entries[32];
	unsigned int nr = stack_trace_save(entries, ARRAY_SIZE(entries), 0), i;
	char name[32];

	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "%ps", (void *)entries[i]);
		if (!strcmp(name, "at_edge"))
			return true;
	}
	return false;
}

static bool on_task_stack(struct pt_regs *regs)
{
	return regs->sp - (unsigned long)task_stack_page(current) <= THREAD_SIZE;
}

static int nested_nmi(unsigned int cmd, struct pt_regs *regs)
{
	if (READ_ONCE(dynamic_stack_hold) != raw_smp_processor_id() + 1 ||
	    !READ_ONCE(dynamic_stack_held))
		return NMI_DONE;
	if (on_task_stack(regs))
		seen.early++;
	/* First, or the fault in here would be held, too. */
	WRITE_ONCE(dynamic_stack_hold, 0);
	nest();
	seen.unwound += unwind();
	return NMI_HANDLED;
}

static void nested_db(struct perf_event *event, struct perf_sample_data *data,
		      struct pt_regs *regs)
{
	/* The first access is the test's own. */
	if (on_task_stack(regs) || READ_ONCE(dynamic_stack_hold) != raw_smp_processor_id() + 1)
		return;
	/* This is an access as well, but there is no #DB in a #DB. */
	WRITE_ONCE(dynamic_stack_hold, 0);
	nest();
}

/*
 * It keeps its CPU: what else could run there may wait for the CPU that is held,
 * in a TLB shootdown for instance, and that one waits for the NMI.
 */
static int nmi_sender(void *ready)
{
	complete(ready);
	while (!kthread_should_stop()) {
		unsigned int cpu;

		/* A CPU that is held can't answer IPIs, for which others may wait here. */
		preempt_disable();
		cpu = READ_ONCE(dynamic_stack_hold);
		if (cpu && READ_ONCE(dynamic_stack_held)) {
			unsigned long round = READ_ONCE(seen.rounds);

			__apic_send_IPI(cpu - 1, NMI_VECTOR);
			/* One for each: the handler takes it back. The next may come at once. */
			while (READ_ONCE(dynamic_stack_hold) == cpu &&
			       READ_ONCE(seen.rounds) == round && !kthread_should_stop())
				cpu_relax();
		}
		preempt_enable();
		cond_resched();
	}
	return 0;
}

static int nested_rounds(unsigned int rounds, const u8 __user *user, int (*arm)(void))
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < rounds && !err; i++) {
		struct edge edge = {
			.op = i & 1 ? EDGE_READ : EDGE_PUSH, .above = 2048,
			.user = user + i * PAGE_SIZE,
		};

		/* On one CPU, but the fault on the user page may sleep. */
		migrate_disable();
		evict();
		if (arm)
			err = arm();
		if (!err) {
			WRITE_ONCE(dynamic_stack_hold, raw_smp_processor_id() + 1);
			at_edge(&edge);
			WRITE_ONCE(dynamic_stack_hold, 0);
			seen.wrong += !edge.ok;
			seen.rounds++;
		}
		migrate_enable();
		refill();
	}
	return err;
}

static int nmi(unsigned int rounds, const u8 __user *user)
{
	DECLARE_COMPLETION_ONSTACK(ready);
	struct task_struct *sender;
	unsigned int cpu;
	int err;

	if (num_online_cpus() < 2)
		return -ENODEV;
	err = register_nmi_handler(NMI_LOCAL, nested_nmi, 0, "dynamic_stack");
	if (err)
		return err;
	/* Never to where the sender is */
	migrate_disable();
	cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	sender = kthread_run_on_cpu(nmi_sender, &ready, cpu, "dstack_nmi/%u");
	if (IS_ERR(sender)) {
		err = PTR_ERR(sender);
	} else {
		wait_for_completion(&ready);
		err = nested_rounds(rounds, user, NULL);
		kthread_stop(sender);
	}
	migrate_enable();
	unregister_nmi_handler(NMI_LOCAL, "dynamic_stack");
	return err;
}

static int db(unsigned int rounds, const u8 __user *user)
{
	struct perf_event * __percpu *event;
	struct perf_event_attr attr;
	int err;

	hw_breakpoint_init(&attr);
	attr.bp_addr = (unsigned long)&dynamic_stack_hold;
	attr.bp_len = HW_BREAKPOINT_LEN_4;
	attr.bp_type = HW_BREAKPOINT_RW;
	event = register_wide_hw_breakpoint(&attr, nested_db, NULL);
	if (IS_ERR_PCPU(event))
		return PTR_ERR_PCPU(event);
	err = nested_rounds(rounds, user, NULL);
	unregister_wide_hw_breakpoint(event);
	return err;
}

#if defined(CONFIG_X86_MCE) && defined(CONFIG_KPROBES)
/* "Found by the scrubber": nothing has to be done about it at once. */
#define MC_STATUS \
	(MCI_STATUS_VAL | MCI_STATUS_UC | MCI_STATUS_EN | MCI_STATUS_S | MCACOD_SCRUB)

/* An error that the kernel notes, and goes on. An emulator lets one write this. */
static int arm_mc(void)
{
	/* Not wrmsrq_safe(): sparse says that its casts truncate a constant. */
	int err = wrmsr_safe(MSR_IA32_MCx_STATUS(3), lower_32_bits(MC_STATUS),
			     upper_32_bits(MC_STATUS));

	if (err)
		return err;
	WRITE_ONCE(dynamic_stack_hold_mc, true);
	return wrmsrq_safe(MSR_IA32_MCG_STATUS, MCG_STATUS_RIPV | MCG_STATUS_EIPV |
			   MCG_STATUS_MCIP | MCG_STATUS_LMCES);
}

/* Where the handler of #MC calls what may be traced. */
static int nested_mc(struct kprobe *probe, struct pt_regs *regs)
{
	if (READ_ONCE(dynamic_stack_hold) != raw_smp_processor_id() + 1)
		return 0;
	WRITE_ONCE(dynamic_stack_hold, 0);
	nest();
	return 0;
}

static int mc(unsigned int rounds, const u8 __user *user)
{
	struct kprobe probe = { .symbol_name = "mce_gen_pool_add", .pre_handler = nested_mc };
	int err;

	/* Others grade the same error as fatal. */
	if (boot_cpu_data.x86_vendor != X86_VENDOR_INTEL)
		return -ENODEV;
	err = register_kprobe(&probe);
	if (err)
		return err;
	err = nested_rounds(rounds, user, arm_mc);
	WRITE_ONCE(dynamic_stack_hold_mc, false);
	unregister_kprobe(&probe);
	return err;
}
#else
static int mc(unsigned int rounds, const u8 __user *user) { return -ENODEV; }
#endif

/* What is parked goes at once. */
static int collector(void *unused)
{
	while (!kthread_should_stop()) {
		kstack_collect_once(KSTACK_COLLECT_ALL);
		usleep_range(1000, 2000);
	}
	return 0;
}

static int window(unsigned int rounds)
{
	struct task_struct *tsk = kthread_run(collector, NULL, "dstack_collect");
	struct edge edge = { .op = EDGE_SLEEP, .above = PAGE_SIZE / 2 };
	unsigned int i, depth;

	if (IS_ERR(tsk))
		return PTR_ERR(tsk);
	/* From there, how deep is the stack pointer that the switch loads? */
	at_edge(&edge);
	depth = edge.above - offset_in_page(arch_dynamic_stack_sp(current));
	for (i = 0; i < rounds && !signal_pending(current); i++) {
		edge.above = depth + 8 * (i % 16);
		at_edge(&edge);
		seen.rounds++;
	}
	kthread_stop(tsk);
	return 0;
}

static void drain(unsigned int rounds)
{
	preempt_disable();
	while (rounds--) {
		struct edge edge = { .op = EDGE_PUSH };

		evict();
		at_edge(&edge);
		seen.wrong += !edge.ok;
		seen.rounds++;
	}
	preempt_enable();
}

static void price(unsigned int rounds)
{
	unsigned long without = ULONG_MAX, with = ULONG_MAX;

	while (rounds--) {
		struct edge edge = { .op = EDGE_PRICE };

		preempt_disable();
		evict();
		at_edge(&edge);
		with = min(with, edge.ticks);
		at_edge(&edge);
		without = min(without, edge.ticks);
		preempt_enable();
		seen.rounds++;
		refill();
	}
	seen.price = with - without;
}

static unsigned long pf_ticks(unsigned int rounds)
{
	unsigned long word, *guard = task_stack_page(current) - sizeof(word);
	unsigned long least = ULONG_MAX, ticks, flags;

	while (rounds--) {
		local_irq_save(flags);
		ticks = rdtsc();
		if (!copy_from_kernel_nofault(&word, guard, sizeof(word)))
			seen.wrong++;
		ticks = rdtsc() - ticks;
		local_irq_restore(flags);
		least = min(least, ticks);
		seen.rounds++;
	}
	return least;
}

static int pf(unsigned int rounds)
{
	/* At level 0 there must not be a stack fault. */
	int err = dynamic_stack_ensure(2 * PAGE_SIZE);

	if (err)
		return err;
	seen.price = pf_ticks(rounds);
#ifdef CONFIG_DYNAMIC_STACK_FRED
	if (cpu_feature_enabled(X86_FEATURE_FRED)) {
		unsigned long levels;

		preempt_disable();
		rdmsrq(MSR_IA32_FRED_STKLVLS, levels);
		wrmsrq(MSR_IA32_FRED_STKLVLS, levels & ~(3UL << (2 * X86_TRAP_PF)));
		seen.level0 = pf_ticks(rounds);
		wrmsrq(MSR_IA32_FRED_STKLVLS, levels);
		preempt_enable();
	}
#endif
	return dynamic_stack_ensure(0);
}

/* A word in each page down to there. */
static noinline void touch(unsigned long bytes)
{
	unsigned long below;
	/* For a frame that is found by its base pointer. */
	void *hole = __builtin_alloca(8);

	asm volatile("" : : "r" (hole) : "memory");
	for (below = 0; below < bytes; below += PAGE_SIZE / 2)
		asm volatile("subq %[below], %%rsp\n\t"
			     "pushq %[below]\n\t"
			     "popq %[below]\n\t"
			     "addq %[below], %%rsp" : [below] "+r" (below) : : "memory", "cc");
}

/* Of the pages down to there, those that are missing. */
static unsigned int missing(unsigned int bytes)
{
	struct dynamic_stack *ds = current->dynamic_stack;
	unsigned int first = (current_stack_pointer - bytes - ds->base) >> PAGE_SHIFT;

	return GENMASK(DSTACK_PAGES - 1, first) & ~READ_ONCE(ds->mapped);
}

static noinline int ensure(unsigned int bytes)
{
	int err;

	/* More than there is. */
	if (dynamic_stack_ensure(THREAD_SIZE) != -E2BIG)
		seen.wrong++;
	evict();
	seen.wrong += !missing(bytes);
	err = dynamic_stack_ensure(bytes);
	if (err)
		return err;
	seen.wrong += !!missing(bytes);
	touch(bytes);
	/* The collector had its time. */
	msleep_interruptible(200);
	seen.wrong += !!missing(bytes);

	/* And no longer. */
	err = dynamic_stack_ensure(0);
	touch(bytes);
	msleep_interruptible(200);
	seen.wrong += !missing(bytes);
	touch(bytes);
	seen.rounds++;
	return err;
}

static ssize_t fault_write(struct file *file, const char __user *ubuf, size_t len, loff_t *pos)
{
	unsigned long before, user;
	unsigned int rounds;
	char buf[64], cmd[16];
	int err = 0;

	if (len >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, len))
		return -EFAULT;
	buf[len] = '\0';
	if (sscanf(buf, "%15s %u", cmd, &rounds) != 2 || rounds > 1000000)
		return -EINVAL;
	/* Missing pages are what it is about. */
	if (!current->dynamic_stack || dynamic_stack_promise != BIT(DSTACK_PAGES - 1))
		return -ENODEV;

	if (mutex_lock_interruptible(&test_mutex))
		return -EINTR;
	user = vm_mmap(NULL, 0, (rounds + 1) * PAGE_SIZE, PROT_READ,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(user)) {
		mutex_unlock(&test_mutex);
		return user;
	}
	memset(&seen, 0, sizeof(seen));
	before = faults();
	if (!strcmp(cmd, "storm"))
		storm(rounds);
	else if (!strcmp(cmd, "copy"))
		copy(rounds, (const u8 __user *)user);
	else if (!strcmp(cmd, "nmi"))
		err = nmi(rounds, (const u8 __user *)user);
	else if (!strcmp(cmd, "db"))
		err = db(rounds, (const u8 __user *)user);
	else if (!strcmp(cmd, "mc"))
		err = mc(rounds, (const u8 __user *)user);
	else if (!strcmp(cmd, "window"))
		err = window(rounds);
	else if (!strcmp(cmd, "drain"))
		drain(rounds);
	else if (!strcmp(cmd, "price"))
		price(rounds);
	else if (!strcmp(cmd, "pf"))
		err = pf(rounds);
	else if (!strcmp(cmd, "ensure"))
		err = ensure(rounds);
	else
		err = -EINVAL;
	seen.faults = faults() - before;
	vm_munmap(user, (rounds + 1) * PAGE_SIZE);
	mutex_unlock(&test_mutex);
	return err ?: len;
}

static int fault_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "rounds %lu\nfaults %lu\nearly %lu\nlost %lu\nin_service %lu\nwrong %lu\nnested %lu\nunwound %lu\nprice %lu\nlevel0 %lu\n",
		   seen.rounds, seen.faults, seen.early, seen.lost, seen.in_service,
		   seen.wrong, seen.nested, seen.unwound, seen.price, seen.level0);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(fault);

static int __init test_fault_init(void)
{
	debugfs_create_file("dynamic_stack_fault", 0600, NULL, NULL, &fault_fops);
	return 0;
}
late_initcall(test_fault_init);
