// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay.h"

#define THREAD_STACK	(24 * 1024)
#define IN_FLIGHT	256	/* threads that age at the same time */
#define MATCH_PERCENT	95

static struct plan plan;
static struct census census;
static pid_t manager;

static void on_signal(int sig)
{
	stop_requested = sig;
}

static void cleanup(void)
{
	int i;

	signal(SIGCHLD, SIG_DFL);
	if (plan.procs)
		for (i = 0; i < plan.nprocs; i++)
			if (plan.procs[i].pid > 0)
				kill(plan.procs[i].pid, SIGKILL);
	if (manager > 0)
		kill(manager, SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	env_cleanup(&plan);
}

/* A census process. Its first thread is one of the census's threads too. */
struct thread_arg {
	struct slot *slot;
	struct commons *cm;
};

static void live(struct slot *s, struct commons *cm)
{
	s->pid = getpid();
	s->tid = gettid();
	s->state = S_STARTED;
	__atomic_fetch_add(&shared->created, 1, __ATOMIC_RELAXED);
	age_thread(cm, s - slots);
	block_forever(s, cm);
}

static struct commons commons;

static void *thread_main(void *arg)
{
	live(arg, &commons);
	return NULL;
}

static void __attribute__((noreturn)) fail(const char *what, int err)
{
	snprintf(shared->fail_what, sizeof(shared->fail_what), "%s", what);
	__atomic_store_n(&shared->fail_errno, err, __ATOMIC_RELEASE);
	_exit(1);
}

static void __attribute__((noreturn)) process_main(int nr)
{
	struct proc *pr = &plan.procs[nr];
	pthread_attr_t attr;
	pthread_t t;
	char name[24];
	char *stacks;
	int i, ret;

	/* The leader may have died before this; then nobody would kill us. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == 1)
		_exit(1);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	snprintf(name, sizeof(name), "census%d", nr);
	prctl(PR_SET_NAME, name);
	env_join(nr, pr);
	if (commons_open(&commons, base, nr))
		fail("files and sockets of a process", errno);
	commons.binder = -1;
	if (manager > 0) {
		commons.binder = binder_open_device(base);
		if (commons.binder < 0)
			fail("opening binder", errno);
	}
	stacks = mmap(NULL, (size_t)pr->n * THREAD_STACK,
		      PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK,
		      -1, 0);
	if (stacks == MAP_FAILED)
		fail("user stacks", errno);
	pthread_attr_init(&attr);
	for (i = 1; i < pr->n; i++) {
		pthread_attr_setstack(&attr, stacks + (size_t)i * THREAD_STACK,
				      THREAD_STACK);
		ret = pthread_create(&t, &attr, thread_main,
				     &slots[pr->first + i]);
		if (ret)
			fail("a new thread", ret);
	}
	live(&slots[pr->first], &commons);
	_exit(1);
}

/* A process that ends, ends the replay: nothing here should. */
static void check_children(void)
{
	int status, i;
	pid_t pid;

	if (stop_requested)
		die("interrupted by signal %d", stop_requested);
	if (shared->fail_errno)
		die("cannot get %s: %s (after %d of %d threads; is the guest's memory too small?)",
		    shared->fail_what, strerror(shared->fail_errno),
		    shared->created, plan.nslots);
	pid = waitpid(-1, &status, WNOHANG);
	if (pid <= 0)
		return;
	for (i = 0; i < plan.nprocs; i++)
		if (plan.procs[i].pid == pid)
			plan.procs[i].pid = 0;
	if (shared->fail_errno)
		check_children();
	if (WIFSIGNALED(status))
		die("process %d was killed by signal %d%s", pid,
		    WTERMSIG(status),
		    WTERMSIG(status) == SIGKILL ? ": out of memory?" : "");
	die("process %d ended with status %d", pid, WEXITSTATUS(status));
}

static void wait_ready(int want, double deadline, double *told)
{
	while (__atomic_load_n(&shared->ready, __ATOMIC_RELAXED) < want) {
		check_children();
		if (now() - *told > 5) {
			progress("%d of %d threads created, %d aged",
				 shared->created, plan.nslots, shared->ready);
			*told = now();
		}
		if (now() > deadline)
			die("only %d of %d threads got ready to sleep in time (--timeout)",
			    shared->ready, plan.nslots);
		usleep(20000);
	}
}

static void spawn_all(double deadline)
{
	int i, spawned = 0;
	double told = now();

	for (i = 0; i < plan.nprocs; i++) {
		pid_t pid;

		/* Threads of big processes age one by one anyway. */
		wait_ready(spawned - IN_FLIGHT, deadline, &told);
		fflush(stdout);
		pid = fork();
		if (pid < 0)
			die("cannot fork process %d of %d: %s", i + 1,
			    plan.nprocs, strerror(errno));
		if (!pid)
			process_main(i);
		plan.procs[i].pid = pid;
		plan.procs[i].cgroup_pid = pid;
		spawned += plan.procs[i].n;
	}
	wait_ready(plan.nslots, deadline, &told);
}

static bool is_asleep(struct slot *s)
{
	char wchan[WCHAN_LEN], state;
	bool exact = !s->err && census.rows[s->row].how == AS_SAME;

	if (s->state != S_READY)
		return false;
	if (thread_wchan(s->pid, s->tid, wchan, sizeof(wchan)) > 0 &&
	    strcmp(wchan, "0")) {
		s->asleep = wchan_matches(s->kind, wchan) ? 2 : 1;
		if (s->asleep == 2 || !exact)
			return true;
	}
	state = thread_state(s->pid, s->tid);
	if (state != 'S' && state != 'D') {
		s->asleep = 0;
		return false;
	}
	s->asleep = s->asleep ? s->asleep : 1;
	/* Asleep, but elsewhere: on its way, or never to get there. */
	return !exact;
}

/*
 * Returns how many are not asleep where they should be. Gives up on them
 * when nothing has changed for a while: they sleep elsewhere.
 */
static int wait_asleep(double seconds)
{
	double end = now() + seconds, told = now(), changed = now();
	int i, left, before = -1;

	for (;;) {
		left = 0;
		for (i = 0; i < plan.nslots; i++) {
			if (slots[i].asleep == 2)
				continue;
			if (!is_asleep(&slots[i]))
				left++;
			if (now() - told > 5) {
				progress("looking at thread %d of %d, %d not asleep yet",
					 i + 1, plan.nslots, left);
				told = now();
				check_children();
			}
		}
		check_children();
		if (left != before)
			changed = now();
		before = left;
		if (!left || now() > end || now() - changed > 15)
			return left;
		usleep(300000);
	}
}

static void count_matches(struct report *r)
{
	int i;

	for (i = 0; i < plan.nslots; i++) {
		const struct row *row = &census.rows[slots[i].row];

		if (!slots[i].asleep)
			r->not_asleep++;
		if (row->how != AS_SAME)
			continue;
		r->reproducible++;
		if (slots[i].asleep == 2 && !slots[i].err)
			r->matched++;
	}
}

/* What the frozen processes' stacks hold, as far as the kernel tells. */
static void count_frozen(struct report *r)
{
	pid_t *tids = calloc(plan.nslots, sizeof(*tids));
	int i, j, n = 0;

	if (!tids)
		die("no memory");
	for (i = 0; i < plan.nprocs; i++) {
		const struct proc *pr = &plan.procs[i];

		if (!pr->cached && pr->class != P_FROZEN)
			continue;
		r->frozen_processes++;
		for (j = 0; j < pr->n; j++)
			tids[n++] = slots[pr->first + j].tid;
	}
	r->frozen_threads = n;
	read_held(tids, n, r->frozen_pages, ARRAY_SIZE(r->frozen_pages));
	free(tids);
}

static int read_vmstat(struct keyval *kv, int max)
{
	static struct keyval all[512];
	int n = read_keyvals("/proc/vmstat", all, ARRAY_SIZE(all)), i, out = 0;

	for (i = 0; i < n && out < max; i++)
		if (!strncmp(all[i].key, "kstack_", 7) ||
		    !strncmp(all[i].key, "nr_kstack_", 10))
			kv[out++] = all[i];
	return out;
}

/* Seconds after which a frozen thread's last page may be gone; 0: it stays. */
static double vacate_age(void)
{
	FILE *f = fopen("/proc/sys/vm/dynamic_stack_vacate_ms", "re");
	unsigned int ms = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%u", &ms) != 1)
		ms = 0;
	fclose(f);
	return ms ? ms / 1e3 + 3 : 0;
}

/*
 * The collector has settled when its gauges stand still. We ourselves wake
 * up to look, and so do a few kernel threads, hence the tolerance.
 */
static bool settle(double seconds)
{
	static const char *const keys[] = {
		"nr_kstack_parked", "nr_kstack_pool", "kstack_collect", "nr_kstack_vacated",
	};
	struct keyval kv[64];
	long long last[ARRAY_SIZE(keys)] = { 0 };
	double start = now(), quiet = now(), told = now(), age = vacate_age();
	long long tolerance = 16 + plan.nslots / 500;
	size_t i;
	int n;

	n = read_vmstat(kv, ARRAY_SIZE(kv));
	if (keyval_get(kv, n, keys[0], -1) < 0) {
		sleep(1);
		return true;
	}
	while (now() - start < seconds) {
		check_children();
		n = read_vmstat(kv, ARRAY_SIZE(kv));
		for (i = 0; i < ARRAY_SIZE(keys); i++) {
			long long v = keyval_get(kv, n, keys[i], 0);

			if (llabs(v - last[i]) > tolerance)
				quiet = now();
			last[i] = v;
		}
		/* What is frozen gives up its last page later, if it does. */
		if (now() - start < age)
			quiet = now();
		/* While frames are parked, a slow collector may yet come. */
		if (now() - quiet > (last[0] > 4 * tolerance ? 15 : 5))
			return true;
		if (now() - told > 5) {
			progress("waiting for the collector: parked %lld, pool %lld, collected %lld pages",
				 last[0], last[1], last[2]);
			told = now();
		}
		sleep(1);
	}
	return false;
}

static void print_plan(void)
{
	int kinds[W_NR] = { 0 }, classes[P_CLASSES] = { 0 }, i;
	int in_class[P_CLASSES] = { 0 }, how[AS_REFUSED + 1] = { 0 };
	static const char *const class_name[] = {
		"app", "native", "system_server", "frozen",
	};

	for (i = 0; i < plan.nslots; i++) {
		kinds[plan.slots[i].kind]++;
		how[census.rows[plan.slots[i].row].how]++;
	}
	for (i = 0; i < plan.nprocs; i++) {
		classes[plan.procs[i].class]++;
		in_class[plan.procs[i].class] += plan.procs[i].n;
	}
	printf("@@ census %s\n@@ census_threads %d\n@@ user_threads %d\n@@ kernel_threads %d\n@@ processes %d\n",
	       census.name, census.full_threads, census.user, census.kthreads,
	       plan.nprocs);
	for (i = 0; i < P_CLASSES; i++)
		if (classes[i])
			printf("@@ class_%s processes %d threads %d\n",
			       class_name[i], classes[i], in_class[i]);
	for (i = 0; i < W_NR; i++)
		if (kinds[i])
			printf("@@ kind %s %d\n", wait_kind_name[i], kinds[i]);
	for (i = 0; i < census.nrows; i++)
		if (!census.rows[i].kthread && census.rows[i].how != AS_SAME)
			printf("@@ mapped %s %d as %s: %s\n",
			       census.rows[i].wchan, census.rows[i].count,
			       wait_kind_name[census.rows[i].kind],
			       mapping_reason[census.rows[i].how]);
	printf("@@ reproducible %d\n", how[AS_SAME]);
}

static void usage(FILE *f)
{
	fputs("usage: census-replay [options] CENSUS.tsv\n"
	      "Puts the census's threads to sleep in their wait channels and reports\n"
	      "what their kernel stacks cost. For a throw-away virtual machine, as root.\n"
	      "  --work N      ordinary system calls before a thread sleeps (default 12; 0: none)\n"
	      "  --deep P      percent of the threads that once use 4 to 12 KiB of stack\n"
	      "                (default 50; needs the kernel's dynamic_stack_test in debugfs)\n"
	      "  --seed N      other random numbers (default 1)\n"
	      "  --scale F     F times as many threads, every wait channel at least once\n"
	      "  --limit N     scaled to about N threads\n"
	      "  --strict      an unknown wait channel is an error\n"
	      "  --json FILE   report (default /out/replay.json where /out exists)\n"
	      "  --settle S    wait at most S seconds for the collector (default 90)\n"
	      "  --timeout S   be asleep within S seconds (default 900)\n"
	      "  --no-kthreads leave kernel threads alone\n"
	      "  --no-teardown do not wait for the threads' end\n"
	      "  --frozen P    freeze P percent of the apps when all threads are asleep\n"
	      "  --hold        after the report, keep the threads until SIGTERM\n"
	      "  --plan        only print what would be done\n", f);
}

static double number(const char *opt, const char *text, double lo)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= lo) || v > 1e9) {
		fprintf(stderr, "census-replay: --%s '%s': expected a number of at least %g\n",
			opt, text, lo);
		exit(2);
	}
	return v;
}

int main(int argc, char **argv)
{
	static const struct option opts[] = {
		{ "work", required_argument, NULL, 'w' },
		{ "deep", required_argument, NULL, 'd' },
		{ "seed", required_argument, NULL, 's' },
		{ "scale", required_argument, NULL, 'f' },
		{ "limit", required_argument, NULL, 'l' },
		{ "strict", no_argument, NULL, 'S' },
		{ "json", required_argument, NULL, 'j' },
		{ "settle", required_argument, NULL, 'e' },
		{ "timeout", required_argument, NULL, 't' },
		{ "no-kthreads", no_argument, NULL, 'k' },
		{ "no-teardown", no_argument, NULL, 'T' },
		{ "frozen", required_argument, NULL, 'z' },
		{ "hold", no_argument, NULL, 'H' },
		{ "plan", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static struct report r;
	static struct kthread_result kt;
	struct sigaction sa = { .sa_handler = on_signal };
	bool strict = false, plan_only = false, kthreads = true, teardown = true;
	double scale = 0, settle_s = 90, timeout = 900, started, t;
	const char *json = NULL;
	int opt, limit = 0, work = 12, deep = 50, frozen = 0, freeze = 0, i;
	bool hold = false;
	uint64_t seed = 1;
	sigset_t set;

	while ((opt = getopt_long(argc, argv, "", opts, &i)) != -1) {
		switch (opt) {
		case 'w':
			work = number("work", optarg, 0);
			break;
		case 'd':
			deep = number("deep", optarg, 0);
			break;
		case 's':
			seed = number("seed", optarg, 0);
			break;
		case 'f':
			scale = number("scale", optarg, 1e-6);
			break;
		case 'l':
			limit = number("limit", optarg, 1);
			break;
		case 'S':
			strict = true;
			break;
		case 'j':
			json = optarg;
			break;
		case 'e':
			settle_s = number("settle", optarg, 0);
			break;
		case 't':
			timeout = number("timeout", optarg, 1);
			break;
		case 'k':
			kthreads = false;
			break;
		case 'T':
			teardown = false;
			break;
		case 'z':
			freeze = number("frozen", optarg, 0);
			break;
		case 'H':
			hold = true;
			break;
		case 'p':
			plan_only = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind != argc - 1) {
		usage(stderr);
		return 2;
	}
	if (census_load(&census, argv[optind], strict))
		return 1;
	if (limit)
		scale = (double)limit / census.full_threads;
	if (scale)
		census_scale(&census, scale);
	if (plan_make(&plan, &census, seed))
		die("no memory for the plan");
	plan_groups(&plan, freeze);
	slots = plan.slots;
	if (plan_only) {
		print_plan();
		return 0;
	}
	if (!json && !access("/out", W_OK))
		json = "/out/replay.json";

	die_cleanup = cleanup;
	started = progress_start();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("no memory: %s", strerror(errno));
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	/* Nothing wakes a census thread by accident. */
	sigemptyset(&set);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);

	env_limits(plan.nslots);
	env_loopback();
	env_base();
	for (i = 0; i < plan.nprocs; i++)
		frozen += plan.procs[i].class == P_FROZEN;
	env_cgroup();
	if (binder_create_device(base)) {
		fprintf(stderr, "census-replay: no binder here (%s): binder threads will sleep in poll\n",
			strerror(errno));
	} else {
		manager = binder_start_manager(base);
		if (manager <= 0)
			die("cannot start a binder context manager");
	}
	r.helpers = 1 + (manager > 0);
	for (i = 0; i < plan.nslots; i++)
		r.helpers += slots[i].kind == W_WAIT4 && slots[i].child < 0;
	commons.work = work;
	commons.deep_percent = deep;
	commons.seed = seed * 0x9e3779b97f4a7c15ULL;

	progress("%s: %d user threads in %d processes", census.name,
		 plan.nslots, plan.nprocs);
	spawn_all(started + timeout);
	if (frozen)
		env_freeze(&plan, false, check_children);
	i = wait_asleep(120);
	if (i)
		progress("%d threads are not asleep where they should be", i);
	r.seconds_up = now() - started;
	progress("%d threads asleep", plan.nslots - i);

	/* They were seen in their wait channels; now they leave them. */
	if (freeze) {
		progress("freezing cached apps");
		if (!env_freeze(&plan, true, check_children))
			r.result = "fail: the cached apps could not be frozen";
	}

	/* After the ageing, which made the guest start workers of its own. */
	if (kthreads)
		replay_kthreads(&census, &kt);
	t = now();
	progress("letting the collector settle");
	r.settled = settle(settle_s);
	r.seconds_settle = now() - t;

	/* Memory first: a look at every thread wakes and allocates. */
	r.nvmstat = read_vmstat(r.vmstat, ARRAY_SIZE(r.vmstat));
	r.nsummary = read_keyvals("/sys/kernel/debug/dynamic_stack/summary",
				  r.summary, ARRAY_SIZE(r.summary));
	r.kernel_stack_kib = read_meminfo("KernelStack");
	r.mem_available_kib = read_meminfo("MemAvailable");
	r.mem_total_kib = read_meminfo("MemTotal");
	r.cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (keyval_get(r.summary, r.nsummary, "enabled", 0))
		r.daemon_pages = daemon_pages(r.cpus);
	scan_threads(&r.scan);
	count_matches(&r);
	count_frozen(&r);

	r.census = &census;
	r.plan = &plan;
	r.kt = &kt;
	r.seed = seed;
	r.work = work;
	r.deep_percent = deep;
	r.seconds_total = now() - started;
	if (!r.result)
		r.result = "pass";
	if (r.matched * 100 < r.reproducible * MATCH_PERCENT)
		r.result = "fail: too few threads sleep where the census says";
	else if (r.not_asleep)
		r.result = "fail: some threads are not asleep";
	else if (kt.error[0])
		r.result = "fail: the kernel refused to create kernel threads";
	i = report_print(&r, json);

	if (hold) {
		progress("holding the threads until SIGTERM");
		while (!stop_requested)
			sleep(1);
		stop_requested = 0;
	}
	if (teardown) {
		t = now();
		cleanup();
		progress("all threads ended, %.1f s", now() - t);
		printf("@@ kernel_stack_kib_after %lld\n",
		       read_meminfo("KernelStack"));
	}
	fflush(stdout);
	return i || strcmp(r.result, "pass") ? 1 : 0;
}
