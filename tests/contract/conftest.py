"""What belongs to the process, seen before and after."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Iterator, NamedTuple

import pytest

from conman_kernel import Conman
from conman_kernel.testing.images import busybox_image, write_layout

PR_GET_CHILD_SUBREAPER = 37


class World(NamedTuple):
    """What belongs to the process, and so to our host: nobody else may change it."""

    cwd: str
    umask: int
    environ: dict[str, str]
    handlers: dict[int, object]
    mask: frozenset[int]
    wakeup: int
    namespaces: dict[str, str]
    limits: dict[int, tuple[int, int]]
    subreaper: int
    descriptors: dict[str, str]
    children: frozenset[str]
    threads: frozenset[str]
    mounts: tuple[str, ...]
    path: tuple[str, ...]
    session: tuple[int, int]


def look(folder: str) -> World:
    gc.collect()
    umask = os.umask(0)
    os.umask(umask)
    subreaper = ctypes.c_int()
    ctypes.CDLL(None).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(subreaper), 0, 0, 0)
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    limits = {number: resource.getrlimit(number) for number in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE)}
    return World(
        cwd=os.getcwd(), umask=umask, environ={name: os.environ[name] for name in os.environ if name != "PYTEST_CURRENT_TEST"},
        handlers={int(n): signal.getsignal(n) for n in signal.valid_signals()},
        mask=frozenset(int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, [])), wakeup=wakeup,
        namespaces={name: os.readlink(f"/proc/thread-self/ns/{name}") for name in os.listdir("/proc/thread-self/ns")},
        limits=limits, subreaper=subreaper.value, descriptors=descriptors(), children=children(),
        threads=frozenset(thread.name for thread in threading.enumerate()),
        mounts=tuple(line for line in Path("/proc/self/mountinfo").read_text().splitlines() if folder in line), path=tuple(sys.path),
        session=(os.getsid(0), os.getpgrp()))


def descriptors() -> dict[str, str]:
    found: dict[str, str] = {}
    with os.scandir("/proc/self/fd") as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # closed by another thread just now
                target = os.readlink(entry.path)
                if not target.startswith("/proc/"):
                    found[entry.name] = target
    return found


def children() -> frozenset[str]:
    found: list[str] = []
    for task in os.listdir("/proc/self/task"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended just now; its children are another's
            found += Path(f"/proc/self/task/{task}/children").read_text().split()
    return frozenset(found)


@pytest.fixture
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The world before and after the test is the same."""
    folder = str(tmp_path_factory.getbasetemp())
    before = look(folder)
    yield
    after = look(folder)
    assert {name: value for name, value in after._asdict().items() if value != getattr(before, name)} == {}


class Store(NamedTuple):
    root: str
    run_root: str
    reference: str
    image: str

    def open(self, **overrides: object) -> Conman:
        return Conman(root=self.root, run_root=self.run_root, environ={"HOME": "/nonexistent", "CONMAN_CONTAINERS_NETWORK": "none"},
                      overrides={name.replace("__", "."): value for name, value in overrides.items()})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store on disk with a busybox image in it."""
    folder = tmp_path_factory.mktemp("library")
    write_layout(busybox_image(), str(folder / "layout"))
    made = Store(str(folder / "root"), str(folder / "run"), f"oci:{folder}/layout", "")
    with made.open() as c:
        made = made._replace(image=c.images.pull(made.reference).id)
    yield made
    with made.open() as c:
        for container in c.containers.list(all=True):
            container.remove(force=True)
        c.images.get(made.image)  # whatever the tests did, the image is whole
