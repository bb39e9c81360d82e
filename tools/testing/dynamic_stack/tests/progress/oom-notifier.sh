#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 180
# needs: debug
# Who is about to kill a task for memory waits for the collector's answer once, not
# each time: it has oom_lock, and may be one who must not kill. Here the collector
# is held up, on the debug kernel.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-debug/arch/x86/boot/bzImage" \
	--label progress/oom-notifier --log "$BUILD/log/check/progress-oom-notifier.console" \
	--timeout 160 --icount 0 --smp 1 --mem 512M --allow "sysrq|Out of memory|oom-kill" --append dynamic_stack=on --cmd '
ms() { awk "{ print int(\$1 * 1000) }" /proc/uptime; }
i=0
while [ $i -lt 12 ]; do sh -c "echo 900 >/proc/self/oom_score_adj; exec sleep 1000" & i=$((i + 1)); done
shootdowns() { sed -n "s/^kstack_shootdown //p" /proc/vmstat; }
echo 90000 >/sys/module/dynamic_stack/parameters/delay_ms
n=$(shootdowns)
progress-threads 100 20000 9000 &
# It stands still after its next shootdown
i=0
while [ $(shootdowns) = $n ]; do
	[ $i -lt 20 ] || { echo "@@ no shootdown in $i s"; exit 1; }
	sleep 1
	i=$((i + 1))
done
echo 0 >/sys/module/dynamic_stack/parameters/delay_ms
# What overflowed counts as freed, once, and then it has 10 s without a question
echo f >/proc/sysrq-trigger
sleep 11
kills=$(sed -n "s/^oom_kill //p" /proc/vmstat)
slow=0
for i in 1 2 3 4 5 6 7 8; do
	from=$(ms)
	n=$(sed -n "s/^oom_kill //p" /proc/vmstat)
	echo f >/proc/sysrq-trigger
	while [ $(sed -n "s/^oom_kill //p" /proc/vmstat) = $n ] && [ $(ms) -lt $((from + 5000)) ]; do :; done
	took=$(($(ms) - from))
	echo "@@ kill $i after $took ms"
	[ $took -lt 60 ] || slow=$((slow + 1))
done
kills=$(($(sed -n "s/^oom_kill //p" /proc/vmstat) - kills))
echo "@@ $kills kills, $slow of them waited"
[ $kills -ge 8 ] && [ $slow -le 2 ]'
