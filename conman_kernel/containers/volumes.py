"""A container's volumes: which it gets when it is made, what a start does to them, and what goes with it.

Imported only where a container has some: who has none pays nothing.
"""

from __future__ import annotations

import os
import posixpath
import time
from typing import Iterable, Sequence

from ..cancel import Cancel
from ..errors import ConmanError, InvalidInput, NotFound
from ..oci.runtime.options import ContainerOptions, MountOption
from ..oci.runtime.request import User
from ..record import Record
from ..store.sqlite import sqlite3
from ..volumes import filling, mounting, places
from ..volumes import rows as volume_rows
from ..volumes.options import check_name, check_options
from ..volumes.options import mounting as mounted_as
from ..volumes.records import ANONYMOUS, NAMED, VolumeRecord
from ..worker.jobs import OwnRequest
from . import rows
from .context import Context
from .rootpath import open_in_root
from .rows import ContainerRow

IMAGE_VOLUMES = ("bind", "tmpfs", "ignore")
_MOST = 512
"""Paths that one image may declare as volumes."""

_KEPT = ("/", "/dev", "/proc", "/sys")
_KEPT_BELOW = ("/proc/", "/sys/")


class Plan(Record):
    """The volumes of a container that is being made.

    :param options: with every mount it gets, and a name for each anonymous volume.
    :param anonymous: those names. ``borrowed``: names that must be there, as another container has them.
    """

    options: ContainerOptions
    anonymous: frozenset[str] = frozenset()
    borrowed: frozenset[str] = frozenset()


def plan(context: Context, options: ContainerOptions, declared: Sequence[str]) -> Plan:
    """Put together what the caller mounts, what ``volumes_from`` brings and what the image declares; in this order, the first at
    a place wins. Changes nothing.

    :param declared: the paths of the image's ``VOLUME``.
    :raises InvalidInput: a name, a path or an option that cannot be. :raises NotFound: a container that is not there.
    """
    if options.image_volumes not in ("", *IMAGE_VOLUMES):
        raise InvalidInput(f'invalid image volume mode "{options.image_volumes}" required value: {", ".join(IMAGE_VOLUMES)}')
    mounts = list(options.mounts)
    taken = {posixpath.normpath(mount.target) for mount in mounts}
    borrowed = {posixpath.normpath(mount.target): mount for text in options.volumes_from for mount in _lent(context, text)}
    mounts += [mount for target, mount in borrowed.items() if target not in taken]
    taken |= borrowed.keys()
    for target in _declared(declared, options.image_volumes):
        if target not in taken:
            mounts.append(MountOption("tmpfs" if options.image_volumes == "tmpfs" else "volume", "", target))
            taken.add(target)
    anonymous: set[str] = set()
    for number, mount in enumerate(mounts):
        if mount.type == "volume":
            if not mount.source:
                mounts[number] = mount = mount._replace(source=os.urandom(32).hex())
                anonymous.add(mount.source)
            check_name(mount.source)
            check_options("local", dict(mount.driver_options))
    names = {mount.source for mount in borrowed.values() if mount.type == "volume"}
    return Plan(options._replace(mounts=tuple(mounts)), frozenset(anonymous), frozenset(names))


def _declared(declared: Sequence[str], mode: str) -> list[str]:
    if mode == "ignore":
        return []
    if len(declared) > _MOST:
        raise InvalidInput(f"the image declares {len(declared)} volumes, more than {_MOST}", hint="--image-volume ignore")
    targets = [posixpath.normpath("/" + path.lstrip("/")) for path in declared]
    for target in targets:
        if target in _KEPT or target.startswith(_KEPT_BELOW) or "\0" in target:
            raise InvalidInput(f"the image declares a volume at {target}, where there can be none", hint="--image-volume ignore")
    return targets


def _lent(context: Context, text: str) -> list[MountOption]:
    """The volumes and bind mounts of another container, as ``--volumes-from`` gives them."""
    name, _, said = text.partition(":")
    words = [word for word in said.split(",") if word]
    for word in words:
        if word not in ("ro", "rw", "z"):
            raise InvalidInput(f'invalid option "{word}" specified - volumes from another container can only use z,ro,rw options')
    if {"ro", "rw"} <= set(words):
        raise InvalidInput(f"--volumes-from {text}: ro and rw exclude each other")
    try:
        with context.index.read() as connection:
            other = rows.find(connection, name)
    except ConmanError as error:
        raise type(error)(f'looking up container "{name}" for volumes-from: {error.message}', hint=error.hint) from None
    access = tuple(word for word in words if word != "z")
    return [mount._replace(options=(*(option for option in mount.options if option not in ("ro", "rw")), *access))
            if access else mount for mount in other.parsed_options().mounts if mount.type in ("volume", "bind")]


def explained(context: Context, wanted: Plan) -> tuple[tuple[str, str], ...]:
    """What would become of each volume of a plan, for a person."""
    found = []
    for mount in of_type_volume(wanted.options.mounts):
        if mount.source in wanted.anonymous:
            found.append(("volume", f"a new one without a name, at {mount.target}"))
            continue
        with context.index.read() as connection:
            there = volume_rows.exact(connection, mount.source) is not None
        found.append(("volume", f"{mount.source}, {'here already' if there else 'a new one'}, at {mount.target}"))
    return tuple(found)


def reserve(connection: sqlite3.Connection, id: str, wanted: Plan) -> tuple[str, ...]:
    """Note in the index that a container has its volumes, and make those known that are new; within the caller's transaction.

    :returns: the names of the new ones.
    :raises NotFound: one that another container had was removed meanwhile.
    """
    new, uses = [], []
    for mount in of_type_volume(wanted.options.mounts):
        kind = ANONYMOUS if mount.source in wanted.anonymous else NAMED
        if mount.source in wanted.borrowed and volume_rows.exact(connection, mount.source) is None:
            raise NotFound(f'no volume with name "{mount.source}" found: no such volume')
        if volume_rows.insert(connection, VolumeRecord(mount.source, "local", time.time(), kind, mount.labels,
                                                       mount.driver_options)):
            new.append(mount.source)
        uses.append((mount.source, posixpath.normpath(mount.target)))
    volume_rows.link(connection, id, uses)
    return tuple(new)


def make(context: Context, names: Iterable[str], cancel: Cancel) -> None:
    """Make the folders of new volumes, and tell of them."""
    parts = context.volumes().parts
    for name in names:
        with places.acquire(parts, name, cancel):
            places.ensure(parts, places.current(parts, name))
        parts.tell("volume", "create", "", name)


def unmake(context: Context, names: Iterable[str]) -> None:
    """Remove volumes that were made for a container which could not be made, unless somebody has them by now."""
    service = context.volumes()
    for name in names:
        try:
            service.remove(name)
        except ConmanError as error:
            context.log.debug("volume %s stays: %s", name, error)


def of_type_volume(mounts: Iterable[MountOption]) -> list[MountOption]:
    """The volumes among mounts."""
    return [mount for mount in mounts if mount.type == "volume"]


def with_sources(context: Context, id: str, mounts: tuple[MountOption, ...], user: User) -> tuple[MountOption, ...]:
    """The mounts, each with the folder of the host that is shown: of a volume its own, of an overlay where that is mounted; a
    tmpfs that is to be the user's with its owner."""
    found = []
    for number, mount in enumerate(mounts):
        if mount.type == "volume":
            kept = _kept(context, mount)
            mount = mount._replace(source=f"{context.layout.volume(mount.source)}/_data", options=kept)
        if "O" in mount.options:
            mount = mount._replace(source=f"{_overlay(context, id, number)}/merge")
        if mount.type == "tmpfs" and "U" in mount.options:
            mount = mount._replace(options=(*mount.options, f"uid={user.uid}", f"gid={user.gid}"))
        found.append(mount)
    return tuple(found)


def _kept(context: Context, mount: MountOption) -> tuple[str, ...]:
    """The options of a volume's mount, with those that its own file system is mounted with: the runtime's bind mount would drop
    them (mount(2), MS_REMOUNT with MS_BIND sets all flags anew)."""
    with context.index.read() as connection:
        record = volume_rows.exact(connection, mount.source)
    wanted = mounted_as(dict(record.options)) if record is not None else None
    if wanted is None:
        return mount.options
    strict = {"ro": "rw", "noexec": "exec", "nosuid": "suid", "nodev": "dev"}
    own = [word for word in wanted.options if word in strict]
    return (*(option for option in mount.options if option not in [*own, *(strict[word] for word in own)]), *own)


def at_start(context: Context, row: ContainerRow, root_fd: int, user: User, cancel: Cancel) -> None:
    """Make everything ready that a container's mounts ask for. The caller holds its lock; may be repeated.

    :param root_fd: its mounted root file system. :param user: who its process is.
    :raises ConmanError: a volume cannot be mounted or filled, an owner not be changed. What is ready by then is settled by
        :func:`at_end`.
    """
    mounts = row.parsed_options().mounts
    parts = context.volumes().parts
    _fill(context, mounts, root_fd, user, cancel)
    for number, mount in enumerate(mounts):
        source_path = places.data(parts, mount.source) if mount.type == "volume" else mount.source
        if "O" in mount.options:
            from .overlaid import show

            source_path = show(_overlay(context, row.id, number), source_path, mount.target)
        if "U" in mount.options and mount.type != "tmpfs":
            _own(context, source_path, user, cancel)


def _fill(context: Context, mounts: tuple[MountOption, ...], root_fd: int, user: User, cancel: Cancel) -> None:
    parts = context.volumes().parts
    for mount in of_type_volume(mounts):
        with places.acquire(parts, mount.source, cancel):
            record = places.ensure(parts, places.current(parts, mount.source))
            mounting.ensure_mounted(parts, record, cancel)
            if record.copy or record.own:
                source = _shown_over(root_fd, mount.target)
                try:
                    filling.settle(parts, record, source, copy="nocopy" not in mount.options, uid=user.uid, gid=user.gid,
                                   cancel=cancel)
                finally:
                    if source >= 0:
                        os.close(source)


def _shown_over(root_fd: int, target: str) -> int:
    """The folder of the root file system that a mount hides, links resolved as in the container; -1 where there is none."""
    try:
        return open_in_root(root_fd, target, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return -1  # the runtime makes it, or says why it cannot


def _own(context: Context, path: str, user: User, cancel: Cancel) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except NotADirectoryError:
        os.chown(path, user.uid, user.gid)
        return
    except OSError as error:
        raise InvalidInput(f"cannot change the owner of {path}: {error.strerror}") from None
    try:
        context.volumes().parts.worker().own(OwnRequest(fd, user.uid, user.gid, cancel))
    finally:
        os.close(fd)


def at_end(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    """Give back what a start mounted: volumes that no other container shows, overlays with all that was written to them.
    The container's process has ended; may be repeated."""
    mounts = row.parsed_options().mounts
    names = dict.fromkeys(mount.source for mount in of_type_volume(mounts))
    if names:
        parts = context.volumes().parts
        with context.index.read() as connection:
            records = [volume_rows.exact(connection, name) for name in names]
        for record in records:
            if record is not None and mounted_as(dict(record.options)) is not None:
                mounting.let_go(parts, record.name, row.id, cancel)
    if any("O" in mount.options for mount in mounts):
        from .overlaid import take_away

        take_away(f"{context.layout.container(row.id)}/overlay")


def remove(context: Context, names: Iterable[str]) -> None:
    """Remove the folders of volumes that went with a container, and tell of them; what cannot be removed is said in the log."""
    parts = context.volumes().parts
    for name in names:
        try:
            places.remove(parts, name, Cancel())
        except ConmanError as error:
            context.log.warning("volume %s: %s", name, error)
            continue
        parts.tell("volume", "remove", "", name)


def _overlay(context: Context, id: str, number: int) -> str:
    return f"{context.layout.container(id)}/overlay/{number}"
