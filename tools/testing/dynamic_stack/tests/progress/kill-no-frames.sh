#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: debug
# See progress-kill: 200 sleepers are killed while no pool can be filled. On the
# debug kernel, which has fault injection.
#
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label progress/kill-no-frames --log "$BUILD/log/check/progress-kill-no-frames.console" \
	--timeout 90 --smp 2 --mem 512M --append dynamic_stack=on --cmd 'progress-kill no-frames'
