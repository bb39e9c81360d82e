// SPDX-License-Identifier: GPL-2.0
/* The report: "@@ key value" lines for people, JSON for programs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "replay.h"

#define PAGE_KIB 4
#define MAX_PAGES 16

static FILE *js;
static bool first_member;

static void key(const char *k)
{
	fprintf(js, "%s\n  \"%s\": ", first_member ? "" : ",", k);
	first_member = false;
}

static void string(const char *s)
{
	fputc('"', js);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', js);
		if ((unsigned char)*s >= ' ')
			fputc(*s, js);
	}
	fputc('"', js);
}

static void both_num(const char *k, long long v)
{
	printf("@@ %s %lld\n", k, v);
	if (js) {
		key(k);
		fprintf(js, "%lld", v);
	}
}

static void both_float(const char *k, double v)
{
	printf("@@ %s %.1f\n", k, v);
	if (js) {
		key(k);
		fprintf(js, "%.1f", v);
	}
}

static void both_str(const char *k, const char *v)
{
	printf("@@ %s %s\n", k, v);
	if (js) {
		key(k);
		string(v);
	}
}

static void both_bool(const char *k, bool v)
{
	printf("@@ %s %s\n", k, v ? "yes" : "no");
	if (js) {
		key(k);
		fputs(v ? "true" : "false", js);
	}
}

/* What "mapped" lists: rows that are not replayed as what they are. */
static void mapped(const struct report *r)
{
	static int failed[MAX_ROWS][W_NR], err[MAX_ROWS];
	const struct census *c = r->census;
	bool first = true;
	int i, k, total = 0;

	for (i = 0; i < r->plan->nslots; i++) {
		const struct slot *s = &r->plan->slots[i];

		if (s->err) {
			failed[s->row][s->kind]++;
			err[s->row] = s->err;
		}
	}
	if (js) {
		key("mapped_wait_channels");
		fputc('[', js);
	}
	for (i = 0; i < c->nrows; i++) {
		const struct row *row = &c->rows[i];

		for (k = -1; k < W_NR; k++) {
			const char *as, *why;
			int n;

			if (row->kthread)
				continue;
			if (k < 0) {
				if (row->how == AS_SAME)
					continue;
				n = row->count;
				as = wait_kind_name[row->kind];
				why = mapping_reason[row->how];
			} else {
				n = failed[i][k];
				as = wait_kind_name[W_POLL];
				why = mapping_reason[AS_REFUSED];
			}
			if (!n)
				continue;
			total += n;
			printf("@@ mapped %s %d as %s: %s%s%s\n", row->wchan, n,
			       as, why, k < 0 ? "" : ": ",
			       k < 0 ? "" : strerror(err[i]));
			if (!js)
				continue;
			fprintf(js, "%s\n    {\"wchan\": ", first ? "" : ",");
			first = false;
			string(row->wchan);
			fprintf(js, ", \"count\": %d, \"as\": \"%s\", \"why\": \"%s\"}",
				n, as, why);
		}
	}
	if (js)
		fputs(first ? "]" : "\n  ]", js);
	both_num("mapped_threads", total);
}

static void kthreads(const struct report *r)
{
	const struct kthread_result *k = r->kt;
	int i, total = 0;

	for (i = 0; i < K_NR; i++) {
		total += k->census[i];
		printf("@@ kthreads_%s census %d guest %d created %d now %d\n",
		       kthread_kind_name[i], k->census[i], k->before[i],
		       k->asked[i], k->after[i]);
	}
	if (!k->available)
		printf("@@ kthreads NOT replayed: the kernel has no dynamic_stack_kthreads in debugfs; the census has %d, the guest %d\n",
		       total, k->before_total);
	else if (k->error[0])
		printf("@@ kthreads incomplete: %s\n", k->error);
	else
		printf("@@ kthreads replayed: smpboot and driver threads that the guest lacks were created as plain kthreads\n");
	if (!js)
		return;
	key("kthreads");
	fprintf(js, "{\"replayed\": %s, \"census\": %d, \"guest_own\": %d, \"created\": %d, \"error\": ",
		k->available && !k->error[0] ? "true" : "false", total,
		k->before_total, k->asked_total);
	string(k->error);
	fputs(",\n    \"kinds\": {", js);
	for (i = 0; i < K_NR; i++)
		fprintf(js, "%s\n      \"%s\": {\"census\": %d, \"guest_own\": %d, \"created\": %d, \"now\": %d}",
			i ? "," : "", kthread_kind_name[i], k->census[i],
			k->before[i], k->asked[i], k->after[i]);
	fputs("}}", js);
}

/* With the feature off every stack is whole: four pages each. */
static void histogram(const struct report *r)
{
	long long n[MAX_PAGES + 1] = { 0 };
	bool first = true;
	int i, p;

	if (r->nsummary < 0) {
		n[4] = r->scan.total;
	} else {
		for (i = 0; i < r->nsummary; i++)
			if (sscanf(r->summary[i].key, "pages_%d", &p) == 1 &&
			    p >= 0 && p <= MAX_PAGES)
				n[p] += r->summary[i].val;
	}
	both_str("pages_per_thread_from",
		 r->nsummary < 0 ? "no feature in this kernel: all whole" : "kernel");
	if (js) {
		key("pages_per_thread");
		fputc('{', js);
	}
	for (p = 0; p <= MAX_PAGES; p++) {
		if (!n[p] && (p < 1 || p > 4))
			continue;
		printf("@@ pages_per_thread %d %lld\n", p, n[p]);
		if (js)
			fprintf(js, "%s\"%d\": %lld", first ? "" : ", ", p, n[p]);
		first = false;
	}
	if (js)
		fputc('}', js);
}

/* What the slab caches of the copies of vacated stacks take; -1: not known */
static int copy_slab_kib(void)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	unsigned int objects, size, perslab, pages, slabs;
	char line[512], name[64];
	int kib = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %*u %u %u %u %u : tunables %*u %*u %*u : slabdata %*u %u",
			   name, &objects, &size, &perslab, &pages, &slabs) == 6 &&
		    !strncmp(name, "kstack_copy-", 12))
			kib += slabs * pages * PAGE_KIB;
	}
	fclose(f);
	return kib;
}

static void frozen(const struct report *r)
{
	int n, known = 0, kib = 0;

	both_num("frozen_processes", r->frozen_processes);
	both_num("frozen_threads", r->frozen_threads);
	for (n = 0; n < (int)ARRAY_SIZE(r->frozen_pages); n++) {
		known += r->frozen_pages[n];
		kib += PAGE_KIB * n * r->frozen_pages[n];
	}
	/* What has no line in the kernel's list has a whole stack. */
	both_num("frozen_stack_kib", kib + 4 * PAGE_KIB * (r->frozen_threads - known));
	both_num("vacated_threads", keyval_get(r->summary, r->nsummary, "vacated_stacks", 0));
	both_num("copy_bytes", keyval_get(r->summary, r->nsummary, "copy_bytes", 0));
	both_num("copy_slab_kib", copy_slab_kib());
	both_num("descriptor_bytes", keyval_get(r->summary, r->nsummary, "descriptor_bytes", 0));
	if (js)
		key("frozen_pages_per_thread");
	for (n = 0; n <= 4; n++) {
		int threads = r->frozen_pages[n] + (n == 4 ? r->frozen_threads - known : 0);

		printf("@@ frozen_pages_per_thread %d %d\n", n, threads);
		if (js)
			fprintf(js, "%s\"%d\": %d", n == 0 ? "{" : ", ", n, threads);
	}
	if (js)
		fputc('}', js);
}

static int by_count(const void *a, const void *b)
{
	return *(const int *)b >> 10 < *(const int *)a >> 10 ? -1 :
	       *(const int *)b >> 10 > *(const int *)a >> 10;
}

static void wait_channels(const struct report *r, bool kthread)
{
	static int order[MAX_ROWS];
	bool first = true;
	int i, n = 0;

	/* index in the low bits, sorted by count */
	for (i = 0; i < r->scan.nnames; i++)
		if (r->scan.names[i].kthread == kthread)
			order[n++] = r->scan.names[i].count << 10 | i;
	qsort(order, n, sizeof(order[0]), by_count);
	if (js) {
		key(kthread ? "wait_channels_kthread" : "wait_channels_user");
		fputc('{', js);
	}
	for (i = 0; i < n; i++) {
		int idx = order[i] & 1023;
		const char *name = r->scan.names[idx].wchan;

		printf("@@ wchan_%s %s %d\n", kthread ? "kthread" : "user",
		       name[0] ? name : "(blank)", r->scan.names[idx].count);
		if (js) {
			fputs(first ? "\n    " : ",\n    ", js);
			string(name);
			fprintf(js, ": %d", r->scan.names[idx].count);
		}
		first = false;
	}
	if (js)
		fputc('}', js);
}

/* Which of our own threads sleep elsewhere than they should. */
static void mismatches(const struct report *r)
{
	char wchan[WCHAN_LEN];
	int i, shown = 0;

	for (i = 0; i < r->plan->nslots && shown < 20; i++) {
		const struct slot *s = &r->plan->slots[i];

		if (s->asleep == 2 ||
		    r->census->rows[s->row].how != AS_SAME)
			continue;
		if (thread_wchan(s->pid, s->tid, wchan, sizeof(wchan)) < 0)
			snprintf(wchan, sizeof(wchan), "(gone)");
		printf("@@ mismatch pid %d tid %d should wait in %s, is in %s, state %c\n",
		       s->pid, s->tid, wait_kind_name[s->kind], wchan,
		       thread_state(s->pid, s->tid) ?: '?');
		shown++;
	}
}

static void both_keyvals(const char *name, const struct keyval *kv, int n)
{
	int i;

	if (js) {
		key(name);
		fputc('{', js);
	}
	for (i = 0; i < n; i++) {
		printf("@@ %s %s %lld\n", name, kv[i].key, kv[i].val);
		if (js)
			fprintf(js, "%s\"%s\": %lld", i ? ", " : "", kv[i].key, kv[i].val);
	}
	if (js)
		fputc('}', js);
}

int report_print(const struct report *r, const char *json_path)
{
	long long parked, pool, cached;
	struct utsname un;
	int ret = 0;

	js = NULL;
	if (json_path) {
		js = fopen(json_path, "we");
		if (!js) {
			fprintf(stderr, "census-replay: cannot write %s: %s\n",
				json_path, strerror(errno));
			ret = -1;
		} else {
			fputc('{', js);
			first_member = true;
		}
	}
	both_str("kernel", uname(&un) ? "?" : un.release);
	both_str("census", r->census->name);
	both_num("census_threads", r->census->full_threads);
	both_num("replayed_threads", r->census->user + r->census->kthreads);
	both_num("threads", r->scan.total);
	both_num("user_threads", r->scan.user);
	both_num("user_threads_created", r->plan->nslots);
	both_num("processes_created", r->plan->nprocs);
	both_num("helpers", r->helpers);
	both_num("kernel_threads", r->scan.kthreads);
	both_num("kernel_stack_kib", r->kernel_stack_kib);
	both_num("mem_available_kib", r->mem_available_kib);
	both_num("mem_total_kib", r->mem_total_kib);
	parked = keyval_get(r->vmstat, r->nvmstat, "nr_kstack_parked", 0);
	pool = keyval_get(r->vmstat, r->nvmstat, "nr_kstack_pool", 0);
	both_num("parked_kib", parked * PAGE_KIB);
	both_num("pool_kib", pool * PAGE_KIB);
	/* What the feature holds however few threads there are. */
	cached = keyval_get(r->summary, r->nsummary, "cached_pages", 0);
	both_num("cpus", r->cpus);
	both_num("cached_kib", cached * PAGE_KIB);
	both_num("daemons_kib", r->daemon_pages * PAGE_KIB);
	both_num("fixed_kib", (pool + cached + r->daemon_pages) * PAGE_KIB);
	both_keyvals("vmstat", r->vmstat, r->nvmstat);
	both_keyvals("summary", r->summary, r->nsummary);
	histogram(r);
	frozen(r);
	mapped(r);
	kthreads(r);
	wait_channels(r, false);
	wait_channels(r, true);
	both_num("reproducible", r->reproducible);
	both_num("matched", r->matched);
	both_float("match_percent", r->reproducible ?
		   100.0 * r->matched / r->reproducible : 100.0);
	mismatches(r);
	both_num("not_asleep", r->not_asleep);
	both_bool("settled", r->settled);
	both_num("seed", r->seed);
	both_num("work", r->work);
	both_num("deep_percent", r->deep_percent);
	printf("@@ went_deep 4-8 KiB: %d, 8-12 KiB: %d, over 12 KiB: %d threads\n",
	       shared->deep[1], shared->deep[2], shared->deep[3]);
	if (js) {
		key("went_deep");
		fprintf(js, "{\"4-8_kib\": %d, \"8-12_kib\": %d, \"over_12_kib\": %d}",
			shared->deep[1], shared->deep[2], shared->deep[3]);
	}
	both_float("seconds_up", r->seconds_up);
	both_float("seconds_settle", r->seconds_settle);
	both_float("seconds", r->seconds_total);
	both_str("result", r->result);
	if (js) {
		fputs("\n}\n", js);
		if (ferror(js))
			ret = -1;
		if (fclose(js))
			ret = -1;
		js = NULL;
	}
	fflush(stdout);
	return ret;
}
