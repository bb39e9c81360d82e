# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For tests/outside: a guest with sleepers of many kinds, and dumps of it with the
# feature on, on with reclaim=switch (which parks what was touched, and leaves it
# there), and off. Sourced after ../lib.sh.

# shellcheck disable=SC2034 # for the scripts that source this
outside=$TOOLS/outside
vmlinux=$BUILD/kernel-outside/vmlinux
# Debian's, which knows Debian's modules
python=/usr/bin/python3
# There is no ACPI that tells where QEMU's configuration is; addresses as in vmlinux
append="nokaslr fw_cfg.ioport=12@0x510:0:1:4"

# Sleepers that each have a name of their own. The deep ones of 9000 bytes use three
# pages; those that were deep and came back have touched them.
# shellcheck disable=SC2016 # for the guest's shell
job='
deep=/sys/kernel/debug/dynamic_stack_test
mkdir /tmp/n; cd /tmp/n
for i in 1 2 3; do sh -c "printf nap$i >/proc/\$\$/comm; sleep 3000; :" & done
for i in 1 2 3; do sh -c "printf deep$i >/proc/\$\$/comm; echo sleep 9000 3000000 >$deep" & done
for i in 1 2 3; do sh -c "printf back$i >/proc/\$\$/comm; echo touch 9000 >$deep; read x <\$0" /tmp/n/f$i & mkfifo /tmp/n/f$i; done
sh -c "printf pipe1 >/proc/\$\$/comm; sleep 3000 | { printf pipe2 >/proc/self/comm; read x; }" &
: >lock
sh -c "exec 9<lock; flock 9; printf flock1 >/proc/\$\$/comm; read x </tmp/n/f1; :" &
usleep 300000
sh -c "exec 9<lock; printf flock2 >/proc/\$\$/comm; exec flock 9" &
sh -c "printf stop1 >/proc/\$\$/comm; kill -STOP \$\$; :" &
sleep 4
cat /proc/[0-9]*/comm | sort | uniq -c | sed "s/^/@@ task /"
sed "s/^/@@ stack /" /sys/kernel/debug/dynamic_stack/stacks 2>/dev/null
grep -E "kstack|KernelStack" /proc/vmstat /proc/meminfo
echo "@@ host"
read -r status
exit "$status"
'

# need_crash [build]: $crash, with the patch, and $crash-before. The first step builds it
need_crash() {
	if to_build "$@"; then
		"$TOOLS/outside.d/build-crash" || { echo "crash can't be built: see above"; exit 1; }
	fi
	built "$@"
	crash=$BUILD/crash/crash
}

# guest NAME PARAMETERS HOST-COMMAND [VM-OPTION...]
guest() {
	local name=$1 parameters=$2 command=$3
	shift 3
	expect_status 0 "$TOOLS/vm" --kernel "$BUILD/kernel-outside/arch/x86/boot/bzImage" \
		--label "outside/$name" --log "$BUILD/log/check/outside-$name.console" --timeout 300 \
		--smp 2 --mem 256M --append "$append $parameters" --qemu-arg=-device --qemu-arg=vmcoreinfo \
		--host "$command" "$@" --cmd "$job" >&2
}

# parameters VARIANT
parameters() {
	case $1 in
	on) echo "dynamic_stack=on" ;;
	switch) echo "dynamic_stack=on dynamic_stack.reclaim=switch sysctl.vm.dynamic_stack_collect_period_ms=0" ;;
	off) echo "dynamic_stack=off" ;;
	esac
}

# dumped TEST VARIANT: $DS_TMP/VARIANT.dump
dumped() {
	guest "$1-$2" "$(parameters "$2")" "$outside dump $DS_TMP/$2.dump"
	ls -l "$DS_TMP/$2.dump" >&2
}

# crash_says CRASH DUMP COMMAND...: what crash prints for them
crash_says() {
	local crash=$1 dump=$2
	shift 2
	printf '%s\n' "$@" q >"$DS_TMP/commands"
	(cd "$DS_TMP" && TERM=dumb HOME=$DS_TMP "$crash" -s --no_kmem_cache -i "$DS_TMP/commands" "$vmlinux" "$dump" </dev/null) 2>&1
}

# crash_tasks CRASH DUMP NAME: $DS_TMP/NAME.json
crash_tasks() {
	crash_says "$1" "$2" 'foreach bt' >"$DS_TMP/$3.txt"
	crash_says "$1" "$2" 'bt -a' >"$DS_TMP/$3.active"
	"$outside" crash "$DS_TMP/$3.txt" "$DS_TMP/$3.active" >"$DS_TMP/$3.json"
	echo "$3: $(grep -c '"pid"' "$DS_TMP/$3.json") tasks"
}

# compared OFF ON: the same frames; what differs is said. $differences: in numbers
compared() {
	local status=0
	"$outside" compare "$DS_TMP/$1.json" "$DS_TMP/$2.json" >"$DS_TMP/compared" || status=$?
	cat "$DS_TMP/compared"
	differences=$(tail -n 1 "$DS_TMP/compared")
	[ $status = 0 ] || fail "frames differ between $1 and $2"
}

# pages_right NAME SHRUNK [PARKED]: what is not there reads as absent, and nothing else
# does; so many stacks at least have such pages, and so many pages are parked
pages_right() {
	local out
	out=$("$outside" pages "$DS_TMP/$1.json") || { echo "$out"; fail "$1: pages are not what they should be"; }
	echo "$1: $out"
	read -r _ shrunk _ parked <<<"$(tail -n 1 <<<"$out")"
	[ "$shrunk" -ge "$2" ] || fail "$1: only $shrunk stacks lack pages"
	[ "$parked" -ge "${3:-0}" ] || fail "$1: only $parked pages are parked"
}

# all_right TOOL VERSION: the same frames in $DS_TMP/{on,switch,off}.json, and the pages
# that each descriptor tells of. That is the test's result
all_right() {
	pages_right on 20
	pages_right switch 20 3
	pages_right off 0
	[ "$shrunk" = 0 ] || fail "off: $shrunk stacks lack pages"
	compared off switch
	compared off on
	"$outside" result "$1" "tool=$2" status=pass on="$differences" off=reference
	echo "note: $differences"
}
