"""The hooks: how a plugin tells the kernel what it offers. One a slot; each is called with nothing and returns a provider.

A plugin module implements one with :data:`conman_kernel.hookimpl`::

    from conman_kernel import hookimpl
    from conman_kernel.slots.provider import NoOptions, Provider, provider
    from conman_kernel.slots.storage import API, StorageDriver

    @hookimpl
    def conman_storage_driver() -> Provider[StorageDriver]:
        return provider(api=API, summary="...", options=NoOptions, open=lambda context: Driver(context.state_dir))
"""

from __future__ import annotations

import pluggy

from .slots.attach import Attach
from .slots.provider import Provider
from .slots.runtime import Runtime
from .slots.storage import StorageDriver
from .slots.transport import ImageTransport

hookspec = pluggy.HookspecMarker("conman")


@hookspec
def conman_image_transport() -> Provider[ImageTransport]:  # type: ignore[empty-body]
    """Declare an image transport. Called once, when a reference with its scheme is first used, or by ``plugin inspect``."""


@hookspec
def conman_storage_driver() -> Provider[StorageDriver]:  # type: ignore[empty-body]
    """Declare a storage driver. Called once, when the driver is first needed, or by ``plugin inspect``."""


@hookspec
def conman_runtime() -> Provider[Runtime]:  # type: ignore[empty-body]
    """Declare an OCI runtime. Called once, when a container of it is first started, or by ``plugin inspect``."""


@hookspec
def conman_attach() -> Provider[Attach]:  # type: ignore[empty-body]
    """Declare an I/O attach. Called once, when a session is first joined to a caller's streams, or by ``plugin inspect``."""
