# SPDX-License-Identifier: GPL-2.0
"""
usage: check [--list] [--fred | --suites] [--jobs N] [--no-build] [PATTERN...]     (patterns as in a shell: 'boot/*')

Run the tests.  Where they come from:

  tests/CATEGORY/NAME[.sh|.py]   any executable file there is the test
                                 CATEGORY/NAME.  Exit status 0: pass; 4: skip,
                                 the last line says why; else: fail.  Lines in
                                 its head, see below.  DS_TMP is an empty
                                 directory, deleted afterwards; ROOT, BUILD,
                                 TOOLS are set.  A last line `note: TEXT` is
                                 shown with a pass.
  the table below                boots, KUnit
  tools/testing/selftests/dynamic_stack/*.c and *.sh
                                 selftest/NAME, each in a guest of its own;
                                 ` * vm: OPTIONS` in the source gives options of
                                 vm to it
  tests/planted/NAME.patch       planted/NAME: a bug, and what must notice it; the
                                 same lines, but for needs. See planted --help

  # limit: SECONDS     default 120; what is built before does not count
  # needs: guest       the guest kernel and the initramfs; also debug, fault,
                       fault64, base: the kernel of that name, and initramfs.
                       planted, planted-fault: debug and fault with the bugs of
                       tests/planted. They are built before, as build/NAME, within
                       an hour each.
                       own: the test builds something itself when it is called
                       with the argument build; DS_BUILT=y tells it that it was
  # beside: tests      two such tests may run at a time: whether it passes does
                       not depend on the machine's speed.  `tests, but NAME...':
                       the links of these names run alone
  # beside: builds     may also run while a kernel is built: it has no guest and
                       no clock
                       Without such a line, a test runs alone.
  # arch: arm64        it is for this architecture, too: `x86_64 arm64`, or only.
                       Without such a line, for x86_64 alone

Each test config/NAME builds and boots a kernel of its own, which takes longer
than all else: they are skipped unless DS_CONFIG=NAME chooses one, DS_CONFIG=day
the one whose turn it is today, and DS_CONFIG=all or the pattern 'config/*' all.

The tests fault/ist/* share a kernel of their own, and planted/* another one; arch/arm64
is all that ARCH=arm64 make check has, base/7.3 the first part of what SERIES=7.3 make check
has, base/commits a sixth of its commits; android/* and a few of script/* test the harness, and take long. In a run of all tests,
these five take turns, a day each, and vacate/* with planted/*: DS_TURN=fault, planted, arch,
base, android or all says which. What else needs the debug kernel has the days of planted and
android: on each of the others another kernel is built. fault/fred/* have a kernel as well,
and need a Bochs with FRED, $BOCHS or in PATH; they are skipped without.  --fred runs these
alone, for build/results/fred.json.

A few tests take their variants in turn as well, one each time, and say which. Those
that are named on the command line take all.

outside/* look at a guest from outside, with crash, makedumpfile, drgn and gdb. They
need a kernel with debug info and build crash, so they are skipped; --suites runs these
alone, for build/results/suites.json.

ARCH=arm64: those that are for it, with build/arm64/kernel-guest; results in
build/results/arm64/check.json.  DS_CPU=cortex-a57: guests have this processor.

series/bisect, one hour or two, runs if it is named, with DS_BISECT=y, and in lint.

Each has a time limit and a log in build/log/check/.  Results go to
build/results/check.json; the last line is `N passed, N failed, N skipped`.
--jobs: tests at a time, 2 if there are so many processors.
--no-build: with the kernels and the initramfs that are there.
"""

import datetime
import fnmatch
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import ktap, planted, ui
from .arch import ARCH
from .outside import ROWS
from .repo import BUILD, HERE, OUT, RESULTS, ROOT, another_series, short, tool
from .ui import Error

LOGS = os.path.join(OUT, "log", "check")
VM = tool("vm")
SELFTESTS = os.path.join(ROOT, "tools/testing/selftests/dynamic_stack")
# Selftests that don't care how fast the machine is
UNTIMED = ("accounting", "bad_iret", "sleepers", "stack_usage", "stale", "zeroing")
FEATURE = "zcat /proc/config.gz | grep -q '^CONFIG_DYNAMIC_STACK=y'"
VM_WORDS = {1: "the job failed", 2: "kernel panic or oops", 3: "timeout in the guest",
            4: "the kernel warned", 5: "the guest did not start"}

# Sleepers, forks, pipes, files, a deep path or two; then: did it count?
BOOT_JOB = f"""
set -e
feature=n; {FEATURE} && feature=y
[ "$(nproc)" = "$1" ] || {{ echo "expected $1 processors, found $(nproc)"; exit 1; }}
for i in $(seq 20); do sleep 1 & done
i=0; while [ $i -lt 100 ]; do /bin/true; echo $i | cat >/dev/null; i=$((i + 1)); done
dd if=/dev/zero of=/tmp/f bs=64k count=64 2>/dev/null
tar -cf - /bin/busybox | md5sum >/dev/null
find /proc -maxdepth 2 -name status -exec cat {{}} + >/dev/null 2>&1 || true
cat /proc/[0-9]*/stack /proc/[0-9]*/wchan >/dev/null 2>&1 || true
wait
grep KernelStack /proc/meminfo
if [ $feature = y ]; then
	grep -E 'kstack' /proc/vmstat || {{ echo "no kstack counters in /proc/vmstat"; exit 1; }}
	n=$(sed -n 's/^kstack_populate //p' /proc/vmstat)
	case "$2" in
	on) [ "$n" -gt 0 ] || {{ echo "kstack_populate is $n with the feature on"; exit 1; }} ;;
	off) [ "$n" = 0 ] || {{ echo "kstack_populate is $n with the feature off"; exit 1; }} ;;
	esac
else
	! grep kstack_ /proc/vmstat || exit 1
fi
"""

STRESS_JOB = """
free -m
stress-ng --temp-path /tmp --timeout 45 --metrics-brief --fork 2 --futex 2 --poll 2 \
	--pipe 2 --clone 2 --switch 2 --epoll 1 --eventfd 1 --mq 1 --mmap 1 --mmap-bytes 16M
status=$?
grep -E 'kstack' /proc/vmstat
grep KernelStack /proc/meminfo
exit $status
"""


# What a kernel of the tests is built with, beside configs/guest.config
KERNELS = {
    "guest": (),
    "base": ("--base",),
    "debug": ("--config", "debug"),
    "fault": ("--config", "fault"),
    "fault64": ("--config", "fault", "--config", "matrix/fault64"),
    "fred": ("--config", "fault", "--config", "fred"),
    "fred64": ("--config", "fault", "--config", "fred", "--config", "matrix/fault64"),
    "outside": ("--config", "matrix/small", "--config", "outside", "--targets", "bzImage scripts_gdb"),
    "planted": ("--planted", "debug"),
    "planted-fault": ("--planted", "fault"),
    "planted-fred": ("--planted", "fred"),
}
BUILD_LIMIT = 3600
# Each with the kernels that it needs would make a run of all tests a third longer
TURNS = "fault", "arch", "planted", "base", "android"
# Whose turn it is as well: a category, or a test
WITH = {"vacate": "planted",
        **dict.fromkeys(("script/config-lost", "script/deb", "script/lint"), "android")}
# When another kernel, which takes as long to build as all others, is not needed: the debug
# kernel's days
DEBUG_TURNS = "planted", "android"
# These do without it on the other days, and wait for it on those
DEBUG_IF_BUILT = "series/floors",
# What may run at the same time: a build takes all processors, `beside` disturbs
# nothing, of `pair` there are several, `alone` is alone
BUILDS, BESIDE, PAIR, ALONE = "build", "beside", "pair", "alone"


class Test:
    def __init__(self, name, cmd, limit=120, needs=(), env=None, verdict=None, kind=ALONE, arch=("x86_64",)):
        self.name, self.cmd, self.limit, self.kind = name, cmd, limit, kind
        self.needs, self.env, self.verdict, self.arch = needs, env or {}, verdict, arch
        self.status = self.reason = None
        self.seconds = 0.0
        self.log = os.path.join(LOGS, name.replace("/", "-") + ".log")

    def wanted_builds(self):
        """The names of the steps that come before"""
        steps = [n for n in self.needs if n not in ("own", "initramfs")]
        if (steps and self.kind != BUILDS) or "initramfs" in self.needs:
            steps.append("initramfs")
        if "own" in self.needs:
            steps.append(self.name.replace("/", "-"))
        return ["build/" + s for s in steps]


def builds(tests):
    """The steps that make what these tests need, in the order in which they need it"""
    steps = {}

    def add(t):
        for step in t.wanted_builds():
            if step in steps:
                continue
            name = step.removeprefix("build/")
            needs = KERNELS[name][1:] if KERNELS.get(name, ())[:1] == ("--planted",) else ()
            if name == "initramfs":
                cmd = [tool("mkinitramfs")]
            elif name in KERNELS:
                cmd = [tool("build-kernel"), "--name", name, *KERNELS[name]]
                if name.startswith("fred"):
                    # In vain without an emulator
                    cmd = ["bash", "-c", 'why=$("$TOOLS/bochs.py" find 2>&1 >/dev/null) || '
                           '{ echo "${why#error: }"; exit 4; }; exec "$@"', "bash", *cmd]
            else:
                cmd = [*t.cmd, "build"]
            built = Test(step, cmd, BUILD_LIMIT, needs, kind=BUILDS)
            add(built)
            steps[step] = built

    for t in tests:
        add(t)
    return list(steps.values())


def vm(name, cmd, *options, limit=120, **kw):
    """A test that is a job in a guest"""
    console = os.path.join(LOGS, name.replace("/", "-") + ".console")
    kw.setdefault("arch", ("x86_64", "arm64"))
    return Test(name, [VM, "--label", name, "--timeout", str(limit), "--log", console, *options, "--cmd", cmd],
                limit + 30, needs=("guest",), **kw)


def table():
    """The tests, cheap ones first"""
    tests = script_tests("script") + script_tests("series")
    on = "--append", "dynamic_stack=on"
    for n in 1, 2, 4, 8:
        if n == 8 and ARCH.name == "x86_64":
            continue
        tests.append(vm(f"boot/smp{n}", f"set -- {n} on" + BOOT_JOB, "--smp", str(n), *on, kind=PAIR))
    tests += [
        vm("boot/off", "set -- 2 off" + BOOT_JOB, "--append", "dynamic_stack=off", kind=PAIR),
        vm("boot/pti", "set -- 2 on" + BOOT_JOB, "--append", "dynamic_stack=on pti=on", kind=PAIR, arch=("x86_64",)),
        vm("boot/numa", "set -- 4 on" + BOOT_JOB, "--smp", "4", "--numa", "2", *on, kind=PAIR, arch=("x86_64",)),
        vm("boot/stress", STRESS_JOB, "--smp", "4", "--stress", *on, limit=240, kind=PAIR, arch=("x86_64",)),
        Test("kunit/all", [VM, "--label", "kunit", "--timeout", "180", "--smp", "2", "--append",
                           "dynamic_stack=on kunit.enable=1 kunit.filter_glob=dynamic[-_]stack*",
                           "--log", os.path.join(LOGS, "kunit.console"), "--cmd", "true"],
             240, needs=("guest",), verdict=kunit, kind=PAIR, arch=("x86_64", "arm64")),
    ]
    for src in sorted(glob.glob(SELFTESTS + "/*.c") + glob.glob(SELFTESTS + "/*.sh")):
        with open(src, encoding="utf-8") as f:
            text = f.read()
        base = os.path.basename(src)
        if src.endswith(".c"):
            if not re.search(r"^(?:int\s+)?main\s*\(|TEST_HARNESS_MAIN", text, re.M):
                continue
            base = base[:-2]
        elif not os.access(src, os.X_OK):
            continue
        m = re.search(r"^[\s*#/]*vm: (.*?)(?:\*/)?$", text, re.M)
        extra = shlex.split(m[1]) if m else []
        limit = 120
        if "--timeout" in extra:
            i = extra.index("--timeout")
            limit = int(extra[i + 1])
            del extra[i:i + 2]
        if "--append" not in extra:
            extra += on
        base = base.removesuffix(".sh") if src.endswith(".sh") else base
        # With -icount, the guest's time is not the machine's
        kind = PAIR if base in UNTIMED or "--icount" in extra else ALONE
        tests.append(vm("selftest/" + base, f"/selftests/{os.path.basename(src).removesuffix('.c')}", "--verbose",
                        *extra, limit=limit, verdict=tap, kind=kind))
    # What lies beside the categories is what their links and scripts share
    known = (".", "script", "series")
    for path, dirs, _ in os.walk(os.path.join(HERE, "tests")):
        dirs.sort()
        category = os.path.relpath(path, os.path.join(HERE, "tests"))
        if category == "base" and another_series():
            continue
        if category == "planted":
            tests += planted_tests()
        elif category not in known:
            tests += script_tests(category)
    return [t for t in tests if ARCH.name in t.arch]


def today():
    return datetime.datetime.now(datetime.timezone.utc).date().toordinal()


def choose_config(tests):
    """The row of the configuration matrix that DS_CONFIG asks for; the others are skipped, and say how to run them"""
    rows = {t.name.split("/")[1]: t for t in tests if t.name.startswith("config/")}
    wanted = os.environ.get("DS_CONFIG")
    if wanted == "day":
        wanted = sorted(rows)[today() % len(rows)]
    if wanted == "all":
        return
    if wanted and wanted not in rows:
        raise Error(f"DS_CONFIG={wanted}: no such row: give {', '.join(sorted(rows))}, day or all")
    for name, t in rows.items():
        if name != wanted:
            t.status = "skip"
            t.reason = f"builds a kernel of its own: make check-configs runs all, make check TESTS={t.name} this one; {covers(name)}"


def covers(row):
    """What a fragment asks for: A B=2 !C"""
    with open(os.path.join(ROOT, "configs/matrix", row + ".config"), encoding="utf-8") as f:
        found = re.findall(r"^(?:# CONFIG_(\w+) is not set|CONFIG_(\S+))", f.read(), re.M)
    return " ".join("!" + off if off else on.removesuffix("=y") for off, on in found)


def script_tests(category):
    tests = []
    for path in sorted(glob.glob(os.path.join(HERE, "tests", category, "*"))):
        if not os.access(path, os.X_OK) or not os.path.isfile(path):
            continue
        base = re.sub(r"\.(sh|py)$", "", os.path.basename(path))
        name = category + "/" + base
        with open(path, encoding="utf-8") as f:
            text = f.read()
        head = dict(re.findall(r"^# (limit|needs|beside|arch): (.*)", text[:2000], re.M))
        needs = head.get("needs", "").split()
        if category == "fault/fred":
            # Links to tests of fault/ist
            needs = [n.replace("fault", "fred") for n in needs]
        # What a test builds that does not say so
        needs += [n for n in re.findall(r"build-kernel\S* --name (\w+)", text) if n in KERNELS and n not in needs]
        for n in needs:
            if n not in (*KERNELS, "initramfs", "own"):
                raise Error(f"{name}: needs {n}: there is no such kernel: {', '.join(KERNELS)}, initramfs or own")
        beside, _, but = head.get("beside", "").partition(", but ")
        kind = ALONE
        if beside and base not in but.split():
            kind = {"tests": PAIR, "builds": BESIDE}.get(beside)
            if not kind:
                raise Error(f"{name}: beside {beside}: tests or builds")
        tests.append(Test(name, [path], int(head.get("limit", 120)), tuple(needs), kind=kind,
                          arch=tuple(head.get("arch", "x86_64").split()),
                          env={"DS_BUILT": "y"} if "own" in needs else {}))
    return tests


def planted_tests():
    """Bugs that a selftest or progress/* notices; tests of the fault path plant theirs themselves"""
    tests = []
    for bug in planted.bugs():
        if "/" in bug.tests[0] and not bug.tests[0].startswith("progress/"):
            continue
        tests.append(Test("planted/" + bug.name, [os.path.join(HERE, "tests/planted.sh"), bug.path],
                          int(bug.head.get("limit", 120)), ("planted",),
                          kind=PAIR if bug.head.get("beside") == "tests" else ALONE))
    return tests


def console(test):
    for path in (os.path.join(LOGS, test.name.replace("/", "-") + ".console"),
                 os.path.join(LOGS, test.name.split("/")[0] + ".console")):
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as f:
                return f.read().replace("\r", "").splitlines()
    return []


def tap(test, rc):
    """A kselftest: its exit status counts, its TAP lines explain it"""
    lines = console(test)
    bad = [x for x in lines if x.startswith("not ok")]
    skipped = [x for x in lines if re.match(r"ok \d+.*# SKIP|1\.\.0 # SKIP", x)]
    m = re.search(r"guest-end \w+ status=(\d+)", "\n".join(lines))
    if rc == 0 and not any(re.match(r"1\.\.\d+|ok \d+", x) for x in lines):
        return "fail", "no TAP output"
    if rc == 0 and not bad:
        return "pass", skipped[0] if skipped else ""
    if rc == 1 and m and m[1] == "4":
        return "skip", skipped[0] if skipped else "the selftest skipped itself"
    return "fail", bad[0] if bad else VM_WORDS.get(rc, f"status {rc}")


def kunit(test, rc):
    """The KUnit cases of a console -> a result for each case; -> (status, reason, more tests)"""
    lines = console(test)
    more = []
    try:
        suites = ktap.suites(lines)
    except Error as e:
        return "fail", str(e), more
    for suite in suites:
        for c in suite["test_cases"]:
            # Without a name: the kernel did not get as far
            case = Test(f"kunit/{suite['name']}/{c['name'] or 'not-run'}", [], 0)
            case.status = {"PASS": "pass", "SKIP": "skip"}.get(c["status"], "fail")
            if case.status == "skip":
                # It does not tell why
                case.reason = next((x.partition("# SKIP")[2].strip() for x in lines
                                    if re.search(rf"ok \d+ {re.escape(c['name'])} # SKIP", x)), "")
            elif case.status == "fail":
                case.reason = f"see {short(test.log)}"
            more.append(case)
    if rc:
        return "fail", VM_WORDS.get(rc, f"status {rc}"), more
    if not suites:
        return "skip", "the kernel has no KUnit suite dynamic_stack*", more
    return ("pass" if more else "fail"), "" if more else "no test case ran", more


def reason_of(test):
    try:
        with open(test.log, encoding="utf-8", errors="replace") as f:
            lines = [x.strip() for x in f.read().splitlines() if x.strip() and x.strip() != "---"]
    except OSError:
        return ""
    for line in reversed(lines[-40:]):
        if line.startswith(("error:", "FAIL")):
            return line
    return lines[-1] if lines else "no output"


def stop(p):
    """A test has its own session: what it started goes with it"""
    os.killpg(p.pid, signal.SIGTERM)
    try:
        p.wait(10)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(p.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    p.wait()


class Job:
    """A test that runs"""

    def __init__(self, test, day):
        self.test, self.timed_out = test, False
        self.tmp = tempfile.mkdtemp(prefix="ds-check-")
        env = dict(os.environ, ROOT=ROOT, BUILD=OUT, TOOLS=HERE, DS_TMP=self.tmp, LC_ALL="C", **test.env)
        env.pop("DS_DAY", None)
        if day is not None:
            env["DS_DAY"] = str(day)
        self.start = self.last = time.monotonic()
        with open(test.log, "wb") as log:
            self.p = subprocess.Popen(test.cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                      env=env, cwd=ROOT, start_new_session=True)

    def tail(self):
        with open(self.test.log, "rb") as f:
            f.seek(max(0, os.path.getsize(self.test.log) - 400))
            return "".join(f.read().decode(errors="replace").strip().splitlines()[-1:]).strip()

    def line(self):
        return f"{self.test.name} {int(time.monotonic() - self.start)} s of at most {self.test.limit}"

    def over(self):
        """Has it ended, or has its time?"""
        if self.p.poll() is None and time.monotonic() - self.start > self.test.limit:
            self.timed_out = True
            stop(self.p)
        return self.p.poll() is not None

    def finish(self):
        """-> more tests that it was made of"""
        test, rc, more = self.test, self.p.returncode, []
        shutil.rmtree(self.tmp, ignore_errors=True)
        test.seconds = time.monotonic() - self.start
        if self.timed_out:
            test.status, test.reason = "fail", f"time limit of {test.limit} s"
        elif test.verdict:
            test.status, test.reason, *rest = test.verdict(test, rc)
            more = rest[0] if rest else []
        elif rc == 0:
            last = reason_of(test)
            test.status, test.reason = "pass", last[6:] if last.startswith("note: ") else ""
        elif rc == 4 and test.cmd[0] != VM:
            test.status, test.reason = "skip", reason_of(test)
        else:
            test.status, test.reason = "fail", reason_of(test)
        return more


class Runner:
    """Runs tests, several at a time where they allow it; never silent for more than 15 s"""

    def __init__(self, tests, jobs, day=None):
        self.pending, self.jobs, self.day = [t for t in tests if not t.status], jobs, day
        self.step = {t.name: t for t in tests if t.kind == BUILDS}
        self.running, self.results = [], []
        self.line = ui.Line()

    def report(self, test):
        self.line.clear()
        report(test)
        self.results.append(test)

    def ready(self, test):
        return all(self.step[s].status == "pass" for s in test.wanted_builds())

    def skip_without_build(self):
        """What can't run any more"""
        for t in list(self.pending):
            failed = [self.step[s] for s in t.wanted_builds() if self.step[s].status in ("fail", "skip")]
            if failed:
                t.status, t.reason = "skip", failed[0].reason
                if failed[0].status == "fail":
                    t.reason = f"{failed[0].name} failed: {failed[0].reason}"
                self.pending.remove(t)
                self.report(t)

    def may_start(self, test):
        others = {j.test.kind for j in self.running}
        if not others:
            return True
        if test.kind == ALONE or ALONE in others or self.jobs < 2:
            return False
        if test.kind == BESIDE:
            return BESIDE not in others and len(self.running) < self.jobs
        if test.kind == BUILDS:
            return others == {BESIDE}
        return BUILDS not in others and len(self.running) < self.jobs

    def choose(self):
        """The next one to start: tests before builds, so that what can be known is known early"""
        ready = [t for t in self.pending if self.ready(t)]
        order = [t for kind in (PAIR, ALONE) for t in ready if t.kind == kind]
        order = order or [t for t in ready if t.kind == BUILDS]
        order += [t for t in ready if t.kind == BESIDE]
        return next((t for t in order if self.may_start(t)), None)

    def show(self):
        now = time.monotonic()
        if self.line.tty:
            text = " | ".join(j.line() for j in self.running)
            self.line.show(text + (f": {self.running[0].tail()}" if len(self.running) == 1 else ""))
            return
        for j in self.running:
            if now - j.last > 15:
                j.last = now
                print(f"  {j.line()}: {j.tail()}"[:150], flush=True)

    def run(self):
        try:
            while self.pending or self.running:
                while test := self.choose():
                    self.pending.remove(test)
                    self.running.append(Job(test, self.day))
                self.show()
                time.sleep(0.1)
                for j in [j for j in self.running if j.over()]:
                    self.running.remove(j)
                    more = j.finish()
                    for t in [j.test, *more]:
                        self.report(t)
                    self.skip_without_build()
        except KeyboardInterrupt:
            # Ctrl-C does not reach another session
            for j in self.running:
                stop(j.p)
            raise
        return self.results


def report(test):
    print(f"{test.status:4}  {test.name} ({test.seconds:.1f} s){': ' if test.reason else ''}{test.reason or ''}",
          flush=True)


def kernel_release(name):
    try:
        with open(os.path.join(OUT, f"kernel-{name}/include/config/kernel.release"), encoding="utf-8") as f:
            return f.read().strip()
    except OSError:
        return ""


def options(args):
    """-> patterns, the other options"""
    o = {"list": False, "fred": False, "suites": False, "no-build": False, "jobs": 2 if (os.cpu_count() or 1) > 1 else 1}
    patterns, args = [], list(args)
    while args:
        a = args.pop(0)
        if a == "--jobs" and args and re.fullmatch("[1-9]", args[0]):
            o["jobs"] = int(args.pop(0))
        elif a in ("--list", "--fred", "--suites", "--no-build"):
            o[a[2:]] = True
        elif a.startswith("-"):
            raise Error(f"check {a}: no such option, or no value for it: check --help lists them")
        else:
            patterns.append(a)
    return patterns, o


def choose(tests, patterns):
    """Those that match; a step build/NAME by its own name, others bring theirs"""
    def match(t):
        return any(fnmatch.fnmatch(t.name, p) or t.name.startswith(p.rstrip("/") + "/") for p in patterns)

    chosen = [t for t in tests if match(t)]
    steps = [t for t in builds(tests) if match(t)]
    if not chosen and not steps:
        raise Error(f"no test matches {' '.join(patterns)}: check --list shows them all")
    have = builds(chosen + steps)
    return have + [t for t in steps if t.name not in {b.name for b in have}] + chosen


def leave_out(tests):
    """What a run of all tests skips, and why"""
    if ARCH.name == "x86_64":
        choose_config(tests)
    turn = os.environ.get("DS_TURN") or TURNS[today() % len(TURNS)]
    if turn not in (*TURNS, "all"):
        raise Error(f"DS_TURN={turn}: no such part: give {', '.join(TURNS)} or all")
    for t in tests:
        part = t.name.split("/")[0]
        part = WITH.get(t.name) or WITH.get(part, part)
        if part in TURNS and turn not in (part, "all"):
            t.status = "skip"
            t.reason = f"today is the turn of {turn}/*: DS_TURN=all make check, or make check TESTS={t.name}"
        elif "debug" in t.needs and part not in TURNS and turn not in (*DEBUG_TURNS, "all"):
            t.status = "skip"
            t.reason = f"its kernel is built on the days of {' and '.join(DEBUG_TURNS)}: DS_TURN=all make check, or make check TESTS={t.name}"
        if t.name in DEBUG_IF_BUILT and turn in (*DEBUG_TURNS, "all"):
            t.needs += ("debug",)
        if t.name.startswith("outside/"):
            t.status = "skip"
            t.reason = "builds crash, and a kernel with debug info: make check-suites"
        if t.name == "series/bisect" and os.environ.get("DS_BISECT") != "y":
            t.status = "skip"
            t.reason = "compiles each commit twice, boots each of series A: make lint does that, too; DS_BISECT=y make check, or make check TESTS=series/bisect"
    return builds([t for t in tests if not t.status]) + tests


def suites():
    """What the suites' tests have said about themselves"""
    rows = []
    for path in sorted(glob.glob(ROWS + "/*.json")):
        with open(path, encoding="utf-8") as f:
            rows.append(json.load(f))
    return rows


def main():
    args = sys.argv[1:]
    if "-h" in args or "--help" in args:
        print(__doc__.strip())
        return 0
    patterns, o = options(args)
    tests = table()
    if o["fred"]:
        patterns = patterns or ["fault/fred/*"]
    if o["suites"]:
        patterns = patterns or ["outside/*"]
    tests = choose(tests, patterns) if patterns else leave_out(tests)
    if o["list"]:
        print("\n".join(t.name for t in tests))
        return 0
    # A fresh clone: the source tree first, with its own progress
    if not os.path.isdir(os.path.join(BUILD, "linux", ".git")):
        if subprocess.run([tool("series"), "branch"], check=False).returncode:
            raise Error("the source tree could not be made: see the message above")
    if o["no-build"]:
        for t in tests:
            t.needs = ()
        tests = [t for t in tests if t.kind != BUILDS]
    if not patterns:
        shutil.rmtree(LOGS, ignore_errors=True)
    if o["suites"]:
        shutil.rmtree(ROWS, ignore_errors=True)
    os.makedirs(LOGS, exist_ok=True)
    start = time.monotonic()
    # How often its part had its turn
    day = None if patterns else today() // len(TURNS)
    runner = Runner(tests, o["jobs"], day)
    results = runner.run()
    for t in tests:
        if t not in results:
            runner.report(t)
    count = {s: sum(r.status == s for r in results) for s in ("pass", "fail", "skip")}
    name = "fred" if o["fred"] else "outside" if o["suites"] else "guest"
    result = "fred" if o["fred"] else "suites" if o["suites"] else "check"
    ui.write_json(os.path.join(RESULTS, result + ".json"), {
        "kernel": kernel_release(name), "config": name if ARCH.name == "x86_64" else ARCH.config, "command": "check " + " ".join(args),
        "accelerator": "bochs" if o["fred"] else "tcg", "seconds": round(time.monotonic() - start, 1),
        "date": ui.date(),
        "tests": [{"name": r.name, "status": r.status, "seconds": round(r.seconds, 1),
                   "reason": r.reason or ""} for r in results],
        **({"suites": suites()} if o["suites"] else {})})
    for r in results:
        if r.status == "fail":
            print(f"FAIL {r.name}: {r.reason}  (log: {short(r.log)})")
    print(f"{count['pass']} passed, {count['fail']} failed, {count['skip']} skipped")
    return 1 if count["fail"] else 0
