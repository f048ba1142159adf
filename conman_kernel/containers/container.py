"""One container, as callers hold it: its record when it was read, and everything that can be done with it.

What can be done stands by concern in the classes it is made of, each of which goes beyond :class:`.described.Described`.
"""

from __future__ import annotations

from .connected import Connected
from .conversing import Conversing
from .holding import Holding
from .living import Living
from .state import refreshed
from .watching import Watching


class Container(Living, Watching, Conversing, Holding, Connected):
    """One container. Properties are as of when it was read; :meth:`refresh` reads again. Methods may be called from
    any thread, and whatever else is going on with the container: they take its lock."""

    __slots__ = ()

    def refresh(self) -> Container:
        """Read the record again.

        :returns: itself.
        :raises NotFound: it is gone.
        """
        self._row = refreshed(self._context, self.id)
        return self

    def inspect(self) -> dict[str, object]:
        """Everything about it, under podman's keys (``podman inspect``); JSON-ready."""
        from .inspect import inspect_document

        return inspect_document(self._context, self._now())
