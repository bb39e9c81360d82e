#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# needs: guest
# What the feature holds however few threads there are, with the eight CPUs of a phone:
# when they had much to do it is more, and some seconds later it is 512 KiB at most
# (see progress-fixed).
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/at-rest --timeout 270 --smp 8 --mem 512M \
	--log "$BUILD/log/check/progress-at-rest.console" --append dynamic_stack=on --cmd '
# A frame more for each pool if tasks may lack their last page
limit=512
[ ! -e /sys/module/dynamic_stack/parameters/vacate ] || limit=$((limit + 4 * $(nproc)))
progress-threads 200 1500 9000 &
threads=$!
most=0
for i in 1 2 3 4 5 6; do
	sleep 1
	now=$(progress-fixed)
	[ $now -le $most ] || most=$now
done
kill $threads
wait
now=$(progress-fixed $limit 30)
cat /sys/kernel/debug/dynamic_stack/pools
echo "@@ $(nproc) CPUs: $most KiB when busy, $now KiB at rest"
[ $most -gt 600 ] || { echo "@@ it did not grow"; exit 1; }
[ $now -le $limit ] || { echo "@@ it does not go down"; exit 1; }'
