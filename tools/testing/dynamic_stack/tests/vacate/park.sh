#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 240
# needs: debug
# With vacate=park nothing is taken, and whoever touches a page that could have been is
# reported: nobody does over freeze, look, stop, thaw and kill. Who does it on purpose
# is, and the page is there again.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

# guest NAME STATUS COMMANDS
guest() {
	expect_status "$2" "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" --label "vacate/park $1" \
		--log "$BUILD/log/check/vacate-park-$1.console" --timeout 150 --smp 2 --mem 512M \
		--append "dynamic_stack=on dynamic_stack.vacate=park" \
		--file "$TOOLS/tests/vacate/guest.sh:/guest.sh" --file "$TOOLS/tests/sleepers.sh:/sleepers.sh" --cmd "$3"
}
begin='
. /guest.sh
vacate_ages 500
group_make
sleepers_start 8 $group
usleep 500000
parked() {
	[ "$(awk "FNR == NR { pid[\$1]; next } \$1 in pid && \$3 ~ /^P/ { n++ } END { print n + 0 }" \
		/tmp/sleepers $debugfs/dynamic_stack/stacks)" = "$1" ]
}
freeze 1
wait_for "parked" parked 8
'
guest quiet 0 "$begin"'
for round in 1 2 3; do
	look $round
	[ $round != 1 ] || echo t >/proc/sysrq-trigger
	freeze 0
	usleep 300000
	freeze 1
	wait_for "parked, round $round" parked 8
done
freeze 0
sleepers_stop || die "data lost"
[ "$(event kstack_vacate)" = 0 ] || die "something was taken"
'
guest touched 4 "$begin"'
head -n 1 /tmp/sleepers >$debugfs/dynamic_stack_touch || die "no file to touch with"
freeze 0
sleepers_stop || die "data lost"
'
grep -aq 'touched the stack of sh/[0-9]*, to which nobody should refer' "$BUILD/log/check/vacate-park-touched.console" ||
	fail "the touch was not reported"
