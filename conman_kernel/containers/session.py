"""A session: the kernel's end of a container's attach socket (``shim/PROTOCOL.md``, "Attach socket")."""

from __future__ import annotations

import _socket  # see shim.py: the pure half costs milliseconds that every `run` would pay
import os
import select
import sys

from ..cancel import Cancel
from ..errors import InvalidInput, InvalidState, NotFound, ShimLost
from ..slots.attach import End, Outcome, Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

VERSION = 1
PAYLOAD = 64 * 1024

_HELLO, _STDIN, _STDIN_END, _RESIZE, _SIGNAL, _DETACH = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
_CHECK, _CHECKED = 0x07, 0x89
_WELCOME, _REFUSED, _STDOUT, _STDERR, _EXITED, _DROPPED, _WINDOW, _BROKEN = 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88
_WANTS_STDIN, _WANTS_STDOUT, _WANTS_STDERR, _FOREGROUND = 1, 2, 4, 8
_PASSES = 16  # and the two bits above: descriptors for streams 0, 1, 2 come with the hello
_TERMINAL, _STDIN_OPEN, _IN_FOREGROUND, _CHECKS = 1, 2, 4, 64
_TAKEN = 8  # and the two bits above: those descriptors were taken
_RETRY_SECONDS = 0.01
_CONTROL_SECONDS = 5.0


def check_signal(number: int) -> None:
    """Refuse what is no signal.

    :raises InvalidInput: it is none of 1 to 64.
    """
    if number not in range(1, 65):
        raise InvalidInput(f"invalid signal {number!r}", hint="a number from 1 to 64, such as signal.SIGTERM")


def connect(socket_path: str, *, stdin: bool, stdout: bool, stderr: bool, foreground: bool,
            descriptors: tuple[int, int, int] = (-1, -1, -1), cancel: Cancel) -> SocketSession:
    """Join a container's streams. Do it before its start, and no byte is lost; there is no replay.

    :param socket_path: as in :attr:`ShimConfig.socket`; any length.
    :param stdin: feed its standard input, where it has one and no other session feeds it.
    :param stdout: get stream 1. ``stderr``: get stream 2.
    :param foreground: push back on the container instead of being dropped when too slow. For the session that
        ``run`` opens only; a shim grants it to the first that joins before the start.
    :param descriptors: non-blocking pipes for streams 0, 1, 2 that the shim is asked to carry itself, -1 for none; they
        stay the caller's to close. See :attr:`SocketSession.carried` for what became of it.
    :raises NotFound: nothing listens there: the process has ended, or was never started.
    :raises InvalidState: the shim refuses, and says why (somebody else is attached).
    :raises ShimLost: the shim is gone in the middle of it.
    :raises Cancelled: as the token says (DeadlineExceeded, too).
    """
    connection = _connected(socket_path, cancel)
    try:
        flags = stdin * _WANTS_STDIN | stdout * _WANTS_STDOUT | stderr * _WANTS_STDERR | foreground * _FOREGROUND
        _say_hello(connection, flags, descriptors)
        answer = b""
        while not answer:
            cancel.wait_readable(connection.fileno())
            answer = _packet(connection) or b""
        if answer[0] == _REFUSED:
            raise InvalidState(f"cannot attach: {answer[1:].decode('utf-8', 'replace')}")
        if answer[0] != _WELCOME or len(answer) < 7:
            raise ShimLost("cannot attach: the shim's answer makes no sense")
    except OSError as error:
        connection.close()
        raise ShimLost("cannot attach: the shim went away") from error
    except BaseException:
        connection.close()
        raise
    return SocketSession(connection, flags=answer[2], window=int.from_bytes(answer[3:7], "big"))


def _say_hello(connection: _socket.socket, flags: int, descriptors: tuple[int, int, int]) -> None:
    passed = b""
    for stream, fd in enumerate(descriptors):
        if fd >= 0:
            flags |= _PASSES << stream
            passed += fd.to_bytes(4, sys.byteorder)
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, passed)] if passed else []
    connection.sendmsg([bytes((_HELLO, VERSION, flags))], ancillary, _socket.MSG_NOSIGNAL)


def _connected(path: str, cancel: Cancel) -> _socket.socket:
    folder, name = os.path.split(path)
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFound(f"cannot attach: {folder} does not exist") from error
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        connection.setblocking(False)
        while True:
            try:
                connection.connect(f"/proc/self/fd/{handle}/{name}")  # a socket address holds 107 bytes, a path 4096
                return connection
            except BlockingIOError:
                cancel.wait_readable(timeout=_RETRY_SECONDS)  # its queue is full, and a connect cannot be polled for
    except (FileNotFoundError, ConnectionRefusedError) as error:
        connection.close()
        raise NotFound("cannot attach: no shim listens", hint="the process has ended, or was never started") from error
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(handle)


def _packet(connection: _socket.socket) -> bytes | None:
    """The next packet, non-blocking; None: nothing now.

    :raises ConnectionError: the end.
    """
    while True:
        try:
            packet = connection.recv(1 + PAYLOAD)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            continue  # the peer closed with packets of ours unread; said once, and what it sent is still there
        if not packet:
            raise ConnectionError("the connection ended")
        return packet


class SocketSession:
    """A connected session; implements :class:`conman_kernel.slots.attach.Session`. A context manager, which closes it.

    :ivar foreground: the container waits for this session where it is slow.
    :ivar carried: streams that the shim carries by the descriptors it was given: no frames come or go for them.
    :ivar checks: the container has a health check that can be asked for.
    :ivar signals: called with each signal before it is sent; None: nobody asks.
    :ivar exit_code: the exit code that came with the end; advisory (the exit file is the truth); -1: none came.
    """

    __slots__ = ("_begin", "_blocked", "_connection", "_end", "_input_ended", "_window", "carried", "checks", "exit_code",
                 "foreground", "signals", "stdin_open", "terminal")

    def __init__(self, connection: _socket.socket, *, flags: int, window: int) -> None:
        self._connection = connection
        self._window = window
        self._blocked = -1
        self._begin: Callable[[], None] | None = None
        self._end: End | None = None
        self._input_ended = False
        self.signals: Callable[[int], None] | None = None
        self.terminal = bool(flags & _TERMINAL)
        self.stdin_open = bool(flags & _STDIN_OPEN)
        self.checks = bool(flags & _CHECKS)
        self.foreground = bool(flags & _IN_FOREGROUND)
        self.carried = frozenset(stream for stream in (0, 1, 2) if flags & _TAKEN << stream)
        self.exit_code = -1

    def hold(self, begin: Callable[[], None]) -> None:
        """Have ``begin`` called once the session is first listened to: whoever carries it has his signals in hand by then, and
        what the process says may lead to some."""
        self._begin = begin

    def _listen(self) -> None:
        begin, self._begin = self._begin, None
        try:
            if begin is not None:
                begin()
        except ShimLost as error:
            self._end = End(Outcome.LOST, error.message)  # as if it had been killed a moment later

    def fileno(self) -> int:
        """Readable when :meth:`receive` has something; -1 once closed."""
        if self._begin is not None:
            self._listen()
        return self._connection.fileno()

    def receive(self) -> Output | End | None:
        """The next piece of output, or the end (again and again after it), or None: nothing now. Never blocks.

        :raises OSError: a descriptor that the shim carries takes nothing more (BrokenPipeError: its reader is gone).
        """
        if self._begin is not None:
            self._listen()
        while self._end is None:
            try:
                packet = _packet(self._connection)
            except OSError:
                self._end = End(Outcome.LOST, "the connection to the shim broke")
                break
            if packet is None:
                return None
            kind = packet[0]
            if kind in (_STDOUT, _STDERR):
                return Output(1 if kind == _STDOUT else 2, packet[1:])
            if kind == _WINDOW:
                self._window += int.from_bytes(packet[1:5], "big")
            elif kind == _EXITED:
                self.exit_code = packet[1] if len(packet) > 1 else -1
                self._end = End(Outcome.EXITED)
            elif kind == _BROKEN and len(packet) >= 6:
                number = int.from_bytes(packet[2:6], "big")
                raise OSError(number, os.strerror(number))
            elif kind == _DROPPED:
                self._end = End(Outcome.LOST, packet[1:].decode("utf-8", "replace"))
        return self._end

    def send(self, data: bytes) -> int:
        """Offer bytes to the process's standard input. Never blocks.

        :returns: how many bytes were taken; 0 when the process reads too slowly (wait on :meth:`writable_fileno`,
            and go on receiving: what makes room arrives there).
        :raises InvalidState: the session feeds no input, or :meth:`close_stdin` was called.
        """
        if not self.stdin_open or self._input_ended:
            raise InvalidState("this session feeds no input" if not self.stdin_open else "the input of this session has ended")
        taken = 0
        view = memoryview(data)
        while taken < len(data) and self._window > 0:
            piece = view[taken:taken + min(PAYLOAD, self._window)]
            try:
                self._connection.sendmsg((bytes((_STDIN,)), piece), (), _socket.MSG_NOSIGNAL)
            except OSError:
                break  # full; or broken, and then receive() says so
            taken += len(piece)
            self._window -= len(piece)
        return taken

    def writable_fileno(self) -> int:
        """Writable (POLLOUT) when :meth:`send` will take something. Ask again before each wait: it changes."""
        if self._window > 0:
            return self._connection.fileno()
        if self._blocked < 0:
            self._blocked = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            os.eventfd_write(self._blocked, 2**64 - 2)  # a full counter is not writable, and nobody empties this one
        return self._blocked

    def close_stdin(self) -> None:
        """Half-close: the process sees the end of its input after all that was sent. May be called twice."""
        if self.stdin_open and not self._input_ended:
            self._input_ended = True
            self._control(bytes((_STDIN_END,)))

    def resize(self, *, rows: int, columns: int) -> None:
        """Set the terminal's size. Without a terminal nothing happens. From any thread.

        :raises InvalidInput: a size that no terminal has.
        """
        if not (0 <= rows < 1 << 16 and 0 <= columns < 1 << 16):
            raise InvalidInput(f"a terminal cannot have {rows} rows and {columns} columns", hint="0 to 65535 each")
        if self.terminal:
            self._control(bytes((_RESIZE,)) + rows.to_bytes(2, "big") + columns.to_bytes(2, "big"))

    def signal(self, number: int) -> None:
        """Send a signal to the container's main process. From any thread.

        :raises InvalidInput: there is no such signal.
        """
        check_signal(number)
        if self.signals is not None:
            self.signals(number)
        self._control(bytes((_SIGNAL, number)))

    def check(self, cancel: Cancel) -> tuple[int, bytes]:
        """Have the container's health checked; of a session that gets no output.

        :returns: 0: healthy, 1: not, 2: it was not checked; and what the check wrote, or why not.
        :raises InvalidState: the container has ended.
        :raises Cancelled: as the token says (DeadlineExceeded, too); the check goes on.
        """
        self._control(bytes((_CHECK,)))
        while True:
            cancel.wait_readable(self._connection.fileno())
            try:
                packet = _packet(self._connection)
            except OSError:
                packet = bytes((_DROPPED,))
            if packet is not None and packet[0] in (_EXITED, _DROPPED):
                raise InvalidState("the container has ended")
            if packet is not None and packet[0] == _CHECKED and len(packet) > 1:
                return packet[1], packet[2:]

    def detach(self) -> None:
        """Leave on purpose: the container's input stays open whatever its settings. Then close."""
        self._control(bytes((_DETACH,)))
        self.close()

    def __enter__(self) -> SocketSession:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave. May be called twice."""
        self._connection.close()
        fd, self._blocked = self._blocked, -1
        if fd >= 0:
            os.close(fd)
        if self._end is None:
            self._end = End(Outcome.LOST, "the session was closed")

    def _control(self, frame: bytes) -> None:
        fd = self._connection.fileno()
        if fd < 0:
            return
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        while True:
            try:
                self._connection.send(frame, _socket.MSG_NOSIGNAL)
                return
            except BlockingIOError:
                if not poll.poll(_CONTROL_SECONDS * 1000):
                    raise ShimLost("the shim has stopped listening") from None
            except OSError:
                return  # broken: receive() says so
