#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 500
# needs: debug
# Chains of mutexes over two processors, with proxy execution and without, also while
# there are no pages. On the debug kernel, which has fault injection.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

kernel=$BUILD/kernel-debug
for on in 1 0; do
	console=$BUILD/log/check/boot-proxy-$on.console
	expect_status 0 "$TOOLS/vm" --kernel "$kernel/arch/x86/boot/bzImage" \
		--label "boot/proxy $on" --log "$console" --timeout 240 --smp 2 --mem 1G \
		--append "dynamic_stack=on sched_proxy_exec=$on" --cmd /selftests/proxy
	grep -q '^ok .*some had to wait' "$console" || fail "nothing starved"
	if [ $on = 1 ] && grep -q '^CONFIG_SCHED_PROXY_EXEC=y' "$kernel/.config"; then
		grep -q "^ok .*in the waiter's turn" "$console" || fail "nobody ran in another's turn"
	fi
done
