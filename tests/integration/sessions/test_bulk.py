"""A gigabyte through every way that bytes go, by digest, with readers in haste and slow ones. In a normal run it is 64 MiB."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Conman
from conman_kernel.testing.command import Command

from . import facts

MIB = 1 << 20
SHORT, LONG = 64 * MIB, 1024 * MIB
SIZES = [pytest.param(SHORT, id="64MiB"), pytest.param(LONG, id="1GiB", marks=pytest.mark.stress)]
READERS = pytest.mark.parametrize("slowly", [False, True], ids=["fast", "slow"])


class Bulk:
    """A file of random bytes, so that anything lost, doubled or out of order shows."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size
        sum = hashlib.sha256()
        with path.open("wb") as stream:
            for _ in range(size // (16 * MIB)):
                piece = os.urandom(16 * MIB)
                sum.update(piece)
                stream.write(piece)
        self.digest = sum.hexdigest()


@pytest.fixture(scope="module", params=SIZES)
def bulk(request: pytest.FixtureRequest) -> Iterator[Bulk]:
    path = Path(tempfile.mkstemp(prefix="cb-", dir="/dev/shm")[1])
    yield Bulk(path, request.param)
    path.unlink()


def mounted(bulk: Bulk) -> tuple[str, str]:
    return "-v", f"{bulk.path}:/bulk:ro"


@READERS
@pytest.mark.parametrize("log", ["cri", "none"])
def test_out_of_a_container(image: str, begin: facts.Begin, bulk: Bulk, slowly: bool, log: str) -> None:
    run = begin("run", "--rm", "--log-driver", log, *mounted(bulk), image, "cat", "/bulk")
    assert run.stdout is not None
    assert facts.digest(run.stdout, slowly=slowly) == (bulk.digest, bulk.size)
    assert facts.finish(run) == 0


@READERS
@pytest.mark.parametrize("log", ["cri", "none"])
def test_through_a_container(image: str, begin: facts.Begin, bulk: Bulk, slowly: bool, log: str) -> None:
    run = begin("run", "--rm", "-i", "--log-driver", log, image, "cat", stdin=subprocess.PIPE)
    assert run.stdin is not None and run.stdout is not None
    feeder = threading.Thread(target=_feed, args=(bulk.path, run.stdin.fileno()))
    feeder.start()
    stdin = run.stdin
    closer = threading.Thread(target=lambda: (feeder.join(), stdin.close()))
    closer.start()
    found = facts.digest(run.stdout, slowly=slowly)
    closer.join()
    assert found == (bulk.digest, bulk.size)
    assert facts.finish(run) == 0


def _feed(path: Path, fd: int) -> None:
    with path.open("rb") as stream:
        while piece := stream.read(MIB):
            view = memoryview(piece)
            while view:
                view = view[os.write(fd, view):]


def test_through_a_container_from_a_file_into_a_file(conman: Command, image: str, folder: Path, bulk: Bulk) -> None:
    """No pipe at either end: nothing is handed over."""
    with bulk.path.open("rb") as source, (folder / "out").open("wb") as target:
        done = subprocess.run(conman.argv("run", "--rm", "-i", "--log-driver", "none", image, "cat"), stdin=source, stdout=target,
                              stderr=subprocess.PIPE, env=conman.environ, timeout=600)
    assert (done.returncode, done.stderr) == (0, b"")
    with (folder / "out").open("rb") as stream:
        assert facts.digest(stream) == (bulk.digest, bulk.size)


@READERS
def test_through_an_exec(conman: Command, image: str, gone: list[str], begin: facts.Begin, bulk: Bulk, slowly: bool) -> None:
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", *mounted(bulk), image, "sleep", "1000")
    run = begin("exec", "host", "cat", "/bulk")
    assert run.stdout is not None
    assert facts.digest(run.stdout, slowly=slowly) == (bulk.digest, bulk.size)
    assert facts.finish(run) == 0


@READERS
def test_a_follower(conman: Command, library: Conman, image: str, gone: list[str], begin: facts.Begin, bulk: Bulk,
                    slowly: bool) -> None:
    """The follower begins first; the container is never held up by it."""
    gone.append("followed")
    conman.ok("run", "-d", "-i", "--name", "followed", *mounted(bulk), image, "sh", "-c", "read go; cat /bulk")
    follow = begin("logs", "-f", "followed")
    assert follow.stdout is not None
    with library.containers.get("followed").session(stdin=True, stdout=False, stderr=False) as session:
        session.send(b"go\n")
    assert facts.digest(follow.stdout, slowly=slowly) == (bulk.digest, bulk.size)
    assert facts.finish(follow) == 0
    assert conman.ok("wait", "followed") == "0\n"
