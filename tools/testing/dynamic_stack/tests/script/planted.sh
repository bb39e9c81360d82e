#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# beside: builds
# Planted bugs: all apply to the code as it is, each is noticed by a test that there is,
# and one that does not apply any more, or gets into another's way, is named.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

# planted COMMAND: a small repository's, with a kernel that looks built
repo=$DS_TMP/repo
here=$repo/tools/testing/dynamic_stack
mkdir -p "$here/tests/planted" "$repo/build/linux/mm/dynamic_stack" "$repo/build/kernel-debug/mm/dynamic_stack"
cp -r "$TOOLS/planted" "$TOOLS/ds" "$TOOLS/lib.sh" "$here"
export DS_ROOT=$repo PYTHONDONTWRITEBYTECODE=1
planted=$here/planted
debug=$repo/build/kernel-debug
out=$repo/build/kernel-planted
(cd "$repo/build/linux/mm/dynamic_stack" && seq -f 'int a%g;' 20 >a.c && echo 'int debug;' >debug.c)
echo 1 >"$debug/vmlinux"
echo object >"$debug/mm/dynamic_stack/a.o"
echo other >"$debug/mm/dynamic_stack/b.o"
mkdir "$debug/tools"
echo "$debug/tools/x.o" >"$debug/tools/.x.o.cmd"

# bug NAME SED [HEAD]
bug() {
	local clean=$repo/build/linux/mm/dynamic_stack/a.c
	{
		printf '%s\n' "${3-# test: sleepers}"
		sed "$2" "$clean" | diff -u --label a/mm/dynamic_stack/a.c --label b/mm/dynamic_stack/a.c "$clean" - || true
	} >"$here/tests/planted/$1.patch"
}
bug one 's/a5;/& if (dstack_planted(one))/'
bug two-b 's/a7;/& if (dstack_planted(two_b))/'
find "$repo/build/linux" "$debug" -type f -printf '%p %T@ %s\n' >"$DS_TMP/before"
"$planted" prepare debug planted
find "$repo/build/linux" "$debug" -type f -printf '%p %T@ %s\n' | cmp - "$DS_TMP/before" || fail "the source tree was changed"
grep -c dstack_planted "$out/mm/dynamic_stack/a.c" | grep -qx 2 || fail "not both bugs are in the copy"
grep -q 'module_param_named(two_b' "$out/mm/dynamic_stack/debug.c" || fail "no switch"
[ ! -e "$out/mm/dynamic_stack/a.o" ] || fail "the object of the changed file is still there"
[ -e "$out/mm/dynamic_stack/b.o" ] || fail "the other objects are not there"
grep -q "^$out/tools/x.o" "$out/tools/.x.o.cmd" || fail "a command names the other directory"

# Nothing has changed: nothing is built again. A kernel that was built again is copied again.
echo new >"$out/mm/dynamic_stack/a.o"
"$planted" prepare debug planted
[ -e "$out/mm/dynamic_stack/a.o" ] || fail "all over again, for nothing"
echo 22 >"$debug/vmlinux"
"$planted" prepare debug planted
[ ! -e "$out/mm/dynamic_stack/a.o" ] || fail "another kernel was not noticed"

expect_error 'kernel-fault is not there: run build-kernel' "$planted" prepare fault planted-fault
bug three 's/a5;/& if (dstack_planted(three))/'
expect_error 'tests/planted/three.patch changes lines of mm/dynamic_stack/a.c that another' "$planted" prepare debug planted
bug three 's/a15;/& if (dstack_planted(four))/'
expect_error 'three.patch adds no dstack_planted\(three\)' "$planted" prepare debug planted
bug three 's/a15;/& if (dstack_planted(three))/' '# nothing'
expect_error 'three.patch has no line' "$planted" prepare debug planted
bug three 's/a15;/& if (dstack_planted(three))/'
sed -i 's/a14/a140/' "$repo/build/linux/mm/dynamic_stack/a.c"
expect_error 'tests/planted/three.patch does not apply to mm/dynamic_stack/a.c: the code has changed: plant' "$planted" prepare debug planted
rm "$here/tests/planted/three.patch"
sed -i 's/a.c$/gone.c/' "$here/tests/planted/one.patch"
expect_error 'one.patch changes mm/dynamic_stack/gone.c, which is not there: the code has changed' "$planted" prepare debug planted
unset DS_ROOT

# The repository's own
n=0
for patch in "$TOOLS"/tests/planted/*.patch; do
	bug=$(basename "$patch" .patch)
	bug=${bug//-/_}
	for test in $(sed -n 's/^# test: //p' "$patch"); do
		case $test in
		fault/*)	grep -rq "planted[. ].*\b$bug\b" "$TOOLS/tests/$test.sh" "$TOOLS/tests/fault.sh" || fail "$test does not plant $bug" ;;
		vacate/*)	grep -q "\b$bug\b" "$TOOLS/tests/$test.sh" || fail "$test does not plant $bug" ;;
		progress/*)	[ -x "$TOOLS/tests/$test.sh" ] || fail "$patch: no test $test" ;;
		*)		[ -e "$ROOT/tools/testing/selftests/dynamic_stack/$test.c" ] || fail "$patch: no selftest $test" ;;
		esac
	done
	n=$((n + 1))
done
[ $n -ge 20 ] || fail "only $n bugs"
mkdir -p "$DS_TMP/copy"
cp -r "$ROOT"/{mm,arch,kernel} "$DS_TMP/copy"
# Some are in files that the kernel itself has
sed -n 's,^--- a/,,p' "$TOOLS"/tests/planted/*.patch | sort -u | while read -r file; do
	[ -e "$DS_TMP/copy/$file" ] || install -D -m 644 "$BUILD/linux/$file" "$DS_TMP/copy/$file"
done
PYTHONPATH=$TOOLS python3 -c 'import sys, tempfile
from ds import planted, ui
try:
    with tempfile.TemporaryDirectory() as tmp:
        planted.mutate(sys.argv[1], tmp, planted.bugs())
except ui.Error as e:
    sys.exit(f"FAIL: {e}")' "$DS_TMP/copy"
# Documentation may speak of them
! grep -rn --exclude-dir=next --exclude='*-Documentation-*' 'dstack_planted\|dynamic_stack_planted' "$ROOT"/{mm,arch,include,kernel,patches} || fail "there are planted bugs in the series"
echo "note: $n bugs"
