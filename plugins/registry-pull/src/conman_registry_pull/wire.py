"""The HTTP session: pooled connections, each request under a :class:`~.watch.Watch`. Nothing here knows registries."""

from __future__ import annotations

import socket
import threading
from http.cookiejar import DefaultCookiePolicy
from ssl import CERT_NONE
from typing import TYPE_CHECKING, Iterator, Mapping, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.ssl_ import resolve_cert_reqs

from .endpoints import is_loopback
from .tls import Contexts
from .watch import Watch

if TYPE_CHECKING:
    from urllib3 import ProxyManager

    from . import Options


class Body(Protocol):
    """What is sent. Each iteration begins anew, so that a request can be repeated."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes | memoryview]: ...


class _Watched:
    """A body after whose last piece the silence is the other side's."""

    def __init__(self, body: Body, watch: Watch) -> None:
        self._body = body
        self._watch = watch

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes]:
        # The HTTP library sends any buffer; its annotations know of bytes only.
        yield from self._body  # type: ignore[misc]
        self._watch.reading()


def _data(body: bytes | Body | None, watch: Watch) -> bytes | _Watched | None:
    if body and not isinstance(body, bytes):
        return _Watched(body, watch)
    watch.reading()
    return body if isinstance(body, bytes) else None


class _Current(threading.local):
    """The watch of the request that this thread is sending."""

    watch: Watch | None = None


class _Setup:
    """What every connection of a session shares."""

    def __init__(self, connect_timeout: float, read_timeout: float) -> None:
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.current = _Current()
        self.contexts = Contexts()


class Wire:
    """Sends requests. Usable from several threads at once; follows no redirects, keeps no cookies, reads no netrc."""

    def __init__(self, options: Options) -> None:
        self._timeouts = (options.connect_timeout, options.read_timeout)
        self._setup = _Setup(options.connect_timeout, options.read_timeout)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.clear()
        # Layers must come as they are: a compression on the way would change neither their digest nor help them.
        self._session.headers.update({"User-Agent": options.user_agent, "Accept-Encoding": "identity"})
        adapter = _Adapter(_pool_classes(self._setup), options.max_connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def send(self, method: str, url: str, headers: Mapping[str, str], *, verify: bool | str, cert: tuple[str, str] | None,
             watch: Watch, body: bytes | Body | None = None) -> requests.Response:
        """Send a request and return as soon as the answer's headers are here; its body is read from ``raw``.

        :param body: an object with a length is sent piece by piece, never held as a whole.
        :raises requests.RequestException: no answer; call ``watch.check()`` first to learn whether that was wanted.
        """
        proxies = {} if is_loopback(urlsplit(url).netloc) else get_environ_proxies(url)
        self._setup.current.watch = watch
        try:
            return self._session.request(method, url, headers=headers, data=_data(body, watch), stream=True,
                                         allow_redirects=False, verify=verify, cert=cert, timeout=self._timeouts,
                                         proxies=proxies)
        finally:
            self._setup.current.watch = None

    def close(self) -> None:
        """Close every idle connection. May be called twice."""
        self._session.close()


class _Adapter(HTTPAdapter):
    """Uses our connection classes, also through a proxy."""

    def __init__(self, classes: dict[str, type[HTTPConnectionPool]], size: int) -> None:
        self._classes = classes
        super().__init__(pool_connections=16, pool_maxsize=size)
        self.poolmanager.pool_classes_by_scheme = classes

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: object) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = self._classes
        return manager


def _pool_classes(setup: _Setup) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, setup)

        def endheaders(self, message_body: bytes | None = None, *,  # type: ignore[override]
                       encode_chunked: bool = False) -> None:
            _ready(self, setup)
            super().endheaders(message_body, encode_chunked=encode_chunked)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, setup)

        def endheaders(self, message_body: bytes | None = None, *,  # type: ignore[override]
                       encode_chunked: bool = False) -> None:
            _ready(self, setup)
            super().endheaders(message_body, encode_chunked=encode_chunked)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

        def _validate_conn(self, conn: HTTPConnection) -> None:  # type: ignore[override]
            # The base class warns through the warnings module of the whole process when certificates are not verified;
            # here that is what the caller's configuration said.
            if conn.sock is not None:
                return
            if isinstance(conn, Secure) and conn.ssl_context is None:
                conn.ssl_context = setup.contexts.get(
                    verified=resolve_cert_reqs(conn.cert_reqs) is not CERT_NONE, bundle=conn.ca_certs or "",
                    folder=conn.ca_cert_dir or "", cert=conn.cert_file or "", key=conn.key_file or "")
                # Left there, the library would read all of them once more for this connection.
                conn.ca_certs = conn.ca_cert_dir = conn.cert_file = conn.key_file = None
            conn.connect()

    return {"http": PlainPool, "https": SecurePool}


def _ready(connection: HTTPConnection, setup: _Setup) -> None:
    """Just before a request goes out: it is watched, also on a connection that was there before, and its body may take as
    long for a piece as an answer may (the library would grant it the time for connecting)."""
    if connection.sock is None:
        connection.connect()
    sock: socket.socket | None = connection.sock
    if sock is not None:
        sock.settimeout(setup.read_timeout)
        if setup.current.watch is not None:
            setup.current.watch.add(sock)


def _connect(connection: HTTPConnection, setup: _Setup) -> socket.socket:
    """Connect to the first address that answers, each within the timeout; the watch can end it at any moment."""
    host = connection.host.strip("[]")
    watch = setup.current.watch
    failure: OSError = OSError(f"{host} has no address")
    try:
        addresses = socket.getaddrinfo(host, connection.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NewConnectionError(connection, str(error)) from error
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(setup.connect_timeout)
            if watch is not None:
                watch.add(sock)
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            failure = error
            if watch is not None and watch.fired:
                break
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, str(failure)) from failure
    raise NewConnectionError(connection, str(failure)) from failure
