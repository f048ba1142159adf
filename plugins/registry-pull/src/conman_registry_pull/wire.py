"""The HTTP session: pooled connections, each request under a :class:`~.watch.Watch`. Nothing here knows registries."""

from __future__ import annotations

import socket
import threading
from http.cookiejar import DefaultCookiePolicy
from ssl import CERT_NONE
from typing import TYPE_CHECKING, Mapping
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

from .endpoints import is_loopback
from .watch import Watch

if TYPE_CHECKING:
    from urllib3 import ProxyManager

    from . import Options


class _Current(threading.local):
    """The watch of the request that this thread is sending."""

    watch: Watch | None = None


class Wire:
    """Sends requests. Usable from several threads at once; follows no redirects, keeps no cookies, reads no netrc."""

    def __init__(self, options: Options) -> None:
        self._timeouts = (options.connect_timeout, options.read_timeout)
        self._current = _Current()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.clear()
        # Layers must come as they are: a compression on the way would change neither their digest nor help them.
        self._session.headers.update({"User-Agent": options.user_agent, "Accept-Encoding": "identity"})
        adapter = _Adapter(_pool_classes(self._current, options.connect_timeout), options.max_connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def get(self, url: str, headers: Mapping[str, str], *, verify: bool | str, watch: Watch) -> requests.Response:
        """Send a GET and return as soon as the answer's headers are here; its body is read from ``raw``.

        :raises requests.RequestException: no answer; call ``watch.check()`` first to learn whether that was wanted.
        """
        proxies = {} if is_loopback(urlsplit(url).netloc) else get_environ_proxies(url)
        self._current.watch = watch
        try:
            return self._session.get(url, headers=headers, stream=True, allow_redirects=False, verify=verify,
                                     timeout=self._timeouts, proxies=proxies)
        finally:
            self._current.watch = None

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


def _pool_classes(current: _Current, timeout: float) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, current.watch, timeout)

        def putrequest(self, method: str, url: str, skip_host: bool = False,
                       skip_accept_encoding: bool = False) -> None:
            _reused(self, current.watch)
            super().putrequest(method, url, skip_host=skip_host, skip_accept_encoding=skip_accept_encoding)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, current.watch, timeout)

        def putrequest(self, method: str, url: str, skip_host: bool = False,
                       skip_accept_encoding: bool = False) -> None:
            _reused(self, current.watch)
            super().putrequest(method, url, skip_host=skip_host, skip_accept_encoding=skip_accept_encoding)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

        def _validate_conn(self, conn: HTTPConnection) -> None:  # type: ignore[override]
            # The base class warns through the warnings module of the whole process when certificates are not verified;
            # here that is what the caller's configuration said.
            if conn.sock is not None:
                return
            if isinstance(conn, Secure) and conn.ssl_context is None and resolve_cert_reqs(conn.cert_reqs) is CERT_NONE:
                # Left to itself, the library reads all of the system's certificates (27 ms) and then ignores them.
                conn.ssl_context = create_urllib3_context(cert_reqs=CERT_NONE)
            conn.connect()

    return {"http": PlainPool, "https": SecurePool}


def _reused(connection: HTTPConnection, watch: Watch | None) -> None:
    # On a fresh connection the socket is known already; a second duplicate does no harm.
    sock: socket.socket | None = connection.sock
    if watch is not None and sock is not None:
        watch.add(sock)


def _connect(connection: HTTPConnection, watch: Watch | None, timeout: float) -> socket.socket:
    """Connect to the first address that answers, each within ``timeout``; the watch can end it at any moment."""
    host = connection.host.strip("[]")
    failure: OSError = OSError(f"{host} has no address")
    try:
        addresses = socket.getaddrinfo(host, connection.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NewConnectionError(connection, str(error)) from error
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeout)
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
