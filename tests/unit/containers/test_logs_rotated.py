"""Reading logs in several files, as the shim rotates them: whole, from the end, by time, and while they are rotated away."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conman_kernel.cancel import Cancel
from conman_kernel.containers import logs_bulk
from conman_kernel.containers.logs import BOTH, LogEntry, LogReader, read, stamp
from conman_kernel.errors import InvalidInput
from conman_shim.rotation import RotatedLog

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
FIRST = 1_700_000_000_000_000_000


class Clock:
    """The shim's clock, one nanosecond a look; a second jump now and then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = FIRST
        monkeypatch.setattr(time, "time_ns", lambda: self.now)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as path:
        yield Path(path)


def written(path: Path, pieces: list[tuple[int, bytes]], size: int, files: int) -> RotatedLog:
    log = RotatedLog(os.fsencode(path), size, files)
    for stream, data in pieces:
        log.write(stream, data)
    return log


def by_stream(entries: list[LogEntry]) -> Mapping[int, bytes]:
    return {stream: b"".join(e.data for e in entries if e.stream == stream) for stream in BOTH}


TEXTS = st.binary(min_size=1, max_size=80) | st.sampled_from((b"\n\n", b"x\ny\n" * 5, b"long " * 40, b" stdout F trap\n", b"end\n"))
PIECES = st.lists(st.tuples(st.sampled_from(BOTH), TEXTS), max_size=25)


@settings(max_examples=150, deadline=None)
@given(PIECES, st.integers(1, 700))
def test_any_pieces_in_any_files_give_back_every_byte(pieces: list[tuple[int, bytes]], size: int) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "log"
        written(path, pieces, size, 400).close()
        wanted = {stream: b"".join(data for of, data in pieces if of == stream) for stream in BOTH}
        assert by_stream(list(read(str(path), cancel=Cancel()))) == wanted
        for way in ("runs", "chunks"):
            with LogReader(str(path), cancel=Cancel()) as reader:
                assert by_stream(list(getattr(reader, way)())) == wanted
        for stream in BOTH:
            assert by_stream(list(read(str(path), cancel=Cancel(), streams=(stream,))))[stream] == wanted[stream]
            assert by_stream(list(read(str(path), cancel=Cancel(), streams=(stream,))))[3 - stream] == b""


@settings(max_examples=150, deadline=None)
@given(PIECES, st.integers(60, 700), st.integers(1, 4), st.lists(st.booleans(), max_size=30), st.sampled_from(("entries", "chunks")))
def test_a_follower_gets_every_byte_or_is_told_how_many_it_missed(
        pieces: list[tuple[int, bytes]], size: int, files: int, looks: list[bool], way: str) -> None:
    """The follower looks after some of the pieces; what it was not shown is what it was told, in bytes of log."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "log"
        log = RotatedLog(os.fsencode(path), size, files)
        end, writer = os.pipe()
        total = 0
        seen: list[LogEntry] = []
        with LogReader(str(path), cancel=Cancel(), follow=lambda: end) as reader:
            seen += getattr(reader, way)()
            for number, (stream, data) in enumerate(pieces):
                log.write(stream, data)
                total += sum(len(line) + 41 for line in data.split(b"\n")) - (41 if data.endswith(b"\n") else 0)
                if number < len(looks) and looks[number]:
                    seen += getattr(reader, way)()
                assert not reader.over
            os.close(writer)
            seen += getattr(reader, way)()
            assert reader.over
        log.close()
        got = sum(len(e.data) for e in seen)
        missed = sum(e.missed for e in seen)
        assert all(e.missed > 0 and not e.data for e in seen if not e.stream)
        if not missed:
            assert by_stream(seen) == {stream: b"".join(data for of, data in pieces if of == stream) for stream in BOTH}
        if way == "entries":
            # An F record shows its newline, too; a P record's is the log's own.
            shown = sum(len(e.data) + 40 + (not e.data.endswith(b"\n")) for e in seen if e.stream)
            assert shown + missed == total
        else:
            assert got + missed <= total


def lines_of(entries: list[LogEntry]) -> list[tuple[int, int]]:
    """For each line, in the order of their ends: (stream, index of its last record). What has no newline is a line, too."""
    last: dict[int, tuple[int, bool]] = {}
    found: list[tuple[int, int]] = []
    for index, entry in enumerate(entries):
        last[entry.stream] = (index, entry.data.endswith(b"\n"))
        if entry.data.endswith(b"\n"):
            found.append((entry.stream, index))
    found += [(stream, index) for stream, (index, ended) in last.items() if not ended]
    return sorted(found, key=lambda line: line[1])


def expected_tail(entries: list[LogEntry], number: int, streams: tuple[int, ...]) -> list[LogEntry]:
    entries = [entry for entry in entries if entry.stream in streams]
    lines = lines_of(entries)
    kept = lines[len(lines) - number:] if number < len(lines) else lines
    dropped = {stream: max((index for of, index in lines if of == stream and (of, index) not in kept), default=-1) for stream in BOTH}
    return [entry for index, entry in enumerate(entries) if index > dropped[entry.stream]] if number else []


@settings(max_examples=200, deadline=None)
@given(PIECES, st.integers(60, 700), st.integers(0, 12), st.sampled_from(((1, 2), (1,), (2,))), st.integers(30, 200))
def test_the_last_lines_are_those_that_ended_last(pieces: list[tuple[int, bytes]], size: int, number: int,
                                                   streams: tuple[int, ...], chunk: int) -> None:
    from conman_kernel.containers import logs_seek

    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "log"
        written(path, pieces, size, 400).close()
        everything = list(read(str(path), cancel=Cancel()))
        patch.setattr(logs_seek, "CHUNK", chunk)
        assert list(read(str(path), cancel=Cancel(), tail=number, streams=streams)) == expected_tail(everything, number, streams)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(BOTH), TEXTS, st.sampled_from((1, 7, 10**9))), min_size=1, max_size=20), st.integers(60, 700),
       st.data())
def test_the_window_of_time_is_exact_to_the_nanosecond(pieces: list[tuple[int, bytes, int]], size: int, data: st.DataObject) -> None:
    from conman_kernel.containers import logs_seek

    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, pytest.MonkeyPatch.context() as patch:
        clock = Clock(patch)
        path = Path(folder) / "log"
        log = RotatedLog(os.fsencode(path), size, 400)
        for stream, text, step in pieces:
            clock.now += step
            log.write(stream, text)
        log.close()
        everything = list(read(str(path), cancel=Cancel()))
        times = sorted({entry.time for entry in everything})
        near = st.sampled_from([*times, "2023-11-14T22:13:19.999999999Z", "2030-01-01T00:00:00.000000000Z", ""])
        since, until = data.draw(near), data.draw(near)
        patch.setattr(logs_seek, "CHUNK", data.draw(st.integers(30, 400)))
        found = list(read(str(path), cancel=Cancel(), since=since, until=until))
        assert found == [e for e in everything if (not since or e.time >= since) and (not until or e.time <= until)]
        if until:
            window = [e for e in everything if e.time <= until]
            assert list(read(str(path), cancel=Cancel(), until=until, tail=2)) == expected_tail(window, 2, BOTH)


def test_runs_keep_times_and_join_what_was_read_at_once(folder: Path) -> None:
    log = RotatedLog(os.fsencode(folder / "log"), 10**6, 2)
    log.write(1, b"a\nb\nc")
    log.write(2, b"x\n" * 3000)
    log.close()
    with LogReader(str(folder / "log"), cancel=Cancel()) as reader:
        runs = list(reader.runs())
    assert [(e.stream, e.data) for e in runs] == [(1, b"a\nb\n"), (1, b"c"), (2, b"x\n" * 3000)]
    assert len({e.time for e in runs}) == 2


def test_records_of_one_nanosecond_with_others_among_them() -> None:
    head = b"2024-05-06T07:08:09.123456789Z "
    block = head + b"stdout F a\n" + (head + b"stdout F b\n") * 300 + head + b"stderr F e\n" + (head + b"stdout F c\n") * 300
    texts = {1: b"a\n" + b"b\n" * 300 + b"c\n" * 300, 2: b"e\n"}
    for way in (logs_bulk.runs, logs_bulk.records):
        assert {s: b"".join(t for _, of, t in way(block) if of == s) for s in BOTH} == texts
    assert [s for s, _ in logs_bulk.chunks(block)] == [1, 2, 1]


def test_headers_of_another_width() -> None:
    block = b"2024-05-06T07:08:09.123456789+00:00 stdout F a\n2024-05-06T07:08:09Z stderr P b\n"
    for way in (logs_bulk.runs, logs_bulk.records):
        assert [(s, t) for _, s, t in way(block)] == [(1, b"a\n"), (2, b"b")]
    assert list(logs_bulk.chunks(block)) == [(1, b"a\n"), (2, b"b")]


class Following:
    """A follower of a log that a test writes."""

    def __init__(self, path: Path) -> None:
        end, self.writer = os.pipe()
        self.reader = LogReader(str(path), cancel=Cancel(), follow=lambda: end)

    def text(self) -> bytes:
        return b"".join(entry.data for entry in self.reader.chunks())

    def awake(self) -> bool:
        return bool(Cancel().wait_readable(self.reader.descriptors()[0], timeout=0))

    def close(self) -> None:
        os.close(self.writer)
        self.reader.close()


@pytest.fixture
def following(folder: Path) -> Iterator[Following]:
    made = Following(folder / "log")
    yield made
    made.close()


def test_a_log_that_comes_later(folder: Path, following: Following) -> None:
    assert following.text() == b""
    log = written(folder / "log", [(1, b"a\n")], 100, 2)
    assert following.awake() and following.text() == b"a\n"
    log.close()


def test_truncated_while_followed(folder: Path, following: Following) -> None:
    log = written(folder / "log", [(1, b"a\n")] * 20, 10**6, 2)
    assert following.text() == b"a\n" * 20
    os.truncate(folder / "log", 0)
    log.write(1, b"b\n")
    assert following.awake() and following.text() == b"b\n"
    log.close()


def test_removed_while_followed(folder: Path, following: Following) -> None:
    log = written(folder / "log", [(1, b"a\n")], 100, 3)
    assert following.text() == b"a\n"
    (folder / "log").unlink()
    following.text()
    log.write(1, b"b\n")
    assert following.awake() and following.text() == b"b\n"
    for text in (b"c\n", b"d\n", b"e\n"):
        log.write(1, text)
    assert following.awake() and following.text() == b"c\nd\ne\n"
    log.close()


def test_a_sleeping_follower_is_woken_by_every_rotation(folder: Path, following: Following) -> None:
    log = written(folder / "log", [(1, b"0\n")], 50, 2)
    following.text()
    for number in range(1, 20):
        log.write(1, b"%d\n" % number)
        assert following.awake()
        assert following.text() == b"%d\n" % number
        assert not following.awake()
    log.close()


def test_what_comes_between_the_last_look_and_the_rotation(folder: Path, following: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    log = written(folder / "log", [(1, b"a\n")], 100, 2)
    assert following.text() == b"a\n"
    late = [b"b\n", b"c\n"]
    real = os.stat

    def stat(path: str) -> os.stat_result:
        while path == str(folder / "log") and late:
            log.write(1, late.pop(0))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", stat)
        assert following.text() == b"b\nc\n"
    log.close()


def test_a_record_cut_at_the_end_of_a_file_does_not_touch_the_next(folder: Path) -> None:
    log = written(folder / "log", [(1, b"a\n")], 60, 3)
    with (folder / "log").open("ab") as stream:
        stream.write(b"2024-05-06T07:08:09.123456789Z stdout F cu")
    log.write(1, b"b\n")
    log.close()
    assert [e.data for e in read(str(folder / "log"), cancel=Cancel())] == [b"a\n", b"b\n"]
    assert [e.data for e in read(str(folder / "log"), cancel=Cancel(), tail=2)] == [b"a\n", b"b\n"]


def test_files_of_a_restored_copy_are_read_in_order(folder: Path) -> None:
    import shutil

    written(folder / "log", [(1, b"%d\n" % number) for number in range(8)], 100, 9).close()
    shutil.copytree(folder, folder / "copy")
    assert b"".join(e.data for e in read(str(folder / "copy" / "log"), cancel=Cancel())) == b"".join(b"%d\n" % n for n in range(8))
    (folder / "log.offsets").write_bytes(b"")
    assert b"".join(e.data for e in read(str(folder / "log"), cancel=Cancel(), tail=5)) == b"3\n4\n5\n6\n7\n"


def test_a_hole_that_somebody_made_is_told(folder: Path) -> None:
    written(folder / "log", [(1, b"%d\n" % number) for number in range(8)], 100, 9).close()
    (folder / "log.2").unlink()
    found = list(read(str(folder / "log"), cancel=Cancel()))
    assert [(e.data, e.missed) for e in found] == [(b"0\n", 0), (b"1\n", 0), (b"", 84), (b"4\n", 0), (b"5\n", 0), (b"6\n", 0), (b"7\n", 0)]


def test_following_stops_when_its_time_has_come(folder: Path) -> None:
    log = written(folder / "log", [(1, b"a\n")], 100, 3)
    end, writer = os.pipe()
    until = stamp(time.time() + 0.2)
    assert [e.data for e in read(str(folder / "log"), cancel=Cancel(20), until=until, follow=lambda: end)] == [b"a\n"]
    assert stamp(time.time()) > until
    end, other = os.pipe()
    assert [e.data for e in read(str(folder / "log"), cancel=Cancel(20), until=stamp(1.0), follow=lambda: end)] == []
    os.close(writer)
    os.close(other)
    log.close()


def test_no_descriptor_is_kept(folder: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    log = written(folder / "log", [(1, b"%d\n" % number) for number in range(30)], 100, 4)
    reader = LogReader(str(folder / "log"), cancel=Cancel(), tail=3, since=stamp(1.0))
    list(reader.entries())
    reader.close()
    log.close()
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_times() -> None:
    assert stamp(1_700_000_000.25) == "2023-11-14T22:13:20.250000000Z"
    assert stamp("2023-11-14T22:13:20.25Z") == "2023-11-14T22:13:20.250000000Z"
    assert stamp("2023-11-14T22:13:20Z") == "2023-11-14T22:13:20.000000000Z"
    for text in ("", "yesterday", "2023-11-14", "2023-11-14T22:13:20.xZ"):
        with pytest.raises(InvalidInput):
            stamp(text)
