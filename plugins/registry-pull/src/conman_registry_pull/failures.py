"""From answers and broken connections to the slot's errors, in one line: method, redacted URL, status, code."""

from __future__ import annotations

import errno
import http.client
import json
import re
import socket
import time
from typing import Iterator
from urllib.parse import urlsplit

from conman_kernel.errors import ConmanError, DigestMismatch, NotFound, Unauthorized, Unavailable

_UNKNOWN = {"NAME_UNKNOWN": "no such repository or tag", "MANIFEST_UNKNOWN": "no such repository or tag",
            "BLOB_UNKNOWN": "no such blob", "NAME_INVALID": "no such repository or tag"}
_REFUSED = ("UNAUTHORIZED", "DENIED")
_OUR_CERTIFICATE = re.compile("ALERT_(BAD_CERTIFICATE|CERTIFICATE_|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE)")
"""Alerts of TLS (RFC 8446, 6.2) by which the other side refuses what it was shown, in OpenSSL's words."""
_PASSING = (429, 500, 502, 503, 504)


class Transient(Exception):
    """Something that may be gone when the request is repeated.

    :param error: what to raise when it is not.
    :param after: seconds the registry wants to be left alone; None where it does not say.
    """

    def __init__(self, error: ConmanError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


def redacted(url: str) -> str:
    """A URL without user, password, query and fragment: those may hold secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def from_status(url: str, status: int, body: bytes, retry_after: str = "", method: str = "GET") -> ConmanError | Transient:
    """The error for an answer that is neither the content nor a redirect.

    :param body: the beginning of the answer's body; OCI distribution-spec v1.1, "Error codes", where it is JSON.
    :param retry_after: the answer's Retry-After header.
    """
    code, message = _first_error(body)
    line = f"{method} {redacted(url)}: {status}" + (f" {code}" if code else "") + (f" ({message})" if message else "")
    host = urlsplit(url).netloc.rpartition("@")[2]
    writing = method not in ("GET", "HEAD")
    if status == 429 or code == "TOOMANYREQUESTS":
        wait = seconds_of(retry_after)
        hint = (f"{host} limits how much may be {'pushed' if writing else 'pulled'}; try again "
                + (f"in {wait:g} s" if wait else "later"))
        return Transient(Unavailable(line, hint=hint), wait)
    if status in _PASSING:
        return Transient(Unavailable(line, hint=f"{host} has a problem of its own; try again later"), seconds_of(retry_after))
    if code == "DIGEST_INVALID" and writing:
        return DigestMismatch(f"{line}: the registry received other bytes than were meant",
                              hint="something on the way altered them; push again")
    if status in (401, 403) or code in _REFUSED:
        return Unauthorized(line, hint=f"you may not write there; conman login {host} as somebody who may" if writing
                            else f"the repository does not exist at {host}, or is private and needs credentials")
    if writing:
        return Unavailable(f"{line}: the registry refuses it", hint=_writing_hint(status, code, host))
    if status == 404 or code in _UNKNOWN:
        return NotFound(f"{line}: {_UNKNOWN.get(code, 'no such repository or tag')}",
                        hint="check the name and the tag or digest")
    return Unavailable(f"{line}: not an answer that a registry gives", hint=f"is {host} a container registry?")


def seconds_of(retry_after: str) -> float | None:
    """A Retry-After header (RFC 9110, 10.2.3: seconds or a date) as seconds from now; None where it says nothing."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), 1e6)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, min(parsedate_to_datetime(text).timestamp() - time.time(), 1e6))
    except (ValueError, TypeError, OverflowError):
        return None


def _writing_hint(status: int, code: str, host: str) -> str:
    if status == 413:
        return "upload_chunk in [plugin.registry-pull] sends blobs in smaller parts"
    if status == 405 or code == "UNSUPPORTED":
        return f"{host} may be a read-only mirror or cache"
    if status == 404:
        return "at some registries a repository must be made before something can be pushed to it"
    return f"the words in brackets are those of {host}"


def from_exception(url: str, error: Exception, method: str = "GET") -> Unavailable | Transient:
    """The error for a request that got no (whole) answer."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    line = f"{method} {redacted(url)}: "
    causes = list(_causes(error))
    names = {type(cause).__name__ for cause in causes}
    system = next((cause for cause in causes if isinstance(cause, OSError) and cause.errno is not None), None)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Unavailable(f"{line}the host name {host.partition(':')[0]} cannot be resolved",
                           hint="check the registry's name and this machine's DNS")
    if names & {"SSLError", "SSLCertVerificationError", "SSLEOFError"}:
        deepest = next((c for c in causes if type(c).__name__ == "SSLCertVerificationError"), causes[-1])
        reason = getattr(deepest, "verify_message", "") or getattr(deepest, "reason", "") or str(deepest)
        hint = f'if you trust it: --tls-verify=false, or ca = "FILE" or insecure = true in [registry."{host}"]'
        if _OUR_CERTIFICATE.search(str(reason)):
            hint = (f"{host} wants another client certificate, or one at all: --cert-dir FOLDER with *.cert and *.key, or cert"
                    f' and key in [registry."{host}"]')
        return Unavailable(f"{line}TLS with {host} failed: {_clean(str(reason))}", hint=hint)
    if system is not None and system.errno == errno.ECONNREFUSED:
        return Unavailable(f"{line}{host} refuses the connection", hint="is the registry running, is the port right?")
    if "ConnectTimeoutError" in names:
        return Unavailable(f"{line}{host} did not accept a connection in time",
                           hint="connect_timeout in [plugin.registry-pull] allows it more")
    if names & {"ReadTimeout", "ReadTimeoutError", "TimeoutError"}:
        return Transient(Unavailable(f"{line}{host} stays silent",
                                     hint="read_timeout in [plugin.registry-pull] allows it more"))
    short = next((cause for cause in causes if type(cause).__name__ == "IncompleteRead"), None)
    if isinstance(short, http.client.IncompleteRead) and type(short.expected) is int:
        return Transient(Unavailable(f"{line}the connection ended {short.expected} bytes before the end", hint="try again"))
    reason = (system.strerror if system is not None else "") or str(causes[-1]) or type(causes[-1]).__name__
    found = Unavailable(f"{line}the connection to {host} failed: {_clean(reason)}", hint="try again")
    lasting = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EPERM)
    return found if system is not None and system.errno in lasting else Transient(found)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what lies below it, outermost first. HTTP libraries hide causes in ``reason`` and ``args``."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(seen) < 32:
        found = waiting.pop(0)
        if not isinstance(found, BaseException) or found in seen:
            continue
        seen.append(found)
        yield found
        waiting += [getattr(found, "reason", None), *found.args, found.__cause__, found.__context__]


def _first_error(body: bytes) -> tuple[str, str]:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    errors = document.get("errors") if isinstance(document, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return "", ""
    code, message = first.get("code"), first.get("message")
    return (_clean(code)[:60] if isinstance(code, str) else "", _clean(message) if isinstance(message, str) else "")


def _clean(text: str) -> str:
    """Foreign words for a terminal: one line, printable, not long."""
    return "".join(c if c.isprintable() else " " for c in text)[:200].strip()
