#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 240
# needs: debug
# See progress-rate: a CPU without frames may interrupt all others for some, but not at any rate:
# 50 times a second, all CPUs together. Here no pool can be filled for two seconds, while
# 60 tasks wake up each 60 ms, use much of their stacks, and fall asleep: some of
# them can always be shrunk, and the others want that at once. On the debug kernel,
# which has fault injection. Guest time is a count of instructions.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label progress/shootdown-rate --log "$BUILD/log/check/progress-shootdown-rate.console" \
	--timeout 140 --icount 0 --smp 2 --mem 512M --append dynamic_stack=on --cmd '
echo 10 >/proc/sys/vm/dynamic_stack_sleep_ms
echo 20 >/proc/sys/vm/dynamic_stack_collect_period_ms
progress-threads 60 60 9000 &
sleep 2
progress-rate 2000'
