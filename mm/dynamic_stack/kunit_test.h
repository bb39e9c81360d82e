/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DYNAMIC_STACK_KUNIT_TEST_H
#define _MM_DYNAMIC_STACK_KUNIT_TEST_H

#include <kunit/test.h>

#include "internal.h"

/* All pages but the top one. */
#define DSTACK_LOWER	(DSTACK_ALL >> 1)

/**
 * struct dstack_iso - the first check that failed while the machine stood still
 * @what: what was checked; NULL: nothing failed
 * @line: where
 * @left: what it was
 * @right: what it should have been
 *
 * KUnit's own macros allocate and print, which can't be done there.
 */
struct dstack_iso {
	const char	*what;
	int		line;
	long		left;
	long		right;
};

static inline void dstack_iso_eq(struct dstack_iso *iso, const char *what, int line,
				 long left, long right)
{
	if (left == right || iso->what)
		return;
	iso->what = what;
	iso->line = line;
	iso->left = left;
	iso->right = right;
}

#define ISO_EQ(iso, left, right)	\
	dstack_iso_eq(iso, #left " == " #right, __LINE__, left, right)
#define ISO_TRUE(iso, cond)	ISO_EQ(iso, !!(cond), true)

/* collect_test.c */
int dstack_test_quiet_collectd(void);

/* kunit_test.c */
int dstack_test_init(struct kunit *test);
void dstack_isolated(struct kunit *test, int (*fn)(void *data), void *data);
long dstack_test_pages(void);

/* switch_test.c */
struct task_struct *dstack_test_task(struct kunit *test);
void dstack_test_populate(struct dstack_iso *iso, struct task_struct *tsk);
void dstack_test_untouched(struct dynamic_stack *ds, unsigned int mask);
void dstack_test_consistent(struct dstack_iso *iso, struct dynamic_stack *ds);
unsigned long *dstack_test_word(struct dynamic_stack *ds, unsigned int i);

#endif /* _MM_DYNAMIC_STACK_KUNIT_TEST_H */
