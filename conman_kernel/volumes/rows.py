"""Volumes in the index: the few statements that read and change them. No policy."""

from __future__ import annotations

import json
from typing import Iterable, Sequence

from ..errors import NotFound
from ..store.sqlite import sqlite3
from .records import ANONYMOUS, DOOMED, VolumeRecord

_COLUMNS = "name, driver, created, anonymous, config"


def _record(row: Sequence[object]) -> VolumeRecord:
    name, driver, created, kind, text = row
    config: dict[str, object] = json.loads(str(text))

    def pairs(key: str) -> tuple[tuple[str, str], ...]:
        found = config.get(key, {})
        return tuple((str(k), str(v)) for k, v in found.items()) if isinstance(found, dict) else ()

    return VolumeRecord(str(name), str(driver), float(str(created)), int(str(kind)), pairs("labels"), pairs("options"),
                        bool(config.get("made")), bool(config.get("copy")), bool(config.get("own")))


def _config(record: VolumeRecord) -> str:
    return json.dumps({"labels": dict(record.labels), "options": dict(record.options), "made": record.made,
                       "copy": record.copy, "own": record.own}, separators=(",", ":"))


def insert(connection: sqlite3.Connection, record: VolumeRecord) -> bool:
    """Make a volume known.

    :returns: False where there is one of that name already; it is left as it is.
    """
    cursor = connection.execute(f"INSERT OR IGNORE INTO volumes ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",
                                (record.name, record.driver, record.created, record.kind, _config(record)))
    return cursor.rowcount == 1


def update(connection: sqlite3.Connection, record: VolumeRecord) -> None:
    """Keep what changes of a volume: ``made``, ``copy``, ``own``. One that is gone is no error."""
    connection.execute("UPDATE volumes SET config = ? WHERE name = ?", (_config(record), record.name))


def exact(connection: sqlite3.Connection, name: str) -> VolumeRecord | None:
    """The volume of exactly this name, or None."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM volumes WHERE name = ?", (name,)).fetchone()
    return None if row is None else _record(row)


def find(connection: sqlite3.Connection, text: str) -> VolumeRecord:
    """The volume of this name, or the one whose name begins so (podman's rule).

    :raises NotFound: there is none, or there are several.
    """
    found = exact(connection, text)
    return found if found is not None else among(select(connection), text)


def among(everything: Sequence[VolumeRecord], text: str) -> VolumeRecord:
    """As :func:`find`, of volumes that were read."""
    near = [record for record in everything if record.name == text] or [
        record for record in everything if text and record.name.startswith(text)]
    if len(near) > 1:
        raise NotFound(f'more than one volume has a name that begins with "{text}": no such volume', hint="write more of it")
    if not near:
        raise NotFound(f'no volume with name "{text}" found: no such volume')
    return near[0]


def select(connection: sqlite3.Connection) -> list[VolumeRecord]:
    """Every volume, by name."""
    return [_record(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM volumes ORDER BY name")]


def users(connection: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """Name of each volume that a container has -> ids of those containers, the oldest first; those that do not run count."""
    found: dict[str, dict[str, None]] = {}
    for row in connection.execute("SELECT v.volume, v.container_id FROM container_volumes v "
                                  "JOIN containers c ON c.id = v.container_id ORDER BY c.num"):
        found.setdefault(str(row[0]), {})[str(row[1])] = None
    return {name: tuple(ids) for name, ids in found.items()}


def users_of(connection: sqlite3.Connection, name: str) -> tuple[str, ...]:
    """Ids of the containers that have a volume, the oldest first."""
    return tuple(str(row[0]) for row in connection.execute(
        "SELECT DISTINCT v.container_id, c.num FROM container_volumes v JOIN containers c ON c.id = v.container_id "
        "WHERE v.volume = ? ORDER BY c.num", (name,)))


def shown_by(connection: sqlite3.Connection, name: str, *, but: str, boot: str) -> bool:
    """True where a container other than ``but`` shows the volume to its processes, or is about to."""
    return connection.execute(
        "SELECT 1 FROM container_volumes v JOIN containers c ON c.id = v.container_id WHERE v.volume = ? AND c.id != ? "
        "AND c.boot_id = ? AND c.state IN ('starting', 'running', 'paused') LIMIT 1", (name, but, boot)).fetchone() is not None


def showing(connection: sqlite3.Connection, name: str, boot: str) -> int:
    """How many containers show the volume to their processes, or are about to."""
    return int(connection.execute(
        "SELECT count(DISTINCT c.id) FROM container_volumes v JOIN containers c ON c.id = v.container_id WHERE v.volume = ? "
        "AND c.boot_id = ? AND c.state IN ('starting', 'running', 'paused')", (name, boot)).fetchone()[0])


def link(connection: sqlite3.Connection, container: str, uses: Iterable[tuple[str, str]]) -> None:
    """Note that a container has volumes, each at its target."""
    connection.executemany("INSERT INTO container_volumes (container_id, volume, target) VALUES (?, ?, ?)",
                           [(container, name, target) for name, target in uses])


def doom(connection: sqlite3.Connection, container: str) -> None:
    """Note that the anonymous volumes which no other container has go with this one."""
    connection.execute(
        "UPDATE volumes SET anonymous = ? WHERE anonymous = ? AND name IN (SELECT volume FROM container_volumes WHERE "
        "container_id = ?) AND NOT EXISTS (SELECT 1 FROM container_volumes o WHERE o.volume = volumes.name "
        "AND o.container_id != ?)", (DOOMED, ANONYMOUS, container, container))


def doomed_with(connection: sqlite3.Connection, container: str) -> tuple[str, ...]:
    """The doomed volumes that nobody but this container has."""
    return tuple(str(row[0]) for row in connection.execute(
        "SELECT name FROM volumes WHERE anonymous = ? AND name IN (SELECT volume FROM container_volumes WHERE container_id = ?) "
        "AND NOT EXISTS (SELECT 1 FROM container_volumes o WHERE o.volume = volumes.name AND o.container_id != ?)",
        (DOOMED, container, container)))


def delete(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Forget volumes; the caller knows that no container has them."""
    connection.executemany("DELETE FROM volumes WHERE name = ?", [(name,) for name in names])
