"""SIGINT, SIGTERM and SIGHUP ask the kernel to stop: it undoes what it began; the exit code is 128 + the signal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..cancel import Cancel

if TYPE_CHECKING:
    import signal
    from types import FrameType
    from typing import Callable

    from .waiting import Waiting

    _Handler = Callable[[int, FrameType | None], object] | int | None
else:
    import _signal as signal  # the enumerations of the other half are a millisecond of every command

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that stop a command."""


class Cancelling:
    """While entered, a signal of :data:`CAUGHT` fires the cancel token; the handlers before it are put back at the end, and the
    token is closed.

    A second signal while the kernel still undoes changes nothing: undo is short, and half an undo is what nobody wants. Only a
    plugin that does not come back is left, see :mod:`.waiting`.
    Signals that were ignored when the command began (``nohup``, a background job) stay ignored.

    :param waiting: is told of each signal.
    :ivar number: the first signal that came, or 0.
    """

    __slots__ = ("_before", "_cancel", "_waiting", "_wakeup", "number")

    def __init__(self, cancel: Cancel, waiting: Waiting | None = None) -> None:
        self._cancel = cancel
        self._waiting = waiting
        self._before: list[tuple[int, _Handler]] = []
        self._wakeup = -1
        self.number = 0

    def __enter__(self) -> Cancelling:
        self._wakeup = signal.set_wakeup_fd(self._cancel.wakeup_fileno(), warn_on_full_buffer=False)
        for number in CAUGHT:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before.append((number, signal.signal(number, self._caught)))
        return self

    def __exit__(self, *details: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)
        self._before.clear()
        signal.set_wakeup_fd(self._wakeup)
        self._cancel.close()  # only now: it holds the descriptor that signals are written to

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if not self.number:
            self.number = number
            from signal import Signals

            self._cancel.cancel(f"stopped by {Signals(number).name}")
        if self._waiting is not None:
            self._waiting.interrupted()
