#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 1200
# needs: fred
# populate=N: what is promised takes no fault, what is not does, and the data of
# those who go deep survives.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

less=
for n in 4 3 2 1; do
	guest 0 "$n" "dynamic_stack.populate=$n" "
[ \$(cat \$p/populate) = $n ] || die 'populate is not $n'
before=\$(count kstack_fault)
for i in 1 2 3; do
	for d in 1000 3500 6500 9500 12500; do
		echo sleep \$d 30 >\$t || die 'data lost'
		echo remote \$d 30 >\$t || die 'data lost'
	done
done
echo \"@@ faults \$((\$(count kstack_fault) - before))\"
/selftests/accounting || die 'frames are lost'
"
	now=$(result faults)
	if [ -z "$less" ]; then
		[ "$now" = 0 ] || fail "$now faults with all promised"
		found=
	else
		[ "$now" -gt "$less" ] || fail "$now faults with $n pages, $less with one more"
	fi
	less=$now found="$found $n: $now"
done
echo "note: faults for each N:$found"
