"""What a running container does, as callers look at it: its processes, and what they use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from ..cancel import Cancel
from .described import Described

if TYPE_CHECKING:
    from .stats import ContainerStats
    from .top.listing import ProcessTable


class Watching(Described):
    """What is seen of a container from outside while it runs."""

    __slots__ = ()

    def stats(self, *, interval: float = 1.0, cancel: Cancel | None = None) -> Iterator[ContainerStats]:
        """What it uses, from now on until it ends: the first sample comes at once.

        :param interval: seconds from one to the next.
        :raises InvalidState: it does not run.
        :raises InvalidInput: the interval is none.
        """
        from .stats import of_one

        return of_one(self._context, self._row, interval=interval, cancel=cancel or Cancel())

    def top(self, *columns: str, cancel: Cancel | None = None) -> ProcessTable:
        """Its processes, those of its exec sessions too. Nothing runs inside for it.

        :param columns: podman's descriptors (``user``, ``pid``, ``args``, ...), or options of the host's ps(1) such as ``-ef``,
            whose process numbers are those inside; none: podman's eight columns.
        :raises InvalidState: it does not run.
        :raises InvalidInput: neither descriptors nor options of ps(1). :raises Unavailable: the host has no ps.
        """
        from .top.listing import top

        return top(self._context, self._row, columns, cancel or Cancel())
