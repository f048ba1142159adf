"""A container's cgroup on every kind of host: where it is, what is left in it, and how it goes.

With cgroupfs it is ``/conman/<id>`` in every hierarchy; with systemd the scope ``conman-<id>.scope`` in
``conman.slice``. The runtime makes it and normally removes it; what is here serves the clean-up after something was
killed.
"""

from __future__ import annotations

import errno
import os

from ..cancel import Cancel
from ..errors import DeadlineExceeded
from ..oci.runtime.request import CgroupMount, HostFacts

PARENT = "conman"
_RETRY = 0.01
_AT_ONCE = 64
"""Processes killed in one go: each takes a descriptor meanwhile, of which the caller may have few."""
_NOT_OURS = frozenset((errno.EBUSY, errno.ENOENT, errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EROFS))


def spec_path(facts: HostFacts, container: str) -> str:
    """The OCI ``cgroupsPath`` of a container; empty on a host without cgroups."""
    if facts.cgroup_mode == "none":
        return ""
    if facts.cgroup_manager == "systemd":
        return f"{PARENT}.slice:{PARENT}:{container}"
    return f"/{PARENT}/{container}"


def relative(facts: HostFacts, container: str) -> str:
    """The container's place in every hierarchy, below its mount point."""
    if facts.cgroup_manager == "systemd":
        return f"{PARENT}.slice/{PARENT}-{container}.scope"
    return f"{PARENT}/{container}"


def container_dirs(facts: HostFacts, container: str) -> list[str]:
    """The container's folder in every hierarchy, whether it exists or not."""
    return [f"{mount.path}/{relative(facts, container)}" for mount in facts.cgroups]


def prepare(facts: HostFacts) -> None:
    """Make the parent folder on a unified host and hand the controllers down to it. Idempotent; changes nothing
    elsewhere (on v1 the runtime makes all it needs, and systemd makes its own).

    A controller that cannot be handed down is left out: the runtime says so if a limit needs it.
    """
    if facts.cgroup_mode != "v2" or facts.cgroup_manager == "systemd":
        return
    mount = facts.cgroups[0]
    _make(f"{mount.path}/{PARENT}")
    for folder in (mount.path, f"{mount.path}/{PARENT}"):
        for controller in mount.controllers:
            try:
                _write(f"{folder}/cgroup.subtree_control", f"+{controller}")
            except OSError as error:
                # Busy: processes sit in this cgroup itself (we are in a container). Not there: not handed down to us.
                if error.errno not in _NOT_OURS:
                    raise


def shim_dirs(facts: HostFacts) -> list[str]:
    """Folders whose ``cgroup.procs`` the shim writes itself to, made if missing: out of the caller's cgroup (so that
    neither its limits nor its end reach the shim) and beside the containers'.

    Where the caller is in a hierarchy's root there is nothing to leave, and no folder is given.
    """
    folders: list[str] = []
    for mount in facts.cgroups:
        if mount.own == "/" or mount.own == f"/{PARENT}/shim":
            continue
        folder = f"{mount.path}/{PARENT}/shim"
        _make(f"{mount.path}/{PARENT}", mount)
        _make(folder, mount)
        folders.append(folder)
    return folders


def _make(folder: str, mount: CgroupMount | None = None) -> None:
    try:
        os.mkdir(folder, 0o755)
    except FileExistsError:
        # Made before, or just now by another conman.
        pass
    if mount is not None and not mount.unified and "cpuset" in mount.controllers:
        # A new v1 cpuset is empty and takes no process until it is filled.
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not _read(f"{folder}/{name}").strip():
                _write(f"{folder}/{name}", _read(f"{os.path.dirname(folder)}/{name}").strip())


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _read(path: str) -> str:
    """A cgroup file's text; empty where it, or its cgroup, is gone."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
            return ""
        raise


def _tree(folder: str) -> list[str]:
    """A cgroup and those below it, deepest first; empty where there is none."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            return []
        raise
    below = [path for name in names for path in _tree(f"{folder}/{name}")]
    return [*below, folder]


def processes(facts: HostFacts, container: str) -> list[int]:
    """The pids in the container's cgroup and below, in any hierarchy; sorted. Zombies are not among them."""
    pids: set[int] = set()
    for top in container_dirs(facts, container):
        for folder in _tree(top):
            pids.update(int(word) for word in _read(f"{folder}/cgroup.procs").split())
    # 0 stands for a process of a pid namespace that we cannot see.
    return sorted(pids - {0})


def thaw(facts: HostFacts, container: str) -> None:
    """Let a container's processes run again, whatever its runtime knows of it.

    A frozen v1 cgroup does not die; a v2 one does, but would look frozen afterwards."""
    for top in container_dirs(facts, container):
        for folder in _tree(top)[::-1]:
            for name, text in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                try:
                    _write(f"{folder}/{name}", text)
                except OSError as error:
                    if error.errno not in (errno.ENOENT, errno.ENODEV):
                        raise


def _kill_once(facts: HostFacts, container: str, cancel: Cancel) -> bool:
    """Kill what is there now and wait for the last of it. False: nothing was there."""
    fds: list[int] = []
    pids = processes(facts, container)
    try:
        for first in range(0, len(pids), _AT_ONCE):
            while fds:
                os.close(fds.pop())
            _kill_some(facts, container, pids[first:first + _AT_ONCE], fds)
        thaw(facts, container)
        waiting = list(fds)
        while waiting:
            ready = cancel.wait_readable(*waiting, timeout=_RETRY * 100)
            if not ready:
                break
            waiting = [fd for fd in waiting if fd not in ready]
        return bool(pids)
    finally:
        for fd in fds:
            os.close(fd)


def _kill_some(facts: HostFacts, container: str, pids: list[int], fds: list[int]) -> None:
    """Kill those that are still there; their pidfds are appended to ``fds``."""
    for pid in pids:
        try:
            fds.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    # Asked again with the pidfds held: a pid that is still there cannot be somebody else's by now.
    present = set(processes(facts, container))
    for fd in fds:
        if _pid_of(fd) in present:
            _signal(fd)


def _pid_of(fd: int) -> int:
    for line in _read(f"/proc/self/fdinfo/{fd}").splitlines():
        if line.startswith("Pid:"):
            return int(line[4:])
    return -1


def _signal(fd: int) -> None:
    from signal import SIGKILL, pidfd_send_signal

    try:
        pidfd_send_signal(fd, SIGKILL)
    except ProcessLookupError:
        return


def kill_all(facts: HostFacts, container: str, cancel: Cancel) -> None:
    """Kill every process in the container's cgroup, those born meanwhile too, and wait until they are gone.

    :param cancel: give it a deadline: a process in uninterruptible sleep does not die.
    :raises DeadlineExceeded, Cancelled: some are still there.
    """
    for top in container_dirs(facts, container):
        try:
            _write(f"{top}/cgroup.kill", "1")
        except OSError as error:
            # Before Linux 5.14, or a v1 hierarchy; or the cgroup has gone just now.
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise
    while _kill_once(facts, container, cancel):
        cancel.check()


def remove(facts: HostFacts, container: str, cancel: Cancel) -> None:
    """Remove the container's cgroup with all that is in it. Nothing there is no error; may be called twice.

    :raises DeadlineExceeded, Cancelled: something in it does not die.
    """
    for top in container_dirs(facts, container):
        if not os.path.exists(top):
            continue
        kill_all(facts, container, cancel)
        for folder in _tree(top):
            _rmdir(folder, cancel)


def _rmdir(folder: str, cancel: Cancel) -> None:
    while True:
        try:
            os.rmdir(folder)
            return
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV):
                return
            if error.errno != errno.EBUSY:
                raise
        # A dead process leaves its cgroup a moment after its pidfd says so, and no descriptor tells when.
        try:
            cancel.wait_readable(timeout=_RETRY)
        except DeadlineExceeded as error:
            raise DeadlineExceeded(f"the cgroup {folder} is still in use") from error


def oom_kills(facts: HostFacts, container: str) -> int:
    """How often the kernel killed a process of the container for lack of memory; 0 where that is not known."""
    for mount in facts.cgroups:
        if "memory" not in mount.controllers:
            continue
        name = "memory.events" if mount.unified else "memory.oom_control"
        for line in _read(f"{mount.path}/{relative(facts, container)}/{name}").splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill":
                return int(value)
    return 0


def memory_in_use(facts: HostFacts, container: str) -> int:
    """Bytes of memory that the container uses and that cannot be had back by dropping cached files; 0 where that is not known."""
    for mount in facts.cgroups:
        if "memory" not in mount.controllers:
            continue
        folder = f"{mount.path}/{relative(facts, container)}"
        used = _read(f"{folder}/{'memory.current' if mount.unified else 'memory.usage_in_bytes'}").strip()
        counted = dict(line.split() for line in _read(f"{folder}/memory.stat").splitlines())
        prefix = "" if mount.unified else "total_"
        cached = sum(int(counted.get(f"{prefix}{name}", 0)) for name in ("active_file", "inactive_file"))
        return max(0, int(used or 0) - cached)
    return 0


def whole_cpuset(facts: HostFacts, name: str) -> str:
    """All that a container may be given: ``cpus`` or ``mems`` of the cgroup above the containers; empty where that is not known.

    :param name: ``cpus`` or ``mems``.
    """
    for mount in facts.cgroups:
        if "cpuset" in mount.controllers:
            kinds = (f"cpuset.{name}.effective", f"cpuset.{name}") if mount.unified else (f"cpuset.{name}",)
            return next((text for kind in kinds if (text := _read(f"{mount.path}/{kind}").strip())), "")
    return ""
