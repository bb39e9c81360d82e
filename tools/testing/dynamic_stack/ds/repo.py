# SPDX-License-Identifier: GPL-2.0
"""The repository: where things are, what the base is; and how other programs are run."""

import os
import platform
import re
import shlex
import signal
import subprocess
import sys

from .arch import ARCH
from .ui import Error

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
# DS_ROOT: another repository root, for tests of the scripts themselves
ROOT = os.environ.get("DS_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
TOP = os.path.join(ROOT, "build")


def usual_series():
    """base.mk's, None if it can't be read"""
    try:
        with open(os.path.join(ROOT, "base.mk"), encoding="utf-8") as f:
            usual = re.search(r"^SERIES=(.*)", f.read(), re.M)
    except OSError:
        return None
    return usual and usual[1]


def another_series():
    """SERIES, if it is not the usual one: what is built of it is apart. "" for base.mk's"""
    series = os.environ.get("SERIES", "")
    return "" if usual_series() in (None, series) else series


# As lib.sh has it
BUILD = os.path.join(TOP, another_series()).rstrip("/")


def built(arch=ARCH):
    """Where its kernels and guests are; the source tree is in BUILD for all"""
    return os.path.join(BUILD, arch.folder).rstrip("/")


OUT = built()
LOGS = os.path.join(OUT, "log")
RESULTS = os.path.join(TOP, "results", another_series(), ARCH.folder).rstrip("/")


def tool(name):
    """The path of one of the harness's programs"""
    return os.path.join(HERE, name)


def short(path):
    """A path as the user knows it"""
    return os.path.relpath(path, ROOT)


def image(name, arch=ARCH):
    """The bzImage of build/kernel-NAME, or what it is elsewhere"""
    return os.path.join(built(arch), f"kernel-{name}", arch.image)


def base_mk():
    """base.mk or bases/SERIES.mk as a dict, as lib.sh reads it; what is set in the environment wins."""
    if not os.path.exists(os.path.join(ROOT, "base.mk")):
        raise Error(f"base.mk is missing: is {ROOT} the repository?")
    names = ("BASE_PACKAGE", "BASE_VERSION", "BASE_SUITE", "SERIES")
    r = subprocess.run(["bash", "-c", '. "$0"; shift 0; for n; do printf "%s\\n" "${!n:-}"; done', tool("lib.sh"), *names],
                       env=dict(os.environ, DS_ROOT=ROOT), check=False, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if r.returncode:
        raise Error(r.stderr.strip().removeprefix("error: "))
    return dict(zip(names, r.stdout.split("\n")))


def command_line(name, otherwise=None):
    """For results: how this program was called"""
    args = " ".join(shlex.quote(a) for a in sys.argv[1:])
    return otherwise if otherwise and not args else f"{name} {args}".rstrip()


def processor():
    """This machine's processor -> its model, and whether it is a virtual machine's"""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            text = f.read()
    except OSError:
        text = ""
    model = re.search(r"^model name\s*:\s*(.*)", text, re.M)
    return model[1] if model else platform.machine(), " hypervisor" in text


def output(cmd, **kw):
    """Run cmd, return its standard output as text; Error if it fails."""
    kw.setdefault("text", True)
    r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **kw)
    if r.returncode:
        err = r.stderr if isinstance(r.stderr, str) else r.stderr.decode(errors="replace")
        raise Error(f"{' '.join(cmd[:6])}: {err.strip() or 'status %d' % r.returncode}")
    return r.stdout


def step(name, *args):
    """A program of the harness; it shows its own progress and its own error."""
    with subprocess.Popen([tool(name), *args]) as p:
        try:
            status = p.wait()
        finally:
            stop(p)
    if status:
        sys.exit(status)	# it has said why


def stop(p):
    """End a child, and let it end its own: vm stops QEMU on SIGINT."""
    for sig, patience in ((signal.SIGINT, 15), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        if p.poll() is not None:
            return
        try:
            p.send_signal(sig)
            p.wait(patience)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            pass


class Guest:
    """A guest that vm runs: follow() gives what it prints, then status is how it ended."""

    def __init__(self, args, running=None):
        # RUNNING: a list of those that run, to stop them all
        self.status, self.running = None, running if running is not None else []
        self.p = subprocess.Popen([tool("vm"), *args], stdout=subprocess.PIPE, text=True, errors="replace")
        self.running.append(self.p)

    def follow(self):
        try:
            yield from self.p.stdout
            self.status = self.p.wait()
        finally:
            stop(self.p)
            self.running.remove(self.p)
        if self.status == 5:
            sys.exit(1)	# nothing was booted; vm has said why
