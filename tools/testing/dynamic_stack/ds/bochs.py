# SPDX-License-Identifier: GPL-2.0
"""
usage: bochs.py path | find

Print the Bochs that a test of FRED can use: $BOCHS, or the one in PATH.  If
there is none that has FRED, say in one line what is missing.  `path' only looks
whether it may have FRED; `find' tries it, and whether all else is there.

The emulator is the user's own: Debian's packages have no FRED.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

from .repo import output, tool
from .ui import Error

MODEL = "wildcat_lake"
WANTED = "a Bochs 3.1 or later that was configured with --enable-fred (Debian's is not); " \
         "name it with BOCHS=/path/to/bochs, or put it into PATH"
# As the emulator finds them itself if it is installed with them, else Debian's
BIOS = (("BIOS-bochs-latest", "bochsbios"), ("vgabios.bin", "vgabios"))


def bios(bochs, name, package):
    """A BIOS image: Bochs' own, or Debian's"""
    dirs = [os.environ.get("BXSHARE"),
            os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(bochs))), "share/bochs"),
            "/usr/share/bochs", "/usr/share/vgabios"]
    for d in filter(None, dirs):
        path = os.path.join(d, name)
        if os.path.exists(path):
            return path
    raise Error(f"{name} is not installed: install the Debian package {package}")


def probe(path):
    """Does it do FRED? What it says of itself is not enough: a boot sector tries."""
    with tempfile.TemporaryDirectory(prefix="ds-bochs-") as tmp:
        obj, img, serial = (os.path.join(tmp, n) for n in ("probe.o", "probe.img", "serial"))
        output(["gcc", "-c", "-o", obj, tool("fred/probe.S")])
        output(["ld", "-m", "elf_x86_64", "-Ttext=0x7c00", "--oformat=binary", "-o", img, obj])
        os.truncate(img, 1440 << 10)
        cmd = command(path, tmp, 1, 32, f"floppya: 1_44={img}, status=inserted\nboot: floppy", serial)
        with open(os.path.join(tmp, "out"), "wb") as out, \
                subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT) as p:
            try:
                # A processor that is shut down does not end the emulator
                end = time.monotonic() + 30
                while time.monotonic() < end and p.poll() is None:
                    time.sleep(0.2)
                    said = b""
                    if os.path.exists(serial):
                        with open(serial, "rb") as f:
                            said = f.read()
                    if b"yes" in said:
                        return True
                    if b"probe" in said:
                        end = min(end, time.monotonic() + 3)
            finally:
                p.kill()
    return False


def emulator():
    """The emulator; Error if there is none, or none that can have FRED."""
    want = os.environ.get("BOCHS") or "bochs"
    path = shutil.which(want)
    if not path:
        raise Error(f"{want} is not there: FRED needs {WANTED}")
    try:
        r = subprocess.run([path, "--help", "cpu"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Error(f"{path} does not run ({e}): FRED needs {WANTED}") from None
    if MODEL.encode() not in r.stdout.split():
        raise Error(f"{path} has no processor {MODEL}: FRED needs {WANTED}")
    return path


def find():
    """The emulator; Error if it has no FRED, or what makes and boots an image is missing."""
    path = emulator()
    for command, package in (("grub-mkrescue", "grub-common"), ("xorriso", "xorriso"), ("mformat", "mtools")):
        if not shutil.which(command):
            raise Error(f"{command} is not installed: install the Debian package {package}")
    if not os.path.isdir("/usr/lib/grub/i386-pc"):
        raise Error("GRUB for a BIOS is not installed: install the Debian package grub-pc-bin")
    for name, package in BIOS:
        bios(path, name, package)
    if not probe(path):
        raise Error(f"{path} has no FRED: it takes {WANTED}")
    return path


def image(tmp, kernel, initrd, line):
    """An image that boots this kernel, there is no other way in; -> what command() boots from"""
    root = os.path.join(tmp, "iso")
    os.makedirs(os.path.join(root, "boot/grub"))
    shutil.copy(kernel, os.path.join(root, "bzImage"))
    os.link(initrd, os.path.join(root, "initrd"))
    with open(os.path.join(root, "boot/grub/grub.cfg"), "w", encoding="utf-8") as f:
        f.write(f"linux /bzImage {line}\ninitrd /initrd\nboot\n")
    path = os.path.join(tmp, "boot.iso")
    output(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "--install-modules=linux normal iso9660 biosdisk",
               "--fonts=", "--locales=", "--themes=", "-o", path, root], stdin=subprocess.DEVNULL)
    shutil.rmtree(root)
    return f"ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14\n" \
           f"ata0-master: type=cdrom, path={path}, status=inserted\nboot: cdrom"


def command(bochs, tmp, cpus, mib, boot, serial):
    """The command line; BOOT from there; SERIAL is where the guest's serial line goes to."""
    rom, vga = (bios(bochs, name, package) for name, package in BIOS)
    path = os.path.join(tmp, "bochsrc")
    with open(path, "w", encoding="utf-8") as f:
        # cpuid_freq: or the guest's clock would run at another speed
        f.write(f"""\
cpu: model={MODEL}, count={cpus}, ips=100000000, reset_on_triple_fault=0, cpuid_freq=ips
memory: guest={mib}, host={mib}
romimage: file={rom}
vgaromimage: file={vga}
display_library: nogui
clock: sync=none, time0=utc
{boot}
com1: enabled=1, mode=file, dev={serial}
log: {tmp}/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
""")
    return [bochs, "-q", "-f", path]


def main():
    if sys.argv[1:] not in (["path"], ["find"]):
        print(__doc__.strip())
        return 0 if {"-h", "--help"} & set(sys.argv) else 2
    print(find() if sys.argv[1] == "find" else emulator())
    return 0
