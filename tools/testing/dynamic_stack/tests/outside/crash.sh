#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 900
# needs: outside own
# beside: tests
# crash with crash.patch shows the frames of all tasks, and the same as with the
# feature off. Without the patch it shows none of a shrunk one. What is not there
# reads as absent.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../outside.sh"

need_crash "$@"

for v in on switch off; do
	dumped crash $v
	crash_tasks "$crash" "$DS_TMP/$v.dump" $v
	cat "$DS_TMP/$v.active"
	! grep -E '^bt: ' "$DS_TMP/$v.txt" "$DS_TMP/$v.active" || fail "$v: crash has no frames of these"
	[ "$("$outside" failed "$DS_TMP/$v.json")" = 0 ] || fail "$v: tasks without frames"
done
compared off on
compared off switch

# The other way round: it is the patch that does it
crash_tasks "$crash-before" "$DS_TMP/on.dump" before
failed=$("$outside" failed "$DS_TMP/before.json")
tasks=$(grep -c '"pid"' "$DS_TMP/on.json")
echo "without the patch $failed of $tasks tasks have no frames"
[ "$failed" -ge 20 ] || fail "only $failed tasks have no frames without the patch: nothing was tested"
crash_tasks "$crash-before" "$DS_TMP/off.dump" before-off
cmp "$DS_TMP/off.txt" "$DS_TMP/before-off.txt" || fail "the patch changes what is said with the feature off"

# An absent page is absent for all other commands
stack=$(sed -n 's/^bt: read of stack at \([0-9a-f]*\) failed/\1/p' "$DS_TMP/before.txt" | head -n 1)
crash_says "$crash" "$DS_TMP/on.dump" "rd $stack" "vtop $stack" | tee "$DS_TMP/absent"
grep -q 'rd: invalid kernel virtual address' "$DS_TMP/absent" || fail "an absent page can be read"
pid=$(sed -n 's/^PID: \([0-9]*\) .*COMMAND: "nap1"/\1/p' "$DS_TMP/on.txt")
crash_says "$crash" "$DS_TMP/on.dump" "bt -r $pid" >"$DS_TMP/raw"
absent=$(grep -c '(no page)' "$DS_TMP/raw" || true)
[ "$absent" = 3 ] || fail "bt -r says that $absent pages of a shallow sleeper are absent, not 3"
[ "$(grep '^[0-9a-f]*:  ' "$DS_TMP/raw" | grep -vc '(no page)')" = 256 ] || fail "bt -r does not show the page that is there"
crash_says "$crash" "$DS_TMP/on.dump" 'bt -v' | tee "$DS_TMP/overflow"
! grep -q 'possible stack overflow' "$DS_TMP/overflow" || fail "bt -v takes a stack for overflown"

# A page that has to be there, and is not: no frames rather than wrong ones. The
# stack pointer of a deep sleeper is not in the top page.
cp "$DS_TMP/on.dump" "$DS_TMP/broken.dump"
pid=$(sed -n 's/^PID: \([0-9]*\) .*COMMAND: "deep1"/\1/p' "$DS_TMP/on.txt")
sp=$(sed -n "/^PID: $pid /,/^\$/s/^ #0 \[\([0-9a-f]*\)\].*/\1/p" "$DS_TMP/on.txt")
pte=$(crash_says "$crash" "$DS_TMP/on.dump" "vtop $sp" | sed -n 's/^ *PTE: *\([0-9a-f]*\) .*/\1/p' | tail -n 1)
"$outside" unmap "$DS_TMP/broken.dump" "$pte"
crash_says "$crash" "$DS_TMP/broken.dump" "bt $pid" | tee "$DS_TMP/broken"
grep -Eq '^bt: (no page at the stack pointer|invalid kernel virtual address)' "$DS_TMP/broken" ||
	fail "not noticed: no page at the stack pointer"
! grep -q '^ #0' "$DS_TMP/broken" || fail "frames from a page that is not there"

"$outside" result crash "tool=$("$crash" --version | sed -n '1,/^crash/s/^crash //p')" status=pass \
	tasks="$tasks" without_patch_no_frames="$failed" on="$differences" off=reference
echo "note: $failed of $tasks tasks have no frames without the patch, all have them with it; $differences"
