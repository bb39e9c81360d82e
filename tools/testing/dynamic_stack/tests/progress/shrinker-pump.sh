#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# needs: guest
# Memory reclaim takes nothing from tasks that ran a moment ago: 200 threads that
# wake up 20 times a second need as many pages beside a loop of drop_caches as
# without it, and none of them has to wait for one.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/shrinker-pump --timeout 50 --smp 2 --mem 512M \
	--log "$BUILD/log/check/progress-shrinker-pump.console" --append dynamic_stack=on --cmd '
key() { sed -n "s/^kstack_$1 //p" /proc/vmstat; }
progress-threads 200 50 &
sleep 3
# count: what 6 s take
count() {
	populate=$(key populate)
	starved=$(key starved)
	sleep 6
	populate=$(($(key populate) - populate))
	starved=$(($(key starved) - starved))
}
count
before=$populate
starved_before=$starved
while :; do echo 2 >/proc/sys/vm/drop_caches; usleep 50000; done &
count
echo "@@ populate $before without, $populate with drop_caches; starved $starved_before, $starved"
# The loop itself is a new process 20 times a second, of 3 pages each, and these sleep
[ $populate -le $((before + before / 5 + 6 * 20 * 4)) ] || exit 1
[ $starved -le $((starved_before + 5)) ]'
