#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 2400
# needs: fault64
# The fault path with stacks of 64 KiB, and frame pointers: the depth of 50 KiB is
# reached and warned of, and an NMI sees through the #PF stack where the fault
# came from.
set -euo pipefail
# shellcheck disable=SC2034 # for what is sourced
variant=64
# shellcheck source=../fault.sh
. "$TOOLS/tests/fault.sh"
grep -qx 'CONFIG_UNWINDER_FRAME_POINTER=y' "$kernel/.config" || fail "not built with frame pointers"

guest 4 deep '' '
[ $(sed -n "s/^stack_pages //p" /sys/kernel/debug/dynamic_stack/summary) = 16 ] || die "not 16 pages"
for s in sleepers remote_writes; do
	# 4: it needs two processors
	/selftests/$s || { [ $? = 4 ] && [ $(nproc) = 1 ]; } || die "$s failed"
done
[ $(count kstack_fault) = 0 ] || die "$(count kstack_fault) faults within what is promised"
for i in 1 2 3; do echo remote 50000 50 >$t || die "data lost"; done
[ $(count kstack_fault) -ge 8 ] || die "only $(count kstack_fault) faults"
/selftests/accounting || die "frames are lost"
'
[ "$(grep -c 'WARNING: ' "$CONSOLE")" = 1 ] || fail "$(grep -c 'WARNING: ' "$CONSOLE") warnings, not one"
sed '1,/WARNING: /d' "$CONSOLE" | grep ' go_deep+' >/dev/null || fail "the trace does not show where it was"

guest 0 nested 'dynamic_stack.populate=1' '
for cmd in nmi db storm copy; do
	# Another processor sends them
	[ $cmd != nmi ] || [ $(nproc) != 1 ] || continue
	echo $cmd 100 >$f || die "$cmd: $?"
	cat $f
	[ $(was rounds) = 100 ] && [ $(was wrong) = 0 ] && [ $(was lost) = 0 ] || die "$cmd went wrong"
	[ $cmd != nmi ] || [ $(was unwound) -ge 90 ] || die "only $(was unwound) NMIs saw where the fault came from"
done
/selftests/accounting || die "frames are lost"
'
echo "note: 64 KiB, frame pointers"
