"""The image transport ``docker-archive``: what ``docker save`` and ``podman save`` write, read and written."""

from __future__ import annotations

from conman_kernel import hookimpl
from conman_kernel.slots.provider import PluginContext, Provider, provider
from conman_kernel.slots.transport import ImageTransport
from conman_kernel.support.archives.options import SpoolOptions


def _open(context: PluginContext[SpoolOptions]) -> ImageTransport:
    from conman_kernel.support.archives.spool import Spool

    from .transport import DockerArchiveTransport

    return DockerArchiveTransport(Spool(context.state_dir, context.options.spool_limit))


@hookimpl
def conman_image_transport() -> Provider[ImageTransport]:
    """Declare the transport; see :func:`conman_kernel.hookspecs.conman_image_transport`."""
    return provider(api=1, summary="reads and writes Docker archives (docker save, podman save)", options=SpoolOptions,
                    open=_open)
