#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 510
# needs: debug
# The Accessed flag is tried at boot: where it works the feature is on, and says
# so; each way in which it may not work is planted, and the feature stays off and
# says why, in one line.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

# boot NAME PARAMETER REGEX: the only lines of the feature until user space match
boot() {
	local console=$BUILD/log/check/proof-boot-$1.console said
	expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
		--label "proof/boot $1" --log "$console" --timeout 60 --smp 2 --mem 512M \
		--append "dynamic_stack=on $2" </dev/null --cmd '
[ "$(nproc)" = 2 ] || { echo "a processor is missing"; exit 1; }
# Nothing else in the middle of the line, unless it is a warning
dmesg -n 5
echo "@@ $(sed -n /^enabled/p /sys/kernel/debug/dynamic_stack/summary), $(dmesg | grep "dynamic_stack: " |
	sed "s/.*dynamic_stack: //" | tr "\n" "|")"'
	said=$(sed -n 's/^@@ enabled/enabled/p' "$console" | tr -d '\r')
	grep -Eqx "$3" <<<"$said" || fail "$1: expected /$3/"
}

boot ok '' 'enabled 1, on: [^|]*\|accessed flag: ok on 2 CPUs, [0-9]+ cycles at most\|'
n=0
while read -r name why; do
	n=$((n + 1))
	boot "$name" "dynamic_stack.proof_lie=$n" "enabled 0, off: the accessed flag is $why\\|"
done <<'STEPS'
read	not set by a read
write	not set by a write
push	not set by a push
idle	set without an access
reuse	clear, but its translation was kept
restore	lost by a page that was parked and restored
flush	set, and its translation survived a flush
STEPS
