#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 330
# needs: debug
# beside: tests, but half ignore-seq no-exclusion late-park torn-clear
# A bug is planted (dynamic_stack.plant=), and the test that should notice must
# notice: it fails, or the kernel warns (and then stops) or dies. Before that, in the same boot,
# the same test passes without the bug, or the result would mean nothing. Each
# link to this file in planted/ is one bug.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"

delay=0
delay_us=0
smp=2
policy=switch
case "$(basename "$0" .sh)" in
no-flush)		bit=0 test=remote_writes policy=sleep ;;
fresh-frame)		bit=1 test=sleepers ;;
ignore-accessed)	bit=2 test=sleepers ;;
ignore-seq)		bit=3 test=remote_writes delay=60 ;;
above-sp)		bit=4 test=sleepers ;;
preset-accessed)	bit=5 test=sleepers ;;
no-zero)		bit=6 test=remote_writes policy=sleep ;;
leak)			bit=7 test=accounting policy=sleep ;;
counter)		bit=8 test=accounting policy=sleep ;;
half)			bit=9 test=starve ;;
no-exclusion)		bit=10 test=remote_writes delay=60 ;;
late-park)		bit=11 test=sleepers delay=5 ;;
torn-clear)		bit=12 test=stale delay_us=300 ;;
*)			echo "no such bug: $0"; exit 1 ;;
esac

name=$(basename "$0" .sh)
console=$BUILD/log/check/planted-$name.console
status=0
"$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" --label "planted/$name" \
	--log "$console" --timeout 300 --smp $smp --mem 1G --append "dynamic_stack=on dynamic_stack.reclaim=$policy" --cmd "
p=/sys/module/dynamic_stack/parameters
echo $delay >\$p/delay_ms
echo $delay_us >\$p/delay_us
/selftests/$test || { echo '@@ control failed'; exit 1; }
echo '@@ planted'
echo 1 >/proc/sys/kernel/panic_on_warn
echo $((1 << bit)) >\$p/plant
/selftests/$test || exit 1
" || status=$?

grep -q '^@@ planted' "$console" || { echo "the test fails without the bug"; exit 1; }
if sed '/^@@ planted/,$d' "$console" | grep -Eq 'WARNING:|BUG:'; then
	echo "the kernel warned before the bug was planted"
	exit 1
fi
after=$(sed '1,/^@@ planted/d' "$console")
case $status in
1)	echo "noticed: $(grep -m1 '^not ok' <<<"$after")" ;;
2)	echo "noticed: the kernel died: $(grep -Em1 'WARNING:|BUG:|Oops|corruption|stack frame|panic' <<<"$after")" ;;
0)	echo "nothing noticed the bug"; exit 1 ;;
*)	echo "vm ended with status $status"; exit 1 ;;
esac
