"""What every part of ``containers/`` works with: configuration, store, plugins, and what is known of the host."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Callable

from ..config import Config
from ..errors import PluginNotInstalled
from ..oci.runtime.request import HostFacts
from ..plugins import Plugins
from ..slots import ATTACH, RUNTIME, STORAGE
from ..store.index import Index
from ..store.layout import Layout
from ..store.locks import Locks
from .hostfacts import read_facts
from .runtime_client import RuntimeClient
from .shim import Shim
from .telling import Tell, nobody

if TYPE_CHECKING:
    from ..networks.service import Networks
    from ..slots.attach import Attach
    from ..slots.provider import Log
    from ..slots.storage import StorageDriver
    from ..volumes.service import Volumes
    from .rows import ContainerRow
    from .writable import Writable

_BOOT = ("import sys; end = 2 + int(sys.argv[1]); sys.path[:] = sys.argv[2:end]; "
         "from conman_kernel.cleanup import main; main(sys.argv[end:])")


class Context:
    """The shared means of one :class:`~conman_kernel.Conman`. Holds no state of any container.

    :param tell: tells the event sinks what happened; see :mod:`.telling`.
    :param writable: the store's side of containers as writable instances; asked for on first need. ``volumes``: the store's
        volumes, likewise.
    """

    def __init__(self, *, config: Config, layout: Layout, index: Index, locks: Locks, plugins: Plugins, log: Log,
                 writable: Callable[[], Writable], volumes: Callable[[], Volumes], tell: Tell = nobody) -> None:
        self.config = config
        self.layout = layout
        self.index = index
        self.locks = locks
        self.plugins = plugins
        self.log = log
        self.writable = writable
        self.volumes = volumes
        self.tell = tell
        self._networks: Networks | None = None
        self._facts: HostFacts | None = None
        self._clients: dict[str, RuntimeClient] = {}
        self._shim: Shim | None = None

    @property
    def facts(self) -> HostFacts:
        """Facts of the host, read once."""
        if self._facts is None:
            self._facts = read_facts(cgroup_manager=self.config.text("cgroup_manager"))
        return self._facts

    @property
    def networks(self) -> Networks:
        """The networks of the store; nothing of them is loaded before the first that asks."""
        if self._networks is None:
            from ..networks.means import Means
            from ..networks.service import Networks

            self._networks = Networks(Means(config=self.config, layout=self.layout, index=self.index, locks=self.locks,
                                            plugins=self.plugins, log=self.log, tell=self.tell))
        return self._networks

    def driver(self, name: str) -> StorageDriver:
        """A storage driver by plugin name; errors as :meth:`conman_kernel.plugins.Plugins.get`."""
        return self.plugins.get(STORAGE, name)

    def attach(self) -> Attach:
        """The I/O attach plugin that is selected."""
        return self.plugins.get(ATTACH, self.config.text("attach.name"))

    def client(self, name: str) -> RuntimeClient:
        """The command line of a runtime by plugin name."""
        if name not in self._clients:
            root = self.layout.runtime_run(name)
            self._clients[name] = RuntimeClient(self.plugins.get(RUNTIME, name), root=root,
                                                systemd_cgroup=self.facts.cgroup_manager == "systemd")
        return self._clients[name]

    def driver_of(self, row: ContainerRow) -> StorageDriver:
        """The storage driver that a container was made with.

        :raises PluginNotInstalled: it is gone, naming the container.
        """
        try:
            return self.driver(row.storage)
        except PluginNotInstalled as error:
            raise _needed(error, row, f"its files are {row.storage}'s") from None

    def client_of(self, row: ContainerRow) -> RuntimeClient:
        """The runtime that a container was made with. Errors as :meth:`driver_of`."""
        try:
            return self.client(row.runtime)
        except PluginNotInstalled as error:
            raise _needed(error, row, f"it is run by {row.runtime}") from None

    def runtime_knows(self, name: str, id: str) -> bool:
        """True where a runtime still keeps something of a container. Needs no plugin: that may be gone by now."""
        return os.path.isdir(f"{self.layout.runtime_run(name)}/{id}")

    def adopt_shim(self, shim: Shim) -> None:
        """Take a shim that was launched before anything was known; the next container gets it."""
        self._shim = shim

    def take_shim(self) -> Shim:
        """A shim that waits for its configuration: the adopted one, or a new one."""
        shim, self._shim = self._shim, None
        command = self.config.texts("shim.command")
        if shim is not None and command:
            shim.close()
            shim = None
        return shim if shim is not None else Shim.launch(command or None)

    def cleanup_argv(self, id: str) -> tuple[str, ...]:
        """The command that the shim runs once its container has ended and nobody else cleans up."""
        path = [os.path.abspath(folder) for folder in sys.path if folder]
        return (sys.executable, "-I", "-S", "-c", _BOOT, str(len(path)), *path,
                self.layout.root, self.layout.run_root, self.config.explicit_file, id)

    def close(self) -> None:
        """Let an unused shim go. May be called twice."""
        shim, self._shim = self._shim, None
        if shim is not None:
            shim.close()


def _needed(error: PluginNotInstalled, row: ContainerRow, how: str) -> PluginNotInstalled:
    return PluginNotInstalled(
        f"container {row.name}: {how}, a plugin of {error.slot} that is not installed", slot=error.slot, plugin=error.plugin,
        hint=f"pip install conman-{error.plugin}; or conman rm --force {row.name}, which tells what stays behind")
