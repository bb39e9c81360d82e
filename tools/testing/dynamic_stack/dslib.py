# SPDX-License-Identifier: GPL-2.0
"""What the harness's Python scripts share: paths, base.mk, one-line errors, progress."""

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
# DS_ROOT: another repository root, for tests of the scripts themselves
ROOT = os.environ.get("DS_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
BUILD = os.path.join(ROOT, "build")


class Error(Exception):
    """A one-line message for the user: WHAT: what to do."""


def base():
    """base.mk as a dict; what is set in the environment wins."""
    values = {}
    try:
        with open(os.path.join(ROOT, "base.mk"), encoding="utf-8") as f:
            for line in f:
                if "=" in line and not line.startswith("#"):
                    name, value = line.strip().split("=", 1)
                    values[name.strip()] = value.strip()
    except OSError as e:
        raise Error(f"base.mk: {e.strerror}: is {ROOT} the repository?") from None
    return {k: os.environ.get(k) or v for k, v in values.items()}


def run(cmd, **kw):
    """Run cmd, return its standard output as text; Error if it fails."""
    kw.setdefault("text", True)
    r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **kw)
    if r.returncode:
        err = r.stderr if isinstance(r.stderr, str) else r.stderr.decode(errors="replace")
        raise Error(f"{' '.join(cmd[:6])}: {err.strip() or 'status %d' % r.returncode}")
    return r.stdout


class Progress:
    """One line kept up to date on a terminal, else a plain line every 15 s."""

    def __init__(self, label, usual, total=0):
        self.label, self.total = label, total
        self.start = self.last = time.monotonic()
        self.tty = sys.stdout.isatty()
        print(f"{label} (usually {usual})", flush=True)

    def update(self, done=None, extra=""):
        now = time.monotonic()
        if now - self.last < (1 if self.tty else 15):
            return
        self.last = now
        s = int(now - self.start)
        text = f"{s // 60}:{s % 60:02d}"
        if done is not None:
            text += f", {done}" + (f" of about {self.total}" if self.total else "")
        text += f" {extra}" if extra else ""
        if self.tty:
            print(f"\r\033[K  {text[:78]}", end="", flush=True)
        else:
            print(f"  {self.label}: {text}", flush=True)

    def done(self):
        if self.tty:
            print("\r\033[K", end="", flush=True)


class Cpio:
    """A newc archive that depends on nothing but what is put in: no dates, no owners."""

    def __init__(self):
        self.parts, self.names, self.ino = [], set(), 0

    def _add(self, name, mode, data=b"", rdev=(0, 0)):
        name = name.strip("/")
        if name in self.names:
            return
        parent = os.path.dirname(name)
        if parent:
            self.directory(parent)
        self.names.add(name)
        self._entry(name, mode, data, rdev)

    def _entry(self, name, mode, data, rdev=(0, 0)):
        self.ino += 1
        raw = name.encode() + b"\0"
        fields = (self.ino, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(raw), 0)
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + raw
        self.parts += [head + b"\0" * (-len(head) % 4), data, b"\0" * (-len(data) % 4)]

    def directory(self, name):
        self._add(name, 0o040755)

    def text(self, name, data, mode=0o644):
        self._add(name, 0o100000 | mode, data if isinstance(data, bytes) else data.encode())

    def file(self, name, path, mode=None):
        with open(path, "rb") as f:
            self._add(name, 0o100000 | (mode or os.stat(path).st_mode & 0o777), f.read())

    def link(self, name, target):
        self._add(name, 0o120777, target.encode())

    def device(self, name, major, minor):
        self._add(name, 0o020600, b"", (major, minor))

    def data(self):
        tail, self.ino = list(self.parts), self.ino
        self._entry("TRAILER!!!", 0, b"")
        out = b"".join(self.parts)
        self.parts = tail
        return out + b"\0" * (-len(out) % 512)


def main(function):
    """Run function; turn an Error into one line and exit status 1."""
    try:
        sys.exit(function())
    except Error as e:
        print(f"error: {e}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
