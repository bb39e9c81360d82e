#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 600
# needs: outside
# beside: tests
# gdb with the kernel's scripts, on a guest that stands still: the same tasks and
# frames with the feature on and off, and of each stack just the mapped pages.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../outside.sh"

for v in on switch off; do
	guest gdb-$v "$(parameters $v)" "
		export OUTSIDE_JSON=$DS_TMP/$v.json
		gdb -nx -batch -iex 'set auto-load safe-path /' -ex 'target remote $DS_TMP/$v.gdb' \
			-ex lx-ps -ex 'source $TOOLS/outside.d/gdb-tasks.py' -ex detach $vmlinux >$DS_TMP/$v.txt 2>&1
		[ -s $DS_TMP/$v.json ]" --qemu-arg=-gdb --qemu-arg="unix:$DS_TMP/$v.gdb,server=on,wait=off" || {
		tail -n 20 "$DS_TMP/$v.txt"
		fail "$v: gdb failed"
	}
	grep -q swapper "$DS_TMP/$v.txt" || fail "$v: lx-ps shows no task"
done
all_right gdb "$(gdb --version | head -n 1)"
