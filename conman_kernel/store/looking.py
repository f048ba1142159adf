"""The index for those that must not change it: not even SQLite's own files beside it come or go."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from typing import Iterator

from ..errors import InvalidState, Unavailable
from .index import Index
from .layout import Layout
from .schema import MIGRATIONS
from .sqlite import sqlite3

_TRIES = 20
_MEMORY = "/dev/shm"
_VERSIONS = slice(18, 20)
"""Where a database's header says whether it has a WAL (https://www.sqlite.org/fileformat.html#file_format_version_numbers)."""


class LookingIndex(Index):
    """An :class:`~.index.Index` that can only be read. A store without one reads like an empty one.

    Reading a WAL database makes files beside it, and takes them away. So the file is read whole into memory; where a WAL lies
    beside it (a command is at work, or was killed) both are copied into a folder of their own, and read there.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._file = layout.index

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """As :meth:`.index.Index.read`.

        :raises Unavailable: it cannot be read, or is newer than this conman.
        """
        folder = ""
        try:
            connection, folder = self._look()
            try:
                connection.row_factory = sqlite3.Row
                self._version(connection)
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise self._failure(error) from error
        finally:
            if folder:
                shutil.rmtree(folder)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Never.

        :raises InvalidState: always; whoever only looks must not come here.
        """
        raise InvalidState("the index is only looked at here")
        yield  # it is a generator all the same

    def _look(self) -> tuple[sqlite3.Connection, str]:
        for _ in range(_TRIES):
            before = self._signature()
            if before[0] is None:
                return _empty(), ""
            try:
                if before[1] is None or before[1][0] == 0:
                    connection, folder = _in_memory(self._file), ""
                else:
                    connection, folder = _copied(self._file)
            except FileNotFoundError:
                continue  # the WAL went between the two looks
            if self._signature() == before:
                return connection, folder
            connection.close()
            if folder:
                shutil.rmtree(folder)
        raise Unavailable(f"{self._file} changes all the time", hint="try again when fewer commands are at work")

    def _signature(self) -> tuple[tuple[int, int, int] | None, tuple[int, int, int] | None]:
        found: list[tuple[int, int, int] | None] = []
        for path in (self._file, self._file + "-wal"):
            try:
                state = os.stat(path)
                found.append((state.st_size, state.st_mtime_ns, state.st_ino))
            except FileNotFoundError:
                found.append(None)
        return found[0], found[1]


def _in_memory(path: str) -> sqlite3.Connection:
    """A file without a WAL, whole in memory, where it says that it has none: a database in memory cannot have one."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data[_VERSIONS] = b"\1\1"[:len(data[_VERSIONS])]
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(bytes(data))
    return connection


def _copied(path: str) -> tuple[sqlite3.Connection, str]:
    """File and WAL in a folder of their own, in memory where there is room for files."""
    folder = tempfile.mkdtemp(prefix="conman-look-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None)
    try:
        for tail in ("", "-wal"):
            shutil.copyfile(path + tail, f"{folder}/index.db{tail}")
        return sqlite3.connect(folder + "/index.db", isolation_level=None), folder
    except BaseException:
        shutil.rmtree(folder)
        raise


def _empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for script in MIGRATIONS:
        connection.executescript(script)
    connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
    return connection
