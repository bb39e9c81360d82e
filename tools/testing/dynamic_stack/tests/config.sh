#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# limit: 960
# needs: initramfs own
# One row of the configuration matrix: the kernel is built with
# configs/matrix/NAME.config, boots with the feature on, has the options that
# the row asks for, gets through a short load and the selftests, and prints
# nothing that it should not. Each link to this file in config/ is one row.
# Comments at the head of the fragment, `# KEY: VALUE`, say the rest:
#   base      fragment that it stands on: debug or small
#   cc        compiler
#   packages  Debian packages that it needs besides; @ is gcc's major version
#   vm        options of vm
#   sched_ext program of the kernel's tools/sched_ext, to be in the guest
#   kcsan     code whose data races count
#   check     what must be true in the guest after the load; may repeat
#   test      another test, which then boots this kernel
# APPEND adds to the kernel's command line (a planted bug, for instance).
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"

row=$(basename "$0" .sh)
fragment=$ROOT/configs/matrix/$row.config
kernel=$BUILD/kernel-config-$row
console=$BUILD/log/check/config-$row.console
head_of() { sed -n "s/^# $1: //p" "$fragment"; }

# What Kconfig excludes, and why: see the help text of DYNAMIC_STACK
while read -r option; do
	if grep -q "^CONFIG_$option=y" "$fragment"; then
		echo "excluded: DYNAMIC_STACK depends on !$option, for the reason in its help text"
		exit 4
	fi
done < <(sed -n 's/^\tdepends on !\([A-Z0-9_]*\)$/\1/p' "$ROOT/mm/dynamic_stack/Kconfig")

case $(head_of base) in
debug)	args=(--config debug) ;;
small)	args=(--config matrix/small) ;;
*)	fail "$fragment names no base" ;;
esac
cc=$(head_of cc)
[ -z "$cc" ] || args+=(--cc "$cc")
packages=$(head_of packages)
packages=${packages//@/$(gcc -dumpversion | cut -d. -f1)}
if [ -n "$packages" ]; then
	# shellcheck disable=SC2046,SC2086 # words on purpose
	"$TOOLS/setup" $(printf '+%s ' $packages) || {
		echo "needs the Debian packages $packages, which could not be installed"
		exit 4
	}
fi

scx=$(head_of sched_ext)
if to_build "$@"; then
	start=$SECONDS
	"$TOOLS/build-kernel" --name "config-$row" "${args[@]}" --config "matrix/$row"
	if [ -n "$scx" ]; then
		mkdir -p "$kernel/sched_ext"
		# The kernel's make, without what this one was told
		env -u MAKEFLAGS make -C "$BUILD/linux/tools/sched_ext" "O=$kernel/sched_ext" \
			"VMLINUX_BTF=$kernel/vmlinux" "CLANG=clang-16" "$scx" >"$BUILD/log/sched_ext.log" 2>&1 || {
			tail -n 20 "$BUILD/log/sched_ext.log"
			fail "tools/sched_ext does not build: see build/log/sched_ext.log"
		}
	fi
	echo $((SECONDS - start)) >"$kernel/.took"
fi
built "$@"
text=$(size "$kernel/vmlinux" | awk 'NR == 2 { printf "%.1f", $1 / 1048576 }')

# In this series' words: build-kernel's last fragment is the row's
wanted=$(find "$kernel" -maxdepth 1 -name '.fragment*.config' | sort -V | tail -n 1)
grep -E '^(CONFIG_|# CONFIG_.* is not set)' "${wanted:-$fragment}" >"$DS_TMP/wanted"
head_of check >"$DS_TMP/checks"
cat >"$DS_TMP/job" <<'JOB'
#!/bin/sh
# What the row asks for is what this kernel has
zcat /proc/config.gz >/tmp/config || exit 1
n=0
while read -r line; do
	case $line in
	'# '*)	option=${line#\# }; option=${option%% *}
		! grep -q "^$option=" /tmp/config ;;
	*)	grep -qxF "$line" /tmp/config ;;
	esac || { echo "@@ this kernel was not built with: $line"; exit 1; }
	n=$((n + 1))
done </wanted
echo "@@ $n options are as they should be, $(nproc) processors"

stack() { sed -n 's/^KernelStack: *\([0-9]*\).*/\1/p' /proc/meminfo; }
count() { sed -n "s/^$1 //p" /proc/vmstat; }

# Sleepers: their stacks shrink, here to less than half of the smallest
before=$(stack)
i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i + 1)); done
i=0
while [ $i -lt 20 ] && [ $(($(stack) - before)) -gt 1600 ]; do sleep 1; i=$((i + 1)); done
grew=$(($(stack) - before))
echo "@@ 200 sleepers take $grew KiB of stack"
killall sleep; wait
[ $grew -le 1600 ] || exit 1

# A short load; then readers of other stacks, a processor goes and comes back
stress-ng --temp-path /tmp --timeout 15 --fork 1 --clone 1 --futex 1 \
	--poll 1 --pipe 1 --switch 1 >/tmp/stress.log 2>&1 &
load=$!
while kill -0 $load 2>/dev/null; do
	cat /proc/[0-9]*/stack /proc/[0-9]*/wchan >/dev/null 2>&1
	if [ -d /sys/kernel/debug/dynamic_stack ]; then
		cat /sys/kernel/debug/dynamic_stack/* >/dev/null
	fi
	sleep 1
done
wait $load || { cat /tmp/stress.log; echo "@@ stress-ng failed"; exit 1; }
echo w >/proc/sysrq-trigger
echo t >/proc/sysrq-trigger
if [ -e /sys/devices/system/cpu/cpu1/online ]; then
	echo 0 >/sys/devices/system/cpu/cpu1/online || exit 1
	echo 1 >/sys/devices/system/cpu/cpu1/online || exit 1
fi

# 4: the selftest lacks something, and may if this kernel does
for t in sleepers remote_writes accounting; do
	/selftests/$t; status=$?
	if [ $status = 4 ]; then
		if grep -q '^CONFIG_DYNAMIC_STACK_TEST=y' /tmp/config &&
		   ! { [ $t = remote_writes ] && [ "$(nproc)" = 1 ]; }; then
			echo "@@ $t was skipped"
			exit 1
		fi
		echo "@@ $t: skipped"
	elif [ $status != 0 ]; then
		echo "@@ $t: failed"
		exit 1
	else
		echo "@@ $t: passed"
	fi
done

[ "$(count kstack_populate)" -gt 0 ] || { echo "@@ no stack was populated"; exit 1; }
[ $(($(count kstack_reclaim) + $(count kstack_collect))) -gt 0 ] || { echo "@@ no stack shrank"; exit 1; }
! grep "^kstack_fault [1-9]" /proc/vmstat || { echo "@@ a stack fault"; exit 1; }
grep kstack_ /proc/vmstat
while read -r line; do
	eval "$line" || { echo "@@ not true: $line"; exit 1; }
done </checks
JOB

options=(--smp 2)
vm=$(head_of vm)
# shellcheck disable=SC2206 # words on purpose
[ -z "$vm" ] || options=($vm)
if [ -n "$scx" ]; then
	program=$kernel/sched_ext/build/bin/$scx
	options+=(--file "$program:/$scx")
	while read -r library; do
		options+=(--file "$library:$library")
	done < <(ldd "$program" | grep -o '/[^ ]*')
fi
kcsan=$(head_of kcsan)
# A warning under the runqueue lock may hang the machine: stop at once
if [ -z "$kcsan" ]; then options+=(--append panic_on_warn=1); else options+=(--allow 'BUG: KCSAN: '); fi
expect_status 0 "$TOOLS/vm" --kernel "$kernel/arch/x86/boot/bzImage" \
	--label "config/$row" --log "$console" --timeout 900 --mem 768M "${options[@]}" --stress \
	--append "dynamic_stack=on ${APPEND:-}" --file "$DS_TMP/wanted:/wanted" \
	--file "$DS_TMP/checks:/checks" --job "$DS_TMP/job"
other=$(head_of test)
[ -z "$other" ] || KERNEL=$kernel/arch/x86/boot/bzImage "$TOOLS/tests/$other.sh"
races=
if [ -n "$kcsan" ]; then
	# shellcheck disable=SC2086 # patterns on purpose
	(cd "$kernel" && nm $kcsan) | awk '$2 ~ /^[tT]$/ { print $3 }' >"$DS_TMP/ours"
	races=$("$TOOLS/tests/kcsan.py" "$console" "$DS_TMP/ours") || { echo "$races"; fail "data races"; }
	races=", ${races##*$'\n'}"
fi
covers=$(sed -e 's/^# CONFIG_\(.*\) is not set/!\1/' -e 's/^CONFIG_//' -e 's/=y$//' "$DS_TMP/wanted" | paste -sd' ')
echo "note: $covers; built in $(cat "$kernel/.took") s, $text MiB of text$races"
