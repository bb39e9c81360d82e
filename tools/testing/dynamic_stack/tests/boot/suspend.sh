#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 180
# needs: debug
# beside: tests
# Suspend as far as the kernel's own test levels go, which offlines the other
# processors, and suspend-to-idle, while tasks sleep deep.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

# QEMU raises the clock's alarm only in S3. So wake it by the serial line: send
# a break every few seconds, until the guest is gone.
wake() {
	python3 - "$DS_TMP/qmp" <<-'EOF'
	import json, socket, sys, time
	try:
	    s = socket.socket(socket.AF_UNIX)
	    while s.connect_ex(sys.argv[1]):
	        time.sleep(1)
	    for call in ({"execute": "qmp_capabilities"},
	                 *[{"execute": "chardev-send-break", "arguments": {"id": "con"}}] * 60):
	        s.sendall(json.dumps(call).encode() + b"\n")
	        s.recv(65536)
	        time.sleep(3)
	except OSError:
	    pass
	EOF
}
wake &
waker=$!
trap 'kill $waker 2>/dev/null || true' EXIT

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label boot/suspend --log "$BUILD/log/check/boot-suspend.console" \
	--timeout 150 --smp 2 --mem 512M --append "dynamic_stack=on no_console_suspend" \
	--qemu-arg=-qmp --qemu-arg="unix:$DS_TMP/qmp,server=on,wait=off" \
	--file "$TOOLS/tests/sleepers.sh:/sleepers.sh" --cmd '
. /sleepers.sh
grep -q "^enabled 1" $debugfs/dynamic_stack/summary || exit 1
echo 1 >/sys/module/suspend/parameters/pm_test_delay || exit 1
echo enabled >/sys/class/tty/ttyS0/power/wakeup || exit 1
sleepers_start 16

# suspend LEVEL STATE
suspend() {
	echo "$1" >/sys/power/pm_test || exit 1
	echo "$2" >/sys/power/state || { echo "@@ $1: $2 failed"; exit 1; }
	[ "$(nproc)" = 2 ] || { echo "@@ $1: a processor is missing"; exit 1; }
	echo "@@ $1, $2"
	usleep 300000
}
echo deep >/sys/power/mem_sleep || exit 1
for level in freezer devices platform processors core processors; do
	suspend $level mem
done
# For good, until someone wakes it
for round in 1 2; do
	suspend none freeze
done
[ "$(cat /sys/power/suspend_stats/success)" = 8 ] || exit 1
sleepers_stop || exit 1
! grep "^kstack_fault [1-9]" /proc/vmstat
'
