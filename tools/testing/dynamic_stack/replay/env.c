// SPDX-License-Identifier: GPL-2.0
/* What the threads need around them: limits, a tmpfs, a cgroup, loopback. */
#define _GNU_SOURCE
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay.h"

#define GROUP "census-replay-frozen"

char base[64];
static bool base_mounted;
static char cgroup_root[96];

/* Raises a limit that is below what we need; never lowers one. */
static void at_least(const char *path, long want)
{
	char buf[64];

	if (read_text(path, buf, sizeof(buf)) <= 0 ||
	    strtol(buf, NULL, 10) >= want)
		return;
	snprintf(buf, sizeof(buf), "%ld\n", want);
	if (write_text(path, buf))
		fprintf(stderr, "census-replay: cannot raise %s to %ld: %s\n",
			path, want, strerror(errno));
}

void env_limits(int threads)
{
	struct rlimit nofile = { 65536, 65536 }, have;
	struct rlimit inf = { RLIM_INFINITY, RLIM_INFINITY };

	at_least("/proc/sys/kernel/pid_max", 2L * threads + 8192);
	at_least("/proc/sys/kernel/threads-max", 2L * threads + 4096);
	at_least("/proc/sys/vm/max_map_count", 65530);
	at_least("/proc/sys/fs/file-max", 8L * threads + 65536);
	at_least("/proc/sys/fs/nr_open", 65536);
	at_least("/proc/sys/fs/inotify/max_user_instances", threads + 1024);
	at_least("/proc/sys/fs/inotify/max_user_watches", threads + 8192);
	at_least("/proc/sys/fs/epoll/max_user_watches", 2L * threads + 65536);
	if (setrlimit(RLIMIT_NOFILE, &nofile) &&
	    !getrlimit(RLIMIT_NOFILE, &have)) {
		have.rlim_cur = have.rlim_max;
		setrlimit(RLIMIT_NOFILE, &have);
	}
	setrlimit(RLIMIT_NPROC, &inf);
	setrlimit(RLIMIT_SIGPENDING, &inf);
}

void env_loopback(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (!ioctl(fd, SIOCGIFFLAGS, &ifr) && !(ifr.ifr_flags & IFF_UP)) {
		ifr.ifr_flags |= IFF_UP;
		ioctl(fd, SIOCSIFFLAGS, &ifr);
	}
	close(fd);
}

void env_base(void)
{
	mkdir("/tmp", 01777);
	snprintf(base, sizeof(base), "/tmp/census-replay.XXXXXX");
	if (!mkdtemp(base)) {
		base[0] = '\0';
		die("cannot make a directory in /tmp: %s", strerror(errno));
	}
	if (!mount("tmpfs", base, "tmpfs", 0, "mode=0700"))
		base_mounted = true;
	else
		fprintf(stderr, "census-replay: no tmpfs on %s (%s), using what is there\n",
			base, strerror(errno));
}

void env_cgroup(void)
{
	char path[160];

	snprintf(cgroup_root, sizeof(cgroup_root), "/sys/fs/cgroup");
	if (access("/sys/fs/cgroup/cgroup.procs", W_OK) ||
	    access("/sys/fs/cgroup/cgroup.controllers", R_OK)) {
		snprintf(cgroup_root, sizeof(cgroup_root), "%s/cgroup", base);
		mkdir(cgroup_root, 0700);
		if (mount("cgroup2", cgroup_root, "cgroup2", 0, NULL)) {
			fprintf(stderr, "census-replay: no cgroup v2 (%s): frozen threads will sleep in poll\n",
				strerror(errno));
			cgroup_root[0] = '\0';
			return;
		}
	}
	snprintf(path, sizeof(path), "%s/" GROUP, cgroup_root);
	if (mkdir(path, 0755) && errno != EEXIST) {
		fprintf(stderr, "census-replay: cannot make %s: %s\n", path,
			strerror(errno));
		cgroup_root[0] = '\0';
	}
}

static int cgroup_write(const char *file, const char *text)
{
	char path[192];

	if (!cgroup_root[0])
		return -1;
	snprintf(path, sizeof(path), "%s/" GROUP "/%s", cgroup_root, file);
	return write_text(path, text);
}

void env_freeze(void)
{
	char buf[128], path[192];
	int i;

	if (!cgroup_root[0])
		return;
	if (cgroup_write("cgroup.freeze", "1"))
		die("cannot freeze the frozen apps: %s", strerror(errno));
	snprintf(path, sizeof(path), "%s/" GROUP "/cgroup.events", cgroup_root);
	for (i = 0; i < 300; i++) {
		if (read_text(path, buf, sizeof(buf)) > 0 &&
		    strstr(buf, "frozen 1"))
			return;
		check_children();
		usleep(100000);
	}
	fprintf(stderr, "census-replay: the freezer did not finish\n");
}

void env_join_frozen(void)
{
	cgroup_write("cgroup.procs", "0");
}

void env_cleanup(void)
{
	char path[192];
	int i;

	if (cgroup_root[0]) {
		snprintf(path, sizeof(path), "%s/" GROUP, cgroup_root);
		for (i = 0; i < 50 && rmdir(path) && errno == EBUSY; i++)
			usleep(20000);
		if (!strncmp(cgroup_root, base, strlen(base)))
			umount2(cgroup_root, MNT_DETACH);
		cgroup_root[0] = '\0';
	}
	if (base[0]) {
		snprintf(path, sizeof(path), "%s/binderfs", base);
		umount2(path, MNT_DETACH);
		if (base_mounted)
			umount2(base, MNT_DETACH);
		rmdir(base);
		base[0] = '\0';
	}
}
