/* SPDX-License-Identifier: GPL-2.0 */
/*
 * readers.c: stacks taken by events: perf's call chains, BPF's stack ids.
 */
#ifndef SELFTEST_DYNAMIC_STACK_READERS_EVENTS_H
#define SELFTEST_DYNAMIC_STACK_READERS_EVENTS_H

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "common.h"

#define TRACING		"/sys/kernel/tracing/"
#define RING_PAGES	16	/* a power of 2, without the header page */

struct ring {
	int fd;
	struct perf_event_mmap_page *head;
};

static struct ring rings[64];
static int nr_rings;

static void perf_open(uint32_t type, uint64_t config, int cpu, uint64_t period)
{
	struct perf_event_attr attr = {
		.type = type, .size = sizeof(attr), .config = config,
		.sample_period = period, .wakeup_events = 1,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_CALLCHAIN,
		.exclude_callchain_user = 1,
	};

	if (nr_rings == 64)
		return;
	rings[nr_rings].fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, 0);
	if (rings[nr_rings].fd >= 0)
		nr_rings++;
}

/* Such a mapping does not come along in fork(): the reader makes it itself. */
static void perf_map(struct ring *r)
{
	size_t page = sysconf(_SC_PAGESIZE);

	r->head = mmap(NULL, (1 + RING_PAGES) * page, PROT_READ | PROT_WRITE, MAP_SHARED,
		       r->fd, 0);
	if (r->head == MAP_FAILED)
		ksft_exit_fail_msg("perf's ring: %s\n", strerror(errno));
}

static long tracepoint_id(const char *name)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), TRACING "events/%s/id", name);
	return read_file(path, text, sizeof(text)) ? -1 : atol(text);
}

static bool perf_start(void)
{
	int cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long id;

	/* No sampling is too much. */
	write_file("/proc/sys/kernel/perf_event_max_sample_rate", "20000");
	write_file("/proc/sys/kernel/perf_cpu_time_max_percent", "0");
	for (cpu = 0; cpu < cpus; cpu++) {
		perf_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, cpu, 1000000);
		perf_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, cpu, 3);
		id = tracepoint_id("sched/sched_switch");
		if (id > 0)
			perf_open(PERF_TYPE_TRACEPOINT, id, cpu, 5);
		id = tracepoint_id("sched/sched_waking");
		if (id > 0)
			perf_open(PERF_TYPE_TRACEPOINT, id, cpu, 5);
	}
	return nr_rings > 0;
}

/* Call chains that came since the last time, with something of the kernel. */
static long perf_pass(void)
{
	size_t page = sysconf(_SC_PAGESIZE), size = RING_PAGES * page;
	long chains = 0;
	int i;

	sleep_ms(20);
	for (i = 0; i < nr_rings; i++) {
		if (!rings[i].head)
			perf_map(&rings[i]);

		struct perf_event_mmap_page *p = rings[i].head;
		uint64_t head = __atomic_load_n(&p->data_head, __ATOMIC_ACQUIRE);
		uint64_t tail = p->data_tail;

		while (tail < head) {
			/* A record is a multiple of 8 bytes long; only its chain may wrap. */
			char *data = (char *)p + page;
			struct perf_event_header *h = (void *)(data + tail % size);
			uint64_t *nr = (void *)(data + (tail + sizeof(*h) + 8) % size);
			uint64_t *ip = (void *)(data + (tail + sizeof(*h) + 24) % size);

			/* The first entry says that the kernel's part begins. */
			chains += h->type == PERF_RECORD_SAMPLE && *nr > 2 && *ip >> 63;
			tail += h->size;
		}
		__atomic_store_n(&p->data_tail, tail, __ATOMIC_RELEASE);
	}
	return chains;
}

static int bpf_map, bpf_stacks;

static int bpf_call(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int bpf_map_create(uint32_t type, uint32_t value_size, uint32_t entries)
{
	union bpf_attr attr = { };

	attr.map_type = type;
	attr.key_size = 4;
	attr.value_size = value_size;
	attr.max_entries = entries;
	return bpf_call(BPF_MAP_CREATE, &attr);
}

#define INSN(c, d, s, o, i) \
	{ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }
/* Takes two instructions. */
#define MAP_FD(reg, fd)	INSN(BPF_LD | BPF_DW | BPF_IMM, reg, BPF_PSEUDO_MAP_FD, 0, fd)
#define MAP_FD_END	INSN(0, 0, 0, 0, 0)
#define CALL(helper)	INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)

/* On each sched_switch: a stack id; and count the good ones in bpf_map[0]. */
static bool bpf_start(const char *tracepoint)
{
	static char log[65536];
	union bpf_attr attr = { };
	int prog;

	bpf_stacks = bpf_map_create(BPF_MAP_TYPE_STACK_TRACE, 64 * 8, 1024);
	bpf_map = bpf_map_create(BPF_MAP_TYPE_ARRAY, 8, 1);
	if (bpf_stacks < 0 || bpf_map < 0)
		return false;

	struct bpf_insn insns[] = {
		MAP_FD(BPF_REG_2, bpf_stacks), MAP_FD_END,
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, BPF_F_REUSE_STACKID),
		CALL(BPF_FUNC_get_stackid),
		INSN(BPF_JMP | BPF_JSLT | BPF_K, BPF_REG_0, 0, 9, 0),
		INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		MAP_FD(BPF_REG_1, bpf_map), MAP_FD_END,
		CALL(BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	attr.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = ARRAY_SIZE(insns);
	attr.license = (uintptr_t)"GPL";
	attr.log_buf = (uintptr_t)log;
	attr.log_size = sizeof(log);
	attr.log_level = 1;
	prog = bpf_call(BPF_PROG_LOAD, &attr);
	if (prog < 0) {
		ksft_print_msg("bpf: %s: %s\n", strerror(errno), log);
		return false;
	}
	memset(&attr, 0, sizeof(attr));
	attr.raw_tracepoint.name = (uintptr_t)tracepoint;
	attr.raw_tracepoint.prog_fd = prog;
	return bpf_call(BPF_RAW_TRACEPOINT_OPEN, &attr) >= 0;
}

/* Stack ids since the last time. */
static long bpf_pass(void)
{
	union bpf_attr attr = { };
	static uint64_t before;
	uint32_t key = 0;
	uint64_t now, n;

	sleep_ms(100);
	attr.map_fd = bpf_map;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)&now;
	if (bpf_call(BPF_MAP_LOOKUP_ELEM, &attr))
		return 0;
	n = now - before;
	before = now;
	return n;
}

#endif
