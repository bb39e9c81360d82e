// SPDX-License-Identifier: GPL-2.0
/*
 * kstackestimate: a task iterator that tells how deep each thread's kernel stack
 * is in use where the thread sleeps.
 *
 * One object for x86-64 and arm64, for 5.8 and later: the types below have only
 * the members that are used, and libbpf finds their places in the BTF of the
 * kernel that runs. What a kernel does not have is asked for first. Members are
 * read as such, without bpf_probe_read_kernel(), which a locked down kernel
 * does not allow.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "kstackestimate.h"

#define TASK_WAKING		0x200
#define VM_LOCKED		0x2000
#define JOBCTL_TRAP_FREEZE	0x800000

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct vm_struct {
	unsigned int nr_pages;
};

struct mm_struct {
	unsigned long locked_vm;
	unsigned long total_vm;
	unsigned long def_flags;
};

struct sched_entity {
	unsigned char sched_delayed;
};

/* x86 */
struct thread_struct {
	unsigned long sp;
};

/* arm64 */
struct cpu_context {
	unsigned long sp;
};

struct thread_struct___arm64 {
	struct cpu_context cpu_context;
};

struct task_struct {
	unsigned int __state;
	unsigned int saved_state;
	unsigned int flags;
	int exit_state;
	int on_cpu;
	int on_rq;
	int prio;
	int pid;
	int tgid;
	unsigned long jobctl;
	unsigned int frozen:1;
	void *stack;
	struct vm_struct *stack_vm_area;
	struct mm_struct *mm;
	struct sched_entity se;
	struct thread_struct thread;
	char comm[16];
};

struct task_struct___arm64 {
	struct thread_struct___arm64 thread;
};

/* Before 5.14 */
struct task_struct___old {
	long state;
};

#pragma clang attribute pop

static __always_inline unsigned int get_state(struct task_struct *t)
{
	struct task_struct___old *old = (void *)t;
	unsigned int state;

	if (bpf_core_field_exists(t->__state))
		state = t->__state;
	else
		state = old->state;
	return state | t->exit_state;
}

static __always_inline unsigned long get_sp(struct task_struct *t)
{
	struct task_struct___arm64 *arm64 = (void *)t;

	if (bpf_core_field_exists(arm64->thread.cpu_context.sp))
		return arm64->thread.cpu_context.sp;
	return t->thread.sp;
}

static __always_inline unsigned int get_bits(struct task_struct *t, unsigned int state)
{
	struct mm_struct *mm = t->mm;
	unsigned int bits = 0;
	int runnable;

	if (bpf_core_field_exists(t->on_cpu) && t->on_cpu)
		bits |= KSE_ON_CPU;
	/* Asleep, but still queued until the scheduler meets it */
	runnable = t->on_rq;
	if (runnable && bpf_core_field_exists(t->se.sched_delayed))
		runnable = !t->se.sched_delayed;
	if (runnable || state == TASK_WAKING)
		bits |= KSE_RUNNABLE;
	if (mm && (2 * mm->locked_vm >= mm->total_vm || mm->def_flags & VM_LOCKED))
		bits |= KSE_LOCKED;
	/* Also of those who are stopped or traced: their state tells them apart. */
	if (bpf_core_field_exists(t->frozen) && t->jobctl & JOBCTL_TRAP_FREEZE &&
	    BPF_CORE_READ_BITFIELD(t, frozen))
		bits |= KSE_FROZEN;
	return bits;
}

SEC("iter/task")
int kse_task(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct kse_task r = { };
	unsigned long stack;

	if (!t)
		return 0;
	stack = (unsigned long)t->stack;
	/* Dead: it has given its stack back. */
	if (!stack)
		return 0;
	r.pid = t->pid;
	r.tgid = t->tgid;
	r.prio = t->prio;
	r.task_flags = t->flags;
	r.state = get_state(t);
	if (bpf_core_field_exists(t->saved_state))
		r.saved_state = t->saved_state;
	r.bits = get_bits(t, r.state);
	if (bpf_core_field_exists(t->stack_vm_area) && t->stack_vm_area)
		r.pages = t->stack_vm_area->nr_pages;
	r.offset = get_sp(t) - stack;
	__builtin_memcpy(r.comm, t->comm, sizeof(r.comm));
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

char _license[] SEC("license") = "GPL";
