#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# needs: guest
# arch: x86_64 arm64
# Processors go off and come back CYCLES times in all, while deep sleepers and
# forks keep the pools busy. An offline processor's pool is empty, and no frame
# gets lost.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

cycles=${CYCLES:-60}
console=$BUILD/log/check/boot-hotplug.console
expect_status 0 "$TOOLS/vm" --label boot/hotplug --log "$console" --timeout 280 --smp 4 --mem 512M \
	--append dynamic_stack=on --cmd "cycles=$cycles"'
t=/sys/kernel/debug/dynamic_stack_test
d=/sys/kernel/debug/dynamic_stack
cpus=/sys/devices/system/cpu
echo 20 >/proc/sys/vm/dynamic_stack_sleep_ms
echo 50 >/proc/sys/vm/dynamic_stack_collect_period_ms
for i in 1 2 3 4 5 6; do
	while [ ! -e /tmp/stop ]; do
		echo "remote 11000 $((i * 9))" >$t || { echo "data lost"; touch /tmp/bad; }
		echo "touch 8000" >$t
		/bin/true | /bin/true
		while [ -e /tmp/quiet ]; do sleep 1; done
	done &
done

# Frames of the pools as the gauge says, and as the online CPUs and the lists have them
pools() {
	awk "/^nr_kstack_pool/ { print \$2 }" /proc/vmstat
	awk "/^cpu/ { n += \$4 } /^node/ { n += \$4 } /^reserve/ { n += \$2 } END { print n }" $d/pools
}
# They move while one looks: a difference that stays is one
balanced() {
	for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		set -- $(pools)
		[ "$1" = "$2" ] && return 0
		usleep 20000
	done
	echo "nr_kstack_pool $1, but the pools have $2 frames"
	return 1
}

n=0
while [ $n -lt $cycles ]; do
	for c in 1 2 3; do
		echo 0 >$cpus/cpu$c/online || { echo "CPU $c does not go"; touch /tmp/bad; }
		grep -q "^cpu $c:" $d/pools && { echo "CPU $c still has a pool"; touch /tmp/bad; }
		# Two are off at a time now and then
		[ $((n % 4)) = 0 ] && echo 0 >$cpus/cpu$((c % 3 + 1))/online
		[ $((n % 30)) = 0 ] && { touch /tmp/quiet; sleep 1; balanced || touch /tmp/bad; rm /tmp/quiet; }
		[ $((n % 4)) = 0 ] && echo 1 >$cpus/cpu$((c % 3 + 1))/online
		echo 1 >$cpus/cpu$c/online || { echo "CPU $c does not come"; touch /tmp/bad; }
		n=$((n + 1))
	done
done
touch /tmp/stop
wait
[ "$(cat $cpus/online)" = 0-3 ] || { echo "online: $(cat $cpus/online)"; touch /tmp/bad; }
echo "@@ $n times off and on in $(cut -d. -f1 /proc/uptime) s"
for c in 1 2 3; do echo 0 >$cpus/cpu$c/online; done
balanced || touch /tmp/bad
/selftests/accounting || touch /tmp/bad
for c in 1 2 3; do echo 1 >$cpus/cpu$c/online; done
/selftests/accounting || touch /tmp/bad
grep -E "kstack" /proc/vmstat
[ ! -e /tmp/bad ]'
grep '^@@' "$console"
