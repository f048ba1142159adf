"""The kernel's own checks of the host: privileges, the Linux kernel, namespaces, cgroups, seccomp, memory, clock."""

from __future__ import annotations

import stat
import time
from typing import Iterator

from ..containers.hostfacts import cgroup_mode, cgroup_mounts
from ..oci.runtime.request import CgroupMount
from ..slots.doctor import Finding, Host

OLDEST_KERNEL = (5, 4)
"""Before it, pidfds that can be waited for (5.3) are missing."""

_CAPABILITIES: tuple[tuple[int, str, str], ...] = (
    (0, "CAP_CHOWN", "layers cannot be unpacked with their owners"),
    (1, "CAP_DAC_OVERRIDE", "files of other users cannot be read or written"),
    (3, "CAP_FOWNER", "modes of other users' files cannot be set"),
    (5, "CAP_KILL", "containers' processes cannot be ended"),
    (6, "CAP_SETGID", "processes cannot be given their group"),
    (7, "CAP_SETUID", "processes cannot be given their user"),
    (21, "CAP_SYS_ADMIN", "nothing can be mounted, and no namespace made"),
    (27, "CAP_MKNOD", "devices and overlay whiteouts cannot be made"),
    (31, "CAP_SETFCAP", "file capabilities of images cannot be unpacked"),
)
_HELPFUL: tuple[tuple[int, str, str], ...] = (
    (12, "CAP_NET_ADMIN", "networks of containers cannot be set up"),
    (18, "CAP_SYS_CHROOT", "some runtimes cannot change a process's root folder"),
    (24, "CAP_SYS_RESOURCE", "limits (--ulimit) above this process's own are refused, and oom_score_adj cannot be lowered"),
)
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
_CONTROLLERS: tuple[tuple[str, str], ...] = (
    ("pids", "containers.pids_limit and --pids-limit"), ("memory", "--memory"), ("cpu", "--cpus and --cpu-shares"),
    ("cpuset", "--cpuset-cpus and --cpuset-mems"))
_YEAR_2024 = 1704067200


def status(host: Host) -> dict[str, str]:
    """The fields of ``/proc/self/status``."""
    pairs = (line.partition(":") for line in host.read("/proc/self/status").splitlines())
    return {key: value.strip() for key, _, value in pairs}


def privileges(host: Host) -> Iterator[Finding]:
    """Root, with the capabilities that containers need."""
    if host.uid != 0:
        yield Finding("error", "user", f"conman runs as user {host.uid}, not as root: it can make no container",
                      "run it as root; rootless containers come with a later release")
    fields = status(host)
    effective = int(fields.get("CapEff") or "0", 16)
    bounding = int(fields.get("CapBnd") or "0", 16)
    for group, severity in ((_CAPABILITIES, "error"), (_HELPFUL, "warning")):
        for number, name, meaning in group:
            if host.uid == 0 and not effective >> number & 1:
                where = "the bounding set" if not bounding >> number & 1 else "the effective set"
                yield Finding("error" if severity == "error" else "warning", name, f"it is missing from {where}: {meaning}",
                              f"give it to the process or outer container that conman runs in (for example --cap-add {name})")


def kernel(host: Host) -> Iterator[Finding]:
    """The Linux kernel's version."""
    release = host.read("/proc/sys/kernel/osrelease").strip()
    numbers = []
    for part in release.split("-")[0].split(".")[:2]:
        numbers.append(int("".join(c for c in part if c.isdigit()) or "0"))
    if tuple(numbers) < OLDEST_KERNEL:
        yield Finding("error", "kernel", f"Linux {release or 'of an unknown version'}: conman needs "
                      f"{OLDEST_KERNEL[0]}.{OLDEST_KERNEL[1]} or newer", "boot a newer kernel")


def namespaces(host: Host) -> Iterator[Finding]:
    """Those that every container gets."""
    there = host.names("/proc/self/ns")
    lacking = [name for name in _NAMESPACES if name not in there]
    if lacking:
        yield Finding("error", "namespaces", f"the kernel has none of the kind {', '.join(lacking)}: runtimes start nothing",
                      "boot a kernel with CONFIG_NAMESPACES and its parts")
    mapped = host.read("/proc/self/uid_map").split()
    if mapped and mapped != ["0", "0", "4294967295"]:
        yield Finding("note", "user namespace", "conman itself runs in a user namespace: devices cannot be made, some mounts "
                      "fail")


def cgroups(host: Host) -> Iterator[Finding]:
    """How cgroups are mounted, and which controllers are there."""
    mounts = cgroup_mounts(host.root)
    mode = cgroup_mode(mounts)
    if mode == "none":
        yield Finding("error", "cgroups", "no cgroup hierarchy is mounted: runtimes start nothing",
                      "mount -t cgroup2 none /sys/fs/cgroup")
        return
    if mode == "hybrid":
        yield from _hybrid(mounts)
    there = {controller for mount in mounts for controller in mount.controllers}
    for name, used in _CONTROLLERS:
        if name not in there:
            yield Finding("warning", f"cgroup controller {name}", f"it is not there: {used} cannot be kept",
                          f"boot without cgroup_disable={name}" + (", on some hosts with cgroup_enable=memory"
                                                                   if name == "memory" else ""))
    for mount in mounts:
        options = _options(host, mount.path)
        if "ro" in options:
            yield Finding("error", mount.path, "this cgroup hierarchy is mounted read-only: containers get no cgroup there",
                          f"mount -o remount,rw {mount.path}")


def _hybrid(mounts: tuple[CgroupMount, ...]) -> Iterator[Finding]:
    unified = next(mount for mount in mounts if mount.unified)
    if unified.controllers and unified.path == "/sys/fs/cgroup/unified":
        yield Finding("warning", "cgroups", "hybrid, and the unified hierarchy has controllers of its own "
                      f"({' '.join(unified.controllers)}): crun starts nothing here, and limits of those are not kept",
                      "use runc-runtime, or boot with cgroup v2 alone (systemd.unified_cgroup_hierarchy=1)")
    else:
        yield Finding("note", "cgroups", "hybrid: v1 hierarchies with a unified one beside them; limits are kept by v1")


def _options(host: Host, point: str) -> list[str]:
    options: list[str] = []
    for line in host.read("/proc/self/mountinfo", 8 << 20).splitlines():
        fields = line.split(" ")
        if len(fields) > 5 and fields[4] == point:
            options = fields[5].split(",")
    return options


def seccomp(host: Host) -> Iterator[Finding]:
    """Whether the kernel can filter system calls."""
    if "Seccomp" not in status(host):
        yield Finding("warning", "seccomp", "the kernel cannot filter system calls: containers run without that protection",
                      "boot a kernel with CONFIG_SECCOMP_FILTER")


def memory(host: Host) -> Iterator[Finding]:
    """The folder of shared memory."""
    state = host.stat("/dev/shm")
    if state is None or not stat.S_ISDIR(state.st_mode):
        yield Finding("warning", "/dev/shm", "it is not there: programs that share memory fail, here and with --ipc host",
                      "mount -t tmpfs -o mode=1777 shm /dev/shm")
    elif stat.S_IMODE(state.st_mode) & 0o1777 != 0o1777:
        yield Finding("warning", "/dev/shm", f"its mode is {stat.S_IMODE(state.st_mode):o}, not 1777: others cannot use it",
                      "chmod 1777 /dev/shm")


def clock(host: Host, now: float | None = None) -> Iterator[Finding]:
    """A clock that is far off makes every registry's certificate invalid."""
    seconds = time.time() if now is None else now
    if seconds < _YEAR_2024:
        yield Finding("error", "clock", f"it says {time.strftime('%Y-%m-%d', time.gmtime(seconds))}: certificates of registries "
                      "are not valid yet, and ages of containers are wrong", "set it: timedatectl set-ntp true, or date -s")


CHECKS = (("privileges", privileges), ("kernel", kernel), ("namespaces", namespaces), ("cgroups", cgroups), ("seccomp", seccomp),
          ("memory", memory), ("clock", clock))
"""In the order in which they are told."""
