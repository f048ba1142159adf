"""The C half of :mod:`sqlite3`, which is all that the index needs. The Python half brings adapters for dates, whose import every
command would pay for."""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        import _sqlite3 as sqlite3
    except ImportError:  # an interpreter that has it under another name
        import sqlite3

__all__ = ["sqlite3"]
