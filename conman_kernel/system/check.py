"""Whether the store is sound: every finding, nothing changed. :mod:`.repair` does something about them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Iterator

from ..cancel import Cancel
from ..errors import ConmanError
from ..oci import digest as digests
from ..record import Record
from . import check_layers, check_rows
from .facts import Disk, Rows, leftovers_request, mounts_below, read_disk, read_rows
from .findings import Finding

if TYPE_CHECKING:
    from ..kernel import Conman

_CHUNK = 1 << 20


class Options(Record):
    """How a check looks.

    :param quick: blobs by their size alone; the index without a full look at its pages.
    :param verify_layers: unpack every layer once more and compare it with the one that is there.
    :param max_age: seconds; partial downloads, and layers that nobody needs, count as left over only when older.
    """

    quick: bool = False
    verify_layers: bool = False
    max_age: float = 86400.0


class Check:
    """One check. What it has read once (a blob's digest) is not read again while the file is the same."""

    def __init__(self, conman: Conman, options: Options, cancel: Cancel) -> None:
        self._conman = conman
        self._options = options
        self._cancel = cancel
        self._hashed: dict[tuple[int, int, int], str] = {}

    def findings(self) -> tuple[Finding, ...]:
        """All that is not as it should be. What another process does meanwhile is not found: every finding is seen twice."""
        if not os.path.exists(self._conman.layout.index) and not os.path.exists(self._conman.layout.blobs):
            return ()
        first = self._look()
        if not first:
            return ()
        again = {(finding.kind, finding.subject) for finding in self._look()}
        return tuple(finding for finding in first if (finding.kind, finding.subject) in again)

    def _look(self) -> list[Finding]:
        disk = read_disk(self._conman, self._cancel)
        with self._conman.images.parts.database.read() as db:
            found = list(check_rows.damage(db, quick=self._options.quick))
            rows = read_rows(db)
            found += check_rows.dangling(db)
            found += check_rows.joined(db)
        found += check_rows.upheld(self._conman, rows)
        for name, why in disk.unusable.items():
            found.append(Finding("storage-unusable", name, why, "what of it cannot be read is removed, and made again"))
        found += check_layers.layers(disk, rows, self._options.max_age)
        found += self._left(disk, rows)
        found += self._blobs(disk, rows)
        found += _folders(disk, rows)
        found += self._volumes()
        return sorted(found)

    def _left(self, disk: Disk, rows: Rows) -> Iterator[Finding]:
        from ..slots import STORAGE

        for name in (*disk.snapshots, *disk.unusable):
            try:
                ask = getattr(self._conman.plugins.get(STORAGE, name), "leftovers", None)
                left = ask(leftovers_request(rows, self._cancel)) if ask is not None else ()
            except ConmanError:
                continue  # it is unusable, which is told already
            for what in left:
                yield Finding("snapshot-left", f"{name} {what}", "half made, half removed or unreadable: no snapshot", "removed")

    def _blobs(self, disk: Disk, rows: Rows) -> Iterator[Finding]:
        wanted = {row[4]: row[5] for row in rows.image_layers}
        leased = set(rows.leased.blobs)
        for digest in sorted(rows.blobs.keys() - disk.blobs.keys() - leased):
            yield Finding("blob-missing", digest, "the index knows it, the file is gone", _refetch(digest, wanted))
        for digest, size in disk.blobs.items():
            if digest in leased:
                continue
            known = rows.blobs.get(digest, wanted.get(digest, -1))
            if digest not in rows.blobs and digest not in wanted:
                yield Finding("blob-unknown", digest, f"{size} bytes that no image needs", "removed")
            elif known not in (-1, size):
                yield Finding("blob-altered", digest, f"{size} bytes instead of {known}", _refetch(digest, wanted))
            elif not self._options.quick and self._hash(digest) not in (digest, ""):
                yield Finding("blob-altered", digest, "its bytes have another digest", _refetch(digest, wanted))
            elif digest not in rows.blobs:
                yield Finding("blob-unknown", digest, "an image needs it, the index does not know that it is kept", "noted")
        for path in disk.strange:
            yield Finding("blob-unknown", path, "no digest: it lies there for nobody", "removed")
        now = time.time()
        for path, (size, changed, free) in disk.partials.items():
            if free and now - changed > self._options.max_age:
                yield Finding("partial-stale", path, f"{size} bytes of a download that nobody went on with", "removed")

    def _volumes(self) -> Iterator[Finding]:
        """Folders that belong to no volume, volumes whose folder is gone, and what is mounted for nobody."""
        from ..processes import boot_id
        from ..volumes import places
        from ..volumes import rows as volume_rows

        parts = self._conman.volumes.parts
        for path in places.leftovers(parts):
            yield Finding("volume-left", path, "there is no such volume", "removed")
        with parts.database.read() as db:
            known = volume_rows.select(db)
            shown = {record.name for record in known if volume_rows.showing(db, record.name, boot_id())}
        mounted = set(mounts_below(parts.layout.volumes))
        for record in known:
            place = places.data(parts, record.name)
            if record.made and not os.path.isdir(place):
                yield Finding("volume-missing", record.name, f"{place} is gone, with all that was in it", "made again, empty")
            if place in mounted and record.name not in shown:
                yield Finding("mount-orphaned", place, "mounted for a volume that no container shows", "unmounted")

    def _hash(self, digest: str) -> str:
        """The digest of what is kept under that name; empty where it is gone meanwhile."""
        try:
            fd = os.open(self._conman.images.parts.blobs.path(digest), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"unreadable: {error.strerror}"
        algorithm = digests.split(digest)[0]
        try:
            state = os.fstat(fd)
            key = (state.st_ino, state.st_size, state.st_mtime_ns)
            if key not in self._hashed:
                hasher = digests.new_hash(algorithm)
                while data := os.read(fd, _CHUNK):
                    self._cancel.check()
                    hasher.update(data)
                self._hashed[key] = f"{algorithm}:{hasher.hexdigest()}"
            return self._hashed[key]
        except OSError as error:
            return f"unreadable: {error.strerror}"
        finally:
            os.close(fd)


def _refetch(digest: str, wanted: dict[str, int]) -> str:
    return "fetched again from where its image came" if digest in wanted else "forgotten: no image needs it"


def _folders(disk: Disk, rows: Rows) -> Iterator[Finding]:
    states = {row[0]: (row[2], row[6]) for row in rows.containers}
    for id, paths in disk.folders.items():
        if id not in states:
            for path in paths:
                yield Finding("container-folder", path, "there is no such container", "removed")
    held = {key for _, key in rows.leased.snapshots} | {part for row in rows.mounts for part in (row[0], row[2])} | rows.leases
    for point in disk.mounts:
        words = point.split("/")
        known = next((word for word in words if word in states), "")
        idle = known and states[known][0] in ("created", "exited") and not states[known][1]
        if not (known and not idle) and not held.intersection(words):
            what = "mounted for a container that neither runs nor is held" if known else "mounted for nobody"
            yield Finding("mount-orphaned", point, what, "unmounted")
