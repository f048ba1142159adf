"""The driver: each call checked, and handed to its part."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from conman_kernel.slots.network import DefineRequest, Joined, JoinRequest, LeaveRequest, Network, RemoveRequest

from .tables import Tables
from .turns import of_interface, turn

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Log

    from . import Options
    from .joining import Means


class CniNetwork:
    """Implements :class:`conman_kernel.slots.network.NetworkDriver`.

    :param run_dir: for leases, the lock of the rules and what else a reboot should forget.
    """

    drivers: tuple[str, ...] = ("bridge", "macvlan", "ipvlan")

    def __init__(self, options: Options, *, run_dir: str, log: Log) -> None:
        self._options = options
        self._run_dir = run_dir
        self._log = log

    def define(self, request: DefineRequest) -> Network:
        """See the slot."""
        from conman_kernel.support.networks import Host, Route, plan

        from . import look
        from .offers import OFFERS

        request.cancel.check()
        table = look.here()
        default = table.defaults.get(4) or table.defaults.get(6) or ""
        host = Host(tuple(Route(*route) for route in table.routes), table.interfaces, default)
        return plan(request, OFFERS, host)

    def join(self, request: JoinRequest) -> Joined:
        """See the slot."""
        from . import joining

        network = request.network
        joining.check_ports(network, request.ports)
        addresses: tuple[str, ...] = ()
        mac = ""
        if request.addresses or request.mac:
            from conman_kernel.support import networks

            addresses, mac = networks.addresses(network, request.addresses), networks.mac_address(request.mac)
        with turn(self._run_dir, of_interface(request.container, request.interface), request.cancel) as hold:
            return joining.join(self._means(hold), request, addresses, mac)

    def leave(self, request: LeaveRequest) -> None:
        """See the slot."""
        from .leaving import leave

        joining = request.joining
        with turn(self._run_dir, of_interface(joining.container, joining.interface), request.cancel) as hold:
            leave(self._means(hold), request)

    def remove(self, request: RemoveRequest) -> None:
        """See the slot."""
        from .removing import remove

        remove(self._means(), request.network, request.cancel)

    def _means(self, hold: int = -1) -> Means:
        from .joining import Means

        return Means(self._options.plugin_dirs, f"{self._run_dir}/leases", f"{self._run_dir}/macs",
                     Tables(self._run_dir, hold=hold), self._firewalld, self._log, hold)

    def _firewalld(self) -> bool:
        if self._options.firewalld != "auto":
            return self._options.firewalld == "yes"
        return any(os.path.lexists(path) for path in FIREWALLD)


FIREWALLD = ("/run/systemd/units/invocation:firewalld.service", "/run/firewalld.pid")
"""What is there while firewalld runs: systemd's note of the unit, or the file of one that was started by hand."""
