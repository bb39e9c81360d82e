#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: debug
# A CPU comes back at resume, whatever is in its pool, and even if there is no
# memory: here pools can't be filled any more, and new threads took so much of what was
# in CPU 1's that it wants more. On the debug kernel, which has fault injection.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label progress/resume --log "$BUILD/log/check/progress-resume.console" \
	--timeout 90 --smp 2 --mem 512M --append "dynamic_stack=on no_console_suspend" --cmd '
f=/sys/kernel/debug/fail_kstack_refill
bad=0
# What the pool of CPU 1 has, and what it wants
cpu1() { sed -n "s/^cpu 1: frames \([0-9]*\) of \([0-9]*\).*/\1 \2/p" /sys/kernel/debug/dynamic_stack/pools; }
echo 1 >/sys/module/suspend/parameters/pm_test_delay || exit 1
echo deep >/sys/power/mem_sleep || exit 1
echo processors >/sys/power/pm_test || exit 1
echo 0 >$f/verbose
echo 1 >$f/interval
echo -1 >$f/times
echo 100 >$f/probability
# These keep what they took
echo 0 >/proc/sys/vm/dynamic_stack_collect_period_ms
taskset 2 progress-threads 8 100000000 &
for round in 1 2; do
	# Meanwhile it may have come to want less
	for i in 1 2 3 4 5 6; do
		usleep 200000
		set -- $(cpu1)
		[ $1 -ge $2 ] || break
		taskset 2 progress-threads 2 100000000 &
	done
	set -- $(cpu1)
	echo "@@ the pool of CPU 1 has $1 of $2 frames"
	[ $1 -lt $2 ] || { echo "@@ it is filled"; exit 1; }
	echo mem >/sys/power/state || { echo "@@ suspend failed"; bad=1; }
	[ "$(nproc)" = 2 ] || { echo "@@ CPU 1 is lost"; bad=1; break; }
	taskset 2 /bin/true || { echo "@@ nothing runs on CPU 1"; bad=1; }
done
echo 0 >$f/probability
# With memory again, it fills up
for i in $(seq 50); do
	set -- $(cpu1)
	[ "$1" ] && [ $1 -ge $2 ] && break
	usleep 100000
done
echo "@@ now it has $1 of $2"
[ "$1" ] && [ $1 -ge $2 ] || bad=1
exit $bad'
