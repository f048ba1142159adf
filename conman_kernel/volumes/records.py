"""What the volumes are made of and what is told of them. Plain records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Protocol

from ..record import Record

if TYPE_CHECKING:
    from ..slots.provider import Log
    from ..store.index import Index
    from ..store.layout import Layout
    from ..store.locks import Locks
    from ..worker.client import Worker

NAMED, ANONYMOUS, DOOMED = 0, 1, 2
"""``VolumeRecord.kind``: a doomed one is anonymous and goes with the last container that uses it."""


class Tell(Protocol):
    """Tells the event sinks what happened. Never raises for what they do."""

    def __call__(self, type: str, status: str, id: str, name: str, /) -> None: ...


class Parts(Record):
    """What the volumes of one store work with; the composition root's."""

    layout: Layout
    database: Index
    locks: Locks
    worker: Callable[[], Worker]
    log: Log
    tell: Tell


class VolumeRecord(Record):
    """One volume as the index has it.

    :param created: seconds since the epoch.
    :param kind: ``NAMED``, ``ANONYMOUS`` or ``DOOMED``.
    :param options: of the driver: ``type``, ``device``, ``o``, ``copy``, ``nocopy``.
    :param made: its folder is its own: until then what lies there was left by another of that name.
    :param copy: the first image content that is found under it is still to be copied.
    :param own: its folder is still to get the owner and mode of the place where it is shown first.
    """

    name: str
    driver: str
    created: float
    kind: int
    labels: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    made: bool = False
    copy: bool = True
    own: bool = True


class VolumePruneReport(Record):
    """What a prune removed: names, and the bytes that they took on disk."""

    removed: tuple[str, ...]
    reclaimed: int
