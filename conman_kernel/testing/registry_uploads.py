"""The push side of the loopback registry (OCI distribution-spec v1.1, "Push"): uploads in chunks or whole, mounts, manifests."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from .images import digest_of
from .registry import Action, Content, Fault, Registry, Repository, Upload

if TYPE_CHECKING:
    from .registry_http import Handler


def answer(handler: Handler, path: str, fault: Fault) -> None:
    """Answer a request that writes, or asks for an upload's state."""
    name, uploads, key = path.removeprefix("/v2/").partition("/blobs/uploads/")
    if uploads and handler.command == "POST":
        _begin(handler, name, fault)
    elif uploads and key:
        _go_on(handler, key, fault)
    elif handler.command == "PUT" and "/manifests/" in path:
        name, _, reference = path.removeprefix("/v2/").rpartition("/manifests/")
        _manifest(handler, name, reference, fault)
    else:
        handler.error(405, "UNSUPPORTED")


def _begin(handler: Handler, name: str, fault: Fault) -> None:
    registry = handler.server.registry
    query = parse_qs(urlsplit(handler.path).query)
    digest, source = query.get("mount", [""])[0], query.get("from", [""])[0]
    if digest and (registry.auth is None or registry.auth.scheme == "basic" or handler.granted(f"repository:{source}:pull")):
        with registry.lock:
            known = registry.repositories.get(source, Repository()).blobs.get(digest)
            if known is not None:
                registry.repositories.setdefault(name, Repository()).blobs[digest] = known
        if known is not None:
            _end(handler, fault, 201, (("Location", f"/v2/{name}/blobs/{digest}"), ("Docker-Content-Digest", digest)))
            return
    key = secrets.token_hex(8)
    with registry.lock:
        registry.uploads[key] = Upload(name)
    headers = {"Location": f"/v2/{name}/blobs/uploads/{key}?state=0", "Range": "0-0", **dict(fault.headers)}
    _end(handler, fault, 202, tuple(headers.items()))


def _go_on(handler: Handler, key: str, fault: Fault) -> None:
    registry = handler.server.registry
    with registry.lock:
        upload = registry.uploads.get(key)
    if upload is None:
        handler.error(404, "BLOB_UPLOAD_UNKNOWN")
    elif handler.command == "GET":
        _end(handler, fault, 204, _state(key, upload))
    elif handler.command == "DELETE":
        with registry.lock:
            del registry.uploads[key]
        _end(handler, fault, 204, ())
    elif handler.command == "PATCH":
        begins = handler.headers.get("Content-Range", "").partition("-")[0]
        if begins and begins != str(len(upload.data)):
            handler.error(416, "BLOB_UPLOAD_INVALID")
        elif _take(handler, upload, fault):
            _end(handler, fault, 202, _state(key, upload))
    elif handler.command == "PUT" and _take(handler, upload, fault):
        _finish(handler, registry, key, upload, fault)


def _state(key: str, upload: Upload) -> tuple[tuple[str, str], ...]:
    size = len(upload.data)
    # As the reference registry has it, each state is an address of its own.
    return (("Location", f"/v2/{upload.repository}/blobs/uploads/{key}?state={size}"), ("Range", f"0-{max(0, size - 1)}"))


def _take(handler: Handler, upload: Upload, fault: Fault) -> bool:
    """Read the request's body into the upload; False where the connection ended over it."""
    while handler.left > 0:
        most = handler.left
        if fault.action is Action.CUT:
            most = min(most, fault.at - (int(handler.headers["Content-Length"]) - handler.left))
        piece = handler.rfile.read(min(most, 65536)) if most > 0 else b""
        if not piece:
            handler.note(0)
            handler.close_connection = True
            return False
        handler.left -= len(piece)
        upload.data += piece
    if fault.action is Action.ALTER and upload.data:
        upload.data[fault.at % len(upload.data)] ^= 0xFF
    return True


def _finish(handler: Handler, registry: Registry, key: str, upload: Upload, fault: Fault) -> None:
    digest = parse_qs(urlsplit(handler.path).query).get("digest", [""])[0]
    data = bytes(upload.data)
    with registry.lock:
        registry.uploads.pop(key, None)
        sound = digest_of(data) == digest
        if sound:
            registry.repositories.setdefault(upload.repository, Repository()).blobs[digest] = Content(data)
    if not sound:
        handler.error(400, "DIGEST_INVALID")
        return
    _stored(handler, fault, f"/v2/{upload.repository}/blobs/{digest}", digest)


def _manifest(handler: Handler, name: str, reference: str, fault: Fault) -> None:
    registry = handler.server.registry
    data = handler.rfile.read(handler.left)
    handler.left = 0
    digest = digest_of(data)
    if ":" in reference and reference != digest:
        handler.error(400, "DIGEST_INVALID")
        return
    with registry.lock:
        repository = registry.repositories.setdefault(name, Repository())
        repository.manifests[digest] = (handler.headers.get("Content-Type", ""), Content(data))
        if ":" not in reference:
            repository.tags[reference] = digest
    _stored(handler, fault, f"/v2/{name}/manifests/{digest}", digest)


def _stored(handler: Handler, fault: Fault, where: str, digest: str) -> None:
    said = fault.value if fault.action is Action.DIGEST else digest
    _end(handler, fault, 201, (("Location", where), ("Docker-Content-Digest", said)))


def _end(handler: Handler, fault: Fault, status: int, headers: tuple[tuple[str, str], ...]) -> None:
    if fault.action is Action.LOST:
        handler.note(0)
        handler.close_connection = True
    else:
        handler.plain(status, headers)
