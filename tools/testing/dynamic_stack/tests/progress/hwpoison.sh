#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: debug
# See progress-poison: a page of a stack whose memory failed goes to no other task.
# On the debug kernel, which can inject such a failure.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label progress/hwpoison --log "$BUILD/log/check/progress-hwpoison.console" \
	--timeout 60 --smp 2 --mem 512M --append dynamic_stack=on --cmd progress-poison
