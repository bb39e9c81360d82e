#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# limit: 60
# beside: builds
"""
check's order: what a test needs is built before and not by its time; what fails
to build is why it is skipped; only what allows it runs beside others.
"""

import os
import sys

sys.path.insert(0, os.environ["TOOLS"])
from ds import check  # noqa: E402

TMP = os.environ["DS_TMP"]
check.LOGS = TMP
check.report = lambda test: None


def test(name, needs=(), kind=check.ALONE, status=0, seconds=0.3, limit=120):
    """It tells which others run at its beginning and at its end"""
    look = f'ls {TMP}/on >>{TMP}/$1.beside; '
    cmd = f': >{TMP}/on/$1; {look} sleep {seconds}; {look} rm {TMP}/on/$1; echo "note: $1"; exit {status}'
    return check.Test(name, ["sh", "-c", cmd, "sh", name.replace("/", "-")], limit, needs, kind=kind)


def step(name, **kw):
    t = test("build/" + name, kind=check.BUILDS, **kw)
    t.limit = 3600
    return t


def run(tests, jobs=2):
    os.makedirs(TMP + "/on", exist_ok=True)
    for name in os.listdir(TMP):
        if name.endswith(".beside"):
            os.unlink(os.path.join(TMP, name))
    results = check.Runner(tests, jobs).run()
    return [r.name for r in results], {r.name: r for r in results}


def beside(name):
    with open(os.path.join(TMP, name.replace("/", "-") + ".beside"), encoding="utf-8") as f:
        return set(f.read().split()) - {name.replace("/", "-")}


INITRAMFS = "initramfs"
# A build of 2 s, a test that has 1 s
tests = [step("guest", seconds=2), step(INITRAMFS, seconds=0), test("t/one", ("guest",), limit=1)]
order, by = run(tests)
assert order == ["build/guest", "build/initramfs", "t/one"], order
assert by["t/one"].status == "pass" and by["t/one"].reason == "t-one", (by["t/one"].status, by["t/one"].reason)
assert by["build/guest"].seconds >= 2 and by["t/one"].seconds < 1

# What does not build, and what can't be
tests = [step("guest", status=1), step(INITRAMFS, seconds=0), step("fred", status=4), test("t/one", ("guest",)),
         test("t/two", ("fred",)), test("t/three", (INITRAMFS,))]
order, by = run(tests)
assert by["t/one"].status == "skip" and by["t/one"].reason.startswith("build/guest failed: note: build-guest"), by["t/one"].reason
assert by["t/two"].status == "skip" and by["t/two"].reason == "note: build-fred", by["t/two"].reason
assert by["t/three"].status == "pass" and len(order) == 6, order

# Beside what?
tests = [step("guest", seconds=1), step(INITRAMFS), test("s/one", kind=check.BESIDE, seconds=1.5), test("s/two", kind=check.BESIDE),
         test("p/one", ("guest",), kind=check.PAIR), test("p/two", ("guest",), kind=check.PAIR),
         test("p/three", ("guest",), kind=check.PAIR), test("a/one", ("guest",)), test("a/two", ("guest",))]
order, by = run(tests)
assert all(t.status == "pass" for t in by.values()), [(n, t.status) for n, t in by.items()]
assert "s-one" in beside("build/guest") and beside("build/guest") <= {"s-one", "s-two"}, beside("build/guest")
assert "p-two" in beside("p/one") and "p-three" not in beside("p/one"), beside("p/one")
assert not beside("a/one") and not beside("a/two"), (beside("a/one"), beside("a/two"))
order, by = run(tests := [check.Test(t.name, t.cmd, t.limit, t.needs, kind=t.kind) for t in tests], jobs=1)
assert not any(beside(t.name) for t in tests), "not one after the other with --jobs 1"

run([test("s/one", kind=check.BESIDE), test("s/two", kind=check.BESIDE)])
assert not beside("s/one"), "two that belong beside a build run beside each other"

# A step that builds on another one
tests = [step("debug", status=1), step(INITRAMFS, seconds=0), step("planted"), test("t/one", ("planted",))]
tests[2].needs = ("debug",)
order, by = run(tests)
assert by["build/planted"].status == by["t/one"].status == "skip", [(n, t.status) for n, t in by.items()]
assert by["t/one"].reason == "build/debug failed: note: build-debug", by["t/one"].reason

# The repository's own: a debug kernel is built for what needs one, once
table = check.table()
chosen = check.choose(table, ["planted/no-flush", "boot/starve"])
assert [t.name for t in chosen] == ["build/debug", "build/initramfs", "build/planted", "boot/starve",
                                    "planted/no-flush"], [t.name for t in chosen]
assert all(t.limit == (3600 if t.kind == check.BUILDS else 330 if t.name.startswith("planted") else 430) for t in chosen)
chosen = check.choose(table, ["build/planted-fault"])
assert [t.name for t in chosen] == ["build/fault", "build/planted-fault"], [t.name for t in chosen]
chosen = check.choose(table, ["config/kasan"])
assert [t.name for t in chosen] == ["build/initramfs", "build/config-kasan", "config/kasan"], [t.name for t in chosen]
for t in table:
    if t.name.split("/")[0] in ("planted", "fault") and t.name != "fault/ist/off-is-off":
        assert t.wanted_builds(), t.name

# Five parts take turns, a day each; all of them if one asks for it
def left_out(day=0):
    check.today = lambda: day
    tests = [test("fault/ist/a"), test("planted/b"), test("arch/c"), test("base/e"),
             test("android/f"), test("script/deb"), test("script/g"), test("boot/d"),
             test("boot/h", ("debug",)), test("vacate/i", ("debug", "planted"))]
    check.leave_out(tests)
    return [t.name for t in tests if t.status == "skip" and t.reason]


os.environ.pop("DS_TURN", None)
parts = ["fault/ist/a", "planted/b", "arch/c", "base/e", "android/f", "script/deb", "boot/h", "vacate/i"]
assert set().union(*(set(parts) - set(left_out(day)) for day in (7, 8, 9, 10, 11))) == set(parts)
# The debug kernel's have two days
assert sum(len(parts) - len(left_out(day)) for day in (7, 8, 9, 10, 11)) == len(parts) + 1
for turn, parts_out in (("planted", parts[:1] + parts[2:6]), ("android", parts[:4] + parts[7:]),
                        ("base", parts[:3] + parts[4:]), ("all", [])):
    os.environ["DS_TURN"] = turn
    assert left_out() == parts_out, (turn, left_out())
# What can do without the debug kernel waits for it where it is built
for turn, needs in ("android", ("guest", "debug")), ("arch", ("guest",)):
    os.environ["DS_TURN"] = turn
    floors = test("series/floors", ("guest",))
    check.leave_out([floors])
    assert floors.needs == needs and floors.status != "skip", (turn, floors.needs)
