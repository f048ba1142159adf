"""The image transport ``dir-transport``: one image in one folder, in the form of podman's and skopeo's ``dir:``."""

from __future__ import annotations

from conman_kernel import hookimpl
from conman_kernel.slots.provider import NoOptions, PluginContext, Provider, provider
from conman_kernel.slots.transport import ImageTransport


def _open(context: PluginContext[NoOptions]) -> ImageTransport:
    from .transport import DirTransport

    return DirTransport()


@hookimpl
def conman_image_transport() -> Provider[ImageTransport]:
    """Declare the transport; see :func:`conman_kernel.hookspecs.conman_image_transport`."""
    return provider(api=1, summary="reads and writes dir: folders, one image each", options=NoOptions, open=_open)
