"""A set of paths that stays small in memory: what is too much lies in an unnamed file."""

from __future__ import annotations

TYPE_CHECKING = False  # few layers need the file, and the worker pays for each import

if TYPE_CHECKING:
    from sqlite3 import Connection

_IN_MEMORY = 200_000


class Paths:
    """Takes paths and tells whether it has one, until it is closed.

    :param in_memory: how many are kept in memory.
    """

    __slots__ = ("_few", "_file", "_most")

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._few: set[bytes] = set()
        self._most = in_memory
        self._file: Connection | None = None

    def add(self, path: bytes) -> None:
        """Take one; a second time changes nothing."""
        few = self._few
        few.add(path)
        if len(few) > self._most:
            self._spill()

    def __contains__(self, path: bytes) -> bool:
        if path in self._few:
            return True
        return self._file is not None and self._file.execute("SELECT 1 FROM p WHERE path = ?", (path,)).fetchone() is not None

    def close(self) -> None:
        """Let the file go, and all that is in it. May be called twice."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _spill(self) -> None:
        if self._file is None:
            from sqlite3 import connect

            self._file = connect("", isolation_level=None)  # SQLite's private file, which has no name and ends with the process
            self._file.execute("PRAGMA journal_mode = OFF")
            self._file.execute("CREATE TABLE p (path BLOB PRIMARY KEY) WITHOUT ROWID")
        self._file.execute("BEGIN")
        self._file.executemany("INSERT OR IGNORE INTO p VALUES (?)", ((path,) for path in sorted(self._few)))
        self._file.execute("COMMIT")
        self._few.clear()
