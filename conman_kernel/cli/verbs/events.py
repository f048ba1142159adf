"""``conman events``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .. import out
from ..context import Context
from ..declare import ARRAY, FLAG, Option, Verb
from ..go_format import json_text, render, wants_json
from ..several import split_filters
from ..values import Values

if TYPE_CHECKING:
    from ...slots.events import Event


def _run(context: Context, values: Values) -> int:
    format, whole = values.text("format"), values.flag("no-trunc")
    if format and not wants_json(format):
        # A template that cannot be is refused before anything is waited for.
        render(format, [_row(_nothing(), whole=whole)], {}, heading=False)
    since: str | None = values.text("since") or None
    if since is None and values.text("until"):
        since = "0"  # podman's rule: with an end, from the beginning
    for event in context.conman().events.stream(filters=split_filters(values.many("filter")), since=since,
                                                until=values.text("until") or None, follow=values.flag("stream"),
                                                cancel=context.cancel):
        out.write(_text(event, format, whole=whole))
    return 0


def _text(event: Event, format: str, *, whole: bool) -> str:
    if wants_json(format):
        return json_text(_document(event), indent=None)
    if format:
        return render(format, [_row(event, whole=whole)], {}, heading=False)
    return _line(event, whole=whole) + "\n"


def _line(event: Event, *, whole: bool) -> str:
    id = event.id if whole else event.id[:12]
    begun = f"{_go_time(event.time_ns)} {event.type} {event.status}"
    attributes = "".join(f", {key}={value}" for key, value in sorted(event.attributes))
    if event.type == "container" and id:
        return f"{begun} {id} (image={event.image}, name={event.name}{attributes})"
    if event.type == "network" and id:
        return f"{begun} {id} (name={event.name}{attributes})"
    told = " ".join(word for word in (begun, "" if event.type in ("volume", "system") else id, event.name) if word)
    return f"{told} ({attributes[2:]})" if attributes else told


def _fraction(nanoseconds: int) -> str:
    return f".{nanoseconds % 10**9:09d}".rstrip("0").rstrip(".")


def _go_time(nanoseconds: int) -> str:
    """As Go prints a time: local, all digits that are not zero."""
    local = time.localtime(nanoseconds // 10**9)
    return time.strftime("%Y-%m-%d %H:%M:%S", local) + _fraction(nanoseconds) + time.strftime(" %z %Z", local)


def _document(event: Event) -> dict[str, object]:
    """podman's keys; those that say nothing are left out, as there."""
    local = time.localtime(event.time_ns // 10**9)
    zone = time.strftime("%z", local)
    shown = time.strftime("%Y-%m-%dT%H:%M:%S", local) + _fraction(event.time_ns) + \
        ("Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}")
    document: dict[str, object] = {"ContainerExitCode": event.exit_code, "ID": event.id, "Image": event.image, "Name": event.name}
    return {**{key: value for key, value in document.items() if value}, "Status": event.status, "Time": shown,
            "Type": event.type, "Attributes": dict(event.attributes) if event.type == "container" or event.attributes else None}


def _row(event: Event, *, whole: bool) -> dict[str, object]:
    """podman's names and docker's (``Action``, ``Actor``, ``From``, ``Scope``)."""
    attributes = dict(event.attributes)
    actor = {**attributes, **({"image": event.image} if event.image else {}), "name": event.name}
    return {"Action": event.status, "Actor": {"ID": event.id, "Attributes": actor}, "From": event.image, "Scope": "local",
            "Details": {"ID": "", "Attributes": attributes}, "PodID": "",
            "Attributes": dict(event.attributes), "ContainerExitCode": event.exit_code or 0, "HealthStatus": "",
            "ID": event.id if whole else event.id[:12], "Image": event.image, "Name": event.name,
            "Network": event.name if event.type == "network" else "",
            "Status": event.status, "Time": _go_time(event.time_ns), "TimeNano": event.time_ns, "Type": event.type}


def _nothing() -> Event:
    from ...slots.events import Event

    return Event(0, "", "")


VERB = Verb(
    "events", "Show what happens to containers, images, networks and volumes", _run,
    options=(
        Option("--filter", "Only events that match: container, event, image, label, label!, network, pod, type, volume", ARRAY,
               short="-f", metavar="KEY=VALUE"),
        Option("--format", "json, or a template such as '{{.Status}} {{.Name}}'", metavar="FORMAT"),
        Option("--no-trunc", "Show whole ids; --no-trunc=false shortens them", FLAG, default=True),
        Option("--since", "From this time on: 10m, 2026-11-23T22:53:08Z, Unix seconds", metavar="TIME"),
        Option("--stream", "Go on with what comes; --stream=false ends after what is there", FLAG, default=True),
        Option("--until", "Up to this time; a duration counts from now on. Following stops then", metavar="TIME"),
    ),
    notes=("Without --since and --until what happens from now on is shown.",))
