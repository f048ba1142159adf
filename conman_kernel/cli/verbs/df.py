"""``conman system df``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Sequence

from ...errors import InvalidInput
from .. import out
from ..context import Context
from ..declare import FLAG, Option, Verb
from ..go_format import json_text, render, wants_json
from ..table import table
from ..values import Values
from ..wording import ago, size

if TYPE_CHECKING:
    from ...system.usage import ContainerUsage, ImageUsage, Total, Usage


def _run(context: Context, values: Values) -> int:
    verbose, format = values.flag("verbose"), values.text("format")
    if verbose and format:
        raise InvalidInput("cannot combine --format and --verbose flags")
    usage = context.conman().system.df(cancel=context.cancel)
    if verbose:
        out.write(_verbose(usage))
    elif wants_json(format):
        out.write(json_text([_row(total) for total in usage.totals]))
    elif format:
        out.write(render(format, [_row(total) for total in usage.totals], {}))
    else:
        out.write(table([("TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"),
                         *((total.kind, str(total.total), str(total.active), _size(total.size), _reclaimable(total))
                           for total in usage.totals)]))
    return 0


def _size(count: int) -> str:
    return size(count, "", 4)


def _reclaimable(total: Total) -> str:
    share = round(100 * total.reclaimable / total.size) if total.size else 0
    return f"{_size(total.reclaimable)} ({share}%)"


def _row(total: Total) -> dict[str, object]:
    return {"Type": total.kind, "Total": total.total, "TotalCount": total.total, "Active": total.active,
            "RawSize": total.size, "RawReclaimable": total.reclaimable, "Size": _size(total.size),
            "Reclaimable": _reclaimable(total)}


def _verbose(usage: Usage) -> str:
    now = time.time()
    return "".join((
        "Images space usage:\n\n", _images(usage.images, now),
        "\nContainers space usage:\n\n", _containers(usage.containers, now),
        "\nLocal Volumes space usage:\n\n", table([("VOLUME NAME", "LINKS", "SIZE"), *(
            (one.name, str(one.links), _size(one.size)) for one in usage.volumes)]),
        "\nKept beside the layers:\n\n", table([("TYPE", "NUMBER", "SIZE"), *(
            (total.kind, str(total.total), _size(total.size)) for total in usage.totals[3:])])))


def _images(images: Sequence[ImageUsage], now: float) -> str:
    rows = [("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS")]
    for image in images:
        for name in image.names or ("<none>:<none>",):
            repository, _, tag = name.rpartition(":")
            rows.append((repository, tag, image.id[:12], ago(image.created, now), _size(image.size), _size(image.shared),
                         _size(image.unique), str(image.containers)))
    return table(rows)


def _containers(containers: Sequence[ContainerUsage], now: float) -> str:
    rows = [("CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES")]
    for one in containers:
        rows.append((one.id[:12], one.image, " ".join(one.command)[:20], str(one.volumes), _size(one.size), ago(one.created, now),
                     one.state, one.name))
    return table(rows)


VERB = Verb(
    "df", "Show what images, containers, volumes, kept blobs and partial downloads take", _run,
    options=(
        Option("--format", "json, or a template such as '{{.Type}} {{.Size}}'", metavar="FORMAT"),
        Option("--verbose", "Show every image, container and volume", FLAG, short="-v"),
    ),
    notes=("A layer counts as large as its uncompressed archive, once however many images share it.",
           "Reclaimable is what a prune of all that is not in use would give back."))
