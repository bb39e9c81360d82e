#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# beside: builds
# What `make series` writes: git am applies A to the pristine base, B to that, and C to
# both, and gives the trees of the branch; the cover letters are complete; a person can
# sign. A has not a line of the fault path, nor of the last page.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

linux=$BUILD/linux mails=$DS_TMP/mails
"$TOOLS/series" branch
SIGNOFF='A. Person <person@example.org>' "$TOOLS/series" mail "$mails"

! grep -rl '^New-files:' "$mails" || fail "a line that only this repository needs"
for mail in "$mails"/*/*; do
	sed '/^---$/q' "$mail" >"$DS_TMP/head"
	grep -q '^From: A. Person <person@example.org>' "$DS_TMP/head" || fail "$mail: not from the person"
	case $mail in */0000-*) continue ;; esac
	[ "$(grep -c '^Signed-off-by: A. Person <person@example.org>$' "$DS_TMP/head")" = 1 ] ||
		fail "$mail: not signed"
done
cat "$mails"/*/0000-* | grep -q '\*\*\*' && fail "a cover letter has a place that was not filled"
a=$(git -C "$linux" rev-list --count refs/tags/base..series-a) b=$(git -C "$linux" rev-list --count series-a..series-b)
c=$(git -C "$linux" rev-list --count series-b..HEAD)
grep -q "^Subject: \[RFC PATCH 0*0/$a\] Dynamic kernel stacks" "$mails"/a/0000-* || fail "the subject of A's cover letter"
grep -q "^Subject: \[RFC PATCH 0*0/$b\] Dynamic kernel stacks: " "$mails"/b/0000-* ||
	fail "the subject of B's cover letter"
grep -q "^Subject: \[RFC PATCH 0*0/$c\] Dynamic kernel stacks: " "$mails"/c/0000-* ||
	fail "the subject of C's cover letter"
expect_error 'give a name and an address' env SIGNOFF=me "$TOOLS/series" mail "$DS_TMP/none"

# A is the feature alone: not a line of the fault path
mapfile -t files < <(git -C "$linux" diff --name-only refs/tags/base series-a)
if git -C "$linux" grep -nE 'DYNAMIC_STACK_(FAULT|FRED|ORDER|32K|64K)|[Kk](STACK|stack)_(FAULT|fault)|dynamic_stack_(fault|ensure|promise|ist_)|DSTACK_PROMISED|dstack_ready|populate=|DYNAMIC_STACK_VACATE|KSTACK_(UN)?VACATE|[dk]stack_vacate|schedule_unreferenced|vacate=' \
	series-a -- "${files[@]}" ||
   sed -n '/^Subject:/,$p' "$mails"/a/*.patch | grep -n 'DYNAMIC_STACK_FAULT'; then
	fail "series A has lines of the other series"
fi

# Only the files that the series touches are checked out
tree=$DS_TMP/am
git -C "$linux" worktree add -q -f --no-checkout --detach "$tree" refs/tags/base
trap 'git -C "$linux" worktree remove --force "$tree"' EXIT
git -C "$linux" diff --name-only refs/tags/base HEAD | sed 's,^,/,' >"$DS_TMP/files"
git -C "$tree" sparse-checkout set --no-cone --stdin <"$DS_TMP/files"
git -C "$tree" checkout -q
for part in a:series-a b:series-b c:HEAD; do
	mapfile -t patches < <(find "$mails/${part%:*}" -name '*.patch' ! -name '0000-*' | sort)
	git -C "$tree" -c user.name=Tester -c user.email=tester@localhost am -q "${patches[@]}" ||
		fail "git am does not apply series ${part%:*}"
	[ "$(git -C "$tree" rev-parse 'HEAD^{tree}')" = "$(git -C "$linux" rev-parse "${part#*:}^{tree}")" ] ||
		fail "git am of series ${part%:*} gives another tree than the branch"
done
