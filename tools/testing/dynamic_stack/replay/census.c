// SPDX-License-Identifier: GPL-2.0
/* The census file, and which wait channel becomes what. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

const char *const wait_kind_name[W_NR] = {
	[W_POLL] = "poll", [W_SELECT] = "select", [W_EPOLL] = "epoll",
	[W_FUTEX] = "futex", [W_BINDER] = "binder", [W_PIPE] = "pipe",
	[W_SPLICE] = "pipe-splice", [W_UNIX] = "unix-stream",
	[W_DGRAM] = "datagram", [W_NANOSLEEP] = "nanosleep",
	[W_SIGTIMEDWAIT] = "sigtimedwait", [W_SIGSUSPEND] = "sigsuspend",
	[W_PAUSE] = "pause", [W_INOTIFY] = "inotify", [W_EVENTFD] = "eventfd",
	[W_SIGNALFD] = "signalfd", [W_WAIT4] = "wait4", [W_SYSLOG] = "syslog",
	[W_ACCEPT] = "accept", [W_TCP] = "tcp-receive", [W_FREEZER] = "freezer",
};

/* The names that the kernel's test interface takes; smpboot has none. */
const char *const kthread_kind_name[K_NR] = {
	[K_RESCUER] = "rescuer", [K_IRQ] = "irq_thread",
	[K_KTHREAD_WORKER] = "kthread_worker", [K_WORKER] = "worker",
	[K_SMPBOOT] = "smpboot", [K_OTHER] = "kthread",
};

const char *const mapping_reason[] = {
	[AS_SAME] = "same",
	[AS_NEAREST] = "not reproducible here, nearest taken",
	[AS_RUNNING] = "running or unknown in the census",
	[AS_UNKNOWN] = "unknown wait channel",
	[AS_REFUSED] = "refused by this kernel",
};

/*
 * Names of wait channels in Android kernels from 3.18 to 6.6, after
 * canonical(). They differ by version and inlining, not by behaviour.
 */
static const struct {
	const char *name;
	enum wait_kind kind;
	enum mapping how;
} known[] = {
	{ "futex_wait_queue_me", W_FUTEX, AS_SAME },
	{ "futex_wait_queue", W_FUTEX, AS_SAME },
	{ "futex_wait", W_FUTEX, AS_SAME },
	{ "futex_do_wait", W_FUTEX, AS_SAME },
	{ "futex_wait_multiple", W_FUTEX, AS_SAME },
	{ "futex_wait_requeue_pi", W_FUTEX, AS_NEAREST },
	{ "futex", W_FUTEX, AS_SAME },
	{ "binder_thread_read", W_BINDER, AS_SAME },
	{ "binder_wait_for_work", W_BINDER, AS_SAME },
	{ "binder_ioctl", W_BINDER, AS_SAME },
	{ "binder_ioctl_write_read", W_BINDER, AS_SAME },
	{ "epoll_wait", W_EPOLL, AS_SAME },
	{ "epoll_pwait", W_EPOLL, AS_SAME },
	{ "do_epoll_wait", W_EPOLL, AS_SAME },
	{ "do_epoll_pwait", W_EPOLL, AS_SAME },
	{ "ep_poll", W_EPOLL, AS_SAME },
	{ "poll_schedule_timeout", W_POLL, AS_SAME },
	{ "do_sys_poll", W_POLL, AS_SAME },
	{ "do_poll", W_POLL, AS_SAME },
	{ "poll", W_POLL, AS_SAME },
	{ "ppoll", W_POLL, AS_SAME },
	{ "do_select", W_SELECT, AS_SAME },
	{ "core_sys_select", W_SELECT, AS_SAME },
	{ "select", W_SELECT, AS_SAME },
	{ "pselect6", W_SELECT, AS_SAME },
	{ "pipe_read", W_PIPE, AS_SAME },
	{ "pipe_wait", W_PIPE, AS_SAME },
	{ "anon_pipe_read", W_PIPE, AS_SAME },
	{ "pipe_wait_readable", W_SPLICE, AS_SAME },
	{ "unix_stream_recvmsg", W_UNIX, AS_SAME },
	{ "unix_stream_read_generic", W_UNIX, AS_SAME },
	{ "unix_stream_data_wait", W_UNIX, AS_SAME },
	{ "vsock_connectible_wait_data", W_UNIX, AS_NEAREST },
	{ "__skb_recv_datagram", W_DGRAM, AS_SAME },
	{ "__skb_wait_for_more_packets", W_DGRAM, AS_SAME },
	{ "__skb_recv_udp", W_DGRAM, AS_SAME },
	{ "hrtimer_nanosleep", W_NANOSLEEP, AS_SAME },
	{ "do_nanosleep", W_NANOSLEEP, AS_SAME },
	{ "nanosleep", W_NANOSLEEP, AS_SAME },
	{ "clock_nanosleep", W_NANOSLEEP, AS_SAME },
	{ "common_nsleep", W_NANOSLEEP, AS_SAME },
	{ "compat_nanosleep_restart", W_NANOSLEEP, AS_SAME },
	{ "hrtimer_nanosleep_restart", W_NANOSLEEP, AS_SAME },
	{ "do_sigtimedwait", W_SIGTIMEDWAIT, AS_SAME },
	{ "rt_sigtimedwait", W_SIGTIMEDWAIT, AS_SAME },
	{ "sigsuspend", W_SIGSUSPEND, AS_SAME },
	{ "rt_sigsuspend", W_SIGSUSPEND, AS_SAME },
	{ "pause", W_PAUSE, AS_SAME },
	{ "inotify_read", W_INOTIFY, AS_SAME },
	{ "wait_woken", W_INOTIFY, AS_SAME },
	{ "eventfd_read", W_EVENTFD, AS_SAME },
	{ "eventfd_ctx_read", W_EVENTFD, AS_SAME },
	{ "eventfd_ctx_do_read", W_EVENTFD, AS_SAME },
	{ "signalfd_read", W_SIGNALFD, AS_SAME },
	{ "signalfd_read_iter", W_SIGNALFD, AS_SAME },
	{ "signalfd_dequeue", W_SIGNALFD, AS_SAME },
	{ "do_wait", W_WAIT4, AS_SAME },
	{ "wait4", W_WAIT4, AS_SAME },
	{ "kernel_wait4", W_WAIT4, AS_SAME },
	{ "waitid", W_WAIT4, AS_SAME },
	{ "do_syslog", W_SYSLOG, AS_SAME },
	{ "syslog_print", W_SYSLOG, AS_SAME },
	{ "inet_csk_accept", W_ACCEPT, AS_SAME },
	{ "inet_csk_wait_for_connect", W_ACCEPT, AS_SAME },
	{ "sk_wait_data", W_TCP, AS_SAME },
	{ "tcp_recvmsg", W_TCP, AS_SAME },
	{ "do_freezer_trap", W_FREEZER, AS_SAME },
	{ "get_signal", W_FREEZER, AS_SAME },	/* the same, inlined */
	{ "__refrigerator", W_FREEZER, AS_NEAREST },
	/* Vendor drivers: a read that waits, or an ioctl that waits. */
	{ "diagchar_read", W_PIPE, AS_NEAREST },
	{ "pn551_dev_read", W_PIPE, AS_NEAREST },
	{ "ipa_read", W_PIPE, AS_NEAREST },
	{ "fmea_read", W_PIPE, AS_NEAREST },
	{ "wcnss_wlan_read", W_PIPE, AS_NEAREST },
	{ "ffs_epfile_io", W_PIPE, AS_NEAREST },
	{ "gbridge_port_open", W_EVENTFD, AS_NEAREST },
	{ "pm_get_wakeup_count", W_EVENTFD, AS_NEAREST },
	{ "qseecom_receive_req", W_EVENTFD, AS_NEAREST },
	{ "fastrpc_internal_invoke", W_EVENTFD, AS_NEAREST },
	{ "fastrpc_wait_for_completion", W_EVENTFD, AS_NEAREST },
	{ "fastrpc_device_ioctl", W_EVENTFD, AS_NEAREST },
	{ "msm_cpe_lsm_ioctl_shared", W_EVENTFD, AS_NEAREST },
	{ "sync_fence_wait", W_EVENTFD, AS_NEAREST },
	/* Waits for I/O or a lock: over in no time on an idle tmpfs. */
	{ "folio_wait_bit_common", W_PIPE, AS_NEAREST },
	{ "wait_on_page_bit_killable", W_PIPE, AS_NEAREST },
	{ "wait_on_page_bit", W_PIPE, AS_NEAREST },
	{ "io_schedule", W_PIPE, AS_NEAREST },
	{ "proc_cgroup_show", W_PIPE, AS_NEAREST },
};

/* Where those threads sleep on this kernel: prefixes, after canonical(). */
static const char *const expect[W_NR][8] = {
	[W_POLL] = { "poll", "do_sys_poll", "do_poll", "ppoll", "do_select",
		     "core_sys_select", "kern_select", "select" },
	[W_SELECT] = { "poll_schedule_timeout", "do_select", "core_sys_select",
		       "kern_select", "do_pselect", "pselect6", "select" },
	[W_EPOLL] = { "ep_poll", "do_epoll", "epoll_" },
	[W_FUTEX] = { "futex", "__futex_wait", "do_futex" },
	[W_BINDER] = { "binder_" },
	[W_PIPE] = { "pipe_read", "anon_pipe_read", "fifo_pipe_read",
		     "pipe_wait" },
	[W_SPLICE] = { "pipe_wait", "splice_", "__splice_from_pipe",
		       "ipipe_prep", "do_splice" },
	[W_UNIX] = { "unix_stream_", "__unix_stream_" },
	[W_DGRAM] = { "__skb_wait_for", "__skb_recv", "skb_recv",
		      "netlink_recvmsg" },
	[W_NANOSLEEP] = { "hrtimer_nanosleep", "do_nanosleep", "common_nsleep",
			  "nanosleep", "clock_nanosleep" },
	[W_SIGTIMEDWAIT] = { "do_sigtimedwait", "rt_sigtimedwait" },
	[W_SIGSUSPEND] = { "sigsuspend", "rt_sigsuspend" },
	[W_PAUSE] = { "pause" },
	[W_INOTIFY] = { "inotify_read", "wait_woken" },
	[W_EVENTFD] = { "eventfd_", "do_wait_intr" },
	[W_SIGNALFD] = { "signalfd_" },
	[W_WAIT4] = { "do_wait", "kernel_wait4", "wait4", "kernel_waitid" },
	[W_SYSLOG] = { "syslog_print", "do_syslog", "syslog" },
	[W_ACCEPT] = { "inet_csk_" },
	[W_TCP] = { "wait_woken", "sk_wait_data", "tcp_recvmsg" },
	[W_FREEZER] = { "do_freezer_trap", "get_signal" },
};

/* Drops what compilers and system call wrappers add to a name. */
static void canonical(char *dst, size_t size, const char *src)
{
	static const char *const before[] = {
		"__arm64_compat_sys_", "__arm64_sys_", "__x64_sys_",
		"__ia32_compat_sys_", "__ia32_sys_", "__se_compat_sys_",
		"__se_sys_", "__do_sys_", "compat_SyS_", "compat_sys_",
		"SyS_", "SYSC_", "sys_",
	};
	size_t i;
	char *dot;

	for (i = 0; i < ARRAY_SIZE(before); i++)
		if (!strncmp(src, before[i], strlen(before[i]))) {
			src += strlen(before[i]);
			break;
		}
	snprintf(dst, size, "%s", src);
	dot = strchr(dst, '.');
	if (dot)
		*dot = '\0';
}

bool wchan_matches(enum wait_kind kind, const char *wchan)
{
	char name[WCHAN_LEN];
	size_t i;

	canonical(name, sizeof(name), wchan);
	for (i = 0; i < ARRAY_SIZE(expect[kind]) && expect[kind][i]; i++)
		if (!strncmp(name, expect[kind][i], strlen(expect[kind][i])))
			return true;
	return false;
}

enum kthread_kind kthread_kind_of(const char *wchan)
{
	char name[WCHAN_LEN];

	canonical(name, sizeof(name), wchan);
	if (!strcmp(name, "rescuer_thread"))
		return K_RESCUER;
	if (!strcmp(name, "irq_thread") || !strncmp(name, "irq_wait_for_", 13))
		return K_IRQ;
	if (!strcmp(name, "kthread_worker_fn"))
		return K_KTHREAD_WORKER;
	if (!strcmp(name, "worker_thread"))
		return K_WORKER;
	if (!strcmp(name, "smpboot_thread_fn"))
		return K_SMPBOOT;
	return K_OTHER;
}

static void map_user_row(struct row *r)
{
	char name[WCHAN_LEN];
	size_t i;

	r->kind = W_POLL;
	if (r->wchan[0] == '(' || !strcmp(r->wchan, "0")) {
		r->how = AS_RUNNING;
		return;
	}
	canonical(name, sizeof(name), r->wchan);
	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(name, known[i].name)) {
			r->kind = known[i].kind;
			r->how = known[i].how;
			return;
		}
	r->how = AS_UNKNOWN;
}

static int bad(const char *path, int line, const char *what)
{
	if (line)
		fprintf(stderr, "census-replay: %s:%d: %s\n", path, line, what);
	else
		fprintf(stderr, "census-replay: %s: %s\n", path, what);
	return -1;
}

/* "key=NUMBER" out of a comment line, or -1. */
static long header_value(const char *line, const char *key)
{
	const char *p = line;
	size_t len = strlen(key);

	while ((p = strstr(p, key))) {
		if ((p == line || p[-1] == ' ') && p[len] == '=')
			return strtol(p + len + 1, NULL, 10);
		p += len;
	}
	return -1;
}

int census_load(struct census *c, const char *path, bool strict)
{
	char line[1024], msg[256];
	int nr = 0, total_line = 0;
	long want_user = -1, want_kthreads = -1;
	bool columns = false;
	const char *base;
	FILE *f;

	memset(c, 0, sizeof(*c));
	f = fopen(path, "re");
	if (!f) {
		snprintf(msg, sizeof(msg), "cannot read the census: %s",
			 strerror(errno));
		return bad(path, 0, msg);
	}
	base = strrchr(path, '/');
	snprintf(c->name, sizeof(c->name), "%s", base ? base + 1 : path);
	if (strlen(c->name) > 4 && !strcmp(c->name + strlen(c->name) - 4, ".tsv"))
		c->name[strlen(c->name) - 4] = '\0';

	while (fgets(line, sizeof(line), f)) {
		size_t len = strlen(line);
		char *kind, *count, *end;
		struct row *r;
		long n;
		int i;

		nr++;
		if (len == sizeof(line) - 1 && line[len - 1] != '\n') {
			bad(path, nr, "line too long: not a census");
			goto fail;
		}
		while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			line[--len] = '\0';
		if (!len)
			continue;
		if (line[0] == '#') {
			if (header_value(line, "threads") >= 0) {
				total_line = nr;
				want_user = header_value(line, "user");
				want_kthreads = header_value(line, "kthreads");
				n = header_value(line, "user_processes");
				c->user_processes = n > 0 ? n : 0;
			}
			continue;
		}
		kind = strchr(line, '\t');
		count = kind ? strchr(kind + 1, '\t') : NULL;
		if (!count || strchr(count + 1, '\t')) {
			bad(path, nr, "expected wchan<TAB>kind<TAB>count");
			goto fail;
		}
		*kind++ = '\0';
		*count++ = '\0';
		if (!columns) {
			if (strcmp(line, "wchan") || strcmp(kind, "kind") ||
			    strcmp(count, "count")) {
				bad(path, nr, "the first line that is no comment must be wchan<TAB>kind<TAB>count");
				goto fail;
			}
			columns = true;
			continue;
		}
		errno = 0;
		n = strtol(count, &end, 10);
		if (errno || end == count || *end || n < 1 || n > 1000000) {
			snprintf(msg, sizeof(msg), "count '%.32s' is not a number from 1 to 1000000",
				 count);
			bad(path, nr, msg);
			goto fail;
		}
		if (!line[0] || strlen(line) >= WCHAN_LEN) {
			bad(path, nr, "wait channel empty or too long");
			goto fail;
		}
		if (strcmp(kind, "user") && strcmp(kind, "kthread")) {
			snprintf(msg, sizeof(msg), "kind '%.32s' is neither user nor kthread",
				 kind);
			bad(path, nr, msg);
			goto fail;
		}
		if (c->nrows == MAX_ROWS) {
			bad(path, nr, "too many different wait channels");
			goto fail;
		}
		r = &c->rows[c->nrows];
		snprintf(r->wchan, sizeof(r->wchan), "%s", line);
		r->kthread = kind[0] == 'k';
		r->count = n;
		for (i = 0; i < c->nrows; i++)
			if (c->rows[i].kthread == r->kthread &&
			    !strcmp(c->rows[i].wchan, r->wchan)) {
				snprintf(msg, sizeof(msg), "'%s' is listed twice", r->wchan);
				bad(path, nr, msg);
				goto fail;
			}
		if (r->kthread) {
			r->kk = kthread_kind_of(r->wchan);
			c->kthreads += n;
		} else {
			map_user_row(r);
			if (strict && r->how == AS_UNKNOWN) {
				snprintf(msg, sizeof(msg), "unknown wait channel '%s' (without --strict it is replayed as poll)",
					 r->wchan);
				bad(path, nr, msg);
				goto fail;
			}
			c->user += n;
		}
		c->nrows++;
	}
	if (ferror(f)) {
		snprintf(msg, sizeof(msg), "cannot read the census: %s",
			 strerror(errno));
		bad(path, 0, msg);
		goto fail;
	}
	fclose(f);
	if (!columns)
		return bad(path, 0, "not a census: it has no line wchan<TAB>kind<TAB>count");
	if (c->user + c->kthreads == 0)
		return bad(path, 0, "the census has no threads");
	if (c->user == 0)
		return bad(path, 0, "the census has no user threads to replay");
	if (want_user >= 0 && want_user != c->user) {
		snprintf(msg, sizeof(msg), "user=%ld, but the rows add up to %d: the file is damaged or cut short",
			 want_user, c->user);
		return bad(path, total_line, msg);
	}
	if (want_kthreads >= 0 && want_kthreads != c->kthreads) {
		snprintf(msg, sizeof(msg), "kthreads=%ld, but the rows add up to %d: the file is damaged or cut short",
			 want_kthreads, c->kthreads);
		return bad(path, total_line, msg);
	}
	c->full_threads = c->user + c->kthreads;
	return 0;
fail:
	fclose(f);
	return -1;
}

/* Every wait channel stays, with at least one thread: small runs test all. */
void census_scale(struct census *c, double factor)
{
	int i, p = c->user_processes;

	c->user = 0;
	c->kthreads = 0;
	for (i = 0; i < c->nrows; i++) {
		struct row *r = &c->rows[i];

		r->count = (int)(r->count * factor + 0.5);
		if (r->count < 1)
			r->count = 1;
		if (r->kthread)
			c->kthreads += r->count;
		else
			c->user += r->count;
	}
	c->user_processes = p ? (int)(p * factor + 0.999) : 0;
}
