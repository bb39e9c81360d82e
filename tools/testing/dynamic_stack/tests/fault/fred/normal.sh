#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 2400
# needs: fred
# With FRED, what is promised by default: no stack fault. Stacks are populated,
# parked and collected, data survives, a processor goes and comes back, and a
# phone's thread list, at a tenth of its size, sleeps in a page for each thread.
set -euo pipefail
. "$(dirname "$0")/../../fred.sh"

census=phone-4gb-android8-3days
job='
count() { sed -n "s/^$1 //p" /proc/vmstat; }
die() { echo "@@ $*"; exit 1; }
fred-active || die "no FRED"
cpu=/sys/devices/system/cpu/cpu1/online
if [ -e $cpu ]; then
	echo 0 >$cpu && [ $(nproc) = 1 ] && echo 1 >$cpu && [ $(nproc) = 2 ] || die "CPU 1 did not go and come back"
	taskset 2 fred-active || die "no FRED on the CPU that came back"
fi
for s in remote_writes zeroing accounting; do
	# 4: it needs two processors
	/selftests/$s || { [ $? = 4 ] && [ $(nproc) = 1 ]; } || die "$s failed"
done
for n in kstack_populate kstack_park kstack_restore kstack_collect kstack_shootdown; do
	echo "@@ $n $(count $n)"
	[ $(count $n) -gt 0 ] || die "$n is 0"
done
census-replay --limit 250 /census.tsv || die "replay failed"
[ $(count kstack_fault) = 0 ] || die "$(count kstack_fault) stack faults"
'
for cpus in 1 2; do
	rm -rf "$DS_TMP/out"
	boot 0 $cpus 'fred=on' "$job" --file "$TOOLS/census/$census.tsv:/census.tsv" --out "$DS_TMP/out"
	python3 - "$DS_TMP/out/replay.json" <<-'PYTHON'
		import json, sys
		with open(sys.argv[1], encoding="utf-8") as f:
		    r = json.load(f)
		print(r["result"], r["threads"], "threads,", r["kernel_stack_kib"], "KiB,", r["pages_per_thread"])
		assert r["result"] == "pass" and r["settled"], "the replay did not pass, or settle"
		assert r["pages_per_thread"]["1"] >= 0.9 * r["user_threads"], "too few sleepers hold one page"
	PYTHON
done
