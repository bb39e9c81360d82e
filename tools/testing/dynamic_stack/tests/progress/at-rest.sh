#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 120
# needs: guest
# What the feature holds however few threads there are, with the eight CPUs of a phone:
# when they had much to do it is more, and some seconds later it is 512 KiB at most.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/at-rest --timeout 110 --smp 8 --mem 512M \
	--log "$BUILD/log/check/progress-at-rest.console" --append dynamic_stack=on --cmd '
d=/sys/kernel/debug/dynamic_stack
# KiB: pools, lists and the reserve; stacks in the cache; those of the own threads, of which
# one that is not in the list is whole
fixed() {
	awk -v missing=$(($(nproc) + 2)) "
		\$1 == \"nr_kstack_pool\" || \$1 == \"cached_pages\" { n += \$2 }
		\$6 ~ /^kstackd\/|^kstack_collectd|^kworker\/R-kstac/ { n += \$2; missing-- }
		END { print 4 * (n + 4 * missing) }" /proc/vmstat $d/summary $d/stacks
}
progress-threads 200 1500 9000 &
threads=$!
most=0
for i in 1 2 3 4 5 6; do
	sleep 1
	now=$(fixed)
	[ $now -le $most ] || most=$now
done
kill $threads
wait
for i in 1 2 3 4 5 6 7 8; do
	sleep 3
	now=$(fixed)
	[ $now -gt 512 ] || break
done
cat $d/pools
echo "@@ $(nproc) CPUs: $most KiB when busy, $now KiB after $((i * 3)) s"
[ $most -gt 600 ] || { echo "@@ it did not grow"; exit 1; }
[ $now -le 512 ] || { echo "@@ it does not go down"; exit 1; }'
