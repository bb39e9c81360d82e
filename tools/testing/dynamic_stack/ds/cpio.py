# SPDX-License-Identifier: GPL-2.0
"""The guest's archives."""

import os


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
