#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: guest
# Who chooses the OOM victim has oom_lock, is no more privileged than others, and
# may sleep meanwhile: in a notifier, as virtio_balloon's, or while it prints all
# tasks. It must get on, though many others want pages for their stacks, or there
# is no OOM killer any more. No swap.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

console=$BUILD/log/check/progress-oom-lock.console
expect_status 0 "$TOOLS/vm" --label progress/oom-lock --log "$console" --timeout 130 --smp 2 --mem 192M \
	--append "dynamic_stack=on ${APPEND:-}" --cmd '
rounds=6
seconds() { cut -d. -f1 /proc/uptime; }
kills() { sed -n "s/^oom_kill //p" /proc/vmstat; }
echo 1 >/proc/sys/vm/oom_dump_tasks
echo 1 >/proc/sys/vm/overcommit_memory
echo 500 >/sys/kernel/debug/dynamic_stack_oom_ms
# To tell tasks from each other on a slow line is not what is tested
echo 4 >/proc/sys/kernel/printk
progress-threads 400 200 &
progress-threads 200 700 9000 &
sleep 2
from=$(seconds)
for round in $(seq $rounds); do
	start=$(seconds)
	# Two at once: the one waits for the other to choose
	for i in 1 2; do
		sh -c "echo 500 >/proc/self/oom_score_adj; exec dd if=/dev/zero of=/dev/null bs=300M count=1" 2>/dev/null &
		eater=$!
	done
	wait $eater
	wait $(jobs -p | tail -n +3)
	echo "@@ round $round: $(($(seconds) - start)) s, $(kills) OOM kills, starved $(sed -n "s/^kstack_starved //p" /proc/vmstat)"
done
took=$(($(seconds) - from))
[ $(kills) -ge $rounds ] || { echo "@@ only $(kills) OOM kills"; exit 1; }
echo "@@ $rounds rounds took $took s"'
