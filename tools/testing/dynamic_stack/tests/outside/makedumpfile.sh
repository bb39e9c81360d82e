#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 900
# needs: outside own
# beside: tests
# A dump that makedumpfile has filtered (-d 31, what kdump does) has the same stacks:
# crash's frames are the same, and each mapped page of a stack is in there.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../outside.sh"

need_crash "$@"
command -v makedumpfile >/dev/null || { echo "makedumpfile is missing: 'make check-suites' installs it"; exit 4; }

# The filter may lose tasks, feature on or off: seen with 1.7.2 and 1.7.8 on Linux 6.12, six of
# some 60, in dumps without notes of the kernel. Those that it leaves must be the same.
declare -A lost
for v in off on switch; do
	dumped makedumpfile $v
	makedumpfile -l -d 31 "$DS_TMP/$v.dump" "$DS_TMP/$v.filtered" || fail "$v: makedumpfile failed"
	whole=$(stat -c %s "$DS_TMP/$v.dump") small=$(stat -c %s "$DS_TMP/$v.filtered")
	echo "$v: $((whole >> 10)) KiB, filtered $((small >> 10)) KiB"
	[ $((small * 2)) -lt "$whole" ] || fail "$v: nothing was filtered"
	crash_tasks "$crash" "$DS_TMP/$v.dump" $v-whole
	crash_tasks "$crash" "$DS_TMP/$v.filtered" $v
	lost[$v]=$("$outside" lost "$DS_TMP/$v-whole.json" "$DS_TMP/$v.json") || fail "$v: see above"
	[ "$(grep -c '"pid"' "$DS_TMP/$v.json")" -ge 30 ] || fail "$v: hardly a task is left"
	if $python -c 'import drgn' 2>/dev/null; then
		$python "$TOOLS/outside.d/drgn-tasks.py" "$vmlinux" "$DS_TMP/$v.filtered" >"$DS_TMP/$v-drgn.json"
		pages_right $v-drgn 0
	fi
done
compared off-whole switch-whole
compared off-whole on-whole
for v in on switch; do
	[ "${lost[off]}" != 0 ] || [ "${lost[$v]}" = 0 ] || fail "$v: ${lost[$v]} tasks are lost, none with the feature off"
done
differences="$differences; tasks lost by the filter: on ${lost[on]}, switch ${lost[switch]}, off ${lost[off]}"
"$outside" result makedumpfile "tool=$(makedumpfile -v 2>&1 | sed -n 's/^makedumpfile: version //p' | head -n 1)" \
	status=pass on="$differences" off=reference
echo "note: $differences"
