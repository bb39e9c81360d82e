/* SPDX-License-Identifier: GPL-2.0 */
/* kstackestimate: what the BPF program tells of a thread, to the program that loads it */
#ifndef _KSTACKESTIMATE_H
#define _KSTACKESTIMATE_H

enum {
	KSE_ON_CPU	= 1,	/* runs */
	KSE_RUNNABLE	= 2,	/* is queued, or is being woken up */
	KSE_LOCKED	= 4,	/* has most of its memory locked, or will lock what it maps */
	KSE_FROZEN	= 8,	/* its group is frozen: if it sleeps, then in do_freezer_trap() */
};

struct kse_task {
	int		pid, tgid, prio;
	unsigned int	task_flags;	/* PF_* */
	unsigned int	state;		/* TASK_* and EXIT_* */
	unsigned int	saved_state;	/* that before it was frozen */
	unsigned int	bits;		/* KSE_* */
	unsigned int	pages;		/* of its stack; 0 if that isn't from vmalloc */
	unsigned long long	offset;	/* of its stack pointer, from the stack's low end */
	char		comm[16];
};

#endif
