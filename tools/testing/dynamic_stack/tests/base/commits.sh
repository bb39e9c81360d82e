#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 7200
# needs: own
# Each commit of the other base's series compiles what it touches, with the feature and
# without. A sixth of the commits each time: some 5 minutes. None is booted; that is
# SERIES=7.3 series check bisect.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../base.sh"

turn 0/6 1/6 2/6 3/6 4/6 5/6
if to_build "$@"; then
	have_base
	for t in "${turns[@]}"; do
		base "$TOOLS/series" check bisect="$t"
	done
fi
built "$@"
echo "note: DYNAMIC_STACK=y and =n$turn"
