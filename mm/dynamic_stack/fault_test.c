// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of stack faults. Included by fault.c. Each case runs in a thread
 * of its own, so what it does to its stack ends with it. With stacks of 16 KiB
 * they need dynamic_stack.populate=1.
 */
#include <kunit/test.h>
#include <linux/delay.h>

/* What the test needs of its stack besides, and the kernel to sleep. */
#define TEST_ROOM	(PAGE_SIZE + PAGE_SIZE / 2)

struct recursion {
	unsigned long	bottom;		/* down to here */
	unsigned int	sleep_ms;
	unsigned int	levels;
	unsigned int	wrong;		/* words that changed */
};

static unsigned long test_word(unsigned long *word)
{
	return (unsigned long)word ^ (unsigned long)current;
}

static noinline void recurse(struct recursion *r)
{
	unsigned long fill[32];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fill); i++)
		WRITE_ONCE(fill[i], test_word(&fill[i]));
	r->levels++;
	if (current_stack_pointer > r->bottom)
		recurse(r);
	else
		msleep(r->sleep_ms);
	for (i = 0; i < ARRAY_SIZE(fill); i++)
		r->wrong += READ_ONCE(fill[i]) != test_word(&fill[i]);
}

/* A stack has that many bytes for sure; and can have so many. */
static unsigned long promised(void)
{
	return hweight32(dynamic_stack_promise) * PAGE_SIZE;
}

static int fault_init_test(struct kunit *test)
{
	if (!dynamic_stack_managed(current) || !fault_slots)
		kunit_skip(test, "no page of a stack comes by fault: populate=1 is needed");
	return 0;
}

/* As deep as the address space goes; what was promised is not the end. */
static void fault_recursion(struct kunit *test)
{
	struct dynamic_stack *ds = current->dynamic_stack;
	struct recursion r = { .bottom = ds->base + TEST_ROOM, .sleep_ms = 50 };
	unsigned long before = dstack_vm_event(KSTACK_FAULT);
	unsigned int low = TEST_ROOM >> PAGE_SHIFT;

	KUNIT_ASSERT_LT(test, promised(), THREAD_SIZE - TEST_ROOM);
	recurse(&r);
	KUNIT_EXPECT_GT(test, r.levels, promised() / 1024);
	KUNIT_EXPECT_EQ(test, r.wrong, 0);
	KUNIT_EXPECT_GT(test, dstack_vm_event(KSTACK_FAULT), before);
	KUNIT_EXPECT_LE(test, ds->deepest, low);
}

/* It comes back, after the pages were parked or taken. */
static void fault_again(struct kunit *test)
{
	struct dynamic_stack *ds = current->dynamic_stack;
	struct recursion r = { .bottom = ds->base + TEST_ROOM };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		r.sleep_ms = 20 * i;
		recurse(&r);
		kstack_collect(true);
		msleep(20);
		kstack_collect(true);
	}
	KUNIT_EXPECT_EQ(test, r.wrong, 0);
}

static void fault_ensure(struct kunit *test)
{
	struct dynamic_stack *ds = current->dynamic_stack;
	unsigned long low = ds->base + TEST_ROOM, here = current_stack_pointer;
	struct recursion r = { .bottom = low + PAGE_SIZE };
	unsigned long before;

	KUNIT_EXPECT_EQ(test, dynamic_stack_ensure(THREAD_SIZE), -E2BIG);
	KUNIT_EXPECT_EQ(test, dynamic_stack_ensure(here - ds->base + PAGE_SIZE), -E2BIG);
	KUNIT_ASSERT_EQ(test, dynamic_stack_ensure(here - low), 0);
	before = raw_cpu_read(kstack_fault.taken);
	migrate_disable();
	before = raw_cpu_read(kstack_fault.taken);
	recurse(&r);
	KUNIT_EXPECT_EQ(test, raw_cpu_read(kstack_fault.taken), before);
	migrate_enable();
	KUNIT_EXPECT_EQ(test, r.wrong, 0);
	KUNIT_EXPECT_EQ(test, dynamic_stack_ensure(0), 0);
	KUNIT_EXPECT_EQ(test, ds->ensured, 0);
}

static void fault_keep(struct kunit *test)
{
	struct dynamic_stack *ds = current->dynamic_stack;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, dynamic_stack_keep(current), 0);
	KUNIT_EXPECT_TRUE(test, ds->keep);
	KUNIT_EXPECT_EQ(test, ds->mapped, DSTACK_ALL);
	for (i = 0; i < DSTACK_PAGES; i++) {
		KUNIT_EXPECT_TRUE(test, pte_present(ptep_get(ds->ptep + i)));
		KUNIT_EXPECT_PTR_EQ(test, vmalloc_to_page((void *)ds->base + i * PAGE_SIZE),
				    ds->page[i]);
	}
	msleep(20);
	kstack_collect(true);
	KUNIT_EXPECT_EQ(test, ds->mapped, DSTACK_ALL);
}

struct served {
	bool		twice, empty, full;
	unsigned int	frames, seq;
};

/*
 * Not by a real fault: what is called with the reserve empty may not fault. The
 * stack is whole down to where this runs.
 */
static noinline void serve(struct dynamic_stack *ds, struct served *s)
{
	static struct page *stash[FAULT_SLOTS];
	struct kstack_fault *reserve;
	unsigned int i;

	local_irq_disable();
	reserve = this_cpu_ptr(&kstack_fault);
	s->frames = this_cpu_read(kstack_fault_short);
	s->seq = ds->seq;
	s->twice = dynamic_stack_fault_in(ds, DSTACK_PAGES - 1);
	s->frames -= this_cpu_read(kstack_fault_short);
	s->seq -= ds->seq;

	memcpy(stash, reserve->page, sizeof(stash));
	memset(reserve->page, 0, sizeof(stash));
	s->empty = dynamic_stack_fault_in(ds, 0);
	memcpy(reserve->page, stash, sizeof(stash));
	s->full = dynamic_stack_fault_in(ds, 0);
	for (i = 0; i < FAULT_SLOTS && s->full; i++) {
		if (stash[i] != reserve->page[i])
			s->full = stash[i] == ds->page[0];
	}
	local_irq_enable();
}

/* One frame for a page, one that comes twice is none, and none is no. */
static void fault_reserve(struct kunit *test)
{
	struct dynamic_stack *ds = current->dynamic_stack;
	unsigned long low = ds->base + TEST_ROOM;
	struct served s = { };

	KUNIT_ASSERT_EQ(test, dynamic_stack_ensure(current_stack_pointer - low), 0);
	/* A switch fills the reserve. */
	msleep(20);
	KUNIT_ASSERT_FALSE(test, ds->mapped & BIT(0));
	serve(ds, &s);
	KUNIT_EXPECT_TRUE(test, s.twice);
	KUNIT_EXPECT_EQ(test, s.frames, 0);
	KUNIT_EXPECT_EQ(test, s.seq, 0);
	KUNIT_EXPECT_FALSE(test, s.empty);
	KUNIT_EXPECT_TRUE(test, s.full);
	KUNIT_EXPECT_TRUE(test, ds->mapped & BIT(0));
	KUNIT_EXPECT_TRUE(test, pte_present(ptep_get(ds->ptep)));
	dynamic_stack_ensure(0);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(fault_recursion),
	KUNIT_CASE(fault_again),
	KUNIT_CASE(fault_ensure),
	KUNIT_CASE(fault_keep),
	KUNIT_CASE(fault_reserve),
	{}
};

static struct kunit_suite fault_suite = {
	.name		= "dynamic_stack_fault",
	.init		= fault_init_test,
	.test_cases	= fault_cases,
};

kunit_test_suite(fault_suite);
