# SPDX-License-Identifier: GPL-2.0
"""
The tasks of a machine that stands still, as gdb sees them through QEMU: `source` this
in a gdb with the kernel's scripts (vmlinux-gdb.py). $OUTSIDE_JSON is where they go.
"""

import json
import os

import gdb

from linux import tasks

PAGE = 4096
REGISTERS = ("rip", "rsp", "rbp", "rbx", "r12", "r13", "r14", "r15")
memory = gdb.selected_inferior()


def there(address):
    try:
        memory.read_memory(address, 8)
        memory.read_memory(address + PAGE - 8, 8)
        return True
    except gdb.MemoryError:
        return False


def word(address):
    return int.from_bytes(bytes(memory.read_memory(address, 8)), "little")


def frames(task):
    """gdb unwinds from registers: those that the switch left on the stack"""
    sp = int(task["thread"]["sp"])
    saved = {r: int(gdb.parse_and_eval(f"(unsigned long)${r}")) for r in REGISTERS}
    names = []
    try:
        # struct inactive_task_frame
        values = dict(zip(("r15", "r14", "r13", "r12", "rbx", "rbp", "rip"), (word(sp + 8 * i) for i in range(7))))
        values["rsp"] = sp + 7 * 8
        for r, v in values.items():
            gdb.execute(f"set ${r} = {v}")
        frame = gdb.newest_frame()
        while frame and len(names) < 40:
            names.append(frame.name() or hex(frame.pc()))
            frame = frame.older()
        return names, ""
    except gdb.error as e:
        return names, str(e)
    finally:
        for r, v in saved.items():
            gdb.execute(f"set ${r} = {v}")


out = []
feature = any(f.name == "dynamic_stack" for f in gdb.lookup_type("struct task_struct").fields())
for task in tasks.task_lists():
    t = {"pid": int(task["pid"]), "comm": task["comm"].string(), "task": hex(int(task)),
         "running": bool(int(task["on_cpu"])), "pages": []}
    t["frames"], t["error"] = ([], "") if t["running"] else frames(task)
    stack = int(task["stack"])
    ds = task["dynamic_stack"] if feature and int(task["dynamic_stack"]) else None
    for i in range(4):
        bits = (True, False) if ds is None else (bool(int(ds["mapped"]) >> i & 1), bool(int(ds["parked"]) >> i & 1))
        t["pages"].append([there(stack + i * PAGE), *bits])
    out.append(t)
with open(os.environ["OUTSIDE_JSON"], "w", encoding="utf-8") as f:
    json.dump(out, f, indent=0)
