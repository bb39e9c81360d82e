#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# needs: guest
# However often the collector looks at the oldest sleepers, memory reclaim gets the
# pages of those that have slept for a second.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/short-period --timeout 50 --smp 2 --mem 512M \
	--log "$BUILD/log/check/progress-short-period.console" --append dynamic_stack=on --cmd '
key() { sed -n "s/^kstack_$1 //p" /proc/vmstat; }
echo 600000 >/proc/sys/vm/dynamic_stack_sleep_ms
echo 50 >/proc/sys/vm/dynamic_stack_collect_period_ms
progress-threads 300 20000 9000 &
sleep 4
collect=$(key collect)
for i in 1 2 3 4 5 6 7 8 9 10; do echo 2 >/proc/sys/vm/drop_caches; usleep 200000; done
collect=$(($(key collect) - collect))
echo "@@ reclaim got $collect pages of 300 threads"
[ $collect -ge 300 ]'
