#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# needs: own
# beside: tests
# With CONFIG_DYNAMIC_STACK=n, every object that the series touches has the same
# code as in the base kernel, instruction by instruction. With it, what is called to
# switch tasks while the feature is off has the same instructions, but for where
# members of task_struct are.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

"$TOOLS/series" branch
linux=$BUILD/linux
base=$(git -C "$linux" rev-list --max-parents=0 HEAD)

sources=$(git -C "$linux" diff --name-only --diff-filter=M "$base" HEAD -- '*.c' '*.S')
# What other files include is compared where it is included; perf's and other
# user programs' files are no kernel objects.
objects=$(for f in $sources; do
	case $f in
	tools/*) ;;
	arch/x86/*) echo "${f%.*}.o" ;;
	arch/*) echo "note: not compared, for another architecture: $f" >&2 ;;
	kernel/sched/rt.c | kernel/sched/deadline.c | kernel/sched/ext.c | kernel/sched/ext/* | kernel/sched/build_policy.c) echo kernel/sched/build_policy.o ;;
	*) echo "${f%.*}.o" ;;
	esac
done | sort -u)

if to_build "$@"; then
	"$TOOLS/build-kernel" --name off --tree "$linux" --set CONFIG_DYNAMIC_STACK=n --set X86_MCE=y --set X86_FRED=y --config-only
	"$TOOLS/build-kernel" --name off-base --base --set X86_MCE=y --set X86_FRED=y --config-only
fi
# Objects that this configuration has: the others can't be built on their own
list=
for o in $objects; do
	case $o in
	mm/kmemleak.o) config=DEBUG_KMEMLEAK ;;
	arch/x86/kernel/unwind_frame.o) config=UNWINDER_FRAME_POINTER ;;
	arch/x86/kernel/unwind_guess.o) config=UNWINDER_GUESS ;;
	arch/x86/kernel/cpu/mce/core.o) config=X86_MCE ;;
	arch/x86/kernel/kgdb.o) config=KGDB ;;
	kernel/bpf/stackmap.o) config=BPF_SYSCALL ;;
	*) config= ;;
	esac
	if [ -n "$config" ] && ! grep -q "^CONFIG_$config=y" "$BUILD/kernel-off/.config"; then
		echo "note: $o is not in this configuration"
	else
		list="$list $o"
	fi
done
switch="arch/x86/entry/entry_64.o arch/x86/kernel/process_64.o"
if to_build "$@"; then
	"$TOOLS/build-kernel" --name off-built --tree "$linux" --set X86_MCE=y --set X86_FRED=y --config-only
	"$TOOLS/build-kernel" --name off-built --tree "$linux" --no-config --targets "$switch"
	"$TOOLS/build-kernel" --name off --tree "$linux" --no-config --targets "$list"
	"$TOOLS/build-kernel" --name off-base --base --no-config --targets "$list"
fi
built "$@"

# shellcheck disable=SC2086 # words on purpose
same_code 10 "$BUILD/kernel-off-base" "$BUILD/kernel-off" $list

# instructions OBJECT FUNCTION: without addresses and constants
instructions() {
	objdump -d --no-show-raw-insn --no-addresses --disassemble="$2" "$1" | sed -e '/^\t/!d' -e 's/<[^>]*>//g' \
		-e 's/#.*//' -e 's/-\?\$\?0x[0-9a-f]*//g' -e 's/[[:space:]][0-9a-f]*[[:space:]]*$//'
}
grep -q '^CONFIG_DYNAMIC_STACK_SPLIT=y' "$BUILD/kernel-off-built/.config" || fail "the switch is not split"
for what in ${switch/ /:__switch_to_asm }:__switch_to; do
	o=${what%:*} f=${what#*:}
	instructions "$BUILD/kernel-off-base/$o" "$f" >"$DS_TMP/one"
	[ "$(wc -l <"$DS_TMP/one")" -gt 20 ] || fail "$f: no code"
	instructions "$BUILD/kernel-off-built/$o" "$f" | diff "$DS_TMP/one" - || fail "$f differs"
done
if cmp -s "$DS_TMP/one" <(instructions "$BUILD/kernel-off-built/$o" __switch_to_second_half); then
	fail "the second half compares as equal to the whole"
fi

# The comparison can fail
if cmp -s <(code "$BUILD/kernel-off/kernel/fork.o") <(code "$BUILD/kernel-off/kernel/exit.o"); then
	fail "two different objects compare as equal"
fi
echo "$compared objects have the base's code, and so has the switch with the feature built in"
