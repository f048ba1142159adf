"""The log of one container: where it lies, and when nothing more comes."""

from __future__ import annotations

import os

from ..cancel import Cancel
from ..errors import InvalidState, NotFound
from .context import Context
from .logs import LogReader, stamp
from .paths import log_file
from .rows import ContainerRow
from .state import refreshed
from .stop import end_descriptor


def log_reader(context: Context, row: ContainerRow, *, follow: bool, tail: int | None, since: float | str | None,
               until: float | str | None, stdout: bool, stderr: bool, cancel: Cancel) -> LogReader:
    """A reader of a container's log, see :meth:`.Container.logs`.

    :raises NotFound: it is gone, and its log with it.
    :raises InvalidState: it keeps no log.
    :raises InvalidInput: a time that is none.
    """
    if not os.path.exists(log_file(context, row)):
        refreshed(context, row.id)
    if (row.parsed_options().log_driver or context.config.text("containers.log_driver")) == "none":
        raise InvalidState(f"container {row.name} keeps no log (--log-driver none)")
    return LogReader(log_file(context, row), cancel=cancel, tail=tail, since="" if since is None else stamp(since),
                     until="" if until is None else stamp(until),
                     streams=tuple(stream for stream, wanted in ((1, stdout), (2, stderr)) if wanted),
                     follow=(lambda: end_descriptor(refreshed(context, row.id))) if follow else None,
                     onward=lambda: _next_run(context, row.id))


def _next_run(context: Context, id: str) -> int:
    """The end of what its restart policy made of its last end; -1: nothing."""
    try:
        return end_descriptor(refreshed(context, id))
    except NotFound:
        return -1
