// SPDX-License-Identifier: GPL-2.0
/*
 * progress-collect MS: for so long look at how the collector gets on, and say
 * what the longest time was in which it took no page. For a machine on which
 * there is always something to take.
 */
#include "progress.h"

int main(int argc, char **argv)
{
	long long now = now_ms(), end, last, longest = 0;
	long taken = vmstat("kstack_collect"), first = taken;

	if (argc != 2)
		die("usage: progress-collect MS");
	last = now;
	end = now + atoi(argv[1]);
	while ((now = now_ms()) < end) {
		long more = vmstat("kstack_collect");

		if (now - last > longest)
			longest = now - last;
		if (more != taken) {
			taken = more;
			last = now;
		}
		sleep_ms(10);
	}
	printf("collected %ld longest %lld\n", taken - first, longest);
	return 0;
}
