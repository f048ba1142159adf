"""What conman leaves behind: everything that belongs to one store, on disk and on the host, to be compared before and after.

::

    before = look(root, run_root)
    ...                                    # whatever is to leave nothing
    assert differences(before, root, run_root) == []
"""

from __future__ import annotations

import os
import re
import select
import sqlite3
import time
from typing import Callable, NamedTuple

_CONTAINER = re.compile(r"[0-9a-f]{64}")
_VOLATILE = re.compile(r"/index\.db-(wal|shm|journal)$|/plugins\.cache|/volumes$")
_TABLES = ("blobs", "containers", "exec_sessions", "image_layers", "image_names", "images", "layers", "leases", "lease_items",
           "volumes", "container_volumes")
SETTLING = 15.0
"""Seconds that :func:`differences` gives processes that are on their way out."""


class Aftermath(NamedTuple):
    """All that belongs to one store.

    :param mounts: mount points below its two folders, in this mount namespace.
    :param cgroups: cgroups of containers in any hierarchy, but for those of another store's living processes.
    :param processes: ``PID COMMAND`` of its shims, runtimes, workers and containers.
    :param files: what lies below the two folders, ``ingest/`` and what is rebuilt at need aside.
    :param rows: how many rows each table of the index has.
    """

    mounts: frozenset[str]
    cgroups: frozenset[str]
    processes: frozenset[str]
    files: frozenset[str]
    rows: frozenset[str]


def look(root: str, run_root: str) -> Aftermath:
    """Everything that belongs to a store now; zombies aside."""
    own, foreign = _processes(root, run_root)
    return Aftermath(mounts=frozenset(_mounts(root, run_root)), cgroups=frozenset(_cgroups(foreign)),
                     processes=frozenset(f"{pid} {command}" for pid, command in own.items()),
                     files=frozenset(_files(root, run_root)), rows=frozenset(_rows(root)))


def differences(before: Aftermath, root: str, run_root: str, seconds: float = SETTLING,
                expected: Callable[[str], bool] = lambda line: False) -> list[str]:
    """What is there that was not, or the other way, once processes that are ending have ended; one line each.

    :param seconds: how long is waited for that at most.
    :param expected: True for a line that is no difference.
    """
    end = time.monotonic() + seconds
    found = [line for line in _compare(before, look(root, run_root)) if not expected(line)]
    # Cgroups that come while we look are another store's; what it makes or gives up just now has no process to tell whose it is.
    own = {line for line in found if line.startswith("cgroups")}
    while found and time.monotonic() < end:
        started = {int(line.split()[0]) for line in look(root, run_root).processes - before.processes}
        if started:
            wait_gone(started, end - time.monotonic())
        else:
            select.select([], [], [], 0.02)  # a cgroup outlives its last process for a moment, and nothing tells of it
        found = [line for line in _compare(before, look(root, run_root)) if not expected(line)]
        own.intersection_update(found)
        found = [line for line in found if not line.startswith("cgroups") or line in own]
    return found


def processes(root: str, run_root: str) -> dict[int, str]:
    """The living processes of a store: pid -> command line."""
    return _processes(root, run_root)[0]


def wait_gone(pids: set[int], seconds: float) -> bool:
    """Wait until processes have ended; False where some have not in time."""
    poll = select.poll()
    left: set[int] = set()
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        left.add(fd)
        poll.register(fd, select.POLLIN)
    open_fds = frozenset(left)
    end = time.monotonic() + seconds
    while left and time.monotonic() < end:
        for fd, _ in poll.poll(max(0.0, end - time.monotonic()) * 1000):
            poll.unregister(fd)
            left.discard(fd)
    for fd in open_fds:
        os.close(fd)
    return not left


def _compare(before: Aftermath, after: Aftermath) -> list[str]:
    lines: list[str] = []
    for name, old, new in zip(Aftermath._fields, before, after):
        if name == "processes":  # one that becomes another program is the same process
            both = {line.split()[0] for line in old} & {line.split()[0] for line in new}
            old, new = (frozenset(line for line in side if line.split()[0] not in both) for side in (old, new))
        lines += [f"{name}: left: {item}" for item in sorted(new - old)]
        if name != "cgroups":  # what was there may have been another store's
            lines += [f"{name}: gone: {item}" for item in sorted(old - new)]
    return lines


def _mounts(root: str, run_root: str) -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8") as stream:
        points = [line.split()[4] for line in stream]
    return [p for p in points if f"{p}/".startswith((f"{root}/", f"{run_root}/")) and p not in (root, run_root)]


def _cgroups(foreign: set[str]) -> list[str]:
    found: list[str] = []
    for top, folders, _ in os.walk("/sys/fs/cgroup"):
        found += [f"{top}/{name}" for name in folders if _CONTAINER.search(name) and "conman" in f"{top}/{name}"
                  and not any(id in name for id in foreign)]
        folders[:] = [name for name in folders if top.count("/") < 6 and f"{top}/{name}" not in found]
    return found


def _processes(root: str, run_root: str) -> tuple[dict[int, str], set[str]]:
    own: dict[int, str] = {}
    foreign: set[str] = set()
    here = os.readlink("/proc/self/ns/mnt")
    marks = tuple(os.fsencode(path) for path in (root, run_root))
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        group = None
        try:
            command = _read(f"/proc/{name}/cmdline")
            if not command:
                continue  # a zombie, or a thread of the kernel
            group = _CONTAINER.search(_read(f"/proc/{name}/cgroup").decode())
            mine = any(mark + b"/" in command + b"/" or b"CONMAN_ROOT=" + mark in _read(f"/proc/{name}/environ")
                       for mark in marks)
            if not mine and os.readlink(f"/proc/{name}/ns/mnt") != here:
                mine = any(mark + b"/" in _read(f"/proc/{name}/mountinfo") for mark in marks)
        except OSError:
            mine, command = False, b""  # it ended while we looked, or has more rights than we have
        if mine:
            own[int(name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
        elif group is not None:
            foreign.add(group[0])
    return own, foreign


def _files(root: str, run_root: str) -> list[str]:
    found: list[str] = []
    for top in (root, run_root):
        for folder, folders, files in os.walk(top):
            paths = [f"{folder}/{name}" for name in folders + files]
            found += [path for path in paths if not _VOLATILE.search(path)]
            folders[:] = [name for name in folders if f"{folder}/{name}" != f"{root}/ingest"]
    return found


def _rows(root: str) -> list[str]:
    if not os.path.exists(f"{root}/index.db"):
        return []
    connection = sqlite3.connect(f"file:{root}/index.db?mode=ro", uri=True, timeout=10)
    try:
        return [f"{table} {connection.execute(f'SELECT count(*) FROM {table}').fetchone()[0]}" for table in _TABLES]
    finally:
        connection.close()


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()
