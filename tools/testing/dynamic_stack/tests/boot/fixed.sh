#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 600
# needs: guest
# What the feature costs however few threads there are: with 75 threads on two CPUs
# nobody is worse off than without it. (With eight CPUs: progress/at-rest.)
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

# guest NAME OPTION...: KernelStack, and with the feature what of it is fixed (see
# progress-fixed), in KiB
guest() {
	local name=$1
	shift
	expect_status 0 "$TOOLS/vm" --label "boot/fixed $name" --timeout 280 \
		--log "$BUILD/log/check/boot-fixed-$name.console" "$@" --cmd '
d=/sys/kernel/debug/dynamic_stack
threads() { ls -d /proc/[0-9]*/task/[0-9]* | wc -l; }
n=$((74 - $(threads)))
[ $n -le 0 ] || progress-threads $n 100000000 &
sleep 5
echo "@@ threads $(threads)"
last=0 now=1 i=0
until [ $now = $last ] || [ $((i += 1)) -gt 10 ]; do
	sleep 6
	last=$now
	now=$(awk "/^KernelStack/ { print \$2 }" /proc/meminfo)
done
echo "@@ KernelStack $now"
[ "$(sed -n "s/^enabled //p" $d/summary)" != 1 ] || echo "@@ fixed $(progress-fixed $((64 * $(nproc))) 30)"
cat $d/pools'
}
# said NAME KEY
said() { sed -n "s/^@@ $2 \([0-9]*\)\r*$/\1/p" "$BUILD/log/check/boot-fixed-$1.console"; }

guest off --smp 2 --mem 512M --append dynamic_stack=off
guest on --smp 2 --mem 512M --append dynamic_stack=on
echo "2 CPUs, $(said on threads) threads: $(said off KernelStack) KiB off, $(said on KernelStack) KiB on," \
	"$(said on fixed) of it fixed"
[ "$(said on KernelStack)" -le "$(said off KernelStack)" ] || fail "a small system is worse off"
