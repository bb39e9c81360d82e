#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 330
# needs: debug
# beside: tests
# A kernel with lock proving and VM checks boots, works and is stressed without
# a splat.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label boot/debug --log "$BUILD/log/check/boot-debug.console" --timeout 300 \
	--smp 4 --mem 2G --stress --append "dynamic_stack=on dynamic_stack.vacate=on" --cmd '
stress-ng --temp-path /tmp --timeout 30 --fork 2 --futex 2 --poll 2 --pipe 2 \
	--clone 2 --switch 2 --epoll 1 --eventfd 1 --mq 1 --mmap 1 --mmap-bytes 16M || exit 1
cat /proc/[0-9]*/stack >/dev/null 2>&1
echo w >/proc/sysrq-trigger
echo t >/proc/sysrq-trigger
# One processor goes and comes back
echo 0 >/sys/devices/system/cpu/cpu1/online && echo 1 >/sys/devices/system/cpu/cpu1/online || exit 1
if [ -e /proc/lockdep_stats ]; then
	grep debug_locks /proc/lockdep_stats
	grep -q "debug_locks: *1" /proc/lockdep_stats || exit 1
fi
grep kstack /proc/vmstat; grep KernelStack /proc/meminfo
'
