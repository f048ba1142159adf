"""``conman ps``, also ``conman container ls``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Mapping, Sequence

from ...errors import InvalidInput
from .. import out
from ..context import Context
from ..declare import FLAG, INTEGER, LIST, Option, Verb
from ..go_format import json_text, render, wants_json
from ..several import split_filters
from ..table import table, truncated
from ..values import Values
from ..wording import ago, go_time, size

if TYPE_CHECKING:
    from ...containers.container import Container
    from ...system.usage import ContainerSize

_NEVER = -62135596800
"""Go's zero time as Unix seconds: what podman's JSON says of a time that has not come."""

_HEADINGS = {"ID": "CONTAINER ID", "CreatedHuman": "CREATED", "Cgroup": "CGROUPNS", "Pod": "POD ID", "PodName": "PODNAME",
             "User": "USERNS"}
_NAMESPACES = ("CGROUPNS", "Cgroup", "IPC", "MNT", "NET", "PIDNS", "USERNS", "User", "UTS")
"""podman's fields that are empty without its ``--ns``."""


def _run(context: Context, values: Values) -> int:
    if values.flag("quiet") and values.given("format") and not wants_json(values.text("format")):
        raise InvalidInput("quiet and format are mutually exclusive")
    last = 1 if values.flag("latest") else max(0, values.integer("last") or 0)
    filters = split_filters(values.many("filter"))
    found = context.conman().containers.list(all=values.flag("all") or last > 0, filters=filters, last=last)
    found = _sorted(found, values.text("sort"))
    facts = _Facts(context)
    if values.text("sort") == "size":
        found.sort(key=lambda container: facts.size(container).writable)
    out.write(_text(found, values, time.time(), facts))
    return 0


class _Facts:
    """What is looked up or measured only where it is asked for, once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sizes: dict[str, ContainerSize] = {}
        self._networks: Mapping[str, Sequence[str]] | None = None

    def size(self, container: Container) -> ContainerSize:
        if container.id not in self._sizes:
            measure = self._context.conman().system.container_size
            self._sizes[container.id] = measure(container, cancel=self._context.cancel)
        return self._sizes[container.id]

    def size_text(self, container: Container) -> str:
        """As podman has it: ``12B (virtual 1.98MB)``."""
        found = self.size(container)
        return f"{size(found.writable, '')} (virtual {size(found.virtual, '')})"

    def networks(self, container: Container) -> Sequence[str]:
        """Names."""
        if self._networks is None:
            self._networks = self._context.conman().containers.network_names()
        return self._networks.get(container.id, ())


def _text(found: Sequence[Container], values: Values, now: float, facts: _Facts) -> str:
    whole, format, sized = values.flag("no-trunc"), values.text("format"), values.flag("size")
    if wants_json(format):
        return json_text([_document(container, now, facts, sized=sized) for container in found], indent=2)
    if values.flag("quiet"):
        return "".join((container.id if whole else container.id[:12]) + "\n" for container in found)
    if format:
        return render(format, [_row(container, now, facts, whole=whole) for container in found], _HEADINGS,
                      heading=not values.flag("noheading"))
    from ..ports import ports_text

    cells = [(c.id if whole else c.id[:12], c.image_name or c.image_id[:12], _command(c, whole=whole), ago(c.created, now),
              status(c, now), ports_text(c.ports), c.name) for c in found]
    head = [("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")]
    lines: list[tuple[str, ...]] = [*(() if values.flag("noheading") else head), *cells]
    if sized:
        lines = [(*line, text) for line, text in zip(lines, [*(() if values.flag("noheading") else ("SIZE",)),
                                                             *map(facts.size_text, found)])]
    return table(lines)


def _command(container: Container, *, whole: bool) -> str:
    words = " ".join(container.command)
    return words if whole else truncated(words, 17)


def status(container: Container, now: float) -> str:
    """The STATUS column: ``Up 34 seconds ago``, ``Exited (3) 2 hours ago``, ``Created``."""
    row = container.row  # as it was listed: asked again of each, it could be another than what was filtered by
    if row.state == "running":
        health = container.health
        return f"Up {ago(row.started, now)}" + (f" ({health.status})" if health is not None else "")
    if row.state == "restarting":
        return f"Restarting ({row.exit_code}) {ago(row.finished, now)}".rstrip()
    if row.state == "exited":
        return f"Exited ({row.exit_code}) {ago(row.finished, now)}".rstrip()
    return row.state.capitalize()


def _exit_code(container: Container) -> int:
    """0 while there is none, as podman has it."""
    return container.exit_code if container.state == "exited" else 0


def _sorted(found: Sequence[Container], order: str) -> list[Container]:
    if order == "command":
        return sorted(found, key=lambda container: container.command)
    if order == "id":
        return sorted(found, key=lambda container: container.id)
    if order == "image":
        return sorted(found, key=lambda container: container.image_name)
    if order == "names":
        return sorted(found, key=lambda container: container.name)
    if order == "runningfor":
        return sorted(found, key=lambda container: container.started)
    if order == "status":
        return sorted(found, key=lambda container: container.state)
    return sorted(found, key=lambda container: container.created)


def _document(container: Container, now: float, facts: _Facts, *, sized: bool) -> dict[str, object]:
    from ..ports import ports_document

    measured = facts.size(container) if sized else None
    return {
        "AutoRemove": container.options.remove,
        "Command": list(container.command),
        "CreatedAt": ago(container.created, now),
        "Exited": container.state == "exited",
        "ExitedAt": int(container.finished) if container.finished > 0 else _NEVER,
        "ExitCode": _exit_code(container),
        "Id": container.id,
        "Image": container.image_name,
        "ImageID": container.image_id,
        "IsInfra": False,
        "Labels": dict(container.labels) or None,
        "Mounts": [mount.target for mount in container.options.mounts],
        "Names": [container.name],
        "Namespaces": {},
        "Networks": list(facts.networks(container)),
        "Pid": container.pid,
        "Pod": "",
        "PodName": "",
        "Ports": ports_document(container.ports),
        "Size": {"rootFsSize": measured.virtual, "rwSize": measured.writable} if measured else None,
        "StartedAt": int(container.started) if container.started > 0 else _NEVER,
        "State": container.state,
        "Status": status(container, now),
        "Created": int(container.created),
        "Runtime": container.runtime,
        "Storage": container.storage_driver,
    }


def _row(container: Container, now: float, facts: _Facts, *, whole: bool) -> dict[str, object]:
    from ..ports import ports_text
    from ..templates.values import Method

    mounts, labels = container.options.mounts, container.labels
    return {
        "ID": container.id if whole else container.id[:12],
        "Id": container.id,
        "Image": container.image_name,
        "ImageID": container.image_id if whole else container.image_id[:12],
        "Command": _command(container, whole=whole),
        "CreatedAt": go_time(container.created),
        "CreatedHuman": ago(container.created, now),
        "Created": go_time(container.created),
        "RunningFor": ago(container.created, now),
        "StartedAt": int(container.started) if container.started > 0 else _NEVER,
        "ExitedAt": int(container.finished) if container.finished > 0 else _NEVER,
        "Exited": container.state == "exited",
        "ExitCode": _exit_code(container),
        "AutoRemove": container.options.remove,
        "State": container.state,
        "Status": status(container, now),
        "Names": container.name,
        "Labels": labels,
        "Label": Method(lambda words: labels.get(words[0], ""), 1),
        "LocalVolumes": sum(mount.type == "volume" for mount in mounts),
        "Mounts": [mount.target for mount in mounts],
        "Networks": Method(lambda words: ",".join(facts.networks(container))),
        "Ports": ports_text(container.ports),
        "Pid": container.pid,
        "Pod": "",
        "PodName": "",
        "Size": Method(lambda words: facts.size_text(container)),
        "Restarts": container.restarts,
        "Runtime": container.runtime,
        "Storage": container.storage_driver,
        "StorageDriver": container.storage_driver,
        "IsInfra": False,
        "Namespaces": {},
        **dict.fromkeys(_NAMESPACES, ""),
    }


VERB = Verb(
    "ps", "List containers", _run,
    options=(
        Option("--all", "Show all containers, not only running ones", FLAG, short="-a"),
        Option("--filter", "Show the containers that match: id, name, label, label!, status, health, ancestor, exited, before, "
               "since, until, volume, network, pod, storage, runtime",
               LIST, short="-f",
               metavar="KEY=VALUE"),
        Option("--format", "json, or a template such as '{{.ID}} {{.Names}}' or 'table {{.Names}} {{.Status}}'",
               metavar="FORMAT"),
        Option("--last", "Show the newest containers only, in whatever state", INTEGER, short="-n", metavar="COUNT"),
        Option("--latest", "Show the newest container only, in whatever state", FLAG, short="-l"),
        Option("--no-trunc", "Show whole ids and commands", FLAG, aliases=("--notruncate",)),
        Option("--noheading", "Print no heading", FLAG),
        Option("--quiet", "Print the ids only", FLAG, short="-q"),
        Option("--size", "Show what each takes on disk, by itself and with its image", FLAG, short="-s"),
        Option("--sort", "Order by command, created, id, image, names, runningfor, size or status", default="created",
               metavar="KEY",
               choices=("command", "created", "id", "image", "names", "runningfor", "size", "status")),
    ))
