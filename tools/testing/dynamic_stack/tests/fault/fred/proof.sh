#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 2400
# needs: fred
# FRED is active: /proc/cpuinfo has it, and a system call leaves rcx and r11 as
# they were. "Initialize FRED" in the log would prove nothing: it is printed
# before. Booted without FRED, the same kernel fails both.
set -euo pipefail
. "$(dirname "$0")/../../fred.sh"

job='
fred-active
echo "@@ active $?"
echo "@@ cpus $(grep -c "^flags.* fred\b" /proc/cpuinfo)"
'
for cpus in 1 2; do
	boot 0 $cpus 'fred=on' "$job"
	[ "$(result active)" = 0 ] || fail "$cpus CPUs: a system call is not as with FRED"
	[ "$(result cpus)" = $cpus ] || fail "only $(result cpus) of $cpus CPUs have FRED"
done
boot 0 2 '' "$job"
[ "$(result active)" = 1 ] || fail "without fred=on, a system call is not as without FRED"
[ "$(result cpus)" = 0 ] || fail "without fred=on, $(result cpus) CPUs have FRED"
