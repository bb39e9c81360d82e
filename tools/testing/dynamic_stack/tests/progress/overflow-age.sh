#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# needs: guest
# Pages of dead tasks that nobody needs go back to the page allocator, also if
# the collector has no period of its own. They may stay for a second, to serve a
# burst of forks, and are looked at once a second.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/overflow-age --timeout 50 --smp 2 --mem 512M \
	--log "$BUILD/log/check/progress-overflow-age.console" --append dynamic_stack=on --cmd '
overflow() { awk "/^node/ { n += \$4 } END { print n }" /sys/kernel/debug/dynamic_stack/pools; }
echo 0 >/proc/sys/vm/dynamic_stack_collect_period_ms
progress-threads 3000 100000000 &
pid=$!
sleep 6
kill -9 $pid
wait $pid
most=0
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	n=$(overflow)
	[ $n -le $most ] || most=$n
	usleep 250000
done
n=$(overflow)
echo "@@ overflow lists: $most pages at most, $n after 3 s; $(grep KernelStack /proc/meminfo)"
# 12 are kept, and what these commands themselves leave
[ $n -le 100 ]'
