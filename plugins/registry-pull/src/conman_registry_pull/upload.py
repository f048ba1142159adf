"""One blob to one repository (OCI distribution-spec v1.1, "Pushing Blobs"): there already, linked, or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urljoin, urlsplit

from conman_kernel.errors import Cancelled, ConmanError, DeadlineExceeded, NotFound, Unauthorized, Unavailable
from conman_kernel.slots.transport import PutBlobRequest

from .failures import Transient, redacted
from .feed import Feed
from .reply import Question, Reply

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Log

    from .client import Client
    from .endpoints import Endpoint

MAX_PLACES = 3
"""Repositories that a blob is tried to be linked from."""
_OCTETS = {"Content-Type": "application/octet-stream"}
_NO_CHUNKS = (400, 404, 405, 411, 415, 416, 501)
"""What registries answer that know no PATCH, or only one."""


class _WholeOnly(Exception):
    """The registry takes a blob as a whole, or not at all."""

    def __init__(self, error: ConmanError) -> None:
        super().__init__(str(error))
        self.error = error


class Upload:
    """The work of putting one blob. Used once, by one thread.

    :param chunk: bytes of one PATCH; 0: all.
    """

    def __init__(self, client: Client, place: Endpoint, request: PutBlobRequest, chunk: int, log: Log) -> None:
        self._client = client
        self._place = place
        self._request = request
        self._cancel = request.cancel
        self._chunk = chunk
        self._log = log
        self._digest = request.descriptor.digest
        self._scope = f"repository:{place.repository}:pull,push"
        self._feed = Feed(request)
        self._session = ""
        self._least = 0

    def run(self) -> Literal["exists", "mounted", "written"]:
        """Do it; see :meth:`conman_kernel.slots.transport.ImageWriter.put_blob`."""
        try:
            if self._exists():
                return "exists"
            if self._mount():
                return "mounted"
            try:
                self._send()
            except _WholeOnly as refusal:
                self._log.debug("%s; sending the blob as a whole", refusal)
                self._abandon()
                self._whole()
            self._session = ""
            return "written"
        finally:
            self._feed.close()
            self._abandon()

    def _exists(self) -> bool:
        try:
            reply = self._client.ask(self._place, Question("HEAD", f"blobs/{self._digest}", (self._scope,)), self._cancel)
        except NotFound:
            return False
        reply.close()
        reply.digest_is(self._digest)
        return reply.length in (None, 0, self._request.descriptor.size)

    def _mount(self) -> bool:
        """Have the registry link the blob from where it was seen before. What comes to nothing is no error."""
        host = f"{self._place.host}/"
        below = [place.removeprefix(host) for place in self._request.places if place.startswith(host)]
        for source in [name for name in below if name != self._place.repository][:MAX_PLACES]:
            path = f"blobs/uploads/?mount={quote(self._digest, safe=':')}&from={quote(source, safe='/')}"
            question = Question("POST", path, (self._scope, f"repository:{source}:pull"), accepted=(201, 202))
            try:
                reply = self._client.ask(self._place, question, self._cancel)
            except (Unauthorized, NotFound, Unavailable) as error:
                if isinstance(error, (Cancelled, DeadlineExceeded)):
                    raise
                self._log.debug("%s has nothing to link from %s: %s", self._place.authority, source, error)
                continue
            reply.done()
            if reply.status == 201:
                reply.digest_is(self._digest)
                return True
            # It began an upload instead, which serves as well; an earlier one of these is not needed any more.
            self._abandon()
            self._moved(reply)
        return False

    def _send(self) -> None:
        """Begin, send, finish; what breaks is taken up where the registry says, or from the beginning."""
        patience = self._client.patience(self._cancel)
        at = furthest = 0
        while True:
            try:
                if not self._session:
                    self._begin()
                    at = 0
                while at < self._request.descriptor.size:
                    at = self._patch(at)
                self._finish()
                return
            except Transient as failure:
                if self._there_after_all(failure):
                    return
                patience.pause(failure)
                at = self._taken_up()
                if at - furthest >= self._client.progress:
                    patience.progressed()
                    furthest = at

    def _begin(self) -> None:
        question = Question("POST", "blobs/uploads/", (self._scope,), accepted=(202,))
        reply = self._client.once(self._place, question, self._cancel)
        reply.done()
        least = reply.headers.get("OCI-Chunk-Min-Length", "")
        self._least = int(least) if least.isascii() and least.isdigit() and len(least) < 12 else 0
        self._moved(reply)

    def _patch(self, at: int) -> int:
        """Send the next chunk. :returns: how many bytes the registry has now."""
        size = self._request.descriptor.size
        end = min(size, at + max(self._chunk, self._least)) if self._chunk else size
        headers = {**_OCTETS, "Content-Range": f"{at}-{end - 1}"}
        question = Question("PATCH", self._session, (self._scope,), headers, (201, 202, 204, *_NO_CHUNKS),
                            self._feed.part(at, end))
        reply = self._client.once(self._place, question, self._cancel)
        reply.done()
        if reply.status in _NO_CHUNKS:
            raise _WholeOnly(Unavailable(f"PATCH {redacted(reply.url)}: {reply.status}"))
        self._moved(reply)
        there = end if end == 1 else _received(reply)
        if there is not None and not at < there <= end:
            raise _WholeOnly(Unavailable(f"PATCH {redacted(reply.url)}: the registry says that it has {there} bytes after"
                                         f" {end} were sent"))
        return end if there is None else there

    def _finish(self) -> None:
        question = Question("PUT", self._closing(), (self._scope,), _OCTETS, (201, 204))
        reply = self._client.once(self._place, question, self._cancel)
        reply.done()
        reply.digest_is(self._digest)

    def _taken_up(self) -> int:
        """How much the registry has of the upload that broke; 0, and no upload, where it knows nothing of it any more."""
        if not self._session:
            return 0
        question = Question("GET", self._session, (self._scope,), accepted=(200, 202, 204))
        try:
            reply = self._client.once(self._place, question, self._cancel)
        except (Transient, ConmanError) as error:
            if isinstance(error, (Cancelled, DeadlineExceeded)):
                raise
            self._log.debug("the upload of %s begins anew: %s", self._digest, error)
            self._session = ""
            return 0
        reply.done()
        self._moved(reply, kept=True)
        there = _received(reply) or 0
        return there if there <= self._request.descriptor.size else self._given_up()

    def _given_up(self) -> int:
        self._abandon()
        return 0

    def _there_after_all(self, failure: Transient) -> bool:
        """Whether the blob is whole although the answer that would have said so was lost."""
        if self._request.descriptor.size and not self._feed.ended:
            return False
        try:
            question = Question("HEAD", f"blobs/{self._digest}", (self._scope,))
            self._client.once(self._place, question, self._cancel).close()
        except (Transient, NotFound, Unauthorized, Unavailable) as error:
            if isinstance(error, (Cancelled, DeadlineExceeded)):
                raise
            return False
        self._log.debug("%s; but the blob is there", failure)
        return True

    def _whole(self) -> None:
        """POST and one PUT with all bytes (the spec's monolithic upload)."""
        patience = self._client.patience(self._cancel)
        size = self._request.descriptor.size
        while True:
            try:
                self._begin()
                question = Question("PUT", self._closing(), (self._scope,), _OCTETS, (201, 204), self._feed.part(0, size))
                reply = self._client.once(self._place, question, self._cancel)
                reply.done()
                reply.digest_is(self._digest)
                return
            except Transient as failure:
                if self._there_after_all(failure):
                    return
                patience.pause(failure)
                self._abandon()

    def _closing(self) -> str:
        return self._session + ("&" if urlsplit(self._session).query else "?") + f"digest={quote(self._digest, safe=':')}"

    def _moved(self, reply: Reply, *, kept: bool = False) -> None:
        """Remember where the upload goes on: each answer may name another place.

        :param kept: the answer need not name one.
        """
        location = reply.headers.get("Location", "")
        if not location and kept:
            return
        if not location:
            raise Unavailable(f"{reply.method} {redacted(reply.url)}: the registry does not say where the upload goes on")
        try:
            target = urljoin(reply.url, location)
            urlsplit(target).port  # noqa: B018 (raises where it is none)
        except ValueError:
            raise Unavailable(f"{reply.method} {redacted(reply.url)}: the upload has no address that one could go to") from None
        self._session = target

    def _abandon(self) -> None:
        """Let the registry drop an upload that is not finished, as well as that can be done."""
        session, self._session = self._session, ""
        if not session or self._cancel.cancelled:
            return
        question = Question("DELETE", session, (self._scope,), accepted=(200, 202, 204))
        try:
            self._client.once(self._place, question, self._cancel).done()
        except (Transient, ConmanError) as error:
            self._log.debug("an upload was left behind at %s: %s", self._place.authority, error)


def _received(reply: Reply) -> int | None:
    """How many bytes an upload has, by the Range header (``0-N``, N being the last one); None where it does not say."""
    first, dash, last = reply.headers.get("Range", "").strip().removeprefix("bytes=").partition("-")
    if not dash or not first.isdigit() or not last.isascii() or not last.isdigit() or len(last) > 18:
        return None
    # "0-0" is what an upload without any byte has, too.
    return int(last) + 1 if int(last) else 0
