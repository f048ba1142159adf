"""The store as a whole: :class:`System` measures, prunes, checks and repairs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Mapping, Sequence

from ..cancel import Cancel

if TYPE_CHECKING:
    from ..containers.container import Container
    from ..kernel import Conman
    from .boot import BootReport
    from .findings import CheckReport
    from .holders import Holder
    from .migration import MigrateReport, MigrateStep
    from .prune import SystemPruneReport
    from .usage import ContainerSize, Usage


class System:
    """The store of one :class:`~conman_kernel.Conman`. Thread-safe; makes nothing before the first call.

    :param conman: whose store it is: images, containers and their parts are reached through it.
    """

    __slots__ = ("_conman",)

    def __init__(self, conman: Conman) -> None:
        self._conman = conman

    def boot(self, *, cancel: Cancel | None = None) -> BootReport:
        """Start the containers that their restart policy wants to run and that do not: ``always``, and ``unless-stopped`` where
        no person had ended them. Meant for after a reboot; may be called at any time, and again.

        :returns: what was started, and what could not be; that holds up no other.
        """
        from .boot import boot

        return boot(self._conman, cancel if cancel is not None else Cancel())

    def df(self, *, cancel: Cancel | None = None) -> Usage:
        """What images, containers, volumes, kept blobs and partial downloads take, and what a prune would give back."""
        from .usage import usage

        return usage(self._conman, cancel if cancel is not None else Cancel())

    def container_size(self, container: Container, *, cancel: Cancel | None = None) -> ContainerSize:
        """What one container takes by itself, and with its image."""
        from .usage import container_size

        return container_size(self._conman, container.row, cancel if cancel is not None else Cancel())

    def prune(self, *, all: bool = False, volumes: bool = False, filters: Mapping[str, Sequence[str]] | None = None,
              cancel: Cancel | None = None) -> SystemPruneReport:
        """Remove containers that do not run, images that nothing needs, and partial downloads. May be called at any time.

        :param all: also images with a name that no container was made from.
        :param volumes: also volumes that no container has by then.
        :param filters: podman's ``until``, ``label`` and ``label!``, for containers, images and volumes; partial downloads stay
            then.
        :raises InvalidInput: an unknown filter.
        """
        from .prune import prune

        return prune(self._conman, all=all, volumes=volumes, filters=filters or {},
                     cancel=cancel if cancel is not None else Cancel())

    def prune_containers(self, *, filters: Mapping[str, Sequence[str]] | None = None,
                         cancel: Cancel | None = None) -> tuple[tuple[str, ...], int]:
        """Remove containers that do not run. Filters and errors as :meth:`prune`.

        :returns: their ids, and the bytes that their writable layers took.
        """
        from .prune import prune_containers

        return prune_containers(self._conman, filters or {}, cancel if cancel is not None else Cancel())

    def check(self, *, repair: bool = False, force: bool = False, quick: bool = False, verify_layers: bool = False,
              max_age: float = 86400.0, cancel: Cancel | None = None) -> CheckReport:
        """Look whether the store is sound. Without ``repair`` and ``verify_layers`` nothing is changed.

        :param repair: do something about what is found: fetch and unpack again what can be had, remove what is nobody's.
        :param force: with ``repair``: images that cannot be had again are removed, with their containers.
        :param quick: blobs are judged by their size alone.
        :param verify_layers: every layer is unpacked once more, for a moment, and compared with the one that is there.
        :param max_age: seconds; partial downloads, and layers that nothing needs, are found only when older.
        :raises Unavailable: the index cannot be read at all.
        """
        from .checking import check

        return check(self._conman, repair=repair, force=force, quick=quick, verify_layers=verify_layers, max_age=max_age,
                     cancel=cancel if cancel is not None else Cancel())

    def storage(self, *, cancel: Cancel | None = None) -> tuple[Holder, ...]:
        """The storage drivers that hold something, and the default one, sorted: how many images, layers and containers, and
        what they take."""
        from .holders import holders

        return holders(self._conman, cancel if cancel is not None else Cancel())

    def migrate(self, *, to: str, source: str = "", dry_run: bool = False,
                progress: Callable[[MigrateStep], None] | None = None, cancel: Cancel | None = None) -> MigrateReport:
        """Move images and stopped containers into another storage driver, each compared with what it was before that goes.

        May be called again after any error, and after a kill: what was moved stays moved, the rest is moved then. The
        configuration is not changed: ``storage.driver`` says where new containers and pulls go.

        :param to: the driver's name.
        :param source: move only what this one holds; empty: all others.
        :param dry_run: look at what would be moved, and change nothing.
        :param progress: called after each image, container and removal, in the calling thread.
        :raises InvalidInput: ``to`` and ``source`` are one.
        :raises PluginNotInstalled, PluginUnavailable: a driver is not there, or does not work on this host.
        :raises InvalidState: a container runs or is mounted, an image is mounted, somebody is at work on layers; or what was made
            is not what it was made from.
        :raises Unavailable: no space, and what drivers say. What was not moved by then is where it was, whole.
        :raises Cancelled, DeadlineExceeded: by ``cancel``; likewise.
        """
        from .migration import migrate

        return migrate(self._conman, to, source, dry_run=dry_run, progress=progress or (lambda step: None),
                       cancel=cancel if cancel is not None else Cancel())
