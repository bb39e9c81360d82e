#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 1200
# needs: fred
# processors: 2 1
# Stack faults come in at level 1, as the CPU says, and so do the kernel's other
# page faults. Without FRED in the same kernel, the same load faults, and none of
# it at level 1. What they cost: with two processors, which take turns, a tick of
# the clock is no instruction.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

load='
for d in 2000 6000 10000 14000; do
	echo sleep $d 20 >$t || die "data lost"
	echo remote $d 20 >$t || die "data lost"
done
echo copy 64 >$f || die "copy: $?"
[ $(was wrong) = 0 ] || die "$(was wrong) reads failed"
[ $(count kstack_fault) -gt 20 ] || die "only $(count kstack_fault) stack faults"
sed -n "s/^cpu.* level 1: stack faults \([0-9]*\), others \([0-9]*\), not at level 1 \([0-9]*\)/\1 \2 \3/p" \
	/sys/kernel/debug/dynamic_stack/pools >/tmp/levels
echo "@@ stack $(awk "{ n += \$1 } END { print n }" /tmp/levels)"
echo "@@ others $(awk "{ n += \$2 } END { print n }" /tmp/levels)"
echo "@@ elsewhere $(awk "{ n += \$3 } END { print n }" /tmp/levels)"
echo price 50 >$f || die "price: $?"
echo "@@ price $(was price)"
echo pf 50 >$f || die "pf: $?"
[ $(was wrong) = 0 ] || die "no fault"
echo "@@ pf $(was price)"
echo "@@ level0 $(was level0)"
'
guest 0 fred 'dynamic_stack.populate=1' "fred-active || die 'no FRED'; $load"
stack=$(result stack) others=$(result others) price=$(result price) pf=$(result pf) level0=$(result level0)
[ "$stack" -gt 20 ] || fail "only $stack stack faults at level 1"
[ "$others" -ge 64 ] || fail "only $others other faults at level 1"
[ "$(result elsewhere)" = 0 ] || fail "$(result elsewhere) faults at another level"
[ "$level0" -gt 0 ] || fail "no fault could be had at level 0"
# A bound for nonsense, not for a regression
[ "$pf" -gt "$level0" ] && [ "$pf" -lt $((3 * level0)) ] || fail "a page fault takes $pf instead of $level0"
guest 0 idt 'dynamic_stack.populate=1 fred=off' "! fred-active || die 'FRED'; $load"
[ "$(result stack)" = 0 ] && [ "$(result others)" = 0 ] || fail "faults at level 1 without FRED"
echo "note: $stack stack faults and $others others at level 1; instructions: stack fault $price, other page fault $pf instead of $level0; IDT: $(result price), $(result pf)"
