#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# beside: builds
# A long command is never silent for more than 20 s, and a failing one shows its log.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
export DS_ROOT=$DS_TMP

run() { bash -c '. "$TOOLS/lib.sh"; progress "$@"' - "$@"; }
out=$(run Working "$DS_TMP/l" '20 s' 10 '^x' -- sh -c 'echo x; echo x; sleep 18')
echo "$out"
grep -q 'Working: 0:1[0-9], 2 of about 10' <<<"$out" || fail "no progress line within 20 s"
grep -q 'usually 20 s' <<<"$out" || fail "no usual duration"
status=0
out=$(run Failing "$DS_TMP/l" '1 s' -- sh -c 'echo the reason; exit 3' 2>&1) || status=$?
echo "$out"
[ $status = 3 ] || fail "status $status, not 3"
grep -q 'the reason' <<<"$out" || fail "the log's end is not shown"
grep -q "$DS_TMP/l" <<<"$out" || fail "the log's path is not shown"
