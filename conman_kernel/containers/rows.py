"""Containers in the index: one record, and the few statements that read and change it. No policy."""

from __future__ import annotations

import json
from typing import Iterable, Mapping

from ..errors import AlreadyExists, InvalidInput, NotFound
from ..oci.runtime.options import ContainerOptions, from_json, to_json
from ..oci.runtime.request import ImageParts
from ..record import Record
from ..store.sqlite import sqlite3

EXITS_KEPT_SECONDS = 300.0
"""How long the exit code of a container that is gone can still be waited for."""


class ContainerRow(Record):
    """One container as the index has it. Times are seconds since the epoch, 0 where it has not happened.

    :param num: row number, and byte of the lock file.
    :param state: ``creating created starting initialized running paused restarting exited removing``; while ``restarting``, the
        shim is its waiter (see :mod:`.restart`).
    :param process: the image's share of the process (:class:`~conman_kernel.oci.runtime.request.ImageParts` and what
        ``inspect`` shows), as JSON.
    :param boot_id: of the boot in which it was started last.
    :param owner_pid: the process at work on it in a passing state; ``owner_start`` its start time.
    :param exit_code: of the last run; -1 where it is not known.
    :param mounts: how often ``conman mount`` holds its root file system.
    :param restarts: how often its policy has started it since a person did. ``stopped``: a person ended it. ``backoff``: how many
        milliseconds the last restart was waited for.
    """

    num: int
    id: str
    name: str
    image_id: str
    image_name: str
    image_chain_id: str
    state: str
    created: float
    started: float
    finished: float
    storage: str
    runtime: str
    options: str
    process: str
    pid: int
    pid_start: int
    shim_pid: int
    shim_start: int
    boot_id: str
    owner_pid: int
    owner_start: int
    exit_code: int
    oom: int
    error: str
    mounts: int
    restarts: int
    stopped: int
    backoff: int

    def parsed_options(self) -> ContainerOptions:
        """What the caller asked for."""
        return from_json(json.loads(self.options))

    def image_parts(self) -> ImageParts:
        """What the image says about the process."""
        data: dict[str, object] = json.loads(self.process)
        return ImageParts(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})  # type: ignore[arg-type]


_COLUMNS = ", ".join(ContainerRow._fields)


def options_json(options: ContainerOptions) -> str:
    """How options are kept."""
    return json.dumps(to_json(options), separators=(",", ":"))


def insert(connection: sqlite3.Connection, values: Mapping[str, object]) -> int:
    """Reserve id and name in one step.

    :returns: the row number.
    :raises AlreadyExists: the name is taken, naming by whom.
    """
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    try:
        cursor = connection.execute(f"INSERT INTO containers ({names}) VALUES ({marks})", tuple(values.values()))
    except sqlite3.IntegrityError:
        found = connection.execute("SELECT id FROM containers WHERE name = ?", (values["name"],)).fetchone()
        if found is None:
            raise
        raise AlreadyExists(f'the container name "{values["name"]}" is already in use by {found[0]}',
                            hint="remove that container, or choose another --name") from None
    number = cursor.lastrowid
    assert number is not None
    return number


def update(connection: sqlite3.Connection, id: str, **values: object) -> None:
    """Change columns of one container; one that is gone is no error."""
    sets = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE containers SET {sets} WHERE id = ?", (*values.values(), id))


def delete(connection: sqlite3.Connection, row: ContainerRow, now: float) -> None:
    """Forget a container; its exit code is kept a while for those who wait."""
    connection.execute("DELETE FROM exits WHERE finished < ?", (now - EXITS_KEPT_SECONDS,))
    if row.started:
        connection.execute("INSERT OR REPLACE INTO exits VALUES (?, ?, ?)", (row.id, row.exit_code, now))
    connection.execute("DELETE FROM containers WHERE id = ?", (row.id,))


def exit_of_removed(connection: sqlite3.Connection, id: str) -> int | None:
    """The exit code of a container that is gone since a short while; None where nothing is known of it."""
    found = connection.execute("SELECT exit_code FROM exits WHERE container_id = ?", (id,)).fetchone()
    return None if found is None else int(found[0])


def by_id(connection: sqlite3.Connection, id: str) -> ContainerRow | None:
    """The container of exactly this id, or None."""
    found = connection.execute(f"SELECT {_COLUMNS} FROM containers WHERE id = ?", (id,)).fetchone()
    return None if found is None else ContainerRow._make(found)


def named(connection: sqlite3.Connection, name: str) -> str | None:
    """The id of the container that has exactly this name; one that is only being made counts."""
    found = connection.execute("SELECT id FROM containers WHERE name = ?", (name,)).fetchone()
    return None if found is None else str(found[0])


def find(connection: sqlite3.Connection, name_or_id: str) -> ContainerRow:
    """The container meant by a name, a full id, or a unique prefix of an id; a full name wins over a prefix.

    :raises NotFound: none is.
    :raises InvalidInput: the prefix is not unique.
    """
    rows = connection.execute(f"SELECT {_COLUMNS} FROM containers WHERE (id = ? OR name = ?) AND state != 'creating'",
                              (name_or_id, name_or_id)).fetchall()
    if not rows and name_or_id and all(c in "0123456789abcdef" for c in name_or_id):
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM containers WHERE id >= ? AND id < ? AND state != 'creating' LIMIT 2",
            (name_or_id, name_or_id + "g")).fetchall()
        if len(rows) > 1:
            raise InvalidInput(f'more than one container has an id that begins with "{name_or_id}"', hint="write more of it")
    if not rows:
        raise NotFound(f'no container with name or ID "{name_or_id}" found: no such container')
    return ContainerRow._make(rows[0])


def select(connection: sqlite3.Connection, states: Iterable[str] | None = None) -> list[ContainerRow]:
    """Every container, oldest first; of the given states only, where given. Those being created are left out."""
    where, values = "state != 'creating'", tuple(states or ())
    if values:
        where = f"state IN ({', '.join('?' * len(values))})"
    return [ContainerRow._make(r) for r in
            connection.execute(f"SELECT {_COLUMNS} FROM containers WHERE {where} ORDER BY num", values)]


def active(connection: sqlite3.Connection) -> list[ContainerRow]:
    """The containers in a state that something must uphold: all but created and exited."""
    return [ContainerRow._make(r) for r in connection.execute(
        f"SELECT {_COLUMNS} FROM containers WHERE state NOT IN ('created', 'exited') ORDER BY num")]
