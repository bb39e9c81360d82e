#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 180
# needs: debug
# beside: tests
# Suspend as far as the kernel's own test levels go, which offlines the other
# processors, and suspend-to-idle, while tasks sleep deep.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

console=$BUILD/log/check/boot-suspend.console

# QEMU raises the clock's alarm only in S3. So wake it by the serial line: send a
# break some seconds after it went to sleep. On its way there, that would be an error.
wake() {
	exec python3 - "$DS_TMP/qmp" "$console" <<-'EOF'
	import json, socket, sys, time
	def asleep():
	    with open(sys.argv[2], encoding="utf-8", errors="replace") as f:
	        text = f.read()
	    return "entry (s2idle)" in text and text.count("PM: suspend entry") > text.count("PM: suspend exit")
	def call(what, **arguments):
	    s.sendall(json.dumps({"execute": what, "arguments": arguments}).encode() + b"\n")
	    s.recv(65536)
	try:
	    s = socket.socket(socket.AF_UNIX)
	    while s.connect_ex(sys.argv[1]):
	        time.sleep(1)
	    call("qmp_capabilities")
	    while True:
	        while not asleep():
	            time.sleep(0.5)
	        time.sleep(3)
	        call("chardev-send-break", id="con")
	        for _ in range(20):
	            if asleep():
	                time.sleep(0.5)
	except OSError:
	    pass
	EOF
}
rm -f "$console"
wake &
waker=$!
trap 'kill $waker 2>/dev/null || true' EXIT

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label boot/suspend --log "$console" \
	--timeout 150 --smp 2 --mem 512M --append "dynamic_stack=on no_console_suspend" \
	--qemu-arg=-qmp --qemu-arg="unix:$DS_TMP/qmp,server=on,wait=off" \
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
echo deep >/sys/power/mem_sleep || exit 1
for level in freezer devices platform processors core processors; do
	suspend $level mem
done
# For good, until someone wakes it
echo enabled >/sys/class/tty/ttyS0/power/wakeup || exit 1
for round in 1 2; do
	suspend none freeze
done
[ "$(cat /sys/power/suspend_stats/success)" = 8 ] || exit 1
sleepers_stop || exit 1
! grep "^kstack_fault [1-9]" /proc/vmstat
'
