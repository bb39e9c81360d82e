/* SPDX-License-Identifier: GPL-2.0 */
/* For all programs of the tests: the kernel's files, and what they say of stacks. */
#ifndef SELFTEST_DYNAMIC_STACK_FILES_H
#define SELFTEST_DYNAMIC_STACK_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEBUGFS		"/sys/kernel/debug/dynamic_stack/"
#define TESTFILE	"/sys/kernel/debug/dynamic_stack_test"

static inline void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static inline long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* 0, or -errno */
static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static inline int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, len = 0;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	close(fd);
	buf[len] = '\0';
	return 0;
}

/* Is that the letter in /proc/PID/stat? */
static inline bool in_state(pid_t pid, char state)
{
	char path[64], text[256], *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_file(path, text, sizeof(text)))
		return false;
	p = strrchr(text, ')');
	return p && p[2] == state;
}

/* Number behind "key " in a file of lines, or the file's only number; or -1. */
static inline long read_key(const char *path, const char *key)
{
	FILE *f = fopen(path, "r");
	size_t len = strlen(key);
	char line[512];
	long val = -1;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (!len || (!strncmp(line, key, len) && strchr(" :\t", line[len]))) {
			val = strtol(line + len + !!len, NULL, 0);
			break;
		}
	}
	fclose(f);
	return val;
}

static inline long vmstat(const char *key)
{
	return read_key("/proc/vmstat", key);
}

/* Pages of a stack that a task may use; of a larger one, not all. */
static inline long usable_pages(void)
{
	long promised = read_key(DEBUGFS "summary", "promised_pages");

	return promised > 0 ? promised : read_key(DEBUGFS "summary", "stack_pages");
}

struct stack_info {
	int held;
	char map[32];		/* top page first: M present, P parked, - none */
	long depth;
};

/* What debugfs says about a task. False: no such managed task. */
static inline bool stack_info(pid_t tid, struct stack_info *info)
{
	FILE *f = fopen(DEBUGFS "stacks", "r");
	char line[256];
	bool found = false;
	int pid;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		found = sscanf(line, "%d %d %31s %ld", &pid, &info->held, info->map,
			       &info->depth) == 4 && pid == tid;
	}
	fclose(f);
	return found;
}

#endif
