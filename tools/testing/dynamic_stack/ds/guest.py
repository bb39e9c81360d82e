# SPDX-License-Identifier: GPL-2.0
"""
Boot a kernel in QEMU (or in Bochs), run a job in it, say how it ended.

Exit status: 0 the job passed, 1 it failed, 2 kernel panic or oops (the log of
it is printed), 3 timeout, 4 the job passed but the kernel printed a warning or
a lockdep splat, 5 nothing was booted: QEMU, kernel or initramfs is missing, or
an option is wrong.

Lines of the guest that begin with "@@ " are results and are printed.  Files
that the job leaves in /out come back in --out DIR.

--host COMMAND runs here when the job prints a line "@@ host"; meanwhile the guest goes
on. Then its console gets a line with the command's status, for which the job waits: `read
-r status`. The command's $DS_QMP is QEMU's control socket.
"""

import argparse
import base64
import io
import json
import os
import re
import secrets
import select
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import time

from . import bochs
from .cpio import Cpio
from .arch import ARCH, find
from .repo import LOGS, built, image
from .ui import Error, Line, clock


PASS, FAIL, PANIC, TIMEOUT, SPLAT, NO_QEMU = range(6)
# Only what the kernel says counts, not what a job prints: its lines have a time.
# (A guest's line may be cut in two by a kernel message: so not only at its start.)
STAMP = r"\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? .*?"
DEAD = re.compile(STAMP + r"(Kernel panic - not syncing|Oops: |Oops\[|kernel BUG at |"
                  r"BUG: unable to handle|BUG: kernel NULL|general protection fault(?! ip:)|"
                  r"PANIC: |double fault|stack guard page was hit|traps: .*kernel|"
                  r"Unable to handle kernel|Internal error: |Insufficient stack space|BUG: stack)")
UGLY = re.compile(STAMP + r"(WARNING: |BUG: |INFO: possible|INFO: rcu|INFO: task|INFO: lockdep|"
                  r"suspicious RCU|general protection fault ip:|blocked for more than|soft lockup|hard LOCKUP|"
                  r"corrupted stack end|rcu: INFO|possible recursive|inconsistent lock state|"
                  r"scheduling while atomic|sleeping function called|Bad page state|"
                  r"Bad rss-counter|unwind stack type|workqueue lockup|refcount_t:|list_(?:add|del) corruption)")
# The program's own fault, not the kernel's: when stress-ng's pthread has to stop
# right after it made a thread, it does not join that one, whose argument is on
# the stack that the main thread leaves meanwhile.
STRESS_NG = re.compile(r"traps: stress-ng-pthre\S* (general protection fault|trap) ")
# An oops' log begins here
CUT = re.compile(r"cut here|BUG:|Oops|general protection|WARNING:|INFO:|panic|======")


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--arch", default=ARCH.name, help="x86_64 or arm64 (default $ARCH)")
    p.add_argument("--kernel", help="default: that of build/kernel-guest")
    p.add_argument("--initrd", action="append", default=[],
                   help="default build/initramfs.cpio.gz; may repeat, they are concatenated")
    p.add_argument("--stress", action="store_true", help="append build/stress-ng.cpio.gz")
    p.add_argument("--smp", default="2", help="processors, or QEMU's form (4,sockets=1,cores=2,threads=2)")
    p.add_argument("--mem", default="1G")
    p.add_argument("--cpu", help="default $DS_CPU, or max; for arm64 cortex-a76")
    p.add_argument("--machine", help="default q35; for arm64 virt")
    p.add_argument("--append", action="append", default=[], help="more of the kernel's command line")
    p.add_argument("--bootconfig", metavar="TEXT", help="boot configuration, appended to the initramfs")
    p.add_argument("--timeout", type=float, default=300, help="seconds (default 300)")
    p.add_argument("--log", help="serial console (default build/log/vm.log)")
    p.add_argument("--icount", nargs="?", const="0", metavar="SHIFT",
                   help="count guest instructions: deterministic, one host thread")
    p.add_argument("--numa", type=int, default=0, metavar="NODES", help="divide memory and processors")
    p.add_argument("--drive", action="append", default=[], metavar="FILE", help="raw image as a virtio disk")
    p.add_argument("--qemu", default=os.environ.get("QEMU"))
    p.add_argument("--bochs", action="store_true",
                   help="not in QEMU: in $BOCHS or PATH's bochs, which may have FRED (needs fred=on, see --append)")
    p.add_argument("--qemu-arg", action="append", default=[], help="passed to QEMU as it is")
    p.add_argument("--file", action="append", default=[], metavar="PATH[:GUEST]",
                   help="put a file in the guest (default /NAME); may repeat")
    p.add_argument("--out", metavar="DIR", help="where the job's /out comes to")
    p.add_argument("--host", metavar="COMMAND", help="see above")
    p.add_argument("--allow", action="append", default=[], metavar="REGEX", help="kernel messages that are expected")
    p.add_argument("--verbose", action="store_true", help="print the whole console")
    p.add_argument("--quiet", action="store_true", help="no heartbeat")
    p.add_argument("--label", default="guest", help="how to call this run in messages")
    job = p.add_mutually_exclusive_group(required=True)
    job.add_argument("--job", metavar="FILE", help="script or program that becomes /job")
    job.add_argument("--cmd", help="shell commands")

    def error(message):
        raise Error(f"vm: {message}: see vm --help")
    p.error = error
    o = p.parse_args()
    o.arch = find(o.arch)
    o.kernel = o.kernel or image("guest", o.arch)
    o.qemu = o.qemu or o.arch.qemu
    o.machine = o.machine or o.arch.board
    o.cpu = o.cpu or os.environ.get("DS_CPU") or o.arch.cpu
    if o.arch.name == "arm64" and o.cpu == "max":
        # QEMU's own way to authenticate pointers: the architecture's takes most of the time
        o.cpu += ",pauth-impdef=on"
    return o


def memory_mib(text):
    m = re.fullmatch(r"(\d+)([KMG]?)", text, re.I)
    if not m:
        raise Error(f"--mem {text}: give a number with M or G")
    return int(m[1]) * {"": 1, "K": 0, "M": 1, "G": 1024}[m[2].upper()]


def make_initrd(o, token, path):
    cpio = Cpio()
    if o.cmd is not None:
        cpio.text("job", "#!/bin/sh\n" + o.cmd + "\n", 0o755)
    else:
        with open(o.job, "rb") as f:
            data = f.read()
        if not data.startswith((b"#!", b"\x7fELF")):
            data = b"#!/bin/sh\n" + data
        cpio.text("job", data, 0o755)
    cpio.text("job.token", token)
    for spec in o.file:
        src, _, dst = spec.partition(":")
        cpio.file(dst or os.path.basename(src), src)
    parts = list(o.initrd) or [os.path.join(built(o.arch), "initramfs.cpio.gz")]
    if o.stress:
        parts.append(os.path.join(built(o.arch), "stress-ng.cpio.gz"))
    with open(path, "wb") as out:
        for part in parts:
            if not os.path.exists(part):
                raise Error(f"{part} does not exist: run mkinitramfs")
            with open(part, "rb") as f:
                shutil.copyfileobj(f, out)
            out.write(b"\0" * (-out.tell() % 4))
        out.write(cpio.data())
        if o.bootconfig:
            text = o.bootconfig.encode() + b"\n"
            text += b"\0" * (-len(text) % 4)
            out.write(text + struct.pack("<II", len(text), sum(text)) + b"#BOOTCONFIG\n")


def command_line(o):
    # Bochs starts anew at a reset
    line = f"{o.arch.console} panic={0 if o.bochs else -1} oops=panic loglevel=7"
    if o.bochs:
        # Its processors don't always notice an IPI in MWAIT, with or without FRED: a
        # shootdown of idle ones took up to a second
        line += " no_timer_check idle=halt"
    extra = " ".join(o.append + (["bootconfig"] if o.bootconfig else []))
    if not re.search(r"\b(mitigations|pti|spectre_v2)=", extra):
        # Nothing speculates here, and thunks are dear under emulation
        line += " mitigations=off"
    return f"{line} {extra}".strip()


def command(o, tmp):
    cpus = int(re.match(r"\d+", o.smp)[0])
    if o.bochs:
        boot = bochs.image(tmp, o.kernel, tmp + "/initrd", command_line(o))
        os.mkfifo(tmp + "/serial")
        return bochs.command(o.qemu, tmp, cpus, memory_mib(o.mem), boot, tmp + "/serial")
    if o.numa > 1 and o.smp.isdigit():
        # A cache that spans nodes makes the kernel warn
        o.smp = f"{o.smp},sockets={o.numa}"
    args = [o.qemu, "-nodefaults", "-no-reboot", "-display", "none", "-machine", o.machine, "-cpu", o.cpu,
            "-smp", o.smp, "-m", str(memory_mib(o.mem)),
            "-kernel", o.kernel, "-initrd", tmp + "/initrd",
            "-chardev", "stdio,id=con,signal=off", "-serial", "chardev:con",
            "-qmp", f"unix:{tmp}/qmp,server=on,wait=off",
            "-device", f"virtio-rng-{o.arch.virtio}"]
    if o.icount is not None:
        # sleep=off: idle time passes at once; nothing of the host gets in
        args += ["-accel", "tcg,thread=single", "-icount", f"shift={o.icount},sleep=off"]
    else:
        args += ["-accel", "tcg,thread=multi"]
    if o.out:
        args += ["-device", f"virtio-serial-{o.arch.virtio}", "-chardev", f"file,id=out,path={tmp}/out.tar",
                 "-device", "virtserialport,chardev=out,name=ds.out"]
    for i, d in enumerate(o.drive):
        args += ["-drive", f"file={d},format=raw,if=none,id=d{i}", "-device", f"virtio-blk-{o.arch.virtio},drive=d{i}"]
    if o.numa > 1:
        mem = memory_mib(o.mem) // o.numa
        for n in range(o.numa):
            args += ["-object", f"memory-backend-ram,id=m{n},size={mem}M"]
            mine = [c for c in range(cpus) if c * o.numa // cpus == n]
            args += ["-numa", f"node,nodeid={n},memdev=m{n}" + "".join(f",cpus={c}" for c in mine)]
    return args + ["-append", command_line(o), *o.qemu_arg]


class Qmp:
    """Just enough of QEMU's control protocol to send a break on the serial line, or to dump memory."""

    def __init__(self, path, timeout=5):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(timeout)
        self.s.connect(path)
        self.s.recv(65536)
        self.call("qmp_capabilities")

    def call(self, name, **args):
        """-> what it answered, or an Error; events in between are passed over"""
        self.s.sendall(json.dumps({"execute": name, "arguments": args}).encode() + b"\n")
        data = b""
        while True:
            more = self.s.recv(65536)
            if not more:
                raise OSError(f"{name}: QEMU is gone")
            *lines, data = (data + more).split(b"\n")
            for answer in map(json.loads, filter(None, lines)):
                if "error" in answer:
                    raise Error(f"{name}: {answer['error'].get('desc')}")
                if "return" in answer:
                    return answer["return"]


class Guest:
    def __init__(self, o, tmp, log, token):
        self.o, self.tmp, self.log, self.token = o, tmp, log, token
        self.allow = [re.compile(a) for a in o.allow] + ([STRESS_NG] if o.stress else [])
        self.partial, self.lines = b"", []
        self.status = self.dead = self.ugly = None
        self.end_at = self.dead_at = None
        self.blob, self.in_blob = None, False
        self.host, self.told = None, False
        self.start, self.beat = time.monotonic(), Line()
        self.beat.wait()
        args = command(o, tmp)
        try:
            with open(tmp + "/stderr", "wb") as err, open(os.devnull, "wb") as null:
                self.p = subprocess.Popen(args, stdin=subprocess.PIPE, stderr=err,
                                          stdout=null if o.bochs else subprocess.PIPE)
        except OSError as e:
            raise Error(f"{o.qemu}: {e.strerror}: run 'make setup' (Debian package {o.arch.package})") from None
        # Opened for writing as well, it has no end before there is a writer
        self.console = os.open(tmp + "/serial", os.O_RDWR) if o.bochs else self.p.stdout.fileno()

    def take(self, data):
        self.log.write(data)
        self.log.flush()
        *whole, self.partial = (self.partial + data).split(b"\n")
        for raw in whole:
            self.line(raw.decode(errors="replace").replace("\r", ""))

    def line(self, text):
        self.lines.append(text)
        if self.in_blob:
            self.in_blob = not text.startswith("guest-out-end")
            if self.in_blob:
                self.blob.append(text)
            return
        if self.o.verbose:
            print(text, flush=True)
        elif text.startswith("@@ "):
            self.beat.say(text)
        if text == "@@ host" and self.o.host and not self.host:
            env = dict(os.environ, DS_QMP=self.tmp + "/qmp")
            self.host = subprocess.Popen(["bash", "-c", self.o.host], stdin=subprocess.DEVNULL, env=env)
        expected = any(a.search(text) for a in self.allow)
        if DEAD.search(text) and not expected:
            if self.dead is None:
                self.dead, self.dead_at = len(self.lines) - 1, time.monotonic()
            # Bochs does not end with the kernel
            if "end Kernel panic" in text:
                self.dead_at -= 20
        elif UGLY.search(text) and not expected and self.ugly is None:
            self.ugly = len(self.lines) - 1
        if text.startswith(f"guest-out-begin {self.token}"):
            self.blob, self.in_blob = [], True
        m = re.search(rf"guest-end {self.token} status=(\d+)", text)
        if m:
            self.status, self.end_at = int(m[1]), time.monotonic()

    def tell(self):
        if self.o.quiet or self.o.verbose:
            return
        last = next((x for x in reversed(self.lines) if x.strip()), "").strip()
        self.beat.show(f"{self.o.label}: {clock(time.monotonic() - self.start)} of at most {clock(self.o.timeout)}: {last}")

    def follow(self):
        """Until QEMU ends, or time is up: True if it ended"""
        fd = self.console
        while True:
            now = time.monotonic()
            self.tell()
            if self.host and not self.told and self.host.poll() is not None:
                self.told = True
                self.p.stdin.write(b"%d\n" % self.host.returncode)
                self.p.stdin.flush()
            if now - self.start > self.o.timeout:
                return False
            # After the end, or an oops, there is nothing more to wait for
            if self.end_at and now - self.end_at > 10 or self.dead_at and now - self.dead_at > 20:
                return True
            if select.select([fd], [], [], 0.5)[0]:
                data = os.read(fd, 65536)
                if not data:
                    return True
                self.take(data)
            elif self.p.poll() is not None:
                return True

    def ask_why(self):
        """On timeout: sysrq over the serial line, for the log"""
        try:
            qmp = Qmp(self.tmp + "/qmp")
            for key in (b"l", b"w", b"m"):
                qmp.call("chardev-send-break", id="con")
                time.sleep(0.3)
                self.p.stdin.write(key)
                self.p.stdin.flush()
                until = time.monotonic() + 4
                while time.monotonic() < until:
                    if select.select([self.p.stdout], [], [], 0.5)[0]:
                        data = os.read(self.p.stdout.fileno(), 65536)
                        if not data:
                            return
                        self.take(data)
        except (OSError, Error):
            pass

    def stop(self):
        if self.host and self.host.poll() is None:
            self.host.terminate()
            self.host.wait()
        if self.p.poll() is None:
            self.p.terminate()
            try:
                self.p.wait(5)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        if not self.o.quiet:
            self.beat.clear()

    def unpack(self):
        if not self.o.out:
            return
        path, data = self.tmp + "/out.tar", None
        if self.blob:
            data = io.BytesIO(base64.b64decode("".join(b for b in self.blob if " " not in b)))
        elif os.path.exists(path) and os.path.getsize(path):
            data = open(path, "rb")
        if data:
            os.makedirs(self.o.out, exist_ok=True)
            with data, tarfile.open(fileobj=data) as tar:
                for m in tar:
                    name = os.path.normpath(m.name)
                    if m.isfile() and not name.startswith(("/", "..")):
                        dst = os.path.join(self.o.out, name)
                        os.makedirs(os.path.dirname(dst), exist_ok=True)
                        with open(dst, "wb") as f:
                            shutil.copyfileobj(tar.extractfile(m), f)


def excerpt(lines, at, count):
    first = at
    for i in range(max(0, at - 8), at):
        if CUT.search(lines[i]):
            first = i
            break
    return "\n".join(lines[first:first + count])


def boot():
    o = options()
    if not os.path.exists(o.kernel):
        raise Error(f"{o.kernel} does not exist: run 'make kernel'")
    if o.bochs:
        o.qemu = bochs.find()
        if o.icount or o.numa or o.drive or o.qemu_arg:
            raise Error("--bochs: no --icount, --numa, --drive or --qemu-arg")
    elif not shutil.which(o.qemu):
        print(f"error: {o.qemu} is not installed: run 'make setup' (Debian package {o.arch.package})", file=sys.stderr)
        return NO_QEMU
    log = o.log or os.path.join(LOGS, "vm.log")
    os.makedirs(os.path.dirname(os.path.abspath(log)), exist_ok=True)
    token = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="ds-vm-") as tmp, open(log, "wb") as logfile:
        make_initrd(o, token, tmp + "/initrd")
        try:
            guest = Guest(o, tmp, logfile, token)
        except Error as e:
            print(f"error: {e}", file=sys.stderr)
            return NO_QEMU
        try:
            ended = guest.follow()
            if not ended and guest.status is None and not o.bochs:
                guest.ask_why()
        finally:
            guest.stop()
        if guest.partial:
            guest.take(b"\n")
        with open(tmp + "/stderr", encoding="utf-8", errors="replace") as f:
            stderr = f.read().strip()
        if guest.status is not None:
            try:
                guest.unpack()
            except (tarfile.TarError, ValueError) as e:
                print(f"error: the guest's /out is damaged ({e}): see {log}", file=sys.stderr)
    seconds = int(time.monotonic() - guest.start)
    say = f"{o.label}: %s after {seconds} s (log: {log})"
    if guest.dead is not None:
        print(f"--- {log}, line {guest.dead + 1}")
        print(excerpt(guest.lines, guest.dead, 80))
        print("---")
        print(say % "kernel panic or oops")
        return PANIC
    if guest.status is None and not ended:
        print(f"--- end of {log}")
        print("\n".join(guest.lines[-40:]))
        print("---")
        print(say % f"timeout (at most {o.timeout:g} s)")
        return TIMEOUT
    if guest.status is None and not guest.lines:
        print(f"error: {o.qemu} did not start: {stderr.splitlines()[-1] if stderr else 'no message'}", file=sys.stderr)
        return NO_QEMU
    if guest.status is None:
        # It reset or went off without a word: as bad as a panic
        print("\n".join(guest.lines[-20:]))
        print(say % "the machine stopped without an end mark" + (f": {stderr}" if stderr else ""))
        return PANIC
    if guest.ugly is not None:
        print(f"--- {log}, line {guest.ugly + 1}")
        print(excerpt(guest.lines, guest.ugly, 60))
        print("---")
    if guest.status:
        print("\n".join(x for x in guest.lines[-15:]))
        print(say % f"job failed with status {guest.status}")
        return FAIL
    if guest.ugly is not None:
        print(say % "job passed, but the kernel warned")
        return SPLAT
    print(say % "passed")
    return PASS


def main():
    try:
        return boot()
    except Error as e:
        print(f"error: {e}", file=sys.stderr)
        return NO_QEMU
