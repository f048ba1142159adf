"""A runtime for conman that needs no runc: plain namespaces, without cgroups and seccomp. See README.md for what that means."""

from __future__ import annotations

import sys

from conman_kernel import hookimpl
from conman_kernel.slots.provider import NoOptions, PluginContext, Provider, Unavailable, provider
from conman_kernel.slots.runtime import Runtime


def _probe(context: PluginContext[NoOptions]) -> Unavailable | None:
    import os

    if not sys.executable:
        return Unavailable("the Python that runs conman does not know where it lies")
    lacks = [name for name in ("mnt", "pid", "uts", "ipc", "net") if not os.path.exists(f"/proc/self/ns/{name}")]
    return Unavailable(f"this kernel has no namespaces of the kinds {', '.join(lacks)}") if lacks else None


def _open(context: PluginContext[NoOptions]) -> Runtime:
    from .runtime import PlainRuntime

    return PlainRuntime()


@hookimpl
def conman_runtime() -> Provider[Runtime]:
    summary = "plain namespaces, no runc; no cgroups, no seccomp"
    return provider(api=1, summary=summary, options=NoOptions, probe=_probe, open=_open)
