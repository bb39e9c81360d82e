#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 120
# beside: builds
# Two series: what A brings of a new file is that without B's edits; the way back
# keeps them apart; an edit that B's patch does not know is refused.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
small_repo
S=$TOOLS/series
L=$REPO/build/linux
P=$REPO/patches/6.12
g() { git -C "$L" "$@"; }

# B edits A's new file, which is here with that edit, and brings one of its own
seq -f 'int n%g;' 20 >"$REPO/mm/new.c"
sed -i 's/n10;/ten;/' "$REPO/mm/new.c"
echo 'int late;' >"$REPO/mm/late.c"
cat >"$P/0002-mm-b.patch" <<'END'
From: A Tester <a@localhost>
Date: Mon, 1 Jan 2024 00:00:00 +0000
Subject: [PATCH] mm: b

Because.

New-files: mm/late.c
---
diff --git a/mm/new.c b/mm/new.c
--- a/mm/new.c
+++ b/mm/new.c
@@ -7,7 +7,7 @@
 int n7;
 int n8;
 int n9;
-int n10;
+int ten;
 int n11;
 int n12;
 int n13;
END
printf '# series B\n0002-mm-b.patch\n' >>"$P/series"
"$S" branch
cmp "$REPO/mm/new.c" "$L/mm/new.c" || fail "the work tree is not what is here"
g show series-a:mm/new.c | grep -q 'int n10;' || fail "A's file has B's edit"
! g show series-a:mm/late.c 2>/dev/null || fail "A has B's file"
[ "$(g rev-list --count series-a..HEAD)" = 1 ] || fail "B is not one commit"
"$S" check apply

# The way back
"$S" refresh
once=$(cat "$P"/*)
"$S" refresh
[ "$once" = "$(cat "$P"/*)" ] || fail "refresh twice gives two results"
[ "$(sed -n 2p "$P/series")" = '# series B' ] || fail "the line between the series is lost"
grep -q '^+int ten;' "$P"/0002* || fail "B's edit is lost"
! grep -q 'int late;' "$P"/0002* || fail "B's own file is in the patch"
g show series-a:mm/new.c | grep -q 'int n10;' || fail "A's file has B's edit after refresh"

# An edit elsewhere in the file belongs to A; one in B's lines must be made in both
sed -i 's/n1;/one;/' "$REPO/mm/new.c"
"$S" branch
g show series-a:mm/new.c | grep -q 'int one;' || fail "A lacks the edit"
sed -i 's/ten;/TEN;/' "$REPO/mm/new.c"
before=$(state)
expect_error "0002-mm-b.patch can't be taken out of mm/new.c line [0-9]+" "$S" branch
[ "$before" = "$(state)" ] || fail "something was left behind"
sed -i 's/TEN;/ten;/' "$REPO/mm/new.c"

# A third one stands on both
small_patch 0003-mm-c.patch mm/b.c 's/b5;/five;/' 'mm: c'
printf '# series C\n0003-mm-c.patch\n' >>"$P/series"
"$S" branch
[ "$(g rev-list --count series-a..series-b) $(g rev-list --count series-b..HEAD)" = "1 1" ] || fail "C is not one commit"
"$S" refresh
[ "$(sed -n '2p;4p' "$P/series" | paste -sd,)" = '# series B,# series C' ] || fail "a line between the series is lost"
g show series-a:mm/new.c | grep -q 'int n10;' || fail "A's file has B's edit, with a third series"
"$S" mail
[ "$(find "$REPO/build/series/c" -name '0001-*.patch' | wc -l)" = 1 ] || fail "C's mails"
rm "$P"/0003*
sed -i '/^# series C/,$d' "$P/series"
FORCE=1 "$S" branch

# A's own patches may add to a file that one before them brought
sed -i '/^# series B/d' "$P/series"
"$S" branch
g show HEAD~:mm/new.c | grep -q 'int n10;' || fail "A's first patch has what its second one edits"
"$S" refresh
grep -q '^+int ten;' "$P"/0002* || fail "the edit of A's second patch is lost"
g show HEAD~:mm/new.c | grep -q 'int n10;' || fail "A's first patch has it after refresh"
# A commit of its own that edits new files alone does not become a patch
sed -i 's/n3;/three;/' "$L/mm/new.c"
g commit -qam 'an edit'
"$S" refresh
[ "$(wc -l <"$P/series")" = 2 ] || fail "an edit of a new file became a patch"
g show HEAD~:mm/new.c | grep -q 'int three;' || fail "the edit is not in the patch that brings the file"
# A patch creates what the next one brings: as it is in between
sed -i 's,^New-files: mm/late.c,&\nNew-files: mm/grows.c,' "$P"/0002*
printf 'int first;\nint second;\n' >"$REPO/mm/grows.c"
cat >>"$P"/0001* <<'END'
diff --git a/mm/grows.c b/mm/grows.c
new file mode 100644
--- /dev/null
+++ b/mm/grows.c
@@ -0,0 +1 @@
+int first;
END
"$S" branch
[ "$(g show HEAD~:mm/grows.c)" = 'int first;' ] || fail "the file is not as the first patch creates it"
"$S" refresh
[ "$(g show HEAD~:mm/grows.c)" = 'int first;' ] || fail "the file is not as the first patch creates it, after refresh"
[ "$(g show HEAD:mm/grows.c | wc -l)" = 2 ] || fail "the second patch does not bring the file"
grep -q '^+int first;' "$P"/0001* && ! grep -q 'int second;' "$P"/000* || fail "what the patches have of it"
sed -i 's/second/third/' "$REPO/mm/grows.c"
"$S" branch
g show HEAD:mm/grows.c | grep -q third || fail "an edit of what only the second patch has"
rm "$REPO/mm/grows.c"
sed -i '/^New-files: mm.grows.c/d' "$P"/0002*
sed -i '/^diff --git a.mm.grows.c/,$d' "$P"/0001*
FORCE=1 "$S" branch
# No patch edits what is not there yet
printf '0002-mm-b.patch\n0001-kernel-edit-a.patch\n' >"$P/series"
expect_error '0002-mm-b.patch: edits mm/new.c, a new file that no patch before it brings' "$S" branch
printf '0001-kernel-edit-a.patch\n# series B\n0002-mm-b.patch\n' >"$P/series"
"$S" branch
"$S" mail
[ "$(find "$REPO/build/series/a" -name '0001-*.patch' | wc -l)" = 1 ] || fail "A's mails"
[ "$(find "$REPO/build/series/b" -name '0001-*.patch' | wc -l)" = 1 ] || fail "B's mails"
