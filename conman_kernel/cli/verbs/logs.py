"""``conman logs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from .. import out
from ..context import Context
from ..declare import CONTAINER, FLAG, INTEGER, Argument, Option, Verb
from ..several import LATEST, Target, targets
from ..values import Values

if TYPE_CHECKING:
    from ...cancel import Cancel
    from ...containers.logs import LogEntry, LogReader

_COLORS = (37, 31, 33, 34, 35, 36, 32)
"""podman's, in its order."""

_TURN = 64
"""Pieces of one container's log before it is the next one's turn."""


def _run(context: Context, values: Values) -> int:
    since = _time(values.text("since"), ahead=False) if values.text("since") else None
    until = _time(values.text("until"), ahead=True) if values.text("until") else None
    tail = values.integer("tail")
    found = targets(context.conman(), values, missing="specify at least one container name or ID to log")
    follow = values.flag("follow")
    printers = [_Printer(target, values, number, several=len(found) > 1, reader=target.container.log_reader(
        follow=follow, tail=None if tail is None or tail < 0 else tail, since=since, until=until, cancel=context.cancel))
        for number, target in enumerate(found)]
    try:
        if follow and len(printers) > 1:
            _interleaved(printers, context.cancel)
        else:
            for printer in printers:
                printer.all()
    finally:
        for printer in printers:
            printer.reader.close()
    return 0


def _time(text: str, *, ahead: bool) -> float | str:
    """As :func:`conman_kernel.times.parse_time`; a time of a log, as ``-t`` shows it, stays exact."""
    from ...times import parse_time

    seconds = parse_time(text, ahead=ahead)
    return text if text[10:11] == "T" and text[19:20] == "." and text.endswith("Z") else seconds


def _interleaved(printers: list[_Printer], cancel: Cancel) -> None:
    """Several at once, each as its output comes, until all have ended."""
    going = list(printers)
    while going:
        idle = [printer.some() for printer in going]
        going = [printer for printer in going if not printer.reader.over]
        waits = [wait for printer in going if (wait := printer.reader.timeout()) is not None]
        if going and all(idle):
            fds = [fd for printer in going for fd in printer.reader.descriptors()]
            cancel.wait_readable(*fds, timeout=min(waits, default=None))


class _Printer:
    """One container's output on its way to the standard descriptors."""

    def __init__(self, target: Target, values: Values, number: int, *, several: bool, reader: LogReader) -> None:
        self.reader = reader
        self._name = target.container.name
        prefix = self._name + " " if values.flag("names") else target.container.id[:12] + " " if several else ""
        self._prefix = prefix.encode()
        self._timestamps = values.flag("timestamps")
        self._color = b"\x1b[%dm" % _COLORS[number % len(_COLORS)] if values.flag("color") else b""
        self._inside = {1: False, 2: False}
        self._plain = not (self._prefix or self._timestamps or self._color)
        self._going: Iterator[LogEntry] | None = None

    def all(self) -> None:
        """Everything, to the end."""
        while True:
            for entry in self._entries():
                self._print(entry)
            if self.reader.over:
                return
            self.reader.wait()

    def some(self) -> bool:
        """A little of what there is by now: one that writes without end is not to keep the others back.

        :returns: whether that was all.
        """
        if self._going is None:
            self._going = self._entries()
        for _ in range(_TURN):
            entry = next(self._going, None)
            if entry is None:
                self._going = None
                return True
            self._print(entry)
        return False

    def _entries(self) -> Iterator[LogEntry]:
        return self.reader.chunks() if self._plain else self.reader.runs()

    def _print(self, entry: LogEntry) -> None:
        if entry.missed:
            out.error_text(f"conman: {entry.missed} bytes of the log of {self._name} were rotated away before they could "
                           "be shown\n")
        elif self._plain:
            out.write(entry.data, entry.stream)
        else:
            out.write(self._shown(entry.time.encode(), entry.stream, entry.data), entry.stream)

    def _shown(self, time: bytes, stream: int, data: bytes) -> bytes:
        """What stands before a line does so once, however many pieces the line came in."""
        head = self._color + self._prefix + (time + b" " if self._timestamps else b"")
        end = b"\x1b[0m" if self._color else b""
        whole = data.endswith(b"\n")
        first = self._color if self._inside[stream] else head
        self._inside[stream] = not whole
        body = (data[:-1] if whole else data).replace(b"\n", end + b"\n" + head)
        return first + body + end + b"\n" * whole


VERB = Verb(
    "logs", "Show the output of one or more containers", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(
        Option("--color", "Show each container in a color of its own", FLAG),
        Option("--follow", "Go on as output comes, until the container ends", FLAG, short="-f"),
        LATEST,
        Option("--names", "Put the container's name before each line", FLAG, short="-n"),
        Option("--since", "From this time on: 10m, 2026-11-23T22:53:08Z, Unix seconds", metavar="TIME"),
        Option("--tail", "The last lines only; -1 for all", INTEGER, metavar="LINES"),
        Option("--timestamps", "Put the time before each line", FLAG, short="-t"),
        Option("--until", "Up to this time; a duration counts from now on. Following stops then", metavar="TIME"),
    ))
