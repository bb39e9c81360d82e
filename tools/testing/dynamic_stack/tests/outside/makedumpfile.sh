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

if to_build "${1:-}"; then
	"$TOOLS/outside.d/build-crash" || { echo "crash can't be built: see above"; exit 1; }
fi
built "${1:-}"
command -v makedumpfile >/dev/null || { echo "makedumpfile is missing: 'make check-suites' installs it"; exit 4; }
crash=$BUILD/crash/crash

for v in on switch off; do
	dumped makedumpfile $v
	makedumpfile -l -d 31 "$DS_TMP/$v.dump" "$DS_TMP/$v.filtered" || fail "$v: makedumpfile failed"
	whole=$(stat -c %s "$DS_TMP/$v.dump") small=$(stat -c %s "$DS_TMP/$v.filtered")
	echo "$v: $((whole >> 10)) KiB, filtered $((small >> 10)) KiB"
	[ $((small * 2)) -lt "$whole" ] || fail "$v: nothing was filtered"
	crash_tasks "$crash" "$DS_TMP/$v.dump" $v-whole
	crash_tasks "$crash" "$DS_TMP/$v.filtered" $v
	cmp "$DS_TMP/$v-whole.txt" "$DS_TMP/$v.txt" || fail "$v: other frames in the filtered dump"
	if $python -c 'import drgn' 2>/dev/null; then
		$python "$TOOLS/outside.d/drgn-tasks.py" "$vmlinux" "$DS_TMP/$v.filtered" >"$DS_TMP/$v-drgn.json"
		pages_right $v-drgn 0
	fi
done
compared off switch
compared off on
"$outside" result makedumpfile "tool=$(makedumpfile -v 2>&1 | sed -n 's/^makedumpfile: version //p' | head -n 1)" \
	status=pass on="$differences" off=reference
echo "note: $differences"
