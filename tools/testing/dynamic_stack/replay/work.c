// SPDX-License-Identifier: GPL-2.0
/*
 * What a thread does in its life before it goes to sleep: ordinary system
 * calls, so that its kernel stack has been deep and has held other data.
 * Results of the calls hardly matter, their way through the kernel does.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "replay.h"

#define PAGE 4096

/* One buffer per process: a thread's own stack stays at two pages. */
static char scratch[32768];

struct ctx {
	struct commons *cm;
	uint64_t seed;
	int index;
};

/* Calls whose result is of no interest; gcc insists on a reader. */
#define DO(call) do { if ((call) < 0) errno = 0; } while (0)

static void nap_us(long us)
{
	struct timespec ts = { .tv_nsec = us * 1000 };

	nanosleep(&ts, NULL);
}

static void op_file(struct ctx *c)
{
	char a[24], b[24];
	struct stat st;
	int fd;

	snprintf(a, sizeof(a), "f%d", c->index);
	snprintf(b, sizeof(b), "g%d", c->index);
	fd = openat(c->cm->dir, a, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	DO(write(fd, scratch, 500 + rnd(&c->seed) % 8000));
	DO(fstat(fd, &st));
	DO(pread(fd, scratch, 4000, 100));
	DO(ftruncate(fd, 1000));
	close(fd);
	DO(renameat(c->cm->dir, a, c->cm->dir, b));
	DO(fstatat(c->cm->dir, b, &st, 0));
	DO(fstatat(c->cm->dir, a, &st, 0));
	DO(unlinkat(c->cm->dir, b, 0));
}

static void op_dir(struct ctx *c)
{
	char name[24];
	int fd;

	snprintf(name, sizeof(name), "d%d", c->index);
	DO(mkdirat(c->cm->dir, name, 0700));
	fd = openat(c->cm->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		DO(syscall(SYS_getdents64, fd, scratch, 4096));
		close(fd);
	}
	DO(unlinkat(c->cm->dir, name, AT_REMOVEDIR));
}

static void op_mmap(struct ctx *c)
{
	size_t len = 16 * PAGE, i;
	char *m = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (m == MAP_FAILED)
		return;
	for (i = 0; i < 4 + rnd(&c->seed) % 6; i++)
		*(volatile char *)(m + (rnd(&c->seed) % 16) * PAGE) = 1;
	DO(mprotect(m, len / 2, PROT_READ));
	DO(madvise(m + len / 2, len / 2, MADV_DONTNEED));
	munmap(m, len);
}

/*
 * The deep one: a system call copies from a shared mapping whose pages are
 * not there yet, so that a page fault that allocates from tmpfs runs on top
 * of write() or of TCP's send path.
 */
static void op_copy_fault(struct ctx *c)
{
	size_t len = 8 * PAGE;
	char name[24], *m;
	int fd;

	snprintf(name, sizeof(name), "m%d", c->index);
	fd = openat(c->cm->dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	DO(ftruncate(fd, len));
	m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m != MAP_FAILED) {
		struct iovec iov[3] = {
			{ m, 100 }, { m + PAGE, 300 }, { m + 2 * PAGE, 200 },
		};
		struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 3 };

		DO(sendmsg(c->cm->tcp[0], &mh, MSG_DONTWAIT | MSG_NOSIGNAL));
		DO(recv(c->cm->tcp[1], m + 3 * PAGE, 600, MSG_DONTWAIT));
		DO(send(c->cm->dgram[0], m + 4 * PAGE, 200, MSG_DONTWAIT));
		DO(recv(c->cm->dgram[1], m + 5 * PAGE, 200, MSG_DONTWAIT));
		DO(pwrite(fd, m + 6 * PAGE, 2 * PAGE, 0));
		munmap(m, len);
	}
	close(fd);
	DO(unlinkat(c->cm->dir, name, 0));
}

/*
 * Deeper still, and what a phone under memory pressure does all day: pages
 * go out to swap and come back in a fault that interrupts a system call's
 * copy. Without swap only the first half of it happens.
 */
static void op_swap(struct ctx *c)
{
	size_t len = 8 * PAGE, i;
	char *m = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		return;
	for (i = 0; i < len; i += PAGE)
		*(volatile char *)(m + i) = i / PAGE + 1;
	DO(madvise(m, len, MADV_PAGEOUT));
	DO(send(c->cm->tcp[0], m, 200, MSG_DONTWAIT | MSG_NOSIGNAL));
	DO(recv(c->cm->tcp[1], m + 2 * PAGE, 200, MSG_DONTWAIT));
	DO(send(c->cm->dgram[0], m + 4 * PAGE, 100, MSG_DONTWAIT));
	DO(recv(c->cm->dgram[1], m + 5 * PAGE, 100, MSG_DONTWAIT));
	munmap(m, len);
}

static void op_sendfile(struct ctx *c)
{
	char name[24];
	off_t off = 0;
	int fd;

	snprintf(name, sizeof(name), "s%d", c->index);
	fd = openat(c->cm->dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	DO(write(fd, scratch, 6000));
	DO(sendfile(c->cm->tcp[0], fd, &off, 6000));
	DO(recv(c->cm->tcp[1], scratch, 8000, MSG_DONTWAIT));
	close(fd);
	DO(unlinkat(c->cm->dir, name, 0));
}

/* What getifaddrs() asks: the dump runs inside sendmsg(). */
static void op_netlink(struct ctx *c)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} req = {
		.h = { .nlmsg_len = sizeof(req), .nlmsg_type = RTM_GETLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	(void)c;
	if (fd < 0)
		return;
	DO(send(fd, &req, sizeof(req), 0));
	DO(recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT));
	close(fd);
}

/* A wakeup that goes through epolls of epolls. */
static void op_nested_epoll(struct ctx *c)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd[4], i, n = 1;
	uint64_t one = 1;

	(void)c;
	fd[0] = eventfd(0, EFD_CLOEXEC);
	if (fd[0] < 0)
		return;
	for (i = 1; i < 4; i++) {
		fd[i] = epoll_create1(EPOLL_CLOEXEC);
		if (fd[i] < 0)
			break;
		n++;
		DO(epoll_ctl(fd[i], EPOLL_CTL_ADD, fd[i - 1], &ev));
	}
	DO(write(fd[0], &one, sizeof(one)));
	DO(epoll_wait(fd[n - 1], &ev, 1, 0));
	for (i = 0; i < n; i++)
		close(fd[i]);
}

static void op_unix(struct ctx *c)
{
	int sv[2];

	(void)c;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return;
	DO(send(sv[0], scratch, 1500, MSG_NOSIGNAL));
	DO(recv(sv[1], scratch, sizeof(scratch), 0));
	close(sv[0]);
	close(sv[1]);
}

static void op_inet(struct ctx *c)
{
	DO(send(c->cm->tcp[0], scratch, 1000, MSG_DONTWAIT | MSG_NOSIGNAL));
	DO(recv(c->cm->tcp[1], scratch, 1000, MSG_DONTWAIT));
	DO(send(c->cm->udp, scratch, 300, MSG_DONTWAIT | MSG_NOSIGNAL));
	DO(recv(c->cm->udp, scratch, 300, MSG_DONTWAIT));
}

static void op_pipe(struct ctx *c)
{
	struct pollfd pfd;
	int p[2];

	(void)c;
	if (pipe2(p, O_CLOEXEC))
		return;
	pfd.fd = p[0];
	pfd.events = POLLIN;
	DO(poll(&pfd, 1, 1));
	DO(write(p[1], scratch, 700));
	DO(poll(&pfd, 1, 1));
	DO(read(p[0], scratch, 700));
	close(p[0]);
	close(p[1]);
}

static void op_futex(struct ctx *c)
{
	struct timespec ts = { .tv_nsec = 100000 + rnd(&c->seed) % 900000 };
	uint32_t word = 0;

	DO(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	DO(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0));
}

static void op_wait(struct ctx *c)
{
	struct timeval tv = { .tv_usec = 200 + rnd(&c->seed) % 1000 };
	struct epoll_event ev = { .events = EPOLLIN };
	int efd = eventfd(0, EFD_CLOEXEC), ep = epoll_create1(EPOLL_CLOEXEC);
	uint64_t one = 1;
	fd_set set;

	if (efd >= 0 && ep >= 0) {
		DO(epoll_ctl(ep, EPOLL_CTL_ADD, efd, &ev));
		DO(epoll_wait(ep, &ev, 1, 1));
		DO(write(efd, &one, sizeof(one)));
		DO(epoll_wait(ep, &ev, 1, 1));
		DO(read(efd, &one, sizeof(one)));
	}
	if (efd >= 0 && efd < FD_SETSIZE) {
		FD_ZERO(&set);
		FD_SET(efd, &set);
		DO(select(efd + 1, &set, NULL, NULL, &tv));
	}
	if (efd >= 0)
		close(efd);
	if (ep >= 0)
		close(ep);
}

static void op_proc(struct ctx *c)
{
	static const char *const files[] = {
		"/proc/thread-self/stat", "/proc/thread-self/status",
		"/proc/self/maps", "/proc/meminfo", "/proc/self/cmdline",
		"/proc/loadavg", "/proc/self/mountinfo",
	};
	int fd = open(files[rnd(&c->seed) % ARRAY_SIZE(files)],
		      O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	DO(read(fd, scratch, 4096));
	close(fd);
}

static void op_misc(struct ctx *c)
{
	struct rusage ru;
	struct timespec ts;

	nap_us(50 + rnd(&c->seed) % 400);
	DO(getrusage(RUSAGE_SELF, &ru));
	DO(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts));
	sched_yield();
}

static void op_binder(struct ctx *c)
{
	if (c->cm->binder >= 0)
		binder_ping(c->cm->binder);
}

/*
 * The guest has no flash file system, no storage stack worth the name and no
 * drivers: its own system calls stay within a page of stack. A share of the
 * threads therefore goes to a depth of 4 to 12.5 KiB by the kernel's test
 * file, as they do on a device.
 */
static void op_deep(struct ctx *c)
{
	unsigned int bytes = 4500 + rnd(&c->seed) % 8000;
	char line[32];
	int fd;

	fd = open("/sys/kernel/debug/dynamic_stack_test", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	snprintf(line, sizeof(line), "touch %u", bytes);
	if (write(fd, line, strlen(line)) > 0)
		__atomic_fetch_add(&shared->deep[bytes / 4096], 1,
				   __ATOMIC_RELAXED);
	close(fd);
}

static void vfork_once(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

typedef void (*op_fn)(struct ctx *c);

void age_thread(struct commons *cm, int index)
{
	static const op_fn all[] = {
		op_file, op_copy_fault, op_mmap, op_unix, op_inet, op_pipe,
		op_futex, op_wait, op_proc, op_dir, op_binder, op_misc,
		op_swap, op_sendfile, op_netlink, op_nested_epoll,
	};
	struct ctx c = {
		.cm = cm, .seed = cm->seed ^ (uint64_t)index << 20,
		.index = index,
	};
	int i, deep_at = -1;

	if (cm->work <= 0)
		return;
	if ((int)(rnd(&c.seed) % 100) < cm->deep_percent)
		deep_at = rnd(&c.seed) % cm->work;
	/* The long ways once for all, then a random life. */
	op_copy_fault(&c);
	op_swap(&c);
	op_binder(&c);
	op_inet(&c);
	for (i = 0; i < cm->work; i++) {
		all[rnd(&c.seed) % ARRAY_SIZE(all)](&c);
		if (i == deep_at)
			op_deep(&c);
	}
	if (rnd(&c.seed) % 32 == 0)
		vfork_once();
}

int tcp_listener(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, 1)) {
		close(fd);
		return -1;
	}
	return fd;
}

int tcp_pair(int fd[2])
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int lfd = tcp_listener(), ret = -1;

	/* A kernel without INET */
	if (lfd < 0 && errno == EAFNOSUPPORT)
		return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd);
	if (lfd < 0)
		return -1;
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd[0] >= 0 && !getsockname(lfd, (struct sockaddr *)&sin, &len) &&
	    !connect(fd[0], (struct sockaddr *)&sin, len)) {
		fd[1] = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
		ret = fd[1] < 0 ? -1 : 0;
	}
	close(lfd);
	return ret;
}

/* A datagram socket that is connected to itself, or else to one that nobody reads */
static int udp_socket(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), pair[2];
	socklen_t len = sizeof(sin);

	if (fd < 0 && errno == EAFNOSUPPORT)
		return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) ? -1 : pair[0];
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&sin, sizeof(sin)) ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) ||
	    connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		return -1;
	return fd;
}

int commons_open(struct commons *cm, const char *base, int proc)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/p%d", base, proc);
	if (mkdir(path, 0700) && errno != EEXIST)
		return -1;
	cm->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cm->dir < 0)
		return -1;
	if (tcp_pair(cm->tcp))
		return -1;
	cm->udp = udp_socket();
	if (cm->udp < 0)
		return -1;
	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, cm->dgram);
}
