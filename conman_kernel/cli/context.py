"""What a verb is given beside its values: the kernel, opened when first asked for, and the cancel token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..cancel import Cancel
from .global_options import overrides
from .values import Values
from .waiting import Waiting

if TYPE_CHECKING:
    from ..containers.shim import Shim
    from ..kernel import Conman


class Context:
    """One command on its way.

    :param path: the command as typed, such as ``conman container ls``; for messages.
    :param settings: the global options in force.
    :param shim: launched early, see :mod:`.early`; None where there is none.
    :ivar waiting: watches the calls into plugins.
    """

    __slots__ = ("_conman", "_shim", "cancel", "path", "settings", "waiting")

    def __init__(self, path: str, settings: Values, shim: Shim | None = None) -> None:
        self.path = path
        self.settings = settings
        self.cancel = Cancel()
        self.waiting = Waiting()
        self._shim = shim
        self._conman: Conman | None = None

    def conman(self) -> Conman:
        """The kernel with the global options applied; made at the first call."""
        if self._conman is None:
            from ..kernel import Conman

            self._conman = Conman(root=self.settings.text("root") or None,
                                  run_root=self.settings.text("run-root") or None,
                                  config=self.settings.text("config") or None, overrides=overrides(self.settings))
            if self.waiting.entered:
                self._conman.plugins.calls.watcher = self.waiting
            shim, self._shim = self._shim, None
            if shim is not None:
                self._conman.adopt_shim(shim)
        return self._conman

    def close(self) -> None:
        """Give everything back: the kernel, and a shim that nobody wanted. May be called twice."""
        shim, self._shim = self._shim, None
        if shim is not None:
            shim.close()
        if self._conman is not None:
            self._conman.close()
