"""Rotation: PROTOCOL.md, "Log"."""

from __future__ import annotations

import os
import select
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conman_shim import rotation
from conman_shim.rotation import RotatedLog

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def files(path: Path) -> list[Path]:
    """The files of a log, the oldest first."""
    numbers = sorted((int(p.name.rpartition(".")[2]) for p in path.parent.glob(path.name + ".*") if p.name[-1].isdigit()), reverse=True)
    return [path.with_name(f"{path.name}.{number}") for number in numbers] + [path] * path.exists()


def starts(path: Path) -> dict[int, int]:
    offsets = path.with_name(path.name + ".offsets")
    if not offsets.exists():
        return {}
    return {int(inode): int(start) for inode, start in (line.split() for line in offsets.read_text().splitlines())}


def check(path: Path) -> None:
    """Files follow on each other by what LOG.offsets says of them, and hold whole records."""
    known = starts(path)
    end = -1
    for file in files(path):
        state = file.stat()
        if known:
            assert state.st_ino in known, file
            assert end in (-1, known[state.st_ino]), file
            end = known[state.st_ino] + state.st_size
        content = file.read_bytes()
        assert content == b"" or content.endswith(b"\n")
        for record in content.split(b"\n")[:-1]:
            assert len(record.split(b" ", 3)) == 4, record


def texts(path: Path, stream: bytes = b"stdout") -> bytes:
    found = b""
    for file in files(path):
        for record in file.read_bytes().split(b"\n")[:-1]:
            _, of, tag, text = record.split(b" ", 3)
            if of == stream:
                found += text + (b"\n" if tag == b"F" else b"")
    return found


def make(path: Path, size: int, count: int) -> RotatedLog:
    return RotatedLog(os.fsencode(path), size, count)


def test_files_move_on_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = make(path, 100, 3)
    for number in range(9):
        log.write(1, b"%d\n" % number)
        check(path)
    log.close()
    # A record of one digit has 42 bytes: two go into a file.
    assert texts(path) == b"4\n5\n6\n7\n8\n"
    assert [p.name for p in files(path)] == ["log.2", "log.1", "log"]
    assert min(starts(path).values()) == 2 * 84 and max(starts(path).values()) == 4 * 84
    assert {p.stat().st_mode & 0o777 for p in tmp_path.iterdir()} == {0o600}
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1", "log.2", "log.offsets"]


def test_one_file_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = make(path, 100, 1)
    for number in range(5):
        log.write(1, b"%d\n" % number)
        check(path)
    log.close()
    assert texts(path) == b"4\n" and starts(path)[path.stat().st_ino] == 4 * 42


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((1, 2)), st.binary(min_size=1, max_size=60) | st.just(b"ab\n" * 10)), max_size=15),
       st.integers(1, 400))
def test_no_record_is_cut_and_no_byte_is_lost(pieces: list[tuple[int, bytes]], size: int) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        _written(Path(folder) / "log", pieces, size)


def _written(path: Path, pieces: list[tuple[int, bytes]], size: int) -> None:
    log = make(path, size, 200)
    for number, (stream, data) in enumerate(pieces):
        log.write(stream, data)
        if number % 7 == 6:  # another run
            log.close()
            log = make(path, size, 200)
    log.close()
    check(path)
    assert log.lost == 0
    for stream, name in ((1, b"stdout"), (2, b"stderr")):
        assert texts(path, name) == b"".join(data for of, data in pieces if of == stream)
    for file in files(path):
        assert file.stat().st_size <= size or file.read_bytes().count(b"\n") == 1


def descriptors() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")}


class Killed(BaseException):
    """The shim is gone from here on."""


CALLS = ("open", "rename", "unlink", "write", "writev")


def _crash(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    left = [after]

    def counted(real):
        def call(*arguments, **named):
            if not left[0]:
                raise Killed
            left[0] -= 1
            return real(*arguments, **named)
        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, counted(getattr(os, name)))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("again", [0, 5, 9])
def test_a_kill_between_any_two_steps(folder: Path, monkeypatch: pytest.MonkeyPatch, count: int, again: int) -> None:
    """Killed after any number of system calls, and once more in the run after that: every file is where it says."""
    for after in range(1, 50):
        below = folder / f"{after}"
        below.mkdir()
        path = below / "log"
        written = 0
        for calls in (after, again or 1000, 1000):
            before = descriptors()
            with monkeypatch.context() as patch:
                _crash(patch, calls)
                try:
                    log = make(path, 100, count)
                    for _ in range(8):
                        log.write(1, b"%06d\n" % written)
                        written += 1
                except Killed:
                    written += 1  # it may be there or not
            for number in descriptors() - before:  # as the end of the process would
                os.close(number)
            check(path)
            numbers = [int(line) for line in texts(path).split()]
            assert numbers == sorted(set(numbers))
        assert len(files(path)) <= count
        # The last run was left alone: all that fits is there.
        last = [n for n in numbers if n >= written - 8]
        assert last[-1] == written - 1 and len(last) >= min(8, 2 * (count - 1) + 1)
        assert sorted(os.listdir(below)) == sorted([*(f.name for f in files(path)), *(["log.offsets"] if starts(path) else [])])


def test_a_record_cut_by_a_kill_stays_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = make(path, 1000, 2)
    log.write(1, b"whole\n")
    log.close()
    with path.open("ab") as stream:
        stream.write(b"2024-05-06T07:08:09.123456789Z stdout F cu")
    log = make(path, 1000, 2)
    log.write(1, b"next\n")
    log.close()
    assert texts(path) == b"whole\ncu\nnext\n"


def test_fewer_files_than_before(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = make(path, 50, 6)
    for number in range(8):
        log.write(1, b"%d\n" % number)
    log.close()
    assert len(files(path)) == 6
    make(path, 50, 3).close()
    assert [p.name for p in files(path)] == ["log.2", "log.1", "log"]
    check(path)


def test_a_truncated_file_counts_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = make(path, 500, 2)
    for number in range(10):
        log.write(1, b"%d\n" % number)
    os.truncate(path, 0)
    for number in range(20, 28):
        log.write(1, b"%d\n" % number)
    log.close()
    check(path)
    assert texts(path).split() == [b"%d" % n for n in range(20, 28)]


def test_a_removed_file_comes_back_with_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = make(path, 100, 3)
    log.write(1, b"1\n")
    path.unlink()
    for number in range(2, 6):
        log.write(1, b"%d\n" % number)
    log.close()
    assert texts(path) == b"3\n4\n5\n"
    path.unlink()
    log = make(path, 100, 3)
    log.write(1, b"6\n")
    log.close()
    check(path)
    assert texts(path) == b"3\n4\n6\n"


def test_where_no_file_can_be_made_the_log_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    log = make(path, 100, 2)

    def refuse(path: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(rotation, "_create", refuse)
        for number in range(8):
            log.write(1, b"%d\n" % number)
    assert texts(path) == b"".join(b"%d\n" % n for n in range(8)) and log.lost == 0
    for number in range(8, 12):
        log.write(1, b"%d\n" % number)
    log.close()
    check(path)
    assert texts(path).endswith(b"10\n11\n") and len(files(path)) == 2


def test_a_container_with_a_rotated_log(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "seq 1 2000"), "log_size=20000", "log_files=100")
    rig.exited()
    path = rig.folder / "log"
    check(path)
    assert len(files(path)) >= 4
    assert texts(path) == b"".join(b"%d\n" % n for n in range(1, 2001))
    assert all(file.stat().st_size <= 20000 for file in files(path))


def test_killed_for_real_and_run_again(rig) -> None:
    """SIGKILL in the middle of a flood; the next shim goes on with the same log."""
    path = rig.folder / "log"
    rig.start(rig.runtime("sh", "-c", "i=0; while :; do echo $i || exit; i=$((i+1)); done"), "log_size=2000", "log_files=3")
    while len(files(path)) < 3:
        assert not select.select([rig.handle], [], [], 0.001)[0]
    os.kill(rig.pid, signal.SIGKILL)
    rig.gone()
    rig.relaunch()
    rig.start(rig.runtime("sh", "-c", "seq 500000 500100"), "log_size=2000", "log_files=3")
    rig.exited()
    check(path)
    assert texts(path).endswith(b"500099\n500100\n")
