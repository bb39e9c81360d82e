#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 180
# needs: guest
# beside: tests
# kstacktop in a guest: its sum is KernelStack of /proc/meminfo, it finds a deep
# sleeper, and says in one line what is missing.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

gcc -O2 -Wall -Wextra -Werror -static -o "$DS_TMP/kstacktop" "$ROOT/tools/mm/kstacktop.c"
expect_status 0 "$TOOLS/vm" --label boot/kstacktop --log "$BUILD/log/check/boot-kstacktop.console" \
	--timeout 120 --smp 2 --mem 512M --append dynamic_stack=on \
	--file "$DS_TMP/kstacktop:bin/kstacktop" --cmd '
die() { echo "FAIL: $*"; exit 1; }
# Five deep sleepers
for i in 1 2 3 4 5; do
	echo "sleep 9000 60000" >/sys/kernel/debug/dynamic_stack_test &
	last=$!
done
sleep 1
kstacktop -o -n 10 || die "status $?"
kstacktop -o -s d -n 5 | grep -Eq "[MP]{3}[-MP] +9[0-9]{3} +12288" || die "no deep sleeper"
kstacktop -o -p $last | sed "1,/COMMAND/d" | grep -q "^ *$last " || die "-p $last"
kstacktop -o -p $last | grep -c "^ *[0-9]* .* 12288 " | grep -qx 1 || die "-p $last shows others"

# Forks change both between two looks
sum=no
for i in 1 2 3 4 5; do
	echo 1 >/proc/sys/vm/stat_refresh
	have=$(kstacktop -o | sed -n "s/^Memory: \([0-9]*\) KiB.*/\1/p")
	want=$(sed -n "s/^KernelStack: *\([0-9]*\) kB/\1/p" /proc/meminfo)
	echo "kstacktop: $have KiB, KernelStack: $want KiB"
	# Its own stack, and those of sed and the shell, come and go
	[ $((have - want)) -le 32 ] && [ $((want - have)) -le 32 ] && sum=yes && break
done
[ $sum = yes ] || die "the sum is not KernelStack"

one_line() {
	want=$1; shift
	"$@" >/dev/null 2>/tmp/err && die "no error: $want"
	cat /tmp/err
	[ "$(wc -l </tmp/err)" = 1 ] && grep -q "$want" /tmp/err || die "expected: $want"
}
one_line "run it as root" su -s /bin/sh nobody -c "kstacktop -o"
umount -l /sys/kernel/debug
one_line "mount -t debugfs" kstacktop -o
'
# Switched off, the kernel says so
expect_status 0 "$TOOLS/vm" --label "boot/kstacktop off" --log "$BUILD/log/check/boot-kstacktop-off.console" \
	--timeout 120 --smp 1 --mem 512M --append dynamic_stack=off \
	--file "$DS_TMP/kstacktop:bin/kstacktop" --cmd '
kstacktop -o 2>&1 | grep -q "^kstacktop: dynamic kernel stacks are off: boot with dynamic_stack=on$"
'
