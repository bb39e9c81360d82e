#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 240
# needs: debug
# See progress-rt: a real-time task that never sleeps leaves to fair tasks what the
# fair server gives them, also while the CPU starves. The oom_reaper, kswapd and
# the collector may be among them. On the debug kernel, which has fault injection.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label progress/fair-server --log "$BUILD/log/check/progress-fair-server.console" \
	--timeout 200 --icount 3 --smp 1 --mem 512M --append dynamic_stack=on --cmd '
progress-threads 60 3000 9000 &
sleep 4
progress-rt'
