"""A loopback registry for tests and demonstrations: a small honest implementation of the OCI distribution spec, with faults.

::

    with Registry() as registry:
        registry.add_image(busybox_image(), "box:latest")
        registry.fail(Fault(Action.STATUS, on="/blobs/", status=503, times=1))
        ...  # pull f"{registry.host}/box:latest"
        assert registry.count("GET", "/blobs/") == 3

From a shell: ``python -m conman_kernel.testing.registry --layout DIR --name NAME:TAG`` prints the host and
serves until its standard input ends or SIGTERM comes.

Source: OCI distribution-spec v1.1, "Pull", "Push" and "Content discovery"; the token flow of the Docker distribution's
"Token authentication specification" and "OAuth2 token authentication".
"""

from __future__ import annotations

import os
import socket
import threading
from enum import Enum
from typing import TYPE_CHECKING, Mapping, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType

    from .images import Image
    from .registry_http import Server


class Action(Enum):
    """What a :class:`Fault` does."""

    NONE = "none"
    """Nothing: the honest answer."""
    STATUS = "status"
    """Answer with ``status``, an error body with ``code``, and ``headers``."""
    TRUNCATE = "truncate"
    """Serve only the first ``at`` bytes, as if they were all."""
    CUT = "cut"
    """Announce all bytes, send ``at``, then end the connection. Of what is sent here: take ``at`` bytes, then end it."""
    RESET = "reset"
    """As CUT, but with a TCP reset."""
    DROP = "drop"
    """End the connection without any answer."""
    ALTER = "alter"
    """Serve with the byte at ``at`` changed. Of what is sent here: store it so."""
    LOST = "lost"
    """Do what is asked for, then end the connection instead of answering. (Of pushes.)"""
    BODY = "body"
    """Serve ``value`` (as UTF-8) in place of the content."""
    MEDIA_TYPE = "media-type"
    """Serve with ``value`` as Content-Type."""
    DIGEST = "digest"
    """Serve with ``value`` as Docker-Content-Digest."""
    LENGTH = "length"
    """Announce ``at`` more bytes than there are (fewer where negative), then end the connection."""
    ENDLESS = "endless"
    """Send the content, then zeros without end, with no length announced."""
    STALL = "stall"
    """Send ``at`` bytes, then nothing until the client goes away."""
    HOLD = "hold"
    """Send ``at`` bytes, then nothing until :meth:`Registry.let_go`, then the rest."""
    SILENT = "silent"
    """Read the request and never answer until the client goes away."""
    DRIP = "drip"
    """Send ``at`` bytes every ``seconds``."""
    REDIRECT = "redirect"
    """Send the client to :attr:`Registry.elsewhere`, another loopback port, or to ``value`` where given."""
    NO_LENGTH = "no-length"
    """No Content-Length: the end of the connection ends the body."""
    CHUNKED = "chunked"
    """No Content-Length: chunked transfer encoding."""
    NO_RANGE = "no-range"
    """Ignore Range headers."""
    PAGES = "pages"
    """Of lists: after this page comes always another."""


class Fault(NamedTuple):
    """One thing that goes wrong.

    :param on: part of ``METHOD /path``, such as ``"/blobs/"`` or ``"GET /v2/box/manifests/latest"``; empty: everything.
    :param times: how often it happens; None means every time.
    :param at: a count or offset in bytes, see :class:`Action`.
    :param seconds: the pause of a DRIP.
    :param headers: of the answer, also of an honest one.
    """

    action: Action
    on: str = ""
    times: int | None = None
    status: int = 503
    code: str = ""
    at: int = 0
    seconds: float = 0.05
    value: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Auth(NamedTuple):
    """That clients must prove themselves.

    :param scheme: ``token`` (Bearer, with a token endpoint) or ``basic``.
    :param user: with ``password`` what the token endpoint (or every request) wants; empty: tokens for everybody.
    :param realm: URL of the token endpoint; empty: this registry's own, ``elsewhere``: the one on its other port.
    :param expires_in: what the token endpoint says about the life of tokens, in seconds.
    :param identity: a token that the token endpoint takes in place of user and password (OAuth2's refresh token).
    """

    scheme: str = "token"
    user: str = ""
    password: str = ""
    realm: str = ""
    expires_in: int = 300
    identity: str = ""


class Request(NamedTuple):
    """One request as it was answered.

    :param path: with the query, as it came.
    :param port: the port it came to (the registry's own or the other one).
    :param headers: names in lower case.
    """

    method: str
    path: str
    port: int
    headers: Mapping[str, str]
    status: int


class Content(NamedTuple):
    """Some bytes to serve: in memory, or a file by path."""

    data: bytes = b""
    path: str = ""

    @property
    def size(self) -> int:
        """In bytes."""
        return os.stat(self.path).st_size if self.path else len(self.data)


class Repository:
    """One repository: tags and manifests and blobs by digest. Guarded by its registry's lock."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.manifests: dict[str, tuple[str, Content]] = {}
        self.blobs: dict[str, Content] = {}


class Upload:
    """A blob on its way in. Guarded by its registry's lock."""

    def __init__(self, repository: str) -> None:
        self.repository = repository
        self.data = bytearray()


class Registry:
    """A registry on a free loopback port, serving from threads from the moment it is made until :meth:`close`.

    :param auth: None lets everybody in.
    :param port: 0 picks a free one.
    :param tls: paths of a certificate and its key (PEM); None speaks plain HTTP.
    :param client_ca: path of a PEM bundle: clients must show a certificate that one of its authorities signed.
    """

    def __init__(self, *, auth: Auth | None = None, port: int = 0, tls: tuple[str, str] | None = None,
                 client_ca: str = "") -> None:
        from .registry_http import Server

        self.auth = auth
        self.scheme = "https" if tls else "http"
        self.lock = threading.Lock()
        self.repositories: dict[str, Repository] = {}
        self.tokens: dict[str, str] = {}
        self.uploads: dict[str, Upload] = {}
        self._requests: list[Request] = []
        self._faults: list[tuple[Fault, int]] = []
        self._stop_read, self._stop_write = socket.socketpair()
        self._go_read, self._go_write = socket.socketpair()
        self._held = threading.Semaphore(0)
        self._tls = tls
        self.client_ca = client_ca
        self._main: Server = Server(self, port, tls)
        self._other: Server | None = None

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self._main.server_port}"

    @property
    def elsewhere(self) -> str:
        """``127.0.0.1:PORT`` of a second port that serves the same content: another origin. Opened at first use."""
        from .registry_http import Server

        with self.lock:
            if self._other is None:
                self._other = Server(self, 0, self._tls)
            return f"127.0.0.1:{self._other.server_port}"

    @property
    def requests(self) -> list[Request]:
        """What was asked and answered so far, in order of the answers' beginnings (a copy)."""
        with self.lock:
            return list(self._requests)

    def count(self, method: str = "", part: str = "") -> int:
        """How many requests had this method and this part in their path."""
        return sum(1 for r in self.requests if method in ("", r.method) and part in r.path)

    def forget(self) -> None:
        """Empty the log of requests."""
        with self.lock:
            self._requests.clear()

    def add_image(self, image: Image, name: str) -> str:
        """Serve an image (or index) of :mod:`.images`.

        :param name: ``repository[:tag]``; without a tag it is served by digest alone.
        :returns: the digest of the manifest or index.
        """
        repository, tag = self._repository(name)
        with self.lock:
            for digest, data in image.blobs.items():
                if digest in image.media_types:
                    repository.manifests[digest] = (image.media_types[digest], Content(data))
                else:
                    repository.blobs[digest] = Content(data)
            if tag:
                repository.tags[tag] = image.descriptor.digest
        return image.descriptor.digest

    def add_blob(self, data: bytes, name: str, *, digest: str = "") -> str:
        """Serve some bytes in a repository, under a false digest where one is given; returns the digest."""
        from .images import digest_of

        repository, _ = self._repository(name)
        digest = digest or digest_of(data)
        with self.lock:
            repository.blobs[digest] = Content(data)
        return digest

    def add_layout(self, path: str, name: str, *, ref: str = "") -> str:
        """Serve an image of an OCI layout folder, straight from its files.

        :param name: ``repository[:tag]``.
        :param ref: which image of the folder, by ``org.opencontainers.image.ref.name``; empty: the one with the tag of
            ``name``, else the only one.
        :returns: the digest of the manifest or index.
        :raises ValueError: there is no such image in the folder.
        """
        from .layout import read_layout

        repository, tag = self._repository(name)
        top, manifests, blobs = read_layout(path, ref, tag)
        with self.lock:
            for digest, (media_type, file) in manifests.items():
                repository.manifests[digest] = (media_type, Content(path=file))
            for digest, file in blobs.items():
                repository.blobs[digest] = Content(path=file)
            if tag:
                repository.tags[tag] = top
        return top

    def fail(self, *faults: Fault) -> None:
        """Let these things go wrong from now on, beside those that already do; the first that fits a request counts."""
        with self.lock:
            self._faults += [(fault, -1 if fault.times is None else fault.times) for fault in faults]

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        with self.lock:
            self._faults.clear()

    def wait_held(self, seconds: float = 30.0) -> None:
        """Return when one more answer stands still at the byte of a :attr:`Action.HOLD`.

        :raises TimeoutError: none came that far.
        """
        if not self._held.acquire(timeout=seconds):
            raise TimeoutError("no answer was held")

    def let_go(self) -> None:
        """Let every answer that is held go on; later ones are held again."""
        with self.lock:
            self._go_write.close()
            self._go_read.close()
            self._go_read, self._go_write = socket.socketpair()

    def revoke_tokens(self) -> None:
        """Make every token given out so far worthless."""
        with self.lock:
            self.tokens.clear()

    def close(self) -> None:
        """End every connection and both ports; returns when all threads are gone. May be called twice."""
        if self._stop_write.fileno() < 0:
            return
        self._stop_write.close()
        for server in (self._main, self._other):
            if server is not None:
                server.stop()
        for end in (self._stop_read, self._go_read, self._go_write):
            end.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def take_fault(self, request_line: str) -> Fault | None:
        """For the server: the fault that fits ``METHOD /path``, used up by one."""
        with self.lock:
            for number, (fault, left) in enumerate(self._faults):
                if left != 0 and fault.on in request_line:
                    self._faults[number] = (fault, left - 1)
                    return fault
        return None

    def record(self, request: Request) -> None:
        """For the server: write a request down."""
        with self.lock:
            self._requests.append(request)

    def wait_gone(self, connection: socket.socket, seconds: float | None = None) -> bool:
        """For the server: wait until the client goes away or the registry closes (True), or the time is up (False)."""
        import select

        poll = select.poll()
        poll.register(connection, select.POLLIN | select.POLLRDHUP)
        poll.register(self._stop_read, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))

    def hold(self, connection: socket.socket) -> bool:
        """For the server: wait until :meth:`let_go` (False), or until the client goes away or the registry closes (True)."""
        import select

        with self.lock:
            go = self._go_read.dup()
        self._held.release()
        with go:
            poll = select.poll()
            poll.register(connection, select.POLLIN | select.POLLRDHUP)
            poll.register(self._stop_read, select.POLLIN)
            poll.register(go, select.POLLIN | select.POLLRDHUP)
            ready = {fd for fd, _ in poll.poll()}
            return go.fileno() not in ready

    def _repository(self, name: str) -> tuple[Repository, str]:
        path, _, last = name.rpartition("/")
        base, _, tag = last.partition(":")
        with self.lock:
            return self.repositories.setdefault(f"{path}/{base}" if path else base, Repository()), tag


def main() -> int:
    """Serve until standard input ends or SIGTERM comes; see the module."""
    import argparse
    import signal
    import sys

    from .images import busybox_image

    parser = argparse.ArgumentParser(prog="python -m conman_kernel.testing.registry", description="A registry.")
    parser.add_argument("--layout", action="append", default=[], metavar="DIR", help="an OCI layout folder to serve")
    parser.add_argument("--name", action="append", default=[], metavar="NAME:TAG", help="as what; one per --layout")
    parser.add_argument("--busybox", action="append", default=[], metavar="NAME:TAG",
                        help="serve an image made of this machine's /bin/busybox under this name")
    parser.add_argument("--port", type=int, default=0, help="0, the default, picks a free one")
    arguments = parser.parse_args()
    if len(arguments.layout) != len(arguments.name) or not arguments.layout + arguments.busybox:
        parser.error("give one --name for each --layout, or --busybox")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with Registry(port=arguments.port) as registry:
        for layout, name in zip(arguments.layout, arguments.name, strict=True):
            registry.add_layout(layout, name)
        for name in arguments.busybox:
            registry.add_image(busybox_image(), name)
        sys.stdout.write(registry.host + "\n")
        sys.stdout.flush()
        while os.read(0, 4096):
            continue
    return 0


if __name__ == "__main__":
    # The server imports this module by its name: run that copy, not this one, which is called __main__.
    from conman_kernel.testing import registry as imported  # noqa: PLW0406

    raise SystemExit(imported.main())
