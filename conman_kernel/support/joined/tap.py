"""What is told of a session while :func:`~.loop.join` carries it: a recorder, a filter of one's own."""

from __future__ import annotations

from typing import Protocol

from ...slots.attach import End


class Tap(Protocol):
    """Called by the loop, in its thread, in the order of what happens. No method may block for long (keys wait meanwhile) or
    raise: what an observer cannot do is no reason to end a person's session."""

    def output(self, data: bytes, stream: int) -> None:
        """A piece of output came, 1 byte to 64 KiB, before it is shown. It may begin and end within a character."""
        ...

    def input(self, data: bytes) -> None:
        """This goes to the process; detach keys and what only began like them aside."""
        ...

    def resize(self, *, rows: int, columns: int) -> None:
        """The terminal has this size now: once at the beginning, and whenever it changes. Never without a terminal."""
        ...

    def end(self, end: End | None) -> None:
        """It is over, the caller's terminal is restored. Called once, always.

        :param end: how it ended; None: an error, the cancel token, or a signal that ends this process next.
        """
        ...
