"""The bytes of one blob as they come; where a connection breaks, another goes on from the same byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, ConmanError, DeadlineExceeded, InvalidInput, NotFound, Unauthorized, Unavailable

from .endpoints import Endpoint
from .failures import Transient, redacted
from .reply import Question, Reply

if TYPE_CHECKING:
    from .client import Client

CHUNK = 256 * 1024
"""Bytes of a chunk: measured, larger ones fall out of the processor's cache before they are hashed."""
OF_NO_USE = (NotFound, Unauthorized, Unavailable, InvalidInput)
"""The errors of a mirror after which the next place is asked."""


def passes_on(error: ConmanError) -> bool:
    """Whether an error of one place is a reason to ask the next: the caller's own wishes never are."""
    return isinstance(error, OF_NO_USE) and not isinstance(error, (Cancelled, DeadlineExceeded))


class Source:
    """One blob or manifest at one of several places.

    :param places: that are asked in order; the first that answers serves, the others stand in when it fails later.
    :param path: below the repository.
    :param ranges: whether asking for a part makes sense; a manifest is always asked for as a whole.
    """

    def __init__(self, client: Client, places: tuple[Endpoint, ...], path: str, accept: str, cancel: Cancel, *,
                 ranges: bool) -> None:
        self._client = client
        self._places = list(places)
        self._path = path
        self._accept = accept
        self._cancel = cancel
        self._ranges = ranges
        self.patience = client.patience(cancel, mirror=places[0].mirror)

    def begin(self, offset: int) -> tuple[Reply, int]:
        """Ask the place that serves, several times. :returns: the answer, and where its body begins."""
        while True:
            try:
                return self.once(offset)
            except Transient as failure:
                self.patience.pause(failure)

    def once(self, offset: int) -> tuple[Reply, int]:
        """As :meth:`begin`, a single time. :raises Transient: it failed, and that may pass."""
        place = self._places[0]
        headers = {"Accept": self._accept}
        wanted = {**headers, "Range": f"bytes={offset}-"} if offset and self._ranges else headers
        scopes = (f"repository:{place.repository}:pull",)
        reply = self._client.once(place, Question("GET", self._path, scopes, wanted, (200, 206, 416)), self._cancel)
        if reply.status == 416:
            # What is here is as much as there is, or more: from the beginning, for the kernel to see.
            reply.close()
            reply = self._client.once(place, Question("GET", self._path, scopes, headers), self._cancel)
        return reply, _begins(reply, offset)

    def next_place(self) -> bool:
        """Go over to the next place; False where there is none."""
        if len(self._places) < 2:
            return False
        del self._places[0]
        self.patience = self._client.patience(self._cancel, mirror=self._places[0].mirror)
        return True


class BodyStream:
    """See :class:`conman_kernel.slots.transport.BlobStream`.

    :param reply: the answer to the first request, whose body begins at ``offset``.
    :param gain: bytes that count as progress, after which earlier breaks are forgotten.
    """

    def __init__(self, source: Source, reply: Reply, offset: int, gain: int) -> None:
        self.offset = offset
        self._source = source
        self._reply: Reply | None = reply
        self._gain = gain

    def __iter__(self) -> Iterator[bytes]:
        at = counted = self.offset
        skip = 0
        try:
            while True:
                try:
                    for chunk in self._one_body():
                        if skip:
                            skip, chunk = max(0, skip - len(chunk)), chunk[skip:]
                        if chunk:
                            at += len(chunk)
                            yield chunk
                    if skip:
                        raise Unavailable(f"the same content was {skip} bytes shorter when it was asked for again")
                    return
                except Transient as failure:
                    if at - counted >= self._gain:
                        self._source.patience.progressed()
                        counted = at
                    skip = at - self._again(failure, at)
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back. May be called twice."""
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.close()

    def _one_body(self) -> Iterator[bytes]:
        reply, received = self._reply, 0
        while reply is not None and (chunk := reply.read(CHUNK)):
            received += len(chunk)
            if received == reply.length:
                # By now the connection may serve another request, which this one's deadline must not end.
                self.close()
                yield chunk
                return
            yield chunk
        if reply is not None:
            reply.expect(received)

    def _again(self, failure: Transient, at: int) -> int:
        """Another answer after a break: where its body begins, which is at the byte wanted or before it."""
        self.close()
        while True:
            try:
                self._source.patience.pause(failure)
                self._reply, begins = self._source.begin(at)
                return begins
            except ConmanError as error:
                if not passes_on(error) or not self._source.next_place():
                    raise
                failure = Transient(error, 0.0)


def _begins(reply: Reply, offset: int) -> int:
    """Where an answer's body begins in the blob. :raises Unavailable: elsewhere than asked."""
    if reply.status != 206:
        return 0
    unit, _, rest = reply.headers.get("Content-Range", "").strip().partition(" ")
    first = rest.partition("-")[0]
    if unit.lower() == "bytes" and first.isascii() and first.isdigit() and len(first) < 20 and int(first) == offset:
        return offset
    reply.close()
    raise Unavailable(f"GET {redacted(reply.url)}: asked for the bytes from {offset} on, and got others")
