#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: debug
# A processor for which there are no frames stays offline: to bring it up is an
# error, not a hang, and nothing of the attempt is left over. Later it comes.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

console=$BUILD/log/check/boot-hotplug-fails.console
expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label boot/hotplug-fails --log "$console" --timeout 120 --smp 2 --mem 512M \
	--append dynamic_stack=on --cmd '
f=/sys/kernel/debug/fail_kstack_refill
cpu=/sys/devices/system/cpu/cpu1/online
bad=0
say() { echo "$*"; bad=1; }
# Frames of the pools as the gauge says, and as the online CPUs and the lists have them
pools() {
	awk "/^nr_kstack_pool/ { print \$2 }" /proc/vmstat
	awk "/^cpu/ { n += \$4 } /^node/ { n += \$4 } /^reserve/ { n += \$2 } END { print n }" \
		/sys/kernel/debug/dynamic_stack/pools
}
balanced() {
	for try in 1 2 3 4 5 6 7 8 9 10; do
		set -- $(pools)
		[ "$1" = "$2" ] && return 0
		usleep 50000
	done
	say "nr_kstack_pool $1, but the pools have $2 frames"
}
echo 0 >$f/verbose
echo 1 >$f/interval
echo 0 >$cpu || exit 1
balanced
# The first frame fails; or some of the 9 are there already, and go back. A
# limit, so that a machine that starves comes back.
for space in 0 4096 16384 32768; do
	for try in 1 2 3 4 5; do
		echo 1000 >$f/times
		echo $space >$f/space
		echo 100 >$f/probability
		echo 1 >$cpu && say "CPU 1 came up with $space bytes"
		echo 0 >$f/probability
		[ "$(cat $cpu)" = 0 ] || say "CPU 1 is up with $space bytes"
	done
done 2>/tmp/errors
grep -v "Cannot allocate memory\|Out of memory" /tmp/errors
[ $(grep -c "Cannot allocate memory\|Out of memory" /tmp/errors) = 20 ] ||
	say "$(wc -l </tmp/errors) errors, not 20 times ENOMEM"
grep -q "^cpu 1:" /sys/kernel/debug/dynamic_stack/pools && say "CPU 1 has a pool"
ps | grep "[k]stackd/1" && say "CPU 1 has a kstackd"
/selftests/accounting || say "frames are lost"
balanced
echo 1 >$cpu || say "CPU 1 does not come up any more"
grep "^cpu 1:" /sys/kernel/debug/dynamic_stack/pools || say "CPU 1 has no pool"
taskset 2 /bin/true || say "nothing runs on CPU 1"
/selftests/accounting || say "frames are lost"
exit $bad'
[ "$(grep -c 'no stack frames for CPU 1, it stays offline' "$console")" -eq 20 ] ||
	fail "the kernel did not say why CPU 1 stays offline"
