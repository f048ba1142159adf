"""Several waiting pieces of work at once, ended together by the first failure or by the caller's token."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Sequence

from ..cancel import Cancel
from ..errors import Cancelled


def together(works: Sequence[Callable[[Cancel], None]], parallel: int, cancel: Cancel) -> None:
    """Do all of them, up to ``parallel`` at once, in threads.

    :param works: each is given a token of its own kind, which fires when another one fails, too.
    :param cancel: the caller's.
    :raises BaseException: the first failure; every thread has ended by then.
    """
    inner = Cancel(cancel.remaining())
    wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    futures: list[Future[None]] = []
    try:
        with ThreadPoolExecutor(max(1, min(parallel, len(works))), "conman-copy") as pool:
            try:
                for work in works:
                    future = pool.submit(work, inner)
                    futures.append(future)
                    future.add_done_callback(lambda _: os.eventfd_write(wake, 1))
                _wait(futures, wake, cancel)
            except BaseException:
                inner.cancel("another part failed")
                for future in futures:
                    future.cancel()
                raise
    finally:
        os.close(wake)
        inner.close()


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
