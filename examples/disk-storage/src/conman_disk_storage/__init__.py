"""A storage driver for conman: each layer and each container is a disk image of its own, of a size that it cannot exceed."""

from __future__ import annotations

from typing import NamedTuple

from conman_kernel import hookimpl
from conman_kernel.slots.provider import PluginContext, Provider, Unavailable, provider
from conman_kernel.slots.storage import StorageDriver


class _Keys(NamedTuple):
    size: str = "10g"
    mount_options: tuple[str, ...] = ("noatime", "discard")
    sync: bool = True


class Options(_Keys):
    """The table [plugin.disk-storage]."""

    __slots__ = ()
    DOCS = {
        "size": "how much the root file system of a container can hold, such as 512m; for images unpacked from now on",
        "mount_options": "ext4's options for every mount; discard gives back what is deleted",
        "sync": "write a layer to the disk before it counts as there; false trades safety at a power cut for speed",
    }


def _probe(context: PluginContext[Options]) -> Unavailable | None:
    from .images import lacking

    return lacking()


def _open(context: PluginContext[Options]) -> StorageDriver:
    from .driver import DiskDriver
    from .images import Images

    options = context.options
    return DiskDriver(Images(options.size), context.state_dir, mount_options=options.mount_options, sync=options.sync)


@hookimpl
def conman_storage_driver() -> Provider[StorageDriver]:
    summary = "a disk image of limited size for each layer and container"
    return provider(api=1, summary=summary, options=Options, probe=_probe, open=_open)
