/* SPDX-License-Identifier: GPL-2.0 */
/* What the simulated kernel and the program around it want of each other. */
#ifndef DS_CYCLES_WORLD_H
#define DS_CYCLES_WORLD_H

/* What a switch has to do: the same for all tasks of a ring, again and again. */
enum work {
	WORK_EMPTY,		/* no switch: what the loop itself takes */
	WORK_LOAD,		/* no switch: the descriptor's address is read */
	WORK_WHOLE,		/* nothing, the stack is whole (reclaim=sleep) */
	WORK_THREE_TAKEN,	/* pages come from the pool, none leaves (reclaim=sleep) */
	WORK_ONE_CLEAN,		/* a page comes from the pool, one goes there */
	WORK_ONE_TOUCHED,	/* a page gets its PTE back, one is parked */
	WORK_THREE_CLEAN,
	WORK_THREE_TOUCHED,
	NR_WORKS
};

/* main.c; without memory it doesn't return. */
void *host_alloc(unsigned long size);
void host_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* world.c */
struct ring;

void world_init(void);
struct ring *world_ring(enum work work, unsigned int tasks);
void world_settle(void);
void world_before(struct ring *ring);
void world_run(struct ring *ring, unsigned int switches);
void world_after(struct ring *ring, unsigned int switches);
void world_flush(struct ring *ring);
void world_check(void);
void world_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
