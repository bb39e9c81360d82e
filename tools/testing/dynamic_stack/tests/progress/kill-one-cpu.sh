#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: debug
# See progress-kill: sleepers of one CPU are killed, whose pool can't be filled, while
# those of others have some: three others, as a kernel thread may take what one has. On
# the debug kernel, which has fault injection.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label progress/kill-one-cpu --log "$BUILD/log/check/progress-kill-one-cpu.console" \
	--timeout 90 --smp 4 --mem 512M --append dynamic_stack=on --cmd 'progress-kill one-cpu'
