#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: debug
# A processor whose Accessed flag can't be trusted does not come online: neither
# at boot, nor later. One that can comes.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label proof/hotplug --log "$BUILD/log/check/proof-hotplug.console" --timeout 120 --smp 3 --mem 512M \
	--append "dynamic_stack=on dynamic_stack.proof_lie=3 dynamic_stack.proof_lie_cpu=2" --cmd '
p=/sys/module/dynamic_stack/parameters
cpu=/sys/devices/system/cpu
said="CPU 2 stays offline: the accessed flag is not set by a push"
bad=0
say() { echo "$*"; bad=1; }
count() { dmesg | grep -c "$1"; }
grep -q "^enabled 1" /sys/kernel/debug/dynamic_stack/summary || say "the feature is off"
[ "$(cat $cpu/online)" = 0-1 ] || say "online: $(cat $cpu/online)"
[ "$(count "$said")" = 1 ] || say "the kernel did not say it"
[ "$(count "accessed flag: ok on 2 CPUs")" = 1 ] || say "not two that are fine"
for lie in 1 2 3 4 5 6 7; do
	echo $lie >$p/proof_lie
	echo 1 >$cpu/cpu2/online && say "it came up with lie $lie"
done
[ "$(count "CPU 2 stays offline")" = 8 ] || say "$(dmesg | grep "stays offline")"
echo 0 >$p/proof_lie
for round in 1 2 3; do
	echo 1 >$cpu/cpu2/online || say "it does not come"
	taskset 4 /selftests/sleepers >/dev/null || say "sleepers failed there"
	echo 0 >$cpu/cpu2/online || say "it does not go"
done
exit $bad'
