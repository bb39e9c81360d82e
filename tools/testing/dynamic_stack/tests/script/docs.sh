#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# beside: builds
# The pages build without a warning; and a warning, a page that nobody shows and
# a file that does not exist are errors.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

if ! command -v sphinx-build >/dev/null || ! command -v dot >/dev/null; then
	echo "Sphinx is not installed: $TOOLS/setup docs"
	exit 4
fi
"$TOOLS/series" branch
"$TOOLS/docs"
grep -q 'Why no TLB entry is missed' "$BUILD/docs/mm/dynamic_stack.html" || fail "no page"
grep -q 'kstack_collect' "$BUILD/docs/mm/dynamic_stack.html" || fail "no kernel-doc"

page=$DS_TMP/docs/mm/dynamic_stack.rst
wrong() {
	local regex=$1
	expect_status 1 env DS_DOCS="$DS_TMP/docs" "$TOOLS/docs" >"$DS_TMP/out" 2>&1
	grep -Eq "$regex" "$DS_TMP/out" || { cat "$DS_TMP/out"; fail "expected /$regex/"; }
	rm -rf "$DS_TMP/docs"
	cp -r "$ROOT/Documentation" "$DS_TMP/docs"
}
mkdir -p "$DS_TMP/docs"
wrong 'has no page'
printf '\nA long title\n======\n' >>"$page"
wrong 'dynamic_stack.rst:[0-9]+: WARNING: Title underline too short'
printf '\nSee :ref:`nowhere`.\n' >>"$page"
wrong 'undefined label'
printf '\nIn mm/dynamic_stack/none.c.\n' >>"$page"
wrong 'do not exist: mm/dynamic_stack/none.c'
cp "$page" "$DS_TMP/docs/mm/alone.rst"
wrong 'Documentation/mm/alone.rst is in no toctree'
"$TOOLS/docs" >/dev/null
