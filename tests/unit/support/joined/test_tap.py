"""What a tap is told, and in which order."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled
from conman_kernel.slots.attach import AttachRequest, End, Outcome
from conman_kernel.support.joined.loop import join
from conman_kernel.support.joined.tap import Tap


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def output(self, data: bytes, stream: int) -> None:
        self.told.append(("output", data, stream))

    def input(self, data: bytes) -> None:
        self.told.append(("input", data))

    def resize(self, *, rows: int, columns: int) -> None:
        self.told.append(("resize", rows, columns))

    def end(self, end: End | None) -> None:
        self.told.append(("end", end))


def request(session, stdin: int = -1, stdout: int = -1, stderr: int = -1, cancel: Cancel | None = None) -> AttachRequest:
    return AttachRequest(session=session, stdin=stdin, stdout=stdout, stderr=stderr, detach_keys=b"\x10\x11", forward_signals=False,
                         cancel=cancel or Cancel(30))


def test_it_is_told_everything(session) -> None:
    made = session(terminal=False)
    made.say(b"out")
    made.say(b"err", 2)
    made.exit()
    notes = Notes()
    tap: Tap = notes
    assert join(request(made), tap) == End(Outcome.EXITED)
    assert notes.told == [("output", b"out", 1), ("output", b"err", 2), ("end", End(Outcome.EXITED))]


def test_input_is_what_the_process_gets(session) -> None:
    """The keys that only began like the detach keys are, those that detach are not."""
    person, program = os.openpty()
    made = session(terminal=True)
    made.say(b"$ ")
    keys = threading.Thread(target=lambda: (os.read(person, 2), os.write(person, b"a\x10b\x10\x11")))
    keys.start()
    notes = Notes()
    assert join(request(made, program, program), notes).outcome is Outcome.DETACHED
    keys.join(20)
    assert notes.told[0] == ("output", b"$ ", 1)
    typed = [told for told in notes.told if told[0] == "input"]
    assert b"".join(data for _, data in typed if isinstance(data, bytes)) == b"a\x10b" == bytes(made.fed)
    assert notes.told[-1] == ("end", End(Outcome.DETACHED))
    os.close(person)
    os.close(program)


def test_an_error_is_an_end_too(session) -> None:
    made = session(terminal=False)
    cancel = Cancel()
    cancel.cancel()
    notes = Notes()
    with pytest.raises(Cancelled):
        join(request(made, cancel=cancel), notes)
    assert notes.told == [("end", None)]


def test_so_is_a_signal(session) -> None:
    """A terminal that goes away is one; where SIGHUP is ignored the session is lost instead."""
    made = session(terminal=True)
    person, program = os.openpty()
    made.say(b"$ ")
    leaving = threading.Thread(target=lambda: (os.read(person, 2), os.close(person)))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    notes = Notes()
    try:
        leaving.start()
        assert join(request(made, program, program), notes) == End(Outcome.LOST, "ended by signal 1")
    finally:
        signal.signal(signal.SIGHUP, before)
        leaving.join(20)
        os.close(program)
    assert notes.told == [("output", b"$ ", 1), ("end", None)]
    assert not made.stdin_closed


def test_output_that_is_not_taken_is_told_all_the_same(session) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    made = session(stdin_open=False)
    made.say(b"x")
    notes = Notes()
    with pytest.raises(BrokenPipeError):
        join(request(made, stdout=writer), notes)
    assert notes.told == [("output", b"x", 1), ("end", None)]
    os.close(writer)
