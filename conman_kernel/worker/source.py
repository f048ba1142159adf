"""A layer's bytes: read, inflated and hashed in two threads beside the one that writes, in bounded memory.

zlib, hashlib and the kernel all let go of the interpreter's lock on big buffers, so the three overlap on two cores.
"""

from __future__ import annotations

import os
import threading
from hashlib import sha256
from queue import SimpleQueue
from typing import Callable

from .failure import Refused, explain
from .inflating import Feed, gunzip, unzstd
from .zstandard import is_zstd

_READ = 1 << 17
_AHEAD = 12
_MAGIC = 8
_OTHER_FORMATS = ((b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"))


class Source:
    """The uncompressed stream of a layer.

    :param fd: where the layer is read, from its current position.
    :param limit: bytes of the uncompressed stream after which it is refused.
    :param progress: called in another thread with the bytes read so far, after each read.
    """

    def __init__(self, fd: int, limit: int, progress: Callable[[int], None] | None) -> None:
        self._fd = fd
        self._limit = limit
        self._progress = progress
        self._inflated: SimpleQueue[bytes | Exception] = SimpleQueue()
        self._hashed: SimpleQueue[bytes | Exception] = SimpleQueue()
        self._room = threading.Semaphore(_AHEAD)
        self._digest = sha256()
        self._done = False
        self.size = 0
        for work in (self._inflate, self._hash):
            threading.Thread(target=work, daemon=True).start()

    def next(self) -> bytes:
        """The next chunk, ``b""`` at the end.

        :raises Refused: the stream is broken, too big, or of an unknown compression. :raises Failed: it cannot be read.
        """
        if self._done:
            return b""
        self._room.release()
        item = self._hashed.get()
        if isinstance(item, Exception):
            raise item
        self._done = not item
        return item

    def finish(self) -> str:
        """Read what is left (padding, mostly) and return ``sha256:<hex>`` of the whole stream."""
        while self.next():
            pass
        return f"sha256:{self._digest.hexdigest()}"

    def _hash(self) -> None:
        while True:
            item = self._inflated.get()
            if isinstance(item, bytes):
                self._digest.update(item)
            self._hashed.put(item)
            if not item or isinstance(item, Exception):
                return

    def _inflate(self) -> None:
        try:
            self._produce()
            self._inflated.put(b"")
        except OSError as error:
            self._inflated.put(explain(error, "reading the layer"))
        except Exception as error:  # noqa: BLE001 (whatever it is: the one that writes waits for it, and is to raise it)
            self._inflated.put(error)

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limit:
            raise Refused(f"the layer is bigger than {self._limit} bytes uncompressed")
        self._room.acquire()
        self._inflated.put(data)

    def _read(self, count: int) -> bytes:
        data = os.read(self._fd, _READ)
        if self._progress is not None:
            self._progress(count + len(data))
        return data

    def _produce(self) -> None:
        data = self._read(0)
        while len(data) < _MAGIC and (more := self._read(len(data))):
            data += more
        for magic, name in _OTHER_FORMATS:
            if data.startswith(magic):
                raise Refused(f"the layer is compressed with {name}, which this release cannot read",
                              "use an image with gzip or zstd layers")
        inflate = gunzip if data.startswith(b"\x1f\x8b") else unzstd if is_zstd(data) else None
        if inflate is not None:
            count = len(data)

            def read() -> bytes:
                nonlocal count
                more = self._read(count)
                count += len(more)
                return more

            inflate(Feed(data, read), self._put)
            return
        count = 0
        while data:
            count += len(data)
            self._put(data)
            data = self._read(count)
