// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel threads of the census: the guest has some of its own, the kernel's
 * test interface adds the difference, kind by kind. Kinds that it cannot
 * make (smpboot, drivers' own) come as plain kthreads, so that the total is
 * the census's.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "replay.h"

#define INTERFACE "/sys/kernel/debug/dynamic_stack_kthreads"

static void ask(struct kthread_result *r, enum kthread_kind k, int n)
{
	char line[64];

	if (n <= 0 || r->error[0])
		return;
	progress("creating %d kernel threads: %s", n, kthread_kind_name[k]);
	snprintf(line, sizeof(line), "%s %d\n", kthread_kind_name[k], n);
	if (write_text(INTERFACE, line)) {
		snprintf(r->error, sizeof(r->error), "'%s %d' refused: %s",
			 kthread_kind_name[k], n, strerror(errno));
		return;
	}
	r->asked[k] = n;
	r->asked_total += n;
}

void replay_kthreads(const struct census *c, struct kthread_result *r)
{
	static struct thread_scan ts;
	int i, want_total = 0;

	memset(r, 0, sizeof(*r));
	for (i = 0; i < c->nrows; i++)
		if (c->rows[i].kthread) {
			r->census[c->rows[i].kk] += c->rows[i].count;
			want_total += c->rows[i].count;
		}

	scan_threads(&ts);
	memcpy(r->before, ts.by_kind, sizeof(r->before));
	r->before_total = ts.kthreads;

	if (access(INTERFACE, W_OK) && access("/sys/kernel/debug", F_OK) == 0)
		mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	r->available = !access(INTERFACE, W_OK);
	if (r->available) {
		for (i = 0; i < K_NR; i++)
			if (i != K_SMPBOOT && i != K_OTHER)
				ask(r, i, r->census[i] - r->before[i]);
		ask(r, K_OTHER, want_total - r->before_total - r->asked_total);
		/* They age themselves before they sleep. */
		for (i = 0; i < 30 && !stop_requested; i++) {
			scan_threads(&ts);
			if (ts.kthreads >= r->before_total + r->asked_total - 4)
				break;
			progress("waiting for kernel threads: %d of %d",
				 ts.kthreads, r->before_total + r->asked_total);
			sleep(1);
		}
	}
	memcpy(r->after, ts.by_kind, sizeof(r->after));
	r->after_total = ts.kthreads;
}
