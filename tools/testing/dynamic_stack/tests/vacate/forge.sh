#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 120
# needs: debug
# A copy that somebody overwrites: the kernel panics when its task is woken up. Not
# when another is.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

console=$BUILD/log/check/vacate-forge.console
expect_status 2 "$TOOLS/vm" --kernel "${KERNEL:-$BUILD/kernel-debug/arch/x86/boot/bzImage}" --label vacate/forge \
	--log "$console" --timeout 100 --smp 2 --mem 512M --append "dynamic_stack=on dynamic_stack.vacate=on ${PLANTED:-}" \
	--file "$TOOLS/tests/vacate/guest.sh:/guest.sh" --file "$TOOLS/tests/sleepers.sh:/sleepers.sh" --cmd '
. /guest.sh
vacate_ages 500
group_make
sleepers_start 2 $group
usleep 500000
freeze 1
wait_for "no page" vacated 2
read -r pid </tmp/sleepers
sleep 1000 &
other=$!
kill -STOP $other
wait_for "stopped, no page" is_vacated $other
echo $pid >$debugfs/dynamic_stack_forge || die "nothing to forge"
kill -KILL $other
usleep 200000
echo "@@ forged"
freeze 0
usleep 500000
'
grep -aq '^.*@@ forged' "$console" || fail "it was over too early"
grep -aq 'Kernel panic - not syncing: dynamic_stack: the copy of a kernel stack was overwritten' "$console" ||
	fail "the copy was not verified"
