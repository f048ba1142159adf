"""Reading logs in CRI format: whole, from the end, and while they grow."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.containers import logs_seek, logs_source
from conman_kernel.containers.logs import LogEntry, parse, read
from conman_kernel.errors import Cancelled, DeadlineExceeded
from conman_kernel.support import inotify

STAMP = "2024-05-06T07:08:09.123456789Z"
LONG = 30.0


def record(text: str | bytes, *, stream: str = "stdout", tag: str = "F") -> bytes:
    return f"{STAMP} {stream} {tag} ".encode() + (text.encode() if isinstance(text, str) else text) + b"\n"


class Log:
    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, *records: bytes) -> Log:
        with self.path.open("ab") as stream:
            stream.write(b"".join(records))
        return self

    def read(self, tail: int | None = None) -> list[bytes]:
        return [entry.data for entry in read(str(self.path), cancel=Cancel(), tail=tail)]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "ctr.log")


@pytest.mark.parametrize(("line", "entry"), [
    (record("hello")[:-1], LogEntry(STAMP, 1, b"hello\n")),
    (record("hello", stream="stderr")[:-1], LogEntry(STAMP, 2, b"hello\n")),
    (record("hel", tag="P")[:-1], LogEntry(STAMP, 1, b"hel")),
    (record("")[:-1], LogEntry(STAMP, 1, b"\n")),
    (record("", tag="P")[:-1], LogEntry(STAMP, 1, b"")),
    (record("  a  b ")[:-1], LogEntry(STAMP, 1, b"  a  b \n")),
    (record(b"\xff\x00\r")[:-1], LogEntry(STAMP, 1, b"\xff\x00\r\n")),
])
def test_records(line: bytes, entry: LogEntry) -> None:
    assert parse(line) == entry


@pytest.mark.parametrize("line", [b"", b" ", b"x", STAMP.encode(), f"{STAMP} stdout".encode(), f"{STAMP} stdout F".encode(),
                                  f"{STAMP} stdout X text".encode(), f"{STAMP} stdlog F text".encode(), b"\xff\xff\xff \xff"])
def test_what_is_no_record(line: bytes) -> None:
    assert parse(line) is None


def test_a_stamp_of_invalid_bytes_does_no_harm() -> None:
    entry = parse(b"\xff stdout F x")
    assert entry is not None and entry.data == b"x\n"


def test_no_log_and_an_empty_one(log: Log) -> None:
    assert log.read() == log.read(tail=3) == []
    log.write(b"")
    assert log.read() == log.read(tail=3) == log.read(tail=0) == []


def test_all_in_order(log: Log) -> None:
    log.write(record("a"), record("b", stream="stderr"), record("c", tag="P"), record("d"))
    assert log.read() == [b"a\n", b"b\n", b"c", b"d\n"]


def test_lines_that_are_no_records_are_passed_over(log: Log) -> None:
    log.write(record("a"), b"garbage\n", b"\n", record("b"))
    assert log.read() == [b"a\n", b"b\n"]
    assert log.read(tail=2) == [b"a\n", b"b\n"]


def test_a_record_cut_by_a_crash_is_left_out(log: Log) -> None:
    log.write(record("a"), record("b"), record("cut")[:-3])
    assert log.read() == [b"a\n", b"b\n"]
    assert log.read(tail=1) == [b"b\n"] and log.read(tail=2) == [b"a\n", b"b\n"]
    log.path.write_bytes(record("only")[:-1])
    assert log.read() == log.read(tail=1) == []


@pytest.mark.parametrize(("tail", "expected"), [
    (0, []), (1, [b"e\n"]), (2, [b"c", b"d\n", b"e\n"]), (3, [b"b\n", b"c", b"d\n", b"e\n"]),
    (4, [b"a\n", b"b\n", b"c", b"d\n", b"e\n"]), (5, [b"a\n", b"b\n", b"c", b"d\n", b"e\n"]), (10**9, [b"a\n", b"b\n", b"c", b"d\n", b"e\n"]),
])
def test_the_last_lines(log: Log, tail: int, expected: list[bytes]) -> None:
    log.write(record("a"), record("b", stream="stderr"), record("c", tag="P"), record("d"), record("e"))
    assert log.read(tail=tail) == expected


def test_a_line_without_end_is_a_line(log: Log) -> None:
    log.write(record("z"), record("a"), record("b", tag="P"))
    assert log.read(tail=1) == [b"b"] and log.read(tail=2) == [b"a\n", b"b"]
    assert log.read(tail=0) == []


def test_a_piece_and_the_other_streams_line_are_two_lines(log: Log) -> None:
    log.write(record("old"), record("pro", tag="P"), record("err", stream="stderr"), record("mpt"))
    assert log.read(tail=1) == [b"pro", b"mpt\n"]
    assert log.read(tail=2) == [b"pro", b"err\n", b"mpt\n"]
    log.write(record("un", tag="P"), record("err2", stream="stderr"))
    assert log.read(tail=1) == [b"err2\n"]
    assert log.read(tail=2) == [b"un", b"err2\n"]
    assert log.read(tail=3) == [b"pro", b"mpt\n", b"un", b"err2\n"]


def test_a_line_of_many_pieces_is_one_line(log: Log) -> None:
    log.write(record("first"), *[record("x" * 100, tag="P")] * 50, record("end"))
    assert b"".join(log.read(tail=1)) == b"x" * 5000 + b"end\n"


@pytest.mark.parametrize("size", [logs_seek.CHUNK - 45, logs_seek.CHUNK - 44, logs_seek.CHUNK, 3 * logs_seek.CHUNK + 17])
def test_huge_lines(log: Log, size: int) -> None:
    log.write(record("first"), record("x" * size), record("y" * size), record("last"))
    assert [len(data) for data in log.read()] == [6, size + 1, size + 1, 5]
    assert [len(data) for data in log.read(tail=2)] == [size + 1, 5]
    assert [len(data) for data in log.read(tail=3)] == [size + 1, size + 1, 5]


def test_borders_of_what_is_read_at_once_are_invisible(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(*[record(str(n), tag="FP"[n % 3 == 1]) for n in range(40)])
    whole = log.read()
    tails = [log.read(tail=n) for n in range(30)]
    for chunk in (1, 2, 7, 41, 42, 43, 44, 45, 88):
        monkeypatch.setattr(logs_seek, "CHUNK", chunk)
        monkeypatch.setattr(logs_source, "CHUNK", chunk)
        assert log.read() == whole
        assert [log.read(tail=n) for n in range(30)] == tails


def test_reading_can_be_cancelled(log: Log) -> None:
    token = Cancel()
    log.write(record("a"))
    token.cancel()
    with pytest.raises(Cancelled):
        list(read(str(log.path), cancel=token))


def test_no_descriptor_is_kept(log: Log) -> None:
    log.write(record("a"), record("b"))
    before = sorted(os.listdir("/proc/self/fd"))
    entries = read(str(log.path), cancel=Cancel())
    next(entries)
    entries.close()  # type: ignore[attr-defined]
    assert sorted(os.listdir("/proc/self/fd")) == before


class Follower:
    """A thread that follows a log; ``end`` closes the pipe that says that nothing more will come."""

    def __init__(self, log: Log, tail: int | None = None) -> None:
        self._end, self._writer = os.pipe()
        self.cancel = Cancel(LONG)
        self.seen: list[bytes] = []
        self.error: BaseException | None = None
        self._more = threading.Condition()
        self._entries = read(str(log.path), cancel=self.cancel, tail=tail, follow=lambda: self._end)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            for entry in self._entries:
                with self._more:
                    self.seen.append(entry.data)
                    self._more.notify()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self.error = error

    def wait(self, number: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.seen) >= number, LONG)

    def end(self) -> None:
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1
        self._thread.join(LONG)
        assert not self._thread.is_alive()
        self.cancel.close()


@pytest.fixture
def follow(log: Log) -> Iterator[list[Follower]]:
    made: list[Follower] = []
    yield made
    for follower in made:
        follower.cancel.cancel()
        follower.end()


def test_following_goes_on_until_the_end(log: Log, follow: list[Follower]) -> None:
    log.write(record("a"))
    before = sorted(os.listdir("/proc/self/fd"))
    follow.append(Follower(log))
    it = follow[0]
    it.wait(1)
    log.write(record("b"), record("c")[:20])
    it.wait(2)
    log.write(record("c")[20:])
    it.wait(3)
    log.write(record("last"))
    it.end()
    assert it.seen == [b"a\n", b"b\n", b"c\n", b"last\n"] and it.error is None
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_following_from_the_end(log: Log, follow: list[Follower]) -> None:
    log.write(record("a"), record("b"))
    follow.append(Follower(log, tail=1))
    follow[0].wait(1)
    log.write(record("c"))
    follow[0].wait(2)
    follow[0].end()
    assert follow[0].seen == [b"b\n", b"c\n"]


def test_what_is_written_before_the_end_is_never_missed(log: Log) -> None:
    for number in range(30):
        log.path.write_bytes(record("a"))
        follower = Follower(log)
        log.write(record(str(number)))
        follower.end()
        assert follower.seen == [b"a\n", f"{number}\n".encode()]


def test_what_is_written_just_before_the_watch_is_cleared_is_not_slept_over(
        log: Log, follow: list[Follower], monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(record("a"))
    real, late = inotify.Watch.clear, [record("late")]

    def clear(self: inotify.Watch) -> None:
        if late:
            log.write(late.pop())
        real(self)

    monkeypatch.setattr(inotify.Watch, "clear", clear)
    follow.append(Follower(log))
    follow[0].wait(2)
    assert follow[0].seen == [b"a\n", b"late\n"]


def test_following_what_is_over_already(log: Log) -> None:
    log.write(record("a"))
    assert [e.data for e in read(str(log.path), cancel=Cancel(LONG), follow=lambda: -1)] == [b"a\n"]


def test_following_can_be_cancelled_and_times_out(log: Log, follow: list[Follower]) -> None:
    log.write(record("a"))
    follow.append(Follower(log))
    follow[0].wait(1)
    follow[0].cancel.cancel()
    follow[0].end()
    assert isinstance(follow[0].error, Cancelled) and follow[0].seen == [b"a\n"]
    end, writer = os.pipe()
    with pytest.raises(DeadlineExceeded):
        list(read(str(log.path), cancel=Cancel(0.05), follow=lambda: end))
    os.close(writer)
    with pytest.raises(OSError):
        os.fstat(end)  # it was given away, and closed


def test_a_follower_that_fails_leaves_no_descriptor(log: Log) -> None:
    log.write(record("a"))
    before = sorted(os.listdir("/proc/self/fd"))

    def gone() -> int:
        raise LookupError("no such container")

    with pytest.raises(LookupError):
        list(read(str(log.path), cancel=Cancel(), follow=gone))
    assert sorted(os.listdir("/proc/self/fd")) == before
