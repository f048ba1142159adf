"""Images and stopped containers move from storage drivers to another one, while nothing runs.

One layer and one container at a time. A layer is made anew from its kept blob, or else copied from the driver that holds it; a
container's own changes are carried over. Each is compared with what it was made from, entry by entry, before the index knows
it; the old one goes after that. Leases name what is half made, and what is left of the old: a kill leaves what the next
migration, pull or check clears, and whatever was moved before stays moved. So the second run goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Literal, Sequence

from ..cancel import Cancel
from ..errors import ConmanError, InvalidInput, InvalidState
from ..images.collection import clear_dead
from ..record import Record
from ..store import image_rows
from .facts import drivers_of
from .moving import Mover
from .offline import offline

if TYPE_CHECKING:
    from ..containers.rows import ContainerRow
    from ..images.parts import Parts
    from ..images.records import ImageRecord
    from ..kernel import Conman
    from ..store.image_rows import LayerRow


class MigrateStep(Record):
    """Something was moved, or with ``dry_run`` would be.

    :param kind: ``image`` (its missing layers are in the driver now), ``container``, or ``removed`` (layers of the old driver).
    :param subject: an image's name, a container's name, a driver's name.
    :param detail: how, for a person.
    """

    kind: Literal["image", "container", "removed"]
    subject: str
    detail: str


class MigrateReport(Record):
    """What was moved, or with ``dry_run`` would be.

    :param to: the driver that holds it now.
    :param sources: the drivers that it was taken from, sorted.
    :param images: ids of the images that were not whole in ``to``.
    :param containers: ids of the containers that were elsewhere.
    :param removed: layers that are gone from the sources.
    :param left: for a person: what stays in a source, and why. Empty where everything was moved.
    """

    to: str
    sources: tuple[str, ...]
    images: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    removed: int = 0
    left: tuple[str, ...] = ()


def migrate(conman: Conman, to: str, source: str, *, dry_run: bool, progress: Callable[[MigrateStep], None],
            cancel: Cancel) -> MigrateReport:
    """See :meth:`.service.System.migrate`."""
    from ..containers.reconcile import reconcile

    parts = conman.images.parts
    if to == source:
        raise InvalidInput(f"{to} is where from and where to", hint="name another driver with --to")
    parts.storage(to)  # one that cannot work here says so before anything is touched
    sources = _sources(conman, to, source)
    for name in sources:
        parts.storage(name)
    reconcile(conman.containers.context)
    clear_dead(parts, cancel)
    with offline(conman, sources) as containers:
        return _Migration(conman, to, sources, containers, progress, cancel).run(dry_run=dry_run)


def _sources(conman: Conman, to: str, source: str) -> tuple[str, ...]:
    if source:
        conman.images.parts.storage(source)
        return (source,)
    with conman.images.parts.database.read() as db:
        known = {row[0] for row in db.execute("SELECT driver FROM layers UNION SELECT storage FROM containers")}
    return tuple(name for name in drivers_of(conman) if name != to and name in known)


class _Migration:
    """One run, with the locks of ``containers`` held."""

    def __init__(self, conman: Conman, to: str, sources: tuple[str, ...], containers: Sequence[ContainerRow],
                 progress: Callable[[MigrateStep], None], cancel: Cancel) -> None:
        self._conman = conman
        self._parts: Parts = conman.images.parts
        self._to = to
        self._sources = sources
        self._containers = containers
        self._progress = progress
        self._cancel = cancel
        self._mover = Mover(self._parts, to, cancel)

    def run(self, *, dry_run: bool) -> MigrateReport:
        images = [(image, layers) for image, layers in self._images() if self._missing(layers)]
        for image, layers in images:
            self._cancel.check()
            how = self._how(self._missing(layers)) if dry_run else self._image(image, layers)
            self._progress(MigrateStep("image", _name(image), how))
        for row in self._containers:
            self._cancel.check()
            if not dry_run:
                self._container(row)
            self._progress(MigrateStep("container", row.name, f"from {row.storage}"))
        removed, left = (0, ()) if dry_run else self._remove()
        return MigrateReport(self._to, self._sources, tuple(image.id for image, _ in images),
                             tuple(row.id for row in self._containers), removed, left)

    def _images(self) -> list[tuple[ImageRecord, list[LayerRow]]]:
        """The images that a source holds something of, with their layers."""
        held = {chain_id for source in self._sources for chain_id in self._held(source)}
        found = []
        for image in self._conman.images.list():
            with self._parts.database.read() as db:
                layers = image_rows.layers_of(db, image.id)
            if held.intersection(layer.chain_id for layer in layers):
                found.append((image.record, layers))
        return found

    def _held(self, driver: str) -> dict[str, str | None]:
        """Chain id -> parent of what the index says a driver holds."""
        with self._parts.database.read() as db:
            return dict(db.execute("SELECT chain_id, parent FROM layers WHERE driver = ?", (driver,)).fetchall())

    def _missing(self, layers: Sequence[LayerRow]) -> list[LayerRow]:
        with self._parts.database.read() as db:
            here = image_rows.committed(db, self._to, [layer.chain_id for layer in layers])
        return [layer for layer in layers if layer.chain_id not in here]

    def _how(self, missing: Sequence[LayerRow]) -> str:
        kept = sum(self._parts.blobs.has(layer.blob_digest) for layer in missing)
        return f"{len(missing)} layers, " + ("from their kept blobs" if kept == len(missing) else "copied")

    def _image(self, image: ImageRecord, layers: Sequence[LayerRow]) -> str:
        """Have all of an image's layers in the target, and compare. :returns: how, for a person."""
        name, missing = _name(image), self._missing(layers)
        if not missing:
            return "all its layers came with others"
        held = {source: self._held(source) for source in self._sources}
        where = next((source for source in self._sources if layers[-1].chain_id in held[source]), "")
        if all(self._parts.blobs.has(layer.blob_digest) for layer in missing) or not where:
            try:
                self._mover.from_blobs(image)
            except ConmanError as error:
                self._cancel.check()
                if not where:
                    raise
                self._parts.log.warning("%s is copied: its blobs cannot be used: %s", name, error)
            else:
                if where:
                    self._mover.compare(where, layers[-1].chain_id, name)
                return f"{len(missing)} layers, from their blobs"
        self._copy(where, [layer.chain_id for layer in layers], name)
        return f"{len(missing)} layers, copied from {where}"

    def _copy(self, source: str, chain: Sequence[str], name: str) -> None:
        """Copy whatever the target has not got of a chain of layers, lowest first."""
        for number, chain_id in enumerate(chain):
            self._cancel.check()
            with self._parts.database.read() as db:
                here = image_rows.committed(db, self._to, [chain_id])
                row = db.execute("SELECT diff_id, size FROM layers WHERE driver = ? AND chain_id = ?",
                                 (source, chain_id)).fetchone()
            if here:
                continue
            if row is None:
                raise InvalidState(f"layer {number + 1} of {name} is in neither {source} nor {self._to}",
                                   hint="conman system check --repair")
            layer = image_rows.Committed(self._to, chain_id, chain[number - 1] if number else None, row[0], row[1])
            self._mover.copy_layer(source, layer, name)

    def _container(self, row: ContainerRow) -> None:
        held, chain = self._held(row.storage), [row.image_chain_id] if row.image_chain_id else []
        while chain and (parent := held.get(chain[-1])) is not None:
            chain.append(parent)
        with self._mover.holding(chain):
            self._copy(row.storage, chain[::-1], f"the image of {row.name}")
            self._mover.container(row)

    def _remove(self) -> tuple[int, tuple[str, ...]]:
        removed, left = 0, []
        for source in self._sources:
            count, kept = self._mover.remove_layers(source)
            removed += count
            if count:
                self._progress(MigrateStep("removed", source, f"{count} layers"))
            with self._parts.database.read() as db:
                new = [r[0] for r in db.execute("SELECT name FROM containers WHERE storage = ? ORDER BY num", (source,))]
            if new:
                left.append(f"{source} still holds containers that were made meanwhile: {', '.join(new)}")
            elif kept:
                left.append(f"{source} still holds {kept} layers that something is at work on")
        return removed, tuple(left)


def _name(image: ImageRecord) -> str:
    return image.names[0] if image.names else image.id[:12]
