#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
usage: kcsan.py CONSOLE SYMBOLS

Data races that KCSAN reported on the console: those of a function in the file
SYMBOLS are printed, and make the exit status 1; others are only counted. A race
is of the first functions of its call traces, three deep, because what is called
may be a helper that is no function of its own in the source.
"""

import re
import sys

STAMP = re.compile(r"^\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")
FRAME = re.compile(r"^ (?:\? )?([A-Za-z_]\w*)(?:\.[\w.]+)?\+0x[0-9a-f]+/0x[0-9a-f]+")
BLOCK = "=" * 66


def main():
    with open(sys.argv[1], encoding="utf-8", errors="replace") as f:
        lines = [STAMP.sub("", x.rstrip("\r\n")) for x in f]
    with open(sys.argv[2], encoding="utf-8") as f:
        ours = {x.strip().split(".")[0] for x in f}
    mine = others = 0
    at = 0
    while at < len(lines):
        if not lines[at].startswith("BUG: KCSAN: "):
            at += 1
            continue
        report, depth, hit = [lines[at]], 9, False
        hit = any(x in ours for x in re.findall(r"\w+", lines[at]))
        at += 1
        while at < len(lines) and not lines[at].startswith((BLOCK, "BUG: KCSAN: ")):
            if re.match(r"(read|write|race|assert)", lines[at]):
                depth = 0
            m = FRAME.match(lines[at])
            if m:
                depth += 1
                hit |= depth <= 3 and m[1] in ours
            report.append(lines[at])
            at += 1
        if hit:
            mine += 1
            print("\n".join(report), end="\n\n")
        else:
            others += 1
    print(f"{mine} data races in this feature, {others} elsewhere")
    return 1 if mine else 0


if __name__ == "__main__":
    sys.exit(main())
