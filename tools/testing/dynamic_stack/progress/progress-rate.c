// SPDX-License-Identifier: GPL-2.0
/*
 * progress-rate MS: others wake up all the time, and no pool can be filled for so
 * long. How many shootdowns come of it? 50 a second at most. Starts no task, or
 * that could starve as well.
 */
#include "progress.h"

#define VM	"/proc/sys/vm/dynamic_stack_"

/* As few pages as can be: 12 if a task may lack its last one. */
static void smallest_pools(void)
{
	const char *least = write_file(VM "pool_low", "9") ? "12" : "9";

	must_write(VM "pool_low", least);
	must_write(VM "pool_high", least);
}

int main(int argc, char **argv)
{
	long shootdowns, starved;
	long long took;

	if (argc != 2)
		die("usage: progress-rate MS");
	stay_whole(1);
	/* So that most of the threads wait for a page. */
	smallest_pools();
	sleep_ms(1000);
	fail_refills_now();
	starved = vmstat("kstack_starved");
	shootdowns = vmstat("kstack_shootdown");
	took = now_ms();
	sleep_ms(atoi(argv[1]));
	shootdowns = vmstat("kstack_shootdown") - shootdowns;
	took = now_ms() - took;
	fail_refills(false);
	starved = vmstat("kstack_starved") - starved;
	printf("@@ %ld shootdowns in %lld ms, starved %ld times\n", shootdowns, took, starved);
	if (starved < took / 20)
		die("hardly anything starved");
	if (shootdowns < took / 100)
		die("there was nothing to limit");
	return shootdowns > took / 20 + 2;
}
