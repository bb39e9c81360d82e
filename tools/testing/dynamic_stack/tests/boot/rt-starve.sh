#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 930
# needs: debug
# beside: tests
# Real-time and deadline tasks without frames: kstackd gets to run in time, on
# one processor, on two, and on SMT siblings with core scheduling. Guest time is
# a count of instructions here, so it doesn't matter how fast the machine is.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

for smp in 1 2 2,sockets=1,cores=1,threads=2; do
	console=$BUILD/log/check/boot-rt-starve-${smp//[,=]/-}.console
	cmd=/selftests/rt_starve
	case $smp in
	*threads*) cmd="$cmd 'core scheduling' && $cmd disturbed" ;;
	esac
	expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
		--label "boot/rt-starve $smp" --log "$console" --timeout 300 --icount 0 \
		--smp "$smp" --mem 512M --append dynamic_stack=on --cmd "$cmd"
	grep -E '^(ok|not ok|# [FdcD])' "$console"
	case $smp in
	*threads*) grep -q '^ok .*core scheduling' "$console" && ! grep -q 'SKIP core' "$console" ||
		fail "no core scheduling" ;;
	esac
done
