# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# For jobs in the guest of the tests vacate/*.
. /sleepers.sh

group=/sys/fs/cgroup/vacate

die() {
	echo "@@ FAIL: $*"
	cat $debugfs/dynamic_stack/stacks
	exit 1
}

# vacate_ages MS: how long a task must have slept there
vacate_ages() {
	[ "$(cat /sys/module/dynamic_stack/parameters/vacate)" != off ] || die "vacate=off"
	echo "$1" >/proc/sys/vm/dynamic_stack_vacate_ms || exit 1
}

event() { sed -n "s/^$1 //p" /proc/vmstat; }

# wait_for WHAT COMMAND...: at most 20 s
wait_for() {
	what=$1
	shift
	for try in $(seq 200); do
		"$@" && return
		usleep 100000
	done
	die "not within 20 s: $what"
}

group_make() { mkdir -p $group || exit 1; }
group_empty() { [ -z "$(cat $group/cgroup.procs)" ]; }

is_frozen() { grep -qx "frozen $1" $group/cgroup.events; }
freeze() {
	echo "$1" >$group/cgroup.freeze
	wait_for "frozen $1" is_frozen "$1"
}

# Of the sleepers, so many hold no page
vacated() {
	[ "$(awk 'FNR == NR { pid[$1]; next } $1 in pid && $2 == 0 && $3 ~ /^V/ { n++ } END { print n + 0 }' \
		/tmp/sleepers $debugfs/dynamic_stack/stacks)" = "$1" ]
}
is_vacated() { awk -v p="$1" '$1 == p && $2 == 0 { found = 1 } END { exit !found }' $debugfs/dynamic_stack/stacks; }

# look NAME: at the sleepers, by all that user space has for it
look() {
	while read -r pid; do
		for f in wchan stack syscall; do
			echo "$pid $f $(cat /proc/$pid/$f 2>&1 | tr '\n' ' ')"
		done
	done </tmp/sleepers >/tmp/look-$1
}
same() {
	cmp -s /tmp/look-before /tmp/look-after || {
		head -n 6 /tmp/look-before /tmp/look-after
		die "it looks otherwise"
	}
	# The compiler may have made one of the two
	[ "$(grep -Ec 'wchan (do_freezer_trap|get_signal)' /tmp/look-after)" = "$(wc -l </tmp/sleepers)" ] ||
		die "wchan: $(grep -m 1 wchan /tmp/look-after)"
	[ "$(grep -c 'stack .*get_signal.*arch_do_signal_or_restart' /tmp/look-after)" = "$(wc -l </tmp/sleepers)" ] ||
		die "stack: $(grep -m 1 stack /tmp/look-after)"
}
