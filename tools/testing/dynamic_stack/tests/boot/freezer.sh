#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 150
# needs: guest
# arch: x86_64 arm64
# cgroup v2's freezer: deep sleepers are frozen, wherever they are; a frozen
# task keeps one page, can be looked at, and goes on with its data intact.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --label boot/freezer --log "$BUILD/log/check/boot-freezer.console" \
	--timeout 120 --smp 2 --mem 512M --append dynamic_stack=on \
	--file "$TOOLS/tests/sleepers.sh:/sleepers.sh" --cmd '
. /sleepers.sh
grep -q "^enabled 1" $debugfs/dynamic_stack/summary || exit 1
group=/sys/fs/cgroup/frozen
mkdir $group || exit 1
sleepers_start 20 $group

# wait_for WHAT COMMAND...: at most 10 s
wait_for() {
	what=$1
	shift
	for try in $(seq 100); do
		"$@" && return
		usleep 100000
	done
	echo "@@ not within 10 s: $what"
	cat $debugfs/dynamic_stack/stacks
	exit 1
}
frozen() { grep -qx "frozen $1" $group/cgroup.events; }
# All 20 hold one page
shrunk() {
	awk "FNR == NR { pid[\$1]; next } \$1 in pid && \$2 == 1 { n++ } END { exit n != 20 }" \
		/tmp/sleepers $debugfs/dynamic_stack/stacks
}
usleep 300000
for round in 1 2 3 4 5; do
	echo 1 >$group/cgroup.freeze
	wait_for "frozen, round $round" frozen 1
	wait_for "one page each, round $round" shrunk
	while read -r pid; do
		grep -Eq "get_signal|do_freezer_trap" /proc/$pid/stack || { echo "@@ $pid is not in the freezer"; exit 1; }
	done </tmp/sleepers
	echo 0 >$group/cgroup.freeze
	wait_for "thawed, round $round" frozen 0
	usleep $((round * 90000))
done
sleepers_stop || exit 1
echo "@@ 5 rounds, $(sed -n "s/^kstack_collect //p" /proc/vmstat) frames collected"
'
