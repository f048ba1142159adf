"""Blobs: verified before they exist, whole or absent, one taker at a time."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import DeadlineExceeded, DigestMismatch, InvalidInput, NotFound, Unavailable
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.digest import digest_of
from conman_kernel.store.blobs import Blobs
from conman_kernel.store.layout import Layout

DATA = b"conman" * 1000
WANTED = Descriptor("application/octet-stream", digest_of(DATA), len(DATA))


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(Layout(str(tmp_path / "root"), str(tmp_path / "run")))


def _put(blobs: Blobs, data: bytes = DATA) -> Descriptor:
    descriptor = Descriptor("x", digest_of(data), len(data))
    with blobs.ingest(descriptor, Cancel()) as ingest:
        ingest.write(data)
        ingest.commit()
    return descriptor


def _partials(tmp_path: Path) -> list[str]:
    return os.listdir(tmp_path / "root/ingest")


def test_a_blob_goes_in_and_comes_out(blobs, tmp_path):
    assert not blobs.has(WANTED.digest)
    with blobs.ingest(WANTED, Cancel()) as ingest:
        for at in range(0, len(DATA), 700):
            ingest.write(DATA[at:at + 700])
        assert not blobs.has(WANTED.digest)
        ingest.commit()
    assert blobs.has(WANTED.digest)
    assert blobs.read_bytes(WANTED.digest, len(DATA)) == DATA
    fd = blobs.open(WANTED.digest)
    blobs.remove(WANTED.digest)
    blobs.remove(WANTED.digest)
    assert os.read(fd, 6) == b"conman"
    os.close(fd)
    assert _partials(tmp_path) == []
    with pytest.raises(NotFound):
        blobs.open(WANTED.digest)


def test_an_empty_blob(blobs):
    assert blobs.read_bytes(_put(blobs, b"").digest, 0) == b""


def test_paths_stay_below_the_root(blobs):
    for bad in ("sha256:../../x", "x", "sha256:" + "/" * 64):
        with pytest.raises(InvalidInput):
            blobs.path(bad)


def test_reading_is_bounded_and_checked(blobs):
    digest = _put(blobs).digest
    with pytest.raises(InvalidInput, match="more than 10 bytes"):
        blobs.read_bytes(digest, 10)
    Path(blobs.path(digest)).write_bytes(b"changed")
    with pytest.raises(DigestMismatch):
        blobs.read_bytes(digest, 1000)


def test_verify_removes_what_is_damaged(blobs):
    assert not blobs.verify(WANTED, Cancel())
    _put(blobs)
    assert blobs.verify(WANTED, Cancel())
    Path(blobs.path(WANTED.digest)).write_bytes(DATA[:-1] + b"x")
    assert not blobs.verify(WANTED, Cancel())
    assert not blobs.has(WANTED.digest)


@pytest.mark.parametrize(("data", "words"), [
    (DATA[:-1], "ended after 5999 of 6000"), (b"", "ended after 0"), (DATA[:-1] + b"x", "has the digest"), (DATA + b"x",
    "more than the 6000"),
])
def test_wrong_content_is_kept_nowhere(blobs, tmp_path, data, words):
    with pytest.raises(DigestMismatch, match=words), blobs.ingest(WANTED, Cancel()) as ingest:
        ingest.write(data)
        ingest.commit()
    assert _partials(tmp_path) == []
    assert not blobs.has(WANTED.digest)


def test_never_more_than_announced_is_written(blobs, tmp_path):
    with blobs.ingest(WANTED, Cancel()) as ingest:
        ingest.write(DATA[:5999])
        with pytest.raises(DigestMismatch):
            ingest.write(b"xx")
        assert (tmp_path / "root/ingest" / _partials(tmp_path)[0]).stat().st_size == 0


def test_what_an_interrupted_try_left_is_gone_on_with(blobs, tmp_path):
    with pytest.raises(KeyboardInterrupt), blobs.ingest(WANTED, Cancel()) as ingest:
        ingest.write(DATA[:1234])
        raise KeyboardInterrupt
    assert len(_partials(tmp_path)) == 1
    with blobs.ingest(WANTED, Cancel()) as ingest:
        assert ingest.offset == 1234
        ingest.write(DATA[1234:])
        ingest.commit()
    assert blobs.read_bytes(WANTED.digest, 10_000) == DATA


def test_a_partial_longer_than_the_blob_is_begun_anew(blobs, tmp_path):
    (tmp_path / "root/ingest").mkdir(parents=True)
    (tmp_path / "root/ingest" / WANTED.digest.replace(":", "-")).write_bytes(b"x" * 7000)
    with blobs.ingest(WANTED, Cancel()) as ingest:
        assert ingest.offset == 0


def test_a_link_in_the_place_of_a_partial_is_not_followed(blobs, tmp_path):
    (tmp_path / "root/ingest").mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "root/ingest" / WANTED.digest.replace(":", "-")).symlink_to(victim)
    with pytest.raises(Unavailable):
        blobs.ingest(WANTED, Cancel())
    assert victim.read_text() == "mine"


def test_a_second_taker_waits_and_finds_it_done(blobs):
    first = blobs.ingest(WANTED, Cancel())
    found: list[bool] = []

    def second() -> None:
        with blobs.ingest(WANTED, Cancel(timeout=30)) as ingest:
            found.append(ingest.present)

    with first:
        thread = threading.Thread(target=second)
        thread.start()
        first.write(DATA)
        first.commit()
    thread.join(30)
    assert found == [True]


def test_waiting_for_another_taker_ends_at_the_deadline(blobs):
    with blobs.ingest(WANTED, Cancel()) as first:
        first.write(b"c")
        with pytest.raises(DeadlineExceeded):
            blobs.ingest(WANTED, Cancel(timeout=0.2))


def test_a_killed_taker_lets_go(blobs, tmp_path):
    program = (
        "import sys, signal\n"
        "from conman_kernel.cancel import Cancel\n"
        "from conman_kernel.oci.descriptor import Descriptor\n"
        "from conman_kernel.store.blobs import Blobs\n"
        "from conman_kernel.store.layout import Layout\n"
        "ingest = Blobs(Layout(sys.argv[1], sys.argv[1])).ingest(Descriptor('x', sys.argv[2], 6000), Cancel())\n"
        "ingest.write(b'conman' * 10)\n"
        "print('ready', flush=True)\n"
        "signal.pause()\n")
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "root"), WANTED.digest],
        stdout=subprocess.PIPE) as taker:
        assert taker.stdout is not None
        assert taker.stdout.readline() == b"ready\n"
        blobs.drop_partials([])
        assert len(_partials(tmp_path)) == 1, "somebody is at work on it"
        taker.kill()
    with blobs.ingest(WANTED, Cancel(timeout=30)) as ingest:
        assert ingest.offset == 60
    blobs.drop_partials([WANTED.digest])
    assert len(_partials(tmp_path)) == 1
    blobs.drop_partials([])
    assert _partials(tmp_path) == []


def test_no_space_is_said_and_cleared(tmp_path):
    program = (
        "import sys, resource, signal\n"
        "from conman_kernel.cancel import Cancel\n"
        "from conman_kernel.errors import Unavailable\n"
        "from conman_kernel.oci.descriptor import Descriptor\n"
        "from conman_kernel.store.blobs import Blobs\n"
        "from conman_kernel.store.layout import Layout\n"
        "blobs = Blobs(Layout(sys.argv[1], sys.argv[1]))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))\n"
        "try:\n"
        "    with blobs.ingest(Descriptor('x', sys.argv[2], 6000), Cancel()) as ingest:\n"
        "        ingest.write(b'conman' * 1000)\n"
        "except Unavailable as error:\n"
        "    print(error)\n")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "root"), WANTED.digest], capture_output=True,
        text=True,
                          check=True)
    assert "File too large" in done.stdout
    assert not Blobs(Layout(str(tmp_path / "root"), "")).has(WANTED.digest)
