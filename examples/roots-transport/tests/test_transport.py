"""The transport by itself: what it makes of folders, honest ones and others."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import random
from pathlib import Path
from typing import Callable

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, ConmanError, InvalidInput, NotFound, Unavailable
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.image_config import parse_config
from conman_kernel.oci.manifest import Manifest, parse_manifest
from conman_kernel.slots.transport import Contained, OpenRequest, Resolved, ResolveRequest
from conman_kernel.testing.images import file, layer
from conman_roots_transport.transport import RootsTransport

TAR = layer([file("etc/noise", random.Random(1).randbytes(6000))], compress=False)


@pytest.fixture
def transport() -> RootsTransport:
    return RootsTransport(command=("/bin/sh",), env=("PATH=/bin",))


def resolve(transport: RootsTransport, location: str) -> Resolved:
    return transport.resolve(ResolveRequest(location, Cancel(30)))


def read(transport: RootsTransport, location: str, descriptor: Descriptor, offset: int = 0) -> tuple[int, bytes]:
    stream = transport.open(OpenRequest(location, descriptor, offset, Cancel(30)))
    try:
        return stream.offset, b"".join(stream)
    finally:
        stream.close()
        stream.close()


def manifest_of(transport: RootsTransport, location: str) -> Manifest:
    resolved = resolve(transport, location)
    offset, data = read(transport, location, resolved.descriptor)
    assert (offset, data) == (0, resolved.content)
    assert resolved.descriptor.digest == f"sha256:{hashlib.sha256(data).hexdigest()}" and resolved.descriptor.size == len(data)
    parsed = parse_manifest(data, resolved.descriptor.media_type, "it")
    assert isinstance(parsed, Manifest)
    return parsed


@pytest.mark.parametrize(("ending", "pack", "kept", "media_type"), [
    (".tar", lambda data: data, True, "tar"),
    (".tar.gz", lambda data: gzip.compress(data, mtime=0), True, "tar+gzip"),
    (".tgz", lambda data: gzip.compress(data, mtime=0), True, "tar+gzip"),
    (".tar.xz", lzma.compress, False, "tar"),
    (".tar.bz2", bz2.compress, False, "tar"),
])
def test_a_tarball_is_an_image_whose_digests_are_true(transport: RootsTransport, tmp_path: Path, ending: str,
                                                      pack: Callable[[bytes], bytes], kept: bool, media_type: str) -> None:
    packed = pack(TAR)
    (tmp_path / f"box{ending}").write_bytes(packed)
    location = f"{tmp_path}:box"
    manifest = manifest_of(transport, location)
    (only,) = manifest.layers
    assert only.media_type == f"application/vnd.oci.image.layer.v1.{media_type}"
    _, data = read(transport, location, only)
    assert data == (packed if kept else TAR)
    assert (only.digest, only.size) == (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    _, document = read(transport, location, manifest.config)
    config = parse_config(document, "it")
    assert config.diff_ids == (f"sha256:{hashlib.sha256(TAR).hexdigest()}",)
    assert (config.cmd, config.env, config.created) == (("/bin/sh",), ("PATH=/bin",), "1970-01-01T00:00:00Z")
    offset, rest = read(transport, location, only, 1000)
    assert rest == data[offset:] and offset == (1000 if kept else 0)


def test_the_same_files_give_the_same_digest_wherever_they_lie(tmp_path: Path) -> None:
    found: set[Descriptor] = set()
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "box.tar").write_bytes(TAR)
        os.utime(tmp_path / name / "box.tar", (len(found), len(found)))
        found.add(resolve(RootsTransport(command=(), env=()), f"{tmp_path / name}").descriptor)
    assert len(found) == 1


def test_what_lies_beside_a_tarball_is_its_configuration(transport: RootsTransport, tmp_path: Path) -> None:
    (tmp_path / "box.tar").write_bytes(TAR)
    before = resolve(transport, str(tmp_path)).descriptor
    (tmp_path / "box.json").write_text(json.dumps({"architecture": "arm64", "config": {"Cmd": ["hello"], "User": "7"}}))
    manifest = manifest_of(transport, str(tmp_path))
    config = parse_config(read(transport, str(tmp_path), manifest.config)[1], "it")
    assert (config.architecture, config.cmd, config.user, config.env) == ("arm64", ("hello",), "7", ("PATH=/bin",))
    assert resolve(transport, str(tmp_path)).descriptor != before, "remembered although something was written beside it"


@pytest.mark.parametrize("text", ["{", "[]", '{"config": []}', '{"config": {"Env": "x"}}', '{"architecture": 7}', "x" * 5_000_000])
def test_a_configuration_that_is_none_is_refused(transport: RootsTransport, tmp_path: Path, text: str) -> None:
    (tmp_path / "box.tar").write_bytes(TAR)
    (tmp_path / "box.json").write_text(text)
    with pytest.raises(InvalidInput, match=r"box\.json|configuration"):
        resolve(transport, str(tmp_path))


def test_a_folder_lists_its_images_without_reading_them(transport: RootsTransport, tmp_path: Path) -> None:
    for name in ("b.tar", "a.tar.gz", "README", "Upper.tar", ".tar", "a.json"):
        (tmp_path / name).write_bytes(b"no tar")
    (tmp_path / "link.tar").symlink_to("b.tar")
    (tmp_path / "folder.tar").mkdir()
    os.mkfifo(tmp_path / "pipe.tar")
    assert transport.images(ResolveRequest(str(tmp_path), Cancel(30))) == (
        Contained(f"{tmp_path}:a", ("localhost/a:latest",)), Contained(f"{tmp_path}:b", ("localhost/b:latest",)))
    assert transport.images(ResolveRequest(f"{tmp_path}:b", Cancel(30))) == (Contained(f"{tmp_path}:b", ()),)


@pytest.mark.parametrize(("files", "location", "error", "words"), [
    ([], "", NotFound, "holds no root file systems"),
    (["a.tar", "b.tar"], "", InvalidInput, "holds 2 root file systems"),
    (["a.tar"], ":b", NotFound, "holds no root file system b"),
    (["a.tar", "a.tar.gz"], ":a", InvalidInput, "both want to be a"),
    (["a.tar"], ":A", InvalidInput, "cannot be the name"),
    (["a.tar"], ":..", InvalidInput, "cannot be the name"),
    (["a.tar"], "/a.tar", InvalidInput, "is no folder"),
    (["a.tar"], "/nope", NotFound, "there is no folder"),
])
def test_what_cannot_be_meant_is_said_in_one_line(transport: RootsTransport, tmp_path: Path, files: list[str], location: str,
                                                  error: type[ConmanError], words: str) -> None:
    for name in files:
        (tmp_path / name).write_bytes(TAR)
    with pytest.raises(error, match=words) as caught:
        resolve(transport, f"{tmp_path}{location}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", [".tar.gz", ".tar.xz", ".tar.bz2"])
def test_a_tarball_that_was_cut_off_is_refused(transport: RootsTransport, tmp_path: Path, ending: str) -> None:
    pack = {".tar.gz": gzip.compress, ".tar.xz": lzma.compress, ".tar.bz2": bz2.compress}[ending]
    (tmp_path / f"box{ending}").write_bytes(pack(TAR)[:-20])
    with pytest.raises(InvalidInput):
        resolve(transport, str(tmp_path))


def test_a_tarball_that_is_replaced_between_two_calls_is_told(transport: RootsTransport, tmp_path: Path) -> None:
    (tmp_path / "box.tar").write_bytes(TAR)
    (layer_before,) = manifest_of(transport, str(tmp_path)).layers
    (tmp_path / "box.tar").write_bytes(TAR + bytes(10240))
    with pytest.raises(NotFound, match="does not hold") as caught:
        read(transport, str(tmp_path), layer_before)
    assert "try again" in caught.value.hint


def test_a_stream_that_was_closed_does_not_go_on(transport: RootsTransport, tmp_path: Path) -> None:
    for ending, pack in ((".tar.xz", lzma.compress), (".tar", bytes)):
        path = tmp_path / f"box{ending}"
        path.write_bytes(pack(os.urandom(8 << 20)))
        (only,) = manifest_of(transport, str(tmp_path)).layers
        stream = transport.open(OpenRequest(str(tmp_path), only, 0, Cancel(30)))
        chunks = iter(stream)
        next(chunks)
        stream.close()
        with pytest.raises(Unavailable):
            list(chunks)
        path.unlink()


def test_a_token_ends_it_and_no_descriptor_is_left(transport: RootsTransport, tmp_path: Path) -> None:
    (tmp_path / "box.tar.xz").write_bytes(lzma.compress(TAR))
    before = len(os.listdir("/proc/self/fd"))
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(Cancelled):
        transport.resolve(ResolveRequest(str(tmp_path), cancel))
    manifest = manifest_of(transport, str(tmp_path))
    transport.open(OpenRequest(str(tmp_path), manifest.layers[0], 0, Cancel(30))).close()
    assert len(os.listdir("/proc/self/fd")) == before
