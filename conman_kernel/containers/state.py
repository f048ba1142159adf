"""What is so of a container now, rather than when its record was written."""

from __future__ import annotations

from ..errors import NotFound
from ..processes import alive, boot_id
from . import rows
from .context import Context
from .paths import shim_alive
from .rows import ContainerRow

RUNNING = ("running", "paused")


def refreshed(context: Context, id: str) -> ContainerRow:
    """The row as it is now.

    :param id: all of it.
    :raises NotFound: it is gone.
    """
    with context.index.read() as connection:
        row = rows.by_id(connection, id)
    if row is None:
        raise NotFound(f'no container with ID "{id}" found: no such container')
    return row


def is_running(context: Context, row: ContainerRow) -> bool:
    """True where its process lives (or its shim has not yet said how it ended), in this boot."""
    return row.state in RUNNING and row.boot_id == boot_id() and (shim_alive(context, row) or alive(row.pid, row.pid_start))


def outward_state(context: Context, row: ContainerRow) -> str:
    """The state a person is shown: podman's words, and true now rather than when it was written."""
    if row.state in RUNNING and not is_running(context, row):
        return "exited"
    return {"starting": "created" if not row.started else "exited"}.get(row.state, row.state)
