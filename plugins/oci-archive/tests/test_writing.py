"""Layouts and archives as destinations: what is written is what a reader finds, whole or not at all."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tarfile
import threading
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import AlreadyExists, ConmanError, DigestMismatch, InvalidInput, InvalidState, NotFound, Unavailable
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.slots.transport import OpenRequest, PutBlobRequest, PutManifestRequest, ResolveRequest, WriteRequest
from conman_kernel.testing import images
from conman_oci_archive.transport import LayoutTransport

CANCEL = Cancel()
IMAGE = images.image([images.layer([images.file("data", os.urandom(300_000))])])
OTHER = images.image([images.layer([images.file("data", b"other")])])


@pytest.fixture
def transport() -> Iterator[LayoutTransport]:
    made = LayoutTransport()
    CANCEL.fileno()
    descriptors = sorted(os.listdir("/proc/self/fd"))
    yield made
    made.close()
    assert set(os.listdir("/proc/self/fd")) <= set(descriptors)  # other tests' garbage may have gone meanwhile


@pytest.fixture(params=["oci", "oci-archive"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def source(data: bytes):
    """Bytes as a writer asks for them."""
    return lambda offset: iter([data[offset:]])


def fill(writer, made: images.Image, *names: str, top: bool = True) -> list[str]:
    """Put an image: its blobs, then its manifest. Returns how each blob got there."""
    digest = made.descriptor.digest
    said = [writer.put_blob(PutBlobRequest(Descriptor("x", name, len(data)), source(data), (), lambda count: None, CANCEL))
            for name, data in made.blobs.items() if name != digest]
    writer.put_manifest(PutManifestRequest(made.descriptor, made.blobs[digest], names, top, CANCEL))
    return said


def write(transport, location: str, scheme: str, made: images.Image, *names: str) -> list[str]:
    writer = transport.write(WriteRequest(location, CANCEL, scheme))
    try:
        said = fill(writer, made, *names)
        writer.commit(CANCEL)
    finally:
        writer.close()
        writer.close()
    return said


def check(transport, location: str, made: images.Image) -> None:
    found = transport.resolve(ResolveRequest(location, CANCEL)).descriptor
    assert (found.digest, found.size, found.media_type) == (made.descriptor.digest, made.descriptor.size, made.descriptor.media_type)
    for digest, data in made.blobs.items():
        assert b"".join(transport.open(OpenRequest(location, Descriptor("x", digest, -1), 0, CANCEL))) == data


def test_what_is_written_is_found(tmp_path, transport, scheme):
    path = str(tmp_path / "new/there" if scheme == "oci" else tmp_path / "there")
    assert write(transport, path, scheme, IMAGE) == ["written", "written"]
    check(transport, path, IMAGE)
    named = path + "-named"
    write(transport, f"{named}:docker.io/library/x:1", scheme, IMAGE)
    check(transport, f"{named}:docker.io/library/x:1", IMAGE)
    (one,) = transport.images(ResolveRequest(named, CANCEL))
    assert one.names == ("docker.io/library/x:1",) and one.location == f"{named}:@0"
    check(transport, one.location, IMAGE)


def test_skopeo_and_umoci_read_it(tmp_path, transport, scheme):
    path = str(tmp_path / "there")
    write(transport, f"{path}:v1", scheme, IMAGE)
    shown = subprocess.run(["skopeo", "inspect", "--raw", f"{scheme}:{path}:v1"], check=True, capture_output=True).stdout
    assert shown == IMAGE.blobs[IMAGE.descriptor.digest]
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"{scheme}:{path}:v1", f"dir:{tmp_path}/dir"], check=True)
    if scheme == "oci":
        listed = subprocess.run(["umoci", "list", "--layout", path], check=True, capture_output=True, text=True).stdout
        assert listed.split() == ["v1"]


def test_several_images_with_several_names(tmp_path, transport, scheme):
    path = str(tmp_path / "there")
    writer = transport.write(WriteRequest(path, CANCEL, scheme))
    fill(writer, IMAGE, "docker.io/library/a:1", "docker.io/library/a:2")
    fill(writer, OTHER)
    writer.commit(CANCEL)
    writer.close()
    found = transport.images(ResolveRequest(path, CANCEL))
    assert [one.names for one in found] == [("docker.io/library/a:1", "docker.io/library/a:2"), ()]
    for one, made in zip(found, (IMAGE, OTHER), strict=True):
        check(transport, one.location, made)
    check(transport, f"{path}:docker.io/library/a:2", IMAGE)


def test_an_archive_is_replaced_and_a_folder_is_added_to(tmp_path, transport, scheme):
    path = str(tmp_path / "there")
    write(transport, f"{path}:a", scheme, IMAGE)
    again = write(transport, f"{path}:b", scheme, IMAGE)
    write(transport, f"{path}:c", scheme, OTHER)
    if scheme == "oci":
        assert again == ["exists", "exists"]
        check(transport, f"{path}:a", IMAGE)
        check(transport, f"{path}:b", IMAGE)
        write(transport, f"{path}:a", scheme, OTHER)
        check(transport, f"{path}:a", OTHER)
    else:
        with pytest.raises(NotFound):
            transport.resolve(ResolveRequest(f"{path}:a", CANCEL))
    check(transport, f"{path}:c", OTHER)


def test_a_spoiled_blob_in_a_folder_is_replaced(tmp_path, transport):
    path = str(tmp_path / "there")
    write(transport, path, "oci", IMAGE)
    blob = tmp_path / "there/blobs/sha256" / next(iter(IMAGE.blobs)).partition(":")[2]
    blob.write_bytes(bytes(blob.stat().st_size))
    assert write(transport, path, "oci", IMAGE) == ["written", "exists"]
    check(transport, path, IMAGE)


def test_what_is_given_up_leaves_nothing(tmp_path, transport, scheme):
    path = tmp_path / "some/where" if scheme == "oci" else tmp_path / "there"
    writer = transport.write(WriteRequest(str(path), CANCEL, scheme))
    fill(writer, IMAGE)
    writer.close()
    assert list(tmp_path.rglob("*")) == []


def test_what_was_there_survives_what_is_given_up(tmp_path, transport, scheme):
    path = str(tmp_path / "there")
    write(transport, path, scheme, IMAGE)
    before = {name: name.stat().st_mtime_ns for name in tmp_path.rglob("*") if name.is_file()}
    writer = transport.write(WriteRequest(path, CANCEL, scheme))
    fill(writer, OTHER)
    writer.close()
    assert {name: name.stat().st_mtime_ns for name in tmp_path.rglob("*") if name.is_file()} == before
    check(transport, path, IMAGE)


@pytest.mark.parametrize("there", [b"short", b"x" * 1000])
def test_a_blob_of_another_size_is_refused(tmp_path, transport, scheme, there):
    writer = transport.write(WriteRequest(str(tmp_path / "there"), CANCEL, scheme))
    with pytest.raises(DigestMismatch):
        writer.put_blob(PutBlobRequest(Descriptor("x", images.digest_of(b"?"), 500), lambda offset: iter([there]), (),
                                       lambda count: None, CANCEL))
    fill(writer, IMAGE)
    writer.commit(CANCEL)
    writer.close()
    check(transport, str(tmp_path / "there"), IMAGE)
    assert len(list(tmp_path.glob("there/blobs/sha256/*"))) in (0, 3)


@pytest.mark.parametrize("what, scheme, error", [
    ("other things", "oci", AlreadyExists), ("file", "oci", InvalidInput), ("folder", "oci-archive", AlreadyExists),
    ("fifo", "oci-archive", InvalidInput), ("no folder", "oci-archive", NotFound), ("place", "oci", InvalidInput),
    ("place", "oci-archive", InvalidInput), ("newer", "oci", InvalidInput), ("link", "oci", InvalidInput),
])
def test_places_that_are_refused_stay_as_they_are(tmp_path, transport, what, scheme, error):
    path = tmp_path / "there"
    location = str(path)
    if what in ("other things", "folder"):
        path.mkdir()
        (path / "letter").write_text("dear")
    elif what == "file":
        path.write_text("dear")
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "no folder":
        location += "/is/none"
    elif what == "place":
        location += ":@0"
    elif what == "newer":
        path.mkdir()
        (path / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}')
    elif what == "link":
        path.mkdir()
        (path / "oci-layout").symlink_to("/etc/hostname")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error) as caught:
        transport.write(WriteRequest(location, CANCEL, scheme))
    assert len(str(caught.value).splitlines()) == 1 and sorted(tmp_path.rglob("*")) == before


def test_a_link_to_an_archive_stays_a_link(tmp_path, transport):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write(transport, str(tmp_path / "link"), "oci-archive", IMAGE)
    assert (tmp_path / "link").is_symlink()
    check(transport, str(tmp_path / "real"), IMAGE)


@pytest.mark.parametrize("kind", ["pipe", "socket", "file"])
def test_streams(tmp_path, transport, kind):
    """What comes out of a pipe, a socket or a redirected file is the same archive as one written by its name."""
    write(transport, f"{tmp_path}/wanted:v1", "oci-archive", IMAGE)
    wanted = (tmp_path / "wanted").read_bytes()
    if kind == "file":
        with open(tmp_path / "out", "wb") as out:
            write(transport, f"/proc/self/fd/{out.fileno()}:v1", "oci-archive", IMAGE)
        assert (tmp_path / "out").read_bytes() == wanted
        return
    ours, theirs = (side.detach() for side in socket.socketpair()) if kind == "socket" else reversed(os.pipe())
    got = bytearray()

    def drain() -> None:
        while chunk := os.read(theirs, 1000):
            got.extend(chunk)

    reader = threading.Thread(target=drain)
    reader.start()
    write(transport, f"/dev/fd/{ours}:v1", "oci-archive", IMAGE)
    os.close(ours)
    reader.join(30)
    os.close(theirs)
    assert bytes(got) == wanted


def test_a_reader_that_is_gone_and_one_that_is_slow(transport):
    theirs, ours = os.pipe()
    os.close(theirs)
    with pytest.raises(Unavailable, match="nobody reads"):
        write(transport, f"/dev/fd/{ours}", "oci-archive", IMAGE)
    os.close(ours)
    theirs, ours = os.pipe()
    with Cancel(0.2) as short:
        writer = transport.write(WriteRequest(f"/dev/fd/{ours}", CANCEL, "oci-archive"))
        data = bytes(1 << 20)
        with pytest.raises(ConmanError, match="deadline"):
            writer.put_blob(PutBlobRequest(Descriptor("x", images.digest_of(data), len(data)), lambda offset: iter([data]), (),
                                           lambda count: None, short))
        with pytest.raises(InvalidState, match="cut short"):
            writer.commit(CANCEL)
        writer.close()
    os.close(ours)
    os.close(theirs)


def test_two_write_into_one_folder_at_once(tmp_path, transport):
    path = str(tmp_path / "there")
    made = [images.image([images.layer([images.file("n", str(n).encode())])]) for n in range(6)]
    threads = [threading.Thread(target=write, args=(transport, f"{path}:v{n}", "oci", one)) for n, one in enumerate(made)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for n, one in enumerate(made):
        check(transport, f"{path}:v{n}", one)


def test_the_same_images_give_the_same_archive(tmp_path, transport):
    for name in ("a", "b"):
        write(transport, f"{tmp_path / name}:x", "oci-archive", IMAGE)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with tarfile.open(tmp_path / "a") as archive:
        assert archive.getnames()[-2:] == ["oci-layout", "index.json"]
        assert {(member.mode, member.uid, member.mtime) for member in archive} == {(0o644, 0, 0)}


def test_annotations_are_what_containerd_and_docker_read(tmp_path, transport):
    path = tmp_path / "there"
    write(transport, f"{path}:registry.example/team/x:1", "oci", IMAGE)
    (row,) = json.loads(Path(path, "index.json").read_bytes())["manifests"]
    assert row["annotations"] == {"org.opencontainers.image.ref.name": "registry.example/team/x:1",
                                  "io.containerd.image.name": "registry.example/team/x:1"}
