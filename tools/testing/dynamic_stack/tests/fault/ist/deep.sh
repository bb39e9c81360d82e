#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 900
# needs: fault
# beside: tests
# Stacks of 32 KiB of which 16 KiB are promised. Less than that takes no fault.
# More does, is warned of once, with the depth and where it was, and the task
# goes on with its data. The guard page is what it always was.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

guest 4 deep '' '
[ $(cat $p/populate) = 4 ] || die "populate is not 4"
dd if=/dev/zero of=/tmp/f bs=64k count=64 2>/dev/null
echo sleep 12000 50 >$t || die "data lost"
[ $(count kstack_fault) = 0 ] || die "$(count kstack_fault) faults within what is promised"
for i in 1 2 3; do
	echo sleep 22000 50 >$t || die "data lost"
	echo remote 24000 50 >$t || die "data lost"
done
echo "@@ faults $(count kstack_fault)"
[ $(count kstack_fault) -gt 0 ] || die "no fault beyond what is promised"
/selftests/accounting || die "frames are lost"
'
[ "$(grep -c 'WARNING: ' "$CONSOLE")" = 1 ] || fail "$(grep -c 'WARNING: ' "$CONSOLE") warnings, not one"
warning=$(grep -oE '[^ ]+/[0-9]+ is [0-9]+ bytes deep in its kernel stack, 16384 are promised' "$CONSOLE") ||
	fail "the warning does not say how deep the task is"
sed '1,/WARNING: /d' "$CONSOLE" | grep ' go_deep+' >/dev/null || fail "the trace does not show where it was"
n=$(result faults)

# Other warnings than these two are none
guest 2 guard '' 'echo EXHAUST_STACK >/sys/kernel/debug/provoke-crash/DIRECT'
grep -q 'BUG: TASK stack guard page was hit' "$CONSOLE" || fail "the guard page was not named"
grep -q 'Kernel panic - not syncing: Fatal exception in interrupt' "$CONSOLE" || fail "the kernel goes on"
echo "note: $n faults; $warning"
