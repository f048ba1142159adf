"""What ``run``, ``create`` and ``pull`` would do, and why: which plugin fills each slot and who says so, the image or where it
would come from, mounts, commands, runtime spec. Nothing is changed: the index is only read, plugins are loaded and probed, no
folder is made."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator, Mapping

from .cancel import Cancel
from .config import Config, ConfigValue
from .config_lines import Lines
from .containers import bundle
from .containers.context import Context
from .containers.create import image_name, image_parts, planned
from .containers.rows import ContainerRow, options_json
from .containers.shim import default_shim_command
from .containers.sources import check_sources
from .containers.users import resolve_user
from .errors import ConmanError, InvalidInput, NotFound
from .images.parts import Parts
from .images.resolve import expand
from .images.shown import Shown, known
from .oci.platform import host_platform, parse_platform
from .oci.reference import Reference
from .oci.runtime.options import ContainerOptions
from .oci.runtime.request import User
from .oci.runtime.spec import check_options
from .plugins import Plugins
from .record import Record
from .slots import ATTACH, NETWORK, RUNTIME, STORAGE, TRANSPORT, Slot
from .slots.provider import AS_CONFIGURED, Access, Log
from .slots.storage import KeyRequest, PrepareRequest
from .store.blobs import Blobs
from .store.image_rows import committed
from .store.layout import Layout
from .store.locks import Locks
from .store.looking import LookingIndex

if TYPE_CHECKING:
    from .containers.writable import Writable
    from .images.records import ImageRecord
    from .slots.storage import StorageDriver
    from .slots.transport import ImageTransport
    from .volumes.service import Volumes
    from .worker.client import Worker

ID = "0" * 64
"""Stands where the container's id would: that is chosen when it is made."""


class Chosen(Record):
    """One plugin that would be used.

    :param slot: its entry-point group. ``shipped``: distribution and version. ``why``: who chose it, with file and line.
    :param problem: why it cannot be used; empty where it can.
    """

    slot: str
    name: str
    shipped: str
    why: str
    problem: str


class Explanation(Record):
    """What a command would do.

    :param plugins: what fills each slot that it needs.
    :param facts: about image, source and container: name and words, in order.
    :param would_pull: the image is not here: everything after the pull is not known before it.
    :param mounts: ``type source options`` each, of the root file system.
    :param commands: what for, and its arguments, in order.
    :param spec: the runtime configuration (``config.json``); empty where it is not known.
    :param notes: what will only be known when it is done.
    """

    plugins: tuple[Chosen, ...]
    facts: tuple[tuple[str, str], ...]
    would_pull: bool
    mounts: tuple[str, ...] = ()
    commands: tuple[tuple[str, tuple[str, ...]], ...] = ()
    spec: Mapping[str, object] = {}
    notes: tuple[str, ...] = ()


class Explain:
    """One explanation over a configuration and a store. Used once.

    :param access: how the call would approach registries.
    """

    def __init__(self, config: Config, layout: Layout, log: Log, *, access: Access = AS_CONFIGURED, cancel: Cancel) -> None:
        self._config = config
        self._layout = layout
        self._access = access
        self._cancel = cancel
        self._lines = Lines()
        self._plugins = Plugins(config, layout, log, looking=True)
        self._index = LookingIndex(layout)
        self._parts = Parts(
            layout=layout, database=self._index, locks=Locks(layout), blobs=Blobs(layout), worker=_never_a_worker,
            storage=self._driver, default_storage=config.text("storage.driver"), transport=self._transport,
            short_names=config.texts("short_names"), keep_blobs=config.switch("keep_blobs"),
            parallel=config.number("pull.parallel"), log=log)
        self._context = Context(config=config, layout=layout, index=self._index, locks=self._parts.locks, plugins=self._plugins,
                                log=log, writable=_never_writable, volumes=_never_volumes)

    def pull(self, text: str, *, platform: str | None) -> Explanation:
        """See :meth:`.Conman.explain_pull`."""
        references = expand(text, self._parts)
        chosen = [self._chosen(TRANSPORT, self._scheme(references[0])), self._storage()]
        facts = [*self._place(references, platform), *self._here(text, platform)]
        return Explanation(tuple(chosen), tuple(facts), True)

    def run(self, text: str, options: ContainerOptions, *, policy: str, platform: str | None, start: bool) -> Explanation:
        """See :meth:`.Conman.explain_run`."""
        image = _Store(self._parts).find(text, platform)
        if policy == "never":
            known(image, text)
        runtime = self._chosen(RUNTIME, self._config.entry("runtime.name"))
        attach = (self._chosen(ATTACH, self._config.entry("attach.name")),) if start else ()
        joins = bundle.network_mode(self._context, options) == "bridge"
        network = (self._chosen(NETWORK, self._config.entry("network.name")),) if joins else ()
        if image is None or policy in ("always", "newer"):
            pull = self.pull(text, platform=platform)
            said = "it is not here" if image is None else f"--pull={policy}"
            facts = (("image", f"{text}: {said}, so that it would be pulled first"), *pull.facts)
            note = "mounts, commands and runtime spec depend on the image"
            return Explanation((*pull.plugins, runtime, *attach, *network), facts, True, notes=(note,))
        return self._container(image, options, (self._storage(), runtime, *attach, *network))

    def close(self) -> None:
        """Give everything back."""
        self._context.close()
        self._plugins.close()

    def _container(self, image: ImageRecord, options: ContainerOptions, plugins: tuple[Chosen, ...]) -> Explanation:
        volumes: tuple[tuple[str, str], ...] = ()
        wanted = planned(self._context, options, image.config)
        if wanted is not None:
            from .containers.volumes import explained

            options, volumes = wanted.options, explained(self._context, wanted)
        row = self._row(image, options)
        check_sources(options.mounts)
        check_options(row.parsed_options(), self._context.facts)
        facts = [("image", f"{image_name(image)} ({image.id[:12]}, {image.platform}), here in {image.storage}"),
                 ("root file system", f"a new snapshot of {row.storage} on {image.top_chain_id or 'nothing'}")]
        if bundle.network_mode(self._context, options) == "bridge":
            from .containers.network_options import explained as networks

            facts += networks(self._context, options)
        facts += volumes
        if any(one.problem for one in plugins):
            return Explanation(plugins, tuple(facts), False, notes=("it would end with the first problem above",))
        notes = [f"the id is chosen when the container is made; {ID[:12]}... stands for it"]
        mounts: tuple[str, ...] = ()
        if image.storage != row.storage and image.top_chain_id:
            notes.append(f"the layers are {image.storage}'s, and would be unpacked for {row.storage} first")
        else:
            mounts, said = self._mounts(row, image)
            notes += said
        if options.name:
            with self._index.read() as db:
                if db.execute("SELECT 1 FROM containers WHERE name = ?", (options.name,)).fetchone() is not None:
                    notes.append(f"the name {options.name} is taken: without --replace it would be refused")
        spec, said = self._spec(row, image)
        return Explanation(plugins, tuple(facts), False, mounts, tuple(self._commands(row)), spec, (*notes, *said))

    def _row(self, image: ImageRecord, options: ContainerOptions) -> ContainerRow:
        import json

        parts = image_parts(image.config)
        if not (options.command or options.entrypoint or parts.entrypoint or parts.cmd):
            raise InvalidInput("no command or entrypoint provided, and no CMD or ENTRYPOINT from image "
                               f"{image_name(image)}: nothing to run")
        options = options._replace(labels=tuple(sorted({**image.config.labels, **dict(options.labels)}.items())))
        blank = dict.fromkeys(ContainerRow._fields, 0)
        return ContainerRow(**{
            **blank, "id": ID, "name": options.name or "NAME", "image_id": image.id, "image_name": image_name(image),
            "image_chain_id": image.top_chain_id, "state": "creating", "storage": self._config.text("storage.driver"),
            "runtime": self._config.text("runtime.name"), "options": options_json(options),
            "process": json.dumps(parts._asdict()), "boot_id": "", "error": ""})  # type: ignore[arg-type]

    def _mounts(self, row: ContainerRow, image: ImageRecord) -> tuple[tuple[str, ...], list[str]]:
        planned = getattr(self._context.driver(row.storage), "planned", None)
        if planned is None:
            return (), [f"{row.storage} tells its mounts only of snapshots that are made"]
        request = PrepareRequest(row.id, image.top_chain_id or None, self._cancel)
        return tuple(f"{one.type} {one.source} {','.join(one.options)}" for one in planned(request)), []

    def _commands(self, row: ContainerRow) -> Iterator[tuple[str, tuple[str, ...]]]:
        client = self._context.client(row.runtime)
        folder = self._layout.container_run(row.id)
        networked = bundle.network_mode(self._context, row.parsed_options()) == "bridge"
        at_once = bool(client.commands.run) and not row.parsed_options().terminal and not networked
        console = folder + "/console.sock" if row.parsed_options().terminal else ""
        log = folder + "/runtime.log"
        yield "shim", self._config.texts("shim.command") or default_shim_command()
        yield "run" if at_once else "create", tuple(client.argv(
            client.commands.run if at_once else client.commands.create, row.id, bundle=folder, pid_file=folder + "/pid",
            console_socket=console, log=log))
        if not at_once:
            yield "start", tuple(client.argv(client.commands.start, row.id, log=log))
        yield "delete", tuple(client.argv(client.commands.delete, row.id, log=log))

    def _spec(self, row: ContainerRow, image: ImageRecord) -> tuple[Mapping[str, object], list[str]]:
        user, notes = self._user(row, image)
        rootfs = f"{self._layout.container_run(row.id)}/rootfs"
        return bundle.spec_of(self._context, row, rootfs, user, bundle.bind_files(self._context, row),
                              self._cancel), notes

    def _user(self, row: ContainerRow, image: ImageRecord) -> tuple[User, list[str]]:
        """As its layers say, the topmost that has a passwd; the mounted file system is what counts when it is started."""
        wanted = row.parsed_options().user or row.image_parts().user
        for folder in self._layers(image):
            state = _lstat(folder + "/etc/passwd")
            if state is not None and stat.S_ISREG(state.st_mode):
                root = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    user = resolve_user(root, wanted, row.parsed_options().groups)
                except NotFound:
                    continue
                finally:
                    os.close(root)
                return user, ["user and groups are looked up again when it starts"]
        number, _, group = (wanted or "0").partition(":")
        if not number.isdigit() or (group and not group.isdigit()):
            return User(uid=0, gid=0, groups=(0,), home="/", name=""), [
                f"the user {wanted} is looked up in the image when it starts: the spec below says 0 in its place"]
        gid = int(group or "0")
        return User(uid=int(number), gid=gid, groups=(gid,), home="/", name=""), []

    def _layers(self, image: ImageRecord) -> Iterator[str]:
        """Folders of the image's layers that can be read, the topmost first."""
        driver = self._driver(image.storage)
        name: str | None = image.top_chain_id or None
        while name is not None:
            folder = driver.layer(KeyRequest(name, self._cancel))
            if folder is not None:
                yield folder
            name = driver.stat(KeyRequest(name, self._cancel)).parent

    def _storage(self) -> Chosen:
        return self._chosen(STORAGE, self._config.entry("storage.driver"))

    def _scheme(self, reference: Reference) -> ConfigValue:
        chosen = self._config.transports.get(reference.scheme)
        if chosen is None:
            raise InvalidInput(f"no transport is configured for {reference.scheme}:",
                               hint=f"set transports.{reference.scheme} in conman.toml")
        return chosen

    def _chosen(self, slot: Slot[object], entry: ConfigValue) -> Chosen:
        """A plugin, loaded and probed; what keeps it from being used is told, and stops nothing here."""
        name = str(entry.value)
        shipped = next((f"{info.distribution} {info.version}" for info in self._plugins.list()
                        if (info.slot, info.name) == (slot.group, name)), "not installed")
        problem = ""
        try:
            self._plugins.get(slot, name)
        except ConmanError as error:
            problem = error.message
        return Chosen(slot.group, name, shipped, f"{entry.key}, {self._lines.origin(entry)}", problem)

    def _place(self, references: tuple[Reference, ...], platform: str | None) -> Iterator[tuple[str, str]]:
        yield "reference", " or else ".join(str(reference) for reference in references)
        yield "platform", str(parse_platform(platform) if platform else host_platform())
        for reference in references:
            transport = self._transport(reference.scheme, self._access)
            tell = getattr(transport, "explain", None)
            if tell is not None:
                yield from tell(reference.location)

    def _here(self, text: str, platform: str | None) -> Iterator[tuple[str, str]]:
        image = _Store(self._parts).find(text, platform)
        if image is None:
            yield "here already", "no image of that name"
            return
        layers = image.layers
        with self._index.read() as db:
            held = committed(db, self._parts.default_storage, layers)
        yield "here already", (f"{image.id[:12]} ({image.digest}), {len(held)} of {len(layers)} layers in "
                               f"{self._parts.default_storage}; what is the same does not come again")

    def _driver(self, name: str) -> StorageDriver:
        return self._plugins.get(STORAGE, name)

    def _transport(self, scheme: str, access: Access) -> ImageTransport:
        return self._plugins.get(TRANSPORT, str(self._config.transports[scheme].value), access=access)


@contextmanager
def explaining(config: Config, layout: Layout, log: Log, access: Access | None, cancel: Cancel | None) -> Iterator[Explain]:
    """An :class:`Explain` for one block."""
    explain = Explain(config, layout, log, access=access or AS_CONFIGURED, cancel=cancel if cancel is not None else Cancel())
    try:
        yield explain
    finally:
        explain.close()


class _Store(Shown):
    """Images by what a person wrote."""

    def find(self, text: str, platform: str | None) -> ImageRecord | None:
        return self._here(text, platform)


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _never_a_worker() -> Worker:
    raise InvalidInput("nothing is done here")


def _never_volumes() -> Volumes:
    raise InvalidInput("nothing is done here")


def _never_writable() -> Writable:
    raise InvalidInput("nothing is done here")
