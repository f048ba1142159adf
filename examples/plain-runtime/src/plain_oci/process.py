"""A process on its way to being the container's: who it is, what it may do, and the last call, execve(2)."""

from __future__ import annotations

import array  # noqa: F401 - send_fds wants it, when the host's files are gone
import errno
import fcntl
import os
import resource
import signal
import socket
import struct
import termios
from typing import NoReturn

from . import linux
from .failure import Failure
from .spec import Json

CAPABILITIES = {f"CAP_{name}": number for number, name in enumerate((
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST "
    "NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE "
    "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM "
    "BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE").split())}
_AMBIENT_RAISE, _AMBIENT_CLEAR = 2, 4
_TIOCSPTLCK, _TIOCGPTN, _TIOCGPTPEER = 0x40045431, 0x80045430, 0x5441


def prepare(process: Json) -> None:
    """What needs the host's /proc, or root."""
    if process.get("oomScoreAdj") is not None:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(process["oomScoreAdj"]))
    for limit in process.get("rlimits") or ():
        resource.setrlimit(getattr(resource, limit["type"]), (limit["soft"], limit["hard"]))


def terminal(process: Json, console: socket.socket, *, bind: bool) -> None:
    """Make a terminal in the container's own devpts, hand its master over, and make it ours."""
    master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    number = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, bytes(4)))[0]
    slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    size = process.get("consoleSize") or {}
    if size:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", size["height"], size["width"], 0, 0))
    os.fchown(slave, process["user"].get("uid", 0), -1)
    if bind:
        os.close(os.open("/dev/console", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        linux.mount(f"/dev/pts/{number}", "/dev/console", "", linux.BIND)
    socket.send_fds(console, [b"console"], [master])
    os.close(master)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(slave, number)
    os.close(slave)


def become(process: Json, *, make_folder: bool) -> str:
    """Take on user, capabilities and folder.

    Returns: the path of the program. Raises: Failure where it cannot be run.
    """
    user = process.get("user") or {}
    uid, gid = user.get("uid", 0), user.get("gid", 0)
    if uid and not process.get("terminal"):
        for number in (0, 1, 2):
            if os.fstat(number).st_rdev != os.makedev(1, 3):  # /dev/null is everybody's
                os.fchown(number, uid, -1)
    cwd = process.get("cwd") or "/"
    if make_folder:
        os.makedirs(cwd, exist_ok=True)
    os.chdir(cwd)
    sets = {kind: _mask(names) for kind, names in (process.get("capabilities") or {}).items()}
    for number in range(_last_capability() + 1):
        if not sets.get("bounding", 0) >> number & 1:
            linux.prctl(linux.CAPBSET_DROP, number)
    linux.prctl(linux.SET_KEEPCAPS, 1)
    os.setgroups(user.get("additionalGids") or [])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    linux.capset(sets.get("effective", 0), sets.get("permitted", 0), sets.get("inheritable", 0))
    linux.prctl(linux.SET_KEEPCAPS, 0)
    linux.prctl(linux.CAP_AMBIENT, _AMBIENT_CLEAR)
    for number in range(64):
        if sets.get("ambient", 0) >> number & 1:
            linux.prctl(linux.CAP_AMBIENT, _AMBIENT_RAISE, number)
    if process.get("noNewPrivileges"):
        linux.prctl(linux.SET_NO_NEW_PRIVS, 1)
    os.umask(user.get("umask", 0o022))
    return _program(process)


def execute(path: str, process: Json) -> NoReturn:
    """Become the program. Raises: Failure where the kernel refuses."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):  # Python's own
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    environment = dict(one.partition("=")[::2] for one in process.get("env") or ())
    try:
        os.execve(path, process["args"], environment)
    except OSError as error:
        kind = "not found" if error.errno in (errno.ENOENT, errno.ENOTDIR) else "not executable"
        raise Failure(f"command {kind}: {path}: {os.strerror(error.errno or 0).lower()}") from None


def _program(process: Json) -> str:
    name: str = process["args"][0]
    path = next((one[5:] for one in process.get("env") or () if one.startswith("PATH=")), "")
    candidates = [name] if "/" in name else [os.path.join(folder or ".", name) for folder in path.split(":")]
    found = [one for one in candidates if os.path.exists(one)]
    for one in found:
        if os.path.isfile(one) and os.access(one, os.X_OK):
            return one
    if found:
        raise Failure(f"command not executable: {found[0]}: permission denied")
    why = "no such file or directory" if "/" in name else "executable file not found in $PATH"
    raise Failure(f"command not found: {name}: {why}")


def _mask(names: list[str]) -> int:
    unknown = [name for name in names if name not in CAPABILITIES]
    if unknown:
        raise Failure(f"unknown capability {unknown[0]}")
    return sum(1 << CAPABILITIES[name] for name in set(names))


def _last_capability() -> int:
    try:
        fd = os.open("/proc/sys/kernel/cap_last_cap", os.O_RDONLY | os.O_CLOEXEC)  # not open(): it may want to import
    except OSError:
        return len(CAPABILITIES) - 1
    try:
        return int(os.read(fd, 16))
    finally:
        os.close(fd)
