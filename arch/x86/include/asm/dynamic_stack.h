/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_DYNAMIC_STACK_H
#define _ASM_X86_DYNAMIC_STACK_H

#ifdef CONFIG_DYNAMIC_STACK

#include <linux/dynamic_stack.h>
#include <linux/pgtable.h>

#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <asm/tlbflush.h>

/*
 * What a fresh page is mapped with. The Accessed bit must start at 0: while it is
 * 0 in an entry, no CPU can have the translation in a TLB (SDM vol. 3A, "Details
 * of TLB Use"; APM vol. 2, "Notes on Accessed and Dirty Bits"). PAGE_KERNEL, which
 * is for all others, presets both bits. Derived from it so that the memory
 * encryption bit is right.
 */
#define DYNAMIC_STACK_PROT	\
	__pgprot(pgprot_val(PAGE_KERNEL) & ~(_PAGE_ACCESSED | _PAGE_DIRTY))

/* Does each CPU set the Accessed flag itself, does this one? */
static __always_inline bool arch_dynamic_stack_sets_accessed(void) { return true; }
static inline bool arch_dynamic_stack_cpu_sets_accessed(void) { return true; }

/* Make a page present. No CPU counts on it before arch_dynamic_stack_sync(). */
static __always_inline void arch_dynamic_stack_set(pte_t *ptep, pte_t pte)
{
	set_pte(ptep, pte);
}

/*
 * The next push may go to a page whose PTE was just written. A page walk is not
 * ordered with the store otherwise, and a spurious fault, harmless elsewhere,
 * would be a double fault on the stack.
 */
static __always_inline void arch_dynamic_stack_sync(void)
{
	smp_mb();	/* the PTE before the page walk */
}

/*
 * Not ptep_get_and_clear(): that is a plain load and store on SMP=n, and even
 * a lone CPU's page walker may set the Accessed bit in between.
 */
static __always_inline pte_t arch_dynamic_stack_clear(pte_t *ptep)
{
	return native_make_pte(xchg(&ptep->pte, 0));
}

/*
 * So many pages at most are flushed on all CPUs by their addresses, which
 * interrupts no CPU. None here: flush_tlb_all() does it, mostly by IPI.
 */
#define ARCH_DYNAMIC_STACK_FLUSH_PAGES	0

static inline void arch_dynamic_stack_flush_begin(void) { }
static inline void arch_dynamic_stack_flush_page(unsigned long addr) { }
static inline void arch_dynamic_stack_flush_end(void) { }

/*
 * A page of this CPU's TLB, by what the collector's flush_tlb_all() does it with:
 * INVLPGB where it is there, which the other CPUs hardly notice. Not preemptible.
 */
static inline void arch_dynamic_stack_flush_cpu(unsigned long addr)
{
#ifdef X86_FEATURE_INVLPGB
	if (cpu_feature_enabled(X86_FEATURE_INVLPGB)) {
		flush_tlb_all();
		return;
	}
#endif
	__flush_tlb_all();
}

/*
 * Push @val below @top through the stack pointer, which is on another stack for
 * two instructions. Interrupts are off, and NMI, #MC and #DB don't push there:
 * they have their own stacks. An unwinder in one of them finds no stack it knows.
 */
static __always_inline void arch_dynamic_stack_push(unsigned long top, unsigned long val)
{
	/* Not popped, which would read. */
	asm volatile("xchgq %%rsp, %[top]\n\t"
		     "pushq %[val]\n\t"
		     "leaq 8(%%rsp), %%rsp\n\t"
		     "xchgq %%rsp, %[top]"
		     : [top] "+r" (top) : [val] "r" (val) : "memory");
}

/* Where a task that is off the CPU has its stack pointer. */
static __always_inline unsigned long arch_dynamic_stack_sp(struct task_struct *tsk)
{
	return READ_ONCE(tsk->thread.sp);
}

/* For tests, of a task that never runs. */
static inline void arch_dynamic_stack_set_sp(struct task_struct *tsk, unsigned long sp)
{
	tsk->thread.sp = sp;
}

/*
 * An allow list: reuse of an unaccessed frame without a flush rests on what
 * these vendors' manuals promise. Xen PV owns the page tables itself.
 */
static inline bool arch_dynamic_stack_supported(void)
{
	if (cpu_feature_enabled(X86_FEATURE_XENPV))
		return false;

	switch (boot_cpu_data.x86_vendor) {
	case X86_VENDOR_INTEL:
	case X86_VENDOR_AMD:
	case X86_VENDOR_HYGON:
		return true;
	default:
		return false;
	}
}

/*
 * By IPI, flush_tlb_all() reaches online CPUs only. This one may have filled its
 * TLB since its flush in head_64.S, so it flushes right after it became visible:
 * either the collector's IPI reaches it, or this flush comes after the
 * collector cleared the PTEs (pairs with the smp_mb() in collect_flush()).
 * Interrupts are off.
 */
static inline void arch_dynamic_stack_cpu_online(void)
{
	if (!dynamic_stack_enabled())
		return;
	smp_mb();	/* the online mask before the TLB's content */
	__flush_tlb_all();
}

#else

static inline void arch_dynamic_stack_cpu_online(void) { }

#endif /* CONFIG_DYNAMIC_STACK */

struct pt_regs;

#ifdef CONFIG_DYNAMIC_STACK_FAULT
struct dynamic_stack_ist {
	unsigned long	ist;
	unsigned long	cr2;
};

/*
 * For those who may interrupt a #PF on its stack, and then take one: NMI, #MC
 * and the kernel's #DB.
 */
void dynamic_stack_ist_enter(struct dynamic_stack_ist *save, struct pt_regs *regs);
void dynamic_stack_ist_exit(struct dynamic_stack_ist *save);

bool arch_dynamic_stack_fault_supported(void);

DECLARE_PER_CPU(unsigned long, dynamic_stack_redelivered);
DECLARE_PER_CPU(unsigned long, dynamic_stack_level1[3]);
#ifdef CONFIG_DYNAMIC_STACK_DEBUG
extern unsigned int dynamic_stack_hold, dynamic_stack_held;
extern bool dynamic_stack_hold_mc;
#endif
#else
struct dynamic_stack_ist { };

static __always_inline void dynamic_stack_ist_enter(struct dynamic_stack_ist *save,
						    struct pt_regs *regs) { }
static __always_inline void dynamic_stack_ist_exit(struct dynamic_stack_ist *save) { }
#endif

#ifdef CONFIG_DYNAMIC_STACK_FRED
bool dynamic_stack_fred_fault(struct pt_regs *regs, unsigned long error);
#else
static __always_inline bool dynamic_stack_fred_fault(struct pt_regs *regs, unsigned long error)
{
	return false;
}
#endif
#endif /* _ASM_X86_DYNAMIC_STACK_H */
