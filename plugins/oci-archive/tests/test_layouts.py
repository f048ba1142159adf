"""Images from folders and archives: good ones, broken ones, hostile ones."""

from __future__ import annotations

import bz2
import gzip
import json
import logging
import lzma
import os
import shutil
import subprocess
import tarfile
from typing import Mapping

import pytest

import conman_oci_archive as plugin
from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, InvalidInput, NotFound, Unavailable
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.slots.provider import PluginContext
from conman_kernel.slots.transport import API, OpenRequest, ResolveRequest
from conman_kernel.testing import images
from conman_oci_archive.transport import LayoutTransport

LAYER = images.layer([images.file("data", bytes(range(256)) * 20_000)], compress=False)
IMAGE = images.image([LAYER])
OTHER = images.image([LAYER], config={"User": "other"})
KIND = images.OCI_LAYER


@pytest.fixture
def transport():
    made = LayoutTransport()
    descriptors = len(os.listdir("/proc/self/fd"))
    yield made
    made.close()
    made.close()
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 1  # the token of the test itself


CANCEL = Cancel()


def resolve(transport, location: str):
    return transport.resolve(ResolveRequest(str(location), CANCEL)).descriptor


def read(transport, location: str, digest: str, offset: int = 0) -> bytes:
    found = transport.open(OpenRequest(str(location), Descriptor(KIND, digest, -1), offset, CANCEL))
    assert found.offset in (0, offset)
    return b"".join(found)


@pytest.fixture(params=["folder", "archive"])
def place(request, tmp_path) -> str:
    """A layout with the one image IMAGE, named v1, in both forms."""
    path = str(tmp_path / "layout")
    if request.param == "folder":
        images.write_layout(IMAGE, path, tag="v1")
    else:
        images.write_archive(IMAGE, path, tag="v1")
    return path


def test_resolve_and_open(place, transport):
    expected = IMAGE.descriptor._replace(platform=None)
    assert resolve(transport, place) == resolve(transport, place + ":v1") == expected
    for digest, data in IMAGE.blobs.items():
        assert read(transport, place, digest) == data


@pytest.mark.parametrize("offset", [1, 3_000_000, len(LAYER) - 1, len(LAYER)])
def test_offsets(place, transport, offset):
    assert read(transport, place, images.digest_of(LAYER), offset) == LAYER[offset:]


def test_an_offset_behind_the_end_begins_at_0(place, transport):
    assert read(transport, place, images.digest_of(LAYER), len(LAYER) + 1) == LAYER


def test_what_is_not_there(place, transport):
    with pytest.raises(NotFound, match="no image named 'v2'") as caught:
        resolve(transport, place + ":v2")
    assert "v1" in caught.value.hint
    with pytest.raises(NotFound, match="blobs/sha256"):
        read(transport, place, images.digest_of(b"no such blob"))
    with pytest.raises(NotFound, match="does not exist"):
        resolve(transport, place + "-not")
    with pytest.raises(InvalidInput):
        resolve(transport, ":v1")
    with pytest.raises(InvalidInput):
        read(transport, place, "sha256:../../../../etc/passwd")


def test_a_token_ends_a_read(place, transport):
    cancel = Cancel()
    stream = transport.open(OpenRequest(place, Descriptor(KIND, images.digest_of(LAYER), -1), 0, cancel))
    chunks = iter(stream)
    assert len(next(chunks)) == 1 << 20
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(chunks)
    with pytest.raises(Cancelled):
        transport.resolve(ResolveRequest(place, cancel))


def test_a_stream_closed_early(place, transport):
    stream = transport.open(OpenRequest(place, Descriptor(KIND, images.digest_of(LAYER), -1), 0, CANCEL))
    chunks = iter(stream)
    next(chunks)
    stream.close()
    stream.close()
    with pytest.raises(Unavailable):
        next(chunks)


def test_several_images_need_a_name(tmp_path, transport):
    path = str(tmp_path / "layout")
    images.write_layout(IMAGE, path, tag="v1")
    images.write_layout(OTHER, path, tag="registry.example:5000/team/box:v2")
    with pytest.raises(InvalidInput, match="holds 2 images") as caught:
        resolve(transport, path)
    assert "registry.example:5000/team/box:v2, v1" in caught.value.hint
    assert resolve(transport, path + ":registry.example:5000/team/box:v2").digest == OTHER.descriptor.digest
    images.write_layout(IMAGE, path, tag="registry.example:5000/team/box:v2")
    assert resolve(transport, path).digest == IMAGE.descriptor.digest


def test_an_archive_made_by_tar_and_one_by_skopeo(tmp_path, transport):
    images.write_layout(IMAGE, str(tmp_path / "layout"), tag="v1")
    subprocess.run(["tar", "-C", tmp_path / "layout", "-cf", tmp_path / "a.tar", "."], check=True)
    assert read(transport, tmp_path / "a.tar", images.digest_of(LAYER)) == LAYER
    if shutil.which("skopeo") is None:
        pytest.skip("not installed: skopeo")
    subprocess.run(["skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{tmp_path}/layout:v1",
                    f"oci-archive:{tmp_path}/b.tar:v1"], check=True)
    found = resolve(transport, f"{tmp_path}/b.tar:v1")
    assert json.loads(read(transport, tmp_path / "b.tar", found.digest))["schemaVersion"] == 2


def test_an_archive_that_changes_is_read_again(tmp_path, transport):
    path = str(tmp_path / "a.tar")
    images.write_archive(IMAGE, path)
    assert resolve(transport, path).digest == IMAGE.descriptor.digest
    images.write_archive(OTHER, path + ".new")
    os.rename(path + ".new", path)
    assert resolve(transport, path).digest == OTHER.descriptor.digest


def spoil(path: str, kind: str) -> None:
    """Make a layout (or what should be one) that is broken in one way."""
    if kind == "empty folder":
        os.mkdir(path)
        return
    images.write_layout(IMAGE, path)
    if kind == "index is no JSON":
        _write(path + "/index.json", b"{")
    elif kind == "index is a list":
        _write(path + "/index.json", b"[]")
    elif kind == "digest is a path":
        _write(path + "/index.json", json.dumps({"schemaVersion": 2, "manifests": [
            {"mediaType": "x", "digest": "sha256:../../../etc/passwd", "size": 1}]}).encode())
    elif kind == "other version":
        _write(path + "/oci-layout", b'{"imageLayoutVersion":"2.0.0"}')
    elif kind == "huge index":
        os.truncate(path + "/index.json", 1 << 30)
    elif kind == "index is a link":
        os.rename(path + "/index.json", path + ".elsewhere")
        os.symlink(path + ".elsewhere", path + "/index.json")
    elif kind == "index is a fifo":
        os.unlink(path + "/index.json")
        os.mkfifo(path + "/index.json")


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(data)


@pytest.mark.parametrize("kind", ["empty folder", "index is no JSON", "index is a list", "digest is a path",
                                  "other version", "huge index", "index is a link", "index is a fifo"])
def test_broken_folders(tmp_path, transport, kind):
    spoil(str(tmp_path / "layout"), kind)
    with pytest.raises(InvalidInput) as caught:
        resolve(transport, str(tmp_path / "layout"))
    assert "\n" not in caught.value.message


def test_a_folder_of_blobs_that_is_a_link_is_refused(tmp_path, transport):
    path = str(tmp_path / "layout")
    images.write_layout(IMAGE, path)
    os.rename(path + "/blobs", path + ".blobs")
    os.symlink(path + ".blobs", path + "/blobs")
    with pytest.raises(InvalidInput, match=r"blobs is (a symbolic link|not a folder)"):
        read(transport, path, images.digest_of(LAYER))


@pytest.mark.parametrize("squeeze", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_archives_are_read_unpacked(tmp_path, transport, squeeze):
    images.write_archive(IMAGE, str(tmp_path / "a.tar"))
    _write(str(tmp_path / "a.packed"), squeeze((tmp_path / "a.tar").read_bytes()))
    assert resolve(transport, str(tmp_path / "a.packed")).digest == IMAGE.descriptor.digest
    assert read(transport, tmp_path / "a.packed", images.digest_of(LAYER), 4711) == LAYER[4711:]


def test_no_archives(tmp_path, transport):
    for name, data in (("empty", b""), ("text", b"hello " * 1000), ("zeros", bytes(20480))):
        _write(str(tmp_path / name), data)
        with pytest.raises(InvalidInput):
            resolve(transport, str(tmp_path / name))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InvalidInput, match="is a pipe"):
        resolve(transport, str(tmp_path / "fifo"))


def test_a_docker_archive_is_named(tmp_path, transport):
    _write(str(tmp_path / "a"), images.layer([images.file("manifest.json", b"[]")], compress=False))
    with pytest.raises(InvalidInput) as caught:
        resolve(transport, str(tmp_path / "a"))
    assert "docker-archive" in caught.value.hint


def test_hostile_archives(tmp_path, transport):
    """Links and outside names are no members; the last of two with one name counts; ends are ends."""
    path = str(tmp_path / "a.tar")
    digits = images.digest_of(LAYER).partition(":")[2]
    _write(path, images.layer([
        images.symlink(f"blobs/sha256/{digits}", "/etc/passwd"), images.file("../index.json", b"{}"),
        images.file("index.json", b"{"), images.file("index.json", b'{"schemaVersion":2,"manifests":[]}'),
        images.file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')], compress=False))
    with pytest.raises(NotFound, match="holds no image"):
        resolve(transport, path)
    with pytest.raises(NotFound):
        read(transport, path, images.digest_of(LAYER))
    images.write_archive(IMAGE, path)
    os.truncate(path, 100_000)
    with pytest.raises(InvalidInput, match=r"ends within|not a tar"):
        resolve(transport, path)


def test_a_header_that_wants_all_memory(tmp_path, transport):
    path = str(tmp_path / "a.tar")
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 40
    _write(path, info.tobuf(tarfile.GNU_FORMAT))
    os.truncate(path, (1 << 40) + 4096)
    with pytest.raises(InvalidInput, match="header"):
        resolve(transport, path)


def test_the_declaration():
    declared = plugin.conman_image_transport()
    context: PluginContext[Mapping[str, object]] = PluginContext(
        name="oci-archive", options={}, state_dir="/nonexistent", run_dir="/nonexistent", log=logging.getLogger("test"))
    assert (declared.api, [option.name for option in declared.options], declared.probe(context)) == (API, ["spool_limit"], None)
    declared.open(context).close()
