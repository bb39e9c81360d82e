# SPDX-License-Identifier: GPL-2.0
"""
Reads, checks and summarises a census: a list of an Android system's threads.

  census.py FILE.tsv...        check each file, print a summary
  census.py --check FILE...    only check: silent if they are good
  census.py --json FILE...     the summaries as JSON, a line each

A file that is no census is refused with one line that says where and why.
"""

import argparse
import json
import os
import re

from .ui import Error

WCHAN_MAX = 63		# what census-replay takes
COUNT_MAX = 1000000

# For the summary only; what a wait channel becomes is census-replay's decision.
FAMILIES = (
    ("futex", r"futex_|futex$"),
    ("binder", r"binder_"),
    ("epoll", r".*epoll|ep_poll"),
    ("poll/select", r"poll_schedule_timeout|do_sys_poll|do_poll|do_select|core_sys_select"),
    ("sockets", r"__skb_|unix_stream_|sk_wait_data|inet_csk_accept|vsock_|tcp_"),
    ("pipe", r"pipe_|anon_pipe"),
    ("inotify", r"inotify_read|wait_woken"),
    ("signals", r"do_sigtimedwait|.*sigsuspend"),
    ("nanosleep", r".*nanosleep"),
    ("eventfd/signalfd", r"eventfd_|signalfd_"),
    ("wait4", r"do_wait$|kernel_wait"),
    ("freezer", r"do_freezer_trap|get_signal|__refrigerator"),
    ("running or unknown", r"0$|\("),
)


class Census:
    """name, path, rows [(wchan, kind, count)], header {key: number}"""

    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)
        if self.name.endswith(".tsv"):
            self.name = self.name[:-4]
        self.rows = []
        self.header = {}
        self.title = ""

    def count(self, kind=None):
        return sum(c for _, k, c in self.rows if kind in (None, k))

    @property
    def threads(self):
        return self.count()

    def families(self, kind="user"):
        """[(family, count)] by count; what is in none goes under 'other'"""
        out = {}
        for wchan, k, n in self.rows:
            if k != kind:
                continue
            for family, pattern in FAMILIES:
                if re.match(pattern, wchan):
                    break
            else:
                family = "other"
            out[family] = out.get(family, 0) + n
        return sorted(out.items(), key=lambda x: (-x[1], x[0]))

    def summary(self):
        return {
            "census": self.name, "threads": self.threads,
            "user": self.count("user"), "kthreads": self.count("kthread"),
            "user_processes": self.header.get("user_processes"),
            "device_kernel_stack_kib": self.header.get("KernelStack_kB"),
            "families": dict(self.families()),
            "kthread_wait_channels": {w: n for w, k, n in self.rows if k == "kthread"},
        }


def load(path):
    """The census in path, or Error with the file, the line and what is wrong."""

    def bad(nr, what):
        return Error(f"{path}:{nr}: {what}")

    census = Census(path)
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except OSError as e:
        raise Error(f"{path}: cannot read the census: {e.strerror}") from None
    except UnicodeDecodeError:
        raise Error(f"{path}: not a census: not a text file") from None

    columns = False
    totals_line = 0
    seen = set()
    for nr, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if not line:
            continue
        if line.startswith("#"):
            values = {k: int(v) for k, v in re.findall(r"(?:^|\s)(\w+)=(\d+)", line)}
            if "threads" in values:
                census.header, totals_line = values, nr
            elif not census.title:
                census.title = line[1:].strip()
            continue
        fields = line.split("\t")
        if len(fields) != 3:
            raise bad(nr, "expected wchan<TAB>kind<TAB>count")
        if not columns:
            if fields != ["wchan", "kind", "count"]:
                raise bad(nr, "the first line that is no comment must be "
                              "wchan<TAB>kind<TAB>count")
            columns = True
            continue
        wchan, kind, count = fields
        if not re.fullmatch(r"[0-9]{1,7}", count) or not 1 <= int(count) <= COUNT_MAX:
            raise bad(nr, f"count '{count[:32]}' is not a number from 1 to {COUNT_MAX}")
        if not wchan or len(wchan) > WCHAN_MAX:
            raise bad(nr, "wait channel empty or too long")
        if kind not in ("user", "kthread"):
            raise bad(nr, f"kind '{kind[:32]}' is neither user nor kthread")
        if (wchan, kind) in seen:
            raise bad(nr, f"'{wchan}' is listed twice")
        seen.add((wchan, kind))
        census.rows.append((wchan, kind, int(count)))

    if not columns:
        raise Error(f"{path}: not a census: it has no line wchan<TAB>kind<TAB>count")
    if not census.rows:
        raise Error(f"{path}: the census has no threads")
    if not census.count("user"):
        raise Error(f"{path}: the census has no user threads to replay")
    for key, kind in (("user", "user"), ("kthreads", "kthread"), ("threads", None)):
        said, have = census.header.get(key), census.count(kind)
        if said is not None and said != have:
            raise bad(totals_line, f"{key}={said}, but the rows add up to {have}: "
                                   "the file is damaged or cut short")
    return census


def show(census):
    s = census.summary()
    print(f"{s['census']}: {s['threads']} threads, {s['user']} user, {s['kthreads']} kernel"
          + (f", {s['user_processes']} processes" if s["user_processes"] else ""))
    if census.title:
        print(f"  {census.title}")
    if s["device_kernel_stack_kib"]:
        kib = s["device_kernel_stack_kib"]
        print(f"  kernel stacks on the device: {kib} KiB, {kib / s['threads']:.1f} KiB per thread")
    for family, n in census.families():
        print(f"  {n:6d}  {100 * n / s['user']:5.1f} %  {family}")


def main():
    parser = argparse.ArgumentParser(description="Check and summarise thread censuses.")
    parser.add_argument("--check", action="store_true", help="only check")
    parser.add_argument("--json", action="store_true", help="summaries as JSON, a line each")
    parser.add_argument("files", nargs="+", metavar="FILE.tsv")
    args = parser.parse_args()
    for path in args.files:
        census = load(path)
        if args.json:
            print(json.dumps(census.summary()))
        elif not args.check:
            show(census)
    return 0
