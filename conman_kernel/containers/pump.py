"""The kernel's own carrying of bytes between a session and what a program gives: no terminal, no signals, no attach plugin."""

from __future__ import annotations

import io
import os
import select
from typing import TYPE_CHECKING

from ..cancel import LONGEST_POLL, Cancel
from ..errors import InvalidInput
from ..slots.attach import End
from .handover import NONE, close_pipes, open_pipes
from .session import SocketSession, connect

if TYPE_CHECKING:
    from typing import Protocol

    from ..slots.attach import Session

    class Joined(Session, Protocol):
        """A session, and what of it the shim carries."""

        @property
        def carried(self) -> frozenset[int]: ...

    class HasFileno(Protocol):
        """An open file, socket or pipe."""

        def fileno(self) -> int: ...

    class HasWrite(Protocol):
        """Anything that takes bytes."""

        def write(self, data: bytes, /) -> object: ...

    class HasRead(Protocol):
        """Bytes in memory; read to their end at once."""

        def read(self) -> bytes: ...

    Source = bytes | bytearray | memoryview | int | HasFileno | HasRead | None
    """Where input comes from: bytes, a descriptor, something with one, a file of bytes in memory, or nothing."""

    Sink = int | HasFileno | HasWrite | None
    """Where output goes: a descriptor, something with one, something with ``write``, or nowhere."""

_PIECE = 64 * 1024
_BATCH = 32
"""Pieces after which input and the token are looked at again."""


def descriptor(end: Source | Sink) -> int:
    """The descriptor of a source or sink, -1 where it has none (bytes, BytesIO, a custom writer).

    What a file object still holds in its buffer is written out first.
    """
    if isinstance(end, int):
        try:
            os.fstat(end)
        except (OSError, OverflowError):
            raise InvalidInput(f"{end} is no open descriptor") from None
        return end
    fileno = getattr(end, "fileno", None)
    if fileno is None:
        return -1
    try:
        number: int = fileno()
        _settle(end, number)
    except OSError:
        return -1  # io.UnsupportedOperation: a file object of bytes in memory
    except ValueError:
        raise InvalidInput("a file that is closed takes and gives nothing") from None
    return number


def _settle(file: object, fd: int) -> None:
    """What a file object holds in its buffer is written, or will be read again: the descriptor is where the object is."""
    writable = getattr(file, "writable", None)
    if writable is not None and writable():
        file.flush()  # type: ignore[attr-defined]
    elif writable is not None and file.seekable():  # type: ignore[attr-defined]
        os.lseek(fd, file.tell(), os.SEEK_SET)  # type: ignore[attr-defined]


def check(stdin: Source, stdout: Sink, stderr: Sink) -> Source:
    """Refuse what is no source or no sink, before anything is started for them.

    :returns: the source to use: what is in memory is read by now.
    :raises InvalidInput: it says what.
    """
    for sink in (stdout, stderr):
        _output(sink).close()
    content = _content(stdin)
    return stdin if content is None else content


def _content(source: Source) -> bytes | None:
    """The bytes of a source that is in memory; None where it has a descriptor, or is none."""
    if source is None or isinstance(source, int):
        return None
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if descriptor(source) >= 0:
        return None
    read = getattr(source, "read", None)
    content: object = read() if read is not None else None
    if not isinstance(content, bytes):
        raise InvalidInput("standard input comes from bytes, a descriptor, or a file of bytes")
    return content


def join(socket_path: str, *, stdin: Source, stdout: Sink, stderr: Sink, stdin_open: bool, terminal: bool,
         cancel: Cancel) -> SocketSession:
    """Join a process before its start, in the foreground, for :func:`pump` with the same sources and sinks. Pipes among them go
    to the shim, which carries their bytes itself.

    :param stdin_open: the process has an open input; ``terminal``: it has a terminal.
    :raises NotFound, InvalidState, ShimLost: as :func:`.session.connect`.
    """
    pipes = NONE if terminal else open_pipes(descriptor(stdin) if stdin_open else -1, descriptor(stdout), descriptor(stderr))
    try:
        return connect(socket_path, stdin=stdin_open and stdin is not None, stdout=stdout is not None,
                       stderr=stderr is not None, foreground=True, descriptors=pipes, cancel=cancel)
    finally:
        close_pipes(pipes)


def pump(session: Joined, *, stdin: Source, stdout: Sink, stderr: Sink, cancel: Cancel) -> End:
    """Carry bytes until the session ends. The session stays the caller's to close.

    :param stdin: after its end the process's input is half-closed; None: it is left as it is.
    :param stdout: takes stream 1; ``stderr`` stream 2. ``write`` is called in this thread, which waits for it.
    :returns: how the session ended.
    :raises OSError: a source or a sink failed: nobody reads (BrokenPipeError), a full disk.
    :raises InvalidInput: a source or a sink is none of those that are taken.
    :raises Cancelled, DeadlineExceeded: by ``cancel``.
    """
    feed = _Feed(session, None if 0 in session.carried else stdin)
    outputs = {stream: _output(None if stream in session.carried else sink) for stream, sink in ((1, stdout), (2, stderr))}
    try:
        while True:
            feed.push()
            for output in outputs.values():
                output.flush()
            end = None if any(output.pending for output in outputs.values()) else _take(session, outputs)
            if end is not None and not any(output.pending for output in outputs.values()):
                return end
            _wait(session, feed, outputs, cancel)
    finally:
        for output in outputs.values():
            output.close()


def feed(session: Joined, source: Source, cancel: Cancel) -> None:
    """Give a process its whole input and half-close it; then return, whatever the process does with it. Output is thrown away.

    :raises OSError: the source failed.
    :raises Cancelled, DeadlineExceeded: by ``cancel``.
    """
    given = _Feed(session, source)
    while not given.ended:
        given.push()
        if _take(session, {1: _Output(), 2: _Output()}) is not None:
            return  # it ended before it had all of it
        if not given.ended:
            _wait(session, given, {}, cancel)


def _take(session: Joined, outputs: dict[int, _Output]) -> End | None:
    """Pass on what is there. None: there is nothing (more) now, or a sink does not take it."""
    for _ in range(_BATCH):
        item = session.receive()
        if item is None or isinstance(item, End):
            return item
        output = outputs[item.stream]
        output.write(item.data)
        if output.pending:
            break
    return None


def _wait(session: Joined, feed: _Feed, outputs: dict[int, _Output], cancel: Cancel) -> None:
    wanted = {cancel.fileno(): select.POLLIN}

    def want(fd: int, events: int) -> None:
        wanted[fd] = wanted.get(fd, 0) | events

    blocked = [output for output in outputs.values() if output.pending]
    for output in blocked:
        want(output.fileno(), select.POLLOUT)
    if not blocked:
        want(session.fileno(), select.POLLIN)
    if feed.rest:
        # Another descriptor than the session's is asked for room alone: whether it is readable means nothing.
        want(session.writable_fileno(), select.POLLOUT)
    elif feed.fd >= 0:
        want(feed.fd, select.POLLIN)
    poll = select.poll()
    for fd, events in wanted.items():
        poll.register(fd, events)
    remaining = cancel.remaining()
    ready = dict(poll.poll(None if remaining is None else min(remaining, LONGEST_POLL) * 1000 + 1))
    cancel.check()
    feed.readable = feed.fd in ready
    if ready.get(session.fileno(), 0) & (select.POLLHUP | select.POLLERR):
        feed.stop()


class _Feed:
    """What goes in: at most one piece that was read and not yet taken."""

    def __init__(self, session: Joined, source: Source) -> None:
        self._session = session
        content = _content(source)
        self.fd = descriptor(source) if content is None else -1
        self.rest = memoryview(content or b"")
        self.readable = False
        self._open = source is not None
        if not session.stdin_open:
            self.stop()  # the process has closed its input, or somebody has ended it

    @property
    def ended(self) -> bool:
        """All was given, and the process's input is closed."""
        return not self._open

    def push(self) -> None:
        """Give what is taken; read on where something is there; half-close at the end."""
        if self.fd >= 0 and not self.rest and self.readable:
            self.readable = False
            try:
                data = os.read(self.fd, _PIECE)
            except BlockingIOError:
                return
            self.rest = memoryview(data)
            if not data:
                self.fd = -1
        while self.rest:
            taken = self._session.send(bytes(self.rest[:_PIECE]))
            self.rest = self.rest[taken:]
            if not taken:
                return
        if self.fd < 0 and self._open:
            self._open = False
            self._session.close_stdin()

    def stop(self) -> None:
        """Nobody takes input any more; polling for room would never wait."""
        self.fd, self.rest, self._open = -1, memoryview(b""), False


class _Output:
    """Nowhere; and what the others look like. ``pending``: a piece waits for :meth:`fileno` to become writable."""

    @property
    def pending(self) -> bool:
        return False

    def fileno(self) -> int:
        return -1

    def write(self, data: bytes) -> None:
        """Take a piece; only while nothing is pending."""

    def flush(self) -> None:
        """Go on with what is pending."""

    def close(self) -> None:
        """Give back what was opened here. May be called twice."""


class _Descriptor(_Output):
    def __init__(self, fd: int) -> None:
        from ..support.joined.sink import Sink as DescriptorSink

        self._sink = DescriptorSink(fd)

    @property
    def pending(self) -> bool:
        return self._sink.pending

    def fileno(self) -> int:
        return self._sink.fileno()

    def write(self, data: bytes) -> None:
        self._sink.write(data)

    def flush(self) -> None:
        if self._sink.pending:
            poll = select.poll()
            poll.register(self._sink.fileno(), select.POLLOUT)
            if poll.poll(0):
                self._sink.flush()

    def close(self) -> None:
        self._sink.close()


class _Writer(_Output):
    def __init__(self, target: HasWrite) -> None:
        self._target = target

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            taken = self._target.write(bytes(rest))
            # An unbuffered file may take less than it was given; a custom writer that returns nothing took it all.
            rest = rest[taken:] if isinstance(taken, int) else rest[:0]


def _output(sink: Sink) -> _Output:
    if sink is None:
        return _Output()
    fd = descriptor(sink)
    if fd >= 0:
        return _Descriptor(fd)
    if not callable(getattr(sink, "write", None)) or isinstance(sink, io.TextIOBase):
        raise InvalidInput("output goes to a descriptor, a file that has one, or something with write() that takes bytes")
    return _Writer(sink)  # type: ignore[arg-type]


class Collected:
    """A sink that keeps everything, for callers that want bytes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes, /) -> None:
        """Take a piece."""
        self._pieces.append(data)

    @property
    def content(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)
