#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# needs: fault
# beside: tests
# An IRET that fails on the espfix stack is a double fault elsewhere. Here the
# push of its frame is a page fault that has a stack, and must end in the same
# way: the task gets SIGSEGV. Also with page-table isolation.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"
grep -qx 'CONFIG_X86_ESPFIX64=y' "$kernel/.config" || fail "not built with CONFIG_X86_ESPFIX64"

for cmdline in '' 'pti=on'; do
	guest 0 "${cmdline:-plain}" "$cmdline" '/selftests/bad_iret || die "bad_iret"'
done
echo "note: 200 bad returns each, with PTI and without"
