// SPDX-License-Identifier: GPL-2.0
/*
 * kstacktop: who holds the pages of kernel stacks
 *
 * Reads what CONFIG_DYNAMIC_STACK shows in debugfs. See
 * Documentation/admin-guide/mm/dynamic_stack.rst.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEBUGFS		"/sys/kernel/debug"
#define MAX_PAGES	64	/* per stack */
#define COMM_LEN	64
#define BAR_LEN		40

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

struct task {
	int		pid;
	unsigned int	held, tasks;
	unsigned long	depth, deepest;
	char		map[MAX_PAGES + 1];
	char		comm[COMM_LEN];
};

struct summary {
	unsigned long	managed, kept, whole, parked, pool, cached, idle;
	unsigned long	stack_pages, descriptor;
	unsigned long	tasks[MAX_PAGES + 1];	/* by pages held */
};

struct pools {
	unsigned int	cpus, starved;
	unsigned long	min, max, sum, overflow, reserve, reserve_target;
};

static const char *dir = DEBUGFS "/dynamic_stack";
static struct task *tasks;
static size_t nr_tasks, max_tasks;
static unsigned long page_kib;

static int only_pid;
static bool by_command;
static char sort_key = 'h';

static noreturn void fatal(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("kstacktop: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static void usage(FILE *f)
{
	fputs("Usage: kstacktop [OPTION]...\n"
	      "Show who holds the pages of kernel stacks (CONFIG_DYNAMIC_STACK).\n"
	      "\n"
	      "  -o, --once            show it once, not again and again\n"
	      "  -d, --delay SECONDS   time between two looks (default 3)\n"
	      "  -n, --lines N         number of top holders; 0: all of them (default:\n"
	      "                        what fits on the terminal, else all)\n"
	      "  -c, --command         add up tasks of the same name\n"
	      "  -p, --pid PID         only the threads of this process\n"
	      "  -s, --sort KEY        h: pages held (default), d: depth, u: deepest use,\n"
	      "                        p: pid, c: command\n"
	      "  -D, --dir DIRECTORY   read the files summary, stacks and pools there\n"
	      "                        (default " DEBUGFS "/dynamic_stack)\n"
	      "  -h, --help            show this\n"
	      "\n"
	      "MAP: a character for each page, the top of the stack first: M present,\n"
	      "P touched and parked, - none. DEPTH: bytes of stack in use where the task\n"
	      "sleeps. DEEPEST: bytes down to the lowest page ever seen in use.\n", f);
}

/* Say what is missing, not only that a file is. */
static noreturn void cannot_open(const char *path, int err)
{
	if (err == EACCES || err == EPERM)
		fatal("%s: %s: run it as root", path, strerror(err));
	if (err == ENOENT && !strncmp(dir, DEBUGFS "/", strlen(DEBUGFS) + 1)) {
		/* Where nothing is mounted, the directory is empty. */
		DIR *d = opendir(DEBUGFS);
		bool empty = true;
		struct dirent *e;

		if (!d && errno == EACCES)
			fatal(DEBUGFS ": %s: run it as root", strerror(EACCES));
		while (d && (e = readdir(d)))
			empty = empty && e->d_name[0] == '.';
		if (d)
			closedir(d);
		if (empty)
			fatal("no debugfs at " DEBUGFS ": mount -t debugfs none " DEBUGFS);
		fatal("%s is missing: the kernel needs CONFIG_DYNAMIC_STACK=y", path);
	}
	fatal("%s: %s", path, strerror(err));
}

static FILE *open_file(const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		cannot_open(path, errno);
	return f;
}

static void read_summary(struct summary *s)
{
	const struct {
		const char *key;
		unsigned long *value;
	} keys[] = {
		{ "managed", &s->managed },	{ "kept", &s->kept },
		{ "whole", &s->whole },		{ "parked_pages", &s->parked },
		{ "pool_pages", &s->pool },	{ "cached_pages", &s->cached },
		{ "idle_pages", &s->idle },	{ "stack_pages", &s->stack_pages },
		{ "descriptor_bytes", &s->descriptor },
	};
	unsigned long value, enabled = 0;
	char line[256], key[64];
	unsigned int seen = 0, n, i;
	FILE *f = open_file("summary");

	memset(s, 0, sizeof(*s));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %lu", key, &value) != 2)
			fatal("%s/summary: not understood: %.40s", dir, strtok(line, "\n"));
		if (!strcmp(key, "enabled"))
			enabled = value;
		else if (sscanf(key, "pages_%u", &n) == 1 && n <= MAX_PAGES)
			s->tasks[n] = value;
		for (i = 0; i < ARRAY_SIZE(keys); i++) {
			if (!strcmp(key, keys[i].key)) {
				*keys[i].value = value;
				seen |= 1U << i;
			}
		}
	}
	fclose(f);
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!(seen & 1U << i))
			fatal("%s/summary: no line \"%s\"", dir, keys[i].key);
	}
	if (!s->stack_pages || s->stack_pages > MAX_PAGES)
		fatal("%s/summary: stack_pages %lu", dir, s->stack_pages);
	if (!enabled)
		fatal("dynamic kernel stacks are off: boot with dynamic_stack=on");
}

static void read_pools(struct pools *p)
{
	unsigned long nr, target;
	char line[256], more[16];
	FILE *f = open_file("pools");
	int n;

	memset(p, 0, sizeof(*p));
	while (fgets(line, sizeof(line), f)) {
		n = sscanf(line, "cpu %*u: frames %lu of %*u %15s", &nr, more);
		if (n >= 1) {
			if (!p->cpus++ || nr < p->min)
				p->min = nr;
			if (nr > p->max)
				p->max = nr;
			p->sum += nr;
			p->starved += n == 2;
		} else if (sscanf(line, "node %*u: overflow %lu", &nr) == 1) {
			p->overflow += nr;
		} else if (sscanf(line, "reserve: %lu of %lu", &nr, &target) == 2) {
			p->reserve = nr;
			p->reserve_target = target;
		} else {
			fatal("%s/pools: not understood: %.40s", dir, strtok(line, "\n"));
		}
	}
	fclose(f);
}

/* Is pid a thread of the process that was asked for? */
static bool wanted(int pid)
{
	char path[64];

	if (!only_pid || pid == only_pid)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/task/%d", only_pid, pid);
	return !access(path, F_OK);
}

static struct task *add_task(const struct task *t)
{
	size_t i;

	if (by_command) {
		for (i = 0; i < nr_tasks; i++) {
			struct task *sum = tasks + i;

			if (strcmp(sum->comm, t->comm))
				continue;
			sum->held += t->held;
			sum->tasks++;
			if (t->depth > sum->depth)
				sum->depth = t->depth;
			if (t->deepest > sum->deepest)
				sum->deepest = t->deepest;
			return sum;
		}
	}
	if (nr_tasks == max_tasks) {
		max_tasks = max_tasks ? 2 * max_tasks : 1024;
		tasks = realloc(tasks, max_tasks * sizeof(*tasks));
		if (!tasks)
			fatal("no memory for %zu tasks", max_tasks);
	}
	tasks[nr_tasks] = *t;
	tasks[nr_tasks].tasks = 1;
	return tasks + nr_tasks++;
}

static void read_stacks(void)
{
	FILE *f = open_file("stacks");
	char line[256];
	int skip;

	nr_tasks = 0;
	if (!fgets(line, sizeof(line), f))
		fatal("%s/stacks is empty", dir);
	while (fgets(line, sizeof(line), f)) {
		struct task t = { };

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%d %u %64s %lu %lu%n", &t.pid, &t.held, t.map,
			   &t.depth, &t.deepest, &skip) != 5)
			fatal("%s/stacks: not understood: %.40s", dir, line);
		/* A name may have spaces, also at its beginning. */
		snprintf(t.comm, sizeof(t.comm), "%s", line + skip + (line[skip] == ' '));
		if (wanted(t.pid))
			add_task(&t);
	}
	fclose(f);
	if (only_pid && !nr_tasks)
		fatal("process %d has no thread with a managed stack", only_pid);
}

static int compare(unsigned long a, unsigned long b)
{
	return (a < b) - (a > b);
}

/* Most first; what is equal by pid, or by command. */
static int compare_tasks(const void *a, const void *b)
{
	const struct task *x = a, *y = b;
	int order = 0;

	switch (sort_key) {
	case 'h':
		order = compare(x->held, y->held) ?: compare(x->depth, y->depth);
		break;
	case 'd':
		order = compare(x->depth, y->depth);
		break;
	case 'u':
		order = compare(x->deepest, y->deepest);
		break;
	case 'c':
		order = strcmp(x->comm, y->comm);
		break;
	}
	if (!order && by_command)
		order = strcmp(x->comm, y->comm);
	return order ?: x->pid - y->pid;
}

static void print_summary(const struct summary *s, const struct pools *p)
{
	unsigned long held = s->pool + s->cached + s->idle, all = s->idle, most = 0;
	unsigned int i, len;

	for (i = 1; i <= s->stack_pages; i++) {
		held += i * s->tasks[i];
		all += s->stack_pages * s->tasks[i];
		if (s->tasks[i] > most)
			most = s->tasks[i];
	}
	printf("Stacks: %lu shrunk when asleep, %lu kept whole, %lu not managed\n",
	       s->managed - s->kept, s->kept, s->whole);
	printf("Memory: %lu KiB, if all were whole %lu KiB (%.1f %%); descriptors %lu KiB\n",
	       held * page_kib, all * page_kib, all ? 100.0 * held / all : 0.0,
	       s->managed * s->descriptor / 1024);
	printf("Pages:  %lu parked, %lu in pools, %lu in cached stacks, %lu of idle tasks\n",
	       s->parked, s->pool, s->cached, s->idle);
	printf("Pools:  %lu to %lu frames on %u CPUs, %u starved; overflow %lu, reserve %lu/%lu\n",
	       p->min, p->max, p->cpus, p->starved, p->overflow, p->reserve,
	       p->reserve_target);
	printf("\nPAGES   TASKS\n");
	for (i = 1; i <= s->stack_pages; i++) {
		len = most ? (s->tasks[i] * BAR_LEN + most - 1) / most : 0;
		printf("%5u %7lu%s%.*s\n", i, s->tasks[i], len ? " " : "", len,
		       "########################################");
	}
}

static void print_tasks(size_t lines)
{
	size_t i;

	if (by_command)
		printf("\n  TASKS  PAGES   DEPTH DEEPEST COMMAND\n");
	else
		printf("\n    PID  PAGES MAP       DEPTH DEEPEST COMMAND\n");
	for (i = 0; i < nr_tasks && i < lines; i++) {
		const struct task *t = tasks + i;

		if (by_command)
			printf("%7u %6u %7lu %7lu %s\n", t->tasks, t->held, t->depth,
			       t->deepest, t->comm);
		else
			printf("%7d %6u %-8s %6lu %7lu %s\n", t->pid, t->held, t->map,
			       t->depth, t->deepest, t->comm);
	}
}

static void show(long lines, bool clear)
{
	struct summary s;
	struct pools p;
	struct winsize ws;
	size_t most = lines > 0 ? (size_t)lines : SIZE_MAX;

	read_summary(&s);
	read_pools(&p);
	read_stacks();
	qsort(tasks, nr_tasks, sizeof(*tasks), compare_tasks);
	if (lines < 0 && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) && ws.ws_row) {
		/* The summary, its histogram, three titles and the cursor's line. */
		int left = ws.ws_row - 9 - (int)s.stack_pages;

		most = left > 1 ? left : 1;
	}
	if (clear)
		printf("\033[H\033[J");
	print_summary(&s, &p);
	print_tasks(most);
	if (fflush(stdout) || ferror(stdout))
		fatal("cannot write: %s", strerror(errno));
}

static long number(const char *text, long min, const char *what)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < min || n > 1000000000)
		fatal("%s: no value for --%s: see kstacktop --help", text, what);
	return n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "once", no_argument, NULL, 'o' },
		{ "delay", required_argument, NULL, 'd' },
		{ "lines", required_argument, NULL, 'n' },
		{ "command", no_argument, NULL, 'c' },
		{ "pid", required_argument, NULL, 'p' },
		{ "sort", required_argument, NULL, 's' },
		{ "dir", required_argument, NULL, 'D' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	long delay = 3, lines = -1;
	bool once = false;
	int c;

	while ((c = getopt_long(argc, argv, "od:n:cp:s:D:h", options, NULL)) != -1) {
		switch (c) {
		case 'o':
			once = true;
			break;
		case 'd':
			delay = number(optarg, 1, "delay");
			break;
		case 'n':
			lines = number(optarg, 0, "lines");
			break;
		case 'c':
			by_command = true;
			break;
		case 'p':
			only_pid = number(optarg, 1, "pid");
			break;
		case 's':
			if (strlen(optarg) != 1 || !strchr("hdupc", *optarg))
				fatal("%s: no such key: see kstacktop --help", optarg);
			sort_key = *optarg;
			break;
		case 'D':
			dir = optarg;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc)
		fatal("%s: unexpected argument: see kstacktop --help", argv[optind]);

	page_kib = sysconf(_SC_PAGESIZE) / 1024;
	for (;;) {
		show(lines, !once && isatty(STDOUT_FILENO));
		if (once)
			return EXIT_SUCCESS;
		sleep(delay);
		if (!isatty(STDOUT_FILENO))
			putchar('\n');
	}
}
