"""One volume, as callers hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

from ..cancel import Cancel
from ..times import rfc3339
from . import places, rows
from .options import mounting, owner
from .records import NAMED, VolumeRecord

if TYPE_CHECKING:
    from .service import Volumes


class Volume:
    """A volume. Properties are as of when it was read, but for :attr:`used_by`; :meth:`refresh` reads again."""

    __slots__ = ("_record", "_volumes")

    def __init__(self, volumes: Volumes, record: VolumeRecord) -> None:
        self._volumes = volumes
        self._record = record

    def __repr__(self) -> str:
        return f"Volume({self.name!r})"

    @property
    def record(self) -> VolumeRecord:
        """The record in the index, as it was read."""
        return self._record

    @property
    def name(self) -> str:
        """Its name; of an anonymous one 64 hexadecimal digits."""
        return self._record.name

    @property
    def driver(self) -> str:
        """``local``."""
        return self._record.driver

    @property
    def created(self) -> float:
        """Seconds since the epoch."""
        return self._record.created

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return dict(self._record.labels)

    @property
    def options(self) -> Mapping[str, str]:
        """What the driver was given: ``type``, ``device``, ``o``, ``copy``, ``nocopy``."""
        return dict(self._record.options)

    @property
    def anonymous(self) -> bool:
        """It was made for a container that named none (``-v /path``, an image's ``VOLUME``)."""
        return self._record.kind != NAMED

    @property
    def mountpoint(self) -> str:
        """The folder on the host that containers see. One with a file system of its own is mounted there while it is used."""
        return places.data(self._volumes.parts, self.name)

    @property
    def used_by(self) -> tuple[str, ...]:
        """Ids of the containers that have it, the oldest first, whether they run or not; read now."""
        with self._volumes.parts.database.read() as connection:
            return rows.users_of(connection, self.name)

    def refresh(self) -> Volume:
        """Read the record again.

        :returns: itself.
        :raises NotFound: it is gone.
        """
        self._record = places.current(self._volumes.parts, self.name)
        return self

    def remove(self, *, force: bool = False, timeout: int | None = None, cancel: Cancel | None = None) -> None:
        """See :meth:`.Volumes.remove`."""
        self._volumes.remove(self.name, force=force, timeout=timeout, cancel=cancel)

    def inspect(self) -> dict[str, object]:
        """Everything about it, under podman's keys (``podman volume inspect``); JSON-ready."""
        record = self._record
        document: dict[str, object] = {
            "Name": record.name, "Driver": record.driver, "Mountpoint": self.mountpoint, "CreatedAt": rfc3339(record.created),
            "Labels": dict(record.labels), "Scope": "local", "Options": dict(record.options)}
        uid, gid = owner(dict(record.options))
        if uid > 0:
            document["UID"] = uid
        if gid > 0:
            document["GID"] = gid
        if self.anonymous:
            document["Anonymous"] = True
        document["MountCount"] = self._mounts()
        if record.copy:
            document["NeedsCopyUp"] = True
        if record.own:
            document["NeedsChown"] = True
        return document

    def _mounts(self) -> int:
        """How many containers hold its file system mounted; a plain folder is not mounted."""
        if mounting(dict(self._record.options)) is None:
            return 0
        from ..processes import boot_id

        with self._volumes.parts.database.read() as connection:
            return rows.showing(connection, self.name, boot_id())
