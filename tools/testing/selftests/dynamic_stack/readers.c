// SPDX-License-Identifier: GPL-2.0
/*
 * Everything that reads the stack of another task, all of it at once, while
 * the tasks that are read go deep and come back, and the collector takes what
 * it can. Nothing faults, no task is harmed, and each reader has read.
 *
 * usage: readers [SECONDS]
 *
 * Longer, on a slow machine, until all of that was seen, but at most five times
 * as long.
 *
 * vm: --smp 2 --timeout 200 --allow "blocked for" --append "dynamic_stack=on log_buf_len=4M"
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "readers_events.h"

#define LOOK		"/sys/kernel/debug/dynamic_stack_look"
#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define SYSRQ		"/proc/sysrq-trigger"
#define DEEP		16	/* tasks that go deep and come back */
#define PAIRS		3	/* of tasks that wake each other, by pipe and by futex */
#define TARGETS		(DEEP + 4 * PAIRS)
#define MAX_READERS	32

static pid_t target[TARGETS];
static int nr_targets;

/* With all processes. */
static struct shared {
	bool stop;
	long count[MAX_READERS];
	int futex[PAIRS];
} *shared;

/* The tasks that are read */

static void deep_and_shallow(int id)
{
	char cmd[64];
	int i;

	for (i = 0; !shared->stop; i++) {
		snprintf(cmd, sizeof(cmd), "%s %d %d", i % 8 == 7 ? "remote" : "sleep",
			 1000 + (id * 787 + i * 3001) % 11000, (id + i) % 12);
		if (write_file(TESTFILE, cmd))
			_exit(1);
		sleep_ms((id * 5 + i * 7) % 40);
	}
	_exit(0);
}

static void pipe_partner(const int *from, const int *to)
{
	int in = from[0], out = to[1];
	char c = 0;

	/* Else nobody sees that the other one is gone. */
	close(from[1]);
	close(to[0]);
	signal(SIGPIPE, SIG_IGN);
	while (!shared->stop) {
		if (write(out, &c, 1) != 1 || read(in, &c, 1) != 1)
			break;
		sleep_ms(1);
	}
	_exit(0);
}

static void futex_partner(int *word, int me)
{
	struct timespec timeout = { 0, 50000000 };

	while (!shared->stop) {
		if (__atomic_load_n(word, __ATOMIC_ACQUIRE) % 2 != me) {
			syscall(SYS_futex, word, FUTEX_WAIT, !me, &timeout, NULL, 0);
			continue;
		}
		__atomic_add_fetch(word, 1, __ATOMIC_RELEASE);
		syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
		sleep_ms(1);
	}
	_exit(0);
}

static bool child(pid_t *pid)
{
	*pid = fork();
	if (*pid < 0)
		ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	if (!*pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return !*pid;
}

static void start_targets(void)
{
	int i;

	for (i = 0; i < DEEP; i++) {
		if (child(&target[nr_targets++]))
			deep_and_shallow(i);
	}
	for (i = 0; i < PAIRS; i++) {
		int a[2], b[2];

		if (pipe(a) || pipe(b))
			ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
		if (child(&target[nr_targets++]))
			pipe_partner(a, b);
		if (child(&target[nr_targets++]))
			pipe_partner(b, a);
		close(a[0]);
		close(a[1]);
		close(b[0]);
		close(b[1]);
		if (child(&target[nr_targets++]))
			futex_partner(&shared->futex[i], 0);
		if (child(&target[nr_targets++]))
			futex_partner(&shared->futex[i], 1);
	}
}

/* The readers. Each pass returns how often it got something. */

static long read_proc(const char *name)
{
	char path[64], text[4096];
	long n = 0;
	int i;

	for (i = 0; i < nr_targets; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", target[i], name);
		n += !read_file(path, text, sizeof(text)) && text[0];
	}
	return n;
}

static long stack_pass(void)
{
	return read_proc("stack");
}

static long wchan_pass(void)
{
	return read_proc("wchan");
}

static long syscall_pass(void)
{
	return read_proc("syscall");
}

static long stat_pass(void)
{
	return read_proc("stat");
}

static long debugfs_pass(void)
{
	struct stack_info info;

	return stack_info(target[0], &info);
}

static long sysrq_t_pass(void)
{
	int err;

	/*
	 * It lists all tasks in one read-side critical section of RCU, here with
	 * the locks they hold: behind all other readers of a slow machine that
	 * takes longer than RCU waits before it reports a stall.
	 */
	setpriority(PRIO_PROCESS, 0, -10);
	err = write_file(SYSRQ, "t");
	sleep_ms(700);
	return !err;
}

static long sysrq_l_pass(void)
{
	int err = write_file(SYSRQ, "l");

	sleep_ms(150);
	return !err;
}

static long sysrq_w_pass(void)
{
	int err = write_file(SYSRQ, "w");

	sleep_ms(150);
	return !err;
}

static bool sysrq_start(void)
{
	return !access(SYSRQ, W_OK);
}

#ifdef __x86_64__
#define USER_SP(regs)	((regs).rsp)
#else
#define USER_SP(regs)	((regs).sp)
#endif

static long ptrace_pass(void)
{
	struct user_regs_struct regs;
	struct iovec iov = { .iov_base = &regs, .iov_len = sizeof(regs) };
	int i, status, n = 0;

	for (i = 0; i < nr_targets && !shared->stop; i++) {
		pid_t pid = target[i];
		bool good;

		if (ptrace(PTRACE_SEIZE, pid, 0, 0))
			continue;
		if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) || waitpid(pid, &status, __WALL) != pid)
			continue;
		good = !ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov);
		errno = 0;
#ifdef __x86_64__
		ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), 0);
		good &= !errno;
#endif
		ptrace(PTRACE_PEEKDATA, pid, USER_SP(regs), 0);
		good &= !errno;
		n += !ptrace(PTRACE_DETACH, pid, 0, 0) && good;
	}
	return n;
}

static bool reliable_start(void)
{
	return !access(LOOK, W_OK) && write_file(LOOK, "reliable 1") != -ENOSYS;
}

/* As livepatch does. A task that runs just now can't be had, but most sleep. */
static long reliable_pass(void)
{
	char cmd[32];
	int i, n = 0;

	for (i = 0; i < nr_targets; i++) {
		snprintf(cmd, sizeof(cmd), "reliable %d", target[i]);
		n += !write_file(LOOK, cmd);
	}
	return n;
}

static bool kmemleak_start(void)
{
	/* Without kmemleak=on the file is there, but can't be used. */
	return !write_file(KMEMLEAK, "scan=off") && !write_file(KMEMLEAK, "scan");
}

static long kmemleak_pass(void)
{
	int err = write_file(KMEMLEAK, "scan");

	sleep_ms(500);
	return !err;
}

static void *deep_thread(void *arg)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "sleep %ld 5000", 3000 + (long)arg * 2500);
	write_file(TESTFILE, cmd);
	return NULL;
}

static void crash(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	pthread_t thread[4];
	long i;

	setrlimit(RLIMIT_CORE, &all);
	prctl(PR_SET_DUMPABLE, 1);
	for (i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, deep_thread, (void *)i);
	sleep_ms(20);
	abort();
}

static bool core_start(void)
{
	return !write_file("/proc/sys/kernel/core_pattern", "/tmp/core.%p");
}

/* Five threads, four of them deep in the kernel, with all their registers. */
static long core_pass(void)
{
	char path[64];
	int status;
	pid_t pid = fork();
	long n;

	if (!pid)
		crash();
	waitpid(pid, &status, 0);
	snprintf(path, sizeof(path), "/tmp/core.%d", pid);
	n = WIFSIGNALED(status) && WCOREDUMP(status) && !access(path, R_OK);
	unlink(path);
	return n;
}

static bool kcore_start(void)
{
	write_file("/proc/sys/kernel/kptr_restrict", "1");
	return !access("/proc/kcore", R_OK);
}

/* Where /proc/kcore has an address; -1: nowhere. */
static off_t kcore_offset(int fd, unsigned long addr)
{
	Elf64_Phdr ph;
	Elf64_Ehdr eh;
	int i;

	if (pread(fd, &eh, sizeof(eh), 0) != sizeof(eh))
		return -1;
	for (i = 0; i < eh.e_phnum; i++) {
		if (pread(fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph)) != sizeof(ph))
			return -1;
		if (ph.p_type == PT_LOAD && addr - ph.p_vaddr < ph.p_memsz)
			return ph.p_offset + (addr - ph.p_vaddr);
	}
	return -1;
}

/* What a debugger reads from a live system, and kdump from a dead one. */
static long kcore_pass(void)
{
	static char stack[16384];
	int fd = open("/proc/kcore", O_RDONLY), n = 0;
	FILE *f = fopen("/proc/vmallocinfo", "r");
	char line[256];

	while (f && fd >= 0 && fgets(line, sizeof(line), f)) {
		unsigned long from, size;
		off_t pos;

		/* With its guard page. */
		if (sscanf(line, "0x%lx-%*s %lu", &from, &size) != 2 ||
		    size != sizeof(stack) + sysconf(_SC_PAGESIZE) || strstr(line, "unpurged"))
			continue;
		pos = kcore_offset(fd, from);
		n += pos > 0 && pread(fd, stack, sizeof(stack), pos) == sizeof(stack);
	}
	if (f)
		fclose(f);
	if (fd >= 0)
		close(fd);
	return n;
}

/*
 * Reports in the kernel's log from now on. The lists of tasks of a few seconds
 * must fit into it, or a report is overwritten before it is read: log_buf_len.
 */
static long count_log(const char *text, int ms)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char record[8192];
	ssize_t len;
	long n = 0;

	if (fd < 0)
		return 0;
	lseek(fd, 0, SEEK_END);
	for (; ms > 0; ms -= 20) {
		/* -EPIPE: what came next is overwritten already. */
		while ((len = read(fd, record, sizeof(record) - 1)) > 0 ||
		       (len < 0 && errno == EPIPE)) {
			record[len > 0 ? len : 0] = '\0';
			n += !!strstr(record, text);
		}
		sleep_ms(20);
	}
	close(fd);
	return n;
}

static bool hung_start(void)
{
	return !write_file("/proc/sys/kernel/hung_task_warnings", "-1") &&
	       !write_file("/proc/sys/kernel/hung_task_check_interval_secs", "1") &&
	       !write_file("/proc/sys/kernel/hung_task_timeout_secs", "1");
}

static long hung_pass(void)
{
	pid_t pid = fork();
	long n;

	/* The log has much to read. */
	setpriority(PRIO_PROCESS, 0, -10);
	if (!pid)
		_exit(!!write_file(TESTFILE, "block 9000 4000"));
	sleep_ms(1000);
	n = count_log("blocked for more than", 3000);
	waitpid(pid, NULL, 0);
	return n;
}

/*
 * Each function looks how deep it is. To be turned on at boot (stacktrace):
 * an emulated machine may not survive code patching under load, whatever
 * stacks it has.
 */
static bool tracer_start(void)
{
	char on[8] = "";

	read_file("/proc/sys/kernel/stack_tracer_enabled", on, sizeof(on));
	return on[0] == '1';
}

static long tracer_pass(void)
{
	char text[16384] = "";

	write_file(TRACING "stack_max_size", "0");
	sleep_ms(300);
	read_file(TRACING "stack_trace", text, sizeof(text));
	/* Lines of a trace, not the explanation that it was never enabled. */
	return !!strstr(text, "  0)");
}

static bool stacktrace_start(void)
{
	return !write_file(TRACING "tracing_on", "0") &&
	       !write_file(TRACING "trace_options", "stacktrace") &&
	       !write_file(TRACING "events/sched/sched_switch/enable", "1") &&
	       !write_file(TRACING "events/sched/sched_wakeup/enable", "1");
}

/* A stack trace with each event. */
static long stacktrace_pass(void)
{
	char line[512];
	FILE *f;
	long n = 0;

	write_file(TRACING "trace", "");
	write_file(TRACING "tracing_on", "1");
	sleep_ms(100);
	write_file(TRACING "tracing_on", "0");
	f = fopen(TRACING "trace", "r");
	while (f && n < 500 && fgets(line, sizeof(line), f))
		n += !!strstr(line, "<stack trace>");
	if (f)
		fclose(f);
	sleep_ms(500);
	return n;
}

static bool bpf_switch_start(void)
{
	return bpf_start("sched_switch");
}

static const struct reader {
	const char *name;
	long (*pass)(void);
	bool (*start)(void);	/* false: this kernel hasn't got it */
} readers[] = {
	{ "/proc/PID/stack", stack_pass, NULL },
	{ "/proc/PID/wchan", wchan_pass, NULL },
	{ "/proc/PID/syscall", syscall_pass, NULL },
	{ "/proc/PID/stat", stat_pass, NULL },
	{ "debugfs stacks", debugfs_pass, NULL },
	{ "sysrq-t", sysrq_t_pass, sysrq_start },
	{ "sysrq-l", sysrq_l_pass, sysrq_start },
	{ "sysrq-w", sysrq_w_pass, sysrq_start },
	{ "ptrace", ptrace_pass, NULL },
	{ "perf call chains", perf_pass, perf_start },
	{ "bpf_get_stackid", bpf_pass, bpf_switch_start },
	{ "event stack traces", stacktrace_pass, stacktrace_start },
	{ "stack tracer", tracer_pass, tracer_start },
	{ "reliable unwinding", reliable_pass, reliable_start },
	{ "kmemleak", kmemleak_pass, kmemleak_start },
	{ "core dump", core_pass, core_start },
	{ "/proc/kcore", kcore_pass, kcore_start },
	{ "hung task report", hung_pass, hung_start },
};

#define READERS	((int)ARRAY_SIZE(readers))

static void read_on(int id)
{
	while (!shared->stop)
		shared->count[id] += readers[id].pass();
	_exit(0);
}

static long unmapped(void)
{
	return vmstat("kstack_reclaim") + vmstat("kstack_park");
}

/* Has each reader read, and were there unmapped pages to fault on? */
static bool seen_enough(const bool *has, long taken, long collected)
{
	int i;

	for (i = 0; i < READERS; i++) {
		if (has[i] && !shared->count[i])
			return false;
	}
	return unmapped() > taken && vmstat("kstack_collect") > collected;
}

int main(int argc, char **argv)
{
	int i, status[READERS], seconds = argc > 1 ? atoi(argv[1]) : 12, bad = 0;
	char period[32], sleep[32], printk[64];
	pid_t pid[READERS];
	long taken, collected, start;
	bool has[READERS];

	ksft_print_header();
	need_feature();
	ksft_set_plan(READERS + 3);
	read_file(PERIOD, period, sizeof(period));
	read_file(SLEEP, sleep, sizeof(sleep));
	read_file("/proc/sys/kernel/printk", printk, sizeof(printk));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	write_file(SLEEP, "10");
	write_file(PERIOD, "15");
	/* Not to the console: only what is as bad as an oops. */
	write_file("/proc/sys/kernel/printk", "3");
	write_file("/proc/sys/kernel/sysrq", "1");
	collected = vmstat("kstack_collect");
	taken = unmapped();

	/* Before there is load: some patch the kernel's code. */
	for (i = 0; i < READERS; i++)
		has[i] = !readers[i].start || readers[i].start();
	start_targets();
	for (i = 0; i < READERS; i++) {
		if (has[i] && child(&pid[i]))
			read_on(i);
	}
	start = time(NULL);
	while (time(NULL) < start + seconds ||
	       (!seen_enough(has, taken + 20 * seconds, collected + seconds) &&
		time(NULL) < start + 5 * seconds))
		sleep_ms(200);
	shared->stop = true;

	/* What they still log would get into the results. */
	for (i = 0; i < READERS; i++) {
		if (has[i])
			waitpid(pid[i], &status[i], 0);
	}
	for (i = 0; i < READERS; i++) {
		if (!has[i]) {
			ksft_test_result_skip("%s: not in this kernel, or not on\n",
					      readers[i].name);
			continue;
		}
		ksft_test_result(!status[i] && shared->count[i] > 0, "%s: %ld times\n",
				 readers[i].name, shared->count[i]);
	}
	for (i = 0; i < nr_targets; i++) {
		int how;

		waitpid(target[i], &how, 0);
		bad += !!how;
	}
	collected = vmstat("kstack_collect") - collected;
	taken = unmapped() - taken;
	write_file("/proc/sys/kernel/hung_task_timeout_secs", "120");
	write_file(PERIOD, period);
	write_file(SLEEP, sleep);

	ksft_test_result(!bad, "all tasks that were read are well (%d are not)\n", bad);
	/*
	 * A reader would fault on a page that was unmapped, whatever became of it. How
	 * many are collected as well depends on how much of the CPUs the readers leave:
	 * who is preempted is not shrunk.
	 */
	ksft_test_result(taken > 20 * seconds && collected > seconds,
			 "pages were unmapped meanwhile (%ld, %ld of them collected)\n",
			 taken, collected);
	ksft_test_result(vmstat("kstack_fault") <= 0, "no stack fault\n");
	write_file("/proc/sys/kernel/printk", printk);
	ksft_finished();
}
