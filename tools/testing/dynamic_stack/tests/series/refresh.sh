#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 120
# beside: builds
# The way back: edits and commits in build/linux become patches and new files
# here, and the branch made from those is the same.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
small_repo
S=$TOOLS/series
L=$REPO/build/linux
P=$REPO/patches/6.12
g() { git -C "$L" "$@"; }

"$S" branch
"$S" refresh
once=$(cat "$P"/*)
head=$(g rev-parse HEAD)
"$S" refresh
[ "$once" = "$(cat "$P"/*)" ] || fail "refresh twice gives two results"
[ "$head" = "$(g rev-parse HEAD)" ] || fail "refresh moved the branch for nothing"

# 1. a commit with an edit of an old file and a new file, without trailer
sed -i 's/b3;/three;/' "$L/mm/b.c"
printf 'int two;\n' >"$L/mm/two.c"
g add -A -f
g commit -q -m 'mm: second patch

Why it is so.

Signed-off-by: Tester <tester@localhost>'
expect_error '1 commit.*make refresh' "$S" branch
"$S" refresh
[ "$(cat "$P/series")" = "$(printf '0001-kernel-edit-a.patch\n0002-mm-second-patch.patch')" ] || fail "series: $(cat "$P/series")"
cmp "$REPO/mm/two.c" "$L/mm/two.c" || fail "the new file did not come back"
grep -qx 'New-files: mm/two.c' "$P/0002-mm-second-patch.patch" || fail "no trailer"
grep -q 'Signed-off-by: Tester' "$P/0002-mm-second-patch.patch" || fail "sign-off is lost"
! grep -q 'int two;' "$P/0002-mm-second-patch.patch" || fail "the new file is in the patch"
tree=$(g rev-parse 'HEAD^{tree}')

# 2. uncommitted edits: of a file that one patch owns, and of a new file
sed -i 's/b7;/seven;/' "$L/mm/b.c"
echo 'int more;' >>"$L/mm/two.c"
"$S" refresh
grep -q '^+int seven;' "$P/0002-mm-second-patch.patch" || fail "the edit did not reach its patch"
grep -q more "$REPO/mm/two.c" || fail "the new file's edit did not come back"
[ -z "$(g status --porcelain)" ] || fail "the work tree is not clean: $(g status --porcelain)"
[ "$tree" != "$(g rev-parse 'HEAD^{tree}')" ] || fail "the branch does not have the edits"

# 3. an edit that no patch owns needs PATCH=
echo 'int c;' >>"$L/.gitignore"
expect_error 'PATCH=NNNN' "$S" refresh
PATCH=0001 "$S" refresh
grep -q '^+int c;' "$P/0001-kernel-edit-a.patch" || fail "PATCH=0001 was not heeded"
grep -q '^+int seven;' "$P/0002-mm-second-patch.patch" || fail "the second patch lost its edit"

# 4. history rewritten there: in the middle of it; a commit dropped
GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' g rebase -q -i refs/tags/base
expect_error 'middle of a rebase' "$S" refresh
g rebase --abort
GIT_SEQUENCE_EDITOR='sed -i 1d' g rebase -q -i refs/tags/base
expect_error 'mm/new.c was deleted in build/linux' "$S" refresh
FORCE=1 "$S" branch

# 5. edited on both sides
echo 'int here;' >>"$REPO/mm/two.c"
echo 'int there;' >>"$L/mm/two.c"
expect_error 'mm/two.c was edited both here and in build/linux' "$S" refresh
expect_error 'mm/two.c was edited both here and in build/linux' "$S" sync
cp "$REPO/mm/two.c" "$L/mm/two.c"
"$S" branch

# 6. a patch that brings a new file and nothing else is left as it is
printf 'int three;\n' >"$REPO/mm/three.c"
only=$P/0003-mm-only-a-new-file.patch
cat >"$only" <<'PATCH'
From: Tester <tester@localhost>
Date: Sun, 22 Nov 2026 12:00:00 +0000
Subject: [PATCH] mm: only a new file

Why it is so.

New-files: mm/three.c
PATCH
basename "$only" >>"$P/series"
once=$(cat "$P"/*)
"$S" branch
"$S" refresh
[ "$once" = "$(cat "$P"/*)" ] || fail "refresh rewrote a patch for nothing: $(cat "$only")"

# From nothing, the patches give the same tree
tree=$(g rev-parse 'HEAD^{tree}')
rm -rf "$REPO/build"
"$S" branch
[ "$tree" = "$(g rev-parse 'HEAD^{tree}')" ] || fail "another tree from a fresh clone"
"$S" mail
[ "$(find "$REPO/build/series/a" -name '*.patch' | wc -l)" = 3 ] || fail "not three mails"
grep -q 'int two;' "$REPO"/build/series/a/0002* || fail "the mail lacks the new file"
