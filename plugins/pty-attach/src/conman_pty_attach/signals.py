"""Signals of the calling process while a session has its terminal or pipes: watched, and given back afterwards.

Python lets the main thread alone have signal handlers; anywhere else nothing is changed and nothing is heard.
"""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Callable

RESIZED = signal.SIGWINCH
CONTINUED = signal.SIGCONT
DEADLY = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""What would end the calling process and leave its terminal raw."""

PROXIED = (*DEADLY, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGCONT)
"""What ``--sig-proxy`` passes on. Not those that stop a process: job control of the calling shell goes on working."""

_Handler = Callable[[int, FrameType | None], object] | int | None
_UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)


class SignalWatch:
    """A context in which some signals arrive as bytes on a descriptor.

    :param numbers: which. Those that the program ignores stay ignored (nohup).
    :param take_over: also those that the program has handlers for; else these stay as they are.
    """

    def __init__(self, numbers: tuple[int, ...], *, take_over: bool) -> None:
        self._numbers = numbers
        self._take_over = take_over
        self._before: dict[int, _Handler] = {}
        self._reader = self._writer = -1

    def __enter__(self) -> SignalWatch:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            for number in self._numbers:
                before = signal.getsignal(number)
                if before in _UNTOUCHED or (self._take_over and callable(before)):
                    signal.signal(number, self._heard)
                    self._before[number] = before
        except ValueError:
            self._before.clear()  # not the main thread
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()
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
            return os.read(self._reader, 4096)
        except BlockingIOError:
            return b""

    def _heard(self, number: int, frame: object) -> None:
        try:
            os.write(self._writer, bytes((number,)))
        except OSError:
            return  # full: that many are waiting to be looked at already


def die_of(number: int) -> None:
    """End as if the signal had never been caught. Called once everything is restored."""
    os.kill(os.getpid(), number)
