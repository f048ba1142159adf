"""Processes, times, the log, the watch on a file, argv tables."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from conman_kernel import processes
from conman_kernel.errors import InvalidInput, Unavailable
from conman_kernel.log import LEVELS, StderrLog
from conman_kernel.slots.runtime import render
from conman_kernel.support.inotify import Watch
from conman_kernel.times import parse_time, rfc3339


def test_who_is_who_among_processes() -> None:
    start = processes.start_time(os.getpid())
    assert start > 0 and processes.alive(os.getpid(), start)
    assert not processes.alive(os.getpid(), start - 1), "another process had this pid"
    assert not processes.alive(0, 0) and not processes.alive(os.getpid(), 0)
    assert processes.start_time(2**22 + 1) == 0
    assert len(processes.boot_id()) == 36


def test_a_name_with_brackets_and_spaces_confuses_nobody(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    os.symlink("/bin/cat", program)
    child = subprocess.Popen([program], stdin=subprocess.PIPE)
    try:
        start = processes.start_time(child.pid)
        assert start >= processes.start_time(os.getpid())
    finally:
        child.stdin.close()  # type: ignore[union-attr]
        child.wait(30)


def test_a_zombie_is_not_alive_and_a_pidfd_says_when() -> None:
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    start = processes.start_time(child.pid)
    fd = processes.open_pidfd(child.pid, start)
    assert processes.open_pidfd(child.pid, start + 1) == -1
    assert select.select([fd], [], [], 0)[0] == []
    child.stdin.close()  # type: ignore[union-attr]
    assert select.select([fd], [], [], 30)[0] == [fd]
    assert processes.start_time(child.pid) == 0 and not processes.alive(child.pid, start), "a zombie"
    child.wait(30)
    os.close(fd)
    assert processes.open_pidfd(child.pid, start) == -1
    assert processes.open_pidfd(0, 0) == -1


def test_points_in_time() -> None:
    assert rfc3339(0) == "0001-01-01T00:00:00Z"
    assert rfc3339(1.5) == "1970-01-01T00:00:01.500000000Z"
    assert rfc3339(1700000000) == "2023-11-14T22:13:20.000000000Z"
    for text, seconds in (("1700000000", 1700000000), ("1.25", 1.25), ("2023-11-14T22:13:20Z", 1700000000),
                          ("2023-11-14T22:13:20.123456789Z", 1700000000.123456), ("2023-11-14T23:13:20.5+01:00", 1700000000.5)):
        assert parse_time(text) == pytest.approx(seconds)
    assert parse_time("1h30m", now=10000) == 10000 - 5400
    assert parse_time("1.5s", now=10) == 8.5 and parse_time("20ms", now=1) == pytest.approx(0.98)
    assert parse_time(rfc3339(1700000000.25)) == 1700000000.25


@pytest.mark.parametrize("text", ["", "yesterday", "1x", "5m-", "2023-13-01", "h", "1h garbage"])
def test_what_is_no_point_in_time(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no point in time"):
        parse_time(text)


def test_the_log_writes_from_its_level_on(capfd: pytest.CaptureFixture[str]) -> None:
    for number, level in enumerate(LEVELS):
        log = StderrLog(level)
        log.debug("d %s", 1)
        log.info("i 100%")
        log.warning("w %s %d", "x", 2)
        out, err = capfd.readouterr()
        lines = ["conman: debug: d 1", "conman: info: i 100%", "conman: warning: w x 2"]
        assert out == "" and err.splitlines() == lines[number:]


def test_the_log_without_a_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    StderrLog("debug").warning("nobody hears")


def test_a_watch_wakes_on_writing_and_moving(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("")
    before = set(os.listdir("/proc/self/fd"))
    watch = Watch(str(path))
    assert select.select([watch], [], [], 0)[0] == []
    with path.open("a") as stream:
        stream.write("x")
    assert select.select([watch], [], [], 30)[0] == [watch]
    watch.clear()
    watch.clear()
    assert select.select([watch], [], [], 0)[0] == []
    path.rename(tmp_path / "log.1")
    assert select.select([watch], [], [], 30)[0] == [watch]
    watch.close()
    watch.close()
    with pytest.raises(Unavailable, match="No such file"):
        Watch(str(path))
    assert set(os.listdir("/proc/self/fd")) == before


def test_an_argv_table_is_filled_in() -> None:
    table = ("/bin/r", "--root", "{root}", ("--pid-file", "{pid_file}"), "--sig={signal}", "{id}")
    values = {"root": "/a b", "id": "{root}", "signal": "9"}
    assert render(table, values) == ["/bin/r", "--root", "/a b", "--sig=9", "{root}"]
    assert render(table, {**values, "pid_file": "/p"})[3:5] == ["--pid-file", "/p"]
    with pytest.raises(InvalidInput, match="needs root, and none was given"):
        render(table, {"id": "x", "signal": "9"})
