"""One network removed from the host: its rules, its bridge, what is written down of it."""

from __future__ import annotations

import os
import shutil

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConmanError, Unavailable
from conman_kernel.slots.network import Network

from . import leases, netlink, rules
from .joining import Means, alias, versions


def remove(means: Means, network: Network, cancel: Cancel) -> None:
    """See the slot: every part is tried, and the first failure told."""
    cancel.check()
    failed: list[ConmanError] = []
    if network.driver == "bridge":
        for ip in versions(network):
            try:
                means.tables.remove_network(ip, rules.owner(network), cancel)
            except Unavailable as error:
                failed.append(error)
        link = netlink.link(network.interface)
        if link is not None and link.kind == "bridge" and link.alias in ("", alias(network)):
            netlink.delete(link.number)
    leases.forget(means.leases_of(network))
    if os.path.isdir(means.macs_of(network)):
        shutil.rmtree(means.macs_of(network))
    if failed:
        raise failed[0]
