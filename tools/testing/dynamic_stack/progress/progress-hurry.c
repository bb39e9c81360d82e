// SPDX-License-Identifier: GPL-2.0
/*
 * progress-hurry PID [give]: kstackd/1 stands still in a pass, since the threads of
 * PID want pages on CPU 1. A real-time task of a higher priority that never sleeps
 * comes there, and the threads go to CPU 0. Are there passes afterwards? Starts no
 * task after its first lines, or that could starve as well. "give": it stands still
 * where it has the pages, and has given none of them away. Do they come?
 */
#include <dirent.h>

#include "progress.h"

#define DELAY	"/sys/module/dynamic_stack/parameters/delay_ms"
#define GIVE	"/sys/module/dynamic_stack/parameters/delay_give_ms"
#define VM	"/proc/sys/vm/dynamic_stack_"

static pid_t find(const char *comm)
{
	char path[64], name[64];
	struct dirent *d;
	DIR *dir = opendir("/proc");
	pid_t pid = 0;

	while (dir && !pid && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%.16s/comm", d->d_name);
		if (atoi(d->d_name) && !read_file(path, name, sizeof(name)) &&
		    !strcmp(strtok(name, "\n"), comm))
			pid = atoi(d->d_name);
	}
	if (!pid)
		die("no %s", comm);
	closedir(dir);
	return pid;
}

/* Waits for a signal, then spins. */
static pid_t start_hog(void)
{
	pid_t pid;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(1);
	stay_whole(60);
	sigwait(&set, &sig);
	for (;;)
		;
}

static void move(const char *pid, int cpu)
{
	char path[64];
	struct dirent *d;
	cpu_set_t set;
	DIR *dir;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	if (!dir)
		die("%s: %s", path, strerror(errno));
	while ((d = readdir(dir))) {
		if (atoi(d->d_name) && sched_setaffinity(atoi(d->d_name), sizeof(set), &set))
			die("%s: %s", d->d_name, strerror(errno));
	}
	closedir(dir);
}

static void wait_pass(int seconds, const char *otherwise)
{
	long shootdowns = vmstat("kstack_shootdown");
	long long end = now_ms() + seconds * 1000;

	while (vmstat("kstack_shootdown") == shootdowns) {
		if (now_ms() > end)
			die("%s", otherwise);
		sleep_ms(10);
	}
}

int main(int argc, char **argv)
{
	struct sched_param now;
	bool give = argc == 3 && !strcmp(argv[2], "give");
	const char *delay = give ? GIVE : DELAY;
	pid_t kstackd = find("kstackd/1"), hog;
	char state;
	int before, i;
	long ran;

	if (argc != 2 && !give)
		die("usage: progress-hurry PID [give]");
	pin(0);
	stay_whole(1);
	hog = start_hog();
	sleep_ms(500);
	sched_getparam(kstackd, &now);
	before = now.sched_priority;

	fail_refills_now();
	must_write(delay, "6000");
	wait_pass(20, "nothing starved");
	/* A pass that takes nothing has nothing to give, and does not stand still. */
	for (i = 0; give && i < 1000; i++) {
		proc_stat(kstackd, 3, &state);
		if (state == 'D')
			break;
		sleep_ms(10);
	}
	kill(hog, SIGUSR1);
	proc_stat(kstackd, 3, &state);
	if (state != 'D')
		die("kstackd/1 is not the one that is in a pass: %c", state);
	fail_refills(false);
	must_write(delay, "0");
	move(argv[1], 0);
	/* Its delay ends. */
	ran = ticks(hog);
	sleep_ms(8000);
	ran = ticks(hog) - ran;
	if (ran < 700)
		die("the real-time task ran for %ld ticks of 800 only", ran);
	must_write(VM "collect_period_ms", "20");
	wait_pass(10, "no pass in 10 s");
	sched_getparam(kstackd, &now);
	printf("@@ passes go on; priority of kstackd/1: %d, %d\n", before, now.sched_priority);
	/* All pages are in stacks, pools or caches: nobody has any in the hand. */
	if (give && system("/selftests/accounting"))
		die("pages are missing while kstackd/1 can't run");
	kill(hog, SIGKILL);
	return now.sched_priority != before;
}
