"""What the image service is made of: handed in by the composition root, passed on to its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Protocol

from ..record import Record

if TYPE_CHECKING:
    from ..slots.provider import Access, Log
    from ..slots.storage import StorageDriver
    from ..slots.transport import ImageTransport
    from ..store.blobs import Blobs
    from ..store.index import Index
    from ..store.layout import Layout
    from ..store.locks import Locks
    from ..worker.client import Worker


class Tell(Protocol):
    """Tells the event sinks what happened. Never raises for what they do."""

    def __call__(self, type: str, status: str, id: str, name: str, /, *,
                 attributes: tuple[tuple[str, str], ...] = ()) -> None: ...


def _nobody(type: str, status: str, id: str, name: str, /, *, attributes: tuple[tuple[str, str], ...] = ()) -> None:
    return None


class Parts(Record):
    """The parts of one :class:`~.service.Images`.

    :param storage: a storage driver by name, opened on first need.
    :param default_storage: the driver for what is pulled now.
    :param transport: a transport by scheme, for one manner of approaching registries.
    :param short_names: see :meth:`conman_kernel.oci.reference.Reference.expand`.
    :param keep_blobs: compressed layers stay after they are unpacked.
    :param tell: tells the event sinks what happened, see :class:`Tell`.
    :param parallel: how many layers are downloaded at once.
    """

    layout: Layout
    database: Index
    locks: Locks
    blobs: Blobs
    worker: Callable[[], Worker]
    storage: Callable[[str], StorageDriver]
    default_storage: str
    transport: Callable[[str, Access], ImageTransport]
    short_names: tuple[str, ...]
    keep_blobs: bool
    parallel: int
    log: Log
    tell: Tell = _nobody
