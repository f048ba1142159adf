"""The event loop: epoll over descriptors, a few timers, and signals that arrive through a pipe."""

from __future__ import annotations

import os
import select
import time

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    import signal as _signal
    from typing import Callable
else:
    import _signal  # the pure half builds enumerations that cost 0.8 MB a container

READ = select.EPOLLIN
WRITE = select.EPOLLOUT


class Timer:
    """A call that is to come; :meth:`Loop.cancel` takes it back."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback


class Loop:
    """Handlers by descriptor. A handler gets the epoll events; it may add and remove any."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._timers: list[Timer] = []

    def add(self, fd: int, events: int, handler: Callable[[int], None]) -> None:
        self._epoll.register(fd, events)
        self._handlers[fd] = handler

    def modify(self, fd: int, events: int) -> None:
        self._epoll.modify(fd, events)

    def remove(self, fd: int) -> None:
        """Forget a descriptor before it is closed. One that is not there is no error."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back once, some seconds from now."""
        timer = Timer(time.monotonic() + seconds, callback)
        self._timers.append(timer)
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Take it back. One that has been, or None, is no error."""
        if timer in self._timers:
            self._timers.remove(timer)

    def turn(self) -> None:
        """Wait for one batch of events or timers and handle it."""
        wait = -1.0
        if self._timers:
            wait = max(0.0, min(timer.at for timer in self._timers) - time.monotonic())
        for fd, events in self._epoll.poll(wait):
            handler = self._handlers.get(fd)
            if handler is not None:
                handler(events)
        if self._timers:
            now = time.monotonic()
            for timer in [timer for timer in self._timers if timer.at <= now]:
                if timer in self._timers:  # not cancelled by one before it
                    self._timers.remove(timer)
                    timer.callback()


def signal_pipe(numbers: tuple[int, ...]) -> int:
    """Catch these signals: each writes its number as one byte into the pipe whose reading end is returned."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    _signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in numbers:
        _signal.signal(number, lambda *_: None)
    return reader


def default_signals(numbers: tuple[int, ...]) -> None:
    """Undo :func:`signal_pipe`, and what Python ignores of itself, before another program is exec'd."""
    for number in (*numbers, _signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    _signal.set_wakeup_fd(-1)
