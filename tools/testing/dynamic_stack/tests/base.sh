# SPDX-License-Identifier: GPL-2.0
# For tests/base/*: the other base.

base() { env -u BUILD -u DS_BUILT -u DS_TURN SERIES=7.3 "$@"; }

# have_base: install it; or skip the test, with the reason
have_base() {
	base "$TOOLS/setup" >"$DS_TMP/setup" 2>&1 && return
	cat "$DS_TMP/setup"
	echo "the base could not be had: $(sed -n 's/^error: //p' "$DS_TMP/setup" | tail -n 1)"
	exit 4
}
