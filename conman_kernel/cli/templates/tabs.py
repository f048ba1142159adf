"""Columns from text with tabs, as Go's text/tabwriter lays them out for podman: cells end at tabs, at least 12 wide with the two
spaces after; a column is as wide as its widest cell in the lines that follow each other and have it."""

from __future__ import annotations

_WIDTH, _GAP = 12, 2


def aligned(text: str) -> str:
    """The same lines with spaces for tabs."""
    lines = [line.split("\t") for line in text.split("\n")]
    widths: list[list[int]] = [[0] * (len(cells) - 1) for cells in lines]
    for column in range(max(map(len, widths), default=0)):
        begin = 0
        while begin < len(lines):
            end = begin
            while end < len(lines) and len(widths[end]) > column:
                end += 1
            if end > begin:
                widest = max(len(lines[number][column]) for number in range(begin, end))
                for number in range(begin, end):
                    widths[number][column] = max(_WIDTH, widest + _GAP)
            begin = max(end, begin + 1)
    return "\n".join("".join(cell.ljust(width) for cell, width in zip(cells, known)) + cells[-1]
                     for cells, known in zip(lines, widths))
