#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 1800
# needs: guest
# Suspend as far as the kernel's own test levels go, which offlines the other
# processors, and suspend-to-idle with an alarm, while tasks sleep deep.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

"$TOOLS/build-kernel" --name debug --config debug

# guest NAME "KERNEL PARAMETERS" COMMANDS: tasks go deep and sleep meanwhile
guest() {
	expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
		--label "boot/suspend $1" --log "$BUILD/log/check/boot-suspend-$1.console" \
		--timeout 120 --smp 2 --mem 512M --append "dynamic_stack=on no_console_suspend $2" \
		--file "$TOOLS/tests/sleepers.sh:/sleepers.sh" --cmd '
. /sleepers.sh
grep -q "^enabled 1" $debugfs/dynamic_stack/summary || exit 1
echo 1 >/sys/module/suspend/parameters/pm_test_delay || exit 1
sleepers_start 16

# suspend LEVEL STATE
suspend() {
	echo "$1" >/sys/power/pm_test || exit 1
	echo "$2" >/sys/power/state || { echo "@@ $1: $2 failed"; exit 1; }
	[ "$(nproc)" = 2 ] || { echo "@@ $1: a processor is missing"; exit 1; }
	echo "@@ $1, $2"
	usleep 300000
}
'"$3"'
sleepers_stop || exit 1
[ "$(sed -n "s/^kstack_fault //p" /proc/vmstat)" = 0 ]
'
}

guest levels "" '
echo deep >/sys/power/mem_sleep || exit 1
for level in freezer devices platform processors core processors; do
	suspend $level mem
done
'
# Without ACPI, whose alarm QEMU raises only in S3: the clock's own interrupt
guest s2idle acpi=off '
for round in 1 2; do
	echo +2 >/sys/class/rtc/rtc0/wakealarm || exit 1
	suspend none freeze
done
[ "$(cat /sys/power/suspend_stats/success)" = 2 ]  || exit 1
'
