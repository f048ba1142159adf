"""dir: folders, read and written, with skopeo in both directions; broken and hostile ones."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from pathlib import Path
from typing import Mapping

import pytest

import conman_dir_transport as plugin
from conman_dir_transport.transport import DirTransport
from conman_kernel.cancel import Cancel
from conman_kernel.errors import AlreadyExists, ConmanError, InvalidInput, NotFound, Unavailable
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.digest import digest_of
from conman_kernel.oci.media_types import is_manifest_or_index
from conman_kernel.slots.provider import PluginContext
from conman_kernel.slots.transport import API, OpenRequest, PutBlobRequest, PutManifestRequest, ResolveRequest, WriteRequest
from conman_kernel.testing import images

CANCEL = Cancel()
IMAGE = images.image([images.layer([images.file("one", os.urandom(100_000))])])
OTHER = images.image([images.layer([images.file("two", b"2")])], docker=True)
BOTH = images.index([IMAGE, OTHER])


@pytest.fixture
def transport() -> DirTransport:
    return DirTransport()


def serve(data: bytes):
    """Bytes as a writer asks for them."""
    return lambda offset: iter([data[offset:]])


def put(writer, made: images.Image) -> None:
    """Blobs, then the manifests, the top one last."""
    for digest, data in made.blobs.items():
        if digest not in made.media_types:
            writer.put_blob(PutBlobRequest(Descriptor("x", digest, len(data)), serve(data), (), lambda count: None, CANCEL))
    for digest, kind in sorted(made.media_types.items(), key=lambda item: item[0] == made.descriptor.digest):
        data = made.blobs[digest]
        writer.put_manifest(PutManifestRequest(Descriptor(kind, digest, len(data)), data, (), digest == made.descriptor.digest, CANCEL))


def write(transport, path, made: images.Image) -> None:
    writer = transport.write(WriteRequest(str(path), CANCEL, "dir"))
    try:
        put(writer, made)
        writer.commit(CANCEL)
    finally:
        writer.close()


def check(transport, path, made: images.Image) -> None:
    found = transport.resolve(ResolveRequest(str(path), CANCEL))
    assert found.descriptor == Descriptor(made.descriptor.media_type, made.descriptor.digest, made.descriptor.size)
    for digest, data in made.blobs.items():
        kind = made.media_types.get(digest, "x")
        for offset in (0, 1, len(data)):
            assert b"".join(transport.open(OpenRequest(str(path), Descriptor(kind, digest, -1), offset, CANCEL))) == data[offset:]
        assert is_manifest_or_index(kind) == (digest in made.media_types)


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


@pytest.mark.parametrize("made", [IMAGE, OTHER, BOTH], ids=["oci", "docker", "index"])
def test_what_is_written_is_found_here_and_by_skopeo(tmp_path, transport, made):
    write(transport, tmp_path / "new/there", made)
    check(transport, tmp_path / "new/there", made)
    shown = subprocess.run(["skopeo", "inspect", "--raw", f"dir:{tmp_path}/new/there"], check=True, capture_output=True).stdout
    assert digest_of(shown) == made.descriptor.digest
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--all", f"dir:{tmp_path}/new/there", f"dir:{tmp_path}/theirs"], check=True)
    check(transport, tmp_path / "theirs", made)
    assert names(tmp_path / "theirs") == names(tmp_path / "new/there")
    for name in names(tmp_path / "theirs"):
        assert (tmp_path / "theirs" / name).read_bytes() == (tmp_path / "new/there" / name).read_bytes(), name
    (one,) = transport.images(ResolveRequest(str(tmp_path / "theirs"), CANCEL))
    assert one == (str(tmp_path / "theirs"), ())


def test_an_image_that_is_there_is_replaced(tmp_path, transport):
    path = tmp_path / "there"
    write(transport, path, BOTH)
    (path / "signature-1").write_bytes(b"of the old one")
    (path / ".note").write_text("mine")
    write(transport, path, OTHER)
    check(transport, path, OTHER)
    assert len(names(path)) == len(OTHER.blobs) + 2 and (path / ".note").exists()
    writer = transport.write(WriteRequest(str(path), CANCEL))
    put(writer, IMAGE)
    check(transport, path, OTHER)
    writer.close()
    check(transport, path, OTHER)
    assert len(names(path)) == len(OTHER.blobs) + 2


def test_what_is_given_up_leaves_nothing(tmp_path, transport):
    writer = transport.write(WriteRequest(str(tmp_path / "a/b"), CANCEL))
    put(writer, IMAGE)
    writer.close()
    writer.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotFound):
        transport.resolve(ResolveRequest(str(tmp_path / "a/b"), CANCEL))


def test_one_image_and_one_writer(tmp_path, transport):
    writer = transport.write(WriteRequest(str(tmp_path / "a"), CANCEL))
    with pytest.raises(Unavailable, match="somebody else"):
        transport.write(WriteRequest(str(tmp_path / "a"), CANCEL))
    put(writer, IMAGE)
    with pytest.raises(InvalidInput, match="one image"):
        put(writer, OTHER)
    writer.close()
    with pytest.raises(InvalidInput, match="no image"):
        transport.write(WriteRequest(str(tmp_path / "a"), CANCEL)).commit(CANCEL)


def test_what_a_killed_writer_left_is_used(tmp_path, transport):
    path = tmp_path / "there"
    write(transport, path, IMAGE)
    for name in ("version", "manifest.json"):
        (path / name).unlink()
    with pytest.raises(InvalidInput, match=r"manifest\.json"):
        transport.resolve(ResolveRequest(str(path), CANCEL))
    write(transport, path, IMAGE)
    check(transport, path, IMAGE)


def _spoil(path: Path, kind: str) -> None:
    if kind == "empty":
        for entry in path.iterdir():
            entry.unlink()
    elif kind == "another version":
        (path / "version").write_text("Directory Transport Version: 2.0\n")
    elif kind == "manifest is a link":
        os.rename(path / "manifest.json", path.parent / "elsewhere")
        (path / "manifest.json").symlink_to("../elsewhere")
    elif kind == "manifest is a fifo":
        (path / "manifest.json").unlink()
        os.mkfifo(path / "manifest.json")
    elif kind == "manifest is a folder":
        (path / "manifest.json").unlink()
        (path / "manifest.json").mkdir()
    else:
        (path / "manifest.json").write_bytes({"no JSON": b"{", "a list": b"[]", "not UTF-8": b"\xff", "huge": bytes(5 << 20),
                                              "deep": b'{"a":' * 100_000, "odd type": b'{"mediaType":7}'}[kind])


@pytest.mark.parametrize("kind", ["empty", "another version", "manifest is a link", "manifest is a fifo", "manifest is a folder",
                                  "no JSON", "a list", "not UTF-8", "huge", "deep", "odd type"])
def test_broken_folders(tmp_path, transport, kind):
    write(transport, tmp_path / "there", IMAGE)
    _spoil(tmp_path / "there", kind)
    with pytest.raises(InvalidInput) as caught:
        transport.resolve(ResolveRequest(str(tmp_path / "there"), CANCEL))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("digest", ["sha256:../../etc/passwd", "sha256:" + "0" * 64, "manifest.json", "sha256:manifest.json"])
def test_blobs_that_are_none(tmp_path, transport, digest):
    write(transport, tmp_path / "there", IMAGE)
    for kind in ("x", IMAGE.descriptor.media_type):
        with pytest.raises((InvalidInput, NotFound)):
            transport.open(OpenRequest(str(tmp_path / "there"), Descriptor(kind, digest, -1), 0, CANCEL))


def test_a_blob_that_is_a_link_is_refused(tmp_path, transport):
    write(transport, tmp_path / "there", IMAGE)
    blob = tmp_path / "there" / IMAGE.image_id.partition(":")[2]
    blob.unlink()
    blob.symlink_to("/etc/passwd")
    with pytest.raises(InvalidInput, match="link"):
        transport.open(OpenRequest(str(tmp_path / "there"), Descriptor("x", IMAGE.image_id, -1), 0, CANCEL))


@pytest.mark.parametrize("there, error", [("letter", AlreadyExists), ("file", InvalidInput), ("oci-layout", AlreadyExists), ("named", InvalidInput)])
def test_places_that_are_refused(tmp_path, transport, there, error):
    path = tmp_path / "there"
    if there == "file":
        path.write_text("dear")
    elif there != "named":
        path.mkdir()
        (path / there).write_text("dear")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error):
        transport.write(WriteRequest(f"{path}:name" if there == "named" else str(path), CANCEL))
    assert sorted(tmp_path.rglob("*")) == before


def test_kinds_are_told_by_what_is_there(tmp_path, transport):
    write(transport, tmp_path / "a", IMAGE)
    manifest = json.loads((tmp_path / "a/manifest.json").read_bytes())
    for document, kind in (({**manifest, "mediaType": None}, IMAGE.descriptor.media_type), ({"schemaVersion": 2, "manifests": []}, BOTH.descriptor.media_type),
                           ({"schemaVersion": 1}, "application/vnd.docker.distribution.manifest.v1+json")):
        (tmp_path / "a/manifest.json").write_text(json.dumps(document))
        assert transport.resolve(ResolveRequest(str(tmp_path / "a"), CANCEL)).descriptor.media_type == kind


def test_a_token_ends_it(tmp_path, transport):
    with Cancel() as cancel, pytest.raises(ConmanError):
        cancel.cancel()
        transport.resolve(ResolveRequest(str(tmp_path), cancel))


def test_the_declaration():
    declared = plugin.conman_image_transport()
    context: PluginContext[Mapping[str, object]] = PluginContext(
        name="dir-transport", options={}, state_dir="/nonexistent", run_dir="/nonexistent", log=logging.getLogger("test"))
    assert (declared.api, declared.options, declared.probe(context)) == (API, (), None)
    declared.open(context).close()
