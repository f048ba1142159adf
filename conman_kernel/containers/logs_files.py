"""The files of one log, as ``shim/PROTOCOL.md`` ("Log") has them: LOG, LOG.1, ... and LOG.offsets, which says where each begins.

Whatever the shim renames meanwhile: a file only ever moves to a higher number, so that opening them upwards misses none but newer
ones; and LOG.offsets names a file before that file is LOG, so that it is read last.
"""

from __future__ import annotations

import itertools
import os

from ..record import Record

_TRIES = 10
"""How often the files are looked at again where they do not follow on each other: a rotation was on its way."""


class Segment(Record):
    """One open file of a log.

    :param fd: to be read with pread; its owner closes it.
    :param inode: what makes it this file, whatever its name is by now.
    :param start: how many bytes of log came before it, since the container was made.
    """

    fd: int
    inode: int
    start: int

    @property
    def size(self) -> int:
        """Its size by now."""
        return os.fstat(self.fd).st_size


def open_segments(path: str, after: Segment | None = None) -> list[Segment]:
    """Open all files of a log, the oldest first; none where there is no log.

    :param path: of the current file.
    :param after: only files that come after this one.
    """
    for attempt in range(_TRIES):
        opened = _open_all(path)
        starts = _offsets(path)
        found = _sorted(opened, starts, guess=attempt == _TRIES - 1)
        if found is not None:
            break
        _close(opened)
    else:
        return []
    if after is None:
        return found
    kept = [segment for segment in found if segment.start >= after.start and segment.inode != after.inode]
    _close([segment for segment in found if segment not in kept])
    return kept


def _close(segments: list[Segment]) -> None:
    for segment in segments:
        os.close(segment.fd)


def _open_all(path: str) -> list[Segment]:
    """The newest first."""
    folder, name = os.path.split(path)
    try:
        numbers = [int(entry[len(name) + 1:]) for entry in os.listdir(folder or ".")
                   if entry.startswith(name + ".") and entry[len(name) + 1:].isdigit()]
    except FileNotFoundError:
        return []
    opened: list[Segment] = []
    try:
        _open_upwards(path, max(numbers, default=-1) + 1, opened)
    except OSError:
        _close(opened)
        raise
    return opened


def _open_upwards(path: str, last: int, opened: list[Segment]) -> None:
    seen: set[int] = set()
    for number in range(last + 1):
        try:
            fd = os.open(f"{path}.{number}" if number else path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        inode = os.fstat(fd).st_ino
        if inode in seen:
            os.close(fd)  # it moved on while we looked
            continue
        seen.add(inode)
        opened.append(Segment(fd, inode, 0))


def _offsets(path: str) -> dict[int, int]:
    try:
        with open(path + ".offsets", "rb") as stream:
            pairs = [line.split() for line in stream.read(1 << 20).splitlines()]
        return {int(inode): int(start) for inode, start in pairs}
    except (FileNotFoundError, ValueError):
        return {}  # never rotated; or a power cut has left it empty


def _sorted(opened: list[Segment], starts: dict[int, int], *, guess: bool) -> list[Segment] | None:
    """In order, each with its start; None where a file is unknown or missing, which a rotation on its way may be the cause of.

    :param guess: take it as it is: what is not known (files of a restored backup) follows on its neighbour, the order of the
        names, and a hole is one.
    """
    if not starts and len(opened) > 1 and not guess:
        return None
    found: list[Segment] = []
    for segment in opened:  # the newest first
        start = starts.get(segment.inode, -1)
        if start < 0 and starts and not guess:
            return None
        if start < 0:
            start = found[-1].start - segment.size if found else max(starts.values(), default=0)
        found.append(segment._replace(start=start))
    found.sort(key=lambda segment: segment.start)
    if not guess and any(one.start + one.size != other.start for one, other in itertools.pairwise(found)):
        return None
    return found
