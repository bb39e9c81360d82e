#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 600
# needs: outside
# beside: tests
# drgn shows the same frames with the feature on and off, and can read those pages
# of each stack, and only those, that are mapped.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../outside.sh"

$python -c 'import drgn' 2>/dev/null || { echo "drgn is missing: 'make check-suites' installs it"; exit 4; }
for v in on switch off; do
	dumped drgn $v
	$python "$TOOLS/outside.d/drgn-tasks.py" "$vmlinux" "$DS_TMP/$v.dump" >"$DS_TMP/$v.json"
done
all_right drgn "$($python -c 'import drgn; print(drgn.__version__)')"
