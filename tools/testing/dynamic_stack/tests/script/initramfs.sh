#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 180
# needs: guest
# The same input gives the same initramfs, wherever and whenever it is made.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

before=$(sha256sum "$BUILD"/*.cpio.gz)
"$TOOLS/mkinitramfs" --force
after=$(sha256sum "$BUILD"/*.cpio.gz)
[ "$before" = "$after" ] || fail "the initramfs differs when it is made again"
