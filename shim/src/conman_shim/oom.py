"""Whether the container ran out of memory: the ``oom_kill`` counters of its cgroup (PROTOCOL.md, "Configuration")."""

from __future__ import annotations

import os
import select

from .loop import Loop


class OomWatch:
    """Reads ``memory.events`` (cgroup v2) and ``memory.oom_control`` (v1).

    Who manages the cgroup may remove it as soon as it is empty, before anybody can look. So a file that tells of changes
    (v2) is listened to; the others are read at the end.

    :param files: the container's; those that do not exist yet count 0.
    """

    def __init__(self, loop: Loop, files: list[bytes]) -> None:
        self._loop = loop
        # An exec session's cgroup is the container's, which may have been short of memory before.
        self._before = {path: _kills(path) for path in files}
        self._open: list[int] = []
        self._seen = False

    def watch(self) -> None:
        """The cgroup is there now."""
        for path, before in self._before.items():
            if not path.endswith(b"memory.events"):
                continue
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue  # no such cgroup here
            self._listen(fd, before)

    def _listen(self, fd: int, before: int) -> None:
        try:
            self._loop.add(fd, select.EPOLLPRI, lambda events: self._changed(fd, before))
        except OSError:
            os.close(fd)  # it tells of nothing
            return
        self._open.append(fd)
        self._changed(fd, before)  # reading it is what makes the kernel tell of the next change

    def happened(self) -> bool:
        """To be asked at once when the process has ended. Closes everything."""
        for fd in tuple(self._open):
            self._close(fd)
        return self._seen or any(_kills(path) > before for path, before in self._before.items())

    def _changed(self, fd: int, before: int) -> None:
        try:
            self._seen |= _count(os.pread(fd, 4096, 0)) > before
        except OSError:
            self._close(fd)  # the cgroup is gone

    def _close(self, fd: int) -> None:
        self._open.remove(fd)
        self._loop.remove(fd)
        os.close(fd)


def _kills(path: bytes) -> int:
    try:
        with open(path, "rb", buffering=0) as file:
            return _count(file.read(4096) or b"")
    except OSError:
        return 0  # the cgroup is not there, or has no such controller


def _count(content: bytes) -> int:
    for line in content.splitlines():
        key, _, value = line.partition(b" ")
        if key == b"oom_kill" and value.strip().isdigit():
            return int(value)
    return 0
