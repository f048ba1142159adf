"""Facts of the host that a container's spec depends on, read from /proc, /sys and /dev. Read-only and cheap.

Every function takes ``root``, the folder that stands for ``/``: tests give recorded trees of other hosts.
"""

from __future__ import annotations

import os
import stat

from ..errors import InvalidInput, NotFound, Unavailable
from ..oci.runtime.options import ContainerOptions, Device, Ulimit
from ..oci.runtime.request import CgroupMount, HostDevice, HostFacts

_LIMITS = {
    "Max cpu time": "cpu", "Max file size": "fsize", "Max data size": "data", "Max stack size": "stack",
    "Max core file size": "core", "Max resident set": "rss", "Max processes": "nproc", "Max open files": "nofile",
    "Max locked memory": "memlock", "Max address space": "as", "Max file locks": "locks",
    "Max pending signals": "sigpending", "Max msgqueue size": "msgqueue", "Max nice priority": "nice",
    "Max realtime priority": "rtprio", "Max realtime timeout": "rttime",
}
_PRIVILEGED_SKIP = frozenset(("pts", "shm", "mqueue", "fd", "console", ".lxc", ".lxd-mounts"))
_MAX_DEVICES = 4096


def read_text(root: str, path: str) -> str:
    """The text of a small file; empty where it does not exist or may not be read."""
    try:
        fd = os.open(root.rstrip("/") + path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        chunks: list[bytes] = []
        while chunk := os.read(fd, 65536):
            chunks.append(chunk)
        return b"".join(chunks).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
    finally:
        os.close(fd)


def unescape(field: str) -> str:
    """mountinfo writes space, tab, newline and backslash as octal escapes (proc(5))."""
    if "\\" not in field:
        return field
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


def _below(own: str, shown: str) -> str:
    """A cgroup's path below a mount that shows only the folder ``shown`` of its hierarchy (as in a container)."""
    if shown != "/" and (own == shown or own.startswith(shown + "/")):
        return own[len(shown):] or "/"
    return own


def cgroup_mounts(root: str = "/") -> tuple[CgroupMount, ...]:
    """Every mounted cgroup hierarchy once, with the caller's own place in it.

    A hierarchy's fields are matched by controllers with ``/proc/self/cgroup``; the unified one has id 0 there.
    """
    own: dict[frozenset[str], str] = {}
    for line in read_text(root, "/proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        own[frozenset(names.split(",")) if names else frozenset()] = path
    found: dict[frozenset[str], CgroupMount] = {}
    for line in read_text(root, "/proc/self/mountinfo").splitlines():
        if " - cgroup" not in line:
            continue  # a host with many containers has many mounts
        left, _, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        if len(fields) < 5 or len(tail) < 3 or tail[0] not in ("cgroup", "cgroup2"):
            continue
        shown, point = unescape(fields[3]), unescape(fields[4])
        if tail[0] == "cgroup2":
            controllers = tuple(read_text(root, point + "/cgroup.controllers").split())
            place = _below(own.get(frozenset(), "/"), shown)
            found.setdefault(frozenset(), CgroupMount(point, controllers, unified=True, own=place))
            continue
        options = set(tail[2].split(","))
        key = next((k for k in own if k and k <= options), None)
        if key is not None:
            found.setdefault(key, CgroupMount(point, tuple(sorted(key)), unified=False, own=_below(own[key], shown)))
    return tuple(found.values())


def cgroup_mode(mounts: tuple[CgroupMount, ...]) -> str:
    """``v2`` where only the unified hierarchy is mounted, ``v1`` where it is not, ``hybrid`` where both, ``none``."""
    unified = any(m.unified for m in mounts)
    controllers = any(not m.unified and not m.controllers[0].startswith("name=") for m in mounts)
    if controllers:
        return "hybrid" if unified else "v1"
    return "v2" if unified else "none"


def choose_manager(asked: str, root: str = "/") -> str:
    """``auto`` is systemd where systemd runs this host, else cgroupfs.

    :raises Unavailable: systemd is asked for, and does not run here.
    :raises InvalidInput: another word.
    """
    if asked == "cgroupfs":
        return asked
    if asked not in ("auto", "systemd"):
        raise InvalidInput(f"unknown cgroup manager {asked!r}: auto, cgroupfs or systemd")
    running = os.path.isdir(root.rstrip("/") + "/run/systemd/system")
    if asked == "systemd" and not running:
        raise Unavailable("the cgroup manager is set to systemd, but systemd does not run this host",
                          hint='set cgroup_manager = "cgroupfs" (or "auto")')
    return "systemd" if running else "cgroupfs"


def _number(text: str) -> int:
    return -1 if text == "unlimited" else int(text)


def _rlimits(root: str) -> tuple[Ulimit, ...]:
    limits: list[Ulimit] = []
    for line in read_text(root, "/proc/self/limits").splitlines():
        name = _LIMITS.get(line[:26].strip())
        words = line[26:].split()
        if name and len(words) >= 2:
            limits.append(Ulimit(name, _number(words[0]), _number(words[1])))
    return tuple(limits)


def _status(root: str) -> dict[str, str]:
    return {key: value.strip() for key, _, value in
            (line.partition(":") for line in read_text(root, "/proc/self/status").splitlines())}


def _leading_number(text: str) -> int:
    digits = text[:next((i for i, c in enumerate(text) if not c.isdigit()), len(text))]
    return int(digits or "0")


def _kernel(root: str) -> tuple[int, int]:
    major, _, rest = read_text(root, "/proc/sys/kernel/osrelease").strip().partition(".")
    return _leading_number(major), _leading_number(rest)


def _swap_limit(mounts: tuple[CgroupMount, ...], root: str) -> bool:
    """v1 counts swap where the kernel was told to; v2 does with its memory controller, where that is compiled in."""
    base = root.rstrip("/")
    for mount in mounts:
        if "memory" in mount.controllers:
            return mount.unified or os.path.exists(base + mount.path + "/memory.memsw.limit_in_bytes")
    return False


def _maps_everything(text: str) -> bool:
    return text.split() in ([], ["0", "0", "4294967295"])


def read_facts(*, cgroup_manager: str = "auto", root: str = "/") -> HostFacts:
    """Read all facts. A few hundred microseconds; nothing is kept between calls.

    :param cgroup_manager: ``auto``, ``cgroupfs`` or ``systemd``, as configured.
    :raises Unavailable, InvalidInput: see :func:`choose_manager`.
    """
    status = _status(root)
    mounts = cgroup_mounts(root)
    score = read_text(root, "/proc/self/oom_score_adj").strip()
    return HostFacts(
        cgroup_mode=cgroup_mode(mounts), cgroup_manager=choose_manager(cgroup_manager, root), cgroups=mounts,
        swap_limit=_swap_limit(mounts, root),
        bounding=int(status.get("CapBnd", "0"), 16), effective=int(status.get("CapEff", "0"), 16),
        rlimits=_rlimits(root), oom_score_adj=int(score or "0"),
        boot_id=read_text(root, "/proc/sys/kernel/random/boot_id").strip(),
        hostname=read_text(root, "/proc/sys/kernel/hostname").strip(),
        machine=os.uname().machine, kernel=_kernel(root),
        seccomp="Seccomp" in status,
        apparmor=read_text(root, "/sys/module/apparmor/parameters/enabled").startswith("Y"),
        selinux=os.path.exists(root.rstrip("/") + "/sys/fs/selinux/enforce"),
        user_namespace=not _maps_everything(read_text(root, "/proc/self/uid_map")))


def _device(path: str, shown: str, access: str) -> HostDevice | None:
    """A device node as it is on the host; None for anything else."""
    found = os.stat(path)
    if stat.S_ISCHR(found.st_mode):
        kind = "c"
    elif stat.S_ISBLK(found.st_mode):
        kind = "b"
    else:
        return None
    return HostDevice(shown, kind, os.major(found.st_rdev), os.minor(found.st_rdev), stat.S_IMODE(found.st_mode),
                      found.st_uid, found.st_gid, access)


def _walk(folder: str, shown: str, access: str, skip: frozenset[str]) -> list[HostDevice]:
    """Every device node below a folder; links are not followed, as podman does."""
    devices: list[HostDevice] = []
    for parent, folders, files in os.walk(folder):
        if parent == folder:
            folders[:] = [f for f in folders if f not in skip]
            files = [f for f in files if f not in skip]
        for name in sorted(files):
            path = f"{parent}/{name}"
            try:
                node = None if os.path.islink(path) else _device(path, shown + path[len(folder):], access)
            except FileNotFoundError:
                # A node may go between readdir and stat.
                node = None
            if node is not None:
                devices.append(node)
        if len(devices) > _MAX_DEVICES:
            raise InvalidInput(f"more than {_MAX_DEVICES} devices lie below {folder}")
    return devices


def _asked(device: Device, root: str) -> list[HostDevice]:
    base = root.rstrip("/")
    source = os.path.realpath(base + device.source) if not base else base + device.source
    try:
        if os.path.isdir(source):
            nodes = _walk(source, device.target, device.permissions, frozenset())
        else:
            node = _device(source, device.target, device.permissions)
            nodes = [node] if node is not None else []
    except FileNotFoundError as error:
        raise NotFound(f"stat {device.source}: no such file or directory") from error
    if not nodes:
        raise InvalidInput(f"{device.source} is not a device node, and no folder that holds one")
    return nodes


def devices_for(options: ContainerOptions, *, root: str = "/") -> tuple[HostDevice, ...]:
    """The nodes of ``--device`` and, where privileged, all of the host's below /dev. The caller's words win.

    :raises NotFound: no such path.
    :raises InvalidInput: neither a device nor a folder with devices.
    """
    nodes: dict[str, HostDevice] = {}
    if options.privileged:
        nodes.update((n.path, n) for n in _walk(root.rstrip("/") + "/dev", "/dev", "rwm", _PRIVILEGED_SKIP))
    for device in options.devices:
        nodes.update((n.path, n) for n in _asked(device, root))
    return tuple(nodes.values())
