#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# beside: builds
# What `make series` writes: git am applies it to the pristine base, and gives
# the tree of the branch; the cover letter is complete; a person can sign.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

linux=$BUILD/linux mails=$DS_TMP/mails
"$TOOLS/series" branch
SIGNOFF='A. Person <person@example.org>' "$TOOLS/series" mail "$mails"

! grep -l '^New-files:' "$mails"/* || fail "a line that only this repository needs"
for mail in "$mails"/*; do
	sed '/^---$/q' "$mail" >"$DS_TMP/head"
	grep -q '^From: A. Person <person@example.org>' "$DS_TMP/head" || fail "$mail: not from the person"
	case $mail in */0000-*) continue ;; esac
	[ "$(grep -c '^Signed-off-by: A. Person <person@example.org>$' "$DS_TMP/head")" = 1 ] ||
		fail "$mail: not signed"
done
grep -q '\*\*\*' "$mails"/0000-* && fail "the cover letter has a place that was not filled"
n=$(git -C "$linux" rev-list --count refs/tags/base..HEAD)
grep -q "^Subject: \[RFC PATCH 0*0/$n\] Dynamic kernel stacks" "$mails"/0000-* || fail "the cover letter's subject"
expect_error 'give a name and an address' env SIGNOFF=me "$TOOLS/series" mail "$DS_TMP/none"

# Only the files that the series touches are checked out
tree=$DS_TMP/am
git -C "$linux" worktree add -q -f --no-checkout --detach "$tree" refs/tags/base
trap 'git -C "$linux" worktree remove --force "$tree"' EXIT
git -C "$linux" diff --name-only refs/tags/base HEAD | sed 's,^,/,' >"$DS_TMP/files"
git -C "$tree" sparse-checkout set --no-cone --stdin <"$DS_TMP/files"
git -C "$tree" checkout -q
mapfile -t patches < <(find "$mails" -name '*.patch' ! -name '0000-*' | sort)
git -C "$tree" -c user.name=Tester -c user.email=tester@localhost am -q "${patches[@]}" ||
	fail "git am does not apply the mails"
[ "$(git -C "$tree" rev-parse 'HEAD^{tree}')" = "$(git -C "$linux" rev-parse 'HEAD^{tree}')" ] ||
	fail "git am gives another tree than the branch"
