// SPDX-License-Identifier: GPL-2.0
/*
 * kstackestimate-read: how deep each thread's kernel stack is in use, as text
 *
 * Loads the task iterator of kstackestimate.bpf.c, and prints what it tells.
 * kstackestimate reads that; linked statically, this runs on Android as well.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kstackestimate.h"

#define BTF		"/sys/kernel/btf/vmlinux"
#define LOCKDOWN	"/sys/kernel/security/lockdown"
#define INIT_PID_NS	"pid:[4026531836]"

static char first_warning[256];

static noreturn void fatal(const char *fmt, ...)
{
	va_list ap;

	fputs("kstackestimate: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/* Many lines for one fault; the first says what it is. */
static int note_warning(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level == LIBBPF_WARN && !*first_warning) {
		vsnprintf(first_warning, sizeof(first_warning), fmt, ap);
		first_warning[strcspn(first_warning, "\n")] = '\0';
	}
	return 0;
}

static int locked_down(void)
{
	char line[128] = "";
	FILE *f = fopen(LOCKDOWN, "r");

	if (f) {
		if (!fgets(line, sizeof(line), f))
			*line = '\0';
		fclose(f);
	}
	return strstr(line, "[integrity]") || strstr(line, "[confidentiality]");
}

/* Say what is missing, not only that it failed. */
static noreturn void cannot(const char *what, int err)
{
	if (err == EPERM || err == EACCES) {
		if (geteuid())
			fatal("%s: %s: run it as root", what, strerror(err));
		if (locked_down())
			fatal("%s: the kernel is locked down (" LOCKDOWN "), and refuses BPF",
			      what);
		fatal("%s: refused, though root: no CAP_BPF or CAP_PERFMON, as in a container?",
		      what);
	}
	if (strstr(first_warning, "bpf_iter_"))
		fatal("no BPF task iterator (Linux 5.8, CONFIG_BPF_EVENTS): try --drgn");
	fatal("%s: %s", what, *first_warning ? first_warning : strerror(err));
}

static unsigned long meminfo(const char *key)
{
	unsigned long value = 0;
	char line[128], name[64];
	FILE *f = fopen("/proc/meminfo", "r");

	if (!f)
		fatal("/proc/meminfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		unsigned long v;

		if (sscanf(line, "%63[^:]: %lu", name, &v) == 2 && !strcmp(name, key))
			value = v;
	}
	fclose(f);
	return value;
}

static void print_info(void)
{
	struct utsname u;
	char ns[64];
	ssize_t n = readlink("/proc/self/ns/pid", ns, sizeof(ns) - 1);

	ns[n > 0 ? n : 0] = '\0';
	uname(&u);
	puts("info source bpf");
	printf("info kernel %s\n", u.release);
	printf("info machine %s\n", u.machine);
	printf("info page_size %ld\n", sysconf(_SC_PAGESIZE));
	printf("info cpus %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
	printf("info mem_kib %lu\n", meminfo("MemTotal"));
	printf("info kernel_stack_kib %lu\n", meminfo("KernelStack"));
	printf("info all_threads %d\n", !*ns || !strcmp(ns, INIT_PID_NS));
}

/* Names may have any character, also a new line. */
static void print_task(const struct kse_task *t)
{
	unsigned int i;

	printf("task %d %d %d %x %x %x %x %u %llu ", t->pid, t->tgid, t->prio, t->task_flags,
	       t->state, t->saved_state, t->bits, t->pages, t->offset);
	for (i = 0; i < sizeof(t->comm) && t->comm[i]; i++) {
		unsigned char c = t->comm[i];

		if (c > ' ' && c < 0x7f && c != '\\')
			putchar(c);
		else
			printf("\\x%02x", c);
	}
	putchar('\n');
}

int main(int argc, char **argv)
{
	struct bpf_program *prog;
	struct bpf_object *obj;
	struct bpf_link *link;
	struct kse_task t;
	FILE *f;
	int fd;

	if (argc != 2) {
		fputs("Usage: kstackestimate-read kstackestimate.bpf.o\n", stderr);
		return 2;
	}
	libbpf_set_print(note_warning);

	/* BTF is for all to read, so what is missing is said to all. */
	if (access(BTF, F_OK))
		fatal("no " BTF ": this kernel has no BTF (CONFIG_DEBUG_INFO_BTF): try --drgn");
	obj = bpf_object__open_file(argv[1], NULL);
	if (!obj)
		fatal("%s: %s", argv[1], strerror(errno));
	if (bpf_object__load(obj))
		cannot("loading a BPF program", errno);
	prog = bpf_object__find_program_by_name(obj, "kse_task");
	if (!prog)
		fatal("%s: no program kse_task", argv[1]);
	link = bpf_program__attach_iter(prog, NULL);
	if (!link)
		cannot("attaching a BPF iterator", errno);
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		cannot("making a BPF iterator", errno);
	f = fdopen(fd, "r");
	if (!f)
		fatal("%s", strerror(errno));

	print_info();
	while (fread(&t, sizeof(t), 1, f) == 1)
		print_task(&t);
	if (ferror(f))
		fatal("reading a BPF iterator: %s", strerror(errno));
	puts("end");
	if (fflush(stdout) || ferror(stdout))
		fatal("cannot write: %s", strerror(errno));
	return EXIT_SUCCESS;
}
