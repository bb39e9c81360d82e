#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# needs: guest
# Pages that were collected and that nobody needs go back to the page allocator, also
# if the collector has no period of its own any more. They may stay for a second, to
# serve a burst of forks, and are looked at once a second.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/overflow-age --timeout 50 --smp 2 --mem 512M \
	--log "$BUILD/log/check/progress-overflow-age.console" --append dynamic_stack=on --cmd '
overflow() { awk "/^node/ { n += \$4 } END { print n }" /sys/kernel/debug/dynamic_stack/pools; }
collected() { sed -n "s/^kstack_collect //p" /proc/vmstat; }
echo 0 >/proc/sys/vm/dynamic_stack_collect_period_ms
progress-threads 1500 100000000 9000 &
sleep 6
echo 100 >/proc/sys/vm/dynamic_stack_collect_period_ms
i=0
while [ $(collected) -lt 2000 ]; do
	[ $i -lt 100 ] || { echo "@@ nothing to collect"; exit 1; }
	usleep 50000
	i=$((i + 1))
done
most=$(overflow)
echo 0 >/proc/sys/vm/dynamic_stack_collect_period_ms
sleep 4
n=$(overflow)
echo "@@ overflow lists: $most pages at most, $n after 4 s; $(grep KernelStack /proc/meminfo)"
[ $most -ge 1000 ] || exit 1
# 12 are kept, and what these commands themselves leave
[ $n -le 100 ]'
