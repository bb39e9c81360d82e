# SPDX-License-Identifier: GPL-2.0
"""
usage: outside dump FILE            (a vm --host command) the guest's memory, as QEMU writes it
       outside crash FILE ACTIVE >JSON  the tasks in crash's output of `foreach bt`, and of `bt -a`
       outside unmap DUMP PHYSICAL  clear the page table entry at this physical address of a dump
       outside pages JSON           is each page of a stack there if, and only if, its descriptor says so?
       outside lost WHOLE FILTERED  how many tasks has a filtered dump lost? The others must be the same
       outside failed JSON          how many sleeping tasks have no frames?
       outside compare OFF ON       do tasks have the same frames? prints the differences
       outside result NAME KEY=VALUE...  a row for build/results/suites.json

For tests/outside. JSON: a list of tasks, each with comm, pid, frames (names of
functions, the innermost first), error, running (it is on a CPU), and if the tool
tells, pages.
"""

import json
import os
import re
import struct
import sys

from . import ui
from .guest import Qmp
from .repo import RESULTS
from .ui import Error

ROWS = os.path.join(RESULTS, "suites.d")
# Only there with the feature on
OURS = re.compile(r"kstackd|kstack_collect")


def dump(path):
    Qmp(os.environ["DS_QMP"], 600).call("dump-guest-memory", paging=False, protocol="file:" + os.path.abspath(path))
    # QEMU lets nobody write it
    os.chmod(path, 0o600)
    headers_first(path)


def headers_first(path):
    """
    makedumpfile 1.7.2 takes program headers to be right behind the ELF header, where QEMU
    since 7.2 has two of sections, which nobody needs
    """
    with open(path, "r+b") as f:
        head = bytearray(f.read(64))
        phoff, = struct.unpack_from("<Q", head, 32)
        phentsize, phnum = struct.unpack_from("<HH", head, 54)
        if phoff == 64:
            return
        f.seek(phoff)
        headers = f.read(phentsize * phnum)
        if 64 + len(headers) > struct.unpack_from("<Q", headers, 8)[0]:
            raise Error(f"{path}: no room for {phnum} program headers")
        struct.pack_into("<QQ", head, 32, 64, 0)
        struct.pack_into("<HHHHHH", head, 52, 64, phentsize, phnum, 0, 0, 0)
        f.seek(0)
        f.write(head + headers)


def crash_tasks(text):
    tasks = []
    for line in text.splitlines():
        m = re.match(r'PID: (\d+)\s+TASK: (\S+)\s+CPU: (\d+)\s+COMMAND: "(.*)"', line)
        if m:
            tasks.append({"pid": int(m[1]), "task": m[2], "comm": m[4], "frames": [], "error": ""})
            continue
        m = re.match(r" *#\d+ \[[0-9a-f]+\] (\S+) at ", line)
        if m and tasks:
            tasks[-1]["frames"].append(m[1])
        elif line.startswith("bt: ") and tasks:
            tasks[-1]["error"] = line[4:]
    return tasks


def file_offset(f, physical):
    """Where an ELF dump has a physical address"""
    f.seek(0)
    head = f.read(64)
    if head[:5] != b"\x7fELF\x02":
        raise Error("the dump is not an ELF file of 64 bits")
    phoff, phentsize, phnum = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
    for i in range(phnum):
        f.seek(phoff + i * phentsize)
        kind, _, offset, _, paddr, filesz = struct.unpack_from("<IIQQQQ", f.read(phentsize))
        if kind == 1 and paddr <= physical < paddr + filesz:
            return offset + physical - paddr
    raise Error(f"physical address {physical:#x} is not in the dump")


def unmap(path, physical):
    with open(path, "r+b") as f:
        at = file_offset(f, physical)
        f.seek(at)
        pte, = struct.unpack("<Q", f.read(8))
        if not pte & 1:
            raise Error(f"the entry at {physical:#x} is {pte:#x}: not present")
        f.seek(at)
        f.write(bytes(8))


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def pages(tasks):
    """-> the number of shrunk tasks, of parked pages, and what is wrong"""
    shrunk, parked, bad = 0, 0, []
    for t in tasks:
        for i, (there, mapped, park) in enumerate(t.get("pages") or []):
            if there != mapped:
                bad.append(f"{t['comm']} {t['pid']}: page {i} reads as {'present' if there else 'absent'}, "
                           f"its descriptor says {'mapped' if mapped else 'parked' if park else 'empty'}")
            parked += park
        shrunk += any(not p[0] for p in t.get("pages") or [])
    return shrunk, parked, bad


def general(comm):
    """Threads that are there once for each CPU, or so, or as many as were needed"""
    return re.sub(r"\d+", "N", comm.split("-")[0] if comm.startswith("kworker") else comm)


def by_comm(tasks):
    """Sleepers by all of their frames; where one that runs is now, is chance: by the outermost three"""
    out = {}
    for t in tasks:
        if t["running"] and t["frames"]:
            out.setdefault(t["comm"] + " (runs)", set()).add(" < ".join(["...", *t["frames"][-3:]]))
        elif not t["running"]:
            out.setdefault(general(t["comm"]), set()).add(" < ".join(t["frames"]) or t["error"] or "no frames")
    return out


def compare(off, on):
    """-> (how many comms are the same, [what differs, and why that is right or None])"""
    a, b = by_comm(off), by_comm(on)
    same, differ = 0, []
    for comm in sorted(a.keys() | b.keys()):
        if a.get(comm) == b.get(comm):
            same += 1
            continue
        why = "a thread of the feature's own" if comm not in a and OURS.match(comm) else None
        differ.append({"comm": comm, "off": sorted(a.get(comm, [])), "on": sorted(b.get(comm, [])), "why": why})
    return same, differ


def result(name, pairs):
    os.makedirs(ROWS, exist_ok=True)
    path = os.path.join(ROWS, name + ".json")
    row = {"suite": "outside", "test": name}
    for pair in pairs:
        key, _, value = pair.partition("=")
        row[key] = json.loads(value) if re.fullmatch(r"-?\d+|[\[{].*", value, re.S) else value
    ui.write_json(path, row)


def main():
    args = sys.argv[1:]
    if not args or args[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0
    command, *rest = args
    if command == "dump":
        dump(*rest)
    elif command == "crash":
        text, active = (crash_tasks(read(path)) for path in rest)
        running = {t["task"] for t in active}
        json.dump([dict(t, running=t["task"] in running) for t in text], sys.stdout, indent=0)
    elif command == "unmap":
        unmap(rest[0], int(rest[1], 16))
    elif command == "pages":
        shrunk, parked, bad = pages(load(rest[0]))
        print("\n".join(bad))
        print(f"shrunk {shrunk} parked {parked}")
        return bool(bad)
    elif command == "compare":
        same, differ = compare(load(rest[0]), load(rest[1]))
        for d in differ:
            print(f"{d['comm']}:\n  off: {d['off']}\n  on:  {d['on']}\n  {d['why'] or 'UNEXPLAINED'}")
        print(f"same {same} explained {sum(bool(d['why']) for d in differ)} unexplained {sum(not d['why'] for d in differ)}")
        return any(not d["why"] for d in differ)
    elif command == "lost":
        whole, filtered = ({t["task"]: t for t in load(path)} for path in rest)
        other = [t["comm"] for address, t in filtered.items() if whole.get(address) != t]
        if other:
            raise Error(f"other frames than in the whole dump: {', '.join(other)}")
        print(len(whole) - len(filtered))
    elif command == "failed":
        print(sum(bool(t["error"]) or not t["frames"] for t in load(rest[0]) if not t["running"]))
    elif command == "result":
        result(rest[0], rest[1:])
    else:
        raise Error(f"outside {command}: no such command: outside --help lists them")
    return 0
