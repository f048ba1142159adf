"""The volumes of one store: create, find, list, remove, prune."""

from __future__ import annotations

import os
import time
from typing import Callable, Mapping, Sequence

from ..cancel import Cancel
from ..errors import AlreadyExists, ConmanError, InvalidInput, InvalidState
from . import places, rows
from .filters import matcher
from .options import check_name, check_options, mounting
from .records import NAMED, Parts, VolumePruneReport, VolumeRecord
from .volume import Volume

EXIT_IN_USE = 2
"""podman's exit code for removing what is still in use."""

PRUNE_FILTERS = ("label", "label!", "until", "name", "opt", "driver", "since", "after")


class Volumes:
    """The volumes of one store. Thread-safe; makes nothing before the first call.

    :param remove_container: removes a container by its id, stopping it first; for :meth:`remove` with ``force``.
    """

    def __init__(self, parts: Parts, *, remove_container: Callable[[str, int | None, Cancel], None]) -> None:
        self._parts = parts
        self._remove_container = remove_container

    @property
    def parts(self) -> Parts:
        """What this service works with; for the kernel's own further layers."""
        return self._parts

    def create(self, name: str = "", *, driver: str = "local", options: Mapping[str, str] | None = None,
               labels: Mapping[str, str] | None = None, exist_ok: bool = False, cancel: Cancel | None = None) -> Volume:
        """Make an empty volume.

        :param name: empty: 64 random hexadecimal digits.
        :param driver: ``local``, a folder of this host.
        :param options: ``type``, ``device`` and ``o`` as mount(8) takes them: that is mounted there while the volume is used;
            ``nocopy``: images' content is never copied into it. In ``o``, ``uid`` and ``gid`` are its folder's owner.
        :param exist_ok: one of that name that is there is returned as it is.
        :raises AlreadyExists: the name is taken.
        :raises InvalidInput: the name or an option is none. :raises NotFound: another driver. Nothing was made.
        """
        watch = cancel or Cancel()
        chosen = check_name(name or os.urandom(32).hex())
        check_options(driver, options or {})
        record = VolumeRecord(chosen, "local", time.time(), NAMED, tuple((labels or {}).items()), tuple((options or {}).items()))
        with self._parts.database.write() as connection:
            made = rows.insert(connection, record)
        if not made and not exist_ok:
            raise AlreadyExists(f"volume with name {chosen} already exists: volume already exists",
                                hint=f"conman volume inspect {chosen}, or choose another name")
        with places.acquire(self._parts, chosen, watch):
            record = places.ensure(self._parts, places.current(self._parts, chosen))
        if made:
            self._parts.tell("volume", "create", "", chosen)
        return Volume(self, record)

    def get(self, name: str) -> Volume:
        """A volume by its name, or by a beginning of it that no other has.

        :raises NotFound: there is none.
        """
        with self._parts.database.read() as connection:
            return Volume(self, rows.find(connection, name))

    def exists(self, name: str) -> bool:
        """True where there is a volume of exactly this name."""
        with self._parts.database.read() as connection:
            return rows.exact(connection, name) is not None

    def list(self, *, filters: Mapping[str, Sequence[str]] | None = None) -> list[Volume]:
        """The volumes, by name.

        :param filters: podman's keys and values: ``after dangling driver label label! name opt scope since until``.
        :raises InvalidInput: an unknown filter.
        """
        with self._parts.database.read() as connection:
            found = rows.select(connection)
            fits = matcher(filters or {}, everything=found, used=rows.users(connection))
        return [Volume(self, record) for record in found if fits(record)]

    def remove(self, name: str, *, force: bool = False, timeout: int | None = None, cancel: Cancel | None = None) -> None:
        """Remove a volume with everything in it.

        :param name: as in :meth:`get`.
        :param force: remove the containers that have it first, with ``timeout`` seconds between their stop signal and SIGKILL.
        :raises NotFound: there is none.
        :raises InvalidState: a container has it, whether that runs or not, and ``force`` is not given.
        """
        watch = cancel or Cancel()
        record = self.get(name).record
        if force:
            with self._parts.database.read() as connection:
                users = rows.users_of(connection, record.name)
            for container in users:
                self._remove_container(container, timeout, watch)
        if not self._forget(record.name):
            places.current(self._parts, record.name)
        places.remove(self._parts, record.name, watch)
        self._parts.tell("volume", "remove", "", record.name)
        places.clear_leftovers(self._parts, watch)

    def prune(self, *, filters: Mapping[str, Sequence[str]] | None = None, cancel: Cancel | None = None) -> VolumePruneReport:
        """Remove the volumes that no container has.

        :param filters: as in :meth:`list`, but for ``dangling`` and ``scope``.
        :raises InvalidInput: an unknown filter.
        """
        watch = cancel or Cancel()
        gone: list[str] = []
        reclaimed = 0
        for volume in self.prunable(filters=filters):
            watch.check()
            try:
                size = self.size(volume.record)
                if not self._forget(volume.name):
                    continue
                places.remove(self._parts, volume.name, watch)
            except InvalidState:
                continue  # a container has it by now
            except ConmanError as error:
                watch.check()
                self._parts.log.warning("volume %s: %s", volume.name, error)
                continue
            gone.append(volume.name)
            reclaimed += size
            self._parts.tell("volume", "remove", "", volume.name)
            self._parts.tell("volume", "prune", "", volume.name)
        places.clear_leftovers(self._parts, watch)
        return VolumePruneReport(tuple(gone), reclaimed)

    def prunable(self, *, filters: Mapping[str, Sequence[str]] | None = None) -> tuple[Volume, ...]:
        """What :meth:`prune` would remove now. Filters and errors likewise."""
        unknown = next((key for key in filters or {} if key not in PRUNE_FILTERS), "")
        if unknown:
            raise InvalidInput(f'"{unknown}" is an invalid volume filter', hint=f"prune takes {', '.join(PRUNE_FILTERS)}")
        return tuple(self.list(filters={**(filters or {}), "dangling": ("true",)}))

    def size(self, record: VolumeRecord) -> int:
        """What a volume takes on disk, bytes; one that mounts a file system of its own takes nothing here."""
        from ..support.trees import usage

        if mounting(dict(record.options)) is not None:
            return 0
        try:
            return usage(places.data(self._parts, record.name)).size
        except OSError:
            return 0  # it was never used, or is being removed

    def _forget(self, name: str) -> bool:
        """Take a volume out of the index, unless a container has it.

        :returns: False where it was gone.
        """
        with self._parts.database.write() as connection:
            if rows.exact(connection, name) is None:
                return False
            users = rows.users_of(connection, name)
            if users:
                error = InvalidState(f"volume {name} is being used by the following container(s): {', '.join(users)}: "
                                     "volume is being used", hint=f"conman rm them, or conman volume rm --force {name}")
                error.exit_code = EXIT_IN_USE
                raise error
            rows.delete(connection, [name])
        return True
