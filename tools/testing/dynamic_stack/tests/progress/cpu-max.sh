#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# needs: guest
# Who reclaims memory may be stopped by cpu.max at any time. That must not stop the
# collector, which works for all: 2000 threads wake up once a second, so that there
# is always a stack to take pages from, and many more to look at. Guest time is a
# count of instructions here.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/cpu-max --timeout 50 --icount 0 --smp 2 --mem 512M \
	--log "$BUILD/log/check/progress-cpu-max.console" --append dynamic_stack=on --cmd '
echo 500 >/proc/sys/vm/dynamic_stack_sleep_ms
echo 20 >/proc/sys/vm/dynamic_stack_collect_period_ms
progress-threads 2000 1000 9000 &
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
