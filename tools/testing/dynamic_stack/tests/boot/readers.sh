#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 1800
# needs: guest
# All readers of other tasks' stacks at once, on the debug kernel, which has
# more of them: kmemleak, /proc/kcore and, in a guest of its own because it makes
# all the others slow, ftrace's stack tracer.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

"$TOOLS/build-kernel" --name debug --config debug

# guest SECONDS PARAMETER: prints what was skipped
guest() {
	console=$BUILD/log/check/boot-readers-$2.console
	expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
		--label "boot/readers $2" --log "$console" --timeout 300 --smp 2 --mem 1G \
		--allow "blocked for more than" --append "dynamic_stack=on $2" \
		--cmd "/selftests/readers $1" >&2
	grep -E '^(not )?ok ' "$console" >&2
	grep '# SKIP' "$console" || true
}

skipped=$(guest 35 kmemleak=on)
[ "$(wc -l <<<"$skipped")" = 1 ] && grep -q 'stack tracer' <<<"$skipped" || fail "skipped: $skipped"
skipped=$(guest 12 stacktrace)
! grep 'stack tracer' <<<"$skipped" || fail "the stack tracer was not on"
