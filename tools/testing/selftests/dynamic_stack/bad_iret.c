// SPDX-License-Identifier: GPL-2.0
/*
 * A return to user space that fails: a signal handler leaves a stack segment
 * behind that does not exist. That is a fault on the stack from which IRET
 * returns; for such a segment, on x86-64, one that is read-only. The task gets
 * SIGSEGV, and the kernel is none the worse for it.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "kselftest.h"

#define ROUNDS	100

#ifdef __x86_64__
/* Neither is there: one in the LDT, one in the GDT. */
#define LDT_SELECTOR	0x7fff
#define GDT_SELECTOR	0x7ffb

/* The kernel's, in uc_flags: the segment in the frame counts. */
#define STRICT_SS	0x6

static sigjmp_buf back;
static unsigned long selector;

static void on_usr1(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig;
	(void)info;
	uc->uc_flags |= STRICT_SS;
	uc->uc_mcontext.gregs[REG_CSGSFS] &= ~(0xffffL << 48);
	uc->uc_mcontext.gregs[REG_CSGSFS] |= selector << 48;
}

static void on_segv(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

/* How often the signal came. */
static int bad_returns(unsigned long ss)
{
	struct sigaction usr1 = { .sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigaction segv = { .sa_handler = on_segv, .sa_flags = SA_ONSTACK };
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };
	volatile int seen = 0, i;

	selector = ss;
	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &usr1, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	for (i = 0; i < ROUNDS; i++) {
		if (sigsetjmp(back, 1))
			seen++;
		else
			raise(SIGUSR1);
	}
	return seen;
}

int main(void)
{
	int ldt, gdt;

	ksft_print_header();
	ksft_set_plan(2);
	ldt = bad_returns(LDT_SELECTOR);
	ksft_test_result(ldt == ROUNDS, "a segment of no LDT: SIGSEGV %d of %d times\n",
			 ldt, ROUNDS);
	gdt = bad_returns(GDT_SELECTOR);
	ksft_test_result(gdt == ROUNDS, "a segment beyond the GDT: SIGSEGV %d of %d times\n",
			 gdt, ROUNDS);
	ksft_finished();
}
#else
int main(void)
{
	ksft_print_header();
	ksft_exit_skip("for x86-64 only\n");
}
#endif
