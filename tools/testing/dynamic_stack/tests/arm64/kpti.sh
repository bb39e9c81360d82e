#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 200
# needs: guest
# arch: arm64
# KPTI makes all kernel mappings non-global when all processors are up. What is
# mapped later, also a page that was parked before, must be so as well: no page of
# the vmalloc area is global. Not so without KPTI, or this would show nothing.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

# boot CPU KPTI REGEX: so many global pages
boot() {
	expect_status 0 "$TOOLS/vm" --label "arm64/kpti=$2 $1" --cpu "$1" --smp 2 --mem 512M \
		--log "$BUILD/log/check/arm64-kpti-$1-$2.console" --timeout 90 \
		--append "dynamic_stack=on nokaslr kpti=$2" --cmd '
/selftests/sleepers || exit 1
for i in 1 2 3 4; do
	echo "sleep 9000 60000" >/sys/kernel/debug/dynamic_stack_test &
done
sleep 2
sed -n "/vmalloc() area/,/vmalloc() end/p" /sys/kernel/debug/kernel_page_tables | grep MEM/ >/tmp/area
n=$(grep -vc " NG " /tmp/area)
all=$(grep -c . /tmp/area)
echo "@@ kpti='"$2"': $n of $all ranges of pages are global"
[ "$all" -gt 16 ] || exit 1
echo "$n" | grep -Eqx "'"$3"'"
'
}

for cpu in cortex-a57 cortex-a76; do
	boot $cpu 1 0
	boot $cpu 0 '[1-9][0-9]*'
done
