// SPDX-License-Identifier: GPL-2.0
/*
 * progress-threads N MS [DEPTH]: N threads that go DEPTH bytes deep (100), come
 * back and sleep for MS, again and again, until it is killed. The OOM killer
 * leaves it alone. They wake up one after the other, not all at once.
 */
#include "progress.h"

/* Threads that share an open file, and so its lock */
#define SHARE	8

int main(int argc, char **argv)
{
	struct raw_call (*call)[2] = NULL;
	struct timespec *nap;
	int nr, ms, i;
	long text_len;
	char *text;

	if (argc < 3)
		die("usage: progress-threads N MS [DEPTH]");
	nr = atoi(argv[1]);
	ms = atoi(argv[2]);
	must_write("/proc/self/oom_score_adj", "-1000");
	text_len = asprintf(&text, "touch %s", argc > 3 ? argv[3] : "100");
	nap = malloc(sizeof(*nap));
	nap->tv_sec = ms / 1000;
	nap->tv_nsec = ms % 1000 * 1000000L;
	for (i = 0; i < nr; i++) {
		long tid;

		if (!(i % SHARE)) {
			int fd = open(TESTFILE, O_WRONLY);

			call = malloc(sizeof(*call));
			if (fd < 0 || !call)
				die(TESTFILE ": %s", strerror(errno));
			(*call)[0] = (struct raw_call){ SYS_write, { fd, (long)text, text_len } };
			(*call)[1] = (struct raw_call){ SYS_nanosleep, { (long)nap } };
		}
		tid = raw_thread(*call);
		if (tid < 0)
			die("clone: %s", strerror(-tid));
		if (!(i % 16) && ms < 5000)
			sleep_ms(ms / 16 + 1);
	}
	printf("progress-threads: all there\n");
	fflush(stdout);
	for (;;)
		pause();
}
