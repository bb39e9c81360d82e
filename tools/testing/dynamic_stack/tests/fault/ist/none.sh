#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 600
# needs: guest fault
# beside: tests
# With what is promised as it is by default, no stack fault is ever taken: not
# without the fault path, nor with it.
set -euo pipefail
. "$(dirname "$0")/../../fault.sh"

load='
for s in "$@"; do
	/selftests/$s || die "$s failed"
done
stress-ng --temp-path /tmp --timeout 10 --fork 1 --clone 1 --futex 1 --poll 1 \
	--pipe 1 --switch 1 --mmap 1 --mmap-bytes 8M || die "stress-ng failed"
[ $(count kstack_populate) -gt 100 ] || die "only $(count kstack_populate) populations"
'
guest 0 with '' "set -- sleepers remote_writes zeroing accounting; $load
[ \$(count kstack_fault) = 0 ] || die a stack fault" --stress
# shellcheck disable=SC2034 # for guest
kernel=$BUILD/kernel-guest
guest 0 without '' "set -- sleepers; $load
! grep ^kstack_fault /proc/vmstat || die the counter of the fault path" --stress
