"""The image transport ``docker-archive``: what ``docker save`` and ``podman save`` write, read and written."""

from __future__ import annotations

from typing import ClassVar, Mapping

from conman_kernel import hookimpl
from conman_kernel.record import Record
from conman_kernel.slots.provider import PluginContext, Provider, provider
from conman_kernel.slots.transport import ImageTransport


class _Keys(Record):
    spool_limit: int = 64 << 30


class Options(_Keys):
    """The table ``[plugin.docker-archive]``."""

    __slots__ = ()
    DOCS: ClassVar[Mapping[str, str]] = {
        "spool_limit": "bytes that an archive from a pipe, or a compressed one, may have once it is unpacked",
    }


def _open(context: PluginContext[Options]) -> ImageTransport:
    from conman_kernel.support.archives.spool import Spool

    from .transport import DockerArchiveTransport

    return DockerArchiveTransport(Spool(context.state_dir, context.options.spool_limit))


@hookimpl
def conman_image_transport() -> Provider[ImageTransport]:
    """Declare the transport; see :func:`conman_kernel.hookspecs.conman_image_transport`."""
    return provider(api=1, summary="reads and writes Docker archives (docker save, podman save)", options=Options, open=_open)
