"""The SQLite index: who exists, by what name, in what state.

WAL, explicit ``BEGIN IMMEDIATE`` for every change. One connection rests between the operations of the thread that came first; any
other operation (of another thread, within another one) opens its own. None crosses a thread or fork.
No transaction is open while a runtime or a registry is waited for.
"""

from __future__ import annotations

import errno
import fcntl
import os
from _thread import allocate_lock, get_ident
from contextlib import contextmanager
from typing import Iterator

from ..errors import ConmanError, Unavailable
from .layout import Layout, unusable
from .schema import MIGRATIONS
from .sqlite import sqlite3

BUSY_SECONDS = 30.0
"""How long an operation waits for another process's transaction; each lasts milliseconds."""

CHECKPOINT_PAGES = 200
"""WAL pages after which a commit writes them back: bounds what the first reader of the next command has to look through."""


class Index:
    """The index of one store. Thread-safe: no two operations under way share a connection."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        # Closing the last connection writes the WAL back and syncs it: the resting one keeps that from every single operation,
        # and spares its own thread the opening.
        self._anchor: sqlite3.Connection | None = None
        self._home = (0, 0)
        self._lent = False
        self._inherited: list[sqlite3.Connection] = []
        self._anchoring = allocate_lock()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one consistent state until the block ends. Must not change anything.

        :raises Unavailable: the index cannot be opened, or is newer than this conman.
        """
        connection = self._connect()
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            raise self._failure(error) from error
        finally:
            self._give_back(connection)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A connection inside ``BEGIN IMMEDIATE``: committed when the block ends, rolled back when it raises.

        :raises Unavailable: the index cannot be opened or written, is busy for too long, or is newer than this conman.
        """
        connection = self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failure(error) from error
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Give the resting connection back. May be called twice; the index goes on working."""
        with self._anchoring:
            anchor, self._anchor, lent, self._lent = self._anchor, None, self._lent, False
        if anchor is not None and not lent:
            anchor.close()

    def _connect(self) -> sqlite3.Connection:
        here = (os.getpid(), get_ident())
        with self._anchoring:
            if self._anchor is not None and self._home[0] != here[0]:
                self._inherited.append(self._anchor)  # of the process that forked: neither used nor closed here
                self._anchor, self._lent = None, False
            if self._anchor is None:
                if not os.path.exists(self._layout.index):
                    self._layout.ensure(self._layout.root)
                self._anchor, self._home = self._open(migrate=True), here
            if self._home == here and not self._lent:
                self._lent = True
                return self._anchor
        return self._open(migrate=False)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        """End whatever transaction is left, and let the connection rest or go."""
        with self._anchoring:
            resting = connection is self._anchor
            if resting:
                self._lent = False
                try:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                except sqlite3.Error:
                    self._anchor, resting = None, False  # a damaged file: the next operation opens anew, and says so
        if not resting:
            connection.close()

    def _open(self, *, migrate: bool) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(self._layout.index, timeout=BUSY_SECONDS, isolation_level=None,
                                         check_same_thread=False)
        except sqlite3.Error as error:
            raise self._failure(error) from error
        try:
            connection.row_factory = sqlite3.Row
            if migrate:
                self._migrate(connection)
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        except sqlite3.Error as error:
            connection.close()
            raise self._failure(error) from error
        except OSError as error:
            connection.close()
            raise unusable(self._layout.root, error) from None
        except ConmanError:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if self._version(connection) == len(MIGRATIONS):
            return
        # Two that make a fresh index at once: SQLite's busy handler does not cover the change of the journal mode.
        folder = os.open(os.path.dirname(self._layout.index), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            self._apply(connection)
        finally:
            os.close(folder)

    def _apply(self, connection: sqlite3.Connection) -> None:
        os.chmod(self._layout.index, 0o600)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        version = self._version(connection)  # again: another process may have been faster
        for number in range(version, len(MIGRATIONS)):
            for statement in _statements(MIGRATIONS[number]):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
        connection.execute("COMMIT")

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise Unavailable(f"{self._layout.index} was written by a newer conman (schema {version}, this one knows "
                              f"{len(MIGRATIONS)})", hint="install that version, or choose another --root")
        return version

    def _failure(self, error: sqlite3.Error) -> ConmanError:
        path = self._layout.index
        if isinstance(error, sqlite3.OperationalError):
            if not os.access(os.path.dirname(path), os.W_OK):
                return unusable(os.path.dirname(path), PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
            return Unavailable(f"the index {path} cannot be used: {error}")
        if type(error) is sqlite3.DatabaseError:  # its subclasses are defects of conman's own statements
            return Unavailable(f"the index {path} is damaged: {error}", hint="move it away, and pull again")
        raise error


def _statements(script: str) -> Iterator[str]:
    rest = ""
    for line in script.splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            yield rest
            rest = ""
