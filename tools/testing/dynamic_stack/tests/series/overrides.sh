#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# beside: builds
# New files are written once. What an older base has instead, patches/SERIES/new, is
# named here, with how many lines at most may differ from the file of that name: an
# edit of the one that was forgotten in the other shows. None for the newest base.
# And what the fault path's patches edit in new files, they edit alike in each series.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

# 6.12: throttling by group, CONFIG_SMP=n, no donor; vmalloc.h has one function
allowed="
6.12 kernel/sched/dynamic_stack.c 160
6.12 mm/vmalloc.h 0"

bound() { awk -v s="$1" -v f="$2" '$1 == s && $2 == f { print $3 }' <<<"$allowed"; }

# overrides DIRECTORY: all that its patches/ has
overrides() {
	local f series path max n newest count=0
	newest=$(find "$1/patches" -mindepth 1 -maxdepth 1 -name '[0-9]*' -printf '%f\n' | sort -V | tail -n 1)
	while IFS= read -r f; do
		series=${f%%/*} path=${f#*/new/}
		[ "$series" != "$newest" ] || fail "$f: the newest base needs none: write the new file for it"
		max=$(bound "$series" "$path")
		[ -n "$max" ] || fail "$f: not named in this test: can a line in an existing header do?"
		if [ -e "$1/$path" ]; then
			n=$(diff "$1/$path" "$1/patches/$f" | grep -c '^[<>]' || true)
			[ "$n" -gt 0 ] || fail "$f: is the same as $path: delete it"
			[ "$n" -le "$max" ] || fail "$f: $n lines differ from $path, at most $max may: was it edited as well?"
		fi
		count=$((count + 1))
	done < <(cd "$1/patches" && find . -path '*/new/*' -type f -printf '%P\n' | sort)
	echo "$count files"
}

# edits DIRECTORY: in patches of one name, the parts that edit the same new file
edits() {
	python3 - "$1" <<-'EOF'
	import glob, os, re, sys

	os.chdir(sys.argv[1])
	found, said, same = {}, [], 0
	for path in sorted(glob.glob("patches/[0-9]*/[0-9]*.patch")):
	    _, series, name = path.split("/")
	    with open(path, encoding="utf-8") as f:
	        parts = re.split(r"(?m)^diff --git a/(\S+) .*\n|^-- ?$", f.read())[1:]
	    for target, text in zip(parts[::2], parts[1::2]):
	        # Ours, and the same for all
	        if not target or not os.path.exists(target) or glob.glob("patches/*/new/" + target):
	            continue
	        first = found.setdefault((name.partition("-")[2], target), (path, text))
	        same += first[0] != path and first[1] == text
	        if first[1] != text:
	            said.append(f"{path} edits {target} otherwise than {first[0]}: edit both")
	print("\n".join(said) or f"{same} edits alike")
	sys.exit(bool(said))
	EOF
}

overrides "$ROOT"
edits "$ROOT" || fail "see above"

# It notices: one that is not named, one that is the same, one that went its own way
repo=$DS_TMP/repo
mkdir -p "$repo/kernel/sched" "$repo/mm" "$repo/patches/7.3" "$repo/patches/6.12/new/kernel/sched"
seq 400 >"$repo/kernel/sched/dynamic_stack.c"
here=$repo/patches/6.12/new/kernel/sched/dynamic_stack.c
expect_fail() {
	local said
	said=$( (overrides "$repo") 2>&1) && fail "not noticed: $1"
	grep -q "$1" <<<"$said" || fail "expected '$1', not '$said'"
}
cp "$repo/kernel/sched/dynamic_stack.c" "$here"
expect_fail 'is the same as'
seq 2 400 >"$here"
(overrides "$repo") | grep -qx '1 files' || fail "one line less is not allowed"
seq 200 400 >"$here"
expect_fail '199 lines differ'
seq 2 400 >"$here"
mkdir -p "$repo/patches/6.12/new/mm"
echo >"$repo/patches/6.12/new/mm/pool.c"
expect_fail 'not named in this test'
rm -r "$repo/patches/6.12/new/mm"
mkdir -p "$repo/patches/7.3/new/mm"
echo >"$repo/patches/7.3/new/mm/pool.c"
expect_fail 'the newest base needs none'

# An edit of a new file that was forgotten in one series
edit=0002-mm-edit.patch
mkdir -p "$repo/mm"
echo 'int a;' >"$repo/mm/ours.c"
printf '%s\n' 'diff --git a/mm/ours.c b/mm/ours.c' '@@ -1 +1 @@' '-int b;' '+int a;' >"$repo/patches/6.12/$edit"
cp "$repo/patches/6.12/$edit" "$repo/patches/7.3/$edit"
edits "$repo" | grep -qx '1 edits alike' || fail "the same edit is not found twice"
sed -i 's/int b/int c/' "$repo/patches/7.3/$edit"
said=$(edits "$repo") && fail "not noticed: an edit in one series alone"
[ "$said" = "patches/7.3/$edit edits mm/ours.c otherwise than patches/6.12/$edit: edit both" ] || fail "said '$said'"
