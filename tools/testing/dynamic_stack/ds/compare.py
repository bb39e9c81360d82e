# SPDX-License-Identifier: GPL-2.0
"""
What demo and bench measured on each base, side by side: one table from the
build/results/memory.json and bench.json of base.mk's kernel and of each in bases/.
"""

import argparse
import glob
import json
import os
import re

from . import repo, ui
from .bench import PING_PONG, SHORT, markdown, number3
from .ui import Error

# As bench.json has them
COLUMNS = {"ratio_off_stock": "off", "ratio_on_stock": "on", "ratio_on_switch_stock": "on, `reclaim=switch`"}


def results(series, name):
    """The results of a base, or None if nothing was measured"""
    path = os.path.join(repo.TOP, "results", "" if series == repo.usual_series() else series, name)
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as e:
        raise Error(f"{repo.short(path)} can't be read ({e}): measure again") from e


def saved(memory):
    """{census: cells}, of a memory.json"""
    return {r["census"]: (r["off"]["kernel_stack_kib"], r["on"]["kernel_stack_kib"], f"{r['saved_percent']:.1f} %")
            for r in memory.get("runs", [memory])}


def costs(bench):
    """{operation: cells}, of a bench.json: those of the short table, and which ping-pong is the worst"""
    work = {w["name"]: w for w in bench["workloads"]}
    rows = {what: [number3(work[n].get(k)) for k in COLUMNS] for n, what in SHORT.items() if n in work}
    worst = [max((w[k] for n, w in work.items() if re.fullmatch(PING_PONG, n) and w.get(k)), default=None)
             for k in COLUMNS]
    if any(worst):
        rows["the worst ping-pong"] = [number3(x) for x in worst]
    return rows


def beside(what, head, rows):
    """WHAT and rows that any base has; a cell that one lacks is empty"""
    names = list(dict.fromkeys(n for by in rows.values() for n in by))
    markdown([what] + [f"{s}: {h}" for s in rows for h in head],
             [[n] + [c for by in rows.values() for c in by.get(n, [""] * len(head))] for n in names])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.parse_args()
    bases = [repo.usual_series()] + sorted(os.path.basename(f)[:-len(".mk")]
                                           for f in glob.glob(os.path.join(repo.ROOT, "bases", "*.mk")))
    found, missing = {}, []
    for name, target in (("memory.json", "demo"), ("bench.json", "bench BENCH=quick")):
        found[name] = {}
        for s in bases:
            r = results(s, name)
            if r is None:
                missing.append("make " + ("" if s == bases[0] else f"SERIES={s} ") + target)
            else:
                found[name][s] = r
    if missing:
        raise Error("not measured on each base yet: first run " + ", ".join(missing))
    beside("thread list", ("off, KiB", "on, KiB", "saved"), {s: saved(r) for s, r in found["memory.json"].items()})
    print()
    beside("to the unpatched kernel", COLUMNS.values(), {s: costs(r) for s, r in found["bench.json"].items()})
    print()
    for name, by in found.items():
        for s, r in by.items():
            print(f"{s}, {name}: {r['kernel']}, {r['command']}, {r['date']} (QEMU, TCG)")
    return 0
