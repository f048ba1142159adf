"""Nothing of some storage drivers is in use, and nothing of it can be started, for the length of a block."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator, Sequence

from ..containers import rows
from ..containers.rootfs import is_held
from ..containers.rows import ContainerRow
from ..errors import InvalidState
from ..images import leases

if TYPE_CHECKING:
    from ..kernel import Conman
    from ..store.sqlite import sqlite3

_SHOWN = 10


@contextmanager
def offline(conman: Conman, drivers: Sequence[str]) -> Iterator[tuple[ContainerRow, ...]]:
    """The containers of some storage drivers, oldest first, with all their locks held: who wants to start one waits.

    :raises InvalidState: one runs or is mounted, an image is mounted, or another command is at work on one of them or on the
        drivers' layers. All that stand in the way are named.
    """
    context = conman.containers.context
    with context.index.read() as connection:
        known = _of(connection, drivers)
    held = context.locks.try_all([row.num for row in known])
    if isinstance(held, int):
        name = next(row.name for row in known if row.num == held)
        raise InvalidState(f"{name}: another command is at work on it", hint="wait for it to end, then try again")
    with held:
        with context.index.read() as connection:
            found = [row for row in _of(connection, drivers) if row.num in {one.num for one in known}]
            images = [row[0] for row in connection.execute("SELECT image_id, driver FROM image_mounts") if row[1] in drivers]
            busy = _at_work(connection, drivers)
        _refuse("cannot migrate while containers run: ", [row.name for row in found if row.state not in ("created", "exited")],
                "stop them first: conman stop NAME")
        _refuse("cannot migrate while containers are mounted: ", [row.name for row in found if is_held(context, row)],
                "conman umount NAME")
        _refuse("cannot migrate while images are mounted: ", [id[:12] for id in images], "conman image umount --all")
        _refuse("cannot migrate while another command is at work on layers: ", busy, "wait for it to end, then try again")
        yield tuple(found)


def _of(connection: sqlite3.Connection, drivers: Sequence[str]) -> list[ContainerRow]:
    found = rows.select(connection) + rows.select(connection, ("creating",))
    return sorted((row for row in found if row.storage in drivers), key=lambda row: row.num)


def _at_work(connection: sqlite3.Connection, drivers: Sequence[str]) -> list[str]:
    """The purposes and processes of living leases that hold something of the drivers."""
    dead = set(leases.dead(connection))
    found = []
    for lease, purpose, pid in connection.execute("SELECT id, purpose, pid FROM leases").fetchall():
        items = leases.held(connection, by=(lease,))
        if lease not in dead and any(item[0] in drivers for item in (*items.layers, *items.snapshots)):
            found.append(f"{purpose} (process {pid})")
    return found


def _refuse(words: str, names: Sequence[str], hint: str) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise InvalidState(words + ", ".join(names[:_SHOWN]) + more, hint=hint)
