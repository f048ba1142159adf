"""Proving who asks: answers to challenges, token servers, and who of them may see credentials.

Sources: the Docker distribution's "Token Authentication Specification" and "OAuth2 Token Authentication".
"""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Callable, NamedTuple
from urllib.parse import urlencode, urlsplit

from conman_kernel.errors import InvalidInput, Unauthorized, Unavailable
from conman_kernel.oci.documents import get_int, get_str, parse_object

from .challenges import Challenge, challenges
from .failures import redacted

if TYPE_CHECKING:
    from .credentials import Credentials, FindCredentials
    from .endpoints import Endpoint
    from .watch import Watch

CLIENT_ID = "conman"
MAX_TOKEN = 64 * 1024
"""Bytes of a token: no server takes a header of more."""
_HUB_REALM = {"registry-1.docker.io": "auth.docker.io"}
_DEFAULT_LIFE = 60
_LONGEST_LIFE = 24 * 3600
_PULL_SCOPE = re.compile(r"repository:[^\s]+:pull")

Fetch = Callable[["Endpoint", str, str, bytes, "Watch"], bytes]
"""Gets a small document from a token server: endpoint, URL, authorization, form, watch -> body. Raises the slot's errors."""


class _Answer(NamedTuple):
    header: str
    until: float


class Authority:
    """Answers challenges and remembers the answers. Usable from several threads.

    A token is remembered for exactly the scopes that it was asked for, credentials themselves for their repository.

    :param strict: credentials that may not be shown to the token server are an error, not a reason to ask without them.
    """

    def __init__(self, fetch: Fetch, find: FindCredentials, trusted_realms: tuple[str, ...], *, strict: bool = False,
                 now: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._find = find
        self._trusted = trusted_realms
        self._strict = strict
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, tuple[str, ...]], _Answer] = {}
        self._withheld: dict[str, str] = {}

    def header(self, endpoint: Endpoint, scopes: tuple[str, ...]) -> str:
        """The Authorization header that worked before and is still good; empty: try without."""
        with self._lock:
            for key in (_token_key(endpoint, scopes), _basic_key(endpoint)):
                answer = self._known.get(key)
                if answer is not None and self._now() < answer.until:
                    return answer.header
        return ""

    def withheld(self, authority: str) -> str:
        """The token server that was not shown the credentials which were there for an authority; empty where none was."""
        with self._lock:
            return self._withheld.get(authority, "")

    def answer(self, endpoint: Endpoint, url: str, header: str, scopes: tuple[str, ...], watch: Watch) -> str:
        """Answer a 401.

        :param url: what was asked for; its origin may see the credentials.
        :param header: the WWW-Authenticate header.
        :param scopes: what a token must allow.
        :returns: the Authorization header to ask again with.
        :raises Unauthorized: there is nothing to answer with.
        """
        given = list(challenges(header))
        credentials = self._find(endpoint, watch.cancel)
        for challenge in given:
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                token = self._token(endpoint, url, challenge, scopes, credentials, watch)
                return self._remember(_token_key(endpoint, scopes), token)
        usable = credentials is not None and not credentials.identity
        if credentials is not None and usable and any(challenge.scheme == "basic" for challenge in given):
            return self._remember(_basic_key(endpoint), _Answer(credentials.basic, float("inf")))
        wanted = ", ".join(sorted({challenge.scheme for challenge in given}))[:100] or "nothing that conman knows"
        raise Unauthorized(f"GET {redacted(url)}: 401, {endpoint.authority} asks for credentials ({wanted})",
                           hint=f"the repository is private, or does not exist; conman login {endpoint.host}")

    def _remember(self, key: tuple[str, str, tuple[str, ...]], answer: _Answer) -> str:
        with self._lock:
            self._known[key] = answer
        return answer.header

    def _token(self, endpoint: Endpoint, url: str, challenge: Challenge, scopes: tuple[str, ...],
               credentials: Credentials | None, watch: Watch) -> _Answer:
        realm = challenge.parameters["realm"]
        parts = urlsplit(realm)
        if parts.scheme not in endpoint.schemes or not parts.hostname or "@" in parts.netloc:
            raise Unavailable(f"{endpoint.authority} names an unsafe token server: {redacted(realm)[:200]}",
                              hint=f'plain HTTP is for registries with insecure = true in [registry."{endpoint.host}"]')
        if credentials is not None and not self._may_see(realm, url):
            self._withhold(endpoint.authority, parts.netloc)
            credentials = None
        asked = self._now()
        body = self._ask(endpoint, realm.partition("#")[0], challenge, _wanted(challenge, scopes), credentials, watch)
        return _parsed(body, f"the answer of the token server {parts.netloc}", asked)

    def _ask(self, endpoint: Endpoint, realm: str, challenge: Challenge, scopes: tuple[str, ...],
             credentials: Credentials | None, watch: Watch) -> bytes:
        service = challenge.parameters.get("service", "")
        if credentials is not None and credentials.identity:
            form = [("grant_type", "refresh_token"), ("service", service), ("client_id", CLIENT_ID),
                    ("refresh_token", credentials.identity)]
            form += [("scope", " ".join(scopes))] if scopes else []
            return self._fetch(endpoint, realm, "", urlencode(form).encode(), watch)
        query = [("service", service)] if service else []
        query += [("account", credentials.user)] if credentials is not None else []
        query += [("scope", scope) for scope in scopes]
        joint = "&" if urlsplit(realm).query else "?"
        where = realm + joint + urlencode(query) if query else realm
        return self._fetch(endpoint, where, credentials.basic if credentials is not None else "", b"", watch)

    def _withhold(self, registry: str, server: str) -> None:
        with self._lock:
            self._withheld[registry] = self._withheld[server] = server
        if self._strict:
            raise Unauthorized(f"{registry} names the token server {server}, which may not see credentials for {registry}",
                               hint=f'trusted_realms = ["{server}"] in [plugin.registry-pull] allows it')

    def _may_see(self, realm: str, url: str) -> bool:
        """Credentials go to the origin they are for, to Docker Hub's token server, and where configuration says so."""
        there, here = urlsplit(realm), urlsplit(url)
        if (there.scheme, there.netloc.lower()) == (here.scheme, here.netloc.lower()):
            return True
        known = _HUB_REALM.get(here.netloc) == there.netloc or there.netloc in self._trusted
        return known and there.scheme == "https"


def _token_key(endpoint: Endpoint, scopes: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    return endpoint.authority, "", scopes


def _basic_key(endpoint: Endpoint) -> tuple[str, str, tuple[str, ...]]:
    return endpoint.authority, endpoint.repository or "/", ()


def _wanted(challenge: Challenge, scopes: tuple[str, ...]) -> tuple[str, ...]:
    """What the token server is asked for: never more than is needed, whatever the registry would like."""
    named = challenge.parameters.get("scope", "")
    reads = len(scopes) == 1 and _PULL_SCOPE.fullmatch(scopes[0])
    # Registries behind others may know the repository by another name: to read there is no more than to read here.
    return (named,) if reads and _PULL_SCOPE.fullmatch(named) else scopes


def _parsed(body: bytes, what: str, asked: float) -> _Answer:
    try:
        document = parse_object(body, what, MAX_TOKEN)
        token = get_str(document, "token", what) or get_str(document, "access_token", what)
        life = get_int(document, "expires_in", what) or _DEFAULT_LIFE
    except InvalidInput as error:
        raise Unavailable(error.message) from None
    if not token or not token.isascii() or not token.isprintable():
        raise Unauthorized(f"{what} holds no token")
    # A tenth early, so that a token does not expire between here and there.
    return _Answer("Bearer " + token, asked + min(life, _LONGEST_LIFE) * 0.9)
