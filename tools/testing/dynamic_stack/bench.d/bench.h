/* SPDX-License-Identifier: GPL-2.0 */
/* ds-bench: what its parts share. */
#ifndef DS_BENCH_H
#define DS_BENCH_H

#include <stdbool.h>
#include <stdint.h>

/* For %llu */
#define U(x) ((unsigned long long)(x))

/* main.c */
void fail(const char *what) __attribute__((noreturn));
void pin(int cpu);
extern const char *self_path;

/* clock.c: instructions, cycles or ticks, whatever is there */
void clock_init(int cpu, bool perf);
uint64_t clock_now(void);
const char *clock_unit(void);
double clock_per_instruction(void);
uint64_t spin(uint64_t loops);

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
	return (uint64_t)hi << 32 | lo;
}

/* The next pseudo random number: xorshift32, the same in each run */
static inline unsigned int draw_from(uint32_t *rng, unsigned int below)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 17;
	*rng ^= *rng << 5;
	return *rng % below;
}

/* For the instruction profile: a plugin of the emulator looks for this one. */
static inline void profile_mark(void)
{
	__asm__ volatile("xchg %%bx, %%bx" ::: "memory");
}

/* kernel.c: what the kernel says of itself */
struct counters {
	uint64_t	switches;
	uint64_t	idle;		/* 1/100 s */
	uint64_t	populate, reclaim, park, restore, collect, shootdown, starved;
};

void read_counters(struct counters *c);
long read_meminfo(const char *name);
uint64_t read_vmstat(const char *name);
uint64_t read_interrupts(const char *name, uint64_t *per_cpu, int max);
uint64_t read_idle_ns(void);
int find_task(const char *comm);
uint64_t task_runtime(int pid);
int write_file(const char *path, const char *text);
void go_deep(unsigned int bytes);
extern const char *const deep_file;

/* ops.c: what is measured */
struct op {
	const char	*name;
	const char	*what;
	int		(*setup)(void);	/* 0, or -1: can't be done here */
	/* Returns how many were done, and may correct *spent. */
	uint64_t	(*run)(uint64_t nr, uint64_t *spent);
	void		(*teardown)(void);
};

extern const struct op ops[];
extern const unsigned int nr_ops;

/* timing.c: runs that are about time and numbers of threads */
int cmd_latency(int argc, char **argv);
int cmd_messaging(int argc, char **argv);
int cmd_scale(int argc, char **argv);
int cmd_idle(int argc, char **argv);

/* day.c */
int cmd_day(int argc, char **argv);

/* frag.c */
int cmd_frag(int argc, char **argv);

#endif
