// SPDX-License-Identifier: GPL-2.0
/*
 * progress-fixed [KIB SECONDS]: prints what the feature holds however few threads there
 * are, in KiB: pools with the lists and the reserve, the cache of stacks, and the
 * stacks of its own threads. With arguments it waits until that is KIB at most, but
 * not longer than so many seconds. It starts no task meanwhile: that would take some.
 */
#include "progress.h"

/* Of a kstackd for each CPU, the collector and a rescuer. What is not listed is whole. */
static long daemon_pages(void)
{
	static const char *const names[] = { "kstackd/", "kstack_collectd", "kworker/R-kstac" };
	long missing = sysconf(_SC_NPROCESSORS_ONLN) + 2, pages = 0, held;
	FILE *f = fopen(STACKS, "r");
	char line[256], name[64];
	size_t i;

	if (!f)
		die(STACKS ": %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*d %ld %*s %*d %*d %63s", &held, name) != 2)
			continue;
		for (i = 0; i < ARRAY_SIZE(names); i++) {
			if (strncmp(name, names[i], strlen(names[i])))
				continue;
			missing--;
			pages += held;
		}
	}
	fclose(f);
	return pages + missing * read_key(DEBUGFS "summary", "stack_pages");
}

static long fixed_kib(void)
{
	return (vmstat("nr_kstack_pool") + read_key(DEBUGFS "summary", "cached_pages") +
		daemon_pages()) * sysconf(_SC_PAGESIZE) / 1024;
}

int main(int argc, char **argv)
{
	long kib = fixed_kib();
	int i;

	for (i = 0; argc == 3 && kib > atol(argv[1]) && i < 2 * atoi(argv[2]); i++) {
		sleep_ms(500);
		kib = fixed_kib();
	}
	printf("%ld\n", kib);
	return 0;
}
