/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_ARM64_DYNAMIC_STACK_H
#define _ASM_ARM64_DYNAMIC_STACK_H

#include <linux/dynamic_stack.h>
#include <linux/pgtable.h>
#include <linux/preempt.h>
#include <linux/thread_info.h>

#include <asm/barrier.h>
#include <asm/cmpxchg.h>
#include <asm/cpufeature.h>
#include <asm/sysreg.h>
#include <asm/tlbflush.h>

/*
 * What a fresh page is mapped with. A descriptor whose Access flag is 0 is never
 * cached in a TLB (Arm ARM, "The Access flag"). Others are mapped with PAGE_KERNEL,
 * which is looked at anew each time: it changes when KPTI is turned on.
 */
#define DYNAMIC_STACK_PROT	__pgprot(pgprot_val(PAGE_KERNEL) & ~PTE_AF)

/*
 * Does each CPU set the Access flag itself? Where one doesn't, it faults, which a
 * stack must not: no exception entry would get as far as to set the flag. Not known
 * before all CPUs of the boot are up. A later one that doesn't is refused.
 */
static __always_inline bool arch_dynamic_stack_sets_accessed(void)
{
	return alternative_has_cap_likely(ARM64_HAS_HW_AF);
}

/* Does this CPU? It is what __cpu_setup() made of the CPU's own ID register. */
static inline bool arch_dynamic_stack_cpu_sets_accessed(void)
{
	return read_sysreg(tcr_el1) & TCR_HA;
}

/* Make a page present. No CPU counts on it before arch_dynamic_stack_sync(). */
static __always_inline void arch_dynamic_stack_set(pte_t *ptep, pte_t pte)
{
	__set_pte_nosync(ptep, pte);
}

/*
 * A table walk is ordered with the stores to the table by DSB; that nothing which
 * was fetched, or faulted, before is used, takes an ISB as well. A spurious fault
 * would be the end here: the entry code uses the stack.
 */
static __always_inline void arch_dynamic_stack_sync(void)
{
	dsb(ishst);
	isb();
}

/* Atomic also against a walker that sets the Access flag. */
static __always_inline pte_t arch_dynamic_stack_clear(pte_t *ptep)
{
	return __pte(xchg(&pte_val(*ptep), 0));
}

/*
 * So many pages at most are flushed on all CPUs by their addresses. TLBI reaches
 * them without an interrupt; beyond this, all of the TLBs is no dearer.
 */
#define ARCH_DYNAMIC_STACK_FLUSH_PAGES	PTRS_PER_PTE

/* Where an erratum wants TLBI and DSB repeated, it is of the CPU that had issued them. */
static inline void arch_dynamic_stack_flush_begin(void)
{
	preempt_disable();
	dsb(ishst);
}

static inline void arch_dynamic_stack_flush_page(unsigned long addr)
{
	__tlbi(vaale1is, __TLBI_VADDR(addr, 0));
}

static inline void arch_dynamic_stack_flush_end(void)
{
	__tlbi_sync_s1ish_kernel();
	isb();
	preempt_enable();
}

/* A page of this CPU's TLB, by what does it on each CPU. */
static inline void arch_dynamic_stack_flush_cpu(unsigned long addr)
{
	arch_dynamic_stack_flush_begin();
	arch_dynamic_stack_flush_page(addr);
	arch_dynamic_stack_flush_end();
}

/*
 * Push @val below @top through the stack pointer, which is on another stack for one
 * instruction. No exception may be taken there, not even a pseudo-NMI, or the entry
 * code would take it for an overflow. SDEI and EL3 have stacks of their own.
 */
static __always_inline void arch_dynamic_stack_push(unsigned long top, unsigned long val)
{
	unsigned long sp, daif;

	asm volatile("mrs	%[daif], daif\n\t"
		     "msr	daifset, #0xf\n\t"
		     "mov	%[sp], sp\n\t"
		     "mov	sp, %[top]\n\t"
		     "stp	xzr, %[val], [sp, #-16]!\n\t"
		     "mov	sp, %[sp]\n\t"
		     "msr	daif, %[daif]"
		     : [sp] "=&r" (sp), [daif] "=&r" (daif)
		     : [top] "r" (top), [val] "r" (val) : "memory");
}

/* Where a task that is off the CPU has its stack pointer. */
static __always_inline unsigned long arch_dynamic_stack_sp(struct task_struct *tsk)
{
	return READ_ONCE(tsk->thread.cpu_context.sp);
}

/* For tests, of a task that never runs. */
static inline void arch_dynamic_stack_set_sp(struct task_struct *tsk, unsigned long sp)
{
	tsk->thread.cpu_context.sp = sp;
}

/* What it takes is part of the architecture, and tried at boot. */
static inline bool arch_dynamic_stack_supported(void)
{
	return true;
}

#endif /* _ASM_ARM64_DYNAMIC_STACK_H */
