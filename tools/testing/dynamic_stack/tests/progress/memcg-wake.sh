#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# needs: guest
# See progress-memcg: 700 sleepers, all shrunk, wake up in a group that is full. Its limit
# bounds what the group's stacks hold, as on any kernel.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/memcg-wake --timeout 50 --smp 2 --mem 512M \
	--log "$BUILD/log/check/progress-memcg-wake.console" --append "dynamic_stack=on ${APPEND:-}" \
	--cmd 'progress-memcg wake'
