#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 330
# needs: guest
# arch: x86_64 arm64
# beside: tests
# With dynamic_stack.preset=1 pages are mapped with the Accessed flag set, as on
# processors that don't set it: all suites and the tests of data pass, no page goes
# back without a flush, and reclaim=switch is refused.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

console=$BUILD/log/check/boot-preset-kunit.console
expect_status 0 "$TOOLS/vm" --label boot/preset-kunit --log "$console" --timeout 150 --smp 2 --mem 1G --append \
	"dynamic_stack=on dynamic_stack.preset=1 kunit.enable=1 kunit.filter_glob=dynamic[-_]stack*" --cmd true
! grep -a 'not ok' "$console" || fail "a KUnit case"
grep -aq '] ok [0-9]* dynamic_stack_switch' "$console" || fail "no KUnit suite"

expect_status 0 "$TOOLS/vm" --label boot/preset --log "$BUILD/log/check/boot-preset.console" \
	--timeout 150 --smp 2 --mem 1G \
	--append "dynamic_stack=on dynamic_stack.preset=1 dynamic_stack.reclaim=switch" --cmd '
grep -qx sleep /sys/module/dynamic_stack/parameters/reclaim || { echo "@@ reclaim=switch is not refused"; exit 1; }
[ "$(dmesg | grep -c "reclaim=switch: refused")" = 1 ] || { echo "@@ not one line"; exit 1; }
for t in sleepers remote_writes zeroing accounting stale; do
	/selftests/$t || { echo "@@ failed: $t"; exit 1; }
done
grep kstack_ /proc/vmstat
grep -qx "kstack_reclaim 0" /proc/vmstat || { echo "@@ pages went back without a flush"; exit 1; }
! grep -qx "kstack_collect 0" /proc/vmstat || { echo "@@ nothing was collected"; exit 1; }
'
