"""The HTTP side of the loopback registry: one thread a connection, keep-alive, ranges, and the faults."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from . import registry_uploads
from .registry import Action, Content, Fault, Request

if TYPE_CHECKING:
    from .registry import Registry

_NONE = Fault(Action.NONE)
_CODES = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 429: "TOOMANYREQUESTS"}


class Server(ThreadingHTTPServer):
    """One port of a registry, accepting in a thread of its own."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, registry: Registry, port: int, tls: tuple[str, str] | None) -> None:
        self.registry = registry
        self._live: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._tls = None
        if tls is not None:
            import ssl

            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*tls)
            if registry.client_ca:
                self._tls.verify_mode = ssl.CERT_REQUIRED
                self._tls.load_verify_locations(registry.client_ca)
        super().__init__(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True,
                                        name="loopback registry")
        self._thread.start()

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._guard:
            self._live.add(connection)
        return connection, address

    def shutdown_request(self, request: object) -> None:
        if isinstance(request, socket.socket):
            with self._guard:
                self._live.discard(request)
            super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is what many tests are about: nothing to report."""
        import sys

        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def stop(self) -> None:
        """Stop accepting, end every connection, wait for every thread."""
        self.shutdown()
        self._thread.join()
        with self._guard:
            live = list(self._live)
        for connection in live:
            try:
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                continue  # the client was faster
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    server_version = "conman-loopback-registry"
    server: Server
    left: int = 0

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed: the log is :attr:`Registry.requests`."""

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        """Every method: what goes wrong before anything is looked at, then the honest way."""
        registry = self.server.registry
        path = urlsplit(self.path).path
        self.left = int(self.headers.get("Content-Length", "0"))
        fault = registry.take_fault(f"{self.command} {self.path}") or _NONE
        if fault.action is Action.DROP:
            self.note(0)
            self.close_connection = True
        elif fault.action is Action.SILENT:
            self.drain()
            self.note(0)
            registry.wait_gone(self.connection)
            self.close_connection = True
        elif fault.action is Action.STATUS:
            self.error(fault.status, fault.code, fault.headers)
        elif path == "/token":
            self._token(fault)
        elif not path.startswith("/v2/"):
            self.error(404)
        elif self._admitted(path):
            if self.command in ("GET", "HEAD") and "/blobs/uploads/" not in path:
                self._serve(path, fault)
            elif fault.action is Action.REDIRECT:
                self._redirect(fault.value or f"{registry.scheme}://{registry.elsewhere}{self.path}")
            else:
                registry_uploads.answer(self, path, fault)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _serve(self, path: str, fault: Fault) -> None:
        registry = self.server.registry
        name, what, reference = _split(path)
        with registry.lock:
            repository = registry.repositories.get(name)
            if repository is not None and what == "manifests":
                digest = repository.tags.get(reference, reference)
                media_type, content = repository.manifests.get(digest, ("", None))
            elif repository is not None and what == "blobs":
                digest, media_type = reference, "application/octet-stream"
                content = repository.blobs.get(digest)
            else:
                digest, media_type, content = "", "application/json", None
            tags = sorted(repository.tags) if repository is not None else []
            names = sorted(registry.repositories)
        if path == "/v2/":
            content = Content(b"{}")
        elif repository is not None and what == "tags":
            content, fault = self._page({"name": name}, "tags", tags, fault)
        elif path == "/v2/_catalog":
            content, fault = self._page({}, "repositories", names, fault)
        if content is None:
            code = {"manifests": "MANIFEST_UNKNOWN", "blobs": "BLOB_UNKNOWN"}.get(what, "NAME_UNKNOWN")
            self.error(404, "NAME_UNKNOWN" if repository is None else code)
        elif fault.action is Action.REDIRECT:
            self._redirect(fault.value or f"{registry.scheme}://{registry.elsewhere}{self.path}?signature=of-the-store")
        else:
            self._content(content, media_type, digest, fault)

    def _page(self, document: dict[str, object], key: str, names: list[str], fault: Fault) -> tuple[Content, Fault]:
        """One page of a list, and the fault with the Link to the next one among its headers."""
        query = parse_qs(urlsplit(self.path).query)
        after, count = query.get("last", [""])[0], int(query.get("n", ["0"])[0])
        left = [name for name in names if name > after]
        shown = left[:count] if count else left
        last = shown[-1] if shown and len(shown) < len(left) else ""
        if fault.action is Action.PAGES:
            last = f"page-{int(after.rpartition('-')[2] or '0') + 1}"
        if last:
            link = f'<{urlsplit(self.path).path}?n={count}&last={last}>; rel="next"'
            fault = fault._replace(headers=(*fault.headers, ("Link", link)))
        return Content(json.dumps({**document, key: shown}).encode()), fault

    def _content(self, content: Content, media_type: str, digest: str, fault: Fault) -> None:
        content, size = _changed(content, fault)
        start, end = (0, size) if fault.action is Action.NO_RANGE else self._range(size)
        if start >= end and size:
            self.error(416, "", (("Content-Range", f"bytes */{size}"),))
            return
        partial = (start, end) != (0, size)
        self.note(206 if partial else 200)
        self.send_response(206 if partial else 200)
        self.send_header("Content-Type", fault.value if fault.action is Action.MEDIA_TYPE else media_type)
        if digest:
            self.send_header("Docker-Content-Digest", fault.value if fault.action is Action.DIGEST else digest)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        for key, value in fault.headers:
            self.send_header(key, value)
        if fault.action is Action.CHUNKED:
            self.send_header("Transfer-Encoding", "chunked")
        elif fault.action in (Action.NO_LENGTH, Action.ENDLESS):
            self.send_header("Connection", "close")
        else:
            more = fault.at if fault.action is Action.LENGTH else 0
            self.send_header("Content-Length", str(max(0, end - start + more)))
            self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command != "HEAD":
            self._body(content, start, end, fault)

    def _body(self, content: Content, start: int, end: int, fault: Fault) -> None:
        registry = self.server.registry
        if fault.action in (Action.CUT, Action.RESET, Action.STALL):
            self._send(content, start, min(end, start + fault.at))
            self.close_connection = True
            if fault.action is Action.STALL:
                registry.wait_gone(self.connection)
            elif fault.action is Action.RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
        elif fault.action in (Action.LENGTH, Action.ENDLESS):
            self._send(content, start, end)
            self.close_connection = True
            while fault.action is Action.ENDLESS:  # until the client ends the connection
                self.connection.sendall(bytes(65536))
        elif fault.action is Action.HOLD:
            self._send(content, start, min(end, start + fault.at))
            if registry.hold(self.connection):
                self.close_connection = True
            else:
                self._send(content, min(end, start + fault.at), end)
        elif fault.action is Action.DRIP:
            step = max(1, fault.at)
            for at in range(start, end, step):
                self._send(content, at, min(end, at + step))
                if registry.wait_gone(self.connection, fault.seconds):
                    self.close_connection = True
                    return
        elif fault.action is Action.CHUNKED:
            for at in range(start, end, 65536):
                self.wfile.write(b"%x\r\n" % (min(end, at + 65536) - at))
                self._send(content, at, min(end, at + 65536))
                self.wfile.write(b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        else:
            self._send(content, start, end)

    def _send(self, content: Content, start: int, end: int) -> None:
        if end <= start:
            return
        if content.path:
            with open(content.path, "rb") as stream:
                self.connection.sendfile(stream, start, end - start)
        else:
            self.connection.sendall(memoryview(content.data)[start:end])

    def _range(self, size: int) -> tuple[int, int]:
        unit, _, span = self.headers.get("Range", "").partition("=")
        first, dash, last = span.partition("-")
        if unit != "bytes" or not dash or not first.isdigit() or "," in span:
            return 0, size
        return int(first), min(size, int(last) + 1 if last.isdigit() else size)

    def _admitted(self, path: str) -> bool:
        registry = self.server.registry
        auth = registry.auth
        if auth is None or self.server is registry._other:
            return True
        given = self.headers.get("Authorization", "")
        scope = self._scope(path)
        if auth.scheme == "basic":
            if given == _basic(auth.user, auth.password):
                return True
            self.error(401, "", (("WWW-Authenticate", 'Basic realm="loopback"'),))
            return False
        if self.granted(scope):
            return True
        realm = auth.realm or f"{registry.scheme}://{registry.host}/token"
        if auth.realm == "elsewhere":
            realm = f"{registry.scheme}://{registry.elsewhere}/token"
        challenge = f'Bearer realm="{realm}",service="loopback, registry"' + (f',scope="{scope}"' if scope else "")
        self.error(401, "", (("WWW-Authenticate", challenge),))
        return False

    def granted(self, scope: str) -> bool:
        """Whether the token of this request allows all of ``repository:NAME:ACTION,...``; an empty scope wants just a token."""
        registry = self.server.registry
        with registry.lock:
            given = registry.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if given is None:
            return False
        what, _, actions = scope.rpartition(":")
        return all(any(action in one.rpartition(":")[2].split(",") for one in given.split() if one.rpartition(":")[0] == what)
                   for action in actions.split(",") if action)

    def _scope(self, path: str) -> str:
        if path == "/v2/_catalog":
            return "registry:catalog:*"
        name = _split(path)[0] or path.removeprefix("/v2/").partition("/blobs/uploads/")[0]
        writes = self.command not in ("GET", "HEAD") or "/blobs/uploads/" in path
        return f"repository:{name}:pull" + (",push" if writes else "") if name else ""

    def _token(self, fault: Fault) -> None:
        registry = self.server.registry
        auth = registry.auth
        if auth is None:
            self.error(404)
            return
        form = parse_qs(self.rfile.read(self.left).decode()) if self.command == "POST" else {}
        self.left = 0
        known = not auth.user or self.headers.get("Authorization", "") == _basic(auth.user, auth.password)
        if not known and (not auth.identity or form.get("refresh_token") != [auth.identity]):
            self.error(401)
            return
        if fault.action is Action.REDIRECT:
            self._redirect(fault.value or f"{registry.scheme}://{registry.elsewhere}{self.path}")
            return
        token = secrets.token_urlsafe(24)
        with registry.lock:
            registry.tokens[token] = " ".join((form or parse_qs(urlsplit(self.path).query)).get("scope", []))
        document = {"access_token" if form else "token": token, "expires_in": auth.expires_in}
        self._content(Content(json.dumps(document).encode()), "application/json", "", fault)

    def error(self, status: int, code: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer with an error document."""
        code = code or _CODES.get(status, "UNKNOWN")
        self.document(status, {"errors": [{"code": code, "message": code.replace("_", " ").lower()}]}, headers)

    def document(self, status: int, document: object, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer with a small JSON document."""
        self.drain()
        body = json.dumps(document).encode()
        self.note(status)
        self.send_response(status)
        for key, value in (*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _redirect(self, url: str) -> None:
        self.drain()
        self.note(307)
        self.send_response(307)
        self.send_header("Location", url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def drain(self) -> None:
        """Read what is left of the request's body, so that the connection can be used again."""
        while self.left > 0:
            piece = self.rfile.read(min(self.left, 65536))
            if not piece:
                self.close_connection = True
                return
            self.left -= len(piece)

    def plain(self, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        """Answer without a body."""
        self.drain()
        self.note(status)
        self.send_response(status)
        for key, value in (*headers, *(() if status == 204 else (("Content-Length", "0"),))):
            self.send_header(key, value)
        self.end_headers()

    def note(self, status: int) -> None:
        """Write this request down."""
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.server.registry.record(Request(self.command, self.path, self.server.server_port, headers, status))


def _split(path: str) -> tuple[str, str, str]:
    parts = path.removeprefix("/v2/").split("/")
    if len(parts) >= 3 and parts[-2] in ("manifests", "blobs", "tags"):
        return "/".join(parts[:-2]), parts[-2], parts[-1]
    return "", "", ""


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _changed(content: Content, fault: Fault) -> tuple[Content, int]:
    """The content after faults that change bytes, and its size."""
    if fault.action not in (Action.TRUNCATE, Action.ALTER, Action.BODY):
        return content, content.size
    data = bytearray(content.data)
    if content.path:
        with open(content.path, "rb") as stream:
            data = bytearray(os.fstat(stream.fileno()).st_size)
            stream.readinto(data)
    if fault.action is Action.TRUNCATE:
        del data[fault.at:]
    elif fault.action is Action.BODY:
        data = bytearray(fault.value.encode())
    elif data:
        data[fault.at % len(data)] ^= 0xFF
    return Content(bytes(data)), len(data)
