#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# beside: builds
# lint's steps notice a fault: a file of faults, then without them. What lint
# says about this repository is `make lint`'s own business.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

repo=$DS_TMP/repo
unset SERIES
mkdir -p "$repo/mm/x" "$repo/include" "$repo/kernel" "$repo/arch" "$repo/build"
ln -s "$BUILD/linux" "$repo/build/linux"
cp "$ROOT/COPYING" "$ROOT/base.mk" "$repo"
git -C "$repo" init -q

good() {
	# (without the tabs)
	cat >"$repo/mm/x/x.c" <<-EOF
	// SPDX-License-Identifier: GPL-2.0
	/**
	 * f - frees
	 * @p: what
	 *
	 * Return: nothing wrong
	 */
	int f(void *p)
	{
		kfree(p);
		return 0;
	}
	EOF
	git -C "$repo" add -A
}
# notices STEP REGEX SED: the step fails, and says so, after this edit
notices() {
	good
	DS_ROOT=$repo "$TOOLS/lint" "$1" >"$DS_TMP/out" 2>&1 || { cat "$DS_TMP/out"; fail "$1 without a fault"; }
	if grep -q "^$1 .* skip " "$DS_TMP/out"; then
		cat "$DS_TMP/out"
		return
	fi
	sed -i "$3" "$repo/mm/x/x.c"
	expect_status 1 env DS_ROOT="$repo" "$TOOLS/lint" "$1" >"$DS_TMP/out" 2>&1
	grep -Eq "$2" "$DS_TMP/out" || { cat "$DS_TMP/out"; fail "$1 does not say /$2/"; }
	grep -Eq "^$1 +[0-9]+ s  FAIL" "$DS_TMP/out" || fail "$1 does not fail"
	echo "$1: $(grep -Em1 "$2" "$DS_TMP/out")"
}
cd "$repo"
notices licence 'mm/x/x.c has no SPDX line' 1d
notices kernel-doc "'p' not described" 's/@p: what/what/'
notices coccicheck 'NULL check before' 's/kfree(p);/if (p) kfree(p);/'
expect_error 'no step nonsense' "$TOOLS/lint" nonsense

# A list entry that is not needed: awk's part alone is quick to run
sed -n '/^filter_known/,/^}/p' "$TOOLS/lint" >"$DS_TMP/filter"
# shellcheck disable=SC2034 # for filter_known
known='
A_TYPE tools/*	because
B_TYPE mm/x.c	because'
export DS_LINT_USED=$DS_TMP/used
# shellcheck disable=SC1091 # made here
. "$DS_TMP/filter"
got=$(printf '%s\n' 'tools/a/b.c:1: CHECK:A_TYPE: known' 'mm/a.c:1: CHECK:A_TYPE: other file' \
	'mm/x.c:5: WARNING:B_TYPES: other type' 'mm/xyc:5: WARNING:B_TYPE: other name' | filter_known)
[ "$(wc -l <<<"$got")" = 3 ] && ! grep -q ': known' <<<"$got" || fail "known list: $got"
[ "$(cat "$DS_TMP/used")" = 'A_TYPE tools/*' ] || fail "used: $(cat "$DS_TMP/used")"
