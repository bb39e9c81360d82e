#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 400
# needs: guest
# arch: arm64
# The Access flag, and the flush, are tried at boot: each way in which they may not
# work is planted, and the feature stays off and says why, in one line. On a
# processor that doesn't set the flag, what is left to be tried: the flush.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

# boot CPU LIE REGEX: the only lines of the feature until user space match
boot() {
	local console=$BUILD/log/check/arm64-proof-$1-$2.console said
	expect_status 0 "$TOOLS/vm" --label "arm64/proof $1 $2" --cpu "$1" --smp 1 --mem 256M \
		--log "$console" --timeout 60 --append "dynamic_stack=on dynamic_stack.proof_lie=$2" \
		</dev/null --cmd '
dmesg -n 5
echo "@@ $(sed -n /^enabled/p /sys/kernel/debug/dynamic_stack/summary), $(dmesg | grep "dynamic_stack: " |
	sed "s/.*dynamic_stack: //" | tr "\n" "|")"'
	said=$(sed -n 's/^@@ enabled/enabled/p' "$console" | tr -d '\r')
	grep -Eqx "$3" <<<"$said" || fail "$1, lie $2: expected /$3/"
}

boot cortex-a76 0 'enabled 1, on: [^|]*\|accessed flag: ok on 1 CPUs, [0-9]+ cycles at most\|'
n=0
while read -r why; do
	n=$((n + 1))
	boot cortex-a76 $n "enabled 0, off: the accessed flag is $why\\|"
done <<'STEPS'
not set by a read
not set by a write
not set by a push
set without an access
clear, but its translation was kept
lost by a page that was parked and restored
set, and its translation survived a flush
STEPS
boot cortex-a57 0 'enabled 1, on: [^|]*\|accessed flag: not used, flush ok on 1 CPUs, [0-9]+ cycles at most\|'
boot cortex-a57 4 'enabled 1, on: .*'
boot cortex-a57 7 'enabled 0, off: the accessed flag is set, and its translation survived a flush\|'
