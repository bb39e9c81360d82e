#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 1800
# needs: own
# The other base: its series applies, and one kernel of it boots KUnit, selftests and a
# small replay. All that it has: make SERIES=7.3 check. Results are in
# build/results/7.3/check.json.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

base() { env -u BUILD -u DS_BUILT -u DS_TURN SERIES=7.3 "$@"; }
tests=(series/apply series/overrides kunit/all boot/smp2 boot/off boot/replay)

if to_build "$@"; then
	base "$TOOLS/setup" >"$DS_TMP/setup" 2>&1 || {
		cat "$DS_TMP/setup"
		echo "the base could not be had: $(sed -n 's/^error: //p' "$DS_TMP/setup" | tail -n 1)"
		exit 4
	}
	base "$TOOLS/check" build/guest build/initramfs
fi
built "$@"
mapfile -t selftests < <(base "$TOOLS/check" --list 'selftest/*' | grep '^selftest/')
base "$TOOLS/check" --no-build "${tests[@]}" "${selftests[@]}" | tee "$DS_TMP/out"
echo "note: $(tail -n 1 "$DS_TMP/out")"
