"""The ``/etc/hosts`` of running containers: who is on a common network is known by name, short id and aliases.

The file is bind-mounted into the container: it is rewritten in place, the same inode, whole lines at any moment (padded with
empty ones before it gets shorter). Only lines that carry our mark are ours; what somebody wrote inside the container stays.
"""

from __future__ import annotations

import os
from typing import Mapping, Sequence

from ..record import Record
from . import rows
from .means import Means

_MARK = b"# conman"
_LIMIT = 1 << 20


class Seen(Record):
    """One running container, as others in a network find it.

    :param gateway_names: further names of the host, in its own file (``--add-host NAME:host-gateway``).
    """

    id: str
    name: str
    hostname: str
    gateway_names: tuple[str, ...] = ()


def update(means: Means, seen: Mapping[str, Seen], networks: Sequence[str]) -> None:
    """Write the names of networks into the files of every running container in them.

    :param seen: running containers by id; of others nothing is told.
    :param networks: in which somebody came or went.
    """
    with means.lock_hosts():
        with means.index.read() as connection:
            memberships = rows.of_all(connection)
            knowing = {row.network.name for row in rows.select(connection) if row.dns}
        touched = [id for id, several in memberships.items() if id in seen and any(one.network in networks for one in several)]
        for id in touched:
            path = means.layout.container_run(id) + "/hosts"
            try:
                _rewrite(path, _lines(seen[id], memberships, seen, knowing))
            except OSError as error:  # a full run folder: the container is no worse off than without names
                means.log.warning("the names of networks cannot be written to %s: %s", path, error.strerror)


def _lines(own: Seen, memberships: Mapping[str, list[rows.Membership]], seen: Mapping[str, Seen],
           knowing: set[str]) -> list[bytes]:
    """Our lines of one container's file: its own addresses, then the others'."""
    mine = memberships.get(own.id, [])
    gateway = next((g for one in mine if one.result and one.result.joined for g in one.result.joined.gateways), "")
    names = (*own.gateway_names, "host.containers.internal", "host.docker.internal")
    found = [f"{gateway}\t{' '.join(dict.fromkeys(names))}"] if gateway else []
    for one in mine:
        found += _names(one, (own.hostname, own.name, own.id[:12]))
    shared = {one.network for one in mine if one.network in knowing and one.result is not None and one.result.joined is not None}
    for id, several in sorted(memberships.items(), key=lambda item: item[0]):
        other = seen.get(id)
        if other is None or id == own.id:
            continue
        for one in several:
            if one.network in shared:
                found += _names(one, (other.name, id[:12]))
    return [line.encode("utf-8", "surrogateescape") + b"\t" + _MARK for line in found]


def _names(one: rows.Membership, names: tuple[str, ...]) -> list[str]:
    result = one.result
    if result is None or result.joined is None:
        return []
    words = " ".join(dict.fromkeys(word for word in (*names, *one.wish.aliases) if word))
    return [f"{address.partition('/')[0]}\t{words}" for address in result.joined.addresses]


def _rewrite(path: str, ours: list[bytes]) -> None:
    """Replace our lines in a file that others are reading."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return  # --no-hosts, or it has just gone
    try:
        size = os.fstat(fd).st_size
        if size > _LIMIT:
            return  # somebody inside made it something else
        before = os.pread(fd, _LIMIT, 0)
        kept = [line for line in before.splitlines() if line and not line.endswith(_MARK)]
        # A name that somebody gave by hand (--add-host) comes first, and so it is what counts.
        after = b"".join(line + b"\n" for line in (*kept, *ours))
        if after == before:
            return
        os.pwrite(fd, after + b"\n" * max(0, size - len(after)), 0)
        os.ftruncate(fd, len(after))
    finally:
        os.close(fd)
