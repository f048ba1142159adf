"""Where a tar goes: hashed, compressed, hashed again and written, in two threads beside the one that makes it.

The mirror of :mod:`.source`, and for the same reason: hashlib, the compressors and the kernel let go of the interpreter's
lock. Memory is bounded by what may wait between the threads.
"""

from __future__ import annotations

import os
import threading
from hashlib import sha256
from queue import SimpleQueue
from typing import Callable, Protocol

from ..record import Record
from .failure import Failed, explain
from .zstandard import compressor

_CHUNK = 1 << 18
_AHEAD = 12
_GZIP = 16 + 15
_DEFLATED = 8
_LEVEL, _ISAL_LEVEL, _ZSTD_LEVEL = 6, 2, 3


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Zlib(Protocol):
    def compressobj(self, level: int, method: int, wbits: int, /) -> _Compressor: ...


class Written(Record):
    """What :meth:`Sink.finish` tells: digests as ``sha256:<hex>``, sizes in bytes."""

    digest: str
    size: int
    diff_id: str
    tar_size: int


class _Plain:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _gzip() -> _Compressor:
    """ISA-L where it is installed: some eight times as fast as zlib, for a tenth more bytes. Its header has no time in it,
    nor has zlib's: the same tar gives the same bytes, by the same library."""
    from importlib import import_module

    try:
        zlib: _Zlib = import_module("isal.isal_zlib")
        level = _ISAL_LEVEL
    except ImportError:
        zlib, level = import_module("zlib"), _LEVEL
    return zlib.compressobj(level, _DEFLATED, _GZIP)


_COMPRESSORS: dict[str, Callable[[], _Compressor]] = {
    "none": _Plain, "gzip": _gzip, "zstd": lambda: compressor(_ZSTD_LEVEL),
}


class Sink:
    """Takes a tar piece by piece.

    :param fd: where the result is written. :param compression: ``none``, ``gzip`` or ``zstd``.
    :raises Failed: the compression needs a package that is not there.
    """

    def __init__(self, fd: int, compression: str, progress: Callable[[int], None] | None = None) -> None:
        self._fd = fd
        self._compressor = _COMPRESSORS[compression]()
        self._progress = progress
        self._gathered = bytearray()
        self._plain: SimpleQueue[bytes] = SimpleQueue()
        self._hashed: SimpleQueue[bytes] = SimpleQueue()
        self._room = threading.Semaphore(_AHEAD)
        self._diff_id, self._digest = sha256(), sha256()
        self._problem: Failed | None = None
        self.tar_size = self._size = 0
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._hash, self._compress)]
        for thread in self._threads:
            thread.start()

    def write(self, data: bytes) -> None:
        """Take bytes of any number.

        :raises Failed: what was taken before could not be written.
        """
        self.tar_size += len(data)
        if len(data) >= _CHUNK and not self._gathered:
            self._push(data)
            return
        self._gathered += data
        if len(self._gathered) >= _CHUNK:
            self._push(bytes(self._gathered))
            self._gathered = bytearray()

    def finish(self) -> Written:
        """Write what is left and tell what was written. To be called once.

        :raises Failed: it could not be written.
        """
        if self._gathered:
            self._push(bytes(self._gathered))
        self._plain.put(b"")
        for thread in self._threads:
            thread.join()
        if self._problem is not None:
            raise self._problem
        return Written(f"sha256:{self._digest.hexdigest()}", self._size, f"sha256:{self._diff_id.hexdigest()}", self.tar_size)

    def _push(self, data: bytes) -> None:
        self._room.acquire()
        if self._problem is not None:
            raise self._problem
        self._plain.put(data)
        if self._progress is not None:
            self._progress(self.tar_size)

    def _hash(self) -> None:
        while True:
            data = self._plain.get()
            self._diff_id.update(data)
            self._hashed.put(data)
            if not data:
                return

    def _compress(self) -> None:
        """Goes on taking after a failure, so that the one that makes the tar never waits for room."""
        while data := self._hashed.get():
            if self._problem is None:
                self._try(self._compressor.compress, data)
            self._room.release()
        if self._problem is None:
            self._try(lambda _: self._compressor.flush(), b"")

    def _try(self, work: Callable[[bytes], bytes], data: bytes) -> None:
        try:
            self._out(work(data))
        except OSError as error:
            problem = explain(error, "writing the layer")
            self._problem = problem if isinstance(problem, Failed) else Failed(str(problem))
        except MemoryError:
            self._problem = Failed("no memory left while compressing the layer")

    def _out(self, data: bytes) -> None:
        self._digest.update(data)
        self._size += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view):]
