// SPDX-License-Identifier: GPL-2.0
/* Deals the census's user threads out to processes as on a device. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "replay.h"

uint64_t rnd(uint64_t *s)
{
	uint64_t x = *s + 0x9e3779b97f4a7c15ULL;

	*s = x;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/*
 * How much likelier than elsewhere a thread of a class waits there; from
 * per-process.tsv of the census data. 4: as everywhere.
 */
static const uint8_t affinity[P_CLASSES][W_NR] = {
	[P_APP] = {
		[W_POLL] = 1, [W_SELECT] = 1, [W_EPOLL] = 5, [W_FUTEX] = 5,
		[W_BINDER] = 3, [W_UNIX] = 2, [W_DGRAM] = 1, [W_INOTIFY] = 4,
		[W_NANOSLEEP] = 4, [W_SIGTIMEDWAIT] = 4,
	},
	[P_NATIVE] = {
		[W_POLL] = 16, [W_SELECT] = 16, [W_EPOLL] = 2, [W_FUTEX] = 2,
		[W_BINDER] = 7, [W_UNIX] = 8, [W_DGRAM] = 8, [W_INOTIFY] = 4,
		[W_NANOSLEEP] = 4, [W_SIGTIMEDWAIT] = 6, [W_WAIT4] = 8,
		[W_SYSLOG] = 8, [W_PIPE] = 6, [W_EVENTFD] = 8, [W_TCP] = 8,
		[W_SIGSUSPEND] = 8, [W_ACCEPT] = 8, [W_PAUSE] = 8,
	},
	[P_SYSTEM_SERVER] = {
		[W_POLL] = 1, [W_EPOLL] = 10, [W_FUTEX] = 2, [W_BINDER] = 5,
		[W_UNIX] = 8, [W_DGRAM] = 8, [W_INOTIFY] = 4,
		[W_SIGTIMEDWAIT] = 1,
	},
	[P_FROZEN] = { [W_FREEZER] = 4 },
};

static int weight(enum proc_class class, const struct row *r, int left)
{
	int a = affinity[class][r->kind];

	if ((r->kind == W_FREEZER) != (class == P_FROZEN))
		return 0;
	return left * (a ? a : 1);
}

/* Draws a row for one thread; rows run out exactly when threads do. */
static int draw(const struct census *c, const int *left, enum proc_class class,
		uint64_t *seed)
{
	long sum = 0, pick;
	int i;

	for (i = 0; i < c->nrows; i++)
		if (left[i])
			sum += weight(class, &c->rows[i], left[i]);
	pick = rnd(seed) % sum;
	for (i = 0; i < c->nrows; i++) {
		if (!left[i])
			continue;
		pick -= weight(class, &c->rows[i], left[i]);
		if (pick < 0)
			return i;
	}
	return -1;
}

/* Gives n processes random sizes between lo and hi that add up to total. */
static void sizes(struct proc *p, int n, enum proc_class class, int lo, int hi,
		  int total, uint64_t *seed)
{
	int i, sum = 0, given = 0;

	for (i = 0; i < n; i++) {
		p[i].class = class;
		p[i].n = lo + rnd(seed) % (hi - lo + 1);
		sum += p[i].n;
	}
	for (i = 0; i < n; i++) {
		p[i].n = (int)((long)p[i].n * total / sum);
		if (p[i].n < 1)
			p[i].n = 1;
		given += p[i].n;
	}
	for (i = 0; given != total; i = (i + 1) % n) {
		if (given < total) {
			p[i].n++;
			given++;
		} else if (p[i].n > 1) {
			p[i].n--;
			given--;
		}
	}
}

static void swap_slots(struct slot *a, struct slot *b)
{
	struct slot t = *a;

	*a = *b;
	*b = t;
}

/* A process's first thread is its main thread: a looper or a poll loop. */
static void choose_main(struct plan *p, struct proc *pr)
{
	enum wait_kind want = pr->class == P_NATIVE ? W_POLL : W_EPOLL;
	int i;

	for (i = pr->first; i < pr->first + pr->n; i++)
		if (p->slots[i].kind == want) {
			swap_slots(&p->slots[i], &p->slots[pr->first]);
			return;
		}
}

/* A thread in wait4() needs a child: one that waits in poll moves there. */
static void give_child(struct plan *p, int waiter)
{
	int i, j;

	for (i = p->nprocs - 1; i >= 0; i--) {
		struct proc *pr = &p->procs[i];

		for (j = pr->n - 1; j > 0; j--) {
			struct slot *s = &p->slots[pr->first + j];
			int last = pr->first + pr->n - 1;

			if (s->kind != W_POLL || pr->first + j == waiter)
				continue;
			/* A waiter must not be moved behind the caller. */
			if (p->slots[last].kind == W_WAIT4)
				continue;
			swap_slots(s, &p->slots[last]);
			pr->n--;
			p->slots[waiter].child = last;
			return;
		}
	}
}

const char *const proc_group_name[G_NR] = {
	[G_TOP_APP] = "top-app", [G_FOREGROUND] = "foreground",
	[G_BACKGROUND] = "background", [G_SYSTEM] = "system",
};

/*
 * The app in use, two that serve it, and the others in the background, of
 * which so many percent of all apps are cached: those get frozen.
 */
void plan_groups(struct plan *p, int frozen_percent)
{
	int apps = 0, nr = 0, cached = 0, i;

	for (i = 0; i < p->nprocs; i++)
		apps += p->procs[i].class == P_APP;
	for (i = 0; i < p->nprocs; i++) {
		struct proc *pr = &p->procs[i];

		pr->group = G_SYSTEM;
		if (pr->class == P_FROZEN)
			pr->group = G_BACKGROUND;
		if (pr->class != P_APP)
			continue;
		pr->group = !nr ? G_TOP_APP : nr < 3 ? G_FOREGROUND : G_BACKGROUND;
		if (nr >= 3 && cached < apps * frozen_percent / 100) {
			pr->cached = true;
			cached++;
		}
		nr++;
	}
}

int plan_make(struct plan *p, const struct census *c, uint64_t seed)
{
	int frozen = 0, napps, nnative, ss, rest, i, j, next = 0;
	int nfrozen, app_threads, left[MAX_ROWS];
	uint64_t s = seed;

	for (i = 0; i < c->nrows; i++) {
		left[i] = c->rows[i].kthread ? 0 : c->rows[i].count;
		if (left[i] && c->rows[i].kind == W_FREEZER)
			frozen += left[i];
	}
	nfrozen = (frozen + 29) / 30;

	/* system_server: 117 to 240 threads on old phones, 650 on a new one */
	rest = c->user - frozen;
	ss = rest * 6 / 100;
	if (rest >= 1000 && ss < 117)
		ss = 117;
	if (ss > 650)
		ss = 650;
	if (!ss && rest)
		ss = 1;
	rest -= ss;

	/* Natives have 6 threads on average, apps 32 (40 on a new device). */
	if (c->user_processes > 1) {
		int others = c->user_processes - 1;

		if (others > rest)
			others = rest;
		napps = (rest - 6 * others) / 26;
		if (napps < 0)
			napps = 0;
		if (napps > others)
			napps = others;
		nnative = others - napps;
		app_threads = nnative ? napps * 32 : rest;
		if (app_threads > rest - nnative)
			app_threads = rest - nnative;
		if (!napps)
			app_threads = 0;
	} else {
		nnative = rest / 12 < 110 ? rest / 12 : 110;
		app_threads = rest - 6 * nnative;
		napps = app_threads / 40;
		if (!napps && app_threads)
			napps = 1;
	}

	p->nslots = c->user;
	p->nprocs = (ss ? 1 : 0) + napps + nnative + nfrozen;
	p->slots = mmap(NULL, p->nslots * sizeof(*p->slots),
			PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	p->procs = calloc(p->nprocs, sizeof(*p->procs));
	if (p->slots == MAP_FAILED || !p->procs)
		return -1;

	i = 0;
	if (ss) {
		p->procs[0].class = P_SYSTEM_SERVER;
		p->procs[0].n = ss;
		i = 1;
	}
	if (napps)
		sizes(p->procs + i, napps, P_APP, 20, 44, app_threads, &s);
	i += napps;
	if (nnative)
		sizes(p->procs + i, nnative, P_NATIVE, 1, 11,
		      rest - (napps ? app_threads : 0), &s);
	i += nnative;
	if (nfrozen)
		sizes(p->procs + i, nfrozen, P_FROZEN, 20, 40, frozen, &s);

	/* Mixed, or the last class dealt to would get the left-overs. */
	for (j = p->nprocs - 1; j > 0; j--) {
		int k = rnd(&s) % (j + 1);
		struct proc t = p->procs[j];

		p->procs[j] = p->procs[k];
		p->procs[k] = t;
	}

	for (i = 0; i < p->nprocs; i++) {
		struct proc *pr = &p->procs[i];

		pr->first = next;
		for (j = 0; j < pr->n; j++, next++) {
			struct slot *sl = &p->slots[next];
			int r = draw(c, left, pr->class, &s);

			if (r < 0)
				return -1;
			left[r]--;
			sl->row = r;
			sl->kind = c->rows[r].kind;
			sl->child = -1;
		}
		choose_main(p, pr);
	}
	for (i = 0; i < p->nslots; i++)
		if (p->slots[i].kind == W_WAIT4)
			give_child(p, i);
	return 0;
}
