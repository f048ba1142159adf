"""Lines of an asciicast v2 file (docs.asciinema.org, "asciicast v2"): a header, then one event a line. No input or output."""

from __future__ import annotations

import json
from typing import Mapping

from conman_kernel.record import Record

OUTPUT, INPUT, RESIZE = "o", "i", "r"
"""Codes of events. Markers ("m") are set by a person afterwards."""


class Header(Record):
    """What is known before the first event.

    :param width: columns. ``height``: rows.
    :param command: the command line; empty: not said.
    :param environment: of the person's side: TERM, SHELL.
    :param idle_limit: seconds; 0: none.
    """

    width: int
    height: int
    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    idle_limit: float


def first_line(header: Header, timestamp: float) -> bytes:
    """The header's line.

    :param timestamp: seconds since the epoch at which the recording begins.
    """
    found: dict[str, object] = {"version": 2, "width": header.width, "height": header.height, "timestamp": int(timestamp)}
    if header.idle_limit:
        found["idle_time_limit"] = header.idle_limit
    if header.command:
        from shlex import join

        found["command"] = join(header.command)
    found.update(title=header.title, env=dict(header.environment))
    return _line(found)


def event(seconds: float, code: str, data: str) -> bytes:
    """One event's line.

    :param seconds: since the beginning; microseconds are kept.
    """
    return _line([round(seconds, 6), code, data])


def size(rows: int, columns: int) -> str:
    """The data of a ``r`` event."""
    return f"{columns}x{rows}"


def _line(content: object) -> bytes:
    # What no UTF-8 can say (a command line of other bytes) is replaced.
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
