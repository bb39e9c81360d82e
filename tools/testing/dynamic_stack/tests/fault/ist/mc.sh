#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 600
# needs: guest
# As fault/ist/nmi, with a machine check. (Emulated as an Intel CPU: the kernel
# goes on after the error that is made up.)
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

mc='
echo mc 50 >$f || die "mc: $?"
cat $f
[ $(was rounds) = 50 ] || die "only $(was rounds) rounds"
[ $(was nested) -ge 48 ] || die "only $(was nested) machine checks came while the #PF stack was in use"
echo "@@ wrong $(was wrong)"
echo "@@ nested $(was nested)"
'
guest 0 plain 'dynamic_stack.populate=1' "$mc" --cpu max,vendor=GenuineIntel
[ "$(result wrong)" = 0 ] || fail "$(result wrong) of 50 rounds went wrong"
nested=$(result nested)
guest 2 planted-stack 'dynamic_stack.populate=1' "echo $((1 << 14)) >\$p/plant; $mc" --cpu max,vendor=GenuineIntel
how=$(grep -m1 -oE 'BUG: .*|Oops: .*|Kernel panic.*' "$CONSOLE")
guest 0 planted-cr2 'dynamic_stack.populate=1' "echo $((1 << 15)) >\$p/plant; $mc" --cpu max,vendor=GenuineIntel
[ "$(result wrong)" -gt 0 ] || fail "with another CR2, no read fails: the test shows nothing"
echo "note: $nested of 50 nested; $(result wrong) wrong with another CR2; without protection: $how"
