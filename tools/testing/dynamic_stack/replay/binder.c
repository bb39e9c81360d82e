// SPDX-License-Identifier: GPL-2.0
/* The little of binder that a looper thread and a context manager need. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/android/binder.h>
#include <linux/android/binderfs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay.h"

/* Virtual only; Android's 1 MiB would cost its page array per process. */
#define BINDER_AREA	(128 * 1024)
#define DEVICE		"replay"

static int write_read(int fd, const void *w, size_t wlen, void *r, size_t rlen,
		      size_t *got)
{
	struct binder_write_read bwr = {
		.write_size = wlen, .write_buffer = (uintptr_t)w,
		.read_size = rlen, .read_buffer = (uintptr_t)r,
	};
	int ret;

	do {
		ret = ioctl(fd, BINDER_WRITE_READ, &bwr);
	} while (ret < 0 && errno == EINTR && !bwr.read_consumed);
	if (got)
		*got = bwr.read_consumed;
	return ret;
}

int binder_create_device(const char *base)
{
	struct binderfs_device dev = { .name = DEVICE };
	char path[256];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/binderfs", base);
	if (mkdir(path, 0700) && errno != EEXIST)
		return -1;
	if (mount("binder", path, "binder", 0, NULL))
		return -1;
	snprintf(path, sizeof(path), "%s/binderfs/binder-control", base);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = ioctl(fd, BINDER_CTL_ADD, &dev);
	close(fd);
	return ret;
}

int binder_open_device(const char *base)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/binderfs/" DEVICE, base);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (mmap(NULL, BINDER_AREA, PROT_READ, MAP_PRIVATE | MAP_NORESERVE,
		 fd, 0) == MAP_FAILED) {
		close(fd);
		return -1;
	}
	return fd;
}

int binder_enter_looper(int fd)
{
	uint32_t cmd = BC_ENTER_LOOPER;

	return write_read(fd, &cmd, sizeof(cmd), NULL, 0, NULL);
}

struct command {
	uint32_t cmd;
	struct binder_transaction_data tr;
} __attribute__((packed));

struct free_command {
	uint32_t cmd;
	binder_uintptr_t ptr;
} __attribute__((packed));

/*
 * Walks what the driver returned; frees the buffers of what arrived. Answers
 * transactions. Returns true if a reply to ours, or its failure, was there.
 */
static bool handle(int fd, const char *buf, size_t len)
{
	static const char answer[64];
	bool done = false;
	size_t pos = 0;

	while (pos + sizeof(uint32_t) <= len) {
		struct binder_transaction_data tr;
		struct free_command fc = { .cmd = BC_FREE_BUFFER };
		uint32_t cmd;

		memcpy(&cmd, buf + pos, sizeof(cmd));
		pos += sizeof(cmd);
		switch (cmd) {
		case BR_TRANSACTION:
		case BR_REPLY:
			memcpy(&tr, buf + pos, sizeof(tr));
			fc.ptr = tr.data.ptr.buffer;
			write_read(fd, &fc, sizeof(fc), NULL, 0, NULL);
			if (cmd == BR_REPLY) {
				done = true;
			} else if (!(tr.flags & TF_ONE_WAY)) {
				struct command c = { .cmd = BC_REPLY };

				c.tr.data_size = sizeof(answer);
				c.tr.data.ptr.buffer = (uintptr_t)answer;
				write_read(fd, &c, sizeof(c), NULL, 0, NULL);
			}
			break;
		case BR_FAILED_REPLY:
		case BR_DEAD_REPLY:
			done = true;
			break;
		}
		pos += _IOC_SIZE(cmd);
	}
	return done;
}

int binder_ping(int fd)
{
	static const char data[128];
	struct command c = { .cmd = BC_TRANSACTION };
	char buf[256];
	size_t got;

	c.tr.code = B_PACK_CHARS('_', 'P', 'N', 'G');
	c.tr.data_size = sizeof(data);
	c.tr.data.ptr.buffer = (uintptr_t)data;
	if (write_read(fd, &c, sizeof(c), buf, sizeof(buf), &got))
		return -1;
	while (!handle(fd, buf, got))
		if (write_read(fd, NULL, 0, buf, sizeof(buf), &got))
			return -1;
	return 0;
}

int binder_wait_for_work_forever(int fd)
{
	char buf[256];
	size_t got;

	for (;;) {
		if (write_read(fd, NULL, 0, buf, sizeof(buf), &got))
			return -1;
		handle(fd, buf, got);
	}
}

/* The context manager, servicemanager's place: a helper, not of the census. */
pid_t binder_start_manager(const char *base)
{
	int fd, ready[2], zero = 0;
	char ok = 0;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (pid) {
		close(ready[1]);
		if (pid > 0 && read(ready[0], &ok, 1) != 1)
			pid = -1;
		close(ready[0]);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = binder_open_device(base);
	if (fd < 0 || ioctl(fd, BINDER_SET_CONTEXT_MGR, &zero) ||
	    binder_enter_looper(fd) || write(ready[1], "1", 1) != 1)
		_exit(1);
	close(ready[0]);
	close(ready[1]);
	binder_wait_for_work_forever(fd);
	_exit(1);
}
