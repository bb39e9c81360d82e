#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 1200
# needs: fault planted-fault
# An interrupt comes when the stack pointer is at the edge of a missing page, so
# that the CPU's push of its frame faults. The vector has been handed over by
# then: it must be delivered again, and nothing may be left in service. Without
# the repair (planted), interrupts are lost.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

storm='
echo storm 200 >$f || die "storm: $?"
cat $f
echo "@@ lost $(was lost)"
echo "@@ in_service $(was in_service)"
again=$(sed -n "s/.* interrupts //p" /sys/kernel/debug/dynamic_stack/pools | awk "{ n += \$1 } END { print n }")
echo "@@ again $again"
[ $(was rounds) = 200 ] || die "only $(was rounds) rounds"
[ $(was early) -lt 100 ] || die "too early too often"
'
turn "${cmdlines[@]}"
for cmdline in "${turns[@]}"; do
	guest 0 "${cmdline:-plain}" "dynamic_stack.populate=1 $cmdline" "$storm"
	[ "$(result lost)" = 0 ] || fail "$(result lost) of 200 interrupts lost"
	[ "$(result in_service)" = 0 ] || fail "left in service after $(result in_service) of 200 rounds"
	[ "$(result again)" -ge 100 ] || fail "only $(result again) interrupts came at the edge"
done
planted 0 lose_irq 'dynamic_stack.populate=1' "$storm" --allow 'WARNING: |BUG: |INFO: '
[ "$(result lost)" -ge 100 ] || fail "without the repair only $(result lost) of 200 interrupts are lost"
echo "note: none of 200 lost, $(result lost) without the repair$turn"
