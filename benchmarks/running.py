"""What looks at running containers: ``ps`` and ``stats --no-stream``, with 100 of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Iterator

from context import Bench
from measure import alternate, whole
from report import Row, Table

COUNT = 100


@contextmanager
def _sleeping(bench: Bench) -> Iterator[None]:
    """100 containers of each manager, which sleep."""
    with bench.image(bench.main) as reference:
        for peer in bench.main:
            with ThreadPoolExecutor(2) as pool:
                for job in [pool.submit(peer.detached, reference, f"bench-{number}", "sleep", "3600") for number in range(COUNT)]:
                    job.result()
        yield


def _compare(bench: Bench, case: str, *words: str) -> None:
    with _sleeping(bench):
        contestants = {peer.name: partial(whole, peer.command(*words)) for peer in bench.main}
        rows = [Row(name, [result.seconds * 1000 for result in results])
                for name, results in alternate(contestants, bench.options.rounds).items()]
    bench.report.add(Table(case, f"{' '.join(words)}, {COUNT} running containers", "ms", rows))


def ps(bench: Bench) -> None:
    """``ps``."""
    _compare(bench, "ps-running", "ps")


def stats(bench: Bench) -> None:
    """One round of ``stats``."""
    _compare(bench, "stats", "stats", "--no-stream")
