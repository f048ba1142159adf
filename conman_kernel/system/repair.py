"""Something is done about each finding of a check: what can be had again is fetched and unpacked, what is nobody's goes.

Safe beside containers and pulls: each step takes the lock of what it touches and looks once more before it acts, and what
living processes hold in leases is left alone. A kill leaves what the next check finds.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable, Iterable

from ..cancel import Cancel
from ..errors import ConmanError, NotFound, Unavailable
from ..images import leases
from ..images.collection import LOCK, release
from ..slots import STORAGE
from ..slots.storage import KeyRequest
from ..store import image_rows
from . import relayer, tidy
from .facts import Rows, leftovers_request, read_rows
from .findings import Finding, Kind, Repaired

if TYPE_CHECKING:
    from ..kernel import Conman

ORDER: tuple[tuple[Kind, ...], ...] = (
    ("index-damaged", "lease-dead", "container-stale", "image-mount", "network-left", "mount-orphaned", "container-folder",
     "volume-left", "volume-missing"),
    ("storage-unusable", "snapshot-left", "row-dangling"),
    ("blob-altered", "blob-missing", "blob-unknown", "partial-stale"),
    ("layer-altered", "layer-missing", "image-incomplete", "container-layer"),
    ("snapshot-unknown", "layer-unused", "layer-unverified", "container-snapshot"),
)
"""What is repaired when: blobs before the layers that are unpacked from them, the removal of strangers last."""


class Repair:
    """One repair. :param force: what cannot be had again goes: images, and the containers that stand on them."""

    def __init__(self, conman: Conman, *, force: bool, cancel: Cancel) -> None:
        self._conman = conman
        self._parts = conman.images.parts
        self._force = force
        self._cancel = cancel
        self._work: dict[Kind, Callable[[Finding], str]] = {
            "index-damaged": lambda finding: tidy.reindex(self._parts),
            "lease-dead": self._lease, "container-stale": self._stale,
            "image-mount": lambda finding: tidy.forget_mount(self._parts, finding.subject),
            "network-left": lambda finding: tidy.leave_networks(conman, finding.subject, cancel),
            "mount-orphaned": self._unmount,
            "container-folder": lambda finding: tidy.remove_folder(conman, finding.subject),
            "storage-unusable": self._clear, "snapshot-left": self._clear,
            "row-dangling": lambda finding: tidy.drop_dangling(self._parts, finding.subject, cancel),
            "blob-altered": self._blob, "blob-missing": self._blob, "blob-unknown": self._unknown_blob,
            "partial-stale": lambda finding: tidy.drop_partial(self._parts, finding.subject),
            "layer-altered": self._altered, "layer-missing": self._layer, "image-incomplete": self._image,
            "container-layer": self._container_layer, "snapshot-unknown": self._stranger, "layer-unused": self._collect,
            "container-snapshot": self._container, "volume-left": self._left_volume, "volume-missing": self._volume,
        }

    def run(self, findings: Iterable[Finding]) -> list[Repaired]:
        """Repair in order; one that fails is told of and does not hold up the others."""
        waiting, told = list(findings), []
        for kinds in ORDER:
            for finding in [finding for finding in waiting if finding.kind in kinds]:
                self._cancel.check()
                work = self._work.get(finding.kind)
                if work is None:
                    continue
                try:
                    done = work(finding)
                except ConmanError as error:
                    self._cancel.check()
                    told.append(Repaired(finding, "", f"{error.message}; {error.hint}" if error.hint else error.message))
                except OSError as error:
                    told.append(Repaired(finding, "", f"{error.filename or finding.subject}: {error.strerror}"))
                else:
                    if done:
                        told.append(Repaired(finding, done))
        return told

    def _rows(self) -> Rows:
        with self._parts.database.read() as db:
            return read_rows(db)

    def _lease(self, finding: Finding) -> str:
        with self._parts.database.read() as db:
            dead = leases.dead(db)
        if finding.subject not in dead:
            return ""
        release(self._parts, [finding.subject], self._cancel, interrupted=dead[finding.subject] == "pull")
        return "what it held and nobody needs was removed"

    def _stale(self, finding: Finding) -> str:
        from ..containers.reconcile import reconcile

        reconcile(self._conman.containers.context)
        return "settled"

    def _clear(self, finding: Finding) -> str:
        driver = self._conman.plugins.get(STORAGE, finding.subject.partition(" ")[0])
        clear = getattr(driver, "clear", None)
        if clear is None:
            return ""
        with self._parts.locks.acquire(LOCK, self._cancel):
            clear(leftovers_request(self._rows(), self._cancel))
        return "cleared" + self._unreadable(finding)

    def _unreadable(self, finding: Finding) -> str:
        """Remove, where forced, the containers whose snapshot a driver cannot read: they would keep it from listing any."""
        if not self._force or finding.kind != "storage-unusable":
            return ""
        gone = 0
        for id, _, _, name, *_ in self._rows().containers:
            if name != finding.subject:
                continue
            try:
                self._parts.storage(name).stat(KeyRequest(id, self._cancel))
            except Unavailable:
                self._conman.containers.get(id).remove(force=True, cancel=self._cancel)
                gone += 1
            except NotFound:
                continue  # a finding of its own
        return f", with {gone} containers" if gone else ""

    def _blob(self, finding: Finding) -> str:
        return relayer.refetch(self._conman, finding.subject, force=self._force, cancel=self._cancel)

    def _unknown_blob(self, finding: Finding) -> str:
        if finding.subject.startswith("/"):
            os.unlink(finding.subject)
            return "removed"
        with self._parts.locks.acquire(LOCK, self._cancel):
            rows = self._rows()
            needed = next((row for row in rows.image_layers if row[4] == finding.subject), None)
            if finding.subject in rows.blobs or finding.subject in rows.leased.blobs:
                return ""
            if needed is None:
                self._parts.blobs.remove(finding.subject)
                return "removed"
        if self._parts.blobs.has(finding.subject):
            with self._parts.database.write() as db:
                image_rows.put_blobs(db, [(needed[4], needed[5], needed[6])])
        return "noted"

    def _altered(self, finding: Finding) -> str:
        driver, _, chain_id = finding.subject.partition(" ")
        return relayer.renew(self._conman, driver, chain_id, force=self._force, cancel=self._cancel)

    def _layer(self, finding: Finding) -> str:
        driver, _, chain_id = finding.subject.partition(" ")
        return relayer.restore(self._conman, driver, chain_id, force=self._force, cancel=self._cancel)

    def _image(self, finding: Finding) -> str:
        return relayer.complete(self._conman, finding.subject, "", force=self._force, cancel=self._cancel)

    def _container_layer(self, finding: Finding) -> str:
        rows = self._rows()
        row = next((row for row in rows.containers if row[0] == finding.subject), None)
        if row is None or (row[3], row[5]) in rows.layers:
            return ""
        users = [layer[0] for layer in rows.image_layers if layer[2] == row[5]]
        if users:
            return relayer.complete(self._conman, users[0], row[3], force=False, cancel=self._cancel)
        if not self._force:
            raise NotFound("no image has that layer any more", hint="--force removes the container")
        return self._container(finding)

    def _stranger(self, finding: Finding) -> str:
        name, _, key = finding.subject.partition(" ")
        with self._parts.locks.acquire(LOCK, self._cancel):
            rows = self._rows()
            if ((name, key) in rows.layers or (name, key) in rows.leased.layers or (name, key) in rows.leased.snapshots
                    or any(row[0] == key for row in rows.containers) or any(row[2] == key for row in rows.mounts)):
                return ""
            self._parts.storage(name).remove(KeyRequest(key, self._cancel))
        return "removed"

    def _collect(self, finding: Finding) -> str:
        from ..images.collection import collect

        collect(self._parts, self._cancel)
        return "removed"

    def _unmount(self, finding: Finding) -> str:
        home = self._conman.layout.volumes
        if not finding.subject.startswith(f"{home}/"):
            return tidy.unmount_orphan(self._conman, finding.subject, self._cancel)
        from ..volumes.mounting import let_go

        let_go(self._conman.volumes.parts, finding.subject.removeprefix(f"{home}/").partition("/")[0], "", self._cancel)
        return "unmounted"

    def _left_volume(self, finding: Finding) -> str:
        from ..volumes import places

        parts = self._conman.volumes.parts
        if finding.subject not in places.leftovers(parts):
            return ""
        places.clear_leftovers(parts, self._cancel)
        return "removed"

    def _volume(self, finding: Finding) -> str:
        from ..volumes import places

        parts = self._conman.volumes.parts
        with places.acquire(parts, finding.subject, self._cancel):
            places.ensure(parts, places.current(parts, finding.subject))
        return "made again, empty"

    def _container(self, finding: Finding) -> str:
        if not self._force:
            raise NotFound("what a container wrote exists nowhere else", hint="--force removes the container")
        self._conman.containers.get(finding.subject).remove(force=True, cancel=self._cancel)
        return "the container was removed"
