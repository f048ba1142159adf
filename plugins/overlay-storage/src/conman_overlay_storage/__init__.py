"""The storage driver ``overlay-storage``: every layer is a folder, overlayfs shows them as one."""

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
    mount_options: tuple[str, ...] = ()


class Options(_Keys):
    """The table ``[plugin.overlay-storage]``."""

    __slots__ = ()
    DOCS: ClassVar[Mapping[str, str]] = {
        "sync": "write a layer to the disk before it counts as there; false trades safety at a power cut for speed",
        "mount_options": "more overlayfs options for every mount, such as xino=off",
    }


def _probe(context: PluginContext[Options]) -> No | None:
    from .probe import probe

    return probe(context.state_dir)


def _open(context: PluginContext[Options]) -> StorageDriver:
    from conman_kernel.support.snapshots import FolderDriver

    from .form import OverlayForm

    return FolderDriver(OverlayForm(context.options.mount_options), context.state_dir, sync=context.options.sync)


@hookimpl
def conman_storage_driver() -> Provider[StorageDriver]:
    """Declare the driver; does no I/O."""
    return provider(api=1, summary="layers as folders, shown as one by overlayfs", options=Options, probe=_probe,
                    open=_open)


@hookimpl
def conman_doctor() -> Sequence[Check]:
    """Offer checks; see :func:`conman_kernel.hookspecs.conman_doctor`."""
    from conman_kernel.slots.doctor import check

    from .examine import layers

    return (check("layers", layers, options=Options),)
