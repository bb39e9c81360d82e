#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 240
# needs: debug
# Threads in cgroup v2's freezer, and stopped ones, hold no page of their stack. They
# can be looked at as ever: wchan, stack and syscall say what they said before. They go
# on with their data intact, also if they are killed. Who is frozen elsewhere keeps the
# page: a parent in vfork(), and its child's exec reaches it.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

expect_status 0 "$TOOLS/vm" --kernel "${KERNEL:-$BUILD/kernel-debug/arch/x86/boot/bzImage}" --label vacate/freeze \
	--log "$BUILD/log/check/vacate-freeze.console" --timeout 200 --smp 2 --mem 512M \
	--append "dynamic_stack=on dynamic_stack.vacate=on" \
	--file "$TOOLS/tests/vacate/guest.sh:/guest.sh" --file "$TOOLS/tests/sleepers.sh:/sleepers.sh" --cmd '
. /guest.sh
vacate_ages 1000
group_make
sleepers_start 8 $group
usleep 500000
for round in 1 2 3; do
	freeze 1
	look before
	wait_for "no page, round $round" vacated 8
	look after
	same
	[ "$(event nr_kstack_vacated)" -ge 8 ] || die "nr_kstack_vacated is $(event nr_kstack_vacated)"
	[ "$(event nr_kstack_copy_bytes)" -ge $((8 * 512)) ] || die "no bytes in copies"
	freeze 0
	usleep 300000
	wait_for "thawed, round $round" vacated 0
done

# A stopped one
pid=$(head -n 1 /tmp/sleepers)
kill -STOP $pid
wait_for "stopped, no page" is_vacated $pid
grep -Eq "do_signal_stop|get_signal" /proc/$pid/stack || die "stopped: $(cat /proc/$pid/stack)"
kill -CONT $pid
sleepers_stop || die "data lost"

# Killed in the trap
sleepers_start 8 $group
usleep 500000
freeze 1
wait_for "no page before the kill" vacated 8
echo 1 >$group/cgroup.kill
wait_for "all gone" group_empty
freeze 0
echo "@@ $(event kstack_vacate) vacated, $(event kstack_unvacate) copied back"
[ "$(event nr_kstack_vacated) $(event nr_kstack_copy_bytes)" = "0 0" ] || die "copies are left"
'
