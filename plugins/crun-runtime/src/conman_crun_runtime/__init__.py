"""conman's runtime plugin for crun, the OCI runtime in C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from conman_kernel import hookimpl
from conman_kernel.record import Record
from conman_kernel.slots.provider import PluginContext, Provider, Unavailable, provider
from conman_kernel.slots.runtime import Runtime
from conman_kernel.support.oci_runtime import OciRuntime, option_docs

if TYPE_CHECKING:
    from conman_kernel.slots.doctor import Check


class _Keys(Record):
    binary: str = "crun"
    extra_args: tuple[str, ...] = ()


class Options(_Keys):
    """The table ``[plugin.crun-runtime]``."""

    __slots__ = ()
    DOCS = option_docs("crun")


def _probe(context: PluginContext[Options]) -> Unavailable | None:
    from .probe import probe

    return probe(context.options.binary)


def _open(context: PluginContext[Options]) -> Runtime:
    from .texts import exit_code, from_version

    return OciRuntime(plugin=context.name, program="crun", binary=context.options.binary, exit_code=exit_code,
                      extra_args=context.options.extra_args, by_version=from_version)


@hookimpl
def conman_runtime() -> Provider[Runtime]:
    """Offer crun; does no I/O."""
    return provider(api=1, summary="starts containers with crun", options=Options, open=_open, probe=_probe)


@hookimpl
def conman_doctor() -> Sequence[Check]:
    """Offer checks; see :func:`conman_kernel.hookspecs.conman_doctor`."""
    from conman_kernel.slots.doctor import check

    from .examine import build

    return (check("build", build, options=Options),)
