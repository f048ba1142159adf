"""The workers of one pull: each stays from layer to layer, as a start takes longer than unpacking a small layer."""

from __future__ import annotations

from contextlib import ExitStack
from queue import SimpleQueue
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from ..worker.client import Worker
    from ..worker.jobs import UnpackRequest, UnpackResult


class Crew:
    """A context manager; its workers end with the block, which begins with their start and does not wait for it.

    :param make: gives a worker.
    :param count: how many there are, and so how many calls may be under way at once; a further one waits.
    """

    def __init__(self, make: Callable[[], Worker], count: int) -> None:
        self._make = make
        self._count = count
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._ends = ExitStack()

    def __enter__(self) -> Crew:
        try:
            for _ in range(self._count):
                self._idle.put(self._ends.enter_context(self._make().kept()))
        except BaseException:
            self._ends.close()
            raise
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._ends.close()

    def unpack(self, request: UnpackRequest) -> UnpackResult:
        """See :meth:`~conman_kernel.worker.client.Worker.unpack`. One that failed or was cancelled leaves nothing to the next."""
        worker = self._idle.get()
        try:
            return worker.unpack(request)
        finally:
            self._idle.put(worker)
