"""The log file, in the CRI format: ``TIME stdout|stderr P|F TEXT`` (PROTOCOL.md, "Log").

A piece of output that does not end with a newline is written at once as a partial record; nothing is held back, so no
timer is needed and a crash loses nothing. All lines of one piece carry the time it was read.
"""

from __future__ import annotations

import os
import time

_NAMES = {1: b"stdout", 2: b"stderr"}


class CriLog:
    """Appends to one file. A full disk loses records, never the container: see :attr:`lost`.

    :raises OSError: the file cannot be opened.
    """

    def __init__(self, path: bytes) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._second = -1
        self._stamp = b""
        size = os.fstat(self._fd).st_size
        self._torn = size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"  # a shim was killed in the middle of a record
        self.lost = 0
        """Bytes of log that could not be written."""
        self.why = ""
        """The last reason for that."""

    def write(self, stream: int, data: bytes) -> None:
        """Log one piece of output, at least one byte, as it was read."""
        now = time.time_ns()
        second = now // 1_000_000_000
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        head = b"%b.%09dZ %b " % (self._stamp, now % 1_000_000_000, _NAMES[stream])
        end = data.rfind(b"\n")
        if end < 0:
            self._append([head, b"P ", data, b"\n"])
            return
        full = head + b"F "
        parts = [full, data[:end].replace(b"\n", b"\n" + full), b"\n"]
        if end < len(data) - 1:
            parts += [head, b"P ", data[end + 1:], b"\n"]
        self._append(parts)

    def _append(self, parts: list[bytes]) -> None:
        """Whole records. Gathered by the kernel: joining such big pieces costs more than reading, formatting and writing them."""
        if self._torn:
            parts.insert(0, b"\n")
        size = sum(map(len, parts))
        done = 0
        try:
            done = os.writev(self._fd, parts)
            while done < size:
                done += os.write(self._fd, b"".join(parts)[done:])
        except OSError as error:
            self.lost += size - done
            self.why = error.strerror or "unknown"
            self._torn = self._torn or done > 0
            return
        self._torn = False

    def close(self) -> None:
        os.close(self._fd)


class NoLog:
    """The log driver ``none``."""

    lost = 0
    why = ""

    def write(self, stream: int, data: bytes) -> None:
        """Forget it."""

    def close(self) -> None:
        """Nothing is open."""


def open_log(driver: bytes, path: bytes, size: int, files: int) -> CriLog | NoLog:
    """The log of a driver.

    :param size: bytes after which the file is rotated; 0: never.
    :param files: how many files there are then, with the current one.
    :raises OSError: the file cannot be opened.
    """
    if driver != b"cri":
        return NoLog()
    if size <= 0:
        return CriLog(path)
    from .rotation import RotatedLog

    return RotatedLog(path, size, files)
