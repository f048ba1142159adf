"""The bytes of a blob that is sent: read in order, and once more from any byte where a request has to be made again."""

from __future__ import annotations

from itertools import chain
from typing import Callable, Iterator

from conman_kernel.errors import DigestMismatch
from conman_kernel.slots.transport import PutBlobRequest

_NOTHING = iter(())


class Feed:
    """Reads a blob's source as it is asked for. Used by one thread.

    The last piece is given out only when the source has ended, which is when it says whether its bytes were the right ones:
    a blob that is wrong is never sent as a whole.
    """

    def __init__(self, request: PutBlobRequest) -> None:
        self.size = request.descriptor.size
        self._digest = request.descriptor.digest
        self._open: Callable[[int], Iterator[bytes]] = request.open
        self._progress = request.progress
        self._pieces: Iterator[bytes] = _NOTHING
        self._piece: memoryview = memoryview(b"")
        self._at = -1

    @property
    def ended(self) -> bool:
        """All bytes were given out."""
        return self._at == self.size

    def part(self, start: int, end: int) -> Part:
        """The bytes from ``start`` to before ``end``, as the body of a request."""
        return Part(self, start, end)

    def read(self, start: int, end: int) -> Iterator[memoryview]:
        """Those bytes, piece by piece. Errors as of the source."""
        if start != self._at:
            self._restart(start)
        while self._at < end:
            if not self._piece:
                self._piece = memoryview(next(self._pieces, b""))
                if not self._piece:
                    raise DigestMismatch(f"the bytes of {self._digest} are fewer than the {self.size} that were announced")
            piece = self._piece[:end - self._at]
            self._piece = self._piece[len(piece):]
            if self._at + len(piece) == self.size:
                self._finish()
            self._at += len(piece)
            yield piece
            self._progress(self._at)

    def _finish(self) -> None:
        for more in chain((self._piece,), self._pieces):
            if more:
                raise DigestMismatch(f"the bytes of {self._digest} are more than the {self.size} that were announced")

    def _restart(self, start: int) -> None:
        self.close()
        self._pieces = self._open(start)
        self._at = start

    def close(self) -> None:
        """End the reading of the source. May be called twice."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
        self._pieces, self._piece, self._at = _NOTHING, memoryview(b""), -1


class Part:
    """The body of one request; iterated again, it begins again."""

    def __init__(self, feed: Feed, start: int, end: int) -> None:
        self._feed = feed
        self.start = start
        self.end = end

    def __len__(self) -> int:
        return self.end - self.start

    def __iter__(self) -> Iterator[bytes | memoryview]:
        return self._feed.read(self.start, self.end)
