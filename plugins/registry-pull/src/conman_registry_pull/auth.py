"""Proving who asks: challenges (RFC 9110, 11.6.1; RFC 6750, 3), token servers, and the seam for credentials.

Source of the token flow: the Docker distribution's "Token Authentication Specification".
"""

from __future__ import annotations

import base64
import re
import threading
import time
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, NamedTuple
from urllib.parse import urlencode, urlsplit

from conman_kernel.errors import InvalidInput, Unauthorized, Unavailable
from conman_kernel.oci.documents import get_int, get_str, parse_object

from .failures import redacted

if TYPE_CHECKING:
    from .endpoints import Endpoint
    from .watch import Watch

_HUB_REALM = {"registry-1.docker.io": "auth.docker.io"}
_DEFAULT_LIFE = 60
_PARTS = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))|([A-Za-z][\w-]*)')
_PULL_SCOPE = re.compile(r"repository:[^\s]+:pull")


class Credentials(NamedTuple):
    """What one registry knows a person by."""

    user: str
    password: str

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


FindCredentials = Callable[[str], "Credentials | None"]
"""From a registry's host, as people write it, to its credentials. The place where auth files will be read."""

Fetch = Callable[["Endpoint", str, Mapping[str, str], "Watch"], bytes]
"""Gets a small document from a token server: endpoint, URL, headers, watch -> body. Raises the slot's errors."""


class Challenge(NamedTuple):
    """One challenge of a WWW-Authenticate header; scheme and parameter names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


class _Token(NamedTuple):
    header: str
    until: float


def nobody(host: str) -> Credentials | None:
    """No credentials for anybody: pulls are anonymous."""
    return None


def challenges(header: str) -> Iterator[Challenge]:
    """The challenges of a WWW-Authenticate header, several of which may have been joined by commas."""
    scheme, parameters = "", dict[str, str]()
    for key, quoted, plain, word in _PARTS.findall(header[:8192]):
        if word:
            if scheme:
                yield Challenge(scheme, parameters)
            scheme, parameters = word.lower(), {}
        elif scheme:
            parameters.setdefault(key.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)
    if scheme:
        yield Challenge(scheme, parameters)


class Authority:
    """Answers challenges and remembers the answers, by endpoint and repository. Usable from several threads."""

    def __init__(self, fetch: Fetch, find: FindCredentials, trusted_realms: tuple[str, ...],
                 now: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._find = find
        self._trusted = trusted_realms
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], _Token] = {}

    def header(self, endpoint: Endpoint) -> str:
        """The Authorization header that worked before and is still good; empty: try without."""
        with self._lock:
            token = self._known.get((endpoint.authority, endpoint.repository))
        return token.header if token is not None and self._now() < token.until else ""

    def answer(self, endpoint: Endpoint, url: str, header: str, watch: Watch) -> str:
        """Answer a 401.

        :param url: what was asked for; its origin may see the credentials.
        :param header: the WWW-Authenticate header.
        :returns: the Authorization header to ask again with.
        :raises Unauthorized: there is nothing to answer with.
        """
        given = list(challenges(header))
        credentials = self._find(endpoint.host)
        for challenge in given:
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                token = self._token(endpoint, url, challenge, credentials, watch)
                with self._lock:
                    self._known[(endpoint.authority, endpoint.repository)] = token
                return token.header
        if credentials is not None and any(challenge.scheme == "basic" for challenge in given):
            token = _Token(credentials.basic, float("inf"))
            with self._lock:
                self._known[(endpoint.authority, endpoint.repository)] = token
            return token.header
        wanted = ", ".join(sorted({challenge.scheme for challenge in given})) or "nothing that conman knows"
        raise Unauthorized(f"GET {redacted(url)}: 401, {endpoint.authority} asks for credentials ({wanted})",
                           hint="the repository is private, or does not exist")

    def _token(self, endpoint: Endpoint, url: str, challenge: Challenge, credentials: Credentials | None,
               watch: Watch) -> _Token:
        realm = challenge.parameters["realm"]
        parts = urlsplit(realm)
        if parts.scheme not in endpoint.schemes or not parts.hostname or "@" in parts.netloc:
            raise Unavailable(f"{endpoint.authority} names an unsafe token server: {redacted(realm)[:200]}",
                              hint=f'plain HTTP is for registries with insecure = true in [registry."{endpoint.host}"]')
        scope = challenge.parameters.get("scope", "")
        query = [("scope", scope if _PULL_SCOPE.fullmatch(scope) else f"repository:{endpoint.repository}:pull")]
        if challenge.parameters.get("service"):
            query.insert(0, ("service", challenge.parameters["service"]))
        headers: dict[str, str] = {"Accept": "application/json"}
        if credentials is not None and self._may_see(realm, url):
            headers["Authorization"] = credentials.basic
        joint = "&" if parts.query else "?"
        asked = self._now()
        body = self._fetch(endpoint, realm.partition("#")[0] + joint + urlencode(query), headers, watch)
        what = f"the answer of the token server {parts.netloc}"
        try:
            document = parse_object(body, what, 1 << 20)
            token = get_str(document, "token", what) or get_str(document, "access_token", what)
            life = get_int(document, "expires_in", what) or _DEFAULT_LIFE
        except InvalidInput as error:
            raise Unavailable(error.message) from None
        if not token or not token.isascii() or not token.isprintable():
            raise Unauthorized(f"{what} holds no token")
        # A tenth early, so that a token does not expire between here and there.
        return _Token("Bearer " + token, asked + life * 0.9)

    def _may_see(self, realm: str, url: str) -> bool:
        """Credentials go to the origin they are for, to Docker Hub's token server, and where configuration says so."""
        there, here = urlsplit(realm), urlsplit(url)
        if (there.scheme, there.netloc) == (here.scheme, here.netloc):
            return True
        known = _HUB_REALM.get(here.netloc) == there.netloc or there.netloc in self._trusted
        return known and there.scheme == "https"
