// SPDX-License-Identifier: GPL-2.0
/* What all others stand on: time, messages, the end, what all processes see. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "replay.h"

struct shared *shared;
struct slot *slots;
volatile int stop_requested;
void (*die_cleanup)(void);

static double started;

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

double progress_start(void)
{
	started = now();
	return started;
}

void progress(const char *fmt, ...)
{
	va_list ap;

	printf("@@ progress %3.0f s: ", now() - started);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("census-replay: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (die_cleanup)
		die_cleanup();
	exit(1);
}
