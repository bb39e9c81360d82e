// SPDX-License-Identifier: GPL-2.0
/*
 * A TCG plugin for QEMU: how often was each kernel instruction executed between
 * two marks? The marks are "xchg %bx, %bx" in user space (ds-bench ops -p).
 *
 * Arguments: out=FILE, base=ADDRESS (start of the kernel's text), size=BYTES.
 * Prints for each pair of marks a line "section N", then lines
 * "ADDRESS COUNT"; user space is all at address 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "plugin.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;

static uint64_t base = 0xffffffff81000000, size = 32 << 20;
static uint64_t *count, elsewhere;
static FILE *out;
static unsigned int marks;

static void mark(unsigned int cpu, void *data)
{
	uint64_t i;

	(void)cpu;
	(void)data;
	if (marks++ % 2) {
		fprintf(out, "section %u\n0 %llu\n", marks / 2 - 1, (unsigned long long)elsewhere);
		for (i = 0; i < size; i++) {
			if (count[i])
				fprintf(out, "%llx %llu\n", (unsigned long long)(base + i),
					(unsigned long long)count[i]);
		}
		fflush(out);
	} else {
		memset(count, 0, size * sizeof(*count));
		elsewhere = 0;
	}
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static const uint8_t xchg_bx[] = { 0x66, 0x87, 0xdb };
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t at = qemu_plugin_insn_vaddr(insn);
		uint64_t *counter = at - base < size ? &count[at - base] : &elsewhere;

		qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, counter, 1);
		if (at < 1ULL << 47 && qemu_plugin_insn_size(insn) == sizeof(xchg_bx) &&
		    !memcmp(qemu_plugin_insn_data(insn), xchg_bx, sizeof(xchg_bx)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark, 0, NULL);
	}
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "base=", 5))
			base = strtoull(argv[i] + 5, NULL, 0);
		else if (!strncmp(argv[i], "size=", 5))
			size = strtoull(argv[i] + 5, NULL, 0);
	}
	count = calloc(size, sizeof(*count));
	if (!out || !count) {
		fprintf(stderr, "insn-profile: out=FILE is missing, or no memory\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
