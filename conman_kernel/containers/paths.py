"""Where the files of one container lie, and the two facts that are read off them."""

from __future__ import annotations

from .context import Context
from .rows import ContainerRow
from .shim import is_alive

SHIM_LOST = "shim lost"
"""The recorded reason where nobody saw how the container ended."""


def exit_file(context: Context, row: ContainerRow) -> str:
    """Where the shim writes how the container ended."""
    return context.layout.container(row.id) + "/exit"


def log_file(context: Context, row: ContainerRow) -> str:
    """Where the container's output is kept."""
    return context.layout.container(row.id) + "/ctr.log"


def shim_lock(context: Context, row: ContainerRow) -> str:
    """The lock that the container's shim holds while it lives."""
    return context.layout.container_run(row.id) + "/shim.lock"


def shim_alive(context: Context, row: ContainerRow) -> bool:
    """True while the container's shim stands beside it."""
    return is_alive(shim_lock(context, row))
