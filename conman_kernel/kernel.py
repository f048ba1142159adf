"""The composition root: one lazy property per service; nothing is read, opened or made before it is needed.

Two of these may stand side by side in one process; there is no global state. A ``Conman`` is usable from several threads.
"""

from __future__ import annotations

from _thread import allocate_lock
from types import TracebackType
from typing import TYPE_CHECKING, Mapping

from . import config as configuration
from .cancel import Cancel
from .config import Config
from .log import StderrLog
from .plugins import Plugins, PluginState, PluginView
from .store.index import Index
from .store.layout import Layout
from .store.locks import Locks

if TYPE_CHECKING:
    from .containers.context import Context
    from .containers.create import ImageLike
    from .containers.service import Containers
    from .containers.shim import Shim
    from .doctor.examine import Subject
    from .doctor.report import DoctorReport
    from .events.service import Events
    from .explain import Explanation
    from .images.image import Image
    from .images.registries import Registries
    from .images.service import Images, Policy
    from .networks.service import Networks
    from .oci.runtime.options import ContainerOptions
    from .slots.provider import Access, Log
    from .slots.storage import StorageDriver
    from .slots.transport import ImageTransport
    from .system.service import System
    from .volumes.service import Volumes
    from .worker.client import Worker


class Conman:
    """A container manager over one store.

    :param root: what lasts; None: as configured (``/var/lib/conman``).
    :param run_root: what a reboot clears; None: as configured (``/run/conman``).
    :param config: read this ``conman.toml`` only, instead of the user's and the host's.
    :param overrides: configuration values by dotted key, above every file and the environment.
    :param environ: environment for ``CONMAN_*``; None: the process's own.
    :param log: where warnings go; None: standard error, from ``log_level`` on.
    :ivar config: the configuration in force. ``plugins``: what is installed, selected, loaded. ``log``: as given.
    :raises ConfigError: the configuration is wrong.
    """

    def __init__(self, *, root: str | None = None, run_root: str | None = None, config: str | None = None,
                 overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None,
                 log: Log | None = None) -> None:
        given = dict(overrides or {})
        if root is not None:
            given["root"] = root
        if run_root is not None:
            given["run_root"] = run_root
        self.config: Config = configuration.load(file=config, overrides=given, environ=environ)
        self.log: Log = log if log is not None else StderrLog(self.config.text("log_level"))
        self.layout = Layout(self.config.text("root"), self.config.text("run_root"))
        self.plugins = Plugins(self.config, self.layout, self.log)
        self._index = Index(self.layout)
        self._locks = Locks(self.layout)
        self._shim: Shim | None = None
        self._context: Context | None = None
        self._images: Images | None = None
        self._containers: Containers | None = None
        self._volumes: Volumes | None = None
        self._events: Events | None = None
        self._making = allocate_lock()

    def __enter__(self) -> Conman:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give every descriptor and connection back. May be called twice; containers go on running."""
        if self._context is not None:
            self._context.close()
        if self._shim is not None:
            self._shim.close()
            self._shim = None
        self.plugins.close()
        self._index.close()

    @property
    def images(self) -> Images:
        """Pull, find, list and remove images."""
        with self._making:
            if self._images is None:
                self._images = self._make_images()
            return self._images

    @property
    def registries(self) -> Registries:
        """Log in and out, list repositories and tags."""
        from .images.registries import Registries

        return Registries(self.images.parts)

    @property
    def containers(self) -> Containers:
        """Create, run, find and list containers."""
        with self._making:
            if self._containers is None:
                self._containers = self._make_containers()
            return self._containers

    @property
    def networks(self) -> Networks:
        """Make, find, list and remove networks."""
        return self.containers.context.networks

    @property
    def volumes(self) -> Volumes:
        """Create, find, list and remove volumes."""
        with self._making:
            if self._volumes is None:
                self._volumes = self._make_volumes()
            return self._volumes

    @property
    def events(self) -> Events:
        """What happens to containers and images, told and read."""
        if self._events is None:
            from .events.service import Events

            self._events = Events(self.config, self.plugins, self.log)
        return self._events

    @property
    def system(self) -> System:
        """Measure, prune, check and repair the store as a whole."""
        from .system.service import System

        return System(self)

    def info(self) -> dict[str, object]:
        """Facts about host, store and selected plugins, as ``conman info`` shows them; JSON-ready."""
        from .info import info

        return info(self)

    def doctor(self, *, seconds: float = 10.0, cancel: Cancel | None = None) -> DoctorReport:
        """Look at host, configuration, store and plugins for what would keep containers from working; changes nothing.

        :param seconds: how long one check may take. One that does not end by then is a finding, and its thread is left behind.
        :raises Cancelled, DeadlineExceeded: by ``cancel``.
        """
        from .doctor.examine import examine

        return examine(self.config, self.layout, self.log, seconds=seconds, cancel=cancel if cancel is not None else Cancel())

    def plugin_states(self) -> tuple[PluginState, ...]:
        """Every plugin that is installed or asked for, and whether it works on this host. Loads those that something asks for:
        the stock ones, those that the configuration names, those that containers and images were made with."""
        from .doctor.states import states

        return states(self._subject())

    def plugin_views(self, name: str) -> tuple[PluginView, ...]:
        """One plugin, selected or not, loaded and asked what it offers; in each slot that it serves.

        :raises ConmanError: it is not installed, or fails. One that cannot work here is reported.
        """
        from .doctor.states import view

        return view(self._subject(), name)

    def _subject(self) -> Subject:
        from .doctor.examine import Subject
        from .slots.doctor import Host

        subject = Subject(self.config, self.layout, self.log, Host())
        subject.plugins.calls.watcher = self.plugins.calls.watcher
        return subject

    def explain_run(self, image: str, options: ContainerOptions | None = None, *, policy: Policy = "missing",
                    platform: str | None = None, start: bool = True, access: Access | None = None,
                    cancel: Cancel | None = None) -> Explanation:
        """What :meth:`.Containers.run` (or, without ``start``, ``create``) would do with an image of that name, and why.
        Nothing is changed, and nobody is asked over the network.

        :param policy: when the image would be pulled, as in :meth:`.Images.ensure`.
        :raises ConmanError: what would be refused before anything is made.
        """
        from .explain import explaining
        from .oci.runtime.options import ContainerOptions

        with explaining(self.config, self.layout, self.log, access, cancel) as explain:
            return explain.run(image, options or ContainerOptions(), policy=policy, platform=platform, start=start)

    def explain_pull(self, reference: str, *, platform: str | None = None, access: Access | None = None,
                     cancel: Cancel | None = None) -> Explanation:
        """What :meth:`.Images.pull` would do: reference, transport, places in order, whose credentials, what is here. As
        :meth:`explain_run`."""
        from .explain import explaining

        with explaining(self.config, self.layout, self.log, access, cancel) as explain:
            return explain.pull(reference, platform=platform)

    def version(self) -> dict[str, object]:
        """Versions of conman, its plugins and its interpreter; JSON-ready."""
        from .info import version

        return version(self)

    def adopt_shim(self, shim: Shim) -> None:
        """Take a shim that was launched before anything was known; the first container gets it."""
        self._shim = shim

    def _make_images(self) -> Images:
        from .images.parts import Parts
        from .images.service import Images
        from .store.blobs import Blobs

        return Images(Parts(
            layout=self.layout, database=self._index, locks=self._locks, blobs=Blobs(self.layout), worker=_worker,
            storage=self._driver, default_storage=self.config.text("storage.driver"), transport=self._transport,
            short_names=self.config.texts("short_names"), keep_blobs=self.config.switch("keep_blobs"),
            parallel=self.config.number("pull.parallel"), log=self.log, tell=self._tell))

    def _make_containers(self) -> Containers:
        from .containers.context import Context
        from .containers.service import Containers

        self._context = Context(config=self.config, layout=self.layout, index=self._index, locks=self._locks,
                                plugins=self.plugins, log=self.log, writable=lambda: self.images.writable,
                                volumes=lambda: self.volumes, tell=self._tell)
        if self._shim is not None:
            self._context.adopt_shim(self._shim)
            self._shim = None
        return Containers(self._context, place=self._place, images_of=self._images_of)

    def _make_volumes(self) -> Volumes:
        from .volumes.records import Parts
        from .volumes.service import Volumes

        return Volumes(Parts(layout=self.layout, database=self._index, locks=self._locks, worker=_worker, log=self.log,
                             tell=self._tell), remove_container=self._remove_container)

    def _remove_container(self, id: str, timeout: int | None, cancel: Cancel) -> None:
        from .errors import NotFound

        try:
            container = self.containers.get(id)
        except NotFound:
            return  # somebody was faster
        container.remove(force=True, timeout=timeout, cancel=cancel)

    def _tell(self, type: str, status: str, id: str, name: str, image: str = "", attributes: tuple[tuple[str, str], ...] = (),
              exit_code: int | None = None) -> None:
        if self.config.texts("events.sinks"):
            from .events.service import event

            self.events.emit(event(type, status, id, name, image, attributes, exit_code))

    def _driver(self, name: str) -> StorageDriver:
        from .slots import STORAGE

        return self.plugins.get(STORAGE, name)

    def _transport(self, scheme: str, access: Access) -> ImageTransport:
        from .errors import InvalidInput
        from .slots import TRANSPORT

        chosen = self.config.transports.get(scheme)
        if chosen is None:
            raise InvalidInput(f"no transport is configured for {scheme}:", hint=f"set transports.{scheme} in conman.toml")
        return self.plugins.get(TRANSPORT, str(chosen.value), access=access)

    def _place(self, image: ImageLike | str, cancel: Cancel) -> tuple[ImageLike, str, str]:
        """The image's layers, in the storage driver that new containers use."""
        from .images.image import Image

        found: Image = image if isinstance(image, Image) else self.images.get(image if isinstance(image, str) else image.id)
        found = self.images.unpack(found, cancel=cancel)
        return found, found.top_chain_id, found.storage

    def _images_of(self, name: str) -> frozenset[str]:
        return frozenset(image.id for image in self.images.list()
                         if image.id.startswith(name.removeprefix("sha256:")) or name in image.names
                         or any(n.endswith("/" + name) or n.rpartition(":")[0].endswith("/" + name) for n in image.names))


def _worker() -> Worker:
    from .worker.client import Worker

    return Worker()
