"""Joined to pipes and files."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, DeadlineExceeded
from conman_kernel.slots.attach import AttachRequest, End, Outcome
from conman_kernel.support.joined.loop import join


def request(session, stdin: int = -1, stdout: int = -1, stderr: int = -1, *, forward: bool = False,
            cancel: Cancel | None = None) -> AttachRequest:
    return AttachRequest(session=session, stdin=stdin, stdout=stdout, stderr=stderr, detach_keys=b"\x10\x11",
                         forward_signals=forward, cancel=cancel or Cancel(30))


def beside(action) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def test_streams_stay_apart_and_the_end_is_said(session, tmp_path: Path) -> None:
    made = session(stdin_open=False)
    made.say(b"out")
    made.say(b"err", 2)
    made.exit()
    with open(tmp_path / "out", "wb") as out, open(tmp_path / "err", "wb") as err:
        end = join(request(made, stdout=out.fileno(), stderr=err.fileno()))
    assert end == End(Outcome.EXITED)
    assert ((tmp_path / "out").read_bytes(), (tmp_path / "err").read_bytes()) == (b"out", b"err")


def test_a_broken_connection_is_lost(session) -> None:
    made = session()
    made.lose()
    assert join(request(made)) == End(Outcome.LOST, "broken")


def test_input_is_carried_and_half_closed(session, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"z" * 200_000)
    made = session()

    def container() -> None:
        made.wait(lambda: made.stdin_closed)
        made.exit()

    beside(container)
    with open(tmp_path / "in", "rb") as stdin:
        join(request(made, stdin=stdin.fileno()))
    assert bytes(made.fed) == b"z" * 200_000


def test_detach_keys_mean_nothing_in_a_pipe(session, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"\x10\x11")
    made = session()
    beside(lambda: (made.wait(lambda: made.stdin_closed), made.exit()))
    with open(tmp_path / "in", "rb") as stdin:
        assert join(request(made, stdin=stdin.fileno())).outcome is Outcome.EXITED
    assert bytes(made.fed) == b"\x10\x11"


def test_a_process_that_does_not_read_holds_up_input_only(session, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"z" * 1000)
    made = session(room=100)

    def container() -> None:
        made.wait(lambda: len(made.fed) == 100)
        made.say(b"still talking")
        made.more_room(5000)
        made.wait(lambda: made.stdin_closed)
        made.exit()

    beside(container)
    with open(tmp_path / "in", "rb") as stdin, open(tmp_path / "out", "wb") as out:
        join(request(made, stdin=stdin.fileno(), stdout=out.fileno()))
    assert len(made.fed) == 1000
    assert (tmp_path / "out").read_bytes() == b"still talking"


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_where_nobody_reads_the_output_the_session_ends(session, kind: str, tmp_path: Path) -> None:
    """``run ... yes | head -1``: it would never end by itself."""
    if kind == "pipe":
        reader, writer = os.pipe()
    else:
        reader, writer = (end.detach() for end in socket.socketpair())
    os.close(reader)
    made = session(stdin_open=False)
    made.say(b"err", 2)
    made.say(b"x" * 100)
    with open(tmp_path / "err", "wb") as err, pytest.raises(BrokenPipeError):
        join(request(made, stdout=writer, stderr=err.fileno()))
    os.close(writer)
    assert (tmp_path / "err").read_bytes() == b"err"


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_slow_reader_gets_everything_and_delays_no_input(session, kind: str, tmp_path: Path) -> None:
    if kind == "pipe":
        reader, writer = os.pipe()
    else:
        a, b = socket.socketpair()
        reader, writer = a.detach(), b.detach()
    stdin, typed = os.pipe()
    made = session()
    data = os.urandom(3_000_000)
    got = bytearray()

    def read() -> None:
        while len(got) < len(data):
            got.extend(os.read(reader, 65536))
            with made.changed:
                made.changed.notify_all()

    def container() -> None:
        talker = beside(lambda: made.say(data))
        os.write(typed, b"key")
        made.wait(lambda: bytes(made.fed) == b"key")  # it comes although nobody has read any output yet
        beside(read)
        talker.join()
        made.exit()

    helper = beside(container)
    end = join(request(made, stdin=stdin, stdout=writer))
    helper.join(20)
    assert end.outcome is Outcome.EXITED
    made.wait(lambda: len(got) == len(data))
    assert bytes(got) == data
    assert os.get_blocking(writer)
    for fd in (reader, writer, stdin, typed):
        os.close(fd)


def test_cancel_and_deadline(session) -> None:
    made = session()
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(Cancelled):
        join(request(made, cancel=cancel))
    with pytest.raises(DeadlineExceeded):
        join(request(made, cancel=Cancel(0.05)))


def test_signals_are_forwarded_and_handlers_put_back(session) -> None:
    made = session(stdin_open=False)
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}

    def container() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        made.wait(lambda: signal.SIGUSR1 in made.signals)
        os.kill(os.getpid(), signal.SIGTERM)
        made.wait(lambda: signal.SIGTERM in made.signals)
        made.exit()

    reader, writer = os.pipe()
    beside(lambda: (os.read(reader, 7), container()))
    made.say(b"running")
    join(request(made, stdout=writer, forward=True))
    assert made.signals == [signal.SIGUSR1, signal.SIGTERM]
    assert {n: signal.getsignal(n) for n in before} == before
    os.close(reader)
    os.close(writer)


def test_in_another_thread_no_handler_is_touched(session) -> None:
    made = session(stdin_open=False)
    made.exit()
    ends: list[End] = []
    thread = threading.Thread(target=lambda: ends.append(join(request(made, forward=True))))
    thread.start()
    thread.join(20)
    assert ends == [End(Outcome.EXITED)]
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
