"""A container's file system, as callers look at it and take it away: mounts, differences, images, archives."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Sequence

from ..cancel import Cancel
from .described import Described
from .state import refreshed
from .telling import tell

if TYPE_CHECKING:
    from ..oci.recipe import Format
    from ..worker.jobs import Change, PackResult
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

    def export(self, to: str | int | IO[bytes], *, cancel: Cancel | None = None) -> PackResult:
        """Write its root file system as a tar, without what is mounted inside while it runs.

        :param to: a path, where the file appears whole or not at all; a descriptor; or a file that has one.
        :returns: digest and size of the tar among others.
        :raises Unavailable: it cannot be written.
        """
        from . import instance

        return instance.export(self._context, self._row, to, cancel or Cancel())
