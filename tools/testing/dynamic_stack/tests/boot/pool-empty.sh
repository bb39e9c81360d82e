#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 330
# needs: debug
# No frame for anyone, kernel threads included, for 300 ms at a time, while deep
# sleepers, forks, files and timers want some: the machine slows down, and goes
# on with all its data. A processor may even go offline meanwhile.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

for smp in 1 2; do
	console=$BUILD/log/check/boot-pool-empty-$smp.console
	expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
		--label "boot/pool-empty $smp" --log "$console" --timeout 150 --smp $smp --mem 512M \
		--append dynamic_stack=on --cmd '
t=/sys/kernel/debug/dynamic_stack_test
empty=/sys/module/dynamic_stack/parameters/empty_ms
cpu=/sys/devices/system/cpu/cpu1/online
key() { awk -v k="$2" "\$1 == k { print \$2 }" $1; }
bad=0
say() { echo "$*"; bad=1; }
[ -e $empty ] || { echo "no $empty"; exit 1; }
for i in 1 2 3 4 5 6; do
	while [ ! -e /tmp/stop ]; do
		echo "remote 11000 $((i * 9))" >$t || { echo "data lost"; touch /tmp/bad; }
		echo "touch 8000" >$t
		echo $i | cat >/tmp/alive.$i
	done &
done
longest=0
for round in 1 2 3 4 5 6; do
	before=$(key /proc/vmstat kstack_starved)
	from=$(date +%s)
	echo 300 >$empty
	# While its pool is empty, too
	if [ -e $cpu ] && [ $((round % 2)) = 0 ]; then
		echo 0 >$cpu || say "CPU 1 does not go"
		echo 200 >$empty
		echo 1 >$cpu || say "CPU 1 does not come"
	fi
	rm -f /tmp/alive.*
	while [ "$(ls /tmp/alive.* 2>/dev/null | wc -l)" != 6 ]; do sleep 0.1; done
	starved=$(($(key /proc/vmstat kstack_starved) - before))
	took=$(($(date +%s) - from))
	[ $took -le $longest ] || longest=$took
	echo "@@ round $round: put off $starved times, all are back after $took s"
	[ $starved -gt 0 ] || say "nobody had to wait"
done
touch /tmp/stop
wait
[ ! -e /tmp/bad ] || say "data were lost"
! grep "^kstack_fault [1-9]" /proc/vmstat || say "a stack fault"
grep starved /sys/kernel/debug/dynamic_stack/pools && say "a CPU stays starved"
/selftests/accounting || say "frames are lost"
exit $bad'
done
