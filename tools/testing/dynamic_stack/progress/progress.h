/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs of the tests progress/... share. */
#ifndef DYNAMIC_STACK_PROGRESS_H
#define DYNAMIC_STACK_PROGRESS_H

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../../selftests/dynamic_stack/files.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define STACKS		DEBUGFS "stacks"
#define CGROUP		"/sys/fs/cgroup/"

static inline void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("@@ ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	exit(1);
}

static inline void must_write(const char *path, const char *text)
{
	int err = write_file(path, text);

	if (err)
		die("%s: %s", path, strerror(-err));
}

/*
 * A thread that takes no memory but the kernel's for it: it makes two system
 * calls again and again, and uses no stack in user space. Return: tid, or -errno.
 */
struct raw_call {
	long	nr;
	long	arg[4];
};

static inline long raw_thread(struct raw_call call[2])
{
	const long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			   CLONE_SYSVSEM;
	long ret = SYS_clone;

	asm volatile("syscall\n\t"
		     "test %%rax, %%rax\n\t"
		     "jnz 2f\n"
		     "1:\n\t"
		     ".irp off, 0, 40\n\t"
		     "mov \\off + 0(%%rbx), %%rax\n\t"
		     "mov \\off + 8(%%rbx), %%rdi\n\t"
		     "mov \\off + 16(%%rbx), %%rsi\n\t"
		     "mov \\off + 24(%%rbx), %%rdx\n\t"
		     "mov \\off + 32(%%rbx), %%r10\n\t"
		     "syscall\n\t"
		     ".endr\n\t"
		     "jmp 1b\n"
		     "2:"
		     : "+a" (ret)
		     : "D" (flags), "S" (0L), "d" (0L), "b" (call)
		     : "rcx", "r8", "r10", "r11", "memory");
	return ret;
}

/* Real-time, with locked memory: nobody shrinks this task's stack. */
static inline void stay_whole(int prio)
{
	struct sched_param param = { .sched_priority = prio };

	if (mlockall(MCL_CURRENT | MCL_FUTURE) || sched_setscheduler(0, SCHED_FIFO, &param))
		die("mlockall, sched_setscheduler: %s", strerror(errno));
}

/* From here on no pool can be filled, or it can again. Needs fault injection. */
#define FAIL	"/sys/kernel/debug/fail_kstack_refill/"

static inline void fail_refills(bool on)
{
	must_write(FAIL "verbose", "0");
	must_write(FAIL "interval", "1");
	must_write(FAIL "times", "-1");
	must_write(FAIL "probability", on ? "100" : "0");
}

/* The value of /proc/PID/stat's so many-th field, 3 or more; of @state: the third. */
static inline long proc_stat(pid_t pid, int field, char *state)
{
	char path[64], text[1024], *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_file(path, text, sizeof(text)))
		die("%s", path);
	p = strrchr(text, ')');
	if (!p)
		die("%s: %s", path, text);
	if (state)
		*state = p[2];
	for (p += 2; field > 3; field--)
		p = strchr(p, ' ') + 1;
	return strtol(p, NULL, 10);
}

/* Ticks that it ran, of 1/100 s. */
static inline long ticks(pid_t pid)
{
	return proc_stat(pid, 14, NULL) + proc_stat(pid, 15, NULL);
}

/*
 * Nor is there anything left over: what is collected does not come back. From here on
 * there is no pass but those of a kstackd.
 */
static inline void fail_refills_now(void)
{
	long starved;
	int i = 0;

	fail_refills(true);
	/* Not further than that: with no page at all, nobody runs who could be shrunk. */
	do {
		must_write("/proc/sys/vm/drop_caches", "2");
		starved = vmstat("kstack_starved");
		sleep_ms(20);
	} while (vmstat("kstack_starved") < starved + 10 && ++i < 100);
	must_write("/proc/sys/vm/dynamic_stack_collect_period_ms", "0");
	sleep_ms(50);
}

static inline void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("CPU %d: %s", cpu, strerror(errno));
}

/* Pages that a task holds; -1 if there is no such managed task. */
static inline int held_pages(pid_t tid)
{
	struct stack_info info;

	return stack_info(tid, &info) ? info.held : -1;
}

/* How many tasks with this name hold so few pages; *@all: how many there are. */
static inline int count_shrunk(const char *comm, int pages, int *all, long *sum)
{
	FILE *f = fopen(STACKS, "r");
	char line[256], map[64], name[64];
	long depth, deepest;
	int pid, held, nr = 0;

	*all = 0;
	*sum = 0;
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%d %d %63s %ld %ld %63s", &pid, &held, map, &depth, &deepest,
			   name) != 6 || strcmp(name, comm))
			continue;
		++*all;
		*sum += held;
		nr += held <= pages;
	}
	fclose(f);
	return nr;
}

#endif
