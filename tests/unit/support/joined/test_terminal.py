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
from typing import Callable, Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled
from conman_kernel.slots.attach import AttachRequest, Outcome
from conman_kernel.support.joined import signals
from conman_kernel.support.joined.loop import join

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
    assert join(request(made, program)).outcome is Outcome.EXITED
    helper.join(20)
    assert seen == [True]
    assert termios.tcgetattr(program) == before
    assert os.read(person, 100) == b"line\r\n"


def test_detached_by_keys(session, pty) -> None:
    person, program = pty
    made = session(terminal=True)
    beside(lambda: made.wait(lambda: made.sizes), lambda: os.write(person, b"a\x10b\x10\x11"))
    assert join(request(made, program)).outcome is Outcome.DETACHED
    assert bytes(made.fed) == b"a\x10b"
    assert not raw(program)


def test_detaching_can_be_disabled(session, pty) -> None:
    person, program = pty
    made = session(terminal=True)
    beside(lambda: made.wait(lambda: made.sizes), lambda: os.write(person, b"\x10\x11"),
           lambda: made.wait(lambda: bytes(made.fed) == b"\x10\x11"), made.exit)
    assert join(request(made, program, keys=b"")).outcome is Outcome.EXITED


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
    run = lambda: join(request(made, program))  # noqa: E731
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
        join(request(made, program, cancel))
    assert not raw(program)


def test_not_raw_without_input(session, pty) -> None:
    _, program = pty
    made = session(terminal=True, stdin_open=False)
    seen: list[bool] = []
    beside(lambda: made.wait(lambda: made.sizes), lambda: seen.append(raw(program)), made.exit)
    join(request(made, program))
    assert seen == [False]


def test_what_is_typed_ahead_is_left_where_the_container_takes_no_input(session, pty) -> None:
    """What is typed ahead stays for whoever reads next where the container takes no input."""
    person, program = pty
    made = session(terminal=True, stdin_open=False)
    os.write(person, b"for the shell\n")
    beside(lambda: made.wait(lambda: made.sizes), made.exit)
    join(request(made, program))
    assert os.read(program, 100) == b"for the shell\n"


def test_a_shell_prompt_after_detaching_stands_on_a_line_of_its_own(session, pty) -> None:
    person, program = pty
    made = session(terminal=True)
    made.say(b"/ # ")
    beside(lambda: os.read(person, 4), lambda: os.write(person, b"\x10\x11"))
    assert join(request(made, program)).outcome is Outcome.DETACHED
    assert os.read(person, 100) == b"\r\n"


CLIENT = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sys.path[:0] = sys.argv[2:]
from conman_kernel.cancel import Cancel
from conman_kernel.slots.attach import AttachRequest
from conman_kernel.support.joined import signals
from conman_kernel.support.joined.loop import join
from conman_kernel.testing.memory_session import MemorySession
if sys.argv[1] == "handles":
    cancel = Cancel(30)
    signal.signal(signal.SIGTERM, lambda number, frame: cancel.cancel("asked to"))
elif sys.argv[1] == "ignores":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    cancel = Cancel(30)
else:
    cancel = Cancel(30)
session = MemorySession(terminal=sys.argv[1] != "no terminal")
session.say(b"ready")
end = join(AttachRequest(session=session, stdin=0, stdout=1, stderr=-1, detach_keys=b"", forward_signals=False, cancel=cancel))
sys.exit(f"{end.outcome.value}: {end.message}")
"""


class Client:
    """A program that joins a session on a terminal (which does not control it)."""

    def __init__(self, program: int, kind: str = "") -> None:
        self.program = program
        self.before = termios.tcgetattr(program)
        # In a group of its own, which has a parent outside: in an orphaned one (CI without a terminal) nothing ever stops.
        self.process = subprocess.Popen([sys.executable, "-c", CLIENT, kind, *sys.path], stdin=program, stdout=program,
                                        stderr=subprocess.PIPE, text=True, process_group=0)

    def end(self) -> tuple[int, str]:
        return self.process.wait(20), self.process.communicate()[1]


@pytest.fixture
def client(pty) -> Iterator[Callable[[str], Client]]:
    made: list[Client] = []

    def make(kind: str = "") -> Client:
        made.append(Client(pty[1], kind))
        assert select.select([pty[0]], [], [], 20)[0]
        assert os.read(pty[0], 5) == b"ready"
        return made[-1]

    yield make
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        assert each.process.stderr
        each.process.stderr.close()


NOT_CAUGHT = {signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
NOT_DEADLY = {signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
IGNORED = {signal.SIGPIPE, signal.SIGXFSZ}  # by every Python
ENDING = sorted(signal.valid_signals() - NOT_CAUGHT - NOT_DEADLY - IGNORED)


def test_the_list_of_deadly_signals_is_the_kernels(session) -> None:
    """A child that each signal of the list is sent to dies of it; of no other that can be caught it does."""
    for number in sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP} - set(signals.STOPPING)):
        pid = os.fork()
        if pid == 0:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            os._exit(0)
        ended = os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        assert ended == (number in signals.DEADLY or number in NOT_CAUGHT), number


@pytest.mark.parametrize("number", [n for n in ENDING if n <= signal.SIGSYS] + [signal.SIGRTMIN, signal.SIGRTMAX])
def test_a_client_that_is_killed_restores_the_terminal_and_dies_of_it(pty, client, number: int) -> None:
    made = client()
    assert raw(pty[1])
    made.process.send_signal(number)
    code, _ = made.end()
    assert code == -number
    assert termios.tcgetattr(pty[1]) == made.before


def test_an_ignored_signal_ends_nothing(pty, client) -> None:
    made = client("ignores")
    for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        made.process.send_signal(number)
    made.process.send_signal(signal.SIGUSR1)
    assert made.end()[0] == -signal.SIGUSR1
    assert termios.tcgetattr(pty[1]) == made.before


def test_a_program_that_handles_a_signal_itself_ends_by_its_token(pty, client) -> None:
    made = client("handles")
    made.process.send_signal(signal.SIGTERM)
    code, words = made.end()
    assert code == 1 and "Cancelled: asked to" in words
    assert termios.tcgetattr(pty[1]) == made.before


def test_without_a_terminal_in_the_container_the_mode_is_not_touched(pty, client) -> None:
    made = client("no terminal")
    assert termios.tcgetattr(pty[1]) == made.before
    made.process.send_signal(signal.SIGTERM)
    assert made.end()[0] == -signal.SIGTERM
    assert termios.tcgetattr(pty[1]) == made.before


@pytest.mark.parametrize("kind", ["", "ignores"])
def test_a_terminal_that_goes_away_ends_the_client(kind: str) -> None:
    person, program = os.openpty()
    made = Client(program, kind)
    assert os.read(person, 5) == b"ready"
    os.close(program)
    os.close(person)
    assert made.end() == ((-signal.SIGHUP, "") if kind == "" else (1, "lost: ended by signal 1\n"))


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU])
def test_stopped_and_continued_it_is_raw_again(pty, client, number: int) -> None:
    _, program = pty
    made = client()
    made.process.send_signal(number)
    os.waitpid(made.process.pid, os.WUNTRACED)
    if number == signal.SIGSTOP:
        termios.tcsetattr(program, termios.TCSANOW, made.before)  # what a shell does
    assert termios.tcgetattr(program) == made.before
    made.process.send_signal(signal.SIGCONT)
    for _ in range(2000):
        if raw(program):
            break
        select.select([], [], [], 0.01)
    assert raw(program)
    made.process.send_signal(signal.SIGTERM)
    assert made.end()[0] == -signal.SIGTERM
    assert termios.tcgetattr(program) == made.before


def test_a_mode_that_was_changed_while_it_was_stopped_is_what_it_comes_back_to(pty, client) -> None:
    made = client()
    made.process.send_signal(signal.SIGTSTP)
    os.waitpid(made.process.pid, os.WUNTRACED)
    changed = termios.tcgetattr(pty[1])
    changed[LOCAL] &= ~termios.ECHO
    termios.tcsetattr(pty[1], termios.TCSANOW, changed)
    made.process.send_signal(signal.SIGCONT)
    for _ in range(2000):
        if raw(pty[1]):
            break
        select.select([], [], [], 0.01)
    made.process.send_signal(signal.SIGTERM)
    made.end()
    assert termios.tcgetattr(pty[1]) == changed
