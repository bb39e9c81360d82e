#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: debug
# A CPU comes back at resume, whatever is in its pool, and even if there is no
# memory: here pools can't be filled any more, new threads took a part of what was
# in CPU 1's, and the low mark was raised. On the debug kernel, which has fault
# injection.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label progress/resume --log "$BUILD/log/check/progress-resume.console" \
	--timeout 90 --smp 2 --mem 512M --append "dynamic_stack=on no_console_suspend" --cmd '
f=/sys/kernel/debug/fail_kstack_refill
low=/proc/sys/vm/dynamic_stack_pool_low
bad=0
cpu1() { sed -n "s/^cpu 1: frames \([0-9]*\).*/\1/p" /sys/kernel/debug/dynamic_stack/pools; }
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
sleep 1
was=$(cat $low)
cat /proc/sys/vm/dynamic_stack_pool_high >$low
for round in 1 2; do
	have=$(cpu1)
	echo "@@ the pool of CPU 1 has $have of $(cat $low) frames"
	[ $have -lt $(cat $low) ] || { echo "@@ it is filled"; exit 1; }
	echo mem >/sys/power/state || { echo "@@ suspend failed"; bad=1; }
	[ "$(nproc)" = 2 ] || { echo "@@ CPU 1 is lost"; bad=1; break; }
	taskset 2 /bin/true || { echo "@@ nothing runs on CPU 1"; bad=1; }
done
echo 0 >$f/probability
echo $was >$low
# With memory again, it fills up
for i in $(seq 50); do
	[ "$(cpu1)" ] && [ $(cpu1) -ge $was ] && break
	usleep 100000
done
echo "@@ now it has $(cpu1)"
[ "$(cpu1)" ] && [ $(cpu1) -ge $was ] || bad=1
exit $bad'
