#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 240
# needs: debug
# A CPU without frames may interrupt all others for some, but not at any rate:
# 50 times a second, all CPUs together. Here no pool can be filled for a second, while
# 60 tasks wake up each 60 ms, use much of their stacks, and fall asleep: some of
# them can always be shrunk, and the others want that at once. On the debug kernel,
# which has fault injection. Guest time is a count of instructions.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label progress/shootdown-rate --log "$BUILD/log/check/progress-shootdown-rate.console" \
	--timeout 140 --icount 0 --smp 2 --mem 512M --append dynamic_stack=on --cmd '
f=/sys/kernel/debug/fail_kstack_refill
key() { sed -n "s/^kstack_$1 //p" /proc/vmstat; }
ms() { awk "{ print int(\$1 * 1000) }" /proc/uptime; }
echo 10 >/proc/sys/vm/dynamic_stack_sleep_ms
echo 20 >/proc/sys/vm/dynamic_stack_collect_period_ms
progress-threads 60 60 9000 &
sleep 2
# As few pages as can be, so that most of the threads wait for one
echo 9 >/proc/sys/vm/dynamic_stack_pool_low
echo 9 >/proc/sys/vm/dynamic_stack_pool_high
sleep 1
echo 0 >$f/verbose
echo 1 >$f/interval
echo -1 >$f/times
echo 100 >$f/probability
# What is collected does not come back
for i in 1 2 3 4 5 6 7 8; do
	usleep 20000
	echo 2 >/proc/sys/vm/drop_caches
done
# From here on the collector itself sends none
echo 0 >/proc/sys/vm/dynamic_stack_collect_period_ms
usleep 50000
starved=$(key starved)
shootdown=$(key shootdown)
from=$(ms)
sleep 1
echo 0 >$f/probability
shootdown=$(($(key shootdown) - shootdown))
took=$(($(ms) - from))
starved=$(($(key starved) - starved))
echo "@@ $shootdown shootdowns in $took ms, starved $starved times"
[ $starved -gt 100 ] || { echo "@@ hardly anything starved"; exit 1; }
[ $shootdown -ge $((took / 100)) ] || { echo "@@ there was nothing to limit"; exit 1; }
[ $shootdown -le $((took / 20 + 2)) ]'
