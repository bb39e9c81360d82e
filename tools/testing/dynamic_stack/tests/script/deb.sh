#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 180
# beside: builds
# deb makes its configuration from another one, with the feature on; and says in
# one line what is wrong with one. (The packages take long: not here.)
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

"$TOOLS/series" branch
trap 'rm -rf "$BUILD/kernel-deb-test"' EXIT
"$TOOLS/deb" --name deb-test --config-only --config defconfig
for option in DYNAMIC_STACK=y DYNAMIC_STACK_DEFAULT_ON=y DEBUG_FS=y MODULES=y; do
	grep -qx "CONFIG_$option" "$BUILD/kernel-deb-test/.config" || fail "no $option"
done
! grep -q 'CONFIG_DYNAMIC_STACK_\(DEBUG\|TEST\)=y' "$BUILD/kernel-deb-test/.config" || fail "an option for tests is on"

expect_error 'no such configuration' "$TOOLS/deb" --name deb-test --config "$DS_TMP/none"
echo garbage >"$DS_TMP/x.xz"
expect_error "can't be unpacked" "$TOOLS/deb" --name deb-test --config "$DS_TMP/x.xz"
# What the feature can't do without
sed 's/^CONFIG_VMAP_STACK=y/# CONFIG_VMAP_STACK is not set/' "$BUILD/kernel-deb-test/.config" >"$DS_TMP/config"
expect_error 'CONFIG_DYNAMIC_STACK=y did not survive' "$TOOLS/deb" --name deb-test --config-only --config "$DS_TMP/config"
