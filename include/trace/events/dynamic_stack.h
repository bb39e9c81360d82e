/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dynamic_stack

#if !defined(_TRACE_DYNAMIC_STACK_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_DYNAMIC_STACK_H

#include <linux/sched.h>
#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(dynamic_stack_pages,

	TP_PROTO(struct task_struct *tsk, unsigned int pages, unsigned int parked),

	TP_ARGS(tsk, pages, parked),

	TP_STRUCT__entry(
		__array(char,		comm,	TASK_COMM_LEN)
		__field(pid_t,		pid)
		__field(unsigned int,	pages)
		__field(unsigned int,	parked)
	),

	TP_fast_assign(
		memcpy(__entry->comm, tsk->comm, TASK_COMM_LEN);
		__entry->pid	= tsk->pid;
		__entry->pages	= pages;
		__entry->parked	= parked;
	),

	TP_printk("comm=%s pid=%d pages=%#x parked=%#x",
		  __entry->comm, __entry->pid, __entry->pages, __entry->parked)
);

/* pages: which pages were absent; parked: which of them had their frame. */
DEFINE_EVENT(dynamic_stack_pages, dynamic_stack_populate,
	TP_PROTO(struct task_struct *tsk, unsigned int pages, unsigned int parked),
	TP_ARGS(tsk, pages, parked));

/* pages: which pages are still present; parked: which frames are parked. */
DEFINE_EVENT(dynamic_stack_pages, dynamic_stack_park,
	TP_PROTO(struct task_struct *tsk, unsigned int pages, unsigned int parked),
	TP_ARGS(tsk, pages, parked));

#ifdef CONFIG_DYNAMIC_STACK_VACATE
TRACE_EVENT(dynamic_stack_vacate,

	TP_PROTO(struct task_struct *tsk, unsigned int bytes),

	TP_ARGS(tsk, bytes),

	TP_STRUCT__entry(
		__array(char,		comm,	TASK_COMM_LEN)
		__field(pid_t,		pid)
		__field(unsigned int,	bytes)
	),

	TP_fast_assign(
		memcpy(__entry->comm, tsk->comm, TASK_COMM_LEN);
		__entry->pid	= tsk->pid;
		__entry->bytes	= bytes;
	),

	TP_printk("comm=%s pid=%d bytes=%u", __entry->comm, __entry->pid, __entry->bytes)
);
#endif

TRACE_EVENT(dynamic_stack_starved,

	TP_PROTO(struct task_struct *tsk, unsigned int need),

	TP_ARGS(tsk, need),

	TP_STRUCT__entry(
		__array(char,		comm,	TASK_COMM_LEN)
		__field(pid_t,		pid)
		__field(int,		prio)
		__field(unsigned int,	need)
	),

	TP_fast_assign(
		memcpy(__entry->comm, tsk->comm, TASK_COMM_LEN);
		__entry->pid	= tsk->pid;
		__entry->prio	= tsk->prio;
		__entry->need	= need;
	),

	TP_printk("comm=%s pid=%d prio=%d need=%u",
		  __entry->comm, __entry->pid, __entry->prio, __entry->need)
);

TRACE_EVENT(dynamic_stack_collect,

	TP_PROTO(unsigned int visited, unsigned int stacks, unsigned long frames),

	TP_ARGS(visited, stacks, frames),

	TP_STRUCT__entry(
		__field(unsigned int,	visited)
		__field(unsigned int,	stacks)
		__field(unsigned long,	frames)
	),

	TP_fast_assign(
		__entry->visited	= visited;
		__entry->stacks		= stacks;
		__entry->frames		= frames;
	),

	TP_printk("visited=%u stacks=%u frames=%lu",
		  __entry->visited, __entry->stacks, __entry->frames)
);

TRACE_EVENT(dynamic_stack_refill,

	TP_PROTO(int cpu, unsigned int before, unsigned int after, bool starved),

	TP_ARGS(cpu, before, after, starved),

	TP_STRUCT__entry(
		__field(int,		cpu)
		__field(unsigned int,	before)
		__field(unsigned int,	after)
		__field(bool,		starved)
	),

	TP_fast_assign(
		__entry->cpu		= cpu;
		__entry->before		= before;
		__entry->after		= after;
		__entry->starved	= starved;
	),

	TP_printk("cpu=%d before=%u after=%u starved=%d",
		  __entry->cpu, __entry->before, __entry->after, __entry->starved)
);

#endif /* _TRACE_DYNAMIC_STACK_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
