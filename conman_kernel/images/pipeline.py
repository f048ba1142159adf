"""All missing layers of one image: some downloading, some unpacking, committed from the lowest up.

Threads only wait: for the network, and for workers, which are processes. So memory does not grow with the image.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Sequence, TypeVar

from ..cancel import Cancel
from ..errors import Cancelled
from ..worker.jobs import UnpackResult
from .crew import Crew
from .fetch import Source
from .layers import Layers, Plan
from .parts import Parts
from .records import Progress
from .together import ended

T = TypeVar("T")
R = TypeVar("R")

UNPACKERS = 2
"""Workers at once: each takes some 20 MB and keeps more than one core busy."""


class Pipeline:
    """One run over the missing layers of one image.

    :param source: where missing layers come from.
    :param emit: takes progress events, from any thread, one at a time.
    :param cancel: the caller's token; the threads watch one of their own, which also fires when one of them fails.
    """

    def __init__(self, parts: Parts, source: Source, what: str, emit: Callable[[Progress], None],
                 cancel: Cancel) -> None:
        self._parts = parts
        self._source = source
        self._emit = emit
        self._caller = cancel
        self._cancel = Cancel(cancel.remaining())
        self._what = what
        self._wake = -1
        self._guard = threading.Lock()
        self._futures: list[Future[object]] = []

    def run(self, plans: Sequence[Plan]) -> None:
        """Download, unpack and commit the layers.

        :param plans: lowest first; what lies below the first is committed.
        :raises ConmanError: the first failure; all threads and workers have ended by then (but for one in a plugin that does not
            come back). What was committed stays.
        """
        count = min(UNPACKERS, len(plans))
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        everybody = True
        try:
            with Crew(self._parts.worker, count) as crew:
                downloads = ThreadPoolExecutor(self._parts.parallel, "conman-download")
                unpacks = ThreadPoolExecutor(count, "conman-unpack")
                layers = Layers(self._parts, self._what, crew, self._cancel, self._download)
                try:
                    self._run(plans, layers, downloads, unpacks)
                except BaseException:
                    self._cancel.cancel("another layer failed")
                    everybody = ended(self._futures, downloads, unpacks)
                    raise
                downloads.shutdown()
                unpacks.shutdown()
        finally:
            if everybody:  # else somebody may still write to a descriptor, and it must not be another file's by then
                os.close(self._wake)
                self._cancel.close()

    def _run(self, plans: Sequence[Plan], layers: Layers, downloads: ThreadPoolExecutor,
             unpacks: ThreadPoolExecutor) -> None:
        alone = layers.driver.independent_layers
        uses = [plan.blob.digest for plan in plans]

        def unpack(plan: Plan) -> UnpackResult:
            return layers.unpack(plan, self._progress(plan), on_parent=False)

        def unpack_on_parent(plan: Plan) -> UnpackResult:
            return layers.unpack(plan, self._progress(plan), on_parent=True)

        def bring(plan: Plan) -> Future[UnpackResult] | None:
            self._download(plan)
            return self._submit(unpacks, unpack, plan) if alone else None

        brought = [self._submit(downloads, bring, plan) for plan in plans]
        for plan, coming in zip(plans, brought):
            early = self._wait(coming)
            result = self._wait(early if early is not None else self._submit(unpacks, unpack, plan))
            if result.needs_parent:
                self._parts.log.debug("layer %d is unpacked on its parents: %s", plan.number, result.why)
                result = self._wait(self._submit(unpacks, unpack_on_parent, plan))
            if result.xattrs_dropped:
                self._parts.log.warning("layer %d: %d extended attributes were left out: the file system takes none",
                                        plan.number, result.xattrs_dropped)
            layers.commit(plan, result.size)
            self._emit(Progress("unpacked", plan.blob.digest, plan.blob.size, plan.blob.size))
            uses.remove(plan.blob.digest)
            if not self._parts.keep_blobs and plan.blob.digest not in uses:
                self._parts.blobs.remove(plan.blob.digest)

    def _download(self, plan: Plan) -> None:
        digest, total = plan.blob.digest, plan.blob.size
        if not self._parts.blobs.verify(plan.blob, self._cancel):
            self._source.blob(self._parts.blobs, plan.blob, self._cancel,
                              lambda current: self._emit(Progress("downloading", digest, current, total)))
        self._emit(Progress("downloaded", digest, total, total))

    def _progress(self, plan: Plan) -> Callable[[int], None]:
        return lambda current: self._emit(Progress("unpacking", plan.blob.digest, current, plan.blob.size))

    def _submit(self, pool: ThreadPoolExecutor, work: Callable[[Plan], R], plan: Plan) -> Future[R]:
        future = pool.submit(work, plan)
        with self._guard:
            self._futures.append(future)  # type: ignore[arg-type]
        future.add_done_callback(lambda _: os.eventfd_write(self._wake, 1))
        return future

    def _wait(self, future: Future[T]) -> T:
        while not future.done():
            self._caller.wait_readable(self._wake)
            os.eventfd_read(self._wake)
            self._raise_first()
        return future.result()

    def _raise_first(self) -> None:
        with self._guard:
            done = [future for future in self._futures if future.done() and not future.cancelled()]
        for future in done:
            error = future.exception()
            if error is not None and not isinstance(error, Cancelled):
                raise error
