#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 900
# needs: fault planted-fault
# An NMI comes while a page fault is on the #PF stack, and faults itself: the
# frame that it interrupted must not be overwritten, and CR2 not be changed. By
# turns, that is a stack fault and the fault on a user page. Without protection
# of the #PF stack (planted), the kernel does not survive.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

nmi='
echo nmi 200 >$f || die "nmi: $?"
cat $f
[ $(was rounds) = 200 ] || die "only $(was rounds) rounds"
[ $(was wrong) = 0 ] || die "$(was wrong) rounds went wrong"
[ $(was unwound) -ge 190 ] || die "only $(was unwound) NMIs saw where the fault came from"
[ $(was nested) -ge 190 ] || die "only $(was nested) NMIs came while the #PF stack was in use"
echo "@@ nested $(was nested)"
'
turn '' 'pti=on'
for cmdline in "${turns[@]}"; do
	guest 0 "${cmdline:-plain}" "dynamic_stack.populate=1 $cmdline" "$nmi"
done
nested=$(result nested)
planted 2 one_pf_stack 'dynamic_stack.populate=1' "$nmi"
echo "note: $nested of 200 nested; without protection: $(grep -m1 -oE 'BUG: .*|Oops: .*|Kernel panic.*' "$CONSOLE")$turn"
