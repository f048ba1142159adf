"""The image transport ``registry-pull``: images in OCI and Docker registries (OCI distribution-spec v1.1).

Importing this module imports no HTTP library; that happens when the first request is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping, NamedTuple, Sequence

from conman_kernel import hookimpl
from conman_kernel.slots.provider import PluginContext, Provider, Unavailable, provider
from conman_kernel.slots.transport import ImageTransport

if TYPE_CHECKING:
    from typing import ClassVar

    from conman_kernel.slots.doctor import Check


class _Keys(NamedTuple):
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    attempts: int = 4
    longest_pause: float = 30.0
    min_speed: float = 100.0
    max_connections: int = 8
    upload_chunk: int = 64 << 20
    user_agent: str = "conman"
    trusted_realms: tuple[str, ...] = ()


class Options(_Keys):
    """The table ``[plugin.registry-pull]``. Times are seconds."""

    __slots__ = ()
    DOCS: ClassVar[Mapping[str, str]] = {
        "connect_timeout": "seconds until an address of a registry must have accepted a connection",
        "read_timeout": "seconds a registry may stay silent between two pieces of an answer",
        "attempts": "how often a request is made, or a transfer taken up again without progress, before giving up",
        "longest_pause": "seconds that a registry may ask for (Retry-After) before the next attempt; longer is an error",
        "min_speed": "bytes a second that an answer must bring, or it counts as broken; 0 accepts any",
        "max_connections": "connections to one host that are kept open for the next request",
        "upload_chunk": "bytes of a blob that are sent with one request; 0 sends all of it with one",
        "user_agent": "how requests introduce themselves, for registries that sort clients by it",
        "trusted_realms": "hosts of token servers that may see credentials although they are not the registry itself",
    }


def _probe(context: PluginContext[Options]) -> Unavailable | None:
    from importlib.util import find_spec

    if find_spec("requests") is None:
        return Unavailable("the Python package requests is not installed", "pip install 'requests>=2.28'")
    options = context.options
    if options.connect_timeout <= 0 or options.read_timeout <= 0 or options.max_connections < 1 or options.attempts < 1:
        return Unavailable("connect_timeout, read_timeout, max_connections and attempts must be greater than 0")
    if options.longest_pause < 0 or options.min_speed < 0 or options.upload_chunk < 0:
        return Unavailable("longest_pause, min_speed and upload_chunk must not be negative")
    return None


def _open(context: PluginContext[Options]) -> ImageTransport:
    from .entrance import Entrance

    return Entrance(context.options, context.registries, context.log, context.access)


@hookimpl
def conman_image_transport() -> Provider[ImageTransport]:
    """Declare the transport; see :func:`conman_kernel.hookspecs.conman_image_transport`."""
    return provider(api=1, summary="pulls from and pushes to OCI and Docker registries over HTTP", options=Options,
                    open=_open, probe=_probe)


@hookimpl
def conman_doctor() -> Sequence[Check]:
    """Offer checks; see :func:`conman_kernel.hookspecs.conman_doctor`."""
    from conman_kernel.slots.doctor import check

    from . import examine

    return (check("credentials", examine.credentials, options=Options), check("certificates", examine.certificates,
                                                                              options=Options),
            check("proxies", examine.proxies, options=Options), check("system certificates", examine.system_trust,
                                                                      options=Options))
