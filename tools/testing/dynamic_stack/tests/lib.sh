# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For tests of the scripts: expectations, and a small stand-in for the kernel
# and for this repository.  Sourced after `set -euo pipefail`.

fail() {
	printf 'FAIL: %s\n' "$*"
	exit 1
}

# expect_error REGEX COMMAND...: it fails, and says why in exactly one line
# of its standard error, which matches REGEX and begins with "error: "
expect_error() {
	local regex=$1 status=0 lines
	shift
	"$@" >"$DS_TMP/stdout" 2>"$DS_TMP/stderr" || status=$?
	cat "$DS_TMP/stderr"
	[ "$status" -ne 0 ] || fail "no error from: $*"
	lines=$(wc -l <"$DS_TMP/stderr")
	[ "$lines" -eq 1 ] || fail "$lines lines on stderr, not 1, from: $*"
	grep -Eq "^error: .*($regex)" "$DS_TMP/stderr" || fail "expected /$regex/ from: $*"
}

# expect_status N COMMAND...
expect_status() {
	local want=$1 status=0
	shift
	"$@" || status=$?
	[ "$status" -eq "$want" ] || fail "status $status, not $want, from: $*"
}

# A test that needs `own` builds something when it is called with the argument
# build, a step of its own for `check`, which tells it by DS_BUILT=y that this was
# done. Called by hand, it does both.
to_build() { [ "${DS_BUILT:-}" != y ] || [ "${1:-}" = build ]; }
built() { [ "${1:-}" != build ] || exit 0; }

# turn VARIANT...: those that run now are left in $turns. `check` takes one each time
# (DS_DAY), in a run of all tests; else all. What it was is in $turn, for a note.
turn() {
	turns=("$@") turn=
	[ -n "${DS_DAY:-}" ] || return 0
	turns=("${@:DS_DAY % $# + 1:1}")
	turn="; this time only '${turns[0]}' of $#"
}

# A repository with a base of three files, a patch and a new file, in $REPO
small_repo() {
	REPO=$DS_TMP/repo
	mkdir -p "$DS_TMP/linux-x/kernel" "$DS_TMP/linux-x/mm" "$REPO/patches/6.12" "$REPO/mm"
	seq -f 'int a%g;' 20 >"$DS_TMP/linux-x/kernel/a.c"
	seq -f 'int b%g;' 20 >"$DS_TMP/linux-x/mm/b.c"
	# As in Debian's tree, where everything is ignored
	printf '*.o\n/*\n' >"$DS_TMP/linux-x/.gitignore"
	tar -C "$DS_TMP" -cf "$DS_TMP/base.tar" linux-x
	printf 'BASE_PACKAGE=linux-x\nBASE_VERSION=1.0\nSERIES=6.12\n' >"$REPO/base.mk"
	printf 'build/\n' >"$REPO/.gitignore"
	echo 'int fresh;' >"$REPO/mm/new.c"
	small_patch 0001-kernel-edit-a.patch kernel/a.c 's/a10;/ten;/' 'kernel: edit a' 'New-files: mm/new.c'
	echo 0001-kernel-edit-a.patch >"$REPO/patches/6.12/series"
	git -C "$REPO" init -q
	export DS_ROOT=$REPO BASE_TARBALL=$DS_TMP/base.tar DS_DISK_GIB=0
	unset FORCE PATCH BASE_PACKAGE BASE_VERSION SERIES
	# The answer must not depend on who runs it
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
	git config --file "$DS_TMP/gitconfig" user.name Tester
	git config --file "$DS_TMP/gitconfig" user.email tester@localhost
	GIT_CONFIG_GLOBAL=$DS_TMP/gitconfig
}

# small_patch NAME FILE SED SUBJECT [BODY]: a mail that edits one file of the base
small_patch() {
	{
		printf 'From: A Tester <a@localhost>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n'
		printf 'Subject: [PATCH] %s\n\n%s\n---\n' "$4" "${5:-Because.}"
		sed "$3" "$DS_TMP/linux-x/$2" |
			diff -u --label "a/$2" --label "b/$2" "$DS_TMP/linux-x/$2" - |
			sed "1i diff --git a/$2 b/$2" || true
	} >"$REPO/patches/6.12/$1"
}

# code OBJECT: its instructions. The compiler numbers some symbols, from 0 in each file.
code() {
	objdump -dr --no-show-raw-insn "$1" | sed -e '1,3d' -e 's/\(__UNIQUE_ID_[A-Za-z_]*\)[0-9]*/\1/g'
}

# same_code MINIMUM DIRECTORY DIRECTORY OBJECT...: so many objects at least, each
# with the same code in both. $compared is how many there were.
same_code() {
	local minimum=$1 one=$2 other=$3 o
	shift 3
	compared=0
	for o; do
		code "$one/$o" >"$DS_TMP/one"
		code "$other/$o" >"$DS_TMP/other"
		[ -s "$DS_TMP/one" ] || fail "$o: no code"
		cmp -s "$DS_TMP/one" "$DS_TMP/other" || {
			diff "$DS_TMP/one" "$DS_TMP/other" | head -n 20 || true
			fail "$o differs: $one, $other"
		}
		compared=$((compared + 1))
	done
	[ "$compared" -ge "$minimum" ] || fail "only $compared objects compared"
}

# What must not change when a command fails: the branch and the work tree
state() {
	git -C "$REPO/build/linux" rev-parse HEAD
	git -C "$REPO/build/linux" status --porcelain
	find "$REPO/build/linux" "$REPO/patches" "$REPO/mm" -path '*/.git' -prune -o -type f -printf '%p %T@\n' | sort
}
