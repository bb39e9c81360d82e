#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 600
# needs: fred
# processors: 2
# An NMI comes while a page fault is at level 1, faults twice itself, and unwinds
# from its own stack over that of level 1 to the task's.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

guest 0 plain 'dynamic_stack.populate=1' '
echo nmi 200 >$f || die "nmi: $?"
cat $f
[ $(was rounds) = 200 ] || die "only $(was rounds) rounds"
[ $(was wrong) = 0 ] || die "$(was wrong) rounds went wrong"
[ $(was unwound) -ge 190 ] || die "only $(was unwound) NMIs saw where the fault came from"
[ $(was nested) -ge 190 ] || die "only $(was nested) NMIs came while level 1 was in use"
echo "@@ nested $(was nested)"
'
echo "note: $(result nested) of 200 nested"
