#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# needs: own
# beside: tests
# Without CONFIG_DYNAMIC_STACK_FAULT, every object of the feature, of the scheduler and
# of all else that the patches touch has the same code in the final tree as in series
# A's, instruction by instruction. So what is tested of the one is true of the other.
# (Without CONFIG_DYNAMIC_STACK: see series/off-is-base.)
set -euo pipefail
. "$(dirname "$0")/../../lib.sh"

"$TOOLS/series" branch
linux=$BUILD/linux tree=$BUILD/linux-nofault
if to_build "$@"; then
	[ -e "$tree/.git" ] || {
		git -C "$linux" worktree prune
		git -C "$linux" worktree add -q -f --detach "$tree" series-a
	}
	git -C "$tree" checkout -q --detach series-a
fi
sides="nofault:$tree fault-off:$linux"
if to_build "$@"; then
	# KUnit's assertions are text, with what THREAD_SIZE expands to
	for side in $sides; do
		"$TOOLS/build-kernel" --name "${side%%:*}" --tree "${side#*:}" --set X86_MCE=y --set X86_FRED=y \
			--set DYNAMIC_STACK_DEBUG=y --set DYNAMIC_STACK_HOOKS=y --set DYNAMIC_STACK_KUNIT_TEST=n --config-only
	done
fi
# Not one more option than in A's tree
diff <(grep '^CONFIG_' "$BUILD/kernel-nofault/.config") <(grep '^CONFIG_' "$BUILD/kernel-fault-off/.config" |
	grep -v '^CONFIG_\(HAVE_DYNAMIC_STACK_FAULT=y\|DYNAMIC_STACK_ORDER=0\)$') || fail "the two kernels have other options"
# What the patches touch, and what includes the headers that they touch
list=$({
	"$TOOLS/series" objects "$BUILD/kernel-fault-off"
	printf '%s\n' arch/x86/mm/fault.o arch/x86/entry/entry_64_compat.o kernel/sched/build_utility.o \
		kernel/sched/core.o kernel/sched/fair.o
} | sort -u)
if to_build "$@"; then
	for side in $sides; do
		"$TOOLS/build-kernel" --name "${side%%:*}" --tree "${side#*:}" --no-config --targets "$(tr '\n' ' ' <<<"$list")"
	done
fi
built "$@"

for o in mm/dynamic_stack/{proof,pool,switch,stack,collect,refill,init,debug,debugfs}.o \
	 kernel/sched/{dynamic_stack,core}.o \
	 arch/x86/kernel/{process_64,traps,nmi}.o arch/x86/entry/entry_64.o; do
	grep -qx "$o" <<<"$list" || fail "$o is not compared"
done
# shellcheck disable=SC2086 # words on purpose
same_code 40 "$BUILD/kernel-nofault" "$BUILD/kernel-fault-off" $list
# The comparison can fail: this one has the fault path
if [ -e "$BUILD/kernel-fault/arch/x86/entry/entry_64.o" ] &&
   cmp -s <(code "$BUILD/kernel-fault/arch/x86/entry/entry_64.o") <(code "$BUILD/kernel-fault-off/arch/x86/entry/entry_64.o"); then
	fail "with the fault path, the entry code is the same"
fi
echo "note: $compared objects have the same code"
