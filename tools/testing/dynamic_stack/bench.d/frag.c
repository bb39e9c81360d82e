// SPDX-License-Identifier: GPL-2.0
/*
 * How whole is what memory is free? A load that goes on beside the day: mapped
 * memory that comes and goes in pieces, as apps and their files do, so that pages
 * which can't be moved get to lie among those that can. Then all of it ends, and
 * what the kernel can still make huge pages of is counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define PIECE		(64UL << 10)
#define HUGE_PAGE	(2UL << 20)

static char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static void touch(char *p, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += 4096)
		p[i] = 1;
}

/* Until it is killed. */
static __attribute__((noreturn)) void load(unsigned int percent)
{
	size_t pieces = read_meminfo("MemTotal:") * 1024 / 100 * percent / PIECE, i;
	struct timespec nap = { .tv_nsec = 100000000 };
	char *p = map(pieces * PIECE);
	uint32_t rng = 0x9e3779b9u;

	madvise(p, pieces * PIECE, MADV_NOHUGEPAGE);
	touch(p, pieces * PIECE);
	puts("loaded");
	fflush(stdout);
	for (;;) {
		/* An eighth of it in each ten seconds */
		for (i = 0; i < pieces / 800 + 1; i++) {
			char *piece = p + draw_from(&rng, pieces) * PIECE;

			madvise(piece, PIECE, MADV_DONTNEED);
			touch(piece, PIECE);
		}
		nanosleep(&nap, NULL);
	}
}

/* Free pages that are in a block of a huge page or more, in 1/1000. */
static unsigned int whole(void)
{
	uint64_t all = 0, huge = 0;
	char line[512];
	FILE *f = fopen("/proc/buddyinfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		char *p = strstr(line, "zone");
		unsigned int order;
		unsigned long nr;
		int n;

		if (!p || sscanf(p, "zone %*s%n", &n) < 0)
			continue;
		for (p += n, order = 0; sscanf(p, "%lu%n", &nr, &n) == 1; p += n, order++) {
			all += (uint64_t)nr << order;
			if (order >= 9)
				huge += (uint64_t)nr << order;
		}
	}
	if (f)
		fclose(f);
	return all ? huge * 1000 / all : 0;
}

static int measure(void)
{
	uint64_t fail_from = read_vmstat("thp_fault_fallback");
	uint64_t stall_from = read_vmstat("compact_stall");
	unsigned int before = whole(), nr, tries, i;
	long free_kib = read_meminfo("MemFree:"), huge_kib;
	uint64_t fallback, stall;
	char *p;

	tries = free_kib * 1024 / HUGE_PAGE * 8 / 10;
	p = map((tries + 1) * HUGE_PAGE);
	p += HUGE_PAGE - (unsigned long)p % HUGE_PAGE;
	if (madvise(p, tries * HUGE_PAGE, MADV_HUGEPAGE))
		fail("no huge pages");
	for (i = 0; i < tries; i++)
		p[i * HUGE_PAGE] = 1;
	huge_kib = read_meminfo("AnonHugePages:");
	nr = huge_kib / (HUGE_PAGE >> 10);
	fallback = read_vmstat("thp_fault_fallback") - fail_from;
	stall = read_vmstat("compact_stall") - stall_from;
	printf("@@ {\"frag\": 1, \"free_kib\": %ld, \"whole_permille\": %u, ", free_kib, before);
	printf("\"tried\": %u, \"huge\": %u, ", tries, nr);
	printf("\"fallback\": %llu, \"compact_stall\": %llu}\n", U(fallback), U(stall));
	return 0;
}

int cmd_frag(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "load"))
		load(atoi(argv[2]));
	if (argc > 1 && !strcmp(argv[1], "measure"))
		return measure();
	return 1;
}
