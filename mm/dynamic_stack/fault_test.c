// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of stack faults. Included by fault.c. Each case runs in a thread
 * of its own, so what it does to its stack ends with it. With stacks of 16 KiB
 * they need dynamic_stack.populate=1.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/highmem.h>

#include <asm/cpu_entry_area.h>
#include <asm/syscall.h>
#include <asm/tlbflush.h>

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
	KUNIT_EXPECT_TRUE(test, ds->mapped & BIT(low));
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
		kstack_collect(KSTACK_COLLECT_PRESSURE);
		msleep(20);
		kstack_collect(KSTACK_COLLECT_PRESSURE);
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
	kstack_collect(KSTACK_COLLECT_PRESSURE);
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

/* The lowest page may be there since an earlier life of the stack. */
static void lose_lowest(struct dynamic_stack *ds)
{
	struct page *page = ds->page[0];

	if (!page)
		return;
	local_irq_disable();
	arch_dynamic_stack_clear(ds->ptep);
	ds->mapped &= ~BIT(0);
	dstack_set_owner(NULL, page);
	WRITE_ONCE(ds->page[0], NULL);
	local_irq_enable();
	flush_tlb_all();
	kstack_page_recycle(page);
}

/* One frame for a page, one that comes twice is none, and none is no. */
static void fault_reserve(struct kunit *test)
{
	struct dynamic_stack *ds = current->dynamic_stack;
	unsigned long low = ds->base + TEST_ROOM;
	struct served s = { };

	KUNIT_ASSERT_EQ(test, dynamic_stack_ensure(current_stack_pointer - low), 0);
	lose_lowest(ds);
	/* A switch fills the reserve. */
	msleep(20);
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

struct shifted {
	unsigned long	user, syscall, top, kernel, through_db, back;
};

static unsigned long shift_for(unsigned long sp, unsigned long ip, u16 cs)
{
	struct pt_regs regs = { .sp = sp, .ip = ip, .cs = cs };
	struct dynamic_stack_ist save;
	unsigned long shifted;

	dynamic_stack_ist_enter(&save, &regs);
	shifted = this_cpu_read(cpu_tss_rw.x86_tss.ist[IST_INDEX_PF]);
	dynamic_stack_ist_exit(&save);
	return shifted;
}

/*
 * The top of the #PF stack follows a stack pointer of the kernel, and nothing
 * that user space can have in its own: one that was interrupted, or that is
 * still there when SYSCALL has just been executed. It is found through the #DB
 * stack, which nobody is on here.
 */
static noinline void shift(struct shifted *s)
{
	unsigned long sp = __this_cpu_ist_top_va(PF) - 1024, ip = (unsigned long)shift;
	struct pt_regs *frame = (struct pt_regs *)__this_cpu_ist_top_va(DB) - 1, saved;

	s->top = this_cpu_read(cpu_tss_rw.x86_tss.ist[IST_INDEX_PF]);
	s->user = shift_for(sp, 0x400000, __USER_CS);
	s->syscall = shift_for(sp, (unsigned long)entry_SYSCALL_64, __KERNEL_CS);
	s->kernel = shift_for(sp, ip, __KERNEL_CS);
	saved = *frame;
	frame->sp = sp;
	frame->ip = ip;
	frame->cs = __KERNEL_CS;
	s->through_db = shift_for((unsigned long)frame - 512, ip, __KERNEL_CS);
	*frame = saved;
	s->back = this_cpu_read(cpu_tss_rw.x86_tss.ist[IST_INDEX_PF]);
}

static void fault_top(struct kunit *test)
{
	unsigned long sp;
	struct shifted s;

	if (cpu_feature_enabled(X86_FEATURE_FRED))
		kunit_skip(test, "with FRED, the CPU does that");
	local_irq_disable();
	sp = __this_cpu_ist_top_va(PF) - 1024;
	shift(&s);
	local_irq_enable();
	KUNIT_EXPECT_EQ(test, s.top, sp + 1024);
	KUNIT_EXPECT_EQ(test, s.user, s.top);
	KUNIT_EXPECT_EQ(test, s.syscall, s.top);
	KUNIT_EXPECT_EQ(test, s.kernel, sp);
	KUNIT_EXPECT_EQ(test, s.through_db, sp);
	KUNIT_EXPECT_EQ(test, s.back, s.top);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(fault_recursion),
	KUNIT_CASE(fault_again),
	KUNIT_CASE(fault_ensure),
	KUNIT_CASE(fault_keep),
	KUNIT_CASE(fault_reserve),
	KUNIT_CASE(fault_top),
	{}
};

static struct kunit_suite fault_suite = {
	.name		= "dynamic_stack_fault",
	.init		= fault_init_test,
	.test_cases	= fault_cases,
};

kunit_test_suite(fault_suite);
