// SPDX-License-Identifier: GPL-2.0
/*
 * A parent in vfork(): it counts as frozen, and waits for a completion on its own
 * stack, which the child completes when it executes another program.
 *
 * vfork CGROUP: the child leaves CGROUP, where the parent is, and executes /bin/true
 * when there is a file /tmp/go.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void join(const char *procs)
{
	int fd = open(procs, O_WRONLY);

	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(3);
	close(fd);
}

int main(int argc, char **argv)
{
	char procs[256];
	pid_t pid;
	int status;

	if (argc != 2)
		return 2;
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", argv[1]);
	join(procs);
	pid = vfork();
	if (!pid) {
		join("/sys/fs/cgroup/cgroup.procs");
		while (access("/tmp/go", F_OK))
			usleep(10000);
		execl("/bin/true", "true", NULL);
		_exit(4);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 5;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 6;
}
