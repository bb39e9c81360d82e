#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# planted.sh NAME.patch: the test planted/NAME. kernel-planted has all the bugs of
# planted/*.patch; one is turned on, and the test that should notice must notice: it
# fails, or the kernel warns (and then stops) or dies. Before that, on the same kernel,
# the same test passes without the bug, or the result would mean nothing. What it is
# tested with is in the patch's head: see planted --help.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"

patch=$1
name=$(basename "$patch" .patch)
bug=${name//-/_}
# head KEY DEFAULT: what the patch's head says
head() { sed -n "s/^# $1: //p" "$patch" | grep . || echo "$2"; }
test=$(head test '')
console=$BUILD/log/check/planted-$name.console
kernel=$BUILD/kernel-planted/arch/x86/boot/bzImage
parameter=/sys/module/dynamic_stack_planted/parameters/$bug

# What it said of its death. That a warning is printed under a lock, lockdep warns of, too.
died() { sed -nE '/possible circular locking/d; /WARNING:|BUG:|Oops|corruption|panic/{p;q}' <<<"$1"; }

said() { tr -d '\r' <"$1" | sed -n 's/^@@ //p'; }

# A script that boots a guest: it finds another vm in TOOLS, which boots this kernel.
progress() {
	local script=$TOOLS/tests/$test.sh control=${console%.console}-control.console status
	mkdir "$DS_TMP/tools"
	cat >"$DS_TMP/tools/vm" <<-EOF
	#!/bin/bash
	status=0
	"$TOOLS/vm" "\$@" --kernel "$kernel" --log "\$DS_CONSOLE" --append "\$DS_PLANTED" || status=\$?
	echo \$status >"$DS_TMP/status"
	exit \$status
	EOF
	chmod +x "$DS_TMP/tools/vm"
	TOOLS=$DS_TMP/tools DS_CONSOLE=$control DS_PLANTED='' "$script" ||
		fail "$test fails without the bug"
	if TOOLS=$DS_TMP/tools DS_CONSOLE=$console DS_PLANTED="dynamic_stack_planted.$bug=1" "$script"; then
		fail "nothing noticed the bug"
	fi
	status=$(<"$DS_TMP/status")
	case $status in
	1)	echo "note: noticed: $(grep -vxFf <(said "$control") <(said "$console") | sed 1q)" ;;
	2)	echo "note: noticed: the kernel died: $(died "$(<"$console")")" ;;
	4)	echo "note: noticed: the kernel warned: $(died "$(<"$console")")" ;;
	*)	fail "vm ended with status $status" ;;
	esac
}

selftest() {
	local status=0 after
	"$TOOLS/vm" --kernel "$kernel" --label "planted/$name" --log "$console" --timeout 300 --smp 2 --mem 1G \
		--append "dynamic_stack=on dynamic_stack.reclaim=$(head reclaim switch)" --cmd "
p=/sys/module/dynamic_stack/parameters
[ \$(cat $parameter) = N ] || exit 1
echo $(head delay-ms 0) >\$p/delay_ms
echo $(head delay-us 0) >\$p/delay_us
/selftests/$test || { echo '@@ control failed'; exit 1; }
echo '@@ planted'
echo 1 >/proc/sys/kernel/panic_on_warn
echo 1 >$parameter
/selftests/$test || exit 1
" || status=$?
	grep -q '^@@ planted' "$console" || fail "the test fails without the bug"
	if sed '/^@@ planted/,$d' "$console" | grep -Eq 'WARNING:|BUG:'; then
		fail "the kernel warned before the bug was planted"
	fi
	after=$(sed '1,/^@@ planted/d' "$console")
	case $status in
	1)	echo "note: noticed: $(grep -m1 '^not ok' <<<"$after")" ;;
	2)	echo "note: noticed: the kernel died: $(died "$after")" ;;
	0)	fail "nothing noticed the bug" ;;
	*)	fail "vm ended with status $status" ;;
	esac
}

case $test in
progress/*) progress ;;
'' | */*) fail "$patch: what notices it has to be a selftest or progress/NAME" ;;
*) selftest ;;
esac
