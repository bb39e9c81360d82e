#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# needs: own
# beside: tests
# Without CONFIG_DYNAMIC_STACK_FAULT, the entry code and all else that the fault
# path touches has the same code as without its patches, instruction by
# instruction. (Without CONFIG_DYNAMIC_STACK: see series/off-is-base.)
set -euo pipefail
. "$(dirname "$0")/../../lib.sh"

"$TOOLS/series" branch
linux=$BUILD/linux
first=$(git -C "$linux" log --format=%H --grep='^x86/cpu_entry_area: a stack for page faults$' dynamic-stack)
[ -n "$first" ] || fail "the first patch of the fault path is not in the series"
list=$(git -C "$linux" diff --name-only --diff-filter=M "$first^" dynamic-stack -- '*.c' '*.S' | sed 's/\.[cS]$/.o/')
list="$list arch/x86/mm/fault.o arch/x86/entry/entry_64_compat.o arch/x86/kernel/process_64.o"

if to_build "$@"; then
	tree=$BUILD/linux-nofault
	[ -e "$tree/.git" ] || {
		git -C "$linux" worktree prune
		git -C "$linux" worktree add -q -f --detach "$tree" "$first^"
	}
	git -C "$tree" checkout -q --detach "$first^"
	for side in nofault:$tree fault-off:$linux; do
		"$TOOLS/build-kernel" --name "${side%%:*}" --tree "${side#*:}" --set X86_MCE=y --set X86_FRED=y --config-only
		"$TOOLS/build-kernel" --name "${side%%:*}" --tree "${side#*:}" --no-config --targets "$(tr '\n' ' ' <<<"$list")"
	done
fi
built "$@"

# shellcheck disable=SC2086 # words on purpose
same_code 9 "$BUILD/kernel-nofault" "$BUILD/kernel-fault-off" $list
# The comparison can fail: this one has the fault path
if [ -e "$BUILD/kernel-fault/arch/x86/entry/entry_64.o" ] &&
   cmp -s <(code "$BUILD/kernel-fault/arch/x86/entry/entry_64.o") <(code "$BUILD/kernel-fault-off/arch/x86/entry/entry_64.o"); then
	fail "with the fault path, the entry code is the same"
fi
echo "note: $compared objects have the same code"
