# SPDX-License-Identifier: GPL-2.0
"""
usage: depth [SECONDS]      (for each class of load; default 10)

How deep are kernel stacks, under several classes of stress-ng's load?  For each:
how much of its stack a task uses where it leaves the CPU, sampled from
/sys/kernel/debug/dynamic_stack/stacks, and the deepest page that it was ever
seen to use.  Prints two histograms and writes build/results/depth.json.

The deepest page is what the Accessed bits tell when a stack is shrunk, so
reclaim=switch looks at it at each switch. A stack from the cache brings what an
earlier task with it has touched.
"""

import collections
import os
import re
import subprocess
import sys

from . import ui
from .repo import LOGS, RESULTS, tool
from .ui import Error

CLASSES = {
    "idle": "",
    "scheduler": "--switch 1 --yield 1 --sem 1 --mq 1 --pipe 1 --futex 1",
    "filesystem": "--dentry 1 --rename 1 --dir 1 --seek 1 --fallocate 1 --getdent 1",
    "network": "--sock 1 --udp 1 --epoll 1 --sockpair 1",
    "memory": "--mmap 1 --mmap-bytes 8M --fault 1 --mremap 1 --madvise 1",
    "process": "--fork 1 --vfork 1 --exec 1 --pthread 1 --clone 1",
    "io": "--io-uring 1 --aio 1 --hdd 1 --hdd-bytes 4M --poll 1",
}

JOB = r"""
s=/sys/kernel/debug/dynamic_stack/stacks
sample() {
	# Those off the CPU; kernel threads and ourselves sleep all the time
	awk -v load="$1" 'NR > 1 && $NF !~ /^(awk|sh|job|sleep)$/ {
		if (load != "" && $6 !~ /^stress-ng/) next
		print "@@ sample", class, $4, $5 }' class="$2" $s
}
"""


def job(seconds):
    text = JOB
    for name, load in CLASSES.items():
        if load:
            text += (f"stress-ng --temp-path /tmp --timeout {seconds} {load} >/tmp/log 2>&1 &\npid=$!\n"
                     f"while kill -0 $pid 2>/dev/null; do sample x {name}; sleep 0.3; done\n"
                     f"wait $pid || echo '@@ note {name}: some of it failed'\n")
        else:
            text += f"sleep 2; sample '' {name}\n"
    return text


def main():
    if len(sys.argv) > 2 or sys.argv[1:] and not sys.argv[1].isdigit():
        print(__doc__.strip())
        return 0 if "--help" in sys.argv else 1
    seconds = int(sys.argv[1]) if sys.argv[1:] else 10
    log = os.path.join(LOGS, "depth.console")
    append = "dynamic_stack=on dynamic_stack.reclaim=switch"
    r = subprocess.run([tool("vm"), "--label", "depth", "--log", log, "--smp", "2", "--mem", "768M",
                        "--stress", "--timeout", str(len(CLASSES) * (seconds + 60)), "--append", append,
                        "--cmd", job(seconds)], check=False, stdout=subprocess.PIPE, text=True)
    if r.returncode:
        raise Error(f"the guest ended with status {r.returncode}: see {log}")
    at_switch = collections.defaultdict(collections.Counter)
    deepest = collections.defaultdict(collections.Counter)
    for m in re.finditer(r"^@@ sample (\S+) (\d+) (\d+)", r.stdout, re.M):
        at_switch[m[1]][int(m[2]) // 512 * 512] += 1
        deepest[m[1]][int(m[3])] += 1
    print("\n".join(x for x in r.stdout.splitlines() if x.startswith("@@ note")))
    for title, counts in ("Bytes in use where a task leaves the CPU, from", at_switch), \
            ("Deepest page ever seen in use, bytes", deepest):
        columns = sorted({b for c in counts.values() for b in c})
        rows = []
        for name in CLASSES:
            n = sum(counts[name].values())
            rows.append([name, *(f"{100 * counts[name][b] / n:.1f}" if counts[name][b] else "" for b in columns), f"of {n}"])
        ui.say(f"\n{title}; % of samples")
        ui.table([["", *columns, "samples"], *rows])
    ui.write_json(os.path.join(RESULTS, "depth.json"), {
        "kernel": "guest", "config": "guest", "command": " ".join(["depth", *sys.argv[1:]]), "accelerator": "tcg",
        "date": ui.date(),
        "classes": {n: {"load": c, "bytes_at_switch": at_switch[n], "deepest_bytes": deepest[n]}
                    for n, c in CLASSES.items()}})
    return 0
