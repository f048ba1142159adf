"""The storage driver ``vfs-storage``: every snapshot is a whole copy of its parent; works on any file system."""

from __future__ import annotations

from typing import ClassVar, Mapping

from conman_kernel import hookimpl
from conman_kernel.record import Record
from conman_kernel.slots.provider import PluginContext, Provider, provider
from conman_kernel.slots.storage import StorageDriver


class _Keys(Record):
    sync: bool = True


class Options(_Keys):
    """The table ``[plugin.vfs-storage]``."""

    __slots__ = ()
    DOCS: ClassVar[Mapping[str, str]] = {
        "sync": "write a layer to the disk before it counts as there; false trades safety at a power cut for speed",
    }


def _open(context: PluginContext[Options]) -> StorageDriver:
    from conman_kernel.support.snapshots import FolderDriver

    from .form import VfsForm

    return FolderDriver(VfsForm(), context.state_dir, sync=context.options.sync)


@hookimpl
def conman_storage_driver() -> Provider[StorageDriver]:
    """Declare the driver; does no I/O."""
    return provider(api=1, summary="whole copies; slow and big, but works everywhere", options=Options, open=_open)
