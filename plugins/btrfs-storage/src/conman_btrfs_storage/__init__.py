"""The storage driver ``btrfs-storage``: every snapshot is a subvolume of a btrfs, which shares its blocks with its parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Mapping, Sequence

from conman_kernel import hookimpl
from conman_kernel.record import Record
from conman_kernel.slots.provider import PluginContext, Provider, provider
from conman_kernel.slots.provider import Unavailable as No
from conman_kernel.slots.storage import StorageDriver

if TYPE_CHECKING:
    from conman_kernel.slots.doctor import Check


class _Keys(Record):
    sync: bool = True


class Options(_Keys):
    """The table ``[plugin.btrfs-storage]``."""

    __slots__ = ()
    DOCS: ClassVar[Mapping[str, str]] = {
        "sync": "write a layer to the disk before it counts as there; false trades safety at a power cut for speed",
    }


def _probe(context: PluginContext[Options]) -> No | None:
    from .probe import probe

    return probe(context.state_dir)


def _open(context: PluginContext[Options]) -> StorageDriver:
    from conman_kernel.support.snapshots import FolderDriver

    from .form import BtrfsForm

    return FolderDriver(BtrfsForm(), context.state_dir, sync=context.options.sync)


@hookimpl
def conman_storage_driver() -> Provider[StorageDriver]:
    """Declare the driver; does no I/O."""
    return provider(api=1, summary="subvolumes of a btrfs, which share their blocks", options=Options, probe=_probe,
                    open=_open)


@hookimpl
def conman_doctor() -> Sequence[Check]:
    """Offer checks; see :func:`conman_kernel.hookspecs.conman_doctor`."""
    from conman_kernel.slots.doctor import check

    from .examine import mounted

    return (check("mounted", mounted, options=Options),)
