// SPDX-License-Identifier: GPL-2.0
/*
 * The clock. Under an emulator that counts instructions (QEMU: -icount
 * shift=0) the time stamp counter goes up by one for each instruction. On
 * hardware: the CPU's cycle counter, kernel included, if perf gives it; else
 * the time stamp counter.
 */
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

static int perf_fd = -1;

void clock_init(int cpu, bool perf)
{
	struct perf_event_attr attr;

	if (!perf)
		return;
	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	attr.type = PERF_TYPE_HARDWARE;
	attr.config = PERF_COUNT_HW_CPU_CYCLES;
	attr.pinned = 1;
	/* The CPU's and not the task's: the partners count, too. */
	perf_fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

uint64_t clock_now(void)
{
	uint64_t value;

	if (perf_fd >= 0 && read(perf_fd, &value, sizeof(value)) == sizeof(value))
		return value;
	return rdtsc();
}

const char *clock_unit(void)
{
	return perf_fd >= 0 ? "cycles" : "tsc_ticks";
}

/* Two instructions each. */
uint64_t spin(uint64_t loops)
{
	uint64_t from = clock_now();

	__asm__ volatile("1: dec %0; jnz 1b" : "+r"(loops));
	return clock_now() - from;
}

/* 1.000 says that the clock counts instructions. */
double clock_per_instruction(void)
{
	const uint64_t loops = 500000;
	uint64_t best = ~0ULL, t;
	int i;

	for (i = 0; i < 20; i++) {
		t = spin(loops);
		if (t < best)
			best = t;
	}
	return (double)best / (2 * loops);
}
