#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 900
# needs: guest
# As fault/ist/nmi, with a #DB of a watchpoint on what the code on the #PF stack
# reads. If #DB did not restore CR2 (planted), the fault on the user page would
# be taken for another.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

db='
echo db 200 >$f || die "db: $?"
cat $f
[ $(was rounds) = 200 ] || die "only $(was rounds) rounds"
echo "@@ wrong $(was wrong)"
[ $(was nested) -ge 190 ] || die "only $(was nested) #DBs came while the #PF stack was in use"
echo "@@ nested $(was nested)"
'
guest 0 plain 'dynamic_stack.populate=1' "$db"
[ "$(result wrong)" = 0 ] || fail "$(result wrong) of 200 rounds went wrong"
nested=$(result nested)
guest 2 planted-stack 'dynamic_stack.populate=1' "echo $((1 << 14)) >\$p/plant; $db"
how=$(grep -m1 -oE 'BUG: .*|Oops: .*|Kernel panic.*' "$CONSOLE")
guest 0 planted-cr2 'dynamic_stack.populate=1' "echo $((1 << 15)) >\$p/plant; $db"
[ "$(result wrong)" -gt 0 ] || fail "with another CR2, no read fails: the test shows nothing"
echo "note: $nested of 200 nested; $(result wrong) wrong with another CR2; without protection: $how"
