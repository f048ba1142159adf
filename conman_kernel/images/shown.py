"""Images that are here: found, shown as folders, compared. The part of the image service that brings and removes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..cancel import Cancel
from ..errors import NotFound
from ..oci.platform import Platform, matches, parse_platform
from .image import Image
from .lookup import find
from .parts import Parts
from .records import ImageRecord, image_of

if TYPE_CHECKING:
    from ..worker.jobs import Change
    from .instances import Mounted
    from .service import Images
    from .writable import Writable


class Shown:
    """What :class:`~.service.Images` can do with images as they are."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def parts(self) -> Parts:
        """What the service is made of, for the services beside and above it."""
        return self._parts

    def get(self, name_or_id: str) -> Image:
        """An image that is here.

        :param name_or_id: a name (short ones as with podman: below ``localhost``, then each of ``short_names``, then
            the end of a name), an id, the digits an id begins with, or a digest.
        :raises NotFound: there is none.
        :raises InvalidInput: several images fit.
        """
        return self._noun(known(self._here(name_or_id, None), name_or_id))

    def mount(self, image: Image | str, *, cancel: Cancel | None = None) -> Mounted:
        """Show an image's root file system, read-only.

        :returns: a context manager that gives the path; the mount ends with the block, or, should this process be killed,
            with the next command that looks. Removed meanwhile, the image's layers stay until then.
        :raises NotFound: there is no such image.
        :raises Unavailable: the system refuses to mount (when the block is entered).
        """
        from .instances import Mounted

        return Mounted(self._parts, self._meant(image), cancel if cancel is not None else Cancel())

    def hold(self, image: Image | str, *, cancel: Cancel | None = None) -> str:
        """Show an image's root file system, read-only, until :meth:`let_go`, also when this process has ended; each call counts.

        :returns: the mount point. Errors as :meth:`mount`. An image that is removed is no longer shown.
        """
        from .holding import hold

        record = self._meant(image)
        where = hold(self._parts, record, cancel if cancel is not None else Cancel())
        self._parts.tell("image", "mount", record.id, record.names[0] if record.names else "")
        return where

    def let_go(self, image: Image | str, *, force: bool = False, cancel: Cancel | None = None) -> bool:
        """Give one :meth:`hold` back, all with ``force``.

        :returns: whether it was held.
        :raises NotFound: there is no such image.
        """
        from .holding import let_go

        record = self._meant(image)
        held = let_go(self._parts, record, force=force, cancel=cancel if cancel is not None else Cancel())
        if held:
            self._parts.tell("image", "unmount", record.id, record.names[0] if record.names else "")
        return held

    def held(self) -> tuple[tuple[Image, str], ...]:
        """The images that :meth:`hold` shows, and where."""
        from .holding import held

        return tuple((self.get(id), path) for id, path in held(self._parts))

    def diff(self, image: Image | str, other: Image | str | None = None, *, cancel: Cancel | None = None) -> tuple[Change, ...]:
        """What an image has that another has not, and the other way, in the order of the paths.

        :param other: None: the image without its topmost layer.
        :returns: records with a ``kind``, ``A`` added, ``C`` changed or ``D`` deleted, and a ``path``.
        :raises NotFound: there is no such image.
        """
        from ..oci.runtime.own import without_own

        watch = cancel if cancel is not None else Cancel()
        if other is not None:
            with self.mount(image, cancel=watch) as upper, self.mount(other, cancel=watch) as lower:
                return without_own(self.writable.compare(upper, lower, cancel=watch))
        record = self._meant(image)
        chain = record.layers
        if not chain:
            return ()
        below = chain[-2] if chain[1:] else ""
        return without_own(self.writable.changes(storage=record.storage, key=chain[-1], below=below, cancel=watch))

    @property
    def writable(self) -> Writable:
        """What the store does for containers, as instances of images; for the layers beside and above this one."""
        from .writable import Writable

        return Writable(cast("Images", self), self._parts)

    def _meant(self, image: Image | str) -> ImageRecord:
        return image.record if isinstance(image, Image) else known(self._here(image, None), image)

    def _noun(self, record: ImageRecord) -> Image:
        return Image(cast("Images", self), record)

    def _here(self, text: str, platform: str | None) -> ImageRecord | None:
        wanted: Platform | None = parse_platform(platform) if platform else None
        with self._parts.database.read() as db:
            row = find(db, text, self._parts)
        if row is None:
            return None
        image = image_of(row, self._parts.default_storage)
        return None if wanted is not None and not matches(wanted, parse_platform(image.platform)) else image


def known(image: ImageRecord | None, text: str) -> ImageRecord:
    """What was found. :raises NotFound: nothing was."""
    if image is None:
        raise unknown(text)
    return image


def unknown(text: str) -> NotFound:
    """The error for an image that is not here."""
    return NotFound(f"{text}: image not known")
