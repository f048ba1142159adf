"""Several waiting pieces of work at once, ended together by the first failure or by the caller's token."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Callable, Sequence, TypeVar

from ..cancel import Cancel
from ..errors import Cancelled

T = TypeVar("T")

PATIENCE = 8.0
"""Seconds that threads have to stop: the longest that a sound plugin, or a worker, takes to notice a cancel token."""


def together(works: Sequence[Callable[[Cancel], None]], parallel: int, cancel: Cancel) -> None:
    """Do all of them, up to ``parallel`` at once, in threads.

    :param works: each is given a token of its own kind, which fires when another one fails, too.
    :param cancel: the caller's.
    :raises BaseException: the first failure; every thread has ended by then, but for one in a plugin that does not come back.
    """
    inner = Cancel(cancel.remaining())
    wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    futures: list[Future[None]] = []
    pool = ThreadPoolExecutor(max(1, min(parallel, len(works))), "conman-copy")
    everybody = True
    try:
        for work in works:
            future = pool.submit(work, inner)
            futures.append(future)
            future.add_done_callback(lambda _: os.eventfd_write(wake, 1))
        _wait(futures, wake, cancel)
        pool.shutdown()
    except BaseException:
        inner.cancel("another part failed")
        everybody = ended(futures, pool)
        raise
    finally:
        if everybody:  # else somebody may still write to a descriptor, and it must not be another file's by then
            os.close(wake)
            inner.close()


def ended(futures: Sequence[Future[T]], *pools: ThreadPoolExecutor) -> bool:
    """Wait until work that was told to stop has stopped: :data:`PATIENCE` seconds at most, since a plugin may never come back.

    :returns: False where a thread had to be left behind, in whatever it waits for.
    """
    for future in futures:
        future.cancel()
    everybody = not wait(futures, PATIENCE).not_done
    for pool in pools:
        pool.shutdown(wait=everybody, cancel_futures=True)
    return everybody


def _wait(futures: Sequence[Future[None]], wake: int, cancel: Cancel) -> None:
    while True:
        done = [future for future in futures if future.done() and not future.cancelled()]
        for future in done:
            error = future.exception()
            if error is not None and not isinstance(error, Cancelled):
                raise error
        if len(done) == len(futures):
            return
        cancel.wait_readable(wake)
        os.eventfd_read(wake)
