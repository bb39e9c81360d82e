#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 600
# needs: fault
# beside: tests
# A CPU has frames for all faults that can come between two switches: those of
# two whole stacks. What takes more, which only a test can, panics and says why.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

guest 0 enough 'dynamic_stack.populate=1' '
for i in 1 2 3 4 5 6 7 8 9; do
	echo drain 7 >$f || die "drain: $?"
	[ $(was wrong) = 0 ] || die "wrong data"
	[ $(was faults) -ge 7 ] || die "only $(was faults) faults"
done
dd if=/dev/zero of=/tmp/f bs=64k count=64 2>/dev/null
echo "@@ faults $(count kstack_fault)"
grep "fault reserve" /sys/kernel/debug/dynamic_stack/pools
while read -r line; do
	set -- $line
	case $line in *"fault reserve"*) [ "$5" -ge 7 ] || die "$line" ;; esac
done </sys/kernel/debug/dynamic_stack/pools
/selftests/accounting || die "frames are lost"
'
n=$(result faults)
guest 2 dry 'dynamic_stack.populate=1' 'echo drain 1000 >$f'
why=$(grep -m1 -o 'Kernel panic - not syncing: dynamic_stack: .*' "$CONSOLE") ||
	fail "the kernel does not say why it dies"
grep -q 'took more faults than its reserve of 14 frames' <<<"$why" || fail "$why"
echo "note: $n faults served; then: ${why#*syncing: }"
