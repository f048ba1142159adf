"""Whole lines from many processes, through rotation, each exactly once."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Iterator, Mapping

import pytest

from conman_events_jsonl import conman_event_sink
from conman_events_jsonl.files import numbers, path
from conman_events_jsonl.lines import event_of, line_of
from conman_events_jsonl.sink import JsonLines
from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, DeadlineExceeded
from conman_kernel.slots.events import API, EmitRequest, Event, ReadRequest
from conman_kernel.slots.provider import PluginContext


class Heard:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, message: str, *args: object) -> None:
        return

    info = debug

    def warning(self, message: str, *args: object) -> None:
        self.warnings.append(message % args if args else message)


def sink(folder: Path, *, max_size: int = 1 << 20, files: int = 4, log: Heard | None = None) -> JsonLines:
    return JsonLines(str(folder / "state"), max_size=max_size, files=files, log=log or Heard())


def tell(log: JsonLines, number: int, who: str = "x", timeout: float = 30) -> None:
    log.emit(EmitRequest(Event(time.time_ns(), "container", "start", id=who, name=str(number)), Cancel(timeout)))


def request(*, since: int | None = None, until: int | None = None, follow: bool = False, timeout: float = 60) -> ReadRequest:
    return ReadRequest(since, until, follow, Cancel(timeout))


def names(events: Iterator[Event]) -> list[str]:
    return [event.name for event in events]


def test_it_declares_itself(tmp_path: Path) -> None:
    provider = conman_event_sink()
    assert (provider.api, [option.name for option in provider.options]) == (API, ["max_size", "files"])
    options: Mapping[str, object] = {}
    opened = provider.open(PluginContext(name="events-jsonl", options=options, state_dir=str(tmp_path / "s"), run_dir="/nowhere",
                                         log=Heard()))
    opened.emit(EmitRequest(Event(5, "image", "pull"), Cancel(5)))
    opened.close()
    opened.close()
    assert [event.time_ns for event in sink(tmp_path).read(request())] == []
    assert (tmp_path / "s" / "events.000001.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("event", [
    Event(1_700_000_000_123_456_789, "container", "died", "ab" * 32, "näme", "q/i:1", (("a", "b\n\"c\""), ("x", "")), 0),
    Event(1, "image", "pull"),
    Event(2, "container", "exec_died", exit_code=-1),
])
def test_a_line_says_all_of_an_event(event: Event) -> None:
    line = line_of(event)
    assert line.count(b"\n") == 1 and event_of(line) == event


def test_labels_without_measure_are_left_out() -> None:
    event = Event(1, "container", "create", "i", "n", attributes=(("a", "b" * 70_000),))
    assert event_of(line_of(event)) == event._replace(attributes=())


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"1", b"\xff", b'{"TimeNano":true,"Type":"x"}', b'{"TimeNano":1,"Type":3}',
                                  b'{"TimeNano":1,"Attributes":[]}', b'{"TimeNano":1,"Attributes":{"a":1}}', b"[" * 100_000])
def test_what_is_no_event_is_passed_over(line: bytes) -> None:
    assert event_of(line) is None


def test_since_and_until(tmp_path: Path) -> None:
    log = sink(tmp_path)
    for when in (10, 20, 30):
        log.emit(EmitRequest(Event(when, "image", "tag", name=str(when)), Cancel(5)))
    assert names(log.read(request())) == ["10", "20", "30"]
    assert names(log.read(request(since=20))) == ["20", "30"]
    assert names(log.read(request(since=11, until=20))) == ["20"]
    assert names(log.read(request(until=20, since=0, follow=True))) == ["10", "20"], "an end that is past"


def test_from_now_on_means_from_the_call(tmp_path: Path) -> None:
    log = sink(tmp_path)
    tell(log, 1)
    following = log.read(request(follow=True, until=time.time_ns() + 10**9))
    tell(log, 2)
    assert names(following) == ["2"]


def test_following_ends_with_its_time(tmp_path: Path) -> None:
    until = time.time_ns() + 300_000_000
    assert names(sink(tmp_path).read(request(follow=True, until=until))) == []
    assert time.time_ns() >= until


def test_following_ends_with_its_token(tmp_path: Path) -> None:
    wanted = request(follow=True)
    following = sink(tmp_path).read(wanted)
    threading.Timer(0.1, wanted.cancel.cancel).start()
    before = time.process_time()
    with pytest.raises(Cancelled):
        next(following)
    assert time.process_time() - before < 0.08, "it waits for a descriptor"
    assert not [name for name in os.listdir("/proc/self/fd") if "inotify" in _target(name)]


def _target(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except FileNotFoundError:
        return ""


WRITER = """
import sys, time
from conman_events_jsonl.sink import JsonLines
from conman_kernel.cancel import Cancel
from conman_kernel.log import StderrLog
from conman_kernel.slots.events import EmitRequest, Event
folder, who, count, size = sys.argv[1:]
log = JsonLines(folder, max_size=int(size), files=100_000, log=StderrLog("warning"))
for number in range(int(count)):
    log.emit(EmitRequest(Event(time.time_ns(), "container", "start", id=who, name=str(number)), Cancel(30)))
"""


@pytest.mark.parametrize("size", [1, 700, 20_000])
def test_no_event_is_lost_or_doubled_while_files_are_rotated(tmp_path: Path, size: int) -> None:
    """Three processes write, files are begun all the time, one reader follows from before the first."""
    count, folder = 150, str(tmp_path / "state")
    reader = JsonLines(folder, max_size=size, files=100_000, log=Heard())
    following = reader.read(request(follow=True))
    workers = [subprocess.Popen([sys.executable, "-c", WRITER, folder, who, str(count), str(size)]) for who in "abc"]
    found = [next(following) for _ in range(3 * count)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    for who in "abc":
        assert [int(event.name) for event in found if event.id == who] == list(range(count))
    assert len(list(reader.read(request()))) == 3 * count, "nothing is doubled in the files either"
    assert len(numbers(folder)) > 3 or size == 20_000


def test_the_oldest_files_go_and_a_reader_that_missed_them_is_told(tmp_path: Path) -> None:
    heard = Heard()
    log = sink(tmp_path, max_size=1, files=3, log=heard)
    tell(log, 0)
    following = log.read(request(since=0, follow=True))
    for number in range(1, 10):
        tell(log, number)
    assert len(numbers(str(tmp_path / "state"))) == 3
    assert [next(following).name for _ in range(3)] == ["0", "8", "9"], "the first file was open"
    assert len(heard.warnings) == 1 and "rotated away" in heard.warnings[0]


def test_a_line_that_a_full_disk_cut_short_spoils_no_other(tmp_path: Path) -> None:
    log = sink(tmp_path)
    tell(log, 1)
    with open(path(str(tmp_path / "state"), 1), "ab") as file:
        file.write(b'{"TimeNano":5,"Ty')
    following = log.read(request(follow=True))
    tell(log, 2)
    assert names(log.read(request())) == ["1", "2"]
    assert next(following).name == "2"


def test_a_crash_between_seal_and_next_file_is_gone_on_from(tmp_path: Path) -> None:
    log = sink(tmp_path)
    tell(log, 1)
    following = log.read(request(since=0, follow=True))
    os.chmod(path(str(tmp_path / "state"), 1), 0o400)
    assert next(following).name == "1"
    tell(sink(tmp_path), 2)
    tell(log, 3)
    assert [next(following).name, next(following).name] == ["2", "3"]
    assert numbers(str(tmp_path / "state")) == [1, 2]


def test_a_lock_that_is_not_given_ends_with_the_deadline(tmp_path: Path) -> None:
    log = sink(tmp_path)
    tell(log, 1)
    with open(path(str(tmp_path / "state"), 1), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DeadlineExceeded):
            tell(log, 2, timeout=0.05)
    tell(log, 3)
    assert names(log.read(request())) == ["1", "3"]
