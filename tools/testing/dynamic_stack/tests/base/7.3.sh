#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 1800
# needs: own
# The other base: its series applies, and one kernel of it boots KUnit, selftests and a
# small replay. All that it has: make SERIES=7.3 check. Results are in
# build/results/7.3/check.json.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../base.sh"

tests=(series/apply series/overrides kunit/all boot/smp2 boot/off boot/replay)

if to_build "$@"; then
	have_base
	base "$TOOLS/check" build/guest build/initramfs
fi
built "$@"
mapfile -t selftests < <(base "$TOOLS/check" --list 'selftest/*' | grep '^selftest/')
base "$TOOLS/check" --no-build "${tests[@]}" "${selftests[@]}" | tee "$DS_TMP/out"
echo "note: $(tail -n 1 "$DS_TMP/out")"
