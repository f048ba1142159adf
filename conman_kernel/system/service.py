"""The store as a whole: :class:`System` measures, prunes, checks and repairs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping, Sequence

from ..cancel import Cancel

if TYPE_CHECKING:
    from ..kernel import Conman
    from .findings import CheckReport
    from .prune import SystemPruneReport
    from .usage import Usage


class System:
    """The store of one :class:`~conman_kernel.Conman`. Thread-safe; makes nothing before the first call.

    :param conman: whose store it is: images, containers and their parts are reached through it.
    """

    __slots__ = ("_conman",)

    def __init__(self, conman: Conman) -> None:
        self._conman = conman

    def df(self, *, cancel: Cancel | None = None) -> Usage:
        """What images, containers, kept blobs and partial downloads take, and what a prune would give back."""
        from .usage import usage

        return usage(self._conman, cancel if cancel is not None else Cancel())

    def prune(self, *, all: bool = False, filters: Mapping[str, Sequence[str]] | None = None,
              cancel: Cancel | None = None) -> SystemPruneReport:
        """Remove containers that do not run, images that nothing needs, and partial downloads. May be called at any time.

        :param all: also images with a name that no container was made from.
        :param filters: podman's ``until``, ``label`` and ``label!``, for containers and images; partial downloads stay then.
        :raises InvalidInput: an unknown filter.
        """
        from .prune import prune

        return prune(self._conman, all=all, filters=filters or {}, cancel=cancel if cancel is not None else Cancel())

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
