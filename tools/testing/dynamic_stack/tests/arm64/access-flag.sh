#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# needs: guest
# arch: arm64
# Where each processor sets the Access flag itself, pages that were not touched go
# back without a flush. Where none does, each page is collected, and to ask for
# reclaim=switch is refused, at boot and later, in one line that says why.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

refused="reclaim=switch: refused: the accessed flag is not used here"

# boot CPU COMMANDS: with reclaim=switch asked for
boot() {
	expect_status 0 "$TOOLS/vm" --label "arm64/access-flag $1" --cpu "$1" --smp 2 --mem 512M \
		--log "$BUILD/log/check/arm64-access-flag-$1.console" --timeout 120 \
		--append "dynamic_stack=on dynamic_stack.reclaim=switch" --cmd '
say() { echo "@@ $*"; exit 1; }
count() { dmesg | grep -c "dynamic_stack: $1"; }
event() { sed -n "s/^$1 //p" /proc/vmstat; }
reclaim=/sys/module/dynamic_stack/parameters/reclaim
for i in 1 2 3 4 5 6 7 8; do
	echo "sleep 200 60000" >/sys/kernel/debug/dynamic_stack_test &
	(
		echo "touch 9000" >/sys/kernel/debug/dynamic_stack_test
		echo "sleep 200 60000" >/sys/kernel/debug/dynamic_stack_test
	) &
done
sleep 12
dmesg | grep dynamic_stack
grep kstack_ /proc/vmstat
[ "$(event kstack_collect)" -gt 0 ] || say "nothing was collected"
'"$2"
}

boot cortex-a76 '
[ "$(count "accessed flag: ok on 2 CPUs")" = 1 ] || say "the flag is not used"
grep -qx switch $reclaim || say "reclaim=switch is refused"
[ "$(event kstack_reclaim)" -gt 0 ] || say "no page went back without a flush"
'
boot cortex-a57 '
[ "$(count "accessed flag: not used, flush ok on 2 CPUs")" = 1 ] || say "the flag is used"
[ "$(count "'"$refused"'")" = 1 ] || say "not refused at boot"
grep -qx sleep $reclaim || say "reclaim is $(cat $reclaim)"
echo switch >$reclaim 2>/dev/null && say "not refused"
[ "$(count "'"$refused"'")" = 2 ] || say "refused without a word"
grep -qx sleep $reclaim || say "reclaim is $(cat $reclaim)"
echo never >$reclaim && echo sleep >$reclaim || say "other policies are refused"
[ "$(event kstack_reclaim)" = 0 ] || say "pages went back without a flush"
'
