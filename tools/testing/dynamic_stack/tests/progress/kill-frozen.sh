#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: debug
# See progress-kill: 500 tasks in a frozen cgroup, all of them shrunk, are killed
# through cgroup.kill while no pool can be filled. On the debug kernel, which has
# fault injection.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label progress/kill-frozen --log "$BUILD/log/check/progress-kill-frozen.console" \
	--timeout 90 --smp 2 --mem 512M --append dynamic_stack=on --cmd 'progress-kill frozen'
