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
