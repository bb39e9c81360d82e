#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 300
# needs: fault planted-fault
# beside: tests
# The KUnit suite of stack faults: recursion beyond what is promised is one of
# its cases. If the #PF stack were not protected in NMI, #MC and #DB (planted), it
# would see that.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

suite='kunit.enable=1 kunit.filter_glob=dynamic[-_]stack_fault*'
cases() {
	tr -d '\r' <"$CONSOLE" | grep -cE "^(\[ *[0-9.]+\](\[ *[TC][0-9]+\])? )?    $1 [0-9]+ fault_" || true
}
for populate in 1 4; do
	guest 0 "populate=$populate" "$suite dynamic_stack.populate=$populate" true --allow 'WARNING: '
	[ "$(cases ok)" = 6 ] && [ "$(cases 'not ok')" = 0 ] ||
		fail "populate=$populate: $(cases ok) cases passed, $(cases 'not ok') failed, of 6"
	! grep -q '# SKIP' "$CONSOLE" || fail "populate=$populate: cases were skipped"
done
# shellcheck disable=SC2154 # kernel_planted: from fault.sh
kernel=$kernel_planted
guest 0 planted "$suite dynamic_stack.populate=1 dynamic_stack_planted.one_pf_stack=1" true --allow 'WARNING: '
[ "$(cases 'not ok')" -gt 0 ] || fail "without protection, all cases pass: the suite shows nothing"
echo "note: 6 cases with each of two values of populate=; $(cases 'not ok') fails without protection"
