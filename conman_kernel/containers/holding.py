"""A container's file system, as callers look at it and take it away: mounts, differences, images, archives."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Sequence

from ..cancel import Cancel
from .described import Described
from .state import refreshed
from .telling import tell

if TYPE_CHECKING:
    from ..oci.recipe import Format
    from ..worker.jobs import Change, Copied, PackResult
    from .container import Container
    from .instance import MountPoint
    from .writable import NewImage


class Holding(Described):
    """What a container holds: its files."""

    __slots__ = ()

    def mount(self, *, cancel: Cancel | None = None) -> MountPoint:
        """Show its root file system on the host, to be read and written, until :meth:`unmount`; each call counts.

        :returns: the mount point, a string; as a context manager (``with container.mount() as path:``) it is given back at the
            end of the block.
        """
        from . import rootfs
        from .instance import mount_point

        watch = cancel or Cancel()
        with self._context.locks.acquire(self._row.num, watch):
            path = rootfs.hold(self._context, refreshed(self._context, self.id), watch)
        return mount_point(path, self._context, self._row)

    def unmount(self, *, force: bool = False, cancel: Cancel | None = None) -> bool:
        """Give one :meth:`mount` back, all with ``force``.

        :returns: whether it was mounted so.
        """
        from . import rootfs

        with self._context.locks.acquire(self._row.num, cancel or Cancel()):
            held = rootfs.let_go(self._context, refreshed(self._context, self.id), force=force)
        if held:
            tell(self._context, self._row, "unmount")
        return held

    @property
    def mount_point(self) -> str:
        """Where :meth:`mount` shows it; empty where it is not mounted for anybody outside."""
        from . import rootfs

        return rootfs.path(self._context, self._row) if rootfs.is_held(self._context, self._row) else ""

    def diff(self, *, cancel: Cancel | None = None) -> tuple[Change, ...]:
        """What it changed of its image, in the order of the paths; the mount points and files that every start makes
        (``/dev``, ``/etc/hosts`` and the like) are left out, as podman does.

        :returns: records with a ``kind``, ``A`` added, ``C`` changed or ``D`` deleted, and a ``path``.
        :raises NotFound: it is gone.
        """
        from . import instance
        return instance.diff(self._context, self._row, cancel or Cancel())

    def commit(self, name: str = "", *, author: str = "", message: str = "", changes: Sequence[str] = (), pause: bool = True,
               format: Format = "oci", include_volumes: bool = False, squash: bool = False,
               cancel: Cancel | None = None) -> NewImage:
        """Make an image of it as it is now: its image's layers, and one with what it changed.

        :param name: ``[domain/]path[:tag]``, a short one below ``localhost``; empty: the image has no name.
        :param message: the comment of this step in the image's history.
        :param changes: instructions such as ``CMD ["sh"]``, ``ENV A=b``, see :mod:`conman_kernel.oci.instructions`. Before them
            come its own command, environment, user, working folder and labels, where it was made with any.
        :param pause: its processes do not run while it is read, where its runtime can pause.
        :param format: of the manifest.
        :param include_volumes: what is bound into it becomes the image's ``VOLUME``.
        :param squash: one layer with everything, on top of nothing.
        :returns: the image, a :class:`~conman_kernel.images.image.Image`. Another commit of an unchanged container gives the
            same layer.
        :raises InvalidInput: the name or a change is none, or it has an entry that no layer can hold.
        :raises NotFound: it, or the image it was made from, is gone.
        :raises Unavailable: no space is left. After any error nothing is left of the image.
        """
        from . import instance

        return instance.commit(
            self._context, self._row, name, author=author, message=message, changes=changes, pause=pause, format=format,
            include_volumes=include_volumes, squash=squash, cancel=cancel or Cancel())

    def copy_in(self, source: str | os.PathLike[str] | int | IO[bytes], path: str, *, archive: bool = True,
                follow_link: bool = True, overwrite: bool = False, cancel: Cancel | None = None) -> Copied:
        """Copy a file or folder of the host into it, or unpack an archive there, by the rules of ``docker cp``: whether it runs
        or not, into what is mounted in it as well. Links are those of the container, and never lead out of it.

        :param source: a path on the host, ``/.`` at its end for what lies in the folder; or a tar, also one compressed with gzip
            or zstd, as a descriptor or a file that has one.
        :param path: from the container's root. A folder gets what is copied under its name; what is not there is made, in a
            folder that is; a file is replaced.
        :param archive: everything gets the container's main user and group; else it keeps its owners.
        :param follow_link: where ``source`` is a link, what it leads to is copied, and else the link.
        :param overwrite: a folder may take the place of what is none, and the other way round.
        :returns: how many entries and bytes were copied, and how many were skipped: sockets.
        :raises NotFound: the source is not there, or the folder that ``path`` lies in.
        :raises InvalidInput: the two do not go together, or the archive is none.
        :raises InvalidState: it is being removed.
        :raises Unavailable: no space is left, or ``path`` is read-only. After an error, also :class:`.Cancelled`, nothing half
            written is left: everything was staged beside its place, and gets there by rename. Where several things go into
            folders that are there, some may be in their places already.
        """
        from .copying.transfer import Wishes, copy_in

        return copy_in(self._context, self._row, source, path, Wishes(
            archive=archive, follow_link=follow_link, overwrite=overwrite, cancel=cancel or Cancel()))

    def copy_out(self, path: str, to: str | os.PathLike[str] | int | IO[bytes], *, follow_link: bool = True,
                 overwrite: bool = False, cancel: Cancel | None = None) -> Copied:
        """Copy a file or folder out of it. Parameters and errors as :meth:`copy_in`, the sides changed.

        :param to: a path on the host, where everything becomes the caller's, and devices are skipped; or a descriptor or file
            that gets a tar, with owners and devices as they are.
        """
        from .copying.transfer import Wishes, copy_out

        return copy_out(self._context, self._row, path, to, Wishes(
            archive=True, follow_link=follow_link, overwrite=overwrite, cancel=cancel or Cancel()))

    def copy_to(self, path: str, other: Container, to: str, *, archive: bool = True, follow_link: bool = True,
                overwrite: bool = False, cancel: Cancel | None = None) -> Copied:
        """Copy a file or folder of it into another container, or to another place in itself. Parameters and errors as
        :meth:`copy_in`."""
        from .copying.transfer import Wishes, copy_across

        return copy_across(self._context, self._row, path, other._row, to, Wishes(
            archive=archive, follow_link=follow_link, overwrite=overwrite, cancel=cancel or Cancel()))

    def export(self, to: str | int | IO[bytes], *, cancel: Cancel | None = None) -> PackResult:
        """Write its root file system as a tar, without what is mounted inside while it runs.

        :param to: a path, where the file appears whole or not at all; a descriptor; or a file that has one.
        :returns: digest and size of the tar among others.
        :raises Unavailable: it cannot be written.
        """
        from . import instance

        return instance.export(self._context, self._row, to, cancel or Cancel())
