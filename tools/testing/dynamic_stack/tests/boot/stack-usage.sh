#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: debug
# beside: tests
# On the debug kernel, which keeps track of the deepest use of each stack.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

console=$BUILD/log/check/boot-stack-usage.console
# Room for a whole sysrq-t
expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label boot/stack-usage --log "$console" --timeout 120 --smp 2 --mem 1G \
	--append "dynamic_stack=on log_buf_len=4M" --cmd /selftests/stack_usage
grep -E '^(not )?ok ' "$console"
! grep '# SKIP' "$console" || fail "the debug kernel does not track stack usage"
