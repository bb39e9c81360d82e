#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# beside: builds
# No QEMU, no kernel, no initramfs, a wrong option: one line, status 5.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
export DS_ROOT=$DS_TMP

expect_error 'qemu.* is not installed.*make setup' \
	"$TOOLS/vm" --qemu no-such-qemu --kernel /dev/null --cmd true
expect_error 'does not exist.*make kernel' "$TOOLS/vm" --kernel "$DS_TMP/none" --cmd true
expect_error 'initramfs.* does not exist' "$TOOLS/vm" --qemu /bin/true --kernel /dev/null --cmd true
touch "$DS_TMP/initrd"
expect_error 'did not start' "$TOOLS/vm" --qemu /bin/true --kernel /dev/null --initrd "$DS_TMP/initrd" --cmd true
expect_status 5 "$TOOLS/vm" --no-such-option
expect_status 5 "$TOOLS/vm" --qemu no-such-qemu --kernel /dev/null --cmd true
