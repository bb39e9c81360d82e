#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 1200
# needs: fred planted-fred
# A #DB of a watchpoint comes while a page fault is at level 1, and faults twice
# itself. The level that a #PF interrupted tells which is the first one: if it is
# not looked at (planted), it begins anew where it is, again and again.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

db='
echo db 200 >$f || die "db: $?"
cat $f
[ $(was rounds) = 200 ] || die "only $(was rounds) rounds"
[ $(was wrong) = 0 ] || die "$(was wrong) rounds went wrong"
[ $(was nested) -ge 190 ] || die "only $(was nested) #DBs came while level 1 was in use"
echo "@@ nested $(was nested)"
'
guest 0 plain 'dynamic_stack.populate=1' "$db"
nested=$(result nested)
# That takes another processor to notice, and one that has use for RCU
if [ "$DS_CPUS" != 1 ]; then
	planted 2 any_level 'dynamic_stack.populate=1 rcupdate.rcu_cpu_stall_timeout=3' \
		"echo 1 >/proc/sys/kernel/panic_on_rcu_stall || exit 1
		while :; do cat /proc/self/status >/dev/null; done &
		$db"
	grep -q 'rcu: INFO: .* detected .*stall' "$CONSOLE" || fail "the kernel died of something else"
	echo "note: level not looked at: the kernel stalls"
fi
echo "note: $nested of 200 nested"
