// SPDX-License-Identifier: GPL-2.0
/*
 * progress-oom COMM: until it is killed, look at the stacks of the tasks with this
 * name, which never sleep but in the kernel's own interest, and say when one lacks
 * pages that it would have to wait for: it may have oom_lock. Allocates nothing
 * once it runs.
 */
#include "progress.h"

static char text[1 << 20];

int main(int argc, char **argv)
{
	int fd = open(STACKS, O_RDONLY), least = 4;

	if (argc != 2 || fd < 0)
		die("usage: progress-oom COMM");
	must_write("/proc/self/oom_score_adj", "-1000");
	if (mlockall(MCL_CURRENT))
		die("mlockall: %s", strerror(errno));
	for (;; sleep_ms(10)) {
		ssize_t len = 0, n;
		char *line, *next;

		lseek(fd, 0, SEEK_SET);
		while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
			len += n;
		text[len] = '\0';
		for (line = text; (next = strchr(line, '\n')); line = next + 1) {
			char map[64], name[64];
			long depth, deepest;
			int pid, held;

			if (sscanf(line, "%d %d %63s %ld %ld %63s", &pid, &held, map, &depth,
				   &deepest, name) != 6 || strcmp(name, argv[1]) || held >= least)
				continue;
			least = held;
			printf("@@ WRONG: %s %d holds %d pages\n", name, pid, held);
			fflush(stdout);
		}
	}
}
