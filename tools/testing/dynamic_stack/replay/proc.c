// SPDX-License-Identifier: GPL-2.0
/* Reads what the kernel says about threads and memory. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replay.h"

#define PF_KTHREAD 0x00200000

int read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	close(fd);
	buf[len] = '\0';
	return len;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;
	ssize_t len = strlen(text);

	if (fd < 0)
		return -1;
	if (write(fd, text, len) != len)
		ret = -1;
	close(fd);
	return ret;
}

long long read_meminfo(const char *key)
{
	char buf[8192], *p;
	size_t len = strlen(key);

	if (read_text("/proc/meminfo", buf, sizeof(buf)) < 0)
		return -1;
	for (p = buf; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, key, len) && p[len] == ':')
			return strtoll(p + len + 1, NULL, 10);
	}
	return -1;
}

int read_keyvals(const char *path, struct keyval *kv, int max)
{
	FILE *f = fopen(path, "re");
	char line[256];
	int n = 0;

	if (!f)
		return -1;
	while (n < max && fgets(line, sizeof(line), f))
		if (sscanf(line, "%47s %lld", kv[n].key, &kv[n].val) == 2)
			n++;
	fclose(f);
	return n;
}

long long keyval_get(const struct keyval *kv, int n, const char *key,
		     long long otherwise)
{
	int i;

	for (i = 0; i < n; i++)
		if (!strcmp(kv[i].key, key))
			return kv[i].val;
	return otherwise;
}

/* State letter and, if asked for, the task's PF_ flags. */
static char stat_of(const char *path, unsigned long *flags)
{
	char buf[512], *p, state;

	if (read_text(path, buf, sizeof(buf)) <= 0)
		return 0;
	p = strrchr(buf, ')');
	if (!p || sscanf(p + 1, " %c", &state) != 1)
		return 0;
	if (flags &&
	    sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %lu", flags) != 1)
		return 0;
	return state;
}

char thread_state(pid_t pid, pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	return stat_of(path, NULL);
}

int thread_wchan(pid_t pid, pid_t tid, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/wchan", pid, tid);
	return read_text(path, buf, size);
}

static int by_value(const void *a, const void *b)
{
	return *(const pid_t *)a - *(const pid_t *)b;
}

/* pages[n]: how many of these threads hold n pages. Returns how many are known. */
int read_held(const pid_t *tids, int n, int *pages, int npages)
{
	FILE *f = fopen("/sys/kernel/debug/dynamic_stack/stacks", "re");
	int known = 0, held;
	char line[256];
	pid_t *sorted, tid;

	if (!f)
		return 0;
	sorted = malloc((n + 1) * sizeof(*sorted));
	if (sorted) {
		memcpy(sorted, tids, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), by_value);
		while (fgets(line, sizeof(line), f)) {
			if (sscanf(line, "%d %d", &tid, &held) != 2 ||
			    !bsearch(&tid, sorted, n, sizeof(*sorted), by_value))
				continue;
			known++;
			if (held >= 0 && held < npages)
				pages[held]++;
		}
	}
	free(sorted);
	fclose(f);
	return known;
}

/*
 * What the feature's own threads hold: a kstackd for each CPU, the collector and the
 * rescuer of those that free stacks. One that is not in the kernel's list is whole.
 */
int daemon_pages(int cpus)
{
	static const char *const names[] = { "kstackd/", "kstack_collectd", "kworker/R-kstac" };
	FILE *f = fopen("/sys/kernel/debug/dynamic_stack/stacks", "re");
	int missing = cpus + 2, pages = 0, held;
	char line[256], comm[64];
	size_t i;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*d %d %*s %*d %*d %63s", &held, comm) != 2)
			continue;
		for (i = 0; i < ARRAY_SIZE(names); i++) {
			if (strncmp(comm, names[i], strlen(names[i])))
				continue;
			missing--;
			pages += held;
		}
	}
	if (f)
		fclose(f);
	return pages + 4 * missing;
}

static void count_wchan(struct thread_scan *ts, const char *wchan, bool kthread)
{
	int i;

	for (i = 0; i < ts->nnames; i++)
		if (ts->names[i].kthread == kthread &&
		    !strcmp(ts->names[i].wchan, wchan)) {
			ts->names[i].count++;
			return;
		}
	if (ts->nnames == MAX_ROWS) {
		ts->unnamed_left_out++;
		return;
	}
	snprintf(ts->names[i].wchan, WCHAN_LEN, "%s", wchan);
	ts->names[i].kthread = kthread;
	ts->names[i].count = 1;
	ts->nnames++;
}

/* Every thread of the system, by wait channel; kernel threads by kind too. */
void scan_threads(struct thread_scan *ts)
{
	char path[320], wchan[WCHAN_LEN];
	struct dirent *pde, *tde;
	DIR *proc, *task;
	double told = now();

	memset(ts, 0, sizeof(*ts));
	proc = opendir("/proc");
	if (!proc)
		return;
	while ((pde = readdir(proc))) {
		unsigned long flags = 0;
		pid_t pid = atoi(pde->d_name);
		bool kthread;

		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		if (!stat_of(path, &flags))
			continue;
		kthread = flags & PF_KTHREAD;
		snprintf(path, sizeof(path), "/proc/%d/task", pid);
		task = opendir(path);
		if (!task)
			continue;
		while ((tde = readdir(task))) {
			pid_t tid = atoi(tde->d_name);

			if (tid <= 0)
				continue;
			if (thread_wchan(pid, tid, wchan, sizeof(wchan)) < 0)
				continue;
			ts->total++;
			if (kthread) {
				ts->kthreads++;
				ts->by_kind[kthread_kind_of(wchan)]++;
			} else {
				ts->user++;
			}
			count_wchan(ts, wchan, kthread);
		}
		closedir(task);
		if (now() - told > 10) {
			progress("reading wait channels, %d threads", ts->total);
			told = now();
		}
	}
	closedir(proc);
}
