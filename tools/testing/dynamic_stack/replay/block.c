// SPDX-License-Identifier: GPL-2.0
/* Goes to sleep in the wait channel that the census names, for good. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/klog.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "replay.h"

static void ready(struct slot *s)
{
	__atomic_store_n(&s->state, S_READY, __ATOMIC_RELEASE);
	__atomic_fetch_add(&shared->ready, 1, __ATOMIC_RELAXED);
}

static sigset_t some_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGUSR1);
	return set;
}

static int poll_forever(void)
{
	struct pollfd pfd = { .fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN };

	if (pfd.fd < 0)
		return -1;
	while (poll(&pfd, 1, -1) >= 0)
		;
	return -1;
}

static int select_forever(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	fd_set set;

	if (fd < 0)
		return -1;
	if (fd >= FD_SETSIZE) {
		errno = EMFILE;
		return -1;
	}
	do {
		FD_ZERO(&set);
		FD_SET(fd, &set);
	} while (select(fd + 1, &set, NULL, NULL, NULL) >= 0);
	return -1;
}

static int epoll_forever(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = eventfd(0, EFD_CLOEXEC), ep = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0 || ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		return -1;
	while (epoll_wait(ep, &ev, 1, -1) >= 0)
		;
	return -1;
}

static int futex_forever(struct slot *s)
{
	while (!syscall(SYS_futex, &s->futex, FUTEX_WAIT_PRIVATE, 0, NULL,
			NULL, 0) || errno == EAGAIN || errno == EINTR)
		;
	return -1;
}

static int read_forever(int fd)
{
	char buf[512];

	if (fd < 0)
		return -1;
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	return -1;
}

static int recv_forever(int fd)
{
	char buf[256];

	if (fd < 0)
		return -1;
	while (recv(fd, buf, sizeof(buf), 0) >= 0)
		;
	return -1;
}

static int pipe_forever(void)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		return -1;
	return read_forever(p[0]);
}

static int splice_forever(void)
{
	int p[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null < 0 || pipe2(p, O_CLOEXEC))
		return -1;
	while (splice(p[0], NULL, null, NULL, 4096, 0) > 0)
		;
	return -1;
}

static int unix_forever(void)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return -1;
	return recv_forever(sv[0]);
}

/* Native daemons listen to netlink, others to a datagram socket. */
static int dgram_forever(struct slot *s)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = -1;

	if (!(s->tid % 2))
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		struct sockaddr_nl snl = { .nl_family = AF_NETLINK };

		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			    NETLINK_KOBJECT_UEVENT);
		if (fd < 0 || bind(fd, (struct sockaddr *)&snl, sizeof(snl)))
			return -1;
	} else if (bind(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		return -1;
	}
	return recv_forever(fd);
}

static int sleep_forever(void)
{
	struct timespec ts = { .tv_sec = 100 * 3600 };

	while (!nanosleep(&ts, NULL) || errno == EINTR)
		;
	return -1;
}

static int sigtimedwait_forever(void)
{
	sigset_t set = some_signals();

	while (sigtimedwait(&set, NULL, NULL) >= 0 || errno == EINTR)
		;
	return -1;
}

static int sigsuspend_forever(void)
{
	sigset_t all;

	sigfillset(&all);
	for (;;)
		sigsuspend(&all);
	return -1;
}

static int inotify_forever(void)
{
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd < 0 || inotify_add_watch(fd, "/", IN_DELETE_SELF) < 0)
		return -1;
	return read_forever(fd);
}

static int signalfd_forever(void)
{
	sigset_t set = some_signals();

	return read_forever(signalfd(-1, &set, SFD_CLOEXEC));
}

static int wait4_forever(struct slot *s, struct commons *cm)
{
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (!pid) {
		struct slot *c = s->child >= 0 ? &slots[s->child] : NULL;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!c)
			for (;;)
				pause();
		c->tid = getpid();
		c->pid = c->tid;
		__atomic_fetch_add(&shared->created, 1, __ATOMIC_RELAXED);
		age_thread(cm, s->child);
		block_forever(c, cm);
	}
	while (wait4(pid, NULL, 0, NULL) < 0 && errno == EINTR)
		;
	return -1;
}

static int syslog_forever(void)
{
	char buf[512];

	while (klogctl(2 /* SYSLOG_ACTION_READ */, buf, sizeof(buf)) > 0)
		;
	return -1;
}

static int accept_forever(void)
{
	int fd = tcp_listener();

	if (fd >= 0)
		accept(fd, NULL, NULL);
	return -1;
}

static int tcp_forever(void)
{
	int fd[2];

	if (tcp_pair(fd))
		return -1;
	return recv_forever(fd[1]);
}

/* Never returns. If the kernel refuses, the thread sleeps in poll instead. */
void block_forever(struct slot *s, struct commons *cm)
{
	int ret = -1;

	ready(s);
	errno = 0;
	switch (s->kind) {
	case W_SELECT:
		ret = select_forever();
		break;
	case W_EPOLL:
		ret = epoll_forever();
		break;
	case W_FUTEX:
		ret = futex_forever(s);
		break;
	case W_BINDER:
		if (cm->binder < 0)
			errno = ENODEV;
		else if (!binder_enter_looper(cm->binder))
			ret = binder_wait_for_work_forever(cm->binder);
		break;
	case W_PIPE:
		ret = pipe_forever();
		break;
	case W_SPLICE:
		ret = splice_forever();
		break;
	case W_UNIX:
		ret = unix_forever();
		break;
	case W_DGRAM:
		ret = dgram_forever(s);
		break;
	case W_NANOSLEEP:
		ret = sleep_forever();
		break;
	case W_SIGTIMEDWAIT:
		ret = sigtimedwait_forever();
		break;
	case W_SIGSUSPEND:
		ret = sigsuspend_forever();
		break;
	case W_PAUSE:
		for (;;)
			pause();
	case W_INOTIFY:
		ret = inotify_forever();
		break;
	case W_EVENTFD:
		ret = read_forever(eventfd(0, EFD_CLOEXEC));
		break;
	case W_SIGNALFD:
		ret = signalfd_forever();
		break;
	case W_WAIT4:
		ret = wait4_forever(s, cm);
		break;
	case W_SYSLOG:
		ret = syslog_forever();
		break;
	case W_ACCEPT:
		ret = accept_forever();
		break;
	case W_TCP:
		ret = tcp_forever();
		break;
	case W_POLL:	/* the census does not tell poll from select */
		ret = s->tid % 4 ? poll_forever() : select_forever();
		break;
	case W_FREEZER:	/* the freezer takes it out of poll */
		ret = poll_forever();
		break;
	}
	s->err = ret && errno ? errno : EIO;
	poll_forever();
	for (;;)
		pause();
}
