#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 120
# needs: guest
# beside: tests
# Android puts kernel parameters in the boot configuration: they count there too,
# and what the command line says comes later, so wins.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

boot() {
	local want=$1 config=$2 append=$3
	expect_status 0 "$TOOLS/vm" --label "bootconfig '$config', command line '$append'" --quiet \
		--log "$BUILD/log/check/android-bootconfig.console" --timeout 50 --smp 2 --mem 512M \
		--bootconfig "$config" --append "$append" --cmd "
cat /proc/bootconfig /proc/cmdline
grep -q '^enabled $want' /sys/kernel/debug/dynamic_stack/summary || exit 1
case '$config' in *reclaim*) grep -q switch /sys/module/dynamic_stack/parameters/reclaim ;; esac"
}
boot 1 'kernel.dynamic_stack = on' ''
boot 0 'kernel.dynamic_stack = off' ''
boot 1 'kernel { dynamic_stack = off; dynamic_stack.reclaim = switch }' 'dynamic_stack=on'
