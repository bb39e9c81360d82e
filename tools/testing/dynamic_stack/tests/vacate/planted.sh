#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 900
# needs: debug planted
# The bugs of tests/planted/vacate-* are noticed: one by a boot that ends otherwise,
# four by a KUnit case.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
KERNEL=${KERNEL:-$BUILD/kernel-planted/arch/x86/boot/bzImage}
export KERNEL PLANTED

# fails TEST BUG
fails() {
	PLANTED=dynamic_stack_planted.$2=1
	bash "$TOOLS/tests/vacate/$1.sh" >"$DS_TMP/said" 2>&1 && fail "vacate/$1 does not notice $2"
	grep -q "$3" "$DS_TMP/said" "$BUILD/log/check/vacate-$1.console" || fail "$2: vacate/$1 fails, but otherwise"
}
# case_fails BUG [CASE]: "" for none
case_fails() {
	local console=$BUILD/log/check/vacate-planted-${1:-none}.console
	"$TOOLS/vm" --kernel "$KERNEL" --label "vacate/planted ${1:-none}" --log "$console" --timeout 150 --smp 2 --append \
		"dynamic_stack=on dynamic_stack.vacate=on kunit.enable=1 kunit.filter_glob=dynamic_stack_vacate ${1:+dynamic_stack_planted.$1=1}" \
		--cmd true >"$DS_TMP/said" 2>&1 || true
	if [ -z "$1" ]; then
		grep -aq '# dynamic_stack_vacate: pass:5 fail:0 skip:0' "$console" || fail "the cases fail without a bug"
	else
		grep -aq "not ok ${2:-1 vacate_test_round_trip}" "$console" || fail "the cases do not notice $1"
	fi
}

case_fails ''
case_fails vacate_early
case_fails vacate_clean
case_fails vacate_at_reserve
case_fails vacate_frozen '4 vacate_test_refuses'
fails forge vacate_no_sum 'status 0, not 2\|status 1, not 2\|was not verified'
