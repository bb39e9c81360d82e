#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""
usage: drgn-tasks.py VMLINUX DUMP >JSON

The tasks of a dump as drgn sees them, for `outside`: frames of those that are not
on a CPU; and of each page of a stack, can it be read, and what does its
descriptor say, mapped, parked?
"""

import json
import sys

import drgn
from drgn.helpers.linux.pid import for_each_task

prog = drgn.Program()
prog.set_core_dump(sys.argv[2])
prog.load_debug_info([sys.argv[1]])
PAGE = 4096


def there(address):
    try:
        prog.read(address, PAGE)
        return True
    except drgn.FaultError:
        return False


def frames(task):
    try:
        return [f.name or hex(f.pc) for f in prog.stack_trace(task)], ""
    except (LookupError, ValueError, drgn.FaultError) as e:
        return [], f"{type(e).__name__}: {e}"


out = []
for task in for_each_task(prog):
    t = {"pid": task.pid.value_(), "comm": task.comm.string_().decode(errors="replace"), "task": hex(task.value_()),
         "running": bool(task.on_cpu), "pages": []}
    t["frames"], t["error"] = ([], "") if t["running"] else frames(task)
    stack = task.stack.value_()
    ds = getattr(task, "dynamic_stack", None) if prog.type("struct task_struct").has_member("dynamic_stack") else None
    for i in range(4):
        is_there = there(stack + i * PAGE)
        bits = (True, False) if not ds else (bool(ds.mapped >> i & 1), bool(ds.parked >> i & 1))
        t["pages"].append([is_there, *bits])
    out.append(t)
json.dump(out, sys.stdout, indent=0)
