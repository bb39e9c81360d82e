#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# beside: builds
# Scripts parse, have a licence line, and make help lists every target.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

cd "$ROOT"
while IFS= read -r f; do
	[ -f "$f" ] || continue
	case $(head -c 40 "$f" | head -n 1) in
	'#!/bin/bash' | '#!/bin/busybox sh' | '#!/bin/sh')
		bash -n "$f" || fail "$f does not parse"
		head -n 3 "$f" | grep -q SPDX || fail "$f has no SPDX line" ;;
	'#!/usr/bin/env python3' | '#!/usr/bin/python3')
		python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$f" || fail "$f does not parse"
		head -n 3 "$f" | grep -q SPDX || fail "$f has no SPDX line" ;;
	esac
done < <(find tools/testing/dynamic_stack .ci -type f -not -path '*/__pycache__/*')
help=$(make -s help)
for t in $(sed -n 's/^\.PHONY: //p' Makefile); do
	grep -q "make $t " <<<"$help" || fail "make help does not list $t"
done
if command -v shellcheck >/dev/null; then
	shellcheck -x -P SCRIPTDIR tools/testing/dynamic_stack/{setup,build-kernel,lib.sh,init.sh} || fail "shellcheck"
fi
