#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 600
# needs: fault planted-fault
# A fault on user memory, with the stack pointer at each distance from a missing
# page: the frame is moved to the task's stack, and the handler must find the
# address of this fault, not that of one on its own stack. Without room for it
# (planted), some reads fail.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

copy='
echo copy 640 >$f || die "copy: $?"
cat $f
echo "@@ wrong $(was wrong)"
[ $(was rounds) = 640 ] || die "only $(was rounds) rounds"
[ $(was faults) -ge 100 ] || die "only $(was faults) stack faults"
'
guest 0 plain 'dynamic_stack.populate=1' "$copy"
[ "$(result wrong)" = 0 ] || fail "$(result wrong) of 640 reads failed"
planted 0 no_margin 'dynamic_stack.populate=1' "$copy"
[ "$(result wrong)" -gt 0 ] || fail "without room, no read fails: the test shows nothing"
echo "note: all of 640 reads succeed; $(result wrong) fail without room for the handler"
