"""Joined to a real terminal."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled
from conman_kernel.slots.attach import AttachRequest, Outcome
from conman_pty_attach.attach import PtyAttach

LOCAL = 3
"""Where tcgetattr keeps the local modes."""


@pytest.fixture
def pty() -> Iterator[tuple[int, int]]:
    """The person's side and the program's side of a terminal of 24 rows and 80 columns."""
    person, program = os.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    yield person, program
    os.close(person)
    os.close(program)


def request(session, fd: int, cancel: Cancel | None = None, keys: bytes = b"\x10\x11") -> AttachRequest:
    return AttachRequest(session=session, stdin=fd, stdout=fd, stderr=fd, detach_keys=keys, forward_signals=True,
                         cancel=cancel or Cancel(30))


def raw(fd: int) -> bool:
    return not termios.tcgetattr(fd)[LOCAL] & (termios.ICANON | termios.ECHO | termios.ISIG)


def beside(*actions) -> threading.Thread:
    def run() -> None:
        for action in actions:
            action()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_raw_while_joined_and_as_before_afterwards(session, pty) -> None:
    person, program = pty
    made = session(terminal=True)
    before = termios.tcgetattr(program)
    seen: list[bool] = []

    def container() -> None:
        made.wait(lambda: made.sizes)
        seen.append(raw(program))
        os.write(person, b"\x03\x1a\x04\r")  # Ctrl-C, Ctrl-Z, Ctrl-D and Enter are the container's
        made.wait(lambda: bytes(made.fed) == b"\x03\x1a\x04\r")
        made.say(b"line\r\n")
        made.exit()

    helper = beside(container)
    assert PtyAttach().run(request(made, program)).outcome is Outcome.EXITED
    helper.join(20)
    assert seen == [True]
    assert termios.tcgetattr(program) == before
    assert os.read(person, 100) == b"line\r\n"


def test_detached_by_keys(session, pty) -> None:
    person, program = pty
    made = session(terminal=True)
    beside(lambda: made.wait(lambda: made.sizes), lambda: os.write(person, b"a\x10b\x10\x11"))
    assert PtyAttach().run(request(made, program)).outcome is Outcome.DETACHED
    assert bytes(made.fed) == b"a\x10b"
    assert not raw(program)


def test_detaching_can_be_disabled(session, pty) -> None:
    person, program = pty
    made = session(terminal=True)
    beside(lambda: made.wait(lambda: made.sizes), lambda: os.write(person, b"\x10\x11"),
           lambda: made.wait(lambda: bytes(made.fed) == b"\x10\x11"), made.exit)
    assert PtyAttach().run(request(made, program, keys=b"")).outcome is Outcome.EXITED


@pytest.mark.parametrize("main", [True, False])
def test_the_size_at_first_and_when_it_changes(session, pty, main: bool) -> None:
    _, program = pty
    made = session(terminal=True)

    def container() -> None:
        made.wait(lambda: made.sizes == [(24, 80)])
        fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
        if main:
            os.kill(os.getpid(), signal.SIGWINCH)  # not our controlling terminal, so it is not sent by itself
        made.wait(lambda: made.sizes == [(24, 80), (50, 132)])
        made.exit()

    helper = beside(container)
    run = lambda: PtyAttach().run(request(made, program))  # noqa: E731
    if main:
        before = signal.getsignal(signal.SIGWINCH)
        run()
        assert signal.getsignal(signal.SIGWINCH) == before
    else:
        beside(run).join(20)
    helper.join(20)
    assert made.sizes == [(24, 80), (50, 132)]


def test_restored_when_cancelled(session, pty) -> None:
    _, program = pty
    made = session(terminal=True)
    cancel = Cancel()
    beside(lambda: made.wait(lambda: made.sizes), cancel.cancel)
    with pytest.raises(Cancelled):
        PtyAttach().run(request(made, program, cancel))
    assert not raw(program)


def test_not_raw_without_input(session, pty) -> None:
    _, program = pty
    made = session(terminal=True, stdin_open=False)
    seen: list[bool] = []
    beside(lambda: made.wait(lambda: made.sizes), lambda: seen.append(raw(program)), made.exit)
    PtyAttach().run(request(made, program))
    assert seen == [False]


def test_a_terminal_that_hangs_up_ends_the_input(session) -> None:
    person, program = os.openpty()
    made = session(terminal=True)
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    beside(lambda: made.wait(lambda: made.sizes), lambda: os.close(person), lambda: made.wait(lambda: made.stdin_closed), made.exit)
    assert PtyAttach().run(request(made, program)).outcome is Outcome.EXITED
    os.close(program)


CLIENT = """
import signal, socket, sys
sys.path[:0] = sys.argv[1:]
from conftest_session import MemorySession
from conman_kernel.cancel import Cancel
from conman_kernel.slots.attach import AttachRequest
from conman_pty_attach.attach import PtyAttach
session = MemorySession(terminal=True)
session.say(b"ready")
PtyAttach().run(AttachRequest(session=session, stdin=0, stdout=1, stderr=2, detach_keys=b"", forward_signals=True,
                              cancel=Cancel(30)))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_client_that_is_killed_restores_the_terminal_and_dies_of_it(pty, tmp_path: Path, number: int) -> None:
    person, program = pty
    (tmp_path / "conftest_session.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    before = termios.tcgetattr(program)
    client = subprocess.Popen([sys.executable, "-c", CLIENT, str(tmp_path), *sys.path], stdin=program, stdout=program,
                              stderr=subprocess.DEVNULL, cwd=tmp_path)
    assert select.select([person], [], [], 20)[0]
    assert os.read(person, 5) == b"ready"
    assert raw(program)
    client.send_signal(number)
    assert client.wait(20) in (-number, 1 if number == signal.SIGINT else -number)
    assert termios.tcgetattr(program) == before


def test_stopped_and_continued_it_is_raw_again(pty, tmp_path: Path) -> None:
    person, program = pty
    (tmp_path / "conftest_session.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    before = termios.tcgetattr(program)
    client = subprocess.Popen([sys.executable, "-c", CLIENT, str(tmp_path), *sys.path], stdin=program, stdout=program,
                              stderr=subprocess.DEVNULL, cwd=tmp_path)
    assert os.read(person, 5) == b"ready"
    client.send_signal(signal.SIGSTOP)
    os.waitpid(client.pid, os.WUNTRACED)
    termios.tcsetattr(program, termios.TCSANOW, before)  # what a shell does
    client.send_signal(signal.SIGCONT)
    for _ in range(2000):
        if raw(program):
            break
        select.select([], [], [], 0.01)
    assert raw(program)
    client.send_signal(signal.SIGTERM)
    client.wait(20)
    assert termios.tcgetattr(program) == before
