"""Telling the event sinks what happened to a container; always after the index says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .context import Context
    from .rows import ContainerRow


class Tell(Protocol):
    """Tells the event sinks; the composition root's. Never raises for what they do."""

    def __call__(self, type: str, status: str, id: str, name: str, image: str = "",
                 attributes: tuple[tuple[str, str], ...] = (), exit_code: int | None = None) -> None: ...


def nobody(type: str, status: str, id: str, name: str, image: str = "", attributes: tuple[tuple[str, str], ...] = (),
           exit_code: int | None = None) -> None:
    """Nobody is told."""


def tell(context: Context, row: ContainerRow, *statuses: str, exit_code: int | None = None, exec_id: str = "",
         health: str = "") -> None:
    """Tell what happened to a container, several things in their order.

    :param statuses: podman's words, see :class:`~conman_kernel.slots.events.Event`.
    """
    attributes = row.parsed_options().labels
    if exec_id:
        attributes = (*attributes, ("execID", exec_id))
    if health:
        attributes = (*attributes, ("health_status", health))
    for status in statuses:
        context.tell("container", status, row.id, row.name, row.image_name, attributes,
                     exit_code if status in ("died", "exec_died") else None)
