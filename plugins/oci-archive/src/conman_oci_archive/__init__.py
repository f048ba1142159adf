"""The image transport ``oci-archive``: images from OCI layout folders (``oci:``) and their tars (``oci-archive:``)."""

from __future__ import annotations

from conman_kernel import hookimpl
from conman_kernel.slots.provider import NoOptions, PluginContext, Provider, provider
from conman_kernel.slots.transport import API, ImageTransport


def _open(context: PluginContext[NoOptions]) -> ImageTransport:
    from .transport import LayoutTransport

    return LayoutTransport()


@hookimpl
def conman_image_transport() -> Provider[ImageTransport]:
    """Declare the transport; see :func:`conman_kernel.hookspecs.conman_image_transport`."""
    return provider(api=API, summary="reads OCI layout folders and OCI archives", options=NoOptions, open=_open)
