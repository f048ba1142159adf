"""What a person is told of a plugin that does not come back, and how they get away from it.

Beside that: while a plugin is loaded, what it (or a program it starts) writes to standard output goes to standard error, so that
it cannot get into what the command prints. Python's own ``sys.stdout`` is that for the whole command, see :mod:`.entry`.
"""

from __future__ import annotations

import os
import time
from _thread import get_ident
from typing import TYPE_CHECKING

from ..calls import Call, Left
from . import out

if TYPE_CHECKING:
    import signal
    from types import FrameType
else:
    import _signal as signal  # the enumerations of the other half are a millisecond of every command

PATIENCE = 4.0
"""Seconds after which a plugin that has not answered is named."""

GRACE = 2.0
"""Seconds that a plugin has after Ctrl-C: a sound one watches its cancel token and is back at once."""


class _Waited:
    """One call under way, and since when. ``asked``: when it was interrupted, or 0."""

    __slots__ = ("asked", "call", "since", "told")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.since = time.monotonic()
        self.asked = 0.0
        self.told = call.lasting


class Waiting:
    """Watches the calls into plugins of one command. Made and entered in the main thread; nothing runs but while a call does.

    :ivar entered: the alarm that it works by is taken.
    """

    __slots__ = ("_before", "_by_thread", "_lasting", "_main", "_short", "_stdout", "entered")

    def __init__(self) -> None:
        self._by_thread: dict[int, list[_Waited]] = {}
        self._main = get_ident()
        self._stdout: list[int] = []
        self._short = 0
        self._lasting = 0
        self._before: object = None
        self.entered = False

    def __enter__(self) -> Waiting:
        self.entered = True
        self._before = signal.signal(signal.SIGALRM, self._tick)
        return self

    def __exit__(self, *details: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)  # type: ignore[arg-type]

    def began(self, call: Call) -> None:
        """See :class:`conman_kernel.calls.Watcher`."""
        thread = get_ident()
        self._by_thread.setdefault(thread, []).append(_Waited(call))
        if thread == self._main and call.loading:
            self._divert()
        if call.lasting and thread == self._main:
            # A person's session: an alarm does what it does to any program, so that the session restores the terminal first.
            self._lasting += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)  # type: ignore[arg-type]
        if not call.lasting:
            self._short += 1
            if self._short == 1 and not self._lasting:
                signal.setitimer(signal.ITIMER_REAL, PATIENCE, GRACE)

    def ended(self, call: Call) -> None:
        """See :class:`conman_kernel.calls.Watcher`."""
        thread = get_ident()
        stack = self._by_thread.get(thread, [])
        if stack and stack[-1].call is call:
            stack.pop()
        if not stack:
            self._by_thread.pop(thread, None)
        if thread == self._main and call.loading:
            self._restore()
        if call.lasting and thread == self._main:
            self._lasting -= 1
            signal.signal(signal.SIGALRM, self._tick)
        self._short -= not call.lasting
        if not self._short:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def interrupted(self) -> None:
        """A signal came that asks the command to stop: whoever holds up the main thread is given :data:`GRACE`."""
        for waited in self._by_thread.get(self._main, ()):
            waited.asked = waited.asked or time.monotonic()
        if self._main in self._by_thread:
            signal.signal(signal.SIGALRM, self._tick)
            signal.setitimer(signal.ITIMER_REAL, GRACE, GRACE)

    def _tick(self, number: int, frame: FrameType | None) -> None:
        if not self._by_thread:  # not ours: somebody else's alarm does what it always did
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGALRM)
            return
        now = time.monotonic()
        for stack in tuple(self._by_thread.values()):
            for waited in tuple(stack[-1:]):
                if not waited.told and now - waited.since >= PATIENCE * 0.75:
                    waited.told = True
                    out.error_text(f"conman: waiting for {waited.call.owner.plugin} ({waited.call.owner.distribution}) "
                                   f"in {waited.call.what}\n")
        mine = self._by_thread.get(self._main)
        if mine and mine[-1].asked and now - mine[-1].asked >= GRACE * 0.9:
            raise Left

    def _divert(self) -> None:
        """Descriptor 1 becomes standard error; several loads may be nested."""
        self._stdout.append(os.dup(1))
        os.dup2(2, 1)

    def _restore(self) -> None:
        if self._stdout:
            kept = self._stdout.pop()
            os.dup2(kept, 1)
            os.close(kept)
