// SPDX-License-Identifier: GPL-2.0
/* What the kernel says of itself. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

const char *const deep_file = "/sys/kernel/debug/dynamic_stack_test";

static char text[256 << 10];

static const char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n;

	text[0] = '\0';
	if (fd < 0)
		return text;
	while (have < sizeof(text) - 1 &&
	       (n = read(fd, text + have, sizeof(text) - 1 - have)) > 0)
		have += n;
	text[have] = '\0';
	close(fd);
	return text;
}

/* The number after @name at the start of a line; 0 if there is none. */
static uint64_t number(const char *from, const char *name)
{
	size_t len = strlen(name);
	const char *p = from;

	while (p && *p) {
		if (!strncmp(p, name, len) && isspace((unsigned char)p[len]))
			return strtoull(p + len, NULL, 10);
		p = strchr(p, '\n');
		if (p)
			p++;
	}
	return 0;
}

void read_counters(struct counters *c)
{
	const char *s = slurp("/proc/stat");
	unsigned long long idle = 0;

	c->switches = number(s, "ctxt");
	c->idle = sscanf(s, "cpu %*u %*u %*u %llu", &idle) == 1 ? idle : 0;
	s = slurp("/proc/vmstat");
	c->populate = number(s, "kstack_populate");
	c->reclaim = number(s, "kstack_reclaim");
	c->park = number(s, "kstack_park");
	c->restore = number(s, "kstack_restore");
	c->collect = number(s, "kstack_collect");
	c->shootdown = number(s, "kstack_shootdown");
	c->starved = number(s, "kstack_starved");
}

/* KiB */
long read_meminfo(const char *name)
{
	return number(slurp("/proc/meminfo"), name);
}

/* What /proc/vmstat counts */
uint64_t read_vmstat(const char *name)
{
	return number(slurp("/proc/vmstat"), name);
}

/* The sum over all CPUs; those of the first @max in @per_cpu, if it is given. */
uint64_t read_interrupts(const char *name, uint64_t *per_cpu, int max)
{
	const char *s = slurp("/proc/interrupts");
	size_t len = strlen(name);
	uint64_t sum = 0;
	int cpu = 0;

	while (s && *s) {
		const char *p = s + strspn(s, " ");

		if (!strncmp(p, name, len) && p[len] == ':') {
			char *end;

			for (p += len + 1;; p = end) {
				uint64_t n = strtoull(p, &end, 10);

				if (end == p)
					return sum;
				sum += n;
				if (per_cpu && cpu < max)
					per_cpu[cpu] = n;
				cpu++;
			}
		}
		s = strchr(s, '\n');
		if (s)
			s++;
	}
	return 0;
}

/* How long the first CPU was idle, in ns: the tick's own sum. */
uint64_t read_idle_ns(void)
{
	const char *p = strstr(slurp("/proc/timer_list"), ".idle_sleeptime");

	p = p ? strchr(p, ':') : NULL;
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

/* -1: there is no task of that name */
int find_task(const char *comm)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	int pid = -1;

	while (dir && pid < 0 && (e = readdir(dir))) {
		char path[300];
		size_t len = strlen(comm);

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		if (!strncmp(slurp(path), comm, len) && text[len] == '\n')
			pid = atoi(e->d_name);
	}
	if (dir)
		closedir(dir);
	return pid;
}

/* How long a task has run, in ns; the scheduler's own sum. */
uint64_t task_runtime(int pid)
{
	struct timespec ts;
	clockid_t id;

	if (clock_getcpuclockid(pid, &id) || clock_gettime(id, &ts))
		return 0;
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/*
 * Use much stack. A kernel without the test file keeps all pages anyway, but
 * looking for a file that isn't there would be work of another kind.
 */
void go_deep(unsigned int bytes)
{
	static const char *path;
	char cmd[32];

	if (!path)
		path = access(deep_file, W_OK) ? "/dev/null" : deep_file;
	snprintf(cmd, sizeof(cmd), "touch %u", bytes);
	write_file(path, cmd);
}

int write_file(const char *path, const char *data)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, data, strlen(data));
	close(fd);
	return n == (ssize_t)strlen(data) ? 0 : -1;
}
