#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 200
# needs: guest
# Who reclaims memory may be stopped by cpu.max at any time. That must not stop the
# collector, which works for all: 1600 threads wake up each 1.5 s, so that there
# are always stacks to take pages from, some of them for memory reclaim only, and many
# more to look at. Guest time is a count of instructions here.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/cpu-max --timeout 180 --icount 0 --smp 2 --mem 512M \
	--log "$BUILD/log/check/progress-cpu-max.console" --append dynamic_stack=on --cmd '
echo 1050 >/proc/sys/vm/dynamic_stack_sleep_ms
echo 20 >/proc/sys/vm/dynamic_stack_collect_period_ms
progress-threads 1600 1500 9000 &
sleep 10
echo +cpu >/sys/fs/cgroup/cgroup.subtree_control || exit 1
group=/sys/fs/cgroup/throttled
mkdir $group
echo "1000 200000" >$group/cpu.max || exit 1
set -- $(progress-collect 4000)
echo "@@ without: $2 pages, the longest gap was $4 ms"
sh -c "echo 0 >$group/cgroup.procs; while :; do echo 2 >/proc/sys/vm/drop_caches; done" &
set -- $(progress-collect 10000)
echo "@@ beside a throttled reclaimer: $2 pages, the longest gap was $4 ms"
grep throttled $group/cpu.stat
# Ten periods; without the reclaimer it is less than two
[ $4 -le 200 ]'
