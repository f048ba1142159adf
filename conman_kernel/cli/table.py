"""Columns as podman prints them: at least 12 wide with the two spaces after, the last one as wide as its text."""

from __future__ import annotations

from typing import Iterable, Sequence

_WIDTH, _GAP = 12, 2


def table(rows: Iterable[Sequence[str]]) -> str:
    """Lay rows out in columns.

    :param rows: each with as many cells; a header is a row like any other.
    :returns: the lines, each with its newline; empty for no rows.
    """
    listed = [tuple(row) for row in rows]
    if not listed:
        return ""
    widths = [max(_WIDTH, max(len(row[i]) for row in listed) + _GAP) for i in range(len(listed[0]))]
    return "".join("".join(cell.ljust(width) for cell, width in zip(row[:-1],
                                                                    widths)) + row[-1] + "\n" for row in listed)


def truncated(text: str, length: int) -> str:
    """The text, cut to ``length`` characters and three dots where it is longer than both together."""
    return text if len(text) <= length + 3 else text[:length] + "..."
