#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# setup: a missing package, no disk space: one line each; nothing to do: silent, fast.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_error 'apt-get install no-such-package' \
	env DS_PACKAGES='bash no-such-package' DS_NO_INSTALL=1 "$TOOLS/setup"
expect_error 'no such list' "$TOOLS/setup" nonsense
expect_error 'apt-get install no-such-package' \
	env DS_PACKAGES='bash no-such-package' DS_NO_INSTALL=1 "$TOOLS/setup" docs
small_repo
expect_error 'GiB free .* set DS_DISK_GIB' env DS_DISK_GIB=9999999 "$TOOLS/setup"

unset DS_ROOT DS_DISK_GIB BASE_TARBALL
start=$(date +%s%N)
"$TOOLS/setup" >"$DS_TMP/out" || fail "setup fails though all is there"
[ ! -s "$DS_TMP/out" ] || fail "setup did something the second time: $(head -1 "$DS_TMP/out")"
ms=$((($(date +%s%N) - start) / 1000000))
[ $ms -lt 5000 ] || fail "setup took $ms ms to do nothing"
