"""A log in several files (PROTOCOL.md, "Log"): LOG, LOG.1, LOG.2, ..., and LOG.offsets, which says where each begins.

The order of the steps of one rotation is what makes a kill at any point harmless. LOG.offsets names a file before that file is
LOG; an entry for a file that is not there does no harm, and every name moves by one rename. What a kill leaves undone is
seen to by the next shim, see :func:`_settle`.
"""

from __future__ import annotations

import os

from .log import CriLog


class RotatedLog(CriLog):
    """A log whose files are at most so big. A record is in one file, whole; one that is bigger has a file of its own.

    :param size: bytes of one file.
    :param files: how many there are, with the current one.
    :raises OSError: the file cannot be opened.
    """

    def __init__(self, path: bytes, size: int, files: int) -> None:
        self._path = path
        self._limit = size
        self._files = max(1, files)
        self._starts = _settle(path)
        super().__init__(path)
        state = os.fstat(self._fd)
        self._size = state.st_size
        self._inode = state.st_ino
        if self._inode not in self._starts and self._starts:
            self._starts[self._inode] = _end(path, self._starts)  # put there by somebody else
            _write(path, self._starts)
        self._start = self._starts.setdefault(self._inode, 0)
        _remove_beyond(path, self._files)

    def _append(self, parts: list[bytes]) -> None:
        size = sum(map(len, parts)) + self._torn
        if self._size + size <= self._limit:
            super()._append(parts)
            self._size += size
            return
        rest = b"".join(parts)
        at = 0
        while at < len(rest):
            end = len(rest)
            if self._size + self._torn + end - at > self._limit:
                end = rest.rfind(b"\n", at, at + max(0, self._limit - self._size - self._torn)) + 1
                if not end and not self._size:
                    end = rest.find(b"\n", at) + 1
            if end:
                super()._append([rest[at:end]])
                self._size += end - at
                at = end
            if at < len(rest):
                self._rotate()

    def _rotate(self) -> None:
        """Begin a new file, if the current one is really that big; where that fails, go on with this one, and try again later."""
        written, self._size = self._size, 0
        try:
            size = os.fstat(self._fd).st_size
            if size < written and size < self._limit // 2:
                self._size = size  # somebody truncated it
                return
            self._begin(self._start + size)
        except OSError as error:
            self.why = error.strerror or "unknown"

    def _begin(self, start: int) -> None:
        path = self._path
        if self._files > 1:
            _unlink(path + b".%d" % (self._files - 1))  # first: where the disk is full, this makes room for the rest
        fd = _create(path)
        try:
            inode = os.fstat(fd).st_ino
            starts, gap = self._kept()
            starts = {inode: start, **starts}
            _write(path, starts)
        except OSError:
            os.close(fd)
            raise
        self._starts = starts
        try:
            for number in range(gap, 0, -1):
                _rename(path + b".%d" % (number - 1) if number > 1 else path, path + b".%d" % number)
            os.rename(path + b".new", path)
        except OSError:
            os.close(fd)
            raise
        os.close(self._fd)
        self._fd, self._inode, self._start, self._torn = fd, inode, start, False

    def _kept(self) -> tuple[dict[int, int], int]:
        """Where the files begin that are there, and the first number that is free: a kill may have left a gap."""
        starts = {self._inode: self._start}
        gap = 0
        for number in range(1, self._files):
            state = _stat(self._path + b".%d" % number)
            if state is None:
                gap = gap or number
                if number > len(self._starts):
                    break
            elif state.st_ino in self._starts:
                starts.setdefault(state.st_ino, self._starts[state.st_ino])
        return starts, gap


def _create(path: bytes) -> int:
    _unlink(path + b".new")
    return os.open(path + b".new", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _settle(path: bytes) -> dict[int, int]:
    """Finish or undo what a rotation has left that was cut short, and see that LOG is there where files before it are.

    :returns: inode -> where that file begins, the newest first.
    """
    starts = _read(path)
    state = _stat(path + b".new")
    if _stat(path) is None:
        if state is not None and state.st_ino in starts and not state.st_size:
            os.rename(path + b".new", path)
        elif starts:
            start = _end(path, starts)
            fd = _create(path)
            inode = os.fstat(fd).st_ino
            os.close(fd)
            starts.pop(inode, None)
            starts = {inode: start, **starts}
            _write(path, starts)
            os.rename(path + b".new", path)
    elif state is not None:
        os.unlink(path + b".new")
        if starts.pop(state.st_ino, None) is not None:
            _write(path, starts)
    return starts


def _end(path: bytes, starts: dict[int, int]) -> int:
    """Where the newest of the older files ends."""
    end = max(starts.values())
    number = 1
    while number <= len(starts):
        state = _stat(path + b".%d" % number)
        if state is not None and state.st_ino in starts:
            end = max(end, starts[state.st_ino] + state.st_size)
        number += 1
    return end


def _read(path: bytes) -> dict[int, int]:
    """LOG.offsets; empty where there is none, or none that can be read."""
    try:
        fd = os.open(path + b".offsets", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    try:
        lines = os.read(fd, 1 << 20).split(b"\n")
    finally:
        os.close(fd)
    try:
        return {int(inode): int(start) for inode, _, start in (line.partition(b" ") for line in lines if line)}
    except ValueError:
        return {}


def _write(path: bytes, starts: dict[int, int]) -> None:
    fd = os.open(path + b".offsets.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        text = b"".join(b"%d %d\n" % pair for pair in starts.items())
        if os.write(fd, text) != len(text):
            raise OSError(28, os.strerror(28))
    finally:
        os.close(fd)
    os.rename(path + b".offsets.new", path + b".offsets")


def _remove_beyond(path: bytes, files: int) -> None:
    """Files of a run that kept more of them."""
    number = files
    while _unlink(path + b".%d" % number):
        number += 1


def _stat(path: bytes) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _unlink(path: bytes) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _rename(old: bytes, new: bytes) -> None:
    try:
        os.rename(old, new)
    except FileNotFoundError:
        pass  # a kill, or somebody, has left a gap
