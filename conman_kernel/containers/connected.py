"""A container's networks and ports, as callers see and change them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..cancel import Cancel
from ..oci.runtime.options import PublishedPort
from .described import Described

if TYPE_CHECKING:
    from ..networks.rows import Membership


class Connected(Described):
    """What a container has to do with named networks."""

    __slots__ = ()

    def connect(self, network: str, *, addresses: tuple[str, ...] = (), mac: str = "", aliases: tuple[str, ...] = (),
                interface: str = "", cancel: Cancel | None = None) -> None:
        """Put it into a network, live where it runs.

        :param network: name or id.
        :param addresses: wished for, one a subnet at most. ``mac`` likewise. ``aliases``: further names of it in that network.
        :param interface: what it calls its interface; empty: the next of ``eth0``, ``eth1``, ...
        :raises NotFound: there is no such network.
        :raises AlreadyExists: it is in it, or an address is in use.
        :raises InvalidState: it has no network of its own (``--network host``, ``none``, ``container:ID``).
        """
        from .connecting import connect

        connect(self._context, self._row, network, addresses=addresses, mac=mac, aliases=aliases, interface=interface,
                cancel=cancel or Cancel())

    def disconnect(self, network: str, *, cancel: Cancel | None = None) -> None:
        """Take it out of a network, live where it runs.

        :raises NotFound: there is no such network, or it is not in it.
        """
        from .connecting import disconnect

        disconnect(self._context, self._row, network, cancel or Cancel())

    @property
    def networks(self) -> dict[str, Membership]:
        """The networks it is in now, running or not, by name: what was wished, and what it has got."""
        from ..networks.rows import of_container

        with self._context.index.read() as connection:
            return {one.network: one for one in of_container(connection, self.id)}

    @property
    def ports(self) -> tuple[PublishedPort, ...]:
        """Its published ports, running or not."""
        return self.options.ports
