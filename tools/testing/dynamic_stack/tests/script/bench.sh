#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# beside: builds
# The bench's arithmetic and its complaints, with a stand-in for the guests; and
# what compare makes of its results.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

T=$DS_TMP/repo/tools/testing/dynamic_stack
B=$DS_TMP/repo/build
mkdir -p "$T" "$B"/kernel-{base,guest,bench-base,bench}/arch/x86/boot
cp -r "$TOOLS"/{bench,compare,ds} "$TOOLS/lib.sh" "$T"
cp "$ROOT/base.mk" "$DS_TMP/repo"
touch "$B"/kernel-{base,guest,bench-base,bench}/arch/x86/boot/bzImage "$B"/kernel-{base,guest,bench-base,bench}/.config
unset DS_ROOT SERIES

# What the guests say: OP STOCK OFF ON SWITCH, then how they end
cat >"$T/vm" <<'VM'
#!/bin/bash
case " $* " in
*reclaim=sleep*) n=4 v=on ;;
*reclaim=switch*) n=5 v=switch ;;
*dynamic_stack=off*) n=3 v=off ;;
*) n=2 v=stock ;;
esac
if [ -n "${PARALLEL:-}" ]; then
	echo '@@ {"counters": "switch", "seconds": 1.0, "switches": 1, "shootdowns": 0, "TLB": 10, "CAL": 0, "RES": 0}'
	[ "$v" = "${LOST:-}" ] || echo "@@ metrc switch $((n * 100)) 2.00 1.00 1.00 $((n * 50)).0 1.0"
	echo '@@ {"counters": "messaging", "seconds": 3.0, "switches": 9, "shootdowns": 0, "TLB": 90, "CAL": 0, "RES": 0}'
	echo '@@ {"messaging": 1000.0, "ticks": 1, "messages": 1, "switches": 1, "status": 0}'
	exit 0
fi
if [ -n "${DAY:-}" ]; then
	echo "@@ {\"day\": 2, \"threads\": 9, \"wakes\": 50, \"busy\": $((n * 1000 + 7)), \"test_file\": 7, \"mean_kib\": $((900 / n))," \
		"\"peak_kib\": 500, \"end_kib\": 400, \"switches\": 100, \"populate\": 1, \"restore\": 2, \"collect\": 4, \"shootdowns\": 5," \
		'"each_ms": 500, "kib": [100, 400, 500, 450, 400]}'
	exit 0
fi
echo "@@ {\"start\": \"6\", \"unit\": \"tsc_ticks\", \"per_instruction\": ${PER:-1.0}, \"tsc\": 5}"
while read -r line; do
	set -- $line
	[ "${!n}" != - ] || { echo "@@ {\"op\": \"$1\", \"skipped\": \"not on this kernel\"}"; continue; }
	echo "@@ {\"op\": \"$1\", \"figure\": ${!n}, \"batches\": 30, \"stable\": ${STABLE:-true}, \"apart\": 0.02," \
		"\"switches\": 2, \"idle_ms\": ${IDLE:-0}}"
done <"$OPS"
[ "$v" != "${BAD:-}" ] || exit "$STATUS"
VM
chmod +x "$T/vm"
export OPS=$DS_TMP/ops
printf '%s\n' 'one 1000 1001 1100 1020' 'deep - 2000 3000 2100' >"$OPS"

bench() { "$T/bench" --no-build --parts ops; }
# is FILTER VALUE: in bench.json
is() {
	local have
	have=$(python3 -c 'import json, sys
w = {x["name"]: x for x in json.load(open(sys.argv[1]))["workloads"]}
print(eval(sys.argv[2]))' "$B/results/bench.json" "$1")
	[ "$have" = "$2" ] || fail "$1 is $have, not $2"
}

bench >"$DS_TMP/out"
cat "$DS_TMP/out"
is 'w["one"]["ratio_on_stock"]' 1.1
is 'w["one"]["ratio_off_stock"]' 1.001
is 'w["one"]["ratio_on_switch_stock"]' 1.02
is 'w["one"]["unit"]' guest_instructions
is 'w["one"]["growth_only"]' None
is 'w["one"]["runs"]["patched_on"]' 30
is 'w["deep"]["ratio_to"]' patched_off
is 'w["deep"]["ratio_on_stock"]' 1.5
grep -Eq '^\| one +\| +1000 .* \+50 ' "$DS_TMP/out" || fail "not 50 instructions more for each of two switches"
[ -s "$B/results/bench.png" ] || ! command -v gnuplot >/dev/null || fail "no plot"

# Two bases side by side: what is missing, what one lacks, and which is which
mkdir -p "$DS_TMP/repo/bases" "$B/results/7.3"
touch "$DS_TMP/repo/bases/7.3.mk"
memory() {
	printf '{"kernel": "%s", "command": "make demo", "date": "today", "census": "%s", "off": {"kernel_stack_kib": %s},
		"on": {"kernel_stack_kib": %s}, "saved_percent": %s}' "$@"
}
expect_error 'first run make demo, make SERIES=7.3 demo, make SERIES=7.3 bench BENCH=quick' "$T/compare"
memory 6.12 phone 400 100 75 >"$B/results/memory.json"
memory 7.3 phone 500 200 60 >"$B/results/7.3/memory.json"
printf '%s\n' 'switch-pipe 1000 1000 1010 1020' 'switch-futex 1000 1000 1015 1018' 'fork-exit 1000 1000 900 901' >"$OPS.7.3"
OPS=$OPS.7.3 "$T/bench" --no-build --parts ops --json "$B/results/7.3/bench.json" >"$DS_TMP/out"
"$T/compare" >"$DS_TMP/out"
cat "$DS_TMP/out"
grep -Eq '^\| thread list +\| 6.12: off, KiB .* \| 7.3: off, KiB ' "$DS_TMP/out" || fail "not both bases"
grep -Eq '^\| phone +\| +400 \| +100 \| +75.0 % \| +500 \| +200 \| +60.0 % ' "$DS_TMP/out" || fail "wrong memory"
grep -Eq '^\| fork, exit, wait +(\| +){4}1.000 \| +0.900 \| +0.901 \|$' "$DS_TMP/out" || fail "wrong cost"
grep -Eq '^\| the worst ping-pong +(\| +){4}1.000 \| +1.015 \| +1.020 \|$' "$DS_TMP/out" || fail "wrong worst"
echo '{' >"$B/results/memory.json"
expect_error "build/results/memory.json can't be read" "$T/compare"

# Throughput: round by round, with what the interrupts did meanwhile
parallel() { PARALLEL=1 "$T/bench" --no-build --parts parallel --rounds 2 --smp 2 --stressors switch; }
parallel >"$DS_TMP/out"
is 'w["switch-smp2"]["patched_on"]' 200.0
is 'w["switch-smp2"]["ratios_on"]' '[2.0, 2.0]'
is 'w["switch-smp2"]["interrupts_per_second"]["stock"]["TLB"]' 40.0
is 'w["messaging-smp2"]["unit"]' messages_per_second
expect_error 'switch, on, 2 processors: 0 results of 2' env LOST=on PARALLEL=1 \
	"$T/bench" --no-build --parts parallel --rounds 2 --smp 2 --stressors switch

# A day: what the test file itself takes is not counted
DAY=1 "$T/bench" --no-build --parts day >"$DS_TMP/out"
is 'w["day-busy"]["ratio_on_stock"]' 2.0
is 'w["day-mean"]["patched_on_switch"]' 180
grep -Eq '^\| sleep 1 s +\| +225 \| +50.0 % ' "$DS_TMP/out" || fail "not half of the memory saved"
grep -Eq '^\| on/stock, all +\| +1.05 \| +2.0 \| day-busy \| +NO \|' "$DS_TMP/out" || fail "a missed target goes unnoticed"
[ -s "$B/results/bench-day.png" ] || ! command -v gnuplot >/dev/null || fail "no plot of the day"

# What must not go unnoticed
expect_error 'clock does not count instructions' env PER=0.9 "$T/bench" --no-build --parts ops
expect_error 'ended badly' env BAD=on STATUS=2 "$T/bench" --no-build --parts ops
expect_error 'kernel printed a warning' env BAD=switch STATUS=4 "$T/bench" --no-build --parts ops
if STABLE=false bench 2>"$DS_TMP/err" >/dev/null; then fail "an unsteady figure is no error"; fi
grep -q 'error: one, on: still 2.0 % apart' "$DS_TMP/err" || fail "an unsteady figure goes unnoticed"
if IDLE=10 bench 2>"$DS_TMP/err" >/dev/null; then fail "idle time is no error"; fi
grep -q 'error: one, stock: 10 ms of idle time' "$DS_TMP/err" || fail "idle time goes unnoticed"
expect_error 'no part nonsense' "$T/bench" BENCH=nonsense
expect_error 'need a kernel with CONFIG_DYNAMIC_STACK_FAULT' "$T/bench" --no-build --variants 'stock growth'
rm "$B/kernel-bench-base/arch/x86/boot/bzImage"
expect_error 'kernel-bench-base/arch/x86/boot/bzImage does not exist' "$T/bench" --no-build

# With a kernel that has the fault path there are two columns more
touch "$B/kernel-bench-base/arch/x86/boot/bzImage"
mkdir -p "$B/kernel-bench-fault/arch/x86/boot"
touch "$B/kernel-bench-fault/arch/x86/boot/bzImage"
echo CONFIG_DYNAMIC_STACK_FAULT=y >"$B/kernel-bench-fault/.config"
bench >"$DS_TMP/out"
is 'w["one"]["ratio_fault_stock"]' 1.1
is 'w["one"]["ratio_growth_stock"]' 1.0
