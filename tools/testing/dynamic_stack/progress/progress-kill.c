// SPDX-License-Identifier: GPL-2.0
/*
 * To kill takes no memory, or none that only the killed could give.
 *
 * progress-kill watcher ROUNDS: as lmkd or systemd-oomd do it. A process of 2500
 * threads that sleep eats all memory; who watches sends SIGKILL when little is
 * left. How long until it is gone?
 *
 * progress-kill no-frames: 200 sleeping processes, each of which lacks pages, are
 * killed while no pool can be filled, and others have all that those may have which
 * nobody kills.
 *
 * progress-kill frozen: the same with 500 in a frozen cgroup, through cgroup.kill. With
 * dynamic_stack.vacate=on, they lack the last page as well.
 *
 * progress-kill one-cpu: the same on one CPU, the pages of whose pool, and of the
 * reserve, are held by real-time tasks. Others' pools have some.
 */
#include <sys/sysinfo.h>

#include "progress.h"

#define GROUP	CGROUP "progress/"

static unsigned long free_kb(void)
{
	struct sysinfo info;

	sysinfo(&info);
	return info.freeram * info.mem_unit / 1024;
}

/* Whatever happens, who measures has what it needs. */
static void protect(void)
{
	must_write("/proc/self/oom_score_adj", "-1000");
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		die("mlockall: %s", strerror(errno));
}

#define WATCHER_THREADS	2500
/*
 * Above what the watermarks can be, boosted (see the costs in the documentation),
 * and what is eaten between two looks: or the OOM killer acts first, with and
 * without the feature. At full speed that is 2 MB a millisecond, and 70 ms have been
 * seen between two looks: the emulator may be late with the watcher's timer. So
 * near the end they eat slowly.
 */
#define WATCHER_KB	24000
#define SLOWLY_KB	48000

static struct raw_call pause_calls[] = { { .nr = SYS_pause }, { .nr = SYS_pause } };

static void eat(size_t bytes)
{
	const size_t page = 4096, bite = 16 * page;
	char *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t i;

	for (i = 0; mem != MAP_FAILED && i < bytes; i += page) {
		mem[i] = 1;
		if (i % bite == 0 && free_kb() < SLOWLY_KB)
			sleep_ms(1);
	}
}

static void hungry(int ready)
{
	int i;

	munlockall();
	if (write_file("/proc/self/oom_score_adj", "0"))
		_exit(1);
	for (i = 0; i < WATCHER_THREADS; i++) {
		if (raw_thread(pause_calls) < 0)
			_exit(2);
	}
	if (write(ready, "", 1) != 1)
		_exit(3);
	sleep_ms(2500);
	eat(4UL << 30);
	_exit(4);
}

/* All times in ms, and at the end how often the OOM killer had to help. */
static int watcher(int rounds)
{
	long kills = vmstat("oom_kill"), stalls;

	while (rounds--) {
		long long end, start, looked, longest = 0;
		unsigned long free = 0;
		int ready[2], status;
		pid_t pid;
		char c;

		stalls = vmstat("allocstall_normal") + vmstat("allocstall_dma32");
		if (pipe(ready))
			die("pipe: %s", strerror(errno));
		pid = fork();
		if (!pid)
			hungry(ready[1]);
		close(ready[1]);
		if (read(ready[0], &c, 1) != 1)
			die("no threads");
		close(ready[0]);
		end = now_ms() + 60000;
		looked = now_ms();
		while ((free = free_kb()) > WATCHER_KB && now_ms() < end &&
		       !waitpid(pid, &status, WNOHANG)) {
			sleep_ms(2);
			start = now_ms();
			if (start - looked > longest)
				longest = start - looked;
			looked = start;
		}
		start = now_ms();
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		printf("@@ gone after %lld ms (status %#x, %ld stalls), killed at %lu KB free, up to %lld ms between two looks\n",
		       now_ms() - start, status,
		       vmstat("allocstall_normal") + vmstat("allocstall_dma32") - stalls,
		       free, longest);
		fflush(stdout);
		if (!WIFSIGNALED(status))
			die("it was not killed");
	}
	printf("@@ oom kills: %ld\n", vmstat("oom_kill") - kills);
	return 0;
}

/* Until all of them hold one page. */
static void wait_shrunk(const char *comm, int nr)
{
	long long end = now_ms() + 20000;
	int all, shrunk;
	long sum;

	while ((shrunk = count_shrunk(comm, 1, &all, &sum)) < nr) {
		if (now_ms() > end)
			die("only %d of %d sleepers are shrunk", shrunk, nr);
		sleep_ms(100);
	}
}

/* With pages it takes a tenth of this on a slow machine. */
#define LIMIT_MS	5000

#define NO_FRAMES	200

static void only_pools_left(void)
{
	/* What overflowed when they were shrunk goes within a second or two. */
	sleep_ms(2500);
	fail_refills(true);
}

/*
 * They wake up, and as many as can have all their pages hold them until they are
 * killed. The rest waits for some, and so does whoever wakes up after them.
 */
#define EATERS_MAX	1000
/*
 * Each has three pages: what the pool may give, and what the reserve may give after that.
 * It takes two, and a third in a kernel whose tasks may lack their last page.
 */
#define HOLDERS		3

static pid_t eater[EATERS_MAX];
static int nr_eaters, eat_now[2];

static void print_pools(void)
{
	char text[512];

	if (read_file(DEBUGFS "pools", text, sizeof(text)))
		die("no debugfs");
	printf("%s", text);
	fflush(stdout);
}

static bool is_eater(pid_t pid)
{
	int i;

	for (i = 0; i < nr_eaters; i++) {
		if (eater[i] == pid)
			return true;
	}
	return false;
}

/*
 * Until all children are gone; in ms. Those that can't die without pages get them
 * after 20 s.
 */
static long long wait_gone(int nr)
{
	long long start = now_ms(), took;
	bool late = false;
	int gone = 0, i;

	while (gone < nr && now_ms() - start < 20000) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		/* Who has what they wait for? */
		if (!late && now_ms() - start > LIMIT_MS) {
			late = true;
			printf("@@ late: %d of %d gone\n", gone, nr);
			print_pools();
		}
		if (pid > 0)
			gone += !is_eater(pid);
		else
			usleep(1000);
	}
	took = now_ms() - start;
	fail_refills(false);
	printf("@@ %d of %d gone after %lld ms\n", gone, nr, took);
	fflush(stdout);
	for (i = 0; i < nr_eaters; i++)
		kill(eater[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	return took;
}

/* As fork(). The child must not keep the pipe open that the eaters wait for. */
static pid_t fork_child(const char *comm)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		munlockall();
		close(eat_now[1]);
		prctl(PR_SET_NAME, comm);
	}
	return pid;
}

static void __attribute__((noreturn)) hold_pages(int when)
{
	char c;

	if (read(when, &c, 1) < 0)
		_exit(1);
	write_file(TESTFILE, "block 11000 12000");
	_exit(0);
}

static void start_eaters(void)
{
	int i;

	nr_eaters = vmstat("nr_kstack_pool") / 2 + 32;
	if (nr_eaters > EATERS_MAX - HOLDERS || pipe(eat_now))
		die("%d eaters: too many", nr_eaters);
	for (i = 0; i < nr_eaters; i++) {
		eater[i] = fork_child("eater");
		if (!eater[i])
			hold_pages(eat_now[0]);
	}
}

/* When all are asleep, with one page each. */
static void let_them_eat(int victims)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long long end;

	wait_shrunk("victim", victims);
	wait_shrunk("eater", nr_eaters);
	only_pools_left();
	end = now_ms() + 5000;
	close(eat_now[1]);
	while (vmstat("kstack_starved") == 0 || now_ms() < end - 4000) {
		if (now_ms() > end)
			die("nothing starves: %d eaters, %ld pages in pools", nr_eaters,
			    vmstat("nr_kstack_pool"));
		sleep_ms(50);
	}
	printf("@@ %ld pages in %ld pools, and in the reserve\n", vmstat("nr_kstack_pool"), cpus);
}

static int no_frames(void)
{
	pid_t pid[NO_FRAMES];
	int i;

	start_eaters();
	for (i = 0; i < NO_FRAMES; i++) {
		pid[i] = fork_child("victim");
		if (!pid[i]) {
			for (;;)
				pause();
		}
	}
	let_them_eat(NO_FRAMES);
	for (i = 0; i < NO_FRAMES; i++)
		kill(pid[i], SIGKILL);
	return wait_gone(NO_FRAMES) > LIMIT_MS;
}

#define FROZEN	500
#define VACATE_MS	"/proc/sys/vm/dynamic_stack_vacate_ms"

/* The last page, too, where the kernel takes it. */
static void wait_vacated(int nr)
{
	long long end = now_ms() + 20000;

	if (access(VACATE_MS, F_OK))
		return;
	must_write(VACATE_MS, "300");
	while (vmstat("nr_kstack_vacated") < nr) {
		if (now_ms() > end)
			die("only %ld of %d have no page", vmstat("nr_kstack_vacated"), nr);
		sleep_ms(100);
	}
	printf("@@ %ld have no page\n", vmstat("nr_kstack_vacated"));
}

static int frozen(void)
{
	pid_t pid;
	int i;

	start_eaters();
	must_write(CGROUP "cgroup.subtree_control", "+memory");
	mkdir(GROUP, 0755);
	for (i = 0; i < FROZEN; i++) {
		pid = fork_child("victim");
		if (!pid) {
			if (write_file("/proc/self/oom_score_adj", "0") ||
			    write_file(GROUP "cgroup.procs", "0"))
				_exit(1);
			for (;;)
				pause();
		}
	}
	while (read_key(GROUP "cgroup.events", "populated") != 1)
		sleep_ms(100);
	must_write(GROUP "cgroup.freeze", "1");
	for (i = 0; read_key(GROUP "cgroup.events", "frozen") != 1; i++) {
		if (i > 100)
			die("they don't freeze");
		sleep_ms(100);
	}
	wait_vacated(FROZEN);
	let_them_eat(FROZEN);
	must_write(GROUP "cgroup.kill", "1");
	return wait_gone(FROZEN) > LIMIT_MS;
}

#define ONE_CPU	20

static int one_cpu(void)
{
	struct sched_param prio = { .sched_priority = 1 };
	pid_t pid[ONE_CPU], holder[HOLDERS];
	int i, hold_now[2];

	start_eaters();
	for (i = 0; i < ONE_CPU; i++) {
		pid[i] = fork_child("victim");
		if (!pid[i]) {
			pin(0);
			for (;;)
				pause();
		}
	}
	if (pipe(hold_now))
		die("pipe: %s", strerror(errno));
	for (i = 0; i < HOLDERS; i++) {
		holder[i] = fork_child("holder");
		if (!holder[i]) {
			close(hold_now[1]);
			pin(0);
			hold_pages(hold_now[0]);
		}
	}
	wait_shrunk("holder", HOLDERS);
	let_them_eat(ONE_CPU);
	/* In their sleep: as long as they were not, they were shrunk like any other. */
	for (i = 0; i < HOLDERS; i++) {
		if (sched_setscheduler(holder[i], SCHED_FIFO, &prio))
			die("sched_setscheduler: %s", strerror(errno));
		eater[nr_eaters++] = holder[i];
	}
	close(hold_now[1]);
	sleep_ms(300);
	print_pools();
	for (i = 0; i < ONE_CPU; i++)
		kill(pid[i], SIGKILL);
	return wait_gone(ONE_CPU) > LIMIT_MS;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	protect();
	if (!strcmp(mode, "watcher"))
		return watcher(argc > 2 ? atoi(argv[2]) : 1);
	if (!strcmp(mode, "no-frames"))
		return no_frames();
	if (!strcmp(mode, "frozen"))
		return frozen();
	if (!strcmp(mode, "one-cpu"))
		return one_cpu();
	die("usage: progress-kill watcher ROUNDS | no-frames | frozen | one-cpu");
}
