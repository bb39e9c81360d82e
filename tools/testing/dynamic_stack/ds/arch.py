# SPDX-License-Identifier: GPL-2.0
"""
What differs between the architectures of kernels and guests. ARCH in the environment
chooses; build-kernel and lib.sh go by it, too.
"""

import dataclasses
import os
import platform

from .ui import Error


@dataclasses.dataclass(frozen=True)
class Arch:
    name: str
    machine: str		# as the host's uname -m
    folder: str			# of what is built, in build/
    config: str			# the guest kernel's, in configs/
    image: str			# in a kernel's output directory
    qemu: str
    package: str		# Debian's, for QEMU
    board: str
    cpu: str			# what guests have unless told otherwise
    console: str		# on the kernel's command line
    virtio: str			# how QEMU calls the devices: virtio-rng-X
    cross: str			# prefix of the tools on another machine
    debian: str
    without: tuple = ()		# directories of programs that are not for it

    def tool(self, name):
        """A tool of the compiler's for programs of the guest"""
        return name if platform.machine() == self.machine else self.cross + name


ARCHES = {a.name: a for a in (
    Arch("x86_64", machine="x86_64", folder="", config="guest", image="arch/x86/boot/bzImage",
         qemu="qemu-system-x86_64", package="qemu-system-x86", board="q35", cpu="max",
         console="console=ttyS0,115200 tsc=reliable", virtio="pci", cross="x86_64-linux-gnu-", debian="amd64"),
    Arch("arm64", machine="aarch64", folder="arm64", config="arm64", image="arch/arm64/boot/Image",
         qemu="qemu-system-aarch64", package="qemu-system-arm", board="virt,gic-version=3", cpu="cortex-a76",
         console="console=ttyAMA0", virtio="device", cross="aarch64-linux-gnu-", debian="arm64",
         without=("bench.d", "cycles", "fred", "progress")),
)}


def find(name):
    if name not in ARCHES:
        raise Error(f"ARCH={name}: no such architecture: {', '.join(ARCHES)}")
    return ARCHES[name]


# Another one is for build-kernel alone: lint compiles with ARCH=i386
ARCH = ARCHES.get(os.environ.get("ARCH", ""), ARCHES["x86_64"])
