#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# needs: guest
# See progress-holders: what memory reclaim may wait for is not shrunk, by nobody
# and with no policy, even if reclaim is told to take what it can get.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/reclaim-holders --timeout 50 --smp 2 --mem 256M \
	--log "$BUILD/log/check/progress-reclaim-holders.console" --append dynamic_stack=on --cmd '
bad=0
for policy in sleep switch; do
	echo $policy >/sys/module/dynamic_stack/parameters/reclaim
	echo "@@ reclaim=$policy"
	progress-holders || bad=1
done
exit $bad'
