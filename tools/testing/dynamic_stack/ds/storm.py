# SPDX-License-Identifier: GPL-2.0
"""
usage: storm [MINUTES]

Does a machine without memory get on as well with the feature as without?  A guest
of 256 MiB is driven out of memory again and again, by stress-ng's oom-pipe, brk,
bigheap, swap, fork and pthread, while tasks that may not be killed go deep and
sleep.  MINUTES (default 30) for each of: no swap, swap on a disk, zram.  Boots with
dynamic_stack=on and =off take turns, BOOTS (default 6) of them for each.

Counted are OOM kills, rounds of the tasks that must come through, hung tasks and
RCU stalls.  Fails if the feature has a panic, a hung task or an RCU stall where
`off` has none, if data are lost, or if there are no OOM kills at all.

MODES="none swap zram", SMP, KERNEL (a bzImage) change it.  Results go to
build/results/storm.json.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile

from . import ui
from .repo import LOGS, RESULTS, command_line, step, tool
from .ui import Error

JOB = r"""
mode=%(mode)s seconds=%(seconds)d
t=/sys/kernel/debug/dynamic_stack_test
case $mode in
swap) mkswap /dev/vda >/dev/null && swapon /dev/vda || exit 1 ;;
zram) echo 128M >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null && swapon /dev/zram0 || exit 1 ;;
esac
echo 1 >/proc/sys/vm/overcommit_memory
echo 60 >/proc/sys/kernel/hung_task_timeout_secs
# These must come through, at whatever speed
for i in 1 2 3 4 5 6 7 8; do
	(
		echo -1000 >/proc/self/oom_score_adj
		n=0
		while [ ! -e /tmp/stop ]; do
			echo "remote 11000 $((i * 150))" >$t || { echo "@@ lost"; exit 1; }
			echo "touch 8000" >$t
			n=$((n + 1))
			echo $n >/tmp/rounds.$i
		done
	) &
done
stress-ng --temp-path /tmp --timeout $seconds --oom-pipe 1 --brk 1 --bigheap 1 --bigheap-growth 4M \
	--swap 1 --fork 2 --vfork 1 --pthread 1 --pthread-max 300 >/tmp/log 2>&1 &
stress=$!
end=$(($(cut -d. -f1 /proc/uptime) + seconds + 120))
while kill -0 $stress 2>/dev/null && [ $(cut -d. -f1 /proc/uptime) -lt $end ]; do sleep 1; done
killall -9 stress-ng 2>/dev/null
: >/tmp/stop
wait
echo "@@ rounds $(cat /tmp/rounds.* | awk '{ n += $1 } END { print n + 0 }')"
awk '$1 ~ /^(oom_kill|allocstall_normal|allocstall_dma32|pswpout|kstack_starved|kstack_shootdown|kstack_populate)$/ { print "@@", $1, $2 }' /proc/vmstat
exit 0
"""

TROUBLE = {"hung": r"blocked for more than", "rcu_stalls": r"rcu: INFO|self-detected stall",
           "panics": r"Kernel panic|BUG: |Oops|WARNING: "}
SHOWN = ("oom_kill", "rounds", "hung", "rcu_stalls", "panics", "kstack_starved", "pswpout")


def boot(mode, state, number, seconds):
    log = os.path.join(LOGS, f"storm-{mode}-{state}-{number}.console")
    cmd = [tool("vm"), "--label", f"storm {mode} {state} {number}", "--log", log, "--stress",
           "--timeout", str(seconds * 3 + 300), "--smp", os.environ.get("SMP", "2"), "--mem", "256M",
           "--allow", ".*", "--append", f"dynamic_stack={state}"]
    if os.environ.get("KERNEL"):
        cmd += ["--kernel", os.environ["KERNEL"]]
    with tempfile.NamedTemporaryFile(prefix="ds-storm-") as disk:
        if mode == "swap":
            disk.truncate(128 << 20)
            cmd += ["--drive", disk.name]
        status = subprocess.run(cmd + ["--cmd", JOB % {"mode": mode, "seconds": seconds}], check=False,
                                stdout=subprocess.DEVNULL).returncode
    with open(log, encoding="utf-8", errors="replace") as f:
        text = f.read().replace("\r", "")
    row = {"mode": mode, "state": state, "boot": number, "status": status, "lost": "@@ lost" in text}
    row.update({k: int(v) for k, v in re.findall(r"^@@ (\w+) (\d+)$", text, re.M)})
    row.update({k: len(re.findall(p, text)) for k, p in TROUBLE.items()})
    return row


def main():
    if "-h" in sys.argv or "--help" in sys.argv:
        print(__doc__.strip())
        return 0
    try:
        minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30
        boots = int(os.environ.get("BOOTS", "6"))
    except ValueError:
        raise Error("give MINUTES and BOOTS as numbers: see storm --help") from None
    if minutes <= 0 or boots < 2 or boots % 2:
        raise Error("MINUTES must be positive, BOOTS even: see storm --help")
    modes = os.environ.get("MODES", "none swap zram").split()
    if not set(modes) <= {"none", "swap", "zram"}:
        raise Error(f"MODES={' '.join(modes)}: give some of none, swap, zram")
    if not os.environ.get("KERNEL"):
        step("build-kernel")
    step("mkinitramfs")
    rows, bad = [], []
    for mode in modes:
        for n in range(boots):
            row = boot(mode, ("on", "off")[n % 2], n // 2 + 1, int(minutes * 60 / boots))
            rows.append(row)
            print(f"{mode:5} {row['state']:3} {row['boot']}: " +
                  ", ".join(f"{k} {row.get(k, '-')}" for k in SHOWN) + f", status {row['status']}", flush=True)
        on, off = ([r for r in rows if r["mode"] == mode and r["state"] == s] for s in ("on", "off"))
        for k in TROUBLE:
            if any(r[k] for r in on) and not any(r[k] for r in off):
                bad.append(f"{mode}: {k} with on only")
        if any(r["lost"] for r in on):
            bad.append(f"{mode}: data lost")
        if any(r["status"] for r in on) and not any(r["status"] for r in off):
            bad.append(f"{mode}: a boot with on did not end well")
        if not all(r.get("oom_kill") for r in on + off):
            bad.append(f"{mode}: no OOM kill in some boot, so it shows nothing")
    ui.write_json(os.path.join(RESULTS, "storm.json"), {"command": command_line("storm"), "minutes": minutes, "boots": rows})
    medians = [("medians", *SHOWN)]
    for mode in modes:
        for state in ("off", "on"):
            mine = [r for r in rows if r["mode"] == mode and r["state"] == state]
            medians.append((f"{mode}, {state}", *(f"{statistics.median(r.get(k, 0) for r in mine):g}" for k in SHOWN)))
    ui.say()
    ui.table(medians)
    print("QEMU (TCG): the numbers compare, they are not times of any hardware")
    for b in bad:
        print(f"storm: {b}")
    print("storm: FAILED" if bad else "storm: as well with the feature as without")
    return 1 if bad else 0
