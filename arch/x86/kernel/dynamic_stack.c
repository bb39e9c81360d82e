// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: page faults on a stack of their own.
 *
 * With pages of a stack missing, the CPU can't push a page fault's frame onto
 * it. So #PF has an IST stack. It is left again at once: for the stack that was
 * interrupted, unless that one lacks the page. The code here runs on the #PF
 * stack with interrupts off, and is noinstr: nothing but an NMI, #MC or #DB may
 * come while the stack is in use, and these move the stack's top before they
 * can fault themselves.
 *
 * CR2 is as the fault left it: those three restore it, and a stack fault
 * changes it for nobody who still needs it. That is why a #PF that is not a
 * stack fault is moved to where its handler has room to read CR2 without one.
 *
 * With FRED, what was said of the IST stack is true of stack level 1, but for
 * three things. The CPU itself does not go back to the top of a stack that is
 * in use. CR2 is in the frame, and nobody reads the register. And the CPU has
 * to leave the level as well as the stack, which takes an ERETS.
 */
#include <linux/dynamic_stack_switch.h>
#include <linux/entry-common.h>
#include <linux/hardirq.h>
#include <linux/kdebug.h>
#include <linux/linkage.h>
#include <linux/mm.h>
#include <linux/sched/debug.h>

#include <asm/apic.h>
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>
#include <asm/dynamic_stack.h>
#include <asm/fred.h>
#include <asm/hypervisor.h>
#include <asm/irq_stack.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <asm/stacktrace.h>
#include <asm/trap_pf.h>
#include <asm/traps.h>
#include <asm/tsc.h>

#include "../../../mm/dynamic_stack/internal.h"

/* The handler of a #PF reads CR2 before it has used so much of its stack. */
#define PF_MARGIN	512

#define PF_IST		cpu_tss_rw.x86_tss.ist[IST_INDEX_PF]

asmlinkage __visible struct pt_regs *dynamic_stack_page_fault(struct pt_regs *regs);

/* Interrupts that were lost and delivered again. */
DEFINE_PER_CPU(unsigned long, dynamic_stack_redelivered);

#define on_ist_stack(addr, name)	\
	((addr) - __this_cpu_ist_bottom_va(name) < EXCEPTION_STKSZ)

static __always_inline bool on_pf_stack(unsigned long addr)
{
	return on_ist_stack(addr, PF);
}

/* The frame that the CPU has pushed, as the end of pt_regs. */
#define ist_frame(name)	((struct pt_regs *)__this_cpu_ist_top_va(name) - 1)

/*
 * The NMI stack has copies of it, for NMIs that nest: see asm_exc_nmi(). The
 * CPU's own is right as long as "NMI executing" is not set, and none nests.
 */
static __always_inline struct pt_regs *pf_stack_nmi_frame(void)
{
	unsigned long *top = (unsigned long *)__this_cpu_ist_top_va(NMI);
	struct pt_regs *frame = ist_frame(NMI);

	if (top[-7] || on_ist_stack(frame->sp, NMI))
		frame = (struct pt_regs *)(top - 12) - 1;
	return frame;
}

/*
 * Where on the #PF stack is the page fault that @regs have interrupted? Perhaps
 * not directly: an NMI may come when #DB or #MC, or one of these when an NMI,
 * has not moved the top of the #PF stack yet, or has moved it back already.
 * 0: it is not in use. What user space has in its stack pointer means nothing,
 * also right after SYSCALL.
 */
static __always_inline unsigned long pf_stack_interrupted(struct pt_regs *regs)
{
	int i;

	/* No two of the same kind are on one stack. */
	for (i = 0; i < 4; i++) {
		if (user_mode(regs) || ip_within_syscall_gap(regs))
			return 0;
		if (on_pf_stack(regs->sp))
			return regs->sp;
		if (on_ist_stack(regs->sp, DB))
			regs = ist_frame(DB);
		else if (on_ist_stack(regs->sp, MCE))
			regs = ist_frame(MCE);
		else if (on_ist_stack(regs->sp, NMI))
			regs = pf_stack_nmi_frame();
		else
			return 0;
	}
	return 0;
}

/**
 * dynamic_stack_ist_enter - the #PF stack may be in use, and may be needed again
 * @save: for dynamic_stack_ist_exit()
 * @regs: what was interrupted
 *
 * The next #PF comes below the one that was interrupted. Nests: what interrupts
 * that one finds itself on the #PF stack again, and goes below it.
 *
 * Context: NMI, #MC or kernel #DB, on its own IST stack.
 */
noinstr void dynamic_stack_ist_enter(struct dynamic_stack_ist *save, struct pt_regs *regs)
{
	unsigned long sp = pf_stack_interrupted(regs);

	save->cr2 = read_cr2();
	save->ist = 0;
	if (!sp)
		return;
	save->ist = this_cpu_read(PF_IST);
	this_cpu_write(PF_IST, ALIGN_DOWN(sp, 16));
}

/**
 * dynamic_stack_ist_exit - back to the #PF that was interrupted, if there was one
 * @save: from dynamic_stack_ist_enter()
 */
noinstr void dynamic_stack_ist_exit(struct dynamic_stack_ist *save)
{
	if (save->ist)
		this_cpu_write(PF_IST, save->ist);
	/* A hypervisor may trap the write, so not for nothing. */
	if (unlikely(save->cr2 != read_cr2()))
		write_cr2(save->cr2);
}

/*
 * An IRQ, exception, entry or boot stack, or the whole stack of a task: all are
 * either mapped or not. Something else, a wild stack pointer say, must not be
 * written to from here: another #PF would overwrite this one.
 */
static __always_inline bool pf_stack_mapped(unsigned long addr)
{
	unsigned long *table = __va(__native_read_cr3() & CR3_ADDR_MASK), entry;
	int shift = pgtable_l5_enabled() ? 48 : 39;

	if (addr < -1UL << (shift + 8))
		return false;
	for (;; shift -= 9) {
		entry = READ_ONCE(table[(addr >> shift) % PTRS_PER_PTE]);
		if ((entry & (_PAGE_PRESENT | _PAGE_RW)) != (_PAGE_PRESENT | _PAGE_RW))
			return false;
		if (shift == PAGE_SHIFT || (entry & _PAGE_PSE))
			return true;
		table = __va(entry & PTE_PFN_MASK);
	}
}

/* All pages of a stack from @low to below @high. */
static __always_inline bool pf_stack_make_present(struct dynamic_stack *ds, unsigned long low,
						  unsigned long high)
{
	unsigned int i = (low - ds->base) >> PAGE_SHIFT;
	unsigned int last = (high - 1 - ds->base) >> PAGE_SHIFT;

	for (; i <= last && i < DSTACK_PAGES; i++) {
		if (!(ds->mapped & BIT(i)) && !dynamic_stack_fault_in(ds, i))
			return false;
	}
	return true;
}

/*
 * What follows runs on the #DF stack, where there is room. Should a #DF come
 * meanwhile, nothing is lost by it that was not lost already.
 */
#define on_df_stack(func, regs, ds, address)				\
	call_on_stack(__this_cpu_ist_top_va(DF) - sizeof(void *),	\
		      func, ASM_CALL_ARG3, , [arg1] "r" (regs),		\
		      [arg2] "r" (ds), [arg3] "r" (address))

/* Page faults from here on come below what this CPU has on the #PF stack. */
static __always_inline unsigned long pf_stack_shift(void)
{
	unsigned long old = this_cpu_read(PF_IST);

	this_cpu_write(PF_IST, ALIGN_DOWN(current_stack_pointer - 64, 16));
	return old;
}

static noinstr void pf_stack_warn_deep(struct pt_regs *regs, struct dynamic_stack *ds,
				       unsigned long address)
{
	irqentry_state_t state = irqentry_nmi_enter(regs);

	instrumentation_begin();
	dynamic_stack_warn_deep(regs, ds, address);
	instrumentation_end();
	irqentry_nmi_exit(regs, state);
}

static __always_inline bool pf_stack_beyond_promise(struct dynamic_stack *ds, unsigned long address)
{
	return address - ds->base < THREAD_SIZE - DSTACK_PROMISED * PAGE_SIZE;
}

static __always_inline void pf_stack_tell_deep(struct pt_regs *regs, struct dynamic_stack *ds,
					       unsigned long address, bool fred)
{
	unsigned long ist = fred ? 0 : pf_stack_shift();

	on_df_stack(pf_stack_warn_deep, regs, ds, address);
	if (!fred)
		this_cpu_write(PF_IST, ist);
}

/*
 * The end, as a double fault would be: there is no stack that the frame could
 * be moved to. @ds: it is a managed stack, and there is no frame for it.
 */
static noinstr void pf_stack_die(struct pt_regs *regs, struct dynamic_stack *ds,
				 unsigned long address)
{
	struct stack_info info;

	irqentry_nmi_enter(regs);
	instrumentation_begin();
	if (ds) {
		/* No trace: it would begin where the page is missing. */
		pr_emerg("stack fault at %pS\n", (void *)regs->ip);
		dynamic_stack_panic(ds, address);
	}
	/* In the words of handle_stack_overflow(). */
	if (get_stack_guard_info((void *)address, &info)) {
		pr_emerg("BUG: %s stack guard page was hit at %p (stack is %p..%p)\n",
			 stack_type_name(info.type), (void *)address, info.begin, info.end);
		die("stack guard page", regs, 0);
	}
	die("page fault without a stack", regs, regs->orig_ax);
	panic("page fault without a stack");
	instrumentation_end();
}

static noinstr void __noreturn pf_stack_give_up(struct pt_regs *regs, struct dynamic_stack *ds,
						unsigned long address, bool fred)
{
	if (!fred)
		pf_stack_shift();
	on_df_stack(pf_stack_die, regs, ds, address);
	/* It doesn't return. */
	for (;;)
		cpu_relax();
}

/*
 * Where the CPU aligns the stack pointer to before it pushes an event's frame
 * on the stack that it interrupts.
 */
static __always_inline unsigned long pf_stack_frame_top(unsigned long sp, bool fred)
{
	return fred ? (sp - FRED_CONFIG_REDZONE) & FRED_STACK_FRAME_RSP_MASK :
		      ALIGN_DOWN(sp, 16);
}

#ifdef CONFIG_DYNAMIC_STACK_FRED
/* What the CPU pushes. */
struct fred_pushed {
	unsigned long		error_code;
	unsigned long		ip;
	u64			csx;
	unsigned long		flags;
	unsigned long		sp;
	u64			ssx;
	struct fred_info	info;
};

#define FRED_PUSHED	sizeof(struct fred_pushed)

/*
 * Let ERETS do what the delivery of an event does at the level that @regs are
 * returned to, given the event's frame there.
 */
static __always_inline void pf_stack_fred_deliver(struct pt_regs *regs, struct fred_pushed *frame)
{
	frame->ip = regs->ip;
	frame->csx = regs->csx;
	frame->flags = regs->flags;
	frame->sp = regs->sp;

	regs->ip = (unsigned long)asm_fred_entrypoint_kernel;
	/* The level stays what it was. An event ends the wait for an ENDBR. */
	regs->fred_cs.wfe = 0;
	regs->flags = X86_EFLAGS_FIXED;
	regs->sp = (unsigned long)frame;
	regs->ssx = regs->ss;
}

static __always_inline void pf_stack_fred_deliver_irq(struct pt_regs *regs, unsigned long where,
						      unsigned int vector)
{
	struct fred_pushed *frame = (struct fred_pushed *)where;
	union {
		struct fred_ss	fred_ss;
		u64		ssx;
	} u = { .ssx = regs->ss };

	u.fred_ss.type = EVENT_TYPE_EXTINT;
	u.fred_ss.vector = vector;
	u.fred_ss.l = 1;
	frame->error_code = 0;
	frame->ssx = u.ssx;
	frame->info.edata = 0;
	frame->info.resv = 0;
	pf_stack_fred_deliver(regs, frame);
}
#else
#define FRED_PUSHED	0UL

static __always_inline void pf_stack_fred_deliver_irq(struct pt_regs *regs, unsigned long where,
						      unsigned int vector) { }
#endif

static __always_inline void pf_stack_idt_deliver_irq(struct pt_regs *regs, unsigned long where,
						     unsigned int vector)
{
	unsigned long *frame = (unsigned long *)where;
	const gate_desc *gate;
	struct desc_ptr idt;

	frame[0] = regs->ip;
	frame[1] = regs->cs;
	/* The fault's own. */
	frame[2] = regs->flags & ~X86_EFLAGS_RF;
	frame[3] = regs->sp;
	frame[4] = regs->ss;

	asm volatile("sidt %0" : "=m" (idt));
	gate = (const gate_desc *)idt.address + vector;
	regs->ip = gate->offset_low | (unsigned long)gate->offset_middle << 16 |
		   (unsigned long)gate->offset_high << 32;
	regs->cs = __KERNEL_CS;
	regs->flags &= ~(X86_EFLAGS_IF | X86_EFLAGS_TF | X86_EFLAGS_NT | X86_EFLAGS_RF);
	regs->sp = (unsigned long)frame;
}

/* The vector in service, or 0. A lone one: interrupts are off since. */
static __always_inline unsigned int pf_stack_vector_in_service(void)
{
	int i;

	for (i = 7; i > 0; i--) {
		u32 isr;

		if (x2apic_mode)
			isr = __rdmsr(APIC_BASE_MSR + (APIC_ISR >> 4) + i);
		else
			asm volatile("movl %1, %0" : "=r" (isr)
				     : "m" (*(u32 *)(APIC_BASE + APIC_ISR + i * 0x10)));
		if (isr)
			return i * 32 + 31 - __builtin_clz(isr);
	}
	return 0;
}

/*
 * A stack fault with interrupts on, in the bytes where an interrupt's frame
 * would be: it may have been the CPU that pushed it. Then the local APIC has
 * handed over the vector, and considers it to be in service; to return from the
 * fault would not bring it back, and would leave it so for ever. Nothing else
 * can be in service here: interrupts are on, on a task's stack, and handlers
 * write EOI before they turn interrupts on or leave the IRQ stack.
 *
 * So do what the CPU was about to do: push the frame, and go on at the handler,
 * which writes EOI as always. That is right for edge and level alike, and needs
 * no IPI. If it was an exception's frame that the CPU pushed, or an instruction
 * that wrote there, then it is executed again.
 *
 * FRED says that an event was nested in another one's delivery, but not in
 * which. So this does not ask.
 */
static __always_inline bool
pf_stack_deliver_again(struct pt_regs *regs, struct dynamic_stack *ds, unsigned long address,
		       unsigned long error, bool fred)
{
	const unsigned long size = fred ? FRED_PUSHED : 5 * sizeof(long);
	/* Whoever was interrupted in safe-RET has popped up to 16 bytes since. */
	const unsigned long popped = fred ? 0 : 16;
	unsigned long frame = pf_stack_frame_top(regs->sp, fred) - size;
	unsigned int vector;

	if (!(regs->flags & X86_EFLAGS_IF) || !(error & X86_PF_WRITE) ||
	    address - (frame - popped) >= size + popped)
		return true;
	vector = pf_stack_vector_in_service();
	if (!vector)
		return true;
	if (frame < ds->base || !pf_stack_make_present(ds, frame, regs->sp))
		return false;

	if (fred)
		pf_stack_fred_deliver_irq(regs, frame, vector);
	else
		pf_stack_idt_deliver_irq(regs, frame, vector);
	raw_cpu_inc(dynamic_stack_redelivered);
	return true;
}

#ifdef CONFIG_DYNAMIC_STACK_DEBUG
/*
 * For tests: a CPU that takes a kernel's #PF holds on the #PF stack until what
 * the test lets happen there has happened.
 */
unsigned int dynamic_stack_hold;	/* which CPU: its number + 1 */
unsigned int dynamic_stack_held;
bool dynamic_stack_hold_mc;		/* bring about a #MC */

static __always_inline void pf_stack_hold(void)
{
	u64 end;

	if (likely(READ_ONCE(dynamic_stack_hold) != raw_smp_processor_id() + 1))
		return;
	WRITE_ONCE(dynamic_stack_held, 1);
	if (READ_ONCE(dynamic_stack_hold_mc))
		asm volatile("int %0" : : "i" (X86_TRAP_MC) : "memory");
	end = rdtsc() + (1ULL << 35);
	while (READ_ONCE(dynamic_stack_hold) && rdtsc() < end)
		cpu_relax();
	WRITE_ONCE(dynamic_stack_held, 0);
}
#else
static __always_inline void pf_stack_hold(void) { }
#endif

/*
 * A stack fault is served here. What else there is has to be moved to the stack
 * that was interrupted.
 *
 * Return: where to, @size bytes; 0 if it was a stack fault, and @regs are to be
 * returned to.
 */
static __always_inline unsigned long
pf_stack_fault(struct pt_regs *regs, unsigned long address, unsigned long error,
	       unsigned long size, bool fred)
{
	unsigned long sp = regs->sp, moved, low;
	struct dynamic_stack *ds;

	ds = dynamic_stack_at(sp);

	/* Kernel mode, not present, not an instruction: on the stack in use? */
	if (ds && !(error & ~X86_PF_WRITE) && address - ds->base < THREAD_SIZE) {
		if (!dynamic_stack_fault_in(ds, (address - ds->base) >> PAGE_SHIFT))
			goto empty;
		if (pf_stack_beyond_promise(ds, address))
			pf_stack_tell_deep(regs, ds, address, fred);
		if (!pf_stack_deliver_again(regs, ds, address, error, fred))
			goto empty;
		return 0;
	}

	/* To where the CPU would have pushed it. */
	moved = pf_stack_frame_top(sp, fred) - size;
	if (likely(ds)) {
		/* With FRED, nothing is lost if the handler faults there. */
		low = moved - (fred ? 0 : PF_MARGIN);
		if (unlikely(low < ds->base)) {
			low = moved;
			if (low < ds->base)
				goto no_stack;
		}
		if (unlikely(ds->mapped != DSTACK_ALL)) {
			unsigned int was = ds->mapped;

			if (!pf_stack_make_present(ds, low, sp)) {
				address = low;
				goto empty;
			}
			if (ds->mapped != was && pf_stack_beyond_promise(ds, low)) {
				pf_stack_tell_deep(regs, ds, low, fred);
				/* The handler has still to read it. */
				if (!fred)
					write_cr2(address);
			}
		}
	} else if (!pf_stack_mapped(moved) || !pf_stack_mapped(moved + size - 1)) {
		goto no_stack;
	}
	return moved;

no_stack:
	/* Where a push would have gone: the guard page, most likely. */
	address = moved;
	ds = NULL;
empty:
	pf_stack_give_up(regs, ds, address, fred);
}

/**
 * dynamic_stack_page_fault - what is to be done with a #PF of the kernel
 * @regs: on the #PF stack
 *
 * Return: where @regs have been moved to, for the handler of page faults; %NULL
 * if it was a stack fault, and @regs are to be returned to.
 */
noinstr struct pt_regs *dynamic_stack_page_fault(struct pt_regs *regs)
{
	unsigned long address = read_cr2();
	struct pt_regs *moved;

	/* Early: the gate has no IST stack yet. */
	if (!on_pf_stack((unsigned long)regs))
		return regs;
	/* The code here has faulted: what it was called for is overwritten. */
	if (on_pf_stack(regs->sp))
		pf_stack_give_up(regs, NULL, address, false);
	pf_stack_hold();

	moved = (struct pt_regs *)pf_stack_fault(regs, address, regs->orig_ax, sizeof(*regs),
						 false);
	if (moved)
		*moved = *regs;
	return moved;
}

#ifdef CONFIG_DYNAMIC_STACK_FRED
/* Stack faults at level 1, others there, any at another level. */
DEFINE_PER_CPU(unsigned long, dynamic_stack_level1[3]);

/**
 * dynamic_stack_fred_fault - what is to be done with a #PF of the kernel
 * @regs: as it came in
 * @error: its error code
 *
 * At level 0 a #PF is what it always was: an early one, or one that comes from
 * here. So it is if it interrupted a higher level: #DB, NMI, #MC and #DF have no
 * other stack, and don't sleep. That level is in the frame, and says for sure
 * whether this is the first one on the stack of level 1.
 *
 * What is not a stack fault begins anew, at level 0 of the stack that it
 * interrupted: ERETS goes to where the CPU would have gone, with the frame that
 * it would have pushed.
 *
 * Return: false if it is to be handled where it is; true if @regs are to be
 * returned to.
 */
noinstr bool dynamic_stack_fred_fault(struct pt_regs *regs, unsigned long error)
{
	struct fred_pushed *moved;

	if (regs->fred_cs.sl ||
	    (unsigned long)regs - __this_cpu_ist_bottom_va(DB) >= EXCEPTION_STKSZ)
		return false;
	pf_stack_hold();
	if (IS_ENABLED(CONFIG_DYNAMIC_STACK_DEBUG) && (__rdmsr(MSR_IA32_FRED_CONFIG) & 3) != 1)
		raw_cpu_inc(dynamic_stack_level1[2]);

	moved = (struct fred_pushed *)pf_stack_fault(regs, fred_event_data(regs), error,
						     FRED_PUSHED, true);
	if (!moved) {
		raw_cpu_inc(dynamic_stack_level1[0]);
		return true;
	}
	raw_cpu_inc(dynamic_stack_level1[1]);
	moved->error_code = error;
	moved->ssx = regs->ssx;
	moved->info = *fred_info(regs);
	pf_stack_fred_deliver(regs, moved);
	return true;
}
#endif

/**
 * arch_dynamic_stack_fault_supported - can stack faults be taken here?
 *
 * An interrupt that is not in service at the local APIC would get lost: that is
 * so if it comes through an 8259, and with hypervisors that hand over interrupts
 * with an EOI of their own.
 *
 * Return: true if so.
 */
bool __init arch_dynamic_stack_fault_supported(void)
{
	/* A kernel in which FRED does not know of it. */
	if (cpu_feature_enabled(X86_FEATURE_FRED) && !IS_ENABLED(CONFIG_DYNAMIC_STACK_FRED))
		return false;
	return boot_cpu_has(X86_FEATURE_APIC) && apic_intr_mode == APIC_SYMMETRIC_IO &&
	       (hypervisor_is_type(X86_HYPER_NATIVE) || hypervisor_is_type(X86_HYPER_KVM));
}
