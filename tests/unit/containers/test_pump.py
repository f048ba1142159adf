"""The library's own session: it waits for descriptors and never goes round for nothing."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.containers.pump import Collected, descriptor, feed, pump
from conman_kernel.errors import DeadlineExceeded, InvalidInput
from conman_kernel.slots.attach import End, Outcome, Output


class Deaf:
    """A session whose process reads nothing: no room, and the descriptor for room is one that is always readable."""

    terminal = False
    stdin_open = True
    carried: frozenset[int] = frozenset()

    def __init__(self) -> None:
        self.looked = 0
        self._quiet = os.eventfd(0, os.EFD_CLOEXEC)
        self._full = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        os.eventfd_write(self._full, 2**64 - 2)

    def fileno(self) -> int:
        return self._quiet

    def receive(self) -> Output | End | None:
        self.looked += 1
        return None

    def send(self, data: bytes) -> int:
        return 0

    def writable_fileno(self) -> int:
        return self._full

    def close_stdin(self) -> None:
        raise AssertionError("nothing was sent yet")

    def resize(self, *, rows: int, columns: int) -> None:
        raise NotImplementedError

    def signal(self, number: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        for fd in (self._quiet, self._full):
            os.close(fd)


def test_waiting_for_room_is_waiting() -> None:
    session = Deaf()
    with pytest.raises(DeadlineExceeded):
        pump(session, stdin=b"x" * 100, stdout=None, stderr=None, cancel=Cancel(0.3))
    session.close()
    assert session.looked < 5


class Scripted:
    """A session that says what it was told to say, takes three bytes at a time, and notes what it was given."""

    terminal = False
    stdin_open = True
    carried: frozenset[int] = frozenset()

    def __init__(self, *said: Output, until_closed: bool = False) -> None:
        self._said = list(said)
        self._until_closed = until_closed
        self._ready = os.eventfd(1, os.EFD_CLOEXEC)
        self.given = b""
        self.closed = 0

    def fileno(self) -> int:
        return self._ready

    def receive(self) -> Output | End | None:
        if self._said:
            return self._said.pop(0)
        return None if self._until_closed and not self.closed else End(Outcome.EXITED)

    def send(self, data: bytes) -> int:
        self.given += data[:3]
        return len(data[:3])

    def writable_fileno(self) -> int:
        return self._ready

    def close_stdin(self) -> None:
        self.closed += 1

    def resize(self, *, rows: int, columns: int) -> None:
        raise NotImplementedError

    def signal(self, number: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        os.close(self._ready)


SAID = (Output(1, b"one "), Output(2, b"err"), Output(1, b"two"))


def test_bytes_in_and_anything_that_writes_out() -> None:
    session, out, err = Scripted(*SAID, until_closed=True), io.BytesIO(), Collected()
    end = pump(session, stdin=b"0123456789", stdout=out, stderr=err, cancel=Cancel(20))
    assert end.outcome is Outcome.EXITED and (session.given, session.closed) == (b"0123456789", 1)
    assert (out.getvalue(), err.content) == (b"one two", b"err")
    session.close()


def test_files_and_descriptors(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(b"from a file")
    session = Scripted(*SAID, until_closed=True)
    with source.open("rb") as given, (tmp_path / "out").open("wb") as out:
        out.write(b"before ")  # still in the object's buffer
        reader, writer = os.pipe()
        pump(session, stdin=given, stdout=out, stderr=writer, cancel=Cancel(20))
        os.close(writer)
        assert os.read(reader, 100) == b"err"
        os.close(reader)
    assert session.given == b"from a file" and (tmp_path / "out").read_bytes() == b"before one two"
    session.close()


def test_no_source_leaves_the_input_alone_and_no_bytes_close_it() -> None:
    for source, closed in ((None, 0), (b"", 1)):
        session = Scripted(*SAID)
        pump(session, stdin=source, stdout=None, stderr=None, cancel=Cancel(20))
        assert session.closed == closed
        session.close()


def test_what_the_shim_carries_is_left_to_it() -> None:
    session, out = Scripted(*SAID[1:2]), Collected()
    session.carried = frozenset({0, 1})
    pump(session, stdin=b"never sent", stdout=out, stderr=out, cancel=Cancel(20))
    assert (session.given, session.closed, out.content) == (b"", 0, b"err")
    session.close()


def test_a_slow_reader_is_waited_for_and_loses_nothing() -> None:
    session = Scripted(*(Output(1, bytes((n,)) * 65536) for n in range(40)))
    reader, writer = os.pipe()
    got: list[bytes] = []

    def read() -> None:
        while data := os.read(reader, 5000):
            got.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    pump(session, stdin=None, stdout=writer, stderr=None, cancel=Cancel(60))
    os.close(writer)
    thread.join(60)
    assert b"".join(got) == b"".join(bytes((n,)) * 65536 for n in range(40))
    os.close(reader)
    session.close()


def test_a_reader_that_is_gone_is_an_error() -> None:
    session = Scripted(*SAID)
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        pump(session, stdin=None, stdout=writer, stderr=None, cancel=Cancel(20))
    os.close(writer)
    session.close()


def test_a_writer_that_takes_less_gets_the_rest_again() -> None:
    class Stingy:
        def __init__(self) -> None:
            self.taken = b""

        def write(self, data: bytes, /) -> int:
            self.taken += data[:2]
            return len(data[:2])

    session, out = Scripted(*SAID), Stingy()
    pump(session, stdin=None, stdout=out, stderr=None, cancel=Cancel(20))
    assert out.taken == b"one two"
    session.close()


@pytest.mark.parametrize("wrong", ["text", 1.5, object()])
def test_what_is_neither_source_nor_sink(wrong: object) -> None:
    session = Scripted()
    with pytest.raises(InvalidInput):
        pump(session, stdin=wrong, stdout=None, stderr=None, cancel=Cancel(5))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        pump(session, stdin=None, stdout=wrong, stderr=None, cancel=Cancel(5))  # type: ignore[arg-type]
    session.close()


def test_memory_files_have_no_descriptor() -> None:
    assert [descriptor(end) for end in (io.BytesIO(), b"bytes", None, 7)] == [-1, -1, -1, 7]


def test_feeding_alone_ends_with_the_input() -> None:
    session = Scripted(*SAID, until_closed=True)
    feed(session, b"everything", Cancel(20))
    assert (session.given, session.closed) == (b"everything", 1)
    session.close()
