#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 240
# needs: guest
# The bench counts what it says: a system call that has nothing to do with the
# stack costs the same, to the instruction, and a switch does what its policy says.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

"$TOOLS/bench" --no-build --config guest --parts ops --variants "off switch" --json "$DS_TMP/bench.json" \
	--ops "control-syscall switch-pipe"
python3 - "$DS_TMP/bench.json" <<'CHECK'
import json
import sys

w = {x["name"]: x for x in json.load(open(sys.argv[1], encoding="utf-8"))["workloads"]}
control, pipe = w["control-syscall"], w["switch-pipe"]
off, on = control["patched_off"], control["patched_on_switch"]
if abs(on - off) >= 1:
    sys.exit(f"FAIL: getppid() takes {off} instructions with the feature off, {on} with it on")
d = pipe["details"]
for variant in d.values():
    if abs(variant["switches"] - 2) > 0.05:
        sys.exit(f"FAIL: {variant['switches']} switches in a round trip, not 2")
if d["patched_off"]["populate"] or d["patched_off"]["reclaim"]:
    sys.exit("FAIL: pages come and go with the feature off")
if d["patched_on_switch"]["reclaim"] + d["patched_on_switch"]["park"] < 1:
    sys.exit("FAIL: no page is taken in a switch with reclaim=switch")
CHECK
