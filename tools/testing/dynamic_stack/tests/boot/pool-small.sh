#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 120
# needs: guest
# arch: x86_64 arm64
# beside: tests
# The smallest and the largest pools that the sysctls allow: tasks get to run,
# and no frame is lost.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label boot/pool-small --log "$BUILD/log/check/boot-pool-small.console" \
	--timeout 90 --smp 2 --mem 512M --append dynamic_stack=on --cmd '
low=/proc/sys/vm/dynamic_stack_pool_low
high=/proc/sys/vm/dynamic_stack_pool_high
set -e
echo 9 >$low
echo 9 >$high
! echo 8 >$low 2>/dev/null
/selftests/accounting
echo 256 >$high
echo 256 >$low
! echo 257 >$high 2>/dev/null
/selftests/accounting
cat /sys/kernel/debug/dynamic_stack/pools'
