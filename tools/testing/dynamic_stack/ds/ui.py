# SPDX-License-Identifier: GPL-2.0
"""What the user sees: messages, errors of one line, progress, tables, results."""

import datetime
import importlib
import json
import os
import signal
import sys
import time


class Error(Exception):
    """A one-line message for the user: WHAT: what to do."""


def say(text=""):
    print(text, flush=True)


def note(text):
    print(f"note: {text}", file=sys.stderr, flush=True)


class Line:
    """
    The one line that tells how far it is: kept up to date on a terminal, else a
    plain line every 15 s.
    """

    def __init__(self, each=1):
        self.tty, self.last = sys.stdout.isatty(), 0
        self.each = each if self.tty else 15

    def due(self):
        now = time.monotonic()
        if now - self.last < self.each:
            return False
        self.last = now
        return True

    def wait(self):
        """What has just been said tells enough for a while"""
        self.last = time.monotonic()

    def show(self, text, plain=None):
        """If it is time; PLAIN: a longer text where there is room"""
        if not self.due():
            return
        if self.tty:
            print(f"\r\033[K  {text[:77]}", end="", flush=True)
        else:
            say(f"  {(plain or text)[:150]}")

    def clear(self):
        if self.tty:
            print("\r\033[K", end="", flush=True)

    def say(self, text):
        """A line that stays"""
        self.clear()
        say(text)


class Progress:
    """How long something takes, and how far it is."""

    def __init__(self, label, usual, total=0):
        self.label, self.total = label, total
        self.line, self.start = Line(), time.monotonic()
        self.line.wait()
        say(f"{label} (usually {usual})")

    def update(self, done=None, extra=""):
        text = clock(time.monotonic() - self.start)
        if done is not None:
            text += f", {done}" + (f" of about {self.total}" if self.total else "")
        text += f" {extra}" if extra else ""
        self.line.show(text, f"{self.label}: {text}")

    def done(self):
        self.line.clear()


def clock(seconds):
    """H:MM:SS, or M:SS"""
    s = int(seconds)
    return f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}" if s >= 3600 else f"{s // 60}:{s % 60:02d}"


def table(rows, markdown=False):
    """
    Columns, the first to the left and the others to the right; the first row is
    the head. In markdown it reads well as it is, and in a README.
    """
    rows = [[str(c) for c in r] for r in rows]
    width = [max(len(c) for c in column) for column in zip(*rows)]
    for n, r in enumerate(rows):
        cells = [c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(r, width))]
        say("| " + " | ".join(cells) + " |" if markdown else "  ".join(cells).rstrip())
        if markdown and n == 0:
            say("| " + " | ".join("-" * (w - 1) + ":" if i else "-" * w for i, w in enumerate(width)) + " |")


def replace(path, data):
    """Write a file so that there is always a whole one"""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path + ".tmp", "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    os.replace(path + ".tmp", path)


def write_json(path, value, indent=1, **kw):
    replace(path, json.dumps(value, indent=indent, **kw) + "\n")


def date():
    """For results: now"""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def on_signal(_sig, _frame):
    raise KeyboardInterrupt


def run(module):
    """main() of a module here; an Error becomes one line and exit status 1."""
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, on_signal)
    # A shell ignores it in the background: then Ctrl-C would not stop what was started
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.exit(importlib.import_module("." + module, __package__).main())
    except Error as e:
        print(f"error: {e}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
