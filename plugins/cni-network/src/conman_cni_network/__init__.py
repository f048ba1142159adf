"""The network plugin ``cni-network``: networks by the CNI plugins that hosts have, published ports by iptables."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Mapping, Sequence

from conman_kernel import hookimpl
from conman_kernel.record import Record
from conman_kernel.slots.network import NetworkDriver
from conman_kernel.slots.provider import PluginContext, Provider, provider
from conman_kernel.slots.provider import Unavailable as No

if TYPE_CHECKING:
    from conman_kernel.slots.doctor import Check


class _Keys(Record):
    plugin_dirs: tuple[str, ...] = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
    firewalld: str = "auto"


class Options(_Keys):
    """The table ``[plugin.cni-network]``."""

    __slots__ = ()
    DOCS: ClassVar[Mapping[str, str]] = {
        "plugin_dirs": "where the CNI plugins lie; the first folder that has one is taken",
        "firewalld": "tell firewalld of every container's addresses: auto (where it runs), yes or no",
    }


def _probe(context: PluginContext[Options]) -> No | None:
    from .probe import probe

    return probe(context.options)


def _open(context: PluginContext[Options]) -> NetworkDriver:
    from .driver import CniNetwork

    return CniNetwork(context.options, run_dir=context.run_dir, log=context.log)


@hookimpl
def conman_network() -> Provider[NetworkDriver]:
    """Offer it; does no I/O."""
    return provider(api=1, summary="bridges by the host's CNI plugins, ports by iptables", options=Options, probe=_probe,
                    open=_open)


@hookimpl
def conman_doctor() -> Sequence[Check]:
    """Offer checks; see :func:`conman_kernel.hookspecs.conman_doctor`."""
    from conman_kernel.slots.doctor import check

    from .examine import forwarding, programs, routes

    return (check("programs", programs, options=Options), check("forwarding", forwarding, options=Options),
            check("routes", routes, options=Options))
