/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dynamic kernel stacks: checks, for those who test it. Without
 * CONFIG_DYNAMIC_STACK_DEBUG the compiler drops all of it.
 */
#ifndef _MM_DYNAMIC_STACK_DEBUG_H
#define _MM_DYNAMIC_STACK_DEBUG_H

#include <linux/mm_types.h>

struct dynamic_stack;
struct task_struct;

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
void dstack_check_owner(struct dynamic_stack *ds, struct page *page);
void dstack_set_owner(struct dynamic_stack *ds, struct page *page);
void dstack_check_clean(struct page *page);
void dstack_assert_state(const struct dynamic_stack *ds);
void dstack_delay(void);
void dstack_give_delay(void);
void dstack_switch_delay(void);
bool dstack_proof_lie(enum dynamic_stack_proof step);
bool kstack_empty(void);
void dstack_check_locks(struct task_struct *tsk);
#else
static inline void dstack_check_owner(struct dynamic_stack *ds, struct page *page) { }
static inline void dstack_set_owner(struct dynamic_stack *ds, struct page *page) { }
static inline void dstack_check_clean(struct page *page) { }
static inline void dstack_assert_state(const struct dynamic_stack *ds) { }
static inline void dstack_delay(void) { }
static inline void dstack_give_delay(void) { }
static inline void dstack_switch_delay(void) { }
static inline bool dstack_proof_lie(enum dynamic_stack_proof step) { return false; }
static inline bool kstack_empty(void) { return false; }
static inline void dstack_check_locks(struct task_struct *tsk) { }
#endif

#endif /* _MM_DYNAMIC_STACK_DEBUG_H */
