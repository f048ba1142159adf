"""The attach plugin ``pty-attach``: a person's terminal, or a pipeline, joined to a container's streams."""

from __future__ import annotations

from conman_kernel import hookimpl
from conman_kernel.slots.attach import Attach
from conman_kernel.slots.provider import NoOptions, Provider, provider

from .attach import PtyAttach


@hookimpl
def conman_attach() -> Provider[Attach]:
    """See :mod:`conman_kernel.hookspecs`."""
    return provider(api=1, summary="joins the calling terminal or pipes to a container", options=NoOptions,
                    open=lambda context: PtyAttach())
