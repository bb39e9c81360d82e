# SPDX-License-Identifier: GPL-2.0
"""
The main job: how much memory do the kernel stacks of a real Android system's
threads take, on the same kernel with the feature off and on?

Builds the patched kernel and the guest if need be, replays each census in QEMU
twice (boot parameter dynamic_stack=off, then =on), prints a table and writes
build/results/memory.json and build/results/memory.png. With --estimate, also what
kstackestimate foretold, beside the truth, and build/results/estimate.json.
"""

import argparse
import json
import os
import shlex
import shutil
import sys

from . import census, plot, ui
from .repo import BUILD, LOGS, OUT, RESULTS, ROOT, Guest, command_line, image, output, short, step, tool
from .arch import ARCH
from .ui import Error

CENSUS_DIR = tool("census")
# A few minutes under emulation; `all` are the README's.
DEFAULT = ("phone-4gb-android8-3days", "flagship-16gb-13100-scaled")
ALL = ("phone-4gb-android8-3days", "phone-4gb-android10-boot", "phone-4gb-android7-9hours",
       "flagship-16gb-13100-scaled")
# Those of real phones
ESTIMATED = ("phone-4gb-android10-boot", "phone-4gb-android8-3days", "phone-4gb-android7-9hours")
READER = ("kstackestimate-read", "kstackestimate.bpf.o")
# kstackestimate's reader looks at the threads while census-replay holds them
LOOK = """{replay} &
until [ -s /out/replay.json ] || ! kill -0 $!; do sleep 1; done
sleep 2
kstackestimate-read /bin/kstackestimate.bpf.o >/out/threads
kill $!
wait $!
"""
CPUS = "8"
OFF_BY = 3		# percent that an estimate may be off by


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("assignment", nargs="*", metavar="CENSUS=NAME|CPUS=N|ESTIMATE=1", help="as make passes it")
    p.add_argument("--census", action="append", default=[], metavar="NAME",
                   help="file.tsv, or a name in tools/testing/dynamic_stack/census, or all; may repeat "
                        f"(default {' '.join(DEFAULT)}; with --estimate {' '.join(ESTIMATED)})")
    p.add_argument("--no-build", action="store_true", help="use the kernel and the initramfs that are there")
    p.add_argument("--kernel", help="this bzImage; implies --no-build for the kernel")
    p.add_argument("--mem", default="3G", help="guest memory (default 3G)")
    p.add_argument("--smp", default=CPUS, help=f"guest processors (default {CPUS}, as phones have)")
    p.add_argument("--limit", type=int, help="scale each census to about N threads")
    p.add_argument("--work", type=int, help="system calls in a thread's life (census-replay --work)")
    p.add_argument("--frozen", type=int, default=0, metavar="P",
                   help="freeze P percent of the apps, as Android does with cached ones, and let the "
                        "kernel take the last page of their stacks (dynamic_stack.vacate=on)")
    p.add_argument("--estimate", action="store_true",
                   help="with the feature off, let kstackestimate foretell what it takes when it is on "
                        "(builds a kernel with BTF)")
    p.add_argument("--timeout", type=int, default=1200, help="seconds for one boot (default 1200)")
    p.add_argument("--append", action="append", default=[], help="more of the kernel's command line")

    def error(message):
        raise Error(f"demo: {message}: see demo --help")
    p.error = error
    o = p.parse_args()
    names = list(o.census)
    for a in o.assignment:
        key, _, value = a.partition("=")
        if key == "CENSUS":
            names += value.split()
        elif key == "CPUS":
            o.smp = value
        elif key == "ESTIMATE":
            o.estimate |= value not in ("", "0")
        else:
            p.error(f"unknown argument {a}")
    o.census = []
    for n in names or (ESTIMATED if o.estimate else DEFAULT):
        o.census += ALL if n == "all" else (n,)
    return o


def find(name):
    """A census by path or by the name of one that we have"""
    if os.path.exists(name):
        return name
    for path in (os.path.join(CENSUS_DIR, name), os.path.join(CENSUS_DIR, name + ".tsv")):
        if os.path.exists(path):
            return path
    have = sorted(f[:-4] for f in os.listdir(CENSUS_DIR) if f.endswith(".tsv"))
    raise Error(f"{name}: no such census: give a file, or one of {', '.join(have)}, or all")


def boot(o, c, mode, nr, total):
    """One replay -> what census-replay reported"""
    label = f"{c.name} {mode}"
    out = os.path.join(RESULTS, "demo", f"{c.name}-{mode}")
    log = os.path.join(LOGS, f"demo-{c.name}-{mode}.log")
    job = os.path.join(OUT, "demo-job.sh")
    shutil.rmtree(out, ignore_errors=True)
    args = ["--no-teardown"]
    if o.limit:
        args += ["--limit", str(o.limit)]
    if o.work is not None:
        args += ["--work", str(o.work)]
    if o.frozen:
        args += ["--frozen", str(o.frozen)]
    look = o.estimate and mode == "off"
    replay = f"census-replay {' '.join(args)} {'--hold ' if look else ''}/{shlex.quote(c.name)}.tsv"
    with open(job, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\ncd /\n" + (LOOK.format(replay=replay) if look else f"exec {replay}\n"))
    ui.say(f"[{nr}/{total}] {label}: {c.threads} threads in a guest with {o.smp} processors, {o.mem} (QEMU, TCG)")
    cmd = ["--kernel", o.kernel, "--initrd", os.path.join(OUT, "initramfs.cpio.gz"), "--smp", o.smp,
           "--mem", o.mem, "--timeout", str(o.timeout), "--log", log, "--job", job, "--out", out,
           "--file", f"{c.path}:/{c.name}.tsv", "--label", label,
           "--append", " ".join([f"dynamic_stack={mode}", *o.append])]
    if look:
        for name in READER:
            cmd += ["--file", f"{os.path.join(BUILD, 'estimate', name)}:bin/{name}"]
    guest = Guest(cmd)
    for line in guest.follow():
        if line.startswith("@@ progress"):
            ui.say(f"  {line[len('@@ progress'):].strip()}")
        elif line.startswith("@@ mismatch") or not line.startswith("@@ "):
            ui.say(f"  {line.rstrip()}")
    try:
        with open(os.path.join(out, "replay.json"), encoding="utf-8") as f:
            report = json.load(f)
    except (OSError, ValueError):
        raise Error(f"{label}: no report from the guest: see {short(log)}") from None
    if guest.status not in (0, 1, 4):
        raise Error(f"{label}: the guest ended badly: see {short(log)}")
    report["log"] = short(log)
    report["kernel_warned"] = guest.status == 4
    if report["result"] == "pass" and guest.status == 1:
        report["result"] = "fail: see the log"
    return report


def copies_kib(r):
    """What copies of vacated stacks take: whole slabs, where the kernel tells"""
    return r["copy_slab_kib"] if r["copy_slab_kib"] > 0 else -(-r["copy_bytes"] // 1024)


def descriptors_kib(r, threads):
    return -(-r["descriptor_bytes"] * threads // 1024)


def frozen_fields(off, on):
    """What a frozen thread holds, its copy and its descriptor included"""
    if not on["frozen_threads"]:
        return {}
    kib = on["frozen_stack_kib"] + copies_kib(on) + descriptors_kib(on, on["frozen_threads"])
    beside = copies_kib(on) + descriptors_kib(on, on["threads"])
    return {
        "frozen_percent": round(100 * on["frozen_threads"] / on["threads"], 1),
        "frozen_threads": on["frozen_threads"], "frozen_kib": kib,
        "frozen_kib_per_thread": round(kib / on["frozen_threads"], 3),
        "vacated_kib": 4 * on["vacated_threads"] - copies_kib(on),
        "saved_percent_all_counted": round(100 * (1 - (on["kernel_stack_kib"] + beside) / off["kernel_stack_kib"]), 2),
    }


def part(r, on):
    out = {
        "threads": r["threads"],
        "kernel_stack_kib": r["kernel_stack_kib"],
        "stack_kib_per_thread": round(r["kernel_stack_kib"] / r["threads"], 3),
        "mem_available_kib": r["mem_available_kib"],
    }
    if on:
        out["parked_kib"] = r["parked_kib"]
        out["pool_kib"] = r["pool_kib"]
        out["cached_kib"] = r["cached_kib"]
        out["daemons_kib"] = r["daemons_kib"]
        out["fixed_kib"] = r["fixed_kib"]
        out["pages_per_thread"] = r["pages_per_thread"]
        out["vmstat"] = r["vmstat"]
    if r["frozen_threads"]:
        out["frozen"] = {k: r["frozen_" + k] for k in ("processes", "threads", "stack_kib", "pages_per_thread")}
        if on:
            out["frozen"]["copies_kib"] = copies_kib(r)
            out["frozen"]["descriptors_kib"] = descriptors_kib(r, r["frozen_threads"])
            out["frozen"]["vacated_threads"] = r["vacated_threads"]
    out["user_threads"] = r["user_threads"]
    out["kernel_threads"] = r["kernel_threads"]
    out["kthreads_replayed"] = r["kthreads"]["replayed"]
    out["wait_channel_match_percent"] = r["match_percent"]
    out["went_deep"] = r["went_deep"]
    out["settled"] = r["settled"]
    out["seconds"] = r["seconds"]
    return out


def foretold(c, off, on):
    """What kstackestimate makes of the boot with the feature off, beside the truth"""
    threads = os.path.join(RESULTS, "demo", f"{c.name}-off", "threads")
    e = json.loads(output([os.path.join(ROOT, "tools/mm/kstackestimate"), "--from", threads, "--json"]))
    kib = e["policies"]["sleep"]["kernel_stack_kib"]
    by = 100 * (kib / on["kernel_stack_kib"] - 1)
    saved = [100 * (1 - x / off["kernel_stack_kib"]) for x in (kib, on["kernel_stack_kib"])]
    return {"threads": e["threads"], "kernel_stack_kib": kib, "off_by_percent": round(by, 2),
            "within": abs(by) <= OFF_BY, "saved_percent": round(saved[0], 2), "really_saved_percent": round(saved[1], 2),
            "pages_per_thread": e["policies"]["sleep"]["pages_per_thread"]}


def estimate_table(runs):
    """The estimate next to the truth"""
    print()
    ui.table([("kstackestimate, before", "threads", "off KiB", "foretold KiB", "on KiB", "wrong by", "foretold saved", "saved"),
              *((r["census"], r["estimate"]["threads"], r["off"]["kernel_stack_kib"], r["estimate"]["kernel_stack_kib"],
                 r["on"]["kernel_stack_kib"], f"{r['estimate']['off_by_percent']:+.1f} %",
                 f"{r['estimate']['saved_percent']:.1f} %", f"{r['estimate']['really_saved_percent']:.1f} %")
                for r in runs)], markdown=True)
    print(f"Foretold: from the threads of the boot with the feature off, read with BPF in the guest; on: KernelStack of the\n"
          f"boot with it on. More than {OFF_BY} % between them is an error.")


def accounted(r):
    """KiB of stack frames that the histogram, the pool and the cache add up to"""
    return 4 * sum(int(n) * t for n, t in r["pages_per_thread"].items()) + r["pool_kib"] + r["cached_kib"]


def compare(c, off, on):
    saved = 100 * (1 - on["kernel_stack_kib"] / off["kernel_stack_kib"])
    return {
        "census": c.name, "threads": on["threads"], "census_threads": c.threads,
        "cpus": on["cpus"], "fixed_kib": on["fixed_kib"],
        "off": part(off, False), "on": part(on, True),
        "saved_percent": round(saved, 2),
        "mapped_wait_channels": on["mapped_wait_channels"],
        **frozen_fields(off, on),
    }


def notes(runs, reports):
    """What a reader of the table must know; and what makes the run a failure."""
    say, bad = [], []
    for run in runs:
        name = run["census"]
        off, on = reports[name]
        for mode, r in (("off", off), ("on", on)):
            where = f"{name}, {mode}"
            if r["result"] != "pass":
                bad.append(f"{where}: {r['result']}")
            if r["kernel_warned"]:
                bad.append(f"{where}: the kernel printed a warning: see {r['log']}")
            if not r["settled"]:
                say.append(f"{where}: the collector was still at work when this was read")
            if r["deep_percent"] and not sum(r["went_deep"].values()):
                say.append(f"{where}: no thread used more than a page of stack before it slept: "
                           "this kernel has no dynamic_stack_test in debugfs")
            k = r["kthreads"]
            if not k["replayed"]:
                bad.append(f"{where}: kernel threads were NOT replayed (the census has {k['census']}, "
                           f"the guest its own {k['guest_own']}): {k['error'] or 'the kernel cannot create them'}")
        if abs(off["threads"] - on["threads"]) > on["threads"] / 100:
            bad.append(f"{name}: {off['threads']} threads off but {on['threads']} on: not comparable")
        have, should = on["kernel_stack_kib"], accounted(on)
        if abs(have - should) > max(256, have * 0.02):
            bad.append(f"{name}: KernelStack says {have} KiB, the histogram, the pool and the cache add up to {should} KiB")
        if on["pages_per_thread_from"] != "kernel":
            bad.append(f"{name}: this kernel has no dynamic stacks: both runs show the stock behaviour")
        e = run.get("estimate")
        if e and not e["within"]:
            bad.append(f"{name}: kstackestimate foretold {e['kernel_stack_kib']} KiB, it is {have}: "
                       f"{e['off_by_percent']:+.1f} % is more than {OFF_BY}")
        mapped = [m for m in run["mapped_wait_channels"]]
        if mapped:
            listed = ", ".join(f"{m['wchan']} {m['count']} as {m['as']}" for m in mapped[:6])
            more = sum(m["count"] for m in mapped[6:])
            say.append(f"{name}: wait channels not reproduced: {listed}" + (f", {more} more" if more else ""))
    return say, bad


def table(runs):
    head = ("census", "threads", "CPUs", "off KiB", "on KiB", "fixed", "parked", "off/thr", "on/thr", "saved", "avail. KiB")
    rows = [head]
    for r in runs:
        off, on = r["off"], r["on"]
        rows.append((r["census"], str(r["threads"]), str(r["cpus"]), str(off["kernel_stack_kib"]), str(on["kernel_stack_kib"]),
                     str(on["fixed_kib"]), str(on["parked_kib"]), f"{off['stack_kib_per_thread']:.2f}",
                     f"{on['stack_kib_per_thread']:.2f}", f"{r['saved_percent']:.1f} %",
                     f"{on['mem_available_kib'] - off['mem_available_kib']:+d}"))
    ui.table(rows)
    print()
    print("pages per thread (parked ones included)")
    for r in runs:
        n = r["on"]["pages_per_thread"]
        total = sum(n.values()) or 1
        print(f"  {r['census']}: " + ", ".join(f"{k}: {v} ({100 * v / total:.1f} %)" for k, v in n.items()))
        deep = r["on"]["went_deep"]
        print(f"    before they slept {sum(deep.values())} threads had used more than a page, "
              f"{sum(deep.values()) - deep['4-8_kib']} more than two")
    for r in runs:
        if "frozen" in r["on"]:
            off, on = r["off"]["frozen"], r["on"]["frozen"]
            print(f"  {r['census']}: {on['processes']} frozen processes, {on['threads']} threads: "
                  f"{off['stack_kib']} KiB off, {on['stack_kib']} KiB on; on, pages per thread: "
                  + ", ".join(f"{k}: {v}" for k, v in on["pages_per_thread"].items()))
            print(f"    {r['frozen_percent']} % of all; with copies ({on['copies_kib']} KiB) and descriptors "
                  f"{r['frozen_kib_per_thread']} KiB each; with all copies and descriptors counted "
                  f"{r['saved_percent_all_counted']} % saved")
    print("KiB: KernelStack of /proc/meminfo: frames that stacks really hold, parked and pooled ones included.")
    print("fixed: of it, what does not depend on the threads: pools with the reserve, cached stacks, and daemons' own.")
    print("avail.: MemAvailable on minus off. Both boots: the same kernel, QEMU with TCG (no hardware was used).")


def draw(runs, path):
    pages = sorted({int(k) for r in runs for k in r["on"]["pages_per_thread"]} | {1, 2, 3, 4})

    def mib(r):
        on = r["on"]
        stacks = on["kernel_stack_kib"] - on["parked_kib"] - on["fixed_kib"]
        return " ".join(str(kib / 1024) for kib in (r["off"]["kernel_stack_kib"], stacks, on["parked_kib"], on["fixed_kib"]))

    def share(r, n):
        held = r["on"]["pages_per_thread"]
        return str(100 * held.get(str(n), 0) / (sum(held.values()) or 1))

    bars = plot.data("bars", [f'{mib(r)} {r["saved_percent"]}' for r in runs])
    hist = plot.data("hist", [f'"{n}" ' + " ".join(share(r, n) for r in runs) for n in pages])
    tics = ", ".join(f'"{r["census"]}\\n{r["threads"]} threads" {i}' for i, r in enumerate(runs))
    off_top = max(r["off"]["kernel_stack_kib"] for r in runs) / 1024
    return plot.draw(path, max(1000, 560 + 160 * len(runs)), 520, f"""
{bars}
{hist}
set multiplot layout 1,2 title "Kernel stacks of sleeping threads, the same kernel with dynamic\\\\_stack off and on (QEMU, TCG)"
set yrange [0:{off_top * 1.35}]
set xrange [-0.6:{len(runs) - 0.4}]
set boxwidth 0.35
set ylabel "KernelStack, MiB"
set key top left
set bmargin {4 if len(runs) < 3 else 8}
set xtics nomirror noenhanced rotate by {0 if len(runs) < 3 else -20} ({tics})
plot $bars using ($0-0.2):1 with boxes lc rgb "{plot.GREY}" title "off", \\
     $bars using ($0+0.2):($2+$3+$4) with boxes lc rgb "{plot.ORANGE}" title "on: fixed part", \\
     $bars using ($0+0.2):($2+$3) with boxes lc rgb "{plot.SKY}" title "on: parked", \\
     $bars using ($0+0.2):2 with boxes lc rgb "{plot.GREEN}" title "on: stacks", \\
     $bars using ($0+0.2):($2+$3+$4):(sprintf("%+.0f %%", -$5)) with labels offset 0,0.7 notitle
set title "with dynamic stacks on"
set ylabel "share of threads, %"
set xlabel "page frames that the thread's stack holds"
set yrange [0:105]
set xrange [-0.6:{len(pages) - 0.4}]
set key top right noenhanced
set xtics autofreq rotate by 0
set style data histograms
set style histogram clustered gap 1
set boxwidth 0.9
plot for [i=0:{len(runs) - 1}] $hist using (column(i+2)):xtic(1) title word({plot.text(" ".join(r["census"] for r in runs))}, i+1)
unset multiplot
""")


def write(o, runs, reports):
    first = reports[runs[0]["census"]][1]
    head = {
        "kernel": first["kernel"],
        "config": o.kernel if o.kernel_given else "configs/" + (ARCH.config if o.config == "guest" else o.config) + ".config",
        "command": command_line("demo", "make demo"), "accelerator": "tcg", "date": ui.date(),
    }
    result = {**head, **runs[0]}
    if len(runs) > 1:
        result["runs"] = runs
    path = os.path.join(RESULTS, "memory.json")
    ui.write_json(path, result, indent=2)
    written = [path]
    if o.estimate:
        written.append(os.path.join(RESULTS, "estimate.json"))
        ui.write_json(written[-1], {**head, "limit_percent": OFF_BY, "runs": [
            {"census": r["census"], "off_kib": r["off"]["kernel_stack_kib"], "on_kib": r["on"]["kernel_stack_kib"],
             "on_pages_per_thread": r["on"]["pages_per_thread"], "foretold": r["estimate"]} for r in runs]})
    png = os.path.join(RESULTS, "memory.png")
    return written + ([png] if draw(runs, png) else [])


def main():
    o = options()
    # Whatever is wrong with a census is said before anything is built
    censuses, names = [], set()
    for path in (find(n) for n in o.census):
        c = census.load(path)
        if c.name not in names:
            censuses.append(c)
        names.add(c.name)
    o.kernel_given = bool(o.kernel)
    o.config = "estimate" if o.estimate else "vacate" if o.frozen else "guest"
    if o.config == "vacate":
        o.append.insert(0, "dynamic_stack.vacate=on")
    if not o.no_build:
        step("setup", *(["estimate", "+dwarves"] if o.estimate else []))
        if not o.kernel:
            step("series", "branch")
            step("build-kernel", *(["--name", o.config, "--config", o.config] if o.config != "guest" else []))
        step("mkinitramfs")
    if o.estimate:
        step("estimate", "--build")
    o.kernel = o.kernel or image(o.config)
    if not os.path.exists(o.kernel):
        raise Error(f"{o.kernel} does not exist: run demo without --no-build")

    runs, reports, nr = [], {}, 0
    for c in censuses:
        pair = []
        for mode in ("off", "on"):
            nr += 1
            pair.append(boot(o, c, mode, nr, 2 * len(censuses)))
        reports[c.name] = pair
        runs.append(compare(c, *pair))
        if o.estimate:
            runs[-1]["estimate"] = foretold(c, *pair)

    print()
    table(runs)
    if o.estimate:
        estimate_table(runs)
    say, bad = notes(runs, reports)
    for s in say:
        print(f"note: {s}")
    written = write(o, runs, reports)
    print("written: " + ", ".join(short(p) for p in written))
    for b in bad:
        print(f"error: {b}", file=sys.stderr)
    return 1 if bad else 0
