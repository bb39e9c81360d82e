#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 900
# needs: fault planted-fault
# beside: tests
# Stacks that only grow, by fault: one page at fork, nothing taken back, as in
# RFC v1 and v2. Then the hardest: pages come by fault, and go at each switch.
# The scheduler's stress, and what checks the data on stacks.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

stress='
for s in "$@"; do
	# 4: it needs two processors
	/selftests/$s || { [ $? = 4 ] && [ $(nproc) = 1 ]; } || die "$s failed"
done
for i in 1 2 3 4 5 6; do
	while [ ! -e /tmp/stop ]; do
		echo "remote 11000 $((i * 9))" >$t || { echo "@@ data lost"; touch /tmp/bad; }
		echo "sleep 7000 $((i * 5))" >$t || { echo "@@ data lost"; touch /tmp/bad; }
	done &
done
stress-ng --temp-path /tmp --timeout $load --fork 1 --futex 1 --poll 1 \
	--pipe 1 --clone 1 --switch 1 --epoll 1 --eventfd 1 --mq 1 --mmap 1 --mmap-bytes 8M || die "stress-ng failed"
touch /tmp/stop
wait
[ ! -e /tmp/bad ] || exit 1
echo "@@ faults $(count kstack_fault)"
echo "@@ park $(count kstack_park)"
grep -E "kstack|nr_kstack" /proc/vmstat
cat /sys/kernel/debug/dynamic_stack/summary /sys/kernel/debug/dynamic_stack/pools
[ $(count kstack_fault) -gt 100 ] || die "only $(count kstack_fault) faults"
'
guest 0 never 'dynamic_stack.populate=1 dynamic_stack.reclaim=never' "load=$load; set -- accounting; $stress
# Parked are those of dead tasks only, to be freed
[ \$((\$(count kstack_restore) + \$(count kstack_collect) + \$(count kstack_shootdown))) = 0 ] ||
	die 'stacks are shrunk'" --stress
never=$(result faults)
guest 0 switch 'dynamic_stack.populate=1 dynamic_stack.reclaim=switch' "load=$load; set -- remote_writes zeroing accounting; $stress" --stress
switch=$(result faults)
# With the page that is in use parked, and another frame in its place (planted),
# that can't go well
planted 2 'fresh_frame above_sp' 'dynamic_stack.populate=1 dynamic_stack.reclaim=switch' \
	'for i in 1 2 3 4 5; do echo "sleep 7000 20" >$t || die "data lost"; done'
echo "note: $never faults when stacks only grow, $switch when they shrink at each switch"
