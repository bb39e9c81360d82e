# SPDX-License-Identifier: GPL-2.0
"""
usage: mkinitramfs [--force]

Build the guest's root from Debian packages and our own programs:

  build/initramfs.cpio.gz   busybox, our test programs, /init
  build/stress-ng.cpio.gz   stress-ng and its libraries; a second archive,
                            because unpacking it takes an emulated machine a
                            while (vm --stress appends it)

ARCH=arm64: in build/arm64, without stress-ng.

Programs: every *.c of tools/testing/selftests/dynamic_stack becomes
/selftests/NAME (static), every executable *.sh there is copied; what the
Makefile of tools/testing/dynamic_stack/replay builds (make O=DIR) goes to /bin.
The same input gives the same bytes.
"""

import glob
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile

from . import ui
from .cpio import Cpio
from .arch import ARCH
from .repo import BUILD, OUT, ROOT, output, short, tool
from .ui import Error

SELFTESTS = os.path.join(ROOT, "tools/testing/selftests/dynamic_stack")
PROGRAMS = os.path.join(ROOT, "tools/testing/dynamic_stack")
BIN = os.path.join(OUT, "guest-bin")
CC = ARCH.tool("gcc")
CFLAGS = ["-O2", "-g0", "-static", "-pthread", "-Wall", "-Wextra", "-D_GNU_SOURCE"]


def need(command, package):
    path = shutil.which(command)
    if not path:
        raise Error(f"{command} is not installed: run 'make setup' (Debian package {package})")
    return os.path.realpath(path)


def newer(target, sources):
    try:
        t = os.stat(target).st_mtime
    except OSError:
        return False
    return all(os.stat(s).st_mtime <= t for s in sources)


def compile_selftests():
    """-> {name in the guest: path}"""
    out = {}
    os.makedirs(os.path.join(BIN, "selftests"), exist_ok=True)
    headers = glob.glob(SELFTESTS + "/*.h")
    for src in sorted(glob.glob(SELFTESTS + "/*.c")):
        with open(src, encoding="utf-8") as f:
            text = f.read()
        if not re.search(r"^(?:int\s+)?main\s*\(|TEST_HARNESS_MAIN", text, re.M):
            continue
        name = os.path.basename(src)[:-2]
        exe = os.path.join(BIN, "selftests", name)
        if not newer(exe, [src, *headers]):
            # kselftest.h comes from the kernel tree; what has a -D_GNU_SOURCE
            # of its own keeps it
            flags = [f for f in CFLAGS if not (f == "-D_GNU_SOURCE" and "define _GNU_SOURCE" in text)]
            r = subprocess.run([CC, *flags, "-I", os.path.join(BUILD, "linux/tools/testing/selftests"),
                                "-I", os.path.join(BUILD, "linux/tools/include/uapi/../../testing"),
                                "-o", exe, src, "-lm"], stderr=subprocess.PIPE, text=True, check=False)
            sys.stderr.write(r.stderr)
            if r.returncode:
                first = [x for x in r.stderr.splitlines() if "error" in x][:1]
                raise Error(f"{short(src)} does not compile: {''.join(first) or 'see above'}")
        out["selftests/" + name] = exe
    for script in sorted(glob.glob(SELFTESTS + "/*.sh")):
        if os.access(script, os.X_OK):
            out["selftests/" + os.path.basename(script)] = script
    return out


def build_programs():
    """Directories of the harness with programs for the guest -> {name in the guest: path}"""
    out = {}
    for directory in sorted(glob.glob(PROGRAMS + "/*/")):
        if not glob.glob(directory + "*.c"):
            continue
        name = os.path.basename(directory.rstrip("/"))
        if name in ARCH.without:
            continue
        dest = os.path.join(BIN, name)
        os.makedirs(dest, exist_ok=True)
        if os.path.exists(directory + "Makefile"):
            cmds = [["make", "-s", "-C", directory, f"O={dest}", f"CC={CC}"]]
        else:
            cmds = [[CC, *CFLAGS, "-o", os.path.join(dest, os.path.basename(c)[:-2]), c]
                    for c in sorted(glob.glob(directory + "*.c"))]
        for cmd in cmds:
            r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            sys.stderr.write(r.stdout)
            if r.returncode:
                first = [x for x in r.stdout.splitlines() if "error" in x][:1]
                raise Error(f"{short(directory)} does not build: {''.join(first) or 'see above'}")
        for exe in sorted(os.listdir(dest)):
            path = os.path.join(dest, exe)
            if os.access(path, os.X_OK) and os.path.isfile(path):
                out["bin/" + exe] = path
    return out


def foreign_busybox():
    """
    Busybox from Debian's package for ARCH, which must not be installed here: with apt's
    lists of its own, so that nothing of the host's changes. $DS_BUSYBOX: a file instead
    """
    if os.environ.get("DS_BUSYBOX"):
        return os.environ["DS_BUSYBOX"]
    busybox = os.path.join(OUT, "busybox")
    if os.path.exists(busybox):
        return busybox
    name = f"busybox-static:{ARCH.debian}"
    ui.say(f"Fetching {name} (usually 20 s)")
    with tempfile.TemporaryDirectory(prefix="ds-apt-") as tmp:
        for d in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(tmp, d))
        apt = ["apt-get", "-qq", "-o", f"APT::Architectures::={ARCH.debian}", "-o", f"Dir::State::lists={tmp}/lists",
               "-o", f"Dir::Cache={tmp}/cache", "-o", "APT::Sandbox::User="]
        try:
            output([*apt, "update"], cwd=tmp)
            output([*apt, "download", name], cwd=tmp)
            deb, = glob.glob(tmp + "/*.deb")
            output(["dpkg-deb", "-x", deb, tmp + "/root"])
        except (Error, OSError, ValueError) as e:
            raise Error(f"{name} can't be had ({e}): give a static one as DS_BUSYBOX=file") from None
        os.makedirs(OUT, exist_ok=True)
        shutil.copy(tmp + "/root/bin/busybox", busybox)
    return busybox


def write(path, cpio):
    data = gzip.compress(cpio.data(), 6, mtime=0)
    try:
        with open(path, "rb") as f:
            if f.read() == data:
                return
    except OSError:
        pass
    ui.replace(path, data)
    ui.say(f"{short(path)}: {len(data) >> 10} KiB, {len(cpio.names)} entries")


def main():
    if "-h" in sys.argv or "--help" in sys.argv:
        print(__doc__.strip())
        return 0
    need(CC, "gcc" if CC == "gcc" else f"gcc-{ARCH.cross}".rstrip("-"))
    if "--force" in sys.argv:
        shutil.rmtree(BIN, ignore_errors=True)
    os.makedirs(BIN, exist_ok=True)

    cpio = Cpio()
    for d in ("dev", "proc", "sys", "tmp", "out", "etc", "root", "var/tmp", "usr"):
        cpio.directory(d)
    cpio.device("dev/console", 5, 1)
    cpio.device("dev/null", 1, 3)
    cpio.file("init", tool("init.sh"), 0o755)
    cpio.text("etc/passwd", "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    cpio.text("etc/group", "root:x:0:\nnogroup:x:65534:\n")
    # The applets are the same for all architectures
    busybox = need("busybox", "busybox-static")
    applets = output([busybox, "--list"]).split()
    if CC != "gcc":
        busybox = foreign_busybox()
    elif "statically" not in output(["ldd", busybox], stdin=subprocess.DEVNULL) \
            if subprocess.run(["ldd", busybox], capture_output=True, check=False).returncode == 0 else False:
        raise Error("busybox is not static: install the Debian package busybox-static ('make setup')")
    cpio.file("bin/busybox", busybox, 0o755)
    programs = {**build_programs(), **compile_selftests()}
    for name, path in programs.items():
        cpio.file(name, path, 0o755)
    for applet in applets:
        cpio.link("bin/" + applet, "busybox")
    cpio.link("sbin", "bin")
    cpio.link("usr/bin", "/bin")
    cpio.text("etc/selftests", "".join(n + "\n" for n in programs if n.startswith("selftests/")))
    write(os.path.join(OUT, "initramfs.cpio.gz"), cpio)
    if CC != "gcc":
        return 0

    stress = need("stress-ng", "stress-ng")
    cpio = Cpio()
    cpio.file("bin/stress-ng", stress, 0o755)
    for line in output(["ldd", stress]).splitlines():
        m = re.search(r"(?:=> )?(/\S+) \(0x", line)
        if m:
            cpio.file(m[1], os.path.realpath(m[1]), 0o755)
    write(os.path.join(OUT, "stress-ng.cpio.gz"), cpio)
    return 0
