#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 430
# needs: debug
# Without frames for a while, on one processor and on two: tasks wait, and all
# of them come back. On the debug kernel, which has fault injection.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

for smp in 1 2; do
	console=$BUILD/log/check/boot-starve-$smp.console
	expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
		--label "boot/starve $smp" --log "$console" --timeout 200 --smp $smp --mem 1G \
		--append dynamic_stack=on --cmd /selftests/starve
	grep -q '^ok .*some had to wait' "$console" || fail "nothing starved"
done
