#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 630
# needs: debug
# All readers of other tasks' stacks at once, on the debug kernel, which has
# more of them: kmemleak, /proc/kcore and, in a guest of its own because it makes
# all the others slow, ftrace's stack tracer.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

# guest SECONDS PARAMETER [VM OPTION...]: prints what was skipped
guest() {
	local seconds=$1 parameter=$2
	local console=$BUILD/log/check/boot-readers-$parameter.console
	shift 2
	expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
		--label "boot/readers $parameter" --log "$console" --timeout 300 --smp 2 --mem 1G \
		--allow "blocked for more than" --append "dynamic_stack=on log_buf_len=4M $parameter" "$@" \
		--cmd "/selftests/readers $seconds" >&2
	grep -aE '^(not )?ok ' "$console" >&2
	grep -a '# SKIP' "$console" || true
}

skipped=$(guest 35 kmemleak=on)
[[ $(wc -l <<<"$skipped") = 1 && $skipped = *"stack tracer"* ]] || fail "skipped: $skipped"
# On several host threads, QEMU runs an int3 that is there no more when ftrace
# patches the kernel: "Oops: int3", with the feature off as well
skipped=$(guest 18 stacktrace --icount 2)
[[ $skipped != *"stack tracer"* ]] || fail "the stack tracer was not on"
