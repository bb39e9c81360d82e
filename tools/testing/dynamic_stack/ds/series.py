# SPDX-License-Identifier: GPL-2.0
"""
The patch series and the git branch that is made of it.

  series branch              make or update the git repository build/linux: the
                             pristine base, then a commit for each patch
  series refresh [PATCH=NNNN]  the way back: what was committed or edited in
                             build/linux becomes patches and new files here
  series sync                copy this repository's new files to build/linux's
                             work tree, so that a build sees an edit at once
  series check [apply] [bisect]  does the series apply to the pristine base, is
                             the result what gets tested, does each commit build,
                             and each of series A boot; bisect=K/N: do those of
                             the Kth of N parts build, K from 0
  series mail [DIRECTORY]    git format-patch of the branch, with cover letter;
                             SIGNOFF="Name <address>" sends and signs it
  series objects DIRECTORY   the objects that the series touches and the
                             configuration of that build directory compiles
  series lines               how many lines of existing files each series changes
  series status              what differs between build/linux and here
  series try DIRECTORY       does it apply to that kernel tree?  Each patch of the
                             nearest series is tried, without fuzz; nothing there
                             is changed

New files of the kernel live in this repository at the path they have in the
kernel.  The trailer `New-files: PATH...` in a patch's message names those
(files or directories) that join the tree in that commit.

The lines `# series B` and `# series C` in patches/*/series part the feature from
what stands on it.  A patch of B or C may also edit new files.  They are here as they
are in the end; what series A brings of them is that without B's and C's patches.

New files are written for the newest base.  Where an older one needs another,
patches/SERIES/new/PATH takes its place there.

SERIES=7.3 in the environment: another base, see bases/, in build/7.3/linux.
"""

import fcntl
import hashlib
import json
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile

from . import ktap, ui
from .repo import BUILD, ROOT, TOP, base_mk, output, short, tool
from .ui import Error, Progress

LINUX = os.path.join(BUILD, "linux")
BASE = base_mk()
PATCHES = os.path.join(ROOT, "patches", BASE["SERIES"])
# New files that are others in this series alone
INSTEAD = os.path.join(PATCHES, "new")
BRANCH = "dynamic-stack"
# In the file that lists the patches: from here on, series B, series C
MARKS = ("# series B", "# series C")
# The last commits of series A and B
LAST = ("refs/tags/series-a", "refs/tags/series-b")
# The commit that `branch` or `refresh` last knew to equal the patches
EXPORTED = "refs/exported/dynamic-stack"
# path -> blob of the new files as last copied from here to the work tree
SYNC = os.path.join(LINUX, ".git", "dynamic-stack-sync.json")
# Top-level directories here that hold files for the kernel tree...
KERNEL_DIRS = ("mm/", "include/", "arch/", "kernel/", "Documentation/", "lib/", "fs/",
               "drivers/", "init/", "net/", "block/", "scripts/", "samples/", "security/",
               "tools/testing/selftests/", "tools/mm/")
LEFTOVERS = ("*~", "*.orig", "*.rej", "*.swp", "*.o", "*.ko", "*.cmd", "*.pyc", "*.patch", "tags", "cscope.*",
             ".checkpatch-camelcase.*")


def git(*args, **kw):
    """git in build/linux"""
    env = dict(os.environ, **kw.pop("env", {}))
    return output(["git", "-C", LINUX, "-c", "core.quotePath=false", "-c", "gc.auto=0",
                   "-c", "core.safecrlf=false", *args], env=env, **kw)


def rev(name):
    try:
        return git("rev-parse", "-q", "--verify", name + "^{commit}").strip()
    except Error:
        return None


# --- the base ---------------------------------------------------------------

def installed_version():
    package = BASE["BASE_PACKAGE"]
    if os.environ.get("BASE_TARBALL"):
        # Another tarball, for tests; its version may differ from the tested one
        return os.environ.get("BASE_TARBALL_VERSION") or BASE["BASE_VERSION"]
    if BASE["BASE_SUITE"]:
        # Not in this machine's own suite: what fetch-base got
        try:
            with open(fetched() + ".version", encoding="utf-8") as f:
                return f.read().strip()
        except OSError:
            raise Error(f"{short(fetched())} is missing: run 'make SERIES={BASE['SERIES']} setup'") from None
    r = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], check=False,
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if r.returncode or not r.stdout:
        raise Error(f"Debian package {package} is not installed: run 'make setup'")
    return r.stdout.strip()


def fetched():
    return os.path.join(TOP, "base", BASE["BASE_PACKAGE"] + ".tar.xz")


def base_ref(version):
    # '~' and ':' can't be part of a ref name
    return "refs/base/" + re.sub(r"[^A-Za-z0-9.+-]", "_", version)


def import_base(version):
    """The tarball as one commit, read straight into git fast-import."""
    package = BASE["BASE_PACKAGE"]
    again = f"reinstall the Debian package {package}"
    tarball = os.environ.get("BASE_TARBALL") or f"/usr/src/{package}.tar.xz"
    if BASE["BASE_SUITE"] and not os.environ.get("BASE_TARBALL"):
        tarball = fetched()
        again = f"delete it and run 'make SERIES={BASE['SERIES']} setup'"
    if not os.path.exists(tarball):
        raise Error(f"{tarball} is missing: {again}")
    if shutil.disk_usage(BUILD).free < int(os.environ.get("DS_DISK_GIB", "4")) << 30:
        raise Error(f"less than 4 GiB free in {BUILD}: free some disk space")
    ref = base_ref(version)
    progress = Progress(f"Importing {package} {version}", "2 min", 87000)
    done, newest = 0, 0
    importer = subprocess.Popen(["git", "-C", LINUX, "fast-import", "--quiet", "--done",
                                 "--date-format=raw"], stdin=subprocess.PIPE)
    out = importer.stdin
    marks = []
    try:
        with lzma.open(tarball) if tarball.endswith(".xz") else open(tarball, "rb") as raw, \
                tarfile.open(fileobj=raw, mode="r|") as tar:
            for member in tar:
                if not member.isfile() and not member.issym():
                    continue
                path = member.name.removeprefix("./").split("/", 1)
                if len(path) < 2:
                    continue
                if member.isfile():
                    data = tar.extractfile(member).read()
                    mode = "100755" if member.mode & 0o100 else "100644"
                else:
                    data, mode = member.linkname.encode(), "120000"
                done += 1
                newest = max(newest, int(member.mtime))
                out.write(b"blob\nmark :%d\ndata %d\n%s\n" % (done, len(data), data))
                marks.append((mode, done, path[1]))
                progress.update(done)
        if not marks:
            raise Error(f"{tarball}: holds no files: {again}")
        # Name and date come from the package alone: the same base is the same commit
        who = f"Debian kernel source <{package}> {newest} +0000"
        text = f"{package} {version}\n\nThe source package as Debian ships it.\n".encode()
        out.write(f"commit {ref}\nauthor {who}\ncommitter {who}\ndata {len(text)}\n".encode() + text)
        for mode, mark, path in marks:
            out.write(f"M {mode} :{mark} {path}\n".encode())
        out.write(b"\ndone\n")
        out.close()
        if importer.wait():
            raise Error("git fast-import failed: see the messages above")
    except (lzma.LZMAError, tarfile.TarError, EOFError) as e:
        importer.kill()
        raise Error(f"{tarball}: {e}: {again}") from None
    except BrokenPipeError:
        raise Error("git fast-import stopped: is the disk full?") from None
    finally:
        progress.done()
        if importer.poll() is None:
            importer.kill()
        importer.wait()
    return rev(ref)


def init_repository():
    if not os.path.isdir(os.path.join(LINUX, ".git")):
        os.makedirs(LINUX, exist_ok=True)
        output(["git", "-c", f"init.defaultBranch={BRANCH}", "init", "-q", LINUX])
        # Stable patches whoever runs it; a big tree stays quick
        for key, value in (("core.abbrev", "12"), ("feature.manyFiles", "true"),
                           ("core.untrackedCache", "true"), ("gc.auto", "0"),
                           ("core.autocrlf", "false"), ("apply.ignoreWhitespace", "no"),
                           ("advice.detachedHead", "false"), ("index.threads", "true")):
            git("config", key, value)


def ensure_base():
    init_repository()
    version = installed_version()
    commit = rev(base_ref(version)) or import_base(version)
    git("update-ref", "refs/tags/base", commit)
    return commit, version


# --- the patches and the new files ------------------------------------------

def series_names():
    """Names of the patches of series A, B and C"""
    path = os.path.join(PATCHES, "series")
    if not os.path.exists(path):
        if os.path.isdir(PATCHES) and any(n.endswith(".patch") for n in os.listdir(PATCHES)):
            raise Error(f"{short(path)} is missing: list the patches there, one a line")
        return [], [], []
    parts, part = ([], [], []), 0
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.strip() in MARKS:
                part = MARKS.index(line.strip()) + 1
            elif line.split("#")[0].strip():
                parts[part].append(line.split()[0])
    names = sum(parts, [])
    for n in names:
        if not os.path.isfile(os.path.join(PATCHES, n)):
            raise Error(f"{short(path)} names {n}, which does not exist: add it or remove the line")
    extra = {n for n in os.listdir(PATCHES) if n.endswith(".patch")} - set(names)
    if extra:
        raise Error(f"{short(PATCHES)}/{min(extra)} is not named in {short(path)}: add or delete it")
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise Error(f"{short(path)} names {min(twice)} twice: remove one line")
    return parts


def new_files():
    """The repository's files that belong in the kernel tree, tracked or not."""
    r = subprocess.run(["git", "-C", ROOT, "-c", "core.quotePath=false", "ls-files", "-z", "-c",
                        "-o", "--exclude-standard", "--", *KERNEL_DIRS],
                       check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if r.returncode:
        names = [os.path.relpath(os.path.join(d, n), ROOT)
                 for top in KERNEL_DIRS for d, _, ns in os.walk(os.path.join(ROOT, top)) for n in ns]
    else:
        names = r.stdout.split("\0")
    names += [os.path.relpath(os.path.join(d, n), INSTEAD) for d, _, ns in os.walk(INSTEAD) for n in ns]
    return sorted({n for n in names if n and os.path.lexists(ours(n))
                   and not re.search(r"(~|\.orig|\.rej|\.swp|\.pyc)$", n)})


def ours(f):
    """Where this repository has a new file: one for this series alone comes first"""
    instead = os.path.join(INSTEAD, f)
    return instead if os.path.lexists(instead) else os.path.join(ROOT, f)


class Patch:
    """One mail: who, when, why, the diff, and the new files that it names."""

    def __init__(self, name):
        self.name = name
        path = os.path.join(PATCHES, name)
        with open(path, "rb") as f:
            mail = f.read()
        with tempfile.TemporaryDirectory() as tmp:
            # -b: keep everything in brackets but [PATCH ...]
            try:
                info = output(["git", "mailinfo", "-b", "--no-scissors", "--encoding=UTF-8",
                               tmp + "/msg", tmp + "/diff"], input=mail.decode("utf-8"), cwd=tmp)
            except UnicodeDecodeError:
                raise Error(f"{short(path)}: not UTF-8 text: is it a patch?") from None
            with open(tmp + "/msg", encoding="utf-8") as f:
                body = f.read().strip()
            with open(tmp + "/diff", "rb") as f:
                self.diff = f.read()
        field = dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)
        for key in ("Author", "Email", "Subject", "Date"):
            if not field.get(key):
                raise Error(f"{short(path)}: malformed: no {'From' if key != 'Subject' and key != 'Date' else key}: "
                            "line in its head; it must be a mail as git format-patch writes it")
        self.author, self.email, self.date = field["Author"], field["Email"], field["Date"]
        self.message = field["Subject"] + "\n" + ("\n" + body + "\n" if body else "")
        self.named = trailer(self.message)

    def files(self):
        return re.findall(rb"^diff --git a/(\S+) b/", self.diff, re.M)


def trailer(message):
    named = []
    for line in re.findall(r"^New-files:[ \t]*(.+)$", message, re.M | re.I):
        named += [n.rstrip("/") for n in re.split(r"[\s,]+", line) if n]
    return named


def assign(patches, base):
    """Which new files does each patch bring?  Every one must have exactly one owner."""
    files = new_files()
    owner = {}
    for p in patches:
        for n in p.named:
            hit = [f for f in files if f == n or f.startswith(n + "/")]
            if not hit:
                raise Error(f"{p.name}: New-files: {n} is not in this repository: "
                            "correct the trailer or add the file")
            for f in hit:
                # The longer name wins: a file may be taken out of a directory
                old = owner.get(f)
                if old and len(old[1]) == len(n):
                    raise Error(f"{f}: named by New-files: in {old[0].name} and in {p.name}: "
                                "name it in one patch")
                if not old or len(n) > len(old[1]):
                    owner[f] = (p, n)
    for f in files:
        if f not in owner and patches:
            raise Error(f"{f} is in no patch: name it with New-files: in the patch that brings it")
    if files:
        there = git("ls-tree", "-r", "--name-only", base, "--", *files).split("\n")[0]
        if there:
            raise Error(f"{there} exists in the base kernel: make the edit a patch, not a new file")
    return {f: p for f, (p, _) in owner.items()}


def blob(path, write=False):
    """The git blob of a file of this repository"""
    if os.path.islink(path):
        data = os.readlink(path).encode()
    else:
        with open(path, "rb") as f:
            data = f.read()
    if write:
        return git("hash-object", "-w", "--no-filters", "--stdin", input=data, text=False).decode().strip()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def mode(path):
    st = os.lstat(path)
    return "120000" if stat.S_ISLNK(st.st_mode) else "100755" if st.st_mode & 0o100 else "100644"


def describe_failure(text, patch):
    """From git apply's words: which file?"""
    m = re.search(r"error: patch failed: (\S+?):(\d+)", text)
    if m:
        return f"{m[1]} line {m[2]}"
    m = re.search(r"error: (\S+?): (does not exist in index|already exists in index|.*)", text)
    if m and m[1] not in ("corrupt", "No", "patch", "git"):
        return f"{m[1]} ({m[2]})"
    m = re.search(r"error: (.*)", text)
    files = ", ".join(f.decode() for f in patch.files()[:1])
    return f"{files or 'its diff'} ({m[1] if m else text.strip()})"


def git_apply(patch, env, *options):
    """Apply a patch's diff to an index; returns what git says if it can't"""
    r = subprocess.run(["git", "-C", LINUX, "apply", "--cached", "--whitespace=nowarn", *options, "-"],
                       input=patch.diff, stderr=subprocess.PIPE, check=False, env=dict(os.environ, LC_ALL="C", **env))
    return r.stderr.decode(errors="replace") if r.returncode else None


def as_brought(patches, owner):
    """The new files that patches edit after one has brought them, as they are before: {path: blob}"""
    files = sorted({f.decode() for p in patches for f in p.files()} & set(owner))
    if not files:
        return {}
    with tempfile.TemporaryDirectory() as tmp:
        env = {"GIT_INDEX_FILE": os.path.join(tmp, "index")}
        git("read-tree", "--empty", env=env)
        git("update-index", "--add", "--index-info", env=env, input="".join(
            f"{mode(ours(f))} {blob(ours(f), True)}\t{f}\n" for f in files))
        for p in reversed(patches):
            mine = [f"--include={f}" for f in map(bytes.decode, p.files())
                    if f in owner and patches.index(owner[f]) < patches.index(p)]
            wrong = mine and git_apply(p, env, "-R", *mine)
            if wrong:
                raise Error(f"{short(PATCHES)}/{p.name} can't be taken out of {describe_failure(wrong, p)}, which was "
                            "edited here: make the same edit in the patch; nothing was changed")
        lines = git("ls-files", "-s", "-z", env=env).split("\0")
    return {x.split("\t", 1)[1]: x.split()[1] for x in lines if x}


def exists_in(env, path):
    """Does an index have this file?"""
    return bool(git("ls-files", "--", path, env=env))


def build_commits(base, version):
    """The whole branch as git objects, nothing visible: returns its last commit."""
    parts = series_names()
    patches = [Patch(n) for n in sum(parts, [])]
    owner = assign(patches, base)
    before = as_brought(patches, owner)
    commit = base
    with tempfile.TemporaryDirectory() as tmp:
        env = {"GIT_INDEX_FILE": os.path.join(tmp, "index")}
        git("read-tree", base, env=env)
        for i, p in enumerate(patches):
            if p.diff.strip():
                # A patch may create what a later one brings, as it is until then
                early = [f for f in map(bytes.decode, p.files()) if f in owner and owner[f] not in patches[:i]
                         and not exists_in(env, f) and not re.search(rb"^diff .* b/%s\nnew file" % re.escape(f.encode()), p.diff, re.M)]
                if early:
                    raise Error(f"{p.name}: edits {early[0]}, a new file that no patch before it brings: edit the file itself")
                wrong = git_apply(p, env)
                if wrong:
                    where = describe_failure(wrong, p)
                    raise Error(f"{short(PATCHES)}/{p.name} does not apply to {where} of "
                                f"{BASE['BASE_PACKAGE']} {version} (made for {BASE['BASE_VERSION']}): "
                                "correct the patch; nothing was changed")
            info = "".join(f"{mode(ours(f))} {before.get(f) or blob(ours(f), True)}\t{f}\n"
                           for f, o in sorted(owner.items()) if o is p)
            if info:
                git("update-index", "--add", "--index-info", env=env, input=info)
            elif not p.diff.strip():
                raise Error(f"{p.name}: changes nothing: no diff and no New-files: line")
            tree = git("write-tree", env=env).strip()
            who = {"GIT_AUTHOR_NAME": p.author, "GIT_AUTHOR_EMAIL": p.email, "GIT_AUTHOR_DATE": p.date,
                   "GIT_COMMITTER_NAME": p.author, "GIT_COMMITTER_EMAIL": p.email,
                   "GIT_COMMITTER_DATE": p.date}
            commit = git("commit-tree", tree, "-p", commit, "-F", "-", env=who, input=p.message).strip()
    return commit


# --- another tree -----------------------------------------------------------

def tree_version(tree):
    """VERSION.PATCHLEVEL of a kernel tree, as two numbers"""
    try:
        with open(os.path.join(tree, "Makefile"), encoding="utf-8", errors="replace") as f:
            found = dict(re.findall(r"^(VERSION|PATCHLEVEL) *= *(\d+)", f.read(4000), re.M))
        return int(found["VERSION"]), int(found["PATCHLEVEL"])
    except (OSError, KeyError):
        raise Error(f"LINUX={tree}: not a kernel source tree: no VERSION and PATCHLEVEL in its Makefile") from None


def nearest(version):
    """The series of the newest base that is not newer than this; else the oldest"""
    have = sorted(tuple(map(int, n.split("."))) for n in os.listdir(os.path.join(ROOT, "patches"))
                  if re.fullmatch(r"\d+\.\d+", n) and os.path.exists(os.path.join(ROOT, "patches", n, "series")))
    if not have:
        raise Error("patches/ has no series")
    return ".".join(map(str, max([v for v in have if v <= version], default=have[0])))


def try_tree(tree):
    """Each patch in its turn, file by file: what does not apply is left out, and told."""
    tree = os.path.abspath(os.path.expanduser(tree))
    version = tree_version(tree)
    if not os.environ.get("SERIES"):
        os.environ["SERIES"] = nearest(version)
        # Another series: all paths are others
        return subprocess.run([tool("series"), "try", tree], check=False).returncode
    names = sum(series_names(), [])
    patches = [Patch(n) for n in names]
    mine = new_files()
    touched = {f.decode() for p in patches for f in p.files()}
    wrong, files = [], 0
    with tempfile.TemporaryDirectory() as tmp:
        repository = os.path.join(tmp, "tree")
        output(["git", "init", "-q", repository])

        def run(*args, **kw):
            return subprocess.run(["git", "-C", repository, *args], check=False, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, env=dict(os.environ, LC_ALL="C"), **kw)

        index = []
        for f in sorted(touched | set(mine)):
            source = ours(f) if f in mine else os.path.join(tree, f)
            if f in mine and os.path.lexists(os.path.join(tree, f)):
                wrong.append(f"{f}: exists there, and is a new file of the series")
            if os.path.isfile(source) and f in touched:
                with open(source, "rb") as content:
                    blob_id = run("hash-object", "-w", "--no-filters", "--stdin", input=content.read()).stdout.decode().strip()
                index.append(f"100644 {blob_id}\t{f}\n")
        run("update-index", "--add", "--index-info", input="".join(index).encode())
        # New files are here as the last patch leaves them
        for p in reversed(patches):
            for f in (x.decode() for x in p.files()):
                if f in mine:
                    run("apply", "--cached", "-R", f"--include={f}", "-", input=p.diff)
        failed = {}
        for p in patches:
            said = []
            for f in (x.decode() for x in p.files()):
                files += 1
                r = run("apply", "--cached", "--whitespace=nowarn", f"--include={f}", "-", input=p.diff)
                if r.returncode:
                    where = describe_failure(r.stderr.decode(errors="replace"), p)
                    said.append(where + (f", which {failed[f]} edits, too" if f in failed else ""))
                    failed.setdefault(f, p.name.split("-")[0])
            word = f"does not apply: {'; '.join(said)}" if said else "applies" if p.diff.strip() else "brings new files"
            print(f"{p.name.removesuffix('.patch')}: {word}")
            if said:
                wrong.append(p.name)
    print("\n".join(w for w in wrong if ": " in w), end="\n" if any(": " in w for w in wrong) else "")
    bad = sum(": " not in w for w in wrong)
    print(f"{short(PATCHES)} on {tree} ({version[0]}.{version[1]}): "
          f"{len(patches) - bad} of {len(patches)} patches apply without fuzz"
          + (f", {bad} do not" if bad else ""))
    return 1 if wrong else 0


# --- the work tree ----------------------------------------------------------

def edits():
    """Paths whose work-tree content is not that of HEAD: {path: status}"""
    if not os.path.exists(os.path.join(LINUX, ".git", "index")):
        return {}
    out = {}
    fields = git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=no").split("\0")
    for entry in fields:
        if entry:
            out[entry[3:]] = entry[:2]
    # Debian's .gitignore ignores the whole tree ("/*"): look for new files with
    # patterns of our own.  Builds are out of tree, so there is little to leave out.
    skip = [a for p in LEFTOVERS for a in ("-x", p)]
    for f in git("ls-files", "-o", "-z", *skip).split("\0"):
        if f:
            out[f] = "??"
    return out


def load_sync():
    try:
        with open(SYNC, encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return {}


def save_sync(record):
    ui.write_json(SYNC, record, indent=0, sort_keys=True)


def tree_blob(f):
    path = os.path.join(LINUX, f)
    return blob(path) if os.path.lexists(path) else None


def unsaved():
    """What in build/linux has not come back here: list of descriptions."""
    lost = []
    head, exported = rev("HEAD"), rev(EXPORTED)
    if head and exported and head != exported:
        n = git("rev-list", "--count", f"{exported}..{head}").strip()
        lost.append(f"{n} commit(s) that are not in {short(PATCHES)}")
    mine = set(new_files())
    for f in edits():
        if f in mine and tree_blob(f) == blob(ours(f)):
            continue
        if f in mine and tree_blob(f) == load_sync().get(f):
            continue        # not edited there, only older than here
        if f not in mine and f in load_sync() and tree_blob(f) in (load_sync()[f], None):
            continue        # was deleted here
        lost.append(f)
    return lost


def checkout(commit):
    """Move branch and work tree to commit; files that don't change keep their date."""
    mine = new_files()
    if rev("HEAD") is None:
        git("update-ref", f"refs/heads/{BRANCH}", commit)
        git("symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
        progress = Progress("Checking out the tree", "30 s")
        p = subprocess.Popen(["git", "-C", LINUX, "reset", "-q", "--hard"])
        while True:
            try:
                p.wait(1)
                break
            except subprocess.TimeoutExpired:
                progress.update()
        progress.done()
        if p.returncode:
            raise Error("git checkout failed: is the disk full? Free some, delete build/linux, run it again")
    else:
        # Files that sync copied already equal the new tree: tell the index, so
        # that reset leaves them (and their dates) alone.
        dirty = edits()
        same = [f for f in mine if f in dirty and os.path.lexists(os.path.join(LINUX, f))]
        if same:
            git("update-index", "--add", "-z", "--stdin", input="".join(f + "\0" for f in same))
        if git("rev-parse", "--abbrev-ref", "HEAD").strip() != BRANCH:
            git("update-ref", f"refs/heads/{BRANCH}", rev("HEAD"))
            git("symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
        git("reset", "-q", "--hard", commit)
    git("update-ref", EXPORTED, commit)
    tag_last(commit)
    save_sync({f: blob(ours(f)) for f in mine})


def tag_last(commit):
    parts = series_names()
    for i, tag in enumerate(LAST):
        behind = sum(len(p) for p in parts[i + 1:])
        git("update-ref", tag, git("rev-parse", f"{commit}~{behind}").strip())


def refuse_in_progress():
    for d in ("rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "MERGE_HEAD"):
        if os.path.exists(os.path.join(LINUX, ".git", d)):
            raise Error("build/linux is in the middle of a rebase, merge or cherry-pick: finish or abort it there")


def branch():
    base, version = ensure_base()
    refuse_in_progress()
    commit = build_commits(base, version)
    if rev("HEAD") == commit and rev(EXPORTED) == commit and not edits():
        tag_last(commit)
        save_sync({f: blob(ours(f)) for f in new_files()})
    else:
        if os.environ.get("FORCE") != "1":
            lost = unsaved()
            if lost:
                more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
                raise Error(f"build/linux has edits that are not here ({'; '.join(lost[:3])}{more}): "
                            "'make refresh' keeps them, FORCE=1 throws them away")
        checkout(commit)
    if version != BASE["BASE_VERSION"]:
        print(f"note: base is {version}, the series was tested with {BASE['BASE_VERSION']}")
    n = git("rev-list", "--count", f"{base}..{commit}").strip()
    print(f"{short(LINUX)}: branch {BRANCH} at {commit[:12]}: {BASE['BASE_PACKAGE']} {version} + {n} patches")


def ensure_branch():
    if not os.path.isdir(os.path.join(LINUX, ".git")) or not rev("HEAD"):
        branch()


def sync(quiet=False):
    """This repository's new files -> build/linux's work tree."""
    ensure_branch()
    record, count = load_sync(), 0
    files = new_files()
    for f in files:
        src, dst = ours(f), os.path.join(LINUX, f)
        here, there, last = blob(src), tree_blob(f), record.get(f)
        if here == there and (not os.path.lexists(dst) or mode(src) == mode(dst)):
            record[f] = here
            continue
        if there is not None and last is not None and there != last and there != here:
            if here == last:
                print(f"note: {f} was edited in build/linux; 'make refresh' brings the edit here")
                continue
            raise Error(f"{f} was edited both here and in build/linux: copy one over the other")
        os.makedirs(os.path.dirname(dst), exist_ok=True)
        if os.path.lexists(dst):
            os.unlink(dst)
        if os.path.islink(src):
            os.symlink(os.readlink(src), dst)
        else:
            # shutil.copy: content and mode; the date is now, so that make sees it
            shutil.copy(src, dst)
        record[f] = here
        count += 1
    for f in set(record) - set(files):
        # Deleted here: delete there, unless it was edited there or is the base's own
        if tree_blob(f) == record[f] and not git("ls-tree", "--name-only", "refs/tags/base", "--", f):
            os.unlink(os.path.join(LINUX, f))
            count += 1
        del record[f]
    save_sync(record)
    if count or not quiet:
        print(f"{short(LINUX)}: {count} of {len(files)} new files updated")


# --- the way back -----------------------------------------------------------

def touched_by(path, base):
    return git("log", "--format=%H", f"{base}..HEAD", "--", path).split()


def fold(base, wanted):
    """Edits of existing files in the work tree: into the commit that owns each file."""
    mine = set(new_files())
    dirty = [f for f, s in edits().items() if f not in mine and f not in load_sync()]
    added = []
    plan = {}
    commits = git("rev-list", "--reverse", f"{base}..HEAD").split()
    for f in dirty:
        if not git("ls-tree", "--name-only", base, "--", f):
            if f.startswith(KERNEL_DIRS) and os.path.exists(os.path.join(LINUX, f)):
                added.append(f)
                continue
            raise Error(f"{f} in build/linux: not a file of the base nor one for this repository: delete or ignore it")
        if wanted:
            if not wanted.isdigit() or not 1 <= int(wanted) <= len(commits):
                raise Error(f"PATCH={wanted}: no such patch: give a number from 1 to {len(commits)}")
            plan.setdefault(commits[int(wanted) - 1], []).append(f)
            continue
        who = touched_by(f, base)
        if len(who) != 1:
            names = "no patch touches" if not who else f"{len(who)} patches touch"
            raise Error(f"{f} was edited in build/linux and {names} it: say which with PATCH=NNNN, or commit there")
        plan.setdefault(who[0], []).append(f)
    return plan, added, commits


def rewrite(base, plan, commits):
    """New commits with the edits of plan folded in.  Returns the new head, or raises."""
    if not plan:
        return rev("HEAD")
    parent, started = base, False
    with tempfile.TemporaryDirectory() as tmp:
        env = {"GIT_INDEX_FILE": os.path.join(tmp, "index")}
        pending = {}        # path -> diff of the edit, to be carried through the later commits
        for c in commits:
            if c in plan:
                started = True
            if not started:
                parent = c
                continue
            # This commit's own change on top of what was made so far, by a
            # merge: edits of the same lines conflict and are refused.
            if c in plan:
                for f in plan[c]:
                    pending[f] = git("diff", "--binary", "HEAD", "--", f, text=False)
            git("read-tree", c, env=env)
            for f, diff in pending.items():
                r = subprocess.run(["git", "-C", LINUX, "apply", "--cached", "--3way",
                                    "--whitespace=nowarn", "-"], input=diff, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, check=False, env=dict(os.environ, **env))
                if r.returncode:
                    raise Error(f"the edit of {f} does not fit into {c[:12]}: commit it in build/linux "
                                "with git rebase, then 'make refresh'")
            tree = git("write-tree", env=env).strip()
            raw = git("show", "-s", "--format=%an%n%ae%n%ad%n%B", "--date=raw", c)
            an, ae, ad, message = raw.split("\n", 3)
            parent = git("commit-tree", tree, "-p", parent, "-F", "-", input=message.strip() + "\n", env={
                "GIT_AUTHOR_NAME": an, "GIT_AUTHOR_EMAIL": ae, "GIT_AUTHOR_DATE": ad,
                "GIT_COMMITTER_NAME": an, "GIT_COMMITTER_EMAIL": ae, "GIT_COMMITTER_DATE": ad}).strip()
    return parent


def write_if_changed(path, data, executable=False):
    try:
        with open(path, "rb") as f:
            if f.read() == data and bool(os.stat(path).st_mode & 0o100) == executable:
                return False
    except OSError:
        pass
    ui.replace(path, data)
    os.chmod(path, 0o755 if executable else 0o644)
    return True


def refresh(args):
    ensure_branch()
    refuse_in_progress()
    wanted = os.environ.get("PATCH", "")
    for a in args:
        wanted = a.removeprefix("PATCH=")
    base, _ = ensure_base()
    if git("merge-base", base, "HEAD").strip() != base:
        raise Error("build/linux's HEAD does not descend from the base: check out the branch there")
    if git("rev-list", "--merges", f"{base}..HEAD").strip():
        raise Error("the branch in build/linux has merges: make it linear")
    plan, added, commits = fold(base, wanted)
    head = rewrite(base, plan, commits)

    # 1. new files: what differs there and was not changed here comes back
    record, mine = load_sync(), set(new_files())
    in_head = set(git("diff", "--name-only", "--no-renames", "--diff-filter=A", base, head).split("\n")) - {""}
    exported = {}
    if git("for-each-ref", EXPORTED).strip():
        for line in git("ls-tree", "-r", EXPORTED, "--", *sorted(in_head | mine)).splitlines():
            meta, f = line.split("\t", 1)
            exported[f] = meta.split()[2]
    copy = []
    for f in sorted(in_head | set(added) | (mine & set(record))):
        there = tree_blob(f)
        here = blob(ours(f)) if f in mine else None
        if there == here or there is None and f not in mine:
            continue
        if there is None:
            if f in in_head or here != record.get(f):
                continue
            raise Error(f"{f} was deleted in build/linux: delete it here too (git rm), or 'make branch FORCE=1'")
        if there == record.get(f):
            continue            # edited here, not there
        if there == exported.get(f) and here is not None:
            continue            # as the branch was made; what is here came later
        if here is not None and f in record and here != record[f]:
            raise Error(f"{f} was edited both here and in build/linux: copy one over the other")
        copy.append(f)

    # 2. patches
    # Where B and C begin, and with which subjects they may
    out, names, last = {}, [], [None, None]
    log = git("rev-list", "--reverse", f"{base}..{head}").split()
    brings = {f: c for c in log for f in trailer(git("show", "-s", "--format=%B", c))}
    parts = [[Patch(n) for n in part] for part in series_names()]
    subjects = [{p.message.split("\n", 1)[0] for p in part} for part in parts]
    grown = {p.message.split("\n", 1)[0] for p in parts[0] if mine & {f.decode() for f in p.files()}}
    with tempfile.TemporaryDirectory() as tmp:
        for c in log:
            fresh = set(git("diff-tree", "--no-commit-id", "--name-only", "--no-renames", "-r",
                            c).split("\n")) - {""}
            new = {f for f in fresh if not git("ls-tree", "--name-only", base, "--", f)}
            first = set(git("diff-tree", "--no-commit-id", "--name-only", "--no-renames",
                            "--diff-filter=A", "-r", c).split("\n")) - {""}
            # One patch may create a file as it is until a later one brings it
            early = {f for f in first & new if brings.get(f, c) != c and log.index(brings[f]) > log.index(c)}
            first = first - early | {f for f in new if brings.get(f) == c}
            message = git("show", "-s", "--format=%B", c).strip() + "\n"
            subject = message.split("\n", 1)[0]
            if last[0] is None and subject in subjects[1] | subjects[2]:
                last[0] = len(names)
            if last[1] is None and subject in subjects[2]:
                last[1] = len(names)
            # What B and C edit of new files is a part of their patches, and of A what brings
            # others, or did so before; other edits are the files' own
            edited = new - first
            if last[0] is None and not first and subject not in grown:
                edited = early
                if new and not early and not fresh - new:
                    print(f"note: '{subject}' only edits new files: folded into them, no patch")
                    continue
            named = trailer(message)
            lack = sorted(f for f in first & new
                          if not any(f == n or f.startswith(n + "/") for n in named))
            if lack:
                message = add_trailers(message, lack)
                print(f"note: {subject}: added New-files: for {' '.join(lack)}")
            i = len(names) + 1
            slug = re.sub(r"[^A-Za-z0-9._]+", "-", subject).strip("-.")[:60].rstrip("-.")
            name = f"{i:04d}-{slug}.patch"
            out[name] = mail(c, message, sorted(fresh - new | edited), tmp)
            names.append(name)

    # 3. only now write
    changed = 0
    for f in copy:
        src = os.path.join(LINUX, f)
        with open(src, "rb") as s:
            changed += write_if_changed(ours(f), s.read(), mode(src) == "100755")
    for name, data in out.items():
        changed += write_if_changed(os.path.join(PATCHES, name), data)
    if names or os.path.isdir(PATCHES):
        os.makedirs(PATCHES, exist_ok=True)
        lines = [n + "\n" for n in names]
        for mark, at in reversed([*zip(MARKS, last)]):
            if at is not None:
                lines.insert(at, mark + "\n")
        changed += write_if_changed(os.path.join(PATCHES, "series"), "".join(lines).encode())
        for old in os.listdir(PATCHES):
            if old.endswith(".patch") and old not in out:
                os.unlink(os.path.join(PATCHES, old))
                changed += 1
    print(f"{short(PATCHES)}: {len(names)} patches, {len(copy)} new files copied, {changed} files changed here")
    # 4. the branch as `make branch` would make it; the work tree equals it already
    commit = build_commits(base, installed_version())
    checkout(commit)
    print(f"{short(LINUX)}: branch {BRANCH} at {commit[:12]}")


def add_trailers(message, files):
    lines = message.rstrip("\n").split("\n")
    block = [f"New-files: {f}" for f in files]
    # Before the sign-offs, if there are any
    at = len(lines)
    while at > 0 and re.match(r"[A-Za-z-]+: ", lines[at - 1]):
        at -= 1
    if at == len(lines) or at <= 1:
        return "\n".join(lines + [""] + block) + "\n"
    return "\n".join(lines[:at] + block + lines[at:]) + "\n"


def mail(commit, message, files, tmp):
    """git format-patch's form, stable: no commit name, no git version, existing files only."""
    an, ae, ad = git("show", "-s", "--format=%an%n%ae%n%aD", commit).rstrip("\n").split("\n")
    subject, _, body = message.partition("\n")
    diff = b""
    if files:
        opts = ["--no-color", "--no-ext-diff", "--full-index", "--binary", "--no-renames",
                "--diff-algorithm=histogram", "-U3", "--src-prefix=a/", "--dst-prefix=b/"]
        diffstat = git("diff", "--stat=72", "--summary", "--no-renames", f"{commit}^", commit, "--", *files)
        # index lines name blobs, which change with every base: leave them out
        raw = git("diff", *opts, f"{commit}^", commit, "--", *files, text=False)
        raw = re.sub(rb"^index [0-9a-f]{40}\.\.[0-9a-f]{40}( \d+)?\n(?=--- )", b"", raw, flags=re.M)
        diff = diffstat.encode() + b"\n" + raw
    head = f"From: {an} <{ae}>\nDate: {ad}\nSubject: [PATCH] {subject}\n"
    if not (an + subject + body).isascii():
        head += "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"
    # New files are kept beside the patches: with no others, the message is all
    return (head + "\n" + body.strip("\n") + "\n").encode() + (b"---\n" + diff if diff else b"")


# --- checks -----------------------------------------------------------------

def check_apply():
    base, version = ensure_base()
    commit = build_commits(base, version)
    # The tree that gets built and tested is build/linux's work tree after sync
    sync(quiet=True)
    with tempfile.TemporaryDirectory() as tmp:
        env = {"GIT_INDEX_FILE": os.path.join(tmp, "index")}
        shutil.copy(os.path.join(LINUX, ".git", "index"), tmp)
        git("add", "-A", "-f", "--", *{*edits()}, env=env) if edits() else None
        tested = git("write-tree", env=env).strip()
    want = git("rev-parse", commit + "^{tree}").strip()
    if tested != want:
        diff = git("diff", "--stat", want, tested).splitlines()
        raise Error(f"build/linux is not what the series gives ({diff[0].strip()}"
                    f"{' ...' if len(diff) > 2 else ''}): 'make branch' or 'make refresh'")
    r = subprocess.run(["git", "-C", LINUX, "diff", "--check", base, commit], check=False,
                       stdout=subprocess.PIPE, text=True)
    # A heading of seven "=" in reST is no conflict marker
    bad = [x for x in r.stdout.splitlines() if re.match(r"\S+:\d+: ", x)
           and not re.match(r"\S+\.rst:\d+: leftover conflict marker", x)]
    if bad:
        raise Error(f"white space error in {bad[0]}: correct it")
    n = git("rev-list", "--count", f"{base}..{commit}").strip()
    print(f"{n} patches apply without fuzz to {BASE['BASE_PACKAGE']} {version}; tree {want[:12]} is the tested one")


def config_of(odir):
    with open(os.path.join(odir, ".config"), encoding="utf-8") as f:
        return {line.split("=")[0] for line in f if line.startswith("CONFIG_")}


def objects(tree, source):
    """The objects that a source file goes into: its own, and those of the files that include it"""
    directory, name = os.path.split(source)
    r = subprocess.run(["git", "-C", tree, "grep", "-lE", rf'^#include "{re.escape(name)}"', "--",
                        f":(glob){directory}/*.c"], check=False, stdout=subprocess.PIPE, text=True)
    return [re.sub(r"\.[cS]$", ".o", f) for f in [source, *r.stdout.split()]]


def enabled(tree, path, config):
    """Would Kbuild build this object (or directory/)?  Reads the Makefiles on the way."""
    directory, name = os.path.split(path.rstrip("/"))
    isdir = path.endswith("/")
    text = ""
    for mk in ("Kbuild", "Makefile"):
        p = os.path.join(tree, directory, mk)
        if os.path.exists(p):
            with open(p, encoding="utf-8") as f:
                text = f.read().replace("\\\n", " ").replace("$(BITS)", "64" if "CONFIG_64BIT" in config else "32")
            break
    target = name + ("/" if isdir else "")
    found = re.findall(r"^[ \t]*([A-Za-z0-9_.$()/-]+)\s*[:+]?=([^\n]*(?<![\w./-])" + re.escape(target)
                       + r"(?![\w.-])[^\n]*)", text, re.M)
    here = False
    for var, _ in found:
        m = re.search(r"\$\((CONFIG_\w+)\)", var)
        if m and m[1] not in config:
            continue
        stem = re.match(r"([\w-]+?)-(?:y|objs|\$\(CONFIG_\w+\))$", var)
        if stem and stem[1] not in ("obj", "lib", "core", "extra", "always", "libs", "drivers", "mmu"):
            if not enabled(tree, os.path.join(directory, stem[1] + ".o"), config):
                continue
        here = True
    if not here:
        return False
    # The top-level Makefile itself names these
    if directory in ("", "lib") or directory.startswith("arch/") and directory.count("/") <= 1 \
            or directory == "arch/x86/lib":
        return True
    return enabled(tree, directory + "/", config)


def compiled(files):
    """Those of files that a kernel is compiled from"""
    return [f for f in files if re.search(r"\.[cS]$", f)
            and not f.startswith(("tools/", "Documentation/", "scripts/", "samples/"))
            and "/tools/" not in f and "/boot/" not in f]


def print_objects(odir):
    base, _ = ensure_base()
    config = config_of(odir)
    arch = "arch/x86/" if "CONFIG_X86" in config else "arch/none/"
    files = git("diff", "--name-only", "--diff-filter=AMT", f"{base}..HEAD").split()
    wanted = {o for f in compiled(files) for o in objects(LINUX, f)
              if not f.startswith("arch/") or f.startswith(arch)}
    print("\n".join(sorted(o for o in wanted if enabled(LINUX, o, config))))


# No patch touches it, and several patches rebuild nearly all
BISECT_WITHOUT = ("NET", "UNIX", "INET", "NET_NS", "POSIX_MQUEUE", "IO_URING", "ZRAM",
                  "ANDROID_BINDER_IPC", "ANDROID_BINDERFS", "ANDROID_BINDER_DEVICES")


def part_of(commits, part):
    """Those of the Kth of N parts, for PART "K/N"; all for None"""
    if part is None:
        return commits
    m = re.fullmatch(r"(\d+)/(\d+)", part)
    if not m or int(m[1]) >= int(m[2]):
        raise Error(f"series check bisect={part}: give K/N with K from 0 to N - 1, as bisect=0/6")
    k, n = int(m[1]), int(m[2])
    return commits[len(commits) * k // n:len(commits) * (k + 1) // n]


def check_bisect(part=None):
    """
    Each commit compiles what it touches, with the feature on and off; those of A boot, and pass the KUnit
    cases that are there. PART, "K/N": these commits alone, and none is booted.
    """
    base, version = ensure_base()
    commit = build_commits(base, version)
    commits = git("rev-list", "--reverse", f"{base}..{commit}").split()
    boots = [] if part else commits[:len(series_names()[0])]
    commits = part_of(commits, part)
    tree = os.path.join(BUILD, "linux-bisect")
    if not os.path.exists(os.path.join(tree, ".git")):
        git("worktree", "prune")
        git("worktree", "add", "-f", "--detach", tree, base)
    builder = tool("build-kernel")
    logdir = os.path.join(BUILD, "log")
    os.makedirs(logdir, exist_ok=True)
    progress = Progress("Building each commit's objects, feature on and off", "5 min + 1 min a patch",
                        2 * len(commits))
    # A commit that has passed with this configuration will pass again
    with open(os.path.join(ROOT, "configs/guest.config"), "rb") as f:
        key = hashlib.sha1(f.read() + repr(BISECT_WITHOUT).encode()).hexdigest()[:12]
    known = os.path.join(BUILD, ".bisect-passed")
    passed = set()
    if os.path.exists(known):
        with open(known, encoding="utf-8") as f:
            passed = set(f.read().split("\n"))
    done, booted = 0, []
    # What has been booted has been built as well, but not the other way round
    built = " built" if part else ""
    for c in commits:
        if all({f"{c} {s} {key}", f"{c} {s} {key}{built}"} & passed for s in "yn"):
            done += 2
            continue
        subject = git("show", "-s", "--format=%s", c).strip()
        files = git("diff-tree", "--no-commit-id", "--name-only", "-r", "--diff-filter=AMT", c).split()
        added = git("diff-tree", "--no-commit-id", "--name-only", "-r", "--diff-filter=A", c).split()
        # For other processors, see lint's step arm64
        sources = [f for f in compiled(files) if not f.startswith("arch/") or f.startswith("arch/x86/")]
        headers = [f for f in files if f.endswith(".h") and not f.startswith("tools/")]
        if headers:
            # Headers alone compile nothing: a few files that include nearly all
            sources += [f for f in ("kernel/fork.c", "kernel/sched/core.c", "mm/vmstat.c") if f not in sources]
        git("-C", tree, "checkout", "-q", "--detach", c)
        for setting in "y", "n":
            done += 1
            progress.update(done - 1, subject[:50])
            log = os.path.join(logdir, f"bisect-{setting}.log")
            cmd = [builder, "--tree", tree, "--name", f"bisect-{setting}", "--no-sync",
                   *(x for o in BISECT_WITHOUT for x in ("--set", f"CONFIG_{o}=n")),
                   "--set", "CONFIG_DYNAMIC_STACK=n" if setting == "n" else "CONFIG_DYNAMIC_STACK_DEBUG=y"]
            configure(cmd, log, c, subject, setting, progress, done)
            odir = os.path.join(BUILD, f"kernel-bisect-{setting}")
            config = config_of(odir)
            targets = {t for f in sources for t in objects(tree, f) if enabled(tree, t, config)}
            targets = sorted(targets)
            for f in sources:
                # Without a Makefile beside it, another file includes it
                alone = os.path.exists(os.path.join(tree, os.path.dirname(f), "Makefile"))
                if setting == "y" and alone and not set(objects(tree, f)) & set(targets):
                    print(f"note: {f} of '{subject}' is in no object of this configuration")
            if targets:
                configure(cmd + ["--no-config", "--targets", " ".join(targets)], log, c, subject,
                          setting, progress, done)
            if setting == "y" and targets and c in boots:
                configure(cmd + ["--no-config", "--targets", "bzImage"], log, c, subject, setting, progress, done)
                booted.append(f"{boot(odir, subject, any(f.endswith('_test.c') for f in added))}: {subject}")
            with open(known, "a", encoding="utf-8") as f:
                f.write(f"{c} {setting} {key}{built}\n")
    progress.done()
    what = f"{len(commits)} commits" + (f", part {part}," if part else "")
    print("\n".join([*booted, f"{what} build what they touch, DYNAMIC_STACK=y and =n"]))


def boot(odir, subject, brings):
    """Boot a commit's kernel, with its KUnit cases, of which it must have some if it brings such: -> how it went"""
    initramfs = os.path.join(BUILD, "initramfs.cpio.gz")
    if not os.path.exists(initramfs):
        output([tool("mkinitramfs")])
    console = os.path.join(BUILD, "log/bisect-boot.console")
    r = subprocess.run([tool("vm"), "--kernel", os.path.join(odir, "arch/x86/boot/bzImage"), "--initrd", initramfs,
                        "--label", "bisect", "--timeout", "300", "--smp", "2", "--log", console, "--append",
                        "dynamic_stack=on kunit.enable=1 kunit.filter_glob=dynamic[-_]stack*", "--cmd",
                        "for i in $(seq 20); do sleep 2 & done; wait; /bin/true | cat; grep KernelStack /proc/meminfo"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, text=True)
    if r.returncode:
        raise Error(f"commit '{subject}' does not boot: "
                    f"{(r.stderr.strip().splitlines() or ['no message'])[-1]} (log: {short(console)})")
    with open(console, encoding="utf-8", errors="replace") as f:
        suites = ktap.suites(f.read().replace("\r", "").splitlines())
    cases = [c for suite in suites for c in suite["test_cases"]]
    failed = [c["name"] or "not-run" for c in cases if c["status"] not in ("PASS", "SKIP")]
    if failed or brings and not cases:
        raise Error(f"commit '{subject}': KUnit: {' '.join(failed) or 'no case ran'} (log: {short(console)})")
    return f"boots, {sum(c['status'] == 'PASS' for c in cases)} KUnit cases pass"


def configure(cmd, log, commit, subject, setting, progress, done):
    if "--targets" not in cmd:
        cmd = cmd + ["--config-only"]
    with open(log, "a", encoding="utf-8") as f:
        f.write(f"=== {commit[:12]} {subject} =={setting}: {' '.join(cmd)}\n")
        f.flush()
        p = subprocess.Popen(cmd, stdout=f, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        while True:
            try:
                p.wait(1)
                break
            except subprocess.TimeoutExpired:
                progress.update(done - 1, subject[:50])
    if p.returncode:
        with open(log, encoding="utf-8", errors="replace") as f:
            lines = [x for x in f.read().split("\n=== ")[-1].splitlines() if re.search(r"[Ee]rror", x)]
        lines = [x for x in lines if x.startswith("error:")] + lines
        raise Error(f"commit '{subject}' does not build with DYNAMIC_STACK={setting}: "
                    f"{lines[0].strip() if lines else 'no message'} ({log})")
    if "--targets" in cmd:
        with open(os.path.join(BUILD, "log", f"build-bisect-{setting}.log"), encoding="utf-8", errors="replace") as f:
            warned = [x.strip() for x in f if re.search(r"\bwarning: |^WARNING: ", x)]
        if warned:
            raise Error(f"commit '{subject}' warns with DYNAMIC_STACK={setting}: {warned[0]}")


def finish_mail(path, signoff):
    """Leave out what only this repository needs, and let a person sign."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    head, cut, diff = text.partition("\n---\n")
    head = re.sub(r"^New-files: .*\n", "", head, flags=re.M)
    if signoff:
        author = re.search(r"^From: (.*(?:\n .*)*)", head, re.M)
        who = re.sub(r"\n +", " ", author[1])
        head = head.replace(author[0], "From: " + signoff, 1)
        head = head.replace("\nSigned-off-by: " + who, "\nSigned-off-by: " + signoff)
    # A trailer that stood between may leave two empty lines
    with open(path, "w", encoding="utf-8") as f:
        f.write(re.sub(r"\n{3,}(?=[A-Z][A-Za-z-]+-by: )", "\n\n", head) + cut + diff)


def mail_series(args):
    signoff = os.environ.get("SIGNOFF", "")
    if signoff and not re.fullmatch(r"[^<>]+ <[^<>@ ]+@[^<>@ ]+>", signoff):
        raise Error(f"SIGNOFF={signoff}: give a name and an address: SIGNOFF='A. Name <a.name@example.org>'")
    ensure_branch()
    base, version = ensure_base()
    if rev("HEAD") != build_commits(base, version):
        raise Error("build/linux is not what the patches give: 'make branch' or 'make refresh' first")
    out = os.path.abspath(args[0]) if args else os.path.join(BUILD, "series")
    shutil.rmtree(out, ignore_errors=True)
    ends = [base, *(rev(x) for x in LAST), rev("HEAD")]
    for part, first, last in zip("abc", ends, ends[1:]):
        if first != last:
            mail_part(os.path.join(out, part), part, first, last, signoff)


def mail_part(out, part, first, last, signoff):
    os.makedirs(out)
    template = os.path.join(PATCHES, "cover-letter.txt" if part == "a" else f"cover-letter-{part}.txt")
    cmd = ["format-patch", "-q", "--rfc", "-o", out, "--no-signature", "-M", f"--base={first}", f"{first}..{last}"]
    if os.path.exists(template):
        cmd.insert(1, "--cover-letter")
    git(*cmd)
    if os.path.exists(template):
        with open(template, encoding="utf-8") as f:
            subject, _, text = f.read().strip().partition("\n")
        path = os.path.join(out, "0000-cover-letter.patch")
        with open(path, encoding="utf-8") as f:
            cover = f.read()
        cover = cover.replace("*** SUBJECT HERE ***", subject.removeprefix("Subject:").strip())
        cover = cover.replace("*** BLURB HERE ***", text.strip())
        with open(path, "w", encoding="utf-8") as f:
            f.write(cover)
        finish_mail(path, signoff)
    else:
        print(f"note: no cover letter: {short(template)} does not exist")
    for name in sorted(os.listdir(out)):
        if not name.startswith("0000-"):
            finish_mail(os.path.join(out, name), signoff)
    print(f"{short(out)}: {len(os.listdir(out))} mails")


def changed_lines():
    """What each series does to files of the base: {"a": {"added", "removed", "files"}, "b", "c"}"""
    base, _ = ensure_base()
    existing = git("diff", "--name-only", "--no-renames", "--diff-filter=MD", base, "HEAD").split()
    out = {}
    ends = [base, *LAST, "HEAD"]
    for part, first, last in zip("abc", ends, ends[1:]):
        stat = [x.split() for x in git("diff", "--numstat", "--no-renames", first, last, "--", *existing).splitlines()]
        out[part] = {"added": sum(int(x[0]) for x in stat), "removed": sum(int(x[1]) for x in stat),
                     "files": len(stat)}
    return out


def print_lines():
    ensure_branch()
    for part, n in changed_lines().items():
        print(f"series {part.upper()}: {n['added']} lines added and {n['removed']} removed in {n['files']} existing files")


def status():
    ensure_branch()
    lost = unsaved()
    print("\n".join(lost) if lost else "build/linux has nothing that is not here")


def main():
    command, args = (sys.argv[1:2] or ["help"])[0], sys.argv[2:]
    if command in ("help", "-h", "--help"):
        print(__doc__.strip())
        return 0
    # Called from a git hook: those would point to the wrong repository
    for name in "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX":
        os.environ.pop(name, None)
    os.makedirs(BUILD, exist_ok=True)
    with open(os.path.join(BUILD, ".series-lock"), "w", encoding="utf-8") as lock:
        if command not in ("check", "mail", "objects", "try"):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                print("waiting for another 'series' to finish", flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
        if command == "branch":
            branch()
        elif command == "refresh":
            refresh(args)
        elif command == "sync":
            sync("-q" in args)
        elif command == "status":
            status()
        elif command == "lines":
            print_lines()
        elif command == "mail":
            mail_series(args)
        elif command == "try" and len(args) == 1:
            return try_tree(args[0])
        elif command == "objects" and len(args) == 1:
            print_objects(args[0])
        elif command == "check":
            if not args or "apply" in args:
                check_apply()
            for arg in args or ["bisect"]:
                name, _, part = arg.partition("=")
                if name == "bisect":
                    check_bisect(part or None)
        else:
            raise Error(f"series {command}: no such command: 'series help' lists them")
    return 0
