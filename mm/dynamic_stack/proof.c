// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: is the Accessed flag what the manuals say?
 *
 * A page whose flag is clear is given to another stack without a flush. That
 * rests on two promises: the flag is set by each first use, and no TLB has a
 * translation whose flag is clear. A hypervisor with shadow page tables, an
 * emulator or a new CPU may break them. So each CPU has to show, before any
 * managed stack is used on it, that it keeps them: on a page that is mapped as
 * those of stacks are, and that nobody else uses.
 *
 * That can't show that they are kept always. But what doesn't set the flag for a
 * lone access, or is late, doesn't get past it.
 *
 * A CPU that makes no such promise shows the rest: that a page which is mapped with
 * the flag set is gone after a flush.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/kasan.h>
#include <linux/kprobes.h>
#include <linux/smp.h>
#include <linux/timex.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "internal.h"

#define IDLE_SPINS	32
#define IDLE_TRIES	16

static const char * const proof_failed[] = {
	[DSTACK_PROOF_READ]	= "not set by a read",
	[DSTACK_PROOF_WRITE]	= "not set by a write",
	[DSTACK_PROOF_PUSH]	= "not set by a push",
	[DSTACK_PROOF_IDLE]	= "set without an access",
	[DSTACK_PROOF_REUSE]	= "clear, but its translation was kept",
	[DSTACK_PROOF_RESTORE]	= "lost by a page that was parked and restored",
	[DSTACK_PROOF_FLUSH]	= "set, and its translation survived a flush",
};

/* The address, its PTE, and two pages that it may map. Kept for hotplug. */
static unsigned long proof_addr;
static pte_t *proof_ptep;
static struct page *proof_page[2];

/* What a page is mapped with on this CPU. */
static pgprot_t proof_prot;

static struct cpumask proof_cpus;
static cycles_t proof_max_cycles;

static unsigned long *proof_word(unsigned int which, unsigned long offset)
{
	return page_address(proof_page[which]) + offset;
}

static void proof_set(pte_t pte)
{
	arch_dynamic_stack_set(proof_ptep, pte);
	arch_dynamic_stack_sync();
}

static void proof_map(unsigned int which)
{
	proof_set(mk_pte(proof_page[which], proof_prot));
}

static pte_t proof_take(enum dynamic_stack_proof step)
{
	if (dstack_proof_lie(step)) {
		pte_t pte = ptep_get(proof_ptep);

		set_pte(proof_ptep, pte_young(pte) ? pte_mkold(pte) : pte_mkyoung(pte));
	}
	return arch_dynamic_stack_clear(proof_ptep);
}

/*
 * Use the page once. Was it this one? No kprobes: a breakpoint would push to the
 * stack that it interrupts.
 */
static noinline bool proof_use(enum dynamic_stack_proof how, unsigned int which)
{
	const unsigned long last = PAGE_SIZE - sizeof(long);
	static unsigned long nr;
	unsigned long val;

	nr++;
	switch (how) {
	case DSTACK_PROOF_READ:
		WRITE_ONCE(*proof_word(which, 0), nr);
		/* A CPU that faults instead leaves the flag clear, and fails for that. */
		if (copy_from_kernel_nofault(&val, (void *)proof_addr, sizeof(val)))
			return true;
		return val == nr;
	case DSTACK_PROOF_WRITE:
		WRITE_ONCE(*(unsigned long *)proof_addr, nr);
		return READ_ONCE(*proof_word(which, 0)) == nr;
	default:
		arch_dynamic_stack_push(proof_addr + PAGE_SIZE, nr);
		return READ_ONCE(*proof_word(which, last)) == nr;
	}
}
NOKPROBE_SYMBOL(proof_use);

/* A flag that nobody sets stays clear. A prefetch may be no lie: try again. */
static bool proof_idle(unsigned int which)
{
	unsigned int try, i;

	for (try = 0; try < IDLE_TRIES; try++) {
		proof_map(which);
		for (i = 0; i < IDLE_SPINS; i++)
			cpu_relax();
		if (!pte_young(proof_take(DSTACK_PROOF_IDLE)))
			return true;
		arch_dynamic_stack_flush_cpu(proof_addr);
	}
	return false;
}

/*
 * The life of a page, once for each way to use it: not used, and its address
 * given another page without a flush; used; parked, restored and used again;
 * and given another page after a flush. Only this CPU uses the address, so its
 * own TLB is all that has to be flushed. Return: the step that failed, or 0.
 */
static enum dynamic_stack_proof proof_run(void)
{
	bool preset = static_branch_unlikely(&dynamic_stack_preset_key) ||
		      !arch_dynamic_stack_cpu_sets_accessed();
	enum dynamic_stack_proof how;
	bool right;
	pte_t pte;

	proof_prot = preset ? PAGE_KERNEL : DYNAMIC_STACK_PROT;
	arch_dynamic_stack_flush_cpu(proof_addr);
	for (how = DSTACK_PROOF_READ; how <= DSTACK_PROOF_PUSH; how++) {
		if (!preset && !proof_idle(0))
			return DSTACK_PROOF_IDLE;

		proof_map(!dstack_proof_lie(DSTACK_PROOF_REUSE));
		right = proof_use(how, 1);
		pte = proof_take(how);
		if (!right)
			return DSTACK_PROOF_REUSE;
		if (!pte_young(pte))
			return how;

		proof_set(pte);
		right = proof_use(how, 1);
		if (!pte_young(proof_take(DSTACK_PROOF_RESTORE)) || !right)
			return DSTACK_PROOF_RESTORE;

		arch_dynamic_stack_flush_cpu(proof_addr);
		proof_map(dstack_proof_lie(DSTACK_PROOF_FLUSH));
		right = proof_use(how, 0);
		pte = proof_take(how);
		if (!right)
			return DSTACK_PROOF_FLUSH;
		if (!pte_young(pte))
			return how;
		arch_dynamic_stack_flush_cpu(proof_addr);
	}
	return 0;
}

static int proof_note_pte(pte_t *ptep, unsigned long addr, void *data)
{
	proof_ptep = ptep;
	return 0;
}

static int __init proof_alloc(void)
{
	struct vm_struct *vm;
	int i;

	vm = get_vm_area(PAGE_SIZE, VM_MAP);
	if (!vm)
		return -ENOMEM;
	proof_addr = (unsigned long)kasan_reset_tag(vm->addr);
	if (apply_to_page_range(&init_mm, proof_addr, PAGE_SIZE, proof_note_pte, NULL))
		goto free;
	for (i = 0; i < 2; i++) {
		proof_page[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!proof_page[i])
			goto free;
	}
	return 0;
free:
	/* It is early in the boot: what could have been freed then is not much. */
	free_vm_area(vm);
	return -ENOMEM;
}

static enum dynamic_stack_proof proof_this_cpu(void)
{
	enum dynamic_stack_proof failed;
	unsigned long flags;
	cycles_t cycles;

	local_irq_save(flags);
	cycles = get_cycles();
	failed = proof_run();
	cycles = get_cycles() - cycles;
	local_irq_restore(flags);

	proof_max_cycles = max(proof_max_cycles, cycles);
	if (!failed)
		cpumask_set_cpu(raw_smp_processor_id(), &proof_cpus);
	return failed;
}

/**
 * dstack_proof_online - may managed stacks be used on a CPU that comes up?
 * @cpu: the CPU, which this runs on
 *
 * Between set_cpu_online() and this, the CPU runs its idle task and threads of its
 * own, whose stacks are whole, and hardly anything else: a kernel thread that was
 * last there may be woken up to it, at that moment.
 *
 * Context: hotplug callback on the CPU; one CPU at a time.
 * Return: 0, or -EIO: the CPU must not come up.
 */
int dstack_proof_online(unsigned int cpu)
{
	enum dynamic_stack_proof failed;

	/* The boot CPU, when the callback is registered. */
	if (!dynamic_stack_enabled())
		return 0;
	failed = proof_this_cpu();
	if (!failed)
		return 0;
	pr_err("CPU %u stays offline: the accessed flag is %s\n", cpu, proof_failed[failed]);
	return -EIO;
}

/**
 * dstack_proof_init - may managed stacks be used on the boot CPU?
 *
 * Return: true if so; otherwise it has said why not.
 */
bool __init dstack_proof_init(void)
{
	enum dynamic_stack_proof failed;

	if (proof_alloc()) {
		pr_warn("off: no memory to try the accessed flag\n");
		return false;
	}
	failed = proof_this_cpu();
	if (failed)
		pr_warn("off: the accessed flag is %s\n", proof_failed[failed]);
	return !failed;
}

/* When the other CPUs have come up. */
static int __init proof_tell(void)
{
	if (dynamic_stack_enabled())
		pr_info("accessed flag: %s on %u CPUs, %llu cycles at most\n",
			dstack_preset() ? "not used, flush ok" : "ok",
			cpumask_weight(&proof_cpus), (u64)proof_max_cycles);
	return 0;
}
core_initcall(proof_tell);
