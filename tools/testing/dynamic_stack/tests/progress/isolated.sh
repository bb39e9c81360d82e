#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 90
# needs: guest
# An isolated CPU is not interrupted for a handful of pages: threads on the other
# one go deep again and again, so that there is always a little to collect, and
# nobody needs it. Once a minute it may be, see COLLECT_ISOLATED_INTERVAL.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/isolated --timeout 80 --smp 2 --mem 512M \
	--log "$BUILD/log/check/progress-isolated.console" \
	--append "dynamic_stack=on isolcpus=domain,managed_irq,1" --cmd '
calls() { sed -n "s/^ *CAL: *[0-9]* *\([0-9]*\) .*/\1/p" /proc/interrupts; }
shootdown() { sed -n "s/^kstack_shootdown //p" /proc/vmstat; }
taskset 2 sh -c "while :; do :; done" &
taskset 1 progress-threads 20 3000 9000 &
sleep 3
calls=$(calls)
shootdown=$(shootdown)
sleep 20
calls=$(($(calls) - calls))
shootdown=$(($(shootdown) - shootdown))
echo "@@ in 20 s: $shootdown shootdowns, $calls calls of functions on CPU 1"
[ $shootdown -le 1 ] && [ $calls -le 3 ]'
