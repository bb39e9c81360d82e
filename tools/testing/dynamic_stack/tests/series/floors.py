#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# needs: guest
# beside: builds
"""
The files of mm/dynamic_stack are floors of one house: each calls those below it, so
that the series can be read, and each part understood, from the ground up. What they
call is taken from the objects: a function that one lacks and another has.

Data are left out: that the policy is read where it counts, and set in init.c, is no
call. Nor is a wake-up: as page_alloc.c wakes kswapd, pool.c wakes kstackd.
"""

import glob
import os
import re
import subprocess
import sys

# From the ground up. What is not here is a test, and stands on the roof.
FLOORS = ("debug", "proof", "pool", "fault", "vacate", "switch", "stack", "collect", "refill", "sched", "init", "debugfs")
ROOF = re.compile("test_[a-z]+|[a-z]+_test")

# Calls that go up all the same: caller, function, and why
UP = (
    (".*", r"__SCT__tp_func_dynamic_stack_\w+", "a tracepoint, made in init.c: a call only if somebody listens"),
    (".*", r"dstack_test_\w+|dstack_isolated", "KUnit cases are included by the file that they test"),
    (".*", "dynamic_stack_resched", "a wake-up of a CPU: the scheduler's own function is not to be seen from mm"),
)
# The same in the debug kernel, which is not always there, as the floors that only it has
UP_DEBUG = (
    ("debug", "dynamic_stack_rq_locked", "asks about the scheduler's lock, and calls nothing"),
    ("vacate", r"dstack_park|dstack_may_shrink|__dynamic_stack_(reserve|map)",
     "KUnit cases in vacate_test.c, which vacate.c includes"),
)
DEBUG = {"debug", "vacate"}
# What the cases in fault_test.c call, in a kernel that is not always there
FAULT_CASES = ("dynamic_stack_ensure", "dynamic_stack_keep", "kstack_collect")


def symbols(path):
    """-> the functions that an object has, the symbols that it lacks"""
    has, lacks = set(), set()
    for line in subprocess.run(["nm", path], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        kind, name = line[16:].split()
        if kind == "U":
            lacks.add(name)
        elif kind in "TW":
            has.add(name)
    return has, lacks


def source(name):
    return os.path.join(os.environ["ROOT"], "mm/dynamic_stack", name + ".c")


def has_source(path):
    """An object whose source was renamed stays where it was built"""
    return os.path.exists(source(os.path.basename(path)[:-2]))


def calls(directory):
    """-> {(caller, function, callee)}, the floors"""
    objects = {os.path.basename(o)[:-2]: symbols(o) for o in glob.glob(directory + "/*.o")
               if not o.endswith("built-in.o") and has_source(o)}
    # What the scheduler does with them, kernel/sched/dynamic_stack.c
    if objects:     # not each kernel is always there
        objects["sched"] = symbols(directory + "/../../kernel/sched/dynamic_stack.o")
    owner = {f: name for name, (has, _) in objects.items() for f in has}
    return {(name, f, owner[f]) for name, (_, lacks) in objects.items() for f in lacks if f in owner}, set(objects)


def upwards(graph, floors):
    """The calls that go up, or to another one on the roof"""
    def height(name):
        return floors.index(name) if name in floors else len(floors)

    return sorted((a, f, b) for a, f, b in graph if height(b) >= height(a) < len(floors))


def fresh(directory, name):
    """
    Was NAME.c built there, all since it was edited, and the kernel from that? Not every
    kernel is always there, and one may just be being built.
    """
    objects = [o for o in glob.glob(directory + "/*.o") if has_source(o)]
    kernel = directory + "/../../vmlinux"
    return f"{directory}/{name}.o" in objects and os.path.exists(kernel) and all(
        os.path.getmtime(source(os.path.basename(o)[:-2])) < os.path.getmtime(o) < os.path.getmtime(kernel)
        for o in objects)


def main():
    build = os.environ["BUILD"]
    guest, debug, fault = (f"{build}/kernel-{k}/mm/dynamic_stack" for k in ("guest", "debug", "fault"))
    dirs, absent, up = [guest], set(), UP
    if fresh(debug, "debug"):
        dirs.append(debug)
        up += UP_DEBUG
    else:
        absent |= DEBUG
    if fresh(fault, "fault"):
        dirs.append(fault)
        with open(source("fault"), encoding="utf-8") as f:
            text = f.read()
        # Not if fault.c itself calls them
        cases = [f for f in FAULT_CASES if not re.search(rf"\b{f}\(", text)]
        up += (("fault", "|".join(cases), "KUnit cases in fault_test.c, which fault.c includes"),)
    else:
        absent.add("fault")
    graph, files = set(), set()
    for d in dirs:
        g, f = calls(d)
        graph |= g
        files |= f

    wrong = 0
    for name in sorted(files - set(FLOORS)):
        if not ROOF.fullmatch(name):
            print(f"{name}.c has no floor: give it one in {os.path.basename(__file__)}")
            wrong += 1
    used = set()
    for a, f, b in upwards(graph, FLOORS):
        why = [u for u in up if re.fullmatch(u[0], a) and re.fullmatch(u[1], f)]
        used.update(why)
        if not why:
            print(f"{a}.c calls {f}() in {b}.c, above it")
            wrong += 1
    for u in up:
        if u not in used:
            print(f"nobody calls {u[1]}: it need not be excepted any more")
            wrong += 1

    # With the ground on the roof it has to find something: the comparison can fail
    turned = FLOORS[3:] + FLOORS[:3]
    if len(upwards(graph, turned)) < 10:
        print("a house that stands on its head is not noticed")
        wrong += 1
    missing = set(FLOORS) - files - absent
    if missing:
        print(f"no object of {', '.join(sorted(missing))}")
        wrong += 1
    if wrong:
        print(f"FAIL: {wrong} calls or files are not where they should be")
        return 1
    print(f"{len(graph)} calls between {len(files)} files of mm/dynamic_stack and the scheduler's, {len(upwards(graph, FLOORS))} of them excepted; "
          f"{'no kernel with ' + ', '.join(sorted(absent)) if absent else 'all floors'}")
    return 0


sys.exit(main())
