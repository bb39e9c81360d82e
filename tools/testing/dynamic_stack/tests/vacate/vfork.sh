#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 180
# needs: debug
# A parent in vfork() counts as frozen, but waits where its child has a pointer into its
# stack. It keeps the page, and the child's exec reaches it. (It sleeps uninterruptibly,
# too, so this alone would not notice a mark taken from the frozen bit.)
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

gcc -O2 -Wall -static -o "$DS_TMP/vfork" "$TOOLS/tests/vacate/vfork.c"
expect_status 0 "$TOOLS/vm" --kernel "${KERNEL:-$BUILD/kernel-debug/arch/x86/boot/bzImage}" --label vacate/vfork \
	--log "$BUILD/log/check/vacate-vfork.console" --timeout 120 --smp 2 --mem 512M \
	--append "dynamic_stack=on dynamic_stack.vacate=on ${PLANTED:-}" --file "$DS_TMP/vfork:/vfork" \
	--file "$TOOLS/tests/vacate/guest.sh:/guest.sh" --file "$TOOLS/tests/sleepers.sh:/sleepers.sh" --cmd '
. /guest.sh
vacate_ages 500
echo 20 >/proc/sys/vm/dynamic_stack_collect_period_ms
group_make
/vfork $group &
parent=$!
usleep 500000
freeze 1
usleep 3000000
is_vacated $parent && echo "@@ the parent has no page"
: >/tmp/go
usleep 500000
freeze 0
wait $parent || die "the parent ended with $?"
[ "$(event kstack_vacate)" = 0 ] || die "something was vacated"
'
