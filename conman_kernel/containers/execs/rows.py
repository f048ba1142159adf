"""Exec sessions in the index: one record, and the few statements that read and change it. No policy.

What ends a session is guarded by its state in the statement itself: whoever sees the end first writes it down, and nobody after
him writes something else over it.
"""

from __future__ import annotations

import json

from ...errors import InvalidInput, NotFound
from ...record import Record
from ...store.sqlite import sqlite3
from .options import ExecOptions, from_json, to_json

CREATED, STARTING, RUNNING, EXITED, LOST = "created", "starting", "running", "exited", "lost"
UNKNOWN = -1
"""The exit code of one that has not ended, or whose end nobody saw."""

ENDED_KEPT = 128
"""Ended sessions that are kept for each container; the oldest go."""

_UNDER_WAY = f"state IN ('{STARTING}', '{RUNNING}')"


class ExecRow(Record):
    """One exec session as the index has it. Times are seconds since the epoch, 0 where it has not happened.

    :param state: ``created starting running exited lost``.
    :param config: options and terminal size, as JSON.
    :param pid: the process, as this host sees it; ``pid_start`` its start time.
    :param boot_id: of the boot in which it was made.
    :param exit_code: -1 where it is not known.
    :param owner_pid: who starts it, while it is ``starting``; ``owner_start`` its start time.
    """

    id: str
    container_id: str
    created: float
    state: str
    config: str
    pid: int
    pid_start: int
    boot_id: str
    exit_code: int
    finished: float
    shim_pid: int
    shim_start: int
    owner_pid: int
    owner_start: int

    def options(self) -> ExecOptions:
        """What the caller asked for."""
        return from_json(json.loads(self.config)["options"])

    def size(self) -> tuple[int, int]:
        """Rows and columns that its terminal is to have from the start; zeros leave them to the runtime."""
        rows, columns = json.loads(self.config)["size"]
        return int(rows), int(columns)


_COLUMNS = ", ".join(ExecRow._fields)


def config_json(options: ExecOptions, size: tuple[int, int]) -> str:
    """How options and size are kept."""
    return json.dumps({"options": to_json(options), "size": size}, separators=(",", ":"))


def insert(connection: sqlite3.Connection, row: ExecRow) -> None:
    """Add a session, and let go of the oldest ended ones of its container beyond :data:`ENDED_KEPT`."""
    connection.execute(f"INSERT INTO exec_sessions ({_COLUMNS}) VALUES ({', '.join('?' * len(row))})", tuple(row))
    connection.execute(
        f"DELETE FROM exec_sessions WHERE id IN (SELECT id FROM exec_sessions WHERE container_id = ? AND state IN "
        f"('{EXITED}', '{LOST}') ORDER BY finished DESC LIMIT -1 OFFSET {ENDED_KEPT})", (row.container_id,))


def by_id(connection: sqlite3.Connection, id: str) -> ExecRow | None:
    """The session of exactly this id, or None."""
    found = connection.execute(f"SELECT {_COLUMNS} FROM exec_sessions WHERE id = ?", (id,)).fetchone()
    return None if found is None else ExecRow._make(found)


def find(connection: sqlite3.Connection, id: str) -> ExecRow:
    """The session meant by an id or the beginning of one.

    :raises NotFound: none is.
    :raises InvalidInput: several begin so.
    """
    found = []
    if id and all(c in "0123456789abcdef" for c in id):
        found = connection.execute(f"SELECT {_COLUMNS} FROM exec_sessions WHERE id >= ? AND id < ? LIMIT 2",
                                   (id, id + "g")).fetchall()
    if not found:
        raise NotFound(f'no exec session with ID "{id}" found: no such exec session')
    if len(found) > 1:
        raise InvalidInput(f'more than one exec session has an id that begins with "{id}"', hint="write more of it")
    return ExecRow._make(found[0])


def of_container(connection: sqlite3.Connection, container: str) -> list[ExecRow]:
    """A container's sessions, oldest first."""
    return [ExecRow._make(row) for row in connection.execute(
        f"SELECT {_COLUMNS} FROM exec_sessions WHERE container_id = ? ORDER BY created, id", (container,))]


def under_way(connection: sqlite3.Connection) -> list[ExecRow]:
    """The sessions of all containers that something must uphold: starting or running."""
    return [ExecRow._make(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM exec_sessions WHERE {_UNDER_WAY}")]


def begun(connection: sqlite3.Connection, id: str, *, options: ExecOptions, size: tuple[int, int],
          owner: tuple[int, int]) -> None:
    """One that was created is being started by ``owner`` (pid, start time)."""
    connection.execute("UPDATE exec_sessions SET state = ?, config = ?, owner_pid = ?, owner_start = ? WHERE id = ?",
                       (STARTING, config_json(options, size), *owner, id))


def running(connection: sqlite3.Connection, id: str, *, process: tuple[int, int], shim: tuple[int, int]) -> None:
    """Its process (pid, start time) is there, and so is its shim. One that was seen to end meanwhile stays ended."""
    connection.execute("UPDATE exec_sessions SET state = ?, pid = ?, pid_start = ?, shim_pid = ?, shim_start = ?, owner_pid = 0, "
                       "owner_start = 0 WHERE id = ? AND state = ?", (RUNNING, *process, *shim, id, STARTING))


def resized(connection: sqlite3.Connection, row: ExecRow, size: tuple[int, int]) -> None:
    """Keep a size for the start."""
    connection.execute("UPDATE exec_sessions SET config = ? WHERE id = ?", (config_json(row.options(), size), row.id))


def ended(connection: sqlite3.Connection, id: str, *, code: int, finished: float, state: str = EXITED) -> bool:
    """It is over. The first word stands: one that is over already, or gone, stays as it is.

    :returns: whether this was the first word.
    """
    changed = connection.execute(f"UPDATE exec_sessions SET state = ?, exit_code = ?, finished = ?, pid = 0, pid_start = 0, "
                                 f"shim_pid = 0, shim_start = 0, owner_pid = 0, owner_start = 0 WHERE id = ? AND {_UNDER_WAY}",
                                 (state, code, finished, id))
    return changed.rowcount > 0


def delete(connection: sqlite3.Connection, id: str) -> bool:
    """Forget one; one that is gone is no error.

    :returns: whether nobody had said that it is over.
    """
    under_way = bool(connection.execute(f"DELETE FROM exec_sessions WHERE id = ? AND {_UNDER_WAY}", (id,)).rowcount)
    connection.execute("DELETE FROM exec_sessions WHERE id = ?", (id,))
    return under_way


def delete_of_container(connection: sqlite3.Connection, container: str) -> None:
    """Forget all of a container's: it is being started again."""
    connection.execute("DELETE FROM exec_sessions WHERE container_id = ?", (container,))
