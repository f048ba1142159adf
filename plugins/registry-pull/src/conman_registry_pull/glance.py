"""A glance at a tag over plain HTTP: does it still name what it named before? Most pulls of images that are here ask no more.

Loading the HTTP library takes longer than such a question to a registry nearby. So it is asked here, where that can be done in
a few lines: unencrypted, without credentials, proxy, redirect or second try. Whatever is not a plain yes (RFC 9110, HEAD;
OCI distribution-spec v1.1, "Checking if content exists in the registry") is left to :mod:`.client`, which asks again in earnest.
"""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING, Mapping

from conman_kernel.cancel import Cancel

if TYPE_CHECKING:
    from .endpoints import Endpoint

MAX_HEAD = 16 * 1024
"""Bytes of an answer's head."""

PATIENCE = 2.0
"""Seconds for the whole of it."""


def still(place: Endpoint, reference: str, digest: str, accept: str, user_agent: str, cancel: Cancel) -> str:
    """The media type, where the registry says, in so many words, that ``reference`` is ``digest``; empty: ask in earnest.

    :param place: where plain HTTP is allowed; elsewhere the answer is empty at once.
    :raises Cancelled, DeadlineExceeded: by ``cancel``.
    """
    if not place.plain or _proxied():
        return ""
    request = (f"HEAD /v2/{place.repository}/manifests/{reference} HTTP/1.1\r\nHost: {place.authority}\r\n"
               f"User-Agent: {user_agent}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n")
    try:
        head = _ask(place.authority, request.encode("ascii"), Cancel(PATIENCE), cancel)
    except (OSError, ValueError):
        return ""
    status, headers = _parsed(head)
    same = status == 200 and headers.get("docker-content-digest") == digest
    return media_type(headers.get("content-type", "")) if same else ""


def media_type(header: str) -> str:
    """The media type that a Content-Type header names, in lower case and without parameters."""
    return header.partition(";")[0].strip().lower()


def _proxied() -> bool:
    return any(os.environ.get(name) for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"))


def _ask(authority: str, request: bytes, patience: Cancel, cancel: Cancel) -> bytes:
    """The head of the answer. :raises OSError: there is none, or not in time."""
    host, _, port = authority.rpartition(":") if authority.rpartition(":")[2].isdigit() else (authority, "", "80")
    name = host.strip("[]").encode("ascii")  # as a string it would be an IDN, whose codec takes 3 ms to load
    (family, kind, protocol, _, address), *_ = socket.getaddrinfo(name, int(port), type=socket.SOCK_STREAM)
    with socket.socket(family, kind, protocol) as sock:
        sock.setblocking(False)
        try:
            sock.connect(address)
        except BlockingIOError:
            _wait(sock, select.POLLOUT, patience, cancel)
        while request:
            _wait(sock, select.POLLOUT, patience, cancel)
            request = request[sock.send(request):]
        head = b""
        while b"\r\n\r\n" not in head and len(head) < MAX_HEAD:
            _wait(sock, select.POLLIN, patience, cancel)
            data = sock.recv(MAX_HEAD)
            if not data:
                break
            head += data
    return head


def _wait(sock: socket.socket, event: int, patience: Cancel, cancel: Cancel) -> None:
    poll = select.poll()
    poll.register(sock, event)
    poll.register(cancel.fileno(), select.POLLIN)
    cancel.check()
    left = min(rest for rest in (patience.remaining(), cancel.remaining()) if rest is not None)
    ready = [fd for fd, _ in poll.poll(left * 1000)]
    cancel.check()
    if sock.fileno() not in ready:
        raise TimeoutError


def _parsed(head: bytes) -> tuple[int, Mapping[str, str]]:
    """Status and headers, names in lower case; 0 where it is no whole head of HTTP/1."""
    text, end, _ = head.partition(b"\r\n\r\n")
    first, *lines = text.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not end or version not in ("HTTP/1.1", "HTTP/1.0") or not rest[:3].isdigit():
        return 0, {}
    pairs = (line.partition(":") for line in lines)
    return int(rest[:3]), {name.strip().lower(): value.strip() for name, _, value in pairs}
