// SPDX-License-Identifier: GPL-2.0
/*
 * progress-poison: memory that failed under stacks, once under pages that are
 * parked, once under some that went to the pool. No other task may get them.
 */
#include "progress.h"

#define CORRUPT	"/sys/kernel/debug/hwpoison/corrupt-pfn"
#define PAGES	4
/*
 * Who else runs while a page is marked takes what the pool got last, and drops what is
 * bad when it goes to sleep; and a pool is filled again, and ages. So there are several
 * owners, awake until the last one has its pages, of which some are marked; and others
 * who are there already, and then are woken up at once.
 */
#define OWNERS	8
#define FIRST	2
#define BAD	4
#define OTHERS	16

struct owner {
	pid_t pid;
	unsigned long pfn[PAGES];
};

static unsigned long bad[BAD];

static int nr_seen(const unsigned long *pfn)
{
	int i, j, seen = 0;

	for (i = 0; i < PAGES; i++) {
		for (j = 0; j < BAD; j++)
			seen += pfn[i] == bad[j];
	}
	return seen;
}

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

struct group {
	int nr, go[2], said[2];
};

/* nr tasks on CPU 0 wait to be woken up; deep: they will use all of their pages */
static void start(struct group *group, int nr, bool deep)
{
	int i;

	fflush(stdout);
	group->nr = nr;
	if (pipe(group->go) || pipe(group->said))
		die("pipe: %s", strerror(errno));
	for (i = 0; i < nr; i++) {
		struct owner me;
		long long end;

		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0);
		if (read(group->go[0], &end, sizeof(end)) != sizeof(end))
			_exit(1);
		me.pid = getpid();
		if ((deep && write_file(TESTFILE, "touch 13000")) || !own_pages(me.pfn))
			_exit(1);
		while (now_ms() < end)
			;
		if (write(group->said[1], &me, sizeof(me)) != sizeof(me))
			_exit(1);
		for (;;)
			pause();
	}
	close(group->said[1]);
}

/* Let them have their pages all at once, and tell in the order in which they go to sleep */
static void wake(struct group *group, struct owner *owner)
{
	long long end = now_ms() + 300;
	int i;

	for (i = 0; i < group->nr; i++) {
		if (write(group->go[1], &end, sizeof(end)) != sizeof(end))
			die("write: %s", strerror(errno));
	}
	for (i = 0; i < group->nr; i++) {
		if (read(group->said[0], owner + i, sizeof(*owner)) != sizeof(*owner))
			die("no pages");
	}
	close(group->go[0]);
	close(group->go[1]);
	close(group->said[0]);
	sleep_ms(30);
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
	struct owner owner[OWNERS], others[OTHERS];
	struct group first, then;
	int seen = 0, i;
	char is;

	start(&first, OWNERS, deep);
	start(&then, OTHERS, false);
	sleep_ms(300);
	wake(&first, owner);
	for (i = 0; i < BAD; i++) {
		is = map_of(owner[FIRST + i].pid, PAGES - 1);
		if (is != (deep ? 'P' : '-'))
			die("%s: the page is %c", what, is);
		bad[i] = owner[FIRST + i].pfn[PAGES - 1];
		corrupt(bad[i]);
	}
	if (deep) {
		/* Now they are to be taken from the sleepers. */
		must_write("/proc/sys/vm/dynamic_stack_collect_period_ms", "20");
		sleep_ms(1000);
		for (i = 0; i < BAD; i++) {
			is = map_of(owner[FIRST + i].pid, PAGES - 1);
			if (is != '-')
				die("%s: the page is %c after collection", what, is);
		}
		must_write("/proc/sys/vm/dynamic_stack_collect_period_ms", "0");
	}
	wake(&then, others);
	for (i = 0; i < OTHERS; i++)
		seen += nr_seen(others[i].pfn);
	printf("@@ %s: %d bad pages, seen again %d times\n", what, BAD, seen);
	kill_children();
	return seen;
}

int main(void)
{
	int seen = 0;

	setpgid(0, 0);
	pin(1);
	must_write("/sys/module/dynamic_stack/parameters/reclaim", "switch");
	must_write("/proc/sys/vm/dynamic_stack_sleep_ms", "20");
	/* What is parked stays parked. */
	must_write("/proc/sys/vm/dynamic_stack_collect_period_ms", "0");
	seen += test(false);
	seen += test(true);
	return !!seen;
}
