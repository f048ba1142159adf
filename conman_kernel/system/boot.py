"""After a reboot: the containers that their restart policy wants to run are started, those that others live in before those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Sequence

from ..cancel import Cancel
from ..errors import Cancelled, ConmanError, DeadlineExceeded
from ..record import Record

if TYPE_CHECKING:
    from ..containers.container import Container
    from ..kernel import Conman

_NAMESPACES = ("network", "pid", "ipc", "uts")


class BootFailure(Record):
    """One that did not start, and why."""

    container: Container
    error: ConmanError


class BootReport(Record):
    """What was started, in that order, and what could not be."""

    started: tuple[Container, ...]
    failed: tuple[BootFailure, ...]


def boot(conman: Conman, cancel: Cancel) -> BootReport:
    """Start what should run and does not. One that fails holds up no other.

    :raises Cancelled, DeadlineExceeded: by ``cancel``; what was started by then runs.
    """
    started: list[Container] = []
    failed: list[BootFailure] = []
    for container in in_order([c for c in conman.containers.list(all=True) if should_run(c)]):
        try:
            container.start(cancel=cancel)
        except (Cancelled, DeadlineExceeded):
            raise
        except ConmanError as error:
            failed.append(BootFailure(container, error))
        else:
            started.append(container)
    return BootReport(tuple(started), tuple(failed))


def should_run(container: Container) -> bool:
    """Whether its policy wants a container to run that does not: ``always``, or ``unless-stopped`` and no person had ended it.
    One that was never started waits for its first start."""
    row = container.row
    if row.state != "exited" or not row.started:
        return False
    policy = container.options.restart
    return policy == "always" or (policy == "unless-stopped" and not row.stopped)


def in_order(containers: Sequence[Container]) -> list[Container]:
    """The oldest first, but each after those of them whose namespaces it shares."""
    ordered: list[Container] = []
    begun: set[str] = set()

    def put(container: Container) -> None:
        if container.id in begun:
            return
        begun.add(container.id)
        for other in _lived_in(container, containers):
            put(other)
        ordered.append(container)

    for container in sorted(containers, key=lambda c: c.row.num):
        put(container)
    return ordered


def _lived_in(container: Container, others: Sequence[Container]) -> Iterator[Container]:
    for kind in _NAMESPACES:
        mode: str = getattr(container.options, kind)
        named = mode.removeprefix("container:") if mode.startswith("container:") else ""
        if named:
            yield from (other for other in others if named == other.name or other.id.startswith(named))
