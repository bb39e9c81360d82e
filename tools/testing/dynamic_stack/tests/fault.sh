# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For the tests of the fault path: one kernel for all of them in fault/ist, one
# for fault/fred, and the ways in which they run it. Tests that are links run in
# both. Sourced after `set -euo pipefail`.
. "$TOOLS/tests/lib.sh"
# What turn() of lib.sh sets
# shellcheck disable=SC2034 # for the tests
turns=() turn=

# In fault/fred, each is run with 1 and with 2 processors, or as its line
# `# processors: N` says.
way=$(basename "$(dirname "$0")")
name=$(basename "$0" .sh)
console=$BUILD/log/check/fault-$way-$name

# A caller may want the same with other options on top
variant=${variant:-}
# shellcheck disable=SC2034 # cmdlines, load: for the tests
case $way in
fred)
	. "$TOOLS/tests/fred.sh"
	kernel_planted=$BUILD/kernel-planted-fred
	if [ -z "${DS_CPUS:-}" ]; then
		for n in $(sed -n 's/^# processors: //p' "$0" | grep . || echo 1 2); do
			DS_CPUS=$n "$0"
		done
		exit 0
	fi
	console=$console-$DS_CPUS
	vm=(--bochs --timeout 600 --smp "$DS_CPUS" --append fred=on)
	# It does not switch page tables on entry
	cmdlines=('' 'nox2apic')
	load=5
	;;
*)
	kernel=$BUILD/kernel-fault$variant
	kernel_planted=$BUILD/kernel-planted-fault
	vm=(--timeout 240 --smp 2)
	cmdlines=('' 'pti=on' 'nox2apic')
	load=20
	;;
esac

GUEST='
p=/sys/module/dynamic_stack/parameters
f=/sys/kernel/debug/dynamic_stack_fault
t=/sys/kernel/debug/dynamic_stack_test
count() { sed -n "s/^$1 //p" /proc/vmstat; }
was() { sed -n "s/^$1 //p" $f; }
die() { echo "@@ $*"; cat $f; exit 1; }
plant() {
	for bug; do
		echo 1 >/sys/module/dynamic_stack_planted/parameters/$bug || die "no bug $bug"
	done
	echo "@@ planted $*"
}
'

# guest STATUS LABEL "COMMAND LINE" "COMMANDS" [options of vm]: boot, run, and
# end with this status. $CONSOLE has what was printed.
guest() {
	local status=$1 label=$2 append=$3 commands=$4
	shift 4
	CONSOLE=$console-$label.console
	expect_status "$status" "$TOOLS/vm" --kernel "$kernel/arch/x86/boot/bzImage" "${vm[@]}" \
		--label "fault/$way/$name $label" --log "$CONSOLE" --mem 512M \
		--append "dynamic_stack=on $append" "$@" --cmd "$GUEST $commands"
}

# planted STATUS "BUGS" "COMMAND LINE" "COMMANDS" [options of vm]: the same, on the kernel
# with the bugs of planted/*.patch, after these were turned on (their names with _ for -)
planted() {
	local kernel=$kernel_planted
	guest "$1" "planted-${2// /-}" "$3" "plant $2; $4" "${@:5}"
}

# What the guest printed last about KEY
result() {
	tr -d '\r' <"$CONSOLE" | sed -n "s/^@@ $1 //p" | tail -n 1
}

# nested KIND EVENTS N [options of vm]: each of N such events comes while a page
# fault is on the #PF stack, and faults itself. Nothing goes wrong; without
# protection of that stack (planted), the kernel does not survive; and if the
# event did not restore CR2 (planted), reads fail.
nested() {
	local kind=$1 events=$2 n=$3 nested how
	shift 3
	local commands="
echo $kind $n >\$f || die \"$kind: \$?\"
cat \$f
[ \$(was rounds) = $n ] || die \"only \$(was rounds) rounds\"
echo \"@@ wrong \$(was wrong)\"
[ \$(was nested) -ge $((n * 19 / 20)) ] || die \"only \$(was nested) $events came while the #PF stack was in use\"
echo \"@@ nested \$(was nested)\"
"
	guest 0 plain 'dynamic_stack.populate=1' "$commands" "$@"
	[ "$(result wrong)" = 0 ] || fail "$(result wrong) of $n rounds went wrong"
	nested=$(result nested)
	planted 2 one_pf_stack 'dynamic_stack.populate=1' "$commands" "$@"
	how=$(grep -m1 -oE 'BUG: .*|Oops: .*|Kernel panic.*' "$CONSOLE")
	planted 0 lose_cr2 'dynamic_stack.populate=1' "$commands" "$@"
	[ "$(result wrong)" -gt 0 ] || fail "with another CR2, no read fails: the test shows nothing"
	echo "note: $nested of $n nested; $(result wrong) wrong with another CR2; without protection: $how"
}
