# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For the tests fault/fred/*: a kernel with FRED, in an emulator that has it.
# Sourced after `set -euo pipefail`.
. "$TOOLS/tests/lib.sh"

name=$(basename "$0" .sh)
# A caller may want the same with other options on top
variant=${variant:-}
kernel=$BUILD/kernel-fred$variant
consoles=$BUILD/log/check/fault-fred-$name

if [ -z "${DS_CPUS:-}" ]; then
	why=$("$TOOLS/bochs.py" find 2>&1 >/dev/null) || {
		printf '%s\n' "${why#error: }"
		exit 4
	}
fi

# boot STATUS CPUS "COMMAND LINE" "COMMANDS" [options of vm]: it ends with this
# status. $CONSOLE has what was printed.
boot() {
	local status=$1 cpus=$2 append=$3 commands=$4
	shift 4
	CONSOLE=$consoles-$cpus.console
	expect_status "$status" "$TOOLS/vm" --bochs --kernel "$kernel/arch/x86/boot/bzImage" \
		--label "fault/fred/$name $cpus" --log "$CONSOLE" --timeout 300 --smp "$cpus" --mem 512M \
		--append "dynamic_stack=on $append" "$@" --cmd "$commands"
}

# What the guest printed last about KEY
result() {
	tr -d '\r' <"$CONSOLE" | sed -n "s/^@@ $1 //p" | tail -n 1
}
