#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# needs: guest
# See progress-memcg: threads that sleep 100 ms at a time, as many as a limit admits. It
# bounds what the group's stacks hold, as on any kernel.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label progress/memcg-bomb --timeout 50 --smp 2 --mem 512M \
	--log "$BUILD/log/check/progress-memcg-bomb.console" --append "dynamic_stack=on ${APPEND:-}" \
	--cmd 'progress-memcg bomb'
