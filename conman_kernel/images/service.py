"""The images of one store: pull, find, list, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Literal, Mapping, Sequence

from ..cancel import Cancel
from ..errors import ConmanError, InvalidState, Unavailable
from ..oci.platform import parse_platform
from ..oci.reference import parse
from ..slots.provider import AS_CONFIGURED, Access
from ..store import image_rows
from ..store.sqlite import sqlite3
from . import leases
from .image import Image
from .leases import Items
from .lookup import by_id, find, names_of
from .records import ImageRecord, Progress, RemoveReport, image_of
from .shown import Shown, known, unknown

if TYPE_CHECKING:
    from .copying import CopyReport, ManifestFormat
    from .history import HistoryEntry
    from .loading import Loaded
    from .pruning import PruneReport
    from .tree import ImageTree

Policy = Literal["missing", "always", "never", "newer"]
"""When the source is asked for an image, see :meth:`Images.pull`; podman's ``--policy``."""


class Images(Shown):
    """The images of one store. Thread-safe; makes nothing before the first call."""

    def pull(self, reference: str, *, platform: str | None = None, progress: Callable[[Progress], None] | None = None,
             access: Access = AS_CONFIGURED, cancel: Cancel | None = None, policy: Policy = "always") -> Image:
        """Bring an image here: resolve, fetch, verify, unpack, name it.

        :param reference: see :mod:`conman_kernel.oci.reference`; a short name is looked for in ``short_names``.
        :param platform: ``os/architecture[/variant]``; None means this machine's.
        :param progress: called with each step, from several threads, one at a time; it must not block for long.
        :param access: credentials, certificates, and whether TLS is verified, where this call wants other than configured.
        :param policy: ``always`` asks the source; ``missing`` only where the image is not here; ``newer`` asks, but a
            source that cannot be reached is no error where the image is here; ``never`` does not ask.
        :returns: the image, complete and named.
        :raises NotFound: no such image, or none for the platform.
        :raises Unauthorized, Unavailable: as the transport says; also no space, or a driver that cannot work.
        :raises InvalidInput: no reference; documents or layers that are no image's.
        :raises DigestMismatch: something is not what its digest says; also layers that are not the configuration's.
        :raises Cancelled, DeadlineExceeded: by ``cancel``. After any error the store is as before, but for partial
            downloads, which the next pull uses or drops.
        """
        watch = cancel if cancel is not None else Cancel()
        here = None if policy == "always" else self._here(reference, platform)
        if policy == "never":
            return self._noun(known(here, reference))
        if here is not None and policy == "missing":
            return self._noun(here)
        from .pull import Pull

        job = Pull(self._parts, reference, platform=platform, progress=progress, access=access, cancel=watch)
        try:
            target = job.resolve()
        except Unavailable:
            if policy == "newer" and here is not None and not watch.cancelled and watch.remaining() != 0.0:
                return self._noun(here)
            raise
        present = job.present(target)
        image = self._noun(present) if present is not None else self.get(job.run(target))
        self._parts.tell("image", "pull", image.id, reference)
        return image

    def ensure(self, reference: str, *, policy: Policy = "missing", platform: str | None = None,
               progress: Callable[[Progress], None] | None = None, access: Access = AS_CONFIGURED,
               cancel: Cancel | None = None) -> Image:
        """The image to run: what is here, or pulled as ``policy`` says (see :meth:`pull`).

        Present already, this is one index query. Part of an id finds what is here, whatever the policy.
        """
        if policy != "never" and by_id(reference):
            here = self._here(reference, platform)
            if here is not None and here.id.startswith(reference.removeprefix("sha256:")):
                return self._noun(here)
        return self.pull(reference, platform=platform, progress=progress, access=access, cancel=cancel,
                         policy=policy)

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[Image]:
        """The images that are here, the newest first.

        :param filters: podman's, each with any number of values: ``reference`` (a name or a glob), ``id``,
            ``dangling``, ``label``, ``before`` and ``since`` (an image). Of equal ones any must fit, of different ones all.
        :raises InvalidInput: an unknown filter.
        """
        with self._parts.database.read() as db:
            images = [image_of(row, self._parts.default_storage) for row in image_rows.every(db)]
        if filters:
            from .filters import matcher

            fits = matcher(filters, self)
            images = [image for image in images if fits(image)]
        return [self._noun(image) for image in images]

    def unpack(self, image: Image, *, cancel: Cancel | None = None) -> Image:
        """The image with its layers in the default storage driver, unpacked there now if another driver holds them.

        :returns: the record, whose ``storage`` is the default driver.
        :raises NotFound: its layers were not kept, and no registry is known to have them.
        :raises ConmanError: as :meth:`pull`, where something must be fetched again.
        """
        if not image.top_chain_id or image.storage == self._parts.default_storage:
            return image
        from .placing import place

        place(self._parts, image.record, cancel if cancel is not None else Cancel())
        return self.get(image.id)

    def inspect(self, image: Image) -> dict[str, object]:
        """An image as ``podman image inspect`` shows it, JSON-ready."""
        from .inspect import inspect

        with self._parts.database.read() as db:
            row = db.execute("SELECT manifest, manifest_type FROM images WHERE id = ?", (image.id,)).fetchone()
        if row is None:
            raise unknown(image.id)
        return inspect(image.record, row[0], row[1])

    def users(self, image_id: str) -> tuple[tuple[str, str], ...]:
        """Id and name of the containers made from an image."""
        with self._parts.database.read() as db:
            return tuple(image_rows.users(db, image_id))

    def used(self) -> dict[str, int]:
        """Ids of the images that containers were made from, each with their number. One query."""
        with self._parts.database.read() as db:
            return image_rows.used(db)

    def remove(self, name_or_id: str, *, force: bool = False, cancel: Cancel | None = None) -> RemoveReport:
        """Take a name away and, with the last one, the image and every layer that nothing else needs.

        :param name_or_id: as in :meth:`get`. An id stands for the image: with several names that needs ``force``.
        :param force: an id takes all names with it. Containers are not this service's: the caller removes them first.
        :returns: what went.
        :raises NotFound: there is no such image.
        :raises InvalidState: containers use it, or an id has several names. ``exit_code`` is podman's 2 and 125.
        """
        from .collection import clear_dead, release
        from .tagging import told_gone

        watch = cancel if cancel is not None else Cancel()
        clear_dead(self._parts, watch)
        with self._parts.database.write() as db:
            row = find(db, name_or_id, self._parts)
            if row is None:
                raise unknown(name_or_id)
            image = image_of(row, self._parts.default_storage)
            named = self._name_meant(image, name_or_id)
            if named and len(image.names) > 1:
                image_rows.remove_name(db, named)
                lease = ""
            elif not named and len(image.names) > 1 and not force:
                raise InvalidState(f"cannot remove image {image.id[:12]} by its id: it has {len(image.names)} names, "
                                   f"{', '.join(image.names)}", hint="remove a name, or all with --force")
            else:
                holders = image_rows.users(db, image.id)
                if holders:
                    raise _in_use(image, holders)
                lease = self._doom(db, image)
        if not lease:
            self._parts.tell("image", "untag", image.id, named)
            return RemoveReport((named,), ())
        release(self._parts, [lease], watch)
        told_gone(self._parts, image)
        return RemoveReport(image.names or image.digests, (image.id,))

    def tag(self, image: Image | str, *names: str) -> Image:
        """Give an image further names; a name that points elsewhere moves.

        :param image: an image, or the name or id of one.
        :param names: ``[domain/]path[:tag]``; a short one is put below ``localhost``, as podman does.
        :returns: the image with its names as they are then.
        :raises NotFound: there is no such image.
        :raises InvalidInput: a name is none, or has a digest.
        """
        from .tagging import tag

        record = self._meant(image)
        tag(self._parts, record, names)
        return self.get(record.id)

    def untag(self, image: Image | str, *names: str) -> Image:
        """Take names away; the image stays, also without any.

        :param names: as in :meth:`tag`; none: all that it has.
        :raises NotFound: there is no such image, or it has no such name.
        """
        from .tagging import untag

        record = self._meant(image)
        untag(self._parts, record, names)
        return self.get(record.id)

    def history(self, image: Image | str) -> tuple[HistoryEntry, ...]:
        """How an image was made, the latest step first. :raises NotFound: there is no such image."""
        from .history import history

        return history(self._parts, self._meant(image))

    def tree(self, images: Sequence[Image] | None = None) -> ImageTree:
        """Who shares which layers.

        :param images: None: all.
        """
        from .tree import tree

        return tree(self._parts, [image.record for image in (self.list() if images is None else images)])

    def prune(self, *, all: bool = False, filters: Mapping[str, Sequence[str]] | None = None,
              cancel: Cancel | None = None) -> PruneReport:
        """Remove images that nothing needs: those without a name, with ``all`` every one that no container was made from.

        :param filters: podman's ``until`` and ``label``, as in :meth:`list`.
        :returns: what went, and how many bytes that gave back.
        """
        from .pruning import prune

        return prune(self, self._parts, all=all, filters=filters or {}, cancel=cancel if cancel is not None else Cancel())

    def push(self, image: Image | str, destination: str = "", *, access: Access = AS_CONFIGURED,
             format: ManifestFormat | None = None, progress: Callable[[Progress], None] | None = None,
             cancel: Cancel | None = None) -> str:
        """Send an image to a registry, or write it to any other place that a transport writes to.

        :param destination: a reference; empty: the image's own name.
        :param format: ``oci`` or ``docker``: rewrite the manifest; None keeps it, and with it its digest.
        :param progress: called with each step, from several threads, one at a time.
        :returns: the digest of the manifest at the destination.
        :raises NotFound: there is no such image; or a layer that was not kept is nowhere to be had.
        :raises Unauthorized, Unavailable, InvalidInput: as the transport says.
        """
        from .copying import push

        record = self._meant(image)
        where = destination or self._asked_by(record, image)
        digest = push(self._parts, record, where, access=access, format=format, progress=progress,
                      cancel=cancel if cancel is not None else Cancel())
        self._parts.tell("image", "push", record.id, where or record.names[0])
        return digest

    def copy(self, source: str, destination: str, *, all_platforms: bool = False, platform: str | None = None,
             format: ManifestFormat | None = None, access: Access = AS_CONFIGURED, source_access: Access | None = None,
             progress: Callable[[Progress], None] | None = None, cancel: Cancel | None = None) -> CopyReport:
        """Copy an image from anywhere to anywhere, digests preserved.

        :param source: a reference with its scheme; ``store:NAME`` is this store, no scheme is a registry.
        :param destination: likewise. Into the store, layers are unpacked, too.
        :param all_platforms: an index is copied whole, instead of the manifest for one platform.
        :param platform: ``os/architecture[/variant]``; None means this machine's.
        :param format: ``oci`` or ``docker``: rewrite the manifest, giving up its digest.
        :param access: for the destination; ``source_access`` for the source, None: the same.
        :raises NotFound, Unauthorized, Unavailable, InvalidInput, DigestMismatch: as the transports and :meth:`pull` say.
        """
        from .copying import copy

        return copy(self, self._parts, source, destination, all_platforms=all_platforms, platform=platform, format=format,
                    access=access, source_access=source_access, progress=progress,
                    cancel=cancel if cancel is not None else Cancel())

    def save(self, images: Sequence[Image | str], destination: str, *, format: ManifestFormat | None = None,
             progress: Callable[[Progress], None] | None = None, cancel: Cancel | None = None) -> tuple[str, ...]:
        """Write images into one archive, layout or folder, with their names.

        :param destination: such as ``oci-archive:/path/x.tar`` or ``docker-archive:/path/x.tar``.
        :returns: the digest of each manifest there.
        :raises InvalidInput: the destination cannot hold several images, and there are. Others as :meth:`push`.
        """
        from .saving import save

        chosen = [(record, name) for image, record in zip(images, map(self._meant, images), strict=True)
                  for name in (record.names or ("",) if isinstance(image, Image) else (self._asked_by(record, image),))]
        digests = save(self._parts, chosen, destination, format=format, progress=progress,
                       cancel=cancel if cancel is not None else Cancel())
        for id in dict.fromkeys(record.id for record, _ in chosen):
            self._parts.tell("image", "save", id, destination)
        return digests

    def load(self, source: str, *, progress: Callable[[Progress], None] | None = None,
             cancel: Cancel | None = None) -> tuple[Loaded, ...]:
        """Bring every image of an archive, layout or folder here, with the names it has there.

        :param source: a path, whose kind is told by what it holds; or a reference with its scheme.
        :returns: the images, in the order of the source, each with the names that it has there.
        :raises InvalidInput: it is none of what can be read. Others as :meth:`pull`.
        """
        from .loading import load

        loaded = load(self, self._parts, source, progress=progress, cancel=cancel if cancel is not None else Cancel())
        for one in loaded:
            self._parts.tell("image", "loadfromarchive", one.image.id, source)
        return loaded

    def import_(self, source: str | int, name: str = "", *, changes: Sequence[str] = (), message: str = "",
                platform: str | None = None, cancel: Cancel | None = None) -> Image:
        """Make an image of one layer of a root file system's tar.

        :param source: a path, ``-`` for standard input, or a descriptor; the tar may be compressed (gzip, zstd, xz, bzip2).
        :param name: ``[domain/]path[:tag]``, a short one below ``localhost``; empty: the image has no name.
        :param changes: instructions such as ``CMD ["sh"]``, see :mod:`conman_kernel.oci.instructions`.
        :param message: the comment of its one step in the history.
        :param platform: ``os/architecture[/variant]`` that it is for; None means this machine's.
        :raises NotFound: there is no such file.
        :raises InvalidInput: it is no tar, or an address; a name or change is none. Nothing is left of it then.
        """
        from ..oci.platform import host_platform
        from .importing import import_tar

        wanted = parse_platform(platform) if platform else host_platform()
        image = self.get(import_tar(self._parts, source, name, changes=changes, message=message, platform=wanted,
                                    cancel=cancel if cancel is not None else Cancel()))
        self._parts.tell("image", "import", image.id, image.names[0] if image.names else str(source))
        return image

    def collect(self, cancel: Cancel | None = None) -> None:
        """Remove whatever layers and blobs no image, container or living process needs. May be called at any time."""
        from .collection import collect

        collect(self._parts, cancel if cancel is not None else Cancel())

    def _asked_by(self, record: ImageRecord, image: Image | str) -> str:
        # The name that an image was asked for by: an object or an id is none.
        return self._name_meant(record, image) if isinstance(image, str) else ""

    def _name_meant(self, image: ImageRecord, text: str) -> str:
        # The name that brought us here, or nothing where it was an id or a digest.
        if _is_id(image, text):
            return ""
        for name in names_of(parse(text), self._parts):
            if name in image.names:
                return name
        ending = f"/{parse(text).with_default_tag()}"
        return next((name for name in image.names if name.endswith(ending)), "")

    def _doom(self, db: sqlite3.Connection, image: ImageRecord) -> str:
        rows = image_rows.layers_of(db, image.id)
        copies = image_rows.drivers_of(db, [row.chain_id for row in rows])
        shown = image_rows.take_mount(db, image.id)
        image_rows.remove_image(db, image.id)
        return leases.take(db, "remove", Items(tuple(copies), shown, tuple(row.blob_digest for row in rows)))


def _is_id(image: ImageRecord, text: str) -> bool:
    return by_id(text) and image.id.startswith(text.removeprefix("sha256:"))


def _in_use(image: ImageRecord, holders: Sequence[tuple[str, str]]) -> ConmanError:
    shown = ", ".join(f"{id[:12]} ({name})" for id, name in holders[:5])
    error = InvalidState(f"image {image.names[0] if image.names else image.id[:12]} is in use by container {shown}",
                         hint="remove the container first, or both with --force")
    error.exit_code = 2
    return error


