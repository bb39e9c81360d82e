/* SPDX-License-Identifier: GPL-2.0 */
/*
 * census-replay: puts the threads of a real Android thread list to sleep in
 * the same wait channels on this kernel, and reports what their stacks cost.
 */
#ifndef CENSUS_REPLAY_H
#define CENSUS_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define MAX_ROWS	512
#define WCHAN_LEN	64

/* What a user thread of the census blocks in. */
enum wait_kind {
	W_POLL, W_SELECT, W_EPOLL, W_FUTEX, W_BINDER, W_PIPE, W_SPLICE,
	W_UNIX, W_DGRAM, W_NANOSLEEP, W_SIGTIMEDWAIT, W_SIGSUSPEND, W_PAUSE,
	W_INOTIFY, W_EVENTFD, W_SIGNALFD, W_WAIT4, W_SYSLOG, W_ACCEPT, W_TCP,
	W_FREEZER, W_NR
};

/* Kinds of kernel threads that the kernel's test interface can create. */
enum kthread_kind {
	K_RESCUER, K_IRQ, K_KTHREAD_WORKER, K_WORKER, K_SMPBOOT, K_OTHER, K_NR
};

/* How a wait channel of the census became a wait_kind. */
enum mapping {
	AS_SAME,		/* the same family of wait channels */
	AS_NEAREST,		/* can't be had here: the nearest one */
	AS_RUNNING,		/* the census caught it running, or knows nothing */
	AS_UNKNOWN,		/* not in our table */
	AS_REFUSED,		/* this kernel refused it at run time */
};

struct row {
	char wchan[WCHAN_LEN];
	bool kthread;
	int count;
	enum wait_kind kind;	/* user rows */
	enum mapping how;
	enum kthread_kind kk;	/* kthread rows */
};

struct census {
	char name[128];
	struct row rows[MAX_ROWS];
	int nrows;
	int user, kthreads;
	int user_processes;	/* 0: the file does not say */
	int full_threads;	/* before --scale or --limit */
};

enum slot_state { S_NONE, S_STARTED, S_READY };

/* One user thread; lives in memory shared by all processes of the replay. */
struct slot {
	int32_t pid, tid;
	int32_t child;		/* W_WAIT4: slot of the child to wait for */
	uint32_t futex;
	int16_t err;		/* errno that kept it from its wait channel */
	uint16_t row;
	uint8_t kind;
	uint8_t state;
	uint8_t asleep;		/* leader only: seen asleep where it belongs */
};

enum proc_class { P_APP, P_NATIVE, P_SYSTEM_SERVER, P_FROZEN, P_CLASSES };

/* Android's groups of processes; an app's place there changes its treatment. */
enum proc_group { G_TOP_APP, G_FOREGROUND, G_BACKGROUND, G_SYSTEM, G_NR };

struct proc {
	int first, n;
	enum proc_class class;
	enum proc_group group;
	bool cached;		/* frozen once all its threads are asleep */
	pid_t pid, cgroup_pid;
};

struct shared {
	int32_t ready;		/* threads that are about to block */
	int32_t created;
	int32_t deep[4];	/* threads that used 4-8, 8-12, over 12 KiB */
	int32_t fail_errno;	/* a process could not get what it needs */
	char fail_what[96];
};

/* What the threads of one process share; filled in before they start. */
struct commons {
	int dir;		/* a tmpfs directory of this process */
	int tcp[2], udp, dgram[2];
	int binder;		/* -1: none */
	uint64_t seed;
	int work;
	int deep_percent;
};

/* util.c; the others call what is above them here, never what is below */
extern struct shared *shared;
extern struct slot *slots;
extern volatile int stop_requested;
extern void (*die_cleanup)(void);
double now(void);
double progress_start(void);
void progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* census.c */
int census_load(struct census *c, const char *path, bool strict);
void census_scale(struct census *c, double factor);
extern const char *const wait_kind_name[W_NR];
extern const char *const kthread_kind_name[K_NR];
extern const char *const mapping_reason[];
bool wchan_matches(enum wait_kind kind, const char *wchan);
enum kthread_kind kthread_kind_of(const char *wchan);

/* plan.c */
struct plan {
	struct slot *slots;
	int nslots;
	struct proc *procs;
	int nprocs;
};

int plan_make(struct plan *p, const struct census *c, uint64_t seed);
void plan_groups(struct plan *p, int frozen_percent);
extern const char *const proc_group_name[G_NR];

/* work.c */
void age_thread(struct commons *cm, int index);
int commons_open(struct commons *cm, const char *base, int proc);
uint64_t rnd(uint64_t *s);
int tcp_listener(void);
int tcp_pair(int fd[2]);

/* block.c */
void block_forever(struct slot *s, struct commons *cm);

/* binder.c */
int binder_create_device(const char *base);
pid_t binder_start_manager(const char *base);
int binder_open_device(const char *base);
int binder_ping(int fd);
int binder_enter_looper(int fd);
int binder_wait_for_work_forever(int fd);

/* proc.c: what the kernel says */
struct thread_scan {
	int total, user, kthreads;
	int by_kind[K_NR];
	int nnames;
	struct {
		char wchan[WCHAN_LEN];
		bool kthread;
		int count;
	} names[MAX_ROWS];
	int unnamed_left_out;
};

long long read_meminfo(const char *key);
int read_text(const char *path, char *buf, size_t size);
int write_text(const char *path, const char *text);
char thread_state(pid_t pid, pid_t tid);
int thread_wchan(pid_t pid, pid_t tid, char *buf, size_t size);
void scan_threads(struct thread_scan *ts);
int read_held(const pid_t *tids, int n, int *pages, int npages);
int daemon_pages(int cpus);

struct keyval {
	char key[48];
	long long val;
};

int read_keyvals(const char *path, struct keyval *kv, int max);
long long keyval_get(const struct keyval *kv, int n, const char *key,
		     long long otherwise);

/* kthreads.c */
struct kthread_result {
	bool available;
	int census[K_NR], before[K_NR], asked[K_NR], after[K_NR];
	int before_total, after_total, asked_total;
	char error[128];
};

void replay_kthreads(const struct census *c, struct kthread_result *r);

/* report.c */
struct report {
	const struct census *census;
	const struct plan *plan;
	const struct kthread_result *kt;
	int frozen_processes, frozen_threads;
	int frozen_pages[8];	/* [n]: frozen threads that hold n pages */
	int helpers;
	int reproducible, matched;
	int not_asleep;
	double seconds_up, seconds_settle, seconds_total;
	bool settled;
	long long kernel_stack_kib, mem_available_kib, mem_total_kib;
	int cpus, daemon_pages;
	struct keyval vmstat[64];
	int nvmstat;
	struct keyval summary[64];
	int nsummary;		/* -1: the kernel has no such file */
	struct thread_scan scan;
	uint64_t seed;
	int work, deep_percent;
	const char *result;	/* "pass" or why not */
};

int report_print(const struct report *r, const char *json_path);

/* env.c */
extern char base[64];	/* a tmpfs of ours */
void env_limits(int threads);
void env_loopback(void);
void env_base(void);
void env_cgroup(void);
void env_join(int nr, const struct proc *pr);
bool env_freeze(const struct plan *p, bool cached, void (*check)(void));
void env_cleanup(const struct plan *p);

#endif
