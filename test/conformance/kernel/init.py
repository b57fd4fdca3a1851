#!/usr/bin/python3
"""The first and only process of the virtual machine: mounts the share by cifs.ko and runs the file operations.

The second serial port is the way to the runner (run.ts). Each result is a line `= OPERATION<TAB>RESULT`. The line
`! restart` asks the runner to kill the server and to start it again, and the runner sends a line when it is done. The
last line is `# end`. A result has nothing that differs between two runs on the same server: no inode, no time, no count
of blocks.
"""
import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import traceback
import tty

SECONDS = 180
libc = ctypes.CDLL(None, use_errno=True)
setting = {}


def mount(source, target, kind, options=""):
    os.makedirs(target, exist_ok=True)
    if libc.mount(source.encode(), target.encode(), kind.encode(), 0, options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def run(*args, cwd=None, env=None):
    """The exit code and the output of a program."""
    done = subprocess.run(
        args, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, errors="surrogateescape"
    )
    return done.returncode, done.stdout.strip()


def name_of(error):
    if isinstance(error, subprocess.TimeoutExpired):
        return "timeout"
    number = getattr(error, "errno", None)
    return errno.errorcode.get(number, str(error)) if number is not None else f"{type(error).__name__}: {error}"


class Port:
    def __init__(self, path):
        self.descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.descriptor)
        self.pending = b""

    def write(self, line):
        data = (line.encode("utf8", "backslashreplace") + b"\n")
        while data:
            data = data[os.write(self.descriptor, data):]

    def read(self):
        while b"\n" not in self.pending:
            self.pending += os.read(self.descriptor, 256)
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode()


port = None
operations = []


def operation(body):
    operations.append(body)
    return body


def tell(what, result):
    text = str(result).replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    port.write(f"= {what}\t{text}")


def attempt(what, body):
    """Tells the result of a step, or the name of its error."""
    try:
        result = body()
    except Exception as error:  # The error is the result.
        result = f"error {name_of(error)}"
    tell(what, result)


def put(path, data=b"", mode="wb"):
    with open(path, mode) as file:
        file.write(data)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def fresh(path):
    """The bytes that the server has, read without the cache of the mount.

    Linux 6.12 can show zeros for what another mount has appended: it assumes that nothing follows the size that it knew.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, 65536) as memory:
            return memory[:os.preadv(descriptor, [memory], 0)]
    finally:
        os.close(descriptor)


def soon(body):
    """Whether something becomes true within 20 seconds."""
    for _ in range(200):
        if body():
            return True
        time.sleep(0.1)
    return False


def digest(folder):
    """The checksum of all names, kinds and bytes below a folder."""
    total = hashlib.sha256()
    count = 0
    for here, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files + folders):
            path = os.path.join(here, name)
            total.update(os.path.relpath(path, folder).encode("utf8", "surrogateescape"))
            if os.path.isfile(path):
                total.update(get(path))
            count += 1
    return f"{count} {total.hexdigest()[:16]}"


def block(seed, size):
    """Bytes that depend on a seed alone."""
    found = hashlib.shake_128(str(seed).encode()).digest(min(size, 4096))
    return (found * (size // 4096 + 1))[:size]


def make_tree(folder):
    for i, size in enumerate([0, 1, 511, 4096, 4097, 65536, 70001, 300000]):
        here = os.path.join(folder, f"d{i % 3}", f"e{i}")
        os.makedirs(here)
        for copy in range(3):
            path = os.path.join(here, f"file {copy}.dat")
            put(path, block((i, copy), size))
            os.utime(path, ns=(1_600_000_000_000_000_000, 1_500_000_000_123_456_700 + i * 100))


def place(name, below="/a"):
    path = os.path.join(below, name)
    os.makedirs(path)
    return path


@operation
def copy():
    here = place("copy")
    tell("copy cp -a", run("cp", "-a", "/tree", here + "/tree"))
    tell("copy checksum on the other mount", digest("/b/copy/tree"))
    tell("copy is whole", digest("/tree") == digest(here + "/tree"))
    attempt("copy times", lambda: os.stat(here + "/tree/d0/e0/file 0.dat").st_mtime_ns)
    put(here + "/large", block("large", 24 << 20))
    tell("copy 24 MiB on the other mount", hashlib.sha256(get("/b/copy/large")).hexdigest()[:16])
    tell("copy rm -r", run("rm", "-r", here + "/tree"))
    tell("copy left", sorted(os.listdir(here)))


@operation
def archive():
    here = place("tar")
    tell("tar extract", run("sh", "-c", f"tar cf - -C / tree | tar xf - -C {here}"))
    tell("tar checksum", digest(here + "/tree"))
    tell("tar create", run("tar", "cf", here + "/tree.tar", "-C", "/", "tree"))
    tell("tar compare", run("tar", "df", here + "/tree.tar", "-C", "/"))


@operation
def rsync():
    here = place("rsync")
    os.makedirs("/rsync")
    put("/rsync/one", b"one")
    put("/rsync/two", b"two")
    os.mkdir("/rsync/folder")
    # Always another time than that of the new folder on the share.
    os.utime("/rsync", (1_600_000_000, 1_600_000_000))
    first = run("rsync", "-aX", "-i", "--no-perms", "--no-owner", "--no-group", "/rsync/", here + "/")
    tell("rsync -aX", first)
    tell("rsync -aX again", run("rsync", "-aX", "-i", "--no-perms", "--no-owner", "--no-group", "/rsync/", here + "/"))
    # The attributes of files on the mount, from the mount to the mount.
    attempt("rsync attribute", lambda: os.setxattr(here + "/one", "user.Mixed", b"value"))
    again = place("rsync2")
    for turn in (1, 2):
        tell(f"rsync -aX on the mount {turn}", run("rsync", "-aX", "--no-perms", here + "/", again + "/"))
        attempt(f"rsync attribute {turn}", lambda: os.getxattr(again + "/one", "user.Mixed"))


@operation
def hard_links():
    here = place("links")
    os.mkdir(here + "/from")
    put(here + "/from/file", b"linked")
    attempt("links link", lambda: os.link(here + "/from/file", here + "/from/second"))
    attempt("links count", lambda: os.stat(here + "/from/file").st_nlink)
    tell("links cp -al", run("cp", "-al", "--no-preserve=mode", here + "/from", here + "/to"))
    attempt("links count after cp", lambda: os.stat(here + "/to/file").st_nlink)
    attempt("links write by the other name", lambda: put(here + "/to/file", b"more", "ab"))
    attempt("links read", lambda: get(here + "/from/file"))
    attempt("links over an existing name", lambda: os.link(here + "/from/file", here + "/to/file"))
    attempt("links of a directory", lambda: os.link(here + "/from", here + "/from2"))
    attempt("links symbolic", lambda: os.symlink("from/file", here + "/symbolic"))
    attempt("links symbolic target", lambda: os.readlink(here + "/symbolic"))
    attempt("links symbolic read", lambda: get(here + "/symbolic"))


@operation
def git():
    here = place("git")
    env = {
        "HOME": "/", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com", "GIT_AUTHOR_DATE": "1700000000 +0000",
        "GIT_COMMITTER_DATE": "1700000000 +0000", "GIT_TEMPLATE_DIR": "/empty"
    }
    os.makedirs("/empty", exist_ok=True)
    put("/.gitconfig", b"[safe]\n\tdirectory = *\n[core]\n\tfilemode = false\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n")
    work = here + "/work"
    shutil.copytree("/tree/d0", work, copy_function=shutil.copyfile)
    tell("git init", run("git", "init", "-q", cwd=work, env=env))
    tell("git add", run("git", "add", ".", cwd=work, env=env))
    tell("git commit", run("git", "commit", "-q", "-m", "first", cwd=work, env=env))
    tell("git head", run("git", "rev-parse", "HEAD", cwd=work, env=env))
    tell("git status", run("git", "status", "--porcelain", cwd=work, env=env))
    tell("git gc", run("git", "gc", "-q", cwd=work, env=env))
    tell("git fsck", run("git", "fsck", "--full", "--no-progress", cwd=work, env=env))
    tell("git clone", run("git", "clone", "-q", work, here + "/clone", env=env))
    tell("git clone status", run("git", "-C", here + "/clone", "status", "--porcelain", env=env))


@operation
def sqlite():
    place("sqlite")

    def use(path, mode):
        base = sqlite3.connect(path, timeout=1)
        try:
            found = base.execute(f"pragma journal_mode={mode}").fetchone()
            base.execute("create table t (n integer primary key, s text)")
            for i in range(10):
                with base:
                    base.execute("insert into t values (?, ?)", (i, "x" * i * 100))
            other = sqlite3.connect(path, timeout=1)
            total = other.execute("select count(*), sum(length(s)) from t").fetchone()
            other.close()
            return found, total, base.execute("pragma integrity_check").fetchone()
        finally:
            base.close()

    for mode in ("delete", "truncate", "wal"):
        attempt(f"sqlite {mode} with nobrl", lambda: use(f"/nobrl/sqlite/{mode}.db", mode))
    attempt("sqlite delete on a plain mount", lambda: use("/a/sqlite/plain.db", "delete"))


@operation
def locks():
    here = place("locks")
    put(here + "/file", b"x" * 100)
    one = open("/a/locks/file", "r+b", buffering=0)
    two = open("/b/locks/file", "r+b", buffering=0)
    exclusive, shared = fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_SH | fcntl.LOCK_NB
    steps = [
        ("one exclusive 0-9", one, exclusive, 10, 0), ("two exclusive 5-14", two, exclusive, 10, 5),
        ("two exclusive 10-19", two, exclusive, 10, 10), ("one shared 10-10", one, shared, 1, 10),
        ("one shared 20-29", one, shared, 10, 20), ("two shared 20-29", two, shared, 10, 20),
        ("two exclusive 20-20", two, exclusive, 1, 20), ("one unlock 0-9", one, fcntl.LOCK_UN, 10, 0),
        ("two exclusive 0-4", two, exclusive, 5, 0), ("one beyond the end", one, exclusive, 10, 1 << 40),
        ("two beyond the end", two, exclusive, 10, 1 << 40), ("two whole file", two, exclusive, 0, 0)
    ]
    for what, file, kind, length, start in steps:
        attempt(f"locks {what}", lambda: fcntl.lockf(file, kind, length, start))
    # A client that caches writes tells of the refusal when the file is closed.
    attempt("locks write of a locked range", lambda: os.pwrite(two.fileno(), b"y", 21))
    attempt("locks close after a write of a locked range", two.close)
    one.close()
    one = open("/a/locks/file", "r+b", buffering=0)
    two = open("/b/locks/file", "r+b", buffering=0)
    fcntl.lockf(one, fcntl.LOCK_EX)
    got = threading.Event()

    def wait():
        fcntl.lockf(two, fcntl.LOCK_EX)
        got.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    tell("locks a waiting lock waits", not got.wait(3))
    fcntl.lockf(one, fcntl.LOCK_UN)
    tell("locks a waiting lock comes", got.wait(60))
    one.close()
    two.close()
    one = open("/a/locks/file", "r+b", buffering=0)
    two = open("/b/locks/file", "r+b", buffering=0)
    attempt("locks flock one", lambda: fcntl.flock(one, exclusive))
    attempt("locks flock two", lambda: fcntl.flock(two, exclusive))
    one.close()
    attempt("locks flock two after a close", lambda: fcntl.flock(two, exclusive))
    two.close()


NAMES = [
    "plain", "with blank", " blank first", "blank last ", "dot.", "dots..", "a:b", "a*b", "a?b", 'a"b', "a<b", "a>b",
    "a|b", "a\\b", "con", "NUL", "com1.txt", "aux.tar.gz", "tab\tname", "line\nname", "bell\x07", "\x7f", "-dash", "~tilde",
    "%41", "$data", "file::$DATA", "\u00e4", "e\u0301", "\u00e9", "\u0130", "\u0131", "\u00df", "\u65e5\u672c", "\U0001f600",
    "\ufeffbom", "\uf001", "n" * 255, "\u00e4" * 127, "UPPER", ".hidden", "...", "a.b.c.d", "LONGNA~1.TXT"
]


@operation
def names():
    here = place("names")
    for name in NAMES:
        letters = [c if c.isascii() and (c.isalnum() or c in " .-~%$") else f"U+{ord(c):04X}" for c in name]
        shown = "".join(letters) if len(name) < 40 else f"{letters[0]} times {len(name)}"

        path = os.path.join(here, name)

        def make():
            put(path, b"data")
            return name in os.listdir(here), name in os.listdir("/b/names"), get("/b/names/" + name) == b"data"

        def rename():
            os.rename(path, here + "/renamed")
            os.rename(here + "/renamed", path)
            return os.path.exists(path)

        def folder():
            os.mkdir(path)
            put(path + "/inner")
            found = os.listdir(path)
            os.unlink(path + "/inner")
            os.rmdir(path)
            return found

        for what, body in [("", make), (" renamed", rename), (" removed", lambda: os.unlink(path)), (" as a folder", folder)]:
            attempt(f"names '{shown}'{what}", body)
        shutil.rmtree(here, ignore_errors=True)
        os.makedirs(here, exist_ok=True)
    attempt("names 256 letters", lambda: put(here + "/" + "n" * 256))
    attempt("names not UTF-8", lambda: put(os.fsencode(here) + b"/\xff\xfe"))
    put(here + "/Case", b"first")
    attempt("names in another case", lambda: get(here + "/cASE"))
    attempt("names new in another case", lambda: os.close(os.open(here + "/CASE", os.O_CREAT | os.O_EXCL)))
    attempt("names change of case", lambda: (os.rename(here + "/Case", here + "/case"), sorted(os.listdir(here)))[1])


@operation
def attributes():
    here = place("xattr")
    path = here + "/file"
    put(path, b"data")
    attempt("xattr list at first", lambda: os.listxattr(path))
    for name, value in [("user.lower", b"1"), ("user.Mixed", b"two"), ("user.UPPER", b"3" * 200), ("user.binary", bytes(range(32)))]:
        attempt(f"xattr set {name}", lambda: os.setxattr(path, name, value))
        attempt(f"xattr get {name}", lambda: os.getxattr("/b/xattr/file", name) == value)
    user = lambda: sorted(name for name in os.listxattr(path) if name.startswith("user."))
    attempt("xattr list", user)
    attempt("xattr get missing", lambda: os.getxattr(path, "user.missing"))
    attempt("xattr replace", lambda: (os.setxattr(path, "user.lower", b"new"), os.getxattr(path, "user.lower"))[1])
    attempt("xattr remove", lambda: (os.removexattr(path, "user.Mixed"), user())[1])
    attempt("xattr remove missing", lambda: os.removexattr(path, "user.missing"))
    attempt("xattr of a directory", lambda: (os.setxattr(here, "user.d", b"d"), os.getxattr(here, "user.d"))[1])
    attempt("xattr of 4000 bytes", lambda: os.setxattr(path, "user.large", b"l" * 4000))
    tell("xattr cp", run("cp", "--preserve=xattr", path, here + "/copy"))
    attempt("xattr after cp", lambda: os.getxattr(here + "/copy", "user.UPPER") == b"3" * 200)
    attempt("xattr after rename", lambda: (os.rename(path, here + "/moved"), os.getxattr(here + "/moved", "user.lower"))[1])


@operation
def sparse():
    here = place("sparse")
    path = here + "/file"
    with open(path, "w+b") as file:
        attempt("sparse truncate", lambda: file.truncate(5 << 30))
        attempt("sparse write far", lambda: (file.seek(3 << 30), file.write(b"far" * 1000), file.flush())[1])
        attempt("sparse size", lambda: os.fstat(file.fileno()).st_size)
        attempt("sparse read hole", lambda: os.pread(file.fileno(), 100000, 1 << 30) == bytes(100000))
        attempt("sparse read data", lambda: os.pread(file.fileno(), 6, (3 << 30) - 3))
    with open(here + "/punch", "w+b") as file:
        file.write(b"p" * 400000)
        file.flush()
        os.fsync(file.fileno())
        for what, mode, start, length in [
            ("punch", 3, 65536, 65536), ("zero", 0x10, 200000, 1000), ("keep size", 1, 400000, 100000),
            ("extend", 0, 400000, 100000), ("collapse", 8, 0, 65536), ("insert", 0x20, 0, 65536)
        ]:
            attempt(f"sparse fallocate {what}", lambda: allocate(file.fileno(), mode, start, length))
            attempt(f"sparse size after {what}", lambda: os.fstat(file.fileno()).st_size)
            attempt(f"sparse bytes after {what}", lambda: hashlib.sha256(get("/b/sparse/punch")).hexdigest()[:16])
    put(here + "/short", b"0123456789")
    attempt("sparse cut", lambda: (os.truncate(here + "/short", 4), get("/b/sparse/short"))[1])
    attempt("sparse grow", lambda: (os.truncate(here + "/short", 8), get("/b/sparse/short"))[1])
    tell("sparse cp", run("cp", "--sparse=always", here + "/punch", here + "/punch2"))
    attempt("sparse cp bytes", lambda: get(here + "/punch") == get(here + "/punch2"))


def allocate(descriptor, mode, start, length):
    call = libc.fallocate
    call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    if call(descriptor, mode, start, length) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return 0


@operation
def open_files():
    here = place("open")

    def fresh(name):
        put(here + "/" + name, b"old " + name.encode())
        return open(here + "/" + name, "r+b")

    file = fresh("renamed")
    attempt("open rename", lambda: os.rename(here + "/renamed", here + "/renamed2"))
    attempt("open read after rename", lambda: (file.seek(0), file.read())[1])
    attempt("open write after rename", lambda: (file.write(b"!"), file.flush(), os.fsync(file.fileno()), get("/b/open/renamed2"))[3])
    file.close()
    file = fresh("target")
    put(here + "/source", b"new")
    attempt("open rename over", lambda: os.rename(here + "/source", here + "/target"))
    attempt("open read after rename over", lambda: (file.seek(0), file.read())[1])
    file.close()
    attempt("open name after rename over", lambda: get(here + "/target"))
    file = fresh("removed")
    attempt("open remove", lambda: os.unlink(here + "/removed"))
    attempt("open read after remove", lambda: (file.seek(0), file.read())[1])
    attempt("open names after remove", lambda: "removed" in os.listdir("/b/open"))
    file.close()
    # With a lease, the client closes the file on the server a second later.
    attempt("open name goes after close", lambda: soon(lambda: "removed" not in os.listdir("/b/open")))
    file = open("/b/open/other", "w+b")
    file.write(b"by the other mount")
    file.flush()
    attempt("open by the other mount, rename", lambda: os.rename(here + "/other", here + "/other2"))
    attempt("open by the other mount, remove", lambda: os.unlink(here + "/other2"))
    file.close()
    os.mkdir(here + "/folder")
    descriptor = os.open(here + "/folder", os.O_RDONLY)
    attempt("open folder, remove", lambda: os.rmdir(here + "/folder"))
    os.close(descriptor)
    os.mkdir(here + "/full")
    put(here + "/full/file")
    file = open(here + "/full/file", "rb")
    attempt("open file, rename its folder", lambda: os.rename(here + "/full", here + "/full2"))
    file.close()
    attempt("open remove a full folder", lambda: os.rmdir(here + "/full2"))
    tell("open names at the end", sorted(os.listdir("/b/open")))


@operation
def properties():
    here = place("properties")
    path = here + "/file"
    put(path, b"data")
    for seconds in (-2_000_000_000, -1, 0, 1_700_000_000, 10_000_000_000):
        attempt(f"properties time {seconds}", lambda: (os.utime(path, ns=(seconds * 10**9, seconds * 10**9 + 100)), os.stat(path).st_mtime_ns)[1])
    attempt("properties read-only", lambda: (os.chmod(path, 0o444), oct(stat.S_IMODE(os.stat("/b/properties/file").st_mode)))[1])
    attempt("properties write to read-only", lambda: put(path, b"new"))
    attempt("properties remove read-only", lambda: os.unlink(path))
    found = os.statvfs(here)
    tell("properties room", found.f_bfree <= found.f_blocks and found.f_blocks > 0)
    tell("properties longest name", found.f_namemax)
    attempt("properties exclusive create", lambda: [os.close(os.open(f"/{m}/properties/x", os.O_CREAT | os.O_EXCL)) for m in "ab"])
    put(path + "2", bytes(20000))

    def change():
        with open(path + "2", "r+b") as file, mmap.mmap(file.fileno(), 20000) as memory:
            memory[5000:5004] = b"mmap"
            memory.flush()
        return get("/b/properties/file2")[4998:5006]

    attempt("properties mmap", change)
    for i in range(5):
        put(here + "/file3", b"a%d" % i, "ab")
        put("/b/properties/file3", b"b%d" % i, "ab")
    attempt("properties append from two mounts", lambda: fresh(path + "3"))
    attempt("properties fifo", lambda: (os.mkfifo(here + "/fifo"), stat.S_ISFIFO(os.stat(here + "/fifo").st_mode))[1])
    for i in range(300):
        put(f"{here}/many{i}")
    tell("properties many names", len([name for name in os.listdir("/b/properties") if name.startswith("many")]))


@operation
def restart():
    """The server is killed in the middle of writes, and started again."""
    here = place("restart")
    confirmed = []
    killed = False
    file = open(here + "/log", "wb", buffering=0)
    for i in range(60):
        line = b"%05d" % i + block(i, 995)
        for _ in range(40):
            try:
                if os.pwrite(file.fileno(), line, i * 1000) != 1000:
                    continue
                os.fsync(file.fileno())
                confirmed.append(i)
                break
            except OSError:
                time.sleep(0.5)
                try:
                    file.close()
                except OSError:
                    pass
                try:
                    file = open(here + "/log", "r+b", buffering=0)
                except OSError:
                    pass
        if i == 20 and not killed:
            killed = True
            port.write("! restart")
            port.read()
    try:
        file.close()
    except OSError:
        pass
    data = get("/b/restart/log")
    tell("restart all writes were confirmed", len(confirmed) == 60)
    tell("restart all confirmed bytes are there", all(data[i * 1000:i * 1000 + 1000] == b"%05d" % i + block(i, 995) for i in confirmed))
    attempt("restart the other mount works", lambda: (put("/b/restart/after", b"after"), get(here + "/after"))[1])
    attempt("restart rename", lambda: (os.rename(here + "/after", here + "/after2"), sorted(os.listdir("/b/restart")))[1])


def main():
    global port
    os.environ["PATH"] = "/usr/bin:/usr/sbin:/bin:/sbin"
    for source, target, kind in [("proc", "/proc", "proc"), ("sys", "/sys", "sysfs"), ("dev", "/dev", "devtmpfs"), ("tmp", "/tmp", "tmpfs")]:
        mount(source, target, kind)
    port = Port("/dev/ttyS1")
    with open("/proc/cmdline") as file:
        setting.update(part.split("=", 1) for part in file.read().split() if part.startswith("smb."))
    for module in ["virtio_pci", "virtio_net", "cifs", "nls_utf8"]:
        code, text = run("modprobe", module)
        if code != 0:
            raise RuntimeError(f"modprobe {module}: {text}")
    for args in (["link", "set", "lo", "up"], ["link", "set", "eth0", "up"], ["addr", "add", "10.0.2.15/24", "dev", "eth0"]):
        for _ in range(50):
            code, text = run("ip", *args)
            if code == 0:
                break
            time.sleep(0.2)
        else:
            raise RuntimeError(f"ip {' '.join(args)}: {text}")
    options = (
        f"ip=10.0.2.2,port={setting['smb.port']},username={setting['smb.user']},password={setting['smb.password']},"
        "iocharset=utf8,nosharesock,vers=3.1.1"
    )
    share = f"//10.0.2.2/{setting['smb.share']}"
    for target, more in (("/a", ""), ("/b", ""), ("/nobrl", ",nobrl")):
        mount(share, target, "cifs", options + more)
    tell("mount", "ok")
    make_tree("/tree")
    wanted = setting.get("smb.operations")
    for body in operations:
        if wanted is not None and body.__name__ not in wanted.split(","):
            continue

        def late(*_):
            raise TimeoutError(errno.ETIME, "took too long")

        signal.signal(signal.SIGALRM, late)
        signal.alarm(SECONDS * int(setting.get("smb.patience", "1")))
        try:
            body()
        except Exception as error:  # The rest of the operation is missing in the results then.
            tell(f"{body.__name__} ended by", name_of(error))
            traceback.print_exc()
        finally:
            signal.alarm(0)
        sys.stdout.flush()


try:
    main()
    port.write("# end")
except BaseException as error:
    traceback.print_exc()
    if port is not None:
        port.write(f"# failed {error}")
finally:
    sys.stdout.flush()
    time.sleep(1)
    libc.reboot(0x4321FEDC)
