#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# needs: fault planted-fault
# beside: tests
# dynamic_stack_ensure(): what was asked for is there, stays there while the task
# sleeps and the collector is busy, and goes when it is asked for no longer. More
# than the stack has is an error. If the switch took it all the same (planted),
# it is missing.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

ensure='
echo 1 >/proc/sys/vm/dynamic_stack_sleep_ms
echo 1 >/proc/sys/vm/dynamic_stack_collect_period_ms
for bytes in 9000 12000 20000; do
	echo ensure $bytes >$f || die "ensure $bytes: $?"
	[ $(was rounds) = 1 ] || die "$bytes: not done"
	echo "@@ wrong $(was wrong)"
	[ $(was wrong) = 0 ] || exit $1
done
/selftests/accounting || die "frames are lost"
'
guest 0 ensure 'dynamic_stack.populate=1' "set -- 1; $ensure" --allow 'WARNING: '
planted 0 take_ensured 'dynamic_stack.populate=1' "set -- 0; $ensure" --allow 'WARNING: '
[ "$(result wrong)" -gt 0 ] || fail "what was ensured is taken, and nothing is wrong: the test shows nothing"
