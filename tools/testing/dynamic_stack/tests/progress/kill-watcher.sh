#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 600
# needs: guest
# See progress-kill: a watcher in user space kills in time a process that eats
# all memory, as fast as without the feature, and the OOM killer need not help.
# Guest time is a count of instructions here, so that it doesn't matter how fast the
# machine is. Boots with and without it take turns; what counts are the medians.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

boots=2
rounds=4
for boot in $(seq $boots); do
	for how in off on; do
		console=$BUILD/log/check/progress-kill-watcher-$how-$boot.console
		expect_status 0 "$TOOLS/vm" --label "progress/kill-watcher $how $boot" --timeout 240 \
			--log "$console" --icount 0 --smp 2 --mem 400M --append "dynamic_stack=$how ${APPEND:-}" \
			--cmd "
echo 1 >/proc/sys/vm/overcommit_memory
progress-kill watcher $rounds"
	done
done
# median HOW, kills HOW
logs() { cat "$BUILD/log/check/progress-kill-watcher-$1-"*.console; }
median() {
	logs "$1" | sed -n 's/^@@ gone after \([0-9]*\) ms.*/\1/p' | sort -n |
		awk '{ a[NR] = $1 } END { print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'
}
kills() { logs "$1" | awk '/^@@ oom kills:/ { n += $4 } END { print n + 0 }'; }
on=$(median on) off=$(median off)
echo "median: on $on ms, off $off ms; OOM kills: on $(kills on), off $(kills off)"
[ "$(kills on)" -le "$(kills off)" ] || fail "the OOM killer had to help"
# A fifth more is what several boots differ by
awk "BEGIN { exit !($on <= 1.2 * $off) }" || fail "to kill takes $on ms, $off ms without the feature"
