"""What the store does for containers as writable instances of images: tell what changed, make an image of it."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Callable

from ..cancel import Cancel
from ..oci.instructions import with_changes
from ..oci.recipe import Recipe
from ..slots.storage import Whiteouts
from ..worker.jobs import Change, ChangesRequest, PackRequest, PackResult
from . import leases
from .collection import clear_dead, release
from .leases import Items
from .making import Unnamed, base_of, make
from .naming import local_names
from .parts import Parts
from .sides import Sides

if TYPE_CHECKING:
    from .image import Image
    from .service import Images

    Still = Callable[[bool], AbstractContextManager[str]]
    """Gives a block in which a container's tree does not change, and the path where it is mounted, where that is asked for."""


class Writable:
    """The store's side of :meth:`.Container.diff` and :meth:`.Container.commit`."""

    def __init__(self, images: Images, parts: Parts) -> None:
        self._images = images
        self._parts = parts

    def changes(self, *, storage: str, key: str, below: str, cancel: Cancel) -> tuple[Change, ...]:
        """What a snapshot has that the one below it has not, and the other way. See :class:`~conman_kernel.worker.jobs.Change`.

        :param key: a container's id, or a layer's chain id; its layers are nobody's to remove meanwhile.
        :param below: empty: nothing lies below.
        """
        clear_dead(self._parts, cancel)
        lease = leases.new_id()
        layers = ((storage, below),) if below else ()
        with self._parts.database.write() as db:
            leases.take(db, "diff", Items(layers=layers, snapshots=Sides.views(storage, lease)), lease)
        try:
            with Sides(self._parts, storage, key, below, lease, cancel) as sides:
                return self._parts.worker().changes(ChangesRequest(sides.upper, sides.lower, sides.form, cancel))
        finally:
            release(self._parts, [lease], Cancel())

    def compare(self, upper: str, lower: str, *, cancel: Cancel) -> tuple[Change, ...]:
        """What one folder has that another has not, and the other way."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        one = os.open(upper, flags)
        try:
            other = os.open(lower, flags)
            try:
                return self._parts.worker().changes(ChangesRequest(one, other, Whiteouts.APPLIED, cancel))
            finally:
                os.close(other)
        finally:
            os.close(one)

    def commit(self, *, storage: str, key: str, below: str, image_id: str, still: Still, recipe: Recipe, name: str,
               squash: bool, cancel: Cancel) -> Image:
        """Make an image of a container's tree. Errors as :meth:`.Container.commit`.

        :param below: the chain id it stands on; empty: nothing.
        :param image_id: the image it was made from.
        :param still: see :data:`Still`.
        :param name: empty: the image has none.
        """
        names = local_names((name,) if name else ())
        with_changes({}, recipe.changes)  # before anything is made
        clear_dead(self._parts, cancel)
        lease = leases.new_id()
        with self._parts.database.write() as db:
            base = base_of(db, image_id, squash=squash)
            items = Items(tuple((storage, row.chain_id) for row in base.layers), Sides.views(storage, lease))
            leases.take(db, "commit", items, lease)
        try:
            with Unnamed(self._parts) as out:
                with still(squash) as tree:
                    packed = self._packed(storage, key, below, lease, tree, out, cancel)
                made = make(self._parts, storage=storage, lease=lease, base=base, packed=packed, fd=out, recipe=recipe,
                            names=names, what=name or "the new image", cancel=cancel)
        except BaseException:
            release(self._parts, [lease], Cancel())
            raise
        return self._images.get(made)

    def _packed(self, storage: str, key: str, below: str, lease: str, tree: str, out: int, cancel: Cancel) -> PackResult:
        worker = self._parts.worker()
        if tree:
            whole = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                return worker.pack(PackRequest(whole, None, Whiteouts.APPLIED, out, cancel))
            finally:
                os.close(whole)
        with Sides(self._parts, storage, key, below, lease, cancel) as sides:
            return worker.pack(PackRequest(sides.upper, sides.lower, sides.form, out, cancel))
