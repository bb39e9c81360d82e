#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# needs: guest
# arch: x86_64 arm64
# beside: tests
# The selftests run with the default policy, reclaim=sleep. Here are those that
# look at single pages and at what is written to them with reclaim=switch.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

console=$BUILD/log/check/boot-policy-switch.console
expect_status 0 "$TOOLS/vm" --label boot/policy-switch \
	--log "$console" --timeout 270 --smp 2 --mem 1G \
	--append "dynamic_stack=on dynamic_stack.reclaim=switch" --cmd '
if dmesg | grep -q "reclaim=switch: refused"; then
	echo "@@ refused"
	exit
fi
grep -qx switch /sys/module/dynamic_stack/parameters/reclaim || exit 1
for t in sleepers remote_writes zeroing accounting; do
	/selftests/$t || { echo "@@ failed: $t"; exit 1; }
done
'
if grep -aq '^@@ refused' "$console"; then
	echo "reclaim=switch is refused on this processor"
	exit 4
fi
