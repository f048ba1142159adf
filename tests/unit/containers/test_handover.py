"""The caller's pipes, opened anew for a shim."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.containers.handover import NONE, close_pipes, open_pipes

CAPACITY = 1 << 20


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    made = os.pipe()
    yield made
    for fd in made:
        os.close(fd)


def capacity(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)


def test_they_are_opened_anew_and_do_not_block(pipe: tuple[int, int]) -> None:
    opened = open_pipes(pipe[0], pipe[1], pipe[1])
    try:
        assert not set(opened) & set(pipe) and -1 not in opened
        assert [fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE for fd in opened] == [os.O_RDONLY, os.O_WRONLY, os.O_WRONLY]
        assert not any(os.get_blocking(fd) or os.get_inheritable(fd) for fd in opened)
        assert all(os.get_blocking(fd) for fd in pipe), "the flag belongs to the caller's open file"
        os.write(opened[1], b"through")
        assert os.read(opened[0], 100) == b"through"
    finally:
        close_pipes(opened)
    for fd in opened:
        with pytest.raises(OSError):
            os.fstat(fd)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_pipe_of_the_caller_is_enlarged(pipe: tuple[int, int], number: int) -> None:
    fcntl.fcntl(pipe[0], fcntl.F_SETPIPE_SZ, 65536)
    given = [-1, -1, -1]
    given[number] = pipe[0] if number == 0 else pipe[1]
    opened = open_pipes(*given)
    close_pipes(opened)
    assert capacity(pipe[0]) == capacity(pipe[1]) == CAPACITY


def test_what_lies_in_it_stays(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"before")
    close_pipes(open_pipes(pipe[0], -1, -1))
    assert os.read(pipe[0], 100) == b"before"


def test_one_that_is_as_large_is_left_alone(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl.fcntl(pipe[0], fcntl.F_SETPIPE_SZ, CAPACITY)
    asked: list[int] = []
    real = fcntl.fcntl

    def watched(fd: int, command: int, argument: int = 0) -> int:
        asked.append(command)
        return real(fd, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", watched)
    close_pipes(open_pipes(-1, pipe[1], -1))
    assert fcntl.F_GETPIPE_SZ in asked and fcntl.F_SETPIPE_SZ not in asked


def test_where_it_may_not_be_enlarged_it_is_handed_over_as_it_is(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What an ordinary user gets beyond ``fs.pipe-user-pages-soft``."""
    before, real = capacity(pipe[0]), fcntl.fcntl

    def refusing(fd: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETPIPE_SZ:
            raise PermissionError(1, "Operation not permitted")
        return real(fd, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", refusing)
    opened = open_pipes(-1, pipe[1], -1)
    try:
        assert opened[1] >= 0
        os.write(opened[1], b"goes")
    finally:
        close_pipes(opened)
    assert os.read(pipe[0], 100) == b"goes" and capacity(pipe[0]) == before


def test_what_is_no_pipe_or_the_wrong_way_round_is_not_handed_over(pipe: tuple[int, int], tmp_path: Path) -> None:
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        assert open_pipes(file, file, file) == NONE
        assert open_pipes(pipe[1], pipe[0], pipe[0]) == NONE
        assert open_pipes(-1, -1, -1) == NONE
    finally:
        os.close(file)
    close_pipes(NONE)


def test_one_that_nobody_reads_any_more_says_so_when_it_is_written() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    opened = open_pipes(-1, writer, -1)
    os.close(writer)
    try:
        with pytest.raises(BrokenPipeError):
            os.write(opened[1], b"x")
    finally:
        close_pipes(opened)
