#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 480
# beside: builds
# An option that does not survive the merge is an error that names it.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

status=0
"$TOOLS/build-kernel" --name config-test --config-only --set CONFIG_NO_SUCH_OPTION=y \
	--set CONFIG_SMP=y 2>"$DS_TMP/err" || status=$?
rm -rf "$BUILD/kernel-config-test"
cat "$DS_TMP/err"
[ $status -ne 0 ] || fail "no error"
grep -q 'wanted CONFIG_NO_SUCH_OPTION=y, got nothing' "$DS_TMP/err" || fail "the option is not named"
! grep -q 'CONFIG_SMP' "$DS_TMP/err" || fail "CONFIG_SMP survived but is named"
expect_error 'no such config fragment' "$TOOLS/build-kernel" --name config-test --config-only --config nonsense
rm -rf "$BUILD/kernel-config-test"

# What guest.config gains may need what a row of the matrix, or small.config below it,
# turns off. Those that need no other compiler, in turn
turn rt minimal up
for row in "${turns[@]}"; do
	"$TOOLS/build-kernel" --name config-test --config-only --config matrix/small --config "matrix/$row"
	rm -rf "$BUILD/kernel-config-test"
done
echo "note: ${turns[*]}$turn"
