"""Killed with -9 between any two steps, and several at once: the next pull uses or clears what is left."""

from __future__ import annotations

import os
import select
import signal
import traceback
from typing import Callable, Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import NotFound
from conman_kernel.images import collection
from conman_kernel.testing.images import file, image, layer

pytestmark = pytest.mark.slow

MARK = "CONMAN_TEST_CRASH"
NOISE = os.urandom(9000)
BASE = layer([file("base", NOISE)])
BOX = image([BASE, layer([file("box", NOISE[:4000])]), layer([file("top")])])
TOOL = image([BASE, layer([file("tool")])])
EVERY = 6
"""Every how many steps one is tried here; ``CONMAN_STRESS=1`` tries all."""


def workers_of(mark: str) -> Iterator[int]:
    """Descriptors of the living processes that have the mark in their environment."""
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/environ", "rb") as stream:
                if f"{MARK}={mark}".encode() in stream.read():
                    yield os.pidfd_open(int(entry))
        except (OSError, ValueError):
            continue  # no process, or one that has just ended


def fork(bench, work: Callable[[], object]) -> int:
    """A forked process that does something and ends with status 0; its pid. No index connection crosses the fork."""
    bench.index.close()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(99)
    return pid


def in_child(bench, work: Callable[[], None]) -> int:
    """Run something in a forked process and wait until it and every worker it started are gone; the wait status."""
    mark = os.urandom(8).hex()

    def marked() -> None:
        os.environ[MARK] = mark
        work()

    status = os.waitpid(fork(bench, marked), 0)[1]
    for fd in list(workers_of(mark)):
        assert select.select([fd], [], [], 30)[0], "a worker outlived its caller"
        os.close(fd)
    return status


def kill_at(bench, step: int) -> None:
    """From now on this process kills itself before or after the ``step``-th thing that changes something."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def stepped(*args, **kwargs):
            tick()
            answer = real(*args, **kwargs)
            tick()
            return answer

        setattr(owner, name, stepped)

    for name in ("prepare", "commit", "remove"):
        wrap(bench.driver, name)
    for name in ("ingest", "remove"):
        wrap(bench.blobs, name)
    real_write = bench.index.write

    from contextlib import contextmanager

    @contextmanager
    def write():
        tick()
        with real_write() as db:
            yield db
            tick()
        tick()

    bench.index.write = write
    bench.shelf.before = lambda digest, at: tick() if at % 4000 == 0 else None


def steps_of(bench, work: Callable[[], object]) -> Iterator[int]:
    """Kill at step 1, 1 + EVERY, ... until the work ends by itself."""
    step, every = 1, 1 if os.environ.get("CONMAN_STRESS") else EVERY
    while True:
        def run(step: int = step) -> None:
            kill_at(bench, step)
            work()

        status = in_child(bench, run)
        yield step
        if os.waitstatus_to_exitcode(status) == 0:
            assert step > 15, "hardly any step was tried"
            return
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        step += every


def only(bench, *names: str) -> None:
    """The store holds exactly these images, whole."""
    images = [bench.images.get(name) for name in names]
    assert {i.id for i in bench.images.list()} == {i.id for i in images}
    assert bench.driver.names("committed") == {chain for i in images for chain in i.layers}
    assert bench.driver.names("active") == set()
    assert bench.rows("leases") == bench.rows("lease_items") == 0
    assert bench.rows("layers") == len(bench.driver.names("committed"))
    assert len({path for path in bench.files() if path.startswith("root/blobs/")}) == bench.rows("blobs")
    bench.parts.blobs.drop_partials()  # what a killed pull has brought is kept for another try
    assert not {path for path in bench.files() if path.startswith("root/ingest/")}


@pytest.fixture
def shelved(bench):
    bench.shelf.add("h.x/box:latest", BOX)
    bench.shelf.add("h.x/tool:latest", TOOL)
    assert bench.images.list() == []  # the index is there: who makes it first is not the matter here
    return bench


def test_a_pull_killed_at_any_step(shelved):
    for step in steps_of(shelved, lambda: shelved.images.pull("h.x/box")):
        whole = bool(shelved.images.list())
        shelved.images.pull("h.x/tool")
        only(shelved, "h.x/tool", *(["h.x/box"] if whole else []))
        shelved.images.pull("h.x/box")
        only(shelved, "h.x/tool", "h.x/box")
        top = shelved.images.get("h.x/box").top_chain_id
        assert (shelved.driver.tree(top) / "top").exists(), step
        shelved.images.remove("h.x/box")
        shelved.images.remove("h.x/tool")
        only(shelved)


def test_a_removal_killed_at_any_step(shelved):
    shelved.images.pull("h.x/box")
    for _ in steps_of(shelved, lambda: shelved.images.remove("h.x/box")):
        shelved.images.pull("h.x/tool")
        try:
            shelved.images.get("h.x/box")
        except NotFound:
            only(shelved, "h.x/tool")
        else:
            only(shelved, "h.x/box", "h.x/tool")
        shelved.images.pull("h.x/box")
        only(shelved, "h.x/box", "h.x/tool")


def all_well(bench, *works: Callable[[], object]) -> None:
    """Run all at once, a process each; each must end well."""
    children = [fork(bench, work) for work in works]
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * len(works)


def test_three_processes_pull_the_same_image(shelved):
    all_well(shelved, *[lambda: shelved.images.pull("h.x/box", cancel=Cancel(timeout=60))] * 3)
    only(shelved, "h.x/box")


def test_pulls_and_removals_at_once(shelved):
    """Two processes that share a layer pull and remove over and over, a third collects: nobody loses a layer."""
    def churn(name: str) -> None:
        for _ in range(12):
            found = shelved.images.pull(name, cancel=Cancel(timeout=60))
            for chain_id in found.layers:
                assert shelved.driver.tree(chain_id).exists()
            shelved.images.remove(name)

    def collect() -> None:
        for _ in range(12):
            collection.collect(shelved.parts, Cancel(timeout=60))

    all_well(shelved, lambda: churn("h.x/box"), lambda: churn("h.x/tool"), collect)
    shelved.images.collect()
    only(shelved)
