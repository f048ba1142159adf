"""``conman system prune``, ``image prune``, ``container prune``, ``volume prune``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvalidInput
from .. import out
from ..context import Context
from ..declare import ARRAY, FLAG, LIST, Option, Verb
from ..several import split_filters
from ..values import Values
from ..wording import size

if TYPE_CHECKING:
    from typing import Sequence

_FORCE = Option("--force", "Do not ask", FLAG, short="-f")
_FILTER = Option("--filter", "Only what matches: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]", LIST, metavar="KEY=VALUE")


def _system(context: Context, values: Values) -> int:
    everything, filters = values.flag("all"), _filters(values)
    lines = ["all stopped containers", "all networks not used by at least one container"]
    if values.flag("volumes"):
        lines.append("all volumes not used by at least one container")
    lines.append("all images without at least one container associated with them" if everything else "all dangling images")
    if not filters:
        lines.append("all downloads that did not end")
    if not sure(values, "This command removes:\n" + "".join(f"\t- {line}\n" for line in lines)):
        return 0
    report = context.conman().system.prune(all=everything, volumes=values.flag("volumes"), filters=filters, cancel=context.cancel)
    if report.containers:
        out.write("Deleted Containers\n" + _lines(report.containers))
    if report.networks:
        out.write("Deleted Networks\n" + _lines(report.networks))
    if report.images.deleted:
        out.write("Deleted Images\n" + _lines(report.images.deleted))
    if report.volumes:
        out.write("Deleted Volumes\n" + _lines(report.volumes))
    out.line(f"Total reclaimed space: {size(report.reclaimed, '', 4)}")
    return 0


def _images(context: Context, values: Values) -> int:
    everything, filters = values.flag("all"), _filters(values)
    what = "all images without at least one container associated with them" if everything else "all dangling images"
    if not sure(values, f"This command removes {what}.\n"):
        return 0
    out.write(_lines(context.conman().images.prune(all=everything, filters=filters, cancel=context.cancel).deleted))
    return 0


def _containers(context: Context, values: Values) -> int:
    filters = _filters(values)
    if not sure(values, "This will remove all non running containers.\n"):
        return 0
    gone, _ = context.conman().system.prune_containers(filters=filters, cancel=context.cancel)
    out.write(_lines(gone))
    return 0


def _volumes(context: Context, values: Values) -> int:
    filters, volumes = _filters(values), context.conman().volumes
    doomed = volumes.prunable(filters=filters)
    if not values.flag("force"):
        what = "This will remove all volumes not used by at least one container. The following volumes will be removed:\n"
        if not doomed:
            out.write(f"WARNING! {what}No dangling volumes found\n")
            return 0
        if not sure(values, what + _lines([volume.name for volume in doomed])):
            return 0
    out.write(_lines(volumes.prune(filters=filters, cancel=context.cancel).removed))
    return 0


def _lines(ids: Sequence[str]) -> str:
    return "".join(f"{id}\n" for id in ids)


def _filters(values: Values) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in split_filters(values.many("filter")):
        found.setdefault(key, []).append(value)
    return found


def sure(values: Values, what: str) -> bool:
    """Ask, as podman does: on standard output, one line of standard input, whatever that is."""
    if values.flag("force"):
        return True
    import os

    out.write(f"WARNING! {what}Are you sure you want to continue? [y/N] ")
    answer = b""
    while not answer.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            break
        answer += byte
    if not answer:
        out.write("\n")
        raise InvalidInput("nobody answered whether to go on", hint="--force does not ask")
    return answer.strip()[:1] in (b"y", b"Y")


OF_SYSTEM = Verb(
    "prune", "Remove stopped containers, images that nothing needs and downloads that did not end", _system,
    options=(
        Option("--all", "Remove every image that no container was made from", FLAG, short="-a"),
        _FILTER, _FORCE,
        Option("--volumes", "Remove the volumes that no container has, too", FLAG),
    ))

OF_IMAGES = Verb(
    "prune", "Remove images that nothing needs", _images,
    options=(
        Option("--all", "Remove every image that no container was made from, not only those without a name", FLAG, short="-a"),
        Option("--external", "Accepted for podman's sake: nothing else shares the store", FLAG, hidden=True),
        _FILTER, _FORCE,
    ))

OF_CONTAINERS = Verb("prune", "Remove all containers that do not run", _containers, options=(_FILTER, _FORCE))

OF_VOLUMES = Verb(
    "prune", "Remove the volumes that no container has", _volumes,
    options=(
        Option("--all", "Accepted for docker's sake: volumes with a name go in any case", FLAG, short="-a", hidden=True),
        Option("--filter", "Only what matches: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE], name=PATTERN", ARRAY,
               metavar="KEY=VALUE"), _FORCE))
