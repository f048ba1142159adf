"""One event as one line: podman's keys, and the time in nanoseconds beside its text."""

from __future__ import annotations

import json
import time

from conman_kernel.slots.events import Event

LONGEST = 65536
"""Bytes of a line; an event whose attributes would make it longer is kept without them."""


def line_of(event: Event) -> bytes:
    """The line of an event, with its end."""
    seconds, fraction = divmod(event.time_ns, 10**9)
    document: dict[str, object] = {
        "Time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{fraction:09d}Z",
        "TimeNano": event.time_ns, "Type": event.type, "Status": event.status, "ID": event.id, "Name": event.name}
    if event.image:
        document["Image"] = event.image
    if event.exit_code is not None:
        document["ContainerExitCode"] = event.exit_code
    if event.attributes:
        document["Attributes"] = dict(event.attributes)
    line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    if len(line) <= LONGEST or not event.attributes:
        return line
    return line_of(event._replace(attributes=()))


def event_of(line: bytes) -> Event | None:
    """The event of a line; None for what is none (torn by a full disk, or written by something else)."""
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    type_, status, id, name, image = texts = [found.get(key, "") for key in ("Type", "Status", "ID", "Name", "Image")]
    when, code, attributes = found.get("TimeNano"), found.get("ContainerExitCode"), found.get("Attributes", {})
    if type(when) is not int or not (code is None or type(code) is int) or not isinstance(attributes, dict) or \
            not all(isinstance(text, str) for text in (*texts, *attributes.values())):
        return None
    return Event(when, type_, status, id, name, image, tuple(attributes.items()), code)
