#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 120
# beside: builds
# The switch's own sources, in the program that counts their cycles: each page is where
# it should be, and one that is not gets noticed.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

[ "$(uname -m)" = x86_64 ] || { echo "not an x86-64 processor"; exit 4; }

# program TREE [VARIABLE=VALUE]: in $DS_TMP/out
program() {
	rm -rf "$DS_TMP/out"
	mkdir "$DS_TMP/out"
	make -s -C "$TOOLS/cycles" O="$DS_TMP/out" TREE="$1" "${@:2}"
}

compilers=gcc
! command -v clang >/dev/null || compilers+=' clang'
for cc in $compilers; do
	program "$ROOT" CC="$cc"
	"$DS_TMP/out/ds-cycles" check
done

# broken SED WHAT: what the program must say of sources that were edited so
broken() {
	rm -rf "$DS_TMP/tree"
	mkdir "$DS_TMP/tree"
	cp -r "$ROOT"/{arch,include,mm} "$DS_TMP/tree"
	sed -i "$1" "$DS_TMP"/tree/mm/dynamic_stack/*.c
	! diff -r "$ROOT/mm" "$DS_TMP/tree/mm" || fail "nothing to break: $1"
	program "$DS_TMP/tree"
	if "$DS_TMP/out/ds-cycles" check >"$DS_TMP/said"; then fail "goes unnoticed: $1"; fi
	cat "$DS_TMP/said"
	grep -Eq "^FAIL: .*($2)" "$DS_TMP/said" || fail "expected /$2/ of: $1"
}
broken 's/ds->parked |= BIT(i);/;/' 'parked is'
broken 's/arch_dynamic_stack_set(ds->ptep + i, pte);/;/' 'PTE of page'
broken 's/pte = dstack_saved_pte(ds, i);/pte = mk_pte(ds->page[i], DYNAMIC_STACK_PROT);/' 'parked is'
broken 's/if (pte_young(pte)[^{]*{/if (false) {/' 'parked is'
broken 's/ds->parked = 0;/;/' 'mapped is|parked is'
broken 's/kstack_pool_put(\([a-z]*\), clean);/kstack_pool_put(\1, clean - (ds->seq == 9));/' 'the pools have'
broken 's/memcpy(\([a-z]*\), pool->\([a-z]*\) + pool->nr,/memcpy(\1, pool->\2 + pool->nr - (nr > 1),/' 'twice'

# What the bench makes of it: 30 - 10 cycles of half of 2000, at half a tick for each
python3 - "$TOOLS" <<'CHECK'
import sys

sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from ds import cycles, ui

one = {"empty": 5, "load": 6, **{w: 15 for w in cycles.WORKS}}
rounds = [{"round": n, "ticks_per_cycle": 0.5, "pipe_ping_pong": 1000, "warm": one, "cold": one} for n in (1, 2, 3)]
for perf, cycles_of, ratio in (False, 20, 0.02), (True, 10, 0.02):
    by = {w["name"]: w for w in cycles.evaluate(rounds, perf)}
    w = by["three-clean-warm"]
    if (w["median"], w["quartiles"], w["ratio"]) != (cycles_of, [cycles_of] * 2, ratio):
        sys.exit(f"FAIL: {w}")
for clock, ticks, good in ("tsc", 0.5, True), ("perf", 1.01, True), ("perf", 0.5, False):
    try:
        cycles.parse(f'@@ {{"clock": "{clock}"}}\n@@ {{"round": 1, "ticks_per_cycle": {ticks}}}\n')
        had = True
    except ui.Error:
        had = False
    if had != good:
        sys.exit(f"FAIL: {ticks} ticks of {clock} are {'taken for' if had else 'no'} cycles")
CHECK
"$TOOLS/bench" --parts cycles --cycles-rounds 3 --json "$DS_TMP/cycles.json"
python3 - "$DS_TMP/cycles.json" <<'CHECK'
import json
import sys

result = json.load(open(sys.argv[1], encoding="utf-8"))
by = {w["name"]: w for w in result["workloads"]}
if result["rounds"] != 3 or result["clock"] not in ("perf", "tsc") or len(by) != 17:
    sys.exit(f"FAIL: {result['rounds']} rounds, clock {result['clock']}, {len(by)} rows")
for name, w in by.items():
    if name != "load-warm" and w["median"] <= 0:
        sys.exit(f"FAIL: {name} takes {w['median']} cycles")
if by["three-clean-cold"]["median"] <= by["three-clean-warm"]["median"]:
    sys.exit("FAIL: out of all caches it is faster")
CHECK
