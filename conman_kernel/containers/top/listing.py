"""``top`` of a container: rows of podman's descriptors, or of what the host's ps(1) says of its processes."""

from __future__ import annotations

import os
from typing import Sequence

from ...cancel import Cancel
from ...errors import InvalidInput, InvalidState, Unavailable
from ...record import Record
from .. import rootfs
from ..context import Context
from ..rows import ContainerRow
from ..state import is_running, refreshed
from ..users import names_in
from .columns import COLUMNS, Names, chosen
from .reading import Process, processes


class ProcessTable(Record):
    """Processes in columns.

    :param headings: of the columns.
    :param rows: a text for each column, a row for each process.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def top(context: Context, row: ContainerRow, words: Sequence[str], cancel: Cancel) -> ProcessTable:
    """See :meth:`.Container.top`."""
    now = refreshed(context, row.id)
    if not is_running(context, now):
        raise InvalidState("top can only be used on running containers", hint=f"conman start {now.name}")
    asked = tuple(words)
    try:
        columns = chosen(asked)
    except InvalidInput as unknown:
        return _by_ps(processes(context, now), asked, unknown, cancel)
    names = _names(context, now, columns)
    return ProcessTable(tuple(COLUMNS[name][0] for name in columns),
                        tuple(tuple(COLUMNS[name][2](process, names) for name in columns) for process in processes(context, now)))


def _names(context: Context, row: ContainerRow, columns: tuple[str, ...]) -> Names:
    names = Names({}, {}, {}, {})
    if {"user", "ruser", "group", "rgroup", "groups"} & set(columns):
        names = _of_root(names, rootfs.path(context, row), host=False)
    if {"huser", "hgroup", "hgroups"} & set(columns):
        names = _of_root(names, "/", host=True)
    return names


def _of_root(names: Names, root: str, *, host: bool) -> Names:
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        users, groups = names_in(root_fd)
    finally:
        os.close(root_fd)
    return names._replace(host_users=users, host_groups=groups) if host else names._replace(users=users, groups=groups)


def _by_ps(found: list[Process], words: tuple[str, ...], unknown: InvalidInput, cancel: Cancel) -> ProcessTable:
    """Have the host's ps list what it lists, and keep the container's rows, with the numbers that they have inside.

    A list of columns of the caller's gets one of process numbers before it, by which rows are known; it is taken off again.
    """
    from ...processes import environment
    from ...support.programs import find, run, search_path

    program = find("ps", search_path(os.environ).split(":"))
    if not program:
        raise Unavailable("ps(1) options need the host's ps, and there is none", hint="apt-get install procps, or "
                          f"use descriptors: {', '.join(COLUMNS)}")
    own_columns = any(word.startswith("--format") or (word.startswith("-") and not word.startswith("--") and "o" in word)
                      for word in words) or ("o" in words[0] and words[0].isalpha())
    ended = run([program, *(("-o", "pid=") if own_columns else ()), *words],
                {**environment(), "LC_ALL": "C", "COLUMNS": "100000"}, cancel)
    if ended.code != 0:
        said = ended.errors.decode("utf-8", "replace").strip().splitlines()
        raise InvalidInput(f"{unknown.message}, and ps does not take it: {said[0] if said else f'exit code {ended.code}'}",
                           hint=unknown.hint)
    lines = ended.output.decode("utf-8", "replace").splitlines()
    inside = {process.hpid: process.pid for process in found}
    return _own(lines, inside) if own_columns else _known(lines, inside)


def _own(lines: list[str], inside: dict[int, int]) -> ProcessTable:
    """ps's output with a column of process numbers before it."""
    rows = [(int(number), rest) for line in lines[1:] for number, _, rest in [line.strip().partition(" ")] if number.isdigit()]
    headings = tuple(lines[0].split()) if lines else ()
    return ProcessTable(headings, tuple(_translated(_cells(rest, len(headings)), headings, inside)
                                        for number, rest in rows if number in inside))


def _known(lines: list[str], inside: dict[int, int]) -> ProcessTable:
    """ps's output with a column of process numbers of its own."""
    headings = tuple(lines[0].split()) if lines else ()
    if "PID" not in headings:
        raise InvalidInput("ps shows no process numbers with these options", hint="take some that do, such as -ef or aux")
    place = headings.index("PID")
    rows = [_cells(line, len(headings)) for line in lines[1:]]
    return ProcessTable(headings, tuple(_translated(row, headings, inside) for row in rows
                                        if row[place].isdigit() and int(row[place]) in inside))


def _cells(line: str, count: int) -> tuple[str, ...]:
    """The words of a row; the last column may hold several."""
    words = line.split(None, count - 1)
    return (*(word.strip() for word in words), *[""] * (count - len(words)))


def _translated(row: tuple[str, ...], headings: tuple[str, ...], inside: dict[int, int]) -> tuple[str, ...]:
    def number(heading: str, cell: str) -> str:
        if not cell.isdigit():
            return cell
        return str(inside[int(cell)]) if heading == "PID" and int(cell) in inside else str(inside.get(int(cell), 0))

    return tuple(number(heading, cell) if heading in ("PID", "PPID") else cell for heading, cell in zip(headings, row))
