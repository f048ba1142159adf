"""Two trees to be compared, as descriptors: a snapshot and what lies below it, in the cheapest form that its driver has."""

from __future__ import annotations

import os
from contextlib import ExitStack
from types import TracebackType

from ..cancel import Cancel
from ..slots.storage import KeyRequest, PrepareRequest, Whiteouts
from .mounted import merged
from .parts import Parts


class Sides:
    """The descriptors, for the length of a block. The views that are made for it are named in a lease of the caller's.

    :param key: the snapshot above, active or committed.
    :param below: the committed snapshot below it; empty: nothing.
    :param lease: of the caller; :meth:`views` are its snapshots.
    """

    def __init__(self, parts: Parts, storage: str, key: str, below: str, lease: str, cancel: Cancel) -> None:
        self._parts = parts
        self._storage = storage
        self._driver = parts.storage(storage)
        self._key = key
        self._below = below
        self._views = self.views(storage, lease)
        self._cancel = cancel
        self._stack = ExitStack()
        self.upper = -1
        self.lower: int | None = None
        self.form = self._driver.whiteouts

    @staticmethod
    def views(storage: str, lease: str) -> tuple[tuple[str, str], ...]:
        """The snapshots that may be made, for the lease."""
        return (storage, f"look-{lease}-0"), (storage, f"look-{lease}-1")

    def __enter__(self) -> Sides:
        try:
            folder = self._driver.layer(KeyRequest(self._key, self._cancel))
            if folder is not None:
                self.upper = self._open(folder)
            else:
                self.form = Whiteouts.APPLIED
                self.upper = self._shown(self._key, 0)
            if self._below:
                self.lower = self._lower()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _lower(self) -> int:
        if self._driver.whiteouts is Whiteouts.APPLIED:
            folder = self._driver.layer(KeyRequest(self._below, self._cancel))
            if folder is not None:
                return self._open(folder)
        return self._shown(self._below, 1)

    def _shown(self, key: str, number: int) -> int:
        """The whole tree of a snapshot: a container's by its own mounts, a layer's by a view."""
        if self._driver.stat(KeyRequest(key, self._cancel)).kind == "committed":
            view = self._views[number][1]
            self._stack.callback(self._driver.remove, KeyRequest(view, Cancel()))
            self._driver.view(PrepareRequest(view, key, self._cancel))
            key = view
        mounts = self._driver.mounts(KeyRequest(key, self._cancel))
        return self._stack.enter_context(merged(mounts, self._parts.layout, self._views[number][1]))

    def _open(self, folder: str) -> int:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._stack.callback(os.close, fd)
        return fd
