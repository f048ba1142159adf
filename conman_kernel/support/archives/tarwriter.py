"""A tar of regular files, written from front to end. The same members give the same bytes."""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING, Iterable

from ...errors import InvalidState
from . import headers

if TYPE_CHECKING:
    from ...cancel import Cancel
    from .sinks import Sink

_RECORD = 20 * headers.BLOCK


class TarWriter:
    """Writes members to a sink, one at a time; threads wait for each other."""

    def __init__(self, sink: Sink, shown: str) -> None:
        self._sink, self._shown = sink, shown
        self._lock = allocate_lock()
        self._names: set[str] = set()
        self._at = 0
        self._broken = False

    def add(self, name: str, size: int, chunks: Iterable[bytes], cancel: Cancel) -> bool:
        """Write a member, unless one of its name was.

        :param chunks: exactly ``size`` bytes. Where they raise, a file is as before, and a pipe takes nothing more.
        :returns: False where a member of this name is there already; ``chunks`` are not asked then.
        :raises InvalidState: an earlier member was cut short within a pipe.
        """
        while not self._lock.acquire(timeout=0.05):
            cancel.check()
        try:
            if name in self._names:
                return False
            self._add(name, size, chunks, cancel)
            self._names.add(name)
            return True
        finally:
            self._lock.release()

    def add_document(self, name: str, data: bytes, cancel: Cancel) -> bool:
        """Write a member whose bytes are there. As :meth:`add`."""
        return self.add(name, len(data), (data,), cancel)

    def finish(self, cancel: Cancel) -> None:
        """Write what ends a tar, and make it visible."""
        self._check()
        end = 2 * headers.BLOCK
        self._sink.write(bytes(end + -(self._at + end) % _RECORD), cancel)
        self._sink.commit()

    def close(self) -> None:
        """Close the sink. May be called twice."""
        self._sink.close()

    def _add(self, name: str, size: int, chunks: Iterable[bytes], cancel: Cancel) -> None:
        self._check()
        try:
            header = headers.make(name, size)
            self._sink.write(header, cancel)
            for chunk in chunks:
                self._sink.write(chunk, cancel)
            self._sink.write(bytes(-size % headers.BLOCK), cancel)
        except BaseException:
            self._broken = not self._sink.rewind(self._at)
            raise
        self._at += len(header) + size + -size % headers.BLOCK

    def _check(self) -> None:
        if self._broken:
            raise InvalidState(f"{self._shown} was cut short within a member, and cannot be finished")
