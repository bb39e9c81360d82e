#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# beside: builds
# kstacktop on files from a guest: the numbers add up; sorting; one line for
# each thing that may be missing or wrong.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

sample=$(dirname "$0")/kstacktop.sample
top=$DS_TMP/kstacktop
gcc -O2 -Wall -Wextra -Werror -o "$top" "$ROOT/tools/mm/kstacktop.c"

# expect LINE OPTION...: kstacktop prints exactly this line
expect() {
	local line=$1
	shift
	"$top" -o -D "$sample" "$@" >"$DS_TMP/out" || fail "kstacktop $*"
	grep -Fxq -- "$line" "$DS_TMP/out" || { cat "$DS_TMP/out"; fail "no line '$line' from: $*"; }
}
# 10 * 1 + 1 * 3 + 38 * 4 stacks' pages, 71 pooled, 3 cached, 4 of idle tasks
expect 'Memory: 972 KiB, if all were whole 800 KiB (121.5 %); descriptors 5 KiB'
expect 'Stacks: 13 shrunk when asleep, 14 kept whole, 22 not managed'
expect 'Pools:  28 to 28 frames on 2 CPUs, 0 starved; overflow 0, reserve 12/12'
expect '    1      10 ###########'
expect '    2       0'
expect '    4      38 ########################################'
expect '     79      1 M---       1680    4096 sh'
[ "$(sed "1,/COMMAND/d" "$DS_TMP/out" | wc -l)" = "$(tail -n +2 "$sample/stacks" | wc -l)" ] || fail "not all tasks are shown"

first() { "$top" -o -D "$sample" "$@" | sed -n '/COMMAND/{n;p}'; }
[[ $(first) == *kcompactd0* ]] || fail "most pages, then depth: $(first)"
[[ $(first -s d) == *' 1680 '* ]] || fail "depth: $(first -s d)"
[[ $(first -s p) == *cpuhp/0* ]] || fail "pid: $(first -s p)"
[[ $(first -s c) == *cat ]] || fail "command: $(first -s c)"
[ "$("$top" -o -D "$sample" -n 2 | sed '1,/COMMAND/d' | wc -l)" = 2 ] || fail "-n 2"

# Names with spaces, also in front; and their sum
cp -r "$sample" "$DS_TMP/s"
chmod u+w "$DS_TMP/s"/*
printf '%7d %4u %-16s %5u %7u %s\n' 500 1 M--- 600 4096 ' two words' 501 3 MPP- 700 12288 ' two words' >>"$DS_TMP/s/stacks"
"$top" -o -D "$DS_TMP/s" | grep -q ' MPP- *700 *12288  two words$' || fail "name with spaces"
"$top" -o -c -D "$DS_TMP/s" | grep -q '^ *2 *4 *700 *12288  two words$' || fail "sum of a command"

# A pool without frames
sed -i 's/^cpu 1: .*/cpu 1: frames 0 of 36 starved/' "$DS_TMP/s/pools"
"$top" -o -D "$DS_TMP/s" | grep -q '^Pools:  0 to 28 frames on 2 CPUs, 1 starved;' || fail "starved pool"

# What is wrong or missing
wrong() {
	local regex=$1
	shift
	expect_status 1 "$top" "$@" >"$DS_TMP/stdout" 2>"$DS_TMP/stderr"
	[ "$(wc -l <"$DS_TMP/stderr")" = 1 ] || fail "not one line from: $*"
	grep -Eq "^kstacktop: .*($regex)" "$DS_TMP/stderr" || { cat "$DS_TMP/stderr"; fail "expected /$regex/ from: $*"; }
}
[ -e /sys/kernel/debug/dynamic_stack ] || wrong 'run it as root|mount -t debugfs|CONFIG_DYNAMIC_STACK=y' -o
wrong 'summary: No such file' -o -D "$DS_TMP"
wrong 'no such key' -s x
wrong 'no value for --lines' -n many
wrong 'no value for --delay' -d 0
wrong 'unexpected argument' once
wrong 'no thread with a managed stack' -o -D "$sample" -p 999999
sed -i 's/^enabled 1/enabled 0/' "$DS_TMP/s/summary"
wrong 'are off: boot with dynamic_stack=on' -o -D "$DS_TMP/s"
for file in summary stacks pools; do
	rm -rf "$DS_TMP/s"
	cp -r "$sample" "$DS_TMP/s"
	chmod u+w "$DS_TMP/s"/*
	echo 'garbage in here' >>"$DS_TMP/s/$file"
	wrong "$file: not understood: garbage" -o -D "$DS_TMP/s"
done
cp "$sample/summary" "$DS_TMP/s/summary"
sed -i '/^stack_pages/d' "$DS_TMP/s/summary"
wrong 'summary: no line "stack_pages"' -o -D "$DS_TMP/s"
: >"$DS_TMP/s/summary"
wrong 'summary: no line' -o -D "$DS_TMP/s"
expect_status 2 "$top" --no-such-option 2>/dev/null
"$top" --help | grep -q '^Usage: kstacktop' || fail "no help"
