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

#define TREE "census-replay"
#define FIRST_APP_UID 10000

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

/*
 * Below census-replay: GROUP/uid_N/pid_P, one for each process, as Android has
 * it for its freezer. Its groups of processes are in other hierarchies there
 * (cpuset, cpuctl of cgroup v1); here one tree has both.
 */
void env_cgroup(void)
{
	char path[160];
	int i;

	snprintf(cgroup_root, sizeof(cgroup_root), "/sys/fs/cgroup");
	if (access("/sys/fs/cgroup/cgroup.procs", W_OK) ||
	    access("/sys/fs/cgroup/cgroup.controllers", R_OK)) {
		snprintf(cgroup_root, sizeof(cgroup_root), "%s/cgroup", base);
		mkdir(cgroup_root, 0700);
		if (mount("cgroup2", cgroup_root, "cgroup2", 0, NULL)) {
			fprintf(stderr, "census-replay: no cgroup v2 (%s): nothing can be frozen\n",
				strerror(errno));
			cgroup_root[0] = '\0';
			return;
		}
	}
	snprintf(path, sizeof(path), "%s/" TREE, cgroup_root);
	if (mkdir(path, 0755) && errno != EEXIST) {
		fprintf(stderr, "census-replay: cannot make %s: %s\n", path,
			strerror(errno));
		cgroup_root[0] = '\0';
		return;
	}
	for (i = 0; i < G_NR; i++) {
		snprintf(path, sizeof(path), "%s/" TREE "/%s", cgroup_root,
			 proc_group_name[i]);
		mkdir(path, 0755);
	}
}

/* The path of a process's group, or with file of a file there. */
static void group_path(char *path, size_t size, int nr, const struct proc *pr,
		       pid_t pid, const char *file)
{
	snprintf(path, size, "%s/" TREE "/%s/uid_%d/pid_%d%s%s", cgroup_root,
		 proc_group_name[pr->group], FIRST_APP_UID + nr, pid,
		 file ? "/" : "", file ? file : "");
}

/* Called by the process itself, before it has threads. */
void env_join(int nr, const struct proc *pr)
{
	char path[256], *slash;

	if (!cgroup_root[0])
		return;
	group_path(path, sizeof(path), nr, pr, getpid(), NULL);
	slash = strrchr(path, '/');
	*slash = '\0';
	mkdir(path, 0755);
	*slash = '/';
	mkdir(path, 0755);
	group_path(path, sizeof(path), nr, pr, getpid(), "cgroup.procs");
	write_text(path, "0");
}

/*
 * Freezes the processes that the census has in the freezer, or those that are
 * cached apps here. One after the other, as Android does. Meanwhile, check() is
 * called.
 */
bool env_freeze(const struct plan *p, bool cached, void (*check)(void))
{
	char buf[128], path[256];
	int i, try;

	if (!cgroup_root[0])
		return false;
	for (i = 0; i < p->nprocs; i++) {
		const struct proc *pr = &p->procs[i];

		if (cached ? !pr->cached : pr->class != P_FROZEN)
			continue;
		group_path(path, sizeof(path), i, pr, pr->cgroup_pid, "cgroup.freeze");
		if (write_text(path, "1"))
			die("cannot freeze process %d: %s", pr->cgroup_pid, strerror(errno));
		group_path(path, sizeof(path), i, pr, pr->cgroup_pid, "cgroup.events");
		for (try = 0; try < 300; try++) {
			if (read_text(path, buf, sizeof(buf)) > 0 &&
			    strstr(buf, "frozen 1"))
				break;
			check();
			usleep(100000);
		}
		if (try == 300) {
			fprintf(stderr, "census-replay: the freezer did not finish with process %d\n",
				pr->cgroup_pid);
			return false;
		}
	}
	return true;
}

/* A group goes when its last process is gone, which may take a moment. */
static void remove_group(const char *path)
{
	int try;

	for (try = 0; try < 50 && rmdir(path) && errno == EBUSY; try++)
		usleep(20000);
}

static void cleanup_cgroups(const struct plan *p)
{
	char path[256];
	int i;

	for (i = 0; p->procs && i < p->nprocs; i++) {
		if (!p->procs[i].cgroup_pid)
			continue;
		group_path(path, sizeof(path), i, &p->procs[i], p->procs[i].cgroup_pid, NULL);
		remove_group(path);
		*strrchr(path, '/') = '\0';
		remove_group(path);
	}
	for (i = 0; i < G_NR; i++) {
		snprintf(path, sizeof(path), "%s/" TREE "/%s", cgroup_root, proc_group_name[i]);
		remove_group(path);
	}
	snprintf(path, sizeof(path), "%s/" TREE, cgroup_root);
	remove_group(path);
	if (!strncmp(cgroup_root, base, strlen(base)))
		umount2(cgroup_root, MNT_DETACH);
	cgroup_root[0] = '\0';
}

void env_cleanup(const struct plan *p)
{
	char path[192];

	if (cgroup_root[0])
		cleanup_cgroups(p);
	if (base[0]) {
		snprintf(path, sizeof(path), "%s/binderfs", base);
		umount2(path, MNT_DETACH);
		if (base_mounted)
			umount2(base, MNT_DETACH);
		rmdir(base);
		base[0] = '\0';
	}
}
