#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 180
# beside: builds
# configs/android.config survives on an ordinary configuration, and leaves the feature off by default.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

"$TOOLS/build-kernel" --name android --no-guest --defconfig x86_64_defconfig --config android --config-only
config=$BUILD/kernel-android/.config
for line in CONFIG_DYNAMIC_STACK=y '# CONFIG_DYNAMIC_STACK_DEFAULT_ON is not set' CONFIG_BOOT_CONFIG=y; do
	grep -qx "$line" "$config" || fail "not in the configuration: $line"
done
