#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 180
# needs: guest
# The rules of kstackestimate are the kernel's: in a guest with the feature on each
# thread holds the pages that the rules say. Read from /proc and debugfs, as this
# kernel has no BTF; make demo ESTIMATE=1 has a kernel that does.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

cat >"$DS_TMP/sleeper.c" <<'EOF'
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

/* sleeper rt|lock: sleep as a real-time task, or with locked memory */
int main(int argc, char **argv)
{
	struct sched_param p = { .sched_priority = 5 };

	if (argc != 2 || (*argv[1] == 'r' ? sched_setscheduler(0, SCHED_FIFO, &p) : mlockall(MCL_CURRENT)))
		return 1;
	return pause();
}
EOF
gcc -O2 -Wall -static -o "$DS_TMP/sleeper" "$DS_TMP/sleeper.c"
expect_status 0 "$TOOLS/vm" --label boot/estimate --log "$BUILD/log/check/boot-estimate.console" \
	--timeout 120 --smp 2 --mem 512M --append dynamic_stack=on --out "$DS_TMP/out" \
	--file "$DS_TMP/sleeper:bin/sleeper" --cmd '
echo 100 >/proc/sys/vm/dynamic_stack_sleep_ms
echo 100 >/proc/sys/vm/dynamic_stack_collect_period_ms
for i in 1 2 3 4 5; do
	sleep 1000 &
	echo "sleep 9000 60000" >/sys/kernel/debug/dynamic_stack_test &
	echo "sleep 5000 60000" >/sys/kernel/debug/dynamic_stack_test &
	sleep 1000 &
	kill -STOP $!
done
sleeper rt & rt=$!
sleeper lock & lock=$!
# What was touched has been collected from those who went deep: then from the others
deep() { grep -Ec "^ +[0-9]+ +[23] MMM?--?.* job$" /sys/kernel/debug/dynamic_stack/stacks; }
i=0
until [ "$(deep)" -ge 10 ]; do
	i=$((i + 1)); [ $i -lt 50 ] || { cat /sys/kernel/debug/dynamic_stack/stacks; exit 1; }
	sleep 1
done
grep ctxt_switches /proc/[0-9]*/status >/out/before
sleep 3
kill -0 $rt $lock || exit 1
cat /sys/kernel/debug/dynamic_stack/stacks >/out/stacks
cat /proc/[0-9]*/task/*/stat >/out/stat 2>/dev/null
grep VmLck: /proc/[0-9]*/status >/out/locked
grep ctxt_switches /proc/[0-9]*/status >/out/after
'
python3 - "$ROOT/tools/mm/kstackestimate" "$DS_TMP/out" <<'E2'
import importlib.machinery, importlib.util, re, sys

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("kstackestimate", sys.argv[1])
k = importlib.util.module_from_spec(importlib.util.spec_from_loader("kstackestimate", loader))
loader.exec_module(k)

def read(name):
    with open(f"{sys.argv[2]}/{name}", encoding="utf-8") as f:
        return f.read()


STATES = {"R": 0, "S": 1, "D": 2, "T": 0x104, "t": 8, "I": 0x402, "P": 0x40, "Z": 0x20, "X": 0x10}
# Those that ran meanwhile are not settled
ran = {int(line.split("/")[2]) for line in set(read("before").splitlines()) ^ set(read("after").splitlines())}
held = {}
for line in read("stacks").splitlines()[1:]:
    w = line.split()
    held[int(w[0])] = int(w[1]), int(w[3])
locked = {int(pid) for pid, kib in re.findall(r"^/proc/(\d+)/status:VmLck:\s*(\d+)", read("locked"), re.M) if int(kib)}
tasks = []
for pid, comm, state, rest in re.findall(r"^(\d+) \((.*)\) (.) (.*)$", read("stat"), re.M):
    rest, pid = rest.split(), int(pid)
    bits = k.ON_CPU * (state == "R") | k.LOCKED * (pid in locked)
    tasks.append(k.Task(pid, pid, int(rest[14]) + 100, int(rest[5]), STATES[state], 0, bits, 4,
                        16384 - held.get(pid, (4, 600))[1], comm))


class Look:
    pass


look = Look()
look.tasks = tasks
early = k.is_early(look)
bad, checked, seen, reasons = [], 0, {}, set()
for t in tasks:
    # The feature's own
    if t.comm.startswith("kstack") or t.pid in ran or t.bits & k.ON_CPU:
        continue
    if early(t) == (t.pid in held):
        bad.append(f"{t.pid} {t.comm} is {'managed' if t.pid in held else 'not managed'}")
    why = k.why_whole(t, early)
    pages = 4 if why else -(-(16384 - t.offset) // 4096)
    have = held.get(t.pid, (4,))[0]
    checked += 1
    reasons.add(why)
    seen[pages] = seen.get(pages, 0) + 1
    if pages != have:
        bad.append(f"{t.pid} {t.comm} holds {have} pages, the rules say {pages} ({why or 'shrunk'})")
print(f"{checked} threads, by pages: {seen}, whole: {reasons}")
for b in bad:
    print(f"FAIL: {b}")
if checked < 40 or not reasons >= {"kept", "early", "reclaim", "realtime", "locked"} or seen.get(2, 0) < 5 or seen.get(3, 0) < 5 or seen.get(1, 0) < 10 or seen.get(4, 0) < 10:
    print("FAIL: too few threads of a kind")
    bad = True
sys.exit(bool(bad))
E2
