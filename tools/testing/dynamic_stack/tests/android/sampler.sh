#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# What runs on the device: POSIX sh, and the same in mksh with toybox, in dash and in busybox.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

"$TOOLS/android-ab" sampler >"$DS_TMP/sampler"
if command -v shellcheck >/dev/null; then
	{ echo '#!/bin/sh'; cat "$DS_TMP/sampler"; } | shellcheck -s sh -S style - || fail "shellcheck"
fi
mkdir "$DS_TMP/bin"
# All that it may need of toybox
for t in cat date find grep id sed sleep uname wc xargs; do
	[[ " $(toybox | tr '\n' ' ') " == *" $t "* ]] || fail "toybox has no $t"
	ln -s "$(command -v toybox)" "$DS_TMP/bin/$t"
done
run() {
	local name=$1 path=$2 dir=$DS_TMP/$1 up
	shift 2
	mkdir "$dir"
	cp "$DS_TMP/sampler" "$dir/"
	up=$(cut -d. -f1 /proc/uptime)
	PATH=$path "$@" "$dir/sampler" 1 $((up + 2)) 1 10 "$name" || fail "$name: status $?"
	grep -q '^@done' "$dir/data" || fail "$name: no end"
	[ "$(grep -c '^@end' "$dir/data")" -ge 2 ] || fail "$name: too few samples"
	for section in meminfo vmstat loadavg processes; do
		[ "$(grep -A1 -m1 "^@$section" "$dir/data" | wc -l)" = 2 ] || fail "$name: nothing in $section"
	done
	# pid 1, its parent, its threads, its name
	grep -qE '^1 0 [0-9]+ .' "$dir/data" || fail "$name: no process 1"
	if [ "$(id -u)" = 0 ]; then
		grep -qE '^[0-9]+ [0-9]+ [a-z_]+' <(sed -n '/^@wchan/,/^@/p' "$dir/data") || fail "$name: no wait channels"
	fi
}
run mksh "$DS_TMP/bin" "$(command -v mksh)"
run dash "$PATH" "$(command -v dash)"
run busybox "$PATH" "$(command -v busybox)" sh
# It goes on where it was cut off
printf '@sample 9 1.00 2\n@meminfo\nMemTotal: 4' >>"$DS_TMP/mksh/data"
n=$(grep -c '^@end' "$DS_TMP/mksh/data")
PATH=$DS_TMP/bin "$(command -v mksh)" "$DS_TMP/mksh/sampler" 1 1 1 10 mksh
[ "$(tail -n 2 "$DS_TMP/mksh/data" | head -n 1)" = "@end $n" ] || fail "it does not go on with number $n"
