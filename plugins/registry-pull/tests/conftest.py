from __future__ import annotations

import gc
import logging
import os
import threading
from typing import Callable, Iterator, Mapping

import pytest

from conman_kernel.slots.provider import AS_CONFIGURED, Access, RegistrySettings
from conman_kernel.testing.registry import Registry
from conman_registry_pull import Options
from conman_registry_pull.credentials import FindCredentials, nobody
from conman_registry_pull.transport import RegistryTransport

QUICK = {"attempts": 3, "longest_pause": 10.0}
MakeTransport = Callable[..., RegistryTransport]


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as made:
        yield made


@pytest.fixture
def make_transport() -> Iterator[MakeTransport]:
    """Makes transports, closes them, and finds out whether any of them left a thread or a descriptor behind."""
    threads, before = set(threading.enumerate()), _event_descriptors()
    made: list[RegistryTransport] = []

    def make(registries: Mapping[str, RegistrySettings] | None = None, find: FindCredentials | None = nobody,
             access: Access = AS_CONFIGURED, **options: float) -> RegistryTransport:
        chosen = Options(**{**QUICK, **options})  # type: ignore[arg-type]
        made.append(RegistryTransport(chosen, registries or {}, logging.getLogger("test"), access, find))
        return made[-1]

    yield make
    for transport in made:
        transport.close()
        transport.close()
    gc.collect()  # tracebacks inside the HTTP library are cycles that hold the callers' tokens
    mine = [t for t in set(threading.enumerate()) - threads if t.name == "registry-pull watch"]
    assert mine == []
    assert _event_descriptors() <= before


@pytest.fixture
def transport(make_transport: MakeTransport) -> RegistryTransport:
    return make_transport()


def _event_descriptors() -> set[str]:
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:[eventfd]":
                found.add(fd)
        except FileNotFoundError:
            continue  # a thread of the registry closed it in between
    return found
