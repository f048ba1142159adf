"""Create: reserve id and name in one transaction, then make the writable snapshot; undone whole where either fails."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Protocol

from ..cancel import Cancel
from ..errors import AlreadyExists, ConmanError, InvalidInput, NotFound
from ..oci.image_config import ImageConfig
from ..oci.runtime.options import ContainerOptions
from ..oci.runtime.request import ImageParts
from ..oci.runtime.spec import check_options
from ..processes import boot_id, start_time
from ..slots.storage import PrepareRequest
from . import rows
from .bundle import network_mode
from .context import Context
from .files import remove_named, write_new
from .names import check_name, random_name
from .rows import ContainerRow
from .telling import tell
from .words import command_words

if TYPE_CHECKING:
    from ..store.sqlite import sqlite3
    from .volumes import Plan

_NAME_TRIES = 32


class ImageLike(Protocol):
    """What a container needs of an image: an :class:`~conman_kernel.Image` has it."""

    @property
    def id(self) -> str:
        """Hexadecimal digest of its configuration, 64 digits."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called; may be empty."""
        ...

    @property
    def config(self) -> ImageConfig:
        """Its parsed configuration."""
        ...


def create(context: Context, image: ImageLike, chain_id: str, options: ContainerOptions, *, storage: str, runtime: str,
           to_start: bool, cancel: Cancel, runnable: bool = True) -> ContainerRow:
    """Make a container: its row, its id file, its writable snapshot.

    :param chain_id: the committed snapshot of ``storage`` that holds the image's tree; "" for an image without layers.
    :param to_start: the caller starts it next (``run``): until then it is nobody else's, and goes with this process.
    :param runnable: refuse what has nothing to run.
    :raises AlreadyExists: the name, or the ``cidfile``, is taken.
    :raises InvalidInput, Unavailable: the options cannot work here; nothing was made.
    """
    parts = image_parts(image.config)
    labels = {**image.config.labels, **dict(options.labels)}
    options = options._replace(labels=tuple(sorted(labels.items())))
    wanted = planned(context, options, image.config)
    if wanted is not None:
        options = wanted.options
    if options.health is not None or image.config.healthcheck:
        from .health import resolve

        options = options._replace(health=resolve(options.health, image.config, image_name(image)))
    if options.restart or options.restart_tries:
        from .restart import check_policy

        check_policy(options)
    options = _by_id(context, options)
    _check(context, options, cancel)
    if runnable and not (options.command or options.entrypoint or parts.entrypoint or parts.cmd):
        raise InvalidInput("no command or entrypoint provided, and no CMD or ENTRYPOINT from image "
                           f"{image_name(image)}: nothing to run")
    options = _networked(context, options, image, cancel)
    id = os.urandom(32).hex()
    driver = context.driver(storage)
    context.client(runtime)  # one that cannot work here says so before anything is made
    row, new = _reserve(context, id, image, chain_id, parts, options, storage, runtime, wanted)
    try:
        if new:
            from .volumes import make

            make(context, new, cancel)
        if options.cidfile:
            write_new(options.cidfile, id, "container ID file")
        driver.prepare(PrepareRequest(id, chain_id or None, cancel))
        if not to_start:
            with context.index.write() as connection:
                rows.update(connection, id, state="created", owner_pid=0, owner_start=0)
            row = row._replace(state="created", owner_pid=0, owner_start=0)
    except BaseException:
        discard(context, row, known=False)
        if new:
            from .volumes import unmake

            unmake(context, new)
        raise
    tell(context, row, "create")
    return row


def planned(context: Context, options: ContainerOptions, image: ImageConfig) -> Plan | None:
    """The volumes of a container that is to be made, and its options with them; None where it has none. Errors as
    :func:`.volumes.plan`."""
    if not (options.volumes_from or image.volumes or options.image_volumes
            or any(mount.type == "volume" for mount in options.mounts)):
        return None
    from .volumes import plan

    return plan(context, options, image.volumes)


def _networked(context: Context, options: ContainerOptions, image: ImageLike, cancel: Cancel) -> ContainerOptions:
    mode = network_mode(context, options)
    if mode in ("none", "host") and not (options.networks or options.ports):
        return options._replace(network=mode)
    from .network_options import completed

    return completed(context, options, image.config.exposed_ports, cancel)


def _check(context: Context, options: ContainerOptions, cancel: Cancel) -> None:
    """Refuse what cannot be given before anything is made."""
    command_words(options.command)
    command_words(options.entrypoint or ())
    check_options(options, context.facts)
    if options.restart or options.restart_tries:
        from .restart import check_policy

        check_policy(options)
    if options.mounts:
        from .sources import check_sources

        check_sources(options.mounts)
    if options.name:
        check_name(options.name)
    if options.named_devices or options.annotations:
        from .edits import edits_of

        edits_of(context, "", options, cancel)


def discard(context: Context, row: ContainerRow, *, known: bool) -> None:
    """Remove what a ``create``, or a ``run`` before its start, has left: the id file, the snapshot, then the row.

    :param known: it may have been told of.
    """
    from .cleanup import remove

    remove_named(row.parsed_options().cidfile, row.id)
    remove(context, row, Cancel(), known=known, volumes=True)


def image_name(image: ImageLike) -> str:
    """What the image is called; its short id where it has no name."""
    return image.names[0] if image.names else image.id[:12]


def image_parts(config: ImageConfig) -> ImageParts:
    """The image's share of the process."""
    return ImageParts(env=tuple(config.env), entrypoint=tuple(config.entrypoint), cmd=tuple(config.cmd),
                      working_dir=config.working_dir, stop_signal=config.stop_signal, user=config.user)


def _reserve(context: Context, id: str, image: ImageLike, chain_id: str, parts: ImageParts, options: ContainerOptions,
             storage: str, runtime: str, wanted: Plan | None) -> tuple[ContainerRow, tuple[str, ...]]:
    values: dict[str, object] = {
        "id": id, "name": options.name, "image_id": image.id, "image_name": image_name(image), "image_chain_id": chain_id,
        "state": "creating", "created": time.time(), "storage": storage, "runtime": runtime,
        "options": rows.options_json(options), "process": json.dumps(parts._asdict(), separators=(",", ":")),
        "owner_pid": os.getpid(), "owner_start": start_time(os.getpid()), "boot_id": boot_id(),
    }
    for attempt in range(_NAME_TRIES):
        values["name"] = options.name or random_name()
        try:
            with context.index.write() as connection:
                if connection.execute("SELECT 1 FROM images WHERE id = ?", (image.id,)).fetchone() is None:
                    raise NotFound(f"{image_name(image)}: image not known", hint="it was removed just now; pull it again")
                rows.insert(connection, values)
                if options.networks:
                    _into_networks(connection, id, options)
                row = rows.by_id(connection, id)
                assert row is not None
                new: tuple[str, ...] = ()
                if wanted is not None and wanted.options.mounts:
                    from .volumes import reserve

                    new = reserve(connection, id, wanted)
                return row, new
        except AlreadyExists:
            if options.name or attempt == _NAME_TRIES - 1:
                raise
    raise AlreadyExists("no free name was found")


def _into_networks(connection: sqlite3.Connection, id: str, options: ContainerOptions) -> None:
    from ..networks.rows import join
    from .network_options import wishes

    for network, wish in wishes(options):
        join(connection, id, network, wish)


def _by_id(context: Context, options: ContainerOptions) -> ContainerOptions:
    """The options with other containers by their ids, which stay what they are where one is renamed. They must exist now; that
    they run is a matter of ``start``."""
    found: dict[str, str] = {}
    for kind in ("network", "pid", "ipc", "uts"):
        mode: str = getattr(options, kind)
        if mode.startswith("container:"):
            with context.index.read() as connection:
                try:
                    found[kind] = "container:" + rows.find(connection, mode.partition(":")[2]).id
                except ConmanError as error:
                    raise type(error)(f"--{kind} {mode}: {error.message}", hint=error.hint) from None
    return options._replace(**found) if found else options  # type: ignore[arg-type]
