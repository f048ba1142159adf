"""One joined session: bytes, sizes and signals between the caller's descriptors and a container."""

from __future__ import annotations

import errno
import os
import select
import stat
from typing import TYPE_CHECKING

from ...cancel import LONGEST_POLL
from ...errors import Unavailable
from ...slots.attach import AttachRequest, End, Outcome, Output
from . import signals, terminal
from .keys import DetachKeys
from .sink import Sink

if TYPE_CHECKING:
    from .tap import Tap

_PIECE = 64 * 1024
_BATCH = 32
_SIZE_SECONDS = 0.5
"""How often a changed size is looked for where SIGWINCH cannot be heard (not the main thread)."""


def join(request: AttachRequest, tap: Tap | None = None) -> End:
    """Carry a session to its end: what :meth:`conman_kernel.slots.attach.Attach.run` promises.

    While the terminal is raw, signals that would end the process restore it first, then end it, unless the program handles
    or ignores them itself; those that would stop it restore it, stop it, and make it raw again afterwards. A terminal that goes
    away ends it as SIGHUP would. Forwarding takes a signal from the program's own handler for the time of the run. All this and
    ``SIGWINCH`` needs the main thread; elsewhere sizes are polled.

    :param tap: is told of everything that goes through.
    :raises OSError: the output is not taken any more.
    :raises Cancelled: the token fired. DeadlineExceeded: its deadline passed.
    """
    session = request.session
    raw = session.terminal and session.stdin_open and terminal.is_terminal(request.stdin)
    numbers: tuple[int, ...] = ()
    if session.terminal:
        numbers += (signals.RESIZED,)
    if raw:
        numbers += (*signals.DEADLY, *signals.STOPPING, signals.CONTINUED)
    elif request.forward_signals:
        numbers += signals.PROXIED
    end: End | None = None
    try:
        with signals.SignalWatch(numbers, take_over=not raw and request.forward_signals) as watch:
            joined = _Joined(request, watch, terminal.RawTerminal(request.stdin) if raw else None, tap)
            try:
                end = joined.run()
                return end
            finally:
                joined.close()
    except _Deadly as error:
        deadly = error.number
    finally:
        if tap is not None:
            tap.end(end)
    signals.die_of(deadly)
    request.cancel.check()
    return End(Outcome.LOST, f"ended by signal {deadly}")


class _Deadly(Exception):
    """A signal came that ends this process."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _Joined:
    """The loop of one session."""

    def __init__(self, request: AttachRequest, watch: signals.SignalWatch, screen: terminal.RawTerminal | None,
                 tap: Tap | None) -> None:
        self._request = request
        self._session = request.session
        self._watch = watch
        self._screen = screen
        self._tap = tap
        self._keys = DetachKeys(request.detach_keys if screen is not None else b"")
        self._stdin = request.stdin if request.session.stdin_open else -1
        self._input = memoryview(b"")
        self._sinks = {1: Sink(request.stdout), 2: Sink(request.stderr)}
        self._line_ended = True
        self._size: tuple[int, int] | None = None
        self._end: End | None = None
        self._poll = select.poll()
        self._polled: dict[int, int] = {}

    def run(self) -> End:
        if self._screen is not None:
            self._enter(self._screen)
        self._resize()
        while True:
            if self._end is not None and not self._blocked():
                return self._end
            ready = self._wait()
            if self._watch.fileno() in ready:
                self._signalled()
            elif not ready:
                self._resize()
            for sink in self._sinks.values():
                if sink.pending and sink.fileno() in ready:
                    sink.flush()
            if ready.get(self._session.fileno(), 0) & (select.POLLHUP | select.POLLERR):
                self._stdin = -1  # nobody takes input any more; polling for room would never wait
                self._input = memoryview(b"")
            if self._input:
                self._offer()
            elif self._stdin in ready and self._typed():
                self._new_line()
                return End(Outcome.DETACHED)
            if not self._blocked():
                self._take()

    def close(self) -> None:
        """Give everything back. May be called twice."""
        for sink in self._sinks.values():
            sink.close()
        if self._screen is not None:
            self._screen.restore()

    def _blocked(self) -> bool:
        return any(sink.pending for sink in self._sinks.values())

    def _wait(self) -> dict[int, int]:
        """Wait for anything; an empty answer is a look at the clock."""
        cancel = self._request.cancel
        wanted = {cancel.fileno(): select.POLLIN, self._watch.fileno(): select.POLLIN}

        def want(fd: int, events: int) -> None:
            wanted[fd] = wanted.get(fd, 0) | events

        for sink in self._sinks.values():
            if sink.pending:
                want(sink.fileno(), select.POLLOUT)
        if self._end is None:
            if not self._blocked():
                want(self._session.fileno(), select.POLLIN)
            if self._input:
                want(self._session.writable_fileno(), select.POLLOUT)
            elif self._stdin >= 0:
                want(self._stdin, select.POLLIN)
        for fd in [fd for fd in self._polled if fd not in wanted]:
            self._poll.unregister(fd)
        for fd, events in wanted.items():
            if self._polled.get(fd) != events:
                self._poll.register(fd, events)
        self._polled = wanted
        deaf = self._session.terminal and not self._watch.watches(signals.RESIZED)
        limits = [limit for limit in (cancel.remaining(), _SIZE_SECONDS if deaf else None) if limit is not None]
        ready = dict(self._poll.poll(min([*limits, LONGEST_POLL]) * 1000 + 1 if limits else None))
        cancel.check()
        return ready

    def _take(self) -> None:
        """Pass output on until there is none, or it is not taken."""
        for _ in range(_BATCH):
            said = self._session.receive()
            if isinstance(said, Output):
                if self._tap is not None:
                    self._tap.output(said.data, said.stream)
                self._line_ended = said.data[-1:] == b"\n"
                self._sinks[said.stream].write(said.data)
                if self._sinks[said.stream].pending:
                    return
            else:
                self._end = said
                return

    def _typed(self) -> bool:
        """Read input. True: it was the detach keys."""
        if self._screen is not None and terminal.in_background(self._stdin):
            self._stop(self._screen, signals.BACKGROUND_READ)  # a read would, but for the handler that is there
            return False
        try:
            data = os.read(self._stdin, _PIECE)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO or not stat.S_ISCHR(os.fstat(self._stdin).st_mode):
                raise Unavailable(f"standard input cannot be read: {error.strerror}") from error
            data = b""  # EIO: the terminal is gone
        if data:
            passed, detached = self._keys.feed(data)
        elif self._screen is not None:
            raise _Deadly(signals.GONE)  # Ctrl-D is a byte like any other here: only a hangup ends what is typed
        else:
            passed, detached = self._keys.rest(), False
            self._stdin = -1
        if self._tap is not None and passed:
            self._tap.input(passed)
        self._input = memoryview(passed)
        self._offer()
        return detached

    def _offer(self) -> None:
        while self._input:
            taken = self._session.send(bytes(self._input))
            if not taken:
                return
            self._input = self._input[taken:]
        if self._stdin < 0:
            self._session.close_stdin()

    def _new_line(self) -> None:
        """After the detach keys the shell's prompt would stand behind the container's."""
        if not self._line_ended and not self._blocked() and terminal.is_terminal(self._request.stdout):
            self._sinks[1].write(b"\r\n")

    def _signalled(self) -> None:
        for number in self._watch.take():
            if number == signals.RESIZED:
                self._resize()
            elif self._screen is None:
                self._session.signal(number)
            elif number in signals.STOPPING:
                self._stop(self._screen, number)
            elif number == signals.CONTINUED:
                self._enter(self._screen)
                self._resize()
            else:
                raise _Deadly(number)

    def _stop(self, screen: terminal.RawTerminal, number: int) -> None:
        screen.restore()
        self._watch.stop(number)
        self._enter(screen)
        self._resize()

    def _enter(self, screen: terminal.RawTerminal) -> None:
        if not self._watch.unheard(signals.BACKGROUND_WRITE, screen.enter):
            raise _Deadly(signals.GONE)

    def _resize(self) -> None:
        if not self._session.terminal:
            return
        size = terminal.size(self._request.stdin, self._request.stdout, self._request.stderr)
        if size is not None and size != self._size:
            self._size = size
            self._session.resize(rows=size[0], columns=size[1])
            if self._tap is not None:
                self._tap.resize(rows=size[0], columns=size[1])
