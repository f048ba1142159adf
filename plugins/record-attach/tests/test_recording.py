"""Sessions that are recorded, on real terminals, pipes and files."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import stat
import struct
import termios
import threading
from pathlib import Path
from typing import Mapping

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, InvalidInput
from conman_kernel.slots.attach import API, AttachRequest, Outcome
from conman_kernel.slots.provider import PluginContext
from conman_kernel.testing.memory_session import MemorySession
from conman_record_attach import conman_attach


class Log:
    """What was reported."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def debug(self, message: str, *args: object) -> None:
        self.said.append(("debug", message % args))

    def info(self, message: str, *args: object) -> None:
        self.said.append(("info", message % args))

    def warning(self, message: str, *args: object) -> None:
        self.said.append(("warning", message % args))


@pytest.fixture
def log() -> Log:
    return Log()


def opened(state: Path, log: Log, **table: object):
    options: Mapping[str, object] = table
    context = PluginContext(name="record-attach", options=options, state_dir=str(state), run_dir="/nowhere", log=log)
    return conman_attach().open(context)


def request(session: MemorySession, stdin: int = -1, stdout: int = -1, stderr: int = -1, *, name: str = "web",
            cancel: Cancel | None = None) -> AttachRequest:
    return AttachRequest(session=session, stdin=stdin, stdout=stdout, stderr=stderr, detach_keys=b"\x10\x11", forward_signals=False,
                         cancel=cancel or Cancel(30), container="f" * 64, name=name, command=("sh", "-i"))


def recording(folder: Path) -> tuple[dict[str, object], list[list[object]]]:
    """Header and events of the one recording."""
    (path,) = folder.glob("recordings/*.cast")
    header, *events = map(json.loads, path.read_text().splitlines())
    times = [at for at, _, _ in events]
    assert times == sorted(times) and all(isinstance(at, float) and at >= 0 for at in times)
    return header, events


def shown(events: list[list[object]], code: str = "o") -> str:
    return "".join(str(data) for _, what, data in events if what == code)


def resize(fd: int, rows: int, columns: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_it_declares_itself(tmp_path: Path, log: Log) -> None:
    assert conman_attach().api == API
    assert {option.name: option.default for option in conman_attach().options} == {"folder": "", "input": False, "idle_limit": 0.0}
    assert all(option.doc for option in conman_attach().options)
    assert opened(tmp_path, log).direct is False


@pytest.mark.parametrize("options", [{"folder": "recordings"}, {"idle_limit": -1.0}, {"idle_limit": float("nan")}])
def test_options_that_make_no_sense(options, tmp_path: Path, log: Log) -> None:
    with pytest.raises(InvalidInput, match=next(iter(options))):
        opened(tmp_path, log, **options)


@pytest.mark.parametrize("typed", [False, True])
def test_a_terminal(typed: bool, tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("SHELL", "/bin/zsh")
    person, program = os.openpty()
    resize(program, 31, 97)
    before = termios.tcgetattr(program)
    screen = b""

    def container(session: MemorySession) -> None:
        nonlocal screen
        session.say(b"password: ")
        screen += os.read(person, 100)
        os.write(person, b"secret\r")
        session.wait(lambda: bytes(session.fed) == b"secret\r")
        resize(program, 40, 120)
        session.wait(lambda: session.sizes == [(31, 97), (40, 120)])
        session.say("wrong \N{SNOWMAN}\r\n".encode())
        screen += os.read(person, 100)
        os.write(person, b"\x10\x11")

    with MemorySession(terminal=True) as session:
        helper = threading.Thread(target=container, args=(session,))
        helper.start()
        # Not the main thread: a changed size is looked for, for nothing sends SIGWINCH from a terminal that is not our own.
        ends: list[Outcome] = []
        plugin = opened(tmp_path, log, input=typed, idle_limit=1.5)
        runner = threading.Thread(target=lambda: ends.append(plugin.run(request(session, program, program, program)).outcome))
        runner.start()
        runner.join(20)
        helper.join(20)
    assert ends == [Outcome.DETACHED]
    assert termios.tcgetattr(program) == before
    os.close(person)
    os.close(program)
    header, events = recording(tmp_path)
    assert 1 << 30 < int(str(header.pop("timestamp"))) < 1 << 33
    assert header == {"version": 2, "width": 97, "height": 31, "idle_time_limit": 1.5, "command": "sh -i", "title": "web",
                      "env": {"TERM": "xterm-256color", "SHELL": "/bin/zsh"}}
    assert shown(events) == screen.decode() == "password: wrong \N{SNOWMAN}\r\n"
    assert [data for _, code, data in events if code == "r"] == ["120x40"]
    assert shown(events, "i") == ("secret\r" if typed else "")
    (path,) = tmp_path.glob("recordings/*.cast")
    assert log.said == [("warning", f"this session was recorded in {path}")]


def test_without_a_terminal(tmp_path: Path, log: Log) -> None:
    """Both outputs, in the form that a terminal shows; nothing of the recording's is said into the container's output."""
    with MemorySession() as session, open("/dev/null", "rb+", buffering=0) as nothing, open(tmp_path / "err", "wb") as err:
        session.say(b"one\ntw")
        session.say(b"broken\n", 2)
        session.say(b"o\n")
        session.exit()
        opened(tmp_path, log).run(request(session, nothing.fileno(), nothing.fileno(), err.fileno()))
    header, events = recording(tmp_path)
    assert (header["width"], header["height"]) == (80, 24)
    assert [data for _, code, data in events] == ["one\r\ntw", "broken\r\n", "o\r\n"]
    assert [level for level, _ in log.said] == ["info"]
    assert (tmp_path / "err").read_bytes() == b"broken\n"


def test_characters_in_pieces_and_what_is_no_utf_8(tmp_path: Path, log: Log) -> None:
    euro = "\N{EURO SIGN}".encode()
    with MemorySession(terminal=True, stdin_open=False) as session:
        for piece in (b"a" + euro[:1], euro[1:2], euro[2:] + b"b", b"\xff", b"c" + euro[:2]):
            session.say(piece)
        session.exit()
        opened(tmp_path, log).run(request(session))
    assert [data for _, _, data in recording(tmp_path)[1]] == ["a", "\N{EURO SIGN}b", "\N{REPLACEMENT CHARACTER}", "c",
                                                               "\N{REPLACEMENT CHARACTER}"]


def test_each_stream_is_decoded_for_itself(tmp_path: Path, log: Log) -> None:
    euro = "\N{EURO SIGN}".encode()
    with MemorySession(stdin_open=False) as session:
        for piece, stream in ((euro[:2], 1), (b"err", 2), (euro[2:], 1)):
            session.say(piece, stream)
        session.exit()
        opened(tmp_path, log).run(request(session))
    assert [data for _, _, data in recording(tmp_path)[1]] == ["err", "\N{EURO SIGN}"]


def test_only_its_owner_can_look(tmp_path: Path, log: Log) -> None:
    state = tmp_path / "state" / "record-attach"
    before = os.umask(0)
    try:
        with MemorySession() as session:
            session.exit()
            opened(state, log).run(request(session))
    finally:
        os.umask(before)
    (path,) = state.glob("recordings/*.cast")
    modes = [stat.S_IMODE(place.stat().st_mode) for place in (path, path.parent, state, state.parent)]
    assert modes == [0o600, 0o700, 0o700, 0o700]


def test_sessions_of_one_second_and_odd_names_get_files_of_their_own(tmp_path: Path, log: Log) -> None:
    folder = tmp_path / "mine"
    plugin = opened(tmp_path, log, folder=str(folder))
    for name in ("web", "web", "", "../../etc/passwd"):
        with MemorySession() as session:
            session.exit()
            plugin.run(request(session, name=name))
    names = sorted(path.name.split("-")[0] for path in folder.iterdir())
    assert names == [".._.._etc_passwd", "ffffffffffff", "web", "web"]


def test_it_is_written_as_it_goes_and_whole_after_an_error(tmp_path: Path, log: Log) -> None:
    reader, writer = os.pipe()
    cancel = Cancel(30)
    before: list[str] = []

    def container(session: MemorySession) -> None:
        session.say(b"first\r\n")
        os.read(reader, 100)
        before.append(shown(recording(tmp_path)[1]))
        cancel.cancel()

    with MemorySession(terminal=True, stdin_open=False) as session:
        helper = threading.Thread(target=container, args=(session,))
        helper.start()
        with pytest.raises(Cancelled):
            opened(tmp_path, log).run(request(session, stdout=writer, cancel=cancel))
        helper.join(20)
    os.close(reader)
    os.close(writer)
    assert before == ["first\r\n"] == [shown(recording(tmp_path)[1])]
    assert len(log.said) == 1


def test_a_full_disk_stops_the_recording_and_never_the_session(tmp_path: Path, log: Log) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    reader, writer = os.pipe()
    with MemorySession(stdin_open=False) as session:
        for _ in range(10):
            session.say(b"x" * 1000)
        session.exit()
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))  # the same to a program as no space left
        try:
            assert opened(tmp_path, log).run(request(session, stdout=writer)).outcome is Outcome.EXITED
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    os.close(writer)
    with open(reader, "rb") as output:
        assert output.read() == b"x" * 10_000
    _, events = recording(tmp_path)
    assert shown(events) == "x" * 4000
    assert [level for level, _ in log.said] == ["warning", "warning"]
    assert "stopped early: File too large" in log.said[0][1]


def test_where_nothing_can_be_recorded_the_session_goes_on(tmp_path: Path, log: Log) -> None:
    (tmp_path / "file").write_text("")
    with MemorySession() as session, open(tmp_path / "out", "wb") as out:
        session.say(b"hello")
        session.exit()
        end = opened(tmp_path, log, folder=str(tmp_path / "file" / "below")).run(request(session, stdout=out.fileno()))
    assert end.outcome is Outcome.EXITED
    assert (tmp_path / "out").read_bytes() == b"hello"
    ((level, words),) = log.said
    assert level == "warning" and words.startswith(f"cannot record in {tmp_path}/file/below: ")


def test_the_tilde_is_understood(tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with MemorySession() as session:
        session.exit()
        opened(tmp_path, log, folder="~/recordings").run(request(session))
    recording(tmp_path)
