"""Who has which address, as the CNI plugin host-local writes it down: one file an address, ``container CR LF interface``.

Source: host-local's ``backend/disk`` (its lock is flock(2) on ``lock``). The folder lies below ``run_dir``: after a reboot no
container has an address, and none is kept.
"""

from __future__ import annotations

import fcntl
import os
from typing import Iterator


def folder_of(leases: str, network: str) -> str:
    """The folder of one network.

    :param network: its id, which is its name towards the CNI plugins.
    """
    return os.path.join(leases, network)


def held(folder: str, container: str, interface: str) -> tuple[str, ...]:
    """The addresses of one interface of a container."""
    return tuple(address for address, owner in _all(folder) if owner == [container, interface])


def holder(folder: str, address: str) -> str:
    """The id of the container that has an address; empty: none."""
    return next((owner[0] for other, owner in _all(folder) if other == address and owner), "")


def sweep(folder: str) -> None:
    """Free addresses that belong to nobody: host-local was killed between making a file and writing it."""
    try:
        fd = os.open(f"{folder}/lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)  # host-local holds it for milliseconds
        for address, owner in _all(folder):
            if not owner:
                os.unlink(f"{folder}/{address}")
    finally:
        os.close(fd)


def forget(folder: str) -> None:
    """Forget a network. Not there is no error."""
    import shutil

    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return


def _all(folder: str) -> Iterator[tuple[str, list[str]]]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        if name == "lock" or name.startswith("last_reserved_ip"):
            continue
        try:
            with open(f"{folder}/{name}", encoding="utf-8", errors="replace") as file:
                yield name, file.read(200).split()
        except FileNotFoundError:
            continue  # freed just now

