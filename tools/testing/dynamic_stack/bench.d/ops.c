// SPDX-License-Identifier: GPL-2.0
/*
 * What is measured, one operation at a time, all on one CPU. In a ping-pong an
 * operation is one round trip, that is two switches.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static void futex_wait(atomic_uint *word, unsigned int value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word, int nr)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, nr, NULL, NULL, 0);
}

/* The partner: a process of its own, gone with us or at teardown. */
static pid_t partner;

static pid_t start_partner(void (*body)(void))
{
	partner = fork();
	if (partner < 0)
		fail("fork");
	if (!partner) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body();
		_exit(1);
	}
	return partner;
}

static void stop_partner(void)
{
	kill(partner, SIGKILL);
	waitpid(partner, NULL, 0);
}

static void read_byte(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		_exit(0);
}

static void write_byte(int fd)
{
	char c = 'x';

	if (write(fd, &c, 1) != 1)
		_exit(0);
}

/* A system call that does nothing: the feature must not be seen here. */
static uint64_t run_syscall(uint64_t nr, uint64_t *spent)
{
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++)
		syscall(SYS_getppid);
	return nr;
}

/* Pipe and socket: two file descriptors for each side, to read and to write. */
static int fds[4];

static void echo(void)
{
	for (;;) {
		read_byte(fds[2]);
		write_byte(fds[3]);
	}
}

static uint64_t run_fds(uint64_t nr, uint64_t *spent)
{
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++) {
		write_byte(fds[1]);
		read_byte(fds[0]);
	}
	return nr;
}

static void make_pipes(void)
{
	int a[2], b[2];

	if (pipe(a) || pipe(b))
		fail("pipe");
	fds[0] = a[0];
	fds[3] = a[1];
	fds[2] = b[0];
	fds[1] = b[1];
}

static int setup_pipe(void)
{
	make_pipes();
	start_partner(echo);
	return 0;
}

static int setup_socket(void)
{
	int s[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		fail("socketpair");
	fds[0] = s[0];
	fds[1] = s[0];
	fds[2] = s[1];
	fds[3] = s[1];
	start_partner(echo);
	return 0;
}

static void close_fds(void)
{
	int i;

	stop_partner();
	for (i = 0; i < 4; i++)
		close(fds[i]);
}

/* Both went to the bottom of their stacks some time before. */
static void deep_echo(void)
{
	go_deep(13000);
	echo();
}

static int setup_pipe_touched(void)
{
	make_pipes();
	start_partner(deep_echo);
	go_deep(13000);
	return 0;
}

/* Threads that take turns. */
static atomic_uint turn;
static pthread_t thread;
static atomic_bool stop;

static void *futex_partner(void *unused)
{
	for (;;) {
		while (atomic_load(&turn) != 1)
			futex_wait(&turn, 0);
		if (atomic_load(&stop))
			return unused;
		atomic_store(&turn, 0);
		futex_wake(&turn, 1);
	}
}

static void start_thread(void *(*body)(void *))
{
	atomic_store(&stop, false);
	if (pthread_create(&thread, NULL, body, NULL))
		fail("pthread_create");
}

static int setup_futex(void)
{
	atomic_store(&turn, 0);
	start_thread(futex_partner);
	return 0;
}

static uint64_t run_futex(uint64_t nr, uint64_t *spent)
{
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++) {
		atomic_store(&turn, 1);
		futex_wake(&turn, 1);
		while (atomic_load(&turn) != 0)
			futex_wait(&turn, 1);
	}
	return nr;
}

static void teardown_futex(void)
{
	atomic_store(&stop, true);
	atomic_store(&turn, 1);
	futex_wake(&turn, 1);
	pthread_join(thread, NULL);
}

static int event[2];

static void *eventfd_partner(void *unused)
{
	uint64_t n;

	for (;;) {
		if (read(event[0], &n, sizeof(n)) != sizeof(n) || atomic_load(&stop))
			return unused;
		n = 1;
		if (write(event[1], &n, sizeof(n)) != sizeof(n))
			return unused;
	}
}

static int setup_eventfd(void)
{
	event[0] = eventfd(0, EFD_CLOEXEC);
	event[1] = eventfd(0, EFD_CLOEXEC);
	if (event[0] < 0 || event[1] < 0)
		fail("eventfd");
	start_thread(eventfd_partner);
	return 0;
}

static uint64_t run_eventfd(uint64_t nr, uint64_t *spent)
{
	uint64_t i, n;

	(void)spent;
	for (i = 0; i < nr; i++) {
		n = 1;
		if (write(event[0], &n, sizeof(n)) != sizeof(n) ||
		    read(event[1], &n, sizeof(n)) != sizeof(n))
			fail("eventfd");
	}
	return nr;
}

static void teardown_eventfd(void)
{
	uint64_t n = 1;

	atomic_store(&stop, true);
	if (write(event[0], &n, sizeof(n)) != sizeof(n))
		fail("eventfd");
	pthread_join(thread, NULL);
	close(event[0]);
	close(event[1]);
}

static void yield_forever(void)
{
	for (;;)
		sched_yield();
}

static int setup_yield(void)
{
	start_partner(yield_forever);
	return 0;
}

/* At equal real-time priority each yield is a switch. */
static int setup_yield_fifo(void)
{
	struct sched_param param = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		return -1;
	return setup_yield();
}

static void teardown_yield_fifo(void)
{
	struct sched_param param = { };

	stop_partner();
	sched_setscheduler(0, SCHED_OTHER, &param);
}

static uint64_t run_yield(uint64_t nr, uint64_t *spent)
{
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++)
		sched_yield();
	return nr;
}

/* Signals: to itself, and to and fro. */
static volatile sig_atomic_t signals;

static void count_signal(int sig)
{
	(void)sig;
	signals++;
}

static int setup_signal(void)
{
	struct sigaction sa = { .sa_handler = count_signal };

	sigaction(SIGUSR1, &sa, NULL);
	return 0;
}

static uint64_t run_signal(uint64_t nr, uint64_t *spent)
{
	pid_t me = getpid();
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++)
		kill(me, SIGUSR1);
	return nr;
}

static void teardown_signal(void)
{
	signal(SIGUSR1, SIG_DFL);
}

static sigset_t sigusr1;
static pid_t parent;

static void signal_echo(void)
{
	int sig;

	for (;;) {
		sigwait(&sigusr1, &sig);
		kill(parent, SIGUSR1);
	}
}

static int setup_sigwait(void)
{
	sigemptyset(&sigusr1);
	sigaddset(&sigusr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &sigusr1, NULL);
	parent = getpid();
	start_partner(signal_echo);
	return 0;
}

static uint64_t run_sigwait(uint64_t nr, uint64_t *spent)
{
	uint64_t i;
	int sig;

	(void)spent;
	for (i = 0; i < nr; i++) {
		kill(partner, SIGUSR1);
		sigwait(&sigusr1, &sig);
	}
	return nr;
}

static void teardown_sigwait(void)
{
	struct timespec none = { };

	stop_partner();
	sigtimedwait(&sigusr1, NULL, &none);
	sigprocmask(SIG_UNBLOCK, &sigusr1, NULL);
}

/* Wake SLEEPERS threads at once; the last to go back to sleep wakes us. */
#define SLEEPERS 32
static atomic_uint gate, awake, all_asleep;
static pthread_t sleeper[SLEEPERS];

static void *sleep_at_gate(void *unused)
{
	unsigned int seen = atomic_load(&gate);

	for (;;) {
		if (atomic_fetch_sub(&awake, 1) == 1) {
			atomic_store(&all_asleep, 1);
			futex_wake(&all_asleep, 1);
		}
		while (atomic_load(&gate) == seen)
			futex_wait(&gate, seen);
		seen++;
		if (atomic_load(&stop))
			return unused;
	}
}

static void wait_all_asleep(void)
{
	while (!atomic_load(&all_asleep))
		futex_wait(&all_asleep, 0);
}

static int setup_wake(void)
{
	int i;

	atomic_store(&stop, false);
	atomic_store(&all_asleep, 0);
	atomic_store(&awake, SLEEPERS);
	for (i = 0; i < SLEEPERS; i++) {
		if (pthread_create(&sleeper[i], NULL, sleep_at_gate, NULL))
			fail("pthread_create");
	}
	wait_all_asleep();
	return 0;
}

static uint64_t run_wake(uint64_t nr, uint64_t *spent)
{
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++) {
		atomic_store(&all_asleep, 0);
		atomic_store(&awake, SLEEPERS);
		atomic_fetch_add(&gate, 1);
		futex_wake(&gate, SLEEPERS);
		wait_all_asleep();
	}
	return nr;
}

static void teardown_wake(void)
{
	int i;

	atomic_store(&stop, true);
	atomic_fetch_add(&gate, 1);
	futex_wake(&gate, SLEEPERS);
	for (i = 0; i < SLEEPERS; i++)
		pthread_join(sleeper[i], NULL);
}

/*
 * A real-time task that a timer wakes up, and we spin meanwhile, so that the
 * CPU is never idle: what is not spent in the loop went into the wake-ups.
 */
#define TIMER_PERIOD_NS	50000
static double spin_cost;
static atomic_uint *wakeups;

static void sleep_periodically(void)
{
	struct sched_param param = { .sched_priority = 1 };
	struct timespec at;

	sched_setscheduler(0, SCHED_FIFO, &param);
	clock_gettime(CLOCK_MONOTONIC, &at);
	for (;;) {
		at.tv_nsec += TIMER_PERIOD_NS;
		if (at.tv_nsec >= 1000000000) {
			at.tv_nsec -= 1000000000;
			at.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		atomic_fetch_add(wakeups, 1);
	}
}

static int setup_timer(void)
{
	uint64_t best = ~0ULL, t;
	int i;

	if (!wakeups)
		wakeups = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (wakeups == MAP_FAILED)
		fail("mmap");
	for (i = 0; i < 20; i++) {
		t = spin(100000);
		if (t < best)
			best = t;
	}
	spin_cost = best / 100000.0;
	start_partner(sleep_periodically);
	while (atomic_load(wakeups) < 100)
		usleep(1000);
	return 0;
}

static uint64_t run_timer(uint64_t nr, uint64_t *spent)
{
	unsigned int from = atomic_load(wakeups), n;
	uint64_t loops = nr * 20000, start = clock_now();

	spin(loops);
	start = clock_now() - start;
	n = atomic_load(wakeups) - from;
	*spent = start - loops * spin_cost > 0 ? start - loops * spin_cost : 1;
	return n ?: 1;
}

static void *thread_body(void *arg)
{
	return arg;
}

static uint64_t run_thread(uint64_t nr, uint64_t *spent)
{
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, thread_body, NULL))
			fail("pthread_create");
		pthread_join(t, NULL);
	}
	return nr;
}

static uint64_t run_fork(uint64_t nr, uint64_t *spent)
{
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			fail("fork");
	}
	return nr;
}

static uint64_t run_exec(uint64_t nr, uint64_t *spent)
{
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++) {
		pid_t pid = fork();

		if (!pid) {
			execl(self_path, self_path, "nothing", NULL);
			_exit(1);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			fail("fork");
	}
	return nr;
}

static int clone_body(void *arg)
{
	(void)arg;
	/* The memory is the parent's: leave it alone. */
	syscall(SYS_exit, 0);
	return 0;
}

static uint64_t run_clone(uint64_t nr, uint64_t *spent)
{
	static char stack[16384] __attribute__((aligned(16)));
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++) {
		pid_t pid = clone(clone_body, stack + sizeof(stack),
				  CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, NULL);

		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			fail("clone");
	}
	return nr;
}

/* Both sleep in the kernel with much of their stacks in use. */
static unsigned int pair_bytes;

static void pair(uint64_t nr)
{
	char text[64];

	snprintf(text, sizeof(text), "pair %u %u", pair_bytes, (unsigned int)nr);
	if (write_file(deep_file, text))
		_exit(1);
}

static void pair_partner(void)
{
	uint64_t nr;

	while (read(fds[2], &nr, sizeof(nr)) == sizeof(nr)) {
		pair(nr);
		write_byte(fds[3]);
	}
}

static int setup_pair(unsigned int bytes)
{
	/* Without rounds it waits for nobody. */
	if (write_file(deep_file, "pair 512 0"))
		return -1;
	pair_bytes = bytes;
	make_pipes();
	start_partner(pair_partner);
	return 0;
}

static int setup_shallow(void)
{
	return setup_pair(512);
}

/* With what is above and below it: in the second page from the top. */
static int setup_deep2(void)
{
	return setup_pair(6000);
}

static int setup_deep3(void)
{
	return setup_pair(10000);
}

static uint64_t run_pair(uint64_t nr, uint64_t *spent)
{
	(void)spent;
	if (write(fds[1], &nr, sizeof(nr)) != sizeof(nr))
		fail("pipe");
	pair(nr);
	/* The next pair may not begin before both are back. */
	read_byte(fds[0]);
	return nr;
}

/* Pages that are not there: read ones, so that none has to be cleared. */
#define FAULT_PAGES	512
static char *fault_area;

static int setup_fault(void)
{
	fault_area = mmap(NULL, FAULT_PAGES * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return fault_area == MAP_FAILED ? -1 : 0;
}

static void teardown_fault(void)
{
	munmap(fault_area, FAULT_PAGES * 4096);
}

static void *fault_page(uint64_t i)
{
	/* The page tables stay. */
	if (!(i % FAULT_PAGES) && madvise(fault_area, FAULT_PAGES * 4096, MADV_DONTNEED))
		fail("madvise");
	return fault_area + i % FAULT_PAGES * 4096;
}

static uint64_t run_fault_user(uint64_t nr, uint64_t *spent)
{
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++)
		*(volatile char *)fault_page(i);
	return nr;
}

/* The kernel reads 24 bytes, which are 0, and doesn't like them. */
static uint64_t run_fault_copy(uint64_t nr, uint64_t *spent)
{
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++) {
		if (syscall(SYS_sigaltstack, fault_page(i), NULL) != -1 || errno != ENOMEM)
			fail("sigaltstack");
	}
	return nr;
}

static uint64_t run_fault_fixup(uint64_t nr, uint64_t *spent)
{
	uint64_t i;

	(void)spent;
	for (i = 0; i < nr; i++) {
		if (syscall(SYS_sigaltstack, 16, NULL) != -1 || errno != EFAULT)
			fail("sigaltstack");
	}
	return nr;
}

const struct op ops[] = {
	{ "control-syscall", "getppid()", NULL, run_syscall, NULL },
	{ "switch-pipe", "a byte to another process and back, 2 switches",
	  setup_pipe, run_fds, close_fds },
	{ "switch-futex", "to another thread and back, 2 switches",
	  setup_futex, run_futex, teardown_futex },
	{ "switch-eventfd", "to another thread and back, 2 switches",
	  setup_eventfd, run_eventfd, teardown_eventfd },
	{ "switch-socket", "unix stream, a byte to another process and back, 2 switches",
	  setup_socket, run_fds, close_fds },
	{ "switch-yield", "sched_yield() of two processes, one's share",
	  setup_yield, run_yield, stop_partner },
	{ "switch-yield-fifo", "sched_yield() of two real-time processes, 2 switches",
	  setup_yield_fifo, run_yield, teardown_yield_fifo },
	{ "switch-pipe-touched", "switch-pipe after both used 13 KB of stack once",
	  setup_pipe_touched, run_fds, close_fds },
	{ "switch-sleep-1-page", "ping-pong in the kernel, asleep in the first page of the stack",
	  setup_shallow, run_pair, close_fds },
	{ "switch-sleep-2-pages", "ping-pong in the kernel, asleep in the second page",
	  setup_deep2, run_pair, close_fds },
	{ "switch-sleep-3-pages", "ping-pong in the kernel, asleep in the third page",
	  setup_deep3, run_pair, close_fds },
	{ "wake-32", "wake up 32 threads, all go back to sleep",
	  setup_wake, run_wake, teardown_wake },
	{ "signal-self", "a handler runs", setup_signal, run_signal, teardown_signal },
	{ "signal-pair", "a signal to another process and back, 2 switches",
	  setup_sigwait, run_sigwait, teardown_sigwait },
	{ "timer-wake", "a timer wakes up a real-time process",
	  setup_timer, run_timer, stop_partner },
	{ "thread-create", "pthread_create(), pthread_join()", NULL, run_thread, NULL },
	{ "clone-vm", "clone(CLONE_VM), exit, wait", NULL, run_clone, NULL },
	{ "fork-exit", "fork, exit, wait", NULL, run_fork, NULL },
	{ "fork-exec", "fork, exec, exit, wait", NULL, run_exec, NULL },
	{ "fault-user", "a page fault of a program", setup_fault, run_fault_user, teardown_fault },
	{ "fault-copy", "a page fault of the kernel on a program's memory",
	  setup_fault, run_fault_copy, teardown_fault },
	{ "fault-fixup", "a page fault of the kernel at no one's address: an exception table's fixup",
	  NULL, run_fault_fixup, NULL },
};

const unsigned int nr_ops = sizeof(ops) / sizeof(*ops);
