"""Ctrl-C, and kill -9 of the command, of its worker, and of both, in the middle of a copy."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
from pathlib import Path
from typing import Callable, Iterator

import pytest

from conman_kernel import Cancel, Conman
from conman_kernel.errors import DeadlineExceeded

from .conftest import Inside


def half_a_tar() -> bytes:
    """The beginning of an archive: one file whole, and a half of the next."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("first", "second"):
            entry = tarfile.TarInfo(name)
            entry.size = 1 << 20
            archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    return stream.getvalue()[:1 << 20 | 1 << 19]


def staged(top: Path) -> list[Path]:
    """The staging folders below a folder."""
    return [path for path in top.iterdir() if path.name.startswith(".conman-cp-")]


def workers_of(pid: int) -> list[int]:
    """The processes that a command has started."""
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(true: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    """Wait for something that a process does, as long as it lives."""
    with subprocess.Popen(["sleep", "60"]) as clock:
        while not true():
            assert clock.poll() is None and process.poll() is None, what
            os.sched_yield()
        clock.kill()


@pytest.fixture
def under_way(running: Inside, work: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A copy that has staged something and waits for more."""
    with running.conman.start("cp", "-", running.at("/desk"), stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(half_a_tar())
        process.stdin.flush()
        until(lambda: any((stage / "first").exists() for stage in staged(work)), process, "nothing is staged")
        yield process
        process.kill()
        process.stdin.close()


def test_ctrl_c(running: Inside, work: Path, under_way: subprocess.Popen[bytes]) -> None:
    under_way.send_signal(signal.SIGINT)
    assert under_way.wait(60) == 130
    assert os.listdir(work) == []


def test_the_command_is_killed(running: Inside, work: Path, under_way: subprocess.Popen[bytes]) -> None:
    """Its worker sees that, takes everything away and ends; the next command forgets the note."""
    ends = [os.pidfd_open(pid) for pid in workers_of(under_way.pid)]
    assert ends
    under_way.kill()
    under_way.wait(60)
    for end in ends:
        Cancel(60.0).wait_readable(end)
        os.close(end)
    assert os.listdir(work) == []
    running.conman.ok("ps")


def test_the_worker_is_killed(running: Inside, work: Path, under_way: subprocess.Popen[bytes]) -> None:
    for pid in workers_of(under_way.pid):
        os.kill(pid, signal.SIGKILL)
    assert under_way.wait(60) == 125
    assert under_way.stderr is not None and b"Error: the worker died" in under_way.stderr.read()
    assert os.listdir(work) == []


def test_both_are_killed(running: Inside, work: Path, under_way: subprocess.Popen[bytes]) -> None:
    for pid in [under_way.pid, *workers_of(under_way.pid)]:
        os.kill(pid, signal.SIGSTOP)
    for pid in [*workers_of(under_way.pid), under_way.pid]:
        os.kill(pid, signal.SIGKILL)
    under_way.wait(60)
    assert len(staged(work)) == 1, "nobody was there to take it away"
    assert len(os.listdir(f"{running.conman.root}/copies")) == 1
    running.conman.ok("ps")
    assert os.listdir(work) == []


def test_both_are_killed_on_the_way_out(running: Inside, work: Path, folder: Path) -> None:
    for number in range(3000):
        (work / f"{number}").write_text("x" * 100)
    (folder / "to").mkdir()
    with running.conman.start("cp", running.at("/desk/."), f"{folder}/to") as process:
        until(lambda: bool(staged(folder / "to")), process, "nothing is staged")
        pids = [*workers_of(process.pid), process.pid]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    left = os.listdir(folder / "to")
    running.conman.ok("ps")
    assert staged(folder / "to") == []
    assert left == [] or len(left) in (1, 3000) or all(name.isdecimal() or name.startswith(".conman") for name in left)


def test_a_note_of_a_container_that_is_gone(running: Inside) -> None:
    os.mkdir(f"{running.conman.root}/copies", 0o700)
    for token, text in (("aa", json.dumps({"container": "f" * 64, "path": "/x"})), ("bb", ""), ("cc", "{")):
        Path(f"{running.conman.root}/copies/{token}").write_text(text)
    assert running.conman("ps").stderr == ""
    assert not os.path.exists(f"{running.conman.root}/copies")


def test_a_deadline(running: Inside, work: Path) -> None:
    read, write = os.pipe()
    os.write(write, half_a_tar()[:1 << 16])
    with Conman(root=running.conman.root, run_root=running.conman.run_root) as conman, pytest.raises(DeadlineExceeded):
        conman.containers.get(running.name).copy_in(read, "/desk", cancel=Cancel(1.0))
    os.close(read)
    os.close(write)
    assert os.listdir(work) == []
