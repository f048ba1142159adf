"""Questions to a registry, and its answers."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Mapping, NamedTuple

import requests
import urllib3.exceptions

from conman_kernel.errors import DigestMismatch, InvalidInput, Unavailable

from .failures import Transient, from_exception, redacted
from .watch import Watch

if TYPE_CHECKING:
    from .wire import Body

BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
"""What the HTTP library raises for a request that got no (whole) answer."""
_LEFT_OVER = 64 * 1024


class Question(NamedTuple):
    """One request, whichever endpoint it goes to.

    :param path: below ``/v2/NAME/`` of the endpoint; or a whole URL, as registries name for uploads and further pages.
    :param scopes: what a token must allow; the token server is asked for these, and for nothing more.
    :param accepted: the statuses that are answers; any other is an error.
    :param body: what is sent, piece by piece.
    """

    method: str
    path: str
    scopes: tuple[str, ...]
    headers: Mapping[str, str] = {}
    accepted: tuple[int, ...] = (200,)
    body: bytes | Body | None = None


class Reply:
    """An accepted answer whose body is still on its way. Used by one thread at a time."""

    def __init__(self, method: str, url: str, response: requests.Response, watch: Watch) -> None:
        self.method = method
        self.url = url
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._watch = watch

    @property
    def length(self) -> int | None:
        """How many bytes of body the answer announces; None where it does not."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes of the body, fewer only at its end.

        :raises Transient: the connection broke, or stays silent, or only drips.
        :raises Cancelled: or :class:`DeadlineExceeded`, as the request's token says.
        """
        self._watch.reading()
        try:
            data: bytes = self._response.raw.read(size, decode_content=False)
        except BROKEN as error:
            self._watch.check()
            if self._watch.slow:
                raise drips(self.method, self.url) from error
            found = from_exception(self.url, error, self.method)
            raise (found if isinstance(found, Transient) else Transient(found)) from error
        finally:
            self._watch.read()
        if self._watch.fired:
            self._watch.check()
        if self._watch.slow and len(data) < size:
            raise drips(self.method, self.url)
        return data

    def whole(self, limit: int) -> bytes:
        """The rest of the body, then :meth:`close`.

        :raises InvalidInput: it has more than ``limit`` bytes.
        :raises Transient: it ended early.
        """
        try:
            data = self.read(limit + 1)
            if len(data) > limit:
                raise InvalidInput(f"{self.method} {redacted(self.url)}: the answer has more than {limit} bytes")
            self.expect(len(data))
            return data
        finally:
            self.close()

    def expect(self, received: int) -> None:
        """Compare what came with what was announced. :raises Transient: the body ended early."""
        if self.length is not None and received != self.length:
            raise self.short(received, self.length)

    def short(self, received: int, announced: int) -> Transient:
        """The failure of a body that ended early."""
        return Transient(Unavailable(f"{self.method} {redacted(self.url)}: the connection ended after {received} of"
                                     f" {announced} bytes", hint="try again"))

    def done(self) -> None:
        """Read the little that is left, so that the connection can be used again; then :meth:`close`."""
        try:
            if self.method != "HEAD" and self.status != 204:
                self._response.raw.read(_LEFT_OVER, decode_content=False)
        except BROKEN:
            self._watch.check()  # the answer itself is here: what follows it does not matter
        finally:
            self.close()

    def digest_is(self, digest: str) -> None:
        """Compare what the registry says of the content. :raises DigestMismatch: it names another digest."""
        said = self.headers.get("Docker-Content-Digest", "").strip()
        # A registry may count by another algorithm (OCI distribution-spec v1.1, "Pushing Manifests").
        if said and said != digest and said.partition(":")[0] == digest.partition(":")[0]:
            raise DigestMismatch(f"{self.method} {redacted(self.url)}: the registry says {said[:140]!r} instead of {digest}")

    def close(self) -> None:
        """Give the connection back. May be called twice."""
        self._response.close()
        self._watch.stop()


def drips(method: str, url: str) -> Transient:
    """The failure of an answer that comes too slowly to ever end."""
    return Transient(Unavailable(f"{method} {redacted(url)}: the answer only drips",
                                 hint="min_speed in [plugin.registry-pull] allows it less"))
