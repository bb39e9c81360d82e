#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 900
# Without CONFIG_DYNAMIC_STACK_FAULT, the entry code and all else that the fault
# path touches has the same code as without its patches, instruction by
# instruction. (Without CONFIG_DYNAMIC_STACK: see series/off-is-base.)
set -euo pipefail
. "$TOOLS/tests/lib.sh"

"$TOOLS/series" branch
linux=$BUILD/linux
first=$(git -C "$linux" log --format=%H --grep='^x86/cpu_entry_area: a stack for page faults$' dynamic-stack)
[ -n "$first" ] || fail "the first patch of the fault path is not in the series"
list=$(git -C "$linux" diff --name-only --diff-filter=M "$first^" dynamic-stack -- '*.c' '*.S' | sed 's/\.[cS]$/.o/')
list="$list arch/x86/mm/fault.o arch/x86/entry/entry_64_compat.o arch/x86/kernel/process_64.o"

tree=$BUILD/linux-nofault
[ -e "$tree/.git" ] || {
	git -C "$linux" worktree prune
	git -C "$linux" worktree add -q -f --detach "$tree" "$first^"
}
git -C "$tree" checkout -q --detach "$first^"
for side in nofault:$tree fault-off:$linux; do
	"$TOOLS/build-kernel" --name "${side%%:*}" --tree "${side#*:}" --set X86_MCE=y --config-only
	"$TOOLS/build-kernel" --name "${side%%:*}" --tree "${side#*:}" --no-config --targets "$(tr '\n' ' ' <<<"$list")"
done

# The compiler numbers some symbols, from 0 in each file
code() {
	objdump -dr --no-show-raw-insn "$1" | sed -e '1,3d' -e 's/\(__UNIQUE_ID_[A-Za-z_]*\)[0-9]*/\1/g'
}
compared=0
for o in $list; do
	code "$BUILD/kernel-nofault/$o" >"$DS_TMP/without"
	code "$BUILD/kernel-fault-off/$o" >"$DS_TMP/off"
	[ -s "$DS_TMP/without" ] || fail "$o: no code"
	cmp -s "$DS_TMP/without" "$DS_TMP/off" || {
		diff "$DS_TMP/without" "$DS_TMP/off" | head -n 20 || true
		fail "$o differs"
	}
	compared=$((compared + 1))
done
[ "$compared" -ge 9 ] || fail "only $compared objects compared"
# The comparison can fail: this one has the fault path
if [ -e "$BUILD/kernel-fault/arch/x86/entry/entry_64.o" ] &&
   cmp -s <(code "$BUILD/kernel-fault/arch/x86/entry/entry_64.o") <(code "$BUILD/kernel-fault-off/arch/x86/entry/entry_64.o"); then
	fail "with the fault path, the entry code is the same"
fi
echo "note: $compared objects have the same code"
