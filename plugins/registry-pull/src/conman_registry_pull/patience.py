"""Trying again: how often, and after which pause."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from conman_kernel.cancel import Cancel

from .failures import Transient

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Log

PAUSES = (0.2, 1.0, 2.0, 4.0, 8.0)
"""Seconds before the second, third, ... try, where the registry names none; the last holds for all further ones."""


class Patience:
    """Counts the failures of one piece of work in a row.

    :param tries: how many in all, without progress between them.
    :param longest: seconds: a registry that wants to be left alone for longer is not waited for.
    """

    def __init__(self, tries: int, longest: float, cancel: Cancel, log: Log) -> None:
        self._tries = tries
        self._longest = longest
        self._cancel = cancel
        self._log = log
        self._failed = 0

    def progressed(self) -> None:
        """Something was gained: what failed before no longer counts."""
        self._failed = 0

    def pause(self, failure: Transient) -> None:
        """Wait before another try. Raises the failure's error where there is to be none, and what the token says."""
        self._failed += 1
        pause = failure.after
        if pause is None:
            # Layers that were refused together shall not all come back in the same moment.
            pause = PAUSES[min(self._failed, len(PAUSES)) - 1] * random.uniform(0.8, 1.2)
        if self._failed >= self._tries or pause > self._longest:
            raise failure.error from failure
        self._log.debug("%s; trying again in %g s", failure.error, round(pause, 2))
        self._cancel.wait_readable(timeout=pause)
