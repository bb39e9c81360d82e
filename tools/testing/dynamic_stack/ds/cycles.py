# SPDX-License-Identifier: GPL-2.0
"""
The part `cycles` of the bench: what a switch's work takes on this processor, in cycles.

The switch's own sources, unchanged, are built into a program that simulates the kernel
around them: cycles/. Beside it runs a pipe ping-pong with this machine's own kernel.
"""

import json
import os
import platform
import statistics
import subprocess

from . import repo, ui
from .repo import BUILD, RESULTS, command_line, output, tool
from .ui import Error

SOURCE = tool("cycles")

WORKS = {
    "whole": "nothing: the stack is whole",
    "three-taken": "map 3 pages from the pool (woken up)",
    "one-clean": "map 1 from the pool, park: 1 goes back",
    "one-touched": "map 1 that was parked, park 1",
    "three-clean": "map 3 from the pool, park: 3 go back",
    "three-touched": "map 3 that were parked, park 3",
}
NOTE = """Cycles of this processor for reserve, map and park in one switch, on top of the switch: medians, and quartiles in
brackets, of {rounds} rounds in which all rows and the ping-pong take turns. Counted by
{clock}.
The first two rows are what the default reclaim=sleep does in a switch, the others are reclaim=switch.
Warm: two tasks in turns (woken up: eight). Cold: the descriptor, its address in the task, the PTEs and the struct
pages were flushed from all caches before; one load that misses takes {miss} here.
%: of a switch of the ping-pong, which is half a round trip of {pong} cycles with write() and read(), and warm.
{machine}; {compiler}.{virtual}
Not in here: TLB misses, page walks, other processors, interrupts that are turned off, what the kernel's
mitigations add to the few calls and returns of this code."""
VIRTUAL = " A virtual machine: its host and its neighbours are in the figures: take the ratios."
CLOCKS = {
    "perf": "perf, the processor's own count",
    "tsc": "the time stamp counter: {ticks:.3f} ticks are a cycle, as long as a chain of 32-bit multiplications takes 3 for each",
}


def build():
    """-> the program"""
    if platform.machine() != "x86_64":
        raise Error("the part cycles needs an x86-64 processor")
    out = os.path.join(BUILD, "cycles")
    os.makedirs(out, exist_ok=True)
    output(["make", "-s", "-C", SOURCE, f"O={out}", f"TREE={repo.ROOT}", f"CC={os.environ.get('CC', 'gcc')}"])
    return os.path.join(out, "ds-cycles")


def parse(text):
    """What the program printed -> (how, rounds)"""
    lines = [json.loads(x[3:]) for x in text.splitlines() if x.startswith("@@ ")]
    rounds = [x for x in lines if "round" in x]
    if not rounds or "clock" not in lines[0]:
        raise Error("ds-cycles: it measured nothing")
    # The chain of multiplications tells whether they are cycles
    ticks = statistics.median(x["ticks_per_cycle"] for x in rounds)
    if lines[0]["clock"] == "perf" and not 0.9 <= ticks <= 1.2:
        raise Error(f"ds-cycles: perf counts {ticks:.2f} for a cycle: does another program use its counters?")
    return lines[0], rounds


def spread(values):
    """median, [quartiles]"""
    if len(values) < 2:
        return values[0], [values[0]] * 2
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, [low, high]


def evaluate(rounds, perf):
    """Rows of the result: cycles without the loop's own, and ratios round by round"""
    scale = [1 if perf else r["ticks_per_cycle"] for r in rounds]
    pong = [r["pipe_ping_pong"] / s for r, s in zip(rounds, scale)]
    rows = []

    def add(name, cycles, ratio=None):
        median, quartiles = spread(cycles)
        row = {"name": name, "unit": "cycles", "better": "lower", "median": round(median, 1),
               "quartiles": [round(x, 1) for x in quartiles], "runs": len(cycles)}
        if ratio:
            median, quartiles = spread(ratio)
            row.update({"ratio_to": "half of pipe-ping-pong", "ratio": round(median, 5),
                        "ratio_quartiles": [round(x, 5) for x in quartiles]})
        rows.append(row)
    add("pipe-ping-pong", pong)
    for how in "warm", "cold":
        add(f"loop-{how}", [r[how]["empty"] / s for r, s in zip(rounds, scale)])
        for work in ("load", *WORKS):
            cycles = [(r[how][work] - r[how]["empty"]) / s for r, s in zip(rounds, scale)]
            add(f"{work}-{how}", cycles, [c / (p / 2) for c, p in zip(cycles, pong)])
    return rows


def measure(rounds, path=None):
    """-> the result, and where it was written"""
    exe = build()
    ui.say(f"cycles: {rounds} rounds on this processor")
    r = subprocess.run([exe, str(rounds)], stdout=subprocess.PIPE, text=True, check=False)
    if r.returncode:
        raise Error(f"ds-cycles: {r.stdout.strip().splitlines()[-1] if r.stdout.strip() else f'status {r.returncode}'}")
    how, lines = parse(r.stdout)
    cpu, virtual = repo.processor()
    result = {
        "kernel": platform.release(), "config": "the running kernel's", "command": command_line("bench"),
        "accelerator": "hypervisor" if virtual else "bare metal", "date": ui.date(), "machine": cpu,
        "compiler": how["compiler"], "clock": how["clock"], "rounds": len(lines),
        "ticks_per_cycle": round(statistics.median(x["ticks_per_cycle"] for x in lines), 4),
        "batches": how["batches"], "switches": how["switches"], "round_trips": how["round_trips"],
        "workloads": evaluate(lines, how["clock"] == "perf"),
    }
    path = path or os.path.join(RESULTS, "cycles.json")
    ui.write_json(path, result)
    return result, path


def table(result):
    by = {w["name"]: w for w in result["workloads"]}

    def cell(name, key, factor, digits):
        median = by[name]["median" if key == "quartiles" else "ratio"] * factor
        low, high = (x * factor for x in by[name][key])
        return f"{median:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"
    body = [[what, *(cell(f"{work}-{how}", "quartiles", 1, 0) for how in ("warm", "cold")),
             *(cell(f"{work}-{how}", "ratio_quartiles", 100, 1) for how in ("warm", "cold"))]
            for work, what in WORKS.items()]
    ui.say()
    ui.table([["work of a switch", "warm, cycles", "cold, cycles", "warm, %", "cold, %"], *body], markdown=True)
    ui.say(NOTE.format(rounds=result["rounds"], clock=CLOCKS[result["clock"]].format(ticks=result["ticks_per_cycle"]),
                       pong=f"{by['pipe-ping-pong']['median']:.0f}", miss=f"{by['load-cold']['median']:.0f}", machine=result["machine"],
                       compiler=result["compiler"], virtual=VIRTUAL if result["accelerator"] == "hypervisor" else ""))
