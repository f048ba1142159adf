"""What every part of ``networks/`` works with."""

from __future__ import annotations

from typing import Protocol

from ..config import Config
from ..plugins import Plugins
from ..slots import NETWORK
from ..slots.network import NetworkDriver
from ..slots.provider import Log
from ..store.index import Index
from ..store.layout import Layout
from ..store.locks import Lock, Locks

BRIDGE = "bridge"
"""The network that is made where it is first needed: docker's name for it, and podman's word for "the default network"."""

MODES = ("none", "host", "own", "private", "container", "ns", "path", "default", "pasta", "slirp4netns")
"""Words that mean something else than a network."""

_HOSTS_LOCK = 1 << 62
_NETWORKS_LOCK = (1 << 62) + 1


class Tell(Protocol):
    """Tells the event sinks; the composition root's. Never raises for what they do."""

    def __call__(self, type: str, status: str, id: str, name: str, image: str = "",
                 attributes: tuple[tuple[str, str], ...] = (), exit_code: int | None = None) -> None: ...


class Means:
    """The shared means of one :class:`~conman_kernel.Conman`, as far as networks need them. Holds no state of any network."""

    def __init__(self, *, config: Config, layout: Layout, index: Index, locks: Locks, plugins: Plugins, log: Log,
                 tell: Tell) -> None:
        self.config = config
        self.layout = layout
        self.index = index
        self.locks = locks
        self.plugins = plugins
        self.log = log
        self.tell = tell

    def driver(self, name: str = "") -> NetworkDriver:
        """A network plugin by name; empty: the one that is selected.

        :raises PluginNotInstalled, PluginUnavailable, PluginFailed: see :class:`~conman_kernel.plugins.Plugins`; the hint says
            what goes without one.
        """
        from ..errors import PluginNotInstalled, PluginUnavailable

        try:
            return self.plugins.get(NETWORK, name or self.config.text("network.name"))
        except (PluginNotInstalled, PluginUnavailable) as error:
            words = "--network none and --network host work without it"
            error.hint = f"{error.hint}; {words}" if error.hint else words
            raise

    @property
    def default_name(self) -> str:
        """The network of containers that name none, where they are not on ``none`` or ``host``."""
        configured = self.config.text("containers.network")
        return BRIDGE if configured in MODES else configured

    def namespace(self, container: str) -> str:
        """Where a container's network namespace is pinned."""
        return self.layout.container_run(container) + "/netns"

    def lock_hosts(self) -> Lock:
        """One writer of ``hosts`` files at a time, in the whole store. Held for milliseconds."""
        return self.locks.acquire(_HOSTS_LOCK)

    def lock_networks(self) -> Lock:
        """One that chooses subnets at a time, in the whole store."""
        return self.locks.acquire(_NETWORKS_LOCK)
