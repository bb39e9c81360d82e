#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 180
# needs: guest
# Pass, job failure, panic, timeout and warning are told apart; results and
# files come back.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

vm() { "$TOOLS/vm" --log "$DS_TMP/log" --timeout 60 "$@"; }
run() {
	local want=$1 status=0
	shift
	vm "$@" >"$DS_TMP/out" 2>&1 || status=$?
	tail -n 3 "$DS_TMP/out"
	[ $status = "$want" ] || fail "status $status, not $want, from: vm $*"
}
run 0 --cmd 'echo "@@ result 42"; mkdir /out/d; echo text >/out/d/f' --out "$DS_TMP/files"
grep -qx '@@ result 42' "$DS_TMP/out" || fail "the result line is not printed"
[ "$(cat "$DS_TMP/files/d/f")" = text ] || fail "the file did not come back"
run 0 --cmd 'echo "WARNING: only the job says so"; cat /given' --file "$DS_TMP/files/d/f:given"
run 1 --cmd 'exit 3'
grep -q 'status 3' "$DS_TMP/out" || fail "the job's status is not shown"
run 2 --cmd 'echo c >/proc/sysrq-trigger'
grep -q 'sysrq_handle_crash' "$DS_TMP/out" || fail "the panic's log is not shown"
run 2 --cmd 'reboot -f'
run 3 --timeout 6 --cmd 'echo asleep; sleep 1000'
grep -q 'asleep\|Mem-Info\|pages RAM' "$DS_TMP/out" || fail "the last lines are not shown"
grep -q 'Show Blocked State' "$DS_TMP/log" || fail "sysrq was not asked on timeout"
run 4 --cmd 'echo "<4>WARNING: planted" >/dev/kmsg'
run 0 --cmd 'echo "<4>WARNING: planted" >/dev/kmsg' --allow 'WARNING: planted'
