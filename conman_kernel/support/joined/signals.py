"""Signals of the calling process while a session has its terminal or pipes: watched, and given back afterwards.

Python lets the main thread alone have signal handlers; anywhere else nothing is changed and nothing is heard.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from types import FrameType, TracebackType
    from typing import Callable, TypeVar

    T = TypeVar("T")
    _Handler = Callable[[int, FrameType | None], object] | int | None
else:
    import _signal as signal  # the enumerations of the other half are a millisecond of every command

RESIZED = signal.SIGWINCH
CONTINUED = signal.SIGCONT
GONE = signal.SIGHUP
"""What a terminal that goes away sends."""

BACKGROUND_READ, BACKGROUND_WRITE = signal.SIGTTIN, signal.SIGTTOU
STOPPING = (signal.SIGTSTP, BACKGROUND_READ, BACKGROUND_WRITE)
"""What stops a process and can be caught."""

_FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
# After a real fault a handler in Python never runs: the instruction would be tried again, for ever, on a raw terminal.

_NEVER = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGURG, RESIZED, CONTINUED, *STOPPING, *_FAULTS}

DEADLY = tuple(sorted(int(number) for number in signal.valid_signals() if number not in _NEVER))
"""What would end the calling process and leave its terminal raw: every signal that does so by default, real-time ones too, but
for SIGKILL and the four of a fault."""

PROXIED = (*DEADLY, CONTINUED)
"""What ``--sig-proxy`` passes on. Not those that stop a process: job control of the calling shell goes on working."""

_FROM_PROGRAMS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
                  CONTINUED)
"""What is taken even where the program has a handler of its own; a profiler's timer is not."""

_UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)


class SignalWatch:
    """A context in which some signals arrive as bytes on a descriptor.

    The interpreter's own C code writes them (``signal.set_wakeup_fd``): a handler in Python would run only once poll(2) returns,
    which one that comes just before it does not make it do. That descriptor is the process's: what was there before gets what is
    not watched here.

    :param numbers: which. Those that the program ignores stay ignored (nohup; SIGPIPE and SIGXFSZ in every Python).
    :param take_over: also those of a person's wishes that the program has handlers for; else these stay as they are.
    """

    def __init__(self, numbers: tuple[int, ...], *, take_over: bool) -> None:
        self._numbers = numbers
        self._take_over = take_over
        self._before: dict[int, _Handler] = {}
        self._reader = self._writer = self._others = -1
        self._main = False

    def __enter__(self) -> SignalWatch:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self._others = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            self._main = True
            for number in self._numbers:
                before = signal.getsignal(number)
                if before in _UNTOUCHED or (self._take_over and callable(before) and number in _FROM_PROGRAMS):
                    signal.signal(number, _heard)
                    self._before[number] = before
        except ValueError:
            return self  # not the main thread
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()
        if self._main:
            signal.set_wakeup_fd(self._others)
        for fd in (self._reader, self._writer):
            os.close(fd)
        self._reader = self._writer = -1

    def fileno(self) -> int:
        """Readable when a signal came."""
        return self._reader

    def watches(self, number: int) -> bool:
        """Whether this signal is heard here."""
        return number in self._before

    def take(self) -> bytes:
        """The numbers of the signals that came, one byte each; never blocks."""
        try:
            came = os.read(self._reader, 4096)
        except BlockingIOError:
            return b""
        others = bytes(number for number in came if number not in self._before)
        if others and self._others >= 0:
            try:
                os.write(self._others, others)
            except OSError:
                pass  # full, or gone: what it is there for has happened, or nobody looks
        return bytes(number for number in came if number in self._before)

    def unheard(self, number: int, action: Callable[[], T]) -> T:
        """Do something while a signal does what it does by default."""
        if number not in self._before:
            return action()
        signal.signal(number, signal.SIG_DFL)
        try:
            return action()
        finally:
            signal.signal(number, _heard)

    def stop(self, number: int) -> None:
        """Stop this process as the signal would have, had it not been watched. Returns once it is continued; at once where
        nobody would continue it (an orphaned process group)."""
        self.unheard(number, lambda: os.kill(os.getpid(), number))


def _heard(number: int, frame: object) -> None:
    """That there is a handler is enough: see :class:`SignalWatch`."""


def die_of(number: int) -> None:
    """End as if the signal had never been caught. Called once everything is restored; returns where the program has a handler
    for it, or ignores it."""
    os.kill(os.getpid(), number)
