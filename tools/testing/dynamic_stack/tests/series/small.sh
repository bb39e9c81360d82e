#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 120
# beside: builds
# The series tool on a small stand-in: what it makes, what it refuses, and that
# a refusal changes nothing.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
small_repo
S=$TOOLS/series
L=$REPO/build/linux

"$S" branch
[ "$(git -C "$L" rev-list --count HEAD)" = 2 ] || fail "not base + 1 commit"
grep -q 'int ten;' "$L/kernel/a.c" || fail "the patch is not applied"
cmp "$REPO/mm/new.c" "$L/mm/new.c" || fail "the new file is not there"
first=$(git -C "$L" rev-parse HEAD)

# Again: the same commit, nothing touched; and from nothing: the same commit
before=$(state)
"$S" branch
[ "$before" = "$(state)" ] || fail "a second run changed something"
rm -rf "$REPO/build"
"$S" branch
[ "$(git -C "$L" rev-parse HEAD)" = "$first" ] || fail "not reproducible"

# refuses WHY REGEX: and nothing changes
refuses() {
	local before
	before=$(state)
	expect_error "$2" "$S" branch
	[ "$before" = "$(state)" ] || fail "something was left behind: $1"
}
P=$REPO/patches/6.12
save() { rm -rf "$DS_TMP/save"; cp -a "$P" "$DS_TMP/save"; }
restore() { rm -rf "$P"; cp -a "$DS_TMP/save" "$P"; }

save
small_patch 0002-mm-b.patch mm/b.c 's/b5;/five;/' 'mm: edit b'
sed -i 's/ int b4;/ int other;/' "$P/0002-mm-b.patch"
echo 0002-mm-b.patch >>"$P/series"
refuses 'one wrong context line (fuzz)' '0002-mm-b.patch does not apply to mm/b.c line [0-9]+ of linux-x 1.0'
restore
small_patch 0002-x.patch kernel/a.c 's/a5;/five;/' 'x'
sed -i 's,kernel/a.c,kernel/gone.c,' "$P/0002-x.patch"
echo 0002-x.patch >>"$P/series"
refuses 'no such file' '0002-x.patch does not apply to kernel/gone.c'
restore
echo 'not a mail at all' >"$P/0002-x.patch"
echo 0002-x.patch >>"$P/series"
refuses 'no mail' '0002-x.patch: malformed'
small_patch 0002-x.patch kernel/a.c 's/a5;/five;/' 'x'
sed -i '$d' "$P/0002-x.patch"
refuses 'cut off' '0002-x.patch does not apply'
printf 'From: A <a@localhost>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nSubject: x\n\nText.\n' >"$P/0002-x.patch"
refuses 'empty' '0002-x.patch: changes nothing'
restore
echo gone.patch >>"$P/series"
refuses 'unknown name' 'series names gone.patch'
restore
touch "$P/0009-stray.patch"
refuses 'not listed' '0009-stray.patch is not named in'
restore
echo 'int lost;' >"$REPO/mm/lost.c"
refuses 'new file without a patch' 'mm/lost.c is in no patch'
small_patch 0002-x.patch kernel/a.c 's/a5;/five;/' 'x' 'New-files: mm/lost.c mm/new.c'
echo 0002-x.patch >>"$P/series"
refuses 'two patches name it' 'mm/new.c: named by New-files: in 0001.* and in 0002'
rm "$REPO/mm/lost.c"
refuses 'named file is missing' 'mm/lost.c is not in this repository'
restore
echo 'int b;' >"$REPO/mm/b.c"
sed -i 's,^New-files:.*,& mm/b.c,' "$P"/0001*
refuses 'exists in the base' 'mm/b.c exists in the base'
rm "$REPO/mm/b.c"
restore

# A point release to which the patch does not apply any more
sed -i 's/a10;/a10_renamed;/' "$DS_TMP/linux-x/kernel/a.c"
tar -C "$DS_TMP" -cf "$DS_TMP/base2.tar" linux-x
before=$(state)
expect_error '0001-kernel-edit-a.patch does not apply to kernel/a.c line [0-9]+ of linux-x 1.1 \(made for 1.0\)' \
	env BASE_TARBALL="$DS_TMP/base2.tar" BASE_TARBALL_VERSION=1.1 "$S" branch
[ "$before" = "$(state)" ] || fail "something was left behind by a failed point release"
sed -i 's/a10_renamed;/a10;/' "$DS_TMP/linux-x/kernel/a.c"
: >"$DS_TMP/empty.tar"
expect_error 'empty.tar' env BASE_TARBALL="$DS_TMP/empty.tar" BASE_TARBALL_VERSION=1.2 "$S" branch

# Edits that are not here are not overwritten
echo 'int edited;' >>"$L/mm/b.c"
small_patch 0002-x.patch kernel/a.c 's/a5;/five;/' 'x'
echo 0002-x.patch >>"$P/series"
expect_error 'mm/b.c.*make refresh.*FORCE=1' "$S" branch
FORCE=1 "$S" branch
! grep -q edited "$L/mm/b.c" || fail "FORCE=1 kept the edit"
restore
"$S" branch

# An edit here reaches the work tree; files that did not change keep their date
before=$(stat -c %Y.%y "$L/kernel/a.c" "$L/mm/b.c")
echo 'int edited_here;' >>"$REPO/mm/new.c"
"$S" sync
cmp "$REPO/mm/new.c" "$L/mm/new.c" || fail "sync did not copy"
date_new=$(stat -c %y "$L/mm/new.c")
"$S" branch
[ "$date_new" = "$(stat -c %y "$L/mm/new.c")" ] || fail "branch touched a file that sync had copied"
[ "$before" = "$(stat -c %Y.%y "$L/kernel/a.c" "$L/mm/b.c")" ] || fail "unchanged files got a new date"
"$S" check apply

# A part of the commits: of one commit, the first half has none; and no part
expect_error 'bisect=2/2: give K/N' "$S" check bisect=2/2
expect_error 'bisect=half: give K/N' "$S" check bisect=half
mkdir "$REPO/configs"
touch "$REPO/configs/guest.config"
"$S" check bisect=0/2 | grep '^0 commits, part 0/2, build' || fail "the first half of one commit is not empty"
expect_error "commit 'kernel: edit a' does not build" "$S" check bisect=1/2
