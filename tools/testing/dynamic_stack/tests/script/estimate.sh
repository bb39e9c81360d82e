#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kstackestimate on threads that were written down: which are shrunk, what is
# kept; other pages, other stacks; drgn and adb that are not real; one line for
# each thing that may be missing or wrong.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

sample=$(realpath "$(dirname "$0")/estimate.sample/threads")
tool=$ROOT/tools/mm/kstackestimate
cp "$sample" "$DS_TMP/threads"
chmod u+w "$DS_TMP/threads"
cd "$DS_TMP"

# value EXPRESSION OPTION...: of the estimate e, as Python prints it
value() {
	local expr=$1
	shift
	"$tool" --json "$@" >json || fail "kstackestimate $*"
	python3 -c "import json; e = json.load(open('json')); print($expr)"
}
# is VALUE EXPRESSION [OPTION...]: by default of the sample
is() {
	local want=$1 expr=$2 have
	shift 2
	[ $# -gt 0 ] || set -- --from "$sample"
	have=$(value "$expr" "$@")
	[ "$have" = "$want" ] || fail "$expr is $have, not $want: $*"
}

# says REGEX FILE: a line of the text
says() {
	"$tool" --from "$2" >text || fail "kstackestimate --from $2"
	grep -Eq "$1" text || { cat text; fail "no /$1/ of $2"; }
}

is "34 23 16 1" '*(e[k + "_threads" if k else "threads"] for k in ("", "user", "shrunk", "frozen"))'
is "{'running': 3, 'uninterruptible': 4, 'kept': 4, 'realtime': 1, 'locked': 1, 'reclaim': 1, 'exiting': 1, 'early': 3}" \
	'e["whole_threads"]'
# 5000 and 4097 bytes are two pages, 4096 one, 13000 four
is "{'1': 13, '2': 2, '4': 19}" 'e["policies"]["sleep"]["pages_per_thread"]'
is True 'e["policies"]["sleep"] == e["policies"]["switch"]'
is "{'0': 1, '1': 12, '2': 2, '4': 19} 1.0" '*(e["policies"]["frozen"][k] for k in ("pages_per_thread", "copies_kib"))'
# 34 threads and an idle task; 93 pages of threads, 4 of idle tasks, and for each
# of two processors 6 and a kstackd; a stock of 9, a reserve of 12, two more threads
is "560 196 $(((93 + 4 + 49) * 4))" '*(e["now"]["kib"], e["fixed_kib"], e["policies"]["sleep"]["kernel_stack_kib"])'
is "$(((93 + 4 + 37) * 4))" 'e["policies"]["sleep"]["kernel_stack_kib"]' --from "$sample" --pool 0
is "31 13000 2 0" '*(e["depth"]["threads"], e["depth"]["most"], e["depth"]["bins"]["4096"] + e["depth"]["bins"]["3840"], e["depth"]["bins"].get("0", 0))'
is "['with so few threads, pools and daemons weigh more than what is saved']" 'e["notes"]'

# Many threads: something is saved
{ sed '/^end/d' threads; for i in $(seq 1000 1999); do echo "task $i 1000 120 400100 1 0 0 4 15384 app"; done; echo end; } >many
sed -i "s/^info kernel_stack_kib .*/info kernel_stack_kib $((4 * (4 * 1034 + 4)))/" many
is "$((1000 * 12 - 24)) []" '*(int(e["policies"]["sleep"]["saved_kib"] + e["descriptors_kib"]), e["notes"])' --from many
says '^none, as now +4140 +16560$' many
says '^sleep, switch +1146 +4584 +11\.[0-9]+ +71\.[0-9] +0\.5[0-9]+$' many

# Other kernels
sed -E 's/^(task .*) 4 ([0-9]+) (.*)/\1 0 \2 \3/' threads >novmap
is "False 4 93" '*(e["vmap_stack"], e["stack_pages"], e["policies"]["sleep"]["pages"])' --from novmap
says '^note: .*no CONFIG_VMAP_STACK' novmap
sed -E 's/^(task .*) 4 ([0-9]+) (.*)/\1 1 \2 \3/; s/page_size 4096/page_size 16384/; s/x86_64/aarch64/' threads >pages16
is "1 16 0.0" '*(e["stack_pages"], e["page_kib"], e["policies"]["frozen"]["saved_kib"])' --from pages16
says '^note: a stack is a single page of 16 KiB here' pages16
sed 's/all_threads 1/all_threads 0/' threads >container
says '^note: .*in a container' container
sed 's/^info kernel_stack_kib .*/info kernel_stack_kib 900/' threads >hidden
says '^note: KernelStack is 900 KiB, .* some were not shown' hidden

# What it wrote down is what it read
"$tool" --from threads --record again >/dev/null
cmp threads again || fail "--record"
if command -v gnuplot >/dev/null; then
	"$tool" --from many --plot p.png --json e.json >/dev/null || fail "--plot"
	[ "$(head -c 4 p.png | tail -c 3)" = PNG ] && python3 -m json.tool e.json >/dev/null || fail "no PNG or JSON"
fi

# wrong REGEX OPTION...: one line
wrong() {
	local regex=$1 status=0
	shift
	"$tool" "$@" >stdout 2>stderr || status=$?
	[ $status = 1 ] || fail "status $status, not 1, from: $*"
	[ "$(wc -l <stderr)" = 1 ] || { cat stderr; fail "not one line from: $*"; }
	grep -Eq "^kstackestimate: .*($regex)" stderr || { cat stderr; fail "expected /$regex/ from: $*"; }
}
# bad REGEX SED: the sample, changed so, is refused
bad() {
	sed -E "$2" threads >broken
	wrong "$1" --from broken
}
bad 'broken:9: not understood: nonsense' '9i nonsense'
bad 'broken:5: not understood: info cpus two' 's/^info cpus 2/info cpus two/'
bad 'broken:9: not understood: info weight 3' '9i info weight 3'
bad 'broken:9: not understood: task 1 1$' '9s/(task 1 1) .*/\1/'
bad 'broken:9: not understood' '9s/ 4 15144 / 4000 15144 /'
bad 'broken:9: not understood' '9s/ 15144 / -1 /'
bad 'broken:9: not understood' '9s/ 400100 / 4001zz /'
bad 'not understood: task 5' '$a task 5 5 120 0 1 0 0 4 15000 late'
bad 'cut off after 34 threads' '/^end/d'
bad 'no line "info mem_kib"' '/^info mem_kib/d'
bad 'a page of 5000 bytes' 's/page_size 4096/page_size 5000/'
bad 'no threads' '/^task/d'
: >broken
wrong 'cut off after 0 threads' --from broken
wrong 'none: No such file' --from none
wrong 'unrecognized arguments' --no-such
wrong 'not allowed with' --drgn --from threads
wrong '--pool -1' --from threads --pool=-1
wrong 'kstackestimate-read is missing: build it' --reader no/kstackestimate-read

# Readers that are not real: what they say is passed on, cut off or not
touch kstackestimate.bpf.o
# reader COMMANDS
reader() {
	printf '#!/bin/sh\n%s\n' "$1" >kstackestimate-read
	chmod 755 kstackestimate-read
}
reader "[ \"\$1\" = '$DS_TMP/kstackestimate.bpf.o' ] && cat '$sample'"
is 34 'e["threads"]' --reader ./kstackestimate-read
reader 'echo "kstackestimate: no BTF here" >&2; exit 1'
wrong 'no BTF here$' --reader ./kstackestimate-read
[ "$(cat stderr)" = 'kstackestimate: no BTF here' ] || fail "said twice who says it"
reader 'echo oops >&2; exit 1'
wrong 'kstackestimate-read: oops' --reader ./kstackestimate-read
reader "head -n 20 '$sample'"
wrong 'kstackestimate-read: cut off after 12 threads' --reader ./kstackestimate-read

# drgn that has two tasks: one of a kernel before 5.14, and one of arm64
mkdir -p lib/drgn/helpers/linux
cat >lib/drgn/__init__.py <<'EOF'
class FaultError(Exception):
    pass
class Obj:
    def __init__(self, value):
        self.v = value
    def member_(self, name):
        if name not in self.v:
            raise LookupError(name)
        return Obj(self.v[name])
    def value_(self):
        return self.v
    def string_(self):
        return self.v
    def __bool__(self):
        return bool(self.v)
    def __getattr__(self, name):
        return self.member_(name)
class Program:
    def set_kernel(self):
        import os
        if os.environ.get("NO_ROOT"):
            raise PermissionError
    def load_default_debug_info(self):
        import os
        if os.environ.get("NO_DEBUG"):
            raise Exception("missing debugging symbols for vmlinux\nmore")
EOF
touch lib/drgn/helpers/__init__.py lib/drgn/helpers/linux/__init__.py
cat >lib/drgn/helpers/linux/pid.py <<'EOF'
from drgn import Obj
T = dict(pid=5, tgid=5, prio=120, flags=0x400000, exit_state=0, on_cpu=0, on_rq=0, jobctl=0, stack=1 << 40,
         mm=dict(locked_vm=0, def_flags=0), stack_vm_area=dict(nr_pages=4), comm=b"a b")
def for_each_task(prog):
    yield Obj({**T, "state": 1, "thread": dict(sp=(1 << 40) + 11000)})
    yield Obj({**T, "pid": 6, "__state": 0x2001, "thread": dict(cpu_context=dict(sp=(1 << 40) + 16000)),
               "jobctl": 1 << 23, "frozen": 1, "se": dict(sched_delayed=1), "on_rq": 1})
    yield Obj({**T, "pid": 7, "__state": 1, "mm": dict(locked_vm=9, def_flags=0),
               "thread": dict(sp=(1 << 40) + 16000)})
    yield Obj({**T, "pid": 8, "stack": 0})
EOF
export PYTHONPATH=$DS_TMP/lib
is "drgn 3 1 {'1': 1, '2': 1, '4': 1} {'locked': 1}" \
	'*(e["source"], e["threads"], e["frozen_threads"], e["policies"]["sleep"]["pages_per_thread"], e["whole_threads"])' --drgn
NO_ROOT=1 wrong 'run it as root' --drgn
NO_DEBUG=1 wrong 'missing debugging symbols for vmlinux: the kernel.s debug information is needed' --drgn
unset PYTHONPATH

# adb that has this directory as the device's: $PHONE says what it lacks
mkdir bin
cat >bin/adb <<'EOF'
#!/bin/bash
echo "$*" >>"$DS_TMP/adb.log"
[ "$1" != -s ] || { [ "$2" = SERIAL ] || exit 1; shift 2; }
case $1 in
get-state) [ "$PHONE" != none ] && echo device || { echo "error: no devices/emulators found" >&2; exit 1; } ;;
push) cp "$2" "$DS_TMP/device/" && mv "$DS_TMP/device/$(basename "$2")" "$DS_TMP/device/$(basename "$3")" ;;
shell)
	case $2 in
	"id -u") [ "$PHONE" = user ] || [ "$PHONE" = su ] && echo 2000 || echo 0 ;;
	"su 0 sh -c 'id -u'") [ "$PHONE" = su ] && echo 0 || { echo "su: not found" >&2; exit 127; } ;;
	*"uname -r"*) echo 6.1.75-android14; echo "${MACHINE:-x86_64}"; [ "$PHONE" = nobtf ] && echo no || echo yes ;;
	*mkdir*) mkdir "$DS_TMP/device" ;;
	*"rm -rf"*) rm -r "$DS_TMP/device" ;;
	*chmod*) ;;
	*/read*bpf.o*)
		[ "$PHONE" != su ] || [[ $2 == "su 0 sh -c "* ]] || exit 1
		[ -e "$DS_TMP/device/read" ] && [ -e "$DS_TMP/device/bpf.o" ] && cat "$SAMPLE" ;;
	*) exit 1 ;;
	esac ;;
*) exit 1 ;;
esac
EOF
chmod 755 bin/adb
export SAMPLE=$sample PHONE=root PATH=$DS_TMP/bin:$PATH
cp "$(type -P true)" kstackestimate-read
machine=$(uname -m)
# phone WHAT MACHINE OPTION...: nothing is left on the device, or pushed to one that lacks something
phone() {
	export PHONE=$1 MACHINE=$2
	: >adb.log
}
phone root "$machine"
is 34 'e["threads"]' --adb --reader ./kstackestimate-read
phone su "$machine"
is 34 'e["threads"]' --adb SERIAL --reader ./kstackestimate-read
[ ! -e device ] || fail "files are left on the device"
for lack in "none:no devices" "user:no root on the device: adb root" "nobtf:6.1.75-android14, has no BTF"; do
	phone "${lack%%:*}" "$machine"
	wrong "${lack#*:}" --adb --reader ./kstackestimate-read
	! grep -q push adb.log || fail "pushed to a device with: $lack"
done
phone root riscv64
wrong 'the device is riscv64: .*--reader' --adb --reader ./kstackestimate-read
! grep -q push adb.log || fail "pushed to another machine"
