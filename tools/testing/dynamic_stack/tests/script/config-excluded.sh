#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 120
# beside: builds
# Each option that the feature depends on is in its help text, which says why;
# and a configuration without one of them is an error that names the feature.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

entry=$(sed -n '/^menuconfig DYNAMIC_STACK$/,/^if DYNAMIC_STACK$/p' "$ROOT/mm/dynamic_stack/Kconfig")
help=$(sed '1,/^\thelp$/d' <<<"$entry")
n=0
for option in $(sed -n 's/^\tdepends on //p' <<<"$entry" | grep -o '[A-Z][A-Z0-9_]*'); do
	# What an architecture needs has a help text of its own
	[ "$option" != HAVE_DYNAMIC_STACK ] || continue
	grep -qw "$option" <<<"$help" || fail "the help text of DYNAMIC_STACK does not say why $option matters"
	n=$((n + 1))
done
[ $n -ge 4 ] || fail "only $n dependencies found in Kconfig"

# On 7.3, control groups of memory want them as well
status=0
"$TOOLS/build-kernel" --name config-excluded --config-only --set MEMCG=n --set VM_EVENT_COUNTERS=n 2>"$DS_TMP/err" || status=$?
rm -rf "$BUILD/kernel-config-excluded"
cat "$DS_TMP/err"
[ $status -ne 0 ] || fail "no error without VM_EVENT_COUNTERS"
grep -q 'wanted CONFIG_DYNAMIC_STACK=y, got nothing' "$DS_TMP/err" || fail "the feature is not named"
