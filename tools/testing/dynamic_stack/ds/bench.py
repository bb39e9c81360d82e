# SPDX-License-Identifier: GPL-2.0
"""
What do dynamic stacks cost?  The scheduler, fork and exit of one configuration:

  stock   the unpatched base kernel
  off     patched, dynamic_stack=off
  on      patched, dynamic_stack=on with its default policy, reclaim=sleep
  switch  patched, dynamic_stack=on dynamic_stack.reclaim=switch
  fault   "on", in a kernel with CONFIG_DYNAMIC_STACK_FAULT, which is not used
  growth  the same kernel, stacks only grow: dynamic_stack.populate=1 reclaim=never
  hooks   "on", in a kernel with CONFIG_DYNAMIC_STACK_HOOKS: the steps of a switch are
          around the architecture's, which is not split: dynamic_stack.hooks=1
  hooks-switch  "switch" in that kernel

These last four are not in the parts that count no instructions, and the last two only
if they are named.

Parts (BENCH=quick: ops and static; BENCH="ops latency": these):

  ops       guest instructions per operation, exact: one processor, -icount
  fault     the same for a page fault on a kernel stack
  depth     how deep stacks are where tasks leave the CPU, and at most
  static    size of the kernel and its structures, changed lines, boot
  parallel  stress-ng and messaging on 2 and 4 processors, boots interleaved
  latency   wake-up of a real-time task while the collector works all the time
  scale     300, 3000 and 30000 sleeping threads
  idle      interrupts of idle processors in a minute
  day       a phone's day in two minutes: memory over time, and its price, for
            several settings of the policy
  frag      how whole free memory is after an hour of such days (only if named)
  cycles    cycles of a switch's work on this machine's processor: its sources in a
            program, beside a pipe ping-pong. No kernel and no guest; needs gcc and make,
            takes seconds. Writes build/results/cycles.json.

Builds the kernels and the guest if need be, prints tables and writes
build/results/bench.json, bench.png and bench-day.png.

REAL=1 runs on this machine and kernel instead, without QEMU, in CPU cycles if
perf gives them. One boot is one column: boot the next kernel, run it again, and
build/results/bench-real.json has both.
"""

import argparse
import bisect
import concurrent.futures
import glob
import json
import os
import platform
import re
import statistics
import subprocess
import sys

from . import cycles, plot, repo, ui
from .repo import BUILD, RESULTS, Guest, base_mk, command_line, output, short, step, tool
from .series import changed_lines
from .ui import Error

LOGS = os.path.join(repo.LOGS, "bench")
SOURCE = tool("bench.d")

ON = "dynamic_stack=on dynamic_stack.reclaim="
# name, key in bench.json, which of KERNELS, command line
STOCK, PATCHED, FAULT, HOOKS = range(4)
VARIANTS = {
    "stock": ("stock", STOCK, ""),
    "off": ("patched_off", PATCHED, "dynamic_stack=off"),
    "on": ("patched_on", PATCHED, ON + "sleep"),
    "switch": ("patched_on_switch", PATCHED, ON + "switch"),
    "fault": ("patched_fault", FAULT, ON + "sleep"),
    "growth": ("growth_only", FAULT, ON + "never dynamic_stack.populate=1"),
    "hooks": ("patched_hooks", HOOKS, ON + "sleep dynamic_stack.hooks=1"),
    "hooks-switch": ("patched_hooks_switch", HOOKS, ON + "switch dynamic_stack.hooks=1"),
}
# Where instructions are counted, the configuration is configs/bench.config on
# top of the guest's. With several processors, it is the guest's.
# Names of the ratios to stock in bench.json
RATIOS = {"off": "off", "on": "on", "switch": "on_switch", "fault": "fault", "growth": "growth",
          "hooks": "hooks", "hooks-switch": "hooks_switch"}
DEFAULT = (1000, 1000)
KERNELS = {"guest": ("base", "guest", "guest-fault", "guest-hooks"),
           "bench": ("bench-base", "bench", "bench-fault", "bench-hooks")}
PARTS = ("ops", "fault", "depth", "static", "parallel", "latency", "scale", "idle", "day", "cycles", "frag")
QUICK = ("ops", "static")

COLOUR = {"off": plot.GREY, "on": plot.BLUE, "switch": plot.RED, "fault": plot.SKY, "growth": plot.PINK,
          "hooks": plot.GREEN, "hooks-switch": plot.YELLOW}

# Nothing random, and no string instructions: one of these counts once for each
# byte, so that a cleared page would cost 4096 or 700, as the compiler liked.
ICOUNT = ("--icount", "0", "--cpu", "max,erms=off",
          "--append", "nokaslr norandmaps randomize_kstack_offset=off clearcpuid=rep_good")
STRESS = ("switch context pipe futex sem mq msg yield clone fork pthread poll epoll eventfd affinity "
          "schedpolicy hrtimers").split()
SCALE = (300, 3000, 30000)
NOTE_OPS = """Guest instructions for each operation: the mean over at least 30 batches of 8 million, after a warm-up; done
when four times its standard error is below 0.5 %. One processor under QEMU -icount shift=0: its clock, and so the time
stamp counter, goes up by 1 ns = 1 tick = 2^0 for each instruction of the guest; a loop of a million
instructions took {check} ticks for each. +/switch: more instructions than stock for each context switch.
switch: pages: pages mapped in a switch, fresh ones + parked ones; it depends on what the two stacks went
through before."""
# For the README
SHORT = {"switch-pipe": "pipe ping-pong (two switches)", "switch-futex": "futex ping-pong",
         "switch-yield-fifo": "sched_yield() of two FIFO tasks", "wake-32": "wake 32 sleepers",
         "thread-create": "create and join a thread", "fork-exit": "fork, exit, wait",
         "fork-exec": "fork, exec, exit, wait", "day-busy": "a phone's day, all instructions",
         "day-mean": "a phone's day, mean memory of kernel stacks"}
PING_PONG = r"switch-(pipe|futex|eventfd|socket|yield|yield-fifo|pipe-touched)"
# The day: name, variant, and how often and after which sleep the collector takes pages, ms
DAY = [("stock", "stock", None), ("off", "off", None), ("growth", "growth", None), ("switch", "switch", None),
       *((f"sleep {t / 1000:g} s" + (f", period {p / 1000:g} s" if p != min(t, 1000) else ""), "on", (t, p))
         for t, p in ((100, 100), (300, 300), (1000, 250), (1000, 1000), (1000, 4000), (3000, 1000), (10000, 1000)))]


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("assignment", nargs="*", metavar="BENCH=PARTS|REAL=1", help="as make passes it")
    p.add_argument("--parts", help=f"some of: {' '.join(PARTS)}")
    p.add_argument("--variants", help=f"some of: {' '.join(VARIANTS)}")
    p.add_argument("--ops", default="", help="operations, shell patterns (ds-bench list)")
    p.add_argument("--rounds", type=int, default=3, help="boots of each variant, parallel part (default 3)")
    p.add_argument("--seconds", type=int, default=2, help="for each stressor (default 2)")
    p.add_argument("--parallel-icount", action="store_true", help="count instructions in the parallel part, too: "
                   "the processors take turns, but the host's other work does not matter; slow")
    p.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8), help="guests at once where instructions are "
                   "counted (default: one per processor)")
    p.add_argument("--smp", default="2 4", help="processors, parallel part (default 2 4)")
    p.add_argument("--stressors", default=" ".join(STRESS))
    p.add_argument("--threads", default=" ".join(map(str, SCALE)), help="scale part")
    p.add_argument("--latency-seconds", type=int, default=10)
    p.add_argument("--day-seconds", type=int, default=120)
    p.add_argument("--frag-days", type=int, default=30, help="frag part: so many days of two minutes (default 30)")
    p.add_argument("--cycles-rounds", type=int, default=1000, help="cycles part (default 1000)")
    p.add_argument("--append", default="", help="more of the kernel's command line, for all")
    p.add_argument("--config", choices=KERNELS, default="bench", help="which kernels to count instructions with: "
                   "of configs/bench.config (default), or the tests' own")
    p.add_argument("--no-build", action="store_true", help="use the kernels and the initramfs that are there")
    p.add_argument("--real", action="store_true", help="as REAL=1")
    p.add_argument("--json", metavar="FILE", help="write the results there; the plot goes beside it")
    p.add_argument("--column", choices=VARIANTS, help="REAL=1: which column this kernel is")
    p.add_argument("--profile", metavar="OPS", help="which functions an operation's instructions are in, "
                   "for all variants; nothing else is done")

    def error(message):
        raise Error(f"bench: {message}: see bench --help")
    p.error = error
    o = p.parse_args()
    for a in o.assignment:
        key, _, value = a.partition("=")
        if key == "BENCH":
            o.parts = o.parts or (" ".join(QUICK) if value == "quick" else value)
        elif key == "REAL":
            o.real |= value not in ("", "0")
        else:
            p.error(f"unknown argument {a}")
    if o.jobs < 1:
        p.error("--jobs: at least 1")
    if o.seconds < 1:
        p.error("--seconds: at least 1")
    if o.cycles_rounds < 1:
        p.error("--cycles-rounds: at least 1")
    o.parts = o.parts.split() if o.parts else [part for part in PARTS if part != "frag"]
    for part in o.parts:
        if part not in PARTS:
            p.error(f"no part {part}, there are {' '.join(PARTS)}")
    if o.variants:
        o.variants = o.variants.split()
        for v in o.variants:
            if v not in VARIANTS:
                p.error(f"no variant {v}, there are {' '.join(VARIANTS)}")
    for s in o.stressors.split():
        if not re.fullmatch(r"[a-z0-9-]+", s):
            p.error(f"{s}: not a stressor")
    return o


def key(variant):
    return VARIANTS[variant][0]


def kernel(variant, config):
    return os.path.join(BUILD, f"kernel-{KERNELS[config][VARIANTS[variant][1]]}")


def image(variant, config):
    return repo.image(KERNELS[config][VARIANTS[variant][1]])


def has_fault_path(config):
    try:
        with open(os.path.join(kernel("growth", config), ".config"), encoding="utf-8") as f:
            return "CONFIG_DYNAMIC_STACK_FAULT=y\n" in f
    except OSError:
        return False


def parse(lines):
    """What the guest printed: objects of ds-bench, and stress-ng's metrics"""
    out = []
    for line in lines:
        if not line.startswith("@@ "):
            continue
        line = line[3:].strip()
        if line.startswith("{"):
            try:
                out.append(json.loads(line))
            except ValueError:
                raise Error(f"a damaged line from the guest: {line[:60]}: run it again") from None
        elif line.startswith("metrc "):
            word = line.split()
            if len(word) >= 8 and word[2].isdigit():
                out.append({"stress": word[1], "ops": int(word[2]), "real": float(word[3]),
                            "per_second": float(word[6]), "per_cpu_second": float(word[7])})
    return out


class Bench:
    def __init__(self, o):
        self.o, self.warned, self.bad = o, [], []
        self.workloads, self.more, self.start = [], {}, {}
        self.boots, self.running = 0, []
        self.cycles_result = None

    def together(self, fn, items):
        """Several guests at once: what is counted in one doesn't depend on the others"""
        with concurrent.futures.ThreadPoolExecutor(self.o.jobs) as pool:
            jobs = [pool.submit(fn, x) for x in items]
            try:
                return [j.result() for j in jobs]
            except BaseException:
                for j in jobs:
                    j.cancel()
                for p in list(self.running):
                    repo.stop(p)
                raise

    def config(self, part):
        several = part in ("idle", "depth", "frag") or part == "parallel" and not self.o.parallel_icount
        return "guest" if several else self.o.config

    def variants(self, part):
        return [v for v in self.o.variants if VARIANTS[v][1] < FAULT or self.config(part) == "bench"]

    def boot(self, variant, label, cmd, *args, timeout=600, append=""):
        self.boots += 1
        os.makedirs(LOGS, exist_ok=True)
        log = os.path.join(LOGS, f"{label.replace(' ', '-')}-{variant}.log")
        ui.say(f"[{self.boots}] {label}, {variant} (log: {short(log)})")
        guest = Guest(["--kernel", image(variant, self.config(label.split()[0])), "--timeout", str(timeout), "--log", log,
                       "--label", f"{label} {variant}", "--cmd", cmd,
                       "--append", f"{VARIANTS[variant][2]} {append} {self.o.append}".strip(), *args], self.running)
        lines = []
        for line in guest.follow():
            lines.append(line)
            if not line.startswith("@@ ") and "passed after" not in line:
                ui.say(f"  {line.rstrip()}")
        if guest.status == 4:
            self.bad.append(f"{label}, {variant}: the kernel printed a warning: see {short(log)}")
        elif guest.status:
            raise Error(f"{label}, {variant}: the guest ended badly: see {short(log)}")
        return parse(lines)

    def add(self, name, unit, values, runs, better="lower", **more):
        """A line of bench.json; values: {variant: number or None}"""
        w = {"name": name, "unit": unit, "better": better}
        for v, (k, _, _) in VARIANTS.items():
            w[k] = values.get(v)
        base = values.get("stock")
        w["ratio_to"] = "stock"
        if base is None and values.get("off"):
            base, w["ratio_to"] = values["off"], "patched_off"
        for v, suffix in RATIOS.items():
            w[f"ratio_{suffix}_stock"] = round(values[v] / base, 4) if base and values.get(v) is not None else None
        w["runs"] = runs
        w.update(more)
        self.workloads.append(w)
        return w

    # -- ops

    def ops(self):
        got = {}
        # The tree of process numbers grows a level at 4096, and what fork
        # costs would depend on how many there were before
        job = "echo 4000 >/proc/sys/kernel/pid_max; "
        job += "awk '/^task_struct / { print \"@@ {\\\"task_struct\\\": \" $4 \"}\" }' /proc/slabinfo; " \
            f"ds-bench ops -m {self.o.ops}"
        out = self.together(lambda v: self.boot(v, "ops", job, "--smp", "1", "--mem", "512M", *ICOUNT, timeout=1800),
                            self.o.variants)
        for v, lines in zip(self.o.variants, out):
            for r in lines:
                if "op" in r:
                    got.setdefault(r["op"], {})[v] = r
                else:
                    self.start.setdefault(v, {}).update(r)
        counts = {s.get("per_instruction") for s in self.start.values()}
        if any(c is None or abs(c - 1) > 0.001 for c in counts):
            raise Error(f"the clock does not count instructions ({counts}): is this QEMU's -icount shift=0?")
        for op, by in got.items():
            ran = {v: r for v, r in by.items() if "figure" in r}
            for v, r in by.items():
                if r.get("skipped", "").startswith("failed"):
                    self.bad.append(f"{op}, {v}: {r['skipped']}")
            for v, r in ran.items():
                if not r["stable"]:
                    self.bad.append(f"{op}, {v}: still {100 * r['apart']:.1f} % apart after "
                                    f"{r['batches']} batches")
                if r["idle_ms"]:
                    self.bad.append(f"{op}, {v}: {r['idle_ms']} ms of idle time are in the figure")
            if ran:
                self.add(op, "guest_instructions", {v: r["figure"] for v, r in ran.items()},
                         {key(v): r["batches"] for v, r in ran.items()},
                         details={key(v): r for v, r in ran.items()})

    # -- fault

    def fault(self):
        """Its kernel is that of the tests fault/ist/*, which can force faults, and checks its own code"""
        if not self.o.no_build:
            step("build-kernel", "--name", "fault", "--config", "fault")
        job = "echo price 300 >/sys/kernel/debug/dynamic_stack_fault && sed -n " \
            "'s/^price \\(.*\\)/@@ {\"price\": \\1}/p' /sys/kernel/debug/dynamic_stack_fault"
        lines = self.boot("growth", "fault", job, "--smp", "1", "--mem", "512M", *ICOUNT,
                          "--kernel", repo.image("fault"))
        price = [x["price"] for x in lines if "price" in x]
        if not price:
            raise Error("fault: the guest told no price")
        self.add("stack-fault", "instructions_of_a_stack_fault", {"growth": price[0]}, 300)

    def fault_table(self):
        for w in self.workloads:
            if w["unit"] == "instructions_of_a_stack_fault":
                print(f"\nA page fault on a kernel stack: {w['growth_only']} guest instructions at least, of 300 "
                      "(configs/fault.config: with debugging options; -icount)")

    def depth(self):
        step("depth")

    def depth_table(self):
        pass	# it has printed its own

    def ops_table(self):
        rows = [w for w in self.workloads if w["unit"] == "guest_instructions"]
        if not rows:
            return
        have = [v for v in VARIANTS if any(w[key(v)] is not None for w in rows)]
        head = ["operation"] + have + [f"{v}/stock" for v in have if v != "stock"] + \
            [f"{v} +/switch" for v in have if v != "stock"] + (["switch: pages"] if "switch" in have else [])
        body = []
        for w in rows:
            mark = "" if w["ratio_to"] == "stock" else " *"
            line = [w["name"] + mark] + [number(w[key(v)]) for v in have]
            base = w["stock"] if not mark else w["patched_off"]
            for v in have:
                if v != "stock":
                    line.append(ratio(w[key(v)], base))
            for v in have:
                if v == "stock":
                    continue
                d = w["details"].get(key(v))
                switches = d["switches"] if d else 0
                line.append(f"{(d['figure'] - base) / switches:+.0f}" if d and base and switches > 0.5 else "")
            if "switch" in have:
                d = w["details"].get("patched_on_switch", {})
                line.append(f"{d['populate'] / d['switches']:.1f}+{d['restore'] / d['switches']:.1f}"
                            if d.get("switches", 0) > 0.5 and "populate" in d else "")
            body.append(line)
        print()
        markdown(head, body)
        check = ", ".join(f"{s['per_instruction']:.4f}" for s in self.start.values())
        print(NOTE_OPS.format(check=check))
        if any(w["ratio_to"] != "stock" for w in rows):
            print("* no figure of stock, which has no test file that goes deep: compared with off.")

    # -- static

    def static(self):
        out = {"text": {}}
        config = self.config("static")
        for v in ("stock", "on"):
            out["text"][key(v)] = sum(n for _, n in functions(os.path.join(kernel(v, config), "vmlinux")).values())
        own = {}
        for obj in sorted(glob.glob(os.path.join(kernel("on", config), "mm/dynamic_stack/*.o"))):
            own[os.path.basename(obj)] = sum(int(x.split()[1]) for x in output(["size", "-A", obj]).splitlines()
                                             if x.startswith(".text"))
        out["text_growth"] = out["text"]["patched_on"] - out["text"]["stock"]
        out["text_of_tests"] = sum(n for f, n in own.items() if "test" in f or f == "debugfs.o")
        # Only debugfs uses these, but they need what is static in their files
        out["text_of_tests"] += sum(sizes(os.path.join(kernel("on", config), "vmlinux")).get(f, 0)
                                    for f in ("kstack_pool_show", "dstack_cached_pages"))
        text = {v: sizes(os.path.join(kernel(v, config), "vmlinux")) for v in ("stock", "on")}
        out["text_of_tracepoints"] = sum(n for f, n in text["on"].items() if re.match(TRACE, f))
        out["text_growth_of_functions"] = sum(n - text["stock"][f] for f, n in text["on"].items() if f in text["stock"])
        out["text_growth_without_tests"] = out["text_growth"] - out["text_of_tests"]
        out["objects"] = own
        out["changed_lines"] = changed_lines()
        out["task_struct"] = {key(v): s["task_struct"] for v, s in self.start.items() if "task_struct" in s}
        out["boot_instructions"] = {key(v): s["tsc"] for v, s in self.start.items() if "tsc" in s}
        self.more["static"] = out

    def static_table(self):
        s = self.more.get("static")
        if not s:
            return
        body = [["functions in vmlinux's text, bytes", s["text"]["stock"], s["text"]["patched_on"], f"{s['text_growth']:+d}"],
                ["  without test code and debugfs", "", "", f"{s['text_growth_without_tests']:+d}"]]
        body.append(["  of that, tracepoints", "", "", f"{s['text_of_tracepoints']:+d}"])
        body.append(["  of that, in functions that stock has", "", "", f"{s['text_growth_of_functions']:+d}"])
        for name, what in (("task_struct", "task_struct, bytes"), ("boot_instructions", "boot until the job, instructions")):
            if "stock" in s[name]:
                for v in VARIANTS:
                    if v != "stock" and key(v) in s[name] and (name != "task_struct" or v == "on"):
                        body.append([f"{what} ({v})", s[name]["stock"], s[name][key(v)],
                                     f"{s[name][key(v)] - s[name]['stock']:+d}"])
        for part, c in s["changed_lines"].items():
            body.append([f"lines in existing kernel files, series {part.upper()}", "", "",
                         f"+{c['added']} -{c['removed']} in {c['files']} files"])
        print()
        markdown(["", "stock", "patched", "difference"], body)

    # -- parallel

    def parallel(self):
        metrics, rates = {}, {}
        loads = self.more["load_average"] = []
        stress = self.o.stressors.split()
        for smp in map(int, self.o.smp.split()):
            job = ["cd /tmp"]
            for s in stress:
                job += [f"ds-bench counters {s}",
                        f"stress-ng --temp-path /tmp --{s} {smp} --timeout {self.o.seconds} --metrics-brief 2>&1 | "
                        "sed -n -e 's/^stress-ng: metrc: \\[[0-9]*\\] /@@ metrc /p' -e 's/^stress-ng: \\(fail\\|error\\)/&/p'"]
            job += ["ds-bench counters messaging", f"ds-bench messaging {smp} 8 100", "ds-bench counters end"]
            for r in range(self.o.rounds):
                # A B C D, D C B A: what changes slowly meets all of them
                order = self.variants("parallel") if r % 2 == 0 else self.variants("parallel")[::-1]
                for v in order:
                    loads.append(round(os.getloadavg()[0], 1))
                    out = self.boot(v, f"parallel smp{smp} round{r + 1}", "\n".join(job), "--smp", str(smp),
                                    "--mem", "1G", "--stress", *(ICOUNT if self.o.parallel_icount else ()),
                                    timeout=300 + (120 if self.o.parallel_icount else 20) * self.o.seconds * len(stress))
                    last = None
                    for x in out:
                        if "stress" in x:
                            metrics.setdefault((x["stress"], smp), {}).setdefault(v, {})[r] = x["per_second"]
                        elif "messaging" in x:
                            metrics.setdefault(("messaging", smp), {}).setdefault(v, {})[r] = x["messaging"]
                        elif "counters" in x:
                            if last:
                                seconds = x["seconds"] - last["seconds"]
                                one = rates.setdefault((last["counters"], smp), {}).setdefault(v, {})
                                for k in ("TLB", "CAL", "RES", "shootdowns", "switches"):
                                    one.setdefault(k, []).append((x[k] - last[k]) / seconds)
                            last = x
            for s in stress + ["messaging"]:
                for v in self.variants("parallel"):
                    have = len(metrics.get((s, smp), {}).get(v, ()))
                    if have < self.o.rounds:
                        self.bad.append(f"{s}, {v}, {smp} processors: {have} results of {self.o.rounds}")
        for (name, smp), by in metrics.items():
            values = {v: statistics.median(x.values()) for v, x in by.items()}
            spread = {key(v): [min(x.values()), max(x.values())] for v, x in by.items()}
            # Round by round, so that a slow minute of the machine hits both
            stock = by.get("stock", {})
            pairs = {f"ratios_{v}": [round(x[r] / stock[r], 4) for r in x if stock.get(r)]
                     for v, x in by.items() if v != "stock"}
            w = self.add(f"{name}-smp{smp}", "messages_per_second" if name == "messaging" else "bogo_ops_per_second",
                         values, {key(v): len(x) for v, x in by.items()}, better="higher", spread=spread, **pairs)
            w["interrupts_per_second"] = {key(v): {k: round(statistics.median(n), 1) for k, n in x.items()}
                                          for v, x in rates.get((name, smp), {}).items()}

    def parallel_table(self):
        rows = [w for w in self.workloads if w["better"] == "higher"]
        if not rows:
            return
        have = [v for v in VARIANTS if any(w[key(v)] is not None for w in rows)]
        others = [v for v in have if v != "stock"]
        body = []
        for w in rows:
            line = [w["name"], number(w["stock"])]
            for v in others:
                x = w.get(f"ratios_{v}")
                line.append(f"{statistics.median(x):.3f} ({min(x):.2f}-{max(x):.2f})" if x else "")
            for k in ("TLB", "CAL", "RES"):
                line.append("/".join(f"{w['interrupts_per_second'].get(key(v), {}).get(k, 0):.0f}" for v in have))
            body.append(line)
        print()
        markdown(["per second, more is better", "stock"] + [f"{v}/stock (range)" for v in others] +
                 [f"{k}/s {'/'.join(have)}" for k in ("TLB", "CAL", "RES")], body)
        how = "-icount (a second is 10^9 instructions of all processors together)" if self.o.parallel_icount else \
            "multi-threaded TCG"
        print(f"QEMU, {how}; medians over {self.o.rounds} boots of each kernel, in turns; the ratio is that of "
              "neighbouring boots.")
        if "off" in have and not self.o.parallel_icount:
            print("off is nearly the unpatched kernel's code: how far its ratios are from 1 is what this machine's other work does.")
        loads = sorted(self.more.get("load_average", ()))
        if loads:
            print(f"This machine has {os.cpu_count()} processors; its load average, these guests included, was {loads[0]} to "
                  f"{loads[-1]}, median {statistics.median(loads):.1f}.")
        print("TLB, CAL, RES: shootdowns, function calls and reschedules of /proc/interrupts, all processors together.")

    # -- latency, scale, idle

    def latency(self):
        out = self.more.setdefault("latency", {})
        job = f"ds-bench latency {self.o.latency_seconds}"
        for v, lines in zip(self.o.variants, self.together(
                lambda v: self.boot(v, "latency", job, "--smp", "1", "--mem", "512M", *ICOUNT, timeout=1200),
                self.o.variants)):
            for r in lines:
                if "latency" in r:
                    out[key(v)] = r
        for what in ("median", "p99", "p999", "max"):
            self.add(f"latency-{what}", "guest_instructions_late", {v: out[key(v)][what] for v in VARIANTS if key(v) in out},
                     {k: r["latency"] for k, r in out.items()})

    def latency_table(self):
        out = self.more.get("latency")
        if not out:
            return
        print()
        markdown(["late, ns = instructions", "samples", "min", "median", "99 %", "99.9 %", "max", "shootdowns", "collected"],
                 [[v, *(out[key(v)][k] for k in ("latency", "min", "median", "p99", "p999", "max", "shootdowns",
                                                 "collected"))] for v in VARIANTS if key(v) in out])
        print("A SCHED_FIFO task that wakes up each 500 us, on one processor with -icount, beside 2 pairs that switch all the\n"
              "time, 40 tasks that go 12 KB deep and sleep 2 to 8 ms, a task that forks; the collector each jiffy.")

    def scale(self):
        out = self.more.setdefault("scale", {})
        for n in map(int, self.o.threads.split()):
            mem = "512M" if n < 1000 else "1G" if n < 10000 else "2G"
            boots = self.together(lambda v, n=n, mem=mem: self.boot(
                v, f"scale {n}", f"ds-bench scale {n}", "--smp", "1", "--mem", mem, *ICOUNT, timeout=1200), self.o.variants)
            for v, lines in zip(self.o.variants, boots):
                one = {}
                for r in lines:
                    if "op" in r:
                        one["switch"] = r["figure"]
                    else:
                        one.update(r)
                if "error" in one:
                    self.bad.append(f"scale {n}, {v}: {one['error']}")
                    continue
                out.setdefault(str(n), {})[key(v)] = one
            by = {v: out[str(n)][key(v)] for v in self.o.variants if key(v) in out.get(str(n), {})}
            for k, name, unit in (("create", "create", "guest_instructions"), ("exit", "exit", "guest_instructions"),
                                  ("switch", "switch-pipe", "guest_instructions"),
                                  ("stack_kib", "stack", "kib_per_thread"), ("memory_kib", "memory", "kib_per_thread")):
                w = self.add(f"scale-{n}-{name}", unit, {v: x[k] for v, x in by.items() if k in x}, 1)
                w["unit"] = unit if unit != "guest_instructions" else "guest_instructions_per_operation"

    def scale_table(self):
        out = self.more.get("scale")
        if not out:
            return
        body = []
        for n, by in out.items():
            for v in VARIANTS:
                x = by.get(key(v))
                if x:
                    per = x["collector_ns"] / x["passes"] if x["passes"] else None
                    body.append([n, v, f"{x['stack_kib']:.2f}", f"{x['memory_kib']:.2f}", number(x["create"]),
                                 number(x.get("exit")), number(x.get("switch")), number(per),
                                 f"{x['visited'] / x['passes']:.0f}" if x["passes"] else "",
                                 f"{x['frames'] / x['passes']:.0f}" if x["passes"] else ""])
        print()
        markdown(["sleepers", "kernel", "stack KiB", "memory KiB", "create", "exit", "switch-pipe", "collector pass",
                  "stacks seen", "frames"], body)
        print("Per thread, in KiB (memory: MemAvailable) and guest instructions. Collector pass: 16 other tasks go deep and\n"
              "sleep for 3 s each; instructions for one pass, while nothing happens to the sleepers.")

    def idle(self):
        out = self.more.setdefault("idle", {})
        for v in [v for v in self.variants("idle") if v != "off"]:
            out[key(v)] = [r for r in self.boot(v, "idle", "ds-bench idle 60", "--smp", "4", "--mem", "512M", *ICOUNT)
                           if "idle" in r]

    def idle_table(self):
        out = self.more.get("idle")
        if not out:
            return
        body = []
        for v in VARIANTS:
            for r in out.get(key(v), ()):
                body.append([r["idle"], v, r["shootdowns"], r["collected"], r["parked"]] +
                            [" ".join(map(str, r[k])) for k in ("TLB", "CAL", "RES", "LOC")])
        body.sort(key=lambda line: [r["idle"] for r in next(iter(out.values()))].index(line[0]))
        print()
        markdown(["60 s, 4 processors", "kernel", "shootdowns", "frames taken", "pages parked", "TLB", "CAL", "RES", "LOC"], body)
        print("Interrupts of each processor. The tasks that wake up are bound to the first and go 12 KB deep each time. The\n"
              "collector's shootdown is a function call (CAL) to each other processor; TLB counts those of user space.")

    def day(self):
        out = self.more.setdefault("day", {})
        settings = [d for d in DAY if d[1] in self.o.variants]

        def boot(setting):
            name, v, ms = setting
            job = f"ds-bench day {self.o.day_seconds}"
            if ms:
                job = f"echo {ms[0]} >/proc/sys/vm/dynamic_stack_sleep_ms\n" \
                      f"echo {ms[1]} >/proc/sys/vm/dynamic_stack_collect_period_ms\n{job}"
            return self.boot(v, f"day {name}".replace(",", ""), job, "--smp", "1", "--mem", "512M", *ICOUNT)
        for (name, v, ms), lines in zip(settings, self.together(boot, settings)):
            for r in lines:
                if "day" in r:
                    r["busy"] -= r.pop("test_file")
                    out[name] = {"variant": key(v), "sleep_ms": ms and ms[0], "period_ms": ms and ms[1], **r}
        default = {v: out[n] for n, v, ms in DAY if n in out and (not ms or ms == DEFAULT)}
        for what, unit in (("busy", "guest_instructions_of_all"), ("mean_kib", "kib"), ("peak_kib", "kib"), ("end_kib", "kib")):
            self.add(f"day-{what.removesuffix('_kib')}", unit, {v: r[what] for v, r in default.items()}, 1)

    def day_table(self):
        out = self.more.get("day")
        if not out:
            return
        base = out.get("stock") or next(iter(out.values()))
        body = []
        for name, r in out.items():
            more = r["busy"] - base["busy"]
            body.append([name, r["mean_kib"], f"{100 * (1 - r['mean_kib'] / base['mean_kib']):.1f} %", r["peak_kib"],
                         r["end_kib"], f"{r['busy'] / 1e6:.1f}", f"{r['busy'] / base['busy']:.4f}",
                         f"{more / r['switches']:+.0f}", r["populate"] + r["restore"], r["collect"], r["shootdowns"]])
        print()
        markdown(["a phone's day", "mean KiB", "saved", "peak KiB", "end KiB", "busy, 10^6", "ratio", "+/switch",
                  "pages mapped", "frames taken", "shootdowns"], body)
        print(f"KernelStack over {base['day']} s of guest time, after the boot's first 10; {base['threads']} threads are born, "
              f"{base['wakes']} wake-ups.\nbusy: instructions of all that is not idle, on one processor with -icount; ratio, "
              "+/switch: to stock. The sleep\nthat makes a stack shrink is vm.dynamic_stack_sleep_ms, the period, if it is not "
              "the same or 1 s,\nvm.dynamic_stack_collect_period_ms.")

    def frag(self):
        out = self.more.setdefault("frag", {})
        # The kernel turns them off by itself if memory is below 512 MiB
        job = "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled || exit 1\n" \
            "ds-bench frag load 55 &\nload=$!\nsleep 1\n" \
            f"for i in $(seq {self.o.frag_days}); do ds-bench day 120 >/dev/null || exit 1; done\n" \
            "kill $load\nwait 2>/dev/null\nsleep 5\nsync\necho 3 >/proc/sys/vm/drop_caches\nds-bench frag measure"

        def boot(v):
            return self.boot(v, "frag", job, "--smp", "1", "--mem", "512M", *ICOUNT, timeout=self.o.frag_days * 300)
        variants = self.variants("frag")
        for v, lines in zip(variants, self.together(boot, variants)):
            out[v] = next((r for r in lines if "frag" in r), None)
            if not out[v]:
                self.bad.append(f"frag, {v}: nothing was measured")
        for what, unit, better in (("whole_permille", "permille_of_free_memory", "higher"), ("huge", "huge_pages", "higher"),
                                   ("compact_stall", "compactions", "lower")):
            self.add(f"frag-{what.removesuffix('_permille')}", unit, {v: r[what] for v, r in out.items() if r}, 1, better)

    def frag_table(self):
        out = self.more.get("frag")
        if not out:
            return
        body = [[v, r["free_kib"], f"{r['whole_permille'] / 10:.1f} %", f"{r['huge']} of {r['tried']}", r["fallback"],
                 r["compact_stall"]] for v, r in out.items() if r]
        print()
        markdown([f"after {self.o.frag_days} days", "free KiB", "free in huge pages", "huge pages got", "refused", "compactions"],
                 body)
        print("A phone's day of two minutes, again and again, beside 55 % of memory that comes and goes in pieces of 64 KiB;\n"
              "then all of it ends. 512 MiB, one processor, -icount.")

    # -- cycles

    def cycles(self):
        self.cycles_result, _ = cycles.measure(self.o.cycles_rounds)

    def cycles_table(self):
        if self.cycles_result:
            cycles.table(self.cycles_result)

    def profile(self):
        """Instructions of each function, from a plugin that counts them"""
        os.makedirs(LOGS, exist_ok=True)
        so = os.path.join(BUILD, "insn-profile.so")
        output(["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", so, os.path.join(SOURCE, "plugin/insn-profile.c")])
        per = {}
        for v in self.o.variants:
            counts = os.path.join(LOGS, f"profile-{v}.txt")
            out = self.boot(v, "profile", f"ds-bench ops -p {self.o.profile}", "--smp", "1", "--mem", "512M",
                            "--qemu-arg=-plugin", f"--qemu-arg={so},out={counts}", *ICOUNT, timeout=1200)
            sections = read_profile(counts, os.path.join(kernel(v, self.config("profile")), "System.map"))
            for section, r in zip(sections, [r for r in out if "figure" in r]):
                per.setdefault(r["op"], {})[v] = {f: n / r["ops"] for f, n in section.items()}
        for op, by in per.items():
            base = by.get("stock") or next(iter(by.values()))
            names = set().union(*by.values())
            order = sorted(names, key=lambda f: -max(abs(x.get(f, 0) - base.get(f, 0)) for x in by.values()))
            body = [["all"] + [number(sum(x.values())) for x in by.values()]]
            for f in order[:40]:
                if max(abs(x.get(f, 0) - base.get(f, 0)) for x in by.values()) >= 1:
                    body.append([f] + [f"{x.get(f, 0):.1f}" for x in by.values()])
            print()
            markdown([f"{op}: instructions per operation", *by], body)

    def targets(self):
        """What it should cost at most, what it costs, and which operation is the worst"""
        out = []

        def add(what, limit, values):
            if values:
                worst = max(values, key=values.get)
                out.append({"target": what, "limit": limit, "worst": worst, "value": values[worst],
                            "met": values[worst] <= limit})

        def ratios(k, chosen):
            return {w["name"]: w[k] for w in self.workloads
                    if w["unit"].startswith("guest_instructions") and w.get(k) and chosen(w["name"])
                    and not w["name"].startswith(("latency-", "scale-"))}
        add("on/stock, ping-pong", 1.02, ratios("ratio_on_stock", lambda n: re.fullmatch(PING_PONG, n)))
        add("on/stock, all", 1.05, ratios("ratio_on_stock", lambda n: True))
        for what, names in (("threads", ("thread-create", "clone-vm")), ("processes", ("fork-exit",))):
            add(f"on/stock, creation of {what}", 0.95, ratios("ratio_on_stock", lambda n, names=names: n in names))
        add("off/stock, all", 1.005, ratios("ratio_off_stock", lambda n: True))
        s = self.more.get("static")
        if s:
            add("text growth without tests, bytes", 16384, {"vmlinux": s["text_growth_without_tests"]})
            c = s["changed_lines"]["a"]
            add("lines changed in existing kernel files", 300, {"series A": c["added"] + c["removed"]})
        return out

    def short_table(self):
        """What a README has room for"""
        by = {w["name"]: w for w in self.workloads}
        body = [[what] + [number3(by[name][f"ratio_{RATIOS[v]}_stock"]) for v in ("off", "on", "switch")]
                for name, what in SHORT.items() if name in by]
        if body:
            print()
            markdown(["to the unpatched kernel", "`dynamic_stack=off`", "on", "on, `reclaim=switch`"], body)

    def targets_table(self):
        out = self.targets()
        if out:
            print()
            markdown(["target", "at most", "worst", "", "met"],
                     [[t["target"], t["limit"], t["value"], t["worst"], "yes" if t["met"] else "NO"] for t in out])

    def write(self):
        path = self.o.json or os.path.join(RESULTS, "bench.json")
        result = {
            "kernel": self.start.get("on", {}).get("start") or base_mk()["BASE_VERSION"],
            "config": {part: f"configs/{self.config(part)}.config" for part in self.o.parts},
            "command": command_line("bench", "make bench"),
            "accelerator": "tcg", "date": ui.date(), "icount_shift": 0,
            "variants": {key(v): VARIANTS[v][2] for v in VARIANTS},
            "workloads": self.workloads, **self.more, "targets": self.targets(), "problems": self.bad,
        }
        ui.write_json(path, result)
        png = os.path.splitext(path)[0] + ".png"
        day = os.path.splitext(path)[0] + "-day.png"
        return [path] + ([png] if draw(self.workloads, png) else []) + \
            ([day] if draw_day(self.more.get("day"), day) else [])


def number(x):
    if x is None:
        return ""
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.2f}"


def number3(x):
    return "" if x is None else f"{x:.3f}"


def ratio(x, base):
    return f"{x / base:.3f}" if x is not None and base else ""


def markdown(head, body):
    ui.table([head, *body], markdown=True)

TRACE = r"(perf_trace|trace_event_raw_event|trace_raw_output|__traceiter|__probestub)_dynamic_stack"


def functions(elf):
    """{address: (name, size)} in .text; what size(1) prints has padding up to 2 MiB in it"""
    found, first, last = {}, 0, 1 << 64
    for line in output(["nm", "-S", elf]).splitlines():
        word = line.split()
        if len(word) == 3 and word[2] in ("_text", "_etext"):
            if word[2] == "_text":
                first = int(word[0], 16)
            else:
                last = int(word[0], 16)
        elif len(word) == 4 and word[2] in "tTwW":
            found[int(word[0], 16)] = word[3], int(word[1], 16)
    return {a: n for a, n in found.items() if first <= a < last}


def sizes(elf):
    """{name: size of all functions of that name}; what the compiler appends to names is left out"""
    found = {}
    for name, size in functions(elf).values():
        name = name.split(".")[0]
        found[name] = found.get(name, 0) + size
    return found


def read_profile(path, symbols):
    addresses, names = [], []
    with open(symbols, encoding="utf-8") as f:
        for line in sorted(f):
            address, kind, name = line.split()
            if kind in "tTwW":
                addresses.append(int(address, 16))
                names.append(name)
    sections = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            word = line.split()
            if word[0] == "section":
                sections.append({})
                continue
            at = int(word[0], 16)
            name = names[bisect.bisect_right(addresses, at) - 1] if at else "(user space)"
            sections[-1][name] = sections[-1].get(name, 0) + int(word[1])
    return sections


def draw(workloads, path):
    exact = [w for w in workloads if w["unit"] == "guest_instructions" and w["ratio_on_stock"]]
    noisy = [w for w in workloads if w["better"] == "higher" and w.get("ratios_on")]
    if not exact and not noisy:
        return False
    panels = []
    if exact:
        have = [v for v in RATIOS if any(w.get(f"ratio_{RATIOS[v]}_stock") for w in exact)]
        rows = [f'"{w["name"]}" ' + " ".join(str(w[f"ratio_{RATIOS[v]}_stock"] or "NaN") for v in have) for w in exact]
        panels.append(f"""
{plot.data("exact", rows)}
set title "instructions of an operation, to those of the unpatched kernel (QEMU -icount; less is better)"
set yrange [0.9:*]
set style data histograms
set style histogram clustered gap 1
set boxwidth 0.9
set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead lc rgb "black" front
plot """ + ", ".join(f'$exact using {i + 2}{":xtic(1)" if i == 0 else ""} lc rgb "{COLOUR[v]}" title "{v}"'
                     for i, v in enumerate(have)))
    if noisy:
        have = [v for v in RATIOS if any(w.get(f"ratios_{v}") for w in noisy)]
        lines = []
        for w in noisy:
            line = [f'"{w["name"]}"']
            for v in have:
                x = w.get(f"ratios_{v}") or [1]
                line += [str(statistics.median(x)), str(min(x)), str(max(x))]
            lines.append(" ".join(line))
        panels.append(f"""
{plot.data("noisy", lines)}
set title "throughput, to the unpatched kernel's (multi-threaded TCG, median and range; more is better)"
set logscale y 2
set yrange [*:*]
set xrange [-0.6:{len(noisy) - 0.4}]
set style data points
set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead lc rgb "black" front
plot """ + ", ".join(f'$noisy using ($0+{(i - (len(have) - 1) / 2) * 0.22:.2f}):{3 * i + 2}:{3 * i + 3}:{3 * i + 4}'
                     f'{":xtic(1)" if i == 0 else ""} with yerrorbars pt 7 ps 0.7 lc rgb "{COLOUR[v]}" title "{v}"'
                     for i, v in enumerate(have)))
    return plot.draw(path, 1200, 480 * len(panels), f"""
set multiplot layout {len(panels)},1
set key top left noenhanced
set xtics nomirror noenhanced rotate by -40
set bmargin 8
set rmargin 8
""" + "\n".join(panels) + "\nunset multiplot\n")


def draw_day(day, path):
    """Memory over time, one line for each setting"""
    if not day:
        return False
    names = list(day)
    data = "".join(plot.data(f"d{i}", (f"{n * day[name]['each_ms'] / 1000} {kib}" for n, kib in enumerate(day[name]["kib"])))
                   for i, name in enumerate(names))
    price = {n: day[n]["busy"] / day[names[0]]["busy"] for n in names}
    lines = ", ".join(f'$d{i} with lines lw 1.5 lc rgb "{plot.SERIES[i % 7]}" dt {i // 7 + 1} title "{n} ({price[n]:.3f})"'
                      for i, n in enumerate(names))
    return plot.draw(path, 1200, 600, f"""
{data}
set title "a phone's day: kernel stacks of all threads, KiB (in brackets: instructions of the day, to {names[0]}'s)"
set xlabel "seconds (screen on until 50, and from 80 to 100)"
set yrange [0:*]
set grid
set key outside right noenhanced
plot {lines}
""")


def read(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except OSError:
        return ""


def this_column():
    """Which column the running kernel is -> column, why"""
    vmstat = read("/proc/vmstat")
    if "kstack_populate" not in vmstat:
        return "stock", "it has no dynamic stacks"
    policy = read("/sys/module/dynamic_stack/parameters/reclaim").strip()
    on = re.search(r"^nr_kstack_pool [1-9]", vmstat, re.M) or re.search(r"^kstack_populate [1-9]", vmstat, re.M)
    if not on:
        return "off", "dynamic stacks are off"
    populate = read("/sys/module/dynamic_stack/parameters/populate").strip()
    if policy == "never":
        if populate == "1":
            return "growth", "populate=1, reclaim=never"
        raise Error("reclaim=never is none of the columns: write switch or sleep to "
                    "/sys/module/dynamic_stack/parameters/reclaim")
    return ("on" if policy == "sleep" else "switch"), f"dynamic stacks are on, reclaim={policy}"


def real(o):
    """On this machine, as it is"""
    column, why = this_column()
    column = o.column or column
    print(f"{platform.node()}: kernel {platform.release()}: {why}: this is column \"{column}\"", flush=True)
    if os.geteuid():
        print("note: not root: no real-time tasks, no cycles of the whole CPU; some operations are left out", file=sys.stderr)
    out = os.path.join(BUILD, "bench-real")
    os.makedirs(out, exist_ok=True)
    output(["make", "-s", "-C", SOURCE, f"O={out}"])
    exe = os.path.join(out, "ds-bench")
    path = o.json or os.path.join(RESULTS, "bench-real.json")
    cpu, virtual = repo.processor()
    machine = f"{platform.node()}, {cpu}"
    try:
        with open(path, encoding="utf-8") as f:
            result = json.load(f)
        if result.get("machine") != machine:
            result = {}
    except (OSError, ValueError):
        result = {}
    result.update({"kernel": platform.release(), "config": "the running kernel's",
                   "command": command_line("bench"),
                   "accelerator": "hypervisor" if virtual else "bare metal", "date": ui.date(), "machine": machine})
    columns = result.setdefault("columns", {})
    mine = columns[column] = {"kernel": platform.release(), "date": ui.date(), "ops": {}}
    jobs = [("ops", ["ops", "-e", "-b", "2e7", "-t", "1", *o.ops.split()])]
    if not o.ops:
        jobs += [("messaging", ["messaging", "4", "10", "500"])] + \
                ([("latency", ["latency", str(o.latency_seconds)])] if not os.geteuid() else [])
    for name, args in jobs:
        print(f"  {name}", flush=True)
        r = subprocess.run([exe, *args], stdout=subprocess.PIPE, text=True, check=False)
        if r.returncode:
            print(f"note: {name}: status {r.returncode}", file=sys.stderr)
        for x in parse(r.stdout.splitlines()):
            if "op" in x:
                if "figure" in x:
                    mine["ops"][x["op"]] = x
                else:
                    print(f"note: {x['op']}: {x['skipped']}", file=sys.stderr)
            elif "start" in x:
                mine["unit"] = x["unit"]
            else:
                mine[name] = x
    units = {c.get("unit") for c in columns.values()}
    names = [n for n in dict.fromkeys(n for c in columns.values() for n in c["ops"])]
    have = [v for v in VARIANTS if v in columns]
    result["workloads"] = []
    body = []
    for n in names:
        value = {v: columns[v]["ops"][n]["figure"] for v in have if n in columns[v]["ops"]}
        w = {"name": n, "unit": "/".join(sorted(u for u in units if u)), "better": "lower",
             "runs": {key(v): columns[v]["ops"][n]["batches"] for v in value}}
        for v, (k, _, _) in VARIANTS.items():
            w[k] = value.get(v)
        for v, suffix in RATIOS.items():
            w[f"ratio_{suffix}_stock"] = round(value[v] / value["stock"], 4) if v in value and "stock" in value else None
        result["workloads"].append(w)
        stable = all(columns[v]["ops"][n]["stable"] for v in value)
        body.append([n + ("" if stable else " ~")] + [number(value.get(v)) for v in have] +
                    [ratio(value.get(v), value.get("stock")) for v in have if v != "stock"])
    ui.write_json(path, result)
    print()
    markdown([f"operation, {'/'.join(sorted(u for u in units if u))}", *have,
              *(f"{v}/stock" for v in have if v != "stock")], body)
    print("~: two rounds were more than 1 % apart." + (" A virtual machine: its host is in the figures." if virtual else ""))
    for v in have:
        c = columns[v]
        if "messaging" in c:
            print(f"{v}: {c['messaging']['messaging']:.0f} messages/s")
        if "latency" in c:
            print(f"{v}: late, ns: median {c['latency']['median']}, 99.9 % {c['latency']['p999']}, max {c['latency']['max']}")
    print(f"written: {short(path)}")
    if len(have) < 2:
        print("boot another kernel and run this again for a second column")
    return 0


def main():
    o = options()
    if o.real:
        return real(o)
    if o.parts == ["cycles"]:
        # Neither a kernel nor a guest, and nothing for bench.json
        result, path = cycles.measure(o.cycles_rounds, o.json)
        cycles.table(result)
        print(f"written: {short(path)}")
        return 0
    b = Bench(o)
    if not o.no_build:
        step("setup")
        step("series", "branch")
        for config in sorted({b.config(part) for part in o.parts}):
            more = [] if config == "guest" else ["--config", config]
            for i, name in enumerate(KERNELS[config]):
                if i < FAULT:
                    step("build-kernel", "--name", name, *more, *([] if i else ["--base"]))
                elif i == HOOKS:
                    if config == "bench" and any(VARIANTS[v][1] == HOOKS for v in o.variants or ()):
                        step("build-kernel", "--name", name, *more, "--set", "CONFIG_DYNAMIC_STACK_HOOKS=y")
                elif config == "bench" and (not o.variants or {"fault", "growth"} & set(o.variants)):
                    step("build-kernel", "--name", name, *more, "--set", "CONFIG_DYNAMIC_STACK_FAULT=y")
        step("mkinitramfs")
    if not o.variants:
        o.variants = [v for v in VARIANTS if VARIANTS[v][1] < FAULT or
                      VARIANTS[v][1] == FAULT and has_fault_path(o.config)]
    elif any(VARIANTS[v][1] == FAULT for v in o.variants) and not has_fault_path(o.config):
        raise Error("fault and growth need a kernel with CONFIG_DYNAMIC_STACK_FAULT: leave these variants out, or let bench build")
    for path in {image(v, b.config(part)) for part in o.parts for v in b.variants(part)}:
        if not os.path.exists(path):
            raise Error(f"{path} does not exist: run bench without --no-build")
    if o.profile:
        b.profile()
        return 0
    try:
        for part in PARTS:
            if part in o.parts:
                getattr(b, part)()
                b.write()
    finally:
        for part in PARTS:
            if part in o.parts and (b.workloads or b.more):
                getattr(b, part + "_table")()
        b.short_table()
        b.targets_table()
    written = b.write()
    print("written: " + ", ".join(short(p) for p in written))
    for x in b.bad:
        print(f"error: {x}", file=sys.stderr)
    return 1 if b.bad else 0
