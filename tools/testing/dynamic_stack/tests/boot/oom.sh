#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# needs: guest
# A small machine with a little swap is driven out of memory, again and again,
# while deep sleepers and many threads need frames to go on. OOM kills are
# expected; a panic, a hang, lost data, or a frame that is lost are not.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

truncate -s 24M "$DS_TMP/swap"
console=$BUILD/log/check/boot-oom.console
expect_status 0 "$TOOLS/vm" --label boot/oom --log "$console" --timeout 260 --smp 2 --mem 256M \
	--stress --drive "$DS_TMP/swap" --append "dynamic_stack=on ${APPEND:-}" --cmd '
t=/sys/kernel/debug/dynamic_stack_test
bad=0
say() { echo "$*"; bad=1; }
mkswap /dev/vda >/dev/null && swapon /dev/vda || exit 1
# A task list with each kill takes long on a serial line
echo 0 >/proc/sys/vm/oom_dump_tasks
echo 1 >/proc/sys/vm/overcommit_memory
key() { awk -v k="$2" "\$1 == k { print \$2 }" $1; }

# They must come through
for i in 1 2 3 4 5 6; do
	(
		echo -1000 >/proc/self/oom_score_adj
		while [ ! -e /tmp/stop ]; do
			echo "remote 11000 $((i * 9))" >$t || { echo "data lost"; touch /tmp/bad; }
			echo "touch 8000" >$t
			echo >/tmp/alive.$i
		done
	) &
done
# All at once, more frames than the pools have
(
	echo -1000 >/proc/self/oom_score_adj
	while [ ! -e /tmp/stop ]; do
		for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			for j in 1 2 3 4 5; do
				echo "sleep 11000 $((i * 10))" >$t || touch /tmp/bad
			done &
		done
		wait
	done
) &
# These may be killed, with what they hold
stress-ng --temp-path /tmp --timeout 120 --oomable --pthread 1 --pthread-max 200 --futex 2 --switch 1 \
	--fork 1 --vm 1 --vm-bytes 60M >/dev/null 2>&1 &
stress=$!
end=$(($(cut -d. -f1 /proc/uptime) + 30))
longest=0
rounds=0
while [ $rounds -lt 4 ] || [ $(cut -d. -f1 /proc/uptime) -lt $end ]; do
	rounds=$((rounds + 1))
	rm -f /tmp/alive.*
	from=$(cut -d. -f1 /proc/uptime)
	# Fills more memory than there is, fast
	sh -c "echo 500 >/proc/self/oom_score_adj; exec dd if=/dev/zero of=/dev/null bs=400M count=1"
	while [ "$(ls /tmp/alive.* 2>/dev/null | wc -l)" != 6 ]; do usleep 50000; done
	took=$(($(cut -d. -f1 /proc/uptime) - from))
	[ $took -le $longest ] || longest=$took
done
kill $stress 2>/dev/null
touch /tmp/stop
wait
kills=$(key /proc/vmstat oom_kill)
echo "@@ $kills OOM kills, $(key /proc/vmstat pswpout) pages swapped out, $(key /proc/vmstat kstack_starved) starved, the longest of $rounds rounds took $longest s"
[ $kills -ge $rounds ] || say "only $kills OOM kills"
[ $(key /proc/vmstat pswpout) -gt 0 ] || say "nothing was swapped out"
! grep "^kstack_fault [1-9]" /proc/vmstat || say "a stack fault"
[ ! -e /tmp/bad ] || say "data were lost"
# The collector has its own pace. Two full pools, the reserve, and what may stay
# on the overflow list
for i in 1 2 3 4 5 6 7 8 9 10; do
	[ $(key /proc/vmstat nr_kstack_parked) -lt 100 ] &&
		[ $(key /proc/vmstat nr_kstack_pool) -le 180 ] && break
	sleep 1
done
grep -E "kstack" /proc/vmstat
cat /sys/kernel/debug/dynamic_stack/pools
[ $(key /proc/vmstat nr_kstack_parked) -lt 100 ] || say "$(key /proc/vmstat nr_kstack_parked) pages stay parked"
[ $(key /proc/vmstat nr_kstack_pool) -le 180 ] || say "$(key /proc/vmstat nr_kstack_pool) frames stay in the pools"
grep -q "^reserve: 12 of 12" /sys/kernel/debug/dynamic_stack/pools || say "the reserve is not filled again"
/selftests/accounting || say "frames are lost"
exit $bad'
grep '^@@' "$console"
