"""conman's runtime plugin for crun, the OCI runtime in C."""

from __future__ import annotations

from conman_kernel import hookimpl
from conman_kernel.slots.provider import Provider, provider
from conman_kernel.slots.runtime import API, Runtime

from .runtime import Options, open_runtime, probe


@hookimpl
def conman_runtime() -> Provider[Runtime]:
    """Offer crun."""
    return provider(api=API, summary="starts containers with crun", options=Options, open=open_runtime, probe=probe)
