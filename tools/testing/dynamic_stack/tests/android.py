# SPDX-License-Identifier: GPL-2.0
"""For the tests of android-ab: an adb server of their own, and phones."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

TOOLS, BUILD, TMP = (os.environ[n] for n in ("TOOLS", "BUILD", "DS_TMP"))
AB = os.path.join(TOOLS, "android-ab")
REMOTE = "/data/local/tmp/android-ab"
# What Android's shell has, as Debian has it
SYSTEM = {"/bin/sh": "/bin/mksh", "/bin/toybox": "/bin/toybox"}


def fail(text):
    print(f"FAIL: {text}")
    sys.exit(1)


def need(*programs):
    for p in programs:
        if not shutil.which(p):
            fail(f"{p} is not installed: make setup does it")


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, limit=30):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            fail(f"not within {limit} s: {what}")
        time.sleep(0.2)


class Server:
    """An adb server that is our child: it ends with us"""

    def __init__(self):
        self.port = port()
        # It remembers keys in HOME, and must not look for real phones
        self.env = dict(os.environ, ANDROID_ADB_SERVER_PORT=str(self.port), HOME=TMP, ADB_LIBUSB="0",
                        ANDROID_SERIAL="", ADB_MDNS="0")
        del self.env["ANDROID_SERIAL"]
        with open(os.path.join(TMP, "adb.log"), "w", encoding="utf-8") as log:
            self.p = subprocess.Popen(["adb", "nodaemon", "server"], env=self.env, stdin=subprocess.DEVNULL,
                                      stdout=log, stderr=subprocess.STDOUT)
        wait_for("the adb server answers", self.up)

    def up(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def adb(self, *args, check=True):
        r = subprocess.run(["adb", *args], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           timeout=60, check=False)
        if check and r.returncode:
            fail(f"adb {' '.join(args)}: {r.stderr.strip() or r.stdout.strip()}")
        return r.stdout

    def connect(self, serial, state="device"):
        def there():
            self.adb("connect", serial, check=False)
            return f"{serial}\t{state}" in self.adb("devices", check=False)
        wait_for(f"adb devices lists {serial} as {state}", there, 60)

    def stop(self):
        self.p.terminate()
        self.p.wait()


class Proxy:
    """Between adb and a phone; its cable can be pulled, in the middle of a word"""

    def __init__(self, to):
        self.to, self.pulled, self.pairs = to, False, []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(4)
        self.port = self.listener.getsockname()[1]
        self.serial = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            a, _ = self.listener.accept()
            b = socket.socket()
            b.settimeout(5)
            # One at a time, as over USB
            if self.pulled or self.pairs or b.connect_ex(("127.0.0.1", self.to)):
                a.close()
                b.close()
                continue
            b.settimeout(None)
            pair = (a, b)
            self.pairs.append(pair)
            for x, y in ((a, b), (b, a)):
                threading.Thread(target=self.copy, args=(x, y, pair), daemon=True).start()

    def copy(self, a, b, pair):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for s in pair:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if pair in self.pairs:
            self.pairs.remove(pair)
            for s in pair:
                s.close()

    def pull(self):
        self.pulled = True
        for pair in list(self.pairs):
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def plug(self):
        self.pulled = False


def compile_daemon():
    path = os.path.join(TMP, "mini-adbd")
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-static", "-o", path,
                    os.path.join(TOOLS, "android/mini-adbd.c")], check=True)
    return path


class HostPhone:
    """mini-adbd on this machine: a device whose kernel does not have the feature"""

    def __init__(self, daemon, *options, uid=None, name="phone"):
        self.port = port()
        self.root = os.path.join(TMP, name)
        bin_dir = os.path.join(self.root, "bin")
        os.makedirs(bin_dir)
        self.remote = os.path.join(self.root, "tmp/android-ab")
        os.mkdir(os.path.dirname(self.remote))
        for dst, src in SYSTEM.items():
            shutil.copy(src, self.root + dst)
        for t in subprocess.run(["toybox"], stdout=subprocess.PIPE, text=True, check=True).stdout.split():
            os.symlink("toybox", os.path.join(bin_dir, t))
        self.script("getprop", 'case $1 in ro.build.fingerprint) echo test/host:16/X/1:user/keys ;; esac')
        if uid:
            os.chmod(TMP, 0o755)
            os.chown(os.path.dirname(self.remote), uid, uid)
        self.p = subprocess.Popen([daemon, "--listen", str(self.port), "--shell", bin_dir + "/sh", "--path", bin_dir,
                                   *options], stdin=subprocess.DEVNULL,
                                  **({"user": uid, "group": uid, "extra_groups": []} if uid else {}))
        self.proxy = Proxy(self.port)
        self.serial = self.proxy.serial

    def script(self, name, text):
        """Replace a command of the phone"""
        path = os.path.join(self.root, "bin", name)
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"#!{self.root}/bin/sh\n{text}\n")
        os.chmod(path, 0o755)

    def stop(self):
        self.p.terminate()
        self.p.wait()


class Guest:
    """A phone in QEMU: our kernel, mksh and toybox, a real thread list replayed"""

    def __init__(self, label, threads, timeout=420):
        self.label, self.threads, self.timeout = label, threads, timeout
        self.port = port()
        self.proxy = Proxy(self.port)
        self.serial = self.proxy.serial
        self.p, self.nr, self.daemon_up = None, 0, None

    JOB = """
mkdir -p /system/bin /data
mount -t tmpfs tmpfs /data
mkdir -p /data/local/tmp
for t in $(/system/bin/toybox); do [ -e /system/bin/$t ] || ln -s toybox /system/bin/$t; done
cat >/system/bin/getprop <<'END'
#!/system/bin/sh
case $1 in
ro.build.fingerprint) echo test/guest:16/X/1:userdebug/keys ;;
ro.product.model) echo "QEMU guest" ;;
sys.boot_completed) grep -q holding /tmp/replay.log && echo 1 || echo 0 ;;
esac
END
chmod 755 /system/bin/getprop
for p in /sys/class/virtio-ports/*; do
	[ "$(cat $p/name)" = ds.adb ] && port=/dev/${p##*/}
done
census-replay --limit THREADS --work 4 --settle 20 --frozen 60 --hold /census.tsv >/tmp/replay.log 2>&1 &
replay=$!
echo "@@ adbd is up"
/bin/mini-adbd --port $port
status=$?
cat /tmp/replay.log
kill $replay 2>/dev/null
grep -q '^@@ result pass' /tmp/replay.log && exit $status
"""

    def boot(self, mode):
        self.stop()
        self.nr += 1
        self.daemon_up = threading.Event()
        self.proxy.pull()
        libraries = set()
        for program in SYSTEM.values():
            out = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
            libraries |= {w for w in out.split() if w.startswith("/") and os.path.exists(w)}
        files = [f"{src}:/system{dst}" for dst, src in SYSTEM.items()]
        files += [f"{os.path.realpath(x)}:{x}" for x in libraries]
        files.append(os.path.join(TOOLS, "census/phone-4gb-android8-3days.tsv") + ":/census.tsv")
        job = os.path.join(TMP, "job")
        with open(job, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + self.JOB.replace("THREADS", str(self.threads)))
        self.log = os.path.join(BUILD, "log", "check", f"{self.label.replace('/', '-')}-{self.nr}-{mode}.console")
        cmd = [os.path.join(TOOLS, "vm"), "--label", f"{self.label} {mode}", "--smp", "2", "--mem", "1G", "--quiet",
               "--timeout", str(self.timeout), "--log", self.log, "--append", f"dynamic_stack={mode}", "--job", job,
               "--qemu-arg=-device", "--qemu-arg=virtio-serial-pci,id=vs",
               "--qemu-arg=-chardev", f"--qemu-arg=socket,id=adb,host=127.0.0.1,port={self.port},server=on,wait=off",
               "--qemu-arg=-device", "--qemu-arg=virtserialport,bus=vs.0,chardev=adb,name=ds.adb"]
        for f in files:
            cmd += ["--file", f]
        # stop() interrupts it, which a program that was started in the background ignores
        self.p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace",
                                  preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        threading.Thread(target=self.listen, args=(self.p,), daemon=True).start()

    def listen(self, p):
        """As on a network, nobody answers before the daemon is there"""
        for line in p.stdout:
            if "adbd is up" in line:
                self.proxy.plug()
                self.daemon_up.set()
            else:
                print(line, end="", flush=True)

    def wait_for_daemon(self):
        """How long a boot takes is the machine's business; it has a time limit in vm"""
        while not self.daemon_up.wait(1):
            if self.p.poll() is not None:
                fail(f"the guest ended before its daemon was there: see {self.log}")

    def stop(self):
        if self.p and self.p.poll() is None:
            self.p.send_signal(signal.SIGINT)
            self.p.wait()
        self.p = None


def ab(server, *args, serial=None, directory=None, **kw):
    """android-ab with our adb server"""
    cmd = [AB, *args]
    if serial:
        cmd += ["--serial", serial]
    if directory:
        cmd += ["--dir", directory]
    kw.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(cmd, env=server.env if server else dict(os.environ), text=True, **kw)


def on_term(_sig, _frame):
    sys.exit(1)


signal.signal(signal.SIGTERM, on_term)
