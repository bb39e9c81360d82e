#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 1200
# needs: fred planted-fred
# A fault on user memory, with the stack pointer at each distance from a missing
# page, while others want the CPU: it begins anew at level 0, where it may be
# preempted. If it stays at level 1 (planted), the kernel warns of that.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

copy='
for i in 1 2; do while :; do :; done & done
for i in 1 2; do
	echo copy 640 >$f || die "copy: $?"
	[ $(was wrong) = 0 ] || die "$(was wrong) of 640 reads failed"
	[ $(was rounds) = 640 ] || die "only $(was rounds) rounds"
	[ $(was faults) -ge 100 ] || die "only $(was faults) stack faults"
done
level1=$(sed -n "s/.* level 1: .* others \([0-9]*\).*/\1/p" /sys/kernel/debug/dynamic_stack/pools |
	awk "{ n += \$1 } END { print n }")
echo "@@ level1 $level1"
[ $level1 -ge 1280 ] || die "only $level1 faults came at level 1"
'
guest 0 plain 'dynamic_stack.populate=1' "$copy"
n=$(result level1)
planted 4 stay 'dynamic_stack.populate=1' 'echo copy 16 >$f'
how=$(grep -m1 -o 'WARNING: .* at .*raw_irqentry_exit_cond_resched' "$CONSOLE") || fail "there was another warning"
echo "note: $n faults went back to level 0; at level 1: $how"
