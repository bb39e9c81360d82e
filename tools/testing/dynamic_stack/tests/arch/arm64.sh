#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 1800
# needs: own
# The tests of the other architecture, as `make ARCH=arm64 check` runs them. Their
# results are in build/results/arm64/check.json.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

arm64() { env -u BUILD -u DS_BUILT -u DS_TURN ARCH=arm64 "$@"; }

if to_build "$@"; then
	arm64 "$TOOLS/setup" || {
		echo "needs Debian packages that could not be installed: ARCH=arm64 make setup says which"
		exit 4
	}
	arm64 "$TOOLS/check" build
fi
built "$@"
arm64 "$TOOLS/check" --no-build | tee "$DS_TMP/out"
echo "note: $(tail -n 1 "$DS_TMP/out")"
