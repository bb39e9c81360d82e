#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 1800
# needs: guest
# All readers of other tasks' stacks at once, on the debug kernel, which has
# more of them: ftrace's stack tracer, kmemleak, /proc/kcore.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

"$TOOLS/build-kernel" --name debug --config debug
console=$BUILD/log/check/boot-readers.console
expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label boot/readers --log "$console" --timeout 300 --smp 2 --mem 1G \
	--allow "blocked for more than" --append "dynamic_stack=on kmemleak=on" \
	--cmd '/selftests/readers 35'
grep -E '^(not )?ok ' "$console"
! grep '# SKIP' "$console" || fail "a reader is missing in the debug kernel"
