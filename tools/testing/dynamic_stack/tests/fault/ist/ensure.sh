#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# needs: guest
# dynamic_stack_ensure(): what was asked for is there, stays there while the task
# sleeps and the collector is busy, and goes when it is asked for no longer. More
# than the stack has is an error.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

guest 0 ensure 'dynamic_stack.populate=1' '
echo 1 >/proc/sys/vm/dynamic_stack_sleep_ms
echo 1 >/proc/sys/vm/dynamic_stack_collect_period_ms
for bytes in 9000 12000 20000; do
	echo ensure $bytes >$f || die "ensure $bytes: $?"
	[ $(was rounds) = 1 ] && [ $(was wrong) = 0 ] || die "$bytes: $(was wrong) of the checks failed"
done
/selftests/accounting || die "frames are lost"
' --allow 'WARNING: '
