# SPDX-License-Identifier: GPL-2.0
"""
usage: planted prepare FROM NAME    (called by `build-kernel --planted FROM`)

Planted bugs: a test that can't fail proves nothing.  Each of tests/planted/NAME.patch
makes the code wrong in one place, if dstack_planted(NAME) says so; one kernel has all
of them, and dynamic_stack_planted.NAME=1, at boot or in /sys/module, turns one on.
(With _ in NAME where the file has -.)

Nothing of this is in the source tree: make looks for a source file in the directory
that it builds in before it looks in the tree.  So build/kernel-NAME is a copy of
build/kernel-FROM, and of each file that a patch changes there is a changed copy in it.
All else is up to date: a few objects are compiled, and the kernel is linked.

Lines in a patch's head:

  # test: TEST...       what notices the bug: a selftest, which must pass before the
                        bug is planted and then fail, or the kernel warn or die; or
                        progress/NAME, which must pass without and fail with it; or
                        other tests, which say themselves how they notice
  # reclaim: POLICY     for a selftest; default switch
  # delay-ms: MS        in the collector, likewise
  # delay-us: US        in the switch
  # limit, beside       as in a test
  # series: SERIES      there is such code in this series alone, not in base.mk's
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from . import ui
from .repo import BUILD, HERE, another_series, short
from .ui import Error

DIRECTORY = os.path.join(HERE, "tests/planted")
LINUX = os.path.join(BUILD, "linux")
HEADER = "include/generated/dynamic_stack_planted.h"
# It is in each kernel that can be told to break, and gets the switches
SWITCHES = "mm/dynamic_stack/debug.c"
STAMP = ".planted.json"


class Bug:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path).removesuffix(".patch")
        self.switch = self.name.replace("-", "_")
        with open(path, encoding="utf-8") as f:
            self.text = f.read()
        self.head = dict(re.findall(r"^# ([a-z-]+): (.*)", self.text, re.M))
        self.tests = self.head.get("test", "").split()
        self.files = sorted(set(re.findall(r"^\+\+\+ b/(\S+)", self.text, re.M)))
        if not self.tests:
            raise Error(f"{short(path)} has no line `# test: TEST'")
        if not re.search(rf"^\+.*\bdstack_planted\({self.switch}\)", self.text, re.M):
            raise Error(f"{short(path)} adds no dstack_planted({self.switch})")
        for f in self.files:
            if not f.endswith(".c"):
                raise Error(f"{short(path)} changes {f}: only a .c file can be changed in a copy")


def bugs():
    """Those of this series"""
    found = [Bug(os.path.join(DIRECTORY, n)) for n in sorted(os.listdir(DIRECTORY)) if n.endswith(".patch")]
    return [b for b in found if "series" not in b.head or another_series() in b.head["series"].split()]


def stale(bug, why):
    return Error(f"{short(bug.path)} {why}: the code has changed: plant the bug anew, by hand, as a patch "
                 "of build/linux, or delete it")


def mutate(linux, tmp, planted):
    """-> path -> text of each file with all the bugs in it"""
    texts = {}
    for path in sorted({f for b in planted for f in b.files} | {SWITCHES}):
        try:
            with open(os.path.join(linux, path), encoding="utf-8") as f:
                texts[path] = f.read()
        except FileNotFoundError:
            bug = next((b for b in planted if path in b.files), None)
            raise stale(bug, f"changes {path}, which is not there") if bug else \
                Error(f"{path} is not there: it had the switches of planted bugs, see ds/planted.py") from None
    clean = dict(texts)
    for bug in planted:
        for path in bug.files:
            name = os.path.join(tmp, path)
            os.makedirs(os.path.dirname(name), exist_ok=True)
            ui.replace(name, clean[path])
        r = subprocess.run(["patch", "-s", "-p1", "-F0", "--no-backup-if-mismatch", "-r", "-", "-i", bug.path],
                           cwd=tmp, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if r.returncode:
            raise stale(bug, f"does not apply to {' '.join(bug.files)}")
        # Each is a patch of the clean file, so that none depends on another
        for path in bug.files:
            texts[path] = merge(bug, path, texts[path], clean[path], os.path.join(tmp, path))
    return texts


def merge(bug, path, ours, clean, theirs):
    with tempfile.TemporaryDirectory() as d:
        for name, text in ("ours", ours), ("clean", clean):
            ui.replace(os.path.join(d, name), text)
        r = subprocess.run(["git", "merge-file", "-p", "-q", os.path.join(d, "ours"), os.path.join(d, "clean"), theirs],
                           check=False, stdout=subprocess.PIPE, text=True)
    if r.returncode:
        raise Error(f"{short(bug.path)} changes lines of {path} that another planted bug changes, too: leave one "
                    "line between them")
    return r.stdout


def header(planted):
    return ("/* Made by tools/testing/dynamic_stack/planted. */\n"
            "#include <linux/compiler.h>\n\n" +
            "".join(f"extern bool dstack_planted_{b.switch};\n" for b in planted) +
            "\n#define dstack_planted(bug)\tunlikely(READ_ONCE(dstack_planted_##bug))\n")


def switches(planted):
    return ('\n#undef MODULE_PARAM_PREFIX\n#define MODULE_PARAM_PREFIX "dynamic_stack_planted."\n' +
            "".join(f"\nbool dstack_planted_{b.switch};\n"
                    f"module_param_named({b.switch}, dstack_planted_{b.switch}, bool, 0644);\n" for b in planted))


def prepare(source, name):
    planted = bugs()
    src, out = os.path.join(BUILD, "kernel-" + source), os.path.join(BUILD, "kernel-" + name)
    try:
        built = os.stat(os.path.join(src, "vmlinux"))
    except FileNotFoundError:
        raise Error(f"build/kernel-{source} is not there: run build-kernel --name {source} first, with its "
                    "fragments") from None
    with tempfile.TemporaryDirectory() as tmp:
        texts = mutate(LINUX, tmp, planted)
    texts[SWITCHES] += switches(planted)
    texts = {path: f"#include <{HEADER.removeprefix('include/')}>\n" + text for path, text in texts.items()}
    texts[HEADER] = header(planted)
    want = [source, built.st_mtime_ns, built.st_size, hashlib.sha1(json.dumps(texts).encode()).hexdigest()]
    try:
        with open(os.path.join(out, STAMP), encoding="utf-8") as f:
            if json.load(f) == want:
                return
    except (OSError, ValueError):
        pass
    os.makedirs(out, exist_ok=True)
    subprocess.run(["rsync", "-a", "--delete", src + "/", out + "/"], check=True)
    # The tools' commands name the directory that they were built in. Other than that
    # they are up to date; all objects depend on objtool.
    for top, _, names in os.walk(os.path.join(out, "tools")):
        for n in names:
            if n.endswith((".cmd", ".d")):
                same_date(os.path.join(top, n), src + "/", out + "/")
    for path, text in texts.items():
        ui.replace(os.path.join(out, path), text)
        # It may be newer than the copy's source
        if os.path.exists(o := os.path.join(out, path.removesuffix(".c") + ".o")):
            os.unlink(o)
    ui.write_json(os.path.join(out, STAMP), want)


def same_date(path, old, new):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if old in text:
        date = os.stat(path)
        ui.replace(path, text.replace(old, new))
        os.utime(path, ns=(date.st_atime_ns, date.st_mtime_ns))


def main():
    args = sys.argv[1:]
    if "-h" in args or "--help" in args:
        print(__doc__.strip())
        return 0
    if len(args) != 3 or args[0] != "prepare":
        raise Error("usage: planted prepare FROM NAME: see planted --help")
    if not shutil.which("patch") or not shutil.which("rsync"):
        raise Error("patch or rsync is not installed: run 'make setup'")
    prepare(args[1], args[2])
    return 0
