// SPDX-License-Identifier: GPL-2.0
/*
 * progress-poison: memory that failed under a stack, once under a page that is
 * parked, once under one that went to the pool. No other task may get it.
 */
#include "progress.h"

#define CORRUPT	"/sys/kernel/debug/hwpoison/corrupt-pfn"
#define PAGES	4
#define OTHERS	150

/* pfn of each page of the caller's own stack, from the top */
static bool own_pages(unsigned long *pfn)
{
	char text[128];
	int fd = open(TESTFILE, O_RDONLY), n;

	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return sscanf(text, "%lx %lx %lx %lx", pfn, pfn + 1, pfn + 2, pfn + 3) == PAGES;
}

static void corrupt(unsigned long pfn)
{
	char text[32];
	int err;

	snprintf(text, sizeof(text), "%#lx", pfn);
	err = write_file(CORRUPT, text);
	/* The page is marked, but nothing can be done about one that is in use so. */
	if (err && err != -EBUSY)
		die("%s: %s", CORRUPT, strerror(-err));
}

/* A task on CPU 0 tells its pages and sleeps; deep: it has used all of them. */
static pid_t owner(bool deep, unsigned long *pfn)
{
	int said[2];
	pid_t pid;

	if (pipe(said))
		die("pipe: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0);
		/* Fresh pages, that nobody has used. */
		sleep_ms(300);
		if ((deep && write_file(TESTFILE, "touch 13000")) || !own_pages(pfn) ||
		    write(said[1], pfn, PAGES * sizeof(*pfn)) != PAGES * sizeof(*pfn))
			_exit(1);
		for (;;)
			pause();
	}
	close(said[1]);
	if (read(said[0], pfn, PAGES * sizeof(*pfn)) != PAGES * sizeof(*pfn))
		die("no pages");
	close(said[0]);
	return pid;
}

/* Many new tasks at once, on both CPUs: how many got the page? */
static int seen_again(unsigned long bad)
{
	int said[2], i, j, seen = 0, told = 0;
	unsigned long pfn[PAGES];

	if (pipe(said))
		die("pipe: %s", strerror(errno));
	for (i = 0; i < OTHERS; i++) {
		pid_t pid = fork();

		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pin(i & 1);
			if (!own_pages(pfn) ||
			    write(said[1], pfn, sizeof(pfn)) != sizeof(pfn))
				_exit(1);
			/* Keep them: the next one gets others. */
			for (;;)
				pause();
		}
	}
	for (i = 0; i < OTHERS; i++) {
		if (read(said[0], pfn, sizeof(pfn)) != sizeof(pfn))
			break;
		told++;
		for (j = 0; j < PAGES; j++)
			seen += pfn[j] == bad;
	}
	close(said[0]);
	close(said[1]);
	if (told != OTHERS)
		die("only %d of %d tasks told their pages", told, OTHERS);
	return seen;
}

static void kill_children(void)
{
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	while (wait(NULL) > 0)
		;
	signal(SIGTERM, SIG_DFL);
}

static char map_of(pid_t pid, int page)
{
	struct stack_info info;

	return stack_info(pid, &info) && strlen(info.map) > (size_t)page ? info.map[page] : '?';
}

static int test(bool deep)
{
	const char *what = deep ? "parked" : "pooled";
	unsigned long pfn[PAGES];
	pid_t pid;
	int seen;
	char is;

	fflush(stdout);
	pid = owner(deep, pfn);
	sleep_ms(100);
	is = map_of(pid, PAGES - 1);
	if (is != (deep ? 'P' : '-'))
		die("%s: the page is %c", what, is);
	corrupt(pfn[PAGES - 1]);
	if (deep) {
		/* Now it is to be taken from the sleeper. */
		must_write("/proc/sys/vm/dynamic_stack_collect_period_ms", "20");
		sleep_ms(1000);
		is = map_of(pid, PAGES - 1);
		if (is != '-')
			die("%s: the page is %c after collection", what, is);
		must_write("/proc/sys/vm/dynamic_stack_collect_period_ms", "0");
	}
	seen = seen_again(pfn[PAGES - 1]);
	printf("@@ %s: page %#lx went on to %d tasks\n", what, pfn[PAGES - 1], seen);
	kill_children();
	return seen;
}

int main(void)
{
	int seen = 0;

	setpgid(0, 0);
	must_write("/sys/module/dynamic_stack/parameters/reclaim", "switch");
	must_write("/proc/sys/vm/dynamic_stack_sleep_ms", "20");
	/* What is parked stays parked. */
	must_write("/proc/sys/vm/dynamic_stack_collect_period_ms", "0");
	seen += test(false);
	seen += test(true);
	return !!seen;
}
