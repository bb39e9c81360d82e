#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# needs: guest
# Who reclaims memory may be stopped by cpu.max at any time. That must not stop the
# collector, which works for all: 1000 threads wake up once a second, so that each
# pass finds something, and one is due each 20 ms.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/cpu-max --timeout 50 --smp 2 --mem 512M \
	--log "$BUILD/log/check/progress-cpu-max.console" --append dynamic_stack=on --cmd '
echo 20 >/proc/sys/vm/dynamic_stack_sleep_ms
echo 20 >/proc/sys/vm/dynamic_stack_collect_period_ms
progress-threads 1000 1000 &
sleep 4
echo +cpu >/sys/fs/cgroup/cgroup.subtree_control || exit 1
group=/sys/fs/cgroup/throttled
mkdir $group
echo "1000 100000" >$group/cpu.max || exit 1
set -- $(progress-collect 4000)
echo "@@ without: $2 pages, the longest gap was $4 ms"
sh -c "echo 0 >$group/cgroup.procs; while :; do echo 2 >/proc/sys/vm/drop_caches; done" &
set -- $(progress-collect 10000)
echo "@@ beside a throttled reclaimer: $2 pages, the longest gap was $4 ms"
grep throttled $group/cpu.stat
# Ten times what it is without, at least, on a slow machine
[ $4 -le 500 ]'
