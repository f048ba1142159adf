"""One question to one endpoint: scheme, authorization, redirects, and another try where that may help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping
from urllib.parse import urljoin, urlsplit

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConmanError, DeadlineExceeded, Unauthorized, Unavailable

from .auth import Authority
from .credentials import FindCredentials
from .endpoints import Endpoint
from .endpoints import endpoint as endpoint_of
from .failures import Transient, from_exception, from_status, redacted
from .patience import Patience
from .reply import BROKEN, Question, Reply, drips
from .watch import Watch
from .wire import Wire

if TYPE_CHECKING:
    import requests

    from conman_kernel.slots.provider import Log, RegistrySettings

    from . import Options

MAX_REDIRECTS = 5
MAX_ERROR_BODY = 64 * 1024
MIRROR_TRIES = 2
"""A mirror that fails is passed over rather than waited for; the second try is for connections that had gone stale."""
_REDIRECTS = (301, 302, 303, 307, 308)


class Client:
    """Asks endpoints. Usable from several threads at once.

    :param strict: credentials must have been seen by a token server: asking without them is no answer (``login``).
    """

    def __init__(self, options: Options, registries: Mapping[str, RegistrySettings], log: Log,
                 find: FindCredentials, *, strict: bool = False) -> None:
        self._options = options
        self._registries = registries
        self._log = log
        self._wire = Wire(options)
        self._authority = Authority(self._fetch_token, find, options.trusted_realms, strict=strict)
        self._strict = strict
        self._schemes: dict[str, str] = {}

    def patience(self, cancel: Cancel, *, mirror: bool = False) -> Patience:
        """How often work may fail in a row, as configured."""
        tries = self._options.attempts
        return Patience(min(tries, MIRROR_TRIES) if mirror else tries, self._options.longest_pause, cancel, self._log)

    @property
    def progress(self) -> int:
        """Bytes that count as progress of a transfer that breaks again and again: more than one that drips can bring."""
        return max(64 * 1024, int(4 * self._options.read_timeout * self._options.min_speed))

    def ask(self, endpoint: Endpoint, question: Question, cancel: Cancel) -> Reply:
        """Ask, several times where the failure may be a passing one.

        :returns: an accepted answer, its body not yet read; to be closed.
        :raises ConmanError: as the slot promises.
        """
        patience = self.patience(cancel, mirror=endpoint.mirror)
        while True:
            try:
                return self.once(endpoint, question, cancel)
            except Transient as failure:
                patience.pause(failure)

    def document(self, endpoint: Endpoint, question: Question, limit: int, cancel: Cancel) -> tuple[Reply, bytes]:
        """As :meth:`ask`, with the whole body, which has at most ``limit`` bytes; a body that breaks is asked for again."""
        patience = self.patience(cancel, mirror=endpoint.mirror)
        while True:
            try:
                reply = self.once(endpoint, question, cancel)
                return reply, reply.whole(limit)
            except Transient as failure:
                patience.pause(failure)

    def once(self, endpoint: Endpoint, question: Question, cancel: Cancel) -> Reply:
        """As :meth:`ask`, a single time. :raises Transient: it failed, and that may pass."""
        cancel.check()
        window = 2 * self._options.read_timeout if self._options.min_speed > 0 else 0.0
        watch = Watch(cancel, window, int(window * self._options.min_speed))
        try:
            return self._ask(endpoint, question, watch)
        except BaseException:
            watch.stop()
            raise

    def close(self) -> None:
        """Close idle connections. May be called twice."""
        self._wire.close()

    def _ask(self, endpoint: Endpoint, question: Question, watch: Watch) -> Reply:
        authorization = self._authority.header(endpoint, question.scopes)
        url, response = self._first(endpoint, question, authorization, watch)
        if response.status_code == 401 and _at_home(endpoint, url):
            challenge = response.headers.get("WWW-Authenticate", "")
            self._body(question.method, url, response, watch)
            authorization = self._authority.answer(endpoint, url, challenge, question.scopes, watch)
            url, response = self._follow(endpoint, question, url, authorization, watch)
        if response.status_code in question.accepted:
            return Reply(question.method, url, response, watch)
        refusal = self._refusal(question.method, url, response, watch)
        if isinstance(refusal, Unauthorized) and response.status_code == 401 and authorization.startswith("Basic "):
            refusal.hint = f"{endpoint.authority} knows no such user, or another password; conman login {endpoint.host}"
        raise refusal

    def _first(self, endpoint: Endpoint, question: Question, authorization: str,
               watch: Watch) -> tuple[str, requests.Response]:
        """The first request to an endpoint also finds out which scheme it speaks."""
        if "://" in question.path:
            return self._follow(endpoint, question, question.path, authorization, watch)
        known = self._schemes.get(endpoint.authority)
        schemes = (known,) if known in endpoint.schemes and known is not None else endpoint.schemes
        below = f"{endpoint.repository}/{question.path}" if endpoint.repository else question.path
        for scheme in schemes:
            url = f"{scheme}://{endpoint.authority}/v2/{below}"
            try:
                found = self._follow(endpoint, question, url, authorization, watch)
            except (Transient, Unavailable) as failure:
                if scheme == schemes[-1] or watch.fired or isinstance(failure, DeadlineExceeded):
                    raise
                self._log.debug("%s; trying plain HTTP", failure)
                continue
            self._schemes[endpoint.authority] = scheme
            return found
        raise AssertionError("unreachable: an endpoint has a scheme")

    def _follow(self, endpoint: Endpoint, question: Question, url: str, authorization: str,
                watch: Watch) -> tuple[str, requests.Response]:
        """Send a request and follow redirects; another origin gets neither Authorization nor a lesser scheme."""
        method = question.method
        authorized = bool(authorization) and _at_home(endpoint, url)
        origin = _origin(url)
        _check_scheme(endpoint, method, url, "the registry names")
        for _ in range(MAX_REDIRECTS):
            headers = {**question.headers, "Authorization": authorization} if authorized else question.headers
            response = self._send(endpoint, question, url, headers, watch)
            target = response.headers.get("Location", "")
            if response.status_code not in _REDIRECTS or not target:
                return url, response
            response.close()
            if method not in ("GET", "HEAD") and response.status_code not in (307, 308):
                raise Unavailable(f"{method} {redacted(url)}: {response.status_code}, redirected as nothing is that is written")
            before, url = url, urljoin(url, target)
            _check_scheme(endpoint, method, url, f"{method} {redacted(before)}: redirected to")
            if _origin(url) != origin:
                authorized, origin = False, _origin(url)
        raise Unavailable(f"{method} {redacted(url)}: more than {MAX_REDIRECTS} redirects")

    def _send(self, endpoint: Endpoint, question: Question, url: str, headers: Mapping[str, str],
              watch: Watch) -> requests.Response:
        authority = urlsplit(url).netloc
        there = endpoint
        if authority != endpoint.authority:
            # Neither the trust in the registry nor its client certificate holds for another host.
            there = endpoint_of(authority, "", self._registries)
            there = there._replace(verify=False) if endpoint.plain else there
        try:
            return self._wire.send(question.method, url, headers, verify=there.verify, cert=there.cert, watch=watch,
                                   body=question.body)
        except ConmanError:
            raise  # of what was to be sent
        except (*BROKEN, ValueError) as error:
            watch.check()
            if watch.slow:
                raise drips(question.method, url) from error
            raise from_exception(url, error, question.method) from error

    def _refusal(self, method: str, url: str, response: requests.Response, watch: Watch) -> Exception:
        retry_after = response.headers.get("Retry-After", "").strip()
        body = self._body(method, url, response, watch)
        found = from_status(url, response.status_code, body, retry_after, method)
        if isinstance(found, Unauthorized) and response.status_code == 401:
            withheld = self._authority.withheld(urlsplit(url).netloc)
            if withheld:
                found.hint = (f"the credentials were not shown to the token server {withheld}; trusted_realms in"
                              " [plugin.registry-pull] can allow it")
        return found

    def _body(self, method: str, url: str, response: requests.Response, watch: Watch) -> bytes:
        """The body of an answer that is read for its words alone, so that the connection can be used again."""
        watch.reading()
        try:
            # One byte more than is accepted, for whoever reads it to notice.
            data: bytes = response.raw.read(MAX_ERROR_BODY + 1, decode_content=False)
            if watch.slow and len(data) <= MAX_ERROR_BODY:
                raise drips(method, url)
            return data
        except BROKEN as error:
            watch.check()
            raise drips(method, url) if watch.slow else from_exception(url, error, method) from error
        finally:
            watch.read()
            response.close()

    def _fetch_token(self, endpoint: Endpoint, url: str, authorization: str, form: bytes, watch: Watch) -> bytes:
        """Ask a token server: with GET, or with POST where there is a form."""
        method = "POST" if form else "GET"
        headers = {"Accept": "application/json"}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif authorization:
            headers["Authorization"] = authorization
        question = Question(method, url, (), headers, body=form or None)
        if form or (authorization and self._strict):
            # A form holds a secret, so it goes nowhere else; nor would an answer to nobody say that somebody is right.
            found, response = url, self._send(endpoint, question, url, headers, watch)
        else:
            found, response = self._token_redirects(endpoint, question, url, watch)
        if response.status_code != 200:
            raise self._refusal("GET", found, response, watch)
        return self._body(method, found, response, watch)

    def _token_redirects(self, endpoint: Endpoint, question: Question, url: str,
                         watch: Watch) -> tuple[str, requests.Response]:
        authorization = question.headers.get("Authorization", "")
        rest = {key: value for key, value in question.headers.items() if key != "Authorization"}
        # To follow redirects a token server is an endpoint of its own: what is for it is not for the registry's host.
        server = endpoint._replace(authority=urlsplit(url).netloc)
        if server.authority != endpoint.authority:
            there = endpoint_of(server.authority, "", self._registries)
            server = server._replace(verify=there.verify if not endpoint.plain else False, cert=there.cert)
        return self._follow(server, question._replace(headers=rest), url, authorization, watch)


def _check_scheme(endpoint: Endpoint, method: str, url: str, doing: str) -> None:
    """:raises Unavailable: a URL that the registry named is none to go to."""
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise Unavailable(f"{doing} a {scheme[:20]}: address, which no registry is at")
    if scheme == "http" and not endpoint.plain:
        raise Unavailable(f"{doing} http, away from https" if " redirected" in doing else f"{doing} an address of plain http",
                          hint=f'insecure = true in [registry."{endpoint.host}"] allows plain HTTP')


def _at_home(endpoint: Endpoint, url: str) -> bool:
    """True for the endpoint's own origin, the only one that its credentials are for."""
    parts = urlsplit(url)
    return parts.netloc.lower() == endpoint.authority.lower() and parts.scheme in endpoint.schemes


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
