#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: debug
# As progress/kill-frozen, but the 500 tasks have no page at all: they are killed while
# no pool can be filled, and each needs four to die.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label vacate/kill --log "$BUILD/log/check/vacate-kill.console" --timeout 90 --smp 2 --mem 512M \
	--append "dynamic_stack=on dynamic_stack.vacate=on" --cmd 'progress-kill frozen'
grep -aq '@@ 500 have no page' "$BUILD/log/check/vacate-kill.console" || fail "they had their pages"
