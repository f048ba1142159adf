"""``conman save`` and ``load`` through pipes, sockets and files, packed and plain, and podman at the other end."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.command import Command
from conman_kernel.testing.images import write_layout

from .conftest import DOCKER, OCI

NAME = "registry.example/team/x:1"


@pytest.fixture
def command() -> Iterator[Command]:
    """A store with one image of three layers, and one of Docker's."""
    folder = tempfile.mkdtemp(prefix="ml-")
    made = Command(folder)
    write_layout(OCI, f"{folder}/oci", tag=NAME)
    write_layout(DOCKER, f"{folder}/docker", tag="registry.example/docker:1")
    made.ok("load", "-q", "-i", f"{folder}/oci")
    made.ok("load", "-q", "-i", f"{folder}/docker")
    yield made
    shutil.rmtree(folder)


@pytest.fixture
def other() -> Iterator[Command]:
    """Another store, empty."""
    folder = tempfile.mkdtemp(prefix="ml-")
    yield Command(folder)
    shutil.rmtree(folder)


class Podman:
    """podman with a store of its own."""

    def __init__(self, folder: str) -> None:
        self.argv = ["podman", "--root", f"{folder}/p", "--runroot", f"{folder}/pr", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
                     "--runtime", "runc"]

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> str:
        done = subprocess.run([*self.argv, *arguments], input=stdin, capture_output=True, timeout=120)
        assert done.returncode == 0, (arguments, done.stderr.decode())
        return done.stdout.decode()


@pytest.fixture
def podman() -> Iterator[Podman]:
    folder = tempfile.mkdtemp(prefix="mp-")
    yield Podman(folder)
    shutil.rmtree(folder)


def saved(command: Command, *arguments: str) -> bytes:
    """What ``save`` writes to standard output."""
    done = command.raw("save", *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_from_one_store_to_another(command, other, podman, form):
    data = saved(command, "--format", form, NAME, "registry.example/docker:1")
    assert other("load", "-q", stdin=data).stdout.splitlines() == [f"Loaded image: {NAME}", "Loaded image: registry.example/docker:1"]
    shown = json.loads(other.ok("image", "inspect", NAME))[0]
    assert f"sha256:{shown['Id'].removeprefix('sha256:')}" == OCI.image_id
    assert (shown["Digest"] == OCI.descriptor.digest) == (form == "oci-archive")
    if form == "docker-archive":
        assert podman("load", "-q", stdin=data).splitlines() == [f"Loaded image: {NAME}", "Loaded image: registry.example/docker:1"]
    else:
        one = saved(command, "--format", form, NAME)
        assert podman("load", "-q", stdin=one).splitlines() == [f"Loaded image: {NAME}"]


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir", "docker-dir"])
def test_podman_saves_and_loads(command, other, podman, form, tmp_path):
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    command.ok("save", "-q", "--format", form, "-o", ours, NAME)
    loaded = podman("load", "-q", "-i", ours).strip().removeprefix("Loaded image: ")
    podman("save", "-q", "--format", form, "-o", theirs, loaded)
    out = other.ok("load", "-q", "-i", theirs).strip()
    assert out == f"Loaded image: {NAME}" if form.endswith("archive") else out.startswith("Loaded image: ")
    (image,) = json.loads(other.ok("images", "--format", "json"))
    assert podman("image", "inspect", "--format", "{{.Id}}", loaded).strip() in OCI.image_id or form in ("oci-dir", "oci-archive")
    assert image["Id"]


def _zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-q"], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: gzip.compress(data[:7000]) + gzip.compress(data[7000:]), bz2.compress,
                                  lzma.compress, _zstd], ids=["gzip", "gzip of two members", "bzip2", "xz", "zstd"])
def test_packed_streams(command, other, pack):
    data = pack(saved(command, NAME))
    assert other.ok("load", "-q", stdin=data) == f"Loaded image: {NAME}\n"
    cut = other("load", "-q", stdin=data[:-9])
    assert cut.returncode == 125 and len(cut.stderr.splitlines()) <= 2, cut.stderr


@pytest.mark.parametrize("kind", ["file", "socket", "folder"])
def test_standard_input_of_other_kinds(command, other, tmp_path, kind):
    data = saved(command, NAME)
    if kind == "file":
        (tmp_path / "a").write_bytes(data)
        with open(tmp_path / "a", "rb") as stream:
            done = subprocess.run(other.argv("load"), stdin=stream, capture_output=True, text=True, env=other.environ, timeout=60)
    elif kind == "folder":
        folder = os.open(f"{command.folder}/oci", os.O_RDONLY | os.O_DIRECTORY)
        done = subprocess.run(other.argv("load", "-i", "."), cwd=f"/proc/self/fd/{folder}", pass_fds=[folder], capture_output=True, text=True,
                              env=other.environ, timeout=60)
        os.close(folder)
    else:
        ours, theirs = socket.socketpair()
        sender = threading.Thread(target=lambda: (ours.sendall(data), ours.close()))
        sender.start()
        done = subprocess.run(other.argv("load"), stdin=theirs.fileno(), capture_output=True, text=True, env=other.environ, timeout=60)
        theirs.close()
        sender.join()
    assert done.stdout == f"Loaded image: {NAME}\n", done.stderr


def test_an_image_that_came_a_second_time_packed_otherwise_can_still_be_sent(command, tmp_path):
    """The layers are here, unpacked; those of the Docker archive are not taken again, so its manifest would name what is nowhere."""
    command.ok("load", "-q", stdin=saved(command, NAME))
    assert json.loads(command.ok("image", "inspect", NAME))[0]["Digest"] == OCI.descriptor.digest
    command.ok("copy", "-q", f"store:{NAME}", f"dir:{tmp_path}/there")
    assert (tmp_path / "there/manifest.json").read_bytes() == OCI.blobs[OCI.descriptor.digest]


def test_copy_through_a_pipe(command, other, tmp_path):
    data = command.raw("copy", "-q", f"store:{NAME}", "oci-archive:-").stdout
    done = other("copy", "-q", "oci-archive:-", f"dir:{tmp_path}/there", stdin=data)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there/manifest.json").read_bytes() == OCI.blobs[OCI.descriptor.digest]
    assert list(Path(other.root, "ingest").glob("*")) == []


def test_what_cannot_be_saved_or_loaded(command, other, tmp_path):
    before = sorted(tmp_path.iterdir())
    for arguments, words in ((("save",), "requires at least 1"), (("save", "-o", f"{tmp_path}/a:b", NAME), "should not contain ':'"),
                             (("save", "-q", "-o", f"{tmp_path}/a", "no/such:1"), "not known"),
                             (("save", "-q", "--format", "docker-dir", "-o", f"{tmp_path}/a", NAME, "registry.example/docker:1"), "one image"),
                             (("save", "-q", "-o", f"{tmp_path}/none/a", NAME), "does not exist"), (("save", "-q", "-o", str(tmp_path), NAME), "is a folder"),
                             (("save", "--format", "oci-dir", NAME), "--output must name it"), (("load", "-i", f"{tmp_path}/none"), "No such file"),
                             (("load", "-i", str(tmp_path)), "holds no images"), (("load", "-i", "/etc/hostname"), "not a tar")):
        done = command(*arguments)
        assert done.returncode == 125 and words in done.stderr and len(done.stderr.splitlines()) <= 2, (arguments, done.stderr)
    for data in (b"", b"hello", bytes(4096), b"\x04\x22\x4d\x18" + bytes(2000), saved(command, NAME)[:30_000]):
        done = other("load", stdin=data)
        assert done.returncode == 125 and len(done.stderr.splitlines()) <= 2, done.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert other.ok("images", "-q") == ""
