/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dynamic kernel stacks: checks, for those who test it. Without
 * CONFIG_DYNAMIC_STACK_DEBUG the compiler drops all of it.
 */
#ifndef _MM_DYNAMIC_STACK_DEBUG_H
#define _MM_DYNAMIC_STACK_DEBUG_H

#include <linux/bits.h>
#include <linux/mm_types.h>

struct dynamic_stack;
struct task_struct;

/*
 * Planted bugs, to show that the tests notice: bits of dynamic_stack.plant=.
 * Without CONFIG_DYNAMIC_STACK_DEBUG the compiler drops all of it.
 */
enum dynamic_stack_plant {
	DSTACK_PLANT_NO_FLUSH,		/* 0 collect without a shootdown */
	DSTACK_PLANT_FRESH_FRAME,	/* 1 parked frame replaced at switch-in */
	DSTACK_PLANT_IGNORE_ACCESSED,	/* 2 a touched page is taken as clean */
	DSTACK_PLANT_IGNORE_SEQ,	/* 3 collect although the task ran */
	DSTACK_PLANT_ABOVE_SP,		/* 4 park one page too many */
	DSTACK_PLANT_PRESET_ACCESSED,	/* 5 fresh PTE with A=1 */
	DSTACK_PLANT_NO_ZERO,		/* 6 collected page not cleared */
	DSTACK_PLANT_LEAK,		/* 7 a collected page gets lost */
	DSTACK_PLANT_COUNTER,		/* 8 a gauge is not updated */
	DSTACK_PLANT_HALF,		/* 9 populate half-way when pages are short */
	DSTACK_PLANT_NO_EXCLUSION,	/* 10 collect by the sequence number alone */
	DSTACK_PLANT_LATE_PARK,		/* 11 park after on_cpu is cleared */
	DSTACK_PLANT_TORN_CLEAR,	/* 12 PTE read, then cleared */
	DSTACK_PLANT_LOSE_IRQ,		/* 13 lost interrupt not delivered again */
	DSTACK_PLANT_ONE_PF_STACK,	/* 14 #PF's stack not protected in an NMI */
	DSTACK_PLANT_LOSE_CR2,		/* 15 CR2 not restored after #DB */
	DSTACK_PLANT_NO_MARGIN,		/* 16 move a #PF to where its handler faults */
	DSTACK_PLANT_ONLY_CURRENT,	/* 17 a fault on the next task's stack is not known */
	DSTACK_PLANT_TAKE_ENSURED,	/* 18 park pages that were ensured */
	DSTACK_PLANT_ANY_LEVEL,		/* 19 a nested #PF at level 1 is taken for a first one */
	DSTACK_PLANT_STAY,		/* 20 what is no stack fault stays at level 1 */
};

/*
 * The steps of the proof that the Accessed flag can be trusted, and the numbers of
 * dynamic_stack.proof_lie=, which plants the failure of one.
 */
enum dynamic_stack_proof {
	DSTACK_PROOF_READ = 1,
	DSTACK_PROOF_WRITE,
	DSTACK_PROOF_PUSH,
	DSTACK_PROOF_IDLE,
	DSTACK_PROOF_REUSE,
	DSTACK_PROOF_RESTORE,
	DSTACK_PROOF_FLUSH,
};

#ifdef CONFIG_DYNAMIC_STACK_DEBUG
extern unsigned long dynamic_stack_plant;
#define dstack_planted(bug)	\
	unlikely(READ_ONCE(dynamic_stack_plant) & BIT(DSTACK_PLANT_##bug))
void dstack_check_owner(struct dynamic_stack *ds, struct page *page);
void dstack_set_owner(struct dynamic_stack *ds, struct page *page);
void dstack_check_clean(struct page *page);
void dstack_assert_state(const struct dynamic_stack *ds);
void dstack_delay(void);
void dstack_switch_delay(void);
void dstack_park_late(struct dynamic_stack *ds, unsigned long sp);
void dstack_replace_page(struct dynamic_stack *ds, unsigned int i);
pte_t dstack_clear_torn(pte_t *ptep);
bool dstack_proof_lie(enum dynamic_stack_proof step);
bool kstack_empty(void);
void dstack_check_locks(struct task_struct *tsk);
#else
#define dstack_planted(bug)	(false)
static inline void dstack_check_owner(struct dynamic_stack *ds, struct page *page) { }
static inline void dstack_set_owner(struct dynamic_stack *ds, struct page *page) { }
static inline void dstack_check_clean(struct page *page) { }
static inline void dstack_assert_state(const struct dynamic_stack *ds) { }
static inline void dstack_delay(void) { }
static inline void dstack_switch_delay(void) { }
static inline void dstack_park_late(struct dynamic_stack *ds, unsigned long sp) { }
static inline void dstack_replace_page(struct dynamic_stack *ds, unsigned int i) { }
static inline pte_t dstack_clear_torn(pte_t *ptep) { return *ptep; }
static inline bool dstack_proof_lie(enum dynamic_stack_proof step) { return false; }
static inline bool kstack_empty(void) { return false; }
static inline void dstack_check_locks(struct task_struct *tsk) { }
#endif

#endif /* _MM_DYNAMIC_STACK_DEBUG_H */
