"""One question to one endpoint: scheme, authorization, redirects, and another try where that may help."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Mapping
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from conman_kernel.cancel import Cancel
from conman_kernel.errors import DeadlineExceeded, InvalidInput, Unavailable

from .auth import Authority, FindCredentials
from .endpoints import Endpoint, settings_for, verification
from .failures import Transient, from_exception, from_status, redacted
from .watch import Watch
from .wire import Wire

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Log, RegistrySettings

    from . import Options

ATTEMPTS = 3
PAUSES = (0.2, 1.0)
"""Seconds before the second and the third attempt, where the registry names none."""
MAX_PAUSE = 10.0
"""Seconds: a registry that wants to be left alone for longer is not waited for."""
MAX_REDIRECTS = 5
MAX_ERROR_BODY = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


class Reply:
    """An answer with status 200, 206 or 416 whose body is still on its way. Used by one thread at a time."""

    def __init__(self, url: str, response: requests.Response, watch: Watch) -> None:
        self.url = url
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._watch = watch

    @property
    def length(self) -> int | None:
        """How many bytes of body the answer announces; None where it does not."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes of the body, fewer only at its end.

        :raises Unavailable: the connection broke.
        :raises Cancelled: or :class:`DeadlineExceeded`, as the request's token says.
        """
        try:
            data: bytes = self._response.raw.read(size, decode_content=False)
        except _BROKEN as error:
            self._watch.check()
            found = from_exception(self.url, error)
            raise (found.error if isinstance(found, Transient) else found) from error
        if self._watch.fired:
            self._watch.check()
        return data

    def whole(self, limit: int) -> bytes:
        """The rest of the body, then :meth:`close`.

        :raises InvalidInput: it has more than ``limit`` bytes.
        :raises Unavailable: it ended early.
        """
        try:
            data = self.read(limit + 1)
            if len(data) > limit:
                raise InvalidInput(f"GET {redacted(self.url)}: the answer has more than {limit} bytes")
            self.expect(len(data))
            return data
        finally:
            self.close()

    def expect(self, received: int) -> None:
        """Compare what came with what was announced. :raises Unavailable: the body ended early."""
        if self.length is not None and received != self.length:
            raise Unavailable(f"GET {redacted(self.url)}: the connection ended after {received} of {self.length} bytes",
                              hint="try again")

    def close(self) -> None:
        """Give the connection back. May be called twice."""
        self._response.close()
        self._watch.stop()


class Client:
    """Asks endpoints. Usable from several threads at once."""

    def __init__(self, options: Options, registries: Mapping[str, RegistrySettings], log: Log,
                 find: FindCredentials) -> None:
        self._registries = registries
        self._log = log
        self._wire = Wire(options)
        self._authority = Authority(self._fetch_token, find, options.trusted_realms)
        self._schemes: dict[str, str] = {}

    def get(self, endpoint: Endpoint, path: str, headers: Mapping[str, str], cancel: Cancel) -> Reply:
        """Ask for ``/v2/<repository>/<path>``, up to three times where the failure may be a passing one.

        :returns: an answer with status 200, 206 or 416, not yet read; to be closed.
        :raises NotFound, Unauthorized, Unavailable: as the slot promises.
        """
        for attempt in range(ATTEMPTS):
            cancel.check()
            watch = Watch(cancel)
            try:
                return self._ask(endpoint, path, headers, watch)
            except Transient as failure:
                watch.stop()
                pause = PAUSES[min(attempt, len(PAUSES) - 1)] if failure.after is None else failure.after
                if attempt + 1 == ATTEMPTS or pause > MAX_PAUSE:
                    raise failure.error from failure
                self._log.debug("%s; trying again in %g s", failure.error, pause)
                cancel.wait_readable(timeout=pause)
            except BaseException:
                watch.stop()
                raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def close(self) -> None:
        """Close idle connections. May be called twice."""
        self._wire.close()

    def _ask(self, endpoint: Endpoint, path: str, headers: Mapping[str, str], watch: Watch) -> Reply:
        authorization = self._authority.header(endpoint)
        url, response = self._first(endpoint, path, _with(headers, authorization), watch)
        if response.status_code == 401:
            challenge = response.headers.get("WWW-Authenticate", "")
            self._body(url, response, watch)
            authorization = self._authority.answer(endpoint, url, challenge, watch)
            url, response = self._follow(endpoint, url, _with(headers, authorization), watch)
        if response.status_code in (200, 206, 416):
            return Reply(url, response, watch)
        raise self._refusal(url, response, watch)

    def _first(self, endpoint: Endpoint, path: str, headers: Mapping[str, str],
               watch: Watch) -> tuple[str, requests.Response]:
        """The first request to an endpoint also finds out which scheme it speaks."""
        known = self._schemes.get(endpoint.authority)
        schemes = (known,) if known in endpoint.schemes and known is not None else endpoint.schemes
        for scheme in schemes:
            url = f"{scheme}://{endpoint.authority}/v2/{endpoint.repository}/{path}"
            try:
                found = self._follow(endpoint, url, headers, watch)
            except (Transient, Unavailable) as failure:
                if scheme == schemes[-1] or watch.fired or isinstance(failure, DeadlineExceeded):
                    raise
                self._log.debug("%s; trying plain HTTP", failure)
                continue
            self._schemes[endpoint.authority] = scheme
            return found
        raise AssertionError("unreachable: an endpoint has a scheme")

    def _follow(self, endpoint: Endpoint, url: str, headers: Mapping[str, str],
                watch: Watch) -> tuple[str, requests.Response]:
        """Send a request and follow redirects; another origin gets neither Authorization nor a lesser scheme."""
        origin = _origin(url)
        for _ in range(MAX_REDIRECTS):
            response = self._send(endpoint, url, headers, watch)
            target = response.headers.get("Location", "")
            if response.status_code not in _REDIRECTS or not target:
                return url, response
            response.close()
            before, url = url, urljoin(url, target)
            scheme = urlsplit(url).scheme
            if scheme not in ("http", "https"):
                raise Unavailable(f"GET {redacted(before)}: redirected to a {scheme[:20]}: address, which no registry is at")
            if scheme != "https" and not (scheme == "http" and endpoint.plain):
                raise Unavailable(f"GET {redacted(before)}: redirected to http, away from https",
                                  hint=f'insecure = true in [registry."{endpoint.host}"] allows plain HTTP')
            if _origin(url) != origin:
                headers = {key: value for key, value in headers.items() if key != "Authorization"}
                origin = _origin(url)
        raise Unavailable(f"GET {redacted(url)}: more than {MAX_REDIRECTS} redirects")

    def _send(self, endpoint: Endpoint, url: str, headers: Mapping[str, str], watch: Watch) -> requests.Response:
        authority = urlsplit(url).netloc
        verify = endpoint.verify
        if verify and authority != endpoint.authority:
            verify = verification(settings_for(authority, self._registries))
        try:
            return self._wire.get(url, headers, verify=verify, watch=watch)
        except (*_BROKEN, ValueError) as error:
            watch.check()
            raise from_exception(url, error) from error

    def _refusal(self, url: str, response: requests.Response, watch: Watch) -> Exception:
        retry_after = response.headers.get("Retry-After", "").strip()
        return from_status(url, response.status_code, self._body(url, response, watch), retry_after)

    def _body(self, url: str, response: requests.Response, watch: Watch) -> bytes:
        """The body of an answer that is read for its words alone, so that the connection can be used again."""
        try:
            data: bytes = response.raw.read(MAX_ERROR_BODY, decode_content=False)
            return data
        except _BROKEN as error:
            watch.check()
            raise from_exception(url, error) from error
        finally:
            response.close()

    def _fetch_token(self, endpoint: Endpoint, url: str, headers: Mapping[str, str], watch: Watch) -> bytes:
        url, response = self._follow(endpoint, url, headers, watch)
        if response.status_code != 200:
            raise self._refusal(url, response, watch)
        return self._body(url, response, watch)


def _with(headers: Mapping[str, str], authorization: str) -> Mapping[str, str]:
    return {**headers, "Authorization": authorization} if authorization else headers


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
