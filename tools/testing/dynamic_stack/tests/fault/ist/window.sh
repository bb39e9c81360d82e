#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 600
# needs: fault planted-fault
# A task wakes up with its stack pointer near a missing page, so that the switch
# faults on its stack while the CPU's current task is still the previous one.
# Without a look at the next task's stack (planted), the kernel dies of that. So
# it is where the switch is not split: with the split, what goes deep in it is done
# before the stack pointer is loaded, or after current has been written.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

window='
# Whom the switch comes from: their FPU registers are saved in between
for i in 1 2; do while :; do :; done & done
echo window 128 >$f || die "window: $?"
cat $f
[ $(was rounds) = 128 ] || die "only $(was rounds) rounds"
n=$(sed -n "s/.* window \([0-9]*\).*/\1/p" /sys/kernel/debug/dynamic_stack/pools | awk "{ n += \$1 } END { print n }")
echo "@@ window $n"
'
guest 0 split 'dynamic_stack.populate=1 dynamic_stack.reclaim=switch' "$window"
split=$(result window)
guest 0 plain 'dynamic_stack.hooks=1 dynamic_stack.populate=1 dynamic_stack.reclaim=switch' "$window"
n=$(result window)
[ "$n" -gt 0 ] || fail "no fault came before the CPU knew its task"
planted 2 only_current 'dynamic_stack.hooks=1 dynamic_stack.populate=1 dynamic_stack.reclaim=switch' "$window"
echo "note: $n faults before the CPU knew its task, $split with the split; without the look: $(grep -m1 -oE 'BUG: .*|Oops: .*|Kernel panic.*' "$CONSOLE")"
