#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# beside: builds
# No Bochs, one without FRED: one line that says what is needed; tests of FRED are
# skipped with it, never passed.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

old=$DS_TMP/old new=$DS_TMP/new
printf '#!/bin/sh\necho sapphire_rapids\n' >"$old"
# It has the processor, but does nothing
printf '#!/bin/sh\necho wildcat_lake\n' >"$new"
chmod +x "$old" "$new"

for what in path find; do
	BOCHS=no-such-bochs expect_error 'no-such-bochs is not there: FRED needs .*--enable-fred.*BOCHS=' \
		"$TOOLS/bochs.py" $what
	BOCHS=$old expect_error 'has no processor .*--enable-fred' "$TOOLS/bochs.py" $what
done
BOCHS=$new expect_status 0 "$TOOLS/bochs.py" path
BOCHS=$new expect_error 'has no FRED: .*--enable-fred|is not installed: install the Debian package' \
	"$TOOLS/bochs.py" find
BOCHS=no-such-bochs expect_error 'no-such-bochs is not there' \
	"$TOOLS/vm" --bochs --kernel /dev/null --cmd true
BOCHS=no-such-bochs expect_status 5 "$TOOLS/vm" --bochs --kernel /dev/null --cmd true
# make has a line of its own
check_fred() {
	! make -s -C "$ROOT" check-fred 2>&1 | grep -v '^make' >&2
	return 1
}
BOCHS=no-such-bochs expect_error 'no-such-bochs is not there' check_fred

for t in "$TOOLS"/tests/fault/fred/*.sh; do
	status=0
	BUILD=$DS_TMP BOCHS=no-such-bochs "$t" >"$DS_TMP/out" 2>&1 || status=$?
	[ $status = 4 ] || fail "$(basename "$t") ends with status $status without Bochs"
	[ "$(wc -l <"$DS_TMP/out")" = 1 ] && grep -q '^no-such-bochs is not there: FRED needs' "$DS_TMP/out" ||
		fail "$(basename "$t") does not say why it is skipped: $(cat "$DS_TMP/out")"
done
