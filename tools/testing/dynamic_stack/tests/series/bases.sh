#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# beside: builds
# Two bases, one source: SERIES chooses, each builds in its own directory, a file of
# patches/SERIES/new takes the place of another. LINUX=dir: patch by patch, no fuzz.
# And what may be wrong with any of it: one line each.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

small_repo
S=$TOOLS/series
B=$REPO/build
"$S" branch
old=$(git -C "$B/linux" rev-parse HEAD)

expect_error 'SERIES=9.9: there is no bases/9.9.mk: 6.12' env SERIES=9.9 "$S" branch
[ ! -e "$B/9.9/linux" ] || fail "a tree for a series that does not exist"

# Another base, in which line 10 is another one
mkdir -p "$REPO/bases" "$REPO/patches/7.3"
printf 'BASE_PACKAGE=linux-y\nBASE_VERSION=7.3.1\nBASE_SUITE=some-suite\nSERIES=7.3\n' >"$REPO/bases/7.3.mk"
cp -r "$DS_TMP/linux-x" "$DS_TMP/linux-y"
sed -i 's/a9;/nine;/' "$DS_TMP/linux-y/kernel/a.c"
tar -C "$DS_TMP" -cf "$DS_TMP/other.tar" linux-y
cp "$REPO"/patches/6.12/* "$REPO/patches/7.3"
expect_error 'SERIES=9.9: there is no bases/9.9.mk: 6.12 7.3' env SERIES=9.9 "$S" branch

other() { env SERIES=7.3 BASE_TARBALL="$DS_TMP/other.tar" "$@"; }
expect_error 'patches/7.3/0001-kernel-edit-a.patch does not apply to kernel/a.c line 7 of linux-y' other "$S" branch
sed -i 's/^ int a9;/ int nine;/' "$REPO/patches/7.3/0001-kernel-edit-a.patch"
other "$S" branch | tee "$DS_TMP/said"
grep -q '^build/7.3/linux: branch dynamic-stack at .* linux-y 7.3.1' "$DS_TMP/said" || fail "not in build/7.3"
grep -qx 'int ten;' "$B/7.3/linux/kernel/a.c" || fail "not the patched tree"
[ "$(git -C "$B/linux" rev-parse HEAD)" = "$old" ] || fail "the usual branch has changed"
env SERIES=6.12 "$S" branch | grep -q '^build/linux: ' || fail "6.12 by name is not the usual one"

# Without the tarball, which somebody has to fetch
expect_error 'build/base/linux-y.tar.xz is missing: run .make SERIES=7.3 setup' \
	env -u BASE_TARBALL SERIES=7.3 "$S" branch

# A new file of the old base alone, and one that it has instead
mkdir -p "$REPO/patches/6.12/new/mm"
echo 'int stale;' >"$REPO/patches/6.12/new/mm/new.c"
echo 'int only;' >"$REPO/patches/6.12/new/mm/only.c"
expect_error 'mm/only.c is in no patch' "$S" branch
sed -i 's,^New-files: mm/new.c,& mm/only.c,' "$REPO/patches/6.12/0001-kernel-edit-a.patch"
"$S" branch
grep -qx 'int stale;' "$B/linux/mm/new.c" || fail "patches/6.12/new does not come first"
grep -qx 'int only;' "$B/linux/mm/only.c" || fail "patches/6.12/new is not in the tree"
other "$S" branch
grep -qx 'int fresh;' "$B/7.3/linux/mm/new.c" || fail "7.3 has what is for 6.12"
[ ! -e "$B/7.3/linux/mm/only.c" ] || fail "7.3 has a file that is for 6.12"
# An edit of it comes back to where it is from
echo 'int staler;' >"$B/linux/mm/new.c"
"$S" refresh
grep -qx 'int staler;' "$REPO/patches/6.12/new/mm/new.c" || fail "refresh lost the edit"
grep -qx 'int fresh;' "$REPO/mm/new.c" || fail "refresh wrote to the other base's file"

# Any tree: the nearest series, each patch, no fuzz, nothing changed there
expect_error 'LINUX=/nowhere: not a kernel source tree' "$S" try /nowhere
expect_error 'not a kernel source tree' "$S" try "$DS_TMP/linux-x"
tree=$DS_TMP/tree
cp -r "$DS_TMP/linux-y" "$tree"
printf 'VERSION = 7\nPATCHLEVEL = 5\n' >"$tree/Makefile"
"$S" try "$tree" | tee "$DS_TMP/said"
grep -qx '0001-kernel-edit-a: applies' "$DS_TMP/said" || fail "the patch is not reported"
grep -q '^patches/7.3 on .* (7.5): 1 of 1 patches apply without fuzz$' "$DS_TMP/said" || fail "no sum"
cmp "$tree/kernel/a.c" "$DS_TMP/linux-y/kernel/a.c" || fail "the tree was changed"
# Moved is all right, another neighbour is not: patch would take it
sed -i '1i int first;' "$tree/kernel/a.c"
"$S" try "$tree" >/dev/null || fail "an offset is no reason"
sed -i 's/a11;/eleven;/' "$tree/kernel/a.c"
expect_status 1 "$S" try "$tree" >"$DS_TMP/said"
cat "$DS_TMP/said"
grep -qx '0001-kernel-edit-a: does not apply: kernel/a.c line 7' "$DS_TMP/said" || fail "not said where"
grep -q '0 of 1 patches apply without fuzz, 1 do not' "$DS_TMP/said" || fail "no sum"
printf 'VERSION = 6\nPATCHLEVEL = 18\n' >"$tree/Makefile"
(cd "$tree" && cp "$DS_TMP/linux-x/kernel/a.c" kernel/a.c)
"$S" try "$tree" | grep -q '^patches/6.12 on ' || fail "6.18 is nearer to 6.12"
rm "$tree/kernel/a.c"
expect_status 1 "$S" try "$tree" >"$DS_TMP/said"
grep -q 'does not apply: kernel/a.c (does not exist in index)' "$DS_TMP/said" || fail "a file that is gone"
echo "note: another base, its own files, any tree"
