#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: debug
# See progress-hurry: a kstackd in a pass has what all others need for one. A real-time
# task that never sleeps, of a higher priority, comes to its CPU, from which all that
# starved goes away: then nothing but a hurry lets it end its pass. On the debug kernel,
# which has fault injection. As kstackd-gives: that happens when it has the pages already,
# and has yet to give them away.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

name=$(basename "$0" .sh)
give=
[ "$name" != kstackd-gives ] || give=' give'
expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label "progress/$name" --log "$BUILD/log/check/progress-$name.console" \
	--timeout 120 --smp 2 --mem 512M --append dynamic_stack=on --cmd '
echo 10 >/proc/sys/vm/dynamic_stack_sleep_ms
echo 20 >/proc/sys/vm/dynamic_stack_collect_period_ms
taskset 2 progress-threads 60 60 9000 &
threads=$!
sleep 4
# As few pages as can be: 12 if a task may lack its last one
for n in 12 9; do
	echo $n >/proc/sys/vm/dynamic_stack_pool_low
	echo $n >/proc/sys/vm/dynamic_stack_pool_high
done 2>/dev/null
progress-hurry $threads'"$give"
