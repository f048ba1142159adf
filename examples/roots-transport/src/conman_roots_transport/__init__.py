"""An image transport for conman: a folder of root file system tarballs, each an image."""

from __future__ import annotations

from typing import NamedTuple

from conman_kernel import hookimpl
from conman_kernel.slots.provider import PluginContext, Provider, provider
from conman_kernel.slots.transport import ImageTransport

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class _Keys(NamedTuple):
    command: tuple[str, ...] = ("/bin/sh",)
    env: tuple[str, ...] = (f"PATH={DEFAULT_PATH}",)


class Options(_Keys):
    """The table [plugin.roots-transport]."""

    __slots__ = ()
    DOCS = {
        "command": "what an image runs where no NAME.json beside its tarball says it",
        "env": "the environment of such an image, NAME=value each",
    }


def _open(context: PluginContext[Options]) -> ImageTransport:
    from .transport import RootsTransport

    return RootsTransport(command=context.options.command, env=context.options.env)


@hookimpl
def conman_image_transport() -> Provider[ImageTransport]:
    return provider(api=1, summary="reads roots: folders of root file system tarballs", options=Options, open=_open)
