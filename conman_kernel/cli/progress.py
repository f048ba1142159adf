"""The progress of a pull or a copy on standard error: a bar per layer on a terminal, podman's plain lines elsewhere."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from . import out
from .wording import size

if TYPE_CHECKING:
    from ..images.records import Progress

_INTERVAL = 0.1
"""Seconds between two redraws."""

_NARROW = 50
"""Columns below which there is no room for a bar."""


_SKIPPED = {"exists": " skipped: already exists", "mounted": " mounted from another repository"}


class PlainProgress:
    """One line per layer, when it begins."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, event: Progress) -> None:
        """Take one event; from any thread, one at a time."""
        if event.kind not in ("downloading", "exists", "sending", "mounted"):
            return
        if event.digest in self._seen:
            return
        self._seen.add(event.digest)
        skipped = _SKIPPED.get(event.kind, "")
        out.error_text(f"Copying blob {event.digest}{skipped}\n")

    def close(self) -> None:
        """Nothing is left to do: lines stay where they are."""


class BarProgress:
    """A bar per layer, redrawn in place; a finished layer's line stays above the bars.

    :param fd: the terminal; its width is asked for at every redraw.
    """

    def __init__(self, fd: int = 2) -> None:
        self._fd = fd
        self._layers: dict[str, Progress] = {}
        self._finished: set[str] = set()
        self._drawn = 0
        self._next = 0.0

    def __call__(self, event: Progress) -> None:
        """Take one event; from any thread, one at a time."""
        if event.kind in ("resolving", "done"):
            return
        if event.digest in self._finished:
            return
        before = self._layers.get(event.digest)
        self._layers[event.digest] = event
        now = time.monotonic()
        if now >= self._next or before is None or before.kind != event.kind:
            self._next = now + _INTERVAL
            self._draw()

    def close(self) -> None:
        """Draw once more and leave the cursor below. May be called twice."""
        self._draw()
        self._drawn = 0
        self._layers.clear()

    def _draw(self) -> None:
        columns, rows = self._dimensions()
        above: list[str] = []
        for digest, event in list(self._layers.items()):
            if event.kind in ("unpacked", "exists", "mounted", "sent"):
                above.append(_line(event, columns))
                self._finished.add(digest)
                del self._layers[digest]
        live = [_line(event, columns) for event in self._layers.values()][:max(1, rows - 2)]
        back = f"\x1b[{self._drawn}A\r\x1b[J" if self._drawn else ""
        if back or above or live:
            out.error_text(back + "".join(line + "\n" for line in above + live))
        self._drawn = len(live)

    def _dimensions(self) -> tuple[int, int]:
        try:
            columns, rows = os.get_terminal_size(self._fd)
        except OSError:
            columns, rows = 80, 24
        return columns or 80, rows or 24


def _line(event: Progress, columns: int) -> str:
    name = event.digest.partition(":")[2][:12] or event.digest[:12]
    start = f"{'Unpacking layer' if event.kind == 'unpacking' else 'Copying blob'} {name} "
    if event.kind in _SKIPPED:
        return _fitted(start.rstrip() + _SKIPPED[event.kind], columns)
    if event.kind in ("downloaded", "unpacked", "sent"):
        return _fitted(f"Copying blob {name} done" + (f" | {size(event.total)}" if event.total > 0 else ""), columns)
    amount = f" {size(event.current)}" + (f" / {size(event.total)}" if event.total > 0 else "")
    room = columns - 1 - 30 - 22
    if columns < _NARROW or event.total <= 0 or room < 4:
        return _fitted(start + amount.strip(), columns)
    full = min(room, room * event.current // event.total)
    bar = "=" * full + (">" if full < room else "") + "-" * (room - full - 1)
    return _fitted(f"{start:<30}[{bar}]{amount}", columns)


def _fitted(line: str, columns: int) -> str:
    return line[:max(1, columns - 1)]
