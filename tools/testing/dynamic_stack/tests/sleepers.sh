# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# For jobs in the guest: tasks that go deep, sleep there, check their data,
# come back, and sleep again.  Their pids are in /tmp/sleepers.

debugfs=/sys/kernel/debug

# sleepers_start N [CGROUP]
sleepers_start() {
	echo 20 >/proc/sys/vm/dynamic_stack_sleep_ms
	echo 20 >/proc/sys/vm/dynamic_stack_collect_period_ms
	rm -f /tmp/stop /tmp/sleepers
	for i in $(seq "$1"); do
		sh -c '
			[ -z "$2" ] || echo $$ >"$2/cgroup.procs" || exit 2
			while [ ! -e /tmp/stop ]; do
				echo "sleep $((3000 + $1 * 700 % 9000)) $((100 + $1 * 10))" >"$3" || exit 1
				usleep $((10000 + $1 * 7000))
			done' sh "$i" "${2:-}" $debugfs/dynamic_stack_test &
		echo $! >>/tmp/sleepers
	done
}

# sleepers_stop: all of them end well, or this fails
sleepers_stop() {
	: >/tmp/stop
	bad=0
	while read -r pid; do
		wait "$pid" || bad=$((bad + 1))
	done </tmp/sleepers
	[ $bad = 0 ] || echo "@@ $bad sleepers failed"
	return $bad
}
