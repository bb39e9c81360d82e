# SPDX-License-Identifier: GPL-2.0
"""
Kernel stacks' memory on an Android device, A against B.

  android-ab check              what can be measured on the device, what root would add
  android-ab run A [B ...]      sample: a run for each name, in this order
  android-ab mark TEXT          a marker in the run that goes on ("20 apps opened");
                                or type the text and Enter into the window of `run`
  android-ab resume             go on with a run that was cut off, fetch what is on the device
  android-ab discard            stop and delete what an unfinished run left on the device
  android-ab census FILE.tsv    the device's threads by wait channel (root), for
                                make demo CENSUS=FILE.tsv
  android-ab report             table, report.json and plot of all runs in the directory

A name is a side of the comparison; each run of it is another boot of it. Names
`off` and `on` are checked against what the device's kernel says. Samples are
taken by a small script on the device, in --remote, so that a lost connection
loses nothing; it ends by itself, and is deleted when the run ends.
"""

import argparse
import datetime
import json
import os
import re
import secrets
import select
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time

from . import census, plot
from .repo import command_line
from .ui import Error, Line, clock, date, note, replace, say, table, write_json

# Runs on the device: POSIX sh (Android's is mksh) and toybox's commands.
# Arguments: seconds between samples, uptime to end at, seconds between looks
# at each thread, MiB that the file may have, id of the run.
SAMPLER = r"""
cd "${0%/*}" || exit 1
every=$1 end=$2 deep=$3 most=$4 id=$5
echo $$ >pid
n=$(grep -c '^@end' data 2>/dev/null)
n=${n:-0}
next=0
up=0

info() {
	echo "@info id $id"
	echo "@info boot_id $(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
	echo "@info uid $(id -u)"
	echo "@info kernel $(uname -r -v)"
	echo "@info machine $(uname -m)"
	echo "@info build $(getprop ro.build.fingerprint 2>/dev/null)"
	echo "@info model $(getprop ro.product.model 2>/dev/null)"
	echo "@info cpu $(grep -m 1 '^model name' /proc/cpuinfo 2>/dev/null)"
	echo "@info cpus $(grep -c '^processor' /proc/cpuinfo 2>/dev/null)"
	grep -q '^flags.* hypervisor' /proc/cpuinfo 2>/dev/null && echo "@info hypervisor yes"
	echo "@info cmdline $(cat /proc/cmdline 2>/dev/null)"
}

# Each process, each thread's wait channel, who is frozen, what stacks hold
look() {
	echo "@processes"
	cat /proc/[0-9]*/stat 2>/dev/null |
		sed -n 's/^\([0-9]*\) (\(.*\)) . \([0-9]*\)\( [-0-9]*\)\{15\} \([0-9]*\) .*/\1 \3 \5 \2/p'
	echo "@frozen"
	# shellcheck disable=SC2038 # these names have no spaces
	# Few processes for many groups and threads: this must not weigh on the device
	find /sys/fs/cgroup -name cgroup.events 2>/dev/null | xargs grep -l '^frozen 1' 2>/dev/null |
		sed 's/events$/procs/' | xargs cat 2>/dev/null
	[ "$(id -u)" = 0 ] || return
	echo "@wchan"
	# shellcheck disable=SC2086,SC2116 # echo has no limit of arguments, it is the shell's
	echo /proc/[0-9]*/task/[0-9]*/wchan | xargs grep -H '' 2>/dev/null |
		sed -n 's,^/proc/\([0-9]*\)/task/\([0-9]*\)/wchan:,\1 \2 ,p'
	if [ -r /sys/kernel/debug/dynamic_stack/stacks ]; then
		echo "@stacks"
		sed -n 's/^ *\([0-9][0-9]*\) *\([0-9][0-9]*\) .*/\1 \2/p' /sys/kernel/debug/dynamic_stack/stacks
		echo "@summary"
		cat /sys/kernel/debug/dynamic_stack/summary
	fi
}

sample() {
	echo "@sample $n $up $(date +%s)"
	echo "@meminfo"
	cat /proc/meminfo
	echo "@vmstat"
	cat /proc/vmstat
	echo "@loadavg"
	cat /proc/loadavg
	if [ "${up%.*}" -ge "$next" ]; then
		next=$((${up%.*} + deep))
		look
	fi
	echo "@end $n"
}

uptime_now() {
	read -r up rest </proc/uptime
}

# What was cut off in the middle of a line must not spoil what follows
{ echo; info; } >>data
while :; do
	uptime_now
	last=0
	[ "${up%.*}" -lt "$end" ] || { last=1; next=0; }
	sample >>data 2>/dev/null
	n=$((n + 1))
	[ $last = 0 ] || break
	if [ "$(wc -c <data)" -gt $((most * 1048576)) ]; then
		echo "@full" >>data
		break
	fi
	sleep "$every"
done
echo "@done" >>data
"""

TIMEOUT = 30		# seconds for one command on the device
LOST = re.compile(r"device (?:'.*' )?not found|device offline|no devices|protocol fault|closed|error: connect|"
                  r"device unauthorized|cannot connect|failed to get feature set|connection reset|timed out", re.I)


class Lost(Exception):
    """The device does not answer."""


# The device


class Device:
    def __init__(self, o):
        self.remote, self.su, self.root = o.remote, o.su, False
        self.adb = shutil.which(o.adb)
        if not self.adb:
            raise Error(f"{o.adb} is not installed: install the Debian package adb, or Android's platform-tools")
        self.serial = o.serial or os.environ.get("ANDROID_SERIAL")
        if self.serial and ":" in self.serial and self.serial not in self.list():
            self.reach()
        self.choose()

    def list(self):
        """{serial: state}"""
        try:
            r = subprocess.run([self.adb, "devices"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                               timeout=TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            raise Error("adb devices does not answer: try adb kill-server") from None
        if r.returncode:
            raise Error(f"adb does not work: {last_line(r.stderr + r.stdout)}")
        return dict(m.groups() for m in re.finditer(r"^(\S+)\t(.+)$", r.stdout, re.M))

    def choose(self):
        have = self.list()
        if self.serial:
            if self.serial not in have:
                raise Error(f"no device {self.serial}: adb devices lists "
                            + (", ".join(have) if have else "none"))
        elif not have:
            raise Error("no device: attach one with USB debugging on, or adb connect HOST:PORT")
        elif len(have) > 1:
            raise Error(f"{len(have)} devices are attached ({', '.join(sorted(have))}): "
                        "choose one with --serial or ANDROID_SERIAL")
        else:
            self.serial = next(iter(have))
        state = have[self.serial]
        if state.startswith("unauthorized"):
            raise Error(f"{self.serial} is unauthorized: allow USB debugging on its screen, then try again")
        if state.startswith("no permissions"):
            raise Error(f"no permission to use {self.serial}: see adb's documentation on udev rules")
        if state != "device":
            raise Error(f"{self.serial} is {state.split()[0]}, not ready: wait until adb devices says 'device'")

    def reach(self):
        """A device on the network is forgotten when its connection breaks"""
        if ":" in self.serial:
            try:
                state = self.list().get(self.serial)
                if state == "device":
                    return
                if state:
                    self.call("disconnect", self.serial, timeout=10)
                subprocess.run([self.adb, "connect", self.serial], stdin=subprocess.DEVNULL, capture_output=True,
                               timeout=10, check=False)
            except (subprocess.TimeoutExpired, Lost, Error):
                pass

    def call(self, *args, data=None, timeout=TIMEOUT):
        """An adb command's output; Lost if the device is not there"""
        cmd = [self.adb, "-s", self.serial, *args]
        stdin = {"input": data} if data is not None else {"stdin": subprocess.DEVNULL}
        try:
            r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False,
                               **stdin)
        except subprocess.TimeoutExpired:
            raise Lost(f"no answer within {timeout} s") from None
        return r.returncode, r.stdout, r.stderr.decode(errors="replace").strip()

    def shell(self, command, data=None, check=True, timeout=TIMEOUT):
        """What a shell command on the device prints, whole or not at all"""
        # The mark proves that the answer is whole and comes from a shell
        mark = "@@" + secrets.token_hex(4)
        text = f"( {command}\n); echo {mark}$?"
        if self.su:
            text = f"su 0 sh -c {shlex.quote(text)}"
        status, out, err = self.call("shell", text, data=data, timeout=timeout)
        at = out.rfind(mark.encode())
        if at < 0:
            if status == 0 and not LOST.search(err) and not err and not self.alive():
                raise Lost("the answer was cut off")
            if self.su and ("su:" in err or b"su:" in out or "not found" in err):
                raise Error(f"--su: {last_line(err) or last_line(out.decode(errors='replace'))}: "
                            "the device has no su for adb's shell; leave --su out")
            raise Lost(last_line(err) or "the answer was cut off")
        rc = int(out[at + len(mark):].split()[0])
        if rc and check:
            raise Error(f"{self.serial}: '{command.strip().splitlines()[0][:60]}' failed with status {rc}"
                        + (f": {last_line(err)}" if err else ""))
        return out[:at]

    def alive(self):
        try:
            status, _, _ = self.call("get-state", timeout=5)
        except Lost:
            return False
        return status == 0

    def text(self, command, **kw):
        return self.shell(command, **kw).decode(errors="replace")

    def boot(self):
        """(identity of this boot, seconds that it is up)"""
        lines = self.text("cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo; cat /proc/uptime").split("\n")
        try:
            return lines[0].strip(), float(lines[1].split()[0])
        except (IndexError, ValueError):
            raise Error(f"{self.serial}: /proc/uptime cannot be read: is this an Android device?") from None

    def probe(self):
        """What the device is and allows"""
        out = self.text("""
echo "uid $(id -u)"; echo "kernel $(uname -r)"; echo "machine $(uname -m)"
echo "build $(getprop ro.build.fingerprint 2>/dev/null)"
grep -E '^(MemTotal|KernelStack):' /proc/meminfo
grep -E 'kstack_' /proc/vmstat
[ -r /proc/vmstat ] && echo "vmstat 1"
[ -r /sys/kernel/debug/dynamic_stack/stacks ] && echo "debugfs 1"
[ -w /data/local/tmp ] && echo "tmp 1"
echo "loadavg $(cat /proc/loadavg)"
""")
        d = {}
        for line in out.splitlines():
            k, _, v = line.partition(" ")
            d[k.rstrip(":")] = v.strip()
        if "MemTotal" not in d:
            raise Error(f"{self.serial}: /proc/meminfo cannot be read: is this an Android device?")
        self.root = d.get("uid") == "0"
        return d

    def files(self):
        """What a run has on the device: {'id':, 'pid':, 'size':, 'alive':}, or None"""
        out = self.text(f"""
cd {shlex.quote(self.remote)} 2>/dev/null || exit 0
echo "there 1"; echo "id $(cat id 2>/dev/null)"
p=$(cat pid 2>/dev/null)
[ -n "$p" ] && grep -q {shlex.quote(self.remote)} /proc/$p/cmdline 2>/dev/null && echo "alive 1"
[ -e data ] && echo "size $(wc -c <data)" """)
        d = dict((line.split() + [""])[:2] for line in out.splitlines() if line.strip())
        if "there" not in d:
            return None
        return {"id": d.get("id", ""), "size": int(d.get("size") or 0), "alive": "alive" in d}

    def remove(self):
        r = shlex.quote(self.remote)
        self.shell(f"""
if cd {r} 2>/dev/null; then
	p=$(cat pid 2>/dev/null)
	[ -n "$p" ] && grep -q {r} /proc/$p/cmdline 2>/dev/null && {{ kill -9 -$p || kill -9 $p; }} 2>/dev/null
	cd /
	rm -r {r}
fi
true""", check=False)


def last_line(text):
    lines = [x.strip() for x in text.splitlines() if x.strip()]
    return re.sub(r"^(adb|error): ", "", re.sub(r"^adb: ", "", lines[-1])) if lines else ""


def feature(vmstat):
    """none, off or on, from the kernel's counters"""
    if not any(k.startswith("kstack_") for k in vmstat):
        return "none"
    return "on" if vmstat.get("nr_kstack_pool", 0) or vmstat.get("kstack_populate", 0) else "off"


def feature_of(probe):
    return feature({k: int(v) for k, v in probe.items() if "kstack" in k and v.isdigit()})

MODES = {"none": "the kernel does not have dynamic stacks", "off": "dynamic stacks are off", "on": "dynamic stacks are on"}


# A run's directory


class Run:
    """DIR/NAME-NN: data (the device's samples), meta.json, markers.tsv"""

    def __init__(self, path):
        self.path = path
        try:
            with open(os.path.join(path, "meta.json"), encoding="utf-8") as f:
                self.meta = json.load(f)
            self.name, self.id, self.state = self.meta["name"], self.meta["id"], self.meta["state"]
        except (OSError, ValueError, KeyError, TypeError):
            raise Error(f"{path}: meta.json is missing or damaged: delete that directory, or repair it") from None

    @classmethod
    def create(cls, directory, name, **meta):
        os.makedirs(directory, exist_ok=True)
        nr = 1
        while True:
            path = os.path.join(directory, f"{name}-{nr:02d}")
            try:
                os.mkdir(path)
                break
            except FileExistsError:
                nr += 1
        meta.update(name=name, id=secrets.token_hex(6), state="started",
                    started=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"))
        write_json(os.path.join(path, "meta.json"), meta)
        return cls(path)

    def save(self, **changes):
        self.meta.update(changes)
        self.state = self.meta["state"]
        write_json(os.path.join(self.path, "meta.json"), self.meta)

    @property
    def data(self):
        return os.path.join(self.path, "data")

    @property
    def size(self):
        return os.path.getsize(self.data) if os.path.exists(self.data) else 0

    def mark(self, uptime, text, how):
        text = " ".join(text.split())[:80]
        with open(os.path.join(self.path, "markers.tsv"), "a", encoding="utf-8") as f:
            f.write(f"{uptime:.2f}\t{text}\t{how}\n")

    def markers(self):
        out = []
        try:
            with open(os.path.join(self.path, "markers.tsv"), encoding="utf-8") as f:
                for line in f:
                    fields = line.rstrip("\n").split("\t")
                    if len(fields) == 3:
                        out.append((float(fields[0]), fields[1], fields[2]))
        except (OSError, ValueError):
            pass
        return sorted(out)


def runs_in(directory):
    try:
        names = sorted(os.listdir(directory))
    except OSError as e:
        raise Error(f"{directory}: {e.strerror}: nothing was collected there yet; see android-ab run") from None
    return [Run(os.path.join(directory, n)) for n in names
            if re.fullmatch(r".+-\d+", n) and os.path.isdir(os.path.join(directory, n))]


# Collecting


class Collector:
    def __init__(self, o, dev, run):
        self.o, self.dev, self.run = o, dev, run
        self.progress = Line(0.5)
        self.stdin = watch_stdin()
        self.typed = b""
        self.lost_at = None
        self.clock = None	# (our clock, the device's uptime)
        self.seen = self.run.size
        self.samples, self.tail = 0, b""
        self.newest = None
        if self.seen:
            with open(self.run.data, "rb") as f:
                self.count(f.read())

    def start(self):
        """Put the sampler on the device and let it go"""
        boot_id, up = self.dev.boot()
        meta = self.run.meta
        if not meta.get("end"):
            self.run.save(boot_id=boot_id, start=up, end=up + meta["seconds"], every=self.o.every, state="sampling")
            for text, after in self.o.mark:
                self.run.mark(up + after, text, "planned")
        remote = shlex.quote(self.dev.remote)
        self.dev.shell(f"mkdir -p {remote} && cd {remote} && echo {self.run.id} >id && cat >sampler",
                       data=SAMPLER.encode())
        size = len(SAMPLER.encode())
        args = [f"{self.run.meta['every']:g}", str(int(self.run.meta["end"])), f"{self.o.threads_every:.0f}",
                str(self.o.max_mib), self.run.id]
        # Its own session: it must outlive the connection
        self.dev.shell(f"""cd {remote} || exit 1
[ "$(wc -c <sampler)" -eq {size} ] || {{ echo "the sampler did not arrive whole" >&2; exit 1; }}
setsid sh {remote}/sampler {' '.join(args)} </dev/null >/dev/null 2>&1 &
true""")

    def count(self, data):
        *lines, self.tail = (self.tail + data).split(b"\n")
        for line in lines:
            if line.startswith(b"@end "):
                self.samples += 1
            elif line.startswith(b"@sample "):
                f = line.split()
                if len(f) > 2:
                    self.newest = float(f[2])
            elif line.startswith(b"KernelStack:"):
                self.stack = line.split()[1].decode()

    stack = "?"

    def pull(self):
        """Fetch what is new. True when the sampler has come to its end."""
        remote = shlex.quote(self.dev.remote)
        out = self.dev.shell(f"tail -c +{self.seen + 1} {remote}/data 2>/dev/null | head -c 4000000\n"
                             f'echo; cat /proc/uptime; echo "$(cat {remote}/id 2>/dev/null)"; '
                             'echo "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"',
                             timeout=max(TIMEOUT, 120))
        parts = out.split(b"\n")
        # the data, possibly ending with a new line of its own; uptime; id; boot
        tail = [p.decode(errors="replace") for p in parts[-4:-1]]
        data = b"\n".join(parts[:-4])
        try:
            up = float(tail[0].split()[0])
        except (IndexError, ValueError):
            raise Gone() from None
        if tail[1] != self.run.id:
            raise Gone()
        if data:
            with open(self.run.data, "ab") as f:
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
            self.seen += len(data)
            self.count(data)
        # After a restart the device may still have what it wrote before
        if self.run.meta.get("boot_id") not in ("", None, tail[2]):
            raise Gone()
        self.clock = (time.monotonic(), up)
        self.run.meta["clock"] = [time.time(), up]
        return b"\n@done" in data or self.tail.startswith(b"@done") or done(self.run)

    def uptime(self):
        """-> (uptime, how it is known)"""
        try:
            return self.dev.boot()[1], "device"
        except (Lost, Error):
            if not self.clock:
                return self.run.meta.get("start", 0), "estimated"
            return self.clock[1] + time.monotonic() - self.clock[0], "estimated"

    def typing(self, seconds):
        """Wait, and take markers that the user types meanwhile"""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not self.stdin:
                time.sleep(min(left, 1))
                continue
            if not select.select([0], [], [], left)[0]:
                return
            data = os.read(0, 4096)
            if not data:
                self.stdin = False
            *lines, self.typed = (self.typed + data).split(b"\n")
            for line in lines:
                text = line.decode(errors="replace").strip()
                if text:
                    up, how = self.uptime()
                    self.run.mark(up, text, how)
                    self.progress.say(f"  marker at {up:.0f} s: {text}")

    def show(self):
        meta = self.run.meta
        done_s = (self.clock[1] - meta["start"]) if self.clock else 0
        left = max(0, meta["end"] - self.clock[1]) if self.clock else meta["seconds"]
        self.progress.show(f"{os.path.basename(self.run.path)}: {clock(done_s)} of {clock(meta['seconds'])}, "
                           f"{clock(left)} left, {self.samples} samples, KernelStack {self.stack} KiB")

    def follow(self):
        """Until the run's time is over; a lost connection is waited for"""
        while True:
            try:
                if self.lost_at:
                    self.dev.reach()
                finished = self.pull()
                if self.lost_at:
                    self.progress.say(f"  connected again after {clock(time.monotonic() - self.lost_at)}: "
                                       f"{self.samples} samples are here")
                    self.lost_at = None
                    self.run.save(reconnected=self.run.meta.get("reconnected", 0) + 1)
                if finished:
                    return "complete"
                files = self.dev.files()
                if files and not files["alive"] and files["size"] == self.seen:
                    # Killed: adbd's restart takes its children along on some devices
                    self.progress.say("  the sampler on the device was stopped: starting it again")
                    self.start()
            except Gone:
                self.progress.say("  the device was restarted: this run ends here")
                return "device restarted"
            except Lost as e:
                if not self.lost_at:
                    self.lost_at = time.monotonic()
                    self.progress.say(f"  connection lost ({e}): the device goes on sampling, waiting for it")
                self.progress.show(f"not connected for {clock(time.monotonic() - self.lost_at)}")
                if self.o.give_up and time.monotonic() - self.lost_at > self.o.give_up:
                    raise Error(f"not connected for {self.o.give_up:g} s: when the device is back, "
                                f"android-ab resume --dir {self.o.dir}") from None
                self.typing(1)
                continue
            self.show()
            self.typing(min(self.run.meta["every"], 5))

    def finish(self, state):
        self.run.save(state=state)
        try:
            self.dev.remove()
        except (Lost, Error) as e:
            note(f"{self.dev.remote} is still on the device ({e}): android-ab discard deletes it")


class Gone(Exception):
    """Another boot, or the files are not there any more."""


def done(run):
    try:
        with open(run.data, "rb") as f:
            f.seek(max(0, run.size - 64))
            return b"\n@done\n" in b"\n" + f.read()
    except OSError:
        return False


def watch_stdin():
    try:
        if os.isatty(0):
            return os.tcgetpgrp(0) == os.getpgrp()
        return bool(select.select([0], [], [], 0)) and not os.path.samestat(os.fstat(0), os.stat(os.devnull))
    except (OSError, ValueError):
        return False


def collect(o, dev, run):
    c = Collector(o, dev, run)
    try:
        if run.state == "started":
            c.start()
        elif run.state == "sampling":
            files = dev.files()
            if files and files["id"] == run.id and not files["alive"] and not done(run) \
                    and files["size"] == run.size and dev.boot()[0] == run.meta.get("boot_id"):
                c.start()
        state = c.follow()
        c.finish(state)
    except KeyboardInterrupt:
        # A second Ctrl-C must not lose what this one saves
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        c.progress.say("  interrupted: fetching the rest")
        try:
            c.pull()
            c.finish("interrupted")
        except (Lost, Gone, Error):
            run.save(state="sampling")
            note(f"the device does not answer: what it has is fetched by android-ab resume --dir {o.dir}")
        say(f"{run.path}: {c.samples} samples")
        sys.exit(130)
    except Lost as e:
        raise Error(f"{dev.serial} does not answer ({e}): when it is back, android-ab resume --dir {o.dir}") from None
    c.progress.say(f"{run.path}: {c.samples} samples, {run.state}")
    return run.state


def wait_for_boot(o, dev, before):
    """Until another boot than `before` is up and Android says that it is complete"""
    p, start = Line(0.5), time.monotonic()
    while time.monotonic() - start < o.boot_timeout:
        try:
            dev.reach()
            boot_id, up = dev.boot()
            if (boot_id, up) != before and (boot_id != before[0] or up < before[1]):
                if dev.text("getprop sys.boot_completed 2>/dev/null", check=False).strip() in ("1", ""):
                    if up >= o.settle:
                        return
                    p.show(f"up for {up:.0f} s, sampling begins at {o.settle:g} s")
        except (Lost, Error):
            pass
        p.show(f"waiting for the device to come up, {clock(time.monotonic() - start)}")
        time.sleep(1)
    raise Error(f"{dev.serial} did not come up within {o.boot_timeout:g} s: see its console, or raise --boot-timeout")


def reboot(o, dev, name):
    before = dev.boot()
    command = o.boot.get(name)
    if command:
        say(f"booting for {name}: {command}")
        env = dict(os.environ, ANDROID_SERIAL=dev.serial)
        r = subprocess.run(command, shell=True, env=env, stdin=subprocess.DEVNULL, check=False)
        if r.returncode:
            raise Error(f"the command to boot {name} failed with status {r.returncode}: {command}")
    else:
        say(f"rebooting the device for {name}")
        status, out, err = dev.call("reboot")
        if status:
            raise Error(f"adb reboot failed: {last_line(err) or last_line(out.decode(errors='replace'))}")
    wait_for_boot(o, dev, before)


def need_nothing_left(o, dev):
    files = dev.files()
    if not files:
        return
    mine = [r for r in (runs_in(o.dir) if os.path.isdir(o.dir) else []) if r.id == files["id"]]
    if mine:
        raise Error(f"{os.path.basename(mine[0].path)} is unfinished on the device: android-ab resume goes on with it, "
                    "android-ab discard deletes it")
    raise Error(f"{dev.remote} on the device has another collection: android-ab discard deletes it, "
                "or resume it with its own --dir")


def command_run(o):
    for n in o.names:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", n):
            raise Error(f"'{n}' is no name for a run: use letters and digits")
    names = o.names * o.boots
    if len(names) > 1 and not (o.reboot or o.boot):
        raise Error("between runs the device has to be restarted: give --reboot or --boot NAME=COMMAND, "
                    "or one name at a time")
    dev = Device(o)
    try:
        for nr, name in enumerate(names):
            if o.reboot or o.boot:
                if nr == 0:
                    need_nothing_left(o, dev)
                reboot(o, dev, name)
            need_nothing_left(o, dev)
            probe = dev.probe()
            mode = feature_of(probe)
            expected = o.expect.get(name, name if name in ("off", "on") else None)
            if expected and expected != mode:
                raise Error(f"run {name}: {MODES[mode]} on {dev.serial}, not {expected}: "
                            f"boot it with dynamic_stack={expected}")
            say(f"[{nr + 1}/{len(names)}] {name} on {dev.serial}: {MODES[mode]}; {clock(o.seconds)}, "
                f"a sample every {o.every:g} s{'' if dev.root else '; no root'}")
            run = Run.create(o.dir, name, serial=dev.serial, seconds=o.seconds, every=o.every, mode=mode,
                             remote=o.remote)
            state = collect(o, dev, run)
            if state != "complete" and nr + 1 < len(names):
                note(f"{os.path.basename(run.path)} is not complete ({state}); going on with the next")
    except Lost as e:
        raise Error(f"{dev.serial} does not answer: {e}") from None
    say(f"android-ab report --dir {o.dir} compares")
    return 0


def command_resume(o):
    todo = [r for r in runs_in(o.dir) if r.state in ("started", "sampling")]
    if not todo:
        raise Error(f"{o.dir} has no unfinished run")
    dev = Device(o)
    status = 0
    try:
        dev.probe()
        for run in todo:
            files = dev.files()
            if not files or files["id"] != run.id:
                run.save(state="cut off")
                note(f"{os.path.basename(run.path)}: the device has nothing of it any more; "
                     "what was fetched before is kept")
                status = 1
                continue
            # After a restart of the device: what its storage kept
            if run.meta.get("boot_id") and dev.boot()[0] != run.meta["boot_id"]:
                run.meta["boot_id"] = ""
                c = Collector(o, dev, run)
                c.pull()
                c.finish("device restarted")
                say(f"{run.path}: {c.samples} samples; the device was restarted meanwhile")
                continue
            say(f"{os.path.basename(run.path)}: going on")
            collect(o, dev, run)
    except Lost as e:
        raise Error(f"{dev.serial} does not answer: {e}") from None
    except Gone:
        raise Error(f"{dev.remote} on the device vanished: what was fetched before is kept") from None
    return status


def command_discard(o):
    dev = Device(o)
    try:
        files = dev.files()
        dev.remove()
    except Lost as e:
        raise Error(f"{dev.serial} does not answer: {e}") from None
    if os.path.isdir(o.dir):
        for run in runs_in(o.dir):
            if run.state in ("started", "sampling") and (not files or files["id"] == run.id):
                run.save(state="discarded")
    say("nothing of android-ab is on the device now" if files else "nothing was on the device")
    return 0


def command_mark(o):
    text = " ".join(o.text).strip()
    if not text:
        raise Error("mark: give a text")
    now = [r for r in runs_in(o.dir) if r.state == "sampling"]
    if not now:
        raise Error(f"{o.dir} has no run that goes on: markers belong into one")
    run = now[-1]
    try:
        o.serial = o.serial or run.meta["serial"]
        up, how = Device(o).boot()[1], "device"
    except (Lost, Error):
        when, up = run.meta.get("clock") or (time.time(), run.meta.get("start", 0))
        up, how = up + time.time() - when, "estimated"
    run.mark(up, text, how)
    say(f"{os.path.basename(run.path)}: '{text}' at {up:.0f} s after boot" + (" (estimated)" if how != "device" else ""))
    return 0


def command_check(o):
    dev = Device(o)
    try:
        p = dev.probe()
        left = dev.files()
    except Lost as e:
        raise Error(f"{dev.serial} does not answer: {e}") from None
    mode = feature_of(p)
    threads = p.get("loadavg", "").split("/")[-1].split(" ")[0]
    say(f"{dev.serial}: {p.get('build') or 'no build fingerprint'}, kernel {p['kernel']} {p['machine']}")
    say(f"  {MODES[mode]}")
    say(f"  {threads} threads, KernelStack {p.get('KernelStack', '?')}, MemTotal {p['MemTotal']}")
    if "vmstat" not in p:
        say("  /proc/vmstat cannot be read: whether dynamic stacks are on is not known")
    if dev.root:
        say("  root: threads by wait channel, thread lists for make demo")
        if "debugfs" in p:
            say("  /sys/kernel/debug/dynamic_stack: pages of each thread's stack")
        elif mode != "none":
            say("  pages of each thread's stack: not without /sys/kernel/debug "
                "(this tool does not mount it: mount -t debugfs none /sys/kernel/debug)")
    else:
        say("  no root: memory and thread counts are all there; root (adb root, or --su) would add "
            "threads by wait channel, thread lists for make demo, and pages of each thread's stack")
    if left:
        say(f"  {dev.remote} has what an unfinished run left: android-ab resume or discard")
    return 0


def capture(dev):
    """One look at the device's threads, parsed"""
    out = dev.shell(SAMPLER[SAMPLER.index("look() {"):SAMPLER.index("sample() {")]
                    + "echo '@sample 0 0 0'; echo @meminfo; cat /proc/meminfo; look; echo '@end 0'", timeout=180)
    return parse(out.decode(errors="replace"))[0][0]


def write_census(path, s, title):
    """A deep sample as a thread list that `make demo` replays"""
    kthread = kthreads_of(s)
    rows = {}
    for pid, _tid, wchan in s.wchan:
        wchan = re.sub(r"\s+", "_", wchan)[:census.WCHAN_MAX] or "0"
        key = (wchan, "kthread" if pid in kthread else "user")
        rows[key] = rows.get(key, 0) + 1
    total = {k: sum(n for (_, kind), n in rows.items() if kind == k) for k in ("user", "kthread")}
    processes = sum(1 for pid in s.processes if pid not in kthread)
    text = f"# {title}\n# threads={sum(total.values())} user={total['user']} kthreads={total['kthread']} " \
           f"user_processes={processes} MemTotal_kB={s.mem['MemTotal']} KernelStack_kB={s.mem['KernelStack']}\n" \
           "wchan\tkind\tcount\n"
    text += "".join(f"{w}\t{k}\t{n}\n" for (w, k), n in sorted(rows.items(), key=lambda x: (-x[1], x[0])))
    replace(path + ".new", text)
    census.load(path + ".new")
    os.replace(path + ".new", path)
    return sum(total.values())


def command_census(o):
    dev = Device(o)
    try:
        p = dev.probe()
        if not dev.root:
            raise Error("a thread list needs root, wait channels are hidden otherwise: adb root, or --su")
        s = capture(dev)
    except Lost as e:
        raise Error(f"{dev.serial} does not answer: {e}") from None
    n = write_census(o.file, s, f"Kernel {p['kernel']} {p['machine']}, {int(s.mem['MemTotal']) >> 10} MiB. Complete list.")
    say(f"{o.file}: {n} threads; make demo CENSUS={o.file} replays them")
    return 0


# Reading what was collected


class Sample:
    def __init__(self, up, wall):
        self.up, self.wall = up, wall
        self.mem, self.vm = {}, {}
        self.threads = None
        self.processes, self.frozen, self.wchan, self.stacks, self.summary = {}, set(), [], {}, {}
        self.deep = False


def parse(text):
    """-> (samples, info, finished): what is not whole is left out"""
    samples, info, cur, section = [], {}, None, None
    finished = False
    for line in text.split("\n"):
        if line.startswith("@"):
            f = line.split(" ")
            tag = f[0]
            section = None
            if tag == "@info" and len(f) > 1:
                info[f[1]] = " ".join(f[2:])
            elif tag == "@sample" and len(f) == 4:
                try:
                    cur = Sample(float(f[2]), int(f[3]))
                except ValueError:
                    cur = None
            elif tag == "@end":
                if cur and "KernelStack" in cur.mem:
                    samples.append(cur)
                cur = None
            elif tag == "@done":
                finished = True
            elif cur:
                section = tag
                cur.deep |= tag == "@processes"
            continue
        if not cur or not section or not line:
            continue
        try:
            take(cur, section, line)
        except (ValueError, IndexError):
            pass
    return samples, info, finished


def take(s, section, line):
    f = line.split()
    if section == "@meminfo":
        s.mem[f[0].rstrip(":")] = int(f[1])
    elif section == "@vmstat":
        s.vm[f[0]] = int(f[1])
    elif section == "@loadavg":
        s.threads = int(f[3].split("/")[1])
    elif section == "@processes":
        pid, ppid, threads, comm = line.split(" ", 3)
        s.processes[int(pid)] = (int(ppid), int(threads), comm)
    elif section == "@frozen":
        s.frozen.add(int(line))
    elif section == "@wchan":
        s.wchan.append((int(f[0]), int(f[1]), f[2]))
    elif section == "@stacks":
        s.stacks[int(f[0])] = int(f[1])
    elif section == "@summary":
        s.summary[f[0]] = int(f[1])


def kthreads_of(s):
    """kthreadd and its children"""
    return {pid for pid, (ppid, _, _) in s.processes.items() if 2 in (pid, ppid)}


class Boot:
    """A run's samples"""

    def __init__(self, run):
        self.run, self.name = run, os.path.basename(run.path)
        try:
            with open(run.data, encoding="utf-8", errors="replace") as f:
                self.samples, self.info, self.finished = parse(f.read())
        except OSError:
            self.samples, self.info, self.finished = [], {}, False
        # A restart in the middle: only what comes before it
        for i in range(1, len(self.samples)):
            if self.samples[i].up < self.samples[i - 1].up:
                del self.samples[i:]
                break
        self.markers = run.markers()
        self.jumps, self.gaps = [], []
        every = run.meta.get("every", 10)
        for a, b in zip(self.samples, self.samples[1:]):
            step = b.up - a.up
            if abs((b.wall - a.wall) - step) > 2 + step / 100:
                self.jumps.append((b.wall - a.wall) - step)
            if step > 3 * every + 20:
                self.gaps.append(step)

    @property
    def first(self):
        return self.samples[0]

    @property
    def mode(self):
        return feature(self.samples[-1].vm)

    def phase(self, marker):
        """The samples from a marker to the next; without one, the run's second half"""
        if marker is None:
            return self.samples[len(self.samples) // 2:]
        times = [(up, text) for up, text, _ in self.markers]
        for i, (up, text) in enumerate(times):
            if text == marker:
                end = next((t for t, other in times[i + 1:] if other != marker), float("inf"))
                return [s for s in self.samples if up <= s.up < end]
        return []

    def value(self, marker, what):
        values = [v for v in (what(s) for s in self.phase(marker)) if v is not None]
        return statistics.median(values) if values else None

    def deepest(self):
        deep = [s for s in self.samples if s.deep]
        return deep[-1] if deep else None

QUANTITIES = (
    ("KernelStack, KiB", lambda s: s.mem.get("KernelStack")),
    ("  per thread", lambda s: s.mem["KernelStack"] / s.threads if s.threads else None),
    ("  parked", lambda s: 4 * s.vm["nr_kstack_parked"] if "nr_kstack_parked" in s.vm else None),
    ("  pools", lambda s: 4 * s.vm["nr_kstack_pool"] if "nr_kstack_pool" in s.vm else None),
    ("MemAvailable, KiB", lambda s: s.mem.get("MemAvailable")),
    ("MemFree, KiB", lambda s: s.mem.get("MemFree")),
    ("threads", lambda s: s.threads),
)


class Side:
    def __init__(self, name, boots):
        self.name, self.boots = name, boots
        modes = sorted({b.mode for b in boots})
        self.mode = modes[0] if len(modes) == 1 else "/".join(modes)

    def values(self, marker, what):
        return [v for v in (b.value(marker, what) for b in self.boots) if v is not None]

    def mean(self, marker, what):
        v = self.values(marker, what)
        return statistics.mean(v) if v else None


def spread(values):
    return f"{min(values):.0f}..{max(values):.0f}" if len(values) > 1 else "one boot"


def fmt(v, digits=0):
    return "-" if v is None else f"{v:.{digits}f}"


def kernel_stack(s):
    return s.mem["KernelStack"]


def saving(a, b, marker):
    """A minus B of KernelStack; range over all pairs of boots; standard error"""
    va, vb = a.values(marker, kernel_stack), b.values(marker, kernel_stack)
    if not va or not vb:
        return None
    total = statistics.mean(s.mem["MemTotal"] for side in (a, b) for x in side.boots for s in x.samples[:1])
    out = {"a_kib": statistics.mean(va), "b_kib": statistics.mean(vb), "a_boots_kib": va, "b_boots_kib": vb,
           "saved_kib": statistics.mean(va) - statistics.mean(vb),
           "saved_min_kib": min(va) - max(vb), "saved_max_kib": max(va) - min(vb)}
    out["saved_percent"] = 100 * out["saved_kib"] / out["a_kib"]
    out["saved_percent_of_ram"] = 100 * out["saved_kib"] / total
    for k in ("min", "max"):
        out[f"saved_{k}_percent_of_ram"] = 100 * out[f"saved_{k}_kib"] / total
    if len(va) > 1 and len(vb) > 1:
        out["standard_error_kib"] = (statistics.variance(va) / len(va) + statistics.variance(vb) / len(vb)) ** 0.5
    return out


def differ(a, b, share, least=0):
    return abs(a - b) > max(least, share * max(abs(a), abs(b)))


def warnings(a, b, markers):
    """Why the two sides may not be comparable"""
    w = []

    def per_boot(what, text, share, least=0):
        va = [(x.name, what(x)) for x in a.boots + b.boots]
        va = [(n, v) for n, v in va if v is not None]
        if va:
            lo, hi = min(va, key=lambda x: x[1]), max(va, key=lambda x: x[1])
            if differ(lo[1], hi[1], share, least):
                w.append(f"{text}: {lo[0]} {lo[1]:.0f}, {hi[0]} {hi[1]:.0f}")

    def same(key, text):
        values = sorted({x.info.get(key, "") for x in a.boots + b.boots})
        if len(values) > 1:
            w.append(f"different {text}: " + " / ".join(v or "unknown" for v in values))

    if a.mode == b.mode:
        w.append(f"{a.name} and {b.name} ran in the same mode ({a.mode}): there is nothing to compare")
    for side in (a, b):
        if "/" in side.mode:
            w.append(f"{side.name} has boots of different modes ({side.mode})")
        if len(side.boots) < 2:
            w.append(f"{side.name} has one boot: how much boots differ is not known; take at least 3")
    same("build", "builds")
    same("kernel", "kernels")
    per_boot(lambda x: x.first.mem["MemTotal"], "MemTotal differs", 0.002)
    per_boot(lambda x: x.value(markers[-1] if markers else None, lambda s: s.threads), "thread counts differ", 0.05, 20)
    per_boot(lambda x: x.first.up, "uptime at the first sample differs (s)", 0.25, 60)
    per_boot(lambda x: x.samples[-1].up - x.first.up, "sampled time differs (s)", 0.1, 30)
    for x in a.boots + b.boots:
        if x.run.state != "complete":
            w.append(f"{x.name} is not complete: {x.run.state}")
        if x.gaps:
            w.append(f"{x.name}: {len(x.gaps)} gaps, the longest {max(x.gaps):.0f} s, without a sample "
                     "(the device slept, or the sampler was stopped)")
    texts = [[t for _, t, _ in x.markers] for x in a.boots + b.boots]
    if any(t != texts[0] for t in texts):
        w.append("not all boots have the same markers: only what all have is compared")
    return w


def facts(a, b):
    """What is good to know, and no reason for doubt"""
    out = []
    for x in a.boots + b.boots:
        if x.jumps:
            out.append(f"{x.name}: the device's clock jumped {len(x.jumps)} times, by up to "
                       f"{max(x.jumps, key=abs):+.0f} s; times here are by uptime, which does not")
        n = sum(how == "estimated" for _, _, how in x.markers)
        if n:
            out.append(f"{x.name}: {n} markers were set without a connection, their time is estimated")
        if x.run.meta.get("reconnected"):
            out.append(f"{x.name}: the connection was lost {x.run.meta['reconnected']} times; no sample was")
    return out


def frozen_numbers(boot):
    """Stacks of frozen processes and of the others, from the last look at all threads"""
    s = boot.deepest()
    if not s or not s.processes:
        return None
    kthread = kthreads_of(s)
    frozen = {p for p in s.frozen if p in s.processes}
    out = {"boot": boot.name}
    for kind, pids in (("frozen", frozen), ("other_user", set(s.processes) - frozen - kthread), ("kernel", kthread)):
        out[kind] = {"processes": len(pids), "threads": sum(s.processes[p][1] for p in pids)}
        if s.stacks and boot.mode == "on":
            mine = [tid for pid, tid, _ in s.wchan if pid in pids]
            held = [s.stacks[t] for t in mine if t in s.stacks]
            out[kind]["stack_kib"] = 4 * sum(held) + 16 * (len(mine) - len(held))
            out[kind]["pages_per_thread"] = {str(n): held.count(n) + (len(mine) - len(held) if n == 4 else 0)
                                             for n in range(1, 5)}
        else:
            # Whole stacks, of 16 KiB
            out[kind]["stack_kib"] = 16 * out[kind]["threads"]
    return out


def wait_channels(boot):
    s = boot.deepest()
    if not s or not s.wchan:
        return None
    kthread = kthreads_of(s)
    out = {}
    for pid, _, wchan in s.wchan:
        key = (wchan, "kthread" if pid in kthread else "user")
        out[key] = out.get(key, 0) + 1
    return out


def processes(boot, most=8):
    """[(process, threads, KiB of stack)] that hold most"""
    s = boot.deepest()
    if not s or not s.stacks:
        return []
    held = {}
    for pid, tid, _ in s.wchan:
        held[pid] = held.get(pid, 0) + 4 * s.stacks.get(tid, 4)
    rows = [(s.processes[p][2], s.processes[p][1], kib) for p, kib in held.items() if p in s.processes]
    return sorted(rows, key=lambda r: -r[2])[:most]


def title_of(side):
    """A side's name, and its mode if that is not its name"""
    return side.name if side.name == side.mode else f"{side.name} ({side.mode})"


def draw(sides, path, markers):
    longest = max(b.samples[-1].up - b.first.up for s in sides for b in s.boots)
    unit, unit_name = (60, "minutes") if longest > 300 else (1, "seconds")
    blocks, lines = [], {"KernelStack": [], "MemAvailable": []}
    for i, side in enumerate(sides):
        for j, boot in enumerate(side.boots):
            name = f"d{i}_{j}"
            rows = (f"{(s.up - boot.first.up) / unit:.3f} {s.mem['KernelStack'] / 1024:.3f} "
                    f"{s.mem.get('MemAvailable', 0) / 1024:.3f}" for s in boot.samples)
            blocks.append(plot.data(name, rows))
            title = f"title {plot.text(title_of(side))}" if j == 0 else "notitle"
            for col, key in ((2, "KernelStack"), (3, "MemAvailable")):
                lines[key].append(f'${name} using 1:{col} with linespoints pt 7 ps 0.3 lw 1.5 '
                                  f'lc rgb "{plot.SERIES[i % 7]}" {title}')
    # Markers where the first boot has them
    first = sides[0].boots[0]
    marks = ""
    for up, text, _ in first.markers:
        if text in markers:
            x = max(0, up - first.first.up) / unit
            label = text.replace("\\", "").replace('"', "'")
            marks += f'set arrow from first {x:.3f}, graph 0 to first {x:.3f}, graph 1 nohead dt 2 lc rgb "#999999"\n' \
                     f'set label "{label}" at first {x:.3f}, graph 0.06 rotate by 90 offset 0.8,0 font ",8" noenhanced\n'
    return plot.draw(path, 900, 760, f"""
{''.join(blocks)}
set multiplot layout 2,1 title "Kernel stacks over time, each line a boot"
set grid
set key noenhanced outside top center horizontal
set xlabel "{unit_name} since the first sample"
{marks}
set xrange [0:*]
set yrange [0:*]
set ylabel "KernelStack, MiB"
plot {', '.join(lines['KernelStack'])}
unset label
set autoscale y
set ylabel "MemAvailable, MiB"
plot {', '.join(lines['MemAvailable'])}
unset multiplot
""")


def accelerator(info):
    if "QEMU" in info.get("cpu", ""):
        return "tcg"
    return "kvm" if info.get("hypervisor") else "bare metal"


def two_sides(o):
    boots = [Boot(r) for r in runs_in(o.dir) if r.state != "discarded"]
    empty = [b for b in boots if not b.samples]
    boots = [b for b in boots if b.samples]
    for b in empty:
        note(f"{b.name} has no whole sample: left out")
    names = []
    for b in boots:
        if b.run.name not in names:
            names.append(b.run.name)
    if o.sides:
        for s in o.sides:
            if s not in names:
                raise Error(f"{o.dir} has no samples of a run {s}: it has {', '.join(names) or 'none'}")
        names = o.sides
    elif sorted(names) == ["off", "on"]:
        names = ["off", "on"]
    else:
        names.sort()
    if len(names) != 2:
        raise Error(f"{o.dir} has samples of {len(names)} sides ({', '.join(names) or 'none'}), a comparison takes two"
                    + (": name them" if len(names) > 2 else ": see android-ab run"))
    return [Side(n, [b for b in boots if b.run.name == n]) for n in names]


def command_report(o):
    a, b = two_sides(o)
    common = [t for _, t, _ in a.boots[0].markers
              if all(any(t == m for _, m, _ in x.markers) for x in a.boots + b.boots)]
    common = list(dict.fromkeys(t for t in common if all(x.phase(t) for x in a.boots + b.boots)))
    last = common[-1] if common else None
    x = a.boots[0]
    say(f"{x.info.get('build') or x.info.get('model') or 'device'}, kernel {x.info.get('kernel', '?').split(' ')[0]} "
        f"{x.info.get('machine', '')}, {x.first.mem['MemTotal'] >> 10} MiB")
    for side in (a, b):
        say(f"  {side.name}: {MODES.get(side.mode, side.mode)}, {len(side.boots)} boots, "
            f"{sum(len(y.samples) for y in side.boots)} samples")
    say("")
    rows = [("", a.name, "boots", b.name, "boots", f"{a.name} - {b.name}")]
    for label, what in QUANTITIES:
        va, vb = a.values(last, what), b.values(last, what)
        if not va and not vb:
            continue
        digits = 2 if "per thread" in label else 0
        ma, mb = (statistics.mean(v) if v else None for v in (va, vb))
        rows.append((label, fmt(ma, digits), spread(va) if va and not digits else "",
                     fmt(mb, digits), spread(vb) if vb and not digits else "",
                     fmt(ma - mb, digits) if va and vb else "-"))
    say(f"Medians of each boot {'after the marker ' + repr(last) if last else 'over the second half of its time'}, "
        "mean and range over boots:")
    table(rows)
    say("")
    results = []
    for m in (common or [None]):
        s = saving(a, b, m)
        if s:
            results.append({"marker": m, **{k: [round(y, 1) for y in v] if isinstance(v, list) else round(v, 3)
                                            for k, v in s.items()}})
    if len(common) > 1:
        rows = [("after the marker", f"{a.name} KiB", f"{b.name} KiB", "saved KiB", "range", "% of stacks", "% of RAM")]
        rows += [(r["marker"], fmt(r["a_kib"]), fmt(r["b_kib"]), fmt(r["saved_kib"]),
                  f"{r['saved_min_kib']:.0f}..{r['saved_max_kib']:.0f}", fmt(r["saved_percent"], 1),
                  fmt(r["saved_percent_of_ram"], 3)) for r in results]
        table(rows)
        say("")
    if not results:
        raise Error("no phase has samples on both sides: see the markers of the runs")
    head = results[-1]
    error = f", standard error {head['standard_error_kib']:.0f}" if "standard_error_kib" in head else ""
    say(f"Saved: {head['saved_kib']:.0f} KiB of {head['a_kib']:.0f} ({head['saved_percent']:.1f} %), "
        f"{head['saved_percent_of_ram']:.3f} % of RAM; over all pairs of boots "
        f"{head['saved_min_kib']:.0f}..{head['saved_max_kib']:.0f} KiB{error}")
    frozen = {}
    for side in (a, b):
        f = frozen_numbers(side.boots[-1])
        if f:
            frozen[side.name] = f
    if any(f["frozen"]["processes"] for f in frozen.values()):
        say("\nFrozen processes (cgroup v2), last look:")
        rows = [("", "processes", "threads", "stacks KiB", "KiB per thread", "pages per thread 1/2/3/4")]
        for name, f in frozen.items():
            for kind, label in (("frozen", "frozen"), ("other_user", "not frozen"), ("kernel", "kernel threads")):
                v = f[kind]
                pages = v.get("pages_per_thread")
                rows.append((f"{name}: {label}", str(v["processes"]), str(v["threads"]), str(v["stack_kib"]),
                             f"{v['stack_kib'] / v['threads']:.2f}" if v["threads"] else "-",
                             "/".join(str(n) for n in pages.values()) if pages else "whole"))
        table(rows)
    top = processes(b.boots[-1])
    if top:
        say(f"\nProcesses that hold most, {b.name}: " +
            ", ".join(f"{n} {kib} KiB ({t} threads)" for n, t, kib in top))
    lists = []
    for side in (a, b):
        for boot in reversed(side.boots):
            w = wait_channels(boot)
            if w:
                path = os.path.join(o.dir, f"threads-{side.name}.tsv")
                write_census(path, boot.deepest(), f"Captured by android-ab from {boot.name}, kernel "
                             f"{boot.info.get('kernel', '?').split(' ')[0]}. Complete list.")
                lists.append(path)
                break
    if lists:
        wa, wb = wait_channels(a.boots[-1]) or {}, wait_channels(b.boots[-1]) or {}
        say("\nThreads by wait channel, last look:")
        keys = sorted(set(wa) | set(wb), key=lambda k: -max(wa.get(k, 0), wb.get(k, 0)))[:10]
        table([("", a.name, b.name)] + [(f"{w} ({k})", str(wa.get((w, k), 0)), str(wb.get((w, k), 0)))
                                        for w, k in keys])
        say(f"Thread lists for make demo CENSUS=...: {' '.join(lists)}")
    else:
        say("\nThreads by wait channel, thread lists and pages of each stack: only with root")
    say("")
    warn = warnings(a, b, common)
    for text in facts(a, b):
        say(f"note: {text}")
    for text in warn:
        say(f"WARNING: {text}")
    written = [os.path.join(o.dir, "report.json")]
    png = os.path.join(o.dir, "report.png")
    if draw((a, b), png, common):
        written.append(png)
    write_json(written[0], {
        "kernel": x.info.get("kernel", ""), "config": x.info.get("build", ""),
        "command": command_line("android-ab"),
        "accelerator": accelerator(x.info),
        "date": date(),
        "mem_total_kib": x.first.mem["MemTotal"],
        "sides": [{"name": s.name, "mode": s.mode, "boots": [
            {"name": y.name, "state": y.run.state, "samples": len(y.samples),
             "threads": y.value(last, lambda z: z.threads), "kernel_stack_kib": y.value(last, kernel_stack),
             "mem_available_kib": y.value(last, lambda z: z.mem.get("MemAvailable")),
             "first_uptime_seconds": y.first.up, "clock_jumps": len(y.jumps)} for y in s.boots]} for s in (a, b)],
        "saving": results, "frozen": frozen, "warnings": warn})
    say("written: " + ", ".join(written))
    return 0


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--adb", default=os.environ.get("ADB", "adb"), help="adb program (default: from PATH)")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--dir", default="android-ab-data", help="where samples are kept (default android-ab-data)")
    common.add_argument("--serial", "-s", help="which device (default: the only one, or ANDROID_SERIAL)")
    common.add_argument("--su", action="store_true", help="run commands on the device by `su 0`")
    common.add_argument("--remote", default="/data/local/tmp/android-ab", help="directory on the device")
    runs = argparse.ArgumentParser(add_help=False)
    runs.add_argument("--threads-every", type=seconds, default=60, metavar="TIME",
                      help="how often each process and thread is looked at (default 60s)")
    runs.add_argument("--max-mib", type=positive, default=200, help="end if the device's file gets larger (default 200)")
    runs.add_argument("--give-up", type=seconds, default=0, metavar="TIME",
                      help="end when not connected for so long (default: never)")
    runs.add_argument("--mark", action="append", default=[], type=planned, metavar="TEXT[@TIME]",
                      help="marker at the first sample, or so long after it")
    sub = p.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in ("check", "discard"):
        sub.add_parser(name, parents=[common])
    r = sub.add_parser("run", parents=[common, runs])
    r.add_argument("names", nargs="+", metavar="NAME")
    r.add_argument("--for", dest="seconds", type=seconds, default=600, metavar="TIME",
                   help="how long each run is (default 10m; 90s, 30m, 8h)")
    r.add_argument("--every", type=seconds, default=10, metavar="TIME", help="between samples (default 10s)")
    r.add_argument("--boots", type=positive, default=1, help="do all that so many times (default 1)")
    r.add_argument("--reboot", action="store_true", help="restart the device before each run: adb reboot")
    r.add_argument("--boot", action="append", default=[], metavar="NAME=COMMAND",
                   help="command on this machine that restarts the device for NAME, instead of adb reboot")
    r.add_argument("--expect", action="append", default=[], metavar="NAME=off|on",
                   help="the mode that NAME must be in")
    r.add_argument("--settle", type=seconds, default=0, metavar="TIME",
                   help="after a restart, begin at this uptime (default: when boot is complete)")
    r.add_argument("--boot-timeout", type=seconds, default=600, metavar="TIME", help="default 10m")
    sub.add_parser("resume", parents=[common, runs])
    m = sub.add_parser("mark", parents=[common])
    m.add_argument("text", nargs="+", metavar="TEXT")
    c = sub.add_parser("census", parents=[common])
    c.add_argument("file", metavar="FILE.tsv")
    t = sub.add_parser("report", parents=[common])
    t.add_argument("sides", nargs="*", metavar="NAME", help="the two sides, in this order")
    sub.add_parser("sampler", help="print the script that runs on the device")

    def error(message):
        raise Error(f"android-ab: {message}: see android-ab --help")
    p.error = error
    for s in sub.choices.values():
        s.error = error
    o = p.parse_args()
    if o.command == "run":
        o.boot = pairs("--boot", o.boot, o.names)
        o.expect = pairs("--expect", o.expect, o.names)
        for v in o.expect.values():
            if v not in ("off", "on", "none"):
                raise Error(f"--expect {v}: off or on")
        if o.every > o.seconds:
            raise Error("--every is longer than --for: no run would have two samples")
    if o.command == "report" and len(o.sides) not in (0, 2):
        raise Error("report: give two names, or none")
    if not re.fullmatch(r"/[\w./-]*\w", getattr(o, "remote", "/x")):
        raise Error(f"--remote {o.remote}: give an absolute path without special characters")
    if getattr(o, "remote", "/x/y/z").count("/") < 2:
        raise Error(f"--remote {o.remote}: it gets deleted, so give a directory of its own")
    return o


def pairs(option, values, names):
    out = {}
    for v in values:
        name, eq, value = v.partition("=")
        if not eq or not value:
            raise Error(f"{option} {v}: give NAME=...")
        if name not in names:
            raise Error(f"{option} {v}: there is no run {name}")
        out[name] = value
    return out


def positive(text):
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return int(text)


def planned(text):
    """TEXT@TIME -> (text, seconds)"""
    m = re.fullmatch(r"(.+)@(\d+[smh]?)", text)
    return (m[1], seconds(m[2])) if m else (text, 0)


def seconds(text):
    m = re.fullmatch(r"(\d{1,7}(?:\.\d+)?)(s|m|h|)", text)
    value = float(m[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[m[2]] if m else 0
    if not m or value <= 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no time: 90s, 30m, 8h")
    return int(value) if value == int(value) else value


def main():
    o = options()
    if o.command == "sampler":
        print(SAMPLER.strip())
        return 0
    return globals()["command_" + o.command](o)
